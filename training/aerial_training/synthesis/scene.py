"""What stands in a scene, and on which date: changes, and everything that is no change."""

import colorsys
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.placing import BUILDING_KINDS, Room, Thing
from aerial_training.synthesis.sprites import Sprite
from aerial_training.synthesis.texture import Rng

BOTH, FIRST, SECOND = (True, True), (True, False), (False, True)
_HEIGHTS_M = {
    "shed": (2.2, 3.8), "house": (3.0, 9.0), "hall": (5.0, 14.0), "giant": (6.0, 16.0),
    "block": (6.0, 30.0), "walls": (2.2, 6.0),
    "tree": (3.0, 14.0), "hedge": (1.0, 3.5), "car": (1.4, 1.9), "lorry": (2.4, 3.8), "goods": (0.6, 2.4),
    "tarp": (0.2, 2.5), "court": (0.0, 0.0), "pad": (0.0, 0.0), "slab": (0.0, 0.3), "frame": (1.0, 3.0),
    "greenhouse": (0.3, 1.5),
}  # fmt: skip
_BUILDING_NAMES = ("house", "shed", "hall", "block", "walls")
_BUILDING_ODDS = (0.38, 0.22, 0.20, 0.16, 0.04)
_PAINT_ODDS = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """The bank by kind, drawn ones and those cut from pictures apart."""

    drawn: dict[str, tuple[Sprite, ...]]
    real: dict[str, tuple[Sprite, ...]]

    def pick(self, rng: Rng, kind: str, real_odds: float = 0.5) -> Sprite:
        """One of ``kind``."""
        real = self.real.get(kind, ())
        shelf = real if real and rng.random() < real_odds else self.drawn[kind]
        return shelf[int(rng.integers(len(shelf)))]


def stock(sprites: Sequence[Sprite]) -> Stock:
    """Sort ``sprites`` by kind."""
    drawn: dict[str, list[Sprite]] = {}
    real: dict[str, list[Sprite]] = {}
    for sprite in sprites:
        (real if sprite.real else drawn).setdefault(sprite.kind, []).append(sprite)
    return Stock(
        drawn={kind: tuple(shelf) for kind, shelf in drawn.items()},
        real={kind: tuple(shelf) for kind, shelf in real.items()},
    )


def thing(
    rng: Rng,
    room: Room,
    sprite: Sprite,
    dates: tuple[bool, bool],
    *,
    repaint: float = 0.0,
    spread: float = 0.15,
) -> Thing:
    """``sprite`` anywhere, turned along the place's grid, of a height that fits its kind."""
    low, high = _HEIGHTS_M[sprite.kind]
    height = (
        math.exp(rng.uniform(math.log(low), math.log(high))) if low > 0 else float(rng.uniform(low, high))
    )
    gain = np.exp(rng.normal(0, spread) + rng.normal(0, spread / 3, 3))
    if sprite.kind in BUILDING_KINDS and not sprite.real and rng.random() < _PAINT_ODDS:
        gain = _paint(rng, sprite)
    other = gain * np.exp(rng.normal(0, 0.35) + rng.normal(0, 0.15, 3)) if rng.random() < repaint else gain
    return Thing(
        sprite=sprite,
        at_px=room.anywhere(rng),
        turn=room.turn(rng),
        stretch=float(np.exp(rng.uniform(math.log(0.75), math.log(1.35)))),
        flip=bool(rng.integers(2)),
        height_m=height,
        dates=dates,
        gains=(tuple(gain.tolist()), tuple(other.tolist())),
    )


def _paint(rng: Rng, sprite: Sprite) -> NDArray[np.float64]:
    """Sheet roofs come in every colour: gains that give ``sprite`` any hue, pale to vivid, dark to bright."""
    colour = colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.2, 0.85), rng.uniform(0.3, 1.0))
    return np.clip(255 * np.array(colour) / np.maximum(sprite.colour(), 8.0), 0.1, 4.0)


def _kind(rng: Rng) -> str:
    return str(rng.choice(_BUILDING_NAMES, p=_BUILDING_ODDS))


def _tries(rng: Rng, room: Room, candidate: Thing, count: int, gap_m: float) -> Thing | None:
    for _ in range(count):
        if room.put(candidate, gap_m):
            return candidate
        candidate = replace(candidate, at_px=room.anywhere(rng), turn=room.turn(rng))
    return None


