"""What is done to the ground: fields, lots, roads, yards and lawns, laid on one date or on both."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.grounds import Image, ground
from aerial_training.synthesis.placing import Thing
from aerial_training.synthesis.sources import Picture
from aerial_training.synthesis.texture import Float, Rng, smooth_noise, tinted, to_uint8

Ring = NDArray[np.float64]  # (N, 2) canvas pixels
_SOILS = ((175, 145, 110), (150, 120, 90), (195, 175, 145), (120, 105, 80), (165, 160, 150), (200, 195, 185))
_GREENS = ((85, 110, 60), (110, 130, 75), (130, 135, 90), (70, 95, 55), (150, 145, 95), (60, 80, 50))
_HARD = ((120, 120, 122), (90, 90, 93), (160, 158, 154), (190, 188, 182), (75, 75, 78), (140, 130, 120))
_WATER = ((50, 70, 75), (75, 90, 80), (110, 105, 85), (40, 55, 50), (90, 120, 125))
_PALETTES = {"soil": _SOILS, "green": _GREENS, "hard": _HARD, "water": _WATER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """The two dates under work.

    ``images``: before, after (changed in place). ``laid``: bool, by date, where something was laid.
    ``keep_HW``: uint8, set where nothing is laid (roofs of the picture itself). ``pictures``: where real
    ground is borrowed from. ``turn``: grid of the place.
    """

    images: tuple[Image, Image]
    laid: tuple[NDArray[np.bool_], NDArray[np.bool_]]
    keep_HW: NDArray[np.uint8]
    pictures: Sequence[Picture]
    gsd_m: float
    turn: float


def texture(rng: Rng, shape: tuple[int, int], kind: str, turn: float) -> Float:
    """Painted ground: ``soil``, ``green``, ``hard`` or ``water``; rows of crops along ``turn``."""
    palette = _PALETTES[kind]
    colour = tinted(rng, palette[int(rng.integers(len(palette)))], 0.12)
    strength = {"soil": 0.07, "green": 0.09, "hard": 0.035, "water": 0.02}[kind] * rng.uniform(0.4, 1.6)
    grain = 1 + np.float32(strength) * smooth_noise(rng, shape, rng.uniform(6, 50), 4)
    if kind in ("soil", "green") and rng.random() < 0.55:
        period = math.exp(rng.uniform(math.log(2.5), math.log(14)))
        wave = 2 * math.pi / period
        x = np.arange(shape[1], dtype=np.float32)[None, :] * np.float32(-math.sin(turn) * wave)
        y = np.arange(shape[0], dtype=np.float32)[:, None] * np.float32(math.cos(turn) * wave)
        y = y + np.float32(rng.uniform(0.2, 1.2)) * smooth_noise(rng, shape, rng.uniform(10, 40))
        grain += np.float32(rng.uniform(0.02, 0.16) * min(1.0, 4.0 / period)) * np.sin(
            x + y + np.float32(rng.uniform(0, 6))
        )
    if kind in ("hard", "water"):
        return np.asarray(grain[..., None] * colour, dtype=np.float32)
    other = tinted(rng, _SOILS[int(rng.integers(len(_SOILS)))], 0.1)
    mix = np.clip(0.35 * smooth_noise(rng, shape, rng.uniform(10, 60), 3), 0, 0.8)[..., None]
    return np.asarray((colour + (other - colour) * mix) * grain[..., None], dtype=np.float32)


def _cover(rng: Rng, site: Site, shape: tuple[int, int], kind: str) -> Float:
    """Painted ground of ``kind``, or, at times, a piece of real ground without buildings."""
    if kind in ("soil", "green") and rng.random() < 0.5:
        picture = site.pictures[int(rng.integers(len(site.pictures)))]
        if picture.kind != "unlabelled":
            piece = ground(rng, picture, max(shape), site.gsd_m)
            if not piece.ids_HW.any():
                return piece.image[: shape[0], : shape[1]].astype(np.float32)
    return texture(rng, shape, kind, site.turn + float(rng.integers(2)) * math.pi / 2)


def lay(
    rng: Rng, site: Site, ring: Ring, kinds: tuple[str | None, str | None], amount: float, soft: float
) -> None:
    """Cover ``ring`` with ground of a kind for each date (None: leave it); one kind for both is one cover."""
    mask = np.zeros(site.keep_HW.shape, np.uint8)
    cv2.fillPoly(mask, [np.round(ring * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    x, y, w, h = cv2.boundingRect(mask)
    if w < 4 or h < 4:
        return
    window = np.s_[y : y + h, x : x + w]
    part = mask[window]
    if soft > 0.3:
        part = cv2.GaussianBlur(part, (0, 0), soft)
    part[site.keep_HW[window] > 0] = 0
    weight = part.astype(np.float32) * np.float32(amount / 255)
    cover: NDArray[np.uint8] | None = None
    for date, kind in enumerate(kinds):
        if kind is None:
            continue
        if cover is None or kinds[0] != kinds[1]:
            cover = to_uint8(_cover(rng, site, (h, w), kind))
        image = site.images[date]
        site.laid[date][window] |= weight > 0.5
        image[window] = cv2.blendLinear(cover, np.ascontiguousarray(image[window]), weight, 1 - weight)


def _kind(rng: Rng) -> str:
    return str(rng.choice(("soil", "green", "hard", "water"), p=(0.36, 0.35, 0.25, 0.04)))


def box(centre: Sequence[float] | Ring, extent_px: Sequence[float] | Ring, turn: float, rng: Rng) -> Ring:
    """A four-cornered ring, nearly square-cornered, turned."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * np.asarray(extent_px) / 2
    corners = corners * rng.uniform(0.93, 1.07, (4, 2))
    cos, sin = math.cos(turn), math.sin(turn)
    return np.asarray(corners @ np.array([[cos, sin], [-sin, cos]]) + np.asarray(centre), dtype=np.float64)


