"""Slow fields over a pair (an exposure step, a doming surface model) from blocks of its overview."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid, pixel_to_world, world_to_pixel


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A slow field sampled on blocks: ``values_CHW`` at the pixel centres of ``grid``."""

    grid: Grid
    values_CHW: NDArray[np.float32]

    def on(self, tile: Grid) -> NDArray[np.float32]:
        """Return the field on the pixels of ``tile`` (same CRS), bilinear, shape (C, H, W)."""
        corners = pixel_to_world(tile, np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]))
        origin, right, down = world_to_pixel(self.grid, corners) - 0.5
        x_HW, y_HW = np.meshgrid(np.arange(tile.width_px), np.arange(tile.height_px))
        map_x = (origin[0] + x_HW * (right - origin)[0] + y_HW * (down - origin)[0]).astype(np.float32)
        map_y = (origin[1] + x_HW * (right - origin)[1] + y_HW * (down - origin)[1]).astype(np.float32)
        sampled = [
            cv2.remap(
                np.ascontiguousarray(band), map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            for band in self.values_CHW
        ]
        return np.stack(sampled)


def block_medians(
    values_HW: NDArray[np.float32], block_px: int, min_share: float = 0.3
) -> NDArray[np.float32]:
    """Return the median of each block of ``block_px``; NaN where less than ``min_share`` is known."""
    height, width = values_HW.shape
    rows, columns = -(-height // block_px), -(-width // block_px)
    padded = np.full((rows * block_px, columns * block_px), np.nan, np.float32)
    padded[:height, :width] = values_HW
    blocks = padded.reshape(rows, block_px, columns, block_px).swapaxes(1, 2).reshape(rows, columns, -1)
    known = np.isfinite(blocks)
    enough = known.mean(axis=2) >= min_share
    middle = np.full((rows, columns), np.nan, np.float32)
    if enough.any():
        middle[enough] = np.nanmedian(blocks[enough], axis=1)
    return middle


def neighbourhood_median(values_HW: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """Return the median over a (2 reach + 1)^2 neighbourhood of blocks; holes take the nearest answer."""
    padded = np.pad(values_HW, reach, constant_values=np.nan)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1, 2 * reach + 1))
    flat = windows.reshape(*values_HW.shape, -1)
    known = np.isfinite(flat).any(axis=2)
    out = np.full(values_HW.shape, np.nan, np.float32)
    if not known.any():
        return np.zeros_like(out)
    out[known] = np.nanmedian(flat[known], axis=1)
    out[~known] = np.nanmedian(values_HW)
    return out
