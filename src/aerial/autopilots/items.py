"""A sortie as MAVLink mission items, for ArduPilot and for PX4.

One list serves the .plan file, the .waypoints file and the upload. Sources: the MAVLink mission
protocol and command list (mavlink.io), and what ArduCopter 4.7 was measured to keep of each item.

The camera is switched by distance: at the start of a line DO_SET_CAM_TRIGG_DIST with "fire now", at its
end distance 0 without it, so that no photograph is taken in a turn and none is lost at a line's start.

A waypoint without a hold is passed beside: both autopilots round it within a radius and run the commands
behind it there. So each end of a line is a stop with a hold; what lies between is flown through.
"""

import math
from collections.abc import Iterable
from itertools import pairwise
from typing import Literal

from aerial.records import Finding, Leg, MissionItem, PathPoint, Plan, Sortie
from aerial.records.mission import Params

AutopilotName = Literal["ardupilot", "px4"]
_Row = tuple[int, int, Params]  # frame, command, parameters

FRAME_AMSL, FRAME_NONE, FRAME_OVER_HOME = 0, 2, 3
WAYPOINT, RETURN, TAKEOFF, RALLY_POINT = 16, 20, 22, 5100
SPEED, TRIGGER_DISTANCE, CAMERA_MODE, GIMBAL, GIMBAL_CONTROL = 178, 206, 530, 1000, 1001
WITH_PLACE = {WAYPOINT, TAKEOFF}

# ArduCopter with stock storage takes 650 items, home among them (measured); one fence of at most 69
# corners. PX4 keeps the mission on its card and takes 500 at least, 128 corners.
ITEM_LIMIT = {"ardupilot": 650, "px4": 500}
FENCE_LIMIT = {"ardupilot": 69, "px4": 128}
# PX4 takes a waypoint as reached 10 m before it by default, and would close the camera there.
PX4_ACCEPTANCE_M = 2.0
# ArduCopter rounds a waypoint by up to WP_RADIUS_M, 2 m as stock. With a hold it flies to the point itself;
# the shortest that its whole seconds can say is enough to come to rest there.
LINE_HOLD_S = 1.0
# A bend where one line goes on into the next: what is rounded off below it is centimetres.
_STRAIGHT_RAD = math.radians(2)


def mission_items(sortie: Sortie, autopilot: AutopilotName) -> tuple[MissionItem, ...]:
    """Return the items to upload, numbered from 0.

    ArduPilot's first is home, which it replaces by its own; PX4's first is the take-off. Positions are
    rounded to 8 decimals (1 mm), heights and distances to the millimetre. The waypoints at the ends of a
    line hold for ``LINE_HOLD_S``.
    """
    rows: list[_Row] = []
    if autopilot == "ardupilot":
        rows.append(_home(sortie))
    rows += _start(sortie, autopilot)
    speed, distance = sortie.transit_speed_m_s, None
    here: PathPoint | None = sortie.legs[0].path[0]
    for number, leg in enumerate(sortie.legs):
        wanted = sortie.transit_speed_m_s if leg.kind == "transit" else sortie.speed_m_s
        path = leg.path
        if path[0] != here:
            rows.append(_waypoint(path[0], autopilot))
        if wanted != speed:
            rows.append(_do(SPEED, 1, round(wanted, 3), -1))
            speed = wanted
        if leg.trigger_distance_m is not None and leg.trigger_distance_m != distance:
            _hold_at_last(rows)
            rows.append(_do(TRIGGER_DISTANCE, round(leg.trigger_distance_m, 3), 0, 1))
        distance = leg.trigger_distance_m
        rows += [_waypoint(point, autopilot) for before, point in pairwise(path) if point != before]
        here = path[-1]
        if distance is not None and not camera_goes_on(sortie.legs, number):
            _hold_at_last(rows)
            rows.append(_do(TRIGGER_DISTANCE, 0, 0, 0))
            distance = None
        elif distance is not None and _bends(path, sortie.legs[number + 1].path):
            _hold_at_last(rows)
    rows.append(_do(RETURN))
    return tuple(
        MissionItem(seq=seq, frame=frame, command=command, params=params)
        for seq, (frame, command, params) in enumerate(rows)
    )


def item_count(sortie: Sortie, autopilot: AutopilotName) -> int:
    """Return how many items the autopilot has to store, home included."""
    return len(mission_items(sortie, autopilot))


def check_items(plan: Plan, autopilot: AutopilotName) -> tuple[Finding, ...]:
    """Check that each sortie and the fence fit what a stock autopilot stores."""
    found = []
    limit = ITEM_LIMIT[autopilot]
    for sortie in plan.sorties:
        count = item_count(sortie, autopilot)
        if count > limit:
            found.append(
                Finding(
                    level="fail",
                    code="mission-items",
                    message=f"Sortie {sortie.number} has {count} mission items; {autopilot} takes {limit}.",
                    hint="Plan smaller sorties or a simpler terrain profile.",
                )
            )
    corners = sum(len(ring.exterior.coords) - 1 for ring in (*plan.fence, *plan.no_fly))
    if corners > FENCE_LIMIT[autopilot]:
        found.append(
            Finding(
                level="warn",
                code="fence-corners",
                message=f"Fence and no-fly zones have {corners} corners; {autopilot} takes "
                f"{FENCE_LIMIT[autopilot]} as stock.",
                hint="Simplify them outward, or fly without the autopilot's own fence.",
            )
        )
    if not found:
        found.append(
            Finding(level="pass", code="mission-items", message="Every sortie fits the autopilot's storage.")
        )
    return tuple(found)


