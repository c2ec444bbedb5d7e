"""A flying vehicle in simulated time, with what it said kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aerial.flight.mavlink import Message
from aerial.geo import from_lonlat, local_frame, to_lonlat
from aerial.records import MissionItem
from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.flying import Flying
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup

AUTO, GUIDED, LOITER, RTL, LAND = 3, 4, 5, 6, 9
WP, RETURN, TAKEOFF, JUMP, SPEED, TRIGGER = 16, 20, 22, 177, 178, 206
FRAME = local_frame(Setup().home)

Row = tuple[int, int, tuple[float, ...]]


@dataclass
class Store:
    """What an upload leaves behind."""

    mission: list[MissionItem] = field(default_factory=list)
    fence: list[MissionItem] = field(default_factory=list)
    rally: list[MissionItem] = field(default_factory=list)


def place(east: float, north: float) -> tuple[float, float]:
    """Return latitude and longitude of metres from home."""
    at = to_lonlat(FRAME, east, north)
    return at.lat_deg, at.lon_deg


def at(command: int, east: float, north: float, up: float, p1: float = 0.0, frame: int = 3) -> Row:
    """Return an item with a place, metres from home."""
    return frame, command, (p1, 0.0, 0.0, 0.0, *place(east, north), up)


def do(command: int, *params: float) -> Row:
    """Return an item without a place."""
    return 0, command, (*params, *(0.0,) * (7 - len(params)))


def items(*rows: Row) -> list[MissionItem]:
    """Return rows as stored, home in front."""
    home = (0, WP, (0.0, 0.0, 0.0, 0.0, *place(0, 0), 10.0))
    return [
        MissionItem(seq=seq, frame=frame, command=command, params=params)  # type: ignore[arg-type]
        for seq, (frame, command, params) in enumerate([home, *rows])
    ]


def polygon(command: int, *corners: tuple[float, float]) -> list[MissionItem]:
    """Return a fence polygon."""
    return [
        MissionItem(
            seq=seq, frame=0, command=command, params=(len(corners), 0.0, 0.0, 0.0, *place(*corner), 0.0)
        )
        for seq, corner in enumerate(corners)
    ]


class Bench:
    """A vehicle and its ground station, which beats once a second unless told not to."""

    def __init__(self, *rows: Row, setup: Setup | None = None, **parameters: float) -> None:
        setup = setup or Setup()
        self.store = Store(mission=items(*rows))
        self.texts: list[tuple[float, str]] = []
        self.messages: list[Message] = []
        self.parameters = dict(parameters)
        self.beats = True
        self.trace: list[tuple[float, ...]] = []
        place = Place(setup.home, setup.home_amsl_m)
        self.flying = Flying(
            Craft(setup, self.parameters, self.store, self._say, self.messages.append, place)
        )
        self.state = self.flying.state
        self.run(setup.ready_s + 2)

    def _say(self, severity: int, text: str) -> None:
        self.texts.append((self.state.time_s, text))

    def said(self, part: str) -> bool:
        """Tell whether a text with this part came."""
        return any(part in text for _, text in self.texts)

    def kinds(self, name: str) -> list[Message]:
        """Return the messages of one kind."""
        return [message for message in self.messages if message.get_type() == name]

    def do(self, command: int, *params: float) -> int:
        """Command; return the result."""
        return self.flying.command(command, (*params, *(0.0,) * (7 - len(params))), 0)

    def run(self, seconds: float, until: Callable[[], bool] | None = None, step: float = 0.02) -> bool:
        """Let time pass; tell whether ``until`` came true."""
        steps = math.ceil(seconds / step - 1e-9)
        start = self.state.time_s
        for number in range(1, steps + 1):
            now = start + number * step
            if self.beats:
                self.flying.heard_station(now)
            self.flying.step(now)
            s = self.state
            if s.armed:
                self.trace.append(
                    (s.time_s, s.east_m, s.north_m, s.up_m, math.hypot(s.v_east_m_s, s.v_north_m_s))
                )
            if until is not None and until():
                return True
        return False

    def start(self) -> None:
        """Arm in AUTO and start the mission."""
        assert [self.do(176, 1, AUTO), self.do(400, 1), self.do(300)] == [0, 0, 0], self.texts

    def fly(self, seconds: float = 1200.0) -> None:
        """Start the mission and let it end."""
        self.start()
        assert self.run(seconds, lambda: not self.state.armed), (self.state, self.texts)

    def to_item(self, seq: int, seconds: float = 600.0) -> None:
        """Fly on until ``seq`` is the current item."""
        assert self.run(seconds, lambda: self.state.current == seq), (self.state, self.texts)


def survey(*, hold: float = 0.0, spacing: float = 10.0, speed: float = 8.0) -> list[Row]:
    """Return two parallel 100 m lines, 30 m apart, 40 m up, with the camera on along each."""
    rows = [at(TAKEOFF, 0, 0, 40), do(SPEED, 1, speed, -1)]
    for start, end in (((20, 50), (120, 50)), ((120, 80), (20, 80))):
        rows += [at(WP, *start, 40, hold), do(TRIGGER, spacing, 0, 1)]
        rows += [at(WP, *end, 40, hold), do(TRIGGER, 0, 0, 0)]
    return [*rows, do(RETURN)]


def path(bench: Bench) -> Any:
    """Return time, east, north, up, speed of the flight so far, a row for every 20 ms."""
    return np.array(bench.trace)


def places(bench: Bench) -> Any:
    """Return east, north of the true shots."""
    return np.array([from_lonlat(FRAME, shot.at) for shot in bench.state.shots])
