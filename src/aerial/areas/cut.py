"""Cells cut from an area: as large as one flight can cover, along natural lines where given.

The cells are a partition of the area: shared borders have the same vertices on the 1 mm grid that
files are written on. All cutting is in degrees scaled to metres, where the straight edges of GeoJSON
stay straight; the scale is that of the middle, 0.3 % off at 50 km.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np
from shapely import STRtree, clip_by_rect, get_coordinates, get_parts, transform
from shapely.affinity import rotate
from shapely.geometry import LineString, Point, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points

from aerial import geo
from aerial.areas.mesh import Mesh, meshed
from aerial.areas.models import CELL_ID, Cell, Feature
from aerial.errors import InputError
from aerial.geo import Floats, G, LonLat
from aerial.records.record import record

# Of one flight: what less is than a part worth flying alone, and what is joined whenever it fits.
_USELESS, _HALF = 0.2, 0.5
# Mean width over the side of a full cell, under which a piece is a strip between two lines.
_THIN = 1 / 12
# Room for the scale of the middle and for areas found by halving.
_ROOM = 0.99
_MAX_CELLS = 20_000
_INSET_M = 10.0
# So often what is too large is cut again.
_AGAIN = 8


def area_within(endurance_s: float, spacing_m: float, speed_m_s: float, turn_s: float) -> float:
    """Return the area (m2) of the square that is surveyed in ``endurance_s`` of flight.

    Of a square of side L: L / spacing lines, after each a turn of ``turn_s`` and a way of one spacing,
    and one L to the first line and home together. Climb and landing are not in ``endurance_s``.
    """
    per_m2 = 1 / (spacing_m * speed_m_s)
    per_m = turn_s / spacing_m + 2 / speed_m_s
    side_m = (math.sqrt(per_m**2 + 4 * per_m2 * max(endurance_s, 0.0)) - per_m) / (2 * per_m2)
    return side_m**2


def cut_cells(
    area: Feature, *, max_area_m2: float, lines: Sequence[LineString] = (), prefix: str = "C"
) -> tuple[Cell, ...]:
    """Return cells of at most ``max_area_m2`` that together are the area, none over another.

    ``lines`` (lon, lat) of roads and rivers part the area into blocks; their loose ends part nothing.
    Larger blocks are cut on, across their long side; pieces of less than half a flight join the
    neighbour of the longest common border while one flight does for both. Ids count in rows from the
    north-west to the south-east. Each cell has one take-off point inside of it, near a line where
    there are any.

    Raises:
        InputError: the largest area or the prefix is none, or the cells would be too many.
    """
    limit_m2 = max_area_m2 * _ROOM
    total_m2 = geo.area_m2(area.outline)
    if not 0 < max_area_m2 < math.inf or total_m2 / limit_m2 > _MAX_CELLS:
        raise InputError(
            f"Cells of at most {max_area_m2:.0f} m2 cannot be cut from {total_m2 / 1e6:.2f} km2.",
            hint=f"Give a larger area for one flight; at most {_MAX_CELLS} cells are cut.",
        )
    near = [line for line in lines if line.intersects(area.outline)]
    scale = _Scale.at(area.outline)
    pieces = _joined(meshed([area.outline.boundary, *near], area.outline), scale, limit_m2)
    parts = [part for piece in pieces for part in _split(piece, _flights(scale.area(piece), limit_m2), scale)]
    pieces = _joined(meshed([p.boundary for p in parts], area.outline, parts), scale, limit_m2)
    whole = _within(_rescued(pieces, area.outline, scale, limit_m2), area.outline, scale, limit_m2)
    return _named(whole, near, scale, prefix, math.sqrt(limit_m2))


@record
class _Scale:
    """Metres of a degree of longitude and of latitude in the middle of the area."""

    unit_12: Floats

    @classmethod
    def at(cls, outline: BaseGeometry) -> "_Scale":
        x0, y0, x1, y1 = outline.bounds
        return cls(unit_12=np.array([geo.metres_per_unit(geo.WGS84, (x0 + x1) / 2, (y0 + y1) / 2)]))

    def flat(self, shape: G) -> G:
        return transform(shape, lambda lonlat_N2: lonlat_N2 * self.unit_12)

    def back(self, shape: G) -> G:
        return transform(shape, lambda xy_N2: xy_N2 / self.unit_12)

    def area(self, shape: BaseGeometry) -> float:
        return float(shape.area * self.unit_12[0, 0] * self.unit_12[0, 1])

    def thin(self, shape: BaseGeometry, limit_m2: float) -> bool:
        return 2 * self.area(shape) / self.flat(shape).length < _THIN * math.sqrt(limit_m2)


def _flights(area_m2: float, limit_m2: float) -> int:
    return max(math.ceil(area_m2 / limit_m2), 1)


def _joined(pieces: Sequence[Polygon], scale: _Scale, limit_m2: float) -> list[Polygon]:
    """Join small pieces and strips, smallest first, to neighbours wherever that saves a flight."""
    mesh = Mesh(pieces, scale.unit_12)
    waiting = sorted(mesh.pieces, key=lambda key: (mesh.pieces[key].area, key))
    while waiting:
        key = waiting.pop(0)
        if key not in mesh.pieces:
            continue
        own_m2 = scale.area(mesh.pieces[key])
        if own_m2 >= _HALF * limit_m2 and not scale.thin(mesh.pieces[key], limit_m2):
            continue
        for other in mesh.neighbours(key):
            other_m2 = scale.area(mesh.pieces[other])
            apart = _flights(own_m2, limit_m2) + _flights(other_m2, limit_m2)
            if _flights(own_m2 + other_m2, limit_m2) < apart:
                mesh.join(other, key)
                # It may be small still.
                waiting.insert(0, other)
                break
    return list(mesh.pieces.values())


def _rescued(
    pieces: list[Polygon], outline: BaseGeometry, scale: _Scale, limit_m2: float
) -> Sequence[Polygon]:
    """Cut scraps that fit to no neighbour together with one of them anew, where that gives whole parts."""

    def useless(piece: Polygon) -> bool:
        return scale.area(piece) < _USELESS * limit_m2 or scale.thin(piece, limit_m2)

    if not any(map(useless, pieces)):
        return pieces
    mesh = Mesh(pieces, scale.unit_12)
    changed = False
    for key in [key for key, piece in mesh.pieces.items() if useless(piece)]:
        for other in mesh.neighbours(key):
            both = mesh.union(key, other)
            needed = _flights(scale.area(both), limit_m2)
            parts = _split(both, needed, scale)
            if len(parts) == needed and not any(useless(part) for part in parts):
                # The cut ends on borders of others: neighbours are known again after the next mesh.
                mesh.replace((key, other), parts)
                changed = True
                break
    found = list(mesh.pieces.values())
    return meshed([p.boundary for p in found], outline, found) if changed else found


def _within(
    pieces: Sequence[Polygon], outline: BaseGeometry, scale: _Scale, limit_m2: float
) -> Sequence[Polygon]:
    """Cut once more what is still too large: a cut through a very concave piece is not where it was meant."""
    for more in range(1, _AGAIN):
        if all(scale.area(piece) <= limit_m2 for piece in pieces):
            break
        parts = []
        for piece in pieces:
            flights = _flights(scale.area(piece), limit_m2)
            parts += [piece] if flights == 1 else _split(piece, flights - 1 + more, scale)
        pieces = meshed([p.boundary for p in parts], outline, parts)
    return pieces


def _split(piece: Polygon, count: int, scale: _Scale) -> list[Polygon]:
    """Return ``piece`` cut into parts of one size, about ``count`` of them, more where it is concave."""
    flat = scale.flat(piece)
    return [scale.back(part) for part in _halved(flat, count, flat.area / count)]


def _halved(piece: Polygon, count: int, size_m2: float) -> list[Polygon]:
    if count <= 1:
        return [piece]
    best: tuple[int, float, list[tuple[Polygon, int]]] | None = None
    for angle_deg, side_m in _sides(piece):
        first = _first(count, side_m / math.sqrt(size_m2))
        turned = rotate(piece, -angle_deg, origin=(0, 0))
        x0, y0, x1, y1 = turned.bounds
        at = _place(turned, first / count)
        sides = (
            clip_by_rect(turned, x0 - 1, y0 - 1, at, y1 + 1),
            clip_by_rect(turned, at, y0 - 1, x1 + 1, y1 + 1),
        )
        parts = []
        for side, share in zip(sides, (first, count - first), strict=True):
            whole = _polygons(side)
            # A side that falls apart is cut by what its parts need.
            parts += [(p, share if len(whole) == 1 else _flights(p.area, size_m2 * 1.001)) for p in whole]
        length = turned.intersection(LineString([(at, y0 - 1), (at, y1 + 1)])).length
        turned_back = [(rotate(part, angle_deg, origin=(0, 0)), share) for part, share in parts]
        if best is None or (len(parts), length) < best[:2]:
            best = (len(parts), length, turned_back)
    assert best is not None  # noqa: S101 - two directions were tried
    return [part for half, share in best[2] for part in _halved(half, share, size_m2)]


def _sides(piece: Polygon) -> list[tuple[float, float]]:
    """Return direction (degrees) and length of the long and of the short side of the least rectangle."""
    corners_N2 = get_coordinates(piece.minimum_rotated_rectangle)
    sides = [corners_N2[1] - corners_N2[0], corners_N2[2] - corners_N2[1]]
    found = [(math.degrees(math.atan2(side[1], side[0])), float(np.hypot(*side))) for side in sides]
    return sorted(found, key=lambda one: -one[1])


def _first(count: int, columns: float) -> int:
    """Return how many of ``count`` cells come before the cut of a side ``columns`` cells long."""
    whole = max(round(columns), 2)
    return min(max(round(count * (whole // 2) / whole), 1), count - 1)


def _place(turned: Polygon, share: float) -> float:
    """Return x left of which lies ``share`` of the area, to a thousandth of it."""
    x0, y0, x1, y1 = turned.bounds
    low, high = x0, x1
    for _ in range(30):
        middle = (low + high) / 2
        left = clip_by_rect(turned, x0 - 1, y0 - 1, middle, y1 + 1).area / turned.area
        if abs(left - share) < 5e-4:
            return middle
        low, high = (middle, high) if left < share else (low, middle)
    return (low + high) / 2


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in get_parts(shape.buffer(0)) if isinstance(part, Polygon) and part.area > 0]


def _named(
    pieces: Sequence[Polygon], lines: Sequence[LineString], scale: _Scale, prefix: str, row_m: float
) -> tuple[Cell, ...]:
    flat = [scale.flat(piece) for piece in pieces]
    north = max(piece.bounds[3] for piece in flat)
    order = sorted(
        range(len(flat)),
        key=lambda i: (int((north - flat[i].centroid.y) / row_m), flat[i].centroid.x, -flat[i].centroid.y),
    )
    digits = max(3, len(str(len(order))))
    if not CELL_ID.fullmatch(f"{prefix}{0:0{digits}d}"):
        raise InputError(
            f"{prefix!r} cannot begin the ids of cells.", hint="Give a few letters, digits, _ or -."
        )
    near = [scale.flat(line) for line in lines]
    tree = STRtree(near) if near else None
    return tuple(
        Cell(
            id=f"{prefix}{number:0{digits}d}",
            outline=pieces[i],
            properties={},
            takeoffs=(_takeoff(flat[i], near, tree, scale),),
        )
        for number, i in enumerate(order, start=1)
    )


def _takeoff(cell: Polygon, lines: Sequence[BaseGeometry], tree: STRtree | None, scale: _Scale) -> LonLat:
    """Return a place in the cell: beside the longest stretch of line along it, else in its middle."""
    if tree is None:
        at: Point = cell.representative_point()
    else:
        beside = _longest(
            line.intersection(cell.buffer(1.0)) for line in (lines[i] for i in tree.query(cell))
        )
        target = beside or nearest_points(cell, lines[int(tree.nearest(cell))])[1]
        at = nearest_points(_inset(cell), target)[0]
    lon, lat = get_coordinates(scale.back(at))[0]
    return LonLat(lon_deg=float(lon), lat_deg=float(lat))


def _longest(stretches: Iterable[BaseGeometry]) -> Point | None:
    parts = [p for stretch in stretches for p in get_parts(stretch) if isinstance(p, LineString)]
    longest = max(parts, key=lambda part: part.length, default=None)
    return None if longest is None or longest.length < 2 else longest.interpolate(0.5, normalized=True)


def _inset(cell: Polygon) -> BaseGeometry:
    inset_m = _INSET_M
    while (inside := cell.buffer(-inset_m)).is_empty:
        inset_m /= 2
    return inside
