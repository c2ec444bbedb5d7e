"""The true orthomosaic against a generated scene whose picture from above is known."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aerial.ortho.cover import grid_for
from aerial.ortho.presets import FAST
from aerial.ortho.rectify import build_ortho
from aerial.progress import SILENT
from aerial.raster.grid import bounds, north_up
from aerial.raster.read import read_on_grid
from aerial.raster.write import write_cog


def truth(flown: Any) -> Any:
    """Return what the ortho should show."""
    _, _, x, y = flown.picture()
    return flown.scene.surface_grey(x.ravel(), y.ravel(), flown.houses).reshape(x.shape)


def around(flown: Any, x0: float, x1: float, y0: float, y1: float) -> Any:
    """Return the slices of the ortho over a rectangle in metres of the block's frame."""
    _, _, x, y = flown.picture()
    rows, columns = np.nonzero((x > x0) & (x < x1) & (y > y0) & (y < y1))
    return np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def shift(a: Any, b: Any) -> tuple[float, float]:
    """Return how far ``b`` lies from ``a``, in pixels."""
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    moved, _ = cv2.phaseCorrelate(a.astype(np.float32), b.astype(np.float32), window)
    return moved


def test_roofs_do_not_lean(flown: Any) -> None:
    """Each corner of the 10 m roof lies within a pixel of its place on the ground."""
    picture, expected = flown.picture()[0], truth(flown)
    house = flown.houses[0]
    for x in (house.x0, house.x1):
        for y in (house.y0, house.y1):
            part = around(flown, x - 3, x + 3, y - 3, y + 3)
            assert np.hypot(*shift(expected[part], picture[part])) < 1.0


def test_ground_lies_where_it_is(flown: Any) -> None:
    """Open ground is within a quarter of a pixel of the truth."""
    picture, expected = flown.picture()[0], truth(flown)
    for x, y in ((-20, 0), (0, -15), (0, 15), (20, -5)):
        part = around(flown, x - 5, x + 5, y - 5, y + 5)
        assert np.hypot(*shift(expected[part], picture[part])) < 0.25


def test_hidden_ground_is_taken_from_a_photograph_that_sees_it(flown: Any) -> None:
    """Beside the high house the ground's own texture shows, not the roof a second time."""
    picture, expected = flown.picture()[0], truth(flown)
    house = flown.houses[0]
    strips = (
        (house.x0 - 3, house.x0 - 0.6, house.y0, house.y1),
        (house.x1 + 0.6, house.x1 + 3, house.y0, house.y1),
        (house.x0, house.x1, house.y0 - 3, house.y0 - 0.6),
        (house.x0, house.x1, house.y1 + 0.6, house.y1 + 3),
    )
    for strip in strips:
        part = around(flown, *strip)
        assert np.corrcoef(picture[part].ravel(), expected[part].ravel())[0, 1] > 0.9


def test_exposure_steps_are_balanced(flown: Any) -> None:
    """Photographs exposed from 0.8 to 1.2 join to one brightness: within 3 % over the whole ground."""
    picture, valid, x, y = flown.picture()
    expected = truth(flown)
    ratios = []
    for cx in range(-30, 31, 6):
        for cy in range(-24, 25, 6):
            part = valid & (np.abs(x - cx) < 3) & (np.abs(y - cy) < 3)
            if part.sum() > 3000:
                ratios.append(picture[part].mean() / expected[part].mean())
    assert len(ratios) > 40
    assert np.std(ratios) / np.mean(ratios) < 0.03


def test_pixels_are_valid_exactly_where_heights_are(flown: Any) -> None:
    """The ortho is empty where the DSM is, and nowhere else."""
    _, known, _, _ = flown.dsm()
    _, valid, _, _ = flown.picture()
    doubled = np.repeat(np.repeat(known, 2, axis=0), 2, axis=1)[: valid.shape[0], : valid.shape[1]]
    assert np.mean(doubled == valid) > 0.995


def test_the_same_block_gives_the_same_bytes(flown: Any, tmp_path: Path) -> None:
    """Threads do not show in the file."""
    path = tmp_path / "again.tif"
    build_ortho(flown.block, flown.folder / "photos", flown.surface.path, flown.grid, path, SILENT)
    assert flown.ortho.path.read_bytes() == path.read_bytes()


