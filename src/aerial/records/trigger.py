"""Where one photograph of a plan is due."""

from aerial.geo import LonLat
from aerial.records.record import record


@record
class TriggerPoint:
    """One photograph; ``photo`` counts from 1 in its sortie, ``yaw_deg`` is the course, from north.

    Positions to 8 decimals, heights over take-off to the millimetre, yaw to 0.01 degrees in 0-360.
    """

    sortie: int
    line: int | None
    photo: int
    at: LonLat
    height_above_takeoff_m: float
    yaw_deg: float
