"""Paints the ground: one colour map and one map of texture layers, seen from above."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.records.record import record
from aerial.simulate import textures
from aerial.simulate.presets import stream
from aerial.simulate.textures import LAYERS
from aerial.simulate.town import Colour, Field, Floats, Plot, Road, Town, corners, part_of, place, shaded

ASPHALT: Colour = (0.33, 0.33, 0.33)
CONCRETE: Colour = (0.60, 0.58, 0.54)
FIELD_LAYERS = {"rows": "crop", "paddy": "grass", "bare": "furrows", "stubble": "furrows", "plastic": "panel"}


@record
class Ground:
    """The painted maps; pixel (column, row) is at local x = -half + column*texel, y = half - row*texel."""

    colour_HW3: NDArray[np.uint8]
    layer_HW: NDArray[np.uint8]
    half_m: tuple[float, float]
    texel_m: float


class _Canvas:
    def __init__(self, half_m: tuple[float, float], texel_m: float) -> None:
        self.half_m, self.texel_m = half_m, texel_m
        shape = (int(2 * half_m[1] / texel_m), int(2 * half_m[0] / texel_m))
        self.colour = np.empty((*shape, 3), np.uint8)
        self.layer = np.empty(shape, np.uint8)
        self.mottle = np.zeros((shape[0] // 4 + 1, shape[1] // 4 + 1), np.uint8)

    def points(self, xy_N2: Floats, shrink: int = 1) -> NDArray[np.int32]:
        """Return fixed-point pixel coordinates (4 fractional bits) for cv2's drawing."""
        column = (xy_N2[:, 0] + self.half_m[0]) / self.texel_m / shrink - 0.5
        row = (self.half_m[1] - xy_N2[:, 1]) / self.texel_m / shrink - 0.5
        return np.asarray(np.round(np.column_stack([column, row]) * 16), np.int32)

    def fill(self, ring_N2: Floats, colour: Colour, layer: str | None, mottle: float | None = None) -> None:
        points = [self.points(ring_N2)]
        cv2.fillPoly(self.colour, points, tuple(c * 255 for c in colour), cv2.LINE_AA, 4)
        if layer is not None:
            cv2.fillPoly(self.layer, points, LAYERS[layer], cv2.LINE_8, 4)
        if mottle is not None:
            cv2.fillPoly(self.mottle, [self.points(ring_N2, 4)], mottle * 255, cv2.LINE_8, 4)

    def line(self, xy_N2: Floats, width_m: float, colour: Colour) -> None:
        thick = max(1, round(width_m / self.texel_m))
        cv2.polylines(
            self.colour, [self.points(xy_N2)], False, tuple(c * 255 for c in colour), thick, cv2.LINE_AA, 4
        )


def paint(town: Town, seed: int, epoch: int, texel_m: float) -> Ground:
    """Return the ground of one epoch: what did not change is painted alike in both."""
    canvas = _Canvas(town.half_m, texel_m)
    canvas.colour[:] = (118, 108, 84)
    canvas.layer[:] = LAYERS["soil"]
    canvas.mottle[:] = 30
    for patch in town.patches:
        canvas.fill(np.array(patch.outline.exterior.coords), patch.colour, patch.layer, patch.mottle)
    for field in town.fields:
        _field(canvas, field)
    for index, road in enumerate(town.roads):
        _road(canvas, road, stream(seed, "road", index))
    for pit in town.pits:
        if not pit.water:
            canvas.fill(corners(pit.plot, 0.4), (0.55, 0.40, 0.27), "rubble", 0.25)
    for index, plot in enumerate(town.parking):
        _bay(canvas, plot, stream(seed, "bay", index))
    _mottle(canvas, stream(seed, "mottle"))
    _weather(canvas, stream(seed, "litter"), 0.26)
    _weather(canvas, stream(seed, "litter", epoch), 0.05)
    for stain in town.stains:
        canvas.fill(np.array(stain.outline.exterior.coords), stain.colour, stain.layer)
    return Ground(colour_HW3=canvas.colour, layer_HW=canvas.layer, half_m=town.half_m, texel_m=texel_m)


