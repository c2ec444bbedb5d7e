"""The true orthomosaic: every pixel from a photograph that sees that point of the surface."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.ortho import choose, cover, exposure, seams
from aerial.ortho.ahead import in_order
from aerial.ortho.blend import REDUCED, STEP_BINS
from aerial.ortho.block import Block
from aerial.ortho.draw import SQUARE, TILE_PX, Drawing, Tile, draw, heights
from aerial.ortho.holes import Filled
from aerial.ortho.pictures import Pictures
from aerial.ortho.presets import QUALITY, Effort
from aerial.ortho.things import Things, things_of
from aerial.progress import Progress
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster
from aerial.raster.write import CogWriter
from aerial.records import Hole, SeamStep

# Size of a cell in which photographs are chosen, and the most cells that are held.
CHOICE_M, MOST_CELLS = 0.5, 8e6
# Rows of tiles that are drawn together; the photographs of two columns of them fit in memory.
STRIP, PICTURES_BYTES = 3, 1_000_000_000
# Harder compression takes longer than drawing and saves a twentieth.
COG_LEVEL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthoResult:
    """An orthomosaic and what is to be said of it.

    ``taken``: raster on the DSM's grid; band ``photo`` is the photograph (index in the block) that a
    cell was taken from, band ``seen`` 1 where a photograph sees the cell and 0 where none does.
    ``coverage``: share of the outline that holds pixels, ``holes`` the rest.
    """

    path: Path
    coverage: float
    holes: tuple[Hole, ...] = ()
    seam_step: SeamStep | None = None
    taken: Path | None = None


def build_ortho(
    block: Block,
    folder: Path,
    dsm_path: Path,
    grid: Grid,
    out: Path,
    progress: Progress,
    *,
    effort: Effort = QUALITY,
) -> OrthoResult:
    """Write the orthomosaic of ``block`` on ``grid`` to ``out``: RGB and alpha, COG.

    ``folder`` holds the photographs; ``dsm_path`` is what ``build_surface`` wrote for the same
    grid. Pixels without a height are empty. ``taken.tif`` beside it tells which photograph each
    cell is from. Same input, same bytes.

    Raises:
        PhotoError: a photograph cannot be decoded.
        RasterError: the DSM cannot be read.
    """
    dsm_grid = open_raster(dsm_path).grid
    factor = round(dsm_grid.affine[0] / grid.affine[0])
    terrain = _terrain(block, dsm_path, dsm_grid)
    progress.phase("Choosing photographs", 3)
    things = things_of(terrain.z_HW, terrain.cell_m)
    ranks = choose.rank(block, terrain, things)
    progress.advance()
    small = Pictures(block, folder, reduction=8, grey=False)
    small.load()
    balanced = exposure.balance(block, small, terrain, ranks.choice_KHW)
    progress.advance()
    difference_HW = exposure.difference(block, small, terrain, ranks.choice_KHW, balanced)
    label_HW = seams.lay(terrain, ranks, things, difference_HW)
    progress.advance()
    native, gsd = cover.photo_gsd_m(block), grid.affine[0]
    reduction = max(n for n in (1, 2, 4, 8) if n == 1 or native * n <= 1.05 * gsd)
    job = Drawing(
        block=block,
        pictures=Pictures(block, folder, reduction=reduction, grey=False, budget_bytes=PICTURES_BYTES),
        sharpness=native * reduction / gsd,
        exposure=balanced,
        terrain=terrain,
        ranks=ranks,
        label_HW=label_HW,
        thing_HW=_inside(things) & (ranks.thing_T[things.number_HW] == label_HW),
        dsm_path=dsm_path,
        dsm_grid=dsm_grid,
        grid=grid,
        factor=factor,
        fine_sight=effort.fine_sight,
        two_bands=effort.two_bands,
    )
    taken = out.with_name("taken.tif")
    filled, steps_B = Filled(grid, TILE_PX), np.zeros(256 * STEP_BINS, np.int64)
    with ExitStack() as stack:
        cog = stack.enter_context(CogWriter(out, grid, bands=3, dtype="uint8", mask=True, level=COG_LEVEL))
        source = stack.enter_context(
            CogWriter(taken, dsm_grid, bands=2, dtype="int16", nodata=-1, descriptions=("photo", "seen"))
        )
        for (row, column), tile in _drawn(job, _tiles(grid), progress):
            h, w = tile.valid_HW.shape
            cog.write((column, row, w, h), tile.image_HW3.transpose(2, 0, 1), tile.valid_HW)
            at_row, at_column = row // factor, column // factor
            part_HW = tile.taken_hw[: dsm_grid.height_px - at_row, : dsm_grid.width_px - at_column]
            seen_HW = tile.seen_hw[: part_HW.shape[0], : part_HW.shape[1]]
            source.write(
                (at_column, at_row, part_HW.shape[1], part_HW.shape[0]),
                np.stack([part_HW, np.where(part_HW >= 0, seen_HW, -1).astype(np.int16)]),
            )
            filled.add(row, column, tile.valid_HW)
            steps_B += tile.steps_B
    holes, coverage = filled.holes()
    return OrthoResult(
        path=out,
        coverage=coverage,
        holes=holes,
        seam_step=_seam_step(steps_B, gsd * REDUCED),
        taken=taken,
    )


def _inside(things: Things) -> NDArray[np.bool_]:
    """Tell which cells are a thing's own: off its rim, beside which the ground may be hidden."""
    return np.asarray(cv2.erode(things.core_HW.astype(np.uint8), SQUARE) > 0)


