"""Ground control points and where photographs show them: ODM's ``gcp_list.txt``.

The first line names the CRS. Every other line is one mark: x, y, z of the point, the pixel (column,
row, from the upper left corner of the photograph as it is stored) and the photograph; behind it the
point's name, where it has one. x is east or longitude, z in metres::

    EPSG:4547
    474012.310 2542101.220 14.180 1822 904 DJI_0042.JPG P1

Points without a name are told apart by their coordinates. Lines that begin with ``#`` are remarks.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.codec import refuse_lines
from aerial.errors import InputError
from aerial.records import Photo

Floats = NDArray[np.float64]

_PHOTO = re.compile(r"(?i)(.+?\.jpe?g)(?:[\s,;]+(.*))?$")
# The same point written twice differs by rounding only.
_SAME_M = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """Where photograph ``number`` (from 1) shows a point: column and row in its own pixels."""

    number: int
    pixel_2: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPoint:
    """A point of known position: x, y of a CRS and height, metres."""

    name: str
    xyz_3: Floats
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlFile:
    """What a file of control points says; ``xyz_3`` of the points in ``crs``.

    ``unknown``: photographs that it names and that are not in the job.
    """

    crs: str
    points: tuple[ControlPoint, ...]
    unknown: tuple[str, ...]


def read_control(path: Path, photos: Sequence[Photo]) -> ControlFile:
    """Return the control points of ``path`` with their marks on ``photos``.

    Raises:
        InputError: the file is absent or not text, a line is wrong (the message names it), a point
            has two positions, or none of its photographs is among ``photos``.
        CrsError: the first line names no CRS of known datum.
    """
    crs, lines = geo.read_table(
        path, hint="Begin the file with the CRS of the points, for example EPSG:4547."
    )
    table = _Table(crs, photos)
    wrong: list[str] = []
    for line_number, line in lines:
        try:
            table.add(line)
        except InputError:
            wrong.append(f"line {line_number}: no place in {geo.short_name(crs)} (x comes first)")
        except ValueError as error:
            wrong.append(f"line {line_number}: {error}")
    refuse_lines(
        path, wrong, "Each line is: x y z column row photograph, and the point's name if it has one."
    )
    if not table.marks:
        told = f"; it names {next(iter(table.unknown))} first" if table.unknown else ""
        raise InputError(
            f"{path} marks no point on any of these photographs{told}.",
            hint="Check that the file belongs to these photographs and writes their names as they are.",
        )
    points = tuple(
        ControlPoint(name=name, xyz_3=table.positions[name], marks=tuple(marks))
        for name, marks in table.marks.items()
    )
    return ControlFile(crs=crs, points=points, unknown=tuple(table.unknown))


class _Table:
    """The points and marks of the lines read so far."""

    def __init__(self, crs: str, photos: Sequence[Photo]) -> None:
        self.crs = crs
        self.positions: dict[str, Floats] = {}
        self.marks: dict[str, list[Mark]] = {}
        self.unknown: dict[str, None] = {}
        self._photos = photos
        self._names = _Names(photos)

    def add(self, line: str) -> None:
        """Read one line; raises ``ValueError`` or ``InputError``."""
        xyz_3, pixel_2, file, name = _parts(line)
        geo.to_lonlat(self.crs, float(xyz_3[0]), float(xyz_3[1]))
        name = name or _name_of(xyz_3, self.positions, self.crs)
        if not _same(self.positions.setdefault(name, xyz_3), xyz_3, self.crs):
            raise ValueError(f"point {name} has another position above")
        number = self._names.number_of(file)
        if number is None:
            self.unknown[file] = None
            return
        photo = self._photos[number - 1]
        if not (0 <= pixel_2[0] <= photo.width_px and 0 <= pixel_2[1] <= photo.height_px):
            size = f"{photo.width_px} x {photo.height_px}"
            raise ValueError(f"pixel {pixel_2[0]:g}, {pixel_2[1]:g} is outside of {file} ({size})")
        if any(mark.number == number for mark in self.marks.get(name, [])):
            raise ValueError(f"point {name} is marked twice on {file}")
        self.marks.setdefault(name, []).append(Mark(number=number, pixel_2=pixel_2))


class _Names:
    """Finds photographs by the names that people write."""

    def __init__(self, photos: Sequence[Photo]) -> None:
        self._whole = {photo.file.lower(): n for n, photo in enumerate(photos, 1)}
        bare = [PurePosixPath(photo.file).name.lower() for photo in photos]
        self._count = Counter(bare)
        self._bare = {name: n for n, name in enumerate(bare, 1)}

    def number_of(self, file: str) -> int | None:
        """Return the photograph's number, None where there is no such; raises ``ValueError``."""
        key = file.replace("\\", "/").lower()
        if key in self._whole:
            return self._whole[key]
        bare = PurePosixPath(key).name
        if self._count[bare] > 1:
            raise ValueError(
                f"{self._count[bare]} photographs are named {file}: write them with their folder"
            )
        return self._bare.get(bare)


def _parts(line: str) -> tuple[Floats, Floats, str, str]:
    words = line.split(None, 5)
    if len(words) < 6 or any("," in word and not _is_decimal(word) for word in words[:5]):
        words = [word.strip() for word in re.split(r"[,;]", line, maxsplit=5)]
    if len(words) < 6:
        raise ValueError("not x y z column row photograph")
    numbers = []
    for word in words[:5]:
        try:
            numbers.append(float(word.replace(",", ".")))
        except ValueError:
            raise ValueError(f"{word[:30]!r} is not a number") from None
    if not all(math.isfinite(v) for v in numbers):
        raise ValueError("a coordinate is not a finite number")
    named = _PHOTO.match(words[5])
    if named:
        file, name = named[1], (named[2] or "").split()
    else:
        file, *name = words[5].split()
    return np.array(numbers[:3]), np.array(numbers[3:]), file, name[0] if name else ""


def _is_decimal(word: str) -> bool:
    return bool(re.fullmatch(r"[-+]?\d+,\d+", word))


def _name_of(xyz_3: Floats, positions: dict[str, Floats], crs: str) -> str:
    """Return the name of a point that has none in the file: that of the same place, or a number."""
    for name, known_3 in positions.items():
        if _same(known_3, xyz_3, crs):
            return name
    return f"point {len(positions) + 1}"


def _same(one_3: Floats, two_3: Floats, crs: str) -> bool:
    least = _SAME_M / 111_320.0 if geo.is_geographic(crs) else _SAME_M
    return bool(np.abs(one_3 - two_3)[:2].max() <= least and abs(one_3[2] - two_3[2]) <= _SAME_M)
