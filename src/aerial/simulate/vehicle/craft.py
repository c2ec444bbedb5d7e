"""What all parts of a flying vehicle share: its state, body, target, parameters and what it stores."""

import math
from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol

from aerial.flight.mavlink import Message
from aerial.records import MissionItem
from aerial.simulate.vehicle.body import Body
from aerial.simulate.vehicle.dataflash import Journal
from aerial.simulate.vehicle.parameters import STOCK
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State
from aerial.simulate.vehicle.telemetry import epoch_us
from aerial.simulate.vehicle.terrain import Terrain
from aerial.simulate.vehicle.track import Limits, Point, Track

EMERGENCY, CRITICAL, WARNING, NOTICE, INFO = 0, 2, 4, 5, 6
FRAME_AMSL, FRAME_TERRAIN = (0, 5), (10, 11)


class Stored(Protocol):
    """What the vehicle stores, as a download gives it back; ``mission[0]`` is home."""

    @property
    def mission(self) -> Sequence[MissionItem]:
        """Home and the mission."""

    @property
    def fence(self) -> Sequence[MissionItem]:
        """Corners and circles."""

    @property
    def rally(self) -> Sequence[MissionItem]:
        """Places to return to."""


class Craft:
    """The vehicle, its environment and what it is told.

    ``say`` takes severity and text of a STATUSTEXT, ``emit`` a message for all ground stations.
    """

    def __init__(
        self,
        setup: Setup,
        parameters: MutableMapping[str, float],
        stored: Stored,
        say: Callable[[int, str], None],
        emit: Callable[[Message], None],
        place: Place,
    ) -> None:
        self.setup, self.stored, self.emit, self.place = setup, stored, emit, place
        self.parameters = parameters
        self._say = say
        self.state = State()
        self.track = Track()
        self.terrain = Terrain(place)
        self.body = Body(self.state, setup.wind_speed_m_s, setup.wind_from_deg, setup.seed)
        self.journal = Journal(epoch_us(0.0) / 1e6)
        self._asked: dict[str, float] = {}

    @property
    def home(self) -> Point:
        """Return where the vehicle was armed last."""
        place = self.place
        return place.home_east_m, place.home_north_m, place.home_up_m

    def p(self, name: str) -> float:
        """Return a parameter, the stock value where there is none."""
        value = self.parameters.get(name)
        return float(STOCK[name]) if value is None else value

    def say(self, severity: int, text: str) -> None:
        """Tell the ground stations and the log."""
        self.journal.add("MSG", self.state.time_s, text)
        self._say(severity, text)

    def ask_speed(self, name: str, speed_m_s: float) -> None:
        """Fly at this speed instead of what ``name`` (WP_SPD, WP_SPD_UP, WP_SPD_DN) says."""
        self._asked[name] = speed_m_s
        self.track.limit(self.limits())

    def forget_speeds(self) -> None:
        """Fly as the parameters say."""
        self._asked.clear()

    def limits(self, speed_m_s: float = 0.0) -> Limits:
        """Return the speeds and accelerations to fly with; ``speed_m_s`` 0: as asked."""

        def speed(name: str) -> float:
            return max(self._asked.get(name) or self.p(name), 0.1)

        return Limits(
            speed=speed_m_s or speed("WP_SPD"),
            up=speed("WP_SPD_UP"),
            down=speed("WP_SPD_DN"),
            accel=max(self.p("WP_ACC"), 0.1),
            accel_up=max(self.p("WP_ACC_Z"), 0.1),
        )

    def up_of(self, item: MissionItem) -> float:
        """Return an item's height over the first home; in a terrain frame, over the ground."""
        height = item.params[6]
        if item.frame in FRAME_AMSL:
            return height - self.setup.home_amsl_m
        return height if self.follows_terrain(item) else height + self.home[2]

    def follows_terrain(self, item: MissionItem) -> bool:
        """Tell whether its height is over terrain; without a terrain database it is one over home."""
        return item.frame in FRAME_TERRAIN and self.p("TERRAIN_ENABLE") > 0

    def ground_up(self, east_m: float, north_m: float) -> float:
        """Return how high the ground is over home: as its terrain data say, else level."""
        here, home = self.terrain.at(east_m, north_m), self.terrain.at(self.home[0], self.home[1])
        return self.home[2] + (0.0 if here is None or home is None else here - home)

    def face(self, east: float, north: float, *, returning: bool = False) -> None:
        """Turn the nose along a course, if the parameters want it."""
        behaviour = int(self.p("WP_YAW_BEHAVIOR"))
        if behaviour == 0 or (behaviour == 2 and returning) or east * east + north * north < 1e-4:
            return
        self.body.yaw_deg = course_deg(east, north)


def course_deg(east: float, north: float) -> float:
    """Return the direction of a vector, degrees clockwise from north."""
    return math.degrees(math.atan2(east, north)) % 360
