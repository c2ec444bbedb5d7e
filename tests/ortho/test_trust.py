"""What tells a camera in a wrong place, each by itself."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from aerial.geo import LonLat
from aerial.ortho import trust
from aerial.ortho.trust import Evidence, Link
from aerial.records import Photo

EMPTY: dict[str, Any] = dict.fromkeys(Photo.__dataclass_fields__)


def flight(count: int) -> tuple[list[Photo], Any]:
    """Return photographs of a line, 10 m and 2 s apart, and their places."""
    at_N3 = np.column_stack([10.0 * np.arange(count), np.zeros(count), np.full(count, 80.0)])
    start = datetime(2026, 3, 1, 2, tzinfo=UTC)
    known = {"width_px": 4000, "height_px": 3000, "at": LonLat(lon_deg=113.0, lat_deg=22.0)}
    photos = [
        Photo(
            **(
                EMPTY
                | known
                | {"file": f"{i}.jpg", "taken_at": start + timedelta(seconds=2 * i)}
                | {"gimbal_pitch_deg": -90.0, "relative_height_m": 80.0}
            )
        )
        for i in range(count)
    ]
    return photos, at_N3


def out(photos: list[Photo], centres_N3: Any, gps_N3: Any, downs_N3: Any = None) -> dict[int, str]:
    """Return what ``out_of_line`` says when all cameras are near their positions."""
    numbers = range(1, len(photos) + 1)
    downs_N3 = np.tile([0.0, 0, -1], (len(photos), 1)) if downs_N3 is None else downs_N3
    return trust.out_of_line(photos, numbers, numbers, centres_N3, downs_N3, gps_N3)


def test_a_sound_flight_is_out_of_line_nowhere() -> None:
    """Positions with a shared shift of 4 m and noise of 0.3 m contradict nothing."""
    photos, at_N3 = flight(20)
    noise_N3 = np.random.default_rng(1).normal(0, 0.3, at_N3.shape)
    assert out(photos, at_N3, at_N3 + np.array([3.0, -2.6, 5.0]) + noise_N3) == {}


@pytest.mark.parametrize(("moved", "word"), [((0, 8.0, 0), "beside"), ((0, 0, 9.0), "above or below")])
def test_a_camera_that_leaves_its_flight_is_named(moved: tuple[float, ...], word: str) -> None:
    """Eight metres beside, or nine above, the photographs around it: false, though within GPS slack."""
    photos, at_N3 = flight(20)
    centres_N3 = at_N3.copy()
    centres_N3[7] += moved
    assert {8} == set(out(photos, centres_N3, at_N3))
    assert word in out(photos, centres_N3, at_N3)[8]


def test_a_camera_without_position_stands_where_its_flight_was() -> None:
    """Near its neighbours in time it stays; 60 m on, which nothing flies in two seconds, it is named."""
    photos, at_N3 = flight(20)
    gps_N3 = at_N3.copy()
    gps_N3[7] = np.nan
    assert out(photos, at_N3, gps_N3) == {}
    centres_N3 = at_N3 + np.eye(20)[7][:, None] * (0, 60.0, 0)
    assert "its flight was not" in out(photos, centres_N3, gps_N3)[8]


def test_a_gimbal_that_says_otherwise_is_believed() -> None:
    """A camera that leans by 20 degrees where its gimbal says straight down is named."""
    photos, at_N3 = flight(6)
    downs_N3 = np.tile([0.0, 0, -1], (6, 1))
    downs_N3[2] = (np.sin(np.radians(20)), 0, -np.cos(np.radians(20)))
    assert "20 degrees" in out(photos, at_N3, at_N3, downs_N3)[3]
    silent = [replace(p, gimbal_pitch_deg=None) for p in photos]
    assert out(silent, at_N3, at_N3, downs_N3) == {}


def evidence(links: list[tuple[int, int, int, int]], spread: float = 0.2) -> Evidence:
    """Return evidence of (camera, camera, matched, agreeing), told by both."""
    found = [Link(judged=a, of=b, matched=m, agreeing=g) for a, b, m, g in links]
    found += [Link(judged=b, of=a, matched=m, agreeing=g) for a, b, m, g in links]
    return Evidence(links=tuple(found), spread={n: spread for link in links for n in link[:2]})


def test_one_pair_of_look_alikes_ties_nothing() -> None:
    """Two flights joined by 30 matches of one pair are two parts; by two such pairs, one."""
    inner = [(1, 2, 90, 90), (2, 3, 90, 90), (1, 3, 50, 50), (4, 5, 80, 80), (5, 6, 80, 80), (4, 6, 40, 40)]
    assert trust.parts(evidence([*inner, (3, 4, 30, 30)]), range(1, 7)) == [(1, 2, 3), (4, 5, 6)]
    assert trust.parts(evidence([*inner, (3, 4, 30, 30), (2, 4, 30, 30)]), range(1, 7)) == [
        (1, 2, 3, 4, 5, 6)
    ]


def test_matches_that_contradict_tie_nothing() -> None:
    """Forty agreeing points of two hundred are chance: no tie, and the camera is named."""
    inner = [(1, 2, 90, 90), (2, 3, 90, 90), (1, 3, 90, 90)]
    shaky = evidence([*inner, (3, 4, 200, 40), (2, 4, 200, 40)])
    assert trust.parts(shaky, range(1, 5)) == [(1, 2, 3)]
    assert "contradicts 320 of the 400" in trust.contradicted(shaky, [4])[4]


def test_ties_in_a_corner_fix_no_pose() -> None:
    """A camera all of whose agreeing points lie along a line or in a corner is named."""
    assert "corner" in trust.contradicted(evidence([(1, 2, 90, 90)], spread=0.01), [1])[1]
    assert trust.contradicted(evidence([(1, 2, 90, 90)]), [1]) == {}
