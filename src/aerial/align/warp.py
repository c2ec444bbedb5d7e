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
    columns = int(np.ceil(grid.width_px / spacing_px)) + 1
    rows = int(np.ceil(grid.height_px / spacing_px)) + 1
    x_HW, y_HW = np.meshgrid(np.arange(columns) * spacing_px, np.arange(rows) * spacing_px)
    nodes = np.column_stack([x_HW.ravel(), y_HW.ravel()])
    total = np.zeros((len(nodes), 2))
    mass = np.full(len(nodes), 0.3)
    for at, shift, weight in zip(at_N2, shift_N2, weight_N, strict=True):
        near = weight * np.exp(-0.5 * ((nodes - at) ** 2).sum(axis=1) / sigma_px**2)
        total += near[:, None] * shift
        mass += near
    field = (total / mass[:, None]).reshape(rows, columns, 2).astype(np.float32)
    return Warp(affine_33=np.eye(3), nodes_HW2=field, spacing_px=spacing_px)
