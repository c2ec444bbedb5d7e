"""The overview picture of a survey for a page, small enough to open anywhere."""

from pathlib import Path

import cv2
import numpy as np

from aerial.codec import replacing
from aerial.errors import RasterError
from aerial.raster.grid import Grid, gsd_m, scaled
from aerial.raster.read import open_raster, read_small


def write_overview(ortho: Path, path: Path, *, side_px: int = 1600) -> Grid:
    """Write ``ortho`` as a JPEG of at most ``side_px`` a side; return the picture's grid.

    Pixels are never finer than 5 cm on the ground, the finest that may leave the bureau. Pixels
    without data are white.

    Raises:
        RasterError: the ortho cannot be read, or the picture cannot be written.
    """
    info = open_raster(ortho)
    factor = max(1.0, max(info.grid.width_px, info.grid.height_px) / side_px, 0.05 / gsd_m(info.grid))
    grid = scaled(info.grid, factor)
    data_CHW, valid_HW = read_small(ortho, grid, resampling="average")
    rgb_HWC = np.moveaxis(data_CHW[[0, 1, 2]] if len(data_CHW) >= 3 else data_CHW[[0, 0, 0]], 0, -1)
    if rgb_HWC.dtype != np.uint8:
        values = rgb_HWC[valid_HW]
        low, high = np.percentile(values, [1, 99]) if values.size else (0.0, 1.0)
        rgb_HWC = np.clip((rgb_HWC - low) / max(high - low, 1e-9) * 255, 0, 255).astype(np.uint8)
    rgb_HWC = np.where(valid_HW[..., None], rgb_HWC, 255).astype(np.uint8)
    done, encoded = cv2.imencode(".jpg", rgb_HWC[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    if not done:
        raise RasterError(f"{path} cannot be encoded as JPEG.", hint="Report this with the ortho's size.")
    with replacing(path) as part:
        part.write_bytes(encoded.tobytes())
    return grid
