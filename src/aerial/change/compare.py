"""Runs detectors over a pair, tile by tile, and writes the change map.

Reading, scoring and writing overlap. Finished rows of tiles lie beside until the map is whole,
so that a killed run goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.detector import CarefulScorer, Detector, PairTile, PairView, ReadTile, Scorer, TileScores
from aerial.change.tiling import TileReader, Tiling, cut, tiling
from aerial.codec import sha256_json
from aerial.memory import give_back_small
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx
from aerial.raster.stripes import Layout, StripedRaster
from aerial.records import Pair

PICTURE_BANDS = ("appeared", "gone", "building_before", "building_after")
HEIGHT_BANDS = (
    "height_score",
    "height_change_m",
    "height_noise_m",
    "standing_before_m",
    "doubtful_change_m",
    "steepness",
    "vegetation",
)
# The largest tiles that 512 MB hold with all else, without their halo: of pictures, and with heights.
TILE_PX, TILE_WITH_HEIGHTS_PX = 1000, 960
# What a pixel of the rows that two rows of tiles share takes of what a pixel of a tile does: it is held
# over the whole width, twice while it is put together, but has no scores.
_KEPT_SHARE = 0.15
# Networks halve so often; a tile of other sides is scored as a whole picture is, which costs more.
_STRIDE_PX = 32
_READ_ROWS_PX = 320
# Probabilities are stored as bytes: 0-254 of 254, 255 where there is none.
_BYTES = 254
_NOTHING = 255

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A pair to compare: its record, its whole view, and its windows."""

    pair: Pair
    view: PairView
    read: ReadTile


def compare(
    source: Source, detectors: Sequence[Detector], path: Path, progress: Progress = SILENT, *, key: str
) -> None:
    """Write the change map of a pair to ``path`` as COG; bands by their descriptions.

    ``PICTURE_BANDS`` by the detector that needs no surface model; with one that does, ``HEIGHT_BANDS``
    too. Probabilities alone are stored as bytes with their scale, with heights as float32; nodata
    where nothing is comparable. ``key`` names everything that the map depends on: a run that was
    killed is taken up by a run of the same key.
    """
    cuts = tiling_of(source.pair.grid, detectors)
    with_heights = any(detector.needs_dsm for detector in detectors)
    layout = Layout(
        grid=cuts.grid,
        names=PICTURE_BANDS + (HEIGHT_BANDS if with_heights else ()),
        dtype="float32" if with_heights else "uint8",
        nodata=float("nan") if with_heights else _NOTHING,
        scale=1.0 if with_heights else 1 / _BYTES,
        stripe_px=cuts.height_px,
        # Blocks that end where tiles end are compressed once.
        block_px=(cuts.width_px, _STRIDE_PX),
    )
    striped = StripedRaster(path, layout, key=sha256_json([key, cuts.width_px, cuts.height_px]))
    missing = striped.missing()
    progress.phase("Comparing", cuts.columns * cuts.rows + 1)
    progress.advance(cuts.columns * (cuts.rows - len(missing)))
    if missing:
        scorers = [
            _Asked(
                scorer=detector.prepare(source.pair, source.view),
                halo_px=_halo_px(detector, cuts.grid),
                factor=_factor(detector, cuts.grid),
            )
            for detector in detectors
        ]
        _score_stripes(source, cuts, scorers, striped, missing, layout, progress)
    striped.finish()
    progress.advance()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """A scorer of the pair, the surroundings that it needs, and how many pixels one of its own is wide."""

    scorer: Scorer
    halo_px: int
    factor: int


