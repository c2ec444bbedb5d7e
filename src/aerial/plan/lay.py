"""Survey lines that cover a polygon in one direction.

The polygon is cut into bands across the direction, none wider than the spacing, and each band is
flown along its middle as far as the polygon reaches in it. So every point lies within half a
spacing of a line by construction, whatever the shape; lines end where the round cap of half a
spacing already covers what is left.
"""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from aerial.plan.lines import XY, Line

Floats = NDArray[np.float64]
# A place that one photograph covers is still a line with two ends, this far to either side.
_HALF_M = 0.5
# A gap in a band that is shorter than so many spacings is flown through: turning costs more.
_BRIDGE = 1.0


def turned(xy_N2: Floats, angle_rad: float) -> Floats:
    """Return points turned clockwise by ``angle_rad``, so that this direction becomes the x axis."""
    cos, sin = np.cos(angle_rad), np.sin(angle_rad)
    return np.asarray(xy_N2 @ np.array([[cos, -sin], [sin, cos]]))


def lay(polygon: Polygon | MultiPolygon, direction_rad: float, spacing_m: float) -> tuple[Line, ...]:
    """Return the lines that cover ``polygon``, from one side to the other.

    ``direction_rad``: of the lines, counter-clockwise from x. Lines of one band follow each other.
    """
    coordinates_N2 = turned(shapely.get_coordinates(polygon), direction_rad)
    low, high = coordinates_N2[:, 1].min(), coordinates_N2[:, 1].max()
    left, right = coordinates_N2[:, 0].min() - 1, coordinates_N2[:, 0].max() + 1
    bands = max(1, int(np.ceil((high - low) / spacing_m - 1e-9)))
    edges_B = np.linspace(low, high, bands + 1)
    rotated = shapely.transform(polygon, lambda xy_N2: turned(xy_N2, direction_rad))
    cut_B = shapely.intersection(rotated, shapely.box(left, edges_B[:-1], right, edges_B[1:]))
    parts, band_of_P = shapely.get_parts(cut_B, return_index=True)
    points_N2, part_of_N = shapely.get_coordinates(parts, return_index=True)
    if len(points_N2) == 0:
        return ()
    middle_B = (edges_B[:-1] + edges_B[1:]) / 2
    off_N = points_N2[:, 1] - middle_B[band_of_P][part_of_N]
    cap_N = np.sqrt(np.maximum((spacing_m / 2) ** 2 - off_N**2, 0.0))
    starts_N = np.flatnonzero(np.r_[True, np.diff(part_of_N) > 0])
    # u - sqrt(r2 - v2) is convex along an edge, so its largest value is at a vertex.
    reach_P = np.maximum.reduceat(points_N2[:, 0] - cap_N, starts_N)
    from_P = np.minimum.reduceat(points_N2[:, 0] + cap_N, starts_N)
    band_P = band_of_P[part_of_N[starts_N]]
    lines = []
    for band in np.unique(band_P):
        here = band_P == band
        for x0, x1 in _merged(from_P[here], reach_P[here], spacing_m * _BRIDGE):
            ends_22 = turned(np.array([[x0, middle_B[band]], [x1, middle_B[band]]]), -direction_rad)
            lines.append(Line(start=_xy(ends_22[0]), end=_xy(ends_22[1])))
    return tuple(lines)


def _merged(from_P: Floats, reach_P: Floats, bridge_m: float) -> list[tuple[float, float]]:
    """Return intervals, those that overlap or nearly touch made one; an inverted one is its middle."""
    middle_P = (from_P + reach_P) / 2
    inverted_P = from_P > reach_P
    low_P = np.where(inverted_P, middle_P - _HALF_M, from_P)
    high_P = np.where(inverted_P, middle_P + _HALF_M, reach_P)
    merged: list[tuple[float, float]] = []
    for i in np.argsort(low_P):
        low, high = float(low_P[i]), float(high_P[i])
        if merged and low - merged[-1][1] <= bridge_m:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def estimate(polygon: Polygon | MultiPolygon, direction_rad: float, spacing_m: float, turn_m: float) -> float:
    """Return about what ``lay`` would cost in metres: the lines, and ``turn_m`` for each of them."""
    return estimator(polygon, spacing_m, turn_m)(direction_rad)


