"""Split a tour into sorties by energy: each from its take-off point and back on one battery.

A sortie goes on as long as the way home from where it would stop still leaves the reserve. The next
one begins four photographs before the last, so that both parts of a line join.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aerial.autopilots.items import line_hold_s
from aerial.errors import PlanError
from aerial.plan import energy
from aerial.plan.energy import Cost
from aerial.records import Aircraft, LegKind, Wind
from aerial.records.record import record

Floats = NDArray[np.float64]
OVERLAP_PHOTOS = 4


@record
class Stretch:
    """One line as it is flown: x, y, height of its corners; ``way_M3`` leads to the next line."""

    number: int
    xyz_M3: Floats
    trigger_m: float
    way_M3: Floats | None


@record
class FlownLeg:
    """A stretch of a sortie; ``line`` and ``trigger_m`` are None off the lines."""

    kind: LegKind
    xyz_M3: Floats
    line: int | None = None
    trigger_m: float | None = None


@record
class Flown:
    """One battery's part, in the local frame, and what it costs with climb and landing."""

    legs: tuple[FlownLeg, ...]
    cost: Cost


@record
class Craft:
    """What flies how: speeds over ground on lines and turns, and in transit."""

    aircraft: Aircraft
    speed_m_s: float
    transit_m_s: float
    wind: Wind | None
    reserve: float

    @property
    def budget_wh(self) -> float:
        """What a sortie may use."""
        return self.aircraft.battery_wh * (1 - self.reserve)

    def cost(self, leg: FlownLeg) -> Cost:
        """Return what a leg costs; a line with the holds at its ends."""
        speed = self.transit_m_s if leg.kind == "transit" else self.speed_m_s
        flown = energy.fly(self.aircraft, leg.xyz_M3, speed, self.wind)
        if leg.trigger_m is None:
            return flown
        return flown + energy.rest(self.aircraft, 2 * line_hold_s(self.aircraft.autopilot), self.wind)


# From a point in the frame (x, y, height) to the take-off point at flight height, or back.
Home = Callable[[Floats], Floats]


def split(stretches: Sequence[Stretch], home: Home, craft: Craft) -> list[Flown]:
    """Return the sorties that fly ``stretches`` in order.

    ``home`` returns the path (M, 3) from a point to above the take-off point.

    Raises:
        PlanError: a battery does not suffice to reach a line, photograph some of it, and return.
    """
    found: list[Flown] = []
    line, from_m = 0, 0.0
    while line < len(stretches):
        legs, last, reached_m = _one(stretches, line, from_m, home, craft)
        found.append(Flown(legs=legs, cost=_whole(legs, craft)))
        if last == len(stretches) - 1 and reached_m >= _length(stretches[last]) - 1e-6:
            return found
        # Resumed on the places of the photographs, so that repeats take the same pictures.
        trigger = stretches[last].trigger_m
        taken = int(reached_m / trigger + 1e-9)
        resume_m = max(taken - OVERLAP_PHOTOS + 1, 0) * trigger
        if (last, resume_m) <= (line, from_m):
            raise _too_far(stretches[line], craft)
        line, from_m = last, resume_m
    return found


def _one(
    stretches: Sequence[Stretch], line: int, from_m: float, home: Home, craft: Craft
) -> tuple[tuple[FlownLeg, ...], int, float]:
    """Return the legs of one sortie, and where it stops: the line, and how far along it."""
    start = between(stretches[line], from_m, _length(stretches[line]))[0]
    legs = [FlownLeg(kind="transit", xyz_M3=home(start)[::-1])]
    used = craft.cost(legs[0]).energy_wh + _up_down_wh(craft, legs[0].xyz_M3[0, 2])
    stopped: tuple[int, int, float] | None = None
    number = line
    while True:
        stretch, begin_m = stretches[number], from_m if number == line else 0.0
        whole = _survey(stretch, begin_m, _length(stretch))
        if used + craft.cost(whole).energy_wh + _home_wh(home, whole.xyz_M3[-1], craft) > craft.budget_wh:
            part = _part(stretch, begin_m, used, home, craft)
            if part is not None:
                legs.append(part[0])
                stopped = (len(legs), number, part[1])
            break
        legs.append(whole)
        used += craft.cost(whole).energy_wh
        stopped = (len(legs), number, _length(stretch))
        if number == len(stretches) - 1:
            break
        if stretch.way_M3 is not None:
            legs.append(FlownLeg(kind="turn", xyz_M3=stretch.way_M3))
            used += craft.cost(legs[-1]).energy_wh
        number += 1
    if stopped is None:
        raise _too_far(stretches[line], craft)
    count, last, reached_m = stopped
    kept = legs[:count]
    kept.append(FlownLeg(kind="transit", xyz_M3=home(kept[-1].xyz_M3[-1])))
    return tuple(leg for leg in kept if len(leg.xyz_M3) > 1), last, reached_m


