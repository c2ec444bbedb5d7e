"""The true orthomosaic: every pixel from a photograph that sees that point of the surface."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.ortho import choose, cover, exposure, sight
from aerial.ortho.blend import REDUCED, Layer, blend
from aerial.ortho.block import Block
from aerial.ortho.pictures import Pictures
from aerial.progress import Progress
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster, read_on_grid
from aerial.raster.write import CogWriter
from aerial.records import Hole, SeamStep

Reals = NDArray[np.float32]

# The halo is three times blend.WIDE_PX, so that two tiles join without a step.
TILE_PX, HALO_PX = 1024, 64
# Size of a cell in which photographs are chosen.
CHOICE_M = 0.5
# Walls beyond this distance do not hide anything here.
FARTHEST_WALL_M = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OrthoResult:
    """An orthomosaic; ``coverage`` is the share of its grid that holds pixels."""

    path: Path
    coverage: float
    holes: tuple[Hole, ...] = ()
    seam_step: SeamStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """All that a tile needs. ``factor``: ortho pixels to a DSM cell."""

    block: Block
    pictures: Pictures
    sharpness: float
    exposure: exposure.Exposure
    terrain: choose.Terrain
    choice_KHW: NDArray[np.int16]
    dsm_path: Path
    dsm_grid: Grid
    grid: Grid
    factor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wide:
    """Heights of a tile and ``margin`` cells around it, their lowest and highest."""

    z_HW: Reals
    margin: int
    low: float
    high: float


def build_ortho(
    block: Block,
    folder: Path,
    dsm_path: Path,
    grid: Grid,
    out: Path,
    progress: Progress,
) -> OrthoResult:
    """Write the orthomosaic of ``block`` on ``grid`` to ``out``: RGB and alpha, COG.

    ``folder`` holds the photographs; ``dsm_path`` is what ``build_surface`` wrote for the same
    grid. Pixels without a height are empty. Same input, same bytes.

    Raises:
        PhotoError: a photograph cannot be decoded.
        RasterError: the DSM cannot be read.
    """
    dsm_grid = open_raster(dsm_path).grid
    factor = round(dsm_grid.affine[0] / grid.affine[0])
    terrain = _terrain(block, dsm_path, dsm_grid)
    progress.phase("Choosing photographs", 2)
    choice_KHW = choose.choose(block, terrain)
    progress.advance()
    native, gsd = cover.photo_gsd_m(block), grid.affine[0]
    small = Pictures(block, folder, reduction=8, grey=False)
    balanced = exposure.balance(block, small, terrain, choice_KHW)
    progress.advance()
    reduction = max(n for n in (1, 2, 4, 8) if n == 1 or native * n <= 1.05 * gsd)
    job = _Job(
        block=block,
        pictures=Pictures(block, folder, reduction=reduction, grey=False),
        sharpness=native * reduction / gsd,
        exposure=balanced,
        terrain=terrain,
        choice_KHW=choice_KHW,
        dsm_path=dsm_path,
        dsm_grid=dsm_grid,
        grid=grid,
        factor=factor,
    )
    tiles = _tiles(grid)
    progress.phase("Drawing the orthomosaic", len(tiles))
    filled = 0
    with CogWriter(out, grid, bands=3, dtype="uint8", mask=True) as cog, ThreadPoolExecutor(2) as pool:
        # Two at a time; results are taken in order, so that the file does not depend on threads.
        for start in range(0, len(tiles), 2):
            for (row, column), (image_HW3, valid_HW) in zip(
                tiles[start : start + 2],
                pool.map(lambda at: _tile(job, *at), tiles[start : start + 2]),
                strict=True,
            ):
                h, w = valid_HW.shape
                cog.write((column, row, w, h), image_HW3.transpose(2, 0, 1), valid_HW)
                filled += int(valid_HW.sum())
                progress.advance()
    return OrthoResult(path=out, coverage=filled / (grid.width_px * grid.height_px))


def _tiles(grid: Grid) -> list[tuple[int, int]]:
    """Return (row, column) of the tiles, to and fro, so that photographs in memory are used again."""
    columns = list(range(0, grid.width_px, TILE_PX))
    return [
        (row, column)
        for number, row in enumerate(range(0, grid.height_px, TILE_PX))
        for column in (columns if number % 2 == 0 else reversed(columns))
    ]


def _terrain(block: Block, dsm_path: Path, dsm_grid: Grid) -> choose.Terrain:
    """Return the DSM reduced to cells of about half a metre; the highest height of each counts."""
    cells = dsm_grid.width_px * dsm_grid.height_px
    cell = dsm_grid.affine[0]
    n = max(round(CHOICE_M / cell), int(np.ceil(np.sqrt(cells / 16e6))), 1)
    h, w = -(-dsm_grid.height_px // n), -(-dsm_grid.width_px // n)
    z_HW = np.full((h, w), np.nan, np.float32)
    step = max(1, 1024 // n)
    for row in range(0, h, step):
        for column in range(0, w, step):
            rows, columns = min(step, h - row), min(step, w - column)
            part_HW, valid_HW = _heights(dsm_path, dsm_grid, row * n, column * n, rows * n, columns * n)
            part_HW = np.where(valid_HW, part_HW, -np.inf).reshape(rows, n, columns, n)
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


def _heights(
    path: Path, grid: Grid, row: int, column: int, height: int, width: int
) -> tuple[Reals, NDArray[np.bool_]]:
    """Return a window of the DSM that may reach over its border; what lies beyond is invalid."""
    r0, c0 = max(row, 0), max(column, 0)
    r1, c1 = min(row + height, grid.height_px), min(column + width, grid.width_px)
    data_CHW, valid_HW = read_on_grid(path, grid, window=(c0, r0, c1 - c0, r1 - r0), resampling="nearest")
    pad = ((r0 - row, row + height - r1), (c0 - column, column + width - c1))
    return np.pad(data_CHW[0], pad).astype(np.float32), np.pad(valid_HW, pad)


def _tile(job: _Job, row: int, column: int) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return the tile's picture (H, W, 3) and where it is valid."""
    f = job.factor
    height, width = min(TILE_PX, job.grid.height_px - row), min(TILE_PX, job.grid.width_px - column)
    # The tile with its halo, in whole cells of the DSM.
    step = REDUCED if REDUCED % f == 0 else REDUCED * f
    rows, columns = (-(-(n + 2 * HALO_PX) // step) * step for n in (height, width))
    top, left = row - HALO_PX, column - HALO_PX
    wide = _wide(job, top // f, left // f, (rows // f, columns // f))
    middle = np.s_[wide.margin : wide.margin + rows // f, wide.margin : wide.margin + columns // f]
    z_HW, known_HW = wide.z_HW[middle], np.isfinite(wide.z_HW[middle])
    inner = np.s_[HALO_PX : HALO_PX + height, HALO_PX : HALO_PX + width]
    if not known_HW.any():
        return np.zeros((height, width, 3), np.uint8), np.zeros((height, width), bool)
    z_HW = np.where(known_HW, z_HW, np.nanmedian(z_HW)).astype(np.float32)
    wide = replace(wide, z_HW=np.where(np.isfinite(wide.z_HW), wide.z_HW, np.float32(wide.low)))
    taken_HW, seen = _taken(job, wide, top // f, left // f, z_HW, known_HW)
    layers = []
    for index in (int(i) for i in np.unique(taken_HW[taken_HW >= 0])):
        layer = _layer(job, index, top // f, left // f, z_HW, taken_HW == index, seen[index])
        if layer is not None:
            layers.append(layer)
    valid_HW = _fine(taken_HW >= 0, f)[inner]
    return blend(layers, (rows, columns))[inner], valid_HW


def _axes(job: _Job, row: int, column: int, shape: tuple[int, int]) -> tuple[Reals, Reals]:
    """Return x and y, metres in the block's frame, of cells of the DSM from (row, column) on."""
    a, _, c, _, e, f = job.dsm_grid.affine
    x_W = c - job.block.origin_3[0] + (column + np.arange(shape[1]) + 0.5) * a
    y_H = f - job.block.origin_3[1] + (row + np.arange(shape[0]) + 0.5) * e
    return x_W.astype(np.float32), y_H.astype(np.float32)


def _taken(
    job: _Job, wide: _Wide, row: int, column: int, z_HW: Reals, known_HW: NDArray[np.bool_]
) -> tuple[NDArray[np.int16], dict[int, NDArray[np.bool_]]]:
    """Return the photograph that each cell is taken from, -1 for none, and what the photographs see."""
    x_W, y_H = _axes(job, row, column, z_HW.shape)
    terrain = job.terrain
    h, w = terrain.z_HW.shape
    at_row = ((terrain.top_m - y_H) / terrain.cell_m).astype(int).clip(0, h - 1)
    at_column = ((x_W - terrain.left_m) / terrain.cell_m).astype(int).clip(0, w - 1)
    choice_KHW = job.choice_KHW[:, at_row[:, None], at_column[None, :]]
    taken_HW = np.full(z_HW.shape, -1, np.int16)
    seen: dict[int, NDArray[np.bool_]] = {}
    for rank_HW in choice_KHW:
        open_HW = known_HW & (taken_HW < 0) & (rank_HW >= 0)
        for index in np.unique(rank_HW[open_HW]):
            if int(index) not in seen:
                seen[int(index)] = _seen(job, int(index), wide, row, column, z_HW)
            taken_HW[open_HW & (rank_HW == index) & seen[int(index)]] = index
    # What no photograph sees is still taken from the steepest one: better than a hole in the map.
    left_HW = known_HW & (taken_HW < 0)
    taken_HW[left_HW] = choice_KHW[1][left_HW]
    return taken_HW, seen


def _seen(job: _Job, index: int, wide: _Wide, row: int, column: int, z_HW: Reals) -> NDArray[np.bool_]:
    """Tell which cells photograph ``index`` sees, with the walls around the tile."""
    centre_3 = job.block.photos[index].pose.centre_3
    x_W, y_H = _axes(job, row, column, z_HW.shape)
    reach = np.hypot(abs(x_W[[0, -1]] - centre_3[0]).max(), abs(y_H[[0, -1]] - centre_3[1]).max())
    lean = float(reach) / max(centre_3[2] - wide.high, 1.0)
    cell = job.dsm_grid.affine[0]
    margin = min(int(np.ceil(lean * (wide.high - wide.low) / cell)) + 2, wide.margin)
    h, w = z_HW.shape
    cut = wide.margin - margin
    part_HW = wide.z_HW[cut : wide.z_HW.shape[0] - cut, cut : wide.z_HW.shape[1] - cut]
    part_x_W, part_y_H = _axes(job, row - margin, column - margin, part_HW.shape)
    seen_HW = sight.unhidden(centre_3, part_x_W, part_y_H, part_HW, cell)
    return seen_HW[margin : margin + h, margin : margin + w]


def _wide(job: _Job, row: int, column: int, shape: tuple[int, int]) -> _Wide:
    """Return the tile with all around that may hide a part of it."""
    around_HW = _around(job, *_axes(job, row, column, shape))
    known_N = around_HW[np.isfinite(around_HW)]
    low, high = (float(known_N.min()), float(known_N.max())) if known_N.size else (0.0, 0.0)
    steepest = np.tan(np.radians(cover.MAX_OFF_NADIR_DEG))
    margin = int(np.ceil(min(steepest * (high - low), FARTHEST_WALL_M) / job.dsm_grid.affine[0])) + 2
    z_HW, known_HW = _heights(
        job.dsm_path,
        job.dsm_grid,
        row - margin,
        column - margin,
        shape[0] + 2 * margin,
        shape[1] + 2 * margin,
    )
    z_HW = np.where(known_HW, z_HW - np.float32(job.block.origin_3[2]), np.float32(np.nan))
    return _Wide(z_HW=z_HW.astype(np.float32), margin=margin, low=low, high=high)


def _around(job: _Job, x_W: Reals, y_H: Reals) -> Reals:
    terrain = job.terrain
    c0 = max(int((x_W[0] - FARTHEST_WALL_M - terrain.left_m) / terrain.cell_m), 0)
    c1 = max(int((x_W[-1] + FARTHEST_WALL_M - terrain.left_m) / terrain.cell_m) + 1, c0 + 1)
    r0 = max(int((terrain.top_m - y_H[0] - FARTHEST_WALL_M) / terrain.cell_m), 0)
    r1 = max(int((terrain.top_m - y_H[-1] + FARTHEST_WALL_M) / terrain.cell_m) + 1, r0 + 1)
    return terrain.z_HW[r0:r1, c0:c1]


def _layer(
    job: _Job,
    index: int,
    row: int,
    column: int,
    z_HW: Reals,
    chosen_HW: NDArray[np.bool_],
    seen_HW: NDArray[np.bool_],
) -> Layer | None:
    """Return photograph ``index`` laid over what is taken from it and a halo around."""
    f = job.factor
    box = _box(chosen_HW, HALO_PX // f, max(REDUCED // f, 1))
    part = np.s_[box[0] : box[1], box[2] : box[3]]
    camera, pose = job.pictures.camera(index), job.block.photos[index].pose
    x_W, y_H = _axes(job, row, column, z_HW.shape)
    map_x, map_y = sight.pixels_of(
        camera,
        pose,
        x_W[None, part[1]] - np.float32(pose.centre_3[0]),
        y_H[part[0], None] - np.float32(pose.centre_3[1]),
        z_HW[part] - np.float32(pose.centre_3[2]),
    )
    levelling_HW = job.exposure.levelling(camera, map_x, map_y)
    size = (map_x.shape[1] * f, map_x.shape[0] * f)
    map_x, map_y, levelling_HW = (
        cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in (map_x, map_y, levelling_HW)
    )
    known_HW = (map_x >= 0) & (map_y >= 0) & (map_x <= camera.width_px - 1) & (map_y <= camera.height_px - 1)
    # Where it shows something else its brightness tells nothing.
    known_HW &= _fine((seen_HW | chosen_HW)[part], f)
    if not known_HW.any():
        return None
    picture_HW3 = job.pictures[index]
    if job.sharpness < 0.8:
        # The picture is finer than the map: without this its fine texture would flicker.
        sigma = 0.5 * np.sqrt(1 / job.sharpness**2 - 1)
        picture_HW3 = cv2.GaussianBlur(picture_HW3, (0, 0), sigma)
    image_HW3 = cv2.remap(picture_HW3, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE).astype(
        np.float32
    )
    image_HW3 *= levelling_HW[..., None] * job.exposure.gain_N3[index].astype(np.float32)
    return Layer(
        row=box[0] * f,
        column=box[2] * f,
        image_HW3=image_HW3,
        known_HW=known_HW,
        chosen_HW=_fine(chosen_HW[part], f),
    )


def _fine(mask_HW: NDArray[np.bool_], factor: int) -> NDArray[np.bool_]:
    """Return a mask of DSM cells as one of ortho pixels."""
    return np.repeat(np.repeat(mask_HW, factor, axis=0), factor, axis=1)


def _box(mask_HW: NDArray[np.bool_], margin: int, step: int) -> tuple[int, int, int, int]:
    """Return rows and columns (first, end) of a mask with a margin, in multiples of ``step``."""
    ends = []
    for axis in (1, 0):
        at = np.nonzero(mask_HW.any(axis=axis))[0]
        size = mask_HW.shape[1 - axis]
        ends += [
            max(at[0] - margin, 0) // step * step,
            min(-(-(at[-1] + 1 + margin) // step) * step, size),
        ]
    return ends[0], ends[1], ends[2], ends[3]
