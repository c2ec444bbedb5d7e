"""The pictures of the quality page: small, from overviews, in colours that everybody can tell apart.

Colours are viridis, cividis and the eight of Okabe and Ito (2008), which stay apart for colour-blind
people and in grey print.
"""

from base64 import b64encode
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.ortho import cover
from aerial.ortho.block import Block
from aerial.raster.grid import Grid, gsd_m, pixel_to_world, scaled
from aerial.raster.read import read_small
from aerial.records.record import record

Colours = NDArray[np.uint8]
Bools = NDArray[np.bool_]

# Long edge of every picture, and the most that one of them may weigh: the page stays below 3 MB.
EDGE_PX, MOST_BYTES = 900, 380_000
# A picture of nothing.
_BLANK = 245
# Spread from here on is shown as one; cells that were filled have the value of fuse.UNCONFIRMED_SPREAD_M.
MOST_SPREAD_M, FILLED_SPREAD_M = 1.0, 4.99
# From so many photographs on the colour stays.
MOST_PHOTOS = 9
OKABE_ITO = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#7F7F7F")
_FILLED = (204, 121, 167)


@record
class View:
    """A picture as a data URI, its size, and the legend: (colour, text)."""

    uri: str
    width_px: int
    height_px: int
    legend: tuple[tuple[str, str], ...] = ()


def view_grid(grid: Grid) -> Grid:
    """Return the grid of the pictures of a mosaic: its extent, at most ``EDGE_PX`` long."""
    return scaled(grid, max(1.0, max(grid.width_px, grid.height_px) / EDGE_PX))


def ortho_view(path: Path, grid: Grid) -> View:
    """Return the orthomosaic small; where it is empty, light grey."""
    data_CHW, valid_HW = read_small(path, grid, resampling="average")
    image_HW3 = np.moveaxis(data_CHW[:3], 0, -1)
    return _view(np.where(valid_HW[..., None], image_HW3, _BLANK))


def relief_view(path: Path, grid: Grid) -> View:
    """Return the surface model in colours of height, lit from the north-west."""
    data_CHW, valid_HW = read_small(path, grid)
    z_HW = data_CHW[0].astype(np.float32)
    if not valid_HW.any():
        return _view(np.full((*z_HW.shape, 3), _BLANK, np.uint8))
    low, high = (float(n) for n in np.percentile(z_HW[valid_HW], (1, 99)))
    z_HW = np.where(valid_HW, z_HW, np.float32(low))
    south_HW, east_HW = np.gradient(z_HW, gsd_m(grid))
    # Twice as steep as it is: a parapet shall be seen. Light from 315 degrees, 45 above the horizon.
    up_HW = 1 / np.sqrt(1 + 4 * (south_HW**2 + east_HW**2))
    light_HW = (1 + (2 * east_HW + 2 * south_HW) / np.sqrt(2)) * up_HW / np.sqrt(2)
    colour_HW3 = _mapped((z_HW - low) / max(high - low, 0.1), cv2.COLORMAP_CIVIDIS)
    lit_HW3 = np.clip(colour_HW3 * (0.35 + 0.9 * np.clip(light_HW, 0, 1.2)[..., None]), 0, 255)
    return _view(
        np.where(valid_HW[..., None], lit_HW3, _BLANK), legend=_scale(cv2.COLORMAP_CIVIDIS, low, high, "m")
    )


def spread_view(path: Path, grid: Grid) -> View | None:
    """Return how far the views of a cell disagree (band 2 of the surface model), None without it."""
    data_CHW, valid_HW = read_small(path, grid)
    if len(data_CHW) < 2:
        return None
    spread_HW = data_CHW[1].astype(np.float32)
    colour_HW3 = _mapped(spread_HW / MOST_SPREAD_M, cv2.COLORMAP_VIRIDIS)
    colour_HW3[spread_HW >= FILLED_SPREAD_M] = _FILLED
    legend = (*_scale(cv2.COLORMAP_VIRIDIS, 0.0, MOST_SPREAD_M, "m"), (_hex(_FILLED), "filled, not measured"))
    return _view(np.where(valid_HW[..., None], colour_HW3, _BLANK), legend=legend)


