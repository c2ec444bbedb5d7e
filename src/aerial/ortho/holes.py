"""Which ground inside a mosaic's outline has no pixels."""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial import geo
from aerial.raster.grid import Grid, pixel_to_world
from aerial.records import Hole

# What is smaller is no hole but a pixel between two walls.
SMALLEST_M2 = 1.0
# Side of the squares in which pixels are counted.
SQUARE_M = 0.25


class Filled:
    """Counts the valid pixels of a grid, tile by tile, in squares of about a quarter of a metre."""

    def __init__(self, grid: Grid, tile_px: int) -> None:
        self._grid = grid
        # Squares may not straddle tiles.
        self._side = max(n for n in (1, 2, 4, 8, 16) if n == 1 or n * grid.affine[0] <= 1.1 * SQUARE_M)
        assert tile_px % self._side == 0  # noqa: S101 (both are powers of two)
        shape = -(-grid.height_px // self._side), -(-grid.width_px // self._side)
        self._count_HW = np.zeros(shape, np.uint16)

    def add(self, row: int, column: int, valid_HW: NDArray[np.bool_]) -> None:
        """Take in the tile whose first pixel is (``row``, ``column``)."""
        n = self._side
        h, w = valid_HW.shape
        rows, columns = -(-h // n), -(-w // n)
        padded_HW = np.pad(valid_HW, ((0, rows * n - h), (0, columns * n - w)))
        self._count_HW[row // n : row // n + rows, column // n : column // n + columns] = padded_HW.reshape(
            rows, n, columns, n
        ).sum(axis=(1, 3))

    def holes(self) -> tuple[tuple[Hole, ...], float]:
        """Return the holes of at least 1 m2, the largest first, and the filled share of the outline."""
        side_m = self._side * self._grid.affine[0]
        full_HW = self._count_HW * 2 >= self._side**2
        outline_HW = ndimage.binary_fill_holes(full_HW)
        inside = int(outline_HW.sum())
        number_HW, count = ndimage.label(outline_HW & ~full_HW)
        size_H = np.bincount(number_HW.ravel(), minlength=count + 1)
        large = [n for n in range(1, count + 1) if size_H[n] * side_m**2 >= SMALLEST_M2]
        found = []
        for number, at in zip(large, self._middles(number_HW, large), strict=True):
            where = geo.to_lonlat(self._grid.crs, *at)
            found.append(Hole(at=where, area_m2=round(float(size_H[number]) * side_m**2, 2)))
        found.sort(key=lambda hole: (-hole.area_m2, hole.at.lon_deg, hole.at.lat_deg))
        return tuple(found), float(full_HW.sum() / inside) if inside else 0.0

    def _middles(self, number_HW: NDArray[np.int_], numbers: list[int]) -> list[tuple[float, float]]:
        """Return the point of each hole that lies deepest in it, in the grid's CRS."""
        middles = []
        boxes = ndimage.find_objects(number_HW)
        for number in numbers:
            rows, columns = boxes[number - 1]
            depth_HW = ndimage.distance_transform_edt(np.pad(number_HW[rows, columns] == number, 1))
            row, column = np.unravel_index(int(depth_HW.argmax()), depth_HW.shape)
            at_2 = np.array([[columns.start + column - 0.5, rows.start + row - 0.5]]) * self._side
            x, y = pixel_to_world(self._grid, at_2)[0]
            middles.append((float(x), float(y)))
        return middles
