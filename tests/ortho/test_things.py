"""What stands out of a surface, thing by thing."""

from typing import Any

import numpy as np

from aerial.ortho.things import things_of

CELL_M = 0.5


def slope(width: int = 160) -> Any:
    """Return a hillside that climbs 1 in 5, ``width`` cells square."""
    return np.tile(np.arange(width, dtype=np.float32) * CELL_M * 0.2, (width, 1))


def test_a_hillside_is_ground_and_the_house_on_it_a_thing() -> None:
    """On a slope of one in five nothing but the house and its ring stands out."""
    z_HW = slope()
    z_HW[60:84, 60:80] += 5
    things = things_of(z_HW, CELL_M)
    assert things.count == 1
    assert things.core_HW[60:84, 60:80].all() and things.core_HW.sum() == 24 * 20
    assert things.number_HW[59, 60:80].all() and not things.number_HW[:50].any()


def test_a_hall_wider_than_any_house_is_one_thing() -> None:
    """A hall of 55 x 70 m between two pits is found, and the ground between the pits is not."""
    z_HW = np.zeros((300, 400), np.float32)
    z_HW[100:210, 120:260] = 8
    z_HW[20:40, 30:50], z_HW[250:270, 330:350] = -4, -4
    things = things_of(z_HW, CELL_M)
    assert things.count == 1
    assert things.core_HW[100:210, 120:260].mean() > 0.99
    assert things.number_HW[110:200, 50:110].max() == 0


def test_a_roof_keeps_its_hut_and_not_its_neighbour() -> None:
    """A stair hut on a roof's edge belongs to the roof; a house across an alley is another thing."""
    z_HW = np.zeros((120, 120), np.float32)
    z_HW[40:64, 30:54] = 9
    z_HW[40:50, 44:54] = 11.5
    z_HW[40:64, 58:84] = 6
    number_HW = things_of(z_HW, CELL_M).number_HW
    assert number_HW[60, 35] == number_HW[45, 49] != 0
    assert number_HW[50, 70] not in (0, number_HW[60, 35])


def test_unknown_ground_holds_no_things() -> None:
    """Beyond the mosaic's edge, on a slope, nothing is made up."""
    z_HW = slope()
    z_HW[:, :40] = np.nan
    z_HW[120:] = np.nan
    assert not things_of(z_HW, CELL_M).number_HW.any()
