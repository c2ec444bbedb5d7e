"""What a JPEG says of itself: EXIF 2.32 tags, and DJI's XMP where a gimbal wrote it.

DJI's names are those of its "drone-dji" XMP namespace. Nothing is filled in: a value that the
file does not hold, or that is not a number, is None.
"""

import math
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from aerial.camera import focal_px_from_35mm
from aerial.errors import InputError, PhotoError
from aerial.geo import LonLat
from aerial.photos.sensors import focal_px_of
from aerial.progress import Progress
from aerial.records import Photo

SUFFIXES = (".jpg", ".jpeg")
_VIDEOS = (".mp4", ".mov", ".avi", ".m4v", ".mkv", ".lrf", ".ts")

_BASE, _GPS = ExifTags.Base, ExifTags.GPS
# Both spellings of XMP: <drone-dji:Name>value</...> and drone-dji:Name="value".
_DJI = re.compile(rb"(?<!/)drone-dji:(\w+)\s*(?:=\s*[\"']|>)\s*([^<\"']*)")
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
# Widths of the sensors of phones and of digital backs.
_LEAST_SENSOR_MM, _MOST_SENSOR_MM = 3.0, 70.0
# Two statements of the focal length in one file may differ by this much before one of them is wrong.
_FOCAL_AGREEMENT = 0.12


