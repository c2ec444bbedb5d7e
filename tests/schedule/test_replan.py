"""A schedule that was upset."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest
from tests.schedule.towns import EVE, MONDAY, ZONE, jobs, squad

from aerial.errors import InputError
from aerial.records import CellJob, Cycle, Event
from aerial.schedule import cycle_status, plan_cycle, replan_cycle

TUESDAY = date(2026, 3, 3)
MORNING = datetime(2026, 3, 3, 7, tzinfo=ZONE)
EVENING = datetime(2026, 3, 3, 18, tzinfo=ZONE)


def planned(cells: tuple[CellJob, ...], *names: str) -> Cycle:
    """A schedule of short days, so that there are several."""
    return plan_cycle(cells, squad(*names), MONDAY, decided_at=EVE, seconds=0.5)


def flown(cells: tuple[CellJob, ...], cycle: Cycle, until: date) -> tuple[CellJob, ...]:
    """Everything planned by ``until`` was surveyed."""
    days = {visit.cell: visit.day for shift in cycle.shifts for visit in shift.visits if visit.day <= until}
    return tuple(replace(job, last_surveyed=days.get(job.cell, job.last_surveyed)) for job in cells)


def places(cycle: Cycle) -> dict[str, tuple[str, date]]:
    """Where each cell's own visit is."""
    return {v.cell: (v.crew, v.day) for s in cycle.shifts for v in s.visits if not v.extra}


def rain(day: date) -> Event:
    """Rain, told in the morning."""
    return Event(kind="rain", day=day, told_at=MORNING)


def test_after_rain_only_the_cells_of_the_lost_day_move() -> None:
    """With room left, nothing else changes, what is done stays, and all is in time."""
    cells = jobs(24)
    cycle = planned(cells)
    known = flown(cells, cycle, MONDAY)
    result = replan_cycle(cycle, known, squad(), [rain(TUESDAY)], decided_at=MORNING, seconds=0.5)
    lost = {cell for cell, (_, day) in places(cycle).items() if day == TUESDAY}
    assert {moved.cell for moved in result.moved} == lost
    assert result.moved_bound == len(lost) > 0
    after = places(result.cycle)
    assert not any(day == TUESDAY for _, day in after.values())
    assert {cell: at for cell, at in after.items() if cell not in lost} == {
        cell: at for cell, at in places(cycle).items() if cell not in lost
    }
    assert set(after) == {job.cell for job in cells}
    assert not result.cycle.late
    assert result.cycle.rain == (TUESDAY,)


def test_a_failed_flight_is_flown_again_and_no_other_moves() -> None:
    """Told in the evening: from the next day on."""
    cells = jobs(24)
    cycle = planned(cells)
    failed = next(cell for cell, (_, day) in sorted(places(cycle).items()) if day == TUESDAY)
    known = tuple(
        replace(job, last_surveyed=None) if job.cell == failed else job
        for job in flown(cells, cycle, TUESDAY)
    )
    event = Event(kind="failed", day=TUESDAY, cell=failed, told_at=EVENING)
    result = replan_cycle(cycle, known, squad(), [event], decided_at=EVENING, seconds=0.5)
    assert [moved.cell for moved in result.moved] == [failed]
    assert result.moved[0].from_day == TUESDAY
    assert result.moved[0].to_day is not None
    assert result.moved[0].to_day > TUESDAY


def test_the_cells_of_an_ill_crew_go_to_whoever_has_time() -> None:
    """Its day is empty, and no cell is lost."""
    cells = jobs(30)
    cycle = planned(cells, "north", "south")
    crew = next(shift.crew for shift in cycle.shifts if shift.day == TUESDAY)
    event = Event(kind="crew_off", day=TUESDAY, crew=crew, told_at=MORNING)
    known = flown(cells, cycle, MONDAY)
    result = replan_cycle(cycle, known, squad("north", "south"), [event], decided_at=MORNING, seconds=0.5)
    assert (crew, TUESDAY) not in places(result.cycle).values()
    assert set(places(result.cycle)) == {job.cell for job in cells}
    assert len(result.moved) == result.moved_bound


def test_a_cell_moves_for_one_that_would_be_late() -> None:
    """Lateness comes before the number of moves: the full day of tomorrow makes room."""
    cells = jobs(24)
    cycle = planned(cells)
    failed = next(cell for cell, (_, day) in sorted(places(cycle).items()) if day == TUESDAY)
    # Due on Wednesday, whose shift is full.
    known = tuple(
        replace(job, last_surveyed=date(2026, 2, 18)) if job.cell == failed else job
        for job in flown(cells, cycle, TUESDAY)
    )
    event = Event(kind="failed", day=TUESDAY, cell=failed, told_at=EVENING)
    result = replan_cycle(cycle, known, squad(), [event], decided_at=EVENING, seconds=1.0)
    assert places(result.cycle)[failed][1] == date(2026, 3, 4)
    assert not result.cycle.late
    assert len(result.moved) == 2


