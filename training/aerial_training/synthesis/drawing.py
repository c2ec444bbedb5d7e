"""Draws the things of one date on the ground: shadows first, then facades, roofs and crowns by height."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.placing import Thing
from aerial_training.synthesis.sprites import Points
from aerial_training.synthesis.texture import Rng, to_uint8

BUILDING, CHANGED, BUILDING_UNKNOWN, CHANGE_UNKNOWN, PASTED = 1, 2, 4, 8, 16
"""Bits of the truth that is drawn along with the picture."""
_LOW = 0.35


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How one date was taken: sun and sight.

    ``shadow_px``: shadow of one metre of height, pixels. ``lean_px``: displacement of the top of one
    metre, pixels. ``ambient``: what is left of the light in shadow, per channel. ``softness_px``: of the
    shadow's edge. ``relief``: how strongly slopes differ by the sun.
    """

    shadow_px: tuple[float, float]
    lean_px: tuple[float, float]
    ambient: tuple[float, float, float]
    softness_px: float
    relief: float


def view(rng: Rng, gsd_m: float) -> View:
    """A random sun (28-72 degrees high, or overcast, at times without any shadow) and a random sight."""
    azimuth = rng.uniform(0, 2 * math.pi)
    length = 1 / math.tan(math.radians(rng.uniform(28, 72)))
    overcast = rng.random() < 0.2
    off_nadir = abs(rng.normal(0, 0.10)) if rng.random() < 0.7 else rng.uniform(0.1, 0.45)
    sight = rng.uniform(0, 2 * math.pi)
    depth = rng.uniform(0.75, 0.95) if overcast else rng.uniform(0.28, 0.62)
    blue = rng.uniform(0.0, 0.12)
    if overcast and rng.random() < 0.4:
        depth, blue = 1.0, 0.0
    return View(
        shadow_px=(length * math.cos(azimuth) / gsd_m, length * math.sin(azimuth) / gsd_m),
        lean_px=(off_nadir * math.cos(sight) / gsd_m, off_nadir * math.sin(sight) / gsd_m),
        ambient=(depth - blue / 2, depth, min(depth + blue, 1.0)),
        softness_px=float(rng.uniform(3.0, 6.0) if overcast else rng.uniform(0.4, 1.0)),
        relief=float(rng.uniform(0.05, 0.2) if overcast else rng.uniform(0.35, 0.9)),
    )


def _fixed(points: Points) -> NDArray[np.int32]:
    return (points * 16).astype(np.int32)


def _sweep(mask: NDArray[np.uint8], ring: Points, by: NDArray[np.float64], convex: bool) -> None:
    """Fill all that ``ring`` covers on its way along ``by``; ``convex``: its hull will do."""
    there = ring + by
    if convex:
        hull = cv2.convexHull(_fixed(np.concatenate([ring, there])))
        cv2.fillConvexPoly(mask, hull, 255, cv2.LINE_8, 4)
        return
    cv2.fillPoly(mask, [_fixed(ring)], 255, cv2.LINE_8, 4)
    cv2.fillPoly(mask, [_fixed(there)], 255, cv2.LINE_8, 4)
    after = np.arange(1, len(ring) + 1) % len(ring)
    quads = np.stack([ring, ring[after], there[after], there], axis=1)
    for quad in _fixed(quads):
        cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_8, 4)


