"""Reads both mosaics of a pair on one grid, window by window."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.align.warp import Warp, moved_grid
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import RasterInfo, WindowPx, open_raster, read_on_grid
from aerial.raster.validity import Validity, inspect, to_bytes, valid_on

# Stitchers feather and JPEG rings at the rim of the picture.
_RIM_M = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An ortho that was opened and looked at."""

    info: RasterInfo
    validity: Validity
    gsd_m: float


def open_picture(path: Path) -> Picture:
    """Open an ortho and find its collar and scale; raises ``RasterError`` or ``CrsError``."""
    info = open_raster(path)
    return Picture(info=info, validity=inspect(path), gsd_m=grids.gsd_m(info.grid))


def read_rgb(picture: Picture, grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return uint8 RGB (3, H, W) of ``picture`` on ``grid``, and which pixels hold a picture."""
    ratio = grids.gsd_m(grid) / picture.gsd_m
    data_CHW, valid_HW = read_on_grid(
        picture.info.path, grid, resampling="average" if ratio > 1.5 else "cubic"
    )
    rgb_CHW = to_bytes(data_CHW, picture.validity.low, picture.validity.gain)
    if picture.validity.collar_HW is not None:
        valid_HW = valid_HW & valid_on(picture.validity, grid, rgb_CHW)
    return rgb_CHW, valid_HW


def read_dsm(path: Path, grid: Grid) -> NDArray[np.float32]:
    """Return a surface model on ``grid`` as (2, H, W) float32 metres, NaN where unknown.

    Height (band 1) and how far its measurements disagree (band 2, NaN in files that do not say).
    """
    info = open_raster(path)
    ratio = grids.gsd_m(grid) / grids.gsd_m(info.grid)
    data_CHW, valid_HW = read_on_grid(path, grid, resampling="average" if ratio > 1.5 else "bilinear")
    out_2HW = np.full((2, *valid_HW.shape), np.nan, np.float32)
    count = min(2, data_CHW.shape[0])
    out_2HW[:count] = np.where(valid_HW, data_CHW[:count], np.nan)
    return out_2HW


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedPair:
    """Two pictures on the common ``grid``: AFTER as declared, BEFORE through ``warp``."""

    before: Picture
    after: Picture
    grid: Grid
    warp: Warp

    def coarser(self, factor: float) -> "AlignedPair":
        """Return the pair on a grid with pixels ``factor`` times as large, the remainder included."""
        scale = np.diag([factor, factor, 1.0])
        warp = Warp(
            affine_33=np.linalg.inv(scale) @ self.warp.affine_33 @ scale,
            nodes_HW2=(self.warp.nodes_HW2 / factor).astype(np.float32),
            spacing_px=self.warp.spacing_px / factor,
        )
        return AlignedPair(
            before=self.before, after=self.after, grid=grids.scaled(self.grid, factor), warp=warp
        )

    def at_gsd(self, gsd_m: float) -> "AlignedPair":
        """Return the pair on a grid with pixels of ``gsd_m``."""
        factor = gsd_m / grids.gsd_m(self.grid)
        return self if abs(factor - 1) < 1e-6 else self.coarser(factor)

    def rgb(self, window: WindowPx) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.bool_]]:
        """Return before and after as uint8 RGB (3, H, W), and where both hold a picture."""
        after_CHW, after_valid = read_rgb(self.after, moved_grid(self.grid, np.eye(3), window))
        wide, x_HW, y_HW = self._slab(window)
        before_wide, valid_wide = read_rgb(self.before, moved_grid(self.grid, self.warp.affine_33, wide))
        moved = cv2.remap(np.ascontiguousarray(np.moveaxis(before_wide, 0, -1)), x_HW, y_HW, cv2.INTER_CUBIC)
        valid = cv2.remap(valid_wide.astype(np.uint8) * 255, x_HW, y_HW, cv2.INTER_LINEAR) == 255
        rim_px = max(1, round(_RIM_M / grids.gsd_m(self.grid)))
        both = _eroded(after_valid, rim_px) & _eroded(valid, rim_px)
        return np.ascontiguousarray(np.moveaxis(moved, -1, 0)), after_CHW, both

    def heights(
        self, before_dsm: Path, after_dsm: Path, window: WindowPx
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return both surface models on a window as ``read_dsm`` gives them."""
        after_2HW = read_dsm(after_dsm, moved_grid(self.grid, np.eye(3), window))
        wide, x_HW, y_HW = self._slab(window)
        wide_2HW = read_dsm(before_dsm, moved_grid(self.grid, self.warp.affine_33, wide))
        before = [
            cv2.remap(
                band, x_HW, y_HW, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan")
            )
            for band in wide_2HW
        ]
        return np.stack(before), after_2HW

    def pictures_on(self, chip: Grid) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Return before and after on any grid of the pair's CRS, for people to look at.

        The remainder of the warp is taken at the middle of ``chip``.
        """
        to_common = np.linalg.inv(grids.matrix(self.grid)) @ grids.matrix(chip)
        middle = (to_common @ np.array([chip.width_px / 2, chip.height_px / 2, 1.0]))[None, :2]
        shift = np.eye(3)
        shift[:2, 2] = self.warp.at(middle)[0]
        world = grids.matrix(self.grid) @ self.warp.affine_33 @ shift @ to_common
        a, b, c, d, e, f = (float(v) for v in world[:2].ravel())
        moved = Grid(
            crs=chip.crs, affine=(a, b, c, d, e, f), width_px=chip.width_px, height_px=chip.height_px
        )
        return read_rgb(self.before, moved)[0], read_rgb(self.after, chip)[0]

    def _slab(self, window: WindowPx) -> tuple[WindowPx, NDArray[np.float32], NDArray[np.float32]]:
        """Return the window wide enough for the remainder, and where each pixel lies in it."""
        column, row, width, height = window
        u_HW2 = self.warp.displacement(window)
        margin = int(np.ceil(np.abs(u_HW2).max())) + 3
        x_HW, y_HW = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
        wide = (column - margin, row - margin, width + 2 * margin, height + 2 * margin)
        return wide, x_HW + u_HW2[..., 0] + margin, y_HW + u_HW2[..., 1] + margin


def _eroded(valid_HW: NDArray[np.bool_], px: int) -> NDArray[np.bool_]:
    if valid_HW.all():
        return valid_HW
    kernel = np.ones((2 * px + 1, 2 * px + 1), np.uint8)
    return np.asarray(cv2.erode(valid_HW.astype(np.uint8), kernel, borderValue=1) > 0)
