"""A position into a JPEG without touching the picture: EXIF GPS tags and DJI's XMP names.

Nothing is encoded again. The EXIF block is only appended to: a new GPS directory and a new copy of the
first directory go to its end, so that everything in it stays at its offset, a maker's notes included.
Sources: EXIF 2.32 (CIPA DC-008), TIFF 6.0, XMP specification part 3.
"""

import re
import struct
from datetime import UTC, datetime

from aerial.errors import PhotoError
from aerial.records import ShotRecord

_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_APP0, _APP1, _SOS = 0xE0, 0xE1, 0xDA
_MOST = 65_533
_GPS_TAG, _LONG, _ASCII, _BYTE, _RATIONAL = 0x8825, 4, 2, 1, 5
_SIZE = {_BYTE: 1, _ASCII: 1, _LONG: 4, _RATIONAL: 8}
# What is written, and what would contradict it: DJI's position, heights, attitude and RTK quality.
_OURS = rb"(?:Absolute|Relative)Altitude|Gps(?:Latitude|Longitude|Longtitude)|Flight\w+Degree|Rtk\w+"
_ATTRIBUTE = re.compile(rb"\s+drone-dji:(?:" + _OURS + rb")\s*=\s*(?:\"[^\"]*\"|'[^']*')")
_ELEMENT = re.compile(rb"<drone-dji:(" + _OURS + rb")>[^<]*</drone-dji:\1>")
_END = b"</rdf:RDF>"
_PACKET = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'</rdf:RDF></x:xmpmeta>\n<?xpacket end="w"?>'
)
Entry = tuple[int, int, bytes]  # tag, type, value


def with_position(jpeg: bytes, shot: ShotRecord, name: str, *, utc: bool) -> bytes:
    """Return ``jpeg`` with the position of ``shot``; every other byte of it is kept.

    ``utc``: the shot's time is written too.

    Raises:
        PhotoError: the file is no JPEG, or has no room for more.
    """
    segments, rest = _segments(jpeg, name)
    exif = next((n for n, (kind, body) in enumerate(segments) if _is(kind, body, _EXIF)), None)
    old = None if exif is None else segments[exif][1][len(_EXIF) :]
    new_exif = (_APP1, _EXIF + _with_gps(old, _gps(shot, utc=utc), name))
    packet = next((n for n, (kind, body) in enumerate(segments) if _is(kind, body, _XMP)), None)
    old_xmp = _PACKET if packet is None else segments[packet][1][len(_XMP) :]
    new_xmp = (_APP1, _XMP + _with_names(old_xmp, shot, name))
    if packet is not None:
        segments[packet] = new_xmp
    if exif is not None:
        segments[exif] = new_exif
    else:
        exif = int(bool(segments) and segments[0][0] == _APP0)
        segments.insert(exif, new_exif)
    if packet is None:
        segments.insert(exif + 1, new_xmp)
    if max(len(body) for _, body in (new_exif, new_xmp)) > _MOST:
        raise PhotoError(
            f"The metadata of {name} has no room for a position.",
            hint="Write the positions to a file beside the photographs with --sidecar.",
        )
    parts = [b"\xff\xd8"]
    for kind, body in segments:
        parts += [struct.pack(">BBH", 0xFF, kind, len(body) + 2), body]
    return b"".join([*parts, rest])


def _is(kind: int, body: bytes, head: bytes) -> bool:
    return kind == _APP1 and body.startswith(head)


def _segments(jpeg: bytes, name: str) -> tuple[list[tuple[int, bytes]], bytes]:
    """Return the segments before the picture, and the rest from there on."""
    found: list[tuple[int, bytes]] = []
    at = 2
    while jpeg[:2] == b"\xff\xd8" and at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        kind = jpeg[at + 1]
        if kind == 0xFF:  # filling
            at += 1
            continue
        if kind == _SOS:
            return found, jpeg[at:]
        (length,) = struct.unpack_from(">H", jpeg, at + 2)
        if length < 2 or at + 2 + length > len(jpeg):
            break
        found.append((kind, jpeg[at + 4 : at + 2 + length]))
        at += 2 + length
    raise PhotoError(f"{name} is not a readable JPEG.", hint="Copy it from the memory card again.")


