"""Which photograph a roof is taken from."""

from typing import Any

import numpy as np

from aerial.camera import Pose, nadir_rotation
from aerial.ortho.block import Block, BlockPhoto
from aerial.ortho.choose import HIDDEN_COST, Terrain, rank
from aerial.ortho.things import things_of


def test_a_roof_with_parapets_is_taken_from_the_photograph_above_it(scene: Any) -> None:
    """The steps of a coarse surface do not count as hiding the roof from the photograph that sees it whole.

    A roof of 8 x 8 m with walls of 1 m around it and a hut of 2.5 m upon it: 8 m beside its middle is
    better than 20 m.
    """
    cells, side_m = 200, 0.5
    x_W = (np.arange(cells) + 0.5) * side_m - 50
    y_H = 50 - (np.arange(cells) + 0.5) * side_m
    away_HW = np.maximum(np.abs(x_W)[None, :], np.abs(y_H)[:, None])
    z_HW = np.where(away_HW < 4, np.float32(8), np.float32(0))
    z_HW[(away_HW < 4) & (away_HW > 3.5)] += 1
    z_HW[((x_W > 0) & (x_W < 2.5))[None, :] & ((y_H > 0) & (y_H < 2.5))[:, None]] += 2.5
    terrain = Terrain(left_m=-50.0, top_m=50.0, cell_m=side_m, z_HW=z_HW)
    things = things_of(z_HW, side_m)
    photos = tuple(
        BlockPhoto(
            file=f"{number}.jpg",
            camera=scene.CAMERA,
            pose=Pose(rotation_33=nadir_rotation(0.0, -90, 0.0), centre_3=np.array([x, y, 60.0])),
        )
        for number, (x, y) in enumerate(((20.0, 0.0), (0.0, 8.0)))
    )
    block = Block(crs="EPSG:32650", origin_3=scene.ORIGIN_3, photos=photos, points_N3=np.zeros((0, 3)))
    ranks = rank(block, terrain, things)
    number = things.number_HW[100, 100]
    assert number > 0 and ranks.thing_T[number] == 1
    core_HW = things.core_HW & (things.number_HW == number)
    hidden_HW = ((ranks.choice_KHW == 1) & (ranks.cost_KHW >= HIDDEN_COST)).any(axis=0)
    assert hidden_HW[core_HW].mean() < 0.05
