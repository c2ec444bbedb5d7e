"""Where one photograph passes over to the next."""

import numpy as np

from aerial.ortho.choose import Ranks, Terrain
from aerial.ortho.seams import flood, lay
from aerial.ortho.things import things_of


def test_floods_meet_where_a_seam_is_cheapest() -> None:
    """Between two seeds the seam runs along the one cheap column, not midway."""
    seed_HW = np.full((40, 60), -1, np.int16)
    seed_HW[:, 0], seed_HW[:, -1] = 4, 9
    price_HW = np.full((40, 60), 100.0, np.float32)
    price_HW[:, 45] = 5.0
    out_HW = flood(seed_HW, price_HW, np.ones((40, 60), bool))
    assert (out_HW[:, :45] == 4).all() and (out_HW[:, 46:] == 9).all()


def test_floods_stay_where_they_may() -> None:
    """What lies outside is not flooded, and what no seed reaches stays open."""
    seed_HW = np.full((20, 20), -1, np.int16)
    seed_HW[5, 5] = 2
    where_HW = np.ones((20, 20), bool)
    where_HW[:, 10] = False
    out_HW = flood(seed_HW, np.ones((20, 20), np.float32), where_HW)
    assert (out_HW[:, :10] == 2).all() and (out_HW[:, 10:] == -1).all()


def test_a_seam_goes_round_a_roof_and_a_car() -> None:
    """Where two photographs are equally good the seam leaves a house and a difference alone."""
    h, w = 80, 100
    z_HW = np.zeros((h, w), np.float32)
    z_HW[20:50, 38:60] = 6
    terrain = Terrain(left_m=0.0, top_m=40.0, cell_m=0.5, z_HW=z_HW)
    lean_W = np.abs(np.arange(w) - 49.5) / w
    choice_KHW = np.full((6, h, w), -1, np.int16)
    cost_KHW = np.full((6, h, w), np.inf, np.float32)
    choice_KHW[0], choice_KHW[1] = (np.arange(w) > 49.5).astype(int), (np.arange(w) < 49.5).astype(int)
    cost_KHW[0], cost_KHW[1] = 0.01, (0.1 + lean_W) ** 2
    difference_HW = np.full((h, w), 2.0, np.float32)
    difference_HW[60:66, 47:53] = 90
    ranks = Ranks(choice_KHW=choice_KHW, cost_KHW=cost_KHW, thing_T=np.array([-1, 1], np.int16))
    label_HW = lay(terrain, ranks, things_of(z_HW, 0.5), difference_HW)
    assert (label_HW[20:50, 38:60] == 1).all()
    assert len(np.unique(label_HW[60:66, 47:53])) == 1
    assert (label_HW[:, :30] == 0).all() and (label_HW[:, 70:] == 1).all()


def test_the_edge_of_a_frame_is_no_seam_where_another_runs_cheaper() -> None:
    """A better photograph that ends at column 60 gives way before it, between two differences."""
    h, w = 60, 100
    terrain = Terrain(left_m=0.0, top_m=30.0, cell_m=0.5, z_HW=np.zeros((h, w), np.float32))
    choice_KHW = np.full((6, h, w), -1, np.int16)
    cost_KHW = np.full((6, h, w), np.inf, np.float32)
    choice_KHW[0], cost_KHW[0] = 1, 0.16
    choice_KHW[0, :, :60], cost_KHW[0, :, :60] = 0, 0.01
    choice_KHW[1, :, :60], cost_KHW[1, :, :60] = 1, 0.16
    difference_HW = np.full((h, w), 60.0, np.float32)
    difference_HW[:, 54:57] = 1
    ranks = Ranks(choice_KHW=choice_KHW, cost_KHW=cost_KHW, thing_T=np.array([-1], np.int16))
    label_HW = lay(terrain, ranks, things_of(terrain.z_HW, 0.5), difference_HW)
    assert (label_HW[:, :54] == 0).all() and (label_HW[:, 57:] == 1).all()
