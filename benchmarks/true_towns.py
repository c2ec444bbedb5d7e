"""Simulated towns seen straight from above: true orthos and surface models, and what truly changed."""

from pathlib import Path

import numpy as np
from shapely import transform

from aerial.progress import SILENT
from aerial.raster.grid import world_to_pixel
from aerial.raster.read import read_window
from aerial.raster.shapes import burn
from aerial.simulate import flight, scene, surveys, truth
from aerial.simulate.presets import PRESETS
from aerial_training.evaluation import Picture
from aerial_training.sample import UNKNOWN

GSD_M = 0.15
# An excavation is a change, but not of a building: it counts on neither side.
NO_BUILDING = ("excavation",)


def true_town(preset_name: str, seed: int, folder: Path) -> Picture:
    """Render a town of both dates into ``folder`` (ortho.tif, dsm.tif) and return it with its truth.

    The height change is that of the truth: better than any survey's.
    """
    preset = PRESETS[preset_name]
    history, _ = surveys.plan(preset, seed)
    grid = truth.grid_over(flight.area(preset, seed), GSD_M)
    heights, images = [], []
    for number in (1, 2):
        epoch = surveys.at_epoch(preset, seed, number)
        place = folder / f"epoch{number}"
        if not (place / "dsm.tif").is_file():
            built = scene.build(epoch.town, preset, seed, number)
            truth.write_rasters(place, built, epoch.light, grid, SILENT)
        whole = (0, 0, grid.width_px, grid.height_px)
        heights.append(read_window(place / "dsm.tif", whole)[0])
        images.append(read_window(place / "ortho.tif", whole)[:3])
    change_HW = np.zeros((grid.height_px, grid.width_px), np.uint8)
    for change in history.changes:
        drawn = transform(truth.to_world(change.outline), lambda xy_N2: world_to_pixel(grid, xy_N2))
        value = UNKNOWN if change.kind in NO_BUILDING else 1
        change_HW[burn(drawn, grid.width_px, grid.height_px)] = value
    return Picture(
        name=f"{preset_name}, seed {seed}",
        before_3HW=images[0],
        after_3HW=images[1],
        change_HW=change_HW,
        gsd_m=GSD_M,
        height_change_HW=(heights[1] - heights[0]).astype(np.float32),
    )
