"""Cells, plans, surveys and crews to a schedule on disk, and back."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path

from shapely.geometry.base import BaseGeometry

from aerial.areas import Cell, read_cells, read_zones
from aerial.codec import from_plain, read_record, replacing, sha256_file, sha256_json, to_plain, write_json
from aerial.errors import InputError, WorkspaceError
from aerial.geo import LonLat
from aerial.progress import SILENT, Progress
from aerial.records import CellJob, CellState, Cycle, Event, Plan, Replan, Squad
from aerial.schedule import crew_csv, crew_sheet, cycle_status, plan_cycle, read_squad, replan_cycle
from aerial.workspace import Town, locked, survey_order, surveys_of

CYCLE = "cycle.json"
EVENTS = "events.jsonl"


def local_now(squad: Squad) -> datetime:
    """Return the time of the town's clock."""
    return datetime.now(timezone(timedelta(hours=squad.utc_offset_h))).replace(microsecond=0)


def local_moment(squad: Squad, given: datetime | None) -> datetime:
    """Return the moment that a user named by the town's clock; None: now.

    A day alone is now where it is today, else its noon: what was to be filed for the day after is not
    possible any more, and the flights of the day are under way.
    """
    now = local_now(squad)
    if given is None:
        return now
    if given.time() == time():
        return now if given.date() == now.date() else datetime.combine(given.date(), time(12), now.tzinfo)
    return given.replace(tzinfo=now.tzinfo)


def cell_jobs(town: Town, squad: Squad, minutes_per_cell: float | None = None) -> tuple[CellJob, ...]:
    """Return what is to be flown: every cell of the town with its plan's time and its last survey.

    ``minutes_per_cell``: in the air, of cells without a plan; they are taken off from a point inside.
    A property ``risk`` of a cell is its risk, ``community`` its community. A flight is filed for where its
    plan holds an approval or the cell touches a controlled zone.

    Raises:
        InputError: a cell has no plan, or a property that cannot be.
    """
    controlled = [
        zone.outline
        for path in town.zone_files()
        for zone in read_zones(path)
        if zone.properties.get("kind") == "controlled"
    ]
    cells = read_cells(town.cells_file)
    unplanned = [cell.id for cell in cells if not town.plan_file(cell.id).is_file()]
    if unplanned and minutes_per_cell is None:
        raise InputError(
            f"{len(unplanned)} of {len(cells)} cells have no plan, {unplanned[0]} the first.",
            hint="Run aerial plan flight for each, or give --minutes-per-cell.",
        )
    return tuple(_job(town, squad, cell, controlled, minutes_per_cell) for cell in cells)


def _job(
    town: Town, squad: Squad, cell: Cell, controlled: Sequence[BaseGeometry], minutes: float | None
) -> CellJob:
    path = town.plan_file(cell.id)
    plan = read_record(Plan, path) if path.is_file() else None
    if plan is not None and not plan.sorties:
        raise InputError(f"{path} has no sortie.", hint="Run aerial plan flight for the cell again.")
    if plan is not None:
        at, sorties = plan.sorties[0].takeoff, len(plan.sorties)
        flight_s = sum(sortie.duration_s for sortie in plan.sorties)
    else:
        inside = cell.outline.representative_point()
        at, sorties = LonLat(lon_deg=inside.x, lat_deg=inside.y), 1
        flight_s = 60 * (minutes or 0.0)
    ground_min = squad.stop_setup_min + squad.battery_swap_min * (sorties - 1)
    risk = cell.properties.get("risk", 1.0)
    if isinstance(risk, bool) or not isinstance(risk, int | float):
        raise InputError(
            f"The risk of cell {cell.id} is {risk!r}.", hint="Give a number; 1 is ordinary, 2 twice as grave."
        )
    community = cell.properties.get("community")
    surveys = surveys_of(town, cell.id)
    return CellJob(
        cell=cell.id,
        at=at,
        service_s=round(flight_s + 60 * ground_min),
        flight_s=round(flight_s),
        last_surveyed=survey_order(surveys[-1].survey)[0] if surveys else None,
        risk=float(risk),
        needs_filing=(plan is not None and plan.parameters.approval is not None)
        or any(cell.outline.intersects(zone) for zone in controlled),
        community=None if community is None else str(community),
    )


