"""Heights along a path that follow the ground, no steeper than the aircraft climbs and sinks.

Everything is in metres of one ``geo.local_frame``; heights are in the datum of the elevation model.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial.errors import InputError
from aerial.plan.ground import Ground
from aerial.records.record import record

Floats = NDArray[np.float64]

TOLERANCE_M = 1.0
_STEP_M = 5.0  # between the places asked, where cells are larger: the ground bends little within it


@record
class Slope:
    """How much an aircraft rises or sinks per metre over ground: climb (descent) m/s over ground m/s."""

    climb: float
    descent: float


@record
class Stations:
    """Places along a path between which the ground is a parabola: every edge of a cell and more.

    ``along_N``: distance from the start. ``ground_N``: the height there, NaN where not known.
    ``bulge_N``: how far the ground rises over the chord to the next place (the last is 0); sinking is
    negative.
    """

    along_N: Floats
    xy_N2: Floats
    ground_N: Floats
    bulge_N: Floats


def stations(ground: Ground, path_N2: Floats) -> Stations:
    """Return the places along a path that tell the ground below it exactly."""
    length_M = _lengths(path_N2)
    segment_K, share_K = cuts(ground, path_N2[:-1], path_N2[1:])
    along_K = length_M[segment_K] + share_K * np.diff(length_M)[segment_K]
    # The end of a segment is the start of the next one.
    keep_K = (share_K < 1) | (np.arange(len(share_K)) == len(share_K) - 1)
    along_N = along_K[keep_K]
    xy_N2 = _places(path_N2, length_M, along_N)
    ground_N = ground.at(xy_N2)
    middle_N = ground.at((xy_N2[1:] + xy_N2[:-1]) / 2)
    bulge_N = np.append(middle_N - (ground_N[1:] + ground_N[:-1]) / 2, 0.0)
    return Stations(along_N=along_N, xy_N2=xy_N2, ground_N=ground_N, bulge_N=bulge_N)


def cuts(ground: Ground, start_S2: Floats, end_S2: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return where segments are cut so that the ground below each part is a parabola.

    Segment numbers and shares 0-1 of the way along them, both ends included, in order.
    """
    length_S = np.hypot(*(end_S2 - start_S2).T)
    parts_S = np.maximum(1, np.ceil(length_S / min(ground.step_m, _STEP_M) - 1e-9)).astype(np.intp)
    segment_N = np.repeat(np.arange(len(parts_S)), parts_S + 1)
    share_N = (np.arange(len(segment_N)) - np.repeat(np.cumsum(parts_S + 1) - parts_S - 1, parts_S + 1)) / (
        parts_S[segment_N]
    )
    place_N2 = start_S2[segment_N] + share_N[:, None] * (end_S2 - start_S2)[segment_N]
    colrow_N2 = ground.pixels(place_N2) - 0.5
    cell_N2 = np.floor(colrow_N2)
    segments, shares = [segment_N], [share_N]
    for axis in (0, 1):
        # A step is at most a cell, so that one edge of either kind lies in it at most.
        (at_K,) = np.nonzero((np.diff(cell_N2[:, axis]) != 0) & (np.diff(segment_N) == 0))
        edge_K = np.maximum(cell_N2[at_K, axis], cell_N2[at_K + 1, axis])
        from_K, to_K = colrow_N2[at_K, axis], colrow_N2[at_K + 1, axis]
        segments.append(segment_N[at_K])
        shares.append(share_N[at_K] + (edge_K - from_K) / (to_K - from_K) * np.diff(share_N)[at_K])
    segment_K, share_K = np.concatenate(segments), np.concatenate(shares)
    order = np.lexsort((share_K, segment_K))
    return segment_K[order], share_K[order]


def _lengths(path_N2: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(path_N2, axis=0).T))])


def _places(path_N2: Floats, length_M: Floats, along_N: Floats) -> Floats:
    return np.column_stack([np.interp(along_N, length_M, path_N2[:, axis]) for axis in (0, 1)])


def profile(
    ground: Ground, path_N2: Floats, height_agl_m: float, slope: Slope, *, tolerance_m: float = TOLERANCE_M
) -> tuple[Floats, Floats]:
    """Return the corners of a path and their heights: ``path_M2``, ``amsl_M``; see ``follow``."""
    (leg_M3,) = follow(ground, [path_N2], height_agl_m, slope, tolerance_m=tolerance_m)
    return leg_M3[:, :2], leg_M3[:, 2]