def camera_goes_on(legs: tuple[Leg, ...], number: int) -> bool:
    """Tell whether the camera fires on without a break from leg ``number`` into the next."""
    if number + 1 >= len(legs):
        return False
    after = legs[number + 1]
    return after.trigger_distance_m is not None and after.path[0] == legs[number].path[-1]


def line_hold_s(autopilot: str) -> float:
    """Return how long an aircraft with this autopilot rests at each end of a line, in seconds.

    DJI's aircraft stop there by their turn mode, without a rest.
    """
    return LINE_HOLD_S if autopilot in ITEM_LIMIT else 0.0


def _hold_at_last(rows: list[_Row]) -> None:
    """Let the last waypoint hold; the take-off ends at rest as it is."""
    at = max(n for n, (_, command, _) in enumerate(rows) if command in WITH_PLACE)
    frame, command, params = rows[at]
    if command == WAYPOINT:
        rows[at] = frame, command, (LINE_HOLD_S, *params[1:])


def _bends(before: tuple[PathPoint, ...], after: tuple[PathPoint, ...]) -> bool:
    """Tell whether the course changes from the last piece of one path to the first of the next."""
    ways = [_course(pairwise(reversed(before))), _course(pairwise(after))]
    if None in ways:
        return False
    back, on = (way for way in ways if way is not None)
    return abs((on - back) % (2 * math.pi) - math.pi) > _STRAIGHT_RAD


def _course(pieces: Iterable[tuple[PathPoint, PathPoint]]) -> float | None:
    """Return the direction of the first piece that leads anywhere, radians from north."""
    for one, other in pieces:
        north = other.at.lat_deg - one.at.lat_deg
        east = (other.at.lon_deg - one.at.lon_deg) * math.cos(math.radians(one.at.lat_deg))
        if north or east:
            return math.atan2(east, north)
    return None


def _home(sortie: Sortie) -> _Row:
    height = 0.0 if sortie.takeoff_amsl_m is None else round(sortie.takeoff_amsl_m, 3)
    at = sortie.takeoff
    return FRAME_AMSL, WAYPOINT, (0.0, 0.0, 0.0, 0.0, round(at.lat_deg, 8), round(at.lon_deg, 8), height)


def rally_items(plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
    """Return the rally points at the return height in whole metres, numbered from 0."""
    height = float(math.ceil(sortie.return_height_m))
    return tuple(
        MissionItem(
            seq=seq,
            frame=FRAME_OVER_HOME,
            command=RALLY_POINT,
            params=(0.0, 0.0, 0.0, 0.0, round(at.lat_deg, 8), round(at.lon_deg, 8), height),
        )
        for seq, at in enumerate(plan.rally)
    )


def home_item(sortie: Sortie) -> MissionItem:
    """Return home as item 0: the take-off point, over sea level (0 where the ground is not known)."""
    frame, command, params = _home(sortie)
    return MissionItem(seq=0, frame=frame, command=command, params=params)


def _start(sortie: Sortie, autopilot: AutopilotName) -> list[_Row]:
    unset = math.nan if autopilot == "px4" else 0.0
    at, height = sortie.takeoff, sortie.legs[0].path[0].height_above_takeoff_m
    rows: list[_Row] = [
        (
            FRAME_OVER_HOME,
            TAKEOFF,
            (0.0, 0.0, 0.0, unset, round(at.lat_deg, 8), round(at.lon_deg, 8), round(height, 3)),
        ),
        _do(SPEED, 1, round(sortie.transit_speed_m_s, 3), -1),
    ]
    if autopilot == "px4":
        # Camera to photographs; -2: the mission takes the gimbal, -1: a second controller stays as it is.
        rows.append(_do(CAMERA_MODE, 0, 0, math.nan))
        rows.append(_do(GIMBAL_CONTROL, -2, -2, -1, -1))
    rows.append(_do(GIMBAL, round(sortie.pitch_deg, 3), 0, unset, unset))
    return rows


def _do(command: int, *first: float) -> _Row:
    p1, p2, p3, p4 = (*map(float, first), *(0.0,) * (4 - len(first)))
    return FRAME_NONE, command, (p1, p2, p3, p4, 0.0, 0.0, 0.0)


def _waypoint(point: PathPoint, autopilot: AutopilotName) -> _Row:
    # NaN yaw keeps PX4 on its own heading rule; 0 would turn it north. ArduPilot ignores it.
    reach, yaw = (PX4_ACCEPTANCE_M, math.nan) if autopilot == "px4" else (0.0, 0.0)
    return (
        FRAME_OVER_HOME,
        WAYPOINT,
        (
            0.0,
            reach,
            0.0,
            yaw,
            round(point.at.lat_deg, 8),
            round(point.at.lon_deg, 8),
            round(point.height_above_takeoff_m, 3),
        ),
    )
