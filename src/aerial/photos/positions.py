"""Positions of photographs from a file beside them, in the form of ODM's ``geo.txt``.

The first line names the CRS. Every other line: photograph, x, y, and optionally height, three
angles, horizontal and vertical accuracy, all in metres and degrees::

    EPSG:4326
    DJI_0001.JPG 113.7465 22.9871 87.3 0 0 0 0.02 0.04

x is east or longitude. The angles are not used: programs that write such files disagree about
which way they turn. Lines that begin with ``#`` are remarks.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from aerial import geo
from aerial.codec import refuse_lines
from aerial.errors import CrsError, InputError, PhotoError
from aerial.geo import LonLat
from aerial.records import Photo

_LEAST_METRES = 0.001
_NAME = re.compile(r"(?i)(.+?\.jpe?g)(?=[\s,])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a photograph was taken: WGS 84; metres above the file's own zero; accuracy one sigma."""

    at: LonLat
    altitude_m: float | None
    horizontal_std_m: float | None


def read_positions(path: Path) -> dict[str, Position]:
    """Return the positions in ``path`` by the photograph's name as it stands there.

    Raises:
        InputError: the file is absent, empty or not text; a line is wrong (the message names it),
            or a photograph has two positions.
        CrsError: the first line names no CRS of known datum.
    """
    crs, lines = geo.read_table(
        path, hint="Begin the file with the CRS of its coordinates, for example EPSG:4326."
    )
    if not lines:
        raise InputError(f"{path} holds no position.", hint="Give a line for each photograph.")
    found: dict[str, Position] = {}
    wrong: list[str] = []
    for number, line in lines:
        try:
            name, position = _position(line, crs)
        except (ValueError, InputError) as error:
            wrong.append(f"line {number}: {error}")
            continue
        if name in found:
            wrong.append(f"line {number}: {name} has a position already")
        found[name] = position
    refuse_lines(
        path, wrong, "Each line is: photograph, x (east or longitude), y, and if known the height in metres."
    )
    return found


def with_position(photo: Photo, positions: dict[str, Position]) -> Photo:
    """Return ``photo`` at its position of the file; without one where the file does not name it.

    A name with its folders goes before the bare file name; a bare name that several files of the
    folder share is for none of them (``require_named`` refuses it).
    """
    position = positions.get(photo.file) or positions.get(PurePosixPath(photo.file).name)
    if position is None:
        return replace(photo, at=None, altitude_m=None, rtk_std_m=None)
    return replace(photo, at=position.at, altitude_m=position.altitude_m, rtk_std_m=position.horizontal_std_m)


def require_named(names: Sequence[str], positions: dict[str, Position], path: Path) -> None:
    """Refuse positions that are not of these photographs.

    Raises:
        PhotoError: fewer than three photographs have one, or a bare name means several files.
    """
    bare = Counter(PurePosixPath(name).name for name in names)
    several = sorted(name for name in positions if bare[name] > 1 and name not in names)
    if several:
        raise PhotoError(
            f"{path} places {several[0]}, but {bare[several[0]]} photographs have this name.",
            hint="Write the photographs with their folders, for example 100MEDIA/DJI_0001.JPG.",
        )
    placed = sum(name in positions or PurePosixPath(name).name in positions for name in names)
    if placed < min(3, len(names)):
        raise PhotoError(
            f"{path} places {placed} of the {len(names)} photographs; its first is {next(iter(positions))}.",
            hint="Check that the file belongs to this folder and writes the names as they are here.",
        )


def _position(line: str, crs: str) -> tuple[str, Position]:
    name, values = _split(line)
    if len(values) < 2:
        raise ValueError("not a photograph and two coordinates")
    x, y = values[0], values[1]
    try:
        lon, lat = geo.transform(crs, geo.WGS84, np.array([x]), np.array([y]))
        at = LonLat(lon_deg=float(lon[0]), lat_deg=float(lat[0]))
    except (CrsError, InputError) as error:
        raise ValueError(f"{x:g}, {y:g} is no place in {geo.short_name(crs)} (x comes first)") from error
    std_m = values[6] if len(values) > 6 else None
    if std_m is not None and std_m < 0:
        raise ValueError(f"an accuracy of {std_m:g} m")
    return name, Position(
        at=at,
        altitude_m=values[2] if len(values) > 2 else None,
        # Zero is how some programs write "unknown".
        horizontal_std_m=std_m if std_m is not None and std_m >= _LEAST_METRES else None,
    )


def _split(line: str) -> tuple[str, list[float]]:
    """Return the photograph's name, which may hold spaces, and the numbers behind it."""
    named = _NAME.match(line)
    name, rest = (named[1], line[named.end() :]) if named else (line.split()[0], line.partition(" ")[2])
    numbers: list[float] = []
    for word in rest.replace(",", " ").split():
        try:
            numbers.append(float(word))
        except ValueError:
            if len(numbers) < 2:
                raise ValueError(f"{word[:30]!r} is not a number") from None
            break  # remarks of other programs
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError("a coordinate is not a finite number")
    return name.strip().replace("\\", "/"), numbers
