"""Draws a tile of the orthomosaic: each pixel from the photograph chosen for it, if that sees it."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial.ortho import choose, cover, exposure, sight
from aerial.ortho.blend import REDUCED, WIDE_PX, Layer, blend, steps
from aerial.ortho.block import Block
from aerial.ortho.pictures import Pictures
from aerial.raster.grid import Grid
from aerial.raster.read import read_bands

Reals = NDArray[np.float32]
Mask = NDArray[np.bool_]
# Rows and columns, first and end.
Box = tuple[int, int, int, int]

# The halo is three times as wide as brightness passes over, so that two tiles join without a step.
TILE_PX, HALO_PX = 1024, 64
assert HALO_PX >= 3 * WIDE_PX and HALO_PX % REDUCED == 0  # noqa: S101 (a fact about constants)
# Walls beyond this distance do not hide anything here.
FARTHEST_WALL_M = 40.0
SQUARE = np.ones((3, 3), np.uint8)
# So many of the best photographs are tried though walls hide the ground at half a metre.
DOUBTED = 2
# On a roof or another thing, hidden strips narrower than this (behind a parapet, or the surface's own
# error at a hut) stay with its photograph: a seam through a roof is worse than a parapet drawn wider.
STRIP_M = 1.0
# Halo of a patch where brightness does not pass over.
EDGE_PX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """All that a tile needs.

    ``label_HW``: the photograph that each cell of ``terrain`` is to be taken from; ``thing_HW``: where
    it is that of a whole thing, off its rim. ``factor``: ortho
    pixels to a DSM cell. ``sharpness``: size of a picture's pixel on the ground in ortho pixels.
    ``fine_sight``, ``two_bands`` as in ``Effort``.
    """

    block: Block
    pictures: Pictures
    sharpness: float
    exposure: exposure.Exposure
    terrain: choose.Terrain
    ranks: choose.Ranks
    label_HW: NDArray[np.int16]
    thing_HW: Mask
    dsm_path: Path
    dsm_grid: Grid
    grid: Grid
    factor: int
    fine_sight: bool
    two_bands: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A drawn tile: its picture, where it is valid, and for each DSM cell where it is from.

    ``taken_hw``: the photograph, -1 for none; ``seen_hw`` False where no photograph sees the cell, so
    that it shows what stands before it. ``steps_B``: histogram of brightness differences at seams,
    ``STEP_BINS`` bins a grey level.
    """

    image_HW3: NDArray[np.uint8]
    valid_HW: Mask
    taken_hw: NDArray[np.int16]
    seen_hw: Mask
    steps_B: NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wide:
    """Heights of a tile and ``margin`` cells around it, their lowest and highest.

    ``row``, ``column`` of the tile's first cell in the DSM.
    """

    row: int
    column: int
    z_HW: Reals
    margin: int
    low: float
    high: float


