"""Where the photographs of a plan are due: at the start of each line, then every trigger distance."""

import math
from itertools import pairwise

import numpy as np

from aerial.autopilots.items import camera_goes_on
from aerial.geo import WGS84, LonLat, in_frame, local_frame, transform
from aerial.records import Leg, Plan, Sortie, TriggerPoint

# A line that is a whole number of distances long has a photograph at its end, whatever rounding says.
_TOLERANCE_M = 1e-3

Place = tuple[float, float, float]  # x east, y north, height over take-off, metres
Shot = tuple[float, float, float, float]  # and the course, degrees from north


def trigger_points(plan: Plan) -> tuple[TriggerPoint, ...]:
    """Return the place of every photograph in the order of flight.

    Distances are measured over ground, as the autopilots do.
    """
    return tuple(point for sortie in plan.sorties for point in of_sortie(sortie))


def of_sortie(sortie: Sortie) -> list[TriggerPoint]:
    """Return the photographs of one sortie."""
    frame = local_frame(sortie.takeoff)
    runs = _runs(sortie.legs)
    if not runs:
        return []
    corners = [point for _, _, leg in runs for point in leg.path]
    xy_N2 = in_frame(frame, [point.at for point in corners])
    places = [
        (x, y, point.height_above_takeoff_m) for (x, y), point in zip(xy_N2.tolist(), corners, strict=True)
    ]
    shots: list[Shot] = []
    lines: list[int | None] = []
    at, left = 0, 0.0
    for continued, goes_on, leg in runs:
        path = places[at : at + len(leg.path)]
        at += len(leg.path)
        found, left = _along(path, leg.trigger_distance_m or 0.0, left if continued else 0.0, goes_on)
        shots += found
        lines += [leg.line] * len(found)
    shots_N4 = np.array(shots).reshape(-1, 4)
    lon, lat = transform(frame, WGS84, shots_N4[:, 0], shots_N4[:, 1])
    return [
        TriggerPoint(
            sortie=sortie.number,
            line=line,
            photo=photo,
            at=LonLat(lon_deg=round(one_lon, 8), lat_deg=round(one_lat, 8)),
            height_above_takeoff_m=round(height, 3),
            yaw_deg=round(yaw, 2) % 360,
        )
        for photo, (line, one_lon, one_lat, height, yaw) in enumerate(
            zip(
                lines,
                lon.tolist(),
                lat.tolist(),
                (shot[2] for shot in shots),
                (shot[3] for shot in shots),
                strict=True,
            ),
            start=1,
        )
    ]


def along_legs(sortie: Sortie) -> list[tuple[int, float]]:
    """Return for each photograph of ``of_sortie`` the place of its leg, and how far along it in metres."""
    frame = local_frame(sortie.takeoff)
    numbers = [number for number, leg in enumerate(sortie.legs) if leg.trigger_distance_m is not None]
    found: list[tuple[int, float]] = []
    left = 0.0
    for number, (continued, goes_on, leg) in zip(numbers, _runs(sortie.legs), strict=True):
        path = [(x, y, 0.0) for x, y in in_frame(frame, [point.at for point in leg.path]).tolist()]
        every, first_m = leg.trigger_distance_m or 0.0, left if continued else 0.0
        shots, left = _along(path, every, first_m, goes_on)
        found += [(number, first_m + count * every) for count in range(len(shots))]
    return found


def _runs(legs: tuple[Leg, ...]) -> list[tuple[bool, bool, Leg]]:
    """Return (goes on from the leg before, goes on into the next, leg) where the camera is on.

    A changed distance is a new command with "fire now"; an unchanged one is not sent again.
    """
    found = []
    continued = False
    for number, leg in enumerate(legs):
        on = leg.trigger_distance_m is not None
        goes_on = (
            on
            and camera_goes_on(legs, number)
            and legs[number + 1].trigger_distance_m == leg.trigger_distance_m
        )
        if on:
            found.append((continued, goes_on, leg))
        continued = goes_on
    return found


def _along(path: list[Place], distance_m: float, first_m: float, goes_on: bool) -> tuple[list[Shot], float]:
    """Return the shots on one path, and how far past its end the next is due.

    Into a leg that goes on, the shot at the joint belongs to the next.
    """
    shots: list[Shot] = []
    due, way = first_m, 0.0
    last = len(path) - 2
    for part, ((x0, y0, z0), (x1, y1, z1)) in enumerate(pairwise(path)):
        length = math.hypot(x1 - x0, y1 - y0)
        course = math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360
        reach = way + length + (_TOLERANCE_M if part == last and not goes_on else -_TOLERANCE_M)
        while due < reach:
            share = min((due - way) / length, 1.0) if length else 0.0
            shots.append((x0 + share * (x1 - x0), y0 + share * (y1 - y0), z0 + share * (z1 - z0), course))
            due = first_m + len(shots) * distance_m
        way += length
    return shots, max(due - way, 0.0)
