"""What is read back from a peer: positions, moments, stages, and the files that go out."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from math import hypot
from pathlib import Path
from typing import Any, TypeVar

from aerial.errors import InputError
from aerial.geo import LonLat, in_frame, local_frame
from aerial.records import Case, Receipt
from aerial.sinks.sink import Ambiguous, Busy, Rejected

T = TypeVar("T")

AGREES_M = 0.1
_MOST_BYTES = 64 * 2**20  # of the files of one case
# Not the machine's own table, which differs from one to the next.
_TYPES = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".pdf": "application/pdf"}
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def first_look(look: Callable[[], T]) -> T:
    """Return what a look at the peer before anything was sent gives.

    Raises:
        Busy: it broke; unlike a break of the request that stores, this one leaves nothing open.
    """
    try:
        return look()
    except Ambiguous as exc:
        raise Busy(str(exc), hint="Nothing was sent; it is tried again later.") from None


def position(name: str, lon: object, lat: object) -> LonLat:
    """Return the position that the peer ``name`` gave as numbers or their text, longitude and latitude.

    Raises:
        Rejected: they are no position; a latitude beyond the pole is called what it is, swapped axes.
    """
    try:
        x, y = float(str(lon)), float(str(lat))
        return LonLat(lon_deg=x, lat_deg=y)
    except ValueError:
        raise Rejected(
            f"{name}: the peer's position ({lon!s:.40}, {lat!s:.40}) is not two numbers.",
            hint="Check where the options of this destination say that longitude and latitude lie.",
        ) from None
    except InputError:
        if abs(x) <= 90 < abs(y) <= 180:
            raise swapped(name, x, y) from None
        raise Rejected(
            f"{name}: the peer's position ({x:g}, {y:g}) is not one in degrees.",
            hint="Let the peer answer longitude and latitude in degrees (WGS 84 or CGCS2000).",
        ) from None


def swapped(name: str, x: float, y: float) -> Rejected:
    """Return the error for a peer that holds latitude and longitude in each other's place."""
    return Rejected(
        f"{name}: the axes are swapped: the peer gives ({x:.8f}, {y:.8f}) as longitude and latitude.",
        hint="Correct the axis order at the peer (its storage CRS), and delete what it holds wrongly there.",
    )


def require_position(name: str, case: Case, at: LonLat) -> None:
    """Refuse a position read back that is not the case's within 0.1 m, and name swapped axes.

    Raises:
        Rejected: it is elsewhere.
    """
    if (away_m := distance_m(case.at, at)) <= AGREES_M:
        return
    if abs(at.lon_deg) <= 90:
        turned = LonLat(lon_deg=at.lat_deg, lat_deg=at.lon_deg)
        if distance_m(case.at, turned) <= AGREES_M:
            raise swapped(name, at.lon_deg, at.lat_deg)
    raise Rejected(
        f"{name}: the peer holds {case.external_key} {away_m:.1f} m away from where it is.",
        hint="Look at the CRS and the precision of the peer's storage; an officer must not be sent there.",
    )


def distance_m(a: LonLat, b: LonLat) -> float:
    """Return the distance of two positions in metres; beyond a few degrees only its order counts."""
    if abs(a.lon_deg - b.lon_deg) > 3 or abs(a.lat_deg - b.lat_deg) > 3:
        return hypot(a.lon_deg - b.lon_deg, a.lat_deg - b.lat_deg) * 111_000
    x, y = in_frame(local_frame(a), (b,))[0]
    return float(hypot(x, y))


def oldest_first(receipts: Sequence[Receipt]) -> tuple[Receipt, ...]:
    """Return receipts by their remote numbers where all of them are numbers, else in the peer's order."""
    if all(receipt.remote_id.isascii() and receipt.remote_id.isdigit() for receipt in receipts):
        receipts = sorted(receipts, key=lambda receipt: int(receipt.remote_id))
    return tuple(receipts)


def moment(value: Any, utc_offset_h: float | None) -> datetime:
    """Return the moment that a peer wrote: ISO 8601, or seconds or milliseconds since 1970.

    A time without an offset is taken at ``utc_offset_h`` hours east of UTC.

    Raises:
        ValueError: it is none, or has no offset and none is configured.
    """
    text = str(value).strip()
    if re.fullmatch(r"\d{9,13}(\.\d{1,9})?", text, re.ASCII):
        number = float(text)
        return datetime.fromtimestamp(number / 1000 if number > 1e11 else number, UTC)
    found = datetime.fromisoformat(text.replace("/", "-"))
    if found.tzinfo is None:
        if utc_offset_h is None:
            raise ValueError(f"the time {text[:40]!r} has no UTC offset; set utc_offset_h, 8 for China")
        found = found.replace(tzinfo=timezone(timedelta(hours=utc_offset_h)))
    return found.astimezone(UTC)


def told(value: object, words: Mapping[str, Any], what: str) -> tuple[Any, str]:
    """Return what a peer's word means by the configured ``words``, and a note where it is not among them."""
    text = "" if value is None else str(value).strip()
    if not text:
        return None, ""
    return (words[text], "") if text in words else (None, f"[{what}: {text[:100]}]")


def file_name(text: str) -> str:
    """Return a file name that every system takes: no folders, no control characters, no device names."""
    text = unicodedata.normalize("NFC", text.replace("\\", "/").rpartition("/")[2])
    kept = "".join(char if char.isalnum() or char in "._-" else "_" for char in text).strip("._")
    stem, dot, suffix = kept.rpartition(".")
    stem, suffix = (stem, dot + suffix[:10]) if dot else (kept, "")
    while len(stem.encode()) > 100:
        stem = stem[:-1]
    if not stem or stem.partition(".")[0].lower() in _RESERVED:
        stem = f"file_{stem}"
    return stem + suffix


def outward(name: str, files: Sequence[Path]) -> tuple[tuple[str, bytes, str], ...]:
    """Return name, content and media type of the files of a case; names are cleaned and differ.

    Raises:
        Rejected: a file is gone, or all of them are too much for one request.
    """
    found: list[tuple[str, bytes, str]] = []
    taken: set[str] = set()
    for path in files:
        try:
            content = path.read_bytes()
        except OSError as exc:
            raise Rejected(
                f"{name}: {path.name} cannot be read: {exc.strerror}.", hint="Restore the file of the case."
            ) from None
        clean = file_name(path.name)
        stem, dot, suffix = clean.rpartition(".")
        number = 1
        while clean.lower() in taken:
            number += 1
            clean = f"{stem}-{number}.{suffix}" if dot else f"{suffix}-{number}"
        taken.add(clean.lower())
        found.append((clean, content, _TYPES.get(path.suffix.lower(), "application/octet-stream")))
    if sum(len(content) for _, content, _ in found) > _MOST_BYTES:
        raise Rejected(
            f"{name}: the files of one case are more than {_MOST_BYTES // 2**20} MB.",
            hint="Send fewer or smaller pictures.",
        )
    return tuple(found)
