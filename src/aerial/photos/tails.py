"""The ways to and from the lines of a survey, on which a camera that is left on takes photographs too.

A survey is flown in lines of one direction, or of two that cross. What comes before the first stretch
along them and after the last is no part of it: a lonely strip of photographs that bends a block.
"""

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from aerial.photos.places import local_metres
from aerial.records import Photo

Floats = NDArray[np.float64]

# Between two photographs of one flight; a change of batteries takes longer.
_PAUSE = timedelta(seconds=60)
_FEWEST_PHOTOS = 20
# How far from the direction of the lines a step may lead, for wind and a receiver that wanders.
_BESIDE_DEG = 15.0
# So much of a flight's way leads along the lines of a survey; a second direction has its own share.
_SURVEY_SHARE, _SECOND_SHARE = 0.6, 0.2
# A line has begun with so many steps along it; fewer photographs than a tail's are a corner.
_LINE_STEPS, _FEWEST_TAIL = 3, 3
_MOST_SHARE = 0.25
_STEP_M = 0.5


def find_tails(photos: Sequence[Photo]) -> dict[str, str]:
    """Return the reason for each photograph taken on the way to or from the lines, by file.

    Flights of fewer than 20 photographs, and those without a clear direction, have no tails.
    """
    timed = sorted((p for p in photos if p.taken_at and p.at), key=lambda p: (p.taken_at, p.file))
    found: dict[str, str] = {}
    for flight in _flights(timed):
        head, tail = _ends(local_metres([photo.at for photo in flight if photo.at]))
        way_in, way_out = "on the way to the lines of the survey", "on the way back from its lines"
        found |= dict.fromkeys((photo.file for photo in flight[:head]), way_in)
        found |= dict.fromkeys((photo.file for photo in flight[len(flight) - tail :]), way_out)
    return found


def _flights(timed: Sequence[Photo]) -> list[list[Photo]]:
    flights: list[list[Photo]] = []
    for photo in timed:
        before = flights[-1][-1].taken_at if flights else None
        if before and photo.taken_at and photo.taken_at - before <= _PAUSE:
            flights[-1].append(photo)
        else:
            flights.append([photo])
    return [flight for flight in flights if len(flight) >= _FEWEST_PHOTOS]


def _ends(metres_N2: Floats) -> tuple[int, int]:
    """Return how many photographs of a flight come before its lines, and how many after."""
    steps_S2 = np.diff(metres_N2, axis=0)
    along_S = _along_lines(steps_S2)
    if along_S is None:
        return 0, 0
    limit = _MOST_SHARE * len(metres_N2)
    ends = (_before_line(along_S), _before_line(along_S[::-1]))
    head, tail = (count if _FEWEST_TAIL <= count <= limit else 0 for count in ends)
    return head, tail


def _along_lines(steps_S2: Floats) -> NDArray[np.bool_] | None:
    """Return which steps lead along the lines; None where there are no lines."""
    length_S = np.hypot(*steps_S2.T)
    course_S = np.degrees(np.arctan2(*steps_S2.T)) % 180
    moved_S = length_S > _STEP_M
    if not moved_S.any():
        return None
    # One long step, where the camera was off, tells no more of a direction than others.
    looked = np.where(moved_S, np.minimum(length_S, 2 * np.median(length_S[moved_S])), 0.0)
    first_S = _main_direction(course_S, looked)
    others = np.where(first_S, 0.0, looked)
    second_S = _main_direction(course_S, others) if others.any() else first_S
    along_S = first_S
    if others[second_S].sum() >= _SECOND_SHARE * looked.sum():
        along_S = first_S | second_S
    return along_S if looked[along_S].sum() >= _SURVEY_SHARE * looked.sum() else None


def _main_direction(course_S: Floats, weight_S: Floats) -> NDArray[np.bool_]:
    """Return which steps lead along the direction that most do."""
    near_AS = _apart_deg(course_S, np.arange(180.0)[:, None]) <= _BESIDE_DEG
    first_S = near_AS[int((near_AS * weight_S).sum(axis=1).argmax())] * weight_S
    # Directions a half turn apart are one: their mean is taken at twice the angle.
    turned = np.radians(2 * course_S)
    mean_deg = np.degrees(np.arctan2(first_S @ np.sin(turned), first_S @ np.cos(turned))) / 2
    return np.asarray((_apart_deg(course_S, mean_deg) <= _BESIDE_DEG) & (weight_S > 0))


def _apart_deg(course_S: Floats, direction_deg: Floats | float) -> Floats:
    return np.asarray(np.abs((course_S - direction_deg + 90) % 180 - 90))


def _before_line(along_S: NDArray[np.bool_]) -> int:
    """Return how many photographs come before the first stretch along a line."""
    run = 0
    for place, along in enumerate(along_S.tolist()):
        run = run + 1 if along else 0
        if run == _LINE_STEPS:
            return place + 1 - _LINE_STEPS
    return 0
