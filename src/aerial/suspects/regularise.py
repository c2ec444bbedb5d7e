"""Outlines as buildings have them: straight, at right angles where the pixels allow it, same area."""

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

# How much of the pixels' own outline the straight one must keep (intersection over union).
_AGREE = 0.82


def regularise(outline: Polygon, tolerance: float) -> Polygon:
    """Return ``outline`` straightened, with the area it had; ``tolerance`` in units of its coordinates.

    Tried in turn: a rectangle, a polygon with right angles, plain simplification.
    """
    rectangle = outline.minimum_rotated_rectangle
    for candidate in (rectangle, _orthogonal(outline, rectangle, tolerance)):
        if (
            isinstance(candidate, Polygon)
            and candidate.is_valid
            and candidate.area > 0
            and not outline.interiors
        ):
            sized = _with_area(candidate, outline.area)
            if sized.intersection(outline).area >= _AGREE * sized.union(outline).area:
                return sized
    simple = outline.simplify(tolerance)
    if not isinstance(simple, Polygon) or not simple.is_valid or simple.is_empty:
        return outline
    return _with_area(simple, outline.area)


def _with_area(polygon: Polygon, area: float) -> Polygon:
    factor = float(np.sqrt(area / polygon.area))
    return affinity.scale(polygon, factor, factor, origin=polygon.centroid)


def _orthogonal(outline: Polygon, rectangle: BaseGeometry, tolerance: float) -> Polygon | None:
    """Return the outline with every edge turned to one of two directions, or None where that fails."""
    if not isinstance(rectangle, Polygon):
        return None
    first = np.diff(np.asarray(rectangle.exterior.coords)[:2], axis=0)[0]
    angle = float(np.degrees(np.arctan2(first[1], first[0])))
    turned = affinity.rotate(outline, -angle, origin=(0, 0)).simplify(tolerance)
    if not isinstance(turned, Polygon):
        return None
    ring = np.asarray(turned.exterior.coords)[:-1]
    step = np.roll(ring, -1, axis=0) - ring
    flat = np.abs(step[:, 0]) >= np.abs(step[:, 1])
    runs = _runs(ring, step, flat)
    if len(runs) < 4 or len(runs) % 2:
        return None
    # Edges alternate: the corner between two of them takes x from the upright one, y from the flat one.
    corners = []
    for (is_flat, value), (_, following) in zip(runs, runs[1:] + runs[:1], strict=True):
        corners.append((following, value) if is_flat else (value, following))
    squared = Polygon(corners)
    return affinity.rotate(squared, angle, origin=(0, 0)) if squared.is_valid else None


def _runs(
    ring: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    step: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    flat: np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
) -> list[tuple[bool, float]]:
    """Return runs of edges of one direction as (flat, coordinate), the coordinate weighted by length."""
    count = len(ring)
    starts = [i for i in range(count) if flat[i] != flat[i - 1]]
    runs = []
    for k, start in enumerate(starts):
        stop = starts[(k + 1) % len(starts)]
        indices = [(start + j) % count for j in range((stop - start) % count or count)]
        axis = 1 if flat[start] else 0
        weight = np.hypot(*step[indices].T)
        middle = ring[indices, axis] + step[indices, axis] / 2
        runs.append((bool(flat[start]), float((middle * weight).sum() / weight.sum())))
    return runs
