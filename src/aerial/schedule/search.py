"""Tours of least cost: ruin a few neighbouring tours, insert again at the cheapest places, anneal.

The neighbourhood is slack induction by string removals (Christiaens and Vanden Berghe 2020,
Transportation Science 54(2), 417-433). The moves are drawn from a fixed seed and the temperature
falls with their number, so that a search that ends by its moves, not by its clock, repeats itself.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aerial.progress import SILENT, Progress

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_REMOVED = 10  # cells a move removes on average, and
_STRING = 10  # the most that it takes of one tour: the values of the paper
_BLINK = 0.01  # share of places that an insertion overlooks
_ON_PURPOSE = 0.2  # share of moves around what is wrong, where something is
_RANK_S = 2e4  # more than any way
_STAGES = 100  # of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Tours:
    """What a search is about: cells 0..n-1, and vehicles (a crew on a day) 0..m-1.

    ``travel_NN``: seconds between nodes, cells first, then the home of each vehicle. ``service_n`` in
    s; ``capacity_m``: s of travel and service that fit into a vehicle's day; ``fixed_m``: s that it
    costs to use it. ``extra_nm``: cost of cell i in vehicle v beyond time; inf forbids. ``absent_n``:
    cost of a cell that no vehicle serves.
    """

    travel_NN: Ints
    service_n: Ints
    capacity_m: Ints
    fixed_m: Ints
    extra_nm: Floats
    absent_n: Floats


class _State:
    """Tours as rings through their home node, with what an insertion needs at hand."""

    def __init__(self, tours: Tours, routes: Sequence[Sequence[int]]) -> None:
        n, m = tours.extra_nm.shape
        self.n, self.m, self.tours = n, m, tours
        self.travel = tours.travel_NN.astype(float)
        self.service = tours.service_n.astype(float).tolist()
        self.next = np.arange(n + m)
        self.prev = np.arange(n + m)
        # -1: served by nobody. Homes belong to their vehicle.
        self.vehicle = np.concatenate((np.full(n, -1), np.arange(m)))
        self.leg = np.concatenate((np.full(n, -np.inf), np.zeros(m)))
        self.left = np.concatenate((np.full(n, -np.inf), tours.capacity_m.astype(float)))
        self.opening = np.concatenate((np.zeros(n), tours.fixed_m.astype(float)))
        # How many vehicles are best for a cell: those with few go first.
        least_n = tours.extra_nm.min(axis=1, initial=np.inf)
        self.least_n = np.where(np.isfinite(least_n), least_n, 0.0)
        self.choices_n = (tours.extra_nm == least_n[:, None]).sum(axis=1)
        self.absent = set(range(n))
        self.cost = float(tours.absent_n.sum())
        for vehicle, route in enumerate(routes):
            after = n + vehicle
            for cell in route:
                self.insert(cell, after)
                after = cell

    def snapshot(self) -> tuple[object, ...]:
        return (self.next.copy(), self.prev.copy(), self.vehicle.copy(), self.leg.copy(), self.left.copy(),
                self.opening.copy(), set(self.absent), self.cost)  # fmt: skip

    def restore(self, saved: tuple[object, ...]) -> None:
        (self.next, self.prev, self.vehicle, self.leg, self.left, self.opening, self.absent,
         self.cost) = saved  # type: ignore[assignment]  # fmt: skip

    def insert(self, cell: int, after: int) -> None:
        before, vehicle = int(self.next[after]), int(self.vehicle[after])
        home = self.n + vehicle
        into, out = self.travel[after, cell], self.travel[cell, before]
        detour = into + out - self.leg[after]
        self.cost += (
            detour + self.opening[after] * (after == before)
            + self.tours.extra_nm[cell, vehicle] - self.tours.absent_n[cell]
        )  # fmt: skip
        self.opening[home] = 0.0
        self.leg[after], self.leg[cell] = into, out
        self.next[after] = self.prev[before] = cell
        self.next[cell], self.prev[cell] = before, after
        self.vehicle[cell] = vehicle
        self.left[home] -= detour + self.service[cell]
        self.absent.discard(cell)

    def remove(self, cell: int) -> None:
        before, after = int(self.prev[cell]), int(self.next[cell])
        vehicle = int(self.vehicle[cell])
        home = self.n + vehicle
        straight = self.travel[before, after]
        saved = self.leg[before] + self.leg[cell] - straight
        self.leg[before], self.leg[cell] = straight, -np.inf
        self.next[before], self.prev[after] = after, before
        self.vehicle[cell] = -1
        self.left[home] += saved + self.service[cell]
        self.cost += self.tours.absent_n[cell] - self.tours.extra_nm[cell, vehicle] - saved
        if before == after == home:
            self.opening[home] = self.tours.fixed_m[vehicle]
            self.cost -= self.opening[home]
        self.absent.add(cell)

    def place(self, cell: int, overlooked: NDArray[np.bool_] | None) -> int | None:
        """Return the node after which the cell costs least; None: it fits nowhere for less than absence."""
        to = self.travel[cell]
        detour = to + to[self.next] - self.leg
        homes = self.n + self.vehicle  # of absent cells n-1: their leg is -inf, which excludes them
        cost = detour + self.opening + self.tours.extra_nm[cell][self.vehicle]
        cost[detour + self.service[cell] > self.left[homes]] = np.inf
        if overlooked is not None:
            cost[overlooked] = np.inf
        best = int(cost.argmin())
        return best if cost[best] < self.tours.absent_n[cell] else None

    def routes(self) -> tuple[tuple[int, ...], ...]:
        found = []
        for vehicle in range(self.m):
            home, route = self.n + vehicle, []
            node = int(self.next[home])
            while node != home:
                route.append(node)
                node = int(self.next[node])
            found.append(tuple(route))
        return tuple(found)


def search(
    tours: Tours,
    start: Sequence[Sequence[int]],
    *,
    moves: int,
    seconds: float,
    warmth: float = 1.0,
    seed: int = 0,
    progress: Progress = SILENT,
) -> tuple[tuple[tuple[int, ...], ...], float]:
    """Return the best tours found, a vehicle each, and their cost (service not counted).

    Ends after ``moves``, or ``seconds`` where that is sooner. ``warmth``: factor of the temperature at
    the start; 0 only ever takes what is no worse.
    """
    n = len(tours.service_n)
    rng = np.random.default_rng(seed)
    state = _State(tours, start)
    hard_first = sorted(state.absent, key=lambda cell: (state.choices_n[cell], cell))
    _recreate(state, hard_first, rng, blink=False)
    best, best_cost = state.routes(), state.cost
    near_nn = np.argsort(tours.travel_NN[:n, :n], axis=1, kind="stable")
    # From a tenth to a thousandth of what a cell's way costs on average.
    mean_leg = float(np.sort(tours.travel_NN[:n, :n], axis=1)[:, 1 : min(n, 6)].mean()) if n > 1 else 1.0
    hot, cold = max(warmth * mean_leg, 1e-6), 0.01 * mean_leg
    began, told = time.monotonic(), 0
    progress.phase("improve the tours", _STAGES)
    for move in range(moves if n > 1 else 0):
        share = max(move / moves, (time.monotonic() - began) / seconds)
        if share >= 1:
            break
        if share * _STAGES >= told + 1:
            progress.advance(int(share * _STAGES) - told)
            told = int(share * _STAGES)
        saved = state.snapshot()
        _ruin(state, near_nn, rng)
        _recreate(state, _order(state, rng), rng, blink=True)
        temperature = hot * (cold / hot) ** share if warmth else 0.0
        if state.cost > saved[-1] - temperature * math.log(1.0 - rng.random()):  # type: ignore[operator]
            state.restore(saved)
        elif state.cost < best_cost - 1e-6:
            best, best_cost = state.routes(), state.cost
    return best, best_cost


def first_tours(tours: Tours, cells: Sequence[int], rank_m: Floats) -> tuple[tuple[int, ...], ...]:
    """Return tours that take ``cells`` in this order, each where ``rank_m`` and then its way are least."""
    ranked = replace(tours, extra_nm=tours.extra_nm + _RANK_S * rank_m[None])
    state = _State(ranked, [() for _ in rank_m])
    _recreate(state, cells, np.random.default_rng(0), blink=False)
    return state.routes()


def _ruin(state: _State, near_nn: Ints, rng: np.random.Generator) -> None:
    used = [v for v in range(state.m) if state.next[state.n + v] != state.n + v]
    if not used:
        return
    mean_length = (state.n - len(state.absent)) / len(used)
    longest = min(_STRING, mean_length)
    strings = int(rng.random() * (4 * _REMOVED / (1 + longest) - 1) + 1)
    touched: set[int] = set()
    seed = _seed(state, rng)
    # What is wrong is put right only where it costs least.
    wrong = state.vehicle[seed] < 0 or state.tours.extra_nm[seed, state.vehicle[seed]] > state.least_n[seed]
    useful_m = state.tours.extra_nm[seed] <= state.least_n[seed]
    for cell in near_nn[seed].tolist():
        vehicle = int(state.vehicle[cell])
        if (
            vehicle < 0
            or vehicle in touched
            or (wrong and vehicle != state.vehicle[seed] and not useful_m[vehicle])
        ):
            continue
        route = []
        node = int(state.next[state.n + vehicle])
        while node != state.n + vehicle:
            route.append(node)
            node = int(state.next[node])
        length = int(rng.random() * min(longest, len(route)) + 1)
        at = route.index(cell)
        first = int(rng.integers(max(0, at - length + 1), min(at, len(route) - length) + 1))
        for gone in route[first : first + length]:
            state.remove(gone)
        touched.add(vehicle)
        if len(touched) >= strings:
            return


def _seed(state: _State, rng: np.random.Generator) -> int:
    """Return the cell around which to remove: sometimes one that is absent or costs more than it could."""
    if rng.random() < _ON_PURPOSE:
        vehicle_n = state.vehicle[: state.n]
        extra_n = state.tours.extra_nm[np.arange(state.n), vehicle_n]
        wrong = np.flatnonzero((vehicle_n < 0) | (extra_n > state.least_n))
        if len(wrong):
            return int(wrong[rng.integers(len(wrong))])
    return int(rng.integers(state.n))


def _order(state: _State, rng: np.random.Generator) -> list[int]:
    cells = np.array(sorted(state.absent), dtype=int)
    if not len(cells):
        return []
    kind = rng.random()
    if kind < 0.2:
        keys = rng.random(len(cells))
    elif kind < 0.35:
        # Without a risk that differs, the order of the cells.
        keys = -state.tours.absent_n[cells]
    elif kind < 0.5:
        keys = state.choices_n[cells].astype(float)
    elif kind < 0.75:
        keys = -state.tours.service_n[cells].astype(float)
    else:
        home = state.travel[cells, state.n :].min(axis=1)
        keys = -home if kind < 0.9 else home
    return [int(cell) for cell in cells[np.argsort(keys, kind="stable")]]


def _recreate(state: _State, cells: Sequence[int], rng: np.random.Generator, *, blink: bool) -> None:
    for cell in cells:
        overlooked = rng.random(state.n + state.m) < _BLINK if blink else None
        after = state.place(cell, overlooked)
        if after is not None:
            state.insert(cell, after)
