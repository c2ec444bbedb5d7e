"""Features of an orthomosaic from elsewhere, by which photographs recognise their ground."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster import grid as grids
from aerial.raster.features import Descriptors, root_sift
from aerial.raster.read import read_on_grid
from aerial.raster.validity import inspect, to_bytes, valid_on

Floats = NDArray[np.float64]
Box = tuple[float, float, float, float]

# What the orthomosaic is read at, at most; a larger one is read more coarsely.
MOST_PIXELS = 30_000_000
_TILE_PX = 1024
_OF_TILE = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """Features of the orthomosaic at ``gsd_m``: x and y in the CRS of the block, descriptors."""

    gsd_m: float
    xy_N2: Floats
    descriptors_ND: Descriptors


def read_landmarks(path: Path, crs: str, box: Box, gsd_m: float) -> Landmarks:
    """Return the features of a part of the orthomosaic, tile by tile."""
    pixels = (box[2] - box[0]) * (box[3] - box[1]) / gsd_m**2
    gsd_m *= float(np.sqrt(max(pixels / MOST_PIXELS, 1.0)))
    whole = grids.north_up(crs, box, gsd_m)
    validity = inspect(path)
    places, described = [np.zeros((0, 2))], [np.zeros((0, 128), np.float32)]
    for row in range(0, whole.height_px, _TILE_PX):
        for column in range(0, whole.width_px, _TILE_PX):
            width = min(_TILE_PX, whole.width_px - column)
            height = min(_TILE_PX, whole.height_px - row)
            tile = grids.Grid(
                crs=crs,
                affine=(gsd_m, 0.0, whole.affine[2] + column * gsd_m,
                        0.0, -gsd_m, whole.affine[5] - row * gsd_m),
                width_px=width,
                height_px=height,
            )  # fmt: skip
            data_CHW, valid_HW = read_on_grid(path, tile, resampling="average")
            rgb_CHW = to_bytes(data_CHW, validity.low, validity.gain)
            valid_HW = valid_HW & valid_on(validity, tile, rgb_CHW)
            if valid_HW.mean() < 0.02:
                continue
            grey_HW = cv2.cvtColor(np.ascontiguousarray(np.moveaxis(rgb_CHW, 0, -1)), cv2.COLOR_RGB2GRAY)
            pixels_N2, found_ND = root_sift(np.asarray(grey_HW, np.uint8), valid_HW, _OF_TILE)
            places.append(grids.pixel_to_world(tile, pixels_N2))
            described.append(found_ND)
    return Landmarks(gsd_m=gsd_m, xy_N2=np.vstack(places), descriptors_ND=np.vstack(described))
