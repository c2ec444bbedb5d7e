"""The line rules of QGroundControl and Mission Planner, written anew from their description.

Both plan one ring: holes and zones do not enter. The first line lies half a spacing inside, connectors
are straight, and no line is led beyond the ring. No code of theirs is here.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon

from benchmarks.flight_lines.audit import Leg, Point

Floats = NDArray[np.float64]
Stretch = tuple[Point, Point]
Area = Polygon | MultiPolygon


def qgroundcontrol(area: Area, spacing_m: float, angle_deg: float = 0.0) -> list[Leg]:
    """Each line from its first to its last crossing of the ring, to and fro.

    ``angle_deg``: of the lines, anticlockwise from east; the program's own default is 0 degrees.
    """
    rows, back_22 = _rows(area, spacing_m, angle_deg)
    lines = [((row[1][0], row[0]), (row[1][-1], row[0])) for row in rows if len(row[1]) >= 2]
    flown = [line if number % 2 == 0 else line[::-1] for number, line in enumerate(lines)]
    return _legs(flown, back_22)


def qgroundcontrol_best(area: Area, spacing_m: float) -> tuple[list[Leg], float]:
    """Return the shortest of 180 angles, one degree apart, and the angle.

    The program does not search; a patient person with the slider does.
    """
    tried = [(qgroundcontrol(area, spacing_m, float(angle)), float(angle)) for angle in range(180)]
    return min(tried, key=lambda one: sum(leg.length_m for leg in one[0]))


def worthy_angles_deg(area: Area, keep: int = 6) -> list[float]:
    """Return the directions of hull edges across which the area is narrowest, narrowest first."""
    ring_N2 = np.asarray(area.convex_hull.exterior.coords)
    found: dict[float, float] = {}
    for dx, dy in np.diff(ring_N2, axis=0):
        across_N = ring_N2 @ np.array([-dy, dx]) / math.hypot(dx, dy)
        found[round(math.degrees(math.atan2(dy, dx)) % 180, 3)] = float(np.ptp(across_N))
    return sorted(found, key=lambda angle: found[angle])[:keep]


def mission_planner(area: Area, spacing_m: float) -> list[Leg]:
    """Lines along the longest side, cut at every crossing, then the nearest line next.

    Of a row's crossings the nearest to the end of the last stretch is paired with the one nearest to it.
    Of the lines that are as near, square to the lines, the one with the nearest end is taken, which is
    kind to the program: it keeps any of them.
    """
    rows, back_22 = _rows(area, spacing_m, longest_side_deg(area))
    left: list[Stretch] = []
    for y, crossings in rows:
        for x0, x1 in _pairs_by_nearest(crossings):
            left.append(((x0, y), (x1, y)))
    flown: list[Stretch] = []
    at = left[0][0] if left else (0.0, 0.0)
    while left:
        nearest = min(
            range(len(left)),
            key=lambda i: (round(abs(left[i][0][1] - at[1]), 6), min(math.dist(at, end) for end in left[i])),
        )
        line = left.pop(nearest)
        flown.append(line if math.dist(at, line[0]) <= math.dist(at, line[1]) else line[::-1])
        at = flown[-1][1]
    return _legs(flown, back_22)


def longest_side_deg(area: Area) -> float:
    """Return the direction of the longest side of the ring, anticlockwise from east."""
    edge_N2 = np.diff(_ring(area), axis=0)
    longest = edge_N2[np.argmax(np.hypot(*edge_N2.T))]
    return math.degrees(math.atan2(longest[1], longest[0]))


def _ring(area: Area) -> Floats:
    # The programs take one ring; of an area in parts the largest stands for what a person would draw.
    part = max(area.geoms, key=lambda p: p.area) if isinstance(area, MultiPolygon) else area
    return np.asarray(part.exterior.coords)


def _rows(area: Area, spacing_m: float, angle_deg: float) -> tuple[list[tuple[float, list[float]]], Floats]:
    """Return (y, sorted x of the crossings) of each row in a frame along the lines, and the way back."""
    turn = math.radians(angle_deg)
    back_22 = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    ring_N2 = _ring(area) @ back_22
    low, high = float(ring_N2[:, 1].min()), float(ring_N2[:, 1].max())
    y_K = np.arange(low + spacing_m / 2, high, spacing_m)
    if not len(y_K):
        y_K = np.array([(low + high) / 2])
    (x0, y0), (x1, y1) = ring_N2[:-1].T, ring_N2[1:].T
    # Half-open, so that a line through a corner crosses the ring an even number of times.
    crosses_KE = (y0 <= y_K[:, None]) != (y1 <= y_K[:, None])
    rise = np.where(y1 == y0, 1.0, y1 - y0)
    x_KE = x0 + (y_K[:, None] - y0) / rise * (x1 - x0)
    rows = [(float(y), sorted(x_KE[k][crosses_KE[k]].tolist())) for k, y in enumerate(y_K)]
    return [row for row in rows if row[1]], back_22


def _pairs_by_nearest(crossings: Sequence[float]) -> list[tuple[float, float]]:
    left = list(crossings)
    pairs, at = [], left[0] if left else 0.0
    while len(left) >= 2:
        first = left.pop(int(np.argmin(np.abs(np.array(left) - at))))
        second = left.pop(int(np.argmin(np.abs(np.array(left) - first))))
        pairs.append((first, second))
        at = second
    return pairs


def _legs(flown: Sequence[Stretch], back_22: Floats) -> list[Leg]:
    legs: list[Leg] = []
    for line in flown:
        (ax, ay), (bx, by) = np.asarray(line) @ back_22.T
        start, end = (float(ax), float(ay)), (float(bx), float(by))
        if legs:
            legs.append(Leg("turn", (legs[-1].xy[-1], start)))
        legs.append(Leg("survey", (start, end)))
    return legs