def cast_shadows(image: NDArray[np.uint8], things: Sequence[Thing], sight: View, gsd_m: float) -> None:
    """Darken the ground where ``things`` take the sun away."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for thing in things:
        if thing.height_m >= _LOW:
            shift = np.array(sight.lean_px) * thing.base_m
            convex = len(thing.sprite.outline) == 4 or not thing.building
            _sweep(mask, thing.outline_px(gsd_m) + shift, np.array(sight.shadow_px) * thing.height_m, convex)
    shade(image, mask, sight)


def shadows_from_outside(rng: Rng, image: NDArray[np.uint8], sight: View, gsd_m: float) -> None:
    """Shadows of what stands outside the picture, or was not seen: dark and sharp, and nothing more."""
    mask = np.zeros(image.shape[:2], np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        extent = np.exp(rng.uniform(math.log(4), math.log(30), 2)) / gsd_m
        turn = rng.uniform(0, math.pi)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * extent / 2
        cos, sin = math.cos(turn), math.sin(turn)
        ring = corners @ np.array([[cos, sin], [-sin, cos]]) + rng.uniform(0, image.shape[0], 2)
        _sweep(mask, ring, np.array(sight.shadow_px) * rng.uniform(0, 8), True)
    shade(image, mask, sight)


def shade(image: NDArray[np.uint8], mask: NDArray[np.uint8], sight: View) -> None:
    """Multiply ``image`` by the ambient light where ``mask`` is set, with a soft edge."""
    if min(sight.ambient) == 1 or not mask.any():
        return
    x, y, w, h = cv2.boundingRect(mask)
    pad = int(3 * sight.softness_px) + 1
    x0, y0, x1, y1 = max(x - pad, 0), max(y - pad, 0), x + w + pad, y + h + pad
    soft = cv2.GaussianBlur(mask[y0:y1, x0:x1], (0, 0), sight.softness_px)
    levels = np.arange(256, dtype=np.float32)[:, None] / 255
    factors = 1 - levels * (1 - np.asarray(sight.ambient, dtype=np.float32))
    patch = image[y0:y1, x0:x1]
    factor = cv2.LUT(cv2.merge([soft] * 3), np.round(factors * 255).astype(np.uint8)[None])
    image[y0:y1, x0:x1] = cv2.multiply(patch, factor, scale=1 / 255)


def draw(
    image: NDArray[np.uint8], truth: NDArray[np.uint8], thing: Thing, date: int, sight: View, gsd_m: float
) -> None:
    """Lay ``thing`` on ``image`` and on its ``truth``; ``tone`` picks the colour of its facade (0..1)."""
    ring = thing.outline_px(gsd_m)
    lean = np.array(sight.lean_px)
    top = ring + lean * (thing.base_m + thing.height_m)
    tall = thing.building and float(np.hypot(*lean)) * thing.height_m >= 0.8
    reach = np.concatenate([ring, top]) if tall else top
    low, high = np.floor(reach.min(axis=0)).astype(int) - 2, np.ceil(reach.max(axis=0)).astype(int) + 3
    low, high = np.maximum(low, 0), np.minimum(high, (image.shape[1], image.shape[0]))
    if (high - low < 2).any():
        return
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    if tall:
        _facades(image[window], truth[window], ring - low, top - low, sight, abs(thing.turn * 7.3) % 1)
    colour, alpha = _warped(thing, date, sight, gsd_m, low, high)
    patch = image[window]
    mixed = cv2.blendLinear(colour, patch, alpha, 1 - alpha)
    image[window] = mixed
    _mark(truth[window], alpha > 0.5, thing)


def _mark(truth: NDArray[np.uint8], here: NDArray[np.bool_], thing: Thing) -> None:
    if thing.sprite.kind in ("tree", "hedge"):
        # A crown over a roof: nobody can say.
        truth[here & (truth & (BUILDING | CHANGED) > 0)] |= BUILDING_UNKNOWN | CHANGE_UNKNOWN
        return
    if thing.sprite.kind == "greenhouse":
        truth[here] = BUILDING_UNKNOWN | CHANGE_UNKNOWN
        return
    if thing.sprite.kind == "box":
        added = BUILDING | (CHANGED if thing.changed else 0)
        truth[here] = (truth[here] | np.uint8(added)) & ~np.uint8(CHANGE_UNKNOWN)
        return
    if thing.building:
        truth[here] = PASTED | BUILDING | (CHANGED if thing.changed else 0)
    elif thing.height_m >= _LOW and thing.sprite.kind not in ("car", "lorry", "goods", "tarp"):
        truth[here] &= ~np.uint8(BUILDING | CHANGED)


def _warped(
    thing: Thing, date: int, sight: View, gsd_m: float, low: NDArray[np.int_], high: NDArray[np.int_]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Colour and alpha of ``thing`` in the window, lit by the date's sun."""
    sprite = thing.sprite
    matrix = thing.matrix(gsd_m)
    centre = np.array(thing.at_px) + np.array(sight.lean_px) * (thing.base_m + thing.height_m) - low
    pixels = matrix * sprite.gsd_m
    middle = np.array(sprite.rgba_HW4.shape[1::-1]) / 2
    affine = np.column_stack([pixels, centre - pixels @ middle])
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    rgba = cv2.warpAffine(np.asarray(sprite.rgba_HW4), affine, size, flags=cv2.INTER_LINEAR)
    alpha = rgba[..., 3] * np.float32(1 / 255)
    gains = np.asarray(thing.gains[date], dtype=np.float32)
    if not sprite.facets and sprite.kind != "tree":
        gains = gains if len(gains) == 3 else gains.repeat(3)
        return cv2.multiply(rgba[..., :3], (*gains.tolist(), 0.0)), alpha
    colour = rgba[..., :3] * gains
    if sprite.facets:
        light = np.ones(alpha.shape, np.float32)
        sunward = -np.array(sight.shadow_px) / max(float(np.hypot(*sight.shadow_px)), 1e-6)
        turn = matrix / max(float(np.sqrt(abs(np.linalg.det(matrix)))), 1e-6)
        for facet in sprite.facets:
            facing = float((turn @ np.asarray(facet.facing)) @ sunward)
            cv2.fillPoly(
                light, [_fixed(facet.corners @ matrix.T + centre)], 1 + sight.relief * facing, cv2.LINE_AA, 4
            )
        colour *= light[..., None]
    else:
        colour *= _rounded(thing, sight, gsd_m, centre, alpha.shape)[..., None]
    return to_uint8(colour), alpha


