"""The height maps of pairs as they lie on disk, and what many of them say of a place.

A map is an array of whole centimetres over ``datum_m``, -32768 where nothing was measured: half of
the disk of single precision, and a fifth of the noise of one view. Beside each fine map lies a coarse
one, on cells ``COARSE_CELLS`` times as large.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial.ortho import fuse, seal
from aerial.ortho.block import Block
from aerial.raster.grid import Grid, world_to_pixel

Heights = NDArray[np.float32]
Stack = tuple[Heights, NDArray[np.float64], NDArray[np.int16]]

STORED_M, EMPTY = 0.01, -32768
# Patches of fewer square metres are wrong matches, not things.
SPECK_M2, COARSE_SPECK_M2 = 0.5, 2.0
# Coarse heights lie on cells so many times as large, and stand in where holes are wider than this.
COARSE_CELLS, WIDE_HOLE_M = 4, 5.0
BASE_CELL_M = 1.0
# Ponds are wider than this, alleys with what stands beside them are not.
SCATTER_M = 5.0
# The coarse surface is made in bands of about so many heights: memory does not grow with the block.
BAND_HEIGHTS = 2_000_000
# So many maps lie over each other in usual blocks.
USUAL_MAPS = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class HeightMap:
    """Where the height map of a pair lies on the DSM grid (cells) and in which file.

    ``datum_m`` is what its stored heights count from, ``weight`` what they count for.
    """

    path: Path
    row: int
    column: int
    height: int
    width: int
    datum_m: float
    weight: float

    @property
    def coarse_path(self) -> Path:
        """The file of the coarse map."""
        return self.path.with_suffix(".coarse.npy")

    def is_whole(self) -> bool:
        """Tell whether both of its files lie there undamaged."""
        return seal.is_whole(self.path) and seal.is_whole(self.coarse_path)

    def store(self, levels: tuple[Heights, ...], west: float, north: float, cell: float) -> None:
        """Lay the points of a pair (``stereo.match_heights``) on the cells and write both files.

        ``west`` and ``north`` (block frame, metres) are the map's corner.
        """
        shape = self.height, self.width
        small = -(-shape[0] // COARSE_CELLS), -(-shape[1] // COARSE_CELLS)
        fine_HW, both_HW = (np.full(of, np.nan, np.float32) for of in (shape, small))
        if levels:
            wide = cell * COARSE_CELLS
            fine_HW = fuse.lay(levels[0], west, north, cell, shape)
            fine_HW = fuse.without_specks(fine_HW, round(SPECK_M2 / cell**2))
            for points_N3 in levels[1:]:  # the finer ones first
                laid_HW = fuse.lay(points_N3, west, north, wide, small)
                laid_HW = fuse.without_specks(laid_HW, round(COARSE_SPECK_M2 / wide**2))
                both_HW = np.where(np.isfinite(both_HW), both_HW, laid_HW)
        for target, map_HW in ((self.coarse_path, both_HW), (self.path, fine_HW)):
            seal.save_array(target, self._packed(map_HW))

    def read(self, rows: slice, columns: slice, times: int = 1) -> Heights:
        """Return a window of the fine map (``times`` 1) or the coarse one, NaN where empty."""
        stored_HW = np.load(self.path if times == 1 else self.coarse_path, mmap_mode="r")
        part_HW = np.asarray(stored_HW[rows, columns])
        height_HW = part_HW.astype(np.float32) * np.float32(STORED_M) + np.float32(self.datum_m)
        return np.where(part_HW == EMPTY, np.float32(np.nan), height_HW)

    def _packed(self, height_HW: Heights) -> NDArray[np.int16]:
        whole_HW = np.rint((height_HW - np.float32(self.datum_m)) / np.float32(STORED_M))
        fits_HW = np.abs(whole_HW) < -EMPTY  # and is not NaN
        return np.where(fits_HW, whole_HW, EMPTY).astype(np.int16)


def agreed(
    maps: Sequence[HeightMap], r0: int, c0: int, r1: int, c1: int, cell: float
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
    both_HW = fuse.without_scattered(np.where(core_HW, height_HW, fine_HW), round(SCATTER_M / cell))
    return both_HW, np.where(core_HW, spread_HW, fine_spread_HW)


def _stack(maps: Sequence[HeightMap], r0: int, c0: int, r1: int, c1: int, times: int) -> Stack:
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
        layer_HW = np.full(tried_HW.shape, np.nan, np.float32)
        layer_HW[here] = laid.read(
            slice(top - at_row, bottom - at_row), slice(left - at_column, right - at_column), times
        )
        if np.isfinite(layer_HW).any():
            layers.append(layer_HW)
            weights.append(laid.weight)
    stack_NHW = np.stack(layers) if layers else np.empty((0, *tried_HW.shape), np.float32)
    return stack_NHW, np.array(weights), tried_HW


def base_of(block: Block, grid: Grid, maps: Sequence[HeightMap]) -> tuple[Heights, Heights, int]:
    """Return a coarse surface without holes, where it can be relied on (0-1), and its cells' size.

    The surface is the median of tie points and matches in cells of about a metre (size in cells of
    ``grid``); its holes are filled as those of the fine one are. It is relied on where such cells are
    many, and where enclosed by them.
    """
    largest = int(np.hypot(grid.width_px, grid.height_px) / 4000)
    size = max(round(BASE_CELL_M / grid.affine[0]), COARSE_CELLS, largest)
    h, w = -(-grid.height_px // size), -(-grid.width_px // size)
    xy_N2 = world_to_pixel(grid, block.points_N3[:, :2] + block.origin_3[:2]) / size
    tie_N3 = np.column_stack([np.floor(xy_N2[:, ::-1]), block.points_N3[:, 2]])
    base_HW, count_HW = np.full((h, w), np.nan, np.float32), np.zeros((h, w), np.int32)
    band = max(1, BAND_HEIGHTS * COARSE_CELLS**2 // (USUAL_MAPS * w * size**2))
    for top in range(0, h, band):
        rows = slice(top, min(top + band, h))
        base_HW[rows], count_HW[rows] = _medians(tie_N3, maps, rows, w, size)
    # Crowns match here and there; where less than a fifth does, the surface is a guess.
    seen_HW = (count_HW > 0).astype(np.float32)
    dense_HW = cv2.blur(seen_HW, (9, 9), borderType=cv2.BORDER_REPLICATE) > 0.2
    extent_HW = ndimage.binary_fill_holes(dense_HW).astype(np.float32)
    # One view alone may be wrong; two are taken at their word.
    base_HW[count_HW < min(2, count_HW.max(initial=0))] = np.nan
    base_HW = fuse.filled(base_HW, fuse.spanned(base_HW))
    return cv2.medianBlur(base_HW, 5), extent_HW, size


def _medians(
    tie_N3: NDArray[np.float64], maps: Sequence[HeightMap], rows: slice, w: int, size: int
) -> tuple[Heights, NDArray[np.int32]]:
    """Return median and number of the heights in each cell of some rows of the coarse surface."""
    h, middle = rows.stop - rows.start, COARSE_CELLS // 2
    mine_N3 = tie_N3[(tie_N3[:, 0] >= rows.start) & (tie_N3[:, 0] < rows.stop)]
    row_list, column_list, z_list = [mine_N3[:, 0].astype(int)], [mine_N3[:, 1].astype(int)], [mine_N3[:, 2]]
    for laid in maps:
        # Of every view its coarse heights: they reach farthest.
        first, last = (-((laid.row + middle - at * size) // COARSE_CELLS) for at in (rows.start, rows.stop))
        first, last = max(first, 0), min(last, -(-laid.height // COARSE_CELLS))
        if first >= last:
            continue
        part_HW = laid.read(slice(first, last), slice(None), COARSE_CELLS)
        r_N, c_N = np.nonzero(np.isfinite(part_HW))
        row_list.append((laid.row + (first + r_N) * COARSE_CELLS + middle) // size)
        column_list.append((laid.column + c_N * COARSE_CELLS + middle) // size)
        z_list.append(part_HW[r_N, c_N].astype(float))
    row_N, column_N, z_N = (np.concatenate(parts) for parts in (row_list, column_list, z_list))
    inside_N = (row_N >= rows.start) & (row_N < rows.stop) & (column_N >= 0) & (column_N < w)
    cell_N, z_N = ((row_N - rows.start) * w + column_N)[inside_N], z_N[inside_N]
    order = np.lexsort((z_N, cell_N))
    cells, start, count = np.unique(cell_N[order], return_index=True, return_counts=True)
    median_HW, count_HW = np.full((h, w), np.nan, np.float32), np.zeros((h, w), np.int32)
    median_HW.ravel()[cells] = z_N[order][start + count // 2]
    count_HW.ravel()[cells] = count
    return median_HW, count_HW


def window(base_HW: Heights, size: int, r0: int, c0: int, r1: int, c1: int) -> Heights:
    """Return rows r0-r1 and columns c0-c1 (cells) of the coarse surface, linearly between its cells."""
    x_W = ((np.arange(c0, c1) + 0.5) / size - 0.5).astype(np.float32)
    y_H = ((np.arange(r0, r1) + 0.5) / size - 0.5).astype(np.float32)
    map_x, map_y = np.meshgrid(x_W, y_H)
    return np.asarray(cv2.remap(base_HW, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
