"""plan.json → a plan that can be flown through: what people and machines may have broken is refused."""

from itertools import pairwise
from math import hypot, isfinite
from pathlib import Path

from aerial.codec import read_record
from aerial.errors import InputError
from aerial.records import PathPoint, Plan, Sortie

_SCHEMA = 1
# Below this the camera would have to shoot without end; no camera of a survey does.
_LEAST_TRIGGER_M = 0.1
# Above what any planner of this project writes; the checks tell of heights that may not be flown.
_MOST_HEIGHT_M = 10_000.0
# About 1 cm: files hold 8 decimals.
_SAME_DEG, _SAME_M = 1e-7, 0.01


def read_plan(path: Path) -> Plan:
    """Return the plan in ``path``, whole: legs end to start, numbers that can be flown.

    Raises:
        InputError: the file is absent, broken, of another schema, or was changed by hand to nonsense.
    """
    plan = read_record(Plan, path)
    if plan.schema != _SCHEMA:
        raise InputError(
            f"{path} is of schema {plan.schema}; this aerial knows {_SCHEMA}.", hint="Update aerial."
        )
    wrong = _wrong_with(plan)
    if wrong:
        raise InputError(f"{path} cannot be flown: {wrong}.", hint="Plan the flight again.")
    return plan


def _wrong_with(plan: Plan) -> str | None:
    if not plan.area:
        return "it has no area"
    if not plan.sorties:
        return "it has no sorties"
    for sortie in plan.sorties:
        if wrong := _wrong_with_sortie(sortie):
            return f"sortie {sortie.number} has {wrong}"
    return None


def _wrong_with_sortie(sortie: Sortie) -> str | None:
    speeds = (sortie.speed_m_s, sortie.transit_speed_m_s)
    if not all(isfinite(speed) and speed > 0 for speed in speeds):
        return f"the speeds {speeds[0]:g} and {speeds[1]:g} m/s"
    if not sortie.legs or any(len(leg.path) < 2 for leg in sortie.legs):
        return "a leg without two points, or no leg"
    for leg in sortie.legs:
        every = leg.trigger_distance_m
        if every is not None and not (isfinite(every) and every >= _LEAST_TRIGGER_M):
            return f"a trigger distance of {every:g} m"
        if leg.kind == "survey" and every is None:
            return "a survey line without a trigger distance"
    points = [point for leg in sortie.legs for point in leg.path]
    heights = [*(point.height_above_takeoff_m for point in points), sortie.return_height_m]
    if not all(isfinite(height) and abs(height) <= _MOST_HEIGHT_M for height in heights):
        return "a height that is no height"
    if not all(_same(one.path[-1], next_.path[0]) for one, next_ in pairwise(sortie.legs)):
        return "a leg that does not begin where the one before ended"
    ends = (points[0].at, points[-1].at)
    if any(
        hypot(end.lon_deg - sortie.takeoff.lon_deg, end.lat_deg - sortie.takeoff.lat_deg) > _SAME_DEG
        for end in ends
    ):
        return "a path that does not begin and end above its take-off point"
    return None


def _same(one: PathPoint, other: PathPoint) -> bool:
    return (
        hypot(one.at.lon_deg - other.at.lon_deg, one.at.lat_deg - other.at.lat_deg) <= _SAME_DEG
        and abs(one.height_above_takeoff_m - other.height_above_takeoff_m) <= _SAME_M
    )
