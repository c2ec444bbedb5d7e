"""Which photographs see which ground."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerial.errors import StitchError
from aerial.ortho import cover
from aerial.raster.grid import bounds


def test_the_grid_covers_what_three_photographs_see_and_no_more(flown: Any) -> None:
    """Its pixels have the asked size, and its edge lies between two and three views."""
    x0, y0, x1, y1 = bounds(flown.grid)
    assert flown.grid.affine[0] == flown.scene.GSD_M
    covered = cover.coverage_of(flown.block)
    for x, y in ((x0 - 3, (y0 + y1) / 2), (x1 + 3, (y0 + y1) / 2), ((x0 + x1) / 2, y1 + 3)):
        at = np.array([x - flown.block.origin_3[0]]), np.array([y - flown.block.origin_3[1]])
        assert not covered.supported(*at).any()
    assert covered.supported(np.array([0.0]), np.array([0.0])).all()


def test_a_thin_flight_is_mapped_where_two_photographs_see(flown: Any) -> None:
    """Where three views would leave nearly nothing, two must do."""
    thin = replace(flown.block, photos=flown.block.photos[:2])
    assert cover.coverage_of(thin).enough_HW.any()
    assert cover.grid_for(thin, 0.1).width_px > 50


def test_two_photographs_of_two_places_are_refused(flown: Any) -> None:
    """No common ground, no grid; the error says what to fly."""
    first, second = flown.block.photos[:2]
    away = replace(second, pose=replace(second.pose, centre_3=np.add(second.pose.centre_3, [500.0, 0, 0])))
    with pytest.raises(StitchError, match="two photographs"):
        cover.grid_for(replace(flown.block, photos=(first, away)), 0.1)


def test_each_photograph_has_partners_along_and_across(flown: Any) -> None:
    """Pairs are named once, have a useful base, and leave no photograph out."""
    pairs = cover.stereo_pairs(flown.block)
    named = {(pair.left, pair.right) for pair in pairs}
    assert len(named) == len(pairs)
    assert {i for pair in named for i in pair} == set(range(len(flown.block.photos)))
    assert all(0.05 <= pair.base_to_height <= 0.8 for pair in pairs)
    centres = np.array([photo.pose.centre_3[:2] for photo in flown.block.photos])
    base = np.array([centres[p.right] - centres[p.left] for p in pairs])
    angle = np.arctan2(base[:, 1], base[:, 0]) % np.pi
    assert np.any(np.abs(np.sin(angle)) > 0.9)
    assert np.any(np.abs(np.cos(angle)) > 0.9)


def test_a_block_without_tie_points_is_refused(flown: Any, tmp_path: Path) -> None:
    """Nothing tells how high the ground is, and nothing is guessed."""
    with pytest.raises(StitchError, match="tie points"):
        cover.ground_of(replace(flown.block, points_N3=np.empty((0, 3))))
