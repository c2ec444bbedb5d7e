"""The flight of a simulated ArduCopter: modes, arming, mission, way home, fence, battery, failsafes."""

import random
from collections.abc import Callable, MutableMapping

import numpy as np

from aerial.flight.mavlink import Message, dialect
from aerial.records import MissionItem
from aerial.simulate.vehicle import items
from aerial.simulate.vehicle.body import Body
from aerial.simulate.vehicle.camera import Camera
from aerial.simulate.vehicle.course import Course
from aerial.simulate.vehicle.ground import KnownGround
from aerial.simulate.vehicle.guard import POLYGON, Guard
from aerial.simulate.vehicle.home import Homing
from aerial.simulate.vehicle.place import Place
from aerial.simulate.vehicle.plans import Stored
from aerial.simulate.vehicle.run import MissionRun, finite, limits_of
from aerial.simulate.vehicle.setup import Setup
from aerial.simulate.vehicle.state import State

STABILIZE, ALT_HOLD, AUTO, GUIDED, LOITER, RTL, LAND, BRAKE = 0, 2, 3, 4, 5, 6, 9, 17
_NAMES = {STABILIZE: "STABILIZE", ALT_HOLD: "ALT_HOLD", AUTO: "AUTO", GUIDED: "GUIDED", LOITER: "LOITER",
          RTL: "RTL", LAND: "LAND", BRAKE: "BRAKE"}  # fmt: skip
_ARMABLE = (STABILIZE, ALT_HOLD, GUIDED, LOITER)
_STEP_S = 0.02
_FENCE_EVERY = 5
# "Pre-arm healthy" is told a little before a mode that needs the position may be armed.
_ARMS_LATER_S = 2.0
_FORCE = 21_196
_ACCEPTED, _DENIED, _UNSUPPORTED, _FAILED = (
    int(dialect.MAV_RESULT_ACCEPTED),
    int(dialect.MAV_RESULT_DENIED),
    int(dialect.MAV_RESULT_UNSUPPORTED),
    int(dialect.MAV_RESULT_FAILED),
)
_CRITICAL, _WARNING, _NOTICE = 2, 4, 5
_MISSION_PAUSED, _MISSION_ACTIVE = 4, 3
Params = tuple[float, ...]


