"""Photographs on the way to the lines of a survey and back."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from tests.photos.made import scene, write_photo

from aerial.geo import LonLat
from aerial.photos import check_photos
from aerial.photos.tails import find_tails
from aerial.progress import SILENT
from aerial.records import Photo
from benchmarks.photos_freetown import rows_of

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
XY = tuple[float, float]
INWARDS: list[XY] = [(-150 + 18 * n, -200 + 22 * n) for n in range(8)]
# Too much of the flight to be a way.
AROUND: list[XY] = [(-200 + 80 * math.cos(0.3 * n), -200 + 80 * math.sin(0.3 * n)) for n in range(20)]
OUTWARDS: list[XY] = [(120 - 20 * n, 190 + 15 * n) for n in range(6)]


def lines(*, across: bool = False) -> list[XY]:
    """Return the places of a survey: six lines of nine, 20 m between photographs, 30 m between lines."""
    places = [(20.0 * (n if line % 2 else 8 - n), 30.0 * line) for line in range(6) for n in range(9)]
    return [(y, x) for x, y in places] if across else places


def photo(name: str, xy: XY, seconds: float) -> Photo:
    """Return a photograph at a place in metres."""
    return Photo(
        file=name,
        width_px=4000,
        height_px=3000,
        taken_at=START + timedelta(seconds=seconds),
        at=LonLat(lon_deg=113.8 + xy[0] / 102_600, lat_deg=22.8 + xy[1] / 110_600),
        altitude_m=80.0,
        relative_height_m=80.0,
        gimbal_pitch_deg=-90.0,
        gimbal_yaw_deg=0.0,
        focal_px=2800.0,
        make=None,
        model=None,
        rtk_std_m=None,
    )


def flight(places: Sequence[XY], *, begin_s: float = 0.0) -> list[Photo]:
    """Return photographs every 3 s."""
    return [photo(f"{begin_s:06.0f}_{n:03d}", xy, begin_s + 3 * n) for n, xy in enumerate(places)]


@pytest.mark.parametrize("wander_m", [0.0, 0.5])
def test_ways_in_and_out_are_tails_and_lines_are_not(wander_m: float) -> None:
    """All of both ways (but for the photograph where a line begins), of both flights, and nothing else."""
    places = [*INWARDS, *lines(), *OUTWARDS]
    noise_N2 = wander_m * np.random.default_rng(1).normal(size=(len(places), 2))
    noisy = [(x + dx, y + dy) for (x, y), (dx, dy) in zip(places, noise_N2.tolist(), strict=True)]
    photos = [*flight(noisy), *flight(noisy, begin_s=4000)]
    found = find_tails(photos)
    for begin in (0, 1):
        of_flight = photos[begin * len(places) : (begin + 1) * len(places)]
        ways = {*(p.file for p in of_flight[: len(INWARDS)]), *(p.file for p in of_flight[-len(OUTWARDS) :])}
        on_lines = {p.file for p in of_flight} - ways
        assert not on_lines & set(found)
        assert len(ways - set(found)) <= 1
    assert {"on the way to the lines of the survey", "on the way back from its lines"} == set(found.values())


@pytest.mark.parametrize(
    "places",
    [lines(), [*lines(), *lines(across=True)], INWARDS, [*AROUND, *lines()]],
    ids=["lines", "crossing lines", "few photographs", "mostly the way"],
)
def test_a_flight_without_clear_lines_or_without_ways_has_no_tails(places: list[XY]) -> None:
    """Nothing is called a tail where nothing proves that it is one."""
    assert find_tails(flight(places)) == {}


def test_photographs_without_order_have_no_tails() -> None:
    """A survey by hand, in any direction, loses nothing."""
    rng = np.random.default_rng(3)
    places = [(float(x), float(y)) for x, y in rng.uniform(0, 300, (60, 2))]
    assert find_tails(flight(places)) == {}


def test_the_check_trims_tails_by_name(tmp_path: Path) -> None:
    """They are not usable, with the reason; the lines stay."""
    image_HW3 = scene(1, 700, 525)
    for number, one in enumerate(flight([*INWARDS[:6], *lines()[:27]])):
        assert one.at is not None
        write_photo(
            tmp_path / f"DJI_{number:04d}.JPG",
            image_HW3=image_HW3,
            at=(one.at.lon_deg, one.at.lat_deg),
            seconds=3 * number,
            xmp={"GimbalPitchDegree": "-90.0", "RelativeAltitude": "+80.0"},
        )
    bad = {check.file: check.reasons for check in check_photos(tmp_path, SILENT) if not check.ok}
    assert bad == {f"DJI_{n:04d}.JPG": ("on the way to the lines of the survey",) for n in range(6)}


@pytest.mark.realdata
def test_the_tails_of_a_real_survey_are_found(real_data: Path) -> None:
    """Five flights over Freetown: the four ways in, seen on a map, and no photograph on a line's middle."""
    photos = [
        (row, taken, at, photo(row["SourceFile"], (0.0, 0.0), (taken - START).total_seconds()))
        for row, taken, at in rows_of(real_data / "freetown_meta")
    ]
    found = find_tails([replace(shot, at=at) for _, _, at, shot in photos])
    begins = sorted({taken for row, taken, *_ in photos if row["SourceFile"] in found})
    heads = [one for n, one in enumerate(begins) if n == 0 or one - begins[n - 1] > timedelta(minutes=2)]
    # The fifth flight goes on where a battery was changed, on a line. Two end hovering over one place.
    ways_in = {name for name, why in found.items() if "way to" in why}
    assert 80 <= len(ways_in) <= len(found) <= 100
    assert len({Path(name).parent.name for name in ways_in}) == 4
    assert len(heads) >= 4
    # On the middle of a line the aircraft heads east or west at its even height.
    along = [row["SourceFile"] for row, *_ in photos if abs(abs(float(row["FlightYawDegree"])) - 90) < 1]
    assert len(set(along) & set(found)) <= 0.01 * len(along)
