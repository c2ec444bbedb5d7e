"""The fence that an autopilot guards: the plan's, outward to what it stores.

The inclusion holds all of the plan's fence; exclusions hold all of the no-fly zones and of the fence's
holes that lie in the inclusion. Both grow by at most ``MOST_GROWTH_M``, the exclusions only as far as the
path and the straight ways home stay clear of them. So the autopilot never breaks off a flight that keeps to
its plan.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.autopilots.items import FRAME_AMSL
from aerial.autopilots.outward import Growing, corners, grow
from aerial.errors import FlightError
from aerial.geo import WGS84, LonLat
from aerial.records import MissionItem, Plan, Sortie
from aerial.records.record import record

Floats = NDArray[np.float64]
Fits = Callable[[Sequence[int]], bool]
_Ring = tuple[int, Floats]  # command and corners, lon, lat

INCLUSION, EXCLUSION = 5001, 5002
# A corner off the lines is rounded by up to 2 m, a position is good to a metre: so far a grown exclusion
# keeps from the path and the ways home, as plans keep from zones.
CLEAR_M = 3.0
MOST_GROWTH_M = 50.0
# Where all of that does not suffice, exclusions this far from the path and every way home are given up.
FAR_M = 500.0
# Whole 1e-7 degrees are a centimetre: outlines grow by a little first, by more where rounding crosses edges.
_ROUNDING_M = (0.02, 0.1, 0.5)
_SLACK_M = 0.03
_MITRE = 3.0
_RETURN_EVERY_M = 50.0
_AROUND_M = 2 * MOST_GROWTH_M
_CRUMB_M2 = 1e-2


@record
class _Flight:
    """A sortie in its local frame: ``lines_K`` are pieces of path first, then ways home."""

    crs: str
    path: BaseGeometry
    lines_K: NDArray[np.object_]


@record
class _Zone:
    """Ground to stay out of, ``away_m`` from the flight.

    ``keep_K``: how far from each of the flight's lines it has to stay.
    """

    outline: Polygon
    keep_K: Floats
    away_m: float


def fence_items(plan: Plan, sortie: Sortie, fits: Fits) -> tuple[MissionItem, ...]:
    """Return inclusion and exclusion vertices, numbered from 0.

    ``fits`` tells of the numbers of corners of all polygons whether the autopilot stores them. Edges are
    straight in the sortie's local frame; corners are whole 1e-7 degrees.

    Raises:
        FlightError: the sortie leaves its fence or enters a no-fly zone, or no fence of so few corners
            holds the plan's and leaves the path free.
    """
    flight = _flight(plan, sortie)
    fence = _fence_around(plan, sortie, flight)
    zones = sorted(_zones(plan, sortie, flight, fence), key=lambda zone: zone.away_m)
    rings = _most(flight, fence, zones, fits)
    if rings is not None:
        return _items(rings)
    raise FlightError(
        f"The fence of sortie {sortie.number} with {len(zones)} no-fly zones has more corners than the "
        "autopilot stores, and cannot be simplified without touching the path.",
        hint="Draw fence and no-fly zones with fewer corners, or join neighbouring zones, and plan again.",
    )


def without_holes(polygon: Polygon) -> list[Polygon]:
    """Return ``polygon`` cut into parts without holes, in any units; autopilots know none."""
    if not polygon.interiors:
        return [polygon]
    west, south, east, north = polygon.bounds
    middle = Polygon(polygon.interiors[0]).centroid.x
    found = []
    for half in (box(west - 1, south - 1, middle, north + 1), box(middle, south - 1, east + 1, north + 1)):
        for part in shapely.get_parts(polygon.intersection(half)).tolist():
            if isinstance(part, Polygon) and not part.is_empty:
                found += without_holes(part)
    return found


def _flight(plan: Plan, sortie: Sortie) -> _Flight:
    crs = geo.local_frame(sortie.takeoff)
    points = [point.at for leg in sortie.legs for point in leg.path]
    path_N2 = _xy(crs, [sortie.takeoff, *points])
    goals_G2 = _xy(crs, [sortie.takeoff, *plan.rally])
    path_N2 = path_N2[np.r_[True, (np.diff(path_N2, axis=0) != 0).any(axis=1)]]
    pieces = [
        np.linspace(one, other, int(np.hypot(*(other - one)) / _RETURN_EVERY_M) + 2)
        for one, other in pairwise(path_N2)
    ]
    from_M2 = np.vstack([path_N2[:1], *(piece[1:] for piece in pieces)])
    # A failsafe flies to home or, where that is nearer, to a rally point.
    away_MG = np.hypot(*np.moveaxis(from_M2[:, None] - goals_G2, -1, 0))
    home_M2 = goals_G2[away_MG.argmin(axis=1)]
    ends = np.vstack(
        [np.stack([path_N2[:-1], path_N2[1:]], axis=1), np.stack([from_M2[1:], home_M2[1:]], axis=1)]
    )
    lines_K = np.asarray(shapely.linestrings(ends), object)
    path = shapely.union_all([Point(goals_G2[0]), *lines_K[: len(path_N2) - 1]])
    return _Flight(crs=crs, path=path, lines_K=lines_K)


def _xy(crs: str, positions: Sequence[LonLat]) -> Floats:
    lonlat_N2 = np.array([(at.lon_deg, at.lat_deg) for at in positions])
    return np.column_stack(geo.transform(WGS84, crs, lonlat_N2[:, 0], lonlat_N2[:, 1]))


def _fence_around(plan: Plan, sortie: Sortie, flight: _Flight) -> Polygon | None:
    """Return the part of the fence that the sortie flies in; its holes are zones."""
    if not plan.fence:
        return None
    whole = shapely.union_all([geo.reproject(part, WGS84, flight.crs) for part in plan.fence])
    for part in _polygons(whole):
        if part.buffer(_SLACK_M).covers(flight.path):
            return part
    raise FlightError(
        f"The path of sortie {sortie.number} leaves the fence of its plan.",
        hint="Plan the cell again; a fence that the path leaves would break off the flight.",
    )


def _zones(plan: Plan, sortie: Sortie, flight: _Flight, fence: Polygon | None) -> list[_Zone]:
    """Return what to stay out of where a fence of this size may reach, without holes."""
    shapes: list[BaseGeometry] = [geo.reproject(zone, WGS84, flight.crs) for zone in plan.no_fly]
    if fence is not None:
        shapes += [Polygon(hole) for hole in fence.interiors]
    ground = shapely.union_all(shapes)
    if fence is not None:
        low, high = np.array(fence.bounds[:2]) - _AROUND_M, np.array(fence.bounds[2:]) + _AROUND_M
        ground = ground.intersection(box(*low, *high))
    found = []
    for part in _polygons(ground):
        # Ground that zones close in is given up, unless the sortie flies there.
        flown = [hole for hole in part.interiors if Polygon(hole).intersects(flight.path)]
        for piece in without_holes(Polygon(part.exterior, flown)):
            away_K = shapely.distance(flight.lines_K, piece)
            if piece.intersects(flight.path):
                raise FlightError(
                    f"The path of sortie {sortie.number} enters a no-fly zone of its plan.",
                    hint="Plan the cell again with its zones.",
                )
            # A way home that is nearer as it is may not come nearer still; the plan's checks have told it.
            keep_K = np.minimum(CLEAR_M, 0.9 * away_K)
            found.append(_Zone(outline=piece, keep_K=keep_K, away_m=float(away_K.min())))
    return found


def _most(flight: _Flight, fence: Polygon | None, zones: Sequence[_Zone], fits: Fits) -> list[_Ring] | None:
    """Return the rings with all zones or, where those do not fit, with the most of them, nearest first."""
    rings = _rings(flight, fence, zones, fits)
    if rings is not None:
        return rings
    low, high = sum(zone.away_m <= FAR_M for zone in zones), len(zones) - 1
    while low <= high:
        middle = (low + high + 1) // 2
        found = _rings(flight, fence, zones[:middle], fits)
        if found is None:
            high = middle - 1
        else:
            rings, low = found, middle + 1
    return rings


def _rings(flight: _Flight, fence: Polygon | None, zones: Sequence[_Zone], fits: Fits) -> list[_Ring] | None:
    """Return commands and rings (lon, lat) that fit; None: none do, or rounding broke them."""
    for rounding_m in _ROUNDING_M:
        simple = _simple(flight, fence, zones, fits, rounding_m)
        if simple is None:
            return None
        inside, growing = simple
        rounded = [_rounded(one.xy_N2, flight.crs) for one in growing]
        if _keeps(flight, fence, inside, [_in_frame(ring, flight.crs) for ring in rounded], rounding_m):
            commands = [] if fence is None else [INCLUSION]
            commands += [EXCLUSION] * len(inside)
            return list(zip(commands, rounded, strict=True))
    return None


def _simple(
    flight: _Flight, fence: Polygon | None, zones: Sequence[_Zone], fits: Fits, rounding_m: float
) -> tuple[list[_Zone], list[Growing]] | None:
    """Return the zones in the fence, and the fence and them as few corners as fit; None: they never do."""
    held = {n for n, zone in enumerate(zones) if fence is None or _overlap(zone.outline, fence)}
    while True:
        inside = [zones[n] for n in sorted(held)]
        growing = [] if fence is None else [_growing(fence, flight, None, rounding_m)]
        growing += [_growing(zone.outline, flight, zone, rounding_m) for zone in inside]
        if not fits([3] * len(growing)) or not grow(growing, fits):
            return None
        if fence is None:
            return inside, growing
        # A fence that grew may have reached zones that it had not held.
        reached = Polygon(growing[0].xy_N2).buffer(_SLACK_M)
        more = {n for n, zone in enumerate(zones) if _overlap(zone.outline, reached)}
        if more <= held:
            return inside, growing
        held |= more


def _growing(outline: Polygon, flight: _Flight, zone: _Zone | None, rounding_m: float) -> Growing:
    origin = Polygon(outline.exterior)
    return Growing(
        origin=origin,
        xy_N2=corners(origin.buffer(rounding_m, join_style="mitre", mitre_limit=_MITRE)),
        most_m=MOST_GROWTH_M,
        lines_K=flight.lines_K if zone is not None else flight.lines_K[:0],
        keep_K=zone.keep_K if zone is not None else np.zeros(0),
    )


def _keeps(
    flight: _Flight,
    fence: Polygon | None,
    zones: Sequence[_Zone],
    sound: Sequence[Polygon],
    rounding_m: float,
) -> bool:
    """Tell whether the rounded polygons are sound, hold what they must and leave the flight free."""
    if not all(shape.is_valid and shape.area > 0 for shape in sound):
        return False
    closed = list(sound)
    if fence is not None and not closed.pop(0).covers(fence):
        return False
    slack_m = _SLACK_M + _MITRE * rounding_m
    return all(
        shape.covers(zone.outline)
        and not shape.intersects(flight.path)
        and bool((shapely.distance(flight.lines_K, shape) >= zone.keep_K - slack_m).all())
        for shape, zone in zip(closed, zones, strict=True)
    )


def _rounded(xy_N2: Floats, crs: str) -> Floats:
    lon_N, lat_N = geo.transform(crs, WGS84, xy_N2[:, 0], xy_N2[:, 1])
    lonlat_N2 = np.round(np.column_stack([lon_N, lat_N]) * 1e7) / 1e7 + 0.0  # no -0.0
    return np.asarray(lonlat_N2[(lonlat_N2 != np.roll(lonlat_N2, 1, axis=0)).any(axis=1)])


def _in_frame(lonlat_N2: Floats, crs: str) -> Polygon:
    if len(lonlat_N2) < 3:
        return Polygon()
    return geo.reproject(Polygon(lonlat_N2), WGS84, crs)


def _items(rings: Sequence[_Ring]) -> tuple[MissionItem, ...]:
    rows = [(command, len(ring), lon, lat) for command, ring in rings for lon, lat in ring.tolist()]
    return tuple(
        MissionItem(
            seq=seq, frame=FRAME_AMSL, command=command, params=(float(count), 0.0, 0.0, 0.0, lat, lon, 0.0)
        )
        for seq, (command, count, lon, lat) in enumerate(rows)
    )


def _overlap(a: Polygon, b: Polygon) -> bool:
    return bool(a.intersects(b) and a.intersection(b).area > _CRUMB_M2)


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    parts = shapely.get_parts(shapely.get_parts(shape)).tolist()
    return [part for part in parts if isinstance(part, Polygon) and part.area > _CRUMB_M2]
