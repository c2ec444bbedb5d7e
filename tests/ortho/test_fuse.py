"""Many height maps to one surface."""

import numpy as np
import pytest

from aerial.ortho import fuse


def agree(*layers: list[list[float]], tried: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Fuse small layers of equal weight."""
    stack = np.array(layers, np.float32)
    tried_HW = np.full(stack.shape[1:], tried or len(layers), np.int16)
    return fuse.agree(stack, np.ones(len(layers)), tried_HW)


def test_a_cell_takes_the_roof_at_its_edge_not_a_height_between() -> None:
    """Points of roof and ground in one cell give the roof's mean."""
    points = np.array([[0.2, -0.2, 10.0], [0.4, -0.4, 10.2], [0.6, -0.6, 0.0]], np.float32)
    assert fuse.lay(points, 0.0, 0.0, 1.0, (1, 1))[0, 0] == pytest.approx(10.1)


def test_cells_without_points_stay_empty() -> None:
    """Rows run south from the top, and what lies outside is dropped."""
    points = np.array([[1.5, -1.5, 3.0], [9.0, 9.0, 9.0]], np.float32)
    laid = fuse.lay(points, 0.0, 0.0, 1.0, (2, 2))
    assert laid[1, 1] == 3.0
    assert np.isnan(laid).sum() == 3


def test_one_wrong_view_does_not_move_a_height() -> None:
    """The median decides; the wrong view shows in no other way."""
    height, _ = agree([[5.0]], [[5.1]], [[4.9]], [[5.0]], [[25.0]])
    assert height[0, 0] == pytest.approx(5.0, abs=0.01)


def test_the_spread_tells_views_that_disagree() -> None:
    """Equal views have no spread, different ones half of their range, one alone none at all."""
    assert agree([[5.0]], [[5.0]], [[5.0]])[1][0, 0] == 0.0
    assert agree([[5.0]], [[7.0]])[1][0, 0] == pytest.approx(1.0)
    assert np.isnan(agree([[5.0]], [[np.nan]])[1][0, 0])


def test_views_that_all_differ_give_no_height() -> None:
    """Water matches anywhere: five heights metres apart are no height."""
    assert np.isnan(agree([[0.0]], [[2.0]], [[4.0]], [[6.0]], [[8.0]])[0][0, 0])


def test_one_view_of_many_that_tried_is_not_believed() -> None:
    """Where only two tried one view may stand alone; where nine did, it may not."""
    assert agree([[5.0]], tried=2)[0][0, 0] == 5.0
    assert np.isnan(agree([[5.0]], tried=9)[0][0, 0])


def test_a_hole_in_a_roof_is_spanned_at_the_roof() -> None:
    """All of the rim is at one level: so is the hole."""
    surface = np.full((40, 40), 10.0, np.float32)
    surface[15:22, 15:22] = np.nan
    assert fuse.filled(surface, np.zeros_like(surface)) == pytest.approx(10.0)


def test_what_a_wall_hides_takes_the_ground() -> None:
    """A hole between roof and ground is ground up to the wall, not a slope."""
    surface = np.zeros((60, 60), np.float32)
    surface[20:40, 20:40] = 10.0
    surface[20:40, 40:46] = np.nan
    filled = fuse.filled(surface, np.full_like(surface, 99.0))
    assert filled[20:40, 40:46] == pytest.approx(0.0, abs=0.3)
    assert (filled[20:40, 20:40] == 10.0).all()


def test_a_hole_at_the_border_takes_the_coarse_surface() -> None:
    """What cannot be judged in the window is left to the surface made from all."""
    surface = np.zeros((20, 20), np.float32)
    surface[:, 15:] = np.nan
    assert (fuse.filled(surface, np.full_like(surface, 3.0))[:, 15:] == 3.0).all()


def test_specks_go_and_cars_stay() -> None:
    """A patch of few cells at a height of its own is a wrong match; a large one is a thing."""
    surface = np.zeros((50, 50), np.float32)
    surface[5:8, 5:8] = 6.0
    surface[20:30, 20:40] = 1.5
    cleaned = fuse.without_specks(surface, smallest_cells=50)
    assert np.isnan(cleaned[5:8, 5:8]).all()
    assert (cleaned[20:30, 20:40] == 1.5).all()


def test_smoothing_keeps_steps() -> None:
    """Noise on level ground is evened out; the edge of a roof stays where it is."""
    rng = np.random.default_rng(0)
    truth = np.zeros((60, 60), np.float32)
    truth[:, 30:] = 3.0
    smooth = fuse.smoothed(truth + rng.normal(scale=0.05, size=truth.shape).astype(np.float32))
    assert np.std(smooth[:, :28]) < 0.02
    assert np.abs(smooth - truth).max() < 0.2


def test_a_roof_loses_the_cell_that_matching_adds_around_it() -> None:
    """What stands above a wall gets one cell narrower on each side; a kerb and a pinhole stay."""
    surface = np.zeros((60, 60), np.float32)
    surface[10:30, 10:30] = 6.0
    surface[20, 20] = 0.0
    surface[40:50, 40:50] = 0.3
    narrowed = fuse.narrowed(surface)
    expected = surface.copy()
    expected[10:30, 10:30] = 0.0
    expected[11:29, 11:29] = 6.0
    expected[20, 20] = 0.0
    assert np.array_equal(narrowed, expected)


def test_matches_scattered_over_water_are_no_heights() -> None:
    """Where a fifth of a pond matched, nothing did; a crown that matched by two thirds stays."""
    rng = np.random.default_rng(1)
    chance = rng.random((200, 200))
    surface = np.zeros((200, 200), np.float32)
    surface[20:120, 20:120] = np.where(chance < 0.2, -3.0, np.nan)[20:120, 20:120]
    surface[140:180, 140:180] = np.where(chance < 0.67, 5.0, np.nan)[140:180, 140:180]
    cleaned = fuse.without_scattered(surface, 50)
    assert np.isnan(cleaned[36:104, 36:104]).all()
    kept = cleaned[140:180, 140:180]
    assert np.array_equal(np.isnan(kept), np.isnan(surface[140:180, 140:180]))
    assert np.isfinite(cleaned[:20]).mean() > 0.99
