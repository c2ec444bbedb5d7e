"""A schedule that was upset: rain, a failed flight, a crew that falls out."""

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import numpy as np

from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.records.cycle import CellJob, Cycle, Event, Moved, Replan, Shift, Squad, Visit
from aerial.schedule.crews import require_squad
from aerial.schedule.plan import in_time_to_file, late_findings
from aerial.schedule.problem import (
    Problem,
    due_day,
    make_problem,
    middle,
    open_days,
    require_jobs,
    window,
    zone_of,
)
from aerial.schedule.routes import shortest_order
from aerial.schedule.search import Tours, search
from aerial.schedule.shifts import fitting, late_cells, make_shift

# Seconds that stand for what comes first: lateness, then a changed place, then a lost extra visit,
# then time. 501 moves weigh less than a day of lateness.
_LATE_S = 1e10
_LATE_DAY_S = 1e8
_ABSENT_S = 3e10
_MOVED_S = 1e5
_EXTRA_S = 1e4
_MOVES_A_SECOND = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class _Left:
    """What of a schedule stays as it is, and what is still to be flown, from where."""

    kept: tuple[Shift, ...]
    jobs: tuple[CellJob, ...]
    place: Mapping[str, tuple[str, date]]  # where a job may stay
    told: Mapping[str, tuple[str, date]]  # where its crew expected it
    extras: tuple[tuple[CellJob, tuple[str, date]], ...]


def replan_cycle(
    cycle: Cycle,
    jobs: Sequence[CellJob],
    squad: Squad,
    events: Sequence[Event],
    *,
    decided_at: datetime,
    seconds: float = 6.0,
    progress: Progress = SILENT,
) -> Replan:
    """Return the schedule after ``events``, changed as little as can be.

    First no cell late, then the fewest cells that change their crew or day, then the least duty.
    ``jobs`` tell with ``last_surveyed`` what is done. Days that have begun by ``decided_at`` (aware) stay,
    less what failed; their cells without a survey count as flown today and as missed from tomorrow.
    Extra visits stay where there is room, and fall before a cell moves for them.

    Raises:
        InputError: the cycle is over, or an event names what is not in it.
    """
    began = time.monotonic()
    require_squad(squad, "The squad")
    require_jobs(jobs, squad)
    days = window(cycle.start, cycle.days)
    _require_events(events, jobs, squad, days)
    if decided_at.astimezone(zone_of(squad)).date() > days[-1]:
        raise InputError(f"The cycle from {cycle.start} ended on {days[-1]}.", hint="Plan the next one.")
    rain = {event.day for event in events if event.kind == "rain"} | set(cycle.rain)
    absent = {(event.crew, event.day) for event in events if event.kind == "crew_off" and event.crew}
    failed = {(event.cell, event.day) for event in events if event.kind == "failed"}
    town = middle([job.at for job in jobs])
    offered = open_days(squad, days, town, not_before=decided_at, rain=rain, absent=absent)
    left = _left(
        cycle, jobs, squad, {(day.crew.name, day.day) for day in offered}, decided_at, rain, absent, failed
    )
    problem = make_problem([*left.jobs, *(job for job, _ in left.extras)], offered, squad)
    routes = _solve(problem, left, squad, days, decided_at, seconds, progress)
    count = len(left.jobs)
    new = tuple(
        make_shift(problem, v, route, range(count, len(problem.jobs)))
        for v, route in enumerate(routes)
        if route
    )
    now = {visit.cell: (visit.crew, visit.day) for shift in new for visit in shift.visits if not visit.extra}
    moved = tuple(
        Moved(
            cell=job.cell,
            from_crew=left.told[job.cell][0] if job.cell in left.told else None,
            from_day=left.told[job.cell][1] if job.cell in left.told else None,
            to_crew=now[job.cell][0] if job.cell in now else None,
            to_day=now[job.cell][1] if job.cell in now else None,
        )
        for job in left.jobs
        if now.get(job.cell) != left.place.get(job.cell) or job.cell not in now
    )
    shifts = tuple(sorted((*left.kept, *new), key=lambda shift: (shift.day, shift.crew)))
    planned = {cell: day for cell, (_, day) in now.items()}
    late = late_cells(left.jobs, squad, days, planned)
    held = sum(day.capacity_s for day in offered) + sum(shift.capacity_s for shift in left.kept)
    changed = replace(
        cycle,
        decided_at=decided_at,
        shifts=shifts,
        late=late,
        optimality=None,
        load=sum(shift.duty_s for shift in shifts) / held if held else 0.0,
        rain=tuple(sorted(rain)),
        findings=late_findings(late),
    )
    return Replan(
        cycle=changed,
        moved=moved,
        moved_bound=sum(job.cell not in left.place for job in left.jobs),
        seconds=time.monotonic() - began,
    )