def plan_town_cycle(
    town: Town,
    start: date,
    *,
    seconds: float = 60.0,
    minutes_per_cell: float | None = None,
    clock: Callable[[Squad], datetime] = local_now,
    progress: Progress = SILENT,
) -> Cycle:
    """Plan the cycle that begins on ``start`` and write its folder.

    Raises:
        InputError: crews, cells or plans are absent or impossible.
        WorkspaceError: the cycle is planned and has begun, or another one overlaps with it.
    """
    squad = read_squad(town.crews_file)
    folder, decided_at = town.cycle_folder(start), clock(squad)
    if (folder / CYCLE).is_file() and decided_at.date() >= start:
        raise WorkspaceError(
            f"The cycle from {start} is planned and has begun.", hint="Change it with aerial cycle replan."
        )
    _require_apart(town, start, squad.cycle_days)
    jobs = cell_jobs(town, squad, minutes_per_cell)
    events = read_events(folder / EVENTS)
    with locked(folder):
        cycle = plan_cycle(
            jobs,
            squad,
            start,
            decided_at=decided_at,
            rain=[event.day for event in events if event.kind == "rain"],
            absent=[(event.crew, event.day) for event in events if event.kind == "crew_off" and event.crew],
            previous=_previous(town, start),
            seconds=seconds,
            inputs=_inputs(town, jobs, minutes_per_cell),
            progress=progress,
        )
        _write(folder, cycle, jobs, squad)
    return cycle


def town_cycle_status(
    town: Town, on: datetime | None = None, minutes_per_cell: float | None = None
) -> tuple[Cycle, date, tuple[CellState, ...]]:
    """Return the cycle of the day ``on`` (None: today), the day, and where every cell stands then.

    Raises:
        WorkspaceError: no cycle is planned that begins by then.
    """
    squad = read_squad(town.crews_file)
    day = local_moment(squad, on).date()
    cycle = read_record(Cycle, _folder_on(town, day) / CYCLE)
    return cycle, day, cycle_status(cycle, _known_jobs(town, squad, cycle, minutes_per_cell), day)


def replan_town_cycle(
    town: Town,
    on: datetime | None = None,
    *,
    rain: Sequence[date] = (),
    failed: Sequence[str] = (),
    crew_off: Sequence[tuple[str, date]] = (),
    seconds: float = 6.0,
    minutes_per_cell: float | None = None,
    progress: Progress = SILENT,
) -> Replan:
    """Change the cycle of the day ``on`` (None: now) for what happened; write it and the events.

    Raises:
        InputError: an event names what is not in the cycle.
        WorkspaceError: no cycle is planned that begins by then.
    """
    squad = read_squad(town.crews_file)
    decided_at = local_moment(squad, on)
    folder = _folder_on(town, decided_at.date())
    with locked(folder):
        cycle = read_record(Cycle, folder / CYCLE)
        jobs = _known_jobs(town, squad, cycle, minutes_per_cell)
        new = (
            *(Event(kind="rain", day=day, told_at=decided_at) for day in rain),
            *(_failed(cycle, cell, decided_at) for cell in failed),
            *(Event(kind="crew_off", day=day, crew=crew, told_at=decided_at) for crew, day in crew_off),
        )
        events = (*read_events(folder / EVENTS), *new)
        result = replan_cycle(
            cycle, jobs, squad, events, decided_at=decided_at, seconds=seconds, progress=progress
        )
        _write_events(folder / EVENTS, events)
        _write(folder, result.cycle, jobs, squad)
    return result


