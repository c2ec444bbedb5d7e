"""The flight: what it covers, and how far its own records lie from the truth."""

import numpy as np
import pytest
from shapely.geometry import Point, Polygon

from aerial.camera import footprint
from aerial.simulate import flight
from aerial.simulate.presets import PRESETS
from aerial.simulate.town import corners


@pytest.mark.parametrize("name", list(PRESETS))
@pytest.mark.parametrize("epoch", [1, 2])
def test_every_corner_of_the_cell_is_well_photographed(name: str, epoch: int) -> None:
    """Even the cell's corners lie in four photographs or more, so that the truth there can be measured."""
    preset = PRESETS[name]
    camera = flight.true_camera(flight.read_camera(), preset, 5, epoch)
    frames = [footprint(camera, shot.pose, 0.0) for shot in flight.fly(preset, 5, epoch, 0.0)]
    shapes = [Polygon(frame) for frame in frames if frame is not None]
    assert len(shapes) == preset.lines * preset.photos_per_line
    for corner in corners(flight.cell_plot(preset, 5)):
        assert sum(shape.contains(Point(corner)) for shape in shapes) >= 4


def test_neighbours_overlap_as_planned() -> None:
    """Photographs of one line overlap by about 80 %, neighbouring lines by about 70 %."""
    preset = PRESETS["demo"]
    centres_N3 = np.array([shot.pose.centre_3 for shot in flight.fly(preset, 5, 1, 0.0)])
    lines = centres_N3.reshape(preset.lines, preset.photos_per_line, 3)
    wide_m = preset.width_px * preset.gsd_m
    along = np.linalg.norm(np.diff(lines[:, :, :2], axis=1), axis=2)
    across = np.linalg.norm(np.diff(lines.mean(axis=1)[:, :2], axis=0), axis=1)
    assert 1 - np.median(along) / (wide_m * 2 / 3) == pytest.approx(0.80, abs=0.03)
    assert 1 - np.median(across) / wide_m == pytest.approx(0.70, abs=0.03)


def test_height_stays_under_the_legal_limit() -> None:
    """No preset flies above 120 m over the ground."""
    for preset in PRESETS.values():
        assert max(shot.pose.centre_3[2] for shot in flight.fly(preset, 5, 1, 0.0)) < 120


def test_gps_errs_by_a_bias_for_the_flight_and_little_else() -> None:
    """Over many towns the flights' mean error has a deviation of 1.5 m; within a flight it is small."""
    preset = PRESETS["tests"]
    errors = np.array(
        [
            [(shot.gps_3 - shot.pose.centre_3)[:2] for shot in flight.fly(preset, seed, epoch, 0.0)]
            for seed in range(60)
            for epoch in (1, 2)
        ]
    )
    assert errors.mean(axis=1).std() == pytest.approx(flight.GPS_BIAS_M, rel=0.15)
    assert errors.std(axis=1).mean() == pytest.approx(flight.GPS_NOISE_M, rel=0.1)


def test_true_focal_length_is_near_the_label_and_not_it() -> None:
    """The focal length that took the pictures is within 1 % of what EXIF will say, and differs by town."""
    preset = PRESETS["demo"]
    label_px = 24 / 36 * preset.width_px
    ratios = [
        flight.true_camera(flight.read_camera(), preset, seed, 1).focal_x_px / label_px - 1
        for seed in range(40)
    ]
    assert max(np.abs(ratios)) <= 0.01
    assert np.std(ratios) > 0.003
