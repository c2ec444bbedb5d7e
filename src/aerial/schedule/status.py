"""Where every cell of a cycle stands, and which will be late unless the plan changes."""

from collections.abc import Sequence
from datetime import date, timedelta

from aerial.records.cycle import CellJob, CellState, Cycle, Visit
from aerial.schedule.problem import window


def cycle_status(cycle: Cycle, jobs: Sequence[CellJob], today: date) -> tuple[CellState, ...]:
    """Return the state of each job on the evening before, or the morning of, ``today``.

    ``jobs`` tell with ``last_surveyed`` what was flown. A visit of today counts as still to come.
    """
    visits: dict[str, list[Visit]] = {}
    for shift in cycle.shifts:
        for visit in shift.visits:
            visits.setdefault(visit.cell, []).append(visit)
    return tuple(_state(cycle, job, visits.get(job.cell, []), today) for job in jobs)


def _state(cycle: Cycle, job: CellJob, visits: Sequence[Visit], today: date) -> CellState:
    days = window(cycle.start, cycle.days)
    last = job.last_surveyed
    if last is not None and cycle.start <= last:
        return CellState(
            cell=job.cell, state="done", last_surveyed=last, planned=None, crew=None, late_on=None
        )
    # The age that is allowed ends where the window ends, for a cell that was never surveyed too.
    due = days[-1] if last is None else min(last + timedelta(days=cycle.days), days[-1])
    coming = min((visit for visit in visits if visit.day >= today), key=lambda visit: visit.day, default=None)
    gone = [visit for visit in visits if visit.day < today]
    planned = coming.day if coming else None
    late_on = due + timedelta(days=1) if today > due or planned is None or planned > due else None
    if today > due:
        state, note = "late", f"older than {cycle.days} days since {late_on}"
    elif coming is None and gone:
        state, note = "missed", f"planned for {gone[-1].day}, no survey; re-plan it"
    elif coming is None:
        state, note = "unplanned", "in no crew's plan; re-plan"
    elif late_on is not None:
        state, note = "late", f"will be older than {cycle.days} days on {late_on}"
    else:
        state, note = ("due", "to be flown today") if planned == today else ("planned", "")
    return CellState(
        cell=job.cell,
        state=state,
        last_surveyed=last,
        planned=planned,
        crew=coming.crew if coming else None,
        late_on=late_on,
        note=note,
    )