def _blot(rng: Rng, ring: Ring) -> Ring:
    """A lumpy outline in place of a four-cornered one, about as large."""
    middle, across = ring.mean(axis=0), (ring[1] - ring[0]) / 2
    along = (ring[2] - ring[1]) / 2
    angle = np.linspace(0, 2 * math.pi, 33)[:-1]
    lumps = sum(
        rng.normal(0, 0.22 / order) * np.sin(order * angle + rng.uniform(0, 2 * math.pi))
        for order in range(2, 8)
    )
    reach = np.clip(1 + lumps, 0.3, 1.7)[:, None]
    turned = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * along
    return np.asarray(middle + reach * turned, dtype=np.float64)


def parcels(rng: Rng, site: Site) -> None:
    """Some parcels anywhere: the same on both dates, or another crop, or laid on one date alone."""
    side = site.keep_HW.shape[0]
    country = rng.random() < 0.16
    count = int(rng.integers(2, 5)) if country else min(int(rng.geometric(0.45)) - 1, 4)
    low, high = (45.0, 180.0) if country else (6.0, 70.0)
    for _ in range(count):
        extent = np.exp(rng.uniform(math.log(low), math.log(high), 2)) / site.gsd_m
        ring = box(rng.uniform(0, side, 2), extent, site.turn + float(rng.integers(2)) * math.pi / 2, rng)
        soft = float(rng.choice([0.6, 1.0, 2.5]))
        if rng.random() < 0.3:
            # What grows, dries, floods or is trodden bare keeps to no parcel.
            ring, soft = _blot(rng, ring), float(rng.choice([1.0, 3.0, 6.0]))
        first, second = _kind(rng), _kind(rng)
        throw = rng.random()
        kinds: tuple[str | None, str | None] = (first, first)
        if throw < 0.3:
            kinds = (first, second)
        elif throw < 0.6:
            kinds = (first, None) if rng.random() < 0.5 else (None, first)
        lay(rng, site, ring, kinds, float(rng.uniform(0.6, 1.0)), soft)


