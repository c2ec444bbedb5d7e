"""Pairs, lenses and the numbers that pass between COLMAP and the block."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from aerial.camera import Pose, project
from aerial.ortho import adjust, matching
from aerial.ortho.presets import QUALITY
from aerial.records import Photo

EMPTY: dict[str, Any] = dict.fromkeys(Photo.__dataclass_fields__)


def photo(**known: Any) -> Photo:
    """Return a record that says only what is given."""
    return Photo(**(EMPTY | {"file": "a.jpg", "width_px": 4000, "height_px": 3000} | known))


def grid_N2() -> np.ndarray[Any, Any]:
    """Return 10 lines of 10 stations."""
    x, y = np.meshgrid(np.arange(10) * 20.0, np.arange(10) * 15.0)
    return np.column_stack([x.ravel(), y.ravel()])


def test_every_photograph_is_paired_with_its_neighbours() -> None:
    """The eight stations around each one are among its pairs, and no pair comes twice."""
    xy_N2 = grid_N2()
    pairs = matching.choose_pairs(xy_N2, range(100), 20)
    assert len(set(pairs)) == len(pairs)
    assert all(a < b for a, b in pairs)
    for i, at in enumerate(xy_N2):
        around = {j for j, other in enumerate(xy_N2) if j != i and np.all(np.abs(other - at) <= (20, 15))}
        assert around <= {b for a, b in pairs if a == i} | {a for a, b in pairs if b == i}


def test_a_photograph_without_position_is_paired_by_time() -> None:
    """NaN is no place: such a photograph meets those taken before and after it."""
    xy_N2 = grid_N2()
    xy_N2[50] = np.nan
    pairs = matching.choose_pairs(xy_N2, range(100), 20)
    mates = {a + b - 50 for a, b in pairs if 50 in (a, b)}
    assert set(range(45, 56)) - {50} <= mates
    assert len(pairs) < 100 * 20


def test_stations_all_at_one_place_stay_tied_to_the_rest() -> None:
    """Thirty photographs of a hover are not an island: the next ones in time are their neighbours."""
    xy_N2 = np.concatenate([np.zeros((30, 2)), grid_N2() + 40])
    pairs = matching.choose_pairs(xy_N2, range(130), 20)
    assert any(a < 30 <= b for a, b in pairs)


def test_a_lens_is_body_size_and_focal_length() -> None:
    """One cut photograph gets intrinsics of its own; one without focal length takes the others'."""
    full = photo(focal_px=3000.0, model="FC1")
    cut, silent = replace(full, width_px=3000), replace(full, focal_px=None)
    found = matching.lenses([full, full, cut, silent])
    assert found[0] == found[1] == found[3]
    assert found[0] != found[2]


def test_a_camera_of_the_working_size_projects_as_the_whole_one() -> None:
    """Scaled up, the camera puts a point where the photograph shows it: twice the working pixel."""
    lens = matching.Lens(make="", model="", width_px=4000, height_px=3000, focal_px=3000.0)
    small = matching.working_camera(lens, 1)
    small.params = [1500, 1500, 1012, 744, -0.02, 0.01, 0.001, -0.002]
    pose = Pose(rotation_33=np.diag([1.0, -1.0, -1.0]), centre_3=np.array([0, 0, 50.0]))
    points_N3 = np.random.default_rng(1).uniform(-12, 12, (20, 3))
    whole_N2, seen_N = project(adjust.full_camera(small.params, 4000, 3000), pose, points_N3)
    camera_N3 = (points_N3 - pose.centre_3) @ pose.rotation_33.T
    expected_N2 = np.array([small.img_from_cam(p) for p in camera_N3])
    assert seen_N.all()
    assert 2 * expected_N2 == pytest.approx(whole_N2, abs=1e-6)


def test_a_repeated_adjustment_gives_the_same_poses(solved: Any, tmp_path: Any) -> None:
    """Seeds are fixed: the same database maps to the same poses, up to the order of sums."""
    twice = [
        adjust.map_globally(solved.work / "block.db", tmp_path / str(i), QUALITY, free_focal=False)[0]
        for i in (1, 2)
    ]
    one, two = (adjust.centres_and_axes(model)[0] for model in twice)
    assert one == pytest.approx(two, abs=1e-3)
