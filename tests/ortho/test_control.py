"""A block laid on ground control points."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.ortho.test_anchor import domed, flight, height_errors_m

from aerial.errors import StitchError
from aerial.ortho import adjust, basis
from aerial.ortho.anchor import anchor
from aerial.ortho.control import Controlled, control
from aerial.ortho.gcp import ControlPoint, Mark
from aerial.ortho.judge import Candidate, judge
from aerial.ortho.unplaced import level
from aerial.records import Photo

Floats = NDArray[np.float64]
ORIGIN_3 = np.array([500_000.0, 2_500_000.0, 12.0])
# Of the flight in test_anchor: its photographs of 1400 x 788 pixels see x -15..85, y -15..60.
PLACES = [(-8.0, -6.0), (78.0, -6.0), (78.0, 50.0), (-8.0, 50.0), (35.0, 22.0), (20.0, 8.0), (55.0, 36.0)]


def points(places: list[tuple[float, float]], noise_px: float = 0.4, seed: int = 1) -> list[ControlPoint]:
    """Return surveyed points on flat ground with the marks that a person would set."""
    random = np.random.default_rng(seed)
    poses, _, _ = flight()
    found = []
    for index, place in enumerate(places):
        marks = []
        for number, pose in enumerate(poses, 1):
            seen_3 = pose.rotation_33 @ (np.array([*place, 0.0]) - pose.centre_3)
            pixel_2 = 778 * seen_3[:2] / seen_3[2] + np.array([700, 394])
            if 0 < pixel_2[0] < 1400 and 0 < pixel_2[1] < 788:
                marks.append(Mark(number=number, pixel_2=pixel_2 + random.normal(0, noise_px, 2)))
        found.append(
            ControlPoint(name=f"P{index}", xyz_3=np.array([*place, 0.0]) + ORIGIN_3, marks=tuple(marks))
        )
    return found


def block(*, gps: bool, bent: bool) -> tuple[list[Photo], Candidate, Floats]:
    """Return photographs, a block that a wrong lens bends until heights mend it, positions (4 m off)."""
    poses, told, positions_N3 = flight()
    told = [replace(p, width_px=1400, height_px=788) for p in told]
    gps_N3 = positions_N3 + ORIGIN_3 + np.array([4.0, -1.0, 30.0])
    model = domed(poses)
    placed = judge(told, model, gps_N3) if gps or not bent else level(told, model)
    assert placed is not None
    if not bent:
        placed = anchor(told, placed, gps_N3)
        placed = placed if gps else level(told, placed.model)
    assert placed is not None
    return told, placed, gps_N3 if gps else np.full_like(gps_N3, np.nan)


def laid(marked: list[ControlPoint], *, gps: bool = True, bent: bool = False) -> Controlled:
    """Return the block on control points."""
    told, placed, gps_N3 = block(gps=gps, bent=bent)
    return control(told, placed, marked, gps_N3)


def centre_errors(found: Controlled) -> Floats:
    """Return camera centres minus the true ones, (N, 3) metres."""
    centres_N3, _ = adjust.centres_and_axes(found.candidate.model)
    world = found.candidate.placement.similarity
    return world.apply(centres_N3) - ORIGIN_3 - np.array([p.centre_3 for p in flight()[0]])


@pytest.mark.parametrize("gps", [True, False])
def test_the_block_comes_to_lie_on_its_points(gps: bool) -> None:
    """Bent, 4 m and 30 m off or without any position: cameras within 15 cm, a kept-out point within 5."""
    found = laid(points(PLACES), gps=gps, bent=True)
    assert np.abs(centre_errors(found)).max() < 0.15
    assert (len(found.used), len(found.kept_out)) == (6, 1)
    assert np.abs(found.misfit_K3).max() < 0.05
    assert found.wrong == ()
    assert found.remarks == ()


def test_points_flatten_a_bent_block() -> None:
    """The bend that a wrong lens made of the flight is gone to a fifth, since the points are flat."""
    _, placed, _ = block(gps=True, bent=True)
    before_m = np.abs(height_errors_m(placed, flight()[0])).max()
    after_m = np.ptp(centre_errors(laid(points(PLACES), bent=True))[:, 2])
    assert before_m > 0.5
    assert after_m < before_m / 5


@pytest.mark.parametrize("count", [4, 7])
def test_one_wrong_point_is_found_and_named(count: int) -> None:
    """A point written down 1.5 m off moves nothing, whether there are three others or six."""
    marked = points(PLACES[:count])
    marked[1] = replace(marked[1], xyz_3=marked[1].xyz_3 + np.array([1.5, 0, 0]))
    found = laid(marked)
    assert [name for name, _ in found.wrong] == ["P1"]
    assert found.wrong[0][1] == pytest.approx(1.5, abs=0.3)
    assert np.abs(centre_errors(found)[:, :2]).max() < 0.3


def test_one_wrong_mark_is_found_and_named() -> None:
    """A mark on another stone is left out; its point is used with the others."""
    marked = points(PLACES)
    bad = replace(marked[4].marks[0], pixel_2=marked[4].marks[0].pixel_2 + 60)
    marked[4] = replace(marked[4], marks=(bad, *marked[4].marks[1:]))
    found = laid(marked)
    assert found.remarks == (f"Control point P4 is marked wrongly on {bad.number - 1}.jpg.",)
    assert np.abs(centre_errors(found)).max() < 0.15


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda xyz_3: xyz_3 + np.array([800_000.0, 0, 0]), "800.0 km from where"),
        (lambda xyz_3: xyz_3[[1, 0, 2]], "x and y swapped"),
        (lambda xyz_3: ORIGIN_3 + np.array([3 * (xyz_3 - ORIGIN_3)[1], 5.0, 0]), "one line"),
        (lambda xyz_3: ORIGIN_3 + (xyz_3 - ORIGIN_3)[[1, 0, 2]], "contradict each other"),
    ],
)
def test_points_that_cannot_be_of_this_block_are_refused(
    change: Callable[[Floats], Floats], message: str
) -> None:
    """Another zone, swapped axes, points on a line, points that fit no turn: each is said as it is."""
    marked = [replace(p, xyz_3=change(p.xyz_3)) for p in points(PLACES)]
    with pytest.raises(StitchError, match=message) as error:
        laid(marked)
    assert error.value.hint


def test_too_few_points_are_refused() -> None:
    """Two points, or points marked once, hold no block."""
    with pytest.raises(StitchError, match="2 control point"):
        laid(points(PLACES[:2]))
    with pytest.raises(StitchError, match="0 control point"):
        laid([replace(p, marks=p.marks[:1]) for p in points(PLACES)])


@pytest.mark.parametrize("count", [3, 5, 7])
def test_the_error_told_covers_the_block(count: int) -> None:
    """Over four sets of marks and surveyed points that err by 2 cm, CE95 holds 95 % of the tie points."""
    within, told = [], []
    for seed in range(4):
        random = np.random.default_rng(seed)
        marked = [
            replace(p, xyz_3=p.xyz_3 + random.normal(0, 0.02, 3)) for p in points(PLACES[:count], 0.5, seed)
        ]
        found = laid(marked)
        georef, stands = basis.on_control(Path("gcp_list.txt"), found)
        assert stands.points == len(found.used)
        assert (stands.checked_m is None) == (count < 5)
        centres_N3 = centre_errors(found)
        within.append(np.hypot(*centres_N3[:, :2].T) <= georef.ce95_m)
        told.append(georef.ce95_m)
    assert np.mean(within) >= 0.95
    assert max(told) < 1.5
