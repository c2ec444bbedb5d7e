"""What no schedule can beat: a proved lower bound of duty, travel and crew-days.

The relaxation forgets which days there are and when cells are due, and keeps this: every cell has two
legs, every tour starts and ends at a home, and no home sends out more tours than its crews have days.
``x`` counts legs between cells, ``y`` legs between a home and a cell. For every set S of cells, with T
the longest day (set-up left out), s service, t travel, d the way to the nearest home:

- tours that enter S: x(edge of S) >= 2 k(S), k the fewest tours whose days hold S (rounded capacity);
- time in S: s(S) + sum of t x inside <= sum over the edge of S of (T/2 - d) x. Each tour has T; what
  leaves S at i still has to come home, d(i). A tour that passes p times counts p T, which is more
  than it has, because d <= T/2 for each cell that can be flown at all.

The cuts are found where the relaxation breaks them (the second kind exactly, by a minimum cut), and are
solved by GLOP. What is returned is not the solver's word: from its multipliers the Lagrangian
bound is computed over all legs, those left out of the linear programme included, so that rounding or
an early end make the bound weaker, never wrong.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components, maximum_flow

from aerial.progress import SILENT, Progress
from aerial.records.cycle import Optimality
from aerial.schedule.problem import Problem
from aerial.schedule.routes import way

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NEIGHBOURS = 12  # legs of each cell in the programme at first; the rest is priced
_GROWN = 45  # cells of a set that grows along the legs of the relaxation
_SEEDS = 250
_NEW = 60  # grown sets a round
_LOAD_FACTORS = (1.0, 1.02, 1.05)  # sets that are nearly broken are worth rounding up


@dataclass(frozen=True, slots=True, kw_only=True)
class _Town:
    """The served cells, and homes that differ: ``home_hn`` s to each cell, ``tours_h`` crew-days."""

    travel_nn: Floats
    service_n: Floats
    home_hn: Floats
    setup_h: Floats
    tours_h: NDArray[np.int64]
    longest: float

    @property
    def near_n(self) -> Floats:
        return np.asarray(self.home_hn.min(axis=0))

    @property
    def step_n(self) -> Floats:
        """Seconds of the shortest leg of each cell."""
        others = self.travel_nn + np.where(np.eye(len(self.service_n), dtype=bool), np.inf, 0.0)
        return np.asarray(np.minimum(others.min(axis=0), self.near_n))

    def fewest(self, inside: Mask) -> int:
        """Return how many tours the cells ``inside`` need at least.

        The first cell of a tour is reached from home, each other by no less than its shortest leg; then
        the tour goes home.
        """
        near, step = self.near_n[inside], self.step_n[inside]
        needed = self.service_n[inside].sum() + step.sum()
        lost = (near - step).min() + near.min()
        return max(math.ceil(needed / max(self.longest - lost, 1.0) - 1e-9), 1)


@dataclass(slots=True)
class _Cuts:
    """Cuts in the order of their rows: masks, right sides, which of them are of the first kind."""

    masks: list[Mask] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    rounded: list[bool] = field(default_factory=list)
    seen: set[tuple[bool, bytes]] = field(default_factory=set)


class _Relaxation:
    def __init__(self, town: _Town) -> None:
        self.town, self.n = town, len(town.service_n)
        self.near_n, self.step_n = town.near_n, town.step_n
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        self.degree = [self.solver.Constraint(2, 2) for _ in range(self.n)]
        self.fleet = [self.solver.Constraint(0, 2 * int(count)) for count in town.tours_h]
        self.y = [[self.solver.NumVar(0, 2, "") for _ in range(self.n)] for _ in town.tours_h]
        for h, row in enumerate(self.y):
            for i, variable in enumerate(row):
                self.degree[i].SetCoefficient(variable, 1)
                self.fleet[h].SetCoefficient(variable, 1)
        self.x: list[pywraplp.Variable] = []
        self.ends_E2 = np.zeros((0, 2), dtype=np.int64)
        self.rows: list[pywraplp.Constraint] = []
        self.cuts = _Cuts()
        near = np.argsort(town.travel_nn + np.diag(np.full(self.n, np.inf)), axis=1, kind="stable")
        pairs = {
            (min(i, int(j)), max(i, int(j))) for i in range(self.n) for j in near[i, :_NEIGHBOURS] if i != j
        }
        self.add_legs(np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2))
        everything = np.ones(self.n, dtype=bool)
        self.add_cut(everything, rounded=True)
        self.add_cut(everything, rounded=False)

    def add_legs(self, ends_E2: NDArray[np.int64]) -> None:
        for a, b in ends_E2.tolist():
            variable = self.solver.NumVar(0, 1, "")
            self.x.append(variable)
            self.degree[a].SetCoefficient(variable, 1)
            self.degree[b].SetCoefficient(variable, 1)
            for mask, rounded, row in zip(self.cuts.masks, self.cuts.rounded, self.rows, strict=True):
                factor = self._factor(mask, rounded, a, b)
                if factor:
                    row.SetCoefficient(variable, factor)
        self.ends_E2 = np.concatenate((self.ends_E2, ends_E2))

    def _factor(self, mask: Mask, rounded: bool, a: int, b: int) -> float:
        if mask[a] and mask[b]:
            return 0.0 if rounded else -float(self.town.travel_nn[a, b])
        if mask[a] == mask[b]:
            return 0.0
        return 1.0 if rounded else float(self.town.longest / 2 - self.near_n[a if mask[a] else b])

    def add_cut(self, mask: Mask, *, rounded: bool, right: float | None = None) -> bool:
        key = (rounded, mask.tobytes())
        if key in self.cuts.seen:
            return False
        self.cuts.seen.add(key)
        if right is None:
            right = 2.0 * self.town.fewest(mask) if rounded else float(self.town.service_n[mask].sum())
        row = self.solver.Constraint(right, self.solver.infinity())
        inside_E2 = mask[self.ends_E2]
        touched = inside_E2.any(axis=1) if not rounded else inside_E2[:, 0] != inside_E2[:, 1]
        for e in np.flatnonzero(touched).tolist():
            row.SetCoefficient(self.x[e], self._factor(mask, rounded, *self.ends_E2[e].tolist()))
        for h, variables in enumerate(self.y):
            for i in np.flatnonzero(mask).tolist():
                factor = 1.0 if rounded else float(self.town.longest / 2 - self.town.home_hn[h, i])
                row.SetCoefficient(variables[i], factor)
        self.rows.append(row)
        self.cuts.masks.append(mask)
        self.cuts.right.append(right)
        self.cuts.rounded.append(rounded)
        return True

    def raise_tours(self, tours: int) -> None:
        """Ask for at least so many tours in all: the first cut is the one of all cells."""
        self.cuts.right[0] = max(self.cuts.right[0], 2.0 * tours)
        self.rows[0].SetLb(self.cuts.right[0])

    def minimise(self, leg: float, home_h: Floats, home_travel: float) -> bool:
        """Solve for cost ``leg`` x travel between cells, and home_h + ``home_travel`` x travel from home."""
        goal = self.solver.Objective()
        for variable, (a, b) in zip(self.x, self.ends_E2.tolist(), strict=True):
            goal.SetCoefficient(variable, leg * float(self.town.travel_nn[a, b]))
        for h, variables in enumerate(self.y):
            for i, variable in enumerate(variables):
                goal.SetCoefficient(variable, float(home_h[h] + home_travel * self.town.home_hn[h, i]))
        goal.SetMinimization()
        return bool(self.solver.Solve() == pywraplp.Solver.OPTIMAL)

    def proved(self, leg: float, home_h: Floats, home_travel: float) -> tuple[float, Floats]:
        """Return the Lagrangian bound of the last solution's multipliers, and the reduced cost of each leg."""
        town = self.town
        pi = np.array([row.dual_value() for row in self.degree])
        fleet = np.minimum([row.dual_value() for row in self.fleet], 0.0)
        weight = np.maximum([row.dual_value() for row in self.rows], 0.0)
        masks = np.array(self.cuts.masks, dtype=float).reshape(-1, self.n)
        rounded = np.array(self.cuts.rounded)
        bound = (
            2 * pi.sum() + float((2 * town.tours_h * fleet).sum()) + float(weight @ np.array(self.cuts.right))
        )
        legs = leg * town.travel_nn - pi[:, None] - pi[None]
        homes = home_h[:, None] + home_travel * town.home_hn - pi[None] - fleet[:, None]
        first, second = np.where(rounded, weight, 0.0), np.where(rounded, 0.0, weight)
        alone, both = first @ masks, masks.T @ (first[:, None] * masks)
        legs -= alone[:, None] + alone[None] - 2 * both
        homes -= alone[None]
        alone, both = second @ masks, masks.T @ (second[:, None] * masks)
        reach = town.longest / 2 - self.near_n
        out = reach[:, None] * (alone[:, None] - both)
        legs -= out + out.T - town.travel_nn * both
        homes -= (town.longest / 2 - town.home_hn) * alone[None]
        upper = np.triu_indices(self.n, 1)
        bound += float(np.minimum(legs[upper], 0.0).sum()) + 2 * float(np.minimum(homes, 0.0).sum())
        return bound, legs

    def add_priced(self, legs_nn: Floats) -> bool:
        """Put legs that would lower the bound into the programme, the worst first."""
        known = np.zeros((self.n, self.n), dtype=bool)
        known[self.ends_E2[:, 0], self.ends_E2[:, 1]] = True
        wanted = np.argwhere(np.triu(legs_nn < -1e-6, 1) & ~known)
        worst = wanted[np.argsort(legs_nn[wanted[:, 0], wanted[:, 1]], kind="stable")][:500]
        self.add_legs(worst)
        return bool(len(worst))

    def separate(self, rng: np.random.Generator) -> int:
        """Add cuts that the last solution breaks; return how many."""
        x = np.array([variable.solution_value() for variable in self.x])
        y_hn = np.array([[variable.solution_value() for variable in row] for row in self.y])
        used = x > 1e-7
        ends, x = self.ends_E2[used], x[used]
        graph = csr_matrix((x, (ends[:, 0], ends[:, 1])), (self.n, self.n))
        added = 0
        count, label = connected_components(graph, directed=False)
        for part in range(count if count > 1 else 0):
            for mask in (label == part, label != part):
                added += self._if_broken(mask, ends, x, y_hn)
        for factor in _LOAD_FACTORS:
            for mask in self._overfull(factor, ends, x, y_hn, graph):
                added += self._if_broken(mask, ends, x, y_hn)
        return added + self._grown(ends, x, rng)

    def _if_broken(self, mask: Mask, ends: NDArray[np.int64], x: Floats, y_hn: Floats) -> int:
        inside = mask[ends]
        crossing = inside[:, 0] != inside[:, 1]
        entering = x[crossing].sum() + y_hn[:, mask].sum()
        added = 0
        if entering < 2 * self.town.fewest(mask) - 1e-3:
            added += self.add_cut(mask, rounded=True)
        end = np.where(inside[:, 0], ends[:, 0], ends[:, 1])
        reach = self.town.longest / 2 - self.near_n
        room = (reach[end] * x)[crossing].sum() + ((self.town.longest / 2 - self.town.home_hn) * y_hn)[
            :, mask
        ].sum()
        within = (self.town.travel_nn[ends[:, 0], ends[:, 1]] * x)[inside.all(axis=1)].sum()
        if room - within < self.town.service_n[mask].sum() - 1.0:
            added += self.add_cut(mask, rounded=False)
        return added

    def _overfull(
        self, factor: float, ends: NDArray[np.int64], x: Floats, y_hn: Floats, graph: csr_matrix
    ) -> list[Mask]:
        """Return the sets that break the second kind most, service taken ``factor`` times: a minimum cut."""
        n, (a, b) = self.n, ends.T
        leg = self.town.travel_nn[a, b]
        half = 0.5 * (np.bincount(a, leg * x, n) + np.bincount(b, leg * x, n))
        load = factor * (self.town.service_n + half)
        reach = self.town.longest / 2 - self.near_n
        home = ((self.town.longest / 2 - self.town.home_hn) * y_hn).sum(axis=0)
        every = np.arange(n)
        rows = np.concatenate((np.full(n, n), a, b, every))
        columns = np.concatenate((every, b, a, np.full(n, n + 1)))
        capacity = np.concatenate((load, (reach[a] + leg / 2) * x, (reach[b] + leg / 2) * x, home))
        scale = min(100.0, 1e9 / max(capacity.sum(), 1.0))
        network = csr_matrix(
            (np.round(np.maximum(capacity, 0) * scale).astype(np.int32), (rows, columns)), (n + 2, n + 2)
        )
        rest = network - maximum_flow(network, n, n + 1).flow
        rest.data[rest.data < 0] = 0
        rest.eliminate_zeros()
        reached = breadth_first_order(rest, n, directed=True, return_predecessors=False)
        inside = np.sort(reached[reached < n])
        if not len(inside):
            return []
        count, label = connected_components(graph[inside][:, inside], directed=False)
        found = []
        for part in range(count):
            mask = np.zeros(n, dtype=bool)
            mask[inside[label == part]] = True
            found.append(mask)
        return found

    def _grown(self, ends: NDArray[np.int64], x: Floats, rng: np.random.Generator) -> int:
        """Grow sets along the strongest legs and add the one of each seed that is broken most."""
        near_n, step_n, town = self.near_n, self.step_n, self.town
        joined = np.zeros((self.n, self.n))
        joined[ends[:, 0], ends[:, 1]] = x
        joined += joined.T
        added = 0
        for seed in rng.permutation(self.n)[:_SEEDS].tolist():
            mask = np.zeros(self.n, dtype=bool)
            mask[seed] = True
            entering, links = 2.0, joined[seed].copy()
            needed = town.service_n[seed] + step_n[seed]
            gap, near = near_n[seed] - step_n[seed], near_n[seed]
            best, broken = None, 1e-2
            for _ in range(min(_GROWN, self.n - 1)):
                links[mask] = -1.0
                grown = int(links.argmax())
                if links[grown] <= 1e-9:
                    break
                mask[grown] = True
                entering += 2.0 - 2.0 * links[grown]
                links += joined[grown]
                needed += town.service_n[grown] + step_n[grown]
                gap, near = min(gap, near_n[grown] - step_n[grown]), min(near, near_n[grown])
                tours = math.ceil(needed / max(town.longest - gap - near, 1.0) - 1e-9)
                if 2 * tours - entering > broken:
                    best, broken = mask.copy(), 2 * tours - entering
            added += best is not None and self.add_cut(best, rounded=True)
            if added >= _NEW:
                break
        return added


