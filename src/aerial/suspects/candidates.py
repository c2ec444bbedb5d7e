"""Every piece of a change map that may be a suspect, measured; nothing is judged here."""

from pathlib import Path

import numpy as np
from shapely import STRtree, affinity, unary_union
from shapely.geometry import Polygon

from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster, read_bands
from aerial.raster.shapes import burn, outlines
from aerial.suspects.measure import SURE_M2, Direction, Measured, measure, window_of
from aerial.suspects.pieces import Bands, Levels, cleaned, outlines_of, polygons

DIRECTIONS: tuple[Direction, ...] = ("appeared", "gone")
# Height scores are low at first, so that a roof of two levels stays one piece.
_HEIGHT_LEVELS = (0.3, 0.5)
# Narrower than this is a rim, a wire, a kerb.
_NECK_M = 0.7
_GAP_M = 0.6
# Holes larger than this are courtyards.
_HOLE_M2 = 4.0
_WALL_M = 1.0
_JOIN_M = 0.8
# From this share of the smaller of two on, they are the same thing.
_SAME = 0.25


def candidates(change: Path, threshold: float, least_m2: float) -> list[Measured]:
    """Return the measured pieces of a change map, by height and by pictures, none over another.

    ``threshold``: calibrated probability that a piece must reach somewhere. A piece that both witnesses
    see has the outline of the heights where these know it.
    """
    info = open_raster(change)
    found: list[Measured] = []
    for direction in DIRECTIONS:
        by_height = (
            _by_height(change, info.grid, direction, threshold, least_m2)
            if "height_score" in info.descriptions
            else []
        )
        seen = [
            measure(change, info.grid, outline, direction, threshold)
            for outline in picture_outlines(change, info.grid, direction, threshold, least_m2)
        ]
        found += by_height + _without(seen, by_height)
    return _surest_of_both_ways(found)


def picture_outlines(
    change: Path, grid: Grid, direction: Direction, threshold: float, least_m2: float
) -> list[Polygon]:
    """Return cleaned outlines of what the network says, in pixels."""
    gsd_m = grids.gsd_m(grid)
    levels = Levels(low=grown_from(threshold), seed=threshold, sure_m2=SURE_M2, least_m2=least_m2)
    raw = outlines_of(change, (direction,), lambda bands: bands[direction], levels)
    return _large([part for piece in raw for part in _cleaned(piece, gsd_m)], least_m2, gsd_m)


def grown_from(threshold: float) -> float:
    """Return the level to which a piece grows that reaches ``threshold``: 0.8 lower in log odds."""
    return float(1 / (1 + np.exp(0.8) * (1 - threshold) / threshold))


def _by_height(
    change: Path, grid: Grid, direction: Direction, threshold: float, least_m2: float
) -> list[Measured]:
    gsd_m, sign = grids.gsd_m(grid), 1 if direction == "appeared" else -1

    def score(bands: Bands) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return sign * bands["height_score"]

    low, seed = _HEIGHT_LEVELS
    levels = Levels(low=low, seed=seed, sure_m2=least_m2 / 4, least_m2=least_m2 / 2)
    raw = outlines_of(change, ("height_score",), score, levels)
    walls = []
    for outline in _large([part for piece in raw for part in _cleaned(piece, gsd_m)], least_m2, gsd_m):
        piece = measure(change, grid, outline, direction, threshold)
        walls.append(_at_half_height(change, grid, piece) or outline)
    return [measure(change, grid, outline, direction, threshold) for outline in _joined_at_gaps(walls, gsd_m)]


def _large(outlines_px: list[Polygon], least_m2: float, gsd_m: float) -> list[Polygon]:
    return [outline for outline in outlines_px if outline.area * gsd_m**2 >= least_m2]


def _cleaned(piece: Polygon, gsd_m: float) -> list[Polygon]:
    return cleaned(piece, gsd_m, neck_m=_NECK_M, gap_m=_GAP_M, hole_m2=_HOLE_M2)


def _at_half_height(change: Path, grid: Grid, piece: Measured) -> Polygon | None:
    """Return the outline where the change falls to half, or None where that is another piece.

    There the wall stands, however noise and rounding by matching moved the outline of the scores.
    """
    gsd_m = grids.gsd_m(grid)
    window, step = window_of(grid, piece.outline_px, 2.5 / gsd_m)
    if step > 1 or piece.height_change_m is None:
        return None
    change_HW = read_bands(change, window, ("height_change_m",))["height_change_m"]
    near = affinity.translate(piece.outline_px.buffer(_WALL_M / gsd_m), -window[0], -window[1])
    sign = np.sign(piece.height_change_m)
    half = np.nan_to_num(sign * change_HW) >= abs(piece.height_change_m) / 2
    parts = [
        affinity.translate(part, window[0], window[1])
        for raw in outlines(half & burn(near, window[2], window[3]))
        for part in _cleaned(raw, gsd_m)
    ]
    shared = [part.intersection(piece.outline_px).area for part in parts]
    if not shared or max(shared) < 0.5 * piece.outline_px.area:
        return None
    return parts[int(np.argmax(shared))]


def _joined_at_gaps(walls: list[Polygon], gsd_m: float) -> list[Polygon]:
    """Return outlines a hand's breadth apart as one.

    A stair head over a new roof is the same building, though a rim of unknown heights parts them.
    """
    gap = _JOIN_M / 2 / gsd_m
    grown = unary_union([outline.buffer(gap, join_style="mitre") for outline in walls])
    return [part for piece in polygons(grown) for part in polygons(piece.buffer(-gap, join_style="mitre"))]


def _same(a: Polygon, b: Polygon) -> bool:
    return bool(a.intersection(b).area >= _SAME * min(a.area, b.area))


def _without(seen: list[Measured], known: list[Measured]) -> list[Measured]:
    """Return the pieces of ``seen`` that none of ``known`` is."""
    tree = STRtree([m.outline_px for m in known])
    return [
        m for m in seen if not any(_same(m.outline_px, known[k].outline_px) for k in tree.query(m.outline_px))
    ]


def _surest_of_both_ways(found: list[Measured]) -> list[Measured]:
    """Return pieces of which none lies on a surer one of the other direction."""
    sureness = [m.reach or 0.0 for m in found]
    tree = STRtree([m.outline_px for m in found])
    return [
        m
        for k, m in enumerate(found)
        if m.height_change_m is not None
        or not any(
            found[j].direction != m.direction
            and (sureness[j], found[j].direction) > (sureness[k], m.direction)
            and _same(m.outline_px, found[j].outline_px)
            for j in tree.query(m.outline_px)
        )
    ]
