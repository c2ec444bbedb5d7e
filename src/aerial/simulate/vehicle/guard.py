"""The vehicle's own fence, as its parameters switch it on."""

from collections.abc import Mapping

import numpy as np
import shapely
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.records import MissionItem
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.state import State

ALTITUDE, CIRCLE, POLYGON = 1, 2, 4
# FENCE_BREACH
_MAX_ALTITUDE, _BOUNDARY = 2, 3
_UNION = 2
_SEEN_S = 1.0


class Guard:
    """Tells which fence ``state`` breaches; polygons are read anew when ``changed``."""

    def __init__(self, parameters: Mapping[str, float], fence: list[MissionItem], place: Place) -> None:
        self._parameters, self._fence, self._place = parameters, fence, place
        self._inside: list[BaseGeometry] = []
        self._outside: list[BaseGeometry] = []
        self._since_s: float | None = None
        self.changed()

    def changed(self) -> None:
        """Read the stored fence."""
        self._inside, self._outside = [], []
        at = 0
        while at < len(self._fence):
            item = self._fence[at]
            polygon = item.command in (5001, 5002)
            count = int(item.params[0]) if polygon else 1
            ring = self._fence[at : at + count]
            corners = [self._place.metres(one.params[4], one.params[5]) for one in ring]
            at += count
            shape: BaseGeometry
            if polygon:
                shape = Polygon(corners)
            elif item.command in (5003, 5004):
                shape = Point(corners[0]).buffer(item.params[0])
            else:
                continue
            # A ring that crosses itself is taken as it is stored: by the even-odd rule.
            shape = shapely.make_valid(shape)
            shapely.prepare(shape)
            (self._inside if item.command in (5001, 5003) else self._outside).append(shape)

    @property
    def enabled(self) -> bool:
        """Tell whether any fence is switched on."""
        return bool(self._parameters["FENCE_ENABLE"])

    def note(self, now_s: float) -> None:
        """Note since when it has been switched on."""
        if not self.enabled:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s

    def watched(self, now_s: float) -> bool:
        """Tell whether arming looks at it: one that was switched on in the same moment slips through."""
        return self.enabled and self._since_s is not None and now_s - self._since_s >= _SEEN_S

    def breach(self, state: State) -> tuple[int, str]:
        """Return FENCE_BREACH and the name of the fence; (0, "") where all is well."""
        types = int(self._parameters["FENCE_TYPE"])
        if types & POLYGON and self._out_of_polygons(state):
            return _BOUNDARY, "Polygon"
        away = np.hypot(state.east_m - self._place.home_east_m, state.north_m - self._place.home_north_m)
        if types & CIRCLE and away > self._parameters["FENCE_RADIUS"]:
            return _BOUNDARY, "Circle"
        if types & ALTITUDE and state.up_m - self._place.home_up_m > self._parameters["FENCE_ALT_MAX"]:
            return _MAX_ALTITUDE, "Max Alt"
        return 0, ""

    def _out_of_polygons(self, state: State) -> bool:
        here = Point(state.east_m, state.north_m)
        inside = [shape.contains(here) for shape in self._inside]
        # In all of them, unless an option makes their union count.
        union = int(self._parameters["FENCE_OPTIONS"]) & _UNION
        if inside and not (any(inside) if union else all(inside)):
            return True
        return any(shape.contains(here) for shape in self._outside)
