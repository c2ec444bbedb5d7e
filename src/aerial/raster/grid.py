"""A pixel grid in a CRS, and its arithmetic.

Pixel coordinates are (column, row) with the centre of the first pixel at (0.5, 0.5).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerial import geo

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Pixels laid out on the ground.

    ``affine`` is (a, b, c, d, e, f): x = a*column + b*row + c, y = d*column + e*row + f, in units
    of ``crs`` (EPSG code or WKT), x east or longitude.
    """

    crs: str
    affine: tuple[float, float, float, float, float, float]
    width_px: int
    height_px: int


def matrix(grid: Grid) -> Floats:
    """Return the 3x3 matrix from homogeneous (column, row, 1) to (x, y, 1)."""
    return np.array([grid.affine[:3], grid.affine[3:], (0.0, 0.0, 1.0)])


def pixel_to_world(grid: Grid, colrow_N2: Floats) -> Floats:
    """Return (x, y) in the grid's CRS for pixel coordinates, shape (N, 2)."""
    return np.asarray(colrow_N2 @ matrix(grid)[:2, :2].T + matrix(grid)[:2, 2])


def world_to_pixel(grid: Grid, xy_N2: Floats) -> Floats:
    """Return pixel coordinates (column, row) for (x, y) in the grid's CRS, shape (N, 2)."""
    inverse = np.linalg.inv(matrix(grid))
    return np.asarray(xy_N2 @ inverse[:2, :2].T + inverse[:2, 2])


def bounds(grid: Grid) -> tuple[float, float, float, float]:
    """Return (x_min, y_min, x_max, y_max) of the outer pixel edges in the grid's CRS."""
    w, h = grid.width_px, grid.height_px
    corners_42 = pixel_to_world(grid, np.array([[0, 0], [w, 0], [0, h], [w, h]], float))
    (x0, y0), (x1, y1) = corners_42.min(axis=0), corners_42.max(axis=0)
    return float(x0), float(y0), float(x1), float(y1)


def centre(grid: Grid) -> geo.LonLat:
    """Return the WGS 84 position of the grid's middle."""
    xy_12 = pixel_to_world(grid, np.array([[grid.width_px / 2, grid.height_px / 2]]))
    return geo.to_lonlat(grid.crs, float(xy_12[0, 0]), float(xy_12[0, 1]))


def gsd_m(grid: Grid) -> float:
    """Return the ground sampling distance in metres: the root of one pixel's ground area.

    Taken at the grid's middle on the ellipsoid, so degrees and rotated grids are served.
    """
    xy_12 = pixel_to_world(grid, np.array([[grid.width_px / 2, grid.height_px / 2]]))
    mx, my = geo.metres_per_unit(grid.crs, float(xy_12[0, 0]), float(xy_12[0, 1]))
    a, b, _, d, e, _ = grid.affine
    return float(np.sqrt(abs(a * e - b * d) * mx * my))


def north_up(crs: str, extent: tuple[float, float, float, float], pixel_size: float) -> Grid:
    """Return the north-up grid of ``pixel_size`` (units of ``crs``) that covers ``extent``.

    ``extent`` is (x_min, y_min, x_max, y_max). Edges lie on multiples of the pixel size, so that
    two grids of one CRS and one pixel size share their pixels.
    """
    x0, y0, x1, y1 = extent
    # Multiples are counted in whole pixels: 0.1 + 0.2 style noise must not add a row.
    left, bottom = round(np.floor(x0 / pixel_size + 1e-6)), round(np.floor(y0 / pixel_size + 1e-6))
    right, top = round(np.ceil(x1 / pixel_size - 1e-6)), round(np.ceil(y1 / pixel_size - 1e-6))
    affine = (pixel_size, 0.0, left * pixel_size, 0.0, -pixel_size, top * pixel_size)
    return Grid(crs=crs, affine=affine, width_px=max(right - left, 1), height_px=max(top - bottom, 1))


def scaled(grid: Grid, factor: float) -> Grid:
    """Return a grid of the same extent whose pixels are ``factor`` times as large (rounded up)."""
    width, height = (max(1, int(np.ceil(n / factor - 1e-9))) for n in (grid.width_px, grid.height_px))
    a, b, c, d, e, f = grid.affine
    return Grid(
        crs=grid.crs,
        affine=(a * factor, b * factor, c, d * factor, e * factor, f),
        width_px=width,
        height_px=height,
    )
