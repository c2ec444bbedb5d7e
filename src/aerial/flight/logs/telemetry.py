"""A ground station's log of what came over the link (.tlog): microseconds since 1970 before each frame.

The stamps are of the station's clock, 8 bytes big-endian; the frames are MAVLink 1 or 2. Only the
messages of shots are decoded. They are preferred by their own times: a radio delivers late.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from aerial.errors import InputError
from aerial.flight.logs import log as shared
from aerial.flight.logs.log import Log
from aerial.flight.mavlink import Codec, Message
from aerial.geo import LonLat
from aerial.records import Finding, ShotRecord

STAMP = 8
_MARKER_1, _MARKER_2 = 0xFE, 0xFD
_CHUNK = 1 << 20
_LONGEST = STAMP + 10 + 255 + 2 + 13
# CAMERA_FEEDBACK, CAMERA_IMAGE_CAPTURED.
_FEEDBACK, _CAPTURED = 180, 263


@dataclass(slots=True)
class _Found:
    """What a pass over the file found; shots by the message and the vehicle that told them."""

    shots: dict[tuple[int, int], list[ShotRecord]] = field(default_factory=dict)
    frames: int = 0
    broken: int = 0
    cut: bool = False
    placeless: int = 0
    failed: int = 0


def read_telemetry(path: Path) -> Log:
    """Return the shots of a .tlog; see ``read_log``.

    Raises:
        InputError: it holds no frame, or tells of more shots than a flight has.
    """
    found = _Found()
    codec = Codec(system=255, component=0)
    for stamp_s, kind, frame in _frames(path, found):
        for message in codec.feed(frame):
            _take(found, message, kind, stamp_s)
        if sum(map(len, found.shots.values())) > shared.MOST_SHOTS:
            raise shared.refuse_flood(path)
    if not found.frames:
        raise InputError(
            f"{path.name} holds no MAVLink frame.", hint="Give the .tlog as the station wrote it."
        )
    return Log(kind="tlog", shots=_chosen(found), lossy=True, utc=False, findings=_findings(path, found))


def _frames(path: Path, found: _Found) -> Iterator[tuple[float, int, bytes]]:
    """Yield (time of arrival, message, frame) of the frames of shots; the file is read in pieces."""
    data, at, synced = b"", 0, True
    with path.open("rb") as file:
        while True:
            if len(data) - at < _LONGEST:
                more = file.read(_CHUNK)
                data, at = data[at:] + more, 0
                if not more and len(data) <= STAMP:
                    found.cut |= bool(data)
                    return
            length = _length(data, at + STAMP)
            if length is None:
                found.broken, synced = found.broken + synced, False
                at += 1
                continue
            end = at + STAMP + length
            if end > len(data):
                found.cut = True
                return
            # A frame is believed where another follows it: a stray byte may look like a marker.
            if end + STAMP < len(data) and data[end + STAMP] not in (_MARKER_1, _MARKER_2):
                found.broken, synced = found.broken + synced, False
                at += 1
                continue
            synced = True
            found.frames += 1
            kind = _kind(data, at + STAMP)
            if kind in (_FEEDBACK, _CAPTURED):
                stamp_s = int.from_bytes(data[at : at + STAMP], "big") / 1e6
                yield stamp_s, kind, data[at + STAMP : end]
            at = end


def _length(data: bytes, at: int) -> int | None:
    if at + 3 > len(data):
        return None
    if data[at] == _MARKER_1:
        return 6 + data[at + 1] + 2
    if data[at] == _MARKER_2:
        return 10 + data[at + 1] + 2 + (13 if data[at + 2] & 1 else 0)
    return None


def _kind(data: bytes, at: int) -> int:
    if data[at] == _MARKER_1:
        return data[at + 5]
    return int.from_bytes(data[at + 7 : at + 10], "little")


def _take(found: _Found, message: Message, kind: int, stamp_s: float) -> None:
    if message.get_msgId() != kind:
        return
    if kind == _CAPTURED and message.capture_result == 0:
        found.failed += 1
        return
    lat, lon = message.lat / 1e7, (message.lng if kind == _FEEDBACK else message.lon) / 1e7
    if (lat == 0 and lon == 0) or abs(lat) > 90 or abs(lon) > 180:
        found.placeless += 1
        return
    place = LonLat(lon_deg=lon, lat_deg=lat)
    shot = _of_feedback(message, place, stamp_s) if kind == _FEEDBACK else _of_capture(message, place)
    found.shots.setdefault((kind, message.get_srcSystem()), []).append(shot)


def _of_feedback(message: Message, place: LonLat, stamp_s: float) -> ShotRecord:
    return ShotRecord(
        index=message.img_idx,
        time_s=message.time_usec / 1e6 if message.time_usec else stamp_s,
        at=place,
        altitude_amsl_m=message.alt_msl,
        height_above_home_m=message.alt_rel,
        roll_deg=message.roll,
        pitch_deg=message.pitch,
        yaw_deg=message.yaw % 360,
        source="tlog",
    )


def _of_capture(message: Message, place: LonLat) -> ShotRecord:
    # Its attitude is the camera's, of which nothing is said where there is none.
    return ShotRecord(
        index=message.image_index,
        time_s=message.time_boot_ms / 1e3,
        at=place,
        altitude_amsl_m=message.alt / 1e3,
        height_above_home_m=message.relative_alt / 1e3,
        roll_deg=None,
        pitch_deg=None,
        yaw_deg=None,
        source="tlog",
    )


def _chosen(found: _Found) -> tuple[ShotRecord, ...]:
    """Return what one vehicle tells by one message: most shots win, CAMERA_FEEDBACK on a tie."""
    if not found.shots:
        return ()
    best = max(found.shots, key=lambda key: (len(shared.in_order(found.shots[key])), key[0] == _FEEDBACK))
    return tuple(found.shots[best])


def _findings(path: Path, found: _Found) -> tuple[Finding, ...]:
    findings = []
    if found.cut:
        findings.append(shared.cut_short(path))
    if found.broken:
        findings.append(shared.damaged(path, found.broken))
    if found.placeless:
        findings.append(shared.no_fix(path, found.placeless))
    if found.failed:
        findings.append(
            shared.warn(
                "capture_failed",
                f"The camera told of {found.failed} photograph(s) that it could not take.",
                "Check its card and its battery.",
            )
        )
    vehicles = Counter(system for _, system in found.shots)
    if len(vehicles) > 1:
        findings.append(
            shared.warn(
                "vehicles",
                f"{len(vehicles)} vehicles tell of shots in {path.name}; the one with the most is used.",
                "Give the photographs of that vehicle.",
            )
        )
    return tuple(findings)
