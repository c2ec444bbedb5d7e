"""Reads both mosaics of a pair on one grid, window by window."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.align.slabs import Slabs
from aerial.align.warp import Warp, moved_grid
from aerial.errors import RasterError
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import Level, RasterInfo, WindowPx, levels, open_raster, read_level, read_on_grid
from aerial.raster.validity import Validity, inspect, to_bytes, valid_on

# Stitchers feather and JPEG rings at the rim of the picture.
_RIM_M = 0.4
# Nothing can be compared where nearly all is white, or where 98 % of the pixels lie within so few greys.
_MOST_WHITE, _LEAST_SPREAD = 0.97, 4.0
# Pixels that are so many times finer than wanted are blurred before they are resampled.
_BLUR_FROM = 1.15
# Cubic resampling looks two pixels around; the blur a little further.
_REACH = 4
_STRIP_PX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """An ortho that was opened and looked at; ``levels``: its resolutions, the finest first.

    ``slabs``: what keeps the windows that are read, None: each is read anew.
    """

    info: RasterInfo
    levels: tuple[Level, ...]
    validity: Validity
    gsd_m: float
    slabs: Slabs | None = None


def open_picture(path: Path) -> Picture:
    """Open an ortho and find its collar and scale.

    Raises:
        RasterError: it is broken, not a picture in colour or grey, or shows nothing but cloud.
        CrsError: it declares no CRS.
    """
    info = open_raster(path)
    if info.palette:
        raise RasterError(
            f"{path} stores places in a table of colours (a palette), not colours.",
            hint=f"Expand it: gdal_translate -expand rgb {path.name} OUT.tif.",
        )
    if info.bands not in (1, 3, 4) or not np.issubdtype(np.dtype(info.dtype), np.number):
        raise RasterError(
            f"{path} has {info.bands} image band(s) of {info.dtype}; a picture has red, green and blue.",
            hint="Export the mosaic with the bands red, green, blue (a fourth, near infrared, is left out).",
        )
    if np.issubdtype(np.dtype(info.dtype), np.complexfloating):
        raise RasterError(f"{path} holds complex numbers, not a picture.", hint="Give an orthomosaic.")
    validity = inspect(path)
    if validity.white_share >= _MOST_WHITE or validity.spread < _LEAST_SPREAD:
        raise RasterError(
            f"{path} shows nothing: all of it is cloud, fog, overexposed or of one colour.",
            hint="Fly again in clear weather, or give another date.",
        )
    return Picture(info=info, levels=levels(path), validity=validity, gsd_m=grids.gsd_m(info.grid))


def read_rgb(
    picture: Picture, grid: Grid, shift_HW2: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return uint8 RGB (3, H, W) of ``picture`` on ``grid``, and which pixels hold a picture.

    ``shift_HW2``: (column, row) by which each pixel of ``grid`` is taken elsewhere.
    """
    if geo.same_crs(picture.info.grid.crs, grid.crs):
        rgb_CHW, valid_HW = _mapped(picture, grid, shift_HW2)
    elif shift_HW2 is not None:
        return _shifted(picture, grid, shift_HW2)
    else:
        ratio = grids.gsd_m(grid) / picture.gsd_m
        data_CHW, valid_HW = read_on_grid(
            picture.info.path, grid, resampling="average" if ratio > 1.5 else "cubic"
        )
        rgb_CHW = to_bytes(data_CHW, picture.validity.low, picture.validity.gain)
    if picture.validity.collar_HW is not None:
        valid_HW = valid_HW & valid_on(picture.validity, grid, rgb_CHW)
    return rgb_CHW, valid_HW


