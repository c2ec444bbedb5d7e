"""How outlines of one place, measured twice, lie on each other; in metres, but for what says lon, lat.

Two outlines of one building differ by where the mosaics were laid and by how a detector drew them, and
touching neighbours are two buildings. The numbers:

    reach      how far two outlines of one thing may be apart: ``error_m`` is a CE95, the difference of two
               such positions is sqrt(2) of it, and 999 of 1000 lie within 1.5 times that; beside it 0.5 m
               for two outlines drawn on pixels of 0.3 m; never more than 3 m, for pairs that lie worse
               are refused. An unknown error counts as 1 m.
    share      what two outlines have in common of the smaller one, after half of the reach was taken off the
               rim of both (at most an eighth of their size): neighbours that touch have nothing in common.
    excess     what reaches beyond the known by more than the reach, is 1.3 m wide there and has 5 m2: the
               least that is a suspect at all (``Limits``).
"""

import math
from collections.abc import Sequence

from shapely import make_valid, union_all
from shapely.geometry import GeometryCollection, LineString, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.ops import nearest_points

from aerial import geo

# Two outlines share so much of the smaller one, or they are two buildings; as for two flights.
SAME = 0.25
# A suspect is at least so wide and so large.
WIDTH_M, LEAST_M2 = 1.3, 5.0
_UNKNOWN_M, _DRAWN_M, _FARTHEST_M = 1.0, 0.5, 3.0
_TAIL = 1.5 * math.sqrt(2)
_RIM = 1 / 8
# What is smaller than this has no area to share; it is given a little of its surroundings.
_POINT_M2, _POINT_M = 0.1, 0.3
# Parts of one structure that do not touch are joined by a strip, because an outline is one polygon.
_STRIP_M = 0.15
EMPTY = Polygon()


def reach_m(error_m: float | None) -> float:
    """Return how far two outlines of one thing may lie apart, given the CE95 of one of them."""
    error = _UNKNOWN_M if error_m is None or not math.isfinite(error_m) else max(error_m, 0.0)
    return min(math.hypot(_TAIL * error, _DRAWN_M), _FARTHEST_M)


def solid(outline: BaseGeometry) -> BaseGeometry:
    """Return a valid polygon (or several) with an area, whatever was drawn: bow-ties, spikes, slivers."""
    valid = outline if outline.is_valid else make_valid(outline)
    if isinstance(valid, GeometryCollection):
        valid = union_all([part for part in valid.geoms if part.area > 0]) if valid.area else valid
    return _closed(valid) if valid.area >= _POINT_M2 else valid.buffer(_POINT_M)


def _closed(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape without the pinholes that unions of touching outlines leave: of no area, or nearly."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon)]
    if all(Polygon(ring).area >= _POINT_M2 for part in parts for ring in part.interiors):
        return shape
    kept = [[ring for ring in part.interiors if Polygon(ring).area >= _POINT_M2] for part in parts]
    return union_all([Polygon(part.exterior, rings) for part, rings in zip(parts, kept, strict=True)])


def share(a: BaseGeometry, b: BaseGeometry, reach: float) -> float:
    """Return what two outlines have in common of the smaller one, 0-1; see the module."""
    rim = min(reach / 2, _RIM * math.sqrt(min(a.area, b.area)))
    inner_a, inner_b = shrunk(a, rim), shrunk(b, rim)
    # What is too narrow to lose its rim is taken as it is.
    inner_a, inner_b = (a if inner_a.is_empty else inner_a), (b if inner_b.is_empty else inner_b)
    return float(inner_a.intersection(inner_b).area / min(inner_a.area, inner_b.area))


def same_place(a: BaseGeometry, b: BaseGeometry, reach: float) -> bool:
    """Tell whether two outlines can be of one structure.

    They share a quarter of the smaller one; or they are as large as each other, within a factor of two,
    and their middles no further apart than the reach (a hut of 3 m, drawn beside itself).
    """
    if share(a, b, reach) >= SAME:
        return True
    return 0.5 <= a.area / b.area <= 2.0 and a.centroid.distance(b.centroid) <= reach


def excess(seen: BaseGeometry, known: BaseGeometry, reach: float) -> BaseGeometry:
    """Return what of ``seen`` lies clearly beyond ``known``; empty where nothing does."""
    beyond = seen.difference(grown(known, reach))
    wide = grown(shrunk(beyond, WIDTH_M / 2), WIDTH_M / 2)
    return wide if wide.area >= LEAST_M2 else EMPTY


def covered(part: BaseGeometry, by: BaseGeometry, reach: float) -> float:
    """Return how much of ``part`` (0-1) ``by`` covers when it is half of the reach wider."""
    return float(part.intersection(grown(by, reach / 2)).area / part.area)


def contact_m(a: BaseGeometry, b: BaseGeometry, reach: float) -> float:
    """Return along how many metres of its rim ``a`` stands against ``b``."""
    return float(a.boundary.intersection(grown(b, max(reach / 2, 0.5))).length)


def grown(shape: BaseGeometry, by_m: float) -> BaseGeometry:
    """Return a shape wider by so many metres, corners kept as corners."""
    return shape.buffer(by_m, join_style="mitre", mitre_limit=2.0)


def shrunk(shape: BaseGeometry, by_m: float) -> BaseGeometry:
    """Return a shape narrower by so many metres."""
    return shape.buffer(-by_m, join_style="mitre", mitre_limit=2.0)


def one_polygon(shape: BaseGeometry) -> Polygon:
    """Return one polygon that holds all parts of a shape, distant ones joined by strips of 0.3 m."""
    parts = [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon) and part.area > 0]
    parts.sort(key=lambda part: (-part.area, part.bounds))
    whole: BaseGeometry = parts[0] if parts else EMPTY
    for part in parts[1:]:
        strip = LineString(nearest_points(whole, part)).buffer(_STRIP_M)
        whole = union_all([whole, strip, part])
    if isinstance(whole, Polygon):
        return whole
    # Rounding can leave a crumb beside; the largest part is the structure.
    return max((p for p in getattr(whole, "geoms", []) if isinstance(p, Polygon)), key=lambda p: p.area)


def frame_at(outline: BaseGeometry) -> str:
    """Return the local metric frame around the middle of an outline's bounds (lon, lat)."""
    west, south, east, north = outline.bounds
    return geo.local_frame(geo.LonLat(lon_deg=(west + east) / 2, lat_deg=(south + north) / 2))


def joined(outlines: Sequence[Polygon]) -> Polygon:
    """Return one polygon (lon, lat) that holds all of some outlines (lon, lat)."""
    frame = frame_at(outlines[0])
    parts = [solid(geo.reproject(outline, geo.WGS84, frame)) for outline in outlines]
    return geo.reproject(one_polygon(union_all(parts)), frame, geo.WGS84)
