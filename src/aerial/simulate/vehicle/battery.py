"""The battery: charge by the power that is flown with, voltage by charge and current."""

from aerial.simulate.vehicle.craft import WARNING, Craft

# Four lithium cells. Figures chosen: 14.0 V empty at rest, 30 mOhm.
_FULL_V, _EMPTY_V, _OHM = 16.8, 14.0, 0.03
# Power over hovering: by the square of the airspeed (1.10 at 8 m/s, 1.36 at 15), and by climbing.
_BY_SPEED, _BY_CLIMB = 1 / 25.0**2, 0.15


class Battery:
    """Empties as ``Setup.battery_s`` says; ``low`` and ``critical`` are the actions that are due."""

    def __init__(self, craft: Craft) -> None:
        self._craft = craft
        self._under_s: dict[str, float] = {}
        self._told: set[str] = set()
        # The current that hovers for battery_s on a full battery.
        self._hover_a = craft.p("BATT_CAPACITY") * 3.6 / craft.setup.battery_s

    def drain(self, dt: float) -> None:
        """Fly for ``dt``."""
        state = self._craft.state
        x, y = self._craft.body.air()
        air = x * x + y * y
        state.airspeed_m_s = air**0.5
        power = 1.0 + air * _BY_SPEED + _BY_CLIMB * max(state.v_up_m_s, 0.0)
        state.battery_share = max(0.0, state.battery_share - power * dt / self._craft.setup.battery_s)
        self._load(power * self._hover_a)

    def idle(self) -> None:
        """Motors off."""
        self._load(0.0)

    def watch(self, dt: float) -> int | None:
        """Return the failsafe action that falls due, if one does: BATT_FS_CRT_ACT or BATT_FS_LOW_ACT."""
        for name, word in (("CRT", "critical"), ("LOW", "low")):
            if name not in self._told and self._under(name, dt):
                self._told.add(name)
                state = self._craft.state
                used = self._craft.p("BATT_CAPACITY") * (1 - state.battery_share)
                text = f"Battery 1 is {word} {state.battery_v:.2f}V used {used:.0f} mAh"
                self._craft.say(WARNING, text)
                return int(self._craft.p(f"BATT_FS_{name}_ACT"))
        return None

    @property
    def failing(self) -> bool:
        """Tell whether it is empty or a failsafe came: no arming with it."""
        return bool(self._told) or self._craft.state.battery_share <= 0.0

    def _under(self, name: str, dt: float) -> bool:
        p, state = self._craft.p, self._craft.state
        least_mah = p(f"BATT_{name}_MAH")
        if least_mah > 0 and p("BATT_CAPACITY") * state.battery_share <= least_mah:
            return True
        under = 0 < state.battery_v < p(f"BATT_{name}_VOLT")
        self._under_s[name] = self._under_s.get(name, 0.0) + dt if under else 0.0
        return under and self._under_s[name] >= p("BATT_LOW_TIMER")

    def _load(self, current_a: float) -> None:
        state = self._craft.state
        state.battery_a = current_a
        state.battery_v = _EMPTY_V + (_FULL_V - _EMPTY_V) * state.battery_share - _OHM * current_a
