"""Which pixels hold a picture, in files that do not say so.

A JPEG-compressed mosaic has no nodata value that survives; its collar is nearly black or nearly
white and reaches the border of the raster. Dark ground inside the mosaic does not reach it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid, pixel_to_world, scaled, world_to_pixel
from aerial.raster.read import open_raster, read_small

_OVERVIEW_PX = 1_000_000
# JPEG rings by a few grey levels around black and white.
_NEAR = 12
# Clouds and fog from above: brighter than this in every channel, and no channel ahead by more.
_WHITE, _COLOURLESS = 190, 35


@dataclass(frozen=True, slots=True, kw_only=True)
class Validity:
    """The collar of one file, as a coarse mask; None where the file declares its own validity."""

    grid: Grid
    collar_HW: NDArray[np.bool_] | None
    # 8-bit value = (value - low) * gain; (0, 1) for 8-bit files
    low: float
    gain: float
    # Of the valid pixels: how many are bright and colourless, and how far 98 % of them spread (8 bit).
    white_share: float = 0.0
    spread: float = 255.0


def inspect(path: Path) -> Validity:
    """Look at an overview of ``path`` (<= 1 Mpx) and return its collar and its scale to 8 bits.

    16-bit and float pictures are scaled by their 1st and 99th percentile.

    Raises:
        RasterError: the file cannot be read.
    """
    info = open_raster(path)
    factor = max(1.0, float(np.sqrt(info.grid.width_px * info.grid.height_px / _OVERVIEW_PX)))
    small = scaled(info.grid, factor)
    # Not resampled on a grid: that would decode all of the file.
    data_CHW, valid_HW = read_small(path, small)
    low, gain = 0.0, 1.0
    if info.dtype != "uint8" and valid_HW.any():
        lowest, highest = np.percentile(data_CHW[:, valid_HW], [1, 99])
        low, gain = float(lowest), 250.0 / max(float(highest - lowest), 1e-6)
    collar = None
    rgb_CHW = to_bytes(data_CHW, low, gain)
    if not info.declares_validity:
        collar = _collar(rgb_CHW)
        valid_HW = valid_HW & ~collar
    white_share, spread = 0.0, 255.0
    if valid_HW.any():
        pixels_CN = rgb_CHW[:, valid_HW]
        lowest_N, highest_N = pixels_CN.min(axis=0), pixels_CN.max(axis=0)
        white_share = float(((lowest_N >= _WHITE) & (highest_N - lowest_N <= _COLOURLESS)).mean())
        spread = float(np.diff(np.percentile(pixels_CN.mean(axis=0), [1, 99]))[0])
    return Validity(grid=small, collar_HW=collar, low=low, gain=gain, white_share=white_share, spread=spread)


def to_bytes(data_CHW: NDArray[Any], low: float, gain: float) -> NDArray[np.uint8]:
    """Return a picture as uint8 RGB; one band is repeated, more than three are cut."""
    rgb_CHW: NDArray[Any] = data_CHW[:3] if data_CHW.shape[0] >= 3 else np.repeat(data_CHW[:1], 3, axis=0)
    if rgb_CHW.dtype == np.uint8 and gain == 1.0:
        return np.asarray(rgb_CHW, np.uint8)
    scaled_CHW = (rgb_CHW.astype(np.float32) - low) * gain
    return np.asarray(np.clip(scaled_CHW, 0, 255), np.uint8)


def valid_on(validity: Validity, grid: Grid, rgb_CHW: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which pixels of a picture read on ``grid`` (the file's CRS) lie outside the collar."""
    height, width = rgb_CHW.shape[1:]
    if validity.collar_HW is None:
        return np.ones((height, width), bool)
    corners = pixel_to_world(grid, np.array([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5]]))
    o, right, down = world_to_pixel(validity.grid, corners) - 0.5
    to_small = np.column_stack([right - o, down - o, o])
    collar = cv2.warpAffine(
        validity.collar_HW.astype(np.uint8),
        to_small,
        (width, height),
        flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=1,
    )
    return np.asarray((collar == 0) | ~_extreme(rgb_CHW, 2 * _NEAR))


def _extreme(rgb_CHW: NDArray[np.uint8], near: int) -> NDArray[np.bool_]:
    return np.asarray((rgb_CHW.max(axis=0) <= near) | (rgb_CHW.min(axis=0) >= 255 - near))


def _collar(rgb_CHW: NDArray[np.uint8]) -> NDArray[np.bool_]:
    extreme = _extreme(rgb_CHW, _NEAR).astype(np.uint8)
    count, labels = cv2.connectedComponents(extreme, connectivity=4)
    edge = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    touching = np.zeros(count, bool)
    touching[np.unique(edge)] = True
    touching[0] = False
    # One overview pixel wider: the rim is blurred by compression.
    grown = cv2.dilate(touching[labels].astype(np.uint8), np.ones((3, 3), np.uint8))
    return np.asarray(grown > 0)
