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
# Bins of a grey level in histograms of steps.
STEP_BINS = 10


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


def blend(layers: list[Layer], shape: tuple[int, int], *, two_bands: bool = True) -> NDArray[np.uint8]:
    """Return the tile, (H, W, 3) uint8; black where no layer was chosen.

    Without ``two_bands`` brightness is left as it is, and only the seam's edge is softened.
    """
    h, w = shape
    common_HW3, lows = _common(layers, shape) if two_bands else (None, [None] * len(layers))
    out_HW3, total_HW = np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.float32)
    for layer, low_HW3 in zip(layers, lows, strict=True):
        part = _slices(layer, 1)
        image_HW3 = layer.image_HW3
        if common_HW3 is not None and low_HW3 is not None:
            change_HW3 = common_HW3[_slices(layer, REDUCED)] - low_HW3
            image_HW3 = image_HW3 + cv2.resize(
                change_HW3, layer.known_HW.shape[::-1], interpolation=cv2.INTER_LINEAR
            )
        narrow_HW = cv2.blur(layer.chosen_HW.astype(np.float32), (3, 3)) * layer.known_HW
        out_HW3[part] += image_HW3 * narrow_HW[..., None]
        total_HW[part] += narrow_HW
    out_HW3 /= np.maximum(total_HW, 1e-6)[..., None]
    return np.asarray(np.clip(np.rint(out_HW3), 0, 255).astype(np.uint8))


def _common(layers: list[Layer], shape: tuple[int, int]) -> tuple[Reals, list[Reals]]:
    """Return the coarse band of the whole tile, and of each layer, reduced."""
    h, w = shape
    sum_HW3 = np.zeros((h // REDUCED, w // REDUCED, 3), np.float32)
    weight_HW = np.zeros((h // REDUCED, w // REDUCED), np.float32)
    lows = []
    for layer in layers:
        part = _slices(layer, REDUCED)
        low_HW3, share_HW = _coarse(layer)
        sum_HW3[part] += low_HW3 * share_HW[..., None]
        weight_HW[part] += share_HW
        lows.append(low_HW3)
    sum_HW3 /= np.maximum(weight_HW, 1e-6)[..., None]
    return sum_HW3, lows


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


def steps(layers: list[Layer], shape: tuple[int, int], inner: tuple[slice, slice]) -> NDArray[np.int64]:
    """Return a histogram of the brightness steps at the seams of the tile's ``inner`` part.

    At every pixel side of the reduced picture where two layers meet: by how many grey levels their
    means there differ. ``STEP_BINS`` bins a level, the last bin for all above.
    """
    histogram = np.zeros(256 * STEP_BINS, np.int64)
    h, w = shape[0] // REDUCED, shape[1] // REDUCED
    owner_HW = np.full((h, w), -1, np.int16)
    greys = []
    for number, layer in enumerate(layers):
        part = _slices(layer, REDUCED)
        size = (part[1].stop - part[1].start, part[0].stop - part[0].start)
        share_HW = cv2.resize(layer.chosen_HW.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        known_HW = cv2.resize(layer.known_HW.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        small_HW3 = cv2.resize(layer.image_HW3, size, interpolation=cv2.INTER_AREA)
        owner_HW[part][share_HW > 0.5] = number
        greys.append((part, small_HW3.mean(axis=2), known_HW))
    within_HW = np.zeros((h, w), bool)
    within_HW[tuple(slice(-(-s.start // REDUCED), s.stop // REDUCED) for s in inner)] = True
    for down, right in ((1, 0), (0, 1)):
        here, there = owner_HW[: h - down, : w - right], owner_HW[down:, right:]
        rows, columns = np.nonzero(
            (here != there) & (here >= 0) & (there >= 0) & within_HW[: h - down, : w - right]
        )
        one_M, other_M = here[rows, columns], there[rows, columns]
        for a, b in np.unique(np.column_stack([one_M, other_M]), axis=0):
            at_M = (one_M == a) & (other_M == b)
            found = [_at(greys[n], rows[at_M], columns[at_M]) for n in (a, b)]
            both_M = found[0][1] & found[1][1]
            step_M = np.abs(found[0][0] - found[1][0])[both_M] * STEP_BINS
            histogram += np.bincount(
                np.minimum(step_M.astype(int), len(histogram) - 1), minlength=len(histogram)
            )
    return histogram


def _at(
    grey: tuple[tuple[slice, slice], Reals, NDArray[np.bool_]],
    rows_M: NDArray[np.int_],
    columns_M: NDArray[np.int_],
) -> tuple[Reals, NDArray[np.bool_]]:
    """Return a layer's grey at pixels of the reduced tile, and whether it shows them."""
    part, grey_HW, known_HW = grey
    row_M, column_M = rows_M - part[0].start, columns_M - part[1].start
    h, w = grey_HW.shape
    inside_M = (row_M >= 0) & (column_M >= 0) & (row_M < h) & (column_M < w)
    row_M, column_M = row_M.clip(0, h - 1), column_M.clip(0, w - 1)
    return grey_HW[row_M, column_M], inside_M & known_HW[row_M, column_M]
