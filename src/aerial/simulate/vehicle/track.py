"""Where the vehicle is meant to be: straight legs, each flown from rest to rest, that overlap in corners.

A corner is flown by starting the next leg while the last still brakes: what both cover is added up. So a
waypoint on a straight line is passed at speed and exactly, and a corner is cut by at most the waypoint
radius. The waypoint counts as reached in the middle of the cut.
"""

import math
from dataclasses import dataclass

Point = tuple[float, float, float]  # east, north, up, metres


@dataclass(frozen=True, slots=True)
class Limits:
    """Speeds in m/s and accelerations in m/s2, level and vertical."""

    speed: float
    up: float
    down: float
    accel: float
    accel_up: float


class Leg:
    """One straight stretch; ``way`` of ``length`` metres is done, at ``speed``."""

    __slots__ = ("accel", "end", "length", "speed", "start", "top", "ux", "uy", "uz", "way")

    def __init__(self, start: Point, end: Point, limits: Limits, speed: float = 0.0) -> None:
        dx, dy, dz = end[0] - start[0], end[1] - start[1], end[2] - start[2]
        self.start, self.end = start, end
        self.length = math.sqrt(dx * dx + dy * dy + dz * dz)
        scale = 1 / self.length if self.length > 1e-6 else 0.0
        self.ux, self.uy, self.uz = dx * scale, dy * scale, dz * scale
        self.way, self.speed = (0.0, speed) if scale else (self.length, 0.0)
        self.limit(limits)

    def limit(self, limits: Limits) -> None:
        """Fly at these speeds from now on."""
        level, rise = math.hypot(self.ux, self.uy), abs(self.uz)
        vertical = limits.up if self.uz > 0 else limits.down
        self.top = min(limits.speed / max(level, 1e-6), vertical / max(rise, 1e-6))
        self.accel = min(limits.accel / max(level, 1e-6), limits.accel_up / max(rise, 1e-6))

    @property
    def done(self) -> bool:
        """Tell whether its end is reached."""
        return self.way >= self.length

    def advance(self, dt: float) -> bool:
        """Go on by ``dt``; tell whether it brakes for its end."""
        left = self.length - self.way
        if left <= 0:
            self.speed = 0.0
            return False
        allowed = math.sqrt(2 * self.accel * left)
        wanted = min(self.top, allowed)
        step = self.accel * dt
        speed = self.speed + step
        if speed > wanted:
            # A lower speed was commanded, or the end is near; only the end may brake harder.
            speed = max(wanted, min(self.speed - step, allowed))
        self.speed = speed
        self.way += speed * dt
        if self.way >= self.length or left < 1e-4:
            self.way, self.speed = self.length, 0.0
        return speed >= allowed

    def duration_s(self) -> float:
        """Return the time of the whole leg from rest to rest."""
        if self.length > self.top**2 / self.accel:
            return self.length / self.top + self.top / self.accel
        return 2 * math.sqrt(self.length / self.accel)


