"""What changes on roofs: sheds and storeys added (changes), canvas and panels laid on them (none)."""

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.outlines import DOUBTFUL
from aerial_training.synthesis.placing import BUILDING_KINDS, Room, Thing
from aerial_training.synthesis.scene import BOTH, FIRST, SECOND, Stock
from aerial_training.synthesis.texture import Rng

_EDGE_PX, _LEAST_SIDE_M = 5, 6.0


def _shed(rng: Rng, bank: Stock, most_m: float, dates: tuple[bool, bool], turn: float) -> Thing:
    """A storey of 2.2 to 3.5 m, at most ``most_m`` wide, without a place yet."""
    sprite = bank.pick(rng, "shed", 0.4)
    gain = (float(rng.uniform(0.8, 1.2)),)
    return Thing(
        sprite=replace(sprite, kind="box"),
        at_px=(0.0, 0.0),
        turn=turn + float(rng.integers(4)) * math.pi / 2,
        stretch=min(float(rng.uniform(0.6, 1.3)), most_m / max(sprite.size_m)),
        flip=bool(rng.integers(2)),
        height_m=float(rng.uniform(2.2, 3.5)),
        dates=dates,
        gains=(gain, gain),
    )


def _cover(rng: Rng, bank: Stock, most_m: float, turn: float) -> Thing:
    """Canvas or panels laid on a roof on one date: thin, no addition."""
    sprite = bank.pick(rng, "tarp")
    return Thing(
        sprite=sprite,
        at_px=(0.0, 0.0),
        turn=turn,
        stretch=min(float(rng.uniform(0.6, 1.3)), most_m / max(sprite.size_m)),
        flip=False,
        height_m=0.2,
        dates=FIRST if rng.random() < 0.5 else SECOND,
    )


def on_pasted(rng: Rng, room: Room, bank: Stock, dates: tuple[bool, bool]) -> None:
    """Sheds on pasted buildings that stand on both dates."""
    for host in list(room.placed):
        side_m = min(host.sprite.size_m) * host.stretch
        if host.dates != BOTH or host.sprite.kind not in BUILDING_KINDS or side_m < _LEAST_SIDE_M:
            continue
        offset = rng.uniform(-0.28, 0.28, 2) * np.array(host.sprite.size_m) * host.stretch / room.gsd_m
        cos, sin = math.cos(host.turn), math.sin(host.turn)
        x, y = cos * offset[0] - sin * offset[1], sin * offset[0] + cos * offset[1]
        own = _shed(rng, bank, 0.7 * side_m, dates, host.turn)
        at = (host.at_px[0] + float(x), host.at_px[1] + float(y))
        room.placed.append(replace(own, at_px=at, base_m=host.height_m))


def on_real(
    rng: Rng, room: Room, bank: Stock, ids_HW: NDArray[np.uint16], dates: tuple[bool, bool] | None
) -> None:
    """Sheds (``dates``; None: only what is no addition) on the picture's own roofs, one to four of them."""
    roofs = ((ids_HW > 0) & (ids_HW < DOUBTFUL)).astype(np.uint8)
    edges = cv2.morphologyEx(ids_HW, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
    roofs[edges] = 0
    depth = cv2.distanceTransform(roofs, cv2.DIST_L2, 3)
    inside = np.flatnonzero(depth > _EDGE_PX)
    if not len(inside):
        return
    for _ in range(min(int(rng.geometric(0.4)), 4)):
        y, x = divmod(int(inside[int(rng.integers(len(inside)))]), ids_HW.shape[1])
        most_m = 1.5 * float(depth[y, x]) * room.gsd_m
        turn = _turn(ids_HW == ids_HW[y, x])
        own = _cover(rng, bank, most_m, turn) if dates is None else _shed(rng, bank, most_m, dates, turn)
        room.placed.append(replace(own, at_px=(float(x), float(y))))


def _turn(here: NDArray[np.bool_]) -> float:
    """Direction of a roof's sides."""
    contours, _ = cv2.findContours(here.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return math.radians(cv2.minAreaRect(np.concatenate(contours))[2])
