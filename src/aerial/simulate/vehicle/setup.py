"""What a simulated vehicle is, and what is done to its link."""

from typing import Literal

from aerial.geo import LonLat
from aerial.records.record import record


@record
class Setup:
    """A vehicle at its home, before power-up.

    ``wind_from_deg`` clockwise from north. ``battery_s``: seconds of hovering in a full battery.
    ``parameters`` replace stock values, as a pilot would have set them. ``seed``: all randomness.
    ``ready_s``: after power-up until position and home are known. ``camera``: "none" has no
    trigger wired: it accepts the commands and fires nothing.
    """

    home: LonLat = LonLat(lon_deg=113.8, lat_deg=22.815)
    home_amsl_m: float = 10.0
    system: int = 1
    wind_speed_m_s: float = 0.0
    wind_from_deg: float = 0.0
    battery_s: float = 1200.0
    ready_s: float = 18.0
    parameters: tuple[tuple[str, float], ...] = ()
    seed: int = 1
    camera: Literal["servo", "none"] = "servo"


@record
class Impairment:
    """What a link does to frames, each way: shares 0-1, one-way delays in seconds."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
