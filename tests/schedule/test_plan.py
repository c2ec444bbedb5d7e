"""A schedule for a whole cycle, and its proof."""

import itertools
from dataclasses import replace
from datetime import date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.schedule.towns import EVE, HOME, MONDAY, ZONE, jobs, place, squad

from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.records import CellJob, Crew, Cycle, Squad
from aerial.schedule import plan_cycle
from aerial.schedule.bound import prove
from aerial.schedule.problem import make_problem, metres, open_days
from aerial.schedule.routes import shortest_order, way


def plan(cells: tuple[CellJob, ...], crews: Squad, **options: object) -> Cycle:
    """Plan quickly."""
    given_: dict[str, object] = {"decided_at": EVE, "seconds": 0.5} | options
    return plan_cycle(cells, crews, MONDAY, **given_)  # type: ignore[arg-type]


def check(cycle: Cycle, cells: tuple[CellJob, ...], crews: Squad) -> None:
    """Every time of a schedule adds up, and fits into the hours of its crew."""
    of, hours = {job.cell: job for job in cells}, {crew.name: crew for crew in crews.crews}
    for shift in cycle.shifts:
        crew = hours[shift.crew]
        begin = datetime.combine(shift.day, datetime.strptime(crew.work_start, "%H:%M").time(), ZONE)  # noqa: DTZ007
        end = datetime.combine(shift.day, datetime.strptime(crew.work_end, "%H:%M").time(), ZONE)  # noqa: DTZ007
        places = [crew.home, *(of[visit.cell].at for visit in shift.visits), crew.home]
        x, y = metres(places)
        ways = np.hypot(np.diff(x), np.diff(y)) * crews.detour / (crews.road_km_h / 3.6)
        clock = shift.leave_at
        assert clock >= begin + timedelta(minutes=crew.setup_min)
        for visit, seconds in zip(shift.visits, ways[:-1], strict=True):
            assert (visit.start_at - clock).total_seconds() >= seconds - 1e-3
            clock = visit.start_at + timedelta(seconds=of[visit.cell].service_s)
        assert (shift.back_at - clock).total_seconds() >= ways[-1] - 1e-3
        assert shift.back_at <= end
        assert shift.duty_s == shift.setup_s + shift.travel_s + shift.service_s <= shift.capacity_s
        assert shift.back_at == begin + timedelta(seconds=shift.duty_s)


def test_every_cell_is_visited_once_within_the_hours() -> None:
    """24 cells, one crew: each in exactly one shift, whose times add up."""
    cells, crews = jobs(24), squad()
    cycle = plan(cells, crews)
    check(cycle, cells, crews)
    visits = [visit.cell for shift in cycle.shifts for visit in shift.visits]
    assert sorted(visits) == [job.cell for job in cells]
    assert not cycle.late
    assert cycle.optimality is not None
    assert 0 <= cycle.optimality.gap < 0.05


def test_nobody_works_on_days_off_in_rain_or_out_of_the_calendar() -> None:
    """Weekdays off, dates off, rain and a crew that falls out leave no shift."""
    crews = squad("north", "south", off=(date(2026, 3, 4),))
    cycle = plan(
        jobs(24),
        crews,
        rain=[date(2026, 3, 3)],
        absent=[("south", date(2026, 3, 5)), ("south", date(2026, 3, 6))],
    )
    worked = {(shift.crew, shift.day) for shift in cycle.shifts}
    assert {day.weekday() for _, day in worked} <= {0, 1, 2, 3, 4}
    assert not {day for _, day in worked} & {date(2026, 3, 3), date(2026, 3, 4)}
    assert not worked & {("south", date(2026, 3, 5)), ("south", date(2026, 3, 6))}


def test_no_cell_is_older_than_the_cycle_at_its_visit() -> None:
    """Cells due early are flown early, wherever they lie."""
    cells = tuple(
        replace(job, last_surveyed=MONDAY - timedelta(days=14 - (5 * n) % 11))
        for n, job in enumerate(jobs(30))
    )
    cells = tuple(
        replace(job, last_surveyed=MONDAY - timedelta(days=11)) if (5 * n) % 11 in (5, 6) else job
        for n, job in enumerate(cells)
    )
    cycle = plan(cells, squad("north", "south"))
    day = {visit.cell: visit.day for shift in cycle.shifts for visit in shift.visits}
    assert not cycle.late
    assert all((day[job.cell] - job.last_surveyed).days <= 14 for job in cells if job.last_surveyed)


