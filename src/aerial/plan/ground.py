"""The ground and what stands on it: a window of an elevation model, asked at points of the local frame.

Heights stay on the file's own pixels, so that nothing is resampled; a polynomial takes points of the
frame to pixels (true to 5 mm, or the window is refused). Between pixel centres heights are bilinear.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.polynomial import polynomial
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d

from aerial import geo
from aerial.errors import CrsError, InputError
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import Level, RasterInfo, open_raster, read_level

Floats = NDArray[np.float64]
Bounds = tuple[float, float, float, float]

MOST_CELLS = 16_000_000
FINEST_M = 0.5  # a drone's position is not known better; finer models are thinned
_MARGIN_PX = 3
_METRES = ("", "m", "metre", "metres", "meter", "meters")
# The lowest dry land is 431 m under the sea, the highest 8849 m over it; what is beyond is no height.
_LOWEST_M, _HIGHEST_M = -500.0, 9000.0


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Ground:
    """Heights in metres, in the datum of the file, over a part of the frame ``crs``.

    ``cells_HW``: NaN where not known. ``to_column``, ``to_row``: polynomials in scaled x and y, so that
    (0.5, 0.5) is the centre of the first cell. ``cell_m``: a cell's size along the frame's rows and columns.
    """

    crs: str
    cells_HW: NDArray[np.float32]
    centre: tuple[float, float]
    half_m: float
    to_column: Floats
    to_row: Floats
    cell_m: tuple[float, float]
    _widest: dict[float, NDArray[np.float32]] = field(default_factory=dict, repr=False)

    @property
    def step_m(self) -> float:
        """The smaller side of a cell."""
        return min(self.cell_m)

    def at(self, xy_N2: Floats) -> Floats:
        """Return the heights at points of the frame; NaN outside and beside unknown cells."""
        return self.between(self.pixels(xy_N2))

    def pixels(self, xy_N2: Floats) -> Floats:
        """Return (column, row) of points of the frame."""
        x = (xy_N2[..., 0] - self.centre[0]) / self.half_m
        y = (xy_N2[..., 1] - self.centre[1]) / self.half_m
        return np.stack(
            [polynomial.polyval2d(x, y, self.to_column), polynomial.polyval2d(x, y, self.to_row)], axis=-1
        )

    def between(self, colrow_N2: Floats) -> Floats:
        """Return the heights at (column, row), bilinear between the centres of the cells."""
        height, width = self.cells_HW.shape
        column, row = colrow_N2[..., 0], colrow_N2[..., 1]
        outside = ~((column >= 0) & (row >= 0) & (column <= width) & (row <= height))
        column = np.clip(np.where(outside, 0.5, column) - 0.5, 0, max(width - 1, 0))
        row = np.clip(np.where(outside, 0.5, row) - 0.5, 0, max(height - 1, 0))
        left = np.minimum(column.astype(np.intp), max(width - 2, 0))
        top = np.minimum(row.astype(np.intp), max(height - 2, 0))
        u, v = column - left, row - top
        right, below = int(width > 1), width * int(height > 1)
        flat, first = self.cells_HW.ravel(), top * width + left
        upper = flat[first] * (1 - u) + flat[first + right] * u
        lower = flat[first + below] * (1 - u) + flat[first + below + right] * u
        return np.where(outside, np.nan, upper * (1 - v) + lower * v)

    def max_within(self, xy_N2: Floats, radius_m: float) -> Floats:
        """Return the highest known cell within ``radius_m`` of each point; NaN where none is known.

        A square of cells is looked at that holds the disc, so up to a cell and the square's corners more.
        """
        if radius_m not in self._widest:
            known_HW = np.where(np.isnan(self.cells_HW), -np.inf, self.cells_HW)
            for axis, cell in ((1, self.cell_m[0]), (0, self.cell_m[1])):
                size = 2 * int(radius_m / cell + 1) + 1
                known_HW = maximum_filter1d(known_HW, size, axis=axis, mode="constant", cval=-np.inf)
            self._widest[radius_m] = np.where(np.isinf(known_HW), np.nan, known_HW).astype(np.float32)
        cells_HW = self._widest[radius_m]
        height, width = cells_HW.shape
        colrow_N2 = self.pixels(xy_N2)
        column, row = np.floor(colrow_N2).astype(np.intp).T
        inside = (column >= 0) & (row >= 0) & (column < width) & (row < height)
        found = cells_HW[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)].astype(float)
        return np.where(inside, found, np.nan)


def read_ground(path: Path, frame_crs: str, bounds_m: Bounds) -> Ground:
    """Return the terrain (DEM) under ``bounds_m`` (x_min, y_min, x_max, y_max in the frame), all of it.

    A window of more than ``MOST_CELLS``, or of cells finer than ``FINEST_M``, is thinned to means.

    Raises:
        InputError: it does not cover the bounds, its heights are not metres, or it holds no heights.
        RasterError: the file is absent or broken.
        CrsError: it has no CRS.
    """
    return _read(path, frame_crs, bounds_m, highest=False)


def read_surface(path: Path, frame_crs: str, bounds_m: Bounds) -> Ground:
    """Return the surface (DSM: roofs and trees too) where the file has it within ``bounds_m``.

    As ``read_ground``, but a part suffices, and thinned cells keep the highest of their pixels.
    """
    return _read(path, frame_crs, bounds_m, highest=True)


def _read(path: Path, frame_crs: str, bounds_m: Bounds, *, highest: bool) -> Ground:
    info = open_raster(path)
    _require_heights(info)
    spread_N2 = _lattice(bounds_m, 33)
    pixels_N2 = _file_pixels(info.grid, frame_crs, spread_N2)
    size_2 = np.array([info.grid.width_px, info.grid.height_px])
    # A millimetre of the frame is not a gap.
    inside_N = np.all((pixels_N2 >= -0.01) & (pixels_N2 <= size_2 + 0.01), axis=1)
    if not inside_N.any() or not (highest or inside_N.all()):
        _refuse_cover(path, float(1 - inside_N.mean()))
    low_2 = np.clip(np.floor(pixels_N2.min(axis=0)) - _MARGIN_PX, 0, size_2 - 1).astype(int)
    high_2 = np.clip(np.ceil(pixels_N2.max(axis=0)) + _MARGIN_PX, low_2 + 1, size_2).astype(int)
    per_px_2 = _cell_m(info.grid, frame_crs, bounds_m)
    cells = float(np.prod((high_2 - low_2).astype(float)))
    step = max(1, int(FINEST_M / per_px_2.min() + 1e-6), int(np.ceil(np.sqrt(cells / MOST_CELLS))))
    cells_HW = _thinned(info, low_2, high_2, step, highest=highest)
    known_HW = cells_HW[np.isfinite(cells_HW)]
    if known_HW.size and not _LOWEST_M <= known_HW.min() <= known_HW.max() <= _HIGHEST_M:
        raise InputError(
            f"{path} holds heights from {known_HW.min():.0f} to {known_HW.max():.0f} m.",
            hint="Declare its empty pixels, for example: gdal_edit.py -a_nodata -32768 FILE.",
        )
    local_N2 = (pixels_N2 - low_2) / step
    centre = ((bounds_m[0] + bounds_m[2]) / 2, (bounds_m[1] + bounds_m[3]) / 2)
    half_m = max(bounds_m[2] - bounds_m[0], bounds_m[3] - bounds_m[1], 1.0) / 2
    scaled_N2 = (spread_N2 - centre) / half_m
    columns, rows = _fitted(path, scaled_N2, local_N2, per_px_2 * step)
    return Ground(
        crs=frame_crs,
        cells_HW=cells_HW,
        centre=centre,
        half_m=half_m,
        to_column=columns,
        to_row=rows,
        cell_m=(float(per_px_2[0] * step), float(per_px_2[1] * step)),
    )


def _require_heights(info: RasterInfo) -> None:
    if info.bands != 1 or info.palette or np.dtype(info.dtype).kind not in "iuf":
        raise InputError(
            f"{info.path} is a picture, not an elevation model: it has {info.bands} band(s) of {info.dtype}.",
            hint="Give a GeoTIFF with one band of heights in metres.",
        )
    unit_m = geo.height_unit_m(info.grid.crs)
    if info.unit.strip().lower() not in _METRES or unit_m not in (None, 1.0):
        raise InputError(
            f"{info.path} has its heights in {info.unit or geo.short_name(info.grid.crs)}, not in metres.",
            hint="Convert them first, for example: gdal_calc.py -A FILE --calc=A*0.3048 --outfile=m.tif.",
        )


def _refuse_cover(path: Path, missing: float) -> None:
    raise InputError(
        f"{path} lacks {max(missing, 0.001):.1%} of the ground that the flight needs.",
        hint="Give an elevation model that covers the area, the take-off points and the ways between.",
    )


def _lattice(bounds_m: Bounds, side: int) -> Floats:
    x, y = np.meshgrid(
        np.linspace(bounds_m[0], bounds_m[2], side), np.linspace(bounds_m[1], bounds_m[3], side)
    )
    return np.column_stack([x.ravel(), y.ravel()])


def _file_pixels(grid: Grid, frame_crs: str, xy_N2: Floats) -> Floats:
    there = geo.transform(frame_crs, grid.crs, xy_N2[:, 0], xy_N2[:, 1])
    return grids.world_to_pixel(grid, np.column_stack(there))


def _cell_m(grid: Grid, frame_crs: str, bounds_m: Bounds) -> Floats:
    """Return the size of a pixel in metres of the frame, along the file's columns and rows."""
    middle_2 = np.array([(bounds_m[0] + bounds_m[2]) / 2, (bounds_m[1] + bounds_m[3]) / 2])
    ends_32 = _file_pixels(grid, frame_crs, middle_2 + np.array([[0.0, 0], [1, 0], [0, 1]]))
    metres_22 = np.linalg.inv((ends_32[1:] - ends_32[0]).T)
    return np.asarray(np.linalg.norm(metres_22, axis=0))