def prove(
    problem: Problem, routes: Sequence[Sequence[int]], seconds: float, progress: Progress = SILENT
) -> Optimality:
    """Return how near ``routes``, a vehicle each, are to the best schedule of the same cells.

    Takes about ``seconds``; a longer time proves more.
    """
    n = len(problem.jobs)
    travel_s = sum(way(problem.travel_NN, n + v, route) for v, route in enumerate(routes) if route)
    setup_s = sum(int(problem.setup_m[v]) for v, route in enumerate(routes) if route)
    served = np.array(sorted(stop for route in routes for stop in route), dtype=int)
    service_s = int(problem.service_n[served].sum())
    shifts = sum(bool(route) for route in routes)
    duty_s = setup_s + travel_s + service_s
    progress.phase("prove the bound", 1)
    least_s, least_travel_s, fewest = _least(_town(problem, served), seconds) if len(served) else (0, 0, 0)
    progress.advance()
    bound_s = service_s + least_s
    return Optimality(
        duty_s=duty_s,
        duty_bound_s=bound_s,
        gap=(duty_s - bound_s) / duty_s if duty_s else 0.0,
        travel_s=travel_s,
        travel_bound_s=least_travel_s,
        travel_gap=(travel_s - least_travel_s) / travel_s if travel_s else 0.0,
        shifts=shifts,
        shifts_bound=fewest,
    )


