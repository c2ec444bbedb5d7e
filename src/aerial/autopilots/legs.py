"""Which leg of a sortie each of its mission items belongs to."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from aerial.autopilots.items import TAKEOFF, WAYPOINT
from aerial.records import MissionItem, Sortie


def legs_of_items(sortie: Sortie, items: Sequence[MissionItem]) -> tuple[int | None, ...]:
    """Return for each item the leg that is flown while it is the current one.

    ``items``: of ``encode``. None for home, the take-off, and what follows the last waypoint.
    """
    corners = _corners(sortie)
    found: list[int | None] = []
    for item in items:
        home = item.seq == 0 and item.command == WAYPOINT
        found.append(next(corners) if item.command == WAYPOINT and not home else None)
    # A command is carried out when the waypoint before it is reached, and is current for no time.
    after: int | None = None
    for place in range(len(items) - 1, -1, -1):
        if found[place] is None and items[place].command not in (WAYPOINT, TAKEOFF):
            found[place] = after
        after = found[place]
    return tuple(found)


def _corners(sortie: Sortie) -> Iterator[int]:
    """Yield the leg of each waypoint, as ``mission_items`` lays them."""
    here = sortie.legs[0].path[0]
    for number, leg in enumerate(sortie.legs):
        if leg.path[0] != here:
            yield number
        for before, point in pairwise(leg.path):
            if point != before:
                yield number
        here = leg.path[-1]
