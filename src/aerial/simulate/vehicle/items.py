"""What ArduCopter 4.7 accepts of a mission item, and what it keeps of it, as measured.

Written from the measurements alone and not from what the uploader expects: the two check each other.
"""

import math
from typing import Literal

import numpy as np

from aerial.flight.mavlink import Message, dialect
from aerial.records import MissionItem

Kind = Literal["mission", "fence", "rally"]
KINDS: dict[int, Kind] = {0: "mission", 1: "fence", 2: "rally"}

_GLOBAL, _MISSION, _RELATIVE, _GLOBAL_INT, _RELATIVE_INT, _TERRAIN, _TERRAIN_INT = 0, 2, 3, 5, 6, 10, 11
_KEPT_FRAME = {_GLOBAL: 0, _MISSION: 0, _RELATIVE: 3, _GLOBAL_INT: 0, _RELATIVE_INT: 3, _TERRAIN: 10,
               _TERRAIN_INT: 10}  # fmt: skip
WAYPOINT, LOITER_UNLIM, LOITER_TURNS, LOITER_TIME, RTL, LAND, TAKEOFF = 16, 17, 18, 19, 20, 21, 22
SPLINE, DELAY, JUMP, CHANGE_SPEED = 82, 93, 177, 178
ROI, DIGICAM, MOUNT, TRIGGER, GIMBAL = 195, 203, 205, 206, 1000
_PLACED = {WAYPOINT, LOITER_UNLIM, LOITER_TURNS, LOITER_TIME, LAND, TAKEOFF, SPLINE, 94, 179, 189, ROI, 201}
# Commands that a copter's mission takes. 214 (by interval) and 530 (camera mode) are not among them.
_KNOWN = _PLACED | {
    RTL, 92, DELAY, 112, 113, 114, 115, JUMP, CHANGE_SPEED, 181, 182, 183, 184, 202, DIGICAM, MOUNT,
    TRIGGER, 207, 208, 210, 211, 212, 215, 218, 222, 600, 601, GIMBAL, 1001, 2000, 2001, 2500, 2501, 42700,
    42701, 42702,
}  # fmt: skip
# What is flown, and not done in passing.
FLOWN = (WAYPOINT, SPLINE, TAKEOFF, LAND, LOITER_TIME, LOITER_UNLIM, RTL, DELAY)
_NAN_YAW = {WAYPOINT, LOITER_UNLIM, LAND, TAKEOFF}
# Heights are kept as 24-bit numbers of centimetres.
_MOST_CM = 2**23 - 1
_E7 = 10_000_000
_NOWHERE = 2**31 - 1
_FENCE = (5000, 5001, 5002, 5003, 5004)
RALLY = 5100
_BAD_PARAM = (
    dialect.MAV_MISSION_INVALID_PARAM1,
    dialect.MAV_MISSION_INVALID_PARAM2,
    dialect.MAV_MISSION_INVALID_PARAM3,
    dialect.MAV_MISSION_INVALID_PARAM4,
)


def mission_item(message: Message) -> MissionItem | int:
    """Return a mission item as it is kept, or the MAV_MISSION_RESULT that refuses it."""
    first = [message.param1, message.param2, message.param3, message.param4]
    command, frame = message.command, message.frame
    for number, value in enumerate(first):
        if math.isnan(value) and not (number == 3 and command in _NAN_YAW):
            return int(_BAD_PARAM[number])
    if command == 0:
        return int(dialect.MAV_MISSION_INVALID)
    if command not in _KNOWN:
        return int(dialect.MAV_MISSION_UNSUPPORTED)
    if command not in _PLACED:
        return _unplaced(message, first)
    if frame not in _KEPT_FRAME:
        return int(dialect.MAV_MISSION_UNSUPPORTED_FRAME)
    if command == WAYPOINT and first[0] < 0:
        return int(dialect.MAV_MISSION_INVALID_PARAM1)
    refused = _bad_place(message)
    if refused is not None:
        return refused
    if command == WAYPOINT:
        # Held in 16 bits.
        first = [float(math.trunc(min(first[0], 65_535.0))), 0.0, 0.0, 0.0]
    elif command == TAKEOFF:
        first = [first[0], 0.0, 0.0, 0.0]
    first = [0.0 if math.isnan(value) else value for value in first]
    return _kept(message.seq, _KEPT_FRAME[frame], command, first, message.x, message.y, _height(message.z))


def _unplaced(message: Message, first: list[float]) -> MissionItem | int:
    # Any frame number is taken, and 0 is read back.
    if message.command == TRIGGER:
        first = [first[0], 0.0, first[2], 0.0]
    elif message.command == RTL:
        first = [0.0] * 4
    elif message.command == GIMBAL:
        # Angles and rates are kept as whole degrees.
        first = [float(math.trunc(max(-32_768.0, min(value, 32_767.0)))) for value in first]
    return _kept(message.seq, 0, message.command, first, 0, 0, 0.0)


