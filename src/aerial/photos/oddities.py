"""What is odd about a set of photographs as a whole: days, clocks, positions that all lack."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from aerial.records import Finding, Photo

# No drone of a survey is older; a clock that lost its battery begins in 1970, 1980, 2000 or 2010.
_FIRST_YEAR = 2012
_AHEAD = timedelta(days=1)
# A flight over midnight is of one day.
_ANOTHER_DAY = timedelta(hours=6)
_NAMED = 4


def find_oddities(photos: Sequence[Photo], *, now: datetime | None = None) -> tuple[Finding, ...]:
    """Return what the photographs of one flight do not have: several days, wrong clocks, no positions.

    ``now`` is the time of the computer, for clocks that are ahead; None: of this moment.
    """
    return (*_clocks(photos, now or datetime.now(UTC)), *_days(photos), *_positions(photos))


def _believed(photo: Photo) -> bool:
    return photo.taken_at is not None and photo.taken_at.year >= _FIRST_YEAR


def _clocks(photos: Sequence[Photo], now: datetime) -> list[Finding]:
    wrong = [p for p in photos if p.taken_at and (not _believed(p) or p.taken_at > now + _AHEAD)]
    timeless = sum(photo.taken_at is None for photo in photos)
    found = []
    if wrong:
        days = sorted({photo.taken_at.date().isoformat() for photo in wrong if photo.taken_at})
        found.append(
            Finding(
                level="warn",
                code="clock",
                message=f"The camera's clock is wrong: {len(wrong)} photograph(s) are dated {_some(days)}.",
                hint="Set the camera's clock; surveys are filed by the day.",
            )
        )
    if timeless:
        found.append(
            Finding(
                level="warn",
                code="no_time",
                message=f"{timeless} photograph(s) do not tell when they were taken.",
                hint="Copy the camera's own files; programs that edit pictures drop their EXIF data.",
            )
        )
    return found


def _days(photos: Sequence[Photo]) -> list[Finding]:
    times = sorted(photo.taken_at for photo in photos if photo.taken_at and _believed(photo))
    days: Counter[str] = Counter()
    first = last = None
    for time in times:
        if first is None or last is None or (time - last > _ANOTHER_DAY and time.date() != first.date()):
            first = time
        days[first.date().isoformat()] += 1
        last = time
    if len(days) < 2:
        return []
    return [
        Finding(
            level="warn",
            code="days",
            message=f"The photographs are of {len(days)} days: "
            + _some([f"{day} ({count})" for day, count in sorted(days.items())])
            + ".",
            hint="A survey is one flight over its cell; keep two days together only where one fills the "
            "other's gaps.",
        )
    ]


def _positions(photos: Sequence[Photo]) -> list[Finding]:
    without = sum(photo.at is None for photo in photos)
    if not without:
        return []
    return [
        Finding(
            level="warn",
            code="no_position",
            message=f"{without} of {len(photos)} photographs have no position.",
            hint="aerial photos geotag takes positions from the log of the flight.",
        )
    ]


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:_NAMED]) + (" …" if len(texts) > _NAMED else "")
