"""PX4 for multirotors: what it keeps of the items it is given, its fence, its modes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aerial.autopilots import px4_checks
from aerial.autopilots.base import Limits
from aerial.autopilots.fence import fence_items
from aerial.autopilots.items import (
    FENCE_LIMIT,
    FRAME_NONE,
    ITEM_LIMIT,
    RALLY_POINT,
    TAKEOFF,
    WAYPOINT,
    mission_items,
    rally_items,
)
from aerial.autopilots.stored import FENCE_COMMANDS, SAME_FRAME, carried, float32
from aerial.records import Finding, MissionItem, Plan, Sortie
from aerial.records.mission import Params

_AUTO = 4
# (main, sub): custom_mode is main << 16 | sub << 24.
_MODES = {
    (1, 0): "manual",
    (2, 0): "altitude",
    (3, 0): "position",
    (3, 1): "orbit",
    (3, 2): "position_slow",
    (_AUTO, 1): "ready",
    (_AUTO, 2): "takeoff",
    (_AUTO, 3): "hold",
    (_AUTO, 4): "mission",
    (_AUTO, 5): "rtl",
    (_AUTO, 6): "land",
    (_AUTO, 8): "follow",
    (_AUTO, 9): "precision_land",
    (5, 0): "acro",
    (6, 0): "offboard",
    (7, 0): "stabilized",
    (10, 0): "termination",
}
_CUSTOM_MODE = 1  # MAV_MODE_FLAG_CUSTOM_MODE_ENABLED
_NUMBERS = {name: main << 16 | sub << 24 for (main, sub), name in _MODES.items()}
_NAMES = {number: name for name, number in _NUMBERS.items()}


class Px4:
    """PX4, untested: from its documentation and its mission manager's source, not from a vehicle.

    Sources: docs.px4.io (mission mode, geofence, parameter reference), PX4-Autopilot
    ``mavlink_mission.cpp`` and ``px4_custom_mode.h``.
    """

    name = "px4"
    autopilot = 12
    has_home_item = False
    # A request out of order ends its download, so one at a time; eight rally points in the older versions.
    limits = Limits(
        mission_items=ITEM_LIMIT["px4"], fence_corners=FENCE_LIMIT["px4"], rally_points=8, requests=1
    )
    parameters = px4_checks.PARAMETERS
    mission_mode = "mission"

    def encode(self, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the items to upload; the first is the take-off."""
        return mission_items(sortie, "px4")

    def as_stored(self, items: Sequence[MissionItem]) -> tuple[MissionItem, ...]:
        """Return ``items`` as a download gives them back."""
        return tuple(_stored(item) for item in items)

    def fence(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the fence of a sortie.

        Raises:
            FlightError: no fence fits that holds the plan's and leaves the path free.
        """
        return fence_items(plan, sortie, lambda corners: sum(corners) <= FENCE_LIMIT["px4"])

    def rally(self, plan: Plan, sortie: Sortie) -> tuple[MissionItem, ...]:
        """Return the rally points at the return height."""
        return rally_items(plan, sortie)

    def preflight(self, params: Mapping[str, float], sortie: Sortie) -> tuple[Finding, ...]:
        """Return what the parameters say of this sortie."""
        return px4_checks.check(params, sortie)

    def mode_name(self, custom_mode: int) -> str:
        """Return the name of a flight mode."""
        return _NAMES.get(custom_mode, f"mode {custom_mode}")

    def mode_number(self, name: str) -> int:
        """Return ``custom_mode`` of a mode; ``KeyError`` for one that is not known."""
        return _NUMBERS[name]

    def set_mode(self, name: str) -> tuple[float, float, float]:
        """Return the parameters of DO_SET_MODE: a custom mode, its main number and its sub number."""
        number = self.mode_number(name)
        return float(_CUSTOM_MODE), float(number >> 16 & 0xFF), float(number >> 24)


def _stored(item: MissionItem) -> MissionItem:
    frame = SAME_FRAME.get(item.frame, item.frame)
    params = carried(item.params, place=frame != FRAME_NONE)
    return replace(item, frame=frame, params=_kept(item.command, params))


def _kept(command: int, params: Params) -> Params:
    """Return what the mission manager has a place for; commands without one are kept whole."""
    p1, p2, _, p4, p5, p6, p7 = params
    if command == WAYPOINT:
        return p1, p2, 0.0, _yaw(p4), p5, p6, p7
    if command == TAKEOFF:
        return 0.0, 0.0, 0.0, _yaw(p4), p5, p6, p7
    if command in FENCE_COMMANDS:
        return p1, 0.0, 0.0, 0.0, p5, p6, p7
    if command == RALLY_POINT:
        return 0.0, 0.0, 0.0, 0.0, p5, p6, p7
    return params


def _yaw(yaw_deg: float) -> float:
    """Return a heading as 0-360; NaN, no heading, stays."""
    turned = float32(yaw_deg % 360)
    return 0.0 if turned >= 360 else turned
