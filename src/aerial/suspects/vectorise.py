"""From a change map to clean polygons with what was measured in them; vectorising happens only here."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import affinity, unary_union
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx, open_raster, read_window
from aerial.raster.shapes import burn, outlines

Direction = Literal["appeared", "gone"]
Heights = NDArray[np.float32]

_WINDOW_PX = 2048
# Polygons are measured on at most so many pixels a side; larger ones on a coarser grid.
_MEASURE_PX = 1500
# Low, so that a roof of two tones stays one piece; ``sure_share`` says how much of it is sure.
_THRESHOLD = 0.3
_SURE = 0.6
# Narrower than this is a rim, a wire, a kerb.
_NECK_M = 0.7
_GAP_M = 0.6
_ROOM_M = 2.0
_WALL_M = 1.0
_JOIN_M = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A connected piece of change, in metres on the pair's grid turned to x right, y down.

    ``outline_px`` is in pixels of the change map. ``strength``: mean score inside;
    ``sure_share``: share of it that scores high. ``rim_edge``, ``inner_edge``: mean structural edge of
    the date that shows the thing, along the outline and inside. ``height_change_m``: median
    inside, None where unknown; ``height_spread_m``: half the middle 68 % of it.
    ``standing_before_m``: median height over the ground before; ``rim_standing_share``: share of
    the rim (0.4 to 1.2 m around) that stood as high as a room before.
    ``look_width_m``: width of what looks different inside; pictures are sharper than heights, which
    matching fattens. None where too little of it looks different. ``doubtful_change_m``:
    median of the heights that cannot be relied on, too.
    """

    direction: Direction
    outline_px: Polygon
    area_m2: float
    width_m: float
    rectangularity: float
    strength: float
    sure_share: float
    rim_edge: float
    inner_edge: float
    height_change_m: float | None
    height_spread_m: float | None
    standing_before_m: float | None
    rim_standing_share: float
    look_width_m: float | None
    doubtful_change_m: float | None


def find_blobs(change: Path, min_area_m2: float) -> list[Blob]:
    """Return the pieces of change of at least ``min_area_m2`` in a change map, window by window."""
    grid = open_raster(change).grid
    gsd = grids.gsd_m(grid)
    found: list[Blob] = []
    directions: tuple[Direction, ...] = ("appeared", "gone")
    for direction in directions:
        pieces = _joined(list(_pieces(change, grid, direction)))
        outlines_px = [part for piece in pieces for part in _cleaned(piece, gsd)]
        large = [outline for outline in outlines_px if outline.area * gsd**2 >= min_area_m2]
        by_height = []
        for outline in large:
            blob = _measured(change, grid, outline, direction)
            if blob.height_change_m is None:
                found.append(blob)
                continue
            wall = _at_half_height(change, grid, blob)
            by_height.append(blob if wall is None else _measured(change, grid, wall, direction))
        joined = _joined_at_gaps(by_height, gsd)
        found.extend(_measured(change, grid, outline, direction) for outline in joined)
    return found


def _pieces(change: Path, grid: Grid, direction: Direction) -> Iterator[Polygon]:
    band = 0 if direction == "appeared" else 1
    for row in range(0, grid.height_px, _WINDOW_PX):
        for column in range(0, grid.width_px, _WINDOW_PX):
            size = min(_WINDOW_PX, grid.width_px - column), min(_WINDOW_PX, grid.height_px - row)
            data_CHW = read_window(change, (column, row, *size))
            mask = np.nan_to_num(data_CHW[band]) >= _THRESHOLD
            # Salt is dropped here so that polygons stay few; necks are cut on the polygons.
            mask = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)) > 0
            for piece in outlines(mask):
                yield affinity.translate(piece, column, row)


def _joined(pieces: list[Polygon]) -> list[Polygon]:
    return _polygons(unary_union(pieces)) if pieces else []


def _polygons(geometry: BaseGeometry) -> list[Polygon]:
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    return [part for part in getattr(geometry, "geoms", []) if isinstance(part, Polygon)]


def _cleaned(piece: Polygon, gsd: float) -> list[Polygon]:
    """Return a piece without necks, hairs, and holes smaller than a courtyard (4 m2 or a tenth)."""
    if piece.area * gsd**2 < 1.0:
        return []
    neck, gap = _NECK_M / 2 / gsd, _GAP_M / 2 / gsd
    opened = piece.buffer(gap, join_style="mitre").buffer(-gap - neck, join_style="mitre")
    opened = opened.buffer(neck, join_style="mitre")
    out = []
    for part in _polygons(opened):
        least = max(4.0 / gsd**2, 0.1 * part.area)
        holes = [ring for ring in part.interiors if Polygon(ring).area > least]
        out.append(Polygon(part.exterior, holes))
    return out


