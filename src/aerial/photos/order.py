"""The order in which a camera took its photographs: that of its names, which count and start again."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import PurePosixPath

from aerial.records import Photo

_NUMBERED = re.compile(r"^(.*?)(\d{4,6})$")


def in_camera_order(photos: Sequence[Photo]) -> list[Photo]:
    """Return photographs by folder and name; where a camera's numbers went over 9999, that is undone.

    Of names that count in one folder (``DSC09998``, ``DSC09999``, ``DSC00001``) those behind the widest
    hole come first, if the hole is wider than half of all numbers.
    """
    folders: dict[str, list[Photo]] = {}
    for photo in sorted(photos, key=lambda photo: photo.file):
        folders.setdefault(PurePosixPath(photo.file).parent.as_posix(), []).append(photo)
    return [photo for folder in folders.values() for photo in _unwrapped(folder)]


def _unwrapped(folder: list[Photo]) -> list[Photo]:
    matches = [_NUMBERED.match(PurePosixPath(photo.file).stem) for photo in folder]
    heads = {match[1] for match in matches if match}
    digits = {len(match[2]) for match in matches if match}
    if len(heads) != 1 or len(digits) != 1 or None in matches:
        return folder
    numbers = [int(match[2]) for match in matches if match]
    # Cameras of five digits stop at 9999 too: DSC09999 is followed by DSC00001.
    most = 10_000 if max(numbers) < 10_000 else 10 ** digits.pop()
    holes = [after - before for before, after in pairwise(numbers)]
    if not holes or max(holes) <= most // 2 or numbers[-1] < most - 1 or numbers[0] > 1:
        return folder
    cut = holes.index(max(holes)) + 1
    return folder[cut:] + folder[:cut]
