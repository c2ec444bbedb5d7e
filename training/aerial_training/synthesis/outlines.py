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
_SNAP_REACH_M = 3.5
_SNAP_GAIN = 1.25


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
    """Rings moved by up to 3.5 m onto the strongest edges, and whether each now lies on real edges.

    Outlines of maps lie beside the roofs by several pixels, each by its own vector (roofs lean, maps
    were drawn on other pictures); the shift with most gradient across the outline is taken.
    """
    grey = cv2.GaussianBlur(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY), (0, 0), 1.0).astype(np.float32)
    gradient_x, gradient_y = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    reach = round(_SNAP_REACH_M / gsd_m)
    moved: list[Ring] = []
    good: list[bool] = []
    for ring in rings:
        shift, fits = _best_shift(gradient_x, gradient_y, ring, reach)
        moved.append(ring + shift)
        good.append(fits)
    return moved, good


def _best_shift(
    gradient_x: NDArray[np.float32], gradient_y: NDArray[np.float32], ring: Ring, reach: int
) -> tuple[NDArray[np.float64], bool]:
    height, width = gradient_x.shape
    points, normals = _samples(ring)
    inside = (points > reach).all(axis=1) & (points < (width - reach - 1, height - reach - 1)).all(axis=1)
    if inside.sum() < 0.7 * len(points) or len(points) < 12:
        return np.zeros(2), False
    points, normals = np.round(points[inside]).astype(int), normals[inside]
    shifts = np.stack(np.meshgrid(*[np.arange(-reach, reach + 1)] * 2, indexing="xy"), axis=-1).reshape(-1, 2)
    x = points[None, :, 0] + shifts[:, None, 0]
    y = points[None, :, 1] + shifts[:, None, 1]
    across = np.abs(gradient_x[y, x] * normals[None, :, 0] + gradient_y[y, x] * normals[None, :, 1])
    across = np.minimum(across, 200.0).mean(axis=1)
    # A small shift is more likely than a large one.
    score = across * (1.0 - 0.25 * np.hypot(*shifts.T) / reach)
    best = int(score.argmax())
    here = int((np.abs(shifts).sum(axis=1) == 0).argmax())
    if score[best] < 1.08 * score[here]:
        best = here
    return shifts[best].astype(np.float64), bool(across[best] > _SNAP_GAIN * np.median(across) + 8.0)


def _samples(ring: Ring) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    points, normals = [], []
    for start, end in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        length = float(np.hypot(*(end - start)))
        if length < 2.0:
            continue
        along = np.linspace(0.0, 1.0, max(int(length / 2.0), 2), endpoint=False)[:, None]
        points.append(start + along * (end - start))
        normals.append(
            np.broadcast_to(np.array([end[1] - start[1], start[0] - end[0]]) / length, (len(along), 2))
        )
    if not points:
        return np.zeros((0, 2)), np.zeros((0, 2))
    return np.concatenate(points), np.concatenate(normals)


def instances(shape: tuple[int, int], rings: Sequence[Ring]) -> NDArray[np.uint16]:
    """Instance numbers, from 1, of the rings (later ones above); 0 elsewhere."""
    ids = np.zeros(shape, np.uint16)
    for number, ring in enumerate(rings, start=1):
        cv2.fillPoly(ids, [np.round(ring).astype(np.int32)], number)
    return ids
