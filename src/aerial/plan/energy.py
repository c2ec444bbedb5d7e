"""Time and energy of a path: level flight in wind, climb, stops.

Power is what the maker's figures tell: hovering at standstill, cruising at cruise speed, a straight
line between. Beyond cruise speed the power against drag is added, which grows with the cube of the
airspeed; drag is what a tilt of 30 degrees holds at the highest speed. Drag and climbing are paid at
half efficiency, sinking saves nothing. So an estimate is on the safe side where it errs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial.autopilots.items import line_hold_s
from aerial.records import Aircraft, Wind
from aerial.records.record import record

Floats = NDArray[np.float64]
_GRAVITY_M_S2, _EFFICIENCY = 9.80665, 0.5
# Usual limits of autopilots are 25 to 35 degrees; a file's highest speed is often reached with less.
_TILT_RAD = np.radians(30)
# A corner sharper than this is a stop for an aircraft that stops in corners.
_CORNER_RAD = np.radians(10)


@record
class Cost:
    """Metres over ground, seconds and watt hours of a stretch."""

    length_m: float
    duration_s: float
    energy_wh: float

    def __add__(self, other: "Cost") -> "Cost":
        """Return both, one after the other."""
        return Cost(
            length_m=self.length_m + other.length_m,
            duration_s=self.duration_s + other.duration_s,
            energy_wh=self.energy_wh + other.energy_wh,
        )


NOTHING = Cost(length_m=0.0, duration_s=0.0, energy_wh=0.0)


def power_w(aircraft: Aircraft, airspeed_m_s: Floats) -> Floats:
    """Return the electrical power of level flight at an airspeed."""
    full_j = aircraft.battery_wh * 3600
    hover, cruise = full_j / aircraft.hover_s, full_j / aircraft.cruise_s
    share = np.minimum(airspeed_m_s / aircraft.cruise_m_s, 1.0)
    drag_kg_m = aircraft.takeoff_mass_kg * _GRAVITY_M_S2 * np.tan(_TILT_RAD) / aircraft.max_speed_m_s**2
    faster = np.maximum(airspeed_m_s**3 - aircraft.cruise_m_s**3, 0.0)
    return np.asarray(hover + (cruise - hover) * share + drag_kg_m * faster / _EFFICIENCY)


def fly(aircraft: Aircraft, path_M3: Floats, speed_m_s: float, wind: Wind | None) -> Cost:
    """Return what a path (x east, y north, height, metres) costs, from standstill to standstill.

    Where it is steeper than the aircraft climbs or sinks at ``speed_m_s``, it slows down.
    """
    step_S3 = np.diff(path_M3, axis=0)
    length_S = np.hypot(step_S3[:, 0], step_S3[:, 1])
    if not len(step_S3):
        return NOTHING
    rise_S = step_S3[:, 2]
    vertical_S = np.where(rise_S > 0, rise_S / aircraft.climb_m_s, -rise_S / aircraft.descent_m_s)
    duration_S = np.maximum(length_S / speed_m_s, vertical_S)
    blowing_2 = _blowing(wind)
    over_ground_S2 = step_S3[:, :2] / np.maximum(duration_S, 1e-9)[:, None]
    airspeed_S = np.linalg.norm(over_ground_S2 - blowing_2, axis=1)
    joules = float((power_w(aircraft, airspeed_S) * duration_S).sum())
    joules += float(np.maximum(rise_S, 0).sum()) * aircraft.takeoff_mass_kg * _GRAVITY_M_S2 / _EFFICIENCY
    # Braking and gathering speed again loses v / a seconds against flying through.
    stops = 1 + (_corners(step_S3[length_S > 1e-6]) if aircraft.turn == "stop" else 0)
    lost_s = stops * speed_m_s / aircraft.acceleration_m_s2
    return Cost(
        length_m=float(length_S.sum()), duration_s=float(duration_S.sum()), energy_wh=joules / 3600
    ) + rest(aircraft, lost_s, wind)


def rest(aircraft: Aircraft, duration_s: float, wind: Wind | None) -> Cost:
    """Return what staying on a place costs."""
    still_w = float(power_w(aircraft, np.array([np.linalg.norm(_blowing(wind))]))[0])
    return Cost(length_m=0.0, duration_s=duration_s, energy_wh=duration_s * still_w / 3600)


def turn_m(aircraft: Aircraft, speed_m_s: float) -> float:
    """Return what the two stops of a turn and the holds there cost, as metres of level flight."""
    lost_s = 2 * (speed_m_s / aircraft.acceleration_m_s2 + line_hold_s(aircraft.autopilot))
    return lost_s * speed_m_s


def vertical(aircraft: Aircraft, up_m: float, wind: Wind | None) -> Cost:
    """Return what rising from the ground to ``up_m`` costs, or sinking from it where it is negative."""
    return fly(aircraft, np.array([[0, 0, 0.0], [0, 0, up_m]]), 1e-6, wind)


def total(costs: Sequence[Cost]) -> Cost:
    """Return the sum."""
    return sum(costs, NOTHING)


def _blowing(wind: Wind | None) -> Floats:
    """Return the velocity of the air over ground, east and north."""
    if wind is None:
        return np.zeros(2)
    to = np.radians(wind.from_deg + 180)
    return np.array([np.sin(to), np.cos(to)]) * wind.speed_m_s


def _corners(step_S3: Floats) -> int:
    heading = np.arctan2(step_S3[:, 1], step_S3[:, 0])
    turn = np.abs((np.diff(heading) + np.pi) % (2 * np.pi) - np.pi)
    return int((turn > _CORNER_RAD).sum())
