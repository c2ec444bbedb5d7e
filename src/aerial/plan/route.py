"""Shortest ways that stay in a region with holes: a visibility graph.

Only corners at which a way can bend (where the free ground turns by more than 180 degrees) are
nodes; de Berg et al., Computational Geometry, chapter 15.
"""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse.csgraph import dijkstra
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.plan.lines import XY

Floats = NDArray[np.float64]
# Ways run along the border; so much of them may lie outside by rounding.
_ROUNDING_M = 1e-6
# A way from each point is looked for at so many of the nearest others directly, the rest by the graph.
_NEAREST = 32
# csgraph reads a length of 0 as no edge.
_TOUCHING_M = 1e-9


class Router:
    """Ways inside ``free``, one connected or several; corners are found when they are first needed."""

    def __init__(self, free: Polygon | MultiPolygon) -> None:
        self.free = free
        self._grown: BaseGeometry = free.buffer(_ROUNDING_M)
        shapely.prepare(self._grown)
        self._corners_V2: Floats | None = None
        self._between_VV: Floats | None = None

    def clear(self, from_N2: Floats, to_N2: Floats) -> NDArray[np.bool_]:
        """Tell for each pair of points whether the straight way between them is free."""
        if len(from_N2) == 0:
            return np.zeros(0, bool)
        return np.asarray(
            shapely.covers(self._grown, shapely.linestrings(np.stack([from_N2, to_N2], axis=1)))
        )

    def _graph(self) -> tuple[Floats, Floats]:
        if self._corners_V2 is None or self._between_VV is None:
            self._corners_V2 = _bends(self.free)
            self._between_VV = self._lengths(self._corners_V2, self._corners_V2)
        return self._corners_V2, self._between_VV

    def _lengths(self, from_A2: Floats, to_B2: Floats) -> Floats:
        """Return straight lengths, shape (A, B), infinite where they are not free."""
        a, b = np.meshgrid(np.arange(len(from_A2)), np.arange(len(to_B2)), indexing="ij")
        length = np.maximum(np.linalg.norm(from_A2[a] - to_B2[b], axis=-1), _TOUCHING_M)
        free = self.clear(from_A2[a.ravel()], to_B2[b.ravel()]).reshape(length.shape)
        return np.where(free, length, np.inf)

    def distances(self, points_N2: Floats) -> Floats:
        """Return lengths in metres of the ways between points, shape (N, N); infinite: no way.

        Those to far points may be longer than ``way`` finds: straight ways are tried to the nearest 32.
        """
        length_NN = np.maximum(np.linalg.norm(points_N2[:, None] - points_N2[None], axis=-1), _TOUCHING_M)
        near_NN = np.argsort(length_NN, axis=1)[:, : _NEAREST + 1]
        near_here_NN = np.zeros(length_NN.shape, bool)
        near_here_NN[np.arange(len(points_N2))[:, None], near_NN] = True
        found = self._shortest(points_N2, length_NN, near_here_NN)
        if not np.isfinite(found).all() and not near_here_NN.all():
            # Ends of one side alone may be near, and no corner in sight to lead on from them.
            found = self._shortest(points_N2, length_NN, np.ones_like(near_here_NN))
        return found

    def _shortest(self, points_N2: Floats, length_NN: Floats, tried_NN: NDArray[np.bool_]) -> Floats:
        """Return the lengths of ways that go straight between pairs that are tried, or by corners."""
        a, b = np.nonzero(np.triu(tried_NN | tried_NN.T, 1))
        free = self.clear(points_N2[a], points_N2[b])
        if tried_NN.all() and free.all():
            return np.asarray(length_NN)
        corners_V2, between_VV = self._graph()
        n, v = len(points_N2), len(corners_V2)
        whole = np.full((n + v, n + v), np.inf)
        whole[a[free], b[free]] = whole[b[free], a[free]] = length_NN[a[free], b[free]]
        whole[n:, n:] = between_VV
        whole[:n, n:] = self._lengths(points_N2, corners_V2)
        whole[n:, :n] = whole[:n, n:].T
        whole[np.isinf(whole)] = 0.0
        return np.asarray(dijkstra(whole, directed=False, indices=np.arange(n))[:, :n])

    def way(self, start: XY, end: XY) -> tuple[XY, ...] | None:
        """Return the corners of the shortest way, both ends included; None: there is none."""
        ends_22 = np.array([start, end])
        if self.clear(ends_22[:1], ends_22[1:])[0]:
            return (start, end)
        corners_V2, between_VV = self._graph()
        v = len(corners_V2)
        whole = np.zeros((v + 2, v + 2))
        whole[:v, :v] = np.where(np.isinf(between_VV), 0.0, between_VV)
        reach_2V = self._lengths(ends_22, corners_V2)
        whole[v:, :v] = np.where(np.isinf(reach_2V), 0.0, reach_2V)
        length, before = dijkstra(whole, directed=False, indices=v, return_predecessors=True)
        if not np.isfinite(length[v + 1]):
            return None
        nodes = [v + 1]
        while nodes[-1] != v:
            nodes.append(int(before[nodes[-1]]))
        inner = [(float(corners_V2[k, 0]), float(corners_V2[k, 1])) for k in reversed(nodes[1:-1])]
        return (start, *inner, end)


def length_m(path: Sequence[XY]) -> float:
    """Return the length of a path."""
    xy_N2 = np.asarray(path, float)
    return float(np.linalg.norm(np.diff(xy_N2, axis=0), axis=1).sum())


def _bends(free: Polygon | MultiPolygon) -> Floats:
    """Return the corners of ``free`` around which a shortest way can turn, shape (V, 2)."""
    found = []
    for part in shapely.get_parts(free).tolist():
        oriented = shapely.orient_polygons(part)
        for ring in (oriented.exterior, *oriented.interiors):
            xy_N2 = shapely.get_coordinates(ring)[:-1]
            before, after = xy_N2 - np.roll(xy_N2, 1, axis=0), np.roll(xy_N2, -1, axis=0) - xy_N2
            cross_N = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
            # Free ground lies to the left of every ring: a right turn is a corner to bend around.
            found.append(xy_N2[cross_N < 0])
    return np.concatenate(found) if found else np.zeros((0, 2))
