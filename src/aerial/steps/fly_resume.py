"""The rest of an interrupted sortie as a plan of its own."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.areas import flight_zones
from aerial.autopilots.triggers import of_sortie
from aerial.codec import write_json
from aerial.errors import FlightError, InputError
from aerial.flight.log import read_log, shot_of
from aerial.geo import LonLat
from aerial.plan.flown import bounds_of, frame_of
from aerial.plan.ground import read_ground
from aerial.plan.refly import refly_plan
from aerial.records import Plan, Sortie
from aerial.steps.fly_watch import last_log

RESUMED = "resumed"
# Before the last good photograph; the two that a re-flown stretch begins earlier are among them.
_BACK = 2
# So many photographs may have been lost in a row and the count still goes on.
_AHEAD = 40
# In trigger distances: places drift along a line.
_NEAR = 0.6
_MISSION_MODES = ("auto", "mission")

Floats = NDArray[np.float64]


def resume_sortie(
    plan: Plan,
    sortie: Sortie,
    folder: Path,
    log: Path | None = None,
    *,
    dem: Path | None = None,
    zones: Sequence[Path] = (),
) -> tuple[Plan, Path]:
    """Return the plan of what is left of ``sortie``, and its new folder in ``folder``/resumed.

    It begins four photographs before the last that the flight log tells of; the same lines, heights,
    trigger places and speeds. It is checked like any plan. ``dem``: needed where the plan follows terrain.

    Raises:
        FlightError: nothing was photographed, or nothing is left.
        InputError: there is no log, or a file is not what it should be.
        PlanError: there is no way to the rest, too little battery, or a check fails.
    """
    path = log or last_log(folder, sortie)
    if path is None:
        raise InputError(
            f"{folder} holds no flight log of sortie {sortie.number}.",
            hint="Give it with --log, or start anew.",
        )
    last = last_photo(sortie, shots_of(path))
    if last is None:
        raise FlightError(
            f"{path} tells of no photograph.", hint="Start the whole sortie again with aerial fly start."
        )
    left = of_sortie(sortie)[max(last - _BACK + 1, 0) :]
    if last >= sortie.photos - 1:
        raise FlightError(
            f"All {sortie.photos} photographs of sortie {sortie.number} were taken.",
            hint="Bring them in with aerial photos geotag, which also tells of gaps.",
        )
    frame = frame_of(plan)
    rest = refly_plan(
        plan,
        left,
        ground=read_ground(dem, frame, bounds_of(plan, frame)) if dem else None,
        zones=[zone for file in zones for zone in flight_zones(file)] if zones else None,
    )
    out = folder / RESUMED / path.stem
    write_json(out / "plan.json", rest)
    return rest, out


def shots_of(path: Path) -> tuple[LonLat, ...]:
    """Return where the photographs of a flight log were taken, in order, while the mission was flown.

    A camera that nobody stopped fires on, on the way home: over other lines, too.
    """
    found = []
    on_mission = True
    for event in read_log(path):
        if event["event"] == "mode":
            on_mission = event.get("mode") in _MISSION_MODES
        if event["event"] == "shot" and on_mission:
            with suppress(InputError):
                found.append(shot_of(event).at)
    return tuple(found)


def last_photo(sortie: Sortie, photographed: Sequence[LonLat]) -> int | None:
    """Return which photograph of the sortie, counted from 0, the last one is; None: none of it is."""
    due = of_sortie(sortie)
    frame = geo.local_frame(sortie.takeoff)
    due_N2, taken_M2 = geo.in_frame(frame, [point.at for point in due]), geo.in_frame(frame, photographed)
    every = [leg.trigger_distance_m for leg in sortie.legs if leg.trigger_distance_m]
    if not every or not len(due_N2):
        return None
    # Flown in order: what is near a later place than the one after it was is a passing by on the way.
    reached: int | None = None
    for taken_2 in taken_M2:
        first = 0 if reached is None else reached
        away_N = np.hypot(*(due_N2[first : first + _AHEAD] - taken_2).T)
        if len(away_N) and away_N.min() <= _NEAR * max(every):
            reached = first + int(away_N.argmin())
    return reached
