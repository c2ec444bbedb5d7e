"""What a photograph sees of the surface, and where each point of it lies in the picture."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.camera import Camera, Pose

Floats = NDArray[np.float64]
Reals = NDArray[np.float32]

# Walls are sampled at so many heights: a high thin thing hides what its top alone would not.
WALL_STEPS = 8
# A point this far under the one that covers it is hidden; less is the surface's own noise.
HIDDEN_M = 0.5


def pixels_of(camera: Camera, pose: Pose, x: Reals, y: Reals, z: Reals) -> tuple[Reals, Reals]:
    """Return column and row in the picture (first pixel's centre at 0), in single precision.

    ``x``, ``y``, ``z`` are world metres less the projection centre, of shapes that broadcast.
    Points behind the camera or beyond the lens model give -1e6. Same model as ``camera.project``.
    """
    r_33 = pose.rotation_33.astype(np.float32)
    depth = r_33[2, 0] * x + r_33[2, 1] * y + r_33[2, 2] * z
    ahead = depth > 1e-3
    inverse = 1 / np.where(ahead, depth, np.float32(1))
    u = (r_33[0, 0] * x + r_33[0, 1] * y + r_33[0, 2] * z) * inverse
    v = (r_33[1, 0] * x + r_33[1, 1] * y + r_33[1, 2] * z) * inverse
    k1, k2, p1, p2 = (np.float32(value) for value in camera.distortion)
    uu, vv, uv = u * u, v * v, u * v
    r2 = uu + vv
    radial = 1 + r2 * (k1 + k2 * r2)
    # Past the turning point of the radial polynomial far-off points fold back into the frame.
    fits = ahead & (1 + r2 * (3 * k1 + 5 * k2 * r2) > 0)
    column = camera.focal_x_px * (u * radial + 2 * p1 * uv + p2 * (r2 + 2 * uu)) + camera.centre_x_px - 0.5
    row = camera.focal_y_px * (v * radial + 2 * p2 * uv + p1 * (r2 + 2 * vv)) + camera.centre_y_px - 0.5
    return (
        np.where(fits, column, np.float32(-1e6)).astype(np.float32),
        np.where(fits, row, np.float32(-1e6)).astype(np.float32),
    )


def unhidden(centre_3: Floats, x_W: Reals, y_H: Reals, z_HW: Reals, cell: float) -> NDArray[np.bool_]:
    """Tell which cells of a surface nothing hides from the projection centre.

    ``x_W``, ``y_H`` (north first) and ``z_HW`` are world metres of the cells' middles, ``cell``
    apart. Every cell, and the wall under it, is thrown along its ray of sight on a level plane
    under all; of those that fall on one place the highest is seen (a z-buffer).
    """
    floor = float(z_HW.min())
    h, w = z_HW.shape
    x_HW, y_HW = np.broadcast_to(x_W[None, :], (h, w)), np.broadcast_to(y_H[:, None], (h, w))
    foot_HW = cv2.erode(z_HW, np.ones((3, 3)))
    edge_HW = z_HW - foot_HW > 2 * HIDDEN_M
    parts = [(x_HW.ravel(), y_HW.ravel(), z_HW.ravel())]
    if edge_HW.any():
        x_E, y_E, z_E, foot_E = x_HW[edge_HW], y_HW[edge_HW], z_HW[edge_HW], foot_HW[edge_HW]
        parts += [(x_E, y_E, foot_E + (z_E - foot_E) * (k / WALL_STEPS)) for k in range(1, WALL_STEPS)]
    # What is high may reach a cell farther than the surface has it: rather hidden than drawn twice.
    over_HW = cv2.dilate(z_HW, np.ones((3, 3)))
    beside_HW = over_HW - z_HW > 2 * HIDDEN_M
    parts.append((x_HW[beside_HW], y_HW[beside_HW], over_HW[beside_HW]))
    x_N, y_N, z_N = (np.concatenate(p) for p in zip(*parts, strict=True))
    stretch_N = (centre_3[2] - floor) / np.maximum(centre_3[2] - z_N, 0.5)
    column_N = np.rint((centre_3[0] + (x_N - centre_3[0]) * stretch_N - x_W[0]) / cell).astype(np.int32)
    row_N = np.rint((y_H[0] - centre_3[1] - (y_N - centre_3[1]) * stretch_N) / cell).astype(np.int32)
    inside_N = (column_N >= 0) & (row_N >= 0) & (column_N < w) & (row_N < h)
    place_N = row_N.clip(0, h - 1) * w + column_N.clip(0, w - 1)
    top = np.full(h * w, floor, np.float32)
    np.maximum.at(top, place_N[inside_N], z_N[inside_N])
    # Cells spread as they are thrown; a neighbour closes the gap.
    top_HW = cv2.dilate(top.reshape(h, w), np.ones((3, 3)))
    own_N = place_N[: h * w]
    seen_HW = (z_HW.ravel() > top_HW.ravel()[own_N] - HIDDEN_M).reshape(h, w)
    seen_HW |= ~inside_N[: h * w].reshape(h, w)
    return np.asarray(cv2.medianBlur(seen_HW.astype(np.uint8), 5) > 0)


def unhidden_cells(
    centre_3: Floats,
    first_2: tuple[float, float],
    z_HW: Reals,
    cell: float,
    rows_N: NDArray[np.int_],
    columns_N: NDArray[np.int_],
) -> NDArray[np.bool_]:
    """Tell which single cells of a surface nothing hides from the projection centre.

    ``first_2``: x and y of the middle of the cell (0, 0), world metres. Follows each cell's ray of
    sight over the surface, cell by cell, until it is above everything; beyond the raster nothing
    hides.
    """
    h, w = z_HW.shape
    high = float(z_HW.max())
    # What is high may reach a cell farther than the surface has it: rather hidden than drawn twice.
    over = cv2.dilate(z_HW, np.ones((3, 3))).ravel()
    east_N = (centre_3[0] - first_2[0]) / cell - columns_N
    south_N = (first_2[1] - centre_3[1]) / cell - rows_N
    longest_N = np.maximum(np.maximum(np.abs(east_N), np.abs(south_N)), 1e-6)
    z_N = z_HW.ravel()[rows_N * w + columns_N]
    # One step is one cell along the axis that the ray follows more.
    climb_N = ((centre_3[2] - z_N) / longest_N).astype(np.float32)
    right_N, down_N = (east_N / longest_N).astype(np.float32), (south_N / longest_N).astype(np.float32)
    seen_N = np.ones(len(rows_N), bool)
    left_N = np.nonzero(longest_N > 1)[0]
    step = 0
    while len(left_N):
        # Far from the cell every second one: no wall that hides from there is thinner.
        step += 1 if step < 12 else 2
        ray_N = z_N[left_N] + climb_N[left_N] * step
        column_N = np.rint(columns_N[left_N] + right_N[left_N] * step).astype(np.int32)
        row_N = np.rint(rows_N[left_N] + down_N[left_N] * step).astype(np.int32)
        going_N = (ray_N < high) & (column_N >= 0) & (row_N >= 0) & (column_N < w) & (row_N < h)
        going_N &= step < longest_N[left_N]
        left_N = left_N[going_N]
        blocked_N = over[row_N[going_N] * w + column_N[going_N]] > ray_N[going_N] + HIDDEN_M
        seen_N[left_N[blocked_N]] = False
        left_N = left_N[~blocked_N]
    return seen_N