def _like_ground(rng: Rng, room: Room, own: Thing) -> Thing:
    """``own`` in about the colour of the ground it stands on: sand-coloured roofs on sand."""
    gain = room.colour_at(own.at_px) / np.maximum(own.sprite.colour(), 8.0) * rng.uniform(0.85, 1.2)
    gains = tuple(np.clip(gain, 0.3, 2.5).tolist())
    return replace(own, gains=(gains, gains))


def standing(rng: Rng, room: Room, bank: Stock, count: int) -> None:
    """Buildings that stand on both dates, some of them painted anew."""
    for _ in range(count):
        candidate = thing(rng, room, bank.pick(rng, _kind(rng)), BOTH, repaint=0.12)
        _tries(rng, room, candidate, 6, 0.6)


def changes(rng: Rng, room: Room, bank: Stock, way: tuple[bool, bool] | None) -> None:
    """One to eight buildings that stand on one date only (``way``; None: each its own way)."""
    count = 1 + int(min(rng.geometric(0.45), 7))
    for _ in range(count):
        dates = way or (FIRST, SECOND)[int(rng.integers(2))]
        candidate = thing(rng, room, bank.pick(rng, _kind(rng)), dates)
        put = _tries(rng, room, candidate, 14, float(rng.choice([0.0, 0.6, 2.0])))
        if put is not None and rng.random() < 0.2:
            room.placed[-1] = put = _like_ground(rng, room, put)
        if put is not None:
            _before_and_after(rng, room, bank, put, 0.3)


def giant(rng: Rng, room: Room, bank: Stock, dates: tuple[bool, bool]) -> None:
    """A hall larger than the view, or nearly: only a part of it is seen."""
    candidate = thing(rng, room, bank.pick(rng, "giant"), dates, repaint=0.12)
    put = _tries(rng, room, candidate, 16, 0.6)
    if put is not None and dates != BOTH:
        _before_and_after(rng, room, bank, put, 0.25)


def estate(rng: Rng, room: Room, bank: Stock, dates: tuple[bool, bool]) -> None:
    """Rows of like buildings: a new housing estate, blocks in file, a yard of halls."""
    kind = str(rng.choice(["house", "block", "hall", "shed"], p=[0.6, 0.22, 0.12, 0.06]))
    models = [bank.pick(rng, kind, 0.3) for _ in range(int(rng.integers(1, 4)))]
    first = thing(rng, room, models[0], dates, spread=0.1)
    extent = max(max(model.size_m) for model in models) * first.stretch
    pitch = (extent + float(rng.uniform(1, 9))) / room.gsd_m
    turn = room.turn(rng)
    along, across = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    start = np.array(room.anywhere(rng))
    rows, columns = int(rng.integers(1, 4)), int(rng.integers(2, 6))
    late = rng.random() < 0.25
    for row in range(rows):
        for column in range(columns):
            if rng.random() < 0.12:
                continue
            at = (
                start
                + along * pitch * (column - columns / 2)
                + across * pitch * rng.uniform(0.98, 1.02) * row
            )
            shade = np.asarray(first.gains[0]) * np.exp(rng.normal(0, 0.05))
            gains = (tuple(shade.tolist()), tuple(shade.tolist()))
            own = replace(
                first,
                sprite=models[int(rng.integers(len(models)))],
                at_px=(float(at[0]), float(at[1])),
                turn=turn + float(rng.integers(2)) * math.pi + float(rng.normal(0, 0.01)),
                flip=bool(rng.integers(2)),
                dates=BOTH if late and rng.random() < 0.5 else dates,
                gains=gains,
            )
            if room.put(own, 0.3) and own.dates != BOTH:
                _before_and_after(rng, room, bank, own, 0.45)


def _before_and_after(rng: Rng, room: Room, bank: Stock, built: Thing, odds: float) -> None:
    """On the date without the building: sometimes its pad, slab or frame."""
    if rng.random() >= odds:
        return
    kind = str(rng.choice(["pad", "slab", "frame"], p=[0.55, 0.25, 0.2]))
    sprite = bank.pick(rng, kind)
    low, high = _HEIGHTS_M[kind]
    # Of about the building's own area: a slab ten times its size would look like a hall, and be none.
    ratio = math.prod(built.sprite.size_m) / max(math.prod(sprite.size_m), 1.0)
    stretch = built.stretch * math.sqrt(ratio) * float(rng.uniform(0.85, 1.25))
    room.placed.append(
        replace(
            built,
            sprite=sprite,
            stretch=stretch,
            height_m=float(rng.uniform(low, high)),
            dates=(not built.dates[0], not built.dates[1]),
            gains=((float(rng.uniform(0.8, 1.2)),), (float(rng.uniform(0.8, 1.2)),)),
        )
    )


