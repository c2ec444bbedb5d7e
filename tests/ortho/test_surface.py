"""The surface model against a generated scene whose heights are known."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerial.errors import PhotoError, StitchError
from aerial.ortho.cover import grid_for
from aerial.ortho.surface import build_surface
from aerial.progress import SILENT


def inside(house: Any, x: Any, y: Any, margin: float) -> Any:
    """Tell which positions lie in a house, ``margin`` metres from its walls (negative: around it)."""
    return (
        (x > house.x0 + margin) & (x < house.x1 - margin) & (y > house.y0 + margin) & (y < house.y1 - margin)
    )


def test_roofs_that_no_tie_point_shows_are_measured_to_ten_centimetres(flown: Any) -> None:
    """Matching finds houses by itself, and nine tenths of each roof within 0.1 m."""
    data, valid, x, y = flown.dsm()
    for house in flown.houses:
        roof = valid & inside(house, x, y, 0.6)
        assert np.percentile(np.abs(data[0][roof] - house.z), 90) < 0.1


def test_open_ground_is_level(flown: Any) -> None:
    """Away from houses 99 % of the ground errs less than 0.25 m: a change detector sees only change."""
    data, valid, x, y = flown.dsm()
    ground = valid.copy()
    for house in flown.houses:
        ground &= ~inside(house, x, y, -1.5)
    assert np.percentile(np.abs(data[0][ground]), 99) < 0.25


def test_walls_stand_where_they_are(flown: Any) -> None:
    """The area above half the height of a house is its footprint, within one cell all around."""
    data, valid, x, y = flown.dsm()
    cell = flown.surface.grid.affine[0]
    for house in flown.houses:
        near = valid & inside(house, x, y, -3)
        high = near & (data[0] > house.z / 2)
        assert not np.any(high & ~inside(house, x, y, -3 * cell))
        assert not np.any(~high & inside(house, x, y, 2 * cell))


def test_nothing_is_said_outside_the_cover(flown: Any) -> None:
    """Ground that fewer than three photographs see is nodata."""
    _, valid, x, y = flown.dsm()
    assert not np.any(valid & (np.hypot(x, y) > 60))
    assert not valid[0, 0]
    assert valid[np.hypot(x, y) < 20].all()


def test_spread_tells_measured_from_filled(flown: Any) -> None:
    """Open ground that many pairs measured has a spread of centimetres."""
    data, valid, x, y = flown.dsm()
    assert np.median(data[1][valid & (np.hypot(x + 20, y) < 5)]) < 0.15


def test_stored_height_maps_are_used_again_and_give_the_same_bytes(flown: Any, tmp_path: Path) -> None:
    """After a kill only what is missing is matched, and the DSM is the same to the byte."""
    shutil.copytree(flown.folder / "dense", tmp_path / "dense")
    maps = sorted((tmp_path / "dense").iterdir())
    pair = maps[0].name.split(".")[0]
    maps[0].unlink()
    kept = {path: path.stat().st_mtime_ns for path in maps if not path.name.startswith(pair)}
    again = build_surface(flown.block, flown.folder / "photos", flown.grid, tmp_path, SILENT)
    assert flown.surface.path.read_bytes() == again.path.read_bytes()
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert maps[0].is_file()


def test_a_block_without_overlap_is_refused(flown: Any, tmp_path: Path) -> None:
    """One photograph alone gives no heights: the error says what to fly."""
    alone = replace(flown.block, photos=flown.block.photos[:1])
    with pytest.raises(StitchError, match="overlap"):
        build_surface(alone, flown.folder / "photos", flown.grid, tmp_path, SILENT)


def test_a_photograph_of_another_size_is_refused(flown: Any, tmp_path: Path) -> None:
    """A file that is not the one the block was made from is named, not resampled in silence."""
    first = flown.block.photos[0]
    other = replace(first, camera=replace(first.camera, width_px=600))
    changed = replace(flown.block, photos=(other, *flown.block.photos[1:]))
    with pytest.raises(PhotoError, match=first.file):
        build_surface(changed, flown.folder / "photos", flown.grid, tmp_path, SILENT)


def test_a_photograph_that_vanished_is_named(flown: Any, tmp_path: Path) -> None:
    """Gone from the disk since the block was made: the error says which, and what is there stays."""
    shutil.copytree(flown.folder / "photos", tmp_path / "photos")
    gone = flown.block.photos[5].file
    (tmp_path / "photos" / gone).unlink()
    with pytest.raises(PhotoError, match=gone):
        build_surface(flown.block, tmp_path / "photos", flown.grid, tmp_path, SILENT)
    assert not (tmp_path / "dsm.tif").exists()


def test_the_spread_of_all_measured_cells_is_told(flown: Any) -> None:
    """Median and 95 % of the spreads in the file, where at least two views measured."""
    data, valid, _, _ = flown.dsm()
    told = data[1][valid & (data[1] < 5)]
    assert flown.surface.spread_median_m == pytest.approx(np.median(told), abs=0.011)
    assert flown.surface.spread_p95_m == pytest.approx(np.percentile(told, 95), abs=0.02)
    assert 0.5 < flown.surface.measured <= 1


@pytest.mark.parametrize("gsd", [0.04, 0.5])
def test_a_grid_unlike_the_photographs_is_served(flown: Any, tmp_path: Path, gsd: float) -> None:
    """Pixels much finer or coarser than the photographs' own give the same ground and roofs."""
    grid = grid_for(flown.block, gsd)
    result = build_surface(flown.block, flown.folder / "photos", grid, tmp_path, SILENT)
    other = replace(flown, grid=grid, surface=result)
    data, valid, x, y = other.dsm()
    house = flown.houses[0]
    assert valid[(np.hypot(x, y) < 20)].all()
    assert abs(np.median(data[0][valid & inside(house, x, y, 1.0)]) - house.z) < 0.2
    assert abs(np.median(data[0][valid & ~inside(house, x, y, -1.0)])) < 0.1