def follow(
    ground: Ground,
    legs: Sequence[Floats],
    height_agl_m: float | Sequence[float],
    slope: Slope | Sequence[Slope],
    *,
    tolerance_m: float = TOLERANCE_M,
) -> list[Floats]:
    """Return the legs of one path, end to start, with heights: x, y, height in the ground's datum.

    The path is nowhere less than ``height_agl_m`` over the ground straight below, nowhere steeper than
    ``slope`` (both: one for all legs, or one for each), and nowhere more than ``tolerance_m`` over the
    lowest path that is so. Corners of the legs stay and shared corners have one height; corners are
    added where the height needs them. Unknown ground asks for no height: the checks refuse it.

    Raises:
        InputError: the ground is known nowhere below the path.
    """
    heights = [height_agl_m] * len(legs) if isinstance(height_agl_m, int | float) else list(height_agl_m)
    slopes = [slope] * len(legs) if isinstance(slope, Slope) else list(slope)
    path_N2 = np.vstack([legs[0], *(leg[1:] for leg in legs[1:])])
    ends_L = np.cumsum([len(legs[0]) - 1, *(len(leg) - 1 for leg in legs[1:])])
    corner_M = _lengths(path_N2)
    found = stations(ground, path_N2)
    leg_N = np.minimum(np.searchsorted(corner_M[ends_L], found.along_N, side="left"), len(legs) - 1)
    needed_N = _needed(found, np.asarray(heights)[leg_N], corner_M[ends_L[:-1]], heights)
    if np.isneginf(needed_N).all():
        raise InputError(
            "The elevation model has no heights anywhere below the path.",
            hint="Give an elevation model whose pixels are filled where the flight goes.",
        )
    step_N = np.diff(found.along_N)
    climb_N = np.concatenate([[0.0], np.cumsum(step_N * np.array([s.climb for s in slopes])[leg_N[1:]])])
    sink_N = np.concatenate([[0.0], np.cumsum(step_N * np.array([s.descent for s in slopes])[leg_N[1:]])])
    # What lies ahead is climbed to in time, what lies behind is left no faster than the aircraft sinks.
    ahead_N = np.maximum.accumulate((needed_N - climb_N)[::-1])[::-1] + climb_N
    behind_N = np.maximum.accumulate(needed_N + sink_N) - sink_N
    lowest_N = np.maximum(ahead_N, behind_N)
    corners_N = np.unique(np.searchsorted(found.along_N, corner_M))
    kept, amsl = _simplified(found.along_N, lowest_N, corners_N, climb_N, sink_N, tolerance_m)
    return _cut(found.along_N[kept], amsl, path_N2, corner_M, ends_L)


def _needed(found: Stations, height_N: Floats, shared_K: Floats, heights: Sequence[float]) -> Floats:
    """Return the least height at each station: chords between them stay over the bulging ground."""
    rise_N = np.nan_to_num(np.maximum(found.bulge_N, 0.0))
    rise_N[1:] = np.maximum(rise_N[1:], rise_N[:-1])
    needed_N = found.ground_N + rise_N + height_N
    for number, along in enumerate(shared_K):
        # A shared corner serves both legs.
        at_K = np.nonzero(np.abs(found.along_N - along) < 1e-9)[0]
        needed_N[at_K] += max(heights[number], heights[number + 1]) - height_N[at_K]
    return np.where(np.isnan(needed_N), -np.inf, needed_N)


def _simplified(
    along_N: Floats,
    lowest_N: Floats,
    corners_K: NDArray[np.intp],
    climb_N: Floats,
    sink_N: Floats,
    tolerance_m: float,
) -> tuple[NDArray[np.intp], Floats]:
    """Return the stations that are kept and their heights, few, within ``tolerance_m`` over ``lowest_N``.

    From each kept station the straight line goes as far as one passes through the corridor. It always
    reaches the next station, because the corridor's floor is no steeper than allowed.
    """
    kept, heights = [int(corners_K[0])], [float(lowest_N[corners_K[0]]) + tolerance_m / 2]
    for end in corners_K[1:].tolist():
        while kept[-1] < end:
            at, height = kept[-1], heights[-1]
            reach, rate = _furthest(along_N, lowest_N, climb_N, sink_N, at, end, height, tolerance_m)
            kept.append(reach)
            target = height + rate * (along_N[reach] - along_N[at])
            # Rounding must not take the path below its floor.
            heights.append(float(np.clip(target, lowest_N[reach], lowest_N[reach] + tolerance_m)))
    return np.array(kept, dtype=np.intp), np.array(heights)


def _furthest(
    along_N: Floats,
    lowest_N: Floats,
    climb_N: Floats,
    sink_N: Floats,
    at: int,
    end: int,
    height: float,
    tolerance_m: float,
) -> tuple[int, float]:
    """Return the furthest station that one straight line reaches, and the rate of the middle line."""
    least, most = -np.inf, np.inf
    reach, rate, size, first = at + 1, 0.0, 32, at + 1
    while first <= end:
        span = slice(first, min(first + size, end + 1))
        step_K = np.maximum(along_N[span] - along_N[at], 1e-9)
        floor_K = np.maximum((lowest_N[span] - height) / step_K, -(sink_N[span] - sink_N[at]) / step_K)
        roof_K = np.minimum(
            (lowest_N[span] + tolerance_m - height) / step_K, (climb_N[span] - climb_N[at]) / step_K
        )
        least_K = np.maximum(least, np.maximum.accumulate(floor_K))
        most_K = np.minimum(most, np.minimum.accumulate(roof_K))
        (shut,) = np.nonzero(least_K > most_K + 1e-12)
        open_count = int(shut[0]) if shut.size else len(step_K)
        if open_count:
            reach = first + open_count - 1
            least, most = float(least_K[open_count - 1]), float(most_K[open_count - 1])
            rate = (least + most) / 2
        if shut.size:
            break
        first, size = first + size, size * 2
    return reach, rate


def _cut(
    along_K: Floats, amsl_K: Floats, path_N2: Floats, corner_M: Floats, ends_L: NDArray[np.intp]
) -> list[Floats]:
    """Return the path cut at the ends of its legs, the given corners exact."""
    legs = []
    first = 0
    for last in ends_L.tolist():
        start, stop = corner_M[first], corner_M[last]
        inner_K = along_K[(along_K > start + 1e-9) & (along_K < stop - 1e-9)]
        at_K = np.unique(np.concatenate([corner_M[first : last + 1], inner_K]))
        # A corner and the station on it differ by rounding only.
        at_K = at_K[np.concatenate([[True], np.diff(at_K) > 1e-6])]
        at_K[-1] = stop
        if len(at_K) < 2:
            at_K = np.array([start, stop])
        legs.append(np.column_stack([_places(path_N2, corner_M, at_K), np.interp(at_K, along_K, amsl_K)]))
        first = last
    return legs