class Flying:
    """Everything that moves; ``state`` is the truth. ``say``: STATUSTEXT; ``emit``: to every station."""

    def __init__(
        self,
        setup: Setup,
        parameters: MutableMapping[str, float],
        stored: Stored,
        say: Callable[[int, str], None],
        emit: Callable[[Message], None],
        place: Place,
    ) -> None:
        self.state = State()
        self._setup, self._parameters, self._stored = setup, parameters, stored
        self._say, self._emit, self._place = say, emit, place
        self._course = Course(np.zeros(3))
        self._body = Body(setup, random.Random(setup.seed))
        self._camera = Camera(setup, parameters, self.state, place, emit)
        self._guard = Guard(parameters, stored.fence, place)
        self._terrain = KnownGround(place, parameters["TERRAIN_SPACING"])
        self._run = MissionRun(
            stored.mission, self.state, self._course, place, emit, self._do, self._height_of, self._begin
        )
        self._homing = Homing(self.state, self._course, parameters, place, stored.rally)
        self._speed: float | None = None
        self._count = 0
        self._idle_since_s = 0.0
        self._station_s: float | None = None
        self._battery_low = self._station_lost = False
        self._commands: dict[int, Callable[[Params], int]] = {
            dialect.MAV_CMD_DO_SET_MODE: lambda p: self._set_mode(int(finite(p[1]))),
            dialect.MAV_CMD_COMPONENT_ARM_DISARM: self._arm_or_disarm,
            dialect.MAV_CMD_MISSION_START: lambda _: self._mission_start(),
            dialect.MAV_CMD_DO_SET_MISSION_CURRENT: self._set_current,
            dialect.MAV_CMD_NAV_TAKEOFF: self._take_off,
            dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH: lambda _: self._set_mode(RTL),
            dialect.MAV_CMD_NAV_LAND: lambda _: self._set_mode(LAND),
            dialect.MAV_CMD_DO_CHANGE_SPEED: self._change_speed,
            dialect.MAV_CMD_DO_PAUSE_CONTINUE: self._pause,
            dialect.MAV_CMD_DO_SET_CAM_TRIGG_DIST: self._trigger,
            dialect.MAV_CMD_DO_DIGICAM_CONTROL: lambda _: self._shoot(),
            dialect.MAV_CMD_IMAGE_START_CAPTURE: lambda _: self._shoot(),
            dialect.MAV_CMD_RUN_PREARM_CHECKS: lambda _: _ACCEPTED,
            dialect.MAV_CMD_DO_MOUNT_CONTROL: lambda _: _ACCEPTED,
            dialect.MAV_CMD_DO_GIMBAL_MANAGER_PITCHYAW: lambda _: _ACCEPTED,
        }

    def home(self) -> tuple[float, float, float] | None:
        """Return latitude, longitude and height over sea level of home; None before it is set."""
        if not self.state.home_set:
            return None
        lat, lon = self._place.home_lat_lon_e7()
        return lat / 1e7, lon / 1e7, self._place.amsl_m + self._place.home_up_m

    def mission_changed(self) -> None:
        """Note that another mission is stored."""
        self._run.changed()

    def fence_changed(self) -> None:
        """Note that another fence is stored."""
        self._guard.changed()

    def heard_station(self, now_s: float) -> None:
        """Note a ground station's heartbeat."""
        self._station_s = now_s
        self._station_lost = False

    def hear(self, message: Message) -> None:
        """Take what no one else of the vehicle understands."""
        if message.get_type() == "TERRAIN_DATA":
            self._terrain.hear(message)

    def pilot_takes(self, mode: int) -> None:
        """Let the pilot's switch choose a mode."""
        self._set_mode(mode)

    def command(self, command: int, params: Params, frame: int) -> int:
        """Carry out a command; return MAV_RESULT."""
        act = self._commands.get(command)
        return _UNSUPPORTED if act is None else act(params)

    def step(self, to_s: float) -> None:
        """Let time pass until ``to_s`` since power-up; with the motors on, in whole rounds up to it."""
        state = self.state
        while state.time_s < to_s - 1e-9:
            if state.landed and not state.armed:
                self._rest(to_s)
                continue
            if state.time_s + _STEP_S > to_s + 1e-9:
                return
            state.time_s += _STEP_S
            self._round()

    def _rest(self, to_s: float) -> None:
        """Stand on the ground with the motors off; stop where something becomes known."""
        state, ready = self.state, self._setup.ready_s
        self._guard.note(state.time_s)
        marks = [mark for mark in (ready - 3.0, ready) if state.time_s < mark < to_s]
        state.time_s = min([*marks, to_s])
        self._body.rest(state)
        state.gps_fixed |= state.time_s >= ready - 3.0
        if state.time_s >= ready and not state.home_set:
            state.home_set = state.prearm_healthy = True
            self._say(_NOTICE, "EKF3 IMU0 is using GPS")
        request = self._terrain.ask(state.time_s, self._terrain_wanted) if state.home_set else None
        if request is not None:
            self._emit(request)

    def _round(self) -> None:
        """One round of the 50 Hz loop with the motors on."""
        state = self.state
        self._count += 1
        if state.landed and not self._course.rises:
            self._body.rest(state)
            self._disarm_when_idle()
            return
        limits = limits_of(self._parameters, self._speed)
        limits.speed = min(limits.speed, self._body.fastest(self._course.heading_3))
        self._homing.slow_down(limits)
        self._course.step(_STEP_S, limits)
        at_3 = self._course.at_3
        self._body.follow(state, at_3, self._course.velocity_3, self._course.heading_3, _STEP_S)
        if state.landed and state.up_m > 0.3:
            state.landed = False
        if self._run.running:
            self._run.step(limits)
        if self._homing.active and self._homing.step(limits):
            self._touch_down()
        self._camera.check()
        self._watch_over()

    def _disarm_when_idle(self) -> None:
        if self.state.time_s - self._idle_since_s >= max(self._parameters["DISARM_DELAY"], 0.5):
            self._disarm()

    def _touch_down(self) -> None:
        state = self.state
        state.landed, state.up_m, state.armed = True, 0.0, False
        self._course.reset(np.array([state.east_m, state.north_m, 0.0]))
        self._body.rest(state)
        if self._run.running:
            # The mission's own return or landing is done.
            self._run.step(limits_of(self._parameters, self._speed))
        self._disarm()

    def _watch_over(self) -> None:
        if self._count % _FENCE_EVERY == 0:
            self._watch_fence()
            self._watch_battery()
            self._watch_station()

    def _watch_fence(self) -> None:
        state = self.state
        breach, name = self._guard.breach(state) if self._guard.enabled else (0, "")
        if breach and not state.breach_type:
            state.breach_count += 1
            self._say(_CRITICAL, f"{name} fence breached")
            if self._parameters["FENCE_ACTION"] and state.mode not in (RTL, LAND):
                self._set_mode(RTL)
        state.breach_type = breach

    def _watch_battery(self) -> None:
        state, of = self.state, self._parameters
        left_mah = state.battery_share * of["BATT_CAPACITY"]
        low = left_mah < of["BATT_LOW_MAH"] or state.battery_v < of["BATT_LOW_VOLT"]
        if state.battery_share <= 0 and state.mode != LAND:
            self._say(_CRITICAL, "Battery 1 is empty")
            self._set_mode(LAND)
        if not low or self._battery_low:
            return
        self._battery_low = True
        used = of["BATT_CAPACITY"] - left_mah
        self._say(_CRITICAL, f"Battery 1 is low {state.battery_v:.2f}V used {used:.0f} mAh")
        action = int(of["BATT_FS_LOW_ACT"])
        if action == 1:
            self._set_mode(LAND)
        elif action >= 2 and state.mode != LAND:
            self._set_mode(RTL)

    def _watch_station(self) -> None:
        of = self._parameters
        if not of["FS_GCS_ENABLE"] or self._station_s is None or self._station_lost:
            return
        if self.state.time_s - self._station_s <= of["FS_GCS_TIMEOUT"]:
            return
        self._station_lost = True
        goes_on = self.state.mode == AUTO and int(of["FS_OPTIONS"]) & 2
        self._say(_WARNING, "GCS Failsafe" + (" - Continuing with Auto Mode" if goes_on else ""))
        if not goes_on and self.state.mode not in (RTL, LAND):
            self._set_mode(LAND if int(of["FS_GCS_ENABLE"]) == 5 else RTL)

    def _set_mode(self, mode: int) -> int:
        state = self.state
        if mode not in _NAMES:
            self._say(_WARNING, f"No such mode {mode}")
            return _DENIED
        if mode in (AUTO, GUIDED, LOITER, RTL) and not state.home_set:
            self._say(_WARNING, f"Mode change to {_NAMES[mode]} failed: requires position")
            return _FAILED
        if mode == AUTO and len(self._stored.mission) < 2:
            self._say(_WARNING, "Mode requires mission")
            return _FAILED if state.armed else self._enter(mode)
        return self._enter(mode)

    def _enter(self, mode: int) -> int:
        state = self.state
        if mode == state.mode:
            return _ACCEPTED
        state.mode = mode
        self._homing.stop()
        if self._run.running:
            self._run.stop()
            state.mission_state = _MISSION_PAUSED
        if not state.armed:
            return _ACCEPTED
        if mode == AUTO and not state.landed:
            if self._parameters["MIS_RESTART"]:
                self._run.restart()
            self._run.start(limits_of(self._parameters, self._speed))
        elif mode == RTL:
            self._homing.go_home()
        elif mode == LAND:
            self._homing.land()
        elif not state.landed:
            self._course.halt()
        return _ACCEPTED

    def _arm_or_disarm(self, params: Params) -> int:
        if finite(params[0]) < 0.5:
            if not self.state.landed and finite(params[1]) != _FORCE:
                return _FAILED
            self._disarm()
            return _ACCEPTED
        if self.state.armed:
            return _ACCEPTED
        why = self._not_armable()
        if why:
            self._say(_CRITICAL, f"Arm: {why}")
            return _FAILED
        state = self.state
        self._place.home_east_m, self._place.home_north_m = state.east_m, state.north_m
        state.armed = True
        self._idle_since_s = state.time_s
        self._speed = None
        if state.mode == AUTO and int(self._parameters["AUTO_OPTIONS"]) & 2:
            self._begin_mission()
        return _ACCEPTED

    def _not_armable(self) -> str:
        state = self.state
        if state.mode == AUTO:
            if len(self._stored.mission) < 2:
                return "Mode requires mission"
            if not int(self._parameters["AUTO_OPTIONS"]) & 1:
                return "AUTO mode not armable"
        elif state.mode not in _ARMABLE:
            return f"{_NAMES[state.mode]} mode not armable"
        if not state.home_set or state.time_s < self._setup.ready_s + _ARMS_LATER_S:
            return "Need Position Estimate"
        if self._terrain_wanted() and not self._terrain.whole:
            return "waiting for terrain data"
        if self._guard.watched(state.time_s):
            breach, name = self._guard.breach(state)
            if breach and int(self._parameters["FENCE_TYPE"]) & POLYGON:
                return f"Vehicle breaching {name} fence"
        return ""

    def _disarm(self) -> None:
        self.state.armed = False
        self.state.battery_a = 0.6
        self._homing.stop()
        self._run.stop()

    def _begin_mission(self) -> None:
        first = next((one for one in self._stored.mission[1:] if one.command in items.FLOWN), None)
        if self.state.landed and (first is None or first.command != items.TAKEOFF):
            # Without a take-off the copter stays on the ground until it disarms.
            return
        if self.state.landed:
            self._run.restart()
        self._run.start(limits_of(self._parameters, self._speed))

    def _mission_start(self) -> int:
        if self._set_mode(AUTO) != _ACCEPTED or not self.state.armed:
            return _FAILED
        if not self._run.running:
            self._begin_mission()
        return _ACCEPTED

    def _set_current(self, params: Params) -> int:
        limits = limits_of(self._parameters, self._speed)
        return _ACCEPTED if self._run.set_current(int(finite(params[0])), limits) else _FAILED

    def _take_off(self, params: Params) -> int:
        if not self.state.armed or self.state.mode != GUIDED or not self.state.landed:
            return _FAILED
        to_3 = np.array([self.state.east_m, self.state.north_m, finite(params[6])])
        limits = limits_of(self._parameters, self._speed)
        self._course.go(to_3, stop=True, then_3=None, limits=limits)
        return _ACCEPTED

    def _pause(self, params: Params) -> int:
        if self.state.mode != AUTO:
            return _DENIED
        if finite(params[0]) < 0.5:
            self._run.stop()
            self._course.halt()
            self.state.mission_state = _MISSION_PAUSED
        elif not self._run.running:
            self._run.start(limits_of(self._parameters, self._speed))
            self.state.mission_state = _MISSION_ACTIVE
        return _ACCEPTED

    def _change_speed(self, params: Params) -> int:
        if finite(params[1]) > 0:
            self._speed = finite(params[1])
        return _ACCEPTED

    def _trigger(self, params: Params) -> int:
        self._camera.set_distance(finite(params[0]), at_once=params[2] == 1)
        return _ACCEPTED

    def _shoot(self) -> int:
        self._camera.fire()
        return _ACCEPTED

    def _do(self, item: MissionItem) -> bool:
        """Carry out a DO item; return whether MISSION_ITEM_REACHED tells of it."""
        if item.command == items.TRIGGER:
            self._trigger(item.params)
            return False
        if item.command == items.CHANGE_SPEED:
            self._change_speed(item.params)
        elif item.command in (items.DIGICAM, 2000):
            self._shoot()
        return True

    def _height_of(self, item: MissionItem, east_m: float, north_m: float) -> float:
        height = item.params[6]
        if item.frame == 0:
            return height - self._place.amsl_m
        if item.frame == 10:
            ground = self._terrain.amsl_m(*self._place.lat_lon(east_m, north_m))
            return height + (ground if ground is not None else self._place.amsl_m) - self._place.amsl_m
        return height + self._place.home_up_m

    def _terrain_wanted(self) -> bool:
        return bool(self._parameters["TERRAIN_ENABLE"]) and any(
            item.frame == 10 for item in self._stored.mission
        )

    def _begin(self, what: str) -> None:
        if what == "rtl":
            self._homing.go_home()
        elif what == "land":
            self._homing.land()
        elif not self.state.landed:
            self._course.halt()
