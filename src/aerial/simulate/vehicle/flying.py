"""The flying half of the simulated vehicle: what it is told and how it answers.

It behaves as ArduCopter 4.7 was measured to; what was not measured is said where it is chosen. The truth
stands in ``state``: nothing is added to what the vehicle believes, so position and height have no GNSS
error. The ground is level with home, unless terrain data that were served say otherwise.
"""

import math
from collections.abc import Callable
from pathlib import Path

from aerial.flight.mavlink import Message, dialect
from aerial.simulate.vehicle.craft import CRITICAL, Craft
from aerial.simulate.vehicle.loop import Loop
from aerial.simulate.vehicle.manoeuvres import TakeOff
from aerial.simulate.vehicle.modes import AUTO, BRAKE, GUIDED, LAND, RTL, SMART_RTL

_FORCE = 21196
_ACCEPTED, _BUSY, _DENIED, _UNSUPPORTED, _FAILED = (
    int(dialect.MAV_RESULT_ACCEPTED),
    int(dialect.MAV_RESULT_TEMPORARILY_REJECTED),
    int(dialect.MAV_RESULT_DENIED),
    int(dialect.MAV_RESULT_UNSUPPORTED),
    int(dialect.MAV_RESULT_FAILED),
)
Params = tuple[float, ...]


class Flying(Loop):
    """A vehicle and its ears."""

    def __init__(self, craft: Craft) -> None:
        super().__init__(craft)
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

    def home(self) -> tuple[float, float, float] | None:
        """Return latitude, longitude and height over sea level of home; None before it is set."""
        if not self.state.home_set:
            return None
        lat, lon = self._place.home_lat_lon_e7()
        return lat / 1e7, lon / 1e7, self._place.amsl_m + self._place.home_up_m

    def mission_changed(self) -> None:
        """Take note that the stored mission is another one now."""
        self._mission.changed()
        craft, needs = self._craft, self._mission.needs_terrain()
        points = [(craft.home[0], craft.home[1])] if needs else []
        points += [craft.place.metres(item.params[4], item.params[5]) for item in needs if item.params[4]]
        craft.terrain.want(points, craft.p("TERRAIN_SPACING"))

    def fence_changed(self) -> None:
        """Take note that the stored fence is another one now."""
        self._fence.load()

    def heard_station(self, now_s: float) -> None:
        """Take note of a ground station's heartbeat."""
        self._safety.heard_s = now_s

    def hear(self, message: Message) -> None:
        """Take what no one else of the vehicle understands: TERRAIN_DATA."""
        if message.get_type() == "TERRAIN_DATA":
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
        sane = tuple(value if math.isfinite(value) else 0.0 for value in params)
        return _UNSUPPORTED if obey is None else obey(sane)

    def _set_mode(self, p: Params) -> int:
        if not int(p[0]) & 1:
            return _DENIED
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
            return _UNSUPPORTED
        if self.state.armed and not self.state.landed and not forced:
            return _done(False)
        if self.state.armed:
            self._disarm()
        return _done(True)

    def _run_checks(self, p: Params) -> int:
        if self.state.armed:
            return _BUSY
        self._tell("PreArm", self._faults())
        return _done(True)

    def _start_mission(self, p: Params) -> int:
        if p[0] or p[1]:
            # A first or last item cannot be asked for.
            return _DENIED
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
            return _DENIED
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
            return _UNSUPPORTED
        self._camera.fire()
        return _done(True)

    def _set_current(self, p: Params) -> int:
        if p[1] == 1:
            self._mission.reset()
        return _done(self._mission.jump(int(p[0])))


def _done(accepted: bool) -> int:
    return _ACCEPTED if accepted else _FAILED
