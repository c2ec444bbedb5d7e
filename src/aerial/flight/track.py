"""Where in its sortie a vehicle is: line, photographs due, distance from the line, what is left to fly."""

from collections.abc import Sequence
from contextlib import suppress
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.base import Autopilot
from aerial.autopilots.legs import legs_of_items
from aerial.autopilots.triggers import of_sortie
from aerial.errors import CrsError
from aerial.geo import LonLat
from aerial.records import Sortie, TriggerPoint
from aerial.records.record import record

Floats = NDArray[np.float64]
# A photograph that was taken within this distance of a line belongs to it.
_ON_LINE_M = 5.0


@record
class Progress:
    """One moment of a sortie.

    ``line``: number of the survey line, None off the lines. ``aside_m``: from the planned path, level;
    ``above_m``: over it. ``due``: photographs that should have been taken by now; ``blind_m``: flown on
    the line since the last, or since its start; one is due every ``every_m``, 0 off the lines. ``left_m``,
    ``left_s``: to fly, return and landing included; ``left_battery`` the share of it (0-1) by the plan.
    """

    leg: int | None
    line: int | None
    aside_m: float | None
    above_m: float | None
    due: int
    blind_m: float
    every_m: float
    photos: int
    left_m: float
    left_s: float
    left_battery: float


class Track:
    """Follows one sortie through the numbers of its mission items."""

    def __init__(self, sortie: Sortie, autopilot: Autopilot) -> None:
        self.sortie = sortie
        self.triggers: Sequence[TriggerPoint] = of_sortie(sortie)
        self._legs = legs_of_items(sortie, autopilot.encode(sortie))
        self._frame = geo.local_frame(sortie.takeoff)
        self._paths = [self._path([p.at for p in leg.path], [p.height_above_takeoff_m for p in leg.path])
                       for leg in sortie.legs]  # fmt: skip
        self._lengths = [float(_steps(path).sum()) for path in self._paths]
        self._before = [0.0, *accumulate(self._lengths)]
        due_N3 = self._path([t.at for t in self.triggers], [t.height_above_takeoff_m for t in self.triggers])
        self._due_leg = _legs_of_triggers(sortie, self.triggers)
        self._due_along = [
            _along(self._paths[leg], point)[0] for leg, point in zip(self._due_leg, due_N3, strict=True)
        ]

    @property
    def items(self) -> int:
        """Return how many items the mission has."""
        return len(self._legs)

    def at(
        self, item: int, at: LonLat, height_above_home_m: float, last_shot: LonLat | None = None
    ) -> Progress:
        """Return the progress while mission ``item`` is current and the vehicle is at ``at``."""
        leg = self._legs[item] if 0 <= item < len(self._legs) else None
        total = self._before[-1]
        if leg is None:
            # Before the first waypoint, or on the way down.
            flown = total if item >= len(self._legs) - 1 else 0.0
            due = len(self.triggers) if flown else 0
            return self._progress(None, None, None, due, flown, 0.0)
        try:
            (point,) = self._path([at], [height_above_home_m])
        except CrsError:
            # A quarter of the Earth away: no map of here shows it.
            return self._progress(leg, None, None, sum(one < leg for one in self._due_leg),
                                  self._before[leg], 0.0)  # fmt: skip
        along, aside, above = _along(self._paths[leg], point)
        due = sum(
            one < leg or (one == leg and where <= along)
            for one, where in zip(self._due_leg, self._due_along, strict=True)
        )
        since = 0.0
        if last_shot is not None:
            with suppress(CrsError):
                (shot,) = self._path([last_shot], [height_above_home_m])
                on, beside, _ = _along(self._paths[leg], shot)
                since = on if beside < _ON_LINE_M else 0.0
        return self._progress(leg, aside, above, due, self._before[leg] + along, max(along - since, 0.0))

    def _progress(
        self,
        leg: int | None,
        aside: float | None,
        above: float | None,
        due: int,
        flown: float,
        blind: float,
    ) -> Progress:
        total = max(self._before[-1], 1e-6)
        share = max(total - flown, 0.0) / total
        return Progress(
            leg=leg,
            line=None if leg is None else self.sortie.legs[leg].line,
            aside_m=aside,
            above_m=above,
            due=due,
            blind_m=blind,
            every_m=0.0 if leg is None else self.sortie.legs[leg].trigger_distance_m or 0.0,
            photos=len(self.triggers),
            left_m=share * total,
            left_s=share * self.sortie.duration_s,
            left_battery=share * self.sortie.battery_share,
        )

    def _path(self, places: Sequence[LonLat], heights: Sequence[float]) -> Floats:
        return np.column_stack([geo.in_frame(self._frame, places), np.asarray(heights, float)])


def _steps(path_M3: Floats) -> Floats:
    return np.asarray(np.hypot(*np.diff(path_M3[:, :2], axis=0).T))


def _along(path_M3: Floats, point_3: Floats) -> tuple[float, float, float]:
    """Return how far along a path its nearest point lies, how far away that is, and the height over it."""
    start_S3, step_S3 = path_M3[:-1], np.diff(path_M3, axis=0)
    length_S = np.maximum(_steps(path_M3), 1e-9)
    share_S = np.clip(((point_3 - start_S3)[:, :2] * step_S3[:, :2]).sum(axis=1) / length_S**2, 0, 1)
    near_S3 = start_S3 + share_S[:, None] * step_S3
    away_S = np.hypot(*(point_3 - near_S3)[:, :2].T)
    best = int(away_S.argmin())
    along = float(length_S[:best].sum() + share_S[best] * length_S[best])
    return along, float(away_S[best]), float(point_3[2] - near_S3[best, 2])


def _legs_of_triggers(sortie: Sortie, triggers: Sequence[TriggerPoint]) -> list[int]:
    """Return the leg of each photograph: legs are flown in order, and each line is one leg of a sortie."""
    found, leg = [], 0
    for trigger in triggers:
        while sortie.legs[leg].trigger_distance_m is None or sortie.legs[leg].line != trigger.line:
            leg += 1
        found.append(leg)
    return found