def test_cells_that_cannot_be_in_time_are_named_with_the_day() -> None:
    """What was due before the cycle, and what finds no room, is in ``late`` and in the findings."""
    old = tuple(replace(job, last_surveyed=date(2026, 2, 10)) for job in jobs(2))
    cycle = plan((*old, *jobs(4)[2:]), squad())
    assert {(late.cell, late.since, late.planned) for late in cycle.late} == {
        ("C00", date(2026, 2, 25), MONDAY),
        ("C01", date(2026, 2, 25), MONDAY),
    }
    few = plan(jobs(24, minutes=60), squad(end="10:30"))
    assert len(few.late) == 24 - len([visit for shift in few.shifts for visit in shift.visits]) > 0
    assert {late.since for late in few.late} == {date(2026, 3, 16)}
    assert {finding.level for finding in few.findings} == {"warn"}
    assert len(few.findings) == len(few.late)


def test_the_graver_cell_goes_first_where_not_all_can_be_in_time() -> None:
    """With room for half of the cells, those of high risk have it."""
    cells = tuple(replace(job, risk=1.0 if n % 2 else 5.0) for n, job in enumerate(jobs(20, minutes=60)))
    cycle = plan(cells, squad(end="10:30"))
    assert cycle.late
    grave = {job.cell for job in cells if job.risk > 1}
    assert not grave & {late.cell for late in cycle.late}


def test_risky_cells_get_a_second_visit_where_time_is_left() -> None:
    """At least four days from their own, on days that are flown anyway; ordinary cells get none."""
    crews = squad(end="10:30")
    cells = jobs(25, risk=2.0)
    cycle = plan(cells, crews)
    check(cycle, cells, crews)
    own = {v.cell: v.day for shift in cycle.shifts for v in shift.visits if not v.extra}
    extra = {v.cell: v.day for shift in cycle.shifts for v in shift.visits if v.extra}
    assert extra
    assert len(own) == 25
    assert all(abs((day - own[cell]).days) >= 4 for cell, day in extra.items())
    ordinary = plan(jobs(25), crews)
    assert not any(visit.extra for shift in ordinary.shifts for visit in shift.visits)
    assert {shift.day for shift in cycle.shifts} == {shift.day for shift in ordinary.shifts}


def test_a_flight_to_be_filed_is_not_planned_past_its_deadline() -> None:
    """Decided at 12:00 on the eve, the first such flight is the day after next; before, the next."""
    cells = jobs(3, needs_filing=True)
    late = plan(cells, squad(), decided_at=datetime(2026, 3, 1, 12, tzinfo=ZONE))
    early = plan(cells, squad(), decided_at=datetime(2026, 3, 1, 11, 59, tzinfo=ZONE))
    assert {shift.day for shift in late.shifts} == {date(2026, 3, 3)}
    assert {shift.day for shift in early.shifts} == {MONDAY}
    deadline = early.shifts[0].visits[0].file_before
    assert deadline == datetime(2026, 3, 1, 12, tzinfo=ZONE)


def test_flights_are_by_daylight() -> None:
    """A crew that may work from 05:00 leaves after sunrise, and is back before sunset."""
    crews = squad(end="23:00", work_start="05:00", setup_min=0.0)
    cycle = plan(jobs(30, minutes=40), crews)
    assert all(shift.leave_at.hour >= 6 and shift.back_at.hour < 19 for shift in cycle.shifts)


def test_days_that_have_begun_are_not_flown() -> None:
    """A cycle planned on its third day begins on its fourth; one that is over is refused."""
    cycle = plan(jobs(12), squad(), decided_at=datetime(2026, 3, 4, 15, tzinfo=ZONE))
    assert min(shift.day for shift in cycle.shifts) == date(2026, 3, 5)
    with pytest.raises(InputError, match="ended on 2026-03-15"):
        plan(jobs(2), squad(), decided_at=datetime(2026, 3, 16, 0, tzinfo=ZONE))


