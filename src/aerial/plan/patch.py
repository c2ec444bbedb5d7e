"""Lines along a border, where lines of one direction were cut short by it.

A band that runs obliquely into a no-fly zone or a tight fence leaves a wedge that its own line cannot
reach. Every point of such a wedge is close to the border, so flying along the border covers it.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.ops import substring

from aerial.plan.lay import lay
from aerial.plan.lines import Line
from aerial.plan.region import polygons
from aerial.records.record import record

# The rest that is not worth a line: of the target, a tenth of what the claim allows.
_REST = 1e-5
_ROUNDS = 6
# The cap of a line is a polygon inside the circle; the radius is a hair short to stay on the safe side.
_QUAD_SEGS = 32
_INSIDE_M = 0.02


@record
class Patched:
    """Lines that cover, and the share (0-1) of the target further than half a spacing from all of them."""

    lines: tuple[Line, ...]
    uncovered: float


def clip(lines: Sequence[Line], free: MultiPolygon) -> tuple[tuple[Line, ...], bool]:
    """Return the stretches of lines that are free, and whether any was cut."""
    if not lines:
        return (), False
    strings = shapely.linestrings([(line.start, line.end) for line in lines])
    shapely.prepare(free)
    whole_N = shapely.covers(free, strings)
    if whole_N.all():
        return tuple(lines), False
    kept: list[Line] = []
    for line, string, whole in zip(lines, strings, whole_N, strict=True):
        if whole:
            kept.append(line)
            continue
        for part in shapely.get_parts(shapely.intersection(string, free)).tolist():
            if isinstance(part, LineString) and part.length > 1e-6:
                a, b = ((float(x), float(y)) for x, y in (part.coords[0][:2], part.coords[-1][:2]))
                forward = np.dot(np.subtract(b, a), np.subtract(line.end, line.start)) >= 0
                kept.append(Line(start=a if forward else b, end=b if forward else a))
    return tuple(kept), True


def left_over(target: MultiPolygon, lines: Sequence[Line], spacing_m: float) -> MultiPolygon:
    """Return what of ``target`` lies further than half a spacing from every line."""
    if not lines:
        return target
    strings = shapely.linestrings([(line.start, line.end) for line in lines])
    seen = shapely.union_all(shapely.buffer(strings, spacing_m / 2 * (1 - 1e-7), quad_segs=_QUAD_SEGS))
    return polygons(target.difference(seen))


def patch(target: MultiPolygon, free: MultiPolygon, lines: Sequence[Line], spacing_m: float) -> Patched:
    """Return ``lines`` with those added that cover what they leave, as far as the free ground allows."""
    kept = list(lines)
    rest = left_over(target, kept, spacing_m)
    for round_ in range(_ROUNDS):
        if rest.area <= _REST * target.area:
            break
        # Wedges that nearly touch lie along one border: one line serves them.
        wedges = polygons(rest.buffer(spacing_m / 2).buffer(-spacing_m * 0.45).union(rest))
        added: list[Line] = []
        least_m2 = _REST * target.area / 10
        for wedge in wedges.geoms:
            if wedge.intersection(rest).area <= least_m2:
                continue
            ways = (_along_border(wedge, free, spacing_m), clip(_through(wedge, spacing_m), free)[0])
            # Only what sees some of the rest: the lines of another wedge may have seen this one, and ground
            # that no line reaches would get the same lines in every round.
            useful = [_seeing(way, rest, spacing_m, least_m2 / 10) for way in ways]
            chosen = (useful[0] or useful[1]) if round_ % 2 == 0 else (useful[1] or useful[0])
            if chosen:
                added += chosen
                rest = left_over(rest, chosen, spacing_m)
        if not added:
            break
        kept += added
        rest = left_over(target, kept, spacing_m)
    return Patched(lines=tuple(kept), uncovered=float(rest.area / target.area))


def _seeing(lines: Sequence[Line], rest: MultiPolygon, spacing_m: float, least_m2: float) -> list[Line]:
    """Return the lines that see more than ``least_m2`` of ``rest`` each."""
    if not lines:
        return []
    strings = shapely.linestrings([(line.start, line.end) for line in lines])
    seen_N = shapely.area(shapely.intersection(shapely.buffer(strings, spacing_m / 2), rest))
    return [line for line, seen in zip(lines, seen_N, strict=True) if seen > least_m2]


def _along_border(wedge: Polygon, free: MultiPolygon, spacing_m: float) -> tuple[Line, ...]:
    """Return straight lines along the stretch of the border of ``free`` that lies next to ``wedge``."""
    # A line on the very border is inside or outside by rounding.
    inner = polygons(free.buffer(-_INSIDE_M, join_style="mitre"))
    rings = [ring for part in inner.geoms for ring in (part.exterior, *part.interiors)]
    if not rings:
        return ()
    ring = min(rings, key=lambda one: one.distance(wedge))
    if ring.distance(wedge) > spacing_m / 2:
        return ()
    corners_N2 = shapely.get_coordinates(wedge.segmentize(spacing_m / 4))
    where_N = np.sort(shapely.line_locate_point(ring, shapely.points(corners_N2)))
    # The ring is a circle of its length: the stretch is what the widest gap between places leaves.
    gaps_N = np.diff(np.r_[where_N, where_N[0] + ring.length])
    cut = int(np.argmax(gaps_N))
    first, last = float(where_N[(cut + 1) % len(where_N)]), float(where_N[cut])
    if first <= last:
        stretch = substring(ring, first, last)
    else:
        stretch = LineString(
            [*substring(ring, first, ring.length).coords, *substring(ring, 0, last).coords[1:]]
        )
    if stretch.length < 1e-3:
        return ()
    corners = shapely.get_coordinates(stretch.simplify(min(0.5, spacing_m / 50)))
    lines = [
        Line(start=(float(a[0]), float(a[1])), end=(float(b[0]), float(b[1])))
        for a, b in pairwise(corners)
        if np.hypot(*(b - a)) > 1e-3
    ]
    return clip(lines, free)[0]


def _through(wedge: Polygon, spacing_m: float) -> tuple[Line, ...]:
    box = shapely.get_coordinates(wedge.minimum_rotated_rectangle)
    if len(box) < 4:
        return ()
    long = max(box[1] - box[0], box[2] - box[1], key=lambda side: float(np.hypot(*side)))
    return lay(wedge, float(np.arctan2(long[1], long[0])), spacing_m)