def _measured(change: Path, grid: Grid, outline: Polygon, direction: Direction) -> Blob:
    gsd = grids.gsd_m(grid)
    (column, row, width, height), step = _window_of(grid, outline, gsd)
    data_CHW = read_window(change, (column, row, width, height), step=step)
    valid_HW = np.isfinite(data_CHW[0])
    shape = affinity.scale(affinity.translate(outline, -column, -row), 1 / step, 1 / step, origin=(0, 0))
    inside = burn(shape, data_CHW.shape[2], data_CHW.shape[1]) & valid_HW
    rim = burn(shape.boundary.buffer(2.5 / step), data_CHW.shape[2], data_CHW.shape[1]) & valid_HW
    core = inside & ~burn(shape.boundary.buffer(4.0 / step), data_CHW.shape[2], data_CHW.shape[1])
    score = data_CHW[0 if direction == "appeared" else 1]
    heights = data_CHW[2][inside]
    heights = heights[np.isfinite(heights)]
    known = len(heights) > 0.5 * inside.sum() and len(heights) > 0
    around = burn(shape.buffer(1.2 / gsd / step), *inside.shape[::-1]) & ~burn(
        shape.buffer(0.4 / gsd / step), *inside.shape[::-1]
    )
    standing, beside = (data_CHW[4][where] for where in (inside, around))
    doubtful = data_CHW[6][inside]
    doubtful = doubtful[np.isfinite(doubtful)]
    standing, beside = standing[np.isfinite(standing)], beside[np.isfinite(beside)]
    came, went = (_rim(np.maximum(sign * data_CHW[3], 0), rim, shape) for sign in (1, -1))
    if not known and went > came:
        # Without height the edges tell: the date that has them shows the thing.
        direction = "gone"
    edge, rim_edge = np.maximum(data_CHW[3] * (1 if came >= went else -1), 0), max(came, went)
    box = outline.minimum_rotated_rectangle
    return Blob(
        direction=direction,
        outline_px=outline,
        area_m2=outline.area * gsd**2,
        width_m=_width(box) * gsd,
        rectangularity=outline.area / max(box.area, 1e-9),
        strength=_mean(score, inside),
        sure_share=_mean((score >= _SURE).astype(np.float32), inside),
        rim_edge=rim_edge,
        inner_edge=_mean(edge, core),
        height_change_m=float(np.median(heights)) if known else None,
        height_spread_m=float(np.diff(np.percentile(heights, [16, 84]))[0] / 2) if known else None,
        standing_before_m=float(np.median(standing)) if len(standing) else None,
        doubtful_change_m=float(np.median(doubtful)) if len(doubtful) else None,
        look_width_m=_look_width(data_CHW[5], inside, step * gsd),
        rim_standing_share=float((beside > _ROOM_M).mean()) if len(beside) else 0.0,
    )


def _at_half_height(change: Path, grid: Grid, blob: Blob) -> Polygon | None:
    """Return the outline where the change falls to half, or None where that is another piece.

    There the wall stands, however noise and rounding by matching moved the outline of the scores.
    """
    gsd = grids.gsd_m(grid)
    (column, row, width, height), step = _window_of(grid, blob.outline_px, gsd)
    if step > 1 or blob.height_change_m is None:
        return None
    change_HW = read_window(change, (column, row, width, height))[2]
    near = affinity.translate(blob.outline_px.buffer(_WALL_M / gsd), -column, -row)
    sign = np.sign(blob.height_change_m)
    half = np.nan_to_num(sign * change_HW) >= abs(blob.height_change_m) / 2
    pieces = [
        affinity.translate(part, column, row)
        for piece in outlines(half & burn(near, width, height))
        for part in _cleaned(piece, gsd)
    ]
    shared = [part.intersection(blob.outline_px).area for part in pieces]
    if not shared or max(shared) < 0.5 * blob.outline_px.area:
        return None
    return pieces[int(np.argmax(shared))]


def _window_of(grid: Grid, outline: Polygon, gsd: float) -> tuple[WindowPx, int]:
    """Return the window around an outline, and the step at which it is small enough to be read."""
    x0, y0, x1, y1 = outline.bounds
    pad = int(2.5 / gsd) + 2
    column, row = max(0, int(x0) - pad), max(0, int(y0) - pad)
    width = min(grid.width_px, int(np.ceil(x1)) + pad) - column
    height = min(grid.height_px, int(np.ceil(y1)) + pad) - row
    return (column, row, width, height), max(1, -(-max(width, height) // _MEASURE_PX))


def _look_width(looks_HW: Heights, inside_HW: NDArray[np.bool_], pixel_m: float) -> float | None:
    different = (np.nan_to_num(looks_HW) >= _SURE) & inside_HW
    kernel = np.ones((5, 5), np.uint8)
    different = cv2.morphologyEx(different.astype(np.uint8), cv2.MORPH_OPEN, kernel) > 0
    if different.sum() < 0.5 * inside_HW.sum():
        return None
    largest = max(outlines(different), key=lambda piece: piece.area)
    if largest.area < 0.6 * different.sum():
        return None
    return _width(largest.minimum_rotated_rectangle) * pixel_m


def _joined_at_gaps(blobs: list[Blob], gsd: float) -> list[Polygon]:
    """Return the outlines of blobs with height, those a hand's breadth apart as one.

    A stair head over a new roof is the same building, though a rim of unknown heights parts them.
    """
    gap = _JOIN_M / 2 / gsd
    grown = unary_union([blob.outline_px.buffer(gap, join_style="mitre") for blob in blobs])
    return [part for piece in _polygons(grown) for part in _polygons(piece.buffer(-gap, join_style="mitre"))]


def _mean(values_HW: NDArray[np.float32], where_HW: NDArray[np.bool_]) -> float:
    return float(np.nanmean(values_HW[where_HW])) if where_HW.any() else 0.0


def _rim(edge_HW: NDArray[np.float32], rim_HW: NDArray[np.bool_], shape: Polygon) -> float:
    """Return the mean over the outline of the strongest edge within 2 pixels of it."""
    nearby = cv2.dilate(np.nan_to_num(edge_HW), np.ones((5, 5), np.uint8))
    line = burn(shape.boundary.buffer(0.7), edge_HW.shape[1], edge_HW.shape[0]) & rim_HW
    return _mean(nearby, line)


def _width(box: BaseGeometry) -> float:
    if not isinstance(box, Polygon) or isinstance(box, MultiPolygon):
        return 0.0
    corners = np.asarray(box.exterior.coords)
    return float(np.hypot(*np.diff(corners[:3], axis=0).T).min())
