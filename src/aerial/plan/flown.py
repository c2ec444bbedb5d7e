"""A plan as lines in the local frame, and how high they are over what lies below.

Heights of lines are over the take-off point of their sortie until a model gives it a height.
"""

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.geo import LonLat, in_frame
from aerial.plan.ground import Bounds, Ground
from aerial.plan.terrain import cuts
from aerial.records.plan import Plan, Sortie
from aerial.records.record import record

Floats = NDArray[np.float64]

BESIDE_M = 5.0  # what stands within it of the path counts: positions are not exact, a drone is not a point
_RETURN_EVERY_M = 50.0
_AROUND_M = 40.0


@record
class Segments:
    """Straight pieces of path: ends x and y in the frame, heights over take-off at the ends.

    ``sortie_S``: place of the sortie in the plan. ``leg_S``: place of the leg in the sortie; of a way
    home, the leg that it leaves.
    """

    start_S2: Floats
    end_S2: Floats
    start_above_S: Floats
    end_above_S: Floats
    sortie_S: NDArray[np.intp]
    leg_S: NDArray[np.intp]


@record
class Margins:
    """How high segments are over something, by parts of them between which it is simple.

    ``least_K``, ``most_K``: exact over each part; NaN where what is below is not known. ``at_K2``:
    the start of the part.
    """

    segment_K: NDArray[np.intp]
    length_K: Floats
    least_K: Floats
    most_K: Floats
    at_K2: Floats
    to_K2: Floats


def frame_of(plan: Plan) -> str:
    """Return the local frame at the middle of a plan's area."""
    bounds = np.array([part.bounds for part in plan.area])
    lon, lat = (bounds[:, :2].min(axis=0) + bounds[:, 2:].max(axis=0)) / 2
    return geo.local_frame(LonLat(lon_deg=float(lon), lat_deg=float(lat)))


def bounds_of(plan: Plan, frame_crs: str) -> Bounds:
    """Return what a surface must cover for the checks: the path, the ways home, and a little around."""
    points = [p.at for s in plan.sorties for leg in s.legs for p in leg.path]
    xy_N2 = in_frame(frame_crs, [*points, *(s.takeoff for s in plan.sorties), *plan.rally])
    low, high = xy_N2.min(axis=0) - _AROUND_M, xy_N2.max(axis=0) + _AROUND_M
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def path_of(plan: Plan, frame_crs: str) -> Segments:
    """Return every segment of every leg."""
    rows = [
        (number, place, point)
        for number, sortie in enumerate(plan.sorties)
        for place, leg in enumerate(sortie.legs)
        for point in leg.path
    ]
    xy_N2 = in_frame(frame_crs, [point.at for _, _, point in rows])
    above_N = np.array([point.height_above_takeoff_m for _, _, point in rows])
    sortie_N = np.array([number for number, _, _ in rows], dtype=np.intp)
    leg_N = np.array([place for _, place, _ in rows], dtype=np.intp)
    (at,) = np.nonzero((np.diff(sortie_N) == 0) & (np.diff(leg_N) == 0))
    return Segments(
        start_S2=xy_N2[at],
        end_S2=xy_N2[at + 1],
        start_above_S=above_N[at],
        end_above_S=above_N[at + 1],
        sortie_S=sortie_N[at],
        leg_S=leg_N[at],
    )


