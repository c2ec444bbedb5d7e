"""Where the photographs of a plan are due: at the start of each line, then every trigger distance."""

import numpy as np

from aerial.geo import WGS84, Floats, LonLat, local_frame, transform
from aerial.plan.items import camera_goes_on
from aerial.records import Leg, Plan, Sortie, TriggerPoint

# A line that is a whole number of distances long has a photograph at its end, whatever rounding says.
_TOLERANCE_M = 1e-3


def trigger_points(plan: Plan) -> tuple[TriggerPoint, ...]:
    """Return the place of every photograph in the order of flight.

    Distances are measured over ground, as the autopilots do.
    """
    return tuple(point for sortie in plan.sorties for point in _of_sortie(sortie))


def _of_sortie(sortie: Sortie) -> list[TriggerPoint]:
    frame = local_frame(sortie.takeoff)
    runs = _runs(sortie.legs)
    if not runs:
        return []
    corners = [point for _, _, leg in runs for point in leg.path]
    x, y = transform(
        WGS84,
        frame,
        np.array([point.at.lon_deg for point in corners]),
        np.array([point.at.lat_deg for point in corners]),
    )
    heights = np.array([point.height_above_takeoff_m for point in corners])
    parts, lines, at, left = [], [], 0, 0.0
    for continued, goes_on, leg in runs:
        part = slice(at, at + len(leg.path))
        at += len(leg.path)
        path_N3 = np.column_stack([x[part], y[part], heights[part]])
        shots_N4, left = _along(path_N3, leg.trigger_distance_m or 0.0, left if continued else 0.0, goes_on)
        parts.append(shots_N4)
        lines += [leg.line] * len(shots_N4)
    shots_N4 = np.vstack(parts)
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
                shots_N4[:, 2].tolist(),
                shots_N4[:, 3].tolist(),
                strict=True,
            ),
            start=1,
        )
    ]


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


def _along(path_N3: Floats, distance_m: float, first_m: float, goes_on: bool) -> tuple[Floats, float]:
    """Return x, y, height and course of the shots on one path, and how far the next lies past its end."""
    steps_N2 = np.diff(path_N3[:, :2], axis=0)
    lengths_N = np.hypot(steps_N2[:, 0], steps_N2[:, 1])
    way_N = np.concatenate([[0.0], np.cumsum(lengths_N)])
    end = float(way_N[-1])
    # Into a leg that goes on, the shot at the joint belongs to the next.
    count = max(
        int(np.ceil((end - first_m - _TOLERANCE_M) / distance_m))
        if goes_on
        else int(np.floor((end - first_m + _TOLERANCE_M) / distance_m)) + 1,
        0,
    )
    shot_N = np.minimum(first_m + distance_m * np.arange(count), end)
    part_N = np.clip(np.searchsorted(way_N, shot_N, side="right") - 1, 0, len(lengths_N) - 1)
    course_N = np.degrees(np.arctan2(steps_N2[part_N, 0], steps_N2[part_N, 1])) % 360
    xyz = [np.interp(shot_N, way_N, path_N3[:, axis]) for axis in range(3)]
    return np.column_stack([*xyz, course_N]), first_m + distance_m * count - end