def _rounded(
    thing: Thing, sight: View, gsd_m: float, centre: Points, shape: tuple[int, ...]
) -> NDArray[np.float32]:
    """Light on a crown: its sunny side brighter than the other."""
    reach = np.array(sight.shadow_px) / max(float(np.hypot(*sight.shadow_px)), 1e-6)
    across = max(min(thing.sprite.size_m) * thing.stretch / gsd_m / 2, 1.0)
    most = 0.5 * sight.relief
    step = -most * reach / across
    x, y = (np.arange(shape[1]) - centre[0]) * step[0], (np.arange(shape[0]) - centre[1]) * step[1]
    return np.asarray(1 + np.clip(x[None, :] + y[:, None], -most, most), dtype=np.float32)


_WALLS = (
    (200, 196, 188),
    (170, 150, 130),
    (150, 148, 145),
    (185, 130, 105),
    (215, 210, 190),
    (110, 112, 118),
)


def _facades(
    image: NDArray[np.uint8], truth: NDArray[np.uint8], ring: Points, top: Points, sight: View, tone: float
) -> None:
    wall = np.array(_WALLS[int(tone * len(_WALLS)) % len(_WALLS)], dtype=np.float64)
    sunward = -np.array(sight.shadow_px) / max(float(np.hypot(*sight.shadow_px)), 1e-6)
    mask = np.zeros(truth.shape, np.uint8)
    clockwise = float(np.sum(ring[:, 0] * np.roll(ring[:, 1], -1) - np.roll(ring[:, 0], -1) * ring[:, 1])) > 0
    side = 1.0 if clockwise else -1.0
    ends = np.roll(np.arange(len(ring)), -1)
    for start, end in enumerate(ends):
        edge = ring[end] - ring[start]
        length = float(np.hypot(*edge))
        if length < 1.0:
            continue
        normal = np.array([edge[1], -edge[0]]) / length * side
        if float(normal @ (top[start] - ring[start])) >= 0:
            continue
        light = 0.72 + 0.4 * max(float(normal @ sunward), -0.5)
        quad = _fixed(np.array([ring[start], ring[end], top[end], top[start]]))
        cv2.fillConvexPoly(image, quad, (wall * light).tolist(), cv2.LINE_AA, 4)
        cv2.fillConvexPoly(mask, quad, 255, cv2.LINE_8, 4)
        _windows(image, (ring[start], ring[end], top[start]), wall * light, tone)
    truth[mask > 0] = PASTED | BUILDING_UNKNOWN | CHANGE_UNKNOWN


def _windows(
    image: NDArray[np.uint8], corners: tuple[NDArray[np.float64], ...], wall: NDArray[np.float64], tone: float
) -> None:
    """Rows of windows as dark lines, one a storey, while storeys are wider than a pixel."""
    start, end, top = corners
    rise = top - start
    storeys = int(float(np.hypot(*rise)) / (1.8 + 1.5 * tone))
    if storeys < 1:
        return
    dark = (wall * (0.45 + 0.3 * tone)).tolist()
    for storey in range(min(storeys, 14)):
        at = rise * ((storey + 0.5) / storeys)
        cv2.line(image, _point(start + at), _point(end + at), dark, 1, cv2.LINE_AA, 4)


def _point(at: NDArray[np.float64]) -> tuple[int, int]:
    return int(at[0] * 16), int(at[1] * 16)
