"""What was built or removed, told by a siamese network; needs no surface model.

The network is exact in the order of the dates: swapping them swaps ``appeared`` and ``gone``. It works
at one pixel size (``Model.file.gsd_m``); finer tiles are reduced by a whole factor and its answer is
enlarged again. Pictures are normalised by their own whole, not by the tile, so that a tile of a pair
is scored as the pair is.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change import looks
from aerial.change.detector import PairTile, PairView, ReadTile, Scorer, TileScores
from aerial.change.engine import Engine, Runner, enlarged, wants_gpu
from aerial.change.fields import Field, block_medians, neighbourhood_median
from aerial.change.inputs import (
    Moments,
    Normalisation,
    height_cells,
    height_planes,
    mirrored,
    moments,
    normalisation,
)
from aerial.change.model import Model, Precision, load_model
from aerial.errors import RasterError
from aerial.raster import grid as grids
from aerial.raster.read import WindowPx
from aerial.records import Pair

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Pixels of the whole that the normalisation is taken from, a side.
_OVERVIEW_PX = 1024
# The slow vertical bias between two surface models is followed over (2 * 4 + 1) blocks of 10 m.
_BIAS_BLOCK_M, _BIAS_REACH = 10.0, 4


class SiameseDetector:
    """New and removed buildings in two pictures, and the buildings of each date."""

    name = "siamese"
    version = "2"
    needs_dsm = False

    def __init__(
        self, model: Model | None = None, *, precision: Precision | None = None, threads: int | None = None
    ) -> None:
        self.model = model or load_model()
        self.engine = _engine(self.model, precision, threads)
        self.gsd_m = self.model.file.gsd_m
        self.halo_px = self.model.file.halo_px

    def settings(self) -> dict[str, Any]:
        """Return every number that the result depends on: the model by its hash, and the precision."""
        file = self.model.file
        return {
            "model": file.name,
            "model_version": file.version,
            "onnx_sha256": self.engine.sha256,
            "precision": self.engine.precision,
            "gsd_m": file.gsd_m,
            "threshold": file.threshold,
            "least_spread": file.least_spread,
            "height_scale_m": file.height_scale_m,
            "calibration_slope": file.calibration.slope,
            "calibration_offset": file.calibration.offset,
            "looks": len(looks.LOOKS),
        }

    def prepare(self, pair: Pair, view: PairView) -> Scorer:
        """Take the normalisation of both pictures, and the vertical bias of both surface models.

        Raises:
            RasterError: a picture is coarser than the model was made for.
        """
        coarsest = max(grids.gsd_m(mosaic.grid) for mosaic in (pair.before, pair.after))
        if coarsest > 1.05 * self.model.file.gsd_range_m[1]:
            raise RasterError(
                f"Pixels of {coarsest:.2f} m are too coarse to tell buildings.",
                hint=f"Give pictures of at most {self.model.file.gsd_range_m[1]:g} m a pixel.",
            )
        looks.ready(self.engine)
        overview = view.overview(_OVERVIEW_PX)
        factor = grids.gsd_m(overview.grid) / grids.gsd_m(pair.grid)
        samples = view.samples(256, 16) if factor > 1.01 else ()
        whole = [_of_pair(overview, samples, date, factor) for date in ("before_CHW", "after_CHW")]
        return SiameseScorer(
            self.engine,
            normalisation(whole, self.model.file.least_spread),
            _bias(overview),
        )


class SiameseScorer:
    """Scores tiles of one pair."""

    def __init__(self, engine: Runner, norm: Normalisation, bias: Field | None) -> None:
        self._engine, self._norm, self._bias = engine, norm, bias

    def __call__(self, tiles: Sequence[PairTile]) -> Sequence[TileScores]:
        """Return the scores of each tile, of the tile's own shape; nothing where it is not valid."""
        return [self._score(tile) for tile in tiles]

    def _score(self, tile: PairTile) -> TileScores:
        factor = max(1, round(self._engine.model.file.gsd_m / grids.gsd_m(tile.grid)))
        scores_4HW = scored(
            self._engine,
            self._norm,
            tile.before_CHW,
            tile.after_CHW,
            tile.valid_HW,
            self._height_change(tile),
            factor,
        )
        if not tile.valid_HW.all():
            scores_4HW[:, ~tile.valid_HW] = 0
        appeared, gone, before, after = scores_4HW
        unknown_HW = np.broadcast_to(np.float32(np.nan), appeared.shape)
        return TileScores(
            appeared_HW=appeared,
            gone_HW=gone,
            height_change_HW=unknown_HW,
            edge_HW=np.broadcast_to(np.float32(0), appeared.shape),
            standing_HW=unknown_HW,
            doubtful_change_HW=unknown_HW,
            building_before_HW=before,
            building_after_HW=after,
        )

    def again(self, bands: Sequence[Floats], window: WindowPx, factor: int, read: ReadTile) -> None:
        """Look again where the first answer found something (``looks``); ``bands`` are changed in place."""

        def see(where: WindowPx) -> looks.Seen:
            tile = read(where)
            return looks.Seen(
                before_CHW=tile.before_CHW,
                after_CHW=tile.after_CHW,
                valid_HW=tile.valid_HW,
                height_change_HW=self._height_change(tile),
            )

        looks.again(self._engine, self._norm, bands, window, factor, see)

    def _height_change(self, tile: PairTile) -> Floats | None:
        if self._bias is None or tile.before_dsm_HW is None or tile.after_dsm_HW is None:
            return None
        return np.asarray(tile.after_dsm_HW - tile.before_dsm_HW - self._bias.on(tile.grid)[0])


