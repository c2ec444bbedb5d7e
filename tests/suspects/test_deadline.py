"""Until when."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial.errors import InputError
from aerial.records import CaseSettings
from aerial.suspects.deadline import WorkCalendar, due_at, read_calendar, working_hours

# National Day as it was once announced: the week off, the Sunday before and the Saturday after worked.
CALENDAR = WorkCalendar(
    off=tuple(date(2026, 10, day) for day in range(1, 8)),
    work=(date(2026, 9, 27), date(2026, 10, 10)),
    until=date(2026, 12, 31),
)
WEEK = WorkCalendar()


def local(month: int, day: int, hour: int = 10, minute: int = 0) -> datetime:
    """Return a moment of 2026 in China's time, as UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) - timedelta(hours=8)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        (local(9, 30), 1, local(10, 8, 17, 30)),
        (local(9, 25), 1, local(9, 27, 17, 30)),
        (local(9, 30), 3, local(10, 10, 17, 30)),
        (local(5, 15, 23, 59), 1, local(5, 18, 17, 30)),
        # 1 in the morning in China is still the day before in UTC.
        (local(5, 19, 1), 1, local(5, 20, 17, 30)),
    ],
)
def test_working_days_leave_out_holidays_and_count_days_made_up_for(
    start: datetime, days: int, end: datetime
) -> None:
    """By the local day; the first day does not count, the last one ends with the office hours."""
    assert due_at(start, CaseSettings(deadline_work_days=days), CALENDAR) == end


@pytest.mark.parametrize(
    ("start", "hours", "end"),
    [
        (local(5, 18, 9), 2, local(5, 18, 11)),
        (local(5, 18, 11), 4, local(5, 18, 17, 30)),
        (local(5, 18, 12, 30), 1, local(5, 18, 15, 30)),
        (local(5, 18, 17), 4, local(5, 19, 12)),
        (local(5, 15, 17), 1, local(5, 18, 9)),
        (local(5, 16, 9), 4, local(5, 18, 15)),
        (local(9, 30, 17), 1, local(10, 8, 9)),
    ],
)
def test_working_hours_run_only_while_the_office_is_open(
    start: datetime, hours: float, end: datetime
) -> None:
    """Over noon, night, weekend and holidays the clock stands still."""
    assert due_at(start, CaseSettings(deadline_work_hours=hours), CALENDAR) == end


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(1, 60),
)
def test_more_days_are_never_due_earlier(start: datetime, days: int) -> None:
    """And no deadline lies before its start or on a weekend."""
    one, two = (due_at(start, CaseSettings(deadline_work_days=n), WEEK) for n in (days, days + 1))
    assert one is not None
    assert two is not None
    assert start < one < two
    assert one.weekday() < 5


def test_without_a_rule_there_is_no_deadline() -> None:
    """Deadlines are local; none is made up."""
    assert due_at(local(5, 18), CaseSettings(), WEEK) is None


def test_a_list_that_ends_before_the_deadline_is_not_stretched() -> None:
    """The next year's days are not guessed."""
    with pytest.raises(InputError, match="ends on 2026-12-31") as caught:
        due_at(local(12, 28), CaseSettings(deadline_work_days=7), CALENDAR)
    assert "next year" in caught.value.hint


def test_a_holiday_list_is_read_and_must_say_until_when(tmp_path: Path) -> None:
    """A list without an end, with a day that is both, or with a misspelt key is refused."""
    path = tmp_path / "holidays.toml"
    path.write_text("off = [2026-10-01]\nwork = [2026-10-10]\nuntil = 2026-12-31\n")
    assert read_calendar(path) == replace(CALENDAR, off=(date(2026, 10, 1),), work=(date(2026, 10, 10),))
    for text, message in (
        ("off = [2026-10-01]", "until when"),
        ("off = [2027-01-01]\nuntil = 2026-12-31", "until when"),
        ("off = [2026-10-01]\nwork = [2026-10-01]\nuntil = 2026-12-31", "a holiday and a working day"),
        ("holiday = []\nuntil = 2026-12-31", "holiday"),
        ("off = 3", "not a valid"),
        ("off = [", "is not a holiday list"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_calendar(path)
    with pytest.raises(InputError, match="is not a holiday list"):
        read_calendar(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "hours", [(), ("8-12",), ("08:30-25:00",), ("12:00-08:30",), ("14:30-17:30", "08:30-12:00")]
)
def test_hours_that_are_none_are_refused(hours: tuple[str, ...]) -> None:
    """Parts of a day are in order and end after they begin."""
    with pytest.raises(InputError, match="not a part of a working day"):
        working_hours(hours)