def _drawn(
    job: Drawing, tiles: list[tuple[int, int]], progress: Progress
) -> Iterator[tuple[tuple[int, int], Tile]]:
    """Draw the tiles; in order, so that the file does not depend on threads."""
    progress.phase("Drawing the orthomosaic", len(tiles))
    for at, tile in zip(tiles, in_order(lambda at: draw(job, *at), tiles), strict=True):
        yield at, tile
        progress.advance()


def _seam_step(steps_B: NDArray[np.int64], side_m: float) -> SeamStep | None:
    """Return median and 95th percentile of a histogram of steps; None without seams."""
    total = int(steps_B.sum())
    if total == 0:
        return None
    up_to_B = np.cumsum(steps_B)
    median, p95 = ((np.searchsorted(up_to_B, share * total) + 0.5) / STEP_BINS for share in (0.5, 0.95))
    # A slanting seam is counted by its steps along both axes: on average 4 / pi of its length.
    length = total * side_m * np.pi / 4
    return SeamStep(median=round(float(median), 2), p95=round(float(p95), 2), length_m=round(length, 1))


def _tiles(grid: Grid) -> list[tuple[int, int]]:
    """Return (row, column) of the tiles, so that photographs in memory are used again.

    In strips of a few rows, to and fro, down one column of a strip and up the next.
    """
    tiles = []
    for strip, first in enumerate(range(0, grid.height_px, STRIP * TILE_PX)):
        rows = list(range(first, min(first + STRIP * TILE_PX, grid.height_px), TILE_PX))
        columns = list(range(0, grid.width_px, TILE_PX))
        for number, column in enumerate(columns if strip % 2 == 0 else reversed(columns)):
            tiles += [(row, column) for row in (rows if number % 2 == 0 else reversed(rows))]
    return tiles


def _terrain(block: Block, dsm_path: Path, dsm_grid: Grid) -> choose.Terrain:
    """Return the DSM reduced to cells of about half a metre; the highest height of each counts."""
    cells = dsm_grid.width_px * dsm_grid.height_px
    cell = dsm_grid.affine[0]
    n = max(round(CHOICE_M / cell), int(np.ceil(np.sqrt(cells / MOST_CELLS))), 1)
    h, w = -(-dsm_grid.height_px // n), -(-dsm_grid.width_px // n)
    z_HW = np.full((h, w), np.nan, np.float32)
    step = max(1, 1024 // n)
    for row in range(0, h, step):
        for column in range(0, w, step):
            rows, columns = min(step, h - row), min(step, w - column)
            part_HW = heights(dsm_path, dsm_grid, row * n, column * n, rows * n, columns * n)
            part_HW = np.where(np.isfinite(part_HW), part_HW, -np.inf).reshape(rows, n, columns, n)
            top_HW = part_HW.max(axis=(1, 3))
            z_HW[row : row + rows, column : column + columns] = np.where(
                np.isfinite(top_HW), top_HW - block.origin_3[2], np.nan
            )
    return choose.Terrain(
        left_m=dsm_grid.affine[2] - block.origin_3[0],
        top_m=dsm_grid.affine[5] - block.origin_3[1],
        cell_m=cell * n,
        z_HW=z_HW,
    )