def _thinned(
    info: RasterInfo, low_2: NDArray[np.int_], high_2: NDArray[np.int_], step: int, *, highest: bool
) -> NDArray[np.float32]:
    """Return the window's heights; with a step, the highest or the mean of step x step pixels.

    A mean of fewer than all its pixels would be a guess, so it is unknown.
    """
    width, height = ((high_2 - low_2) // step).tolist()
    width, height = max(width, 1), max(height, 1)
    step = min(step, *(high_2 - low_2).tolist())
    full = Level(overview=None, width_px=info.grid.width_px, height_px=info.grid.height_px)
    cells_HW = np.empty((height, width), np.float32)
    rows = max(1, 4_000_000 // (width * step * step))
    for first in range(0, height, rows):
        count = min(rows, height - first)
        window = (int(low_2[0]), int(low_2[1]) + first * step, width * step, count * step)
        data_CHW, valid_HW = read_level(info.path, full, window, bands=1)
        heights_HW = data_CHW[0].astype(np.float64) * info.scale + info.offset
        heights_HW[~valid_HW] = np.nan
        blocks = heights_HW.reshape(count, step, width, step)
        if highest:
            merged_HW = np.fmax.reduce(np.fmax.reduce(blocks, axis=3), axis=1)
        else:
            merged_HW = blocks.mean(axis=(1, 3))
        cells_HW[first : first + count] = merged_HW
    return cells_HW


def _fitted(path: Path, scaled_N2: Floats, pixels_N2: Floats, cell_2: Floats) -> tuple[Floats, Floats]:
    """Return polynomials of the lowest degree that take scaled points to pixels within 5 mm."""
    for degree in (1, 2, 3, 4):
        terms = polynomial.polyvander2d(scaled_N2[:, 0], scaled_N2[:, 1], [degree, degree])
        found: Floats = np.asarray(np.linalg.lstsq(terms, pixels_N2, rcond=None)[0], float)
        if np.abs((terms @ found - pixels_N2) * cell_2).max() <= 0.005:
            shape = (degree + 1, degree + 1)
            return found[:, 0].reshape(shape), found[:, 1].reshape(shape)
    raise CrsError(
        f"{path} is too bent over this area to be used as it is.",
        hint="Reproject it first, for example: gdalwarp -t_srs EPSG:4547 FILE bent.tif.",
    )
