"""ArduPilot's own log on its card (.BIN): messages that describe themselves.

Each begins with A3 95 and a type; messages of type 80 (FMT) give the length, the fields and their types
of the others. Only CAM is looked at (TRIG where there is none): names, never places of fields, since the
layout of CAM differs by firmware. Source: ArduPilot developer documentation, "Log file format".
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from aerial.errors import InputError
from aerial.flight.logs import log as shared
from aerial.flight.logs.log import Log
from aerial.geo import LonLat
from aerial.records import Finding, ShotRecord
from aerial.records.record import record

HEAD = b"\xa3\x95"
_FMT, _FMT_LENGTH = 0x80, 89
_CHUNK = 1 << 20
# Type letter -> struct letter and divisor.
_TYPES: dict[str, tuple[str, float]] = {
    "b": ("b", 1), "B": ("B", 1), "h": ("h", 1), "H": ("H", 1), "i": ("i", 1), "I": ("I", 1),
    "q": ("q", 1), "Q": ("Q", 1), "f": ("f", 1), "d": ("d", 1), "c": ("h", 100), "C": ("H", 100),
    "e": ("i", 100), "E": ("I", 100), "L": ("i", 1e7), "M": ("B", 1), "n": ("4s", 1), "N": ("16s", 1),
    "Z": ("64s", 1), "a": ("64s", 1), "g": ("e", 1),
}  # fmt: skip
_GPS_EPOCH_S, _WEEK_S, _LEAP_S = 315_964_800, 604_800, 18  # leap seconds since 2017
_LEAST_WEEK = 1000


@record
class _Layout:
    name: str
    parser: struct.Struct
    divisors: tuple[float, ...]
    columns: tuple[str, ...]


@dataclass(slots=True)
class _Found:
    """What a pass over the file found."""

    rows: dict[str, list[dict[str, float]]] = field(default_factory=lambda: {"CAM": [], "TRIG": []})
    formats: int = 0
    broken: int = 0
    cut: bool = False


def read_dataflash(path: Path) -> Log:
    """Return the shots of a .BIN log; see ``read_log``.

    Raises:
        InputError: it describes none of its messages, or tells of more shots than a flight has.
    """
    found = _Found()
    for name, row in _messages(path, found):
        found.rows[name].append(row)
        if len(found.rows[name]) > shared.MOST_SHOTS:
            raise shared.refuse_flood(path)
    if not found.formats:
        raise InputError(
            f"{path.name} begins like an ArduPilot log and describes no message.",
            hint="Copy the log from the vehicle's card again.",
        )
    findings: list[Finding] = []
    if found.cut:
        findings.append(shared.cut_short(path))
    if found.broken:
        findings.append(shared.damaged(path, found.broken))
    name = "CAM" if found.rows["CAM"] else "TRIG"
    if found.rows["TRIG"] and name == "TRIG":
        findings.append(
            shared.warn(
                "triggers_only",
                f"{path.name} tells when the camera was triggered, not whether it answered.",
                "Wire the camera's hot shoe to CAM1_FEEDBAK_PIN to have photographs logged.",
            )
        )
    shots, more = _shots(path, found.rows[name])
    weeks = [row.get("GPSWeek", 0) for row in found.rows[name]]
    utc = bool(weeks) and min(weeks) > _LEAST_WEEK
    return Log(kind="dataflash", shots=shots, lossy=bool(found.broken), utc=utc, findings=(*findings, *more))


def _messages(path: Path, found: _Found) -> Iterator[tuple[str, dict[str, float]]]:
    """Yield the rows of CAM and TRIG; the file is read in pieces."""
    lengths = {_FMT: _FMT_LENGTH}
    wanted: dict[int, _Layout] = {}
    data, at, synced = b"", 0, True
    with path.open("rb") as file:
        while True:
            if len(data) - at < 256:
                more = file.read(_CHUNK)
                data, at = data[at:] + more, 0
                if len(data) < 3:
                    found.cut |= bool(data)
                    return
            end = at + (
                lengths.get(data[at + 2], 0) if data.startswith(HEAD, at) and at + 2 < len(data) else 0
            )
            if end == at:
                found.broken, synced = found.broken + synced, False
                at = _next_head(data, at + 1)
                continue
            if end > len(data):
                found.cut = True
                return
            synced = True
            kind = data[at + 2]
            if kind == _FMT:
                found.formats += _learn(data[at + 3 : end], lengths, wanted)
            elif kind in wanted:
                yield wanted[kind].name, _row(wanted[kind], data[at + 3 : end])
            at = end


def _next_head(data: bytes, at: int) -> int:
    place = data.find(HEAD, at)
    # The last byte may be the first of a head.
    return place if place >= 0 else max(len(data) - 1, at)


def _learn(body: bytes, lengths: dict[int, int], wanted: dict[int, _Layout]) -> int:
    """Take a description in; return 1 if it made sense."""
    kind, length = body[0], body[1]
    name, types, columns = (
        part.split(b"\0")[0].decode("ascii", "replace") for part in (body[2:6], body[6:22], body[22:86])
    )
    if length < 3 or kind == _FMT or not name.isalnum():
        return int(kind == _FMT and length == _FMT_LENGTH)
    lengths[kind] = length
    wanted.pop(kind, None)
    names = tuple(columns.split(","))
    if name in ("CAM", "TRIG") and all(letter in _TYPES for letter in types) and len(names) == len(types):
        parser = struct.Struct("<" + "".join(_TYPES[letter][0] for letter in types))
        if parser.size == length - 3:
            divisors = tuple(_TYPES[letter][1] for letter in types)
            wanted[kind] = _Layout(name=name, parser=parser, divisors=divisors, columns=names)
    return 1


def _row(layout: _Layout, body: bytes) -> dict[str, float]:
    values = layout.parser.unpack(body)
    return {
        name: value / divisor
        for name, value, divisor in zip(layout.columns, values, layout.divisors, strict=True)
        if isinstance(value, int | float)
    }


def _shots(path: Path, rows: list[dict[str, float]]) -> tuple[tuple[ShotRecord, ...], list[Finding]]:
    """Return the shots of one camera: that with the most, where there are several."""
    findings = []
    cameras = Counter(row.get("I", 0) for row in rows)
    if len(cameras) > 1:
        (camera, count), *_ = cameras.most_common(1)
        findings.append(
            shared.warn(
                "cameras",
                f"{path.name} tells of {len(cameras)} cameras; the one with most shots ({count}) is used.",
                "Give the photographs of that camera.",
            )
        )
        rows = [row for row in rows if row.get("I", 0) == camera]
    # The time of the last position fix is up to 0.2 s old; that of the message is not.
    utc = [_utc_s(row) - row["TimeUS"] / 1e6 for row in rows if "TimeUS" in row and _utc_s(row)]
    ahead = median(utc) if utc else 0.0
    counted = len({row.get("Img") for row in rows}) > 1
    shots = []
    for number, row in enumerate(rows, start=1):
        place = _place(row)
        if place is not None:
            time_s = row["TimeUS"] / 1e6 + ahead if "TimeUS" in row else _utc_s(row)
            index = int(row["Img"]) if counted else number
            shots.append(_shot(row, index, time_s, place))
    if len(shots) < len(rows):
        findings.append(shared.no_fix(path, len(rows) - len(shots)))
    return tuple(shots), findings


def _utc_s(row: dict[str, float]) -> float:
    week = row.get("GPSWeek", 0)
    if week <= _LEAST_WEEK:
        return 0.0
    return _GPS_EPOCH_S + week * _WEEK_S + row.get("GPSTime", 0) / 1000 - _LEAP_S


def _place(row: dict[str, float]) -> LonLat | None:
    lon, lat = row.get("Lng", 0.0), row.get("Lat", 0.0)
    if (lon == 0 and lat == 0) or abs(lat) > 90 or abs(lon) > 180:
        return None
    return LonLat(lon_deg=lon, lat_deg=lat)


def _shot(row: dict[str, float], index: int, time_s: float, place: LonLat) -> ShotRecord:
    return ShotRecord(
        index=index,
        time_s=time_s,
        at=place,
        altitude_amsl_m=row.get("Alt"),
        height_above_home_m=row.get("RelAlt"),
        roll_deg=row.get("R", row.get("Roll")),
        pitch_deg=row.get("P", row.get("Pitch")),
        yaw_deg=row.get("Y", row.get("Yaw")),
        source="bin",
    )
