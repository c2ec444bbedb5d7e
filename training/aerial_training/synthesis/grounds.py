"""The ground of a scene: a turned and scaled piece of a picture, and how its parcels change."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.sources import LEVEL_GSD_M, Picture
from aerial_training.synthesis.texture import Rng

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """A piece of a picture on the canvas.

    ``image``: RGB. ``ids_HW``: building instances (0: none). ``known``: whether they are complete.
    ``turn``: of the picture on the canvas, radians. ``stretch``: sizes here by sizes in truth.
    """

    image: Image
    ids_HW: NDArray[np.uint16]
    known: bool
    turn: float
    stretch: float


def affine(rng: Rng, picture: Picture, side_px: int, gsd_m: float, stretch: float) -> NDArray[np.float64]:
    """Canvas pixels to pixels of level 0: any turn, perhaps mirrored, somewhere inside ``picture``."""
    scale = gsd_m / (stretch * LEVEL_GSD_M)
    height, width = picture.ids_HW.shape
    reach = side_px * scale / 2
    centre = [
        float(rng.uniform(min(reach, size / 2), max(size - reach, size / 2))) for size in (width, height)
    ]
    turn = float(rng.uniform(0, 2 * math.pi))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    cos, sin = math.cos(turn) * scale, math.sin(turn) * scale
    matrix = np.array([[cos * mirror, -sin], [sin * mirror, cos]])
    return np.column_stack([matrix, np.array(centre) - matrix @ np.full(2, side_px / 2)])


def crop(picture: Picture, to_source: NDArray[np.float64], side_px: int) -> Image:
    """The canvas's piece of ``picture``, straight from the level that fits."""
    scale = math.sqrt(abs(float(np.linalg.det(to_source[:, :2]))))
    level = 1 if scale > 1.6 else 0
    matrix = to_source.copy()
    if level:
        matrix[:, :2] /= 2
        matrix[:, 2] = (matrix[:, 2] + 0.5) / 2 - 0.5
    return window(picture.levels[level], matrix, side_px, cv2.INTER_LINEAR)


def window(source: NDArray[Any], matrix: NDArray[np.float64], side_px: int, way: int) -> NDArray[Any]:
    """``warpAffine`` that touches only the part of ``source`` it needs (the source is memory-mapped)."""
    corners = (
        np.array([[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]]) @ matrix[:, :2].T + matrix[:, 2]
    )
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, None)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 3, (source.shape[1], source.shape[0]))
    part = np.ascontiguousarray(source[low[1] : high[1], low[0] : high[0]])
    if part.dtype == np.float16:
        part = part.astype(np.float32)
    moved = matrix.copy()
    moved[:, 2] -= low
    flags = way | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(part, moved, (side_px, side_px), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
    )


def ground(rng: Rng, picture: Picture, side_px: int, gsd_m: float) -> Ground:
    """A random piece of ``picture``; sizes are stretched 0.6 to 1.7 times."""
    stretch = float(np.exp(rng.uniform(math.log(0.6), math.log(1.7))))
    if picture.kind == "wild":
        stretch *= 1.5
    return seen(picture, affine(rng, picture, side_px, gsd_m, stretch), side_px, stretch)


def seen(picture: Picture, to_source: NDArray[np.float64], side_px: int, stretch: float) -> Ground:
    """The piece of ``picture`` under the canvas."""
    ids = window(picture.ids_HW, to_source, side_px, cv2.INTER_NEAREST)
    return Ground(
        image=crop(picture, to_source, side_px),
        ids_HW=ids.astype(np.uint16),
        known=picture.kind != "unlabelled",
        turn=-math.atan2(to_source[1, 0], to_source[0, 0]),
        stretch=stretch,
    )