def test_a_flight_to_be_filed_does_not_move_to_tomorrow_after_noon() -> None:
    """The failed flight goes to Thursday; those that were filed stay."""
    cells = jobs(8, needs_filing=True)
    cycle = planned(cells)
    day = min(shift.day for shift in cycle.shifts)
    failed = cycle.shifts[0].visits[0].cell
    evening = datetime.combine(day, EVENING.timetz())
    known = tuple(
        replace(job, last_surveyed=None) if job.cell == failed else job for job in flown(cells, cycle, day)
    )
    event = Event(kind="failed", day=day, cell=failed, told_at=evening)
    result = replan_cycle(cycle, known, squad(), [event], decided_at=evening, seconds=0.5)
    assert [moved.cell for moved in result.moved] == [failed]
    assert places(result.cycle)[failed][1] >= day + timedelta(days=2)


def test_extra_visits_stay_while_there_is_room_and_fall_before_a_cell_is_late() -> None:
    """Rain on one day leaves them; rain on most leaves time for none."""
    cells, crews = jobs(25, risk=2.0), squad(end="10:30")
    cycle = plan_cycle(cells, crews, MONDAY, decided_at=EVE, seconds=0.5)
    known = flown(cells, cycle, MONDAY)

    def extras(of: Cycle) -> set[tuple[str, date]]:
        return {(v.cell, v.day) for s in of.shifts for v in s.visits if v.extra and v.day > TUESDAY}

    one = replan_cycle(cycle, known, crews, [rain(TUESDAY)], decided_at=MORNING, seconds=0.5)
    assert extras(one.cycle)
    # Where a cell's own visit was lost, its second one has taken the place.
    lost = {cell for cell, (_, day) in places(cycle).items() if day == TUESDAY}
    assert {cell for cell, _ in extras(cycle) - extras(one.cycle)} <= lost
    assert extras(one.cycle) <= extras(cycle)
    (last,) = {day for _, day in extras(cycle)}
    known = flown(cells, cycle, MONDAY + timedelta(days=3))
    done = {job.cell for job in known if job.last_surveyed}
    assert {cell for cell, _ in extras(cycle)} & done
    friday = datetime(2026, 3, 6, 7, tzinfo=ZONE)
    wet = [rain(day) for n in range(4, 14) if (day := MONDAY + timedelta(days=n)) != last]
    most = replan_cycle(cycle, known, crews, wet, decided_at=friday, seconds=0.5)
    assert most.cycle.late
    assert not extras(most.cycle)


def test_events_that_cannot_be_are_refused() -> None:
    """Unknown cells, crews, kinds, and days outside of the cycle."""
    cells = jobs(3)
    cycle = planned(cells)
    for event, message in (
        (Event(kind="failed", day=TUESDAY, cell="X", told_at=MORNING), "Cell X"),
        (Event(kind="crew_off", day=TUESDAY, crew="X", told_at=MORNING), "No crew"),
        (Event(kind="snow", day=TUESDAY, told_at=MORNING), "no event"),
        (rain(date(2026, 4, 1)), "not in the cycle"),
    ):
        with pytest.raises(InputError, match=message):
            replan_cycle(cycle, cells, squad(), [event], decided_at=MORNING)


def test_each_cell_is_in_one_state_and_late_ones_are_named_before() -> None:
    """Done, due, planned, missed, late ahead of time, late now, and in no plan."""
    cells = jobs(24)
    cycle = planned(cells)
    day = sorted({shift.day for shift in cycle.shifts})
    at = places(cycle)
    known = list(flown(cells, cycle, day[0]))
    missed = next(job.cell for job in known if at[job.cell][1] == day[0])
    ahead = next(job.cell for job in known if at[job.cell][1] == day[-1])
    now = next(job.cell for job in known if at[job.cell][1] == day[-2])
    last = {missed: None, ahead: day[1] - timedelta(days=14), now: date(2026, 2, 1)}
    known = [replace(job, last_surveyed=last.get(job.cell, job.last_surveyed)) for job in known]
    stranger = replace(cells[0], cell="new")
    states = {state.cell: state for state in cycle_status(cycle, [*known, stranger], day[1])}
    assert list(states) == [*(job.cell for job in cells), "new"]
    assert (states[missed].state, states[missed].late_on) == ("missed", date(2026, 3, 16))
    assert (states[ahead].state, states[ahead].late_on) == ("late", day[1] + timedelta(days=1))
    assert (states[now].state, states[now].late_on) == ("late", date(2026, 2, 16))
    assert states["new"].state == "unplanned"
    for cell, (_, planned_day) in at.items():
        if cell not in last:
            expected = {day[0]: "done", day[1]: "due"}.get(planned_day, "planned")
            assert states[cell].state == expected
            assert states[cell].late_on is None
