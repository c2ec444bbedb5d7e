"""The ground of a scene: a turned and scaled piece of a picture, and how its parcels change."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.sources import LEVEL_GSD_M, Picture
from aerial_training.synthesis.texture import Float, Rng, smooth_noise, stripes, tinted, to_uint8

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
    return _window(picture.levels[level], matrix, side_px, cv2.INTER_LINEAR)


def _window(
    source: NDArray[np.uint8] | NDArray[np.uint16], matrix: NDArray[np.float64], side_px: int, way: int
) -> Image:
    """``warpAffine`` that touches only the part of ``source`` it needs (the source is memory-mapped)."""
    corners = (
        np.array([[0, 0], [side_px, 0], [side_px, side_px], [0, side_px]]) @ matrix[:, :2].T + matrix[:, 2]
    )
    low = np.clip(np.floor(corners.min(axis=0)).astype(int) - 2, 0, None)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 3, (source.shape[1], source.shape[0]))
    part = np.ascontiguousarray(source[low[1] : high[1], low[0] : high[0]])
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
    to_source = affine(rng, picture, side_px, gsd_m, stretch)
    ids = _window(picture.ids_HW, to_source, side_px, cv2.INTER_NEAREST)
    turn = -math.atan2(to_source[1, 0], to_source[0, 0])
    image = crop(picture, to_source, side_px)
    return Ground(
        image=image,
        ids_HW=ids.astype(np.uint16),
        known=picture.kind != "unlabelled",
        turn=turn,
        stretch=stretch,
    )


_SOILS = ((175, 145, 110), (150, 120, 90), (195, 175, 145), (120, 105, 80), (165, 160, 150), (200, 195, 185))
_GREENS = ((85, 110, 60), (110, 130, 75), (130, 135, 90), (70, 95, 55), (150, 145, 95), (60, 80, 50))
_HARD = ((120, 120, 122), (90, 90, 93), (160, 158, 154), (190, 188, 182), (75, 75, 78), (140, 130, 120))


def texture(rng: Rng, shape: tuple[int, int], kind: str) -> Float:
    """Painted ground: ``soil``, ``green`` or ``hard``."""
    palette = {"soil": _SOILS, "green": _GREENS, "hard": _HARD}[kind]
    colour = tinted(rng, palette[int(rng.integers(len(palette)))], 0.12)
    strength = {"soil": 0.07, "green": 0.09, "hard": 0.04}[kind] * rng.uniform(0.4, 1.6)
    grain = 1 + strength * smooth_noise(rng, shape, rng.uniform(6, 50), 4)
    if kind != "hard" and rng.random() < 0.5:
        grain += rng.uniform(0.02, 0.12) * stripes(shape, rng.uniform(3, 12), bool(rng.integers(2)))
    other = (
        tinted(rng, _SOILS[int(rng.integers(len(_SOILS)))], 0.1)
        if kind == "green"
        else colour * np.float32(0.85)
    )
    mix = np.clip(0.3 * smooth_noise(rng, shape, rng.uniform(10, 60), 2), 0, 0.8)[..., None]
    return np.asarray((colour * (1 - mix) + other * mix) * grain[..., None], dtype=np.float32)


def borrowed(rng: Rng, pictures: Sequence[Picture], side_px: int, gsd_m: float) -> Float | None:
    """A piece of real ground without buildings from any picture, or None where the throw hits some."""
    picture = pictures[int(rng.integers(len(pictures)))]
    if picture.kind == "unlabelled":
        return None
    piece = ground(rng, picture, side_px, gsd_m)
    return None if piece.ids_HW.any() else piece.image.astype(np.float32)


def parcel(rng: Rng, side_px: int, gsd_m: float, turn: float) -> NDArray[np.float64]:
    """A field, lot or road strip: a four-cornered ring, canvas pixels."""
    if rng.random() < 0.25:
        extent = np.array([rng.uniform(60, 160), rng.uniform(4, 10)])
    else:
        extent = np.exp(rng.uniform(math.log(6), math.log(90), 2))
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent / 2 / gsd_m
    corners *= rng.uniform(0.85, 1.15, (4, 2))
    cos, sin = math.cos(turn), math.sin(turn)
    turned = corners @ np.array([[cos, sin], [-sin, cos]])
    return np.asarray(turned + rng.uniform(0, side_px, 2), dtype=np.float64)


def lay(
    image: Image,
    ring: NDArray[np.float64],
    cover: Float,
    keep_HW: NDArray[np.uint8],
    amount: float,
    soft: float,
) -> None:
    """Lay ``cover`` (of the canvas's size) inside ``ring``, soft at its edge, not where ``keep`` is set."""
    mask = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    x, y, w, h = cv2.boundingRect(mask)
    if not w:
        return
    window = np.s_[y : y + h, x : x + w]
    part = mask[window]
    if soft > 0.3:
        part = cv2.GaussianBlur(part, (0, 0), soft)
    part[keep_HW[window] > 0] = 0
    weight = part.astype(np.float32)[..., None] * np.float32(amount / 255)
    patch = image[window]
    image[window] = to_uint8(np.asarray(patch + weight * (cover[window] - patch), dtype=np.float32))
