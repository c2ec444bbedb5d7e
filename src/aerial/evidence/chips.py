"""Before and after pictures of a suspect with its outline drawn."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from shapely.geometry import Polygon

from aerial.codec import from_plain, read_json, replacing, sha256_file
from aerial.raster.grid import Grid, north_up, world_to_pixel
from aerial.records import FileRef

# Pictures that leave the bureau are never finer than this.
FINEST_M = 0.05
CONTEXT_M = 15.0
# Beside the pictures: the grid of each suspect's, by its key. All of one suspect share it.
GRIDS_FILE = "grids.json"
_MAX_SIDE_PX = 1200
_QUALITY = 88


def chip_grid(outline: Polygon, crs: str, gsd_m: float) -> Grid:
    """Return the north-up grid of a chip: the outline and 15 m around it, >= 5 cm a pixel.

    ``outline`` in metres of ``crs``; ``gsd_m`` of the pictures. Large suspects get larger pixels.
    """
    x0, y0, x1, y1 = outline.bounds
    middle_x, middle_y = (x0 + x1) / 2, (y0 + y1) / 2
    half = max(x1 - x0, y1 - y0) / 2 + CONTEXT_M
    pixel = max(FINEST_M, gsd_m, 2 * half / _MAX_SIDE_PX)
    return north_up(crs, (middle_x - half, middle_y - half, middle_x + half, middle_y + half), pixel)


def write_chip(path: Path, image_CHW: NDArray[np.uint8], grid: Grid, outline: Polygon) -> FileRef:
    """Write one picture as JPEG with the outline drawn; the reference names it by ``path``'s name."""
    picture = np.ascontiguousarray(np.moveaxis(image_CHW, 0, -1))
    rings = [outline.exterior, *outline.interiors]
    lines = [
        np.round(world_to_pixel(grid, np.asarray(ring.coords)[:, :2]) * 16 - 8).astype(np.int32)
        for ring in rings
    ]
    # A dark line under a light one is seen on every ground.
    for colour, width in (((0, 0, 0), 4), ((255, 220, 0), 2)):
        cv2.polylines(picture, lines, True, colour, width, cv2.LINE_AA, 4)
    with replacing(path) as part:
        Image.fromarray(picture).save(part, format="JPEG", quality=_QUALITY)
    return FileRef(path=path.name, sha256=sha256_file(path))


def read_grids(chips: Path) -> dict[str, Grid]:
    """Return the grids of the pictures in the folder ``chips``, by suspect key.

    Raises:
        InputError: they were not recorded (a version before), or are not what was written.
    """
    path = chips / GRIDS_FILE
    return from_plain(dict[str, Grid], read_json(path), source=str(path))
