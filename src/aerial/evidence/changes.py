"""The change map as people see it: what came in red, what went in blue, over the grey picture."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid, gsd_m, pixel_to_world, world_to_pixel
from aerial.raster.read import open_raster, read_bands

_NAMES = ("height_score", "appeared", "gone")
_CAME, _WENT = (228, 0, 43), (0, 90, 220)


def change_on(change: Path, chip: Grid) -> NDArray[np.float32]:
    """Return the change map on the pixels of ``chip`` (same CRS), -1 went to 1 came, 0 where unknown.

    Where the height is known it speaks, elsewhere the pictures.
    """
    grid = open_raster(change).grid
    corners = np.array([[0, 0], [chip.width_px, 0], [0, chip.height_px], [chip.width_px, chip.height_px]])
    reached = world_to_pixel(grid, pixel_to_world(chip, corners.astype(float)))
    low = np.clip(np.floor(reached.min(axis=0)).astype(int) - 1, 0, None)
    high = np.minimum(np.ceil(reached.max(axis=0)).astype(int) + 1, (grid.width_px, grid.height_px))
    if (high <= low).any():
        return np.zeros((chip.height_px, chip.width_px), np.float32)
    # Finer than the chip shows is not read: a suspect may be a whole block.
    step = max(1, int(gsd_m(chip) / gsd_m(grid)))
    window = (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
    bands = read_bands(change, window, _NAMES, step=step)
    pictures = np.nan_to_num(bands["appeared"]) - np.nan_to_num(bands["gone"])
    signed = np.where(np.isfinite(bands["height_score"]), bands["height_score"], pictures)
    basis = pixel_to_world(chip, np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]))
    o, right, down = (world_to_pixel(grid, basis) - low) / step - 0.5
    to_map = np.column_stack([right - o, down - o, o])
    return np.asarray(
        cv2.warpAffine(
            np.nan_to_num(signed).astype(np.float32),
            to_map,
            (chip.width_px, chip.height_px),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
        ),
        np.float32,
    )


def change_picture(after_CHW: NDArray[np.uint8], change_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the change painted over the grey picture, uint8 RGB (3, H, W)."""
    grey_HW = 0.6 * after_CHW.astype(np.float32).mean(axis=0) + 60
    opacity_HW = 0.75 * np.abs(change_HW)
    painted = [
        grey_HW * (1 - opacity_HW) + np.where(change_HW > 0, came, went) * opacity_HW
        for came, went in zip(_CAME, _WENT, strict=True)
    ]
    return np.asarray(np.clip(np.stack(painted), 0, 255), np.uint8)
