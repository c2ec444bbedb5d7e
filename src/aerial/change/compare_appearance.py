"""Runs detectors over a pair, window by window, and writes the change map."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aerial.change.compare import Source
from aerial.change.detector import Detector, TileScores
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.write import CogWriter

BANDS = (
    "appeared",
    "gone",
    "height_change_m",
    "edge",
    "standing_before_m",
    "looks_different",
    "doubtful_change_m",
    "building_before",
    "building_after",
)
# A multiple of the network's stride at every whole factor up to 3, so that tiles are cut alike.
TILE_PX = 1152


def compare(source: Source, detectors: Sequence[Detector], path: Path, progress: Progress = SILENT) -> None:
    """Write the change map of a pair (bands ``BANDS``, float32, NaN where not comparable) to ``path``."""
    grid = source.pair.grid
    scorers = [detector.prepare(source.pair, source.view) for detector in detectors]
    gsd_m = grids.gsd_m(grid)
    halos = [detector.halo_px * max(1, round(detector.gsd_m / gsd_m)) for detector in detectors]
    halo = max(halos)
    windows = list(tiles(grid))
    progress.phase("Comparing", len(windows))
    with CogWriter(
        path, grid, bands=len(BANDS), dtype="float32", nodata=float("nan"), descriptions=BANDS
    ) as cog:
        for column, row, width, height in windows:
            tile = source.read((column - halo, row - halo, width + 2 * halo, height + 2 * halo))
            each = [scorer([tile])[0] for scorer in scorers]
            scores, looks_HW = fuse(each), _looks(each)
            inner = np.s_[halo : halo + height, halo : halo + width]
            unknown_HW = np.full_like(looks_HW, np.nan)
            buildings = [s for s in each if s.building_before_HW is not None] or [scores]
            bands_CHW = np.stack(
                [
                    unknown_HW[inner] if band is None else band[inner]
                    for band in (
                        scores.appeared_HW,
                        scores.gone_HW,
                        scores.height_change_HW,
                        scores.edge_HW,
                        scores.standing_HW,
                        looks_HW,
                        scores.doubtful_change_HW,
                        buildings[0].building_before_HW,
                        buildings[0].building_after_HW,
                    )
                ]
            )
            cog.write((column, row, width, height), bands_CHW, tile.valid_HW[inner])
            progress.advance()


def tiles(grid: Grid) -> list[tuple[int, int, int, int]]:
    """Return windows of at most ``TILE_PX`` that cover the grid without overlap."""
    return [
        (column, row, min(TILE_PX, grid.width_px - column), min(TILE_PX, grid.height_px - row))
        for row in range(0, grid.height_px, TILE_PX)
        for column in range(0, grid.width_px, TILE_PX)
    ]


def fuse(scores: Sequence[TileScores]) -> TileScores:
    """Return one answer of several detectors: where a height change is known, it decides.

    Elsewhere the strongest of the others speaks. A field that changed colour, a tarpaulin or a
    puddle has no height, so appearance alone must not alarm where the height says no.
    """
    if len(scores) == 1:
        return scores[0]
    with_height = [s for s in scores if np.isfinite(s.doubtful_change_HW).any()]
    others = [s for s in scores if not any(s is h for h in with_height)]
    if not with_height:
        return _strongest(others)
    decided = _strongest(with_height)
    if not others:
        return decided
    rest = _strongest(others)
    known = np.isfinite(decided.height_change_HW)
    return TileScores(
        appeared_HW=_where(known, decided.appeared_HW, rest.appeared_HW),
        gone_HW=_where(known, decided.gone_HW, rest.gone_HW),
        height_change_HW=decided.height_change_HW,
        edge_HW=_where(known, decided.edge_HW, rest.edge_HW),
        standing_HW=decided.standing_HW,
        doubtful_change_HW=decided.doubtful_change_HW,
    )


def _looks(scores: Sequence[TileScores]) -> NDArray[np.float32]:
    """Return how different the pictures look, whatever the heights say; it tells shapes more finely."""
    by_picture = [s for s in scores if not np.isfinite(s.doubtful_change_HW).any()]
    if not by_picture:
        return np.zeros_like(scores[0].appeared_HW)
    return np.asarray(np.maximum.reduce([np.maximum(s.appeared_HW, s.gone_HW) for s in by_picture]))


def _strongest(scores: Sequence[TileScores]) -> TileScores:
    heights, standing, edge = scores[0].height_change_HW, scores[0].standing_HW, scores[0].edge_HW
    doubtful = scores[0].doubtful_change_HW
    for other in scores[1:]:
        heights = _where(np.isfinite(heights), heights, other.height_change_HW)
        standing = _where(np.isfinite(standing), standing, other.standing_HW)
        doubtful = _where(np.isfinite(doubtful), doubtful, other.doubtful_change_HW)
        edge = _where(np.abs(edge) >= np.abs(other.edge_HW), edge, other.edge_HW)
    return TileScores(
        appeared_HW=np.maximum.reduce([s.appeared_HW for s in scores]),
        gone_HW=np.maximum.reduce([s.gone_HW for s in scores]),
        height_change_HW=heights,
        edge_HW=edge,
        standing_HW=standing,
        doubtful_change_HW=doubtful,
    )


def _where(
    choose_HW: NDArray[np.bool_], a_HW: NDArray[np.float32], b_HW: NDArray[np.float32]
) -> NDArray[np.float32]:
    return np.where(choose_HW, a_HW, b_HW).astype(np.float32)
