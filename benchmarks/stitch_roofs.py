"""What a stitched mosaic makes of roofs: how high, where drawn, and from how many photographs.

As in ``stitch_truth``: the mosaic's common shift is taken off, positions are metres.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import contains_xy
from shapely.affinity import translate

from aerial.camera import project
from aerial.raster.grid import Grid, north_up, world_to_pixel
from aerial.raster.read import open_raster, read_on_grid
from benchmarks.stitch_truth import GSD_M, Epoch, Floats, Moved, Reals, Roof, burnt, shifted

# A roof's picture is looked for so far from its place; a picture less alike is not that roof's.
LEAN_REACH_M = 1.5
LEAN_ALIKE = 0.5
# The edge belongs to the picture; more of the ground around, which does not lean, would hold it.
RIM_M = 0.1
# Inside a roof, away from where its outline may err.
INSIDE_M = 0.5
# What is taken from one photograph up to this share is cut by a speck alone.
MOSTLY = 0.98
FARTHEST_WALL_M = 40.0


def roof_heights(
    roofs: Sequence[Roof], dsm: Path, true_dsm: Path, shift_2: Floats, offset_m: float
) -> Floats:
    """Return stitched minus true median height of every roof; infinite where half of it has none."""
    grid = open_raster(dsm).grid
    errors = []
    for roof in roofs:
        there = north_up(grid.crs, roof.outline.bounds, grid.affine[0])
        made_CHW, made_HW = read_on_grid(dsm, shifted(there, shift_2), resampling="nearest")
        true_CHW, true_HW = read_on_grid(true_dsm, there, resampling="nearest")
        inside_HW = burnt(roof.outline, there)
        both_HW = inside_HW & made_HW & true_HW
        if both_HW.sum() < 0.5 * inside_HW.sum() or not inside_HW.any():
            errors.append(np.inf)
            continue
        errors.append(float(np.median(made_CHW[0][both_HW]) - np.median(true_CHW[0][both_HW]) - offset_m))
    return np.array(errors)


def lean(stitched: Path, true: Path, roofs: Sequence[Roof], crs: str, moved: Moved) -> Floats:
    """Return how far the picture of each roof lies from its true place, (N, 2) east and north.

    The true picture of the roof and its rim is looked for in the mosaic, where the displacement of the
    mosaic as a whole lets it be expected, by masked normalised correlation. NaN where nothing there is
    like it.
    """
    reach = round(LEAN_REACH_M / GSD_M)
    found = []
    for roof in roofs:
        shift_2 = moved.about(np.array([[roof.outline.centroid.x, roof.outline.centroid.y]]))[0]
        there = north_up(crs, roof.outline.buffer(RIM_M + 0.1).bounds, GSD_M)
        wide = replace(
            shifted(there, shift_2),
            width_px=there.width_px + 2 * reach,
            height_px=there.height_px + 2 * reach,
        )
        wide = shifted(wide, (-LEAN_REACH_M, LEAN_REACH_M))
        true_HW, _ = _grey(true, there)
        made_HW, known_HW = _grey(stitched, wide)
        mask_HW = burnt(roof.outline.buffer(RIM_M), there).astype(np.float32)
        if not mask_HW.any() or not known_HW[reach:-reach, reach:-reach][mask_HW > 0].all():
            found.append((np.nan, np.nan))
            continue
        alike_HW = cv2.matchTemplate(made_HW, true_HW, cv2.TM_CCOEFF_NORMED, mask=mask_HW)
        alike_HW[~np.isfinite(alike_HW)] = -1
        found.append(_peak_m(alike_HW, reach))
    return np.array(found).reshape(-1, 2)


def _grey(path: Path, grid: Grid) -> tuple[Reals, NDArray[np.bool_]]:
    data_CHW, valid_HW = read_on_grid(path, grid)
    return cv2.GaussianBlur(data_CHW[:3].mean(axis=0).astype(np.float32), (0, 0), 0.8), valid_HW


def _peak_m(alike_HW: Reals, reach: int) -> tuple[float, float]:
    _, best, _, (column, row) = cv2.minMaxLoc(alike_HW)
    inner = 0 < column < alike_HW.shape[1] - 1 and 0 < row < alike_HW.shape[0] - 1
    if best < LEAN_ALIKE or not inner:
        return np.nan, np.nan
    along = alike_HW[row, column - 1 : column + 2], alike_HW[row - 1 : row + 2, column]
    dx, dy = (
        float((low - high) / (2 * (low - 2 * middle + high))) if low - 2 * middle + high < 0 else 0.0
        for low, middle, high in along
    )
    return (column + dx - reach) * GSD_M, -(row + dy - reach) * GSD_M


def lean_figures(lean_N2: Floats) -> dict[str, Any]:
    """Return the figures of the roofs' displacements; a roof that is not recognised is not within 0.3 m."""
    metres_N = np.hypot(*lean_N2.T)
    read_N = metres_N[np.isfinite(metres_N)]
    return {
        "lean_median_m": round(float(np.median(read_N)), 3) if read_N.size else None,
        "lean_p95_m": round(float(np.percentile(read_N, 95)), 3) if read_N.size else None,
        "lean_within_0.3m": round(float((metres_N <= 0.3).mean()), 3) if metres_N.size else None,
        "lean_unlike": int((~np.isfinite(metres_N)).sum()),
    }


