"""Photographs counted against those that a sortie should have taken."""

from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.triggers import of_sortie
from aerial.geo import LonLat
from aerial.records import ShotRecord, Sortie, TriggerPoint

Floats = NDArray[np.float64]
# A photograph belongs to a line that it was taken within this distance of.
_ASIDE_M = 5.0
# The autopilot notices a due distance late by two renewals of its position at most; positions err.
_RENEWALS, _NOISE_M = 2, 0.5


def missing_of(
    sortie: Sortie, shots: Sequence[ShotRecord], *, position_period_s: float
) -> tuple[TriggerPoint, ...]:
    """Return the photographs that were due and have left a gap, in order of flight.

    An autopilot measures from the last photograph, so that places drift along a line; what counts is
    that no two photographs of a line lie further apart than its distance, and none is missing at its ends.
    """
    if not shots:
        return tuple(of_sortie(sortie))
    frame = geo.local_frame(sortie.takeoff)
    taken_N2 = _metres(frame, [shot.at for shot in shots])
    found: list[TriggerPoint] = []
    for line, group in groupby(of_sortie(sortie), key=lambda trigger: trigger.line):
        due = list(group)
        found += _missing_on(
            sortie, line, due, _metres(frame, [t.at for t in due]), taken_N2, position_period_s
        )
    return tuple(found)


def last_of(sortie: Sortie, shots: Sequence[ShotRecord]) -> int | None:
    """Return the place, among the sortie's photographs, of the last that was taken; None: none was."""
    if not shots:
        return None
    frame = geo.local_frame(sortie.takeoff)
    due_N2 = _metres(frame, [trigger.at for trigger in of_sortie(sortie)])
    if not len(due_N2):
        return None
    last_2 = _metres(frame, [shots[-1].at])[0]
    return int(np.hypot(*(due_N2 - last_2).T).argmin())


def _missing_on(
    sortie: Sortie,
    line: int | None,
    due: Sequence[TriggerPoint],
    due_N2: Floats,
    taken_M2: Floats,
    position_period_s: float,
) -> list[TriggerPoint]:
    every = next(
        leg.trigger_distance_m
        for leg in sortie.legs
        if leg.line == line and leg.trigger_distance_m is not None
    )
    slack = _RENEWALS * sortie.speed_m_s * position_period_s + _NOISE_M
    start_2 = due_N2[0]
    length = float(np.hypot(*(due_N2[-1] - start_2)))
    if length < 1e-6:
        near = np.hypot(*(taken_M2 - start_2).T).min() <= every / 2 + slack
        return [] if near else list(due)
    unit_2 = (due_N2[-1] - start_2) / length
    along_M = (taken_M2 - start_2) @ unit_2
    aside_M = np.abs((taken_M2 - start_2) @ np.array([-unit_2[1], unit_2[0]]))
    on = np.sort(along_M[(aside_M <= _ASIDE_M) & (along_M > -every) & (along_M < length + every)])
    where_N = (due_N2 - start_2) @ unit_2
    # At the start the first must be there; at the end the last may have drifted by one distance.
    edges = np.r_[-every, on, length + every]
    missing = np.zeros(len(due), bool)
    for number, (a, b) in enumerate(pairwise(edges)):
        last = number == len(edges) - 2
        if b - a > every + slack + (every if last else 0.0):
            missing |= (where_N > a + every / 2) & (where_N < b - every / 2)
    return [trigger for trigger, gone in zip(due, missing, strict=True) if gone]


def _metres(frame: str, places: Sequence[LonLat]) -> Floats:
    x, y = geo.transform(
        geo.WGS84,
        frame,
        np.array([place.lon_deg for place in places], float),
        np.array([place.lat_deg for place in places], float),
    )
    return np.column_stack([x, y])
