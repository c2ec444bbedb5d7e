"""What no schedule can beat: a proved lower bound of duty, travel and crew-days.

Every schedule is a choice of days (a home, a walk over cells that fits the longest day of its crews)
that visits each cell, no more days a home than its crews have; which days there are and when cells are
due is left out. For any payments p of the cells, its set-up and travel cost at least

    sum p + sum over homes of (their days) x min(0, least of cost - p over the days from there)

The payments are found by column generation (GLOP), each held in a box around the best ones so far
(boxstep: Marsten, Hogan and Blankenship 1975, Operations Research 23(3), 389-405). What is returned is
not the solver's word: it is this formula, computed over a set of walks that holds every real day
(``pricing``), so that an early end makes the bound weaker, never wrong.
"""

import math
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ortools.linear_solver import pywraplp

from aerial.progress import SILENT, Progress
from aerial.records.cycle import Optimality
from aerial.schedule.pricing import Pricer, Town, Walk
from aerial.schedule.problem import Problem
from aerial.schedule.routes import way

Floats = NDArray[np.float64]

_NEAR = 24  # cells from which legs come while the payments are sought
_WALKS = 150  # of each home a round
_MODEST = 0.93  # of the first payments
_REACH, _WIDER, _NARROWER = 0.1, 1.5, 0.7  # how far payments may leave the best so far, as a share
_ENOUGH = 2e-4  # of the bound: a round that can bring no more ends the search


def prove(
    problem: Problem, routes: Sequence[Sequence[int]], seconds: float, progress: Progress = SILENT
) -> Optimality:
    """Return how near ``routes``, a vehicle each, are to the best schedule of the same cells.

    Takes about ``seconds``; a longer time proves more.
    """
    n = len(problem.jobs)
    travel_s = sum(way(problem.travel_NN, n + v, route) for v, route in enumerate(routes) if route)
    setup_s = sum(int(problem.setup_m[v]) for v, route in enumerate(routes) if route)
    served = np.array(sorted(stop for route in routes for stop in route), dtype=np.int64)
    service_s = int(problem.service_n[served].sum())
    duty_s = setup_s + travel_s + service_s
    progress.phase("prove the bound", 1)
    least_s, fewest = 0, 0
    if len(served):
        town, homes = _town(problem, served)
        place = {int(stop): i for i, stop in enumerate(served)}
        known = [
            Walk(
                home=homes[v],
                cost=int(problem.setup_m[v]) + way(problem.travel_NN, n + v, route),
                times={place[stop]: 1 for stop in route},
            )
            for v, route in enumerate(routes)
            if route
        ]
        least_s = _least(town, known, seconds)
        fewest = _fewest(town, service_s, least_s)
    progress.advance()
    bound_s, travel_bound_s = service_s + least_s, max(least_s - setup_s, 0)
    return Optimality(
        duty_s=duty_s,
        duty_bound_s=bound_s,
        gap=(duty_s - bound_s) / duty_s if duty_s else 0.0,
        travel_s=travel_s,
        travel_bound_s=travel_bound_s,
        travel_gap=(travel_s - travel_bound_s) / travel_s if travel_s else 0.0,
        shifts=sum(bool(route) for route in routes),
        shifts_bound=fewest,
    )


def _town(problem: Problem, served: NDArray[np.int64]) -> tuple[Town, list[int]]:
    """Return the served cells with homes that differ, and the home of each vehicle."""
    n = len(problem.jobs)
    numbers: dict[bytes, int] = {}
    homes = [
        numbers.setdefault(problem.travel_NN[n + v, :n].tobytes(), len(numbers))
        for v in range(len(problem.days))
    ]
    groups = [[v for v, home in enumerate(homes) if home == number] for number in range(len(numbers))]
    return Town(
        travel_nn=problem.travel_NN[np.ix_(served, served)],
        service_n=problem.service_n[served],
        home_hn=np.array([problem.travel_NN[n + group[0], served] for group in groups]),
        setup_h=np.array([problem.setup_m[group].min() for group in groups]),
        longest_h=np.array([problem.capacity_m[group].max() for group in groups]),
        days_h=np.array([len(group) for group in groups]),
    ), homes


def _fewest(town: Town, service_s: int, least_s: int) -> int:
    """Return how many days any schedule needs: the longest must hold service and the least travel."""
    for days in range(1, int(town.days_h.sum()) + 1):
        if days * int(town.longest_h.max()) >= service_s + max(least_s - days * int(town.setup_h.max()), 0):
            return days
    return int(town.days_h.sum())


