"""The flying half of the simulated vehicle: modes, commands and the 50 Hz loop.

It behaves as ArduCopter 4.7 was measured to; what was not measured is said where it is chosen. The truth
stands in ``state``: nothing is added to what the vehicle believes, so position and height have no GNSS
error. The ground is level with home, unless terrain data that were served say otherwise.
"""

from collections.abc import Callable, MutableMapping
from pathlib import Path

from aerial.flight.mavlink import Message, dialect
from aerial.simulate.vehicle.arming import (
    ALT_HOLD,
    AUTO,
    BRAKE,
    GUIDED,
    LAND,
    LOITER,
    POSHOLD,
    RTL,
    SMART_RTL,
    STABILIZE,
    refusals,
)
from aerial.simulate.vehicle.battery import Battery
from aerial.simulate.vehicle.camera import Camera
from aerial.simulate.vehicle.craft import CRITICAL, EMERGENCY, Craft, Stored, course_deg
from aerial.simulate.vehicle.failsafe import Failsafes
from aerial.simulate.vehicle.fence import Fence
from aerial.simulate.vehicle.manoeuvres import Hold, Land, Manoeuvre, Return, TakeOff
from aerial.simulate.vehicle.mission import Mission
from aerial.simulate.vehicle.setup import Setup

__all__ = ["STEP_S", "Flying", "Stored"]

STEP_S = 0.02
# The pre-arm bit turns healthy a little before a position mode may really be armed.
_HEALTHY_EARLY_S = 1.5
_WATCH_STEPS, _LOG_STEPS = 5, 10
_GROUND_CHECK_S, _SPEAK_S = 1.0, 30.0
_FORCE = 21196
_CRASH_M_S = 3.0
_MODES = (STABILIZE, ALT_HOLD, AUTO, GUIDED, LOITER, RTL, LAND, POSHOLD, BRAKE, SMART_RTL)
_RESULT = dialect
Params = tuple[float, ...]


