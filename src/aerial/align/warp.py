"""Where a pixel of the common grid lies in the BEFORE picture: an affine and a smooth remainder."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid, matrix

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Warp:
    """The content of common pixel p is in BEFORE, as declared, at common pixel affine(p + u(p)).

    ``affine_33`` maps (column, row, 1). ``nodes_HW2``: u at nodes ``spacing_px`` apart, the first
    at pixel coordinate (0, 0), linear in between; (column, row) in pixels.
    """

    affine_33: Floats
    nodes_HW2: NDArray[np.float32]
    spacing_px: float

    def displacement(self, window: tuple[int, int, int, int]) -> NDArray[np.float32]:
        """Return u at the pixel centres of a window (column, row, width, height), shape (H, W, 2)."""
        column, row, width, height = window
        x_W = (np.arange(column, column + width, dtype=np.float32) + 0.5) / self.spacing_px
        y_H = (np.arange(row, row + height, dtype=np.float32) + 0.5) / self.spacing_px
        x_HW, y_HW = np.meshgrid(x_W.astype(np.float32), y_H.astype(np.float32))
        return np.asarray(
            cv2.remap(self.nodes_HW2, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        )

    def at(self, colrow_N2: Floats) -> Floats:
        """Return u at pixel coordinates, shape (N, 2)."""
        scaled_N2 = (colrow_N2 / self.spacing_px).astype(np.float32)
        sampled = cv2.remap(
            self.nodes_HW2,
            scaled_N2[:, None, 0],
            scaled_N2[:, None, 1],
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return np.asarray(sampled, float).reshape(-1, 2)


def without_remainder(affine_33: Floats) -> Warp:
    """Return the warp that is its affine alone."""
    return Warp(affine_33=affine_33, nodes_HW2=np.zeros((2, 2, 2), np.float32), spacing_px=1e9)


def moved_grid(grid: Grid, affine_33: Floats, window: tuple[int, int, int, int]) -> Grid:
    """Return the grid on which BEFORE shows what ``window`` of the common ``grid`` shows."""
    column, row, width, height = window
    offset = np.array([[1, 0, column], [0, 1, row], [0, 0, 1]], float)
    a, b, c, d, e, f = (matrix(grid) @ affine_33 @ offset)[:2].ravel()
    return Grid(
        crs=grid.crs,
        affine=(float(a), float(b), float(c), float(d), float(e), float(f)),
        width_px=width,
        height_px=height,
    )


def smooth_remainder(
    at_N2: Floats, shift_N2: Floats, weight_N: Floats, grid: Grid, sigma_px: float, spacing_px: float
) -> Warp:
    """Return the remainder (identity affine) as Gaussian-weighted local mean of measured shifts.

    A constant prior of zero shift holds it to the affine where few windows speak. ``sigma_px`` is
    the length over which it is smooth: nothing smaller than that can bend it.
    """
    if len(at_N2) == 0:
        return without_remainder(np.eye(3))
    columns = int(np.ceil(grid.width_px / spacing_px)) + 1
    rows = int(np.ceil(grid.height_px / spacing_px)) + 1
    total_HW2 = np.zeros((rows, columns, 2))
    mass_HW = np.full((rows, columns), 0.3)
    for at, shift, weight in zip(at_N2, shift_N2, weight_N, strict=True):
        # No further than it is felt, so that a window costs the same on a large grid.
        (near_x, x), (near_y, y) = (
            _bell(length, middle / spacing_px, sigma_px / spacing_px)
            for length, middle in zip((columns, rows), at, strict=True)
        )
        near_HW = weight * y[:, None] * x
        total_HW2[near_y, near_x] += near_HW[..., None] * shift
        mass_HW[near_y, near_x] += near_HW
    field = (total_HW2 / mass_HW[..., None]).astype(np.float32)
    return Warp(affine_33=np.eye(3), nodes_HW2=field, spacing_px=spacing_px)


def _bell(count: int, middle: float, sigma: float) -> tuple[slice, Floats]:
    """Return which of ``count`` nodes, one apart, lie near a middle, and a Gaussian on them."""
    first = int(np.clip(np.floor(middle - 7 * sigma), 0, count))
    stop = int(np.clip(np.ceil(middle + 7 * sigma) + 1, first, count))
    return slice(first, stop), np.exp(-0.5 * ((np.arange(first, stop) - middle) / sigma) ** 2)
