"""Two dates of a made-up place: orthos, surface models, and what truly changed."""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid
from aerial.raster.write import write_cog

GSD_M = 0.1
SIDE_PX = 600
CRS = "EPSG:4547"
LEFT, TOP = 500_000.0, 2_522_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Date:
    """One date: ``image_HWC`` uint8 RGB, ``height_HW`` metres."""

    image_HWC: NDArray[np.uint8]
    height_HW: NDArray[np.float32]


def grid(side_px: int = SIDE_PX, gsd_m: float = GSD_M, crs: str = CRS) -> Grid:
    """Return the north-up grid of the place."""
    return Grid(crs=crs, affine=(gsd_m, 0.0, LEFT, 0.0, -gsd_m, TOP), width_px=side_px, height_px=side_px)


def ground(seed: int, side_px: int = SIDE_PX) -> Date:
    """Return bare textured ground on a gentle slope."""
    rng = np.random.default_rng(seed)
    texture = np.zeros((side_px, side_px), np.float32)
    for step, weight in ((2, 9.0), (6, 14.0), (20, 16.0), (80, 18.0)):
        coarse = rng.normal(size=(side_px // step + 2,) * 2).astype(np.float32)
        texture += weight * cv2.resize(coarse, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    colour = np.array([118, 104, 84], np.float32)
    image = np.clip(colour + texture[..., None] * [1.0, 0.95, 0.8], 0, 255).astype(np.uint8)
    rows = np.arange(side_px, dtype=np.float32)[:, None] * np.ones(side_px, np.float32)
    return Date(image_HWC=image, height_HW=(20 + rows * GSD_M * 0.02).astype(np.float32))


def with_box(
    date: Date, box_px: tuple[int, int, int, int], height_m: float, colour: tuple[int, int, int]
) -> Date:
    """Return the date with a ribbed roof (column, row, width, height) ``height_m`` over what is there."""
    column, row, width, height = box_px
    image, heights = date.image_HWC.copy(), date.height_HW.copy()
    where = np.s_[row : row + height, column : column + width]
    ribs = 6 * (np.arange(width) % 10 == 0)
    image[where] = np.clip(np.array(colour)[None, None] - ribs[None, :, None], 0, 255)
    heights[where] = np.median(heights[where]) + height_m
    return Date(image_HWC=image, height_HW=heights)


def with_trees(date: Date, seed: int, middles_px: list[tuple[int, int]]) -> Date:
    """Return the date with crowns 6 m across whose stereo heights err by metres, as they do."""
    rng = np.random.default_rng(seed)
    image, heights = date.image_HWC.astype(np.float32), date.height_HW.copy()
    side = image.shape[0]
    y, x = np.mgrid[:side, :side]
    rough = cv2.resize(rng.normal(size=(side // 8, side // 8)).astype(np.float32), (side, side))
    leaves = rng.normal(size=(side, side)).astype(np.float32) * 18
    for column, row in middles_px:
        crown = np.hypot(x - column, y - row) < 30
        heights[crown] += 5 + 2.5 * rough[crown]
        image[crown] = np.array([50, 78, 40]) + leaves[crown][:, None]
    return Date(image_HWC=np.clip(image, 0, 255).astype(np.uint8), height_HW=heights)


def photographed(date: Date, seed: int, gain: float = 1.0, offset: float = 0.0) -> Date:
    """Return the date as a survey sees it: exposure, sensor noise, DSM noise, rounded walls."""
    rng = np.random.default_rng(seed)
    image = date.image_HWC * gain + offset + rng.normal(size=date.image_HWC.shape) * 2.5
    heights = cv2.GaussianBlur(date.height_HW, (0, 0), 2.0)
    heights += rng.normal(size=heights.shape).astype(np.float32) * 0.08
    return Date(image_HWC=np.clip(image, 0, 255).astype(np.uint8), height_HW=heights.astype(np.float32))


def write(date: Date, folder: Path, where: Grid | None = None) -> Path:
    """Write ortho.tif and dsm.tif of a date to ``folder`` and return it."""
    where = where or grid(date.image_HWC.shape[0])
    folder.mkdir(parents=True, exist_ok=True)
    write_cog(
        folder / "ortho.tif", where, np.ascontiguousarray(np.moveaxis(date.image_HWC, -1, 0)), mask=True
    )
    write_cog(folder / "dsm.tif", where, date.height_HW[None], nodata=-9999.0)
    return folder


HOUSE = (60, 80, 120, 90)
SHED = (420, 60, 60, 50)
OLD = (200, 340, 110, 110)
ON_OLD = (215, 355, 60, 60)
GONE = (430, 420, 90, 70)
TREES = [(70, 480), (130, 520), (340, 220), (540, 270)]


def before_and_after() -> tuple[Date, Date]:
    """Return two dates: a new house and shed, a room on an old roof, a demolition; trees and light move."""
    bare = with_box(ground(3), OLD, 7.0, (150, 150, 155))
    first = with_trees(with_box(bare, GONE, 4.0, (70, 90, 150)), 11, TREES)
    second = with_box(with_box(bare, HOUSE, 9.0, (190, 190, 185)), SHED, 3.0, (60, 110, 190))
    second = with_trees(with_box(second, ON_OLD, 2.8, (60, 120, 200)), 12, TREES)
    return photographed(first, 21), photographed(second, 22, gain=0.88, offset=12)