def _bad_place(message: Message) -> int | None:
    if abs(message.x) > 90 * _E7:
        return int(dialect.MAV_MISSION_INVALID_PARAM5_X)
    if abs(message.y) > 180 * _E7:
        return int(dialect.MAV_MISSION_INVALID_PARAM6_Y)
    if not math.isfinite(message.z) or abs(message.z) * 100 > _MOST_CM:
        return int(dialect.MAV_MISSION_INVALID_PARAM7)
    return None


def _height(z: float) -> float:
    """Return a height truncated to the centimetre, in 32 bits."""
    centimetres = int(np.float32(z) * np.float32(100))
    return float(np.float32(np.float32(centimetres) * np.float32(0.01)))


def _kept(seq: int, frame: int, command: int, first: list[float], x: int, y: int, z: float) -> MissionItem:
    p1, p2, p3, p4 = (float(np.float32(value)) for value in first)
    return MissionItem(seq=seq, frame=frame, command=command, params=(p1, p2, p3, p4, x / _E7, y / _E7, z))


def fence_item(message: Message) -> MissionItem | int:
    """Return a fence item as it is kept; what is wrong with the whole is found at the end."""
    if message.command not in _FENCE:
        return int(dialect.MAV_MISSION_UNSUPPORTED)
    if message.frame not in _KEPT_FRAME or message.frame == _MISSION:
        return int(dialect.MAV_MISSION_UNSUPPORTED_FRAME)
    return _kept(message.seq, 0, message.command, [message.param1, 0.0, 0.0, 0.0], message.x, message.y, 0.0)


def rally_item(message: Message) -> MissionItem | int:
    """Return a rally point as it is kept."""
    if message.command != RALLY:
        return int(dialect.MAV_MISSION_UNSUPPORTED)
    if message.frame not in (_GLOBAL, _RELATIVE, _GLOBAL_INT, _RELATIVE_INT):
        return int(dialect.MAV_MISSION_UNSUPPORTED_FRAME)
    refused = _bad_place(message)
    if refused is not None:
        return refused
    return _kept(message.seq, _KEPT_FRAME[message.frame], RALLY, [0.0] * 4, message.x, message.y, message.z)


def fence_fits(items: list[MissionItem], storage: int) -> bool:
    """Tell whether a whole fence is taken: vertex counts, radii, one return point, room."""
    used, at, returns = 0, 0, 0
    while at < len(items):
        item = items[at]
        if abs(item.params[4]) > 90 or abs(item.params[5]) > 180:
            return False
        if not math.isfinite(item.params[0]):
            return False
        if item.command in (5001, 5002):
            count = int(item.params[0])
            ring = items[at : at + count]
            whole = len(ring) == count and all(
                one.command == item.command and one.params[0] == item.params[0] for one in ring
            )
            if count < 3 or not whole or any(abs(one.params[4]) > 90 for one in ring):
                return False
            used, at = used + count + 1, at + count
        else:
            if item.command in (5003, 5004) and not item.params[0] > 0:
                return False
            returns += item.command == 5000
            used, at = used + 2, at + 1
    return bool(items) and returns <= 1 and used <= storage


def as_message(item: MissionItem, kind: Kind, to: tuple[int, int], *, whole: bool, current: bool) -> Message:
    """Return MISSION_ITEM_INT, or MISSION_ITEM where ``whole`` is false, as a download carries it."""
    p1, p2, p3, p4, p5, p6, p7 = item.params
    number = next(number for number, name in KINDS.items() if name == kind)
    autocontinue = 0 if kind == "fence" else 1
    x, y = (round(p5 * _E7), round(p6 * _E7)) if whole else (p5, p6)
    build = dialect.MAVLink_mission_item_int_message if whole else dialect.MAVLink_mission_item_message
    return build(
        *to, item.seq, item.frame, item.command, int(current), autocontinue, p1, p2, p3, p4, x, y, p7, number
    )


def from_float(message: Message) -> Message:
    """Return MISSION_ITEM as MISSION_ITEM_INT, with the loss that 32 bits of degrees have."""
    scale = np.float32(_E7)

    def whole(degrees: float) -> int:
        value = float(np.float32(degrees) * scale) if abs(degrees) < 1000 else math.nan
        # What is no place on Earth stays none.
        return int(value) if abs(value) < 2**31 else _NOWHERE

    return dialect.MAVLink_mission_item_int_message(
        message.target_system, message.target_component, message.seq, message.frame, message.command,
        message.current, message.autocontinue, message.param1, message.param2, message.param3, message.param4,
        whole(message.x), whole(message.y), message.z, message.mission_type,
    )  # fmt: skip
