"""Grid arithmetic."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial import geo
from aerial.raster import grid as g

ROTATED = g.Grid(
    crs="EPSG:4547",
    affine=(0.04, 0.03, 479_000.0, 0.03, -0.04, 2_522_000.0),
    width_px=300,
    height_px=200,
)


@given(st.floats(0, 300), st.floats(0, 200))
def test_pixel_to_world_and_back_is_the_identity(column: float, row: float) -> None:
    """Also on a rotated grid, to 1e-6 px."""
    pixel_12 = np.array([[column, row]])
    assert np.allclose(pixel_12, g.world_to_pixel(ROTATED, g.pixel_to_world(ROTATED, pixel_12)), atol=1e-6)


def test_the_gsd_of_a_rotated_grid_is_the_root_of_its_pixel_area() -> None:
    """Pixels of 0.04 by 0.03 shear have 5 cm; the scale of the zone is within 2e-4."""
    assert pytest.approx(g.gsd_m(ROTATED), rel=2e-4) == 0.05


def test_the_gsd_of_degrees_is_in_metres() -> None:
    """A pixel of 1e-6 degrees in Dongguan is the root of 0.1027 x 0.1107 m2."""
    degrees = g.Grid(crs=geo.WGS84, affine=(1e-6, 0, 113.8, 0, -1e-6, 22.8), width_px=100, height_px=100)
    assert math.sqrt(0.1027 * 0.11075) == pytest.approx(g.gsd_m(degrees), rel=2e-3)


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(0.5, 500), st.sampled_from([0.05, 0.1, 0.25]))
def test_north_up_grids_cover_the_extent_and_share_their_pixels(
    x: float, y: float, size: float, pixel: float
) -> None:
    """Edges lie on multiples of the pixel size and at most one pixel outside the extent."""
    grid = g.north_up("EPSG:4547", (x, y, x + size, y + size), pixel)
    x0, y0, x1, y1 = g.bounds(grid)
    slack = pixel * 1e-3
    assert x0 <= x + slack
    assert y0 <= y + slack
    assert x1 >= x + size - slack
    assert y1 >= y + size - slack
    assert max(x - x0, y - y0, x1 - x - size, y1 - y - size) < pixel + slack
    assert abs(x0 / pixel - round(x0 / pixel)) < 1e-3


def test_a_scaled_grid_keeps_its_corner_and_extent() -> None:
    """Three times the pixel size, a third of the pixels rounded up."""
    coarse = g.scaled(ROTATED, 3)
    assert (coarse.width_px, coarse.height_px) == (100, 67)
    origin_12 = np.zeros((1, 2))
    assert np.allclose(g.pixel_to_world(ROTATED, origin_12), g.pixel_to_world(coarse, origin_12))
    assert pytest.approx(g.gsd_m(coarse), rel=2e-4) == 0.15