def draw(job: Drawing, row: int, column: int) -> Tile:
    """Return the tile whose first pixel is (``row``, ``column``)."""
    f = job.factor
    height, width = min(TILE_PX, job.grid.height_px - row), min(TILE_PX, job.grid.width_px - column)
    # The tile with its halo, in whole cells of the DSM.
    step = REDUCED if REDUCED % f == 0 else REDUCED * f
    rows, columns = (-(-(n + 2 * HALO_PX) // step) * step for n in (height, width))
    top, left = (row - HALO_PX) // f, (column - HALO_PX) // f
    wide = _wide(job, top, left, (rows // f, columns // f))
    middle = np.s_[wide.margin : wide.margin + rows // f, wide.margin : wide.margin + columns // f]
    z_HW, known_HW = wide.z_HW[middle], np.isfinite(wide.z_HW[middle])
    inner = np.s_[HALO_PX : HALO_PX + height, HALO_PX : HALO_PX + width]
    cells = np.s_[HALO_PX // f : -(-(HALO_PX + height) // f), HALO_PX // f : -(-(HALO_PX + width) // f)]
    layers: list[Layer] = []
    if not known_HW.any():
        taken_HW, seen_HW = np.full(z_HW.shape, -1, np.int16), np.zeros(z_HW.shape, bool)
    else:
        z_HW = np.where(known_HW, z_HW, np.nanmedian(z_HW)).astype(np.float32)
        wide.z_HW[~np.isfinite(wide.z_HW)] = np.float32(wide.low)
        taken_HW, seen_HW, sights = _taken(job, wide, z_HW, known_HW)
        for index in (int(i) for i in np.unique(taken_HW[taken_HW >= 0])):
            for box in _patches(taken_HW == index, f, HALO_PX if job.two_bands else EDGE_PX):
                layer = _layer(job, index, wide, z_HW, box, taken_HW == index, sights[index])
                if layer is not None:
                    layers.append(layer)
    return Tile(
        # From BGR to RGB.
        image_HW3=blend(layers, (rows, columns), two_bands=job.two_bands)[inner][:, :, ::-1],
        valid_HW=_fine(taken_HW >= 0, f)[inner],
        taken_hw=taken_HW[cells],
        seen_hw=seen_HW[cells],
        steps_B=steps(layers, (rows, columns), inner),
    )


def heights(path: Path, grid: Grid, row: int, column: int, height: int, width: int) -> Reals:
    """Return a window of the DSM that may reach over its border; NaN where nothing is known."""
    r0, c0 = max(row, 0), max(column, 0)
    r1, c1 = min(row + height, grid.height_px), min(column + width, grid.width_px)
    z_HW = read_bands(path, (c0, r0, c1 - c0, r1 - r0), ["height_m"])["height_m"]
    pad = ((r0 - row, row + height - r1), (c0 - column, column + width - c1))
    return np.pad(z_HW, pad, constant_values=np.nan)


def _axes(job: Drawing, row: int, column: int, shape: tuple[int, ...]) -> tuple[Reals, Reals]:
    """Return x and y, metres in the block's frame, of cells of the DSM from (row, column) on."""
    a, _, c, _, e, f = job.dsm_grid.affine
    x_W = c - job.block.origin_3[0] + (column + np.arange(shape[1]) + 0.5) * a
    y_H = f - job.block.origin_3[1] + (row + np.arange(shape[0]) + 0.5) * e
    return x_W.astype(np.float32), y_H.astype(np.float32)


def _taken(
    job: Drawing, wide: _Wide, z_HW: Reals, known_HW: Mask
) -> tuple[NDArray[np.int16], Mask, dict[int, Mask]]:
    """Return the photograph that each cell is taken from, whether it sees it, and what each one sees."""
    x_W, y_H = _axes(job, wide.row, wide.column, z_HW.shape)
    terrain = job.terrain
    h, w = terrain.z_HW.shape
    at_H = ((terrain.top_m - y_H) / terrain.cell_m).astype(int).clip(0, h - 1)
    at_W = ((x_W - terrain.left_m) / terrain.cell_m).astype(int).clip(0, w - 1)
    coarse = np.s_[at_H[0] : at_H[-1] + 1, at_W[0] : at_W[-1] + 1]
    choice_KHW, cost_KHW = job.ranks.choice_KHW[:, *coarse], job.ranks.cost_KHW[:, *coarse]
    at_H, at_W = at_H - at_H[0], at_W - at_W[0]
    taken_HW = np.where(known_HW, job.label_HW[coarse][np.ix_(at_H, at_W)], np.int16(-1))
    seen_HW = taken_HW >= 0
    sights: dict[int, Mask] = {}
    for index in (int(i) for i in np.unique(taken_HW[seen_HW])):
        coarse_HW = ((choice_KHW == index) & (cost_KHW < choose.HIDDEN_COST)).any(axis=0)
        sights[index] = coarse_HW[np.ix_(at_H, at_W)]
        # Well within what it sees at half a metre no wall is near.
        sure_HW = cv2.erode(coarse_HW.astype(np.uint8), SQUARE) > 0
        rows_N, columns_N = np.nonzero((taken_HW == index) & ~sure_HW[np.ix_(at_H, at_W)])
        if job.fine_sight:
            sights[index][rows_N, columns_N] = _sees(job, index, wide, rows_N, columns_N)
        seen_HW[rows_N, columns_N] = sights[index][rows_N, columns_N]
    # Single cells and lines of them are the surface's own noise.
    unseen_HW = (known_HW & ~seen_HW).astype(np.uint8)
    hidden_HW = cv2.morphologyEx(unseen_HW, cv2.MORPH_OPEN, SQUARE) > 0
    thing_HW = job.thing_HW[coarse][np.ix_(at_H, at_W)]
    if job.fine_sight and thing_HW.any():
        size = 2 * round(STRIP_M / job.dsm_grid.affine[0] / 2) + 1
        wide_HW = cv2.morphologyEx(unseen_HW, cv2.MORPH_OPEN, np.ones((size, size), np.uint8)) > 0
        hidden_HW &= wide_HW | ~thing_HW
    hidden_HW |= known_HW & (taken_HW < 0)
    seen_HW = known_HW & ~hidden_HW
    rows_N, columns_N = np.nonzero(hidden_HW)
    for number, (rank_HW, hidden_HW) in enumerate(
        zip(choice_KHW, cost_KHW >= choose.HIDDEN_COST, strict=True)
    ):
        first_N = rank_HW[at_H[rows_N], at_W[columns_N]]
        if number >= DOUBTED:
            # Those after the best that are hidden at half a metre too are not worth a look.
            first_N = np.where(hidden_HW[at_H[rows_N], at_W[columns_N]], -1, first_N)
        for index in (int(i) for i in np.unique(first_N[first_N >= 0])):
            these_N = np.nonzero(first_N == index)[0]
            these_N = these_N[_sees(job, index, wide, rows_N[these_N], columns_N[these_N])]
            if len(these_N) == 0:
                continue
            if index not in sights:
                coarse_HW = ((choice_KHW == index) & (cost_KHW < choose.HIDDEN_COST)).any(axis=0)
                sights[index] = coarse_HW[np.ix_(at_H, at_W)]
            found = (rows_N[these_N], columns_N[these_N])
            taken_HW[found], seen_HW[found], sights[index][found] = index, True, True
        # What no photograph sees stays with the one around it: better than a hole in the map.
        left_N = ~seen_HW[rows_N, columns_N]
        rows_N, columns_N = rows_N[left_N], columns_N[left_N]
    at_N = at_H[rows_N], at_W[columns_N]
    # Unless that one does not have it in its frame.
    framed_N = (choice_KHW[:, *at_N] == taken_HW[rows_N, columns_N]).any(axis=0)
    taken_HW[rows_N, columns_N] = np.where(framed_N, taken_HW[rows_N, columns_N], choice_KHW[0][at_N])
    for index in (int(i) for i in np.unique(taken_HW[rows_N, columns_N])):
        sights.setdefault(index, np.zeros(z_HW.shape, bool))
    return taken_HW, seen_HW & (taken_HW >= 0), sights


def _sees(
    job: Drawing, index: int, wide: _Wide, rows_N: NDArray[np.int_], columns_N: NDArray[np.int_]
) -> Mask:
    """Tell which of the tile's cells photograph ``index`` sees."""
    photo = job.block.photos[index]
    rows_N, columns_N = rows_N + wide.margin, columns_N + wide.margin
    x_W, y_H = _axes(job, wide.row - wide.margin, wide.column - wide.margin, wide.z_HW.shape)
    centre_3 = photo.pose.centre_3.astype(np.float32)
    at = sight.pixels_of(
        photo.camera,
        photo.pose,
        x_W[columns_N] - centre_3[0],
        y_H[rows_N] - centre_3[1],
        wide.z_HW[rows_N, columns_N] - centre_3[2],
    )
    return cover.in_frame(photo.camera, *at) & sight.unhidden_cells(
        photo.pose.centre_3,
        (float(x_W[0]), float(y_H[0])),
        wide.z_HW,
        job.dsm_grid.affine[0],
        rows_N,
        columns_N,
    )


def _wide(job: Drawing, row: int, column: int, shape: tuple[int, int]) -> _Wide:
    """Return the tile with all around that may hide a part of it."""
    around_HW = _around(job, *_axes(job, row, column, shape))
    known_N = around_HW[np.isfinite(around_HW)]
    low, high = (float(known_N.min()), float(known_N.max())) if known_N.size else (0.0, 0.0)
    steepest = np.tan(np.radians(cover.MAX_OFF_NADIR_DEG))
    margin = int(np.ceil(min(steepest * (high - low), FARTHEST_WALL_M) / job.dsm_grid.affine[0])) + 2
    z_HW = heights(
        job.dsm_path,
        job.dsm_grid,
        row - margin,
        column - margin,
        shape[0] + 2 * margin,
        shape[1] + 2 * margin,
    )
    z_HW = z_HW - np.float32(job.block.origin_3[2])
    return _Wide(row=row, column=column, z_HW=z_HW, margin=margin, low=low, high=high)


def _around(job: Drawing, x_W: Reals, y_H: Reals) -> Reals:
    terrain = job.terrain
    c0 = max(int((x_W[0] - FARTHEST_WALL_M - terrain.left_m) / terrain.cell_m), 0)
    c1 = max(int((x_W[-1] + FARTHEST_WALL_M - terrain.left_m) / terrain.cell_m) + 1, c0 + 1)
    r0 = max(int((terrain.top_m - y_H[0] - FARTHEST_WALL_M) / terrain.cell_m), 0)
    r1 = max(int((terrain.top_m - y_H[-1] + FARTHEST_WALL_M) / terrain.cell_m) + 1, r0 + 1)
    return terrain.z_HW[r0:r1, c0:c1]


def _layer(
    job: Drawing, index: int, wide: _Wide, z_HW: Reals, box: Box, chosen_HW: Mask, seen_HW: Mask
) -> Layer | None:
    """Return photograph ``index`` laid over a box of the tile."""
    f = job.factor
    part = np.s_[box[0] : box[1], box[2] : box[3]]
    camera, pose = job.pictures.camera(index), job.block.photos[index].pose
    x_W, y_H = _axes(job, wide.row, wide.column, z_HW.shape)
    map_x, map_y = sight.pixels_of(
        camera,
        pose,
        x_W[None, part[1]] - np.float32(pose.centre_3[0]),
        y_H[part[0], None] - np.float32(pose.centre_3[1]),
        z_HW[part] - np.float32(pose.centre_3[2]),
    )
    levelling_HW = job.exposure.levelling(camera, map_x, map_y)
    size = (map_x.shape[1] * f, map_x.shape[0] * f)
    map_x, map_y, levelling_HW = (
        cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in (map_x, map_y, levelling_HW)
    )
    known_HW = (map_x >= 0) & (map_y >= 0) & (map_x <= camera.width_px - 1) & (map_y <= camera.height_px - 1)
    if not known_HW.any():
        return None
    image_HW3 = _sampled(job, index, map_x, map_y, known_HW)
    image_HW3 *= levelling_HW[..., None] * job.exposure.gain_N3[index].astype(np.float32)
    # Where it shows something else its brightness tells nothing.
    known_HW &= _fine((seen_HW | chosen_HW)[part], f)
    return Layer(
        row=box[0] * f,
        column=box[2] * f,
        image_HW3=image_HW3,
        known_HW=known_HW,
        chosen_HW=_fine(chosen_HW[part], f),
    )


def _sampled(job: Drawing, index: int, map_x: Reals, map_y: Reals, known_HW: Mask) -> Reals:
    """Return the picture at (``map_x``, ``map_y``), float (H, W, 3); only the part needed is worked on."""
    picture_HW3 = job.pictures[index]
    height, width = picture_HW3.shape[:2]
    c0, c1 = int(map_x[known_HW].min()), int(map_x[known_HW].max()) + 2
    r0, r1 = int(map_y[known_HW].min()), int(map_y[known_HW].max()) + 2
    c0, r0, c1, r1 = max(c0 - 8, 0), max(r0 - 8, 0), min(c1 + 8, width), min(r1 + 8, height)
    picture_HW3 = picture_HW3[r0:r1, c0:c1]
    if job.sharpness < 0.8:
        # The picture is finer than the map: without this its fine texture would flicker.
        sigma = 0.5 * np.sqrt(1 / job.sharpness**2 - 1)
        picture_HW3 = cv2.GaussianBlur(picture_HW3, (0, 0), sigma)
    image_HW3 = cv2.remap(
        picture_HW3,
        map_x - np.float32(c0),
        map_y - np.float32(r0),
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(image_HW3, np.float32)


def _fine(mask_HW: Mask, factor: int) -> Mask:
    """Return a mask of DSM cells as one of ortho pixels."""
    return np.repeat(np.repeat(mask_HW, factor, axis=0), factor, axis=1)


def _patches(chosen_HW: Mask, factor: int, halo_px: int) -> list[Box]:
    """Return boxes around what is taken from one photograph, with a halo; apart where they lie apart.

    Rows and columns (first, end) of DSM cells, multiples of the blend's reduction.
    """
    step = max(REDUCED // factor, 1)
    h, w = chosen_HW.shape[0] // step, chosen_HW.shape[1] // step
    small_HW = chosen_HW[: h * step, : w * step].reshape(h, step, w, step).any(axis=(1, 3))
    halo = halo_px // (step * factor)
    wide_HW = cv2.dilate(small_HW.astype(np.uint8), np.ones((2 * halo + 1, 2 * halo + 1), np.uint8))
    number_HW, _ = ndimage.label(wide_HW)
    return [
        (rows.start * step, rows.stop * step, columns.start * step, columns.stop * step)
        for rows, columns in ndimage.find_objects(number_HW)
    ]