def ways_home(plan: Plan, frame_crs: str, path: Segments) -> Segments:
    """Return the straight ways home of a failsafe, from the corners of the path and every 50 m of it.

    They end above the take-off point or, where that is nearer, above a rally point, and are as high as
    the return height or, where that is higher, as where they begin.
    """
    length_S = np.hypot(*(path.end_S2 - path.start_S2).T)
    parts_S = np.maximum(1, np.ceil(length_S / _RETURN_EVERY_M)).astype(np.intp)
    segment_N = np.repeat(np.arange(len(parts_S)), parts_S)
    share_N = (np.arange(len(segment_N)) - np.repeat(np.cumsum(parts_S) - parts_S, parts_S) + 1) / (
        parts_S[segment_N]
    )
    from_N2 = path.start_S2[segment_N] + share_N[:, None] * (path.end_S2 - path.start_S2)[segment_N]
    above_N = path.start_above_S[segment_N] + share_N * (path.end_above_S - path.start_above_S)[segment_N]
    sortie_N = path.sortie_S[segment_N]
    homes = in_frame(frame_crs, [sortie.takeoff for sortie in plan.sorties])[sortie_N]
    if plan.rally:
        rally_R2 = in_frame(frame_crs, plan.rally)
        away_NR = np.hypot(*np.moveaxis(from_N2[:, None] - rally_R2, -1, 0))
        nearer_N = away_NR.min(axis=1) < np.hypot(*(from_N2 - homes).T)
        homes = np.where(nearer_N[:, None], rally_R2[away_NR.argmin(axis=1)], homes)
    return_N = np.array([sortie.return_height_m for sortie in plan.sorties])[sortie_N]
    height_N = np.maximum(return_N, above_N)
    return Segments(
        start_S2=from_N2,
        end_S2=homes,
        start_above_S=height_N,
        end_above_S=height_N,
        sortie_S=sortie_N,
        leg_S=path.leg_S[segment_N],
    )


def over_ground(ground: Ground, segments: Segments, takeoff_amsl_S: Floats) -> Margins:
    """Return the true height of segments over the ground straight below, exact between its cells."""
    segment_K, xy_K2, z_K = _parts(ground, segments, takeoff_amsl_S)
    (at,) = np.nonzero(np.diff(segment_K) == 0)
    over_K = z_K - ground.at(xy_K2)
    middle = (z_K[at] + z_K[at + 1]) / 2 - ground.at((xy_K2[at] + xy_K2[at + 1]) / 2)
    first, last = over_K[at], over_K[at + 1]
    bend = middle - (first + last) / 2
    # A parabola through three points has its turn inside only where it bends more than it leans.
    turns = np.abs(4 * bend) > np.abs(last - first)
    turn = (first + last) / 2 + bend + (last - first) ** 2 / (16 * np.where(turns, bend, 1.0))
    return Margins(
        segment_K=segment_K[at],
        length_K=np.hypot(*(xy_K2[at + 1] - xy_K2[at]).T),
        least_K=np.where(turns, np.minimum(np.minimum(first, last), turn), np.minimum(first, last)),
        most_K=np.where(turns, np.maximum(np.maximum(first, last), turn), np.maximum(first, last)),
        at_K2=xy_K2[at],
        to_K2=xy_K2[at + 1],
    )


def over_surface(surface: Ground, segments: Segments, takeoff_amsl_S: Floats) -> Margins:
    """Return the clearance of segments over the highest of the surface within ``BESIDE_M`` of them."""
    segment_K, xy_K2, z_K = _parts(surface, segments, takeoff_amsl_S)
    (at,) = np.nonzero(np.diff(segment_K) == 0)
    top_K = surface.max_within(xy_K2, BESIDE_M)
    low, high = np.minimum(z_K[at], z_K[at + 1]), np.maximum(z_K[at], z_K[at + 1])
    top = np.fmax(top_K[at], top_K[at + 1])
    return Margins(
        segment_K=segment_K[at],
        length_K=np.hypot(*(xy_K2[at + 1] - xy_K2[at]).T),
        least_K=low - top,
        most_K=high - top,
        at_K2=xy_K2[at],
        to_K2=xy_K2[at + 1],
    )


def _parts(
    model: Ground, segments: Segments, takeoff_amsl_S: Floats
) -> tuple[NDArray[np.intp], Floats, Floats]:
    segment_K, share_K = cuts(model, segments.start_S2, segments.end_S2)
    xy_K2 = segments.start_S2[segment_K] + share_K[:, None] * (segments.end_S2 - segments.start_S2)[segment_K]
    rise_S = segments.end_above_S - segments.start_above_S
    z_K = (takeoff_amsl_S + segments.start_above_S)[segment_K] + share_K * rise_S[segment_K]
    return segment_K, xy_K2, z_K


def named(sortie: Sortie, leg: int) -> str:
    """Return what a person calls a leg."""
    of = sortie.legs[leg]
    what = f"line {of.line}" if of.kind == "survey" and of.line is not None else f"a {of.kind}"
    return f"sortie {sortie.number}, {what}"
