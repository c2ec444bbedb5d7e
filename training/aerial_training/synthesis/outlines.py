"""Building outlines of the source pictures: drawn as instances, and moved onto the roofs they mean."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]  # (N, 2) x, y in pixels
_TILE_PX = 256
_SNAP_REACH_M, _SIDE_REACH_M = 6.0, 3.0


def rings_in_tile_pixels(path: Path, zoom: int, tile_px: int = _TILE_PX) -> list[Ring]:
    """Outer rings of a GeoJSON's polygons, in pixels of the Web Mercator tile pyramid at ``zoom``."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    world_px = float(tile_px * 2**zoom)
    rings: list[Ring] = []
    for feature in features:
        for lonlat in _outer_rings(feature["geometry"]):
            latitude = np.radians(lonlat[:, 1])
            x = (lonlat[:, 0] + 180.0) / 360.0 * world_px
            y = (1.0 - np.arcsinh(np.tan(latitude)) / math.pi) / 2.0 * world_px
            rings.append(np.stack([x, y], axis=1))
    return rings


def _outer_rings(geometry: dict[str, Any]) -> list[NDArray[np.float64]]:
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    return [np.asarray(polygon[0], dtype=np.float64)[:, :2] for polygon in polygons]


def locate(mask_HW: NDArray[np.uint8], rings: Sequence[Ring]) -> tuple[int, int] | None:
    """Tile-aligned pixel offset (x, y) of a picture whose building mask was drawn from ``rings``.

    None where the mask is empty or nothing matches.
    """
    step = 8
    if not rings or not mask_HW.any():
        return None
    low = np.floor(np.min([ring.min(axis=0) for ring in rings], axis=0) / _TILE_PX) * _TILE_PX
    high = np.max([ring.max(axis=0) for ring in rings], axis=0)
    height, width = mask_HW.shape
    low -= (math.ceil(width / _TILE_PX) * _TILE_PX, math.ceil(height / _TILE_PX) * _TILE_PX)
    extent = ((high - low + (width, height)) / step).astype(int) + 1
    world = np.zeros((extent[1], extent[0]), np.uint8)
    for ring in rings:
        cv2.fillPoly(world, [np.round((ring - low) / step).astype(np.int32)], 255)
    small = cv2.resize(mask_HW, (width // step, height // step), interpolation=cv2.INTER_AREA)
    match = cv2.matchTemplate(world, small, cv2.TM_CCOEFF_NORMED)
    _, best, _, at = cv2.minMaxLoc(match)
    if best < 0.6:
        return None
    offset = np.round((np.array(at) * step + low) / _TILE_PX) * _TILE_PX
    return int(offset[0]), int(offset[1])


def snapped(
    image_HW3: NDArray[np.uint8], rings: Sequence[Ring], gsd_m: float
) -> tuple[list[Ring], list[bool]]:
    """Rings moved by up to 6 m onto the strongest edges, and whether each now lies on real edges.

    Outlines of maps lie beside the roofs by several pixels, each by its own vector (roofs lean, maps
    were drawn on other pictures); the shift with most gradient across the outline is taken, then each
    side is moved by itself.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
    gradient_x, gradient_y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    moved: list[Ring] = []
    good: list[bool] = []
    for ring in rings:
        own = _open(ring)
        own = own + _best_shift(gradient_x, gradient_y, own, round(_SNAP_REACH_M / gsd_m))
        own = _best_sides(gradient_x, gradient_y, own, round(_SIDE_REACH_M / gsd_m))
        moved.append(own)
        good.append(_fits(gradient_x, gradient_y, own))
    return moved, good


def _open(ring: Ring) -> Ring:
    """Without the repeated last corner."""
    return ring[:-1] if len(ring) > 3 and np.allclose(ring[0], ring[-1]) else ring


def _across(
    gradient_x: NDArray[np.float32],
    gradient_y: NDArray[np.float32],
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    shifts: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Gradient across the outline at every sample for every shift (shifts × samples), bounded."""
    height, width = gradient_x.shape
    x = np.round(points[None, :, 0] + shifts[:, None, 0]).astype(int)
    y = np.round(points[None, :, 1] + shifts[:, None, 1]).astype(int)
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    across = np.abs(gradient_x[y, x] * normals[None, :, 0] + gradient_y[y, x] * normals[None, :, 1])
    return np.asarray(np.where(inside, np.minimum(across, 150.0), 0.0))


def _best_shift(
    gradient_x: NDArray[np.float32], gradient_y: NDArray[np.float32], ring: Ring, reach: int
) -> NDArray[np.float64]:
    points, normals = _samples(ring)
    if len(points) < 12:
        return np.zeros(2)
    steps = np.arange(-reach, reach + 1, 2, dtype=np.float64)
    shifts = np.stack(np.meshgrid(steps, steps, indexing="xy"), axis=-1).reshape(-1, 2)
    shifts = np.concatenate([np.zeros((1, 2)), shifts[np.hypot(*shifts.T) <= reach]])
    across = _across(gradient_x, gradient_y, points, normals, shifts).mean(axis=1)
    # A small shift is more likely than a large one.
    score = across * (1.0 - 0.3 * np.hypot(*shifts.T) / reach)
    best = int(score.argmax())
    return np.asarray(shifts[best if score[best] > 1.08 * score[0] else 0])


def _best_sides(
    gradient_x: NDArray[np.float32], gradient_y: NDArray[np.float32], ring: Ring, reach: int
) -> Ring:
    """Each side of a simple ring moved along its normal to the strongest edge near it."""
    count = len(ring)
    if not 4 <= count <= 10:
        return ring
    offsets = np.arange(-reach, reach + 1, dtype=np.float64)
    lines = []
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        points, normals = _side(start, end)
        along = end - start
        if len(points) < 8:
            lines.append((start, along))
            continue
        normal = normals[0]
        across = _across(gradient_x, gradient_y, points, normals, offsets[:, None] * normal).mean(axis=1)
        score = across * (1.0 - 0.35 * np.abs(offsets) / reach)
        best = int(score.argmax())
        offset = offsets[best] if score[best] > 1.3 * score[reach] else 0.0
        lines.append((start + offset * normal, along))
    corners = []
    for (here, way), (before, past), corner in zip(lines, lines[-1:] + lines[:-1], ring, strict=True):
        cross = way[0] * past[1] - way[1] * past[0]
        if abs(cross) < 0.3 * np.hypot(*way) * np.hypot(*past):
            return ring
        t = ((before - here)[0] * past[1] - (before - here)[1] * past[0]) / cross
        moved = here + t * way
        if np.hypot(*(moved - corner)) > 2.0 * reach:
            return ring
        corners.append(moved)
    return np.asarray(corners)


def _fits(gradient_x: NDArray[np.float32], gradient_y: NDArray[np.float32], ring: Ring) -> bool:
    """Whether most of the outline lies on an edge, within half a metre."""
    points, normals = _samples(ring)
    if len(points) < 12:
        return False
    shifts = np.array(
        [[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1], [2, 0], [-2, 0], [0, 2], [0, -2]], dtype=np.float64
    )
    across = _across(gradient_x, gradient_y, points, normals, shifts).max(axis=0)
    usual = float(np.hypot(gradient_x, gradient_y).mean())
    return bool((across > max(30.0, 0.9 * usual)).mean() > 0.62)


def _side(
    start: NDArray[np.float64], end: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    length = float(np.hypot(*(end - start)))
    along = np.linspace(0.0, 1.0, max(int(length / 2.0), 2), endpoint=False)[:, None]
    normal = np.array([end[1] - start[1], start[0] - end[0]]) / max(length, 1e-6)
    return start + along * (end - start), np.broadcast_to(normal, (len(along), 2))


def _samples(ring: Ring) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, normals = [], []
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        if float(np.hypot(*(end - start))) >= 2.0:
            side, normal = _side(start, end)
            points.append(side)
            normals.append(normal)
    if not points:
        return np.zeros((0, 2)), np.zeros((0, 2))
    return np.concatenate(points), np.concatenate(normals)


DOUBTFUL = 0x8000
"""Bit of an instance number: its outline does not lie on edges, so where the building ends is unknown."""


def instances(shape: tuple[int, int], rings: Sequence[Ring], clean: Sequence[bool]) -> NDArray[np.uint16]:
    """Instance numbers, from 1, of the rings (later ones above); 0 elsewhere."""
    ids = np.zeros(shape, np.uint16)
    for number, (ring, certain) in enumerate(zip(rings, clean, strict=True), start=1):
        cv2.fillPoly(ids, [np.round(ring).astype(np.int32)], number | (0 if certain else DOUBTFUL))
    return ids