def _require_events(
    events: Sequence[Event], jobs: Sequence[CellJob], squad: Squad, days: Sequence[date]
) -> None:
    cells, crews = {job.cell for job in jobs}, {crew.name for crew in squad.crews}
    for event in events:
        if event.kind not in ("rain", "failed", "crew_off"):
            raise InputError(f"{event.kind!r} is no event.", hint="Use rain, failed or crew_off.")
        if event.kind == "failed" and event.cell not in cells:
            raise InputError(
                f"Cell {event.cell} is not one of the town.", hint="Check its id in cells.geojson."
            )
        if event.kind == "crew_off" and event.crew not in crews:
            raise InputError(
                f"No crew is called {event.crew}.", hint=f"Use one of: {', '.join(sorted(crews))}."
            )
        if not days[0] <= event.day <= days[-1]:
            raise InputError(
                f"{event.day} is not in the cycle from {days[0]} to {days[-1]}.",
                hint="Give a day of the cycle.",
            )


def _left(
    cycle: Cycle,
    jobs: Sequence[CellJob],
    squad: Squad,
    offered: Collection[tuple[str, date]],
    decided_at: datetime,
    rain: Collection[date],
    absent: Collection[tuple[str, date]],
    failed: Collection[tuple[str | None, date]],
) -> _Left:
    today = decided_at.astimezone(zone_of(squad)).date()
    of = {job.cell: job for job in jobs}
    done = {job.cell for job in jobs if job.last_surveyed is not None and job.last_surveyed >= cycle.start}
    kept, under_way = [], set()
    future: dict[str, list[Visit]] = {}
    told: dict[str, tuple[str, date]] = {}
    for shift in cycle.shifts:
        lost = shift.day in rain or (shift.crew, shift.day) in absent
        open_still = (shift.crew, shift.day) in offered
        stays = []
        for visit in shift.visits:
            if visit.cell not in of:
                continue
            if not visit.extra or visit.cell not in told:
                told[visit.cell] = (visit.crew, visit.day)
            flown = visit.cell in done and shift.day <= today
            if open_still and (visit.cell, visit.day) not in failed and not lost:
                future.setdefault(visit.cell, []).append(visit)
            elif flown or (shift.day == today and not lost and (visit.cell, visit.day) not in failed):
                stays.append(visit)
                under_way.add(visit.cell)
        if stays:
            service_s = sum(visit.service_s for visit in stays)
            duty_s = shift.duty_s - shift.service_s + service_s
            kept.append(replace(shift, visits=tuple(stays), service_s=service_s, duty_s=duty_s))
    needed = tuple(job for job in jobs if job.cell not in done and job.cell not in under_way)
    place: dict[str, tuple[str, date]] = {}
    extras = []
    wanted = {job.cell for job in needed}
    for cell, visits in future.items():
        # The last own visit to fall makes an extra one the cell's own.
        own = min(visits, key=lambda visit: (visit.extra, visit.day)) if cell in wanted else None
        if own is not None:
            place[cell] = (own.crew, own.day)
        extras += [
            (of[cell], (visit.crew, visit.day)) for visit in visits if visit is not own and visit.extra
        ]
    return _Left(kept=tuple(kept), jobs=needed, place=place, told=told, extras=tuple(extras))


def _solve(
    problem: Problem,
    left: _Left,
    squad: Squad,
    days: Sequence[date],
    decided_at: datetime,
    seconds: float,
    progress: Progress,
) -> list[list[int]]:
    n, m, count = len(problem.jobs), len(problem.days), len(left.jobs)
    vehicle = {(day.crew.name, day.day): v for v, day in enumerate(problem.days)}
    cost_nm, absent_n = np.full((n, m), np.inf), np.full(n, _EXTRA_S)
    starts: list[list[int]] = [[] for _ in range(m)]
    for i, job in enumerate(left.jobs):
        due, stay = due_day(job, days, squad.cycle_days), left.place.get(job.cell)
        absent_n[i] = _ABSENT_S * job.risk
        for v, day in enumerate(problem.days):
            same = stay == (day.crew.name, day.day)
            if job.needs_filing and not same and not in_time_to_file(day, decided_at):
                continue
            over = (day.day - due).days
            cost_nm[i, v] = (_LATE_S + _LATE_DAY_S * over) * job.risk * (over > 0) + _MOVED_S * (not same)
        if stay is not None:
            starts[vehicle[stay]].append(i)
    for i, (_, stay) in enumerate(left.extras, start=count):
        cost_nm[i, vehicle[stay]] = 0.0
        starts[vehicle[stay]].append(i)
    before = [
        fitting(problem, v, shortest_order(problem.travel_NN, n + v, route)) for v, route in enumerate(starts)
    ]
    tours = Tours(
        travel_NN=problem.travel_NN,
        service_n=problem.service_n,
        capacity_m=problem.capacity_m,
        fixed_m=problem.setup_m,
        extra_nm=cost_nm,
        absent_n=absent_n,
    )
    if not m or not n:
        return before
    found, _ = search(
        tours,
        before,
        moves=max(int(seconds * _MOVES_A_SECOND), 1),
        seconds=seconds,
        warmth=0.0,
        progress=progress,
    )
    return [
        list(before[v] if set(route) == set(before[v]) else shortest_order(problem.travel_NN, n + v, route))
        for v, route in enumerate(found)
    ]
