"""The vehicle's own log of a flight, written as an ArduPilot DataFlash file (.BIN).

Source: ArduPilot's log documentation (ardupilot.org/copter/docs/logmessages.html) for the messages, and
the self-describing FMT message for the layout.
"""

import struct
from collections.abc import Mapping
from pathlib import Path

from aerial.codec import replacing

_HEAD = b"\xa3\x95"
_FMT = 128
# What a format letter packs as; L is degrees times 1e7, e hundredths in 32 bits, c the same in 16.
_PACKED = {"B": "B", "H": "H", "I": "I", "Q": "Q", "f": "f", "L": "i", "e": "i", "C": "H", "M": "B",
           "n": "4s", "N": "16s", "Z": "64s"}  # fmt: skip
_SCALED = {"L": 1e7, "e": 100.0, "C": 100.0}
# Name: number, format, columns.
_KINDS = {
    "FMT": (_FMT, "BBnNZ", "Type,Length,Name,Format,Columns"),
    "PARM": (129, "QNff", "TimeUS,Name,Value,Default"),
    "MSG": (130, "QZ", "TimeUS,Message"),
    "MODE": (131, "QMBB", "TimeUS,Mode,ModeNum,Rsn"),
    "ARM": (132, "QB", "TimeUS,ArmState"),
    "CMD": (133, "QHHHffffLLfB", "TimeUS,CTot,CNum,CId,Prm1,Prm2,Prm3,Prm4,Lat,Lng,Alt,Frame"),
    "GPS": (134, "QBBIHBCLLeffffB", "TimeUS,I,Status,GMS,GWk,NSats,HDop,Lat,Lng,Alt,Spd,GCrs,VZ,Yaw,U"),
    "CAM": (135, "QBHIHLLffffff", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y"),
}  # fmt: skip
_GPS_EPOCH_UNIX_S, _LEAP_S, _WEEK_S = 315_964_800, 18, 604_800

Value = float | str


class Journal:
    """What is to be logged, kept in memory."""

    def __init__(self, power_up_unix_s: float) -> None:
        self._start_s = power_up_unix_s
        self._rows: list[tuple[str, float, tuple[Value, ...]]] = []

    def add(self, name: str, time_s: float, *values: Value) -> None:
        """Take a row of message ``name``: its columns after TimeUS."""
        self._rows.append((name, time_s, values))

    def gps_time(self, time_s: float) -> tuple[int, int]:
        """Return milliseconds of the GPS week, and the week."""
        gps_s = self._start_s + time_s - _GPS_EPOCH_UNIX_S + _LEAP_S
        return int(gps_s % _WEEK_S * 1000), int(gps_s // _WEEK_S)

    def write(self, path: Path, parameters: Mapping[str, float]) -> None:
        """Write the file: formats, parameters, then all rows in order."""
        parts = [
            _packed("FMT", (number, _length(layout), name, layout, columns))
            for name, (number, layout, columns) in _KINDS.items()
        ]
        parts.append(_packed("MSG", (0, "ArduCopter V4.7.0-dev (simulated)")))
        parts += [_packed("PARM", (0, name, value, value)) for name, value in sorted(parameters.items())]
        parts += [_packed(name, (int(time_s * 1e6), *values)) for name, time_s, values in self._rows]
        with replacing(path) as beside:
            beside.write_bytes(b"".join(parts))


def _struct(layout: str) -> str:
    return "<" + "".join(_PACKED[letter] for letter in layout)


def _length(layout: str) -> int:
    return len(_HEAD) + 1 + struct.calcsize(_struct(layout))


def _packed(name: str, values: tuple[Value, ...]) -> bytes:
    number, layout, _ = _KINDS[name]
    raw: list[float | bytes] = []
    for letter, value in zip(layout, values, strict=True):
        if isinstance(value, str):
            raw.append(value.encode("ascii", "replace"))
        elif letter == "f":
            raw.append(value)
        else:
            raw.append(round(value * _SCALED.get(letter, 1.0)))
    return _HEAD + bytes([number]) + struct.pack(_struct(layout), *raw)
