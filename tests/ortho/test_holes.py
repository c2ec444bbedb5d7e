"""Which ground has no pixels."""

import numpy as np
import pytest

from aerial import geo
from aerial.ortho.holes import Filled
from aerial.raster.grid import Grid

GRID = Grid(
    crs="EPSG:32650", affine=(0.1, 0.0, 500_000.0, 0.0, -0.1, 2_500_000.0), width_px=400, height_px=300
)


def told(valid_HW: np.ndarray, tile: int = 128) -> Filled:
    """Return a count of what was drawn tile by tile."""
    filled = Filled(GRID, tile)
    for row in range(0, 300, tile):
        for column in range(0, 400, tile):
            filled.add(row, column, valid_HW[row : row + tile, column : column + tile])
    return filled


def test_a_hole_is_told_with_place_and_area() -> None:
    """A 4 x 2 m gap across two tiles is one hole where it lies; a bay and a slit are none."""
    valid = np.ones((300, 400), bool)
    valid[100:120, 110:150] = False
    valid[:40, :60] = False
    valid[200, 100:160] = False
    holes, coverage = told(valid).holes()
    assert len(holes) == 1
    assert holes[0].area_m2 == pytest.approx(8.0, rel=0.1)
    x, y = geo.from_lonlat(GRID.crs, holes[0].at)
    assert 500_011 < x < 500_015 and 2_499_988 < y < 2_499_990
    assert coverage == pytest.approx(1 - 8.0 / (1200 - 24), abs=0.003)


def test_an_empty_mosaic_has_neither_holes_nor_coverage() -> None:
    """Nothing drawn: no outline, no hole, coverage 0."""
    assert told(np.zeros((300, 400), bool)).holes() == ((), 0.0)
