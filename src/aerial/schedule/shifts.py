"""Tours as shifts with times, what they leave late, and visits beyond the one that each cell needs."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta

from aerial.records.cycle import CellJob, Late, Shift, Squad, Visit
from aerial.schedule.problem import Problem, due_day, filing_deadline
from aerial.schedule.routes import shortest_order, way


def make_shift(problem: Problem, vehicle: int, stops: Sequence[int], extras: Collection[int] = ()) -> Shift:
    """Return the shift of the open day ``vehicle`` over jobs ``stops`` in this order."""
    open_day = problem.days[vehicle]
    home = len(problem.jobs) + vehicle
    clock = open_day.begin + timedelta(seconds=open_day.setup_s)
    leave_at, at, visits, travel_s = clock, home, [], 0
    for order, stop in enumerate(stops, start=1):
        job, leg_s = problem.jobs[stop], int(problem.travel_NN[at, stop])
        clock += timedelta(seconds=leg_s)
        visits.append(
            Visit(
                cell=job.cell,
                crew=open_day.crew.name,
                day=open_day.day,
                order=order,
                start_at=clock,
                service_s=job.service_s,
                travel_s=leg_s,
                extra=stop in extras,
                file_before=filing_deadline(open_day.day, open_day.begin) if job.needs_filing else None,
            )
        )
        clock += timedelta(seconds=job.service_s)
        travel_s, at = travel_s + leg_s, stop
    back_s = int(problem.travel_NN[at, home])
    service_s = sum(visit.service_s for visit in visits)
    return Shift(
        crew=open_day.crew.name,
        day=open_day.day,
        leave_at=leave_at,
        back_at=clock + timedelta(seconds=back_s),
        setup_s=open_day.setup_s,
        travel_s=travel_s + back_s,
        service_s=service_s,
        duty_s=open_day.setup_s + travel_s + back_s + service_s,
        capacity_s=open_day.capacity_s,
        visits=tuple(visits),
    )


def late_cells(
    jobs: Sequence[CellJob], squad: Squad, days: Sequence[date], planned: Mapping[str, date]
) -> tuple[Late, ...]:
    """Return the cells that ``planned`` (cell -> day of its visit) leaves older than the cycle allows."""
    found = []
    for job in jobs:
        due, day = due_day(job, days, squad.cycle_days), planned.get(job.cell)
        if day is None:
            reason = "no crew has a day left that is long enough and in time"
        elif day <= due:
            continue
        elif due < days[0]:
            reason = "it was due before the cycle begins"
        else:
            reason = "every crew-day before is full, or too late to be filed for"
        found.append(Late(cell=job.cell, since=due + timedelta(days=1), planned=day, reason=reason))
    return tuple(sorted(found, key=lambda late: (late.since, late.cell)))


def with_extras(
    problem: Problem,
    routes: Sequence[Sequence[int]],
    allowed: Collection[tuple[int, int]] | None,
    apart_days: int,
) -> tuple[list[list[int]], set[tuple[int, int]]]:
    """Return the routes with second visits of risky cells, and which (job, vehicle) are such.

    The riskiest first, each where it costs the least way, at least ``apart_days`` from the cell's own
    visit, on days that are flown anyway: what is wholly free stays free for rain. ``allowed``: the only
    (job, vehicle) that may be.
    """
    n = len(problem.jobs)
    grown = [list(route) for route in routes]
    own = {stop: problem.days[vehicle].day for vehicle, route in enumerate(routes) for stop in route}
    added: set[tuple[int, int]] = set()
    risky = [i for i in sorted(own) if problem.jobs[i].risk > 1 and not problem.jobs[i].needs_filing]
    for job in sorted(risky, key=lambda i: (-problem.jobs[i].risk, problem.jobs[i].cell)):
        best: tuple[int, int, list[int]] | None = None
        for vehicle, route in enumerate(grown):
            if (
                not route
                or abs((problem.days[vehicle].day - own[job]).days) < apart_days
                or (allowed is not None and (job, vehicle) not in allowed)
            ):
                continue
            home = n + vehicle
            used = way(problem.travel_NN, home, route) + int(problem.service_n[route].sum())
            free = int(problem.capacity_m[vehicle]) - used - int(problem.service_n[job])
            for at in range(len(route) + 1):
                before, after = ([home, *route, home][at], [home, *route, home][at + 1])
                detour = int(
                    problem.travel_NN[before, job]
                    + problem.travel_NN[job, after]
                    - problem.travel_NN[before, after]
                )
                if detour <= free and (best is None or detour < best[0]):
                    best = (detour, vehicle, [*route[:at], job, *route[at:]])
        if best is not None:
            _, vehicle, route = best
            grown[vehicle] = list(shortest_order(problem.travel_NN, n + vehicle, route))
            added.add((job, vehicle))
    return grown, added


def fitting(problem: Problem, v: int, route: Sequence[int]) -> list[int]:
    """Return the route without its last stops where the crew's day has become too short for it."""
    kept, home = list(route), len(problem.jobs) + v
    while kept and way(problem.travel_NN, home, kept) + problem.service_n[kept].sum() > problem.capacity_m[v]:
        kept.pop()
    return kept