class _Master:
    """The linear programme over the walks known so far, its payments held near those that are best."""

    def __init__(self, town: Town) -> None:
        self.town, self.walks = town, 0
        self.solver = pywraplp.Solver.CreateSolver("GLOP")
        far = self.solver.infinity()
        self.visits = [self.solver.Constraint(1, far) for _ in town.service_n]
        self.days = [self.solver.Constraint(-far, int(days)) for days in town.days_h]
        self.goal = self.solver.Objective()
        self.goal.SetMinimization()
        # A visit bought at the highest payment allowed, one sold at the lowest: they keep it between.
        self.bought = [self.solver.NumVar(0, far, "") for _ in town.service_n]
        self.sold = [self.solver.NumVar(0, far, "") for _ in town.service_n]
        for row, bought, sold in zip(self.visits, self.bought, self.sold, strict=True):
            row.SetCoefficient(bought, 1)
            row.SetCoefficient(sold, -1)

    def add(self, walks: Sequence[Walk]) -> None:
        self.walks += len(walks)
        for walk in walks:
            column = self.solver.NumVar(0, self.solver.infinity(), "")
            self.goal.SetCoefficient(column, float(walk.cost))
            self.days[walk.home].SetCoefficient(column, 1)
            for cell, times in walk.times.items():
                self.visits[cell].SetCoefficient(column, times)

    def payments(self, low_n: Floats, high_n: Floats) -> tuple[float, Floats] | None:
        """Return the value and the payments, each between its limits; None: the solver gave up."""
        for i, (bought, sold) in enumerate(zip(self.bought, self.sold, strict=True)):
            self.goal.SetCoefficient(bought, float(high_n[i]))
            self.goal.SetCoefficient(sold, -float(low_n[i]))
        if self.solver.Solve() != pywraplp.Solver.OPTIMAL:
            return None
        return self.goal.Value(), np.array([row.dual_value() for row in self.visits]).clip(low_n, high_n)


def _least(town: Town, known: Sequence[Walk], seconds: float) -> int:
    """Return a lower bound in s of set-up and travel of every schedule; ``known`` is one."""
    began = time.monotonic()
    master = _Master(town)
    master.add(known)
    quick, whole = Pricer(town, _NEAR), Pricer(town)
    pay = trial = _first_payments(town)
    best, reach, proved, proof_s = -math.inf, _REACH, 0.0, 0.0
    # Where days are far from full, cells bear more than their share of the time.
    heavier = 0.97 * sum(walk.cost for walk in known) / pay.sum() * pay
    if _value(town, heavier, quick.cheapest(heavier, 0)[0]) > _value(town, pay, quick.cheapest(pay, 0)[0]):
        pay = trial = heavier
    while True:
        asked = time.monotonic()
        cost_h, walks = quick.cheapest(trial, _WALKS)
        if not proof_s:
            # The whole takes longer by the legs that it has more.
            proof_s = 1.3 * (time.monotonic() - asked) * whole.from_nk.size / max(quick.from_nk.size, 1)
        value = _value(town, trial, cost_h)
        if value > best:
            best, pay, reach = value, trial, min(reach * _WIDER, 1.0)
        else:
            reach *= _NARROWER
        master.add(walks)
        found = master.payments(pay * (1 - reach), pay * (1 + reach))
        if found is not None and found[0] - best > _ENOUGH * abs(best):
            trial = found[1]
            if time.monotonic() - began + proof_s < seconds:
                continue
        cost_h, walks = whole.cheapest(pay, _WALKS)
        value = _value(town, pay, cost_h)
        proved = max(proved, value)
        if value > best - _ENOUGH * abs(best) or time.monotonic() - began + 2 * proof_s > seconds:
            # Sums of whole seconds, computed in floating point.
            return max(math.floor(proved - 0.01), 0)
        # A long leg pays: its walks join, and what was thought best is worth what was proved.
        master.add(walks)
        best, trial = value, pay


def _first_payments(town: Town) -> Floats:
    """Return what a cell costs on a full day around it: its share of the way there, and one leg."""
    apart_nn = town.travel_nn + np.diag(np.full(len(town.service_n), 2**40))
    nearest = np.sort(apart_nn, axis=1)[:, :2]
    leg_n = np.where(nearest < 2**40, nearest, town.home_hn.min(axis=0)[:, None]).mean(axis=1)
    home = town.home_hn.argmin(axis=0)
    there_n = town.home_hn.min(axis=0)
    room_n = np.maximum(town.longest_h[home] - 2 * there_n + leg_n, 1.0)
    share_n = np.minimum((town.service_n + leg_n) / room_n, 1.0)
    return np.asarray(_MODEST * (share_n * (town.setup_h[home] + 2 * there_n) + leg_n))


def _value(town: Town, pay_n: Floats, cost_h: Floats) -> float:
    return float(pay_n.sum() + (town.days_h * np.minimum(cost_h, 0.0)).sum())
