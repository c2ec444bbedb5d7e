"""Polygons that share their borders exactly: every edge belongs to one of them or to two."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from shapely import STRtree, get_coordinates, get_parts, polygonize, unary_union
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial.geo import Floats

# Degrees: what files are rounded to.
_GRID = 1e-8
# Neighbours that only touch share no border to speak of.
_LEAST_BORDER_M = 1.0

Edge = tuple[tuple[float, float], tuple[float, float]]


def meshed(
    borders: Sequence[BaseGeometry], outline: BaseGeometry, owners: Sequence[Polygon] | None = None
) -> list[Polygon]:
    """Return the faces of the lines ``borders`` (degrees) within ``outline``, on the grid of files.

    ``owners``: faces that lie in one of them are returned as one polygon, or several that do not touch.
    """
    faces = get_parts(polygonize(get_parts(unary_union(list(borders), grid_size=_GRID))))
    points = [face.representative_point() for face in faces]
    if owners is None:
        return [face for face, point in zip(faces, points, strict=True) if outline.contains(point)]
    tree = STRtree(list(owners))
    held: dict[int, list[Polygon]] = defaultdict(list)
    owned = dict(zip(*tree.query(points, predicate="within"), strict=True))
    for number, (face, point) in enumerate(zip(faces, points, strict=True)):
        # Rounding leaves slivers between owners.
        if number in owned or outline.contains(point):
            held[int(owned.get(number, tree.nearest(point)))].append(face)
    return [part for key in sorted(held) for part in get_parts(unary_union(held[key]))]


class Mesh:
    """Pieces by key, and who borders whom; ``unit_12``: metres of a degree."""

    def __init__(self, pieces: Sequence[Polygon], unit_12: Floats) -> None:
        self.pieces = dict(enumerate(pieces))
        self._unit_12 = unit_12
        self._edges = {key: self._edges_of(piece) for key, piece in self.pieces.items()}
        self._owners: dict[Edge, set[int]] = defaultdict(set)
        for key, edges in self._edges.items():
            for edge in edges:
                self._owners[edge].add(key)

    def neighbours(self, key: int) -> list[int]:
        """Return the pieces that share a border with ``key``, the longest first."""
        shared: dict[int, float] = defaultdict(float)
        for edge, length_m in self._edges[key].items():
            for other in self._owners[edge] - {key}:
                shared[other] += length_m
        return sorted((k for k, m in shared.items() if m >= _LEAST_BORDER_M), key=lambda k: (-shared[k], k))

    def union(self, one: int, other: int) -> Polygon:
        """Return the polygon of two neighbours."""
        both = unary_union([self.pieces[one], self.pieces[other]])
        if not isinstance(both, Polygon):
            raise TypeError("the pieces are no neighbours")
        return both

    def join(self, key: int, taken: int) -> None:
        """Make ``taken`` a part of ``key``."""
        self.pieces[key] = self.union(key, taken)
        edges = self._edges.pop(taken)
        del self.pieces[taken]
        for edge, length_m in edges.items():
            owners = self._owners[edge]
            owners.discard(taken)
            if key in owners:
                del self._owners[edge], self._edges[key][edge]
            else:
                owners.add(key)
                self._edges[key][edge] = length_m

    def replace(self, keys: tuple[int, ...], pieces: Sequence[Polygon]) -> None:
        """Put other pieces in the place of some; the new ones have no neighbours yet."""
        for key in keys:
            for edge in self._edges.pop(key):
                self._owners[edge].discard(key)
            del self.pieces[key]
        first = max(self.pieces, default=-1) + 1 + len(keys)
        for key, piece in enumerate(pieces, start=first):
            self.pieces[key], self._edges[key] = piece, {}

    def _edges_of(self, piece: Polygon) -> dict[Edge, float]:
        found: dict[Edge, float] = {}
        for ring in (piece.exterior, *piece.interiors):
            xy_N2 = get_coordinates(ring)
            length_N = np.hypot(*(np.diff(xy_N2, axis=0) * self._unit_12).T)
            points = [tuple(point) for point in xy_N2.tolist()]
            for a, b, length_m in zip(points[:-1], points[1:], length_N.tolist(), strict=True):
                found[(a, b) if a < b else (b, a)] = length_m
        return found
