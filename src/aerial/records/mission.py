"""What an autopilot that speaks MAVLink is given: one item of a mission."""

from aerial.records.record import record

Params = tuple[float, float, float, float, float, float, float]


@record
class MissionItem:
    """One item; ``seq`` as uploaded, ``frame`` and ``command`` are MAV_FRAME and MAV_CMD numbers.

    ``params``: param1 to param7. Where the command has a place, param5 is latitude, param6 longitude
    (degrees, to 8 decimals) and param7 height in metres (to the millimetre), over home in frame 3 and
    over sea level in frame 0. NaN means "not given"; only PX4 is sent it.
    """

    seq: int
    frame: int
    command: int
    params: Params
