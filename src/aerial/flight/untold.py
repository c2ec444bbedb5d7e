"""Photographs that were taken and not told: their numbers are missing between two that were told.

CAMERA_FEEDBACK is lost with the link and cannot be asked for again; the camera counts on all the same.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.triggers import of_sortie
from aerial.records import ShotRecord, Sortie, TriggerPoint

Floats = NDArray[np.float64]


def untold_of(shots: Mapping[int, ShotRecord]) -> int:
    """Return how many numbers are missing; ``shots`` by number, each power cycle 65 536 further on."""
    keys = sorted(shots)
    return sum(b - a - 1 for a, b in pairwise(keys) if b >> 16 == a >> 16)


def not_taken(
    sortie: Sortie, shots: Mapping[int, ShotRecord], missing: Sequence[TriggerPoint]
) -> tuple[TriggerPoint, ...]:
    """Return those of ``missing`` that no missing number explains.

    Between two photographs that were told, as many places as there are missing numbers count as
    photographed, and one more a line, for places drift along it; where still more miss, all of them are
    doubtful and stay.
    """
    keys = sorted(shots)
    gaps = [(a, b) for a, b in pairwise(keys) if b >> 16 == a >> 16 and b - a > 1]
    if not gaps or not missing:
        return tuple(missing)
    due = of_sortie(sortie)
    frame = geo.local_frame(sortie.takeoff)
    due_N2 = geo.in_frame(frame, [point.at for point in due])
    explained: set[int] = set()
    for a, b in gaps:
        # The nearest places of the two; flown in order, the second lies behind the first.
        first = int(np.hypot(*(due_N2 - geo.in_frame(frame, [shots[a].at])[0]).T).argmin())
        second = first + int(np.hypot(*(due_N2[first:] - geo.in_frame(frame, [shots[b].at])[0]).T).argmin())
        between = [point for point in missing if due[first].photo < point.photo < due[second].photo]
        if len(between) <= b - a - 1 + len({point.line for point in between}):
            explained.update(point.photo for point in between)
    return tuple(point for point in missing if point.photo not in explained)
