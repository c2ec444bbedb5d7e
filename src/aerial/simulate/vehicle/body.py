"""The vehicle as a body: it follows the target as well as wind, gusts and its own limits let it.

Figures chosen, not measured, unless said. Following: position error times 1.5 as speed, speed error times
3.3 as acceleration; in gusts of 15 % of the wind that change over 3 s this leaves a cross-track error of
about 0.06 m (1 sigma) in 5 m/s wind and 0.01 m in calm air. Highest airspeed 15 m/s: stronger wind blows
the vehicle away. Lean: 23 degrees at 8 m/s of airspeed (measured), less than in proportion above.
"""

import math
import random

from aerial.simulate.vehicle.state import State
from aerial.simulate.vehicle.track import Track

GRAVITY_M_S2 = 9.80665
_TOP_AIRSPEED_M_S = 15.0
_BY_ERROR, _BY_SPEED = 1.5, 3.3
_CORRECTION_M_S = 3.0
_ACCEL_M_S2 = 6.0
_GUST_SHARE, _GUST_CALM_M_S, _GUST_S = 0.15, 0.12, 3.0
# What a gust accelerates the vehicle by, per m/s.
_GRIP_PER_S = 0.5
# Acceleration follows its command with this delay: the vehicle has to lean first.
_LEAN_S = 0.15
_YAW_DEG_S = 60.0
_WAITS_FROM_M, _WAITS_OVER_M = 1.0, 2.0


