"""Logs made by code: DataFlash messages, telemetry with its stamps, lines of JSON."""

import json
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from aerial.flight.mavlink import Codec, dialect

UNIX_S = 1_790_000_000.0
NEW = ("QBHIHLLeeeccC", "TimeUS,I,Img,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,R,P,Y")
MIDDLE = ("QIHLLeeeccC", "TimeUS,GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,GPSAlt,Roll,Pitch,Yaw")
OLD = ("IHLLeeccC", "GPSTime,GPSWeek,Lat,Lng,Alt,RelAlt,Roll,Pitch,Yaw")
_STRUCT = {
    "Q": "Q",
    "B": "B",
    "H": "H",
    "I": "I",
    "L": "i",
    "e": "i",
    "c": "h",
    "C": "H",
    "f": "f",
    "N": "16s",
}
_SCALE = {"L": 1e7, "e": 100.0, "c": 100.0, "C": 100.0}


def fmt(kind: int, name: str, types: str, columns: str, length: int | None = None) -> bytes:
    """Return the message that describes messages of ``kind``."""
    size = struct.calcsize("<" + "".join(_STRUCT[letter] for letter in types)) + 3
    body = (length or size, name.encode(), types.encode(), columns.encode())
    return b"\xa3\x95\x80" + struct.pack("<BB4s16s64s", kind, *body)


def row(kind: int, types: str, columns: str, values: dict[str, float]) -> bytes:
    """Return one message; what ``values`` lacks is 0."""
    packed = [
        round(values.get(name, 0) * _SCALE.get(letter, 1))
        for letter, name in zip(types, columns.split(","), strict=True)
    ]
    return bytes([0xA3, 0x95, kind]) + struct.pack(
        "<" + "".join(_STRUCT[letter] for letter in types), *packed
    )


def values_of(number: int, **changes: float) -> dict[str, float]:
    """Return what a shot says: the first (1) at 100 s after boot, one every 2 s."""
    after_boot = 98.0 + 2.0 * number
    gps_s = UNIX_S + 2.0 * number - 315_964_800 + 18
    week, of_week = divmod(gps_s, 604_800)
    told = {
        "TimeUS": after_boot * 1e6, "I": 0, "Img": number, "GPSTime": int(of_week * 5) * 200, "GPSWeek": week,
        "Lat": 22.8 + 1e-4 * number, "Lng": 113.8, "Alt": 110.25, "RelAlt": 100.5, "GPSAlt": 111.0,
        "R": 1.5, "P": -22.75, "Y": 271.25, "Roll": 1.5, "Pitch": -22.75, "Yaw": 271.25,
    }  # fmt: skip
    return told | changes


def dataflash(
    numbers: Iterable[int], layout: tuple[str, str] = NEW, *, name: str = "CAM", **changes: float
) -> bytes:
    """Return a .BIN with other messages between its shots."""
    types, columns = layout
    parts = [
        fmt(0x80, "FMT", "BBN", "Type,Length,Name", 89),
        fmt(30, "ATT", "QccC", "TimeUS,Roll,Pitch,Yaw"),
        fmt(31, name, types, columns),
    ]
    for number in numbers:
        parts += [row(30, "QccC", "TimeUS,Roll,Pitch,Yaw", {"TimeUS": 1e6 * number})] * 3
        parts.append(row(31, types, columns, values_of(number, **changes)))
    return b"".join(parts)


def feedback(index: int, *, time_s: float | None = None, lat_deg: float = 22.8) -> Any:
    """Return a CAMERA_FEEDBACK."""
    moment = UNIX_S + 2.0 * index if time_s is None else time_s
    return dialect.MAVLink_camera_feedback_message(
        int(moment * 1e6),
        1,
        0,
        index,
        int(lat_deg * 1e7),
        1138000000,
        110.25,
        100.5,
        1.5,
        -22.75,
        271.25,
        0,
        0,
    )


def captured(index: int, *, result: int = 1) -> Any:
    """Return a CAMERA_IMAGE_CAPTURED."""
    return dialect.MAVLink_camera_image_captured_message(
        1000 * index, 0, 0, 228000000, 1138000000, 110250, 100500, [1, 0, 0, 0], index, result, b""
    )


def tlog(messages: Sequence[Any], *, system: int = 1) -> bytes:
    """Return a .tlog, a heartbeat before each message."""
    codec = Codec(system=system, component=1)
    parts = []
    for number, message in enumerate(messages):
        beat = dialect.MAVLink_heartbeat_message(2, 3, 0, 0, 4, 3)
        stamp = struct.pack(">Q", int((UNIX_S + number) * 1e6))
        parts += [stamp + codec.pack(one) for one in (beat, message)]
    return b"".join(parts)


def line(number: int, **changes: Any) -> str:
    """Return a line of flight.jsonl."""
    told = {
        "time": "2026-11-28T06:20:00.123Z", "event": "shot", "index": number, "time_s": UNIX_S + 2.0 * number,
        "lon_deg": 113.8, "lat_deg": 22.8, "altitude_amsl_m": 110.0, "height_above_home_m": 100.0,
        "roll_deg": 0.5, "pitch_deg": -3.0, "yaw_deg": 90.0, "source": "feedback",
    }  # fmt: skip
    return json.dumps(told | changes) + "\n"
