"""Heights from two photographs: rectify over the ground, match semi-globally, lay on the grid.

Matching is Hirschmueller's semi-global matching (IEEE TPAMI 30(2), 2008) as OpenCV has it.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.camera import Camera, Pose, footprint

Floats = NDArray[np.float64]
Points = NDArray[np.float32]

# Steps of the coarse matches, in fine ones. Crowns and bare sheets match on small pictures only.
COARSE = (6, 3)
# Coarse matches search this much of the flying height above and below the tie points.
SEARCH_UP, SEARCH_DOWN = 0.45, 0.06


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A grey picture with its camera and pose."""

    grey_HW: NDArray[np.uint8]
    camera: Camera
    pose: Pose


@dataclass(frozen=True, slots=True, kw_only=True)
class Rectified:
    """A pair laid so that a point is on one row of both, ``offset_px`` + disparity apart.

    Rows of ``turn_33`` are the common axes in the world: along the base, across, down. Column c of
    the left picture is u = c + 0.5 + ``u0_px`` = focal * X / Z.
    """

    left_HW: NDArray[np.uint8]
    right_HW: NDArray[np.uint8]
    seen_left_HW: NDArray[np.bool_]
    seen_right_HW: NDArray[np.bool_]
    turn_33: Floats
    centre_3: Floats
    focal_px: float
    base_m: float
    u0_px: float
    v0_px: float
    offset_px: int
    disparities: int


def match_heights(
    left: View, right: View, *, ground_m: float, relief_m: tuple[float, float], step_m: float
) -> tuple[Points, ...]:
    """Return points of the common ground, shape (N, 3), in the world of the poses: fine, then coarse.

    ``relief_m`` is the lowest and highest known height; buildings above it are searched for on
    small pictures first. ``step_m`` is the size of a matched pixel on the ground at ``ground_m``;
    the coarse points lie ``COARSE`` times as far apart, the finer ones first.
    """
    height = (left.pose.centre_3[2] + right.pose.centre_3[2]) / 2 - ground_m
    low = relief_m[0] - SEARCH_DOWN * height
    high = min(relief_m[1] + SEARCH_UP * height, ground_m + 0.7 * height)
    levels: list[Points] = []
    for times in COARSE:
        pair = rectify(left, right, ground_m=ground_m, relief_m=(low, high), step_m=step_m * times)
        points_N3 = np.empty((0, 3), np.float32) if pair is None else _points(pair, _disparity(pair))
        levels.insert(0, points_N3)
        if len(points_N3) < 200:
            continue
        # The coarse search rounds: some height is kept free on both sides.
        bottom, top = np.percentile(points_N3[:, 2], [0.1, 99.9])
        margin = 0.015 * height + 1.0
        low, high = max(low, float(bottom) - margin), min(high, float(top) + margin)
    fine = rectify(left, right, ground_m=ground_m, relief_m=(low, high), step_m=step_m)
    if fine is None or all(len(points_N3) < 200 for points_N3 in levels):
        return ()
    return _points(fine, _disparity(fine)), *levels


def rectify(
    left: View, right: View, *, ground_m: float, relief_m: tuple[float, float], step_m: float
) -> Rectified | None:
    """Lay two photographs on a common plane over the ground; None where they share none.

    The plane is horizontal but for the slope of the base: level roofs have one disparity.
    """
    base_3 = right.pose.centre_3 - left.pose.centre_3
    if base_3[0] < -abs(base_3[1]) or (base_3[1] < 0 and abs(base_3[1]) > abs(base_3[0])):
        # One of the two directions, so that the result does not hang on the order of a pair.
        left, right, base_3 = right, left, -base_3
    base = float(np.linalg.norm(base_3))
    along_3 = base_3 / base
    across_3 = np.cross([0.0, 0.0, -1.0], along_3)
    across_3 /= np.linalg.norm(across_3)
    turn_33 = np.stack([along_3, across_3, np.cross(along_3, across_3)])
    depth = (left.pose.centre_3[2] + right.pose.centre_3[2]) / 2 - ground_m
    focal = depth / step_m
    near = depth - (relief_m[1] - ground_m)
    far = depth - (relief_m[0] - ground_m)
    offset = int(np.floor(focal * base / far))
    disparities = int(np.ceil((focal * base / near - offset) / 16)) * 16
    boxes = []
    for view in (left, right):
        corners_42 = footprint(view.camera, view.pose, ground_m)
        if corners_42 is None:
            return None
        xyz_43 = np.column_stack([corners_42, np.full(4, ground_m)]) - left.pose.centre_3
        ideal_43 = xyz_43 @ turn_33.T
        uv_42 = focal * ideal_43[:, :2] / ideal_43[:, 2:]
        boxes.append((uv_42.min(axis=0), uv_42.max(axis=0)))
    low_2, high_2 = np.maximum(boxes[0][0], boxes[1][0]), np.minimum(boxes[0][1], boxes[1][1])
    if np.any(high_2 - low_2 < 32):
        return None
    # Relief moves the common ground by up to the searched disparities, on either side.
    u0, u1 = np.floor(low_2[0]) - disparities, np.ceil(high_2[0]) + disparities
    v0, v1 = np.floor(low_2[1]), np.ceil(high_2[1])
    size = int(u1 - u0), int(v1 - v0)
    pictures = []
    for view, shift in ((left, 0), (right, offset)):
        plane_33 = np.array([[focal, 0, -(u0 - shift) - 0.5], [0, focal, -v0 - 0.5], [0, 0, 1.0]])
        pictures.append(_warped(view, turn_33, plane_33, size))
    return Rectified(
        left_HW=pictures[0][0],
        right_HW=pictures[1][0],
        seen_left_HW=pictures[0][1],
        seen_right_HW=pictures[1][1],
        turn_33=turn_33,
        centre_3=left.pose.centre_3,
        focal_px=focal,
        base_m=base,
        u0_px=float(u0),
        v0_px=float(v0),
        offset_px=offset,
        disparities=disparities,
    )