def score_arrays(
    model: Model,
    before_CHW: Image,
    after_CHW: Image,
    valid_HW: NDArray[np.bool_] | None,
    gsd_m: float,
    height_change_HW: Floats | None = None,
    *,
    precision: Precision | None = None,
    threads: int | None = None,
    careful: bool = True,
) -> Floats:
    """Return (4, H, W) probabilities (appeared, gone, building before, building after) of two pictures.

    ``before_CHW``, ``after_CHW``: uint8 RGB on one grid of ``gsd_m`` metres a pixel, any size that
    fits in memory. Resampled to the model's pixel size, scored as one tile, looked at again where
    something was found (``careful``; without it, the first answer), and resampled back; 0 where not
    valid. ``height_change_HW``: metres, NaN where unknown.
    """
    file, engine = model.file, _engine(model, precision, threads)
    height, width = before_CHW.shape[1:]
    valid_HW = np.ones((height, width), bool) if valid_HW is None else valid_HW
    ratio = gsd_m / file.gsd_m
    size = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    # Continued before they are resampled, so that what is not valid does not bleed into what is.
    small = [_resized(image, size) for image in mirrored((before_CHW, after_CHW), valid_HW)]
    small_valid = cv2.resize(valid_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    norm = normalisation([moments(image, small_valid) for image in small], file.least_spread)
    small_height = None
    if height_change_HW is not None:
        small_height = _resized_height(height_change_HW, size)
    scores_4HW = scored(engine, norm, small[0], small[1], small_valid, small_height, 1)
    if careful:
        see = partial(cut_out, small, small_valid, small_height)
        looks.again(engine, norm, list(scores_4HW), (0, 0, *size), 1, see)
    if (width, height) != size:
        scores_4HW = np.stack(
            [
                cv2.resize(
                    s, (width, height), interpolation=cv2.INTER_LINEAR if ratio < 1 else cv2.INTER_AREA
                )
                for s in scores_4HW
            ]
        )
    return np.where(valid_HW, scores_4HW, np.float32(0)).astype(np.float32)


def cut_out(
    dates: Sequence[Image], valid_HW: NDArray[np.bool_], height_HW: Floats | None, window: WindowPx
) -> looks.Seen:
    """Return a window of two pictures in memory; beyond their rim nothing is valid."""
    column, row, width, height = window
    tall, wide = valid_HW.shape
    y, x = np.arange(row, row + height), np.arange(column, column + width)
    inside_HW = ((y >= 0) & (y < tall))[:, None] & ((x >= 0) & (x < wide))[None]
    at = np.ix_(np.clip(y, 0, tall - 1), np.clip(x, 0, wide - 1))
    before_CHW, after_CHW = (np.stack([band[at] for band in date]) for date in dates)
    change_HW = None if height_HW is None else np.where(inside_HW, height_HW[at], np.float32(np.nan))
    return looks.Seen(
        before_CHW=before_CHW,
        after_CHW=after_CHW,
        valid_HW=valid_HW[at] & inside_HW,
        height_change_HW=change_HW,
    )


def scored(
    engine: Runner,
    norm: Normalisation,
    before_CHW: Image,
    after_CHW: Image,
    valid_HW: NDArray[np.bool_],
    height_change_HW: Floats | None,
    factor: int,
) -> Floats:
    """Return the calibrated (4, H, W) scores of one tile whose pixels are ``factor`` times too fine.

    The tile is padded by what the network needs: its ground goes on as in a mirror.
    """
    file = engine.model.file
    height, width = valid_HW.shape
    unit = file.stride_px * factor
    halo = file.halo_px * factor
    # A tile that is a multiple of the stride comes with its halo; any other one is a whole picture.
    before_px, rows, columns = (0, -height % unit, -width % unit)
    if rows or columns:
        before_px = halo
        rows, columns = (-(n + 2 * halo) % unit + halo for n in (height, width))
    pad = ((before_px, rows), (before_px, columns))
    dates = []
    for image_CHW in mirrored((before_CHW, after_CHW), valid_HW):
        whole_CHW = image_CHW
        if before_px or rows or columns:
            whole_CHW = np.pad(image_CHW, ((0, 0), *pad), mode="reflect")
        dates.append(whole_CHW if factor == 1 else _reduced(whole_CHW, factor))
    if height_change_HW is not None:
        height_change_HW = np.pad(height_change_HW, pad, constant_values=np.nan)
    heights_2HW = height_planes(height_change_HW, dates[0].shape[1:], file.height_scale_m)
    scores_4HW = engine.run(dates[0], dates[1], norm.gain_2C, norm.offset_2C, heights_2HW)
    # Before they are enlarged: a quarter of the numbers.
    scores_4HW = _calibrated(scores_4HW, file.calibration.slope, file.calibration.offset)
    fine_height, fine_width = dates[0].shape[1:]
    scores_4HW = enlarged(scores_4HW, fine_width, fine_height)
    if factor > 1:
        scores_4HW = enlarged(scores_4HW, fine_width * factor, fine_height * factor)
    return np.asarray(scores_4HW[:, before_px : before_px + height, before_px : before_px + width])


def _of_pair(overview: PairTile, samples: Sequence[PairTile], date: str, factor: float) -> Moments:
    """Return the moments of a date at full resolution.

    An overview has the mean of the whole and its slow variance; what averaging took from the
    variance is measured on samples: the total is the variance of the means plus the mean variance.
    """
    coarse = moments(getattr(overview, date), overview.valid_HW)
    lost, weight = 0.0, 0.0
    for tile in samples:
        image = getattr(tile, date)
        height, width = image.shape[1:]
        size = (max(1, round(width / factor)), max(1, round(height / factor)))
        means = cv2.resize(np.moveaxis(image, 0, -1).astype(np.float32), size, interpolation=cv2.INTER_AREA)
        share = cv2.resize(tile.valid_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA) == 1
        fine = np.moveaxis(image, 0, -1).astype(np.float32)
        squares = cv2.resize(fine * fine, size, interpolation=cv2.INTER_AREA)
        inside = (squares - means**2)[share]
        lost, weight = lost + float(inside.sum()), weight + inside.size
    return Moments(mean_C=coarse.mean_C, variance=coarse.variance + max(lost, 0.0) / max(weight, 1.0))


def _bias(overview: PairTile) -> Field | None:
    """Return the slow vertical offset between the surface models, None where a date has none."""
    if overview.before_dsm_HW is None or overview.after_dsm_HW is None:
        return None
    difference = np.where(overview.valid_HW, overview.after_dsm_HW - overview.before_dsm_HW, np.nan)
    block_px = max(2, round(_BIAS_BLOCK_M / grids.gsd_m(overview.grid)))
    slow_HW = neighbourhood_median(block_medians(difference.astype(np.float32), block_px), _BIAS_REACH)
    block_grid = grids.scaled(overview.grid, block_px)
    rows, columns = slow_HW.shape
    grid = grids.Grid(crs=block_grid.crs, affine=block_grid.affine, width_px=columns, height_px=rows)
    return Field(grid=grid, values_CHW=slow_HW[None])


def _resized_height(change_HW: Floats, size: tuple[int, int]) -> Floats:
    """Return heights on another grid; known where at least half of the cell is."""
    change, seen = height_cells(change_HW, size, 1e4)
    return np.where(seen > 0, change * 1e4, np.nan).astype(np.float32)


def _resized(image_CHW: Image, size: tuple[int, int]) -> Image:
    height, width = image_CHW.shape[1:]
    if (width, height) == size:
        return image_CHW
    how = cv2.INTER_AREA if size[0] < width else cv2.INTER_CUBIC
    return np.stack([cv2.resize(np.ascontiguousarray(band), size, interpolation=how) for band in image_CHW])


def _reduced(image_CHW: Image, factor: int) -> Image:
    height, width = image_CHW.shape[1:]
    return _resized(image_CHW, (width // factor, height // factor))


def _calibrated(scores_4HW: Floats, slope: float, offset: float) -> Floats:
    """Return the chances of change calibrated; the building maps are only for people and shapes."""
    if (slope, offset) == (1.0, 0.0):
        return scores_4HW
    scores_4HW = scores_4HW.copy()
    for band_HW in scores_4HW[:2]:
        band_HW[:] = 1 / (1 + np.exp(-(slope * looks.log_odds(band_HW) + offset)))
    return scores_4HW


@lru_cache(maxsize=2)
def _engine(model: Model, precision: Precision | None, threads: int | None) -> Runner:
    if precision is None and threads is None and wants_gpu(model):
        from aerial.change import engine_torch

        if engine_torch.usable():
            return engine_torch.TorchEngine(model)
    return Engine(model, precision=precision, threads=threads)