def road(rng: Rng, site: Site, dates: tuple[bool, bool], through: Ring, turn: float) -> None:
    """A road or path across the canvas, straight or bent, sometimes with a line along its middle."""
    along = np.linspace(-1, 1, 13)[:, None] * 1.2 * site.keep_HW.shape[0]
    bend = float(rng.normal(0, 0.12)) * along**2 / site.keep_HW.shape[0]
    forward, aside = np.array([math.cos(turn), math.sin(turn)]), np.array([-math.sin(turn), math.cos(turn)])
    middle = through + along * forward + bend * aside
    width = float(np.exp(rng.uniform(math.log(2.5), math.log(10.0)))) / site.gsd_m
    ring = np.concatenate([middle + aside * width / 2, (middle - aside * width / 2)[::-1]])
    kind = "hard" if rng.random() < 0.7 else "soil"
    kinds = (kind if dates[0] else None, kind if dates[1] else None)
    lay(rng, site, ring, kinds, float(rng.uniform(0.8, 1.0)), float(rng.choice([0.5, 1.0])))
    if kind == "hard" and width > 5 / site.gsd_m and rng.random() < 0.5:
        for date, there in enumerate(dates):
            for start in range(0, 12, int(rng.integers(1, 3))) if there else ():
                ends = [tuple(int(part * 16) for part in middle[at]) for at in (start, start + 1)]
                cv2.line(site.images[date], ends[0], ends[1], (215, 215, 210), 1, cv2.LINE_AA, 4)


def development(rng: Rng, site: Site, things: Sequence[Thing]) -> None:
    """The ground around what was built: field or bare earth before, yard, lawn, drive and road after."""
    built = [thing for thing in things if thing.changed and thing.base_m == 0]
    if not built or rng.random() < 0.35:
        return
    date = int(built[0].dates[1])
    own = [thing for thing in built if thing.dates[date]]
    turn = own[0].turn
    cos, sin = math.cos(turn), math.sin(turn)
    turned = np.array([[cos, sin], [-sin, cos]])
    corners = np.concatenate([thing.outline_px(site.gsd_m) for thing in own]) @ turned.T
    margin = rng.uniform(1.0, 14.0, 2) / site.gsd_m
    low, high = corners.min(axis=0) - margin, corners.max(axis=0) + margin
    ring = box((low + high) / 2 @ turned, high - low, turn, rng)
    if rng.random() < 0.55:
        bare = "soil" if rng.random() < 0.55 else "green"
        _on(rng, site, ring, bare, 1 - date)
    if rng.random() < 0.6:
        done = str(rng.choice(("hard", "green", "soil"), p=(0.45, 0.3, 0.25)))
        _on(rng, site, ring, done, date)
    if rng.random() < 0.45:
        dates = (True, True) if rng.random() < 0.3 else (date == 0, date == 1)
        edge = low if rng.random() < 0.5 else high
        road(rng, site, dates, np.array([(low[0] + high[0]) / 2, edge[1]]) @ turned, turn)
    for thing in own:
        if rng.random() < 0.4:
            size = np.array(thing.sprite.size_m) * thing.stretch / site.gsd_m
            aside = np.array([rng.uniform(-0.3, 0.3) * size[0], rng.choice([-1, 1]) * size[1] * 0.6])
            drive = box(
                np.array(thing.at_px) + aside @ turned, (rng.uniform(8, 22), size[1] * 0.7), thing.turn, rng
            )
            _on(rng, site, drive, "hard", date)


def _on(rng: Rng, site: Site, ring: Ring, kind: str, date: int) -> None:
    kinds = (kind, None) if date == 0 else (None, kind)
    lay(rng, site, ring, kinds, float(rng.uniform(0.75, 1.0)), float(rng.choice([0.6, 1.5, 3.0])))
