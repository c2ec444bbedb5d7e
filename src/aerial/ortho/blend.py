"""Joining pictures without steps: two bands (Burt and Adelson, ACM TOG 2(4), 1983).

Coarse brightness passes over gradually across a seam, detail changes at once, so that neither a
step nor a double edge shows.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.float32]

# Pixels over which brightness passes over; a tile needs a halo of three times as many.
WIDE_PX = 20
# The coarse band is worked out on a picture this much smaller.
REDUCED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One photograph laid on the tile at (``row``, ``column``); ``known_HW`` where it has pixels.

    ``chosen_HW`` where the tile is taken from it. Offset and size are multiples of ``REDUCED``.
    """

    row: int
    column: int
    image_HW3: Reals
    known_HW: NDArray[np.bool_]
    chosen_HW: NDArray[np.bool_]


def blend(layers: list[Layer], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Return the tile, (H, W, 3) uint8; black where no layer was chosen."""
    h, w = shape
    coarse = [_coarse(layer) for layer in layers]
    sum_HW3 = np.zeros((h // REDUCED, w // REDUCED, 3), np.float32)
    weight_HW = np.zeros((h // REDUCED, w // REDUCED), np.float32)
    for layer, (low_HW3, share_HW) in zip(layers, coarse, strict=True):
        part = _slices(layer, REDUCED)
        sum_HW3[part] += low_HW3 * share_HW[..., None]
        weight_HW[part] += share_HW
    common_HW3 = sum_HW3 / np.maximum(weight_HW, 1e-6)[..., None]
    out_HW3, total_HW = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    for layer, (low_HW3, _) in zip(layers, coarse, strict=True):
        part = _slices(layer, 1)
        change_HW3 = cv2.resize(
            common_HW3[_slices(layer, REDUCED)] - low_HW3,
            layer.known_HW.shape[::-1],
            interpolation=cv2.INTER_LINEAR,
        )
        narrow_HW = cv2.blur(layer.chosen_HW.astype(np.float32), (3, 3)) * layer.known_HW
        out_HW3[part] += (layer.image_HW3 + change_HW3) * narrow_HW[..., None]
        total_HW[part] += narrow_HW
    out_HW3 /= np.maximum(total_HW, 1e-6)[..., None]
    return np.asarray(np.clip(np.rint(out_HW3), 0, 255).astype(np.uint8))


def _slices(layer: Layer, factor: int) -> tuple[slice, slice]:
    h, w = layer.known_HW.shape
    top, left = layer.row // factor, layer.column // factor
    return slice(top, top + h // factor), slice(left, left + w // factor)


def _coarse(layer: Layer) -> tuple[Reals, Reals]:
    """Return the layer's coarse band and its share of each pixel, both reduced."""
    h, w = layer.known_HW.shape
    size = (w // REDUCED, h // REDUCED)
    known_HW = cv2.resize(layer.known_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    masked_HW3 = layer.image_HW3 * layer.known_HW[..., None]
    small_HW3 = cv2.resize(masked_HW3, size, interpolation=cv2.INTER_AREA)
    chosen_HW = cv2.resize(layer.chosen_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    sigma = WIDE_PX / REDUCED / 2
    support_HW = cv2.GaussianBlur(known_HW, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    low_HW3 = cv2.GaussianBlur(small_HW3, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT)
    low_HW3 /= np.maximum(support_HW, 1e-6)[..., None]
    share_HW = cv2.GaussianBlur(chosen_HW, (0, 0), 2 * sigma, borderType=cv2.BORDER_CONSTANT)
    # Not where the photograph shows something else, or nothing.
    return low_HW3, share_HW * known_HW + 1e-6 * chosen_HW
