"""The way home: climb, fly straight to home or the nearest rally point, wait, land."""

import math
from collections.abc import Mapping
from typing import Literal

import numpy as np

from aerial.records import MissionItem
from aerial.simulate.vehicle.course import Course, Limits
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.state import State

_GROUND_M = 0.05
Phase = Literal["none", "climb", "fly", "wait", "land"]


class Homing:
    """Steers ``course`` home in phases; ``active`` while it does."""

    def __init__(
        self,
        state: State,
        course: Course,
        parameters: Mapping[str, float],
        place: Place,
        rally: list[MissionItem],
    ) -> None:
        self.course = course
        self._state, self._parameters, self._place, self._rally = state, parameters, place, rally
        self._phase: Phase = "none"
        self._begun = False
        self._until_s = 0.0

    @property
    def active(self) -> bool:
        """Tell whether the vehicle is on its way home or landing."""
        return self._phase != "none"

    def stop(self) -> None:
        """Leave the course to others."""
        self._phase = "none"

    def go_home(self) -> None:
        """Begin with the climb."""
        self._phase, self._begun = "climb", False

    def land(self) -> None:
        """Land here."""
        self._phase, self._begun = "land", False

    def slow_down(self, limits: Limits) -> None:
        """Sink slowly through the last metres of a landing."""
        if self._phase == "land" and self.course.at_3[2] < self._parameters["LAND_ALT_LOW_M"]:
            limits.down = max(self._parameters["LAND_SPD_MS"], 0.1)

    def step(self, limits: Limits) -> bool:
        """Steer; return true when the ground is touched."""
        if not self._begun:
            self._begun = True
            self._begin(limits)
            return False
        if self._phase == "land":
            return float(self.course.at_3[2]) <= _GROUND_M
        if not self.course.reached:
            return False
        if self._phase == "climb":
            self._phase, self._begun = "fly", False
        elif self._phase == "fly":
            self._phase = "wait"
            self._until_s = self._state.time_s + self._parameters["RTL_LOIT_TIME"] / 1000
        elif self._state.time_s >= self._until_s:
            self._phase, self._begun = "land", False
        return False

    def _begin(self, limits: Limits) -> None:
        east, north, up = (float(value) for value in self.course.at_3)
        if self._phase == "climb":
            least = self._place.home_up_m + self._parameters["RTL_ALT_M"]
            to = (east, north, max(up + self._parameters["RTL_CLIMB_MIN_M"], least))
        elif self._phase == "fly":
            to = (*self._nearest(east, north), up)
        else:
            to = (east, north, 0.0)
        self.course.go(np.array(to), stop=True, then_3=None, limits=limits)

    def _nearest(self, east: float, north: float) -> tuple[float, float]:
        home = (self._place.home_east_m, self._place.home_north_m)
        near = [self._place.metres(point.params[4], point.params[5]) for point in self._rally]
        limit_m = self._parameters["RALLY_LIMIT_KM"] * 1000
        near = [one for one in near if limit_m <= 0 or math.dist(one, (east, north)) <= limit_m]
        if self._parameters["RALLY_INCL_HOME"] or not near:
            near.append(home)
        return min(near, key=lambda one: math.dist(one, (east, north)))
