"""Flies a stored mission: which item is current, what is done behind each waypoint, when it is complete."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from aerial.flight.mavlink import Message, dialect
from aerial.records import MissionItem
from aerial.simulate.vehicle import items
from aerial.simulate.vehicle.course import Course, Floats, Limits
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.state import State

_PLACED = (items.WAYPOINT, items.SPLINE, items.TAKEOFF, items.LAND, items.LOITER_TIME, items.LOITER_UNLIM)
_NOT_STARTED, _ACTIVE, _COMPLETE = 2, 3, 5
_NO_MISSION = 1


class MissionRun:
    """The mission of a vehicle in AUTO; ``course`` is steered, DO items are handed to ``do``.

    ``height_of`` turns a place and a frame into metres up; ``land`` and ``home`` begin those.
    """

    def __init__(
        self,
        mission: list[MissionItem],
        state: State,
        course: Course,
        place: Place,
        emit: Callable[[Message], None],
        do: Callable[[MissionItem], bool],
        height_of: Callable[[MissionItem, float, float], float],
        begin: Callable[[str], None],
    ) -> None:
        self._mission, self._state, self._course, self._place = mission, state, course, place
        self._emit, self._do, self._height_of, self._begin = emit, do, height_of, begin
        self.running = False
        self._item: MissionItem | None = None
        self._hold_until_s: float | None = None
        self._told: int | None = None
        self._landing = False
        self._jumps: dict[int, int] = {}

    def changed(self) -> None:
        """Note that another mission is stored; one that is being flown finishes its waypoint first."""
        self._jumps.clear()
        if not self.running:
            self._state.current = 0
            self._item = None
            self._state.mission_state = _NOT_STARTED if len(self._mission) > 1 else _NO_MISSION

    def restart(self) -> None:
        """Begin with the first item."""
        self._item, self._state.current = None, 0
        self._jumps.clear()

    def start(self, limits: Limits) -> None:
        """Fly on from the current item, the first if there is none."""
        self.running = True
        self._state.mission_state = _ACTIVE
        self._hold_until_s = None
        if self._item is None:
            self._advance(max(self._state.current, 1), limits)
        else:
            self._go(limits)

    def stop(self) -> None:
        """Leave the mission as it is; the current item is begun again later."""
        self.running = False

    def set_current(self, seq: int, limits: Limits) -> bool:
        """Make ``seq`` the current item; false: there is none."""
        if not 0 <= seq < len(self._mission):
            return False
        self._item, self._state.current = None, seq
        if self.running:
            self._advance(max(seq, 1), limits)
        return True

    def step(self, limits: Limits) -> None:
        """Look whether the current item is done; go on to the next."""
        if self._item is None or not self._done():
            return
        done, self._item = self._item, None
        self._told = done.seq
        self._hold_until_s = None
        self._advance(self._state.current + 1, limits)
        # What a waypoint's DO item reached in the same moment is told instead of the waypoint.
        if self._told is not None:
            self._emit(dialect.MAVLink_mission_item_reached_message(self._told))
            self._told = None

    def _done(self) -> bool:
        item, state = self._item, self._state
        if item is None or not self._course.reached:
            return False
        if item.command == items.LAND and not self._landing:
            self._landing = True
            self._begin("land")
            return False
        if item.command in (items.RTL, items.LAND):
            return state.landed and not state.armed
        if item.command == items.LOITER_UNLIM:
            return False
        seconds = item.params[0] if item.command in (items.WAYPOINT, items.LOITER_TIME, items.DELAY) else 0.0
        if seconds <= 0:
            return True
        if self._hold_until_s is None:
            self._hold_until_s = state.time_s + seconds
        return state.time_s >= self._hold_until_s

    def _advance(self, seq: int, limits: Limits) -> None:
        """Carry out DO items from ``seq`` on, up to the next that is flown."""
        for _ in range(len(self._mission) + 100):
            if seq >= len(self._mission):
                self._complete()
                return
            item = self._mission[seq]
            if item.command in items.FLOWN:
                self._item, self._state.current = item, seq
                self._go(limits)
                return
            if item.command == items.JUMP:
                seq = self._jump(item, seq)
                continue
            if self._do(item):
                self._told = seq
            seq += 1
        self._complete()

    def _jump(self, item: MissionItem, seq: int) -> int:
        left = self._jumps.setdefault(seq, int(item.params[1]))
        if left == 0:
            return seq + 1
        if left > 0:
            self._jumps[seq] = left - 1
        return int(item.params[0])

    def _complete(self) -> None:
        self.running = False
        self._item = None
        self._state.current, self._state.mission_state = 0, _COMPLETE
        self._begin("complete")

    def _go(self, limits: Limits) -> None:
        item = self._item
        if item is None:
            return
        if item.command == items.RTL:
            self._begin("rtl")
            return
        if item.command == items.DELAY:
            self._course.halt()
            return
        to_3 = self._where(item)
        if item.command == items.LAND:
            # Over its place at the present height first.
            self._landing = False
            to_3[2] = self._course.at_3[2]
        stop = item.command != items.WAYPOINT or item.params[0] > 0
        then = None if stop else self._next_place()
        self._course.go(to_3, stop=stop or then is None, then_3=then, limits=limits)

    def _where(self, item: MissionItem) -> Floats:
        lat, lon = item.params[4], item.params[5]
        if item.command == items.TAKEOFF:
            east, north = self._state.east_m, self._state.north_m
        elif lat == 0 and lon == 0:
            # A place of zeros means here.
            east, north = float(self._course.at_3[0]), float(self._course.at_3[1])
        else:
            east, north = self._place.metres(lat, lon)
        return np.array([east, north, self._height_of(item, east, north)])

    def _next_place(self) -> Floats | None:
        for item in self._mission[self._state.current + 1 :]:
            if item.command == items.JUMP or item.command == items.DELAY:
                return None
            if item.command in _PLACED:
                return self._where(item)
            if item.command == items.RTL:
                return None
        return None


def limits_of(parameters: Mapping[str, float], speed_m_s: float | None) -> Limits:
    """Return the limits of flight; ``speed_m_s`` None: no DO_CHANGE_SPEED was given."""
    speed = parameters["WP_SPD"] if speed_m_s is None else speed_m_s
    return Limits(
        speed=max(speed, 0.2),
        up=max(parameters["WP_SPD_UP"], 0.1),
        down=max(parameters["WP_SPD_DN"], 0.1),
        acceleration=max(parameters["WP_ACC"], 0.5),
        radius=parameters["WP_RADIUS_M"],
    )


def finite(value: Any) -> float:
    """Return a number of a command, 0 where it is none."""
    number = float(value)
    return number if math.isfinite(number) else 0.0
