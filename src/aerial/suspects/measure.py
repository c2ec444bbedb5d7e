"""What a change map says about one outline."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx, read_bands
from aerial.raster.shapes import burn

Direction = Literal["appeared", "gone"]
Floats = NDArray[np.float32]

NAMES = (
    "appeared",
    "gone",
    "building_before",
    "building_after",
    "height_change_m",
    "height_noise_m",
    "standing_before_m",
    "doubtful_change_m",
    "steepness",
    "vegetation",
)
# Outlines are measured on at most so many pixels a side; larger ones on a coarser grid.
_MEASURE_PX = 1000
_PAD_M = 2.5
# The ring around an outline that tells what it was built against, metres.
_RING_M = (0.4, 1.5)
# So high stands a room, and so high nothing that drives.
_ROOM_M, _HIGH_M = 2.0, 4.2
_BUILDING = 0.5
# Of what stands as high as a room, what the network takes for so little of a building is a crown; its
# pixels of 0.3 m blur a roof's edge, hence less than a half.
_CROWN = 0.3
# The score of a piece is what so much of it reaches: a few pixels are no witness.
SURE_M2 = 2.0
# A median needs so much of the outline to be known.
_KNOWN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """An outline and what was measured in it; heights in metres, shares and probabilities 0-1.

    ``outline_px`` is in pixels of the change map. ``reach``: the network's probability of ``direction``
    that 2 m2 of it reach, ``probability`` its mean inside, ``odds`` the log odds of that, whatever the
    threshold, ``other`` the mean of the other direction;
    ``building_before`` and ``building_after`` its building maps inside, ``beside_building`` the share of
    the ring around (0.4 to 1.5 m) that was a building before. None where the network says nothing.
    ``height_change_m``: median inside, None where it is not known for half of it;
    ``height_spread_m`` half the middle 68 % of it, ``height_noise_m`` what unchanged surfaces like it
    differ by. ``standing_before_m``: height over the ground before; ``beside_standing`` the share of
    the ring that stood as high as a room and was no crown by the network's word, ``beside_high`` higher
    than any lorry.
    ``doubtful_change_m``: median of the heights that cannot be relied on, too. ``steepness``: of the
    change inside (1 is 2 metres a metre). ``vegetation``: share that is green and rough where it stands.
    ``look_width_m``: width of what the network sees inside, None where it sees too little; pictures are
    sharper than heights, which matching fattens.
    """

    direction: Direction
    outline_px: Polygon
    area_m2: float
    width_m: float
    rectangularity: float
    reach: float | None = None
    probability: float | None = None
    odds: float | None = None
    other: float | None = None
    building_before: float | None = None
    building_after: float | None = None
    beside_building: float = 0.0
    height_change_m: float | None = None
    height_spread_m: float | None = None
    height_noise_m: float | None = None
    standing_before_m: float | None = None
    beside_standing: float = 0.0
    beside_high: float = 0.0
    doubtful_change_m: float | None = None
    steepness: float = 0.0
    vegetation: float = 0.0
    look_width_m: float | None = None


def measure(change: Path, grid: Grid, outline: Polygon, direction: Direction, threshold: float) -> Measured:
    """Return what the change map ``change`` on ``grid`` says of an outline in its pixels.

    ``threshold``: the probability from which on the network says yes.
    """
    gsd_m = grids.gsd_m(grid)
    window, step = window_of(grid, outline, _PAD_M / gsd_m)
    bands = read_bands(change, window, NAMES, step=step)
    shape = affinity.scale(
        affinity.translate(outline, -window[0], -window[1]), 1 / step, 1 / step, origin=(0, 0)
    )
    size = bands["appeared"].shape[::-1]
    inside = burn(shape, *size)
    near, far = (burn(shape.buffer(m / gsd_m / step), *size) for m in _RING_M)
    ring, core = far & ~near, inside & ~burn(shape.boundary.buffer(4.0 / step), *size)
    heights = _known(bands["height_change_m"], inside)
    told = len(heights) > _KNOWN * inside.sum()
    box = outline.minimum_rotated_rectangle
    own, other = ("appeared", "gone") if direction == "appeared" else ("gone", "appeared")
    probability = _mean(bands[own], inside)
    return Measured(
        direction=direction,
        outline_px=outline,
        area_m2=outline.area * gsd_m**2,
        width_m=width_of(box) * gsd_m,
        rectangularity=outline.area / max(box.area, 1e-9),
        reach=_reach(bands[own], inside, SURE_M2 / (gsd_m * step) ** 2),
        probability=probability,
        odds=None if probability is None else _logit(probability),
        other=_mean(bands[other], inside),
        building_before=_mean(bands["building_before"], inside),
        building_after=_mean(bands["building_after"], inside),
        beside_building=_share(bands["building_before"], ring, _BUILDING),
        height_change_m=float(np.median(heights)) if told else None,
        height_spread_m=float(np.diff(np.percentile(heights, [16, 84]))[0] / 2) if told else None,
        height_noise_m=_median(bands["height_noise_m"], inside),
        standing_before_m=_median(bands["standing_before_m"], inside),
        beside_standing=_share(_but_crowns(bands), ring, _ROOM_M),
        beside_high=_share(bands["standing_before_m"], ring, _HIGH_M),
        doubtful_change_m=_median(bands["doubtful_change_m"], inside),
        steepness=_mean(bands["steepness"], core) or 0.0,
        vegetation=_mean(bands["vegetation"], inside) or 0.0,
        look_width_m=_look_width(bands[own], inside, step * gsd_m, threshold),
    )


def window_of(grid: Grid, outline: Polygon, pad_px: float) -> tuple[WindowPx, int]:
    """Return the window around an outline, and the step at which it is small enough to be read."""
    x0, y0, x1, y1 = outline.bounds
    pad = int(pad_px) + 2
    column, row = max(0, int(x0) - pad), max(0, int(y0) - pad)
    width = min(grid.width_px, int(np.ceil(x1)) + pad) - column
    height = min(grid.height_px, int(np.ceil(y1)) + pad) - row
    return (column, row, width, height), max(1, -(-max(width, height) // _MEASURE_PX))


def width_of(box: BaseGeometry) -> float:
    """Return the shorter side of a rectangle; 0 where it is none."""
    if not isinstance(box, Polygon):
        return 0.0
    corners = np.asarray(box.exterior.coords)
    return float(np.hypot(*np.diff(corners[:3], axis=0).T).min())


def _known(values_HW: Floats, where_HW: NDArray[np.bool_]) -> Floats:
    values = values_HW[where_HW]
    return np.asarray(values[np.isfinite(values)])


def _mean(values_HW: Floats, where_HW: NDArray[np.bool_]) -> float | None:
    values = _known(values_HW, where_HW)
    return float(values.mean()) if len(values) else None


def _median(values_HW: Floats, where_HW: NDArray[np.bool_]) -> float | None:
    values = _known(values_HW, where_HW)
    return float(np.median(values)) if len(values) else None


def _share(values_HW: Floats, where_HW: NDArray[np.bool_], least: float) -> float:
    values = _known(values_HW, where_HW)
    return float((values >= least).mean()) if len(values) else 0.0


def _logit(probability: float) -> float:
    p = min(max(probability, 1e-4), 1 - 1e-4)
    return float(np.log(p / (1 - p)))


def _but_crowns(bands: dict[str, Floats]) -> Floats:
    """Return how high things stood before, NaN where unknown, at most 0 where the network saw no building.

    Its silence (NaN) is no word.
    """
    standing_HW = bands["standing_before_m"]
    return np.where(bands["building_before"] < _CROWN, np.minimum(standing_HW, 0), standing_HW)


def _reach(values_HW: Floats, where_HW: NDArray[np.bool_], pixels: float) -> float | None:
    values = _known(values_HW, where_HW)
    if not len(values):
        return None
    k = min(max(round(pixels), 1), len(values))
    return float(np.partition(values, len(values) - k)[len(values) - k])


def _look_width(score_HW: Floats, inside_HW: NDArray[np.bool_], pixel_m: float, least: float) -> float | None:
    seen = (np.nan_to_num(score_HW) >= least) & inside_HW
    if seen.sum() < 0.5 * inside_HW.sum():
        return None
    count, labels_HW, stats, _ = cv2.connectedComponentsWithStats(seen.astype(np.uint8), connectivity=4)
    largest = 1 + int(np.argmax(stats[1:count, cv2.CC_STAT_AREA]))
    if stats[largest, cv2.CC_STAT_AREA] < 0.6 * seen.sum():
        return None
    points = np.argwhere(labels_HW == largest).astype(np.float32)
    _, (a, b), _ = cv2.minAreaRect(points)
    return float((min(a, b) + 1) * pixel_m)
