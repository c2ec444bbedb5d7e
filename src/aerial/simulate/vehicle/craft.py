"""What all parts of a flying vehicle share: its state, body, target, parameters and what it stores."""

import math
from collections.abc import Callable, MutableMapping, Sequence
from typing import Protocol

from aerial.flight.mavlink import Message
from aerial.records import MissionItem
from aerial.simulate.vehicle.body import Body
from aerial.simulate.vehicle.dataflash import Journal
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State
from aerial.simulate.vehicle.terrain import Terrain
from aerial.simulate.vehicle.track import Limits, Point, Track

EMERGENCY, CRITICAL, WARNING, INFO = 0, 2, 4, 6
FRAME_AMSL, FRAME_TERRAIN = (0, 5), (10, 11)

# The parameters that are read here, by their names in 4.7, as the measured vehicle had them.
STOCK = {
    "ARMING_SKIPCHK": 0.0, "AUTO_OPTIONS": 3.0, "BATT_CAPACITY": 3300.0, "BATT_CRT_MAH": 0.0,
    "BATT_CRT_VOLT": 0.0, "BATT_FS_CRT_ACT": 0.0, "BATT_FS_LOW_ACT": 0.0, "BATT_LOW_MAH": 0.0,
    "BATT_LOW_TIMER": 10.0, "BATT_LOW_VOLT": 10.5, "CAM1_FEEDBAK_PIN": -1.0, "CAM1_INTRVAL_MIN": 0.0,
    "CAM1_TYPE": 1.0, "DISARM_DELAY": 10.0, "FENCE_ACTION": 1.0, "FENCE_ALT_MAX": 100.0, "FENCE_ENABLE": 0.0,
    "FENCE_MARGIN": 2.0, "FENCE_OPTIONS": 1.0, "FENCE_RADIUS": 150.0, "FENCE_TYPE": 7.0,
    "FS_GCS_ENABLE": 0.0, "FS_GCS_TIMEOUT": 5.0, "FS_OPTIONS": 16.0, "LAND_ALT_LOW_M": 10.0,
    "LAND_SPD_HIGH_MS": 0.0, "LAND_SPD_MS": 0.5, "MIS_RESTART": 0.0, "RALLY_INCL_HOME": 1.0,
    "RALLY_LIMIT_KM": 0.3, "RTL_ALT_M": 15.0, "RTL_CLIMB_MIN_M": 0.0, "RTL_CONE_SLOPE": 3.0,
    "RTL_LOIT_TIME": 5000.0, "RTL_SPEED_MS": 0.0, "TERRAIN_ENABLE": 1.0, "TERRAIN_SPACING": 100.0,
    "WP_ACC": 2.5, "WP_ACC_Z": 1.0, "WP_RADIUS_M": 2.0, "WP_SPD": 10.0, "WP_SPD_DN": 1.5, "WP_SPD_UP": 2.5,
    "WP_YAW_BEHAVIOR": 2.0,
}  # fmt: skip


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
    """The vehicle; ``home`` is where it was armed last."""

    def __init__(
        self,
        setup: Setup,
        parameters: MutableMapping[str, float],
        stored: Stored,
        say: Callable[[int, str], None],
        emit: Callable[[Message], None],
    ) -> None:
        self.setup, self.stored, self.emit = setup, stored, emit
        self.parameters = parameters
        self._say = say
        self.state = State()
        self.place = Place(setup.home)
        self.track = Track()
        self.terrain = Terrain(self.place)
        self.body = Body(self.state, setup.wind_speed_m_s, setup.wind_from_deg, setup.seed)
        self.journal = Journal(setup.power_up_unix_s)
        self.home: Point = (0.0, 0.0, 0.0)
        self._asked: dict[str, float] = {}

    def p(self, name: str) -> float:
        """Return a parameter, the stock value where there is none."""
        value = self.parameters.get(name)
        return STOCK[name] if value is None else value

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
