"""What wind and a real airframe make of the wanted course: small errors, lean, power."""

import math
import random
from dataclasses import dataclass, field

import numpy as np

from aerial.simulate.vehicle.course import Floats
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State

_GRAVITY = 9.80665
# Measured: 23 degrees of pitch at 8 m/s of airspeed.
_DRAG_PER_S = _GRAVITY * math.tan(math.radians(23)) / 8
# Position hold of a good GPS copter: centimetres in calm air, a decimetre in 5 m/s, slow to change.
_ERROR_M, _ERROR_PER_WIND_S, _ERROR_TIME_S = 0.02, 0.015, 2.0
_HEIGHT_ERROR_M = 0.03
# At most 30 degrees of lean hold against this airspeed; in more wind it drifts.
_MOST_AIRSPEED = _GRAVITY * math.tan(math.radians(30)) / _DRAG_PER_S
_SLOWEST = 0.5
_YAW_RATE_DEG_S = 60.0
_FULL_V, _EMPTY_V, _HOVER_A = 16.8, 13.2, 12.0


@dataclass(slots=True)
class Body:
    """Keeps the errors between wanted and true; ``drift_m``: blown away so far, east and north."""

    setup: Setup
    rng: random.Random
    error_3: Floats = field(default_factory=lambda: np.zeros(3))
    drift_2: Floats = field(default_factory=lambda: np.zeros(2))

    def follow(self, state: State, at_3: Floats, velocity_3: Floats, heading_3: Floats, dt_s: float) -> None:
        """Move the true vehicle after the wanted place for one step."""
        wind_2 = self.wind()
        share = math.exp(-dt_s / _ERROR_TIME_S)
        spread = _ERROR_M + _ERROR_PER_WIND_S * self.setup.wind_speed_m_s
        kick = math.sqrt(1 - share * share)
        gauss = self.rng.gauss
        sizes = (spread, spread, _HEIGHT_ERROR_M)
        self.error_3 = self.error_3 * share + np.array([kick * gauss(0.0, size) for size in sizes])
        air_2 = velocity_3[:2] - wind_2
        airspeed = float(np.hypot(*air_2))
        if airspeed > _MOST_AIRSPEED:
            self.drift_2 = self.drift_2 - air_2 * (1 - _MOST_AIRSPEED / airspeed) * dt_s
        else:
            self.drift_2 = self.drift_2 * (1 - min(dt_s / 3.0, 1.0))
        east, north, up = at_3 + self.error_3
        east, north = east + self.drift_2[0], north + self.drift_2[1]
        state.v_east_m_s = (east - state.east_m) / dt_s
        state.v_north_m_s = (north - state.north_m) / dt_s
        state.v_up_m_s = (up - state.up_m) / dt_s
        state.east_m, state.north_m, state.up_m = float(east), float(north), float(up)
        self._lean(state, air_2, heading_3, dt_s)
        self._power(state, airspeed, float(velocity_3[2]), dt_s)

    def rest(self, state: State) -> None:
        """Stand still on the ground."""
        state.v_east_m_s = state.v_north_m_s = state.v_up_m_s = 0.0
        state.roll_deg = state.pitch_deg = 0.0
        state.battery_a = 0.6
        self.error_3 = np.zeros(3)
        self.drift_2 = np.zeros(2)

    def wind(self) -> Floats:
        """Return the velocity of the air, east and north."""
        to = math.radians(self.setup.wind_from_deg + 180)
        return np.array([math.sin(to), math.cos(to)]) * self.setup.wind_speed_m_s

    def fastest(self, heading_3: Floats) -> float:
        """Return the speed over ground along a heading that the largest lean allows in this wind."""
        wind_2 = self.wind()
        level = float(np.hypot(*heading_3[:2]))
        if level < 1e-6:
            return _MOST_AIRSPEED
        along = float(wind_2 @ heading_3[:2]) / level
        across2 = float(wind_2 @ wind_2) - along**2
        return max(along + math.sqrt(max(_MOST_AIRSPEED**2 - across2, 0.0)), _SLOWEST)

    def _lean(self, state: State, air_2: Floats, heading_3: Floats, dt_s: float) -> None:
        wanted = math.degrees(math.atan2(heading_3[0], heading_3[1]))
        off = (wanted - state.yaw_deg + 180) % 360 - 180
        most = _YAW_RATE_DEG_S * dt_s
        state.yaw_deg = (state.yaw_deg + max(-most, min(off, most))) % 360
        yaw = math.radians(state.yaw_deg)
        ahead = float(air_2[0] * math.sin(yaw) + air_2[1] * math.cos(yaw))
        right = float(air_2[0] * math.cos(yaw) - air_2[1] * math.sin(yaw))
        state.pitch_deg = -math.degrees(math.atan(_DRAG_PER_S * ahead / _GRAVITY))
        state.roll_deg = math.degrees(math.atan(_DRAG_PER_S * right / _GRAVITY))

    def _power(self, state: State, airspeed: float, climb: float, dt_s: float) -> None:
        # Forward flight is a little cheaper than hovering up to some speed, then drag tells.
        level = 1 - 0.1 * min(airspeed / 6, 1.0) + 0.004 * max(airspeed - 6, 0.0) ** 2
        power = level + 0.1 * max(climb, 0.0)
        state.battery_share = max(0.0, state.battery_share - power * dt_s / self.setup.battery_s)
        state.battery_a = _HOVER_A * power
        open_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * state.battery_share
        state.battery_v = open_v - 0.02 * state.battery_a
