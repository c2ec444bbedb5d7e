"""What a vehicle does by itself in a mode or in an item of the mission: take off, hold, return, land."""

import math
from collections.abc import Callable
from typing import Protocol

from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.track import Limits, Point

_SPOOL_S = 2.0
_TOUCH_S = 1.0
_AT_REST_M = 0.02


class Manoeuvre(Protocol):
    """Steers the target of a craft."""

    def step(self, dt: float) -> bool:
        """Go on by ``dt``; tell whether it is done."""


class Hold:
    """Comes to rest and stays."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        craft.track.brake(craft.limits())

    def step(self, dt: float) -> bool:
        """Stay; never done."""
        _advance(self._craft, dt)
        return False


class Wait:
    """Stays where it is for some time."""

    def __init__(self, craft: Craft, seconds: float) -> None:
        self._craft, self._left_s = craft, seconds

    def step(self, dt: float) -> bool:
        """Count down."""
        _advance(self._craft, dt)
        self._left_s -= dt
        return self._left_s <= 0


class TakeOff:
    """Rises straight to a height over the first home; already above it, it is done at once."""

    def __init__(self, craft: Craft, up_m: float) -> None:
        self._craft, self._up_m = craft, up_m
        self._spool_s = _SPOOL_S if craft.state.landed else 0.0
        self._begun = False

    def step(self, dt: float) -> bool:
        """Let the motors come up, then rise."""
        craft = self._craft
        if self._spool_s > 0:
            self._spool_s -= dt
            return False
        if not self._begun:
            self._begun = True
            state = craft.state
            if state.landed:
                craft.track.put(state.east_m, state.north_m, state.up_m)
                craft.body.yaw_deg = state.yaw_deg
                state.landed = False
            else:
                craft.track.brake(craft.limits())
            end = craft.track.end
            craft.track.fly_to((end[0], end[1], max(self._up_m, end[2])), craft.limits())
        _advance(craft, dt)
        return craft.track.finished


class Goto:
    """Flies straight to a point and comes to rest within the waypoint radius of it."""

    def __init__(self, craft: Craft, end: Point, limits: Limits, *, returning: bool = False) -> None:
        self._craft, self._end = craft, end
        craft.track.fly_to(end, limits)
        craft.face(*craft.track.course(), returning=returning)

    def step(self, dt: float) -> bool:
        """Fly on."""
        craft, state = self._craft, self._craft.state
        _advance(craft, dt)
        away = math.hypot(state.east_m - self._end[0], state.north_m - self._end[1])
        return craft.track.finished and away <= craft.p("WP_RADIUS_M")


class Land:
    """Sinks straight down, slower near the ground; done after a second on it."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self._touched_s = 0.0
        self._leg: Limits | None = None
        craft.track.brake(craft.limits())

    def step(self, dt: float) -> bool:
        """Sink on; the ground is where terrain data say, else level with home."""
        craft, state = self._craft, self._craft.state
        if state.landed:
            return True
        ground = craft.ground_up(state.east_m, state.north_m)
        near = state.up_m - ground < craft.p("LAND_ALT_LOW_M")
        speed = craft.p("LAND_SPD_MS") if near else craft.p("LAND_SPD_HIGH_MS") or craft.p("WP_SPD_DN")
        limits = _sinking(craft.limits(), max(speed, 0.1))
        if self._leg is None:
            end = craft.track.end
            craft.track.fly_to((end[0], end[1], ground - _AT_REST_M), limits)
        elif limits != self._leg:
            craft.track.limit(limits)
        self._leg = limits
        _advance(craft, dt)
        if state.up_m > ground + _AT_REST_M:
            return False
        state.up_m = ground
        craft.body.rest()
        craft.track.put(state.east_m, state.north_m, ground)
        self._touched_s += dt
        if self._touched_s < _TOUCH_S:
            return False
        state.landed = True
        return True


class Return:
    """Rises to the height of return, flies straight to home or a nearer rally point, waits, lands."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        craft.track.brake(craft.limits())
        here = craft.track.end
        self._goal = _goal(craft, here)
        self._up_m = _return_up(craft, here, self._goal)
        # One after the other, each made when the one before is done.
        self._parts: list[Callable[[], Manoeuvre]] = [self._rise, self._cross, self._wait, self._land]
        self._now: Manoeuvre | None = None

    def step(self, dt: float) -> bool:
        """Go on with the part that is due."""
        if self._now is None:
            self._now = self._parts.pop(0)()
        if self._craft.state.landed:
            return True
        if self._now.step(dt):
            if not self._parts:
                return True
            self._now = self._parts.pop(0)()
        return False

    def _rise(self) -> Manoeuvre:
        craft = self._craft
        end = craft.track.end
        return Goto(craft, (end[0], end[1], self._up_m), craft.limits())

    def _cross(self) -> Manoeuvre:
        limits = self._craft.limits(self._craft.p("RTL_SPEED_MS"))
        return Goto(self._craft, (self._goal[0], self._goal[1], self._up_m), limits, returning=True)

    def _wait(self) -> Manoeuvre:
        return Wait(self._craft, self._craft.p("RTL_LOIT_TIME") / 1000)

    def _land(self) -> Manoeuvre:
        return Land(self._craft)


def _advance(craft: Craft, dt: float) -> None:
    craft.track.advance(dt, 0.0)


def _sinking(limits: Limits, down: float) -> Limits:
    return Limits(limits.speed, limits.up, down, limits.accel, limits.accel_up)


def _goal(craft: Craft, here: Point) -> Point:
    """Return home or the nearest rally point within RALLY_LIMIT_KM of here; its height over home."""
    candidates = []
    reach_m = craft.p("RALLY_LIMIT_KM") * 1000
    for item in craft.stored.rally:
        x, y = craft.place.metres(item.params[4], item.params[5])
        away = math.hypot(x - here[0], y - here[1])
        if reach_m <= 0 or away <= reach_m:
            candidates.append((away, (x, y, craft.up_of(item))))
    home = craft.home
    if not candidates or craft.p("RALLY_INCL_HOME"):
        candidates.append((math.hypot(home[0] - here[0], home[1] - here[1]), home))
    return min(candidates)[1]


def _return_up(craft: Craft, here: Point, goal: Point) -> float:
    """Return the height to fly back at: RTL_ALT_M over home, less near the goal, never below here."""
    home_up = craft.home[2]
    up = max(craft.p("RTL_ALT_M") + home_up, goal[2])
    cone = craft.p("RTL_CONE_SLOPE")
    if cone > 0:
        up = min(up, home_up + cone * math.hypot(goal[0] - here[0], goal[1] - here[1]))
    if craft.p("FENCE_ENABLE") and int(craft.p("FENCE_TYPE")) & 1:
        up = min(up, home_up + craft.p("FENCE_ALT_MAX") - craft.p("FENCE_MARGIN"))
    return max(up, here[2] + craft.p("RTL_CLIMB_MIN_M"), here[2])
