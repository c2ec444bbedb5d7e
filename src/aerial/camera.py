"""A pin-hole camera with lens distortion: projection, rays, footprint, GSD.

The model and its parameter order are OpenCV's and COLMAP's ``OPENCV`` (Brown-Conrady: k1, k2
radial, p1, p2 tangential). The camera frame is x right, y down, z forward; pixel coordinates are
(column, row) with the centre of the first pixel at (0.5, 0.5), as COLMAP counts.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """Intrinsics in pixels; ``distortion`` is (k1, k2, p1, p2)."""

    width_px: int
    height_px: int
    focal_x_px: float
    focal_y_px: float
    centre_x_px: float
    centre_y_px: float
    distortion: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """Where a camera stood and looked.

    ``rotation_33`` turns world directions into camera directions; ``centre_3`` is the projection
    centre in world metres. x_camera = rotation_33 @ (x_world - centre_3).
    """

    rotation_33: Floats
    centre_3: Floats


def intrinsics(camera: Camera) -> Floats:
    """Return the 3x3 matrix K for coordinates whose first pixel centre is (0.5, 0.5)."""
    return np.array(
        [
            [camera.focal_x_px, 0, camera.centre_x_px],
            [0, camera.focal_y_px, camera.centre_y_px],
            [0, 0, 1.0],
        ]
    )


def project(camera: Camera, pose: Pose, points_N3: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Project world points (metres) to pixel coordinates.

    Returns:
        ``pixels_N2`` (column, row) and ``seen_N``: in front of the camera and inside the frame.
    """
    camera_N3 = (np.asarray(points_N3, float) - pose.centre_3) @ pose.rotation_33.T
    depth_N = camera_N3[:, 2]
    ahead_N = depth_N > 1e-6
    x_N, y_N = (camera_N3[:, i] / np.where(ahead_N, depth_N, 1.0) for i in (0, 1))
    r2_N = x_N**2 + y_N**2
    k1, k2, p1, p2 = camera.distortion
    radial_N = 1 + k1 * r2_N + k2 * r2_N**2
    # Past the turning point of the radial polynomial far-off points fold back into the frame.
    unfolded_N = 1 + 3 * k1 * r2_N + 5 * k2 * r2_N**2 > 0
    xd_N = x_N * radial_N + 2 * p1 * x_N * y_N + p2 * (r2_N + 2 * x_N**2)
    yd_N = y_N * radial_N + p1 * (r2_N + 2 * y_N**2) + 2 * p2 * x_N * y_N
    pixels_N2 = np.column_stack(
        [camera.focal_x_px * xd_N + camera.centre_x_px, camera.focal_y_px * yd_N + camera.centre_y_px]
    )
    inside_N = (
        (pixels_N2[:, 0] >= 0)
        & (pixels_N2[:, 1] >= 0)
        & (pixels_N2[:, 0] <= camera.width_px)
        & (pixels_N2[:, 1] <= camera.height_px)
    )
    return pixels_N2, ahead_N & unfolded_N & inside_N


def rays(camera: Camera, pose: Pose, pixels_N2: Floats) -> Floats:
    """Return unit directions in the world, shape (N, 3), of the rays through pixel coordinates."""
    ideal_N12 = cv2.undistortPointsIter(
        np.asarray(pixels_N2, float).reshape(-1, 1, 2),
        intrinsics(camera),
        np.array(camera.distortion),
        np.eye(3),
        np.eye(3),
        (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 50, 1e-12),
    )
    directions_N3 = np.column_stack([ideal_N12.reshape(-1, 2), np.ones(len(pixels_N2))])
    directions_N3 /= np.linalg.norm(directions_N3, axis=1, keepdims=True)
    return np.asarray(directions_N3 @ pose.rotation_33)


def footprint(camera: Camera, pose: Pose, ground_m: float) -> Floats | None:
    """Return the four corners, shape (4, 2), of the frame on the horizontal plane z = ``ground_m``.

    None where a corner looks at or above the horizon.
    """
    w, h = camera.width_px, camera.height_px
    directions_43 = rays(camera, pose, np.array([[0, 0], [w, 0], [w, h], [0, h]], float))
    if np.any(directions_43[:, 2] >= -1e-3):
        return None
    reach_4 = (ground_m - pose.centre_3[2]) / directions_43[:, 2]
    if np.any(reach_4 <= 0):
        return None
    return np.asarray(pose.centre_3[:2] + reach_4[:, None] * directions_43[:, :2])


def gsd_m(camera: Camera, height_m: float) -> float:
    """Return the ground sampling distance in metres of a nadir view from ``height_m`` over the ground."""
    return height_m / camera.focal_x_px


def nadir_rotation(yaw_deg: float, pitch_deg: float = -90.0, roll_deg: float = 0.0) -> Floats:
    """Return ``rotation_33`` of a camera in an east-north-up world, DJI gimbal angles.

    ``yaw_deg`` clockwise from north, where the top of a nadir picture points; ``pitch_deg`` -90
    looks straight down, 0 at the horizon; ``roll_deg`` turns the picture about the optical axis.
    """
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    down = np.cross(forward, right)
    right_rolled = np.cos(roll) * right + np.sin(roll) * down
    down_rolled = -np.sin(roll) * right + np.cos(roll) * down
    return np.stack([right_rolled, down_rolled, forward])


def focal_px_from_35mm(equivalent_mm: float, width_px: int, height_px: int) -> float:
    """Return the focal length in pixels of a frame from EXIF FocalLengthIn35mmFilm.

    CIPA DCG-001 compares diagonals (43.27 mm of a 36 x 24 mm frame). A frame wider than 3:2 is cut
    from a taller sensor whose diagonal it does not tell; there the width (36 mm) is compared. Both
    are the same at 3:2.
    """
    return equivalent_mm * _frame_px(width_px, height_px) / 36.0


def equivalent_35mm(focal_px: float, width_px: int, height_px: int) -> float:
    """Return the 35 mm equivalent in millimetres; the inverse of ``focal_px_from_35mm``."""
    return focal_px * 36.0 / _frame_px(width_px, height_px)


def _frame_px(width_px: int, height_px: int) -> float:
    """Return the width of the 3:2 frame to which the equivalence refers, in pixels."""
    long_px, short_px = max(width_px, height_px), min(width_px, height_px)
    if long_px >= 1.5 * short_px:
        return float(long_px)
    return float(np.hypot(long_px, short_px) / np.hypot(1, 2 / 3))
