"""Things with a place: how a sprite lies on the canvas, and where there is room for it."""

import math
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.sprites import Points, Sprite
from aerial_training.synthesis.texture import Rng

BUILDING_KINDS = ("shed", "house", "hall", "giant", "block", "walls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """A sprite on the canvas.

    ``at_px``: its middle on the ground; ``turn``: radians; ``stretch``: of its own size; ``height_m``
    above ``base_m`` (the roof that it stands on, else 0); ``dates``: stands there before, after;
    ``gains``: of its colours on each date.
    """

    sprite: Sprite
    at_px: tuple[float, float]
    turn: float
    stretch: float
    flip: bool
    height_m: float
    dates: tuple[bool, bool]
    gains: tuple[tuple[float, ...], tuple[float, ...]] = ((1.0,), (1.0,))
    base_m: float = 0.0

    @property
    def building(self) -> bool:
        """Whether it counts as a building."""
        return self.sprite.kind in BUILDING_KINDS

    @property
    def changed(self) -> bool:
        """Whether it stands on one date only and counts as a building (or as a part of one)."""
        return self.dates[0] != self.dates[1] and (self.building or self.sprite.kind == "box")

    def matrix(self, gsd_m: float) -> NDArray[np.float64]:
        """2×2: metres of the sprite to pixels of the canvas."""
        scale = self.stretch / gsd_m
        cos, sin = math.cos(self.turn) * scale, math.sin(self.turn) * scale
        mirror = -1.0 if self.flip else 1.0
        return np.array([[cos * mirror, -sin], [sin * mirror, cos]])

    def outline_px(self, gsd_m: float) -> Points:
        """Its ring on the ground, canvas pixels."""
        return self.sprite.outline @ self.matrix(gsd_m).T + self.at_px


@dataclass(slots=True)
class Room:
    """What of the canvas is taken; finds places for things.

    ``taken_HW``: uint8, non-zero where nothing may be put. ``gsd_m``: pixel size. ``ground_HW3``: the
    picture underneath.
    """

    taken_HW: NDArray[np.uint8]
    gsd_m: float
    grid_turn: float
    ground_HW3: NDArray[np.uint8]
    placed: list[Thing] = field(default_factory=list)

    def free(self, outline_px: Points, gap_px: float, least_inside: float) -> bool:
        """Whether ``least_inside`` of the outline's box is on the canvas, and none of it on what is taken."""
        height, width = self.taken_HW.shape
        left, top = (int(part) for part in outline_px.min(axis=0) - gap_px - 1)
        right, bottom = (int(part) for part in outline_px.max(axis=0) + gap_px + 2)
        x0, y0, x1, y1 = max(left, 0), max(top, 0), min(right, width), min(bottom, height)
        if x1 <= x0 or y1 <= y0 or (x1 - x0) * (y1 - y0) < least_inside * (right - left) * (bottom - top):
            return False
        patch = np.zeros((bottom - top, right - left), np.uint8)
        points = (outline_px - (left, top) + 0.5).astype(np.int32)
        cv2.fillPoly(patch, [points], 1)
        if gap_px >= 1:
            cv2.polylines(patch, [points], True, 1, int(2 * gap_px))
        taken = self.taken_HW[y0:y1, x0:x1]
        mine = patch[y0 - top : y1 - top, x0 - left : x1 - left]
        return cv2.countNonZero(cv2.bitwise_and(taken, mine)) <= 0.01 * mine.size

    def take(self, outline_px: Points) -> None:
        """Mark ``outline`` as taken."""
        cv2.fillPoly(self.taken_HW, [np.round(outline_px).astype(np.int32)], 1)

    def put(self, thing: Thing, gap_m: float = 0.0, ground: bool = True) -> bool:
        """Put ``thing`` there if there is room (``ground``: keep others off it)."""
        x, y = int(thing.at_px[0]), int(thing.at_px[1])
        height, width = self.taken_HW.shape
        if 0 <= x < width and 0 <= y < height and self.taken_HW[y, x]:
            return False
        outline = thing.outline_px(self.gsd_m)
        least_inside = 0.12 if thing.sprite.kind == "giant" else 0.45
        if not self.free(outline, gap_m / self.gsd_m, least_inside):
            return False
        if ground:
            self.take(outline)
        self.placed.append(thing)
        return True

    def anywhere(self, rng: Rng) -> tuple[float, float]:
        """A random point of the canvas."""
        height, width = self.taken_HW.shape
        return float(rng.uniform(0, width)), float(rng.uniform(0, height))

    def colour_at(self, at_px: tuple[float, float]) -> NDArray[np.float64]:
        """Mean colour of the ground within 3 m or so."""
        height, width = self.taken_HW.shape
        x, y = (int(np.clip(part, 10, side - 11)) for part, side in zip(at_px, (width, height), strict=True))
        return np.asarray(
            self.ground_HW3[y - 10 : y + 11, x - 10 : x + 11].mean(axis=(0, 1)), dtype=np.float64
        )

    def turn(self, rng: Rng) -> float:
        """Along the grid of the place, or across, more or less; sometimes any."""
        if rng.random() < 0.2:
            return float(rng.uniform(0, 2 * math.pi))
        return self.grid_turn + float(rng.integers(4)) * math.pi / 2 + float(rng.normal(0, 0.02))