def _town(problem: Problem, served: NDArray[np.int64]) -> _Town:
    n = len(problem.jobs)
    homes: dict[bytes, list[int]] = {}
    for v in range(len(problem.days)):
        homes.setdefault(problem.travel_NN[n + v].tobytes(), []).append(v)
    groups = list(homes.values())
    return _Town(
        travel_nn=problem.travel_NN[np.ix_(served, served)].astype(float),
        service_n=problem.service_n[served].astype(float),
        home_hn=np.array([problem.travel_NN[n + group[0], served] for group in groups], dtype=float),
        setup_h=np.array([problem.setup_m[group].min() for group in groups], dtype=float),
        tours_h=np.array([len(group) for group in groups]),
        longest=float(problem.capacity_m.max()),
    )


def _least(town: _Town, seconds: float) -> tuple[int, int, int]:
    """Return bounds of set-up and travel together, of travel alone (s), and of crew-days."""
    began = time.monotonic()
    relaxation = _Relaxation(town)
    rng = np.random.default_rng(0)
    half_setup, nothing, a_half = (
        town.setup_h / 2,
        np.zeros(len(town.setup_h)),
        np.full(len(town.setup_h), 0.5),
    )
    duty, travel, count = (1.0, half_setup, 1.0), (1.0, nothing, 1.0), (0.0, a_half, 0.0)

    def best_of(goal: tuple[float, Floats, float]) -> float:
        found = -math.inf
        for _ in range(4):
            if not relaxation.minimise(*goal):
                break
            value, legs = relaxation.proved(*goal)
            found = max(found, value)
            if not relaxation.add_priced(legs):
                break
        return found

    while (
        relaxation.minimise(*duty) and relaxation.separate(rng) and time.monotonic() - began < 0.75 * seconds
    ):
        pass
    tours = max(town.fewest(np.ones(len(town.service_n), dtype=bool)), 1)
    tours = max(tours, math.ceil(max(best_of(count), 0.0) - 1e-6))
    relaxation.raise_tours(tours)
    least_travel = max(best_of(travel), 0.0)
    least = max(best_of(duty), least_travel + tours * float(town.setup_h.min()))
    # Sums of whole seconds, computed in floating point.
    return math.floor(least - 0.01), math.floor(least_travel - 0.01), tours