def list_photos(folder: Path) -> tuple[str, ...]:
    """Return the JPEG files below ``folder``, sorted, as POSIX paths relative to it.

    Folders of a memory card (``100MEDIA``, ``101MEDIA``) are searched; hidden files are not
    photographs.

    Raises:
        PhotoError: the folder is not there, may not be read, or holds no photograph.
    """
    if not folder.is_dir():
        raise PhotoError(f"{folder} is not a folder.", hint="Give the folder that holds the photographs.")
    found: list[str] = []
    videos = 0
    for parent, folders, files in os.walk(folder, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        videos += sum(name.lower().endswith(_VIDEOS) for name in files)
        found += [
            (Path(parent) / name).relative_to(folder).as_posix()
            for name in files
            if name.lower().endswith(SUFFIXES) and not name.startswith(".")
        ]
    if not found:
        raise PhotoError(
            f"{folder} holds no photographs" + (f", only {videos} video(s)." if videos else "."),
            hint="Copy the JPEG files of the flight there; videos and raw files are not used.",
        )
    return tuple(sorted(found))


def _refuse_folder(error: OSError) -> None:
    raise PhotoError(
        f"{error.filename} cannot be read: {error.strerror}.",
        hint="Photographs in it would be passed over in silence: check the memory card and the rights.",
    ) from error


def read_photos(folder: Path, progress: Progress) -> tuple[Photo, ...]:
    """Return the metadata of every readable photograph below ``folder``, sorted by file name.

    Files that cannot be read are left out and named to ``progress``; ``check_photos`` says why.

    Raises:
        PhotoError: no photograph is there.
    """
    names = list_photos(folder)
    progress.phase("Reading photographs", len(names))
    photos = []
    for name in names:
        try:
            photos.append(read_photo(folder, name))
        except PhotoError as error:
            progress.say(str(error))
        progress.advance()
    return tuple(photos)


def read_photo(folder: Path, name: str) -> Photo:
    """Return the metadata of the photograph ``name`` (relative to ``folder``).

    Raises:
        PhotoError: the file is not a readable JPEG.
    """
    try:
        with Image.open(folder / name, formats=("JPEG",)) as image:
            return _photo(name, image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise PhotoError(
            f"{name} is not a readable JPEG.", hint="Copy it from the memory card again."
        ) from exc


def _photo(name: str, image: Any) -> Photo:
    exif = image.getexif()
    main, gps = _ifd(exif, ExifTags.IFD.Exif), _ifd(exif, ExifTags.IFD.GPSInfo)
    packet = image.info.get("xmp", b"")
    xmp = {
        key.decode("ascii", "replace"): value.decode("utf-8", "replace").strip()
        for key, value in _DJI.findall(packet if isinstance(packet, bytes) else packet.encode())
    }
    rtk = [_number(xmp.get(key)) for key in ("RtkStdLon", "RtkStdLat")]
    rtk_m = [value for value in rtk if value is not None]
    return Photo(
        file=name,
        width_px=image.width,
        height_px=image.height,
        taken_at=_taken_at(main, exif),
        at=_position(gps, xmp),
        altitude_m=_altitude_m(gps),
        relative_height_m=_number(xmp.get("RelativeAltitude")),
        gimbal_pitch_deg=_number(xmp.get("GimbalPitchDegree")),
        gimbal_yaw_deg=_number(xmp.get("GimbalYawDegree")),
        focal_px=_focal_px(main, xmp, _text(exif.get(_BASE.Model)), image.width, image.height),
        make=_text(exif.get(_BASE.Make)),
        model=_text(exif.get(_BASE.Model)),
        rtk_std_m=max(rtk_m) if rtk_m else None,
    )


def _ifd(exif: Any, tag: int) -> Mapping[int, Any]:
    try:
        found: Mapping[int, Any] = exif.get_ifd(tag)
    except (KeyError, TypeError, ValueError, SyntaxError, OSError):
        return {}
    return found


def _number(value: object) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # EXIF hands out rationals, XMP hands out text
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def _text(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return value.replace("\0", "").strip() or None


def _taken_at(main: Mapping[int, Any], exif: Any) -> datetime | None:
    text = _text(main.get(_BASE.DateTimeOriginal)) or _text(exif.get(_BASE.DateTime))
    try:
        taken = datetime.strptime((text or "")[:19], "%Y:%m:%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    fraction = _text(main.get(_BASE.SubsecTimeOriginal)) or ""
    if fraction.isdigit():
        taken += timedelta(seconds=float(f"0.{fraction}"))
    offset = re.fullmatch(r"([+-])(\d\d):(\d\d)", _text(main.get(_BASE.OffsetTimeOriginal)) or "")
    if offset is None:
        return taken
    ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    try:
        return taken.replace(tzinfo=timezone(-ahead if offset[1] == "-" else ahead))
    except ValueError:
        return taken


def _position(gps: Mapping[int, Any], xmp: Mapping[str, str]) -> LonLat | None:
    lat = _degrees(gps.get(_GPS.GPSLatitude), gps.get(_GPS.GPSLatitudeRef), "S")
    lon = _degrees(gps.get(_GPS.GPSLongitude), gps.get(_GPS.GPSLongitudeRef), "W")
    if lat is None or lon is None:
        lat = _number(xmp.get("GpsLatitude"))
        # Older firmware misspells the key.
        lon = _number(xmp.get("GpsLongitude") or xmp.get("GpsLongtitude"))
    # (0, 0) is what receivers write before they have a fix.
    if lat is None or lon is None or (lat == 0 and lon == 0):
        return None
    try:
        return LonLat(lon_deg=lon, lat_deg=lat)
    except InputError:
        return None


def _degrees(value: object, reference: object, negative: str) -> float | None:
    if not isinstance(value, tuple) or len(value) != 3:
        return None
    parts = [_number(part) for part in value]
    if any(part is None for part in parts):
        return None
    degrees = sum((part or 0.0) / 60.0**power for power, part in enumerate(parts))
    return -degrees if (_text(reference) or "").upper() == negative else degrees


def _altitude_m(gps: Mapping[int, Any]) -> float | None:
    altitude = _number(gps.get(_GPS.GPSAltitude))
    below = gps.get(_GPS.GPSAltitudeRef) in (b"\x01", 1)
    return -altitude if altitude is not None and below else altitude


def _focal_px(
    main: Mapping[int, Any], xmp: Mapping[str, str], model: str | None, width: int, height: int
) -> float | None:
    """Return the focal length in pixels of this file, however much the file was scaled down.

    In order of exactness: DJI's calibrated value, the sensor's own pixel pitch (EXIF
    FocalPlaneXResolution), FocalLengthIn35mmFilm, which is rounded to whole millimetres, and the
    camera's data sheet (``aerial.photos.sensors``). The pitch is believed only where it makes a sensor of
    possible size and does not contradict the 35 mm value: programs that scale a picture down
    rewrite its size and leave the pitch.
    """
    calibrated, centre = (_number(xmp.get(f"Calibrated{name}")) for name in ("FocalLength", "OpticalCenterX"))
    if calibrated and centre and 0.3 < calibrated / (2 * centre) < 10:
        return calibrated * max(width, height) / (2 * centre)
    equivalent = _number(main.get(_BASE.FocalLengthIn35mmFilm))
    rounded = focal_px_from_35mm(equivalent, width, height) if equivalent and equivalent > 0 else None
    pitched = _focal_from_pitch(main, width)
    if pitched and not (rounded and abs(pitched / rounded - 1) > _FOCAL_AGREEMENT):
        return pitched
    if rounded is not None:
        return rounded
    focal_mm, zoom = (_number(main.get(tag)) for tag in (_BASE.FocalLength, _BASE.DigitalZoomRatio))
    return focal_px_of(model, focal_mm, zoom, width, height)


def _focal_from_pitch(main: Mapping[int, Any], width: int) -> float | None:
    focal_mm = _number(main.get(_BASE.FocalLength))
    per_unit = _number(main.get(_BASE.FocalPlaneXResolution))
    unit_mm = _UNIT_MM.get(int(_number(main.get(_BASE.FocalPlaneResolutionUnit)) or 2))
    full_width = _number(main.get(_BASE.ExifImageWidth)) or float(width)
    if not focal_mm or not per_unit or not unit_mm:
        return None
    sensor_mm = full_width / per_unit * unit_mm
    if not _LEAST_SENSOR_MM < sensor_mm < _MOST_SENSOR_MM:
        return None
    return focal_mm / sensor_mm * width
