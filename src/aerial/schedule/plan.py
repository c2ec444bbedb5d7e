"""A schedule for a whole cycle."""

import time
from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.records.cycle import CellJob, Cycle, Late, Optimality, Shift, Squad
from aerial.records.finding import Finding
from aerial.schedule.bound import prove
from aerial.schedule.crews import require_squad
from aerial.schedule.problem import (
    OpenDay,
    Problem,
    due_day,
    filing_deadline,
    make_problem,
    middle,
    open_days,
    require_jobs,
    window,
    zone_of,
)
from aerial.schedule.routes import shortest_order
from aerial.schedule.search import Tours, first_tours, search
from aerial.schedule.shifts import fitting, late_cells, make_shift, with_extras

Floats = NDArray[np.float64]
Routes = tuple[tuple[int, ...], ...]

# Seconds that a lateness is worth: more than any way, and less than not flying at all.
_LATE_S = 1e6
_LATE_DAY_S = 1e4
_ABSENT_S = 3e6
# Moves of the search for each second given: fewer than a core of a field laptop does with 501 cells, so
# that the moves end the search and not the clock, and the same inputs give the same schedule.
_MOVES_A_SECOND = 2000
_SEARCH_SHARE = 0.55
_BOUND_SHARE = 0.4
_TOTAL_SHARE = 0.95


