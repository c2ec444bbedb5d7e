"""What is no finished building: crowns, vehicles, goods, canvas, courts, slabs, frames, roofless walls."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.roofs import compound, rectangle
from aerial_training.synthesis.sprites import Points, Sprite
from aerial_training.synthesis.texture import Float, Rng, smooth_noise, stripes, tinted, to_uint8

_GSD_M = 0.15


def _sprite(image: Float, mask: Float, kind: str, outline: Points | None = None) -> Sprite:
    height, width = mask.shape
    if outline is None:
        contours, _ = cv2.findContours(
            (mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
        )
        ring = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 2.0, True)[:, 0, :]
        outline = (ring + 0.5 - np.array([width / 2, height / 2])) * _GSD_M
    rgba = np.dstack([to_uint8(image), to_uint8(mask)])
    return Sprite(rgba_HW4=rgba, gsd_m=_GSD_M, outline=outline, facets=(), kind=kind, real=False)


def _blank(width_m: float, height_m: float) -> tuple[Float, Float]:
    shape = (int(height_m / _GSD_M) + 5, int(width_m / _GSD_M) + 5)
    return np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32)


def _px(points: Points, shape: tuple[int, ...]) -> NDArray[np.int32]:
    return np.asarray(np.round((points / _GSD_M + np.array([shape[1], shape[0]]) / 2) * 16), dtype=np.int32)


def tree(rng: Rng, leaves: NDArray[np.uint8], hedge: bool = False) -> Sprite:
    """A crown (or a row of them) of real leaf texture, blobby at its edge, lit from above.

    ``leaves``: a piece of forest at 0.15 m.
    """
    across = float(np.exp(rng.uniform(np.log(1.5), np.log(14.0))))
    long = float(across * rng.uniform(2, 6)) if hedge else across * float(rng.uniform(0.8, 1.25))
    if hedge:
        across, long = min(across, 3.5), min(long, 25.0)
    image, mask = _blank(long * 1.25, across * 1.25)
    shape = mask.shape
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    x, y = (x - shape[1] / 2) * _GSD_M / (long / 2), (y - shape[0] / 2) * _GSD_M / (across / 2)
    radius = np.abs(x) ** (6 if hedge else 2) + np.abs(y) ** (4 if hedge else 2)
    lumps = smooth_noise(rng, shape, max(across / 4, 0.5) / _GSD_M, 3)
    inside = 1 - radius + rng.uniform(0.1, 0.3) * lumps
    mask[:] = 255 * np.clip(inside * across / 0.8, 0, 1)
    leaf = cv2.resize(leaves, shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)
    image[:] = leaf
    if rng.random() < 0.35:
        hue = np.asarray(rng.choice([[1.0, 1.1, 0.75], [1.1, 1.0, 0.8], [0.85, 1.1, 0.85]]), dtype=np.float32)
        image[:] = leaf.mean(axis=2, keepdims=True) * hue
    tone = rng.choice([0.45, 0.6, 0.8, 1.0, 1.2])
    image *= (tone * (0.75 + 0.35 * np.clip(inside, 0, 1) + 0.08 * lumps))[..., None].astype(np.float32)
    image *= tinted(rng, (100, 100, 100), 0.12) / 100
    if not (mask > 127).any():
        mask[:] = 255
    return _sprite(image, mask, "hedge" if hedge else "tree")


def vehicle(rng: Rng, lorry: bool = False) -> Sprite:
    """A car, van, lorry or container."""
    length = float(rng.uniform(6, 13) if lorry else rng.uniform(3.6, 5.2))
    width = float(rng.uniform(2.2, 2.6) if lorry else rng.uniform(1.6, 2.0))
    image, mask = _blank(length, width)
    paint: Sequence[tuple[float, float, float]] = (
        (225, 225, 225), (240, 240, 240), (30, 30, 34), (60, 62, 66), (130, 132, 136), (160, 165, 170),
        (140, 35, 35), (45, 70, 120), (190, 150, 40), (60, 95, 70), (170, 90, 50),
    )  # fmt: skip
    colour = tinted(rng, paint[int(rng.integers(len(paint)))], 0.1)
    body = rectangle((-length / 2, -width / 2, length / 2, width / 2))
    cv2.fillPoly(mask, [_px(body, mask.shape)], 255.0, cv2.LINE_AA, 4)
    image[:] = colour
    glass = tinted(rng, (45, 50, 55), 0.2).tolist()
    if lorry:
        cab = rectangle((length / 2 - 2, -width / 2, length / 2, width / 2))
        cv2.fillPoly(
            image, [_px(cab, mask.shape)], tinted(rng, (200, 200, 200), 0.3).tolist(), cv2.LINE_AA, 4
        )
    for x in (0.5, -1.4) if not lorry else ():
        pane = rectangle((x, -width * 0.42, x + 0.7, width * 0.42))
        cv2.fillPoly(image, [_px(pane, mask.shape)], glass, cv2.LINE_AA, 4)
    return _sprite(image, mask, "lorry" if lorry else "car", body)


def goods(rng: Rng) -> Sprite:
    """Pallets, pipes, bricks, crates in rows: what lies about in yards and on building sites."""
    columns, rows = int(rng.integers(2, 13)), int(rng.integers(1, 7))
    piece = rng.uniform(0.7, 2.6, 2)
    pitch = piece + rng.uniform(0.05, 0.9, 2)
    width, height = (float(part) for part in pitch * (columns, rows))
    image, mask = _blank(width, height)
    palette = (
        (170, 140, 100), (150, 148, 144), (215, 212, 206), (70, 72, 76), (60, 95, 150), (165, 95, 70),
        (120, 105, 85), (90, 120, 90), (200, 170, 60),
    )  # fmt: skip
    shades = [
        tinted(rng, palette[int(rng.integers(len(palette)))], 0.15) for _ in range(int(rng.integers(1, 4)))
    ]
    missing = rng.uniform(0.0, 0.35)
    for row in range(rows):
        for column in range(columns):
            if rng.random() < missing:
                continue
            at = pitch * (column, row) - np.array([width, height]) / 2 + rng.normal(0, 0.08, 2)
            body = rectangle((0.0, 0.0, float(piece[0]), float(piece[1]))) + at
            shade = shades[int(rng.integers(len(shades)))] * np.float32(np.exp(rng.normal(0, 0.12)))
            cv2.fillPoly(image, [_px(body, mask.shape)], shade.tolist(), cv2.LINE_AA, 4)
            cv2.fillPoly(mask, [_px(body, mask.shape)], 255.0, cv2.LINE_AA, 4)
    whole = rectangle((-width / 2, -height / 2, width / 2, height / 2))
    return _sprite(image, mask, "goods", whole)


def tarp(rng: Rng) -> Sprite:
    """Canvas, a market umbrella or an awning on posts: bright, thin, no building."""
    size = float(np.exp(rng.uniform(np.log(2.0), np.log(10.0))))
    image, mask = _blank(size, size)
    corners = rectangle((-size / 2, -size / 2, size / 2, size / 2)) * rng.uniform(0.55, 0.95, (4, 2))
    if rng.random() < 0.3:
        angles = np.linspace(0, 2 * np.pi, 9)[:-1]
        corners = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size / 2.2
    cv2.fillPoly(mask, [_px(corners, mask.shape)], 255.0, cv2.LINE_AA, 4)
    colours = (
        (45, 90, 190),
        (200, 50, 45),
        (230, 230, 225),
        (50, 130, 70),
        (225, 130, 40),
        (60, 60, 70),
        (90, 160, 190),
    )
    folds = 1 + rng.uniform(0.05, 0.2) * smooth_noise(rng, mask.shape, size / 4 / _GSD_M, 2)
    image[:] = tinted(rng, colours[int(rng.integers(len(colours)))], 0.1) * folds[..., None]
    return _sprite(image, mask, "tarp", corners)


def court(rng: Rng) -> Sprite:
    """Something flat and man-made without height: sports court, pool, car park, slab of paving."""
    kind = rng.choice(["court", "pool", "paving", "soil", "solar"], p=[0.2, 0.15, 0.4, 0.15, 0.1])
    if kind == "pool":
        width, height = rng.uniform(3, 8), rng.uniform(5, 14)
    elif kind == "court":
        width, height = rng.uniform(9, 18), rng.uniform(18, 32)
    else:
        width, height = np.exp(rng.uniform(np.log(3.0), np.log(40.0), 2))
    image, mask = _blank(float(width), float(height))
    shape = mask.shape
    body = rectangle((-width / 2, -height / 2, width / 2, height / 2))
    cv2.fillPoly(mask, [_px(body, shape)], 255.0, cv2.LINE_AA, 4)
    grain = 1 + 0.05 * smooth_noise(rng, shape, 20, 3) + 0.03 * rng.standard_normal(shape, dtype=np.float32)
    palette = {
        "court": [(60, 110, 80), (60, 90, 140), (150, 75, 60), (90, 130, 90)],
        "pool": [(70, 160, 190), (60, 130, 170), (110, 190, 200)],
        "paving": [
            (190, 188, 180),
            (150, 148, 142),
            (110, 110, 112),
            (215, 212, 205),
            (170, 140, 120),
            (80, 80, 84),
        ],
        "soil": [(190, 160, 120), (165, 125, 90), (205, 185, 150), (140, 110, 85)],
        "solar": [(35, 42, 70), (30, 35, 50)],
    }[str(kind)]
    image[:] = tinted(rng, palette[int(rng.integers(len(palette)))], 0.12) * grain[..., None]
    if kind == "court":
        for shrink in (0.92, 0.5):
            inner = _px(body * shrink, shape)
            cv2.polylines(image, [inner], True, (225.0, 225.0, 225.0), 1, cv2.LINE_AA, 4)
        middle = _px(np.array([[-width / 2, 0], [width / 2, 0]]) * 0.92, shape)
        cv2.polylines(image, [middle], False, (225.0, 225.0, 225.0), 1, cv2.LINE_AA, 4)
    elif kind == "solar":
        image *= (1 + 0.5 * (stripes(shape, rng.uniform(2.5, 6) / _GSD_M, False) > 0.4))[..., None]
    elif kind == "paving" and rng.random() < 0.4:
        for at in np.linspace(-0.45, 0.45, int(rng.integers(4, 14))):
            line = np.array([[-width / 2, height * at], [-width / 2 + min(5.0, width * 0.8), height * at]])
            cv2.polylines(image, [_px(line, shape)], False, (220.0, 220.0, 220.0), 1, cv2.LINE_AA, 4)
    return _sprite(image, mask, "court", body)


def greenhouse(rng: Rng) -> Sprite:
    """A field of plastic tunnels: maps disagree whether these are buildings, so nobody is asked."""
    width, height = rng.uniform(10, 40), rng.uniform(15, 40)
    image, mask = _blank(float(width), float(height))
    body = rectangle((-width / 2, -height / 2, width / 2, height / 2))
    cv2.fillPoly(mask, [_px(body, mask.shape)], 255.0, cv2.LINE_AA, 4)
    rows = stripes(mask.shape, rng.uniform(4, 9) / _GSD_M, True)
    image[:] = tinted(rng, (205, 212, 214), 0.08) * (0.85 + 0.15 * np.abs(rows))[..., None]
    image[rows < -0.93] = tinted(rng, (110, 120, 85), 0.1)
    return _sprite(image, mask, "greenhouse", body)


def stage(rng: Rng, kind: str, width: float, length: float) -> Sprite:
    """A building on its way: ``pad`` of earth, ``slab``, ``frame`` of columns, roofless ``walls``.

    Only ``walls`` counts as a building.
    """
    boxes = compound(rng, width, length)
    corners = np.concatenate([rectangle(box) for box in boxes])
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    extent = np.ptp(corners, axis=0) + 2.0
    image, mask = _blank(float(extent[0]), float(extent[1]))
    shape = mask.shape
    for box in boxes:
        cv2.fillPoly(mask, [_px(rectangle(box) - middle, shape)], 255.0, cv2.LINE_AA, 4)
    base = {
        "pad": (185, 150, 110),
        "slab": (178, 175, 168),
        "frame": (150, 147, 140),
        "walls": (140, 130, 118),
    }[kind]
    grain = 1 + 0.08 * smooth_noise(rng, shape, 12, 3) + 0.04 * rng.standard_normal(shape, dtype=np.float32)
    image[:] = tinted(rng, base, 0.12) * grain[..., None]
    rooms = [box for box in boxes for box in _rooms(rng, box)]
    if kind == "frame":
        for box in boxes:
            for x in np.arange(box[0], box[2] + 0.1, rng.uniform(3, 5)):
                for y in np.arange(box[1], box[3] + 0.1, rng.uniform(3, 5)):
                    column = rectangle((x - 0.3, y - 0.3, x + 0.3, y + 0.3)) - middle
                    cv2.fillPoly(
                        image, [_px(column + np.array([0.5, 0.3]), shape)], (70.0, 70.0, 70.0), cv2.LINE_AA, 4
                    )
                    cv2.fillPoly(image, [_px(column, shape)], (205.0, 200.0, 192.0), cv2.LINE_AA, 4)
    elif kind in ("walls", "slab"):
        shadow = rng.uniform(-0.8, 0.8, 2)
        wall = tinted(rng, [(170, 165, 158), (165, 105, 80), (200, 196, 188)][int(rng.integers(3))], 0.1)
        for room in rooms:
            ring = rectangle(room) - middle
            if kind == "walls":
                cv2.polylines(image, [_px(ring + shadow, shape)], True, (60.0, 58.0, 55.0), 4, cv2.LINE_AA, 4)
        for room in rooms:
            ring = rectangle(room) - middle
            cv2.polylines(
                image, [_px(ring, shape)], True, wall.tolist(), 2 if kind == "walls" else 1, cv2.LINE_AA, 4
            )
    return _sprite(image, mask, kind)


def _rooms(rng: Rng, box: tuple[float, float, float, float]) -> list[tuple[float, float, float, float]]:
    x0, y0, x1, y1 = box
    columns = np.linspace(x0, x1, max(int((x1 - x0) / rng.uniform(3, 5)), 1) + 1)
    rows = np.linspace(y0, y1, max(int((y1 - y0) / rng.uniform(3, 5)), 1) + 1)
    return [
        (float(left), float(top), float(right), float(bottom))
        for left, right in pairwise(columns)
        for top, bottom in pairwise(rows)
    ]
