"""One photograph as the aircraft tells it."""

from typing import Literal

from aerial.geo import LonLat
from aerial.records.record import record


@record
class ShotRecord:
    """Where and when the shutter was fired, from CAMERA_FEEDBACK, CAMERA_IMAGE_CAPTURED or a log.

    ``index`` as the vehicle counts it (the first of a flight need not be 1). ``time_s``: seconds of the
    vehicle's clock; only differences count. ``yaw_deg`` 0-360 of the airframe, from north.
    """

    index: int
    time_s: float
    at: LonLat
    altitude_amsl_m: float | None
    height_above_home_m: float | None
    roll_deg: float | None
    pitch_deg: float | None
    yaw_deg: float | None
    source: Literal["feedback", "captured", "bin", "tlog"]