def _warped(
    view: View, turn_33: Floats, plane_33: Floats, size: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    camera = view.camera
    # OpenCV counts pixels from the first one's centre.
    lens_33 = np.array(
        [
            [camera.focal_x_px, 0, camera.centre_x_px - 0.5],
            [0, camera.focal_y_px, camera.centre_y_px - 0.5],
            [0, 0, 1],
        ]
    )
    map_x, map_y = cv2.initUndistortRectifyMap(
        lens_33,
        np.array(camera.distortion),
        turn_33 @ view.pose.rotation_33.T,
        plane_33,
        size,
        cv2.CV_32FC1,
    )
    seen_HW = (map_x >= 0) & (map_y >= 0) & (map_x <= camera.width_px - 1) & (map_y <= camera.height_px - 1)
    grey_HW = cv2.remap(view.grey_HW, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return _evened(grey_HW), seen_HW


def _evened(grey_HW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Even out brightness and contrast over about 60 pixels: exposure, vignetting and hot spots go."""
    image_HW = grey_HW.astype(np.float32)
    mean_HW = cv2.blur(image_HW, (61, 61))
    deviation_HW = np.sqrt(np.maximum(cv2.blur(image_HW * image_HW, (61, 61)) - mean_HW * mean_HW, 0))
    # The 8 grey levels keep sensor noise on bare sheets from being blown up to texture.
    even_HW = 128 + (image_HW - mean_HW) * (48 / (deviation_HW + 8))
    return np.asarray(np.clip(even_HW, 0, 255).astype(np.uint8))


def _disparity(pair: Rectified) -> NDArray[np.float32]:
    """Return disparity beyond ``offset_px`` in pixels, NaN where there is no good match."""
    block = 5
    matcher = cv2.StereoSGBM.create(
        minDisparity=0,
        numDisparities=pair.disparities,
        blockSize=block,
        P1=8 * block * block,
        P2=40 * block * block,
        disp12MaxDiff=1,
        preFilterCap=31,
        uniquenessRatio=5,
        speckleWindowSize=150,
        speckleRange=2,
        mode=cv2.StereoSGBM_MODE_SGBM_3WAY,
    )
    disparity_HW = matcher.compute(pair.left_HW, pair.right_HW).astype(np.float32) / 16
    h, w = disparity_HW.shape
    other_HW = np.arange(w)[None, :] - np.round(disparity_HW).astype(int)
    good_HW = (disparity_HW >= 0) & (other_HW >= 0) & pair.seen_left_HW
    good_HW &= pair.seen_right_HW[np.arange(h)[:, None], other_HW.clip(0, w - 1)]
    # The two ends are where a match that lies outside the search ends up.
    good_HW &= (disparity_HW > 0.5) & (disparity_HW < pair.disparities - 1.5)
    return np.where(good_HW, disparity_HW, np.float32(np.nan))


def _points(pair: Rectified, disparity_HW: NDArray[np.float32]) -> Points:
    h, w = disparity_HW.shape
    good_HW = np.isfinite(disparity_HW)
    depth_N = np.float32(pair.focal_px * pair.base_m) / (disparity_HW[good_HW] + np.float32(pair.offset_px))
    u_W = (np.arange(w) + 0.5 + pair.u0_px) / pair.focal_px
    v_H = (np.arange(h) + 0.5 + pair.v0_px) / pair.focal_px
    points_N3 = np.empty((len(depth_N), 3), np.float32)
    for axis in range(3):
        along, across, down = pair.turn_33[:, axis]
        plane_HW = (u_W * along)[None, :].astype(np.float32) + (v_H * across + down)[:, None].astype(
            np.float32
        )
        points_N3[:, axis] = depth_N * plane_HW[good_HW] + np.float32(pair.centre_3[axis])
    return points_N3
