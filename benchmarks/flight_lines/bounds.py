"""How short a path can be that brings every point of an area within half a spacing of it."""

import math

import numpy as np
from shapely.geometry.base import BaseGeometry


def area_bound_m(ground: BaseGeometry, spacing_m: float) -> float:
    """B1: a path of length L sweeps no more than L s + pi s^2 / 4, whatever its shape."""
    return float(ground.area - math.pi * spacing_m**2 / 4) / spacing_m


def one_direction_bound_m(convex: BaseGeometry, spacing_m: float) -> float:
    """B2: parallel lines over a convex area, and the way across it from the first to the last."""
    return float(convex.area) / spacing_m + minimum_width_m(convex) - spacing_m


def minimum_width_m(area: BaseGeometry) -> float:
    """Return the least distance of two parallel lines that hold the area between them.

    One of them lies on an edge of the convex hull (rotating calipers).
    """
    ring_N2 = np.asarray(area.convex_hull.exterior.coords)
    edge_N2 = np.diff(ring_N2, axis=0)
    edge_N2 = edge_N2[np.hypot(*edge_N2.T) > 0]
    normal_N2 = np.column_stack([-edge_N2[:, 1], edge_N2[:, 0]]) / np.hypot(*edge_N2.T)[:, None]
    return float(np.ptp(ring_N2 @ normal_N2.T, axis=0).min())