def _clump(rng: Rng, room: Room, bank: Stock) -> None:
    """A copse or a row of like crowns, on both dates or on one."""
    dates = BOTH if rng.random() < 0.7 else (FIRST, SECOND)[int(rng.integers(2))]
    first = thing(rng, room, bank.pick(rng, "tree"), dates, spread=0.2, repaint=0.4)
    spacing = max(first.sprite.size_m) * first.stretch * float(rng.uniform(0.6, 1.6)) / room.gsd_m
    turn, row = room.turn(rng), rng.random() < 0.5
    for number in range(int(rng.integers(4, 12))):
        along = np.array([math.cos(turn), math.sin(turn)]) * spacing * number
        at = np.array(first.at_px) + (along if row else rng.normal(0, 1.6 * spacing, 2))
        own = replace(
            first,
            sprite=first.sprite if rng.random() < 0.5 else bank.pick(rng, "tree"),
            at_px=(float(at[0]), float(at[1])),
            turn=float(rng.uniform(0, 2 * math.pi)),
        )
        room.put(own)


def _car_park(rng: Rng, room: Room, bank: Stock) -> None:
    """A row or two of parked cars or lorries, most of them on one date."""
    kind = "car" if rng.random() < 0.8 else "lorry"
    pitch = float(rng.uniform(2.4, 3.2) if kind == "car" else rng.uniform(3.2, 5.0)) / room.gsd_m
    turn, start = room.turn(rng), np.array(room.anywhere(rng))
    aside = np.array([-math.sin(turn), math.cos(turn)])
    for number in range(int(rng.integers(4, 14))):
        if rng.random() < 0.25:
            continue
        at = start + aside * pitch * number
        dates = (BOTH, FIRST, SECOND)[int(rng.choice(3, p=[0.2, 0.4, 0.4]))]
        own = thing(rng, room, bank.pick(rng, kind), dates, spread=0.2)
        room.put(
            replace(
                own, at_px=(float(at[0]), float(at[1])), turn=turn + float(rng.normal(0, 0.03)), stretch=1.0
            )
        )


def bystanders(rng: Rng, room: Room, bank: Stock) -> None:
    """Crowns, hedges, vehicles, canvas, courts, paving: there or gone, none of it a change."""
    plan = (
        ("court", int(rng.geometric(0.5)) - 1, 0.55), ("pad", int(rng.random() < 0.1), 0.8),
        ("slab", int(rng.random() < 0.05), 0.8), ("frame", int(rng.random() < 0.05), 0.8),
        ("greenhouse", int(rng.random() < 0.04), 0.7), ("tarp", int(rng.random() < 0.2), 0.7),
        ("goods", int(rng.geometric(0.7)) - 1, 0.8),
        ("car", int(rng.geometric(0.27)) - 1, 0.85), ("lorry", int(rng.geometric(0.6)) - 1, 0.85),
        ("hedge", int(rng.geometric(0.65)) - 1, 0.4), ("tree", int(rng.geometric(0.2)) - 1, 0.35),
    )  # fmt: skip
    if rng.random() < 0.25:
        _clump(rng, room, bank)
    if rng.random() < 0.15:
        _car_park(rng, room, bank)
    for kind, count, once in plan:
        for _ in range(min(count, 14)):
            dates = (FIRST, SECOND)[int(rng.integers(2))] if rng.random() < once else BOTH
            candidate = thing(rng, room, bank.pick(rng, kind), dates, spread=0.2, repaint=0.3)
            if kind in ("tree", "hedge", "car", "lorry") and rng.random() < 0.6:
                candidate = replace(candidate, turn=float(rng.uniform(0, 2 * math.pi)))
            if kind in ("tree", "hedge") and rng.random() < 0.25:
                room.placed.append(candidate)
            else:
                _tries(rng, room, candidate, 3, 0.0)
