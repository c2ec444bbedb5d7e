"""What the vehicle does by itself when a fence, the battery or the ground station fails it."""

from collections.abc import Callable

from aerial.simulate.vehicle.battery import Battery
from aerial.simulate.vehicle.craft import CRITICAL, INFO, WARNING, Craft
from aerial.simulate.vehicle.fence import BREACH, NAMES, Fence
from aerial.simulate.vehicle.modes import AUTO, BRAKE, LAND, RTL

# Action numbers -> mode; those that are absent do nothing. SmartRTL is flown as RTL.
_FENCE_ACTIONS = {1: RTL, 2: LAND, 3: RTL, 4: BRAKE, 5: RTL}
_BATTERY_ACTIONS = {1: LAND, 2: RTL, 3: RTL, 4: RTL, 6: RTL, 7: LAND}
_TERMINATE = 5
_STATION_ACTIONS = {1: RTL, 2: RTL, 3: RTL, 4: RTL, 5: LAND, 6: RTL, 7: BRAKE}
# FS_OPTIONS: go on in AUTO without a ground station; go on landing whatever fails.
_AUTO_GOES_ON, _LANDING_GOES_ON = 2, 8


class Failsafes:
    """Watches; ``enter`` changes the mode, ``stop`` stops the motors."""

    def __init__(
        self,
        craft: Craft,
        fence: Fence,
        battery: Battery,
        enter: Callable[[int], bool],
        stop: Callable[[], None],
    ) -> None:
        self._craft, self._fence, self._battery = craft, fence, battery
        self._enter, self._stop = enter, stop
        self.heard_s: float | None = None
        self._lost = False
        self.breaches = 0

    def watch(self, dt: float) -> None:
        """Look at everything, in flight and armed on the ground."""
        self._watch_battery(dt)
        self._watch_fence()
        self._watch_station()

    def look_at_fence(self) -> None:
        """Note breaches without acting, as before arming."""
        self._note(self._fence.breaches())

    def _watch_fence(self) -> None:
        fresh = self._note(self._fence.breaches())
        if not fresh:
            return
        craft = self._craft
        for bit, name in NAMES.items():
            if fresh & bit:
                craft.say(CRITICAL, f"{name} fence breached")
        mode = _FENCE_ACTIONS.get(int(craft.p("FENCE_ACTION")))
        if mode is None:
            return
        if craft.state.landed:
            self._stop()
        else:
            self._go(mode)

    def _note(self, breaches: int) -> int:
        """Keep what is breached; return what was not before."""
        fresh, self.breaches = breaches & ~self.breaches, breaches
        state = self._craft.state
        if fresh:
            state.breach_count += 1
            state.breach_s = state.time_s
            state.breach_type = max(BREACH[bit] for bit in NAMES if fresh & bit)
        elif not breaches:
            state.breach_type = 0
        return fresh

    def _watch_battery(self, dt: float) -> None:
        action = self._battery.watch(dt)
        if action is None:
            return
        if action == _TERMINATE:
            self._stop()
        elif self._craft.state.landed:
            if action in _BATTERY_ACTIONS:
                self._stop()
        elif action in _BATTERY_ACTIONS:
            self._go(_BATTERY_ACTIONS[action])

    def _watch_station(self) -> None:
        craft, state = self._craft, self._craft.state
        enabled = int(craft.p("FS_GCS_ENABLE"))
        if not enabled or self.heard_s is None:
            return
        lost = state.time_s - self.heard_s > max(craft.p("FS_GCS_TIMEOUT"), 0.5)
        if lost == self._lost:
            return
        self._lost = lost
        if not lost:
            craft.say(WARNING, "GCS Failsafe Cleared")
            return
        options = int(craft.p("FS_OPTIONS"))
        if state.landed:
            craft.say(CRITICAL, "GCS Failsafe - Disarming")
            self._stop()
        elif state.mode == AUTO and options & _AUTO_GOES_ON:
            craft.say(INFO, "GCS Failsafe - Continuing Auto Mode")
        elif state.mode == LAND and options & _LANDING_GOES_ON:
            craft.say(INFO, "GCS Failsafe - Continuing Landing")
        else:
            craft.say(CRITICAL, "GCS Failsafe")
            self._go(_STATION_ACTIONS.get(enabled, RTL))

    def _go(self, mode: int) -> None:
        # On the way home or down already: only landing is more.
        if self._craft.state.mode == LAND or (self._craft.state.mode == RTL and mode != LAND):
            return
        self._enter(mode)