def test_the_same_inputs_give_the_same_schedule() -> None:
    """The search ends by its moves, not by the clock."""
    cells = jobs(15)
    first, second = (plan(cells, squad(), seconds=0.5) for _ in range(2))
    assert first.shifts == second.shifts


@pytest.mark.parametrize(
    ("cells", "crews", "message"),
    [
        ((), squad(), "no cell"),
        ((*jobs(1), *jobs(1)), squad(), "given twice"),
        (jobs(1, risk=float("nan")), squad(), "risk"),
        (jobs(1, minutes=0), squad(), "takes 0 s"),
        (jobs(1), Squad(crews=()), "names no crew"),
        (jobs(1), squad(end="08:00"), "works from 08:30 to 08:00"),
        (jobs(1), squad("a", "A"), "two crews"),
        (
            jobs(1),
            Squad(crews=(Crew(name="x", home=LonLat(lon_deg=22.8, lat_deg=80.0), aircraft="a"),)),
            "km from",
        ),
    ],
)
def test_impossible_input_is_refused(cells: tuple[CellJob, ...], crews: Squad, message: str) -> None:
    """Each with a sentence and a hint."""
    with pytest.raises(InputError, match=message) as caught:
        plan(cells, crews)
    assert caught.value.hint


def test_crews_without_a_day_leave_every_cell_named() -> None:
    """Rain on all days is no error: the plan is empty and says so."""
    cycle = plan(jobs(3), squad(), rain=[MONDAY + timedelta(days=n) for n in range(14)])
    assert not cycle.shifts
    assert [late.cell for late in cycle.late] == ["C00", "C01", "C02"]


@settings(max_examples=8, phases=[Phase.explicit, Phase.generate])
@given(
    st.lists(
        st.tuples(st.integers(0, 3000), st.integers(-2000, 2000), st.integers(10, 70)), min_size=1, max_size=4
    ),
    st.integers(60, 200),
)
def test_the_bound_is_below_the_true_optimum_and_near_it(
    cells: list[tuple[int, int, int]], minutes: int
) -> None:
    """Against every way to part up to four cells into days, each in its best order."""
    end = (datetime(2026, 3, 2, 8, 30) + timedelta(minutes=20 + minutes)).strftime("%H:%M")  # noqa: DTZ001
    crews = squad(end=end)
    town = tuple(CellJob(cell=f"C{n}", at=place(x, y), service_s=s * 60) for n, (x, y, s) in enumerate(cells))
    days = open_days(crews, [MONDAY + timedelta(days=n) for n in range(5)], HOME, not_before=EVE)
    problem = make_problem(town, days, crews)
    if not problem.fits_nm().all():
        return
    n, best = len(town), None
    for parts in itertools.product(range(n), repeat=n):
        routes = [
            shortest_order(problem.travel_NN, n, [i for i in range(n) if parts[i] == part])
            for part in range(n)
        ]
        loads = [way(problem.travel_NN, n, r) + problem.service_n[list(r)].sum() for r in routes if r]
        if all(load <= problem.capacity_m[0] for load in loads):
            cost = sum(int(load) + int(problem.setup_m[0]) for load in loads)
            best = cost if best is None else min(best, cost)
    assert best is not None
    cycle = plan(town, crews, seconds=2.0)
    assert cycle.optimality is not None
    assert cycle.optimality.duty_bound_s <= best <= cycle.optimality.duty_s
    assert cycle.optimality.duty_s == best
    assert cycle.optimality.duty_bound_s > 0.8 * best


def test_the_bound_does_not_come_from_the_schedule() -> None:
    """A worse schedule of the same cells is told to be worse, by about the same bound."""
    cells, crews = jobs(10), squad()
    days = open_days(crews, [MONDAY + timedelta(days=n) for n in range(14)], HOME, not_before=EVE)
    problem = make_problem(cells, days, crews)
    alone = prove(problem, [[i] for i in range(10)], 2.0)
    two = prove(problem, [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9], *([] for _ in range(8))], 2.0)
    assert abs(alone.duty_bound_s - two.duty_bound_s) <= 0.03 * two.duty_bound_s
    assert alone.duty_bound_s <= two.duty_s
    assert alone.gap > two.gap + 0.3
