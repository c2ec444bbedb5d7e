"""Square cells over a plan's ground, in which pictures are counted."""

from collections.abc import Sequence

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from aerial.plan.views import Site
from aerial.records.record import record

Floats = NDArray[np.float64]
Counts = NDArray[np.uint16]

# A cell as a share of a frame's shorter side on the ground.
CELL_SHARE = 1 / 24
_MOST_CELLS = 1500


@record
class Cells:
    """Square cells of the frame; ``origin_2``: the low corner."""

    origin_2: Floats
    cell_m: float
    shape: tuple[int, int]


def cells_of(site: Site, area: BaseGeometry) -> Cells:
    """Return the cells over an area of the frame."""
    low_2, high_2 = np.array(area.bounds[:2]), np.array(area.bounds[2:])
    side_m = min(site.camera.sensor_width_mm, site.camera.sensor_height_mm) / site.camera.focal_mm
    extent_m = float((high_2 - low_2).max())
    cell_m = max(CELL_SHARE * side_m * site.plan.parameters.height_agl_m, extent_m / _MOST_CELLS)
    width, height = (int(n) + 3 for n in (high_2 - low_2) / cell_m)
    return Cells(origin_2=low_2 - cell_m, cell_m=cell_m, shape=(height, width))


def drawn(ring: Floats, cells: Cells) -> tuple[slice, slice, NDArray[np.uint8]] | None:
    """Return rows, columns and a mask of the cells that a ring fills; None outside."""
    if len(ring) < 3:
        return None
    at_K2 = (ring - cells.origin_2) / cells.cell_m - 0.5
    height, width = cells.shape
    low_2 = np.clip(np.floor(at_K2.min(axis=0)), 0, [width, height]).astype(int)
    high_2 = np.clip(np.ceil(at_K2.max(axis=0)) + 1, 0, [width, height]).astype(int)
    if (high_2 <= low_2).any():
        return None
    mask_HW = np.zeros((high_2 - low_2)[::-1], np.uint8)
    # Sixteenths of a cell; far corners are cut off so that they fit.
    points_K2 = np.clip(np.round((at_K2 - low_2) * 16), -(2**24), 2**24).astype(np.int32)
    cv2.fillPoly(mask_HW, [points_K2], 1, shift=4)
    return slice(low_2[1], high_2[1]), slice(low_2[0], high_2[0]), mask_HW


def count(rings: Sequence[Floats], cells: Cells) -> Counts:
    """Return on how many rings each cell is."""
    count_HW = np.zeros(cells.shape, np.uint16)
    for ring in rings:
        shown = drawn(ring, cells)
        if shown is not None:
            rows, columns, mask_HW = shown
            count_HW[rows, columns] += mask_HW
    return count_HW


def filled(area: BaseGeometry, cells: Cells) -> NDArray[np.uint8]:
    """Return 1 where a cell is in the area, holes left out."""
    filled_HW = np.zeros(cells.shape, np.uint8)
    for part in shapely.get_parts(area).tolist():
        shown = drawn(np.asarray(part.exterior.coords)[:, :2], cells)
        if shown is None:
            continue
        rows, columns, mask_HW = shown
        filled_HW[rows, columns] |= mask_HW
        for hole in part.interiors:
            cut = drawn(np.asarray(hole.coords)[:, :2], cells)
            if cut is not None:
                filled_HW[cut[0], cut[1]] &= 1 - cut[2]
    return filled_HW


def of_size(mask_HW: NDArray[np.uint8], least_cells: float) -> NDArray[np.bool_]:
    """Return the patches of at least so many cells."""
    _, labels_HW, stats, _ = cv2.connectedComponentsWithStats(mask_HW, connectivity=8)
    large = stats[:, cv2.CC_STAT_AREA] >= least_cells
    large[0] = False
    return np.asarray(large[labels_HW])
