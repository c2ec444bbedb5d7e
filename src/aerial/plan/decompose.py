"""Cut an area into pieces that are each flown in their own best direction.

A piece is cut along the line of an edge that ends in a reflex corner, where two pieces in their own
directions cost less than one; after Huang, "Optimal line-sweep-based decompositions for coverage
algorithms" (ICRA 2001), with metres flown as the measure instead of the sum of altitudes.
"""

from collections.abc import Iterator

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from aerial.plan.lay import best_direction
from aerial.plan.region import polygons

Floats = NDArray[np.float64]
# Cuts tried on a piece, and edges tried as direction for what a cut leaves: the longest.
_CUTS, _DIRECTIONS = 24, 8
# Another piece is another approach: it must save so many turns.
_GAIN_TURNS = 2.0
_MOST_PIECES = 32


def pieces(area: MultiPolygon, spacing_m: float, turn_m: float) -> list[tuple[Polygon, float]]:
    """Return (polygon, direction in radians) of pieces that make up ``area``.

    ``turn_m``: what a turn costs, as metres of level flight.
    """
    waiting = list(area.geoms)
    done: list[tuple[Polygon, float]] = []
    while waiting:
        piece = waiting.pop()
        cost, direction = best_direction(piece, spacing_m, turn_m)
        halves = None
        if len(waiting) + len(done) < _MOST_PIECES:
            halves = _best_cut(piece, cost - _GAIN_TURNS * turn_m, spacing_m, turn_m)
        if halves is None:
            done.append((piece, direction))
        else:
            waiting.extend(halves)
    return done


def _best_cut(piece: Polygon, below_m: float, spacing_m: float, turn_m: float) -> list[Polygon] | None:
    best = None
    for line in _cuts(piece):
        halves = _halves(piece, line)
        if len(halves) < 2 or min(half.area for half in halves) < spacing_m**2:
            continue
        cost = 0.0
        for half in halves:
            cost += best_direction(half, spacing_m, turn_m, most=_DIRECTIONS)[0]
            if cost >= below_m:
                break
        if cost < below_m:
            best, below_m = halves, cost
    return best


def _cuts(piece: Polygon) -> Iterator[Floats]:
    """Yield lines (two points far outside) along edges that end in a reflex corner, longest first."""
    found: list[tuple[float, Floats]] = []
    x0, y0, x1, y1 = piece.bounds
    far = 2 * float(np.hypot(x1 - x0, y1 - y0)) + 1
    oriented = shapely.orient_polygons(piece)
    for ring in (oriented.exterior, *oriented.interiors):
        xy_N2 = shapely.get_coordinates(ring)[:-1]
        edge_N2 = np.roll(xy_N2, -1, axis=0) - xy_N2
        size_N = np.hypot(*edge_N2.T)
        before_N2 = np.roll(edge_N2, 1, axis=0)
        reflex_N = before_N2[:, 0] * edge_N2[:, 1] - before_N2[:, 1] * edge_N2[:, 0] < -1e-9
        for i in np.flatnonzero((reflex_N | np.roll(reflex_N, -1)) & (size_N > 0)):
            along = edge_N2[i] / size_N[i] * far
            found.append((float(size_N[i]), np.array([xy_N2[i] - along, xy_N2[i] + along])))
    found.sort(key=lambda item: -item[0])
    for _, line in found[:_CUTS]:
        yield line


def _halves(piece: Polygon, line_22: Floats) -> list[Polygon]:
    """Return what of ``piece`` lies on either side of a line."""
    along = line_22[1] - line_22[0]
    left = np.array([-along[1], along[0]])
    side = Polygon([line_22[0], line_22[1], line_22[1] + left, line_22[0] + left])
    return [*polygons(piece.intersection(side)).geoms, *polygons(piece.difference(side)).geoms]