def tiling_of(grid: Grid, detectors: Sequence[Detector]) -> Tiling:
    """Return the tiles of a comparison: the largest that memory allows, since their rims are scored twice."""
    with_heights = any(detector.needs_dsm for detector in detectors)
    both = 2 * max(_halo_px(detector, grid) for detector in detectors)
    largest_px = TILE_WITH_HEIGHTS_PX if with_heights else TILE_PX
    # Wide rasters keep more beside: their tiles are smaller, so that all take the same memory.
    left_px = (largest_px + both) ** 2 - _KEPT_SHARE * both * (grid.width_px + both)
    return tiling(
        grid,
        most_px=max(largest_px // 2, int(max(left_px, 0.0) ** 0.5) - both),
        unit_px=_STRIDE_PX * max(_factor(detector, grid) for detector in detectors),
        halo_px=both // 2,
        # Opening a surface model to resample it takes longer than the pixels do.
        read_rows_px=TILE_WITH_HEIGHTS_PX if with_heights else _READ_ROWS_PX,
    )


def _factor(detector: Detector, grid: Grid) -> int:
    return max(1, round(detector.gsd_m / grids.gsd_m(grid)))


def _halo_px(detector: Detector, grid: Grid) -> int:
    return detector.halo_px * _factor(detector, grid)


def _score_stripes(
    source: Source,
    cuts: Tiling,
    scorers: Sequence[_Asked],
    striped: StripedRaster,
    missing: Sequence[int],
    layout: Layout,
    progress: Progress,
) -> None:
    """Score the missing stripes; the next tile is read and the last one written meanwhile."""
    with ThreadPoolExecutor(1, "reader") as reading, ThreadPoolExecutor(1, "writer") as writer:

        def again(window: WindowPx, factor: int) -> PairTile:
            # In the one thread that reads: files are not open twice at once.
            return reading.submit(source.view.window, window, factor).result()

        ahead = _ahead(reading, TileReader(source.read, cuts).tiles(missing))
        for number in missing:
            with striped.stripe(number) as write:
                behind: list[Future[None]] = []
                try:
                    for window in cuts.row(number):
                        bands = _scored(next(ahead), scorers, cuts.halo_px, window, again)
                        while behind:
                            behind.pop().result()
                        behind.append(writer.submit(write, window, _stored(bands, window, layout)))
                        progress.advance()
                finally:
                    # The file is not closed under the writer, whatever happened.
                    wait(behind)
                while behind:
                    behind.pop().result()


def _ahead(reading: ThreadPoolExecutor, tiles: Iterator[PairTile]) -> Iterator[PairTile]:
    """Yield tiles, the next one being read meanwhile."""
    upcoming = reading.submit(next, tiles, None)
    while (tile := upcoming.result()) is not None:
        upcoming = reading.submit(next, tiles, None)
        yield tile


def _scored(
    tile: PairTile,
    scorers: Sequence[_Asked],
    halo: int,
    window: WindowPx,
    again: Callable[..., PairTile],
) -> dict[str, Floats]:
    """Return the bands of one window, NaN where nothing is comparable."""
    width, height = window[2:]
    valid_HW = tile.valid_HW[halo : halo + height, halo : halo + width]
    found: dict[str, Floats] = {}
    if not valid_HW.any():
        return found
    everywhere = bool(valid_HW.all())
    for asked in scorers:
        own = asked.halo_px
        # Each detector gets the surroundings that it asked for, not those of the widest.
        scores = next(iter(asked.scorer([cut(tile, halo - own)])))
        inner = np.s_[own : own + height, own : own + width]
        bands = {name: band_HW[inner] for name, band_HW in bands_of(scores).items()}
        if isinstance(asked.scorer, CarefulScorer):
            # Without their surroundings: the second look needs memory of its own.
            bands = {name: band_HW.copy() for name, band_HW in bands.items()}
            del scores
            give_back_small()
            pictures = [bands[name] for name in PICTURE_BANDS]
            asked.scorer.again(pictures, window, asked.factor, partial(again, factor=asked.factor))
        for name, band_HW in bands.items():
            if not everywhere and band_HW.flags.writeable:
                band_HW[~valid_HW] = np.nan
            elif not everywhere:
                bands[name] = np.where(valid_HW, band_HW, np.float32(np.nan))
        found |= bands
    return found


def bands_of(scores: TileScores) -> dict[str, Floats]:
    """Return the bands of one detector's answer by their names in the change map."""
    if scores.building_before_HW is not None and scores.building_after_HW is not None:
        return {
            "appeared": scores.appeared_HW,
            "gone": scores.gone_HW,
            "building_before": scores.building_before_HW,
            "building_after": scores.building_after_HW,
        }
    unknown_HW = np.full(scores.appeared_HW.shape, np.nan, np.float32)
    known = np.isfinite(scores.height_change_HW)
    return {
        "height_score": np.where(known, scores.appeared_HW - scores.gone_HW, unknown_HW),
        "height_change_m": scores.height_change_HW,
        "height_noise_m": unknown_HW if scores.noise_HW is None else scores.noise_HW,
        "standing_before_m": scores.standing_HW,
        "doubtful_change_m": scores.doubtful_change_HW,
        "steepness": scores.edge_HW,
        "vegetation": unknown_HW if scores.vegetation_HW is None else scores.vegetation_HW,
    }


def _stored(bands: dict[str, Floats], window: WindowPx, layout: Layout) -> NDArray[np.float32 | np.uint8]:
    values_CHW = np.full((len(layout.names), window[3], window[2]), layout.nodata, layout.dtype)
    for name, values_HW in zip(layout.names, values_CHW, strict=True):
        if name not in bands:
            continue
        if layout.dtype == "float32":
            values_HW[:] = bands[name]
        else:
            # One pass: scaled, rounded, kept within a byte.
            cv2.convertScaleAbs(np.clip(bands[name], 0, 1), dst=values_HW, alpha=1 / layout.scale)
            values_HW[np.isnan(bands[name])] = layout.nodata
    return values_CHW
