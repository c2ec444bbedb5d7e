"""Tiles that are put together from what was read once."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from tests.change.test_compare import Place

from aerial.change.detector import PairTile
from aerial.change.tiling import TileReader, Tiling, cut, tiling

WIDTH, HEIGHT = 330, 250


def _cuts(place: Place, halo_px: int) -> Tiling:
    return tiling(place.grid, most_px=128, unit_px=32, halo_px=halo_px, read_rows_px=50)


def test_tiles_cover_every_pixel_once_and_reach_over_little() -> None:
    """They neither overlap nor leave gaps; what lies beyond the rim is less than a unit a tile."""
    for width, height in ((2500, 1100), (1668, 1668), (60, 4000), (1, 1)):
        grid = replace(Place(64, 64).grid, width_px=width, height_px=height)
        cuts = tiling(grid, most_px=1280, unit_px=96, halo_px=32, read_rows_px=320)
        seen = np.zeros((height, width), int)
        for number in range(cuts.rows):
            for column, row, wide, tall in cuts.row(number):
                seen[row : row + tall, column : column + wide] += 1
        assert (seen.min(), seen.max()) == (1, 1)
        assert cuts.columns * cuts.width_px - width < 96 * cuts.columns
        assert max(cuts.width_px, cuts.height_px) <= 1280 + 95
        assert (cuts.width_px % 96, cuts.height_px % 96) == (0, 0)


@pytest.mark.parametrize("halo_px", [0, 32, 192])
def test_a_tile_is_what_reading_it_at_once_would_give(halo_px: int) -> None:
    """Pictures, validity and place, for halos smaller and larger than a tile, from the top or resumed."""
    place = Place(WIDTH, HEIGHT)
    cuts = _cuts(place, halo_px)
    for first in range(cuts.rows):
        rows = list(range(first, cuts.rows))
        read = iter(TileReader(place.read, cuts).tiles(rows))
        for number, n in product(rows, range(cuts.columns)):
            found = next(read)
            at = (n * cuts.width_px - halo_px, number * cuts.height_px - halo_px)
            wanted = place.read((*at, cuts.width_px + 2 * halo_px, cuts.height_px + 2 * halo_px))
            _assert_same(wanted, found)
        assert next(read, None) is None


def _assert_same(wanted: PairTile, found: PairTile) -> None:
    assert np.allclose(wanted.grid.affine, found.grid.affine, rtol=0, atol=1e-9)
    assert (wanted.grid.width_px, wanted.grid.height_px) == (found.grid.width_px, found.grid.height_px)
    for name in ("before_CHW", "after_CHW", "valid_HW"):
        assert np.array_equal(getattr(wanted, name), getattr(found, name))
    assert found.before_dsm_HW is None


def test_every_pixel_of_a_pair_is_read_once() -> None:
    """Whatever the halo; a few pixels at the rim of each read are read beside and cut off."""
    place = Place(WIDTH, HEIGHT)
    seen = np.zeros((HEIGHT + 600, WIDTH + 600), int)

    def read(window: tuple[int, int, int, int]) -> PairTile:
        column, row, width, height = window
        seen[300 + row + 4 : 300 + row + height - 4, 300 + column + 4 : 300 + column + width - 4] += 1
        return place.read(window)

    cuts = _cuts(place, 64)
    assert cuts.rows * cuts.columns == len(list(TileReader(read, cuts).tiles(range(cuts.rows))))
    inside = seen[300 : 300 + HEIGHT, 300 : 300 + WIDTH]
    assert (inside.min(), inside.max()) == (1, 1)


def test_a_tile_without_its_rim_keeps_its_place() -> None:
    """What is cut off moves the corner and nothing else."""
    place = Place(WIDTH, HEIGHT)
    _assert_same(place.read((20, 30, 80, 60)), cut(place.read((10, 20, 100, 80)), 10))