def _field(canvas: _Canvas, field: Field) -> None:
    rng = np.random.default_rng(field.seed)
    canvas.fill(corners(field.plot), field.colour, FIELD_LAYERS[field.crop], 0.2)
    # Beds of a metre or so along the strip, each with its own shade, some bare.
    long = field.plot.depth_m >= field.plot.width_m
    beds = max(2, int(min(field.plot.width_m, field.plot.depth_m) // 1.5))
    for k in range(beds):
        a, b = (k + 0.1) / beds, (k + 0.86) / beds
        bed = part_of(field.plot, a, b, 0.01, 0.99) if long else part_of(field.plot, 0.01, 0.99, a, b)
        shade = rng.uniform(0.8, 1.15)
        if rng.random() > 0.08:
            red, green, blue = (min(c * shade, 1.0) for c in field.colour)
            canvas.fill(corners(bed), (red, green, blue), None)


def _road(canvas: _Canvas, road: Road, rng: np.random.Generator) -> None:
    base = ASPHALT if road.layer == "asphalt" else CONCRETE
    ring = _ribbon(road.line_N2, road.width_m / 2)
    if road.width_m > 5:
        canvas.fill(_ribbon(road.line_N2, road.width_m / 2 + 1.2), (0.58, 0.53, 0.49), "concrete", 0.12)
    canvas.fill(ring, base, road.layer, 0.1)
    for offset in (-0.32, -0.18, 0.18, 0.32):
        dark = rng.uniform(0.88, 0.97)
        canvas.line(_offset(road.line_N2, offset * road.width_m), 0.5, shaded(base, dark))
    length = float(np.hypot(*np.diff(road.line_N2, axis=0).T).sum())
    for _ in range(rng.poisson(length / 14)):
        at = int(rng.integers(0, len(road.line_N2) - 1))
        x, y = _offset(road.line_N2, rng.uniform(-0.35, 0.35) * road.width_m)[at]
        along = road.line_N2[at + 1] - road.line_N2[at]
        yaw = float(np.degrees(np.arctan2(along[1], along[0])))
        repair = Plot(
            x_m=float(x),
            y_m=float(y),
            width_m=float(rng.uniform(0.6, 5)),
            depth_m=float(rng.uniform(0.6, 1.8)),
            yaw_deg=yaw,
        )
        shade = rng.uniform(0.8, 1.12)
        canvas.fill(corners(repair), shaded(base, shade), None)
    if road.marked:
        white = (0.82, 0.82, 0.80)
        for side in (-1, 1):
            canvas.line(_offset(road.line_N2, side * (road.width_m / 2 - 0.4)), 0.15, white)
        dashed = road.line_N2
        for k in range(0, len(dashed) - 1, 2):
            canvas.line(dashed[k : k + 2], 0.15, white)


def _offset(line_N2: Floats, by_m: float) -> Floats:
    along = np.gradient(line_N2, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    return np.asarray(line_N2 + by_m * np.column_stack([-along[:, 1], along[:, 0]]))


def _ribbon(line_N2: Floats, half_m: float) -> Floats:
    return np.concatenate([_offset(line_N2, -half_m), _offset(line_N2, half_m)[::-1]])


def _bay(canvas: _Canvas, plot: Plot, rng: np.random.Generator) -> None:
    if rng.random() < 0.6:
        for side in (0.0, 1.0):
            edge = place(
                plot,
                np.array(
                    [
                        [-plot.width_m / 2, (side - 0.5) * plot.depth_m * 1.35],
                        [plot.width_m / 2, (side - 0.5) * plot.depth_m * 1.35],
                    ]
                ),
            )
            canvas.line(edge, 0.12, (0.78, 0.78, 0.75))


def _mottle(canvas: _Canvas, rng: np.random.Generator) -> None:
    """Vary brightness over metres to tens of metres, in row bands to bound memory."""
    texel_m = canvas.texel_m * 4
    noise = textures.spectral(rng, texel_m, 1.0, 40, 0.9)
    height, width = canvas.mottle.shape
    for row in range(0, canvas.colour.shape[0], 512):
        part = canvas.colour[row : row + 512]
        coarse = slice(row // 4, row // 4 + 129)
        rows = np.arange(coarse.start, min(coarse.stop, height)) % textures.TILE_PX
        strength = canvas.mottle[coarse] / np.float32(255)
        swing = 1 + strength * noise[np.ix_(rows, np.arange(width) % textures.TILE_PX)]
        fine = cv2.resize(swing, None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)[
            : part.shape[0], : part.shape[1]
        ]
        part[:] = np.clip(part * np.clip(fine, 0.4, 1.6)[..., None], 0, 255).astype(np.uint8)


def _weather(canvas: _Canvas, rng: np.random.Generator, per_m2: float) -> None:
    """Strew litter, weeds, oil and stains."""
    width_m, height_m = 2 * canvas.half_m[0], 2 * canvas.half_m[1]
    count = rng.poisson(per_m2 * width_m * height_m)
    xy_N2 = (rng.random((count, 2)) - 0.5) * [width_m, height_m]
    centre_N2 = canvas.points(xy_N2)
    size_N = rng.lognormal(-1.3, 0.7, count)
    kind_N = rng.random(count)
    paved = LAYERS["asphalt"]
    height, width = canvas.layer.shape
    for (x, y), size, kind in zip(centre_N2, size_N, kind_N, strict=True):
        colour, pieces = _stain(rng, kind)
        if (
            pieces > 1
            and canvas.layer[np.clip(y // 16, 0, height - 1), np.clip(x // 16, 0, width - 1)] == paved
        ):
            continue
        for _ in range(pieces):
            axes = np.maximum(np.round(size * rng.uniform(0.4, 1, 2) / canvas.texel_m * 8), 8).astype(int)
            middle = np.round(np.array([x, y]) + rng.normal(0, 1, 2) * (pieces - 1) * axes / 3).astype(int)
            angle = float(rng.uniform(0, 180))
            shade = tuple((colour * rng.uniform(0.85, 1.15)).tolist())
            cv2.ellipse(
                canvas.colour, middle.tolist(), axes.tolist(), angle, 0, 360, shade, -1, cv2.LINE_AA, 4
            )


def _stain(rng: np.random.Generator, kind: float) -> tuple[Floats, int]:
    """Return the colour (0-255) of litter, a weed or a stain, and how many blobs make it up."""
    if kind < 0.4:
        return (0.5 * rng.uniform(0.3, 0.95, 3) + 0.5 * rng.uniform(0.3, 0.95)) * 220, 1
    if kind < 0.7:
        return np.array([0.24, 0.31, 0.14]) * rng.uniform(0.7, 1.2) * 255, 4
    return np.full(3, rng.uniform(0.15, 0.6)) * 255, 1
