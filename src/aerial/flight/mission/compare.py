"""Whether what a vehicle holds is what it should hold."""

import math
from collections.abc import Sequence
from itertools import zip_longest

from aerial.autopilots.base import Autopilot
from aerial.flight.mission.wire import MissionType
from aerial.records import MissionItem

# as_stored truncates heights to the centimetre as the vehicle does, in 32 bits each: a step of one
# centimetre is the rounding of a rounding.
_HEIGHT_M = 0.011
_SCALE = 1e7
_NAMES = ("param1", "param2", "param3", "param4", "latitude", "longitude", "height")


def differences(
    autopilot: Autopilot, sent: Sequence[MissionItem], held: Sequence[MissionItem], kind: MissionType
) -> tuple[str, ...]:
    """Return what differs between ``sent`` as the autopilot stores it, and ``held`` as it was read.

    A sentence each; empty: they are equal. Home, item 0 of an ArduPilot mission, is the vehicle's own.
    """
    wanted = list(autopilot.as_stored(sent))
    have = list(held)
    if kind == "mission" and autopilot.has_home_item:
        wanted, have = wanted[1:], have[1:]
    found = []
    if len(wanted) != len(have):
        found.append(f"{len(have)} items instead of {len(wanted)}")
    for one, other in zip_longest(wanted, have):
        if one is not None and other is not None:
            found += [f"item {one.seq}: {text}" for text in _differ(one, other)]
    return tuple(found)


def same_held(a: Sequence[MissionItem], b: Sequence[MissionItem], *, has_home_item: bool) -> bool:
    """Tell whether two downloads are equal, home aside."""
    first = 1 if has_home_item else 0
    return repr(list(a)[first:]) == repr(list(b)[first:])


def _differ(wanted: MissionItem, have: MissionItem) -> list[str]:
    if wanted.seq != have.seq:
        return [f"has number {have.seq}"]
    if wanted.command != have.command:
        return [f"command {have.command} instead of {wanted.command}"]
    found = []
    if wanted.frame != have.frame:
        found.append(f"frame {have.frame} instead of {wanted.frame}")
    for name, one, other in zip(_NAMES, wanted.params, have.params, strict=True):
        if not _same(name, one, other):
            found.append(f"{name} {other:.9g} instead of {one:.9g}")
    return found


def _same(name: str, wanted: float, have: float) -> bool:
    if math.isnan(wanted) or math.isnan(have):
        return math.isnan(wanted) and math.isnan(have)
    if name in ("latitude", "longitude"):
        return round(wanted * _SCALE) == round(have * _SCALE)
    if name == "height":
        return abs(wanted - have) < _HEIGHT_M
    return wanted == have
