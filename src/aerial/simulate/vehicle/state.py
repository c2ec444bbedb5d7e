"""What is true of a simulated vehicle at one moment: written by ``flying``, told by ``telemetry``."""

from dataclasses import dataclass, field

from aerial.records import ShotRecord


@dataclass(slots=True)
class State:
    """Positions in metres east, north, up of the home that was set up; speeds in m/s; angles in degrees.

    ``time_s``: simulated, since power-up. ``mode``: ArduCopter's number. ``current``: the mission item
    that is flown, 0 when there is none. ``mission_state``: MISSION_STATE. ``home_set``: position and home
    are known. ``shots``: the truth of every photograph of this power cycle. ``breach_type``: FENCE_BREACH.
    ``breach_s``: when it began. ``airspeed_m_s``: through the air. ``crashed``: it fell from the sky.
    """

    time_s: float = 0.0
    east_m: float = 0.0
    north_m: float = 0.0
    up_m: float = 0.0
    v_east_m_s: float = 0.0
    v_north_m_s: float = 0.0
    v_up_m_s: float = 0.0
    roll_deg: float = 0.0
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0
    mode: int = 0
    armed: bool = False
    landed: bool = True
    home_set: bool = False
    gps_fixed: bool = False
    prearm_healthy: bool = False
    current: int = 0
    mission_state: int = 1
    battery_share: float = 1.0
    battery_v: float = 16.8
    battery_a: float = 0.0
    breach_type: int = 0
    breach_count: int = 0
    breach_s: float = 0.0
    airspeed_m_s: float = 0.0
    crashed: bool = False
    shots: list[ShotRecord] = field(default_factory=list)