class Track:
    """The target: ``x, y, z`` and its velocity, in metres and m/s.

    ``lift``: what terrain adds to the height of the legs. ``paused`` brakes on the leg and holds there.
    """

    def __init__(self) -> None:
        self.x = self.y = self.z = 0.0
        self.vx = self.vy = self.vz = 0.0
        self.lift = self._lifted = 0.0
        self.paused = False
        self.next: Leg | None = None
        self._rest: Point = (0.0, 0.0, 0.0)
        self._leg: Leg | None = None
        self._tail: Leg | None = None
        self._turning = False
        self._pace = 1.0

    def put(self, x: float, y: float, z: float) -> None:
        """Rest here."""
        self.__init__()  # type: ignore[misc] # everything of the last flight is forgotten
        self.x, self.y, self.z = x, y, z
        self._rest = (x, y, z)

    def brake(self, limits: Limits) -> None:
        """Give the leg up: come to rest ahead as fast as allowed."""
        here, velocity = (self.x, self.y, self.z), (self.vx, self.vy, self.vz)
        self.put(*here)
        speed = math.sqrt(sum(part * part for part in velocity))
        if speed < 0.05:
            return
        ahead = Leg(here, (here[0] + velocity[0], here[1] + velocity[1], here[2] + velocity[2]), limits)
        length = speed * speed / (2 * ahead.accel)
        self._rest = (
            here[0] + ahead.ux * length,
            here[1] + ahead.uy * length,
            here[2] + ahead.uz * length,
        )
        self._tail = Leg(here, self._rest, limits, speed)
        self._tail.top = max(speed, self._tail.top)

    def fly_to(self, end: Point, limits: Limits) -> None:
        """Fly from where the target rests, or will rest, to ``end``."""
        self._rest = (self.end[0], self.end[1], self.end[2])
        self._leg, self.next, self._turning = Leg(self._rest, end, limits), None, False

    def over(self, lift: float) -> None:
        """Count heights of legs from ``lift`` on; the target itself stays where it rests."""
        end = self.end
        self._rest = (end[0], end[1], end[2] + self.lift - lift)
        self._leg, self.next, self.lift, self._lifted = None, None, lift, lift

    def then(self, end: Point, limits: Limits) -> bool:
        """Do not stop at the end of this leg: fly on to ``end``; false: it turns elsewhere already."""
        if self._leg is None or self._turning:
            return False
        self.next = Leg(self._leg.end, end, limits)
        return True

    def stop_at_end(self) -> None:
        """Forget what comes after this leg, if it has not begun."""
        if not self._turning:
            self.next = None

    def limit(self, limits: Limits) -> None:
        """Fly this leg and the next at these speeds."""
        for leg in (self._leg, self.next):
            if leg is not None:
                leg.limit(limits)

    @property
    def end(self) -> Point:
        """Where the leg ends, lift apart."""
        return self._rest if self._leg is None else self._leg.end

    @property
    def finished(self) -> bool:
        """Tell whether the target rests at the end of its leg."""
        return (self._leg is None or self._leg.done) and self._tail is None

    def course(self) -> tuple[float, float]:
        """Return east and north of where the leg leads; (0, 0) for a vertical one or none."""
        leg = self._leg
        return (0.0, 0.0) if leg is None else (leg.ux, leg.uy)

    def advance(self, dt: float, radius_m: float) -> bool:
        """Move the target; tell whether a waypoint was passed in a corner, now flying to the next."""
        climb, self._lifted = (self.lift - self._lifted) / dt, self.lift
        dt = self._paced(dt)
        leg, tail, x, y, z = self._leg, self._tail, self._rest[0], self._rest[1], self._rest[2]
        passed = braking = False
        vx = vy = vz = 0.0
        if tail is not None:
            tail.advance(dt)
            left, v = tail.length - tail.way, tail.speed
            x, y, z = x - tail.ux * left, y - tail.uy * left, z - tail.uz * left
            vx, vy, vz = tail.ux * v, tail.uy * v, tail.uz * v
            if tail.done:
                self._tail = None
        if leg is not None:
            braking = leg.advance(dt)
            way, v = leg.way, leg.speed
            x, y, z = x + leg.ux * way, y + leg.uy * way, z + leg.uz * way
            vx, vy, vz = vx + leg.ux * v, vy + leg.uy * v, vz + leg.uz * v
            if self.next is not None:
                if not self._turning and braking and tail is None:
                    self._turning = _may_turn(leg, self.next, radius_m)
                if self._turning or (leg.done and tail is None):
                    turn = self.next
                    self._turning = True
                    turn.advance(dt)
                    way, v = turn.way, turn.speed
                    x, y, z = x + turn.ux * way, y + turn.uy * way, z + turn.uz * way
                    vx, vy, vz = vx + turn.ux * v, vy + turn.uy * v, vz + turn.uz * v
                    # The middle: as long under way on the next leg as this one has left.
                    if turn.speed / turn.accel >= leg.speed / leg.accel or turn.done:
                        self._tail = None if leg.done else leg
                        self._leg, self.next, self._turning = turn, None, False
                        self._rest = turn.start
                        passed = True
        self.x, self.y, self.z = x, y, z + self.lift
        pace = self._pace
        self.vx, self.vy, self.vz = vx * pace, vy * pace, vz * pace + climb
        return passed

    def slow_to(self, share: float) -> None:
        """Let the target wait for a vehicle that cannot follow; ``share`` of its pace."""
        if not self.paused:
            self._pace = min(self._pace, share)

    def _paced(self, dt: float) -> float:
        wanted = 0.0 if self.paused else 1.0
        if self._pace != wanted:
            # A quarter per second: 2.5 m/s2 at 10 m/s.
            step = 0.25 * dt
            self._pace += max(-step, min(step, wanted - self._pace))
        return dt * self._pace


def _may_turn(leg: Leg, after: Leg, radius_m: float) -> bool:
    """Tell whether starting the next leg now keeps the middle of the corner within the radius."""
    if leg.way < leg.length / 2:
        return False
    left_s = leg.speed / leg.accel
    if left_s > after.duration_s() / 2:
        return False
    half = left_s * left_s / 8
    back, ahead = leg.accel * half, after.accel * half
    return (
        math.hypot(
            after.ux * ahead - leg.ux * back,
            after.uy * ahead - leg.uy * back,
            after.uz * ahead - leg.uz * back,
        )
        <= radius_m
    )
