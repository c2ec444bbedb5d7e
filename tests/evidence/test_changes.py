"""The change map as a picture."""

from pathlib import Path

import numpy as np
import pytest
from tests import pairs
from tests.suspects import maps

from aerial.evidence.changes import change_on, change_picture
from aerial.raster.grid import Grid, north_up


def test_the_map_lies_on_the_chip_where_it_lies_on_the_ground(tmp_path: Path) -> None:
    """A box that came shows within half a pixel of its place, what went is negative, outside is 0."""
    bands = {"appeared": maps.blank(400), "gone": maps.blank(400)}
    bands["appeared"][100:160, 200:260], bands["gone"][200:240, 100:140] = 1.0, 0.8
    change = maps.write(tmp_path / "c.tif", bands)
    chip = north_up(pairs.CRS, (pairs.LEFT - 5, pairs.TOP - 45, pairs.LEFT + 45, pairs.TOP + 5), 0.05)
    drawn_HW = change_on(change, chip)
    rows, columns = np.nonzero(drawn_HW > 0.5)
    # 20 m east of the map's corner, 5 m of margin, pixels of 5 cm.
    assert pytest.approx([500, 620, 300, 420], abs=1.01) == [
        columns.min(), columns.max() + 1, rows.min(), rows.max() + 1,
    ]  # fmt: skip
    assert drawn_HW[540, 340] == pytest.approx(-0.8, abs=1e-4)
    assert drawn_HW[:80].max() == 0.0
    inner = north_up(pairs.CRS, (pairs.LEFT + 15, pairs.TOP - 20, pairs.LEFT + 30, pairs.TOP - 5), 0.05)
    rows, columns = np.nonzero(change_on(change, inner) > 0.5)
    assert pytest.approx([100, 220, 100, 220], abs=1.01) == [
        columns.min(), columns.max() + 1, rows.min(), rows.max() + 1,
    ]  # fmt: skip


def test_height_speaks_where_it_is_known(tmp_path: Path) -> None:
    """Pictures that say new are grey where the height says no; unknown heights leave them their word."""
    bands = maps.heights(200) | {"appeared": maps.blank(200, 0.9)}
    bands["height_score"][:, 100:] = np.nan
    chip = pairs.grid(200)
    drawn_HW = change_on(maps.write(tmp_path / "c.tif", bands), chip)
    assert (0.0, pytest.approx(0.9)) == (drawn_HW[50, 20], drawn_HW[50, 180])


def test_a_chip_beside_the_map_shows_nothing(tmp_path: Path) -> None:
    """Beyond the rim there is no change."""
    change = maps.write(tmp_path / "c.tif", {"appeared": maps.blank(100, 1.0)})
    far = Grid(crs=pairs.CRS, affine=(0.1, 0, 700_000.0, 0, -0.1, 2_000_000.0), width_px=30, height_px=20)
    assert change_on(change, far).shape == (20, 30)
    assert not change_on(change, far).any()


def test_what_came_is_red_what_went_is_blue_and_the_rest_is_grey() -> None:
    """Colours follow the sign and their strength the score."""
    picture_CHW = np.full((3, 1, 4), 120, np.uint8)
    painted = change_picture(picture_CHW, np.array([[0.0, 1.0, -1.0, 0.3]], np.float32)).astype(int)[:, 0].T
    assert len(set(painted[0])) == 1
    assert painted[1][0] > painted[1][2] + 100
    assert painted[2][2] > painted[2][0] + 100
    assert painted[0][0] < painted[3][0] < painted[1][0]
