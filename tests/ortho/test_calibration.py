"""Lenses measured before, from OpenDroneMap's cameras.json and camera TOML."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerial.camera import Pose, project
from aerial.errors import InputError
from aerial.ortho import adjust
from aerial.ortho.calibration import calibrated, read_calibration
from aerial.ortho.solve import solve
from aerial.progress import SILENT
from aerial.resources import camera_file

NAME = "v2 dji fc1 560 420 brown 0.85"
BROWN: dict[str, Any] = {
    "projection_type": "brown",
    "width": 560,
    "height": 420,
    "focal_x": 600 / 560,
    "focal_y": 600 / 560,
    "c_x": 3 / 560,
    "c_y": -2 / 560,
    "k1": -0.02,
    "k2": 0.01,
    "p1": 0.001,
    "p2": -0.001,
    "k3": 0.0,
}


def written(folder: Path, values: Any, name: str = "cameras.json") -> Path:
    """Write a camera file."""
    path = folder / name
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


def test_a_measured_lens_is_taken_and_stays(solved: Any, tmp_path: Path) -> None:
    """The block has the very numbers of the file, distortion and principal point too, at full size."""
    job = replace(solved.survey.job, calibration=written(tmp_path, {NAME: BROWN}), preset="fast")
    block, _ = solve(job, tmp_path / "work", SILENT)
    assert len(block.photos) == 12
    camera = block.photos[0].camera
    assert (camera.focal_x_px, camera.centre_x_px, camera.centre_y_px) == pytest.approx((600, 283, 208))
    assert camera.distortion == (-0.02, 0.01, 0.001, -0.001)


def test_working_parameters_are_those_of_the_whole_camera() -> None:
    """Brought down to the working size and back, a camera is the same."""
    camera = read_calibration(camera_file("dji_fc6310"))[0].camera(5472, 3648)
    again = adjust.full_camera(np.array(adjust.working_parameters(camera)), 5472, 3648)
    assert np.allclose([camera.focal_x_px, camera.centre_y_px], [again.focal_x_px, again.centre_y_px])
    assert camera.focal_x_px == pytest.approx(8.8 / 13.2 * 5472)


def test_a_third_radial_term_is_folded_into_two(tmp_path: Path) -> None:
    """A brown lens with k3 projects within two pixels of 5472 as its own three terms do."""
    values = BROWN | {"width": 5472, "height": 3648, "focal_x": 0.6665, "focal_y": 0.6665}
    values |= {"k1": -0.264, "k2": 0.102, "k3": -0.0258, "p1": 0.0, "p2": 0.0, "c_x": 0.0, "c_y": 0.0}
    camera = read_calibration(written(tmp_path, {"v2 dji fc6310r 5472 3648 brown 0.6": values}))[0]
    x_N, y_N = (v.ravel() for v in np.meshgrid(np.linspace(-0.6, 0.6, 30), np.linspace(-0.4, 0.4, 30)))
    pose = Pose(rotation_33=np.eye(3), centre_3=np.zeros(3))
    whole = camera.camera(5472, 3648)
    at_N2, inside_N = project(whole, pose, np.column_stack([x_N, y_N, np.ones(900)]))
    r2_N = x_N**2 + y_N**2
    radial_N = 1 - 0.264 * r2_N + 0.102 * r2_N**2 - 0.0258 * r2_N**3
    wanted_N2 = 0.6665 * 5472 * radial_N[:, None] * np.column_stack([x_N, y_N]) + (2736, 1824)
    assert inside_N.sum() > 500
    assert np.abs(at_N2 - wanted_N2)[inside_N].max() < 1.6


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"a": 1}',
        '{"a": {"projection_type": "fisheye", "width": 4, "height": 3, "focal": 1}}',
        '{"a": {"projection_type": "brown", "width": 4, "height": 0, "focal": 1}}',
        '{"a": {"projection_type": "brown", "width": 4, "height": 3, "focal": NaN}}',
        '{"a": {"projection_type": "brown", "width": 4, "height": 3, "focal": 1, "k1": "x"}}',
        '{"a": {"projection_type": "brown", "width": 4000, "height": 3000, "focal": 0.6, "k3": 3}}',
    ],
)
def test_what_is_no_camera_file_is_refused(tmp_path: Path, content: str) -> None:
    """Empty, of another shape or lens model, with impossible figures: a message and a hint."""
    with pytest.raises(InputError) as error:
        read_calibration(written(tmp_path, content))
    assert error.value.hint


def test_a_file_of_another_camera_is_refused(solved: Any, tmp_path: Path) -> None:
    """A calibration of no photograph here is no mere remark: the job would run without it."""
    job = solved.survey.job
    for other in ({"v2 dji fc6310 560 420 brown 0.6": BROWN}, {NAME: BROWN | {"height": 373}}):
        with pytest.raises(InputError, match="FC1 560 x 420"):
            calibrated(replace(job, calibration=written(tmp_path, other)))
    with pytest.raises(InputError, match="cannot be read"):
        calibrated(replace(job, calibration=tmp_path / "absent.json"))
    toml = camera_file("dji_fc6310").read_text(encoding="utf-8").replace('model = "FC6310"\n', "")
    with pytest.raises(InputError, match="'model' is missing"):
        read_calibration(written(tmp_path, toml, "camera.toml"))
