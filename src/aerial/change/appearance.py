"""What looks different: colour beyond what exposure, texture and misregistration explain.

Per pixel: the after picture is compared with the radiometrically matched before picture, the best
of all shifts within ``search_px`` counts, and the difference is measured in units of what pairs of
equally textured pixels of this very pair differ by. A shadow (darker, same colour) counts less.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.detector import PairTile, PairView, Scorer, TileScores
from aerial.change.fields import Field, block_medians, neighbourhood_median
from aerial.raster import grid as grids
from aerial.records import Pair

Image = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceSettings:
    """Every number of the detector.

    ``block_m``, ``reach_blocks``: exposure is followed over (2 reach + 1) blocks, so that a
    building smaller than half of that does not explain itself away. ``search_px``: what is left
    of misregistration. ``texture_m``: the neighbourhood whose spread is called texture.
    ``floor``: differences (of 0-1) below this are sensor and JPEG noise. ``half_score_z``: so many
    times the ordinary difference scores 0.5. ``edge_m``: the blur under which edges are sought.
    """

    block_m: float = 8.0
    reach_blocks: int = 3
    search_px: int = 2
    texture_m: float = 0.7
    floor: float = 0.035
    half_score_z: float = 3.0
    shadow_weight: float = 0.25
    edge_m: float = 0.2
    edge_floor: float = 0.005


class AppearanceDetector:
    """Radiometric and structural difference of two orthos; needs no surface model."""

    name = "appearance"
    version = "1"
    gsd_m = 0.1
    halo_px = 32
    needs_dsm = False

    def __init__(self, settings: AppearanceSettings | None = None) -> None:
        self._settings = settings or AppearanceSettings()

    def settings(self) -> dict[str, Any]:
        """Return every number that the result depends on."""
        return asdict(self._settings)

    def prepare(self, pair: Pair, view: PairView) -> Scorer:
        """Match the radiometry of the whole pair and learn its ordinary differences."""
        match = _match(view.overview(1024), self._settings)
        scorer = _AppearanceScorer(self._settings, match, None)
        scorer.noise = _learn([scorer.measure(tile) for tile in view.samples(384, 12)])
        return scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class _Match:
    """after = gain * before + offset per channel, plus a slow field; all in 0-1.

    ``middle``: the median brightness of AFTER.
    """

    gain_C: Image
    middle: float
    offset_C: Image
    field: Field


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measures:
    difference_HW: Image
    texture_HW: Image
    edge_after_HW: Image
    edge_before_HW: Image
    shadow_HW: NDArray[np.bool_]
    valid_HW: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    """What unchanged pixels differ by, per texture: knots of texture, difference and edge."""

    texture_K: Image
    difference_K: Image
    edge_K: Image


class _AppearanceScorer:
    def __init__(self, settings: AppearanceSettings, match: _Match, noise: _Noise | None) -> None:
        self._settings, self._match, self.noise = settings, match, noise

    def __call__(self, tiles: Sequence[PairTile]) -> Sequence[TileScores]:
        return [self._score(tile) for tile in tiles]

    def measure(self, tile: PairTile) -> _Measures:
        s, gsd = self._settings, grids.gsd_m(tile.grid)
        after = _blurred(tile.after_CHW)
        before = _blurred(tile.before_CHW)
        before = before * self._match.gain_C[:, None, None] + self._match.offset_C[:, None, None]
        before = before + self._match.field.on(tile.grid)
        texture_px = max(3, round(s.texture_m / gsd) | 1)
        texture = np.minimum(_spread(before, texture_px), _spread(after, texture_px))
        edge_a, edge_b = (_edge(image, max(0.5, s.edge_m / gsd)) for image in (after, before))
        around = np.ones((2 * s.search_px + 1,) * 2, np.uint8)
        return _Measures(
            difference_HW=_best_difference(before, after, s.search_px),
            texture_HW=texture,
            edge_after_HW=np.maximum(edge_a - 1.5 * cv2.dilate(edge_b, around), 0),
            edge_before_HW=np.maximum(edge_b - 1.5 * cv2.dilate(edge_a, around), 0),
            shadow_HW=_shadowed(before, after, texture_px, self._match.middle)
            | _shadowed(after, before, texture_px, self._match.middle),
            valid_HW=tile.valid_HW,
        )

    def _score(self, tile: PairTile) -> TileScores:
        s, noise = self._settings, self.noise
        m = self.measure(tile)
        if noise is None:
            raise ValueError("score before the noise is learnt")
        usual = np.interp(m.texture_HW, noise.texture_K, noise.difference_K).astype(np.float32)
        z = m.difference_HW / np.maximum(usual, s.floor)
        z = np.where(m.shadow_HW, s.shadow_weight * z, z)
        chance = 1 / (1 + np.exp(-2.0 * (z - s.half_score_z)))
        score: Image = np.where(m.valid_HW, chance, 0).astype(np.float32)
        usual_edge = np.maximum(np.interp(m.texture_HW, noise.texture_K, noise.edge_K), s.edge_floor)
        edge_a, edge_b = (e / (e + 2 * usual_edge) for e in (m.edge_after_HW, m.edge_before_HW))
        edge = np.where(edge_a >= edge_b, edge_a, -edge_b)
        unknown_HW = np.full(score.shape, np.nan, np.float32)
        # Colour alone does not tell coming from going: the sign of the edges along the outline does.
        return TileScores(
            appeared_HW=score,
            gone_HW=np.zeros_like(score),
            height_change_HW=unknown_HW,
            edge_HW=np.where(m.valid_HW, edge, 0).astype(np.float32),
            standing_HW=unknown_HW,
            doubtful_change_HW=unknown_HW,
        )


def _blurred(image_CHW: NDArray[np.uint8]) -> Image:
    return np.stack([cv2.GaussianBlur(band.astype(np.float32) / 255, (0, 0), 0.8) for band in image_CHW])


def _spread(image_CHW: Image, size_px: int) -> Image:
    grey = image_CHW.mean(axis=0)
    mean = cv2.blur(grey, (size_px, size_px))
    return np.asarray(np.sqrt(np.maximum(cv2.blur(grey * grey, (size_px, size_px)) - mean * mean, 0)))


def _edge(image_CHW: Image, sigma_px: float) -> Image:
    """Return the gradient of the channel that has the most; blurred, so that grass is no edge.

    A blue roof on brown earth may have the earth's grey.
    """
    strongest = np.zeros(image_CHW.shape[1:], np.float32)
    for band in image_CHW:
        calm = cv2.GaussianBlur(band, (0, 0), sigma_px)
        gx, gy = cv2.Sobel(calm, cv2.CV_32F, 1, 0), cv2.Sobel(calm, cv2.CV_32F, 0, 1)
        strongest = np.maximum(strongest, np.hypot(gx, gy) / 8)
    return strongest


def _best_difference(before: Image, after: Image, search_px: int) -> Image:
    """Return the smallest colour distance over all shifts, as mean over 5 x 5 pixels.

    Outer shifts must do better than none by more than chance: they are charged a little.
    """
    height, width = before.shape[1:]
    n = search_px
    padded = np.pad(before, ((0, 0), (n, n), (n, n)), mode="reflect")
    best = np.full((height, width), np.inf, np.float32)
    for row in range(2 * n + 1):
        for column in range(2 * n + 1):
            moved = padded[:, row : row + height, column : column + width]
            gap = np.sqrt(((after - moved) ** 2).mean(axis=0))
            best = np.minimum(best, cv2.blur(gap, (5, 5)))
    return best


def _shadowed(lit: Image, dark: Image, size_px: int, middle: float) -> NDArray[np.bool_]:
    """Return where ``dark`` is ``lit`` in shadow: a common factor on all channels, a little bluer."""
    smooth_lit, smooth_dark = (
        # Matched radiometry may fall below black.
        np.stack([cv2.blur(np.maximum(band, 0), (size_px, size_px)) for band in image])
        for image in (lit, dark)
    )
    ratio = (smooth_dark + 0.02) / (smooth_lit + 0.02)
    mean = ratio.mean(axis=0)
    uneven = (ratio.max(axis=0) - ratio.min(axis=0)) / np.maximum(mean, 1e-3)
    # Sky light is blue, and haze lifts all channels alike: red falls most.
    skylit = (ratio[0] <= ratio[1] + 0.03) & (ratio[1] <= ratio[2] + 0.03) & (uneven < 0.6)
    # A pale roof on grey ground is no shadow gone: a shadow is darker than most of the place.
    deep = smooth_dark.mean(axis=0) < 0.7 * middle
    return np.asarray(deep & (mean < 0.8) & (mean > 0.15) & ((uneven < 0.3) | skylit))


def _match(tile: PairTile, s: AppearanceSettings) -> _Match:
    before, after = (image.astype(np.float32) / 255 for image in (tile.before_CHW, tile.after_CHW))
    gains, offsets, fields = [], [], []
    block_px = max(2, round(s.block_m / grids.gsd_m(tile.grid)))
    for b, a in zip(before, after, strict=True):
        gain, offset = _linear(b[tile.valid_HW], a[tile.valid_HW])
        gap = np.where(tile.valid_HW, a - (gain * b + offset), np.nan).astype(np.float32)
        blocks = block_medians(gap, block_px)
        fields.append(neighbourhood_median(blocks, s.reach_blocks))
        gains.append(gain)
        offsets.append(offset)
    rows, columns = fields[0].shape
    block_grid = grids.scaled(tile.grid, block_px)
    grid = grids.Grid(crs=block_grid.crs, affine=block_grid.affine, width_px=columns, height_px=rows)
    return _Match(
        gain_C=np.array(gains, np.float32),
        middle=float(np.median(after[:, tile.valid_HW])) if tile.valid_HW.any() else 0.5,
        offset_C=np.array(offsets, np.float32),
        field=Field(grid=grid, values_CHW=np.stack(fields)),
    )


def _linear(before_N: Image, after_N: Image) -> tuple[float, float]:
    """Return gain and offset that give BEFORE the middle and spread of AFTER."""
    if before_N.size < 100:
        return 1.0, 0.0
    b, a = np.percentile(before_N, [10, 50, 90]), np.percentile(after_N, [10, 50, 90])
    gain = float(np.clip((a[2] - a[0]) / max(b[2] - b[0], 1e-3), 0.4, 2.5))
    return gain, float(a[1] - gain * b[1])


def _learn(measures: Sequence[_Measures]) -> _Noise:
    valid = [m.valid_HW for m in measures]
    texture, difference, edge = (
        np.concatenate([getattr(m, name)[v] for m, v in zip(measures, valid, strict=True)] or [np.zeros(0)])
        for name in ("texture_HW", "difference_HW", "edge_after_HW")
    )
    if texture.size < 1000:
        zero, usual_one, edge_one = (np.array([v], np.float32) for v in (0.0, 0.05, 0.02))
        return _Noise(texture_K=zero, difference_K=usual_one, edge_K=edge_one)
    knots = np.unique(np.quantile(texture, np.linspace(0.02, 0.98, 9)))
    index = np.clip(np.searchsorted(knots, texture), 0, len(knots) - 1)
    usual, usual_edge = [], []
    for k in range(len(knots)):
        inside = index == k
        # The 75th percentile: robust against a quarter of changed pixels in a class.
        usual.append(np.percentile(difference[inside], 75) if inside.sum() > 50 else np.nan)
        usual_edge.append(np.percentile(edge[inside], 90) if inside.sum() > 50 else np.nan)
    values = np.array(usual), np.array(usual_edge)
    known = np.isfinite(values[0])
    # Smoother surfaces differ no more than rougher ones: a place whose only smooth things are its new
    # roofs must not take their change for noise.
    grown, grown_edge = (np.minimum.accumulate(v[known][::-1])[::-1].astype(np.float32) for v in values)
    return _Noise(texture_K=knots[known].astype(np.float32), difference_K=grown, edge_K=grown_edge)