class Body:
    """Moves ``state``; all randomness comes from ``seed``."""

    def __init__(self, state: State, wind_speed_m_s: float, wind_from_deg: float, seed: int) -> None:
        self.state = state
        to = math.radians(wind_from_deg + 180)
        self.wind = (wind_speed_m_s * math.sin(to), wind_speed_m_s * math.cos(to))
        self.yaw_deg = 0.0
        self._random = random.Random(seed)
        self._gust_m_s = _GUST_CALM_M_S + _GUST_SHARE * wind_speed_m_s
        self._gusts = [0.0, 0.0, 0.0]
        self._lean = (0.0, 0.0, 0.0)
        self._thrust = (0.0, 0.0)
        self._target = (0.0, 0.0, 0.0)

    def rest(self) -> None:
        """Stand still on the ground."""
        state = self.state
        state.v_east_m_s = state.v_north_m_s = state.v_up_m_s = 0.0
        state.roll_deg = state.pitch_deg = 0.0
        self._lean, self._thrust, self._target = (0.0, 0.0, 0.0), (0.0, 0.0), (0.0, 0.0, 0.0)

    def blow(self, dt: float) -> None:
        """Let the gusts change; called a few times a second."""
        keep = math.exp(-dt / _GUST_S)
        fresh = math.sqrt(1 - keep * keep) * self._gust_m_s
        gauss = self._random.gauss
        # Up and down a third of level: the ground is near.
        self._gusts = [
            gust * keep + gauss(0.0, fresh * share)
            for gust, share in zip(self._gusts, (1.0, 1.0, 0.33), strict=True)
        ]

    def follow(self, track: Track, dt: float) -> None:
        """Move on by ``dt`` towards the target."""
        s = self.state
        now = (track.vx, track.vy, track.vz)
        last, share = self._target, dt / _LEAN_S
        lean = self._lean
        lx = lean[0] + ((now[0] - last[0]) / dt - lean[0]) * share
        ly = lean[1] + ((now[1] - last[1]) / dt - lean[1]) * share
        lz = lean[2] + ((now[2] - last[2]) / dt - lean[2]) * share
        self._target, self._lean = now, (lx, ly, lz)
        ex, ey = track.x - s.east_m, track.y - s.north_m
        wx, wy = self.wind
        cx, cy = _BY_ERROR * ex, _BY_ERROR * ey
        size = math.hypot(cx, cy)
        if size > _CORRECTION_M_S:
            cx, cy = cx * _CORRECTION_M_S / size, cy * _CORRECTION_M_S / size
        ux, uy = now[0] + cx - wx, now[1] + cy - wy
        if ux * ux + uy * uy > _TOP_AIRSPEED_M_S * _TOP_AIRSPEED_M_S:
            ux, uy = _slowed(now[0], now[1], cx - wx, cy - wy)
        ax = _BY_SPEED * (ux + wx - s.v_east_m_s) + lx
        ay = _BY_SPEED * (uy + wy - s.v_north_m_s) + ly
        size = math.hypot(ax, ay)
        if size > _ACCEL_M_S2:
            ax, ay = ax * _ACCEL_M_S2 / size, ay * _ACCEL_M_S2 / size
        self._thrust = (ax, ay)
        az = _BY_SPEED * (now[2] + _BY_ERROR * (track.z - s.up_m) - s.v_up_m_s) + lz
        az = max(-_ACCEL_M_S2, min(_ACCEL_M_S2, az))
        gx, gy, gz = self._gusts
        s.v_east_m_s += (ax + gx * _GRIP_PER_S) * dt
        s.v_north_m_s += (ay + gy * _GRIP_PER_S) * dt
        s.v_up_m_s += (az + gz * _GRIP_PER_S) * dt
        s.east_m += s.v_east_m_s * dt
        s.north_m += s.v_north_m_s * dt
        s.up_m += s.v_up_m_s * dt
        if ex * ex + ey * ey > _WAITS_FROM_M * _WAITS_FROM_M:
            behind = (math.hypot(ex, ey) - _WAITS_FROM_M) / _WAITS_OVER_M
            track.slow_to(max(0.0, 1.0 - behind))
        turn = (self.yaw_deg - s.yaw_deg + 180) % 360 - 180
        if turn:
            step = _YAW_DEG_S * dt
            s.yaw_deg = (s.yaw_deg + max(-step, min(step, turn))) % 360

    def fall(self, dt: float) -> None:
        """Move on without power."""
        s = self.state
        s.v_up_m_s -= GRAVITY_M_S2 * dt
        s.east_m += s.v_east_m_s * dt
        s.north_m += s.v_north_m_s * dt
        s.up_m += s.v_up_m_s * dt

    def air(self) -> tuple[float, float]:
        """Return the velocity through the air, east and north."""
        gx, gy, _ = self._gusts
        return self.state.v_east_m_s - self.wind[0] - gx, self.state.v_north_m_s - self.wind[1] - gy

    def lean(self) -> None:
        """Write roll and pitch into the state: what thrust and drag ask for."""
        s = self.state
        ux, uy = s.v_east_m_s - self.wind[0], s.v_north_m_s - self.wind[1]
        speed = math.hypot(ux, uy)
        drag = _drag_m_s2(speed) / speed if speed > 0.01 else 0.0
        ax, ay = self._thrust[0] + ux * drag, self._thrust[1] + uy * drag
        yaw = math.radians(s.yaw_deg)
        ahead = ax * math.sin(yaw) + ay * math.cos(yaw)
        right = ax * math.cos(yaw) - ay * math.sin(yaw)
        s.pitch_deg = -math.degrees(math.atan2(ahead, GRAVITY_M_S2))
        s.roll_deg = math.degrees(math.atan2(right, GRAVITY_M_S2))


def _slowed(tx: float, ty: float, bx: float, by: float) -> tuple[float, float]:
    """Return the share of velocity t that fits beside b in the highest airspeed, plus b.

    So a strong wind slows the vehicle down on its line before it blows it off the line.
    """
    top2, base2 = _TOP_AIRSPEED_M_S**2, bx * bx + by * by
    if base2 >= top2:
        scale = math.sqrt(top2 / base2)
        return bx * scale, by * scale
    both, speed2 = tx * bx + ty * by, tx * tx + ty * ty
    share = (math.sqrt(both * both + speed2 * (top2 - base2)) - both) / speed2
    return tx * share + bx, ty * share + by


def _drag_m_s2(airspeed_m_s: float) -> float:
    """Return what drag takes: 23 degrees of lean at 8 m/s, 35 at 15."""
    return float(GRAVITY_M_S2 * math.tan(math.radians(23)) * (airspeed_m_s / 8.0) ** 0.8)
