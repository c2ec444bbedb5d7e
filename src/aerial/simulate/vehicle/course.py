"""Where the autopilot wants the vehicle to be: legs at limited acceleration, corners cut or stopped at.

At a waypoint without a hold the path leaves the leg before it and joins the next behind it on an arc whose
middle passes the waypoint at WP_RADIUS_M at most; that is where the waypoint counts as reached. ArduCopter
does so by S-curves; the arc has the same corner distance and the same limit of sideways acceleration.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_TINY_M = 1e-6


@dataclass(slots=True)
class Limits:
    """Speeds in m/s, acceleration in m/s2, radius in metres."""

    speed: float
    up: float
    down: float
    acceleration: float
    radius: float


@dataclass(slots=True)
class _Arc:
    """An arc about ``centre``: from ``first``, by ``turn`` radians towards ``second`` (unit, normal)."""

    centre_3: Floats
    first_3: Floats
    second_3: Floats
    radius_m: float
    turn: float

    @property
    def length_m(self) -> float:
        return self.radius_m * self.turn

    def at(self, along_m: float) -> tuple[Floats, Floats]:
        """Return the place and the unit direction after ``along_m``."""
        angle = along_m / self.radius_m
        place = self.centre_3 + self.radius_m * (np.cos(angle) * self.first_3 + np.sin(angle) * self.second_3)
        return place, -np.sin(angle) * self.first_3 + np.cos(angle) * self.second_3


class Course:
    """The wanted place; ``reached`` is true once the present waypoint counts as reached."""

    def __init__(self, at_3: Floats) -> None:
        self.at_3 = self._start_3 = self._end_3 = self._to_3 = np.array(at_3, float)
        self.velocity_3 = np.zeros(3)
        self.heading_3 = np.array([0.0, 1.0, 0.0])
        self.reached = self._stop = True
        self._speed = 0.0
        self._arc: _Arc | None = None
        self._in_arc: float | None = None
        self._next: tuple[Floats, bool, Floats | None] | None = None

    def go(self, to_3: Floats, *, stop: bool, then_3: Floats | None, limits: Limits) -> None:
        """Head for ``to_3``; ``stop`` there, or round the corner towards ``then_3``."""
        if self._in_arc is not None:
            # The arc of the corner before is flown to its end first.
            self._next = (to_3, stop, then_3)
            self.reached = False
            return
        self._begin(to_3, stop, then_3, limits)

    @property
    def rises(self) -> bool:
        """Tell whether the present way leads upward from here."""
        return not self.reached and float(self._to_3[2] - self.at_3[2]) > 0.01

    def reset(self, at_3: Floats) -> None:
        """Be at rest at a place."""
        self.at_3 = np.array(at_3, float)
        self.velocity_3 = np.zeros(3)
        self._start_3 = self._end_3 = self._to_3 = self.at_3.copy()
        self._speed, self._stop, self.reached = 0.0, True, True
        self._arc, self._in_arc, self._next = None, None, None

    def halt(self) -> None:
        """Stop as soon as the acceleration allows, on the present way."""
        ahead = self._speed**2 / 5.0
        direction = self.velocity_3 / max(float(np.linalg.norm(self.velocity_3)), _TINY_M)
        self._start_3 = self.at_3.copy()
        self._to_3 = self._end_3 = self.at_3 + direction * ahead
        self._stop, self._arc, self._in_arc, self._next, self.reached = True, None, None, None, False

    def _begin(self, to_3: Floats, stop: bool, then_3: Floats | None, limits: Limits) -> None:
        self._start_3, self._to_3 = self.at_3.copy(), np.array(to_3, float)
        self._arc = None if stop or then_3 is None else self._corner(np.asarray(then_3, float), limits)
        self._stop = self._arc is None and not self._straight_on(then_3, stop)
        self._end_3 = self._to_3 if self._arc is None else self._arc.at(0.0)[0]
        self.reached = False
        way_3 = self._to_3 - self._start_3
        # Turning on the spot at a stop costs the speed that points elsewhere.
        length = float(np.linalg.norm(way_3))
        if length > _TINY_M:
            self._speed = max(0.0, float(self.velocity_3 @ way_3) / length)
            if float(np.hypot(*way_3[:2])) > 0.5:
                self.heading_3 = way_3 / length

    def _straight_on(self, then_3: Floats | None, stop: bool) -> bool:
        """Tell whether the way goes on without a corner worth an arc."""
        if stop or then_3 is None:
            return False
        first, second = self._to_3 - self._start_3, then_3 - self._to_3
        lengths = float(np.linalg.norm(first)), float(np.linalg.norm(second))
        if min(lengths) < _TINY_M:
            return False
        return float(first @ second) / (lengths[0] * lengths[1]) > 1 - 1e-7

    def _corner(self, then_3: Floats, limits: Limits) -> _Arc | None:
        first, second = self._to_3 - self._start_3, then_3 - self._to_3
        one, two = float(np.linalg.norm(first)), float(np.linalg.norm(second))
        if min(one, two) < 0.1 or limits.radius <= 0:
            return None
        u, w = first / one, second / two
        cosine = float(np.clip(u @ w, -1, 1))
        turn = float(np.arccos(cosine))
        if turn < 1e-3 or turn > np.radians(175):
            return None
        half = turn / 2
        radius = limits.radius * np.cos(half) / (1 - np.cos(half))
        tangent = min(radius * np.tan(half), one / 2, two / 2)
        radius = float(tangent / np.tan(half))
        normal = w - cosine * u
        normal = normal / np.linalg.norm(normal)
        begin = self._to_3 - tangent * u
        return _Arc(centre_3=begin + radius * normal, first_3=-normal, second_3=u, radius_m=radius, turn=turn)

    def step(self, dt_s: float, limits: Limits) -> None:
        """Move on by ``dt_s``."""
        before = self.at_3
        if self._in_arc is not None:
            self._round(dt_s, limits)
        else:
            self._ahead(dt_s, limits)
        self.velocity_3 = (self.at_3 - before) / dt_s

    def _ahead(self, dt_s: float, limits: Limits) -> None:
        left_3 = self._end_3 - self.at_3
        left = float(np.linalg.norm(left_3))
        if left < _TINY_M:
            self.at_3 = self._end_3.copy()
            self._speed = 0.0 if self._stop else self._speed
            self._at_end()
            return
        direction = left_3 / left
        top = self._top(direction, limits)
        leave = 0.0
        if self._arc is not None:
            leave = self._arc_speed(limits)
        elif not self._stop:
            leave = top
        allowed = min(top, float(np.sqrt(leave**2 + 2 * limits.acceleration * left)))
        self._speed = min(self._speed + limits.acceleration * dt_s, allowed)
        move = max(self._speed * dt_s, 1e-4)
        if move >= left:
            self.at_3 = self._end_3.copy()
            self._at_end()
            if self._in_arc is not None:
                self._in_arc += move - left
        else:
            self.at_3 = self.at_3 + direction * move

    def _at_end(self) -> None:
        if self._arc is not None:
            self._in_arc = 0.0
        else:
            self.reached = True

    def _arc_speed(self, limits: Limits) -> float:
        radius = self._arc.radius_m if self._arc is not None else 0.0
        return float(min(np.sqrt(limits.acceleration * radius), limits.speed))

    def _round(self, dt_s: float, limits: Limits) -> None:
        arc, along = self._arc, self._in_arc
        if arc is None or along is None:
            return
        along += max(min(self._speed, self._arc_speed(limits)) * dt_s, 1e-4)
        if along < arc.length_m:
            self.at_3, direction = arc.at(along)
            self._in_arc = along
            if along >= arc.length_m / 2 and self._next is None:
                self.reached = True
            if float(np.hypot(*direction[:2])) > 0.1:
                self.heading_3 = direction
            return
        self.at_3, _ = arc.at(arc.length_m)
        self._arc = self._in_arc = None
        self._end_3 = self.at_3.copy()
        if self._next is not None:
            (to_3, stop, then_3), self._next = self._next, None
            speed = self._speed
            self._begin(to_3, stop, then_3, limits)
            self._speed = speed
        else:
            self.reached = True

    @staticmethod
    def _top(direction_3: Floats, limits: Limits) -> float:
        """Return the speed at which no limit of this direction is exceeded."""
        level, rise = float(np.hypot(*direction_3[:2])), float(direction_3[2])
        found = [limits.speed / level if level > 1e-6 else np.inf]
        if rise > 1e-6:
            found.append(limits.up / rise)
        elif rise < -1e-6:
            found.append(limits.down / -rise)
        return float(min(found))