def test_no_seam_runs_through_a_roof(flown: Any) -> None:
    """Half a metre inside its walls each roof is from one photograph, as taken.tif tells."""
    data_CHW, valid_HW = read_on_grid(flown.ortho.taken, flown.surface.grid, resampling="nearest")
    _, _, x, y = flown.dsm()
    assert valid_HW.any() and set(np.unique(data_CHW[0][valid_HW])) <= set(range(len(flown.block.photos)))
    for house in flown.houses:
        inside = (x > house.x0 + 0.5) & (x < house.x1 - 0.5) & (y > house.y0 + 0.5) & (y < house.y1 - 0.5)
        assert len(np.unique(data_CHW[0][inside])) == 1


def test_a_roof_is_whole_behind_what_stands_on_it(scene: Any, tmp_path: Path) -> None:
    """Strips of up to a metre, hidden by a parapet or a tower on the roof, do not cut it."""
    house, wall = scene.Box(-7, 7, -6, 6, 8.0), 0.3
    parapet = (
        scene.Box(house.x0, house.x1, house.y0, house.y0 + wall, 9.2),
        scene.Box(house.x0, house.x1, house.y1 - wall, house.y1, 9.2),
        scene.Box(house.x0, house.x0 + wall, house.y0, house.y1, 9.2),
        scene.Box(house.x1 - wall, house.x1, house.y0, house.y1, 9.2),
    )
    boxes = (house, *parapet, scene.Box(2, 4.5, 1, 3.5, 14.0))
    block = scene.fly(tmp_path / "photos", boxes)
    grid = grid_for(block, scene.GSD_M)
    side_m = 2 * scene.GSD_M
    dsm_grid = north_up(grid.crs, bounds(grid), side_m)
    x_W = grid.affine[2] - block.origin_3[0] + (np.arange(dsm_grid.width_px) + 0.5) * side_m
    y_H = grid.affine[5] - block.origin_3[1] - (np.arange(dsm_grid.height_px) + 0.5) * side_m
    z_HW = np.zeros((len(y_H), len(x_W)), np.float32)
    for box in boxes:
        on_HW = ((x_W > box.x0) & (x_W < box.x1))[None, :] & ((y_H > box.y0) & (y_H < box.y1))[:, None]
        z_HW[on_HW] = np.maximum(z_HW[on_HW], box.z)
    dsm = tmp_path / "dsm.tif"
    heights_HW = z_HW + np.float32(block.origin_3[2])
    write_cog(
        dsm, dsm_grid, np.stack([heights_HW, 0 * z_HW]), nodata=np.nan, descriptions=("height_m", "spread_m")
    )
    made = build_ortho(block, tmp_path / "photos", dsm, grid, tmp_path / "ortho.tif", SILENT)
    taken_HW = read_on_grid(made.taken, dsm_grid, resampling="nearest")[0][0]
    inside = ((np.abs(x_W) < 6.5)[None, :] & (np.abs(y_H) < 5.5)[:, None]) & (z_HW == 8.0)
    assert inside.sum() > 2000
    assert len(np.unique(taken_HW[inside])) == 1


def test_the_result_tells_seams_and_holes(flown: Any) -> None:
    """Exposures from 0.8 to 1.2 leave a median step of under three grey levels; nothing is missing.

    Less than 2 % of the ground is seen by no photograph.
    """
    step = flown.ortho.seam_step
    assert 0 < step.median < 3 and step.median <= step.p95 and step.length_m > 20
    assert flown.ortho.holes == () and flown.ortho.coverage > 0.99
    data_CHW, valid_HW = read_on_grid(flown.ortho.taken, flown.surface.grid, resampling="nearest")
    assert (data_CHW[1][valid_HW] == 0).mean() < 0.02


def test_the_fast_way_lies_as_well(flown: Any, tmp_path: Path) -> None:
    """Drawn fast, roof corners lie within a pixel too."""
    path = tmp_path / "fast.tif"
    build_ortho(
        flown.block, flown.folder / "photos", flown.surface.path, flown.grid, path, SILENT, effort=FAST
    )
    picture, expected = read_on_grid(path, flown.grid)[0][0].astype(float), truth(flown)
    house = flown.houses[0]
    for x in (house.x0, house.x1):
        part = around(flown, x - 3, x + 3, house.y0 - 3, house.y0 + 3)
        assert np.hypot(*shift(expected[part], picture[part])) < 1.0
