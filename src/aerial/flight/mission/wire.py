"""Mission items as MISSION_ITEM_INT, and back.

Latitude and longitude travel as integers of 1e-7 degrees, except in frame MAV_FRAME_MISSION, where they
are plain numbers (MAVLink guide, mission protocol).
"""

import math
from typing import Literal

from aerial.flight.exchange import Peer
from aerial.flight.mavlink import Message, dialect
from aerial.records import MissionItem

MissionType = Literal["mission", "fence", "rally"]
TYPE: dict[MissionType, int] = {
    "mission": dialect.MAV_MISSION_TYPE_MISSION,
    "fence": dialect.MAV_MISSION_TYPE_FENCE,
    "rally": dialect.MAV_MISSION_TYPE_RALLY,
}
NAMED: dict[MissionType, str] = {"mission": "mission", "fence": "fence", "rally": "rally points"}
_NO_PLACE = 2
_SCALE = 1e7
_INT32 = 2**31


def to_wire(item: MissionItem, peer: Peer, kind: MissionType) -> Message:
    """Return the message that carries ``item`` to ``peer``."""
    p1, p2, p3, p4, p5, p6, p7 = item.params
    scale = 1.0 if item.frame == _NO_PLACE else _SCALE
    return dialect.MAVLink_mission_item_int_message(
        peer.system,
        peer.component,
        item.seq,
        item.frame,
        item.command,
        0,
        1,
        p1,
        p2,
        p3,
        p4,
        _int(p5 * scale),
        _int(p6 * scale),
        p7,
        TYPE[kind],
    )


def from_wire(message: Message) -> MissionItem:
    """Return the item that a MISSION_ITEM_INT carries; its ``params`` are what 32 bits hold."""
    scale = 1.0 if message.frame == _NO_PLACE else _SCALE
    return MissionItem(
        seq=message.seq,
        frame=message.frame,
        command=message.command,
        params=(
            message.param1,
            message.param2,
            message.param3,
            message.param4,
            message.x / scale,
            message.y / scale,
            message.z,
        ),
    )


def _int(value: float) -> int:
    if not math.isfinite(value):
        return 0
    return max(-_INT32, min(round(value), _INT32 - 1))
