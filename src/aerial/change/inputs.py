"""What the network is given of a pair: normalised pictures, and the height change in coarse cells.

One piece for training and for use, so that a network meets what it learnt from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Height enters the network at a quarter of the resolution.
HEIGHT_STRIDE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalisation:
    """normalised = pixel * gain + offset, per date and channel."""

    gain_2C: Floats
    offset_2C: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """``mean_C`` and the variance around it over all channels, of one picture in bytes."""

    mean_C: NDArray[np.float64]
    variance: float


def moments(image_CHW: Image, valid_HW: NDArray[np.bool_] | None = None) -> Moments:
    """Return the moments of a picture where it is valid (None: everywhere)."""
    pixels_CN = image_CHW.reshape(3, -1) if valid_HW is None else image_CHW[:, valid_HW]
    if pixels_CN.shape[1] == 0:
        return Moments(mean_C=np.full(3, 127.0), variance=0.0)
    pixels_CN = pixels_CN.astype(np.float64)
    mean_C = pixels_CN.mean(axis=1)
    return Moments(mean_C=mean_C, variance=float(((pixels_CN - mean_C[:, None]) ** 2).mean()))


def normalisation(dates: Sequence[Moments], least_spread: float) -> Normalisation:
    """Return how the pictures are normalised: their means removed, over one spread for each picture.

    What a sensor, a season and an exposure do to a whole picture is taken out: take the moments from
    the whole mosaic, never from a tile. One spread for all channels keeps colours; ``least_spread``
    (of 0-1) keeps haze, or a picture of one meadow, from being stretched into texture.
    """
    gains, offsets = [], []
    for m in dates:
        spread = max(float(np.sqrt(m.variance)) / 255, least_spread)
        gains.append(np.full(3, 1 / (255 * spread)))
        offsets.append(-m.mean_C / (255 * spread))
    return Normalisation(
        gain_2C=np.stack(gains).astype(np.float32),
        offset_2C=np.stack(offsets).astype(np.float32),
    )


def mirrored(dates: Sequence[Image], valid_HW: NDArray[np.bool_]) -> list[Image]:
    """Return both dates with the ground continued, as in a mirror, where it is not valid.

    A flat filling is a sight that no network learnt from (docs/decisions/0006-one-decoder-twice.md). Both
    dates are mirrored alike; where the mirror shows what is not valid either, the nearest valid pixel
    stands in.
    """
    if valid_HW.all() or not valid_HW.any():
        return list(dates)
    _, labels_HW = cv2.distanceTransformWithLabels(
        (~valid_HW).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    # Places as single numbers of 32 bits: a tile at the rim of a mosaic has a million of them.
    width = valid_HW.shape[1]
    of_label = np.zeros(int(labels_HW.max()) + 1, np.int32)
    of_label[labels_HW[valid_HW]] = np.flatnonzero(valid_HW)
    hidden_M = np.flatnonzero(~valid_HW).astype(np.int32)
    nearest_M = of_label[labels_HW[~valid_HW]]
    row_M = 2 * (nearest_M // width) - hidden_M // width
    column_M = 2 * (nearest_M % width) - hidden_M % width
    within_M = (row_M >= 0) & (row_M < valid_HW.shape[0]) & (column_M >= 0) & (column_M < width)
    source_M = np.where(within_M, row_M * width + column_M, nearest_M)
    source_M = np.where(valid_HW.ravel()[source_M], source_M, nearest_M)
    continued = []
    for image_CHW in dates:
        whole_CHW = image_CHW.copy()
        for whole_HW, image_HW in zip(whole_CHW, image_CHW, strict=True):
            whole_HW[~valid_HW] = image_HW.ravel()[source_M]
        continued.append(whole_CHW)
    return continued


def height_planes(change_HW: Floats | None, shape: tuple[int, ...], scale_m: float) -> Floats:
    """Return (2, H/4, W/4) for a picture of ``shape`` (H, W): see ``height_cells``; zeros without heights."""
    height, width = (side // HEIGHT_STRIDE for side in shape)
    if change_HW is None:
        return np.zeros((2, height, width), np.float32)
    return height_cells(change_HW, (width, height), scale_m)


def height_cells(change_HW: Floats, size: tuple[int, int], scale_m: float) -> Floats:
    """Return the mean known change over ``scale_m`` in [-1, 1], and 1 where half of a cell or more is known.

    ``size``: (width, height) in cells. ``change_HW``: metres, NaN where unknown.
    """
    known = np.isfinite(change_HW)
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    mean = cv2.resize(np.where(known, change_HW, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    seen = share >= 0.5
    change = np.where(seen, np.clip(mean / np.maximum(share, 1e-6) / scale_m, -1, 1), 0)
    return np.stack([change, seen]).astype(np.float32)
