"""What stands higher or lower: the difference of two surface models over the noise of this very pair.

The slow vertical bias (datum, doming of a block) is removed first. What is left of unchanged ground
is then learnt per roughness of the surface: over crowns and facades stereo disagrees by metres, over
roofs and ground by decimetres, and a change must stand out of the noise of surfaces like its own.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.detector import PairTile, PairView, Scorer, TileScores
from aerial.change.fields import Field, block_medians, neighbourhood_median
from aerial.raster import grid as grids
from aerial.records import Pair

Heights = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightSettings:
    """Every number of the detector.

    ``block_m``, ``reach_blocks``: bias is followed over (2 reach + 1) blocks; a building smaller
    than half of that does not explain itself away. ``least_m``: smaller changes score below 0.5
    however quiet the ground (crops, cars, water). ``noise_factor``: and a change must be so many
    times the noise. ``ground_m``: the ground under a building is sought this far around it.
    ``unsure_m``: where the views of one date disagree by more (crowns, glass, what was filled in),
    the height counts as unknown. ``green``, ``leaf_rough_m``: excess green and roughness of foliage.
    """

    block_m: float = 10.0
    reach_blocks: int = 4
    rough_m: float = 1.2
    smooth_m: float = 0.5
    least_m: float = 1.5
    noise_factor: float = 3.5
    floor_m: float = 0.15
    ground_m: float = 45.0
    unsure_m: float = 1.5
    green: float = 0.06
    leaf_rough_m: float = 0.35


class HeightDetector:
    """Difference of two surface models."""

    name = "height"
    version = "1"
    gsd_m = 0.1
    halo_px = 32
    needs_dsm = True

    def __init__(self, settings: HeightSettings | None = None) -> None:
        self._settings = settings or HeightSettings()

    def settings(self) -> dict[str, Any]:
        """Return every number that the result depends on."""
        return asdict(self._settings)

    def prepare(self, pair: Pair, view: PairView) -> Scorer:
        """Take the slow bias, the ground and the noise of the pair."""
        overview = view.overview(1024)
        bias, ground = _bias(overview, self._settings), _ground(overview, self._settings)
        samples = [_measure(tile, bias, self._settings) for tile in view.samples(512, 16)]
        return _HeightScorer(self._settings, bias, ground, _learn(samples))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measures:
    change_HW: Heights
    rough_HW: Heights
    rough_2HW: Heights
    sure_HW: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    rough_K: Heights
    noise_K: Heights


class _HeightScorer:
    def __init__(self, settings: HeightSettings, bias: Field, ground: Field, noise: _Noise) -> None:
        self._settings, self._bias, self._ground, self._noise = settings, bias, ground, noise

    def __call__(self, tiles: Sequence[PairTile]) -> Sequence[TileScores]:
        return [self._score(tile) for tile in tiles]

    def _score(self, tile: PairTile) -> TileScores:
        s, gsd = self._settings, grids.gsd_m(tile.grid)
        m = _measure(tile, self._bias, s)
        known = np.isfinite(m.change_HW) & tile.valid_HW & m.sure_HW
        noise = np.interp(m.rough_HW, self._noise.rough_K, self._noise.noise_K)
        needed = np.maximum(s.least_m, s.noise_factor * np.maximum(noise, s.floor_m))
        change = np.where(known, m.change_HW, 0)
        ratio = np.abs(change) / needed
        score = np.where(known, 1 / (1 + np.exp(-6.0 * (ratio - 1.0))), 0).astype(np.float32)
        step = np.hypot(cv2.Sobel(change, cv2.CV_32F, 1, 0), cv2.Sobel(change, cv2.CV_32F, 0, 1)) / 8 / gsd
        before = tile.before_dsm_HW
        standing = (
            before - self._ground.on(tile.grid)[0] if before is not None else np.full_like(change, np.nan)
        )
        return TileScores(
            appeared_HW=np.where(change > 0, score, 0).astype(np.float32),
            gone_HW=np.where(change < 0, score, 0).astype(np.float32),
            height_change_HW=np.where(known, m.change_HW, np.nan).astype(np.float32),
            # A wall is steeper than 1 metre a metre even after matching has rounded it.
            edge_HW=np.where(known, np.clip(step / 2.0, 0, 1), 0).astype(np.float32),
            standing_HW=np.where(known, standing, np.nan).astype(np.float32),
            doubtful_change_HW=np.where(tile.valid_HW, m.change_HW, np.nan).astype(np.float32),
            noise_HW=np.where(known, np.maximum(noise, s.floor_m), np.nan).astype(np.float32),
            vegetation_HW=np.where(known, _vegetation(tile, change > 0, m.rough_2HW, s), np.nan).astype(
                np.float32
            ),
        )


def _difference(tile: PairTile) -> Heights:
    if tile.before_dsm_HW is None or tile.after_dsm_HW is None:
        return np.full(tile.valid_HW.shape, np.nan, np.float32)
    return np.where(tile.valid_HW, tile.after_dsm_HW - tile.before_dsm_HW, np.nan).astype(np.float32)


def _measure(tile: PairTile, bias: Field, s: HeightSettings) -> _Measures:
    gsd = grids.gsd_m(tile.grid)
    change = _difference(tile) - bias.on(tile.grid)[0]
    known = np.isfinite(change)
    filled = np.where(known, change, 0).astype(np.float32)
    size = max(3, round(s.smooth_m / gsd) | 1)
    smooth = _median(filled, size)
    surfaces = [h for h in (tile.before_dsm_HW, tile.after_dsm_HW) if h is not None]
    rough = [_roughness(h, max(5, round(s.rough_m / gsd) | 1)) for h in surfaces]
    both = np.maximum.reduce(rough) if rough else np.zeros_like(filled)
    sure = np.ones(known.shape, bool)
    for spread in (tile.before_spread_HW, tile.after_spread_HW):
        if spread is not None:
            sure &= np.nan_to_num(spread, nan=0.0) <= s.unsure_m
    return _Measures(
        change_HW=np.where(known, smooth, np.nan).astype(np.float32),
        rough_HW=both.astype(np.float32),
        rough_2HW=np.stack(rough or [both, both]).astype(np.float32),
        sure_HW=sure,
    )


def _vegetation(tile: PairTile, rose_HW: NDArray[np.bool_], rough_2HW: Heights, s: HeightSettings) -> Heights:
    """Return 1 where what stands there is green and rough: on the date on which it stands.

    Green is the excess green index 2g - r - b of chromaticities (Woebbecke et al., 1995).
    """
    size = max(3, round(s.smooth_m / grids.gsd_m(tile.grid)) | 1)
    leafy = []
    for image_CHW, rough_HW in zip((tile.before_CHW, tile.after_CHW), rough_2HW, strict=True):
        red, green, blue = (cv2.blur(band.astype(np.float32), (size, size)) for band in image_CHW)
        excess = (2 * green - red - blue) / np.maximum(red + green + blue, 30.0)
        leafy.append((excess >= s.green) & (rough_HW >= s.leaf_rough_m))
    return np.asarray(np.where(rose_HW, leafy[1], leafy[0]), np.float32)


def _median(values_HW: Heights, size_px: int) -> Heights:
    # cv2 takes floats only up to 5 x 5; two passes reach twice as far.
    out = values_HW
    for _ in range(max(1, size_px // 4)):
        out = cv2.medianBlur(out, 5)
    return out


def _roughness(height_HW: Heights, size_px: int) -> Heights:
    """Return the spread around the local plane (m): a pitched roof is smooth, a crown is not."""
    filled = np.where(
        np.isfinite(height_HW), height_HW, np.nanmedian(height_HW) if np.isfinite(height_HW).any() else 0
    )
    filled = (filled - filled.mean()).astype(np.float32)
    kernel = (size_px, size_px)
    x_W = np.arange(filled.shape[1], dtype=np.float32)
    y_H = np.arange(filled.shape[0], dtype=np.float32)[:, None]
    mean = cv2.blur(filled, kernel)
    variance = cv2.blur(filled * filled, kernel) - mean * mean
    axis_variance = (size_px**2 - 1) / 12.0
    explained = np.zeros_like(filled)
    for axis in (np.broadcast_to(x_W, filled.shape), np.broadcast_to(y_H, filled.shape)):
        covariance = cv2.blur(filled * axis, kernel) - mean * cv2.blur(np.ascontiguousarray(axis), kernel)
        explained += covariance**2 / axis_variance
    return np.asarray(np.sqrt(np.maximum(variance - explained, 0)))


def _bias(tile: PairTile, s: HeightSettings) -> Field:
    """Return the slow vertical offset between the surfaces, from blocks that did not change."""
    difference = _difference(tile)
    block_px = max(2, round(s.block_m / grids.gsd_m(tile.grid)))
    blocks = block_medians(difference, block_px)
    slow = neighbourhood_median(blocks, s.reach_blocks)
    smooth = cv2.GaussianBlur(slow, (0, 0), 1.5, borderType=cv2.BORDER_REPLICATE)
    return _field(tile, block_px, smooth)


def _ground(tile: PairTile, s: HeightSettings) -> Field:
    """Return the ground under BEFORE: the 10th percentile of each block's surroundings."""
    gsd = grids.gsd_m(tile.grid)
    block_px = max(2, round(s.block_m / 2 / gsd))
    height = (
        tile.before_dsm_HW if tile.before_dsm_HW is not None else np.zeros(tile.valid_HW.shape, np.float32)
    )
    height = np.where(tile.valid_HW, height, np.nan).astype(np.float32)
    rows, columns = -(-height.shape[0] // block_px), -(-height.shape[1] // block_px)
    padded = np.full((rows * block_px, columns * block_px), np.nan, np.float32)
    padded[: height.shape[0], : height.shape[1]] = height
    blocks = padded.reshape(rows, block_px, columns, block_px).swapaxes(1, 2).reshape(rows, columns, -1)
    low = np.full((rows, columns), np.nan, np.float32)
    some = np.isfinite(blocks).mean(axis=2) > 0.2
    if some.any():
        low[some] = np.nanpercentile(blocks[some], 10, axis=1)
    # A grey opening: the lowest of the neighbourhood, then back up the slopes.
    reach = max(1, round(s.ground_m / 2 / (block_px * gsd)))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    filled = np.where(np.isfinite(low), low, np.nanmax(low) if some.any() else 0).astype(np.float32)
    return _field(
        tile, block_px, cv2.morphologyEx(filled, cv2.MORPH_OPEN, kernel, borderType=cv2.BORDER_REPLICATE)
    )


def _field(tile: PairTile, block_px: int, values_HW: Heights) -> Field:
    block_grid = grids.scaled(tile.grid, block_px)
    rows, columns = values_HW.shape
    grid = grids.Grid(crs=block_grid.crs, affine=block_grid.affine, width_px=columns, height_px=rows)
    return Field(grid=grid, values_CHW=values_HW[None].astype(np.float32))


def _learn(samples: Sequence[_Measures]) -> _Noise:
    """Return the noise per roughness: the 68th percentile of |change|, one sigma."""
    if not samples:
        return _Noise(rough_K=np.zeros(1, np.float32), noise_K=np.full(1, 0.5, np.float32))
    change = np.concatenate([np.abs(m.change_HW[np.isfinite(m.change_HW)]) for m in samples])
    rough = np.concatenate([m.rough_HW[np.isfinite(m.change_HW)] for m in samples])
    knots, noise = [], []
    for low, high in pairwise(_EDGES):
        inside = (rough >= low) & (rough < high)
        if inside.sum() > 500:
            knots.append((low + min(high, 2 * low + 0.1)) / 2)
            noise.append(float(np.percentile(change[inside], 68)))
    if not knots:
        return _Noise(rough_K=np.zeros(1, np.float32), noise_K=np.full(1, 0.5, np.float32))
    # Smoother surfaces err no more than rougher ones, so that large changes do not pass for noise.
    calm = np.minimum.accumulate(np.array(noise, np.float32)[::-1])[::-1]
    return _Noise(rough_K=np.array(knots, np.float32), noise_K=calm)


_EDGES = (0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 1.0, 1.7, 3.0, np.inf)
