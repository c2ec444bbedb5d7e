"""Between pixels and polygons, in pixel coordinates (column, row)."""

import numpy as np
import rasterio.features
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry


def outlines(mask_HW: NDArray[np.bool_]) -> list[Polygon]:
    """Return the outline of every 4-connected part of a mask, along pixel edges."""
    parts = rasterio.features.shapes(mask_HW.astype(np.uint8), mask=mask_HW, connectivity=4)
    return [Polygon(g["coordinates"][0], g["coordinates"][1:]) for g, _ in parts]


def labelled_outlines(labels_HW: NDArray[np.int32]) -> list[tuple[int, Polygon]]:
    """Return the outline of every label but 0, along pixel edges; the parts of a label are 4-connected."""
    parts = rasterio.features.shapes(labels_HW, mask=labels_HW != 0, connectivity=4)
    return [(int(label), Polygon(g["coordinates"][0], g["coordinates"][1:])) for g, label in parts]


def burn(geometry: BaseGeometry, width_px: int, height_px: int) -> NDArray[np.bool_]:
    """Return which pixels have their centre inside ``geometry``; all False for an empty one."""
    if geometry.is_empty:
        return np.zeros((height_px, width_px), bool)
    burnt = rasterio.features.rasterize([(geometry, 1)], out_shape=(height_px, width_px), dtype="uint8")
    return np.asarray(burnt > 0)
