"""Parameters under the names of ArduCopter 4.7, with its stock values, and the protocol that reads them.

4.7 renamed many (RTL_ALT in centimetres became RTL_ALT_M in metres); an old name gets no reply at all, as
from the real one. Values are those of a stock build and of what was measured, as far as they matter here.
"""

from collections.abc import Iterator, MutableMapping, Sequence

import numpy as np

from aerial.flight.mavlink import Message, dialect

STOCK: dict[str, float] = {
    "ARMING_NEED_LOC": 0, "ARMING_SKIPCHK": 0, "AUTO_OPTIONS": 3, "BATT_ARM_VOLT": 0, "BATT_CAPACITY": 3300,
    "BATT_CRT_MAH": 0, "BATT_CRT_VOLT": 0, "BATT_FS_CRT_ACT": 0, "BATT_FS_LOW_ACT": 0, "BATT_LOW_MAH": 0,
    "BATT_LOW_TIMER": 10, "BATT_LOW_VOLT": 10.5, "BATT_MONITOR": 4, "CAM1_DURATION": 0.1,
    "CAM1_FEEDBAK_PIN": -1, "CAM1_INTRVAL_MIN": 0, "CAM1_TRIGG_DIST": 0, "CAM1_TYPE": 1, "CAM2_TYPE": 0,
    "DISARM_DELAY": 10, "FENCE_ACTION": 1, "FENCE_ALT_MAX": 100, "FENCE_ALT_MIN": -10, "FENCE_AUTOENABLE": 0,
    "FENCE_ENABLE": 0, "FENCE_MARGIN": 2, "FENCE_OPTIONS": 1, "FENCE_RADIUS": 150, "FENCE_TOTAL": 0,
    "FENCE_TYPE": 7, "FRAME_CLASS": 1, "FS_EKF_ACTION": 1, "FS_GCS_ENABLE": 0, "FS_GCS_TIMEOUT": 5,
    "FS_OPTIONS": 16, "FS_THR_ENABLE": 1, "GPS1_TYPE": 1, "LAND_ALT_LOW_M": 10, "LAND_SPD_HIGH_MS": 0,
    "LAND_SPD_MS": 0.5, "LOG_BACKEND_TYPE": 1, "MAV_GCS_SYSID": 255, "MAV_SYSID": 1, "MIS_OPTIONS": 0,
    "MIS_RESTART": 0, "MIS_TOTAL": 0, "MNT1_TYPE": 0, "RALLY_INCL_HOME": 1, "RALLY_LIMIT_KM": 0.3,
    "RALLY_TOTAL": 0, "RTL_ALT_FINAL_M": 0, "RTL_ALT_M": 15, "RTL_CLIMB_MIN_M": 0, "RTL_CONE_SLOPE": 3,
    "RTL_LOIT_TIME": 5000, "RTL_SPEED_MS": 0, "SERVO9_FUNCTION": 10, "SIM_SPEEDUP": 1, "TERRAIN_ENABLE": 1,
    "TERRAIN_SPACING": 100, "WP_ACC": 2.5, "WP_ACC_Z": 1, "WP_NAVALT_MIN": 0, "WP_RADIUS_M": 2,
    "WP_RFND_USE": 1, "WP_SPD": 10, "WP_SPD_DN": 1.5, "WP_SPD_UP": 2.5, "WP_YAW_BEHAVIOR": 2,
}  # fmt: skip
_REAL32 = dialect.MAV_PARAM_TYPE_REAL32


class Parameters(MutableMapping[str, float]):
    """The table of one vehicle; ``changed`` replace stock values. Values are held in 32 bits."""

    def __init__(self, changed: Sequence[tuple[str, float]] = ()) -> None:
        self._values = {name: float(np.float32(value)) for name, value in sorted(STOCK.items())}
        for name, value in changed:
            self[name] = value

    def __getitem__(self, name: str) -> float:
        """Return a value; ``KeyError`` for a name that 4.7 does not have."""
        return self._values[name]

    def __setitem__(self, name: str, value: float) -> None:
        """Set a value; ``KeyError`` for a name that 4.7 does not have."""
        if name not in self._values:
            raise KeyError(name)
        self._values[name] = float(np.float32(value))

    def __delitem__(self, name: str) -> None:
        """Refuse: a firmware's table is what it is."""
        raise TypeError(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names in order."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._values)

    def hear(self, message: Message) -> list[Message]:
        """Answer a request to read, list or set; an unknown name gets no answer."""
        kind = message.get_type()
        names = list(self._values)
        if kind == "PARAM_REQUEST_LIST":
            return [self._value(name) for name in names]
        if kind == "PARAM_REQUEST_READ":
            index = message.param_index
            name = message.param_id if index < 0 else names[index] if index < len(names) else ""
            return [self._value(name)] if name in self._values else []
        if kind == "PARAM_SET" and message.param_id in self._values and np.isfinite(message.param_value):
            self[message.param_id] = message.param_value
            return [self._value(message.param_id)]
        return []

    def _value(self, name: str) -> Message:
        names = list(self._values)
        return dialect.MAVLink_param_value_message(
            name.encode("ascii"), self._values[name], _REAL32, len(names), names.index(name)
        )
