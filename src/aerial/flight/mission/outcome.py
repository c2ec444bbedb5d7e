"""How a transfer ended."""

from typing import Literal

from aerial.flight.mavlink import dialect
from aerial.records.record import record

How = Literal["accepted", "refused", "busy", "silent", "unclear"]

_SAID = {
    dialect.MAV_MISSION_ERROR: "an error without a reason",
    dialect.MAV_MISSION_UNSUPPORTED_FRAME: "a coordinate frame that it does not support",
    dialect.MAV_MISSION_UNSUPPORTED: "a command that it does not support",
    dialect.MAV_MISSION_NO_SPACE: "no space for it (or it is still starting)",
    dialect.MAV_MISSION_INVALID: "an invalid item",
    dialect.MAV_MISSION_INVALID_PARAM1: "an invalid param1",
    dialect.MAV_MISSION_INVALID_PARAM2: "an invalid param2",
    dialect.MAV_MISSION_INVALID_PARAM3: "an invalid param3",
    dialect.MAV_MISSION_INVALID_PARAM4: "an invalid param4",
    dialect.MAV_MISSION_INVALID_PARAM5_X: "an invalid latitude",
    dialect.MAV_MISSION_INVALID_PARAM6_Y: "an invalid longitude",
    dialect.MAV_MISSION_INVALID_PARAM7: "an invalid height",
    dialect.MAV_MISSION_DENIED: "another transfer in progress, perhaps of another ground station",
    dialect.MAV_MISSION_OPERATION_CANCELLED: "a time-out: too little came through",
}


@record
class Outcome:
    """``accepted``: acknowledged, which proves nothing yet. ``seq``: the item at which it ended.

    ``refused`` with the MAV_MISSION_RESULT in ``code``; ``busy``: another transfer is in progress;
    ``silent``: the vehicle does not answer; ``unclear``: its answer may belong to something else.
    """

    how: How
    code: int | None = None
    seq: int | None = None


def said(outcome: Outcome) -> str:
    """Return why a transfer failed, as the end of a sentence."""
    if outcome.how == "silent":
        return "the vehicle stopped answering" + (f" at item {outcome.seq}" if outcome.seq else "")
    if outcome.how == "unclear":
        return "the vehicle's last answer was lost"
    reason = _SAID.get(outcome.code or 0, f"result {outcome.code}")
    return f"the vehicle reports {reason}" + (f" at item {outcome.seq}" if outcome.seq is not None else "")
