"""How numbers survive the way to an autopilot and back."""

from ctypes import c_float

from aerial.records.mission import Params

# MAV_FRAME: the _INT frames are synonyms of the others, which is what autopilots give back.
SAME_FRAME = {5: 0, 6: 3, 11: 10}
FENCE_COMMANDS = range(5000, 5005)


def float32(value: float) -> float:
    """Return ``value`` as the messages carry it."""
    return c_float(value).value


def whole_degrees(value: float) -> float:
    """Return a latitude or longitude as the whole 1e-7 degrees that the messages carry."""
    return round(value * 1e7) / 1e7


def carried(params: Params, *, place: bool) -> Params:
    """Return parameters as MISSION_ITEM_INT carries them; ``place``: 5 and 6 are degrees, else plain."""
    p1, p2, p3, p4, p5, p6, p7 = params
    if place:
        p5, p6 = whole_degrees(p5), whole_degrees(p6)
    else:
        p5, p6 = float(round(p5)), float(round(p6))
    return float32(p1), float32(p2), float32(p3), float32(p4), p5, p6, float32(p7)
