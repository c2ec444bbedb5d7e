"""The fence: polygons and circles that were uploaded, and the two that parameters alone draw."""

import math

from aerial.simulate.vehicle.craft import Craft

CEILING, CIRCLE, POLYGON = 1, 2, 4
# As the autopilot calls them, and FENCE_BREACH.
NAMES = {CEILING: "Max Alt", CIRCLE: "Circle", POLYGON: "Polygon"}
BREACH = {CEILING: 2, CIRCLE: 3, POLYGON: 3}
_RETURN, _INSIDE, _OUTSIDE, _CIRCLE_INSIDE, _CIRCLE_OUTSIDE = 5000, 5001, 5002, 5003, 5004
_UNION = 2

Ring = list[tuple[float, float]]


class Fence:
    """Tells which fences a vehicle is on the wrong side of."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self._inside: list[Ring] = []
        self._outside: list[Ring] = []
        self._round_inside: list[tuple[float, float, float]] = []
        self._round_outside: list[tuple[float, float, float]] = []

    def load(self) -> None:
        """Take over what is stored."""
        self._inside, self._outside, self._round_inside, self._round_outside = [], [], [], []
        left = 0
        for item in self._craft.stored.fence:
            x, y = self._craft.place.metres(item.params[4], item.params[5])
            if item.command in (_INSIDE, _OUTSIDE):
                rings = self._inside if item.command == _INSIDE else self._outside
                if left == 0:
                    rings.append([])
                    left = int(item.params[0])
                rings[-1].append((x, y))
                left -= 1
            elif item.command in (_CIRCLE_INSIDE, _CIRCLE_OUTSIDE):
                circles = self._round_inside if item.command == _CIRCLE_INSIDE else self._round_outside
                circles.append((x, y, item.params[0]))

    def breaches(self) -> int:
        """Return the bits of the fences that are breached; 0 with the fence off."""
        p, state = self._craft.p, self._craft.state
        if not p("FENCE_ENABLE"):
            return 0
        kinds, found = int(p("FENCE_TYPE")), 0
        home = self._craft.home
        if kinds & CEILING and state.up_m - home[2] >= p("FENCE_ALT_MAX"):
            found |= CEILING
        if kinds & CIRCLE:
            away = math.hypot(state.east_m - home[0], state.north_m - home[1])
            found |= CIRCLE if away >= p("FENCE_RADIUS") else 0
        if kinds & POLYGON and self._off_limits(state.east_m, state.north_m):
            found |= POLYGON
        return found

    def _off_limits(self, x: float, y: float) -> bool:
        within = [_holds(ring, x, y) for ring in self._inside]
        within += [math.hypot(x - cx, y - cy) <= radius for cx, cy, radius in self._round_inside]
        # Either any inclusion will do, or all are needed.
        enough = any(within) if int(self._craft.p("FENCE_OPTIONS")) & _UNION else all(within)
        if within and not enough:
            return True
        return any(_holds(ring, x, y) for ring in self._outside) or any(
            math.hypot(x - cx, y - cy) < radius for cx, cy, radius in self._round_outside
        )


def _holds(ring: Ring, x: float, y: float) -> bool:
    """Tell whether a point lies in a ring, by counting the edges east of it."""
    inside = False
    x0, y0 = ring[-1]
    for x1, y1 in ring:
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            inside = not inside
        x0, y0 = x1, y1
    return inside