def seams(taken: Path, roofs: Sequence[Roof], whole_N: NDArray[np.bool_], shift_2: Floats) -> dict[str, Any]:
    """Count roofs whose inside is taken from more than one photograph.

    ``roofs_cut_much``: more than 2 % of the inside is from others than the one that most is from.
    ``whole_N``: which of them one photograph sees whole; a seam through another cannot be helped.
    """
    grid = open_raster(taken).grid
    cut, much = [], []
    for roof in roofs:
        inside = roof.outline.buffer(-INSIDE_M)
        if inside.is_empty:
            cut.append(False)
            much.append(False)
            continue
        there = shifted(north_up(grid.crs, inside.bounds, grid.affine[0]), shift_2)
        taken_CHW, known_HW = read_on_grid(taken, there, resampling="nearest")
        moved = translate(inside, *(float(v) for v in shift_2))
        indices_N = taken_CHW[0][burnt(moved, there) & known_HW]
        count_N = np.unique(indices_N[indices_N >= 0], return_counts=True)[1]
        cut.append(len(count_N) > 1)
        much.append(len(count_N) > 1 and count_N.max() < MOSTLY * count_N.sum())
    cut_N, much_N = np.array(cut, bool), np.array(much, bool)
    return {
        "roofs_seen_whole": int(whole_N.sum()),
        "roofs_cut": int((cut_N & whole_N).sum()),
        "roofs_cut_much": int((much_N & whole_N).sum()),
        "roofs_never_whole": int((~whole_N).sum()),
        "roofs_never_whole_cut": int((cut_N & ~whole_N).sum()),
    }


def seen_whole(epoch: Epoch) -> NDArray[np.bool_]:
    """Tell which roofs some photograph sees whole: inside its frame, and nothing stands before any of it."""
    return np.array([_some_photograph_sees(epoch, roof) for roof in epoch.roofs], bool)


def _some_photograph_sees(epoch: Epoch, roof: Roof) -> bool:
    inside = roof.outline.buffer(-INSIDE_M)
    if inside.is_empty:
        return True
    around = north_up(epoch.crs, roof.outline.buffer(FARTHEST_WALL_M).bounds, 0.25)
    height_CHW, _ = read_on_grid(epoch.dsm, around, resampling="nearest")
    z_HW = height_CHW[0]
    x0, y0, x1, y1 = inside.bounds
    x_HW, y_HW = np.meshgrid(np.arange(x0, x1, 0.5), np.arange(y0, y1, 0.5))
    within_HW = contains_xy(inside, x_HW, y_HW)
    xy_N2 = np.column_stack([x_HW[within_HW], y_HW[within_HW]])
    points_N3 = np.column_stack([xy_N2, _at(z_HW, around, xy_N2)])
    middle_2 = np.array([inside.centroid.x, inside.centroid.y])
    nearest = sorted(epoch.poses.values(), key=lambda pose: float(np.hypot(*(pose.centre_3[:2] - middle_2))))
    for pose in nearest[:30]:
        _, seen_N = project(epoch.camera, pose, points_N3)
        if seen_N.all() and not _hidden(z_HW, around, points_N3, pose.centre_3).any():
            return True
    return False


def _at(z_HW: Reals, grid: Grid, xy_N2: Floats) -> Floats:
    column_N, row_N = np.floor(world_to_pixel(grid, xy_N2)).astype(int).T
    h, w = z_HW.shape
    return np.asarray(z_HW[row_N.clip(0, h - 1), column_N.clip(0, w - 1)], float)


def _hidden(z_HW: Reals, grid: Grid, points_N3: Floats, centre_3: Floats) -> NDArray[np.bool_]:
    """Tell which points have something higher between them and a camera; 0.3 m are forgiven."""
    away_N3 = centre_3 - points_N3
    flat_N = np.hypot(away_N3[:, 0], away_N3[:, 1])
    hidden_N = np.zeros(len(points_N3), bool)
    highest = float(z_HW.max())
    for reach_m in np.arange(0.5, FARTHEST_WALL_M, 0.25):
        share_N = np.minimum(reach_m / np.maximum(flat_N, 1e-6), 1.0)
        ray_N3 = points_N3 + away_N3 * share_N[:, None]
        if (ray_N3[:, 2] > highest).all():
            break
        hidden_N |= _at(z_HW, grid, ray_N3[:, :2]) > ray_N3[:, 2] + 0.3
    return hidden_N