def _gps(shot: ShotRecord, *, utc: bool) -> list[Entry]:
    """Return the GPS tags of a shot, values as bytes in the order of the file (here: big-endian)."""
    lat, lon = shot.at.lat_deg, shot.at.lon_deg
    entries: list[Entry] = [
        (0, _BYTE, b"\x02\x03\x00\x00"),
        (1, _ASCII, b"S\0" if lat < 0 else b"N\0"),
        (2, _RATIONAL, _sexagesimal(lat)),
        (3, _ASCII, b"W\0" if lon < 0 else b"E\0"),
        (4, _RATIONAL, _sexagesimal(lon)),
    ]
    if shot.altitude_amsl_m is not None:
        entries.append((5, _BYTE, bytes([shot.altitude_amsl_m < 0])))
        entries.append((6, _RATIONAL, _rational(abs(shot.altitude_amsl_m), 1000)))
    if utc:
        taken = datetime.fromtimestamp(round(shot.time_s, 3), UTC)
        second = taken.second + taken.microsecond / 1e6
        clock = _rational(taken.hour, 1) + _rational(taken.minute, 1) + _rational(second, 1000)
        entries.append((7, _RATIONAL, clock))
        entries.append((29, _ASCII, taken.strftime("%Y:%m:%d").encode() + b"\0"))
    if shot.yaw_deg is not None:
        entries.append((16, _ASCII, b"T\0"))
        entries.append((17, _RATIONAL, _rational(shot.yaw_deg % 360, 100)))
    entries.append((18, _ASCII, b"WGS-84\0"))
    return sorted(entries)


def _rational(value: float, divisor: int) -> bytes:
    return struct.pack(">II", round(value * divisor), divisor)


def _sexagesimal(degrees: float) -> bytes:
    micro = round(abs(degrees) * 3600 * 1_000_000)
    minutes, micro = divmod(micro, 60_000_000)
    whole, minutes = divmod(minutes, 60)
    return _rational(whole, 1) + _rational(minutes, 1) + struct.pack(">II", micro, 1_000_000)


def _with_gps(old: bytes | None, entries: list[Entry], name: str) -> bytes:
    """Return the TIFF of an EXIF block with these GPS tags instead of any it had."""
    tiff = bytearray(old or b"MM\x00\x2a\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")
    order = {b"MM": ">", b"II": "<"}.get(bytes(tiff[:2]))
    broken = PhotoError(
        f"The EXIF data of {name} is damaged.", hint="Copy the photograph from the memory card again."
    )
    if order is None:
        raise broken
    try:
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, first)
        kept = [bytes(tiff[first + 2 + 12 * n : first + 14 + 12 * n]) for n in range(count)]
        (following,) = struct.unpack_from(order + "I", tiff, first + 2 + 12 * count)
    except struct.error as exc:
        raise broken from exc
    tiff += b"\0" * (len(tiff) % 2)
    gps_at = len(tiff)
    tiff += _directory(entries, gps_at, order)
    first = len(tiff)
    pointer = struct.pack(order + "HHII", _GPS_TAG, _LONG, 1, gps_at)
    kept = [entry for entry in kept if struct.unpack_from(order + "H", entry)[0] != _GPS_TAG] + [pointer]
    kept.sort(key=lambda entry: struct.unpack_from(order + "H", entry)[0])
    tiff += struct.pack(order + "H", len(kept)) + b"".join(kept) + struct.pack(order + "I", following)
    struct.pack_into(order + "I", tiff, 4, first)
    return bytes(tiff)


def _directory(entries: list[Entry], at: int, order: str) -> bytes:
    """Return a TIFF directory that begins at ``at``, its values behind it."""
    values_at = at + 2 + 12 * len(entries) + 4
    table, values = struct.pack(order + "H", len(entries)), b""
    for tag, kind, value in entries:
        count = len(value) // _SIZE[kind]
        own = value if kind != _RATIONAL else struct.pack(f"{order}{2 * count}I", *_big(value))
        if len(own) <= 4:
            table += struct.pack(order + "HHI", tag, kind, count) + own.ljust(4, b"\0")
            continue
        table += struct.pack(order + "HHII", tag, kind, count, values_at + len(values))
        values += own + b"\0" * (len(own) % 2)
    return table + b"\0\0\0\0" + values


def _big(value: bytes) -> tuple[int, ...]:
    return struct.unpack(f">{len(value) // 4}I", value)


def _with_names(packet: bytes, shot: ShotRecord, name: str) -> bytes:
    """Return an XMP packet with heights and attitude under DJI's names, which photogrammetry reads."""
    values = {
        "AbsoluteAltitude": shot.altitude_amsl_m,
        "RelativeAltitude": shot.height_above_home_m,
        "FlightRollDegree": shot.roll_deg,
        "FlightPitchDegree": shot.pitch_deg,
        "FlightYawDegree": None if shot.yaw_deg is None else (shot.yaw_deg + 180) % 360 - 180,
    }
    attributes = "".join(
        f' drone-dji:{key}="{value:+.3f}"' for key, value in values.items() if value is not None
    )
    before, end, after = _ELEMENT.sub(b"", _ATTRIBUTE.sub(b"", packet)).rpartition(_END)
    if not end:
        raise PhotoError(
            f"The XMP data of {name} is damaged.",
            hint="Write the positions to a file beside the photographs with --sidecar.",
        )
    own = (
        '<rdf:Description rdf:about="" xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/"'
        + attributes
        + "/>"
    )
    return before + own.encode() + end + after