def plan_cycle(
    jobs: Sequence[CellJob],
    squad: Squad,
    start: date,
    *,
    decided_at: datetime,
    rain: Sequence[date] = (),
    absent: Collection[tuple[str, date]] = (),
    previous: Cycle | None = None,
    seconds: float = 60.0,
    inputs: Mapping[str, str] | None = None,
    progress: Progress = SILENT,
) -> Cycle:
    """Return a schedule of ``squad.cycle_days`` days from ``start`` that visits every cell once.

    No cell is older than the cycle at its visit where that can be; the others are named in ``late``, as
    few as can be found, weighed by their risk. Then the least duty: set-up, travel, service. Cells of a
    risk above 1 get a second visit in the time that is left on days that are flown anyway.
    ``decided_at``: aware; days that have begun by then are not flown, filing deadlines count from it.
    ``absent``: (crew, day) that fall out. ``previous``: the cycle before; where its visits make cells due,
    the search begins from its tours.

    Raises:
        InputError: there is no cell, no crew, or nothing left of the window; a value is impossible.
    """
    began = time.monotonic()
    require_squad(squad, "The squad")
    require_jobs(jobs, squad)
    days = window(start, squad.cycle_days)
    if decided_at.astimezone(zone_of(squad)).date() > days[-1]:
        raise InputError(
            f"The cycle from {start} ended on {days[-1]}.", hint="Give a start of today or later."
        )
    town = middle([job.at for job in jobs])
    problem = make_problem(
        jobs, open_days(squad, days, town, not_before=decided_at, rain=rain, absent=absent), squad
    )
    routes: list[list[int]] = []
    if problem.days:
        cost_nm = visit_cost(problem, squad, days, decided_at)
        tours = Tours(
            travel_NN=problem.travel_NN,
            service_n=problem.service_n,
            capacity_m=problem.capacity_m,
            fixed_m=problem.setup_m,
            extra_nm=cost_nm,
            absent_n=_ABSENT_S * np.array([job.risk for job in jobs]),
        )
        share = seconds * _SEARCH_SHARE
        found, _ = search(
            tours,
            _start(problem, tours, squad, days, previous),
            moves=max(int(share * _MOVES_A_SECOND), 1),
            seconds=share,
            progress=progress,
        )
        routes = in_order(problem, _settled(problem, found, cost_nm))
    left = max(_TOTAL_SHARE * seconds - (time.monotonic() - began), _BOUND_SHARE * seconds / 2)
    best = prove(problem, routes, left, progress)
    grown, extras = with_extras(problem, routes, None, squad.cycle_days // 3)
    return make_cycle(
        problem, squad, start, grown, extras,
        decided_at=decided_at, rain=rain, optimality=best, inputs=inputs or {},
    )  # fmt: skip


def _start(
    problem: Problem, tours: Tours, squad: Squad, days: Sequence[date], previous: Cycle | None
) -> Routes:
    """Return tours to begin with.

    None where every day suits every cell. Else the tours of ``previous`` a cycle later, which keep each
    cell as young as it was; without it, the early days filled with what is due first.
    """
    empty: Routes = tuple(() for _ in problem.days)
    if not tours.extra_nm.any():
        return empty
    due = [due_day(job, days, squad.cycle_days) for job in problem.jobs]
    first = date.min if not problem.days else min(day.day for day in problem.days)
    early = first_tours(
        tours,
        sorted(range(len(due)), key=lambda i: (due[i], i)),
        np.array([(day.day - first).days for day in problem.days], dtype=float),
    )
    if previous is None:
        return early
    number = {job.cell: i for i, job in enumerate(problem.jobs)}
    later = timedelta(days=squad.cycle_days)
    told = {
        (shift.crew, shift.day + later): [
            number[visit.cell] for visit in shift.visits if visit.cell in number and not visit.extra
        ]
        for shift in previous.shifts
    }
    kept = tuple(
        tuple(fitting(problem, v, told.get((day.crew.name, day.day), [])))
        for v, day in enumerate(problem.days)
    )
    return kept if _lateness(tours, kept) < _lateness(tours, early) else early


def _lateness(tours: Tours, routes: Routes) -> float:
    served = {i for route in routes for i in route}
    left = sum(float(cost) for i, cost in enumerate(tours.absent_n) if i not in served)
    return left + sum(float(tours.extra_nm[i, v]) for v, route in enumerate(routes) for i in route)


def visit_cost(problem: Problem, squad: Squad, days: Sequence[date], decided_at: datetime) -> Floats:
    """Return what job i on open day v costs beyond its time: its lateness; inf where it cannot be."""
    n, m = len(problem.jobs), len(problem.days)
    cost_nm = np.zeros((n, m))
    for i, job in enumerate(problem.jobs):
        due = due_day(job, days, squad.cycle_days)
        for v, open_day in enumerate(problem.days):
            over = (open_day.day - due).days
            if over > 0:
                cost_nm[i, v] = job.risk * (_LATE_S + _LATE_DAY_S * over)
            if job.needs_filing and not in_time_to_file(open_day, decided_at):
                cost_nm[i, v] = np.inf
    return cost_nm


def in_time_to_file(open_day: OpenDay, decided_at: datetime) -> bool:
    """Tell whether a flight of this day can still be applied for."""
    return decided_at < filing_deadline(open_day.day, open_day.begin)


def in_order(problem: Problem, routes: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return each day's stops in the order of least travel."""
    n = len(problem.jobs)
    return [list(shortest_order(problem.travel_NN, n + v, route)) for v, route in enumerate(routes)]


def _settled(problem: Problem, routes: Sequence[Sequence[int]], cost_nm: Floats) -> list[list[int]]:
    """Give each crew's tours the days that leave least late, then the earliest: rain comes later."""
    settled: list[list[int]] = [[] for _ in problem.days]
    n = len(problem.jobs)
    duration = [
        sum(int(problem.service_n[stop]) for stop in route)
        + sum(int(problem.travel_NN[a, b]) for a, b in zip([n + v, *route], [*route, n + v], strict=True))
        for v, route in enumerate(routes)
    ]
    for name in dict.fromkeys(day.crew.name for day in problem.days):
        own = [v for v, day in enumerate(problem.days) if day.crew.name == name]
        used = [v for v in own if routes[v]]
        cost = np.array(
            [
                [
                    cost_nm[routes[u], v].sum() + rank if duration[u] <= problem.capacity_m[v] else np.inf
                    for rank, v in enumerate(own)
                ]
                for u in used
            ]
        ).reshape(len(used), len(own))
        # The days that they have now fit, so that no tour needs what cannot be.
        cost[~np.isfinite(cost)] = 1e15
        for row, column in zip(*linear_sum_assignment(cost), strict=True):
            settled[own[column]] = list(routes[used[row]])
    return settled


def make_cycle(
    problem: Problem,
    squad: Squad,
    start: date,
    routes: Sequence[Sequence[int]],
    extras: set[tuple[int, int]],
    *,
    decided_at: datetime,
    rain: Sequence[date],
    optimality: Optimality | None,
    inputs: Mapping[str, str],
) -> Cycle:
    """Return the record of the routes, a vehicle each, with what they leave late."""
    days = window(start, squad.cycle_days)
    shifts = tuple(
        make_shift(problem, v, route, {i for i, vehicle in extras if vehicle == v})
        for v, route in enumerate(routes)
        if route
    )
    ordered = tuple(sorted(shifts, key=lambda shift: (shift.day, shift.crew)))
    late = late_cells(problem.jobs, squad, days, own_days(ordered))
    held = sum(day.capacity_s for day in problem.days)
    return Cycle(
        start=start,
        days=squad.cycle_days,
        decided_at=decided_at,
        shifts=ordered,
        late=late,
        optimality=optimality,
        load=sum(shift.duty_s for shift in ordered) / held if held else 0.0,
        rain=tuple(sorted(rain)),
        findings=late_findings(late),
        inputs=dict(inputs),
    )


def own_days(shifts: Sequence[Shift]) -> dict[str, date]:
    """Return the day of each cell's own visit, extra visits left out."""
    return {visit.cell: visit.day for shift in shifts for visit in shift.visits if not visit.extra}


def late_findings(late: Sequence[Late]) -> tuple[Finding, ...]:
    """Return one finding for every late cell, or one that there is none."""
    if not late:
        return (Finding(level="pass", code="age", message="No cell is too old at its visit."),)
    return tuple(
        Finding(
            level="warn",
            code="late",
            message=f"Cell {item.cell} is late from {item.since}"
            + (f" until its visit on {item.planned}" if item.planned else " and has no visit")
            + f": {item.reason}.",
            hint="Add a crew or hours in crews.toml, or let the cells wait.",
        )
        for item in late
    )
