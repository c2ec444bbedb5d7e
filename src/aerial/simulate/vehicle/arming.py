"""What an arming is refused for."""

from aerial.simulate.vehicle.battery import Battery
from aerial.simulate.vehicle.craft import Craft
from aerial.simulate.vehicle.fence import NAMES
from aerial.simulate.vehicle.mission import Mission
from aerial.simulate.vehicle.modes import ALT_HOLD, AUTO, GUIDED, LOITER, POSHOLD, STABILIZE

_ARMABLE = (STABILIZE, ALT_HOLD, GUIDED, LOITER, POSHOLD)
_WITHOUT_POSITION = (STABILIZE, ALT_HOLD)


def refusals(craft: Craft, mission: Mission, battery: Battery, breaches: int) -> list[str]:
    """Return the reasons, as the autopilot words them; none: it may be armed."""
    state, p, found = craft.state, craft.p, []
    if state.mode not in _WITHOUT_POSITION and not state.home_set:
        found.append("Need Position Estimate")
    if state.mode == AUTO and mission.empty:
        found.append("Mode requires mission")
    elif state.mode not in (*_ARMABLE, AUTO) or (state.mode == AUTO and not int(p("AUTO_OPTIONS")) & 1):
        found.append("Mode not armable")
    if int(p("ARMING_SKIPCHK")) & 1:
        return found
    if battery.failing:
        found.append("Battery failsafe")
    if state.crashed:
        found.append("Crashed")
    found += [f"Vehicle breaching {name} fence" for bit, name in NAMES.items() if breaches & bit]
    if state.home_set and craft.terrain.pending:
        found.append("waiting for terrain data")
    return found
