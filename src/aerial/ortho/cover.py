"""Which photographs see which ground: footprints, the mosaic's extent, stereo pairs."""

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from aerial.camera import Camera, footprint, gsd_m, project
from aerial.errors import StitchError
from aerial.ortho.block import Block
from aerial.raster.grid import Grid, north_up

Floats = NDArray[np.float64]

# Beyond this angle from the vertical a view leans too much to be mapped or matched.
MAX_OFF_NADIR_DEG = 40.0
# The best ratio of base to height: larger is more exact and harder to match.
BEST_BASE_TO_HEIGHT = 0.25
# Bays of the outline narrower than twice this share of the flying height are closed.
BAY = 0.15
# The edge of the frame is left out: there the lens model is least certain.
FRAME_MARGIN = 0.015


@dataclass(frozen=True, slots=True, kw_only=True)
class StereoPair:
    """Two photographs that see the same ground from apart; ``base_to_height`` is B/H."""

    left: int
    right: int
    base_to_height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How many photographs see the ground, on a coarse raster in the block's frame.

    ``count_HW[0, 0]`` is the cell whose upper left corner is (``left_m``, ``top_m``);
    ``enough_HW`` where they suffice for heights.
    """

    left_m: float
    top_m: float
    cell_m: float
    count_HW: NDArray[np.int32]
    enough_HW: NDArray[np.bool_]

    def supported(self, x_W: Floats, y_H: Floats) -> NDArray[np.bool_]:
        """Tell for a raster of positions (metres, block frame) whether enough photographs see them."""
        enough_HW = cv2.GaussianBlur(self.enough_HW.astype(np.float32), (0, 0), 1.5)
        column_W = ((x_W - self.left_m) / self.cell_m - 0.5).astype(np.float32)
        row_H = ((self.top_m - y_H) / self.cell_m - 0.5).astype(np.float32)
        at = np.meshgrid(column_W, row_H)
        return np.asarray(cv2.remap(enough_HW, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) > 0.5)


def ground_of(block: Block) -> Floats:
    """Return the height of the ground under each photograph: the median of the tie points it sees.

    Raises:
        StitchError: the block holds no photographs or no tie points.
    """
    if not block.photos or len(block.points_N3) == 0:
        raise StitchError(
            "The block holds no photographs or no tie points.", hint="Check the overlap of the photographs."
        )
    overall = float(np.median(block.points_N3[:, 2]))
    ground = []
    for photo in block.photos:
        _, seen_N = project(photo.camera, photo.pose, block.points_N3)
        ground.append(float(np.median(block.points_N3[seen_N, 2])) if seen_N.sum() >= 5 else overall)
    return np.array(ground)


def photo_gsd_m(block: Block) -> float:
    """Return the median ground sampling distance of the photographs, in metres."""
    ground = ground_of(block)
    return float(
        np.median(
            [
                gsd_m(p.camera, max(p.pose.centre_3[2] - z, 1e-3))
                for p, z in zip(block.photos, ground, strict=True)
            ]
        )
    )


def coverage_of(block: Block) -> Coverage:
    """Return where the ground is seen by enough photographs, no more than 40 degrees off nadir.

    Enough is three, so that every height is checked by a third view; two in bays that three leave
    between flight lines, and everywhere where the flight is so thin that three would leave less
    than half of the ground that two see.
    """
    ground = ground_of(block)
    centre_height = [photo.pose.centre_3[2] - z for photo, z in zip(block.photos, ground, strict=True)]
    prints = []
    for photo, z in zip(block.photos, ground, strict=True):
        corners_42 = footprint(photo.camera, photo.pose, z)
        reach = (photo.pose.centre_3[2] - z) * np.tan(np.radians(MAX_OFF_NADIR_DEG))
        x, y = photo.pose.centre_3[:2]
        low, high = np.array([x - reach, y - reach]), np.array([x + reach, y + reach])
        if corners_42 is not None:
            low, high = np.maximum(low, corners_42.min(axis=0)), np.minimum(high, corners_42.max(axis=0))
        prints.append((low, high))
    west, south = np.min([low for low, _ in prints], axis=0)
    east, north = np.max([high for _, high in prints], axis=0)
    cell = max(1.0, np.hypot(east - west, north - south) / 2000)
    w, h = int(np.ceil((east - west) / cell)) + 1, int(np.ceil((north - south) / cell)) + 1
    count_HW = np.zeros((h, w), np.int32)
    for photo, z, (low, high) in zip(block.photos, ground, prints, strict=True):
        c0, c1 = int((low[0] - west) / cell), int((high[0] - west) / cell) + 1
        r0, r1 = int((north - high[1]) / cell), int((north - low[1]) / cell) + 1
        if c1 <= c0 or r1 <= r0:
            continue
        x_W, y_H = west + (np.arange(c0, c1) + 0.5) * cell, north - (np.arange(r0, r1) + 0.5) * cell
        xyz_N3 = np.stack([*np.meshgrid(x_W, y_H), np.full((r1 - r0, c1 - c0), z)], axis=-1).reshape(-1, 3)
        pixels_N2, seen_N = project(photo.camera, photo.pose, xyz_N3)
        seen_N &= in_frame(photo.camera, pixels_N2[:, 0], pixels_N2[:, 1])
        seen_N &= _off_nadir_tan(xyz_N3, photo.pose.centre_3) <= np.tan(np.radians(MAX_OFF_NADIR_DEG))
        count_HW[r0:r1, c0:c1] += seen_N.reshape(r1 - r0, c1 - c0)[: h - r0, : w - c0]
    two_HW, three_HW = count_HW >= 2, count_HW >= 3
    enough_HW = two_HW
    if three_HW.sum() >= 0.5 * two_HW.sum():
        bay = 2 * round(BAY * float(np.median(centre_height)) / cell) + 1
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (bay, bay))
        enough_HW = two_HW & (cv2.morphologyEx(three_HW.astype(np.uint8), cv2.MORPH_CLOSE, disc) > 0)
    return Coverage(
        left_m=float(west),
        top_m=float(north),
        cell_m=float(cell),
        count_HW=count_HW,
        enough_HW=enough_HW,
    )


def grid_for(block: Block, gsd: float) -> Grid:
    """Return the north-up grid of pixel size ``gsd`` (metres) over the ground seen well enough.

    Raises:
        StitchError: no ground is seen by two photographs.
    """
    cover = coverage_of(block)
    rows, columns = np.nonzero(cover.enough_HW)
    if rows.size == 0:
        raise StitchError(
            "No ground is seen by two photographs from above.",
            hint="Fly with more overlap, camera straight down.",
        )
    west = block.origin_3[0] + cover.left_m + columns.min() * cover.cell_m
    east = block.origin_3[0] + cover.left_m + (columns.max() + 1) * cover.cell_m
    north = block.origin_3[1] + cover.top_m - rows.min() * cover.cell_m
    south = block.origin_3[1] + cover.top_m - (rows.max() + 1) * cover.cell_m
    return north_up(block.crs, (west, south, east, north), gsd)


def stereo_pairs(block: Block, per_photo: int = 3) -> tuple[StereoPair, ...]:
    """Return the pairs to match: for each photograph its ``per_photo`` best partners, one across the others.

    Best: much common ground, base near a quarter of the height. A base in another direction sees
    behind the walls that the first ones hide.
    """
    ground = ground_of(block)
    prints = [footprint(p.camera, p.pose, z) for p, z in zip(block.photos, ground, strict=True)]
    shapes = [Polygon(corners) if corners is not None else None for corners in prints]
    centres_N3 = np.array([p.pose.centre_3 for p in block.photos])
    height_N = centres_N3[:, 2] - ground
    chosen: dict[tuple[int, int], StereoPair] = {}
    for i, shape in enumerate(shapes):
        if shape is None:
            continue
        candidates = []
        near = np.argsort(np.linalg.norm(centres_N3 - centres_N3[i], axis=1), kind="stable")[1:25]
        for j in (int(n) for n in near):
            other = shapes[j]
            if other is None:
                continue
            base_3 = centres_N3[j] - centres_N3[i]
            ratio = float(np.hypot(*base_3[:2]) / max((height_N[i] + height_N[j]) / 2, 1e-3))
            common = shape.intersection(other).area / min(shape.area, other.area)
            climbs = abs(base_3[2]) > 0.5 * np.hypot(*base_3[:2])
            if 0.05 <= ratio <= 0.8 and common >= 0.25 and not climbs:
                worth = common * ratio / (ratio**2 + BEST_BASE_TO_HEIGHT**2)
                candidates.append((worth, j, ratio, np.arctan2(base_3[1], base_3[0])))
        for j, ratio in _varied(sorted(candidates, reverse=True), per_photo):
            left, right = min(i, j), max(i, j)
            chosen[left, right] = StereoPair(left=left, right=right, base_to_height=ratio)
    return tuple(chosen[key] for key in sorted(chosen))


def in_frame(camera: Camera, column: NDArray[Any], row: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which pixel coordinates lie in the frame, its edge left out."""
    mx, my = FRAME_MARGIN * camera.width_px, FRAME_MARGIN * camera.height_px
    inside = (column > mx) & (row > my) & (column < camera.width_px - mx) & (row < camera.height_px - my)
    return np.asarray(inside)


def _varied(candidates: list[tuple[float, int, float, float]], count: int) -> list[tuple[int, float]]:
    best = candidates[: max(count - 1, 1)]
    across = [c for c in candidates[len(best) :] if abs(np.sin(c[3] - best[0][3])) > 0.7]
    rest = (across + candidates[len(best) :])[: count - len(best)]
    return [(j, ratio) for _, j, ratio, _ in best + rest]


def _off_nadir_tan(xyz_N3: Floats, centre_3: Floats) -> Floats:
    down_N = np.maximum(centre_3[2] - xyz_N3[:, 2], 1e-6)
    return np.asarray(np.hypot(xyz_N3[:, 0] - centre_3[0], xyz_N3[:, 1] - centre_3[1]) / down_N)
