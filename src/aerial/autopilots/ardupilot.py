"""ArduCopter: what it keeps of the items it is given, its fence, its modes."""

import math
from collections.abc import Mapping, Sequence
from ctypes import c_float
from dataclasses import replace

from aerial.autopilots import ardupilot_checks
from aerial.autopilots.base import Limits
from aerial.autopilots.fence import fence_items
from aerial.autopilots.items import (
    FENCE_LIMIT,
    FRAME_AMSL,
    FRAME_NONE,
    GIMBAL,
    ITEM_LIMIT,
    RALLY_POINT,
    TAKEOFF,
    TRIGGER_DISTANCE,
    WAYPOINT,
    mission_items,
    rally_items,
)
from aerial.autopilots.stored import FENCE_COMMANDS, SAME_FRAME, carried, float32
from aerial.records import Finding, MissionItem, Plan, Sortie
from aerial.records.mission import Params

# NAV_WAYPOINT to NAV_LAND and NAV_TAKEOFF, loiter to an altitude, spline, payload place, VTOL, DO_SET_HOME,
# DO_LAND_START, DO_SET_ROI_LOCATION, DO_SET_ROI.
_WITH_PLACE = {16, 17, 18, 19, 21, 22, 31, 82, 84, 85, 94, 179, 189, 195, 201}
# The fence's storage: a head and an end mark, for each polygon its kind and number of corners, for each
# corner two integers. So one polygon of 69 corners fits and one of 70 does not, as measured.
_FENCE_BYTES, _HEAD_BYTES, _POLYGON_BYTES, _CORNER_BYTES = 560, 5, 2, 8
_MODES = {
    0: "stabilize",
    1: "acro",
    2: "alt_hold",
    3: "auto",
    4: "guided",
    5: "loiter",
    6: "rtl",
    7: "circle",
    9: "land",
    11: "drift",
    13: "sport",
    14: "flip",
    15: "autotune",
    16: "poshold",
    17: "brake",
    18: "throw",
    19: "avoid_adsb",
    20: "guided_nogps",
    21: "smart_rtl",
    22: "flowhold",
    23: "follow",
    24: "zigzag",
    25: "systemid",
    26: "autorotate",
    27: "auto_rtl",
    28: "turtle",
}
_CUSTOM_MODE = 1  # MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
_NUMBERS = {name: number for number, name in _MODES.items()}


class ArduPilot:
    """ArduCopter, as version 4.7 was measured to behave, with stock storage."""

    name = "ardupilot"
    autopilot = 3
    has_home_item = True
    # It keeps no account of a download and answers each request as it comes. 46 rally points: its storage.
    limits = Limits(
        mission_items=ITEM_LIMIT["ardupilot"],
        fence_corners=FENCE_LIMIT["ardupilot"],
        rally_points=46,
        requests=5,
    )
    parameters = ardupilot_checks.PARAMETERS
    mission_mode = "auto"

    def encode(self, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the items to upload; item 0 is home, which the vehicle replaces by its own."""
        return mission_items(sortie, "ardupilot")

    def as_stored(self, items: Sequence[MissionItem]) -> tuple[MissionItem, ...]:
        """Return ``items`` as a download gives them back; item 0 of a mission as it is."""
        return tuple(_stored(item) for item in items)

    def fence(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the fence of a sortie: one inclusion, for ArduCopter wants to be in all of them.

        Raises:
            FlightError: no fence fits that holds the plan's and leaves the path free.
        """
        return fence_items(plan, sortie, _fits)

    def rally(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the rally points at the return height; it keeps whole metres."""
        return rally_items(plan, sortie)

    def preflight(self, params: Mapping[str, float], sortie: Sortie) -> tuple[Finding, ...]:
        """Return what the parameters say of this sortie."""
        return ardupilot_checks.check(params, sortie)

    def mode_name(self, custom_mode: int) -> str:
        """Return the name of a flight mode."""
        return _MODES.get(custom_mode, f"mode {custom_mode}")

    def mode_number(self, name: str) -> int:
        """Return the number of a mode; ``KeyError`` for one that is not known."""
        return _NUMBERS[name]

    def set_mode(self, name: str) -> tuple[float, float, float]:
        """Return the parameters of DO_SET_MODE: a custom mode, and its number."""
        return float(_CUSTOM_MODE), float(self.mode_number(name)), 0.0


def _fits(corners: Sequence[int]) -> bool:
    used = _HEAD_BYTES + sum(_POLYGON_BYTES + _CORNER_BYTES * count for count in corners)
    return used <= _FENCE_BYTES and sum(corners) <= FENCE_LIMIT["ardupilot"]


def _stored(item: MissionItem) -> MissionItem:
    frame = SAME_FRAME.get(item.frame, item.frame)
    if item.command in FENCE_COMMANDS:
        p1, _, _, _, lat, lon, _ = carried(item.params, place=True)
        return replace(item, frame=FRAME_AMSL, params=(p1, 0.0, 0.0, 0.0, lat, lon, 0.0))
    if item.command == RALLY_POINT:
        return replace(item, frame=frame, params=carried(item.params, place=True))
    if item.seq == 0:
        return item
    place = item.command in _WITH_PLACE
    if not place or frame == FRAME_NONE:
        frame = FRAME_AMSL
    return replace(item, frame=frame, params=_params(item.command, carried(item.params, place=place), place))


def _params(command: int, params: Params, place: bool) -> Params:
    p1, p2, p3, p4, p5, p6, p7 = params
    if math.isnan(p4):
        p4 = 0.0
    if place:
        p7 = _centimetres(p7)
    if command == WAYPOINT:
        p1, p2, p3, p4 = _whole(p1), 0.0, 0.0, 0.0
    elif command == TAKEOFF:
        p2 = p3 = p4 = 0.0
    elif command == TRIGGER_DISTANCE:
        p2 = 0.0
    elif command == GIMBAL:
        p1, p2, p3, p4 = _whole(p1), _whole(p2), _whole(p3), _whole(p4)
    return p1, p2, p3, p4, p5, p6, p7


def _whole(value: float) -> float:
    return float(math.trunc(value)) if math.isfinite(value) else value


def _centimetres(height_m: float) -> float:
    """Return a height cut to the centimetre, by the arithmetic of 32 bits that the firmware does."""
    if not math.isfinite(height_m):
        return height_m
    whole = math.trunc(float32(height_m * c_float(100).value))
    hundredth = c_float(0.01).value
    # What has been cut is not cut again.
    kept = [float32(near * hundredth) for near in (whole - 1, whole, whole + 1)]
    return height_m if height_m in kept else kept[1]