def _part(
    stretch: Stretch, begin_m: float, used_wh: float, home: Home, craft: Craft
) -> tuple[FlownLeg, float] | None:
    """Return the longest part of a line that the battery allows, and its end; None: not worth it."""
    first = round(begin_m / stretch.trigger_m)
    low, high = first, int(_length(stretch) / stretch.trigger_m)
    best = None
    while low <= high:
        middle = (low + high) // 2
        end_m = middle * stretch.trigger_m
        if end_m > begin_m:
            leg = _survey(stretch, begin_m, end_m)
            needed = used_wh + craft.cost(leg).energy_wh + _home_wh(home, leg.xyz_M3[-1], craft)
            if needed > craft.budget_wh:
                high = middle - 1
                continue
            best = leg, end_m
        low = middle + 1
    # What the next sortie flies again anyway is not worth flying.
    return best if best is not None and best[1] - begin_m > OVERLAP_PHOTOS * stretch.trigger_m else None


def _survey(stretch: Stretch, begin_m: float, end_m: float) -> FlownLeg:
    return FlownLeg(
        kind="survey",
        xyz_M3=between(stretch, begin_m, end_m),
        line=stretch.number,
        trigger_m=stretch.trigger_m,
    )


def _along(xyz_M3: Floats) -> Floats:
    return np.asarray(np.r_[0.0, np.cumsum(np.hypot(*np.diff(xyz_M3[:, :2], axis=0).T))])


def _length(stretch: Stretch) -> float:
    return float(_along(stretch.xyz_M3)[-1])


def between(stretch: Stretch, begin_m: float, end_m: float) -> Floats:
    """Return the corners of a part of a line, x, y and height; distances along it, over ground."""
    along_M = _along(stretch.xyz_M3)
    inner = along_M[(along_M > begin_m + 1e-6) & (along_M < end_m - 1e-6)]
    at = np.r_[begin_m, inner, end_m]
    return np.asarray(
        np.column_stack([np.interp(at, along_M, stretch.xyz_M3[:, axis]) for axis in range(3)]), float
    )


def _up_down_wh(craft: Craft, height_m: float) -> float:
    """Return what rising to the first height of a sortie costs."""
    return energy.vertical(craft.aircraft, height_m, craft.wind).energy_wh


def _home_wh(home: Home, point_3: Floats, craft: Craft) -> float:
    way = FlownLeg(kind="transit", xyz_M3=home(point_3))
    landing = energy.vertical(craft.aircraft, -float(way.xyz_M3[-1, 2]), craft.wind)
    return craft.cost(way).energy_wh + landing.energy_wh


def _whole(legs: Sequence[FlownLeg], craft: Craft) -> Cost:
    up = energy.vertical(craft.aircraft, float(legs[0].xyz_M3[0, 2]), craft.wind)
    down = energy.vertical(craft.aircraft, -float(legs[-1].xyz_M3[-1, 2]), craft.wind)
    return energy.total([up, *(craft.cost(leg) for leg in legs), down])


def _too_far(stretch: Stretch, craft: Craft) -> PlanError:
    return PlanError(
        f"One battery of the {craft.aircraft.model} does not suffice to reach line {stretch.number}, "
        f"photograph it and return with {craft.reserve:.0%} left.",
        hint="Move the take-off point closer, add another one, or wait for less wind.",
    )
