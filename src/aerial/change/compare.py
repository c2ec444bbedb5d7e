"""Runs detectors over a pair, window by window, and writes the change map.

Reading, scoring and writing overlap. Finished stripes of windows lie beside until the map is whole,
so that a killed run goes on where it was.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerial.change.detector import Detector, PairTile, PairView, TileScores
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
# A multiple of the network's stride at every whole factor up to 3, so that tiles are cut alike.
_UNIT_PX = 192
TILE_PX = 3 * _UNIT_PX
# So many neighbours of a row are read together where pictures are all there is to read.
_READ_TILES = 6
# Probabilities are stored as bytes: 0-254 of 254, 255 where there is none.
_BYTES = 254
_NOTHING = 255

Floats = NDArray[np.float32]

# (column, row, width, height) on the pair's grid; may reach over its rim, where nothing is valid
ReadTile = Callable[[WindowPx], PairTile]


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
    grid = source.pair.grid
    with_heights = any(detector.needs_dsm for detector in detectors)
    layout = Layout(
        grid=grid,
        names=PICTURE_BANDS + (HEIGHT_BANDS if with_heights else ()),
        dtype="float32" if with_heights else "uint8",
        nodata=float("nan") if with_heights else _NOTHING,
        scale=1.0 if with_heights else 1 / _BYTES,
        stripe_px=tile_px(grid),
    )
    striped = StripedRaster(path, layout, key=key)
    missing = striped.missing()
    progress.phase("Comparing", len(tiles(grid)) + 1)
    progress.advance(len(tiles(grid)) - sum(len(_row_of_tiles(grid, n)) for n in missing))
    if missing:
        scorers = [detector.prepare(source.pair, source.view) for detector in detectors]
        halos = [d.halo_px * max(1, round(d.gsd_m / grids.gsd_m(grid))) for d in detectors]
        _score_stripes(
            source.read, list(zip(scorers, halos, strict=True)), striped, missing, layout, progress
        )
    striped.finish()
    progress.advance()


def tile_px(grid: Grid) -> int:
    """Return the side of the tiles: ``TILE_PX``, less where all of the grid is smaller."""
    return min(TILE_PX, -(-max(grid.width_px, grid.height_px) // _UNIT_PX) * _UNIT_PX)


def tiles(grid: Grid) -> list[WindowPx]:
    """Return windows of at most ``TILE_PX`` that cover the grid without overlap, row by row."""
    side = tile_px(grid)
    return [
        (column, row, min(side, grid.width_px - column), min(side, grid.height_px - row))
        for row in range(0, grid.height_px, side)
        for column in range(0, grid.width_px, side)
    ]


def _row_of_tiles(grid: Grid, number: int) -> list[WindowPx]:
    return [window for window in tiles(grid) if window[1] == number * tile_px(grid)]


def _score_stripes(
    read: ReadTile,
    scorers: Sequence[tuple[Callable[[Sequence[PairTile]], Sequence[TileScores]], int]],
    striped: StripedRaster,
    missing: Sequence[int],
    layout: Layout,
    progress: Progress,
) -> None:
    """Score the missing stripes; the next window is read and the last one written meanwhile."""
    halo = max(px for _, px in scorers)
    # Neighbours are read as one: a file's blocks at their rims are decoded once, their halos read once.
    several = 1 if layout.dtype == "float32" else _READ_TILES
    rows = [_row_of_tiles(layout.grid, number) for number in missing]
    groups = [row[k : k + several] for row in rows for k in range(0, len(row), several)]

    def fetch(group: Sequence[WindowPx]) -> list[PairTile]:
        column, row, _, _ = group[0]
        step = tile_px(layout.grid)
        size = step + 2 * halo
        # Always whole tiles: one shape to compile for, and the rim of the pair is like any other.
        wide = read((column - halo, row - halo, (len(group) - 1) * step + size, size))
        return [_cut(wide, k * step, 0, size, size) for k in range(len(group))]

    with ThreadPoolExecutor(1, "reader") as reader, ThreadPoolExecutor(1, "writer") as writer:
        ahead = _ahead(reader, fetch, groups)
        for number in missing:
            with striped.stripe(number) as write:
                behind: list[Future[None]] = []
                try:
                    for window in _row_of_tiles(layout.grid, number):
                        bands = _scored(next(ahead), scorers, halo, window)
                        while behind:
                            behind.pop().result()
                        behind.append(writer.submit(write, window, _stored(bands, window, layout)))
                        progress.advance()
                finally:
                    # The file is not closed under the writer, whatever happened.
                    wait(behind)
                while behind:
                    behind.pop().result()


def _ahead(
    reader: ThreadPoolExecutor,
    fetch: Callable[[Sequence[WindowPx]], list[PairTile]],
    groups: Sequence[Sequence[WindowPx]],
) -> Iterator[PairTile]:
    """Yield the tile of each window, the next ones being read meanwhile."""
    upcoming = reader.submit(fetch, groups[0])
    for following in [*groups[1:], None]:
        tiles_read = upcoming.result()
        if following is not None:
            upcoming = reader.submit(fetch, following)
        yield from tiles_read


def _scored(
    tile: PairTile,
    scorers: Sequence[tuple[Callable[[Sequence[PairTile]], Sequence[TileScores]], int]],
    halo: int,
    window: WindowPx,
) -> dict[str, Floats]:
    """Return the bands of one window, NaN where nothing is comparable."""
    width, height = window[2:]
    valid_HW = tile.valid_HW[halo : halo + height, halo : halo + width]
    found: dict[str, Floats] = {}
    if not valid_HW.any():
        return found
    for scorer, own in scorers:
        # Each detector gets the surroundings that it asked for, not those of the widest.
        scores = next(iter(scorer([_without_rim(tile, halo - own)])))
        inner = np.s_[own : own + height, own : own + width]
        for name, band_HW in bands_of(scores).items():
            found[name] = np.where(valid_HW, band_HW[inner], np.float32(np.nan))
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
    unknown_HW = np.full((window[3], window[2]), np.nan, np.float32)
    values_CHW = np.stack([bands.get(name, unknown_HW) for name in layout.names])
    if layout.dtype == "float32":
        return values_CHW
    scaled_CHW = np.round(np.clip(values_CHW, 0, 1) / np.float32(layout.scale))
    return np.where(np.isfinite(scaled_CHW), scaled_CHW, layout.nodata).astype(np.uint8)


def _without_rim(tile: PairTile, margin: int) -> PairTile:
    if margin == 0:
        return tile
    height, width = tile.valid_HW.shape
    return _cut(tile, margin, margin, width - 2 * margin, height - 2 * margin)


def _cut(tile: PairTile, column: int, row: int, width: int, height: int) -> PairTile:
    """Return a window of a tile as a tile."""
    if (width, height) == tile.valid_HW.shape[::-1]:
        return tile
    inner = np.s_[..., row : row + height, column : column + width]
    arrays: dict[str, Any] = {
        name: None if (value := getattr(tile, name)) is None else np.ascontiguousarray(value[inner])
        for name in (field.name for field in fields(tile) if field.name != "grid")
    }
    a, b, c, d, e, f = tile.grid.affine
    grid = Grid(
        crs=tile.grid.crs,
        affine=(a, b, c + column * a + row * b, d, e, f + column * d + row * e),
        width_px=width,
        height_px=height,
    )
    return PairTile(grid=grid, **arrays)