def count_view(block: Block, grid: Grid) -> View:
    """Return how many photographs of the block see the ground."""
    coverage = cover.coverage_of(block)
    columns, rows = np.arange(grid.width_px) + 0.5, np.arange(grid.height_px) + 0.5
    x_W = pixel_to_world(grid, np.column_stack([columns, np.zeros_like(columns)]))[:, 0] - block.origin_3[0]
    y_H = pixel_to_world(grid, np.column_stack([np.zeros_like(rows), rows]))[:, 1] - block.origin_3[1]
    h, w = coverage.count_HW.shape
    column_W = np.floor((x_W - coverage.left_m) / coverage.cell_m).astype(int)
    row_H = np.floor((coverage.top_m - y_H) / coverage.cell_m).astype(int)
    inside_HW = ((row_H >= 0) & (row_H < h))[:, None] & ((column_W >= 0) & (column_W < w))[None]
    count_HW = coverage.count_HW[row_H.clip(0, h - 1)[:, None], column_W.clip(0, w - 1)[None]]
    count_HW = np.where(inside_HW, count_HW, 0).clip(0, MOST_PHOTOS)
    image_HW3 = _mapped(count_HW / MOST_PHOTOS, cv2.COLORMAP_VIRIDIS)
    legend = [(_hex((_BLANK,) * 3), "0")]
    for number in (1, 2, 3, 5, 7, MOST_PHOTOS):
        colour = _mapped(np.array([[number / MOST_PHOTOS]]), cv2.COLORMAP_VIRIDIS)[0, 0]
        legend.append((_hex(colour), f"{number}" + (" and more" if number == MOST_PHOTOS else "")))
    return _view(np.where(count_HW[..., None] > 0, image_HW3, _BLANK), legend=tuple(legend))


def taken_view(path: Path, ortho: Path, grid: Grid) -> View:
    """Return which photograph each pixel was taken from: a colour each, seams in black, over the ortho."""
    data_CHW, valid_HW = read_small(path, grid)
    taken_HW = np.where(valid_HW, data_CHW[0].astype(int), -1)
    picture_CHW, there_HW = read_small(ortho, grid, resampling="average")
    grey_HW1 = picture_CHW[:3].mean(axis=0)[..., None]
    palette_83 = np.array([_rgb(colour) for colour in OKABE_ITO], np.float32)
    # Neighbours in the flight have neighbouring numbers: five apart in the eight, they differ.
    tint_HW3 = palette_83[(5 * taken_HW) % 8]
    image_HW3 = np.where((taken_HW >= 0)[..., None], 0.45 * grey_HW1 + 0.55 * tint_HW3, _BLANK)
    seam_HW = np.zeros(taken_HW.shape, bool)
    seam_HW[:, 1:] |= taken_HW[:, 1:] != taken_HW[:, :-1]
    seam_HW[1:] |= taken_HW[1:] != taken_HW[:-1]
    image_HW3[seam_HW & (taken_HW >= 0)] = 0
    return _view(np.where(there_HW[..., None], image_HW3, _BLANK))


def _mapped(share: NDArray[Any], colormap: int) -> Colours:
    """Return the colours (..., 3) RGB of shares 0-1."""
    levels = (np.clip(share, 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(cv2.applyColorMap(levels, colormap)[..., ::-1])


def _scale(colormap: int, low: float, high: float, unit: str) -> tuple[tuple[str, str], ...]:
    steps = np.linspace(0, 1, 5)
    colours = _mapped(steps[None], colormap)[0]
    return tuple(
        (_hex(colour), f"{low + step * (high - low):.2f} {unit}")
        for colour, step in zip(colours, steps, strict=True)
    )


def _hex(colour: Any) -> str:
    return "#" + "".join(f"{int(value):02x}" for value in colour)


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return red, green, blue


def _view(image_HW3: NDArray[Any], legend: tuple[tuple[str, str], ...] = ()) -> View:
    """Return a picture as JPEG, as good as ``MOST_BYTES`` allow."""
    bgr_HW3 = np.ascontiguousarray(np.clip(image_HW3, 0, 255).astype(np.uint8)[..., ::-1])
    for quality in (85, 70, 55, 40, 25, 10):
        data = cv2.imencode(".jpg", bgr_HW3, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(data) <= MOST_BYTES:
            break
    h, w = bgr_HW3.shape[:2]
    uri = f"data:image/jpeg;base64,{b64encode(data).decode()}"
    return View(uri=uri, width_px=w, height_px=h, legend=legend)