def _mapped(
    picture: Picture, grid: Grid, shift_HW2: NDArray[np.float32] | None
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a picture on a grid of its own CRS: the fitting overview as stored, resampled once."""
    own = picture.info.grid
    ratio = grids.gsd_m(grid) / picture.gsd_m
    level = _level(picture, ratio)
    # From pixels of the grid to those of the level.
    shrink = np.diag([level.width_px / own.width_px, level.height_px / own.height_px, 1.0])
    to_level = shrink @ np.linalg.inv(grids.matrix(own)) @ grids.matrix(grid)
    left = ratio * level.width_px / own.width_px
    step = max(1, int(left + 0.05))
    moved_HWC = np.zeros((grid.height_px, grid.width_px, 3), np.uint8)
    inside_HW = np.zeros((grid.height_px, grid.width_px), np.uint8)
    most_px = 0.0 if shift_HW2 is None else float(np.abs(shift_HW2).max()) * left
    window = _slab_window(to_level, grid, most_px, level, step)
    if window is not None:
        bands = min(picture.info.bands, 3)
        if picture.slabs is None:
            data_CHW, valid_HW = read_level(picture.info.path, level, window, bands=bands, step=step)
        else:
            data_CHW, valid_HW = picture.slabs.read(picture.info, level, window, bands=bands, step=step)
        rgb_HWC = np.moveaxis(to_bytes(data_CHW, picture.validity.low, picture.validity.gain), 0, -1)
        rgb_HWC = np.ascontiguousarray(rgb_HWC)
        fine = left / step < _BLUR_FROM
        if not fine:
            rgb_HWC = cv2.GaussianBlur(rgb_HWC, (0, 0), 0.5 * float(np.sqrt((left / step) ** 2 - 1)))
        # In strips, so that the maps stay small.
        for top in range(0, grid.height_px, _STRIP_PX):
            rows = np.s_[top : top + _STRIP_PX]
            maps = _positions(to_level, grid, rows, shift_HW2, window, step)
            cv2.remap(
                rgb_HWC, *maps, cv2.INTER_CUBIC if fine else cv2.INTER_LINEAR,
                dst=moved_HWC[rows], borderMode=cv2.BORDER_REPLICATE,
            )  # fmt: skip
            inside_HW[rows] = cv2.remap(valid_HW.view(np.uint8), *maps, cv2.INTER_NEAREST)
    return np.ascontiguousarray(np.moveaxis(moved_HWC, -1, 0)), inside_HW > 0


def _level(picture: Picture, ratio: float) -> Level:
    """Return the coarsest resolution of a picture that is no coarser than wanted."""
    full = picture.levels[0]
    # A few percent: an overview of 3 x 3 pixels serves a grid of 2.95.
    most = max(1.05 * ratio, 1.0)
    return [level for level in picture.levels if full.width_px / level.width_px <= most][-1]


def _positions(
    to_level: NDArray[np.float64],
    grid: Grid,
    rows: slice,
    shift_HW2: NDArray[np.float32] | None,
    window: WindowPx,
    step: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return where the pixels of some rows of a grid lie in a slab, as cv2 counts (first centre is 0)."""
    x = np.arange(grid.width_px) + 0.5
    y = (np.arange(grid.height_px)[rows] + 0.5)[:, None]
    (a, b, c), (d, e, f) = to_level[:2]
    x_HW, y_HW = a * x + b * y + (c - window[0]), d * x + e * y + (f - window[1])
    if shift_HW2 is not None:
        u, v = shift_HW2[rows][..., 0], shift_HW2[rows][..., 1]
        x_HW, y_HW = x_HW + a * u + b * v, y_HW + d * u + e * v
    return (x_HW / step - 0.5).astype(np.float32), (y_HW / step - 0.5).astype(np.float32)


def _slab_window(
    to_level: NDArray[np.float64], grid: Grid, most_px: float, level: Level, step: int
) -> WindowPx | None:
    """Return the pixels of a level under a grid, in whole steps; None where all lie outside.

    ``most_px``: how much further the grid's pixels may be taken.
    """
    w, h = grid.width_px, grid.height_px
    corners_42 = np.array([[0, 0], [w, 0], [0, h], [w, h]], float) @ to_level[:2, :2].T + to_level[:2, 2]
    ends = []
    for axis, length in enumerate((level.width_px, level.height_px)):
        low, high = corners_42[:, axis].min() - most_px, corners_42[:, axis].max() + most_px
        first = max(0, (int(np.floor(low / step)) - _REACH) * step)
        last = min(length - length % step, (int(np.ceil(high / step)) + _REACH) * step)
        if last <= first:
            return None
        ends.append((first, last - first))
    (column, width), (row, height) = ends
    return column, row, width, height


def _shifted(
    picture: Picture, grid: Grid, shift_HW2: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Read a picture of another CRS wide enough, and take each pixel from where the shift says."""
    margin = int(np.ceil(np.abs(shift_HW2).max())) + 3
    height, width = shift_HW2.shape[:2]
    wide = moved_grid(grid, np.eye(3), (-margin, -margin, width + 2 * margin, height + 2 * margin))
    rgb_CHW, valid_HW = read_rgb(picture, wide)
    x_HW, y_HW = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    maps = x_HW + shift_HW2[..., 0] + margin, y_HW + shift_HW2[..., 1] + margin
    moved = cv2.remap(np.ascontiguousarray(np.moveaxis(rgb_CHW, 0, -1)), *maps, cv2.INTER_CUBIC)
    valid = cv2.remap(valid_HW.astype(np.uint8) * 255, *maps, cv2.INTER_LINEAR) == 255
    return np.ascontiguousarray(np.moveaxis(moved, -1, 0)), np.asarray(valid)


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
        before_grid = moved_grid(self.grid, self.warp.affine_33, window)
        u_HW2 = self.warp.displacement(window)
        moved, valid = read_rgb(self.before, before_grid, u_HW2 if u_HW2.any() else None)
        rim_px = max(1, round(_RIM_M / grids.gsd_m(self.grid)))
        both = _eroded(after_valid, rim_px) & _eroded(valid, rim_px)
        return moved, after_CHW, both

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
