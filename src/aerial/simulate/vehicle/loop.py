"""The 50 Hz loop of a vehicle: what flies it, what watches it, modes, arming and disarming."""

from aerial.simulate.vehicle.arming import refusals
from aerial.simulate.vehicle.battery import Battery
from aerial.simulate.vehicle.camera import Camera
from aerial.simulate.vehicle.craft import CRITICAL, EMERGENCY, NOTICE, Craft, course_deg
from aerial.simulate.vehicle.failsafe import Failsafes
from aerial.simulate.vehicle.fence import Fence
from aerial.simulate.vehicle.manoeuvres import Hold, Land, Manoeuvre, Return
from aerial.simulate.vehicle.mission import Mission
from aerial.simulate.vehicle.modes import AUTO, LAND, MODES, RTL, SMART_RTL

STEP_S = 0.02
# The pre-arm bit turns healthy a little before a position mode may really be armed; a fix comes first.
_HEALTHY_EARLY_S, _FIX_EARLY_S = 1.5, 3.0
_WATCH_STEPS, _LOG_STEPS = 5, 10
_GROUND_CHECK_S, _SPEAK_S = 1.0, 30.0
_CRASH_M_S = 3.0
# AUTO_OPTIONS: take off without the throttle being raised.
_STARTS_UNASKED = 2


class Loop:
    """One vehicle from power-up; ``state`` is the truth."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self.state, self._place = craft.state, craft.place
        self._camera = Camera(craft)
        self._battery = Battery(craft)
        self._fence = Fence(craft)
        self._mission = Mission(craft, self._camera)
        self._safety = Failsafes(craft, self._fence, self._battery, self._enter, self._disarm)
        self._manoeuvre: Manoeuvre | None = None
        self._tick = 0
        self._idle_s = 0.0
        self._ground_check_s = self._speak_s = 0.0

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
        if not state.home_set:
            self._boot(to_s)
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
        state.prearm_healthy = not faults
        if faults and to_s >= self._speak_s:
            self._speak_s = to_s + _SPEAK_S
            self._tell("PreArm", faults)

    def _boot(self, now_s: float) -> None:
        """Find position and home."""
        state, ready_s = self.state, self._craft.setup.ready_s
        state.gps_fixed = now_s >= ready_s - _FIX_EARLY_S
        state.prearm_healthy = now_s >= ready_s - _HEALTHY_EARLY_S
        if now_s >= ready_s:
            state.home_set = True
            self._craft.say(NOTICE, "EKF3 IMU0 is using GPS")

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

    def _enter(self, mode: int) -> bool:
        state, craft = self.state, self._craft
        if mode not in MODES:
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
        place = self._place
        place.home_east_m, place.home_north_m, place.home_up_m = state.east_m, state.north_m, state.up_m
        craft.track.put(*craft.home)
        craft.body.yaw_deg = state.yaw_deg
        craft.journal.add("ARM", state.time_s, 1)
        self._manoeuvre = None
        if state.mode == AUTO and int(craft.p("AUTO_OPTIONS")) & _STARTS_UNASKED:
            # It waits for no stick: MISSION_START finds it running.
            self._mission.start_or_resume()
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

    def _log(self) -> None:
        s, craft = self.state, self._craft
        lat, lon = craft.place.lat_lon(s.east_m, s.north_m)
        speed = (s.v_east_m_s**2 + s.v_north_m_s**2) ** 0.5
        course = course_deg(s.v_east_m_s, s.v_north_m_s)
        when = craft.journal.gps_time(s.time_s)
        row = (0, 6, *when, 18, 0.7, lat, lon, craft.setup.home_amsl_m + s.up_m, speed, course, -s.v_up_m_s)
        craft.journal.add("GPS", s.time_s, *row, s.yaw_deg, 1)
