"""Persistence over two flights: what one pair alone shows waits for the next one.

A shadow, a lorry or a blot rarely lies in the same place a fortnight later; a building does.
"""

from collections.abc import Sequence

from shapely import STRtree

from aerial.records import Kind, Suspect

_GONE: tuple[Kind, ...] = ("demolished", "excavation")
_SAME = 0.25


def persisted(
    now: Sequence[Suspect], previous: Sequence[Suspect]
) -> tuple[tuple[Suspect, ...], tuple[Suspect, ...]]:
    """Return the suspects of ``now`` that ``previous`` shows too, and those that wait for another flight.

    The same: outlines share a quarter of the smaller one, and both came or both went; a suspect of
    unknown kind agrees with either. ``previous``: of the pair of the same baseline and the flight
    before, with what waited there.
    """
    tree = STRtree([suspect.outline for suspect in previous])
    kept: list[Suspect] = []
    waiting: list[Suspect] = []
    for suspect in now:
        seen = any(_same(suspect, previous[k]) for k in tree.query(suspect.outline, "intersects"))
        (kept if seen else waiting).append(suspect)
    return tuple(kept), tuple(waiting)


def _same(a: Suspect, b: Suspect) -> bool:
    known = "unknown" not in (a.kind, b.kind)
    if known and (a.kind in _GONE) != (b.kind in _GONE):
        return False
    # Areas in square degrees compare as those on the ground do: both lie at one place.
    shared = a.outline.intersection(b.outline).area
    return bool(shared >= _SAME * min(a.outline.area, b.outline.area))
