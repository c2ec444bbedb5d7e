"""Height maps of pairs on disk, and what many of them say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aerial.ortho import maps
from aerial.ortho.block import Block
from aerial.raster.grid import Grid

CELL_M = 0.1
GRID = Grid(crs="EPSG:32650", affine=(CELL_M, 0, 1000.0, 0, -CELL_M, 2000.0), width_px=800, height_px=800)


def stored(folder: Path, name: str, heights_HW: Any, *, row: int = 0, column: int = 0) -> maps.HeightMap:
    """Write a map whose cells have these heights, fine and coarse."""
    h, w = heights_HW.shape
    laid = maps.HeightMap(
        path=folder / f"{name}.npy", row=row, column=column, height=h, width=w, datum_m=40.0, weight=1.0
    )
    rows, columns = np.nonzero(np.isfinite(heights_HW))
    points = [(columns + 0.5) * CELL_M, -(rows + 0.5) * CELL_M, heights_HW[rows, columns]]
    points_N3 = np.column_stack(points).astype(np.float32)
    laid.store((points_N3, points_N3), 0.0, 0.0, CELL_M)
    return laid


def test_a_stored_map_keeps_heights_to_half_a_centimetre_and_its_holes(tmp_path: Path) -> None:
    """Two bytes a cell are enough, also far above the datum; what was not measured stays so."""
    heights_HW = np.full((80, 80), 47.123, np.float32)
    heights_HW[:, 40:] = 250.009
    heights_HW[10:30, 10:30] = np.nan
    read_HW = stored(tmp_path, "a", heights_HW).read(slice(None), slice(None))
    assert np.array_equal(np.isnan(read_HW), np.isnan(heights_HW))
    assert np.nanmax(np.abs(read_HW - heights_HW)) <= 0.0051
    assert (tmp_path / "a.npy").stat().st_size < 2.1 * heights_HW.size


def test_heights_that_cannot_be_stored_are_holes(tmp_path: Path) -> None:
    """A match 400 m above the ground is none: it does not come back as another height."""
    heights_HW = np.full((80, 80), 40.0, np.float32)
    heights_HW[20:60, 20:60] = 440.0
    read_HW = stored(tmp_path, "a", heights_HW).read(slice(20, 60), slice(20, 60))
    assert np.isnan(read_HW).all()


def test_the_coarse_surface_is_the_same_in_bands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made a few rows at a time, as in large blocks, it has the same bytes as made at once."""
    rng = np.random.default_rng(3)
    block = Block(
        crs=GRID.crs,
        origin_3=np.array([1000.0, 2000.0, 0.0]),
        photos=(),
        points_N3=np.array([[9.0, -9.0, 41.0]]),
    )
    laid = [
        stored(
            tmp_path, f"{n}", rng.normal(45, 1, (600, 640)).astype(np.float32), row=4 * n * 20, column=40 * n
        )
        for n in range(3)
    ]
    whole_HW, extent_HW, size = maps.base_of(block, GRID, laid)
    monkeypatch.setattr(maps, "BAND_HEIGHTS", 1)
    again_HW, again_extent_HW, _ = maps.base_of(block, GRID, laid)
    assert size == 10
    assert np.isfinite(whole_HW).all()
    assert whole_HW.tobytes() == again_HW.tobytes()
    assert extent_HW.tobytes() == again_extent_HW.tobytes()


def test_between_two_roofs_the_coarse_surface_is_the_street(tmp_path: Path) -> None:
    """A hole with a high and a low side takes the low one: no ramp from roof to roof."""
    heights_HW = np.full((600, 600), 40.0, np.float32)
    heights_HW[200:400, 100:280] = 52.0
    heights_HW[200:400, 320:500] = 52.0
    heights_HW[200:400, 280:320] = np.nan
    block = Block(
        crs=GRID.crs,
        origin_3=np.array([1000.0, 2000.0, 0.0]),
        photos=(),
        points_N3=np.array([[9.0, -9.0, 40.0]]),
    )
    laid = [stored(tmp_path, f"{n}", heights_HW) for n in range(2)]
    base_HW, _, _ = maps.base_of(block, GRID, laid)
    assert base_HW[22:38, 30] == pytest.approx(40.0, abs=1.0)
