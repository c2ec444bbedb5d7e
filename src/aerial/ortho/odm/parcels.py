"""What is sent to a node: files under names that all differ, and positions that name them so.

NodeODM renames one of two files of one name, and which one is chance; lines of geo.txt and of the
control points would then name the wrong photograph. It takes anything (a program, a text), unpacks
what is called seed.zip and reads any .txt as control points.
"""

import re
import secrets
import shutil
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from threading import Event

import numpy as np

from aerial.codec import replacing
from aerial.errors import InputError, NodeError, PhotoError
from aerial.raster.read import open_raster, read_on_grid
from aerial.raster.write import CogWriter
from aerial.records import Photo, StitchJob

Stop = Event
ALIGN, GEO, GCP, SEED = "align.tif", "geo.txt", "gcp_list.txt", "seed.zip"
_BLOCK_BYTES = 2**18
# What ODM opens, by its first bytes: a renamed program or an empty file is no photograph.
_BEGINNINGS = {
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".png": (b"\x89PNG",),
    ".tif": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
    ".tiff": (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"),
}


class Stopped(Exception):  # noqa: N818  # the end of a thread that was told to stop
    """A thread was told to stop in the middle of a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file and the name that it is sent under."""

    name: str
    path: Path
    is_photo: bool = True

    def as_form(self, stop: Stop | None) -> tuple[str, int, Iterator[bytes]]:
        """Return media type, length in bytes and blocks of a form that holds the file.

        Raises:
            PhotoError: the file is gone, or changes while it is read.
        """
        try:
            size = self.path.stat().st_size
        except OSError as error:
            raise self._gone(error) from None
        border = secrets.token_hex(16)
        head = (
            f'--{border}\r\nContent-Disposition: form-data; name="images"; filename="{self.name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        tail = f"\r\n--{border}--\r\n".encode()
        return (
            f"multipart/form-data; boundary={border}",
            len(head) + size + len(tail),
            self._blocks(head, size, tail, stop),
        )

    def _blocks(self, head: bytes, size: int, tail: bytes, stop: Stop | None) -> Iterator[bytes]:
        yield head
        left = size
        try:
            with self.path.open("rb") as file:
                while left:
                    if stop is not None and stop.is_set():
                        raise Stopped
                    block = file.read(min(_BLOCK_BYTES, left))
                    if not block:
                        raise PhotoError(
                            f"{self.path} became shorter while it was sent.",
                            hint="Let nothing write to the photographs, then run the same command.",
                        )
                    left -= len(block)
                    yield block
        except OSError as error:
            raise self._gone(error) from None
        yield tail

    def _gone(self, error: OSError) -> PhotoError:
        return PhotoError(
            f"{self.path} cannot be read: {error.strerror}.",
            hint="Put the file back, then run the same command: what was sent is not sent again.",
        )

    @staticmethod
    def fields(values: Mapping[str, str]) -> tuple[str, bytes]:
        """Return media type and bytes of a form of texts."""
        border = secrets.token_hex(16)
        parts = [
            f'--{border}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in values.items()
        ]
        return f"multipart/form-data; boundary={border}", ("".join(parts) + f"--{border}--\r\n").encode()


def sent_names(photos: Sequence[Photo]) -> dict[str, str]:
    """Return the name under which each photograph is sent: no two alike, in capitals or not.

    Names hold no white space (the columns of geo.txt are divided by it), nothing that a form or a
    shell could misread, and none of those that NodeODM and ODM give a meaning of their own.
    """
    names: dict[str, str] = {}
    for photo in photos:
        own = PurePosixPath(photo.file)
        stem = re.sub(r"[^\w.+=@~-]+", "_", own.stem)
        if stem.casefold() in ("", ".", "align", "seed", "body") or stem.casefold().endswith("_mask"):
            stem = f"photo_{stem}_"
        names[photo.file] = stem.lstrip(".-") + own.suffix
    counts = Counter(name.casefold() for name in names.values())
    taken = {name.casefold() for name in names.values() if counts[name.casefold()] == 1}
    for file, name in names.items():
        if counts[name.casefold()] == 1:
            continue
        folder = re.sub(r"[^\w.+=@~-]+", "_", "_".join(PurePosixPath(file).parent.parts)).lstrip(".-")
        tried = wanted = f"{folder}_{name}" if folder else name
        number = 1
        while tried.casefold() in taken:
            number += 1
            tried = f"{PurePosixPath(wanted).stem}-{number}{PurePosixPath(wanted).suffix}"
        taken.add(tried.casefold())
        names[file] = tried
    return names


def unsuitable(job: StitchJob) -> str | None:
    """Return what is wrong with the first file that is no photograph, or None."""
    for photo in job.photos:
        beginnings = _BEGINNINGS.get(PurePosixPath(photo.file).suffix.casefold())
        if beginnings is None:
            return f"{photo.file} is none of the kinds that a stitching node reads ({', '.join(_BEGINNINGS)})"
        try:
            with (job.folder / photo.file).open("rb") as file:
                start = file.read(8)
        except OSError as error:
            return f"{photo.file} cannot be read: {error.strerror}"
        if not start.startswith(beginnings):
            return f"{photo.file} is no photograph, whatever its name says"
    return None


def pack(job: StitchJob, names: Mapping[str, str], folder: Path) -> tuple[Parcel, ...]:
    """Return all files of a job; those that are made for it are written into ``folder``.

    Raises:
        InputError: the control points cannot be used with these photographs.
        NodeError: the reference has no surface model.
    """
    parcels = [Parcel(name=names[photo.file], path=job.folder / photo.file) for photo in job.photos]
    if job.positions is not None:
        parcels.append(_text(folder / GEO, geo_txt(job.photos, names)))
    if job.gcp is not None:
        parcels.append(_text(folder / GCP, gcp_list(job.gcp, names)))
    if job.previous is not None:
        parcels.append(_align(job.previous, folder / ALIGN))
    return tuple(parcels)


def _text(path: Path, text: str) -> Parcel:
    with replacing(path) as part:
        part.write_bytes(text.encode())
    return Parcel(name=path.name, path=path, is_photo=False)


def geo_txt(photos: Sequence[Photo], names: Mapping[str, str]) -> str:
    """Return ODM's geo.txt (docs.opendronemap.org/geo) of the photographs' positions, by their sent names.

    WGS 84, longitude first, metres. Accuracies stand behind three angles, which may be 0 where they
    are not known; they are written where the receiver stated one.
    """
    lines = ["EPSG:4326"]
    for photo in photos:
        if photo.at is None:
            continue
        words = [names[photo.file], f"{photo.at.lon_deg:.9f}", f"{photo.at.lat_deg:.9f}"]
        if photo.altitude_m is not None:
            words.append(f"{photo.altitude_m:.3f}")
            if photo.rtk_std_m is not None:
                words += ["0", "0", "0", f"{photo.rtk_std_m:.3f}", f"{photo.rtk_std_m:.3f}"]
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def gcp_list(path: Path, names: Mapping[str, str]) -> str:
    """Return the control points of ``path`` (ODM's gcp_list.txt) with the sent names in their sixth column.

    Lines of photographs that are not in the job are left out.

    Raises:
        InputError: a line is too short, a name fits two photographs, or fewer than three lines remain.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read as control points: {error}", hint="Give ODM's gcp_list.txt, in UTF-8."
        ) from None
    by_name: dict[str, list[str]] = {}
    for file in names:
        for key in {file.casefold(), PurePosixPath(file).name.casefold()}:
            by_name.setdefault(key, []).append(file)
    head, kept = (lines[0].strip() if lines else ""), []
    for number, line in enumerate(lines[1:], start=2):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) < 6:
            raise InputError(
                f"Line {number} of {path} has {len(words)} columns, not six.",
                hint="Write: east north height column row photograph [name].",
            )
        files = by_name.get(words[5].replace("\\", "/").casefold(), [])
        if len(files) > 1:
            raise InputError(
                f"Line {number} of {path}: {words[5]} is the name of {len(files)} photographs.",
                hint=f"Write it with its folder: {files[0]}.",
            )
        if files:
            kept.append(" ".join([*words[:5], names[files[0]], *words[6:]]))
    if len(kept) < 3:
        raise InputError(
            f"{len(kept)} lines of {path} name photographs of this survey; three are the least.",
            hint="Check the names in its sixth column against the photographs' file names.",
        )
    return "\n".join([head, *kept]) + "\n"


def _align(previous: Path, target: Path) -> Parcel:
    """Write the heights of the reference, its first band, as the surface that ODM's ``align`` takes."""
    source = previous / "dsm.tif"
    if not source.is_file():
        raise NodeError(
            f"{previous} holds no dsm.tif that a node could align the survey to.",
            hint="Give the output folder of `aerial stitch` as --previous.",
        )
    grid = open_raster(source).grid
    step = 2048
    with CogWriter(target, grid, bands=1, dtype="float32", nodata=-9999.0) as cog:
        for y in range(0, grid.height_px, step):
            for x in range(0, grid.width_px, step):
                window = (x, y, min(step, grid.width_px - x), min(step, grid.height_px - y))
                data_CHW, valid_HW = read_on_grid(source, grid, window=window)
                cog.write(window, data_CHW[:1].astype(np.float32), valid_HW)
    return Parcel(name=ALIGN, path=target, is_photo=False)


def seed(parcels: Sequence[Parcel], path: Path) -> Parcel:
    """Write a seed.zip: NodeODM unpacks it over the task, so that its files replace broken ones."""
    with replacing(path) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
        for parcel in parcels:
            # A fixed time: the archive's old format has no year before 1980.
            entry = zipfile.ZipInfo(f"images/{parcel.name}")
            entry.file_size = parcel.path.stat().st_size
            with parcel.path.open("rb") as source, archive.open(entry, "w") as target:
                shutil.copyfileobj(source, target, _BLOCK_BYTES)
    return Parcel(name=SEED, path=path, is_photo=False)
