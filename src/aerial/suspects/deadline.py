"""Until when: working days and working hours, by the town's own calendar."""

import re
import tomllib
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.records import CaseSettings
from aerial.records.record import record

_HOURS = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")


@record
class WorkCalendar:
    """Days that differ from the week: ``off`` are holidays, ``work`` are weekend days made up for (调休).

    ``until``: the last day that the list speaks of; None: there is no list, Monday to Friday are worked.
    """

    off: tuple[date, ...] = ()
    work: tuple[date, ...] = ()
    until: date | None = None


def read_calendar(path: Path) -> WorkCalendar:
    """Return the holiday list of a TOML file with the keys ``off``, ``work`` and ``until``.

    Raises:
        InputError: the file is not there, is no such list, or contradicts itself.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise InputError(
            f"{path} is not a holiday list: {exc}",
            hint="Write off = [2026-10-01, …], work = [2026-10-10, …] and until = 2026-12-31.",
        ) from exc
    calendar = from_plain(WorkCalendar, values, source=str(path))
    both = sorted(set(calendar.off) & set(calendar.work))
    if both:
        raise InputError(
            f"{path} calls {both[0]} a holiday and a working day.", hint="Take it out of off or out of work."
        )
    if calendar.until is None or any(day > calendar.until for day in (*calendar.off, *calendar.work)):
        raise InputError(
            f"{path} does not say until when it is complete.",
            hint="Set until to the last day that the published list covers, such as 2026-12-31.",
        )
    return calendar


def working_hours(hours: tuple[str, ...]) -> tuple[tuple[time, time], ...]:
    """Return the parts of a working day from texts such as "08:30-12:00".

    Raises:
        InputError: a text is none, ends before it begins, or the parts are not in order.
    """
    parts: list[tuple[time, time]] = []
    for text in hours:
        found = _HOURS.fullmatch(text)
        try:
            digits = [int(part) for part in found.groups()] if found else []
            begin, end = time(digits[0], digits[1]), time(digits[2], digits[3])
        except (IndexError, ValueError) as exc:
            raise _no_hours(text) from exc
        if begin >= end or (parts and begin < parts[-1][1]):
            raise _no_hours(text)
        parts.append((begin, end))
    if not parts:
        raise _no_hours("")
    return tuple(parts)


def due_at(start: datetime, settings: CaseSettings, calendar: WorkCalendar) -> datetime | None:
    """Return when the time that begins at ``start`` (with UTC offset) is over; None: there is no limit.

    Days: the day of ``start`` does not count, and the last one ends with its working hours. Hours: only
    those worked count, from ``start`` on. The result is in local time.

    Raises:
        InputError: the holiday list ends before that, or the hours are none.
    """
    local = start.astimezone(timezone(timedelta(hours=settings.utc_offset_h)))
    days, hours = settings.deadline_work_days, settings.deadline_work_hours
    if days is None and hours is None:
        return None
    parts = working_hours(settings.hours)
    if days is not None:
        day = local.date()
        for _ in range(days):
            day = _next_working(day, calendar)
        return datetime.combine(day, parts[-1][1], local.tzinfo)
    left = timedelta(hours=hours or 0.0)
    day = local.date() if _is_working(local.date(), calendar) else _next_working(local.date(), calendar)
    while True:
        for begin, end in parts:
            opens = max(datetime.combine(day, begin, local.tzinfo), local)
            worked = datetime.combine(day, end, local.tzinfo) - opens
            if worked >= left:
                return opens + left
            left -= max(worked, timedelta(0))
        day = _next_working(day, calendar)


def _next_working(day: date, calendar: WorkCalendar) -> date:
    day += timedelta(days=1)
    while not _is_working(day, calendar):
        day += timedelta(days=1)
    return day


def _is_working(day: date, calendar: WorkCalendar) -> bool:
    if calendar.until is not None and day > calendar.until:
        raise InputError(
            f"The holiday list ends on {calendar.until}, and the deadline lies behind.",
            hint="Add the days of the next year to the file, and move its until.",
        )
    return day in calendar.work or (day.weekday() < 5 and day not in calendar.off)


def _no_hours(text: str) -> InputError:
    return InputError(
        f"{text!r} is not a part of a working day.",
        hint='Write hours = ["08:30-12:00", "14:30-17:30"], the parts in order.',
    )
