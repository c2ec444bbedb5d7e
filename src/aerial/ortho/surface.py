"""The digital surface model of a block: stereo pairs, matched one by one, agreed cell by cell."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial.camera import footprint, project
from aerial.codec import sha256_json
from aerial.errors import StitchError
from aerial.ortho import cover, fuse, seal, stereo
from aerial.ortho.block import Block
from aerial.ortho.originals import mark
from aerial.ortho.pictures import Pictures
from aerial.ortho.presets import QUALITY, Effort
from aerial.progress import Progress
from aerial.raster.grid import Grid, scaled, world_to_pixel
from aerial.raster.write import CogWriter

Heights = NDArray[np.float32]

# Counts as part of the key of the stored height maps: raise it when matching changes.
VERSION = 2
# Cells of the DSM are two pixels of the ortho wide, or more where the photographs are coarser than
# the ortho: matching cannot tell finer.
CELL_TO_PHOTO = 1.1
# Pictures to be matched stay at least so wide.
MATCHED_WIDTH_PX = 600
TILE_CELLS, HALO_CELLS = 512, 96
NODATA = -9999.0
# Patches of fewer square metres are wrong matches, not things.
SPECK_M2, COARSE_SPECK_M2 = 0.5, 2.0
# Coarse heights lie on cells so many times as large, and stand in where holes are wider than this.
COARSE_CELLS, WIDE_HOLE_M = 4, 5.0
BASE_CELL_M = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceResult:
    """A DSM: heights (band 1, metres in the block's datum) and their spread (band 2, metres).

    ``measured`` is the share of its valid cells that matching measured; the others were filled.
    """

    path: Path
    grid: Grid
    pairs: int
    measured: float
    spread_median_m: float | None = None
    spread_p95_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _HeightMap:
    """Where the height map of a pair lies on the DSM grid (cells) and in which file."""

    path: Path
    row: int
    column: int
    height: int
    width: int
    weight: float


def build_surface(
    block: Block, folder: Path, grid: Grid, work: Path, progress: Progress, *, effort: Effort = QUALITY
) -> SurfaceResult:
    """Write the DSM of ``block`` to ``work/dsm.tif`` over the extent of the ortho's ``grid``.

    ``folder`` holds the photographs. Height maps of pairs are kept in ``work/dense``: killed and
    called again, it goes on. Cells seen by too few photographs, or outside of all that was matched,
    are nodata; holes between measured cells are filled (``fuse.filled``), with a spread of 5 m to
    tell.

    Raises:
        StitchError: no two photographs overlap enough, or none of the pairs could be matched.
        PhotoError: a photograph cannot be decoded.
    """
    least = CELL_TO_PHOTO * cover.photo_gsd_m(block) / grid.affine[0]
    sizes = effort.dsm_pixels
    dsm_grid = scaled(grid, next((n for n in sizes if n >= least), sizes[-1]))
    pairs = cover.stereo_pairs(block, effort.pairs_per_photo)
    if not pairs:
        raise StitchError(
            "No two photographs overlap enough to measure heights.",
            hint="Fly with at least 60 % overlap forward and 40 % to the side.",
        )
    maps = _match_all(block, folder, dsm_grid, pairs, work / "dense", progress)
    if not maps:
        raise StitchError(
            "None of the photographs could be matched for heights.",
            hint="Check that the photographs are sharp and overlap by 60 % or more.",
        )
    target = work / "dsm.tif"
    measured = _fuse_all(block, dsm_grid, maps, target, progress)
    return SurfaceResult(path=target, grid=dsm_grid, pairs=len(maps), measured=measured)


def _match_all(
    block: Block,
    folder: Path,
    grid: Grid,
    pairs: tuple[cover.StereoPair, ...],
    store: Path,
    progress: Progress,
) -> list[_HeightMap]:
    cell = grid.affine[0]
    native = cover.photo_gsd_m(block)
    # Finer than the cells would cost time and gain nothing; finer than the photographs is not there.
    width = float(np.median([photo.camera.width_px for photo in block.photos]))
    step = max(native, min(0.75 * cell, native * width / MATCHED_WIDTH_PX))
    reduction = max(n for n in (1, 2, 4, 8) if n == 1 or native * n <= 1.1 * step)
    pictures = Pictures(block, folder, reduction=reduction, grey=True)
    ground = cover.ground_of(block)

    def one(pair: cover.StereoPair) -> _HeightMap | None:
        box = _common_box(block, pair, ground, grid)
        if box is None:
            return None
        row, column, height, width = box
        path = store / f"{_key(block, folder, pair, grid, box, step)}.npy"
        if not (seal.is_whole(path) and seal.is_whole(_coarse_path(path))):
            left, right = (
                stereo.View(grey_HW=pictures[i], camera=pictures.camera(i), pose=block.photos[i].pose)
                for i in (pair.left, pair.right)
            )
            levels = stereo.match_heights(
                left,
                right,
                ground_m=float(ground[pair.left] + ground[pair.right]) / 2,
                relief_m=_relief(block, pair),
                step_m=step,
            )
            west = grid.affine[2] + column * cell - block.origin_3[0]
            north = grid.affine[5] - row * cell - block.origin_3[1]
            _lay_levels(levels, path, west, north, cell, (height, width))
        return _HeightMap(
            path=path,
            row=row,
            column=column,
            height=height,
            width=width,
            weight=min(pair.base_to_height, 0.5) ** 2,
        )

    progress.phase("Matching heights", len(pairs))
    maps = []
    with ThreadPoolExecutor(2) as pool:
        for laid in pool.map(one, pairs):
            progress.advance()
            if laid is not None:
                maps.append(laid)
    return maps


def _lay_levels(
    levels: tuple[Heights, ...], path: Path, west: float, north: float, cell: float, shape: tuple[int, int]
) -> None:
    """Store the height maps of a pair: the fine and coarse."""
    small = -(-shape[0] // COARSE_CELLS), -(-shape[1] // COARSE_CELLS)
    fine_HW, middle_HW, coarse_HW = (np.full(of, np.nan, np.float32) for of in (shape, small, small))
    if levels:
        wide = cell * COARSE_CELLS
        fine_HW = fuse.lay(levels[0], west, north, cell, shape)
        fine_HW = fuse.without_specks(fine_HW, round(SPECK_M2 / cell**2))
        middle_HW, coarse_HW = (
            fuse.without_specks(
                fuse.lay(points_N3, west, north, wide, small), round(COARSE_SPECK_M2 / wide**2)
            )
            for points_N3 in levels[1:]
        )
    both_HW = np.where(np.isfinite(middle_HW), middle_HW, coarse_HW)
    for target, map_HW in ((_coarse_path(path), both_HW), (path, fine_HW)):
        seal.save_array(target, map_HW)


def _coarse_path(path: Path) -> Path:
    return path.with_suffix(".coarse.npy")


def _key(
    block: Block,
    folder: Path,
    pair: cover.StereoPair,
    grid: Grid,
    box: tuple[int, int, int, int],
    step: float,
) -> str:
    # A map is good only for these photographs, poses and cells. By size and time, lest one that was
    # made of a file put there by mistake is taken once the original is back.
    photos = [
        [
            p.file,
            *mark(folder / p.file),
            repr(p.camera),
            p.pose.rotation_33.tolist(),
            p.pose.centre_3.tolist(),
        ]
        for p in (block.photos[pair.left], block.photos[pair.right])
    ]
    return sha256_json([VERSION, step, list(grid.affine), list(box), block.origin_3.tolist(), photos])[:24]


def _relief(block: Block, pair: cover.StereoPair) -> tuple[float, float]:
    """Return the range of the tie points that both photographs see, but for the odd wrong one."""
    seen_N = np.ones(len(block.points_N3), bool)
    for photo in (block.photos[pair.left], block.photos[pair.right]):
        seen_N &= project(photo.camera, photo.pose, block.points_N3)[1]
    z_N = block.points_N3[seen_N, 2] if seen_N.sum() >= 20 else block.points_N3[:, 2]
    low, high = np.percentile(z_N, [1, 99])
    return float(low), float(high)


def _common_box(
    block: Block, pair: cover.StereoPair, ground: NDArray[np.float64], grid: Grid
) -> tuple[int, int, int, int] | None:
    """Return (row, column, height, width) of the cells that both photographs see, on the grid."""
    low, high = np.array([-np.inf, -np.inf]), np.array([np.inf, np.inf])
    for i in (pair.left, pair.right):
        corners_42 = footprint(block.photos[i].camera, block.photos[i].pose, float(ground[i]))
        if corners_42 is None:
            return None
        low, high = np.maximum(low, corners_42.min(axis=0)), np.minimum(high, corners_42.max(axis=0))
    low, high = low + block.origin_3[:2], high + block.origin_3[:2]
    cell, west, north = grid.affine[0], grid.affine[2], grid.affine[5]
    # On multiples of the coarse cells, so that the coarse maps lie on one grid.
    column, row = (
        max(int(n / cell / COARSE_CELLS), 0) * COARSE_CELLS for n in (low[0] - west, north - high[1])
    )
    width = min(int((high[0] - west) / cell) + 1, grid.width_px) - column
    height = min(int((north - low[1]) / cell) + 1, grid.height_px) - row
    return (row, column, height, width) if width > 0 and height > 0 else None


def _fuse_all(block: Block, grid: Grid, maps: list[_HeightMap], target: Path, progress: Progress) -> float:
    """Fuse the maps tile by tile into the DSM at ``target``; return the share that was measured."""
    base_HW, extent_HW, size = _base(block, grid, maps)
    covered = cover.coverage_of(block)
    valid_cells = measured_cells = 0
    tiles = [
        (row, column)
        for row in range(0, grid.height_px, TILE_CELLS)
        for column in range(0, grid.width_px, TILE_CELLS)
    ]
    progress.phase("Joining heights", len(tiles))
    with CogWriter(
        target,
        grid,
        bands=2,
        dtype="float32",
        nodata=NODATA,
        descriptions=("height_m", "spread_m"),
        unit="metre",
    ) as cog:
        for row, column in tiles:
            h, w = min(TILE_CELLS, grid.height_px - row), min(TILE_CELLS, grid.width_px - column)
            # With a halo, so that what is filled and smoothed does not depend on the tiling.
            r0, c0 = max(row - HALO_CELLS, 0), max(column - HALO_CELLS, 0)
            r1 = min(row + h + HALO_CELLS, grid.height_px)
            c1 = min(column + w + HALO_CELLS, grid.width_px)
            height_HW, spread_HW = _agreed(maps, r0, c0, r1, c1, grid.affine[0])
            known_HW = np.isfinite(height_HW)
            coarse_HW = _window(base_HW, size, r0, c0, r1, c1)
            height_HW = fuse.smoothed(fuse.filled(height_HW, coarse_HW))
            spread_HW = np.where(known_HW & np.isfinite(spread_HW), spread_HW, fuse.UNCONFIRMED_SPREAD_M)
            inner = np.s_[row - r0 : row - r0 + h, column - c0 : column - c0 + w]
            x_W = grid.affine[2] + (column + np.arange(w) + 0.5) * grid.affine[0] - block.origin_3[0]
            y_H = grid.affine[5] + (row + np.arange(h) + 0.5) * grid.affine[4] - block.origin_3[1]
            valid_HW = covered.supported(x_W, y_H)
            valid_HW &= _window(extent_HW, size, row, column, row + h, column + w) > 0.5
            data_CHW = np.stack([height_HW[inner] + np.float32(block.origin_3[2]), spread_HW[inner]])
            cog.write((column, row, w, h), data_CHW.astype(np.float32), valid_HW)
            valid_cells += int(valid_HW.sum())
            measured_cells += int((valid_HW & known_HW[inner]).sum())
            progress.advance()
    return measured_cells / max(valid_cells, 1)


def _agreed(
    maps: list[_HeightMap], r0: int, c0: int, r1: int, c1: int, cell: float
) -> tuple[Heights, Heights]:
    """Return height and spread that the maps agree on in rows r0-r1, columns c0-c1; NaN in holes."""
    fine_HW, fine_spread_HW = fuse.agree(*_stack(maps, r0, c0, r1, c1, 1))
    fine_HW = fuse.without_specks(fine_HW, round(SPECK_M2 / cell**2))
    core_HW = fuse.wide_holes(fine_HW, round(WIDE_HOLE_M / cell))
    if not core_HW.any():
        return fine_HW, fine_spread_HW
    n = COARSE_CELLS
    coarse = fuse.agree(*_stack(maps, r0 // n, c0 // n, -(-r1 // n), -(-c1 // n), n))
    height_HW, spread_HW = (
        np.repeat(np.repeat(layer_HW, n, axis=0), n, axis=1)[: r1 - r0, : c1 - c0] for layer_HW in coarse
    )
    return np.where(core_HW, height_HW, fine_HW), np.where(core_HW, spread_HW, fine_spread_HW)


def _stack(
    maps: list[_HeightMap], r0: int, c0: int, r1: int, c1: int, times: int
) -> tuple[Heights, NDArray[np.float64], NDArray[np.int16]]:
    """Return the maps that touch rows r0-r1 and columns c0-c1, NaN where empty, and their weights.

    Last comes the number of maps that each cell lies in, empty there or not. ``times`` is 1 for
    the fine maps, ``COARSE_CELLS`` for the coarse ones (rows and columns theirs).
    """
    layers, weights = [], []
    tried_HW = np.zeros((r1 - r0, c1 - c0), np.int16)
    for laid in maps:
        at_row, at_column = laid.row // times, laid.column // times
        top, bottom = max(r0, at_row), min(r1, at_row - (-laid.height // times))
        left, right = max(c0, at_column), min(c1, at_column - (-laid.width // times))
        if top >= bottom or left >= right:
            continue
        here = np.s_[top - r0 : bottom - r0, left - c0 : right - c0]
        tried_HW[here] += 1
        stored_HW = np.load(laid.path if times == 1 else _coarse_path(laid.path), mmap_mode="r")
        layer_HW = np.full(tried_HW.shape, np.nan, np.float32)
        layer_HW[here] = stored_HW[top - at_row : bottom - at_row, left - at_column : right - at_column]
        if np.isfinite(layer_HW).any():
            layers.append(layer_HW)
            weights.append(laid.weight)
    stack_NHW = np.stack(layers) if layers else np.empty((0, *tried_HW.shape), np.float32)
    return stack_NHW, np.array(weights), tried_HW


def _base(block: Block, grid: Grid, maps: list[_HeightMap]) -> tuple[Heights, Heights, int]:
    """Return a coarse surface without holes, where it can be relied on (0-1), and its cells' size.

    The surface is the median of tie points and matches in cells of about a metre (size in cells of
    ``grid``), spanned between them. It is relied on where such cells are many, and where enclosed by them.
    """
    largest = int(np.hypot(grid.width_px, grid.height_px) / 4000)
    size = max(round(BASE_CELL_M / grid.affine[0]), COARSE_CELLS, largest)
    h, w = -(-grid.height_px // size), -(-grid.width_px // size)
    xy_N2 = world_to_pixel(grid, block.points_N3[:, :2] + block.origin_3[:2]) / size
    rows, columns = [np.floor(xy_N2[:, 1]).astype(int)], [np.floor(xy_N2[:, 0]).astype(int)]
    heights = [block.points_N3[:, 2]]
    for laid in maps:
        # Of every view its coarse heights: they reach farthest.
        part_HW = np.load(_coarse_path(laid.path), mmap_mode="r")
        r_N, c_N = np.nonzero(np.isfinite(part_HW))
        rows.append((laid.row + r_N * COARSE_CELLS + COARSE_CELLS // 2) // size)
        columns.append((laid.column + c_N * COARSE_CELLS + COARSE_CELLS // 2) // size)
        heights.append(np.asarray(part_HW[r_N, c_N], float))
    row_N, column_N, z_N = np.concatenate(rows), np.concatenate(columns), np.concatenate(heights)
    inside_N = (row_N >= 0) & (column_N >= 0) & (row_N < h) & (column_N < w)
    cell_N, z_N = row_N[inside_N] * w + column_N[inside_N], z_N[inside_N]
    order = np.lexsort((z_N, cell_N))
    cells, start, count = np.unique(cell_N[order], return_index=True, return_counts=True)
    seen_HW = np.zeros((h, w), np.float32)
    seen_HW.ravel()[cells] = 1
    # Crowns match here and there; where less than a fifth does, the surface is a guess.
    dense_HW = cv2.blur(seen_HW, (9, 9), borderType=cv2.BORDER_REPLICATE) > 0.2
    extent_HW = ndimage.binary_fill_holes(dense_HW).astype(np.float32)
    # One view alone may be wrong; two are taken at their word.
    trusted = count >= min(2, count.max())
    base_HW = np.full((h, w), np.nan, np.float32)
    base_HW.ravel()[cells[trusted]] = z_N[order][start + count // 2][trusted]
    return cv2.medianBlur(fuse.spanned(base_HW), 5), extent_HW, size


def _window(base_HW: Heights, size: int, r0: int, c0: int, r1: int, c1: int) -> Heights:
    """Return rows r0-r1 and columns c0-c1 (cells) of the coarse surface, linearly between its cells."""
    x_W = ((np.arange(c0, c1) + 0.5) / size - 0.5).astype(np.float32)
    y_H = ((np.arange(r0, r1) + 0.5) / size - 0.5).astype(np.float32)
    map_x, map_y = np.meshgrid(x_W, y_H)
    return np.asarray(cv2.remap(base_HW, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