class Flying:
    """One vehicle from power-up; ``state`` is the truth, ``camera`` and ``mission`` its parts.

    ``say`` takes severity and text of a STATUSTEXT, ``emit`` a message for all ground stations.
    """

    def __init__(
        self,
        setup: Setup,
        parameters: MutableMapping[str, float],
        stored: Stored,
        say: Callable[[int, str], None],
        emit: Callable[[Message], None],
    ) -> None:
        self._craft = craft = Craft(setup, parameters, stored, say, emit)
        self.state = craft.state
        self._camera = Camera(craft)
        self._battery = Battery(craft)
        self._fence = Fence(craft)
        self._mission = Mission(craft, self._camera)
        self._safety = Failsafes(craft, self._fence, self._battery, self._enter, self._disarm)
        self._manoeuvre: Manoeuvre | None = None
        self._tick = 0
        self._idle_s = 0.0
        self._ground_check_s = self._speak_s = 0.0
        self._commands: dict[int, Callable[[Params], int]] = {
            20: lambda _: _done(self._enter(RTL)),
            21: lambda _: _done(self._enter(LAND)),
            22: self._take_off,
            176: self._set_mode,
            178: self._set_speed,
            193: self._pause,
            203: self._shoot,
            205: lambda _: _done(True),
            206: self._set_trigger,
            224: self._set_current,
            300: self._start_mission,
            400: self._arm_or_disarm,
            401: self._run_checks,
            1000: lambda _: _done(True),
            2000: self._capture,
        }
        self.fence_changed()
        self.mission_changed()

    # -- what the rest of the vehicle tells ------------------------------------------------------------

    def mission_changed(self) -> None:
        """Take note that the stored mission is another one now."""
        self._mission.changed()
        craft, needs = self._craft, self._mission.needs_terrain()
        points = [(craft.home[0], craft.home[1])] if needs else []
        points += [craft.place.local(item.params[5], item.params[4]) for item in needs if item.params[4]]
        craft.terrain.want(points, craft.p("TERRAIN_SPACING"))

    def fence_changed(self) -> None:
        """Take note that the stored fence is another one now."""
        self._fence.load()

    def heard_station(self, now_s: float) -> None:
        """Take note of a ground station's heartbeat."""
        self._safety.heard_s = now_s

    def hear(self, message: Message) -> None:
        """Take TERRAIN_DATA in."""
        self._craft.terrain.hear(message)

    def pilot_takes(self, mode: int) -> bool:
        """Change the mode with the stick, as a pilot does; tell whether the vehicle took it."""
        return self._enter(mode)

    def write_log(self, path: Path) -> None:
        """Write the vehicle's own log (.BIN) of this power cycle."""
        self._craft.journal.write(path, self._craft.parameters)

    def command(self, command: int, params: Params, frame: int) -> int:
        """Obey a command of a ground station; return MAV_RESULT. ``frame`` is not looked at."""
        obey = self._commands.get(command)
        return int(_RESULT.MAV_RESULT_UNSUPPORTED) if obey is None else obey(params)

    # -- time ------------------------------------------------------------------------------------------

    def step(self, to_s: float) -> None:
        """Go on to ``to_s`` seconds after power-up."""
        state = self.state
        if not state.armed and state.landed:
            self._sit(to_s)
            return
        while (self._tick + 1) * STEP_S <= to_s + 1e-9:
            self._tick += 1
            state.time_s = self._tick * STEP_S
            self._fly()
            if not state.armed and state.landed:
                self._sit(to_s)
                return
        self._craft.body.lean()

    def _sit(self, to_s: float) -> None:
        """Let time pass on the ground."""
        state = self.state
        if state.time_s <= 0.0 or not state.home_set:
            ready_s = self._craft.setup.ready_s
            state.healthy, state.home_set = to_s >= ready_s - _HEALTHY_EARLY_S, to_s >= ready_s
        state.time_s = to_s
        self._tick = int(to_s / STEP_S + 1e-6)
        if to_s < self._ground_check_s:
            return
        self._ground_check_s = to_s + _GROUND_CHECK_S
        self._battery.idle()
        if not state.home_set:
            return
        self._safety.look_at_fence()
        request = self._craft.terrain.request()
        if request is not None:
            self._craft.emit(request)
        faults = self._faults()
        state.healthy = not faults
        if faults and to_s >= self._speak_s:
            self._speak_s = to_s + _SPEAK_S
            self._tell("PreArm", faults)

    def _fly(self) -> None:
        state, craft = self.state, self._craft
        if not state.armed:
            self._fall()
            return
        if self._mission.running:
            self._mission.step(STEP_S)
            finished = state.landed and not self._mission.running
        elif self._manoeuvre is not None:
            finished = self._manoeuvre.step(STEP_S) and state.landed
        else:
            finished = False
        if finished:
            self._disarm()
            return
        if not state.landed:
            craft.body.follow(craft.track, STEP_S)
            self._battery.drain(STEP_S)
        self._camera.check()
        if self._tick % _WATCH_STEPS == 0:
            self._watch(STEP_S * _WATCH_STEPS)
        if self._tick % _LOG_STEPS == 0:
            self._log()

    def _watch(self, dt: float) -> None:
        state = self.state
        self._craft.body.blow(dt)
        self._safety.watch(dt)
        if not state.armed:
            return
        if state.landed:
            # Waiting for a take-off that does not come.
            self._idle_s += dt
            delay = self._craft.p("DISARM_DELAY")
            if 0 < delay <= self._idle_s:
                self._disarm()
            return
        self._idle_s = 0.0
        if state.battery_share <= 0.0:
            self._craft.say(EMERGENCY, "Battery 1 is empty")
            self._disarm()
        self._ask_terrain()

    def _ask_terrain(self) -> None:
        if self._craft.terrain.pending and self.state.time_s >= self._ground_check_s:
            self._ground_check_s = self.state.time_s + _GROUND_CHECK_S
            request = self._craft.terrain.request()
            if request is not None:
                self._craft.emit(request)

    def _fall(self) -> None:
        state, craft = self.state, self._craft
        craft.body.fall(STEP_S)
        ground = craft.ground_up(state.east_m, state.north_m)
        if state.up_m > ground:
            return
        if state.v_up_m_s < -_CRASH_M_S:
            state.crashed = True
            craft.say(EMERGENCY, "Crash: Disarming")
        state.up_m, state.landed = ground, True
        craft.body.rest()

    # -- modes -----------------------------------------------------------------------------------------

    def _enter(self, mode: int) -> bool:
        state, craft = self.state, self._craft
        if mode not in _MODES:
            return False
        flying = state.armed and not state.landed
        if mode == state.mode:
            return True
        if mode == AUTO and flying and self._mission.empty:
            craft.say(CRITICAL, "Mode change to AUTO failed: Mode requires mission")
            return False
        self._mission.stop()
        state.mode = mode
        craft.journal.add("MODE", state.time_s, mode, mode, 0)
        craft.forget_speeds()
        self._manoeuvre = None
        if state.armed:
            self._begin(mode)
        return True

    def _begin(self, mode: int) -> None:
        """Start what a mode does by itself."""
        if mode == AUTO:
            if not self.state.landed:
                self._mission.start_or_resume()
        elif mode in (RTL, SMART_RTL):
            self._manoeuvre = Return(self._craft)
        elif mode == LAND:
            self._manoeuvre = Land(self._craft)
        elif not self.state.landed:
            # Also where a pilot flies by hand: this one lets go of the sticks.
            self._manoeuvre = Hold(self._craft)

    # -- arming ----------------------------------------------------------------------------------------

    def _faults(self) -> list[str]:
        return refusals(self._craft, self._mission, self._battery, self._safety.breaches)

    def _tell(self, when: str, faults: list[str]) -> None:
        for fault in faults:
            self._craft.say(CRITICAL, f"{when}: {fault}")

    def _arm(self, *, forced: bool) -> bool:
        state, craft = self.state, self._craft
        if state.armed:
            return True
        faults = [] if forced else self._faults()
        if faults or not state.landed:
            self._tell("Arm", faults)
            return False
        state.armed = True
        self._idle_s = 0.0
        craft.home = (state.east_m, state.north_m, state.up_m)
        state.home_east_m, state.home_north_m, state.home_up_m = craft.home
        craft.track.put(*craft.home)
        craft.body.yaw_deg = state.yaw_deg
        craft.journal.add("ARM", state.time_s, 1)
        self._manoeuvre = None
        return True

    def _disarm(self) -> None:
        state = self.state
        state.armed = False
        self._mission.running = False
        self._mission.reset()
        self._manoeuvre = None
        self._craft.forget_speeds()
        self._craft.journal.add("ARM", state.time_s, 0)
        self._battery.idle()
        if state.landed:
            self._craft.body.rest()

    # -- commands --------------------------------------------------------------------------------------

    def _set_mode(self, p: Params) -> int:
        if not int(p[0]) & 1:
            return int(_RESULT.MAV_RESULT_DENIED)
        mode, options = int(p[1]), int(self._craft.p("FENCE_OPTIONS"))
        acting = self.state.mode in (RTL, LAND, BRAKE, SMART_RTL) and not self.state.landed
        if self._safety.breaches and options & 1 and acting and mode not in (RTL, LAND, SMART_RTL):
            self._craft.say(CRITICAL, "Mode change failed: in fence recovery")
            return _done(False)
        return _done(self._enter(mode))

    def _arm_or_disarm(self, p: Params) -> int:
        forced = int(p[1]) == _FORCE
        if p[0] == 1:
            return _done(self._arm(forced=forced))
        if p[0] != 0:
            return int(_RESULT.MAV_RESULT_UNSUPPORTED)
        if self.state.armed and not self.state.landed and not forced:
            return _done(False)
        if self.state.armed:
            self._disarm()
        return _done(True)

    def _run_checks(self, p: Params) -> int:
        if self.state.armed:
            return int(_RESULT.MAV_RESULT_TEMPORARILY_REJECTED)
        self._tell("PreArm", self._faults())
        return _done(True)

    def _start_mission(self, p: Params) -> int:
        if p[0] or p[1]:
            # A first or last item cannot be asked for.
            return int(_RESULT.MAV_RESULT_DENIED)
        if not self._enter(AUTO):
            return _done(False)
        if self.state.armed and not self._mission.running:
            self._idle_s = 0.0
            self._mission.start_or_resume()
        return _done(True)

    def _take_off(self, p: Params) -> int:
        state = self.state
        if state.mode != GUIDED or not state.armed or not state.landed:
            return _done(False)
        self._idle_s = 0.0
        self._manoeuvre = TakeOff(self._craft, self._craft.home[2] + p[6])
        return _done(True)

    def _set_speed(self, p: Params) -> int:
        names = {0: "WP_SPD", 1: "WP_SPD", 2: "WP_SPD_UP", 3: "WP_SPD_DN"}
        if self.state.mode not in (AUTO, GUIDED, RTL, SMART_RTL) or p[1] <= 0 or int(p[0]) not in names:
            return _done(False)
        self._craft.ask_speed(names[int(p[0])], p[1])
        return _done(True)

    def _pause(self, p: Params) -> int:
        flying = self.state.armed and not self.state.landed
        if self.state.mode not in (AUTO, GUIDED) or not flying or p[0] not in (0, 1):
            return int(_RESULT.MAV_RESULT_DENIED)
        self._craft.track.paused = p[0] == 0
        return _done(True)

    def _set_trigger(self, p: Params) -> int:
        self._camera.by_distance(p[0], p[2])
        return _done(True)

    def _shoot(self, p: Params) -> int:
        if p[4] == 1:
            self._camera.fire()
        return _done(True)

    def _capture(self, p: Params) -> int:
        if p[2] != 1:
            # Series by time are not built in.
            return int(_RESULT.MAV_RESULT_UNSUPPORTED)
        self._camera.fire()
        return _done(True)

    def _set_current(self, p: Params) -> int:
        if p[1] == 1:
            self._mission.reset()
        return _done(self._mission.jump(int(p[0])))

    def _log(self) -> None:
        s, craft = self.state, self._craft
        lon, lat = craft.place.lonlat(s.east_m, s.north_m)
        speed = (s.v_east_m_s**2 + s.v_north_m_s**2) ** 0.5
        course = course_deg(s.v_east_m_s, s.v_north_m_s)
        when = craft.journal.gps_time(s.time_s)
        row = (0, 6, *when, 18, 0.7, lat, lon, craft.setup.home_amsl_m + s.up_m, speed, course, -s.v_up_m_s)
        craft.journal.add("GPS", s.time_s, *row, s.yaw_deg, 1)


def _done(accepted: bool) -> int:
    return int(_RESULT.MAV_RESULT_ACCEPTED if accepted else _RESULT.MAV_RESULT_FAILED)
