"""What flies and what photographs: the figures that a plan needs, from flightplans/*.toml."""

from typing import Literal

from aerial.records.record import record


@record
class CameraProfile:
    """A mapping camera: sensor, lens, and how fast it can fire; ``source`` names the specification.

    ``focal_35mm``: equivalent focal length as photographs state it. ``f_number``, ``exposure_s`` and
    ``distortion`` (OpenCV order: k1, k2, p1, p2) serve the simulator; None where nobody asks.
    """

    name: str
    make: str
    model: str
    width_px: int
    height_px: int
    sensor_width_mm: float
    sensor_height_mm: float
    focal_mm: float
    min_trigger_interval_s: float
    source: str
    focal_35mm: int | None = None
    f_number: float | None = None
    exposure_s: float | None = None
    distortion: tuple[float, float, float, float] | None = None


@record
class Aircraft:
    """A multirotor: speeds, energy, limits and turns; ``source`` names the specification.

    ``autopilot``: whose files it reads. ``weight_class`` as in the regulations of 2024-01-01 (国令761).
    ``hover_s`` and ``cruise_s``: time aloft of a full ``battery_wh`` in still air, hovering and at
    ``cruise_m_s``. ``turn``: "stop" halts at every corner, "coordinated" rounds those off the lines; at
    the ends of lines an ArduPilot or PX4 mission halts anyway.
    ``position_period_s``: how often the position is renewed that the trigger distance is measured on.
    ``dji_drone`` and ``dji_payload``: (enum, sub-enum) of WPML, None where it is not of that maker.
    """

    name: str
    make: str
    model: str
    autopilot: Literal["ardupilot", "px4", "dji"]
    weight_class: Literal["micro", "light", "small", "medium", "large"]
    takeoff_mass_kg: float
    cameras: tuple[str, ...]
    battery_wh: float
    hover_s: float
    cruise_s: float
    cruise_m_s: float
    max_speed_m_s: float
    acceleration_m_s2: float
    climb_m_s: float
    descent_m_s: float
    max_wind_m_s: float
    turn: Literal["stop", "coordinated"]
    position_period_s: float
    source: str
    dji_drone: tuple[int, int] | None = None
    dji_payload: tuple[int, int] | None = None