class estimator:  # noqa: N801 - used as a function with the polygon's edges kept
    """What lines in a direction would cost on one polygon, by scanning at the middle of each band."""

    def __init__(self, polygon: Polygon | MultiPolygon, spacing_m: float, turn_m: float) -> None:
        points_N2, ring_N = shapely.get_coordinates(_rings(polygon), return_index=True)
        same_N = ring_N[1:] == ring_N[:-1]
        self._from_E2, self._to_E2 = points_N2[:-1][same_N], points_N2[1:][same_N]
        self._spacing_m, self._turn_m = spacing_m, turn_m

    def __call__(self, direction_rad: float) -> float:
        """Return the metres of lines in this direction, turns included."""
        a_E2, b_E2 = turned(self._from_E2, direction_rad), turned(self._to_E2, direction_rad)
        low, high = a_E2[:, 1].min(), a_E2[:, 1].max()
        bands = max(1, int(np.ceil((high - low) / self._spacing_m - 1e-9)))
        width = (high - low) / bands
        y_B = low + (np.arange(bands) + 0.5) * width
        first_E = np.searchsorted(y_B, np.minimum(a_E2[:, 1], b_E2[:, 1]))
        last_E = np.searchsorted(y_B, np.maximum(a_E2[:, 1], b_E2[:, 1]))
        many_E = last_E - first_E
        edge_X = np.repeat(np.arange(len(many_E)), many_E)
        start_E = np.cumsum(many_E) - many_E
        band_X = first_E[edge_X] + np.arange(len(edge_X)) - start_E[edge_X]
        share_X = (y_B[band_X] - a_E2[edge_X, 1]) / (b_E2[edge_X, 1] - a_E2[edge_X, 1])
        x_X = a_E2[edge_X, 0] + share_X * (b_E2[edge_X, 0] - a_E2[edge_X, 0])
        order = np.lexsort((x_X, band_X))
        sides = x_X[order].reshape(-1, 2)
        band_S = band_X[order][::2]
        gaps = (sides[1:, 0] - sides[:-1, 1])[band_S[1:] == band_S[:-1]]
        bridged = gaps <= self._spacing_m * _BRIDGE
        lines = len(sides) - int(bridged.sum())
        length_m = float((sides[:, 1] - sides[:, 0]).sum() + gaps[bridged].sum())
        # Lines reach to the furthest corner of their band, on average a quarter of it at each end.
        slope_E = np.abs(b_E2[:, 0] - a_E2[:, 0]) / 2
        more_m = float(slope_E.sum()) * width / self._spacing_m * 0.5
        return float(length_m + more_m + lines * self._turn_m)


def directions(polygons: Sequence[Polygon], most: int) -> Floats:
    """Return the directions worth trying in radians 0..pi: those of the edges and of the hull.

    The longest edges come first; directions within a degree of each other are one.
    """
    length: dict[int, float] = {}
    angle: dict[int, float] = {}
    for polygon in polygons:
        for ring in (shapely.get_exterior_ring(polygon.convex_hull), polygon.exterior, *polygon.interiors):
            xy_N2 = shapely.get_coordinates(ring)
            delta_E2 = np.diff(xy_N2, axis=0)
            for (dx, dy), size in zip(delta_E2, np.hypot(*delta_E2.T), strict=True):
                if size > 0:
                    bearing = float(np.arctan2(dy, dx) % np.pi)
                    key = round(np.degrees(bearing)) % 180
                    length[key] = length.get(key, 0.0) + float(size)
                    angle.setdefault(key, bearing)
    keys = sorted(length, key=lambda k: -length[k])[:most]
    return np.array([angle[key] for key in keys])


def best_direction(polygon: Polygon, spacing_m: float, turn_m: float, most: int = 24) -> tuple[float, float]:
    """Return (cost in metres, direction in radians) of the best single direction for ``polygon``."""
    cost = estimator(polygon, spacing_m, turn_m)
    tried = directions([polygon], most)
    costs = [cost(angle) for angle in tried]
    best = int(np.argmin(costs))
    return costs[best], float(tried[best])


def _rings(polygon: Polygon | MultiPolygon) -> list[shapely.LinearRing]:
    parts = polygon.geoms if isinstance(polygon, MultiPolygon) else [polygon]
    return [ring for part in parts for ring in (part.exterior, *part.interiors)]


def _xy(point_2: Floats) -> XY:
    return float(point_2[0]), float(point_2[1])
