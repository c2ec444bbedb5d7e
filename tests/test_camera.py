"""The pin-hole camera."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial.camera import Camera, Pose, footprint, gsd_m, intrinsics, nadir_rotation, project, rays

CAMERA = Camera(
    width_px=4000,
    height_px=3000,
    focal_x_px=2900.0,
    focal_y_px=2900.0,
    centre_x_px=2010.0,
    centre_y_px=1490.0,
    distortion=(-0.12, 0.05, 0.001, -0.0008),
)
POSE = Pose(rotation_33=nadir_rotation(30, -87, 2), centre_3=np.array([100.0, 200.0, 90.0]))


@given(st.floats(0, 4000), st.floats(0, 3000), st.floats(10, 80))
def test_a_point_on_a_pixel_ray_projects_to_that_pixel(column: float, row: float, depth_m: float) -> None:
    """Rays and projection are inverse to 1e-3 px, distortion included."""
    pixel_12 = np.array([[column, row]])
    points_13 = POSE.centre_3 + depth_m * rays(CAMERA, POSE, pixel_12)
    pixels_12, _ = project(CAMERA, POSE, points_13)
    assert np.allclose(pixel_12, pixels_12, atol=1e-3)


def test_projection_agrees_with_opencv() -> None:
    """The model and its parameter order are OpenCV's."""
    points_N3 = np.random.default_rng(1).uniform([60, 160, 0], [140, 240, 20], (50, 3))
    pixels_N2, seen_N = project(CAMERA, POSE, points_N3)
    rvec_31, _ = cv2.Rodrigues(POSE.rotation_33)
    translation_3 = -POSE.rotation_33 @ POSE.centre_3
    expected_N12, _ = cv2.projectPoints(
        points_N3, rvec_31, translation_3, intrinsics(CAMERA), np.array(CAMERA.distortion)
    )
    assert np.allclose(expected_N12[seen_N, 0], pixels_N2[seen_N], atol=1e-6)
    assert seen_N.sum() > 30


@pytest.mark.parametrize(("yaw_deg", "top"), [(0, (0, 1)), (90, (1, 0)), (180, (0, -1))])
def test_the_top_of_a_nadir_picture_points_where_the_yaw_says(yaw_deg: float, top: tuple[int, int]) -> None:
    """Yaw counts clockwise from north; the rotation is proper."""
    pose = Pose(rotation_33=nadir_rotation(yaw_deg), centre_3=np.array([0.0, 0.0, 50.0]))
    pixels_22, _ = project(CAMERA, pose, np.array([[0.0, 0, 0], [5.0 * top[0], 5.0 * top[1], 0]]))
    assert pixels_22[1, 1] < pixels_22[0, 1] - 100
    assert abs(pixels_22[1, 0] - pixels_22[0, 0]) < 5
    assert pytest.approx(float(np.linalg.det(pose.rotation_33))) == 1.0


def test_points_behind_the_camera_or_far_outside_are_not_seen() -> None:
    """Neither the sky nor what the distortion polynomial folds back counts as seen."""
    _, seen_2 = project(CAMERA, POSE, np.array([[100.0, 200.0, 500.0], [9000.0, 200.0, 0.0]]))
    assert not seen_2.any()


def test_the_footprint_is_the_frame_on_the_ground_and_none_at_the_horizon() -> None:
    """A nadir frame of an ideal camera covers width times GSD; a level one has no footprint."""
    ideal = Camera(
        width_px=400, height_px=300, focal_x_px=290, focal_y_px=290, centre_x_px=200, centre_y_px=150
    )
    nadir = Pose(rotation_33=nadir_rotation(0), centre_3=np.array([0.0, 0.0, 58.0]))
    corners_42 = footprint(ideal, nadir, 0.0)
    assert corners_42 is not None
    assert np.allclose([80, 60], corners_42.max(axis=0) - corners_42.min(axis=0))
    assert pytest.approx(gsd_m(ideal, 58.0)) == 0.2
    level = Pose(rotation_33=nadir_rotation(0, pitch_deg=-5), centre_3=np.array([0.0, 0.0, 58.0]))
    assert footprint(ideal, level, 0.0) is None
