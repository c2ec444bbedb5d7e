"""Procedural roofs: materials, slopes, parapets and the clutter that stands on them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from aerial_training.synthesis.sprites import Facet, Points, Sprite
from aerial_training.synthesis.texture import Float, Rng, smooth_noise, stripes, tinted, to_uint8

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in metres
Colour = tuple[float, float, float]

STEEL: Sequence[Colour] = (
    (60, 105, 175), (45, 85, 150), (90, 140, 190), (150, 60, 50), (120, 45, 40), (165, 168, 170),
    (200, 203, 205), (232, 234, 235), (240, 240, 240), (120, 125, 128), (90, 130, 105),
    (150, 110, 85), (205, 195, 175),
)  # fmt: skip
TILE: Sequence[Colour] = (
    (165, 90, 65), (150, 75, 55), (185, 115, 85), (130, 70, 55), (110, 80, 65), (90, 80, 75), (70, 68, 70),
    (55, 55, 60), (120, 110, 100), (145, 130, 115), (95, 95, 100), (75, 65, 58), (160, 150, 140),
)  # fmt: skip
FLAT: Sequence[Colour] = (
    (150, 148, 144), (175, 172, 166), (195, 190, 182), (125, 124, 122), (210, 208, 205), (225, 224, 222),
    (90, 90, 92), (70, 70, 74), (60, 60, 62), (165, 150, 130), (160, 110, 95),
    (105, 125, 110), (140, 120, 115), (190, 170, 140), (205, 185, 155), (172, 145, 115), (150, 105, 80),
)  # fmt: skip
_MACHINES: Sequence[Colour] = (
    (190, 190, 188), (150, 150, 150), (40, 42, 48), (90, 120, 170), (225, 225, 225),
)  # fmt: skip
_MARGIN_M = 1.2


@dataclass(slots=True)
class _Canvas:
    """A picture in metres: ``origin`` is the top left corner."""

    image: Float
    mask: Float
    gsd_m: float
    origin: tuple[float, float]

    def px(self, points: Points) -> np.ndarray:
        """Metres to fixed-point pixels for cv2 (4 fractional bits)."""
        return np.asarray(np.round((points - self.origin) / self.gsd_m * 16), dtype=np.int32)

    def fill(self, points: Points, colour: Float) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self.image, [self.px(points)], colour.tolist(), cv2.LINE_AA, 4)

    def line(self, points: Points, colour: Float, width_m: float, closed: bool = False) -> None:
        """Draw a line."""
        width = max(round(width_m / self.gsd_m), 1)
        cv2.polylines(self.image, [self.px(points)], closed, colour.tolist(), width, cv2.LINE_AA, 4)


def rectangle(box: Box) -> Points:
    """Corners of ``box``."""
    x0, y0, x1, y1 = box
    return np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])


def _canvas(boxes: Sequence[Box]) -> _Canvas:
    corners = np.concatenate([rectangle(box) for box in boxes])
    low, high = corners.min(axis=0) - _MARGIN_M, corners.max(axis=0) + _MARGIN_M
    gsd_m = max(0.15, float((high - low).max()) / (330 if (high - low).max() < 90 else 560))
    shape = (int((high[1] - low[1]) / gsd_m) + 1, int((high[0] - low[0]) / gsd_m) + 1)
    canvas = _Canvas(np.zeros((*shape, 3), np.float32), np.zeros(shape, np.float32), gsd_m, (low[0], low[1]))
    for box in boxes:
        cv2.fillPoly(canvas.mask, [canvas.px(rectangle(box))], 255.0, cv2.LINE_AA, 4)
    return canvas


def _finished(canvas: _Canvas, facets: Sequence[Facet], kind: str) -> Sprite:
    contours, _ = cv2.findContours(
        (canvas.mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    ring = cv2.approxPolyDP(max(contours, key=cv2.contourArea), 0.3 / canvas.gsd_m, True)[:, 0, :]
    middle = np.array(canvas.image.shape[1::-1]) * canvas.gsd_m / 2 + canvas.origin
    outline = (ring + 0.5) * canvas.gsd_m + canvas.origin - middle
    rgba = np.dstack([to_uint8(canvas.image), to_uint8(canvas.mask)])
    moved = tuple(Facet(corners=facet.corners - middle, facing=facet.facing) for facet in facets)
    return Sprite(rgba_HW4=rgba, gsd_m=canvas.gsd_m, outline=outline, facets=moved, kind=kind, real=False)


def compound(rng: Rng, width: float, length: float) -> list[Box]:
    """A rectangle, an L, U or T, or a rectangle with wings, within about ``width`` by ``length`` metres."""
    shape = rng.choice(["rectangle", "l", "u", "t", "wings", "step"], p=[0.5, 0.14, 0.06, 0.08, 0.14, 0.08])
    w, h = width, length
    a, b = rng.uniform(0.3, 0.55, 2)
    if shape == "l":
        return [(0, 0, w, h * b), (0, 0, w * a, h)]
    if shape == "u":
        return [(0, 0, w, h * b * 0.7), (0, 0, w * a * 0.7, h), (w * (1 - a * 0.7), 0, w, h)]
    if shape == "t":
        return [(0, 0, w, h * b), (w * (0.5 - a / 2), 0, w * (0.5 + a / 2), h)]
    if shape == "wings":
        boxes: list[Box] = [(0, 0, w, h)]
        for _ in range(int(rng.integers(1, 4))):
            ww, wh = w * rng.uniform(0.25, 0.6), h * rng.uniform(0.15, 0.4)
            x, side = rng.uniform(0, w - ww), rng.integers(2)
            y = -wh * rng.uniform(0.3, 0.8) if side else h - wh * rng.uniform(0.2, 0.7)
            boxes.append((x, y, x + ww, y + wh))
        return boxes
    if shape == "step":
        return [(0, 0, w * 0.62, h), (w * 0.4, h * a * 0.5, w, h * (0.6 + b * 0.5))]
    return [(0, 0, w, h)]


def _slopes(box: Box, hip: bool, tilt: float) -> list[Facet]:
    """Planes of a gable or hip roof over ``box``, its ridge along the longer side."""
    x0, y0, x1, y1 = box
    wide = (x1 - x0) >= (y1 - y0)
    if not wide:
        turned = _slopes((y0, x0, y1, x1), hip, tilt)
        return [
            Facet(corners=facet.corners[:, ::-1], facing=(facet.facing[1], facet.facing[0]))
            for facet in turned
        ]
    middle = (y0 + y1) / 2
    inset = min((y1 - y0) / 2, (x1 - x0) / 2 - 0.05) if hip else 0.0
    left, right = (x0 + inset, middle), (x1 - inset, middle)
    facets = [
        Facet(corners=np.array([(x0, y0), (x1, y0), right, left]), facing=(0.0, -tilt)),
        Facet(corners=np.array([(x0, y1), (x1, y1), right, left]), facing=(0.0, tilt)),
    ]
    if hip:
        facets.append(Facet(corners=np.array([(x0, y0), left, (x0, y1)]), facing=(-tilt, 0.0)))
        facets.append(Facet(corners=np.array([(x1, y0), right, (x1, y1)]), facing=(tilt, 0.0)))
    return facets


def pitched(rng: Rng, width: float, length: float, kind: str = "house") -> Sprite:
    """Gable or hip roof of tiles or shingles, with ridges, eaves, chimneys, sometimes panels."""
    boxes = compound(rng, width, length)
    canvas = _canvas(boxes)
    shape = canvas.mask.shape
    colour = tinted(rng, TILE[int(rng.integers(len(TILE)))], 0.12)
    canvas.image[:] = colour
    hip, tilt = bool(rng.random() < 0.6), float(rng.uniform(0.25, 0.6))
    facets: list[Facet] = []
    for box in boxes:
        own = _slopes(box, hip, tilt)
        facets += own
        for facet in own:
            if rng.random() < 0.7:
                shade = colour * np.float32(rng.uniform(0.95, 1.05))
                canvas.fill(facet.corners, shade)
            canvas.line(facet.corners, colour * np.float32(rng.uniform(0.82, 1.16)), 0.2, closed=True)
    rows = stripes(shape, rng.uniform(0.5, 1.2) / canvas.gsd_m, bool(rng.integers(2)), rng.random())
    texture = 1 + 0.05 * smooth_noise(rng, shape, 3 / canvas.gsd_m, 2) + rng.uniform(0, 0.05) * rows
    texture += rng.uniform(0.01, 0.07) * rng.standard_normal(shape, dtype=np.float32)
    canvas.image *= texture[..., None].astype(np.float32)
    _on_roof(rng, canvas, boxes[0], chimneys=int(rng.integers(0, 3)))
    return _finished(canvas, facets, kind)


def _of(rng: Rng, palette: Sequence[Colour], kind: str) -> Float:
    """A colour of ``palette``; the largest roofs are mostly white or grey."""
    colour = palette[int(rng.integers(len(palette)))]
    if kind == "giant" and rng.random() < 0.55:
        grey = float(rng.choice([95, 130, 160, 185, 210, 232]))
        colour = (grey, grey, grey + 2.0)
    return tinted(rng, colour, 0.1)


def steel(rng: Rng, width: float, length: float, kind: str = "hall") -> Sprite:
    """Corrugated sheet roof: sheds and halls, with skylight strips, rust and patches of other sheets."""
    boxes = compound(rng, width, length) if rng.random() < 0.3 else [(0.0, 0.0, width, length)]
    canvas = _canvas(boxes)
    shape, gsd_m = canvas.mask.shape, canvas.gsd_m
    colour = _of(rng, STEEL, kind)
    canvas.image[:] = colour
    facets: list[Facet] = []
    flat = rng.random() < 0.25
    for box in boxes:
        spans = max(int(rng.integers(1, 4)), 1) if min(width, length) > 20 else 1
        x0, y0, x1, y1 = box
        along_x = (x1 - x0) >= (y1 - y0)
        cuts = np.linspace(y0 if along_x else x0, y1 if along_x else x1, spans + 1)
        for low, high in pairwise(cuts):
            span = (x0, float(low), x1, float(high)) if along_x else (float(low), y0, float(high), y1)
            if not flat:
                facets += _slopes(span, False, float(rng.uniform(0.08, 0.3)))
                canvas.line(facets[-1].corners[2:4], colour * np.float32(rng.uniform(0.75, 1.2)), 0.3)
    along_x = width >= length
    texture = 1 + rng.uniform(0.0, 0.06) * stripes(shape, rng.uniform(0.6, 1.6) / gsd_m, along_x)
    texture += 0.03 * min(1.0, 20.0 / min(width, length)) * smooth_noise(rng, shape, 6 / gsd_m, 2)
    cells = rng.normal(0, rng.choice([0.0, 0.02, 0.06]), (3, 12) if along_x else (12, 3)).astype(np.float32)
    sheets = cv2.resize(cells, shape[::-1], interpolation=cv2.INTER_NEAREST)
    canvas.image *= (texture + sheets)[..., None].astype(np.float32)
    if rng.random() < (0.3 if min(width, length) < 30 else 0.08):
        rust = np.clip(smooth_noise(rng, shape, 4 / gsd_m, 3) - rng.uniform(0.2, 1.2), 0, 1)[..., None]
        canvas.image += (tinted(rng, (135, 85, 60), 0.1) - canvas.image) * rust * 0.8
    if max(width, length) > 12 and rng.random() < 0.25:
        for at in np.linspace(0.1, 0.9, int(rng.integers(3, 9))):
            x, y = (width * at, 0.0) if along_x else (0.0, length * at)
            strip = (
                (x, length * 0.15, x + 0.9, length * 0.85)
                if along_x
                else (width * 0.15, y, width * 0.85, y + 0.9)
            )
            canvas.fill(rectangle(strip), colour * np.float32(0.6) + tinted(rng, (85, 88, 85), 0.1))
    if min(width, length) > 10 and rng.random() < 0.35:
        _lights(rng, canvas, boxes[0], colour)
    if rng.random() < 0.4:
        _on_roof(rng, canvas, boxes[0], chimneys=int(rng.integers(0, 6)))
    return _finished(canvas, facets, kind)


def flat(rng: Rng, width: float, length: float, kind: str = "block") -> Sprite:
    """Flat concrete or membrane roof with parapet, stains, partitions, tanks, machines and panels."""
    boxes = compound(rng, width, length)
    canvas = _canvas(boxes)
    shape, gsd_m = canvas.mask.shape, canvas.gsd_m
    colour = _of(rng, FLAT, kind)
    calm = min(1.0, 16.0 / min(width, length))
    texture = 1 + calm * rng.uniform(0.02, 0.12) * smooth_noise(rng, shape, rng.uniform(2, 8) / gsd_m, 3)
    texture += rng.uniform(0.0, 0.04) * rng.standard_normal(shape, dtype=np.float32)
    canvas.image[:] = colour * texture[..., None].astype(np.float32)
    if rng.random() < 0.35:
        for at in np.linspace(0, 1, int(rng.integers(3, 8)))[1:-1]:
            across = np.array([[width * at, 0], [width * at, length]])
            canvas.line(across, colour * np.float32(rng.uniform(0.7, 1.2)), 0.15)
    x0, y0, x1, y1 = boxes[0]
    for _ in range(int(rng.integers(0, 3))):
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        part = (x, y, min(x + width * rng.uniform(0.2, 0.5), x1), min(y + length * rng.uniform(0.2, 0.5), y1))
        other = STEEL if rng.random() < 0.5 else FLAT
        canvas.fill(rectangle(part), tinted(rng, other[int(rng.integers(len(other)))], 0.1))
    if rng.random() < 0.25:
        for _ in range(int(rng.integers(1, 4))):
            well = np.array([rng.uniform(0.1, 0.8) * width, rng.uniform(0.1, 0.8) * length])
            canvas.fill(
                rectangle((0, 0, rng.uniform(1, 2.5), rng.uniform(1, 2.5))) + well,
                tinted(rng, (45, 43, 42), 0.2),
            )
    area = width * length
    for _ in range(int(rng.integers(0, 3 + int(min(area / 60, 14) + min(area / 400, 30))))):
        _machine(rng, canvas, boxes[int(rng.integers(len(boxes)))])
    if min(width, length) > 14 and rng.random() < 0.25:
        _lights(rng, canvas, boxes[0], colour)
    _on_roof(rng, canvas, boxes[0], chimneys=0)
    if rng.random() < 0.75:
        _parapet(rng, canvas, colour)
    return _finished(canvas, (), kind)


def _parapet(rng: Rng, canvas: _Canvas, colour: Float) -> None:
    contours, _ = cv2.findContours(
        (canvas.mask > 127).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    width = max(round(rng.uniform(0.2, 0.45) / canvas.gsd_m), 1)
    inner = [contour + np.asarray(rng.integers(-1, 2, 2) * width, dtype=np.int32) for contour in contours]
    cv2.drawContours(canvas.image, inner, -1, (colour * np.float32(0.55)).tolist(), width, cv2.LINE_AA)
    rim = np.clip(colour * np.float32(rng.uniform(0.95, 1.35)), 0, 250)
    cv2.drawContours(canvas.image, contours, -1, rim.tolist(), width * 2, cv2.LINE_AA)


def _machine(rng: Rng, canvas: _Canvas, box: Box) -> None:
    """A tank, stairhead or cooling machine with its small shadow."""
    x0, y0, x1, y1 = box
    size = float(min(np.exp(rng.uniform(np.log(0.8), np.log(5.0))), 0.35 * min(x1 - x0, y1 - y0)))
    at = np.array(
        [rng.uniform(x0 + size, max(x1 - size, x0 + size)), rng.uniform(y0 + size, max(y1 - size, y0 + size))]
    )
    lean = np.array([rng.uniform(0.2, 0.5), rng.uniform(-0.4, 0.4)]) * size
    if rng.random() < 0.35:
        angles = np.linspace(0, 2 * np.pi, 14)[:-1]
        shape = np.stack([np.cos(angles), np.sin(angles)], axis=1) * size / 2
    else:
        shape = rectangle((-size / 2, -size * rng.uniform(0.3, 0.7), size / 2, size * rng.uniform(0.3, 0.7)))
    canvas.fill(shape + at + lean, np.full(3, rng.uniform(35, 80), np.float32))
    colour = tinted(rng, _MACHINES[int(rng.integers(len(_MACHINES)))], 0.15)
    canvas.fill(shape + at, colour)


def _lights(rng: Rng, canvas: _Canvas, box: Box, colour: Float) -> None:
    """Rows of roof lights, or panels over nearly the whole roof."""
    x0, y0, x1, y1 = box
    if rng.random() < 0.3:
        step, size = 2.2, (1.9, 1.9)
        shade = tinted(rng, (45, 55, 90), 0.2)
    else:
        step = float(rng.uniform(4, 9))
        size = (float(rng.uniform(0.6, 1.6)), float(rng.uniform(0.6, 2.6)))
        shade = (
            tinted(rng, (80, 85, 90), 0.2)
            if rng.random() < 0.5
            else np.minimum(colour * np.float32(1.3), 250)
        )
    for x in np.arange(x0 + step * 0.6, x1 - size[0], step):
        for y in np.arange(y0 + step * 0.6, y1 - size[1], step):
            canvas.fill(rectangle((float(x), float(y), float(x) + size[0], float(y) + size[1])), shade)


def _on_roof(rng: Rng, canvas: _Canvas, box: Box, chimneys: int) -> None:
    """Chimneys, vents and roof windows, and sometimes a field of solar panels."""
    x0, y0, x1, y1 = box
    for _ in range(chimneys):
        at = np.array([x0, y0]) + rng.uniform(0.15, 0.85, 2) * (x1 - x0, y1 - y0)
        size = rng.uniform(0.3, 0.7)
        canvas.fill(rectangle((-size, -size, size, size)) + at, tinted(rng, (120, 105, 100), 0.4))
    if rng.random() < 0.12 and min(x1 - x0, y1 - y0) > 4:
        w, h = (x1 - x0) * rng.uniform(0.2, 0.6), (y1 - y0) * rng.uniform(0.2, 0.4)
        x, y = rng.uniform(x0, x1 - w), rng.uniform(y0, y1 - h)
        canvas.fill(rectangle((x, y, x + w, y + h)), tinted(rng, (38, 45, 75), 0.15))
        for column in np.arange(x, x + w, 1.05):
            canvas.line(np.array([[column, y], [column, y + h]]), np.array([95, 100, 120], np.float32), 0.1)