def read_events(path: Path) -> tuple[Event, ...]:
    """Return the events of a cycle; none where the file is not there.

    Raises:
        InputError: a line is not an event.
    """
    if not path.is_file():
        return ()
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            data = json.loads(line)
        except json.JSONDecodeError as exc:
            raise InputError(
                f"Line {number} of {path} is not JSON.", hint="Correct or remove the line."
            ) from exc
        found.append(from_plain(Event, data, source=f"Line {number} of {path}"))
    return tuple(found)


def _write_events(path: Path, events: Sequence[Event]) -> None:
    lines = [json.dumps(to_plain(event), ensure_ascii=False) for event in events]
    with replacing(path) as part:
        part.write_text("".join(f"{line}\n" for line in dict.fromkeys(lines)), encoding="utf-8")


def _failed(cycle: Cycle, cell: str, decided_at: datetime) -> Event:
    today = decided_at.date()
    days = [
        visit.day
        for shift in cycle.shifts
        for visit in shift.visits
        if visit.cell == cell and visit.day <= today
    ]
    if not days:
        raise InputError(
            f"No flight of cell {cell} was planned by {today}.",
            hint="Check the id; list flights with aerial cycle status.",
        )
    return Event(kind="failed", day=max(days), cell=cell, told_at=decided_at)


def _known_jobs(town: Town, squad: Squad, cycle: Cycle, minutes: float | None) -> tuple[CellJob, ...]:
    # A cycle that was planned with --minutes-per-cell goes on with them.
    told = cycle.inputs.get("minutes_per_cell")
    return cell_jobs(town, squad, minutes if minutes is not None else float(told) if told else None)


def _folder_on(town: Town, day: date) -> Path:
    starts = [start for start in _starts(town) if start <= day]
    if not starts:
        raise WorkspaceError(
            f"No cycle that begins by {day} is planned.",
            hint=f"Plan one with aerial cycle plan --start {day}.",
        )
    return town.cycle_folder(max(starts))


def _previous(town: Town, start: date) -> Cycle | None:
    before = [other for other in _starts(town) if other < start]
    return read_record(Cycle, town.cycle_folder(max(before)) / CYCLE) if before else None


def _starts(town: Town) -> tuple[date, ...]:
    found = []
    for path in sorted(town.cycles_folder.glob(f"*/{CYCLE}")):
        try:
            found.append(date.fromisoformat(path.parent.name))
        except ValueError as exc:
            raise WorkspaceError(
                f"{path.parent} is not a cycle.", hint="Cycles are called by their first day; move it away."
            ) from exc
    return tuple(found)


def _require_apart(town: Town, start: date, days: int) -> None:
    for other in _starts(town):
        if other != start and abs((other - start).days) < days:
            raise WorkspaceError(
                f"A cycle from {start} overlaps with the one from {other}.",
                hint=f"Begin on {other + timedelta(days=days)}, or remove the folder of the other.",
            )


def _inputs(town: Town, jobs: Sequence[CellJob], minutes: float | None) -> dict[str, str]:
    return ({} if minutes is None else {"minutes_per_cell": str(minutes)}) | {
        town.crews_file.name: sha256_file(town.crews_file),
        town.cells_file.name: sha256_file(town.cells_file),
        "jobs": sha256_json(list(jobs)),
    }


def _write(folder: Path, cycle: Cycle, jobs: Sequence[CellJob], squad: Squad) -> None:
    named = {job.cell: job for job in jobs}
    for crew in squad.crews:
        for ending, text in (
            ("md", crew_sheet(cycle, crew, named)),
            # With the mark, spreadsheets read Chinese names right.
            ("csv", "\ufeff" + crew_csv(cycle, crew, named)),
        ):
            with replacing(folder / f"{crew.name}.{ending}") as part:
                part.write_bytes(text.encode("utf-8"))
    write_json(folder / CYCLE, cycle)
