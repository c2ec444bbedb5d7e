"""What is odd about photographs as a whole."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from tests.photos.test_tails import flight, lines

from aerial.photos.oddities import find_oddities

NOW = datetime(2026, 3, 10, tzinfo=UTC)
PHOTOS = flight(lines())


def codes(*groups: object) -> list[str]:
    """Return the codes of what is odd about photographs."""
    photos = [photo for group in groups for photo in group]  # type: ignore[attr-defined]  # lists of photographs
    return [finding.code for finding in find_oddities(photos, now=NOW)]


def test_one_flight_has_nothing_odd_not_even_over_midnight() -> None:
    """Two calendar days within six hours are one day's work."""
    late = [replace(p, taken_at=datetime(2026, 3, 2, 23, 59, tzinfo=UTC) + timedelta(seconds=3 * n))
            for n, p in enumerate(PHOTOS)]  # fmt: skip
    assert (codes(PHOTOS), codes(late)) == ([], [])


def test_two_days_are_named_with_their_counts() -> None:
    """The message says how many photographs each day has."""
    later = [replace(p, file=f"b{p.file}", taken_at=p.taken_at + timedelta(days=2)) for p in PHOTOS[:9]
             if p.taken_at]  # fmt: skip
    (finding,) = find_oddities([*PHOTOS, *later], now=NOW)
    assert finding.code == "days"
    assert "2026-03-02 (54), 2026-03-04 (9)" in finding.message


def test_wrong_clocks_are_told_and_make_no_second_day() -> None:
    """A clock that began again in 1980, one that is a year ahead, and one that tells nothing."""
    reset = [replace(p, taken_at=datetime(1980, 1, 1, tzinfo=UTC)) for p in PHOTOS[:5]]
    ahead = [replace(p, taken_at=p.taken_at + timedelta(days=365)) for p in PHOTOS if p.taken_at]
    none = [replace(p, taken_at=None) for p in PHOTOS[:3]]
    assert codes(PHOTOS[5:], reset) == ["clock"]
    assert codes(ahead) == ["clock"]
    assert codes(PHOTOS[3:], none) == ["no_time"]


def test_photographs_without_positions_are_sent_to_geotag() -> None:
    """The hint names the command that gives them."""
    (finding,) = find_oddities([replace(photo, at=None) for photo in PHOTOS], now=NOW)
    assert finding.code == "no_position"
    assert "aerial photos geotag" in finding.hint
