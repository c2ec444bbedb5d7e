"""A package as one zip: stored, without times, laid out in exactly one way.

Zip has fields that nobody looks at, and a change in them would go unseen. Here every byte of the container
follows from names, sizes and contents, so the reader builds it again and compares. Nothing is compressed: an
archive cannot hold more than it is long.
"""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo
from zlib import crc32

from aerial.errors import EvidenceError

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_VERSION, _UTF8, _UNIX = 20, 1 << 11, 3
# 1980-01-01, the first day that a zip can name.
_DATE = 0x21
_MODE = 0o100644 << 16
_MOST_BYTES, _MOST_FILES = (1 << 32) - 1, (1 << 16) - 1
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of the container; ``at``: offset of its local header in bytes."""

    name: str
    size_bytes: int
    crc: int
    at: int


def write_container(out: Path, top: str, files: list[tuple[str, Path]]) -> None:
    """Write ``files`` (name, source), in this order, below the folder ``top`` of the zip ``out``.

    Raises:
        EvidenceError: more than the plain format holds (4 GB, 65535 files).
    """
    sizes = sum(path.stat().st_size + 200 + 2 * len(f"{top}/{name}".encode()) for name, path in files)
    if sizes > _MOST_BYTES or len(files) > _MOST_FILES:
        raise EvidenceError(
            f"The package has {len(files)} files and {sizes / 1e9:.1f} GB, more than one zip holds.",
            hint="Write it as a folder, or make a package for fewer cases.",
        )
    entries = []
    with out.open("wb") as zipped:
        for name, path in files:
            size, crc = 0, 0
            with path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    size, crc = size + len(chunk), crc32(chunk, crc)
                entry = Entry(name=f"{top}/{name}", size_bytes=size, crc=crc, at=zipped.tell())
                zipped.write(_local(entry))
                source.seek(0)
                while chunk := source.read(_CHUNK):
                    zipped.write(chunk)
            entries.append(entry)
        zipped.write(_directory(entries, zipped.tell()))


@contextmanager
def open_container(path: Path) -> Iterator[tuple[ZipFile, dict[str, ZipInfo]]]:
    """Yield the opened zip and its members by name, after the layout was compared byte by byte.

    The contents are not looked at here: only that each lies where it must.

    Raises:
        EvidenceError: it is not a zip, or not laid out as ``write_container`` does it.
    """
    try:
        archive = ZipFile(path)
    except (BadZipFile, NotImplementedError, OSError, ValueError, struct.error) as exc:
        raise EvidenceError(
            f"{path.name} is not a whole package: {exc}", hint="Copy it again, or ask for it again."
        ) from exc
    with archive, path.open("rb") as file:
        _require_layout(path.stat().st_size, file, archive.infolist())
        yield archive, {member.filename: member for member in archive.infolist()}


def _require_layout(size_bytes: int, file: BinaryIO, members: list[ZipInfo]) -> None:
    names = set()
    at = 0
    entries = []
    for member in members:
        if member.filename in names:
            raise _moved(f"{member.filename!a} is in it twice")
        names.add(member.filename)
        if member.compress_type != ZIP_STORED or member.compress_size != member.file_size:
            raise _moved(f"{member.filename!a} is compressed")
        if at + member.file_size > size_bytes:
            raise _moved(f"{member.filename!a} claims more than the file holds")
        entry = Entry(name=member.filename, size_bytes=member.file_size, crc=member.CRC, at=at)
        try:
            header = _local(entry)
        except (UnicodeEncodeError, struct.error):
            raise _moved(f"{member.filename!a} cannot be in one") from None
        file.seek(at)
        if file.read(len(header)) != header:
            raise _moved(f"the header of {member.filename!a} is another")
        entries.append(entry)
        at += len(header) + member.file_size
    directory = _directory(entries, at)
    file.seek(at)
    if file.read(len(directory) + 1) != directory:
        raise _moved("its directory is another")


def _moved(what: str) -> EvidenceError:
    return EvidenceError(
        f"The zip is not as a package is written: {what}.",
        hint="Ask for it again. If somebody packed it anew, unpack it and verify the folder.",
    )


def _local(entry: Entry) -> bytes:
    name = entry.name.encode()
    return (
        _LOCAL
        + struct.pack(
            "<5H3L2H",
            _VERSION,
            _UTF8,
            ZIP_STORED,
            0,
            _DATE,
            entry.crc,
            entry.size_bytes,
            entry.size_bytes,
            len(name),
            0,
        )
        + name
    )


def _directory(entries: list[Entry], at: int) -> bytes:
    central = b"".join(_listed(entry) for entry in entries)
    counted = (0, 0, len(entries), len(entries), len(central), at, 0)
    return central + _END + struct.pack("<4H2LH", *counted)


def _listed(entry: Entry) -> bytes:
    name = entry.name.encode()
    made_by = _UNIX << 8 | _VERSION
    fixed = (made_by, _VERSION, _UTF8, ZIP_STORED, 0, _DATE, entry.crc, entry.size_bytes, entry.size_bytes)
    return _CENTRAL + struct.pack("<6H3L5H2L", *fixed, len(name), 0, 0, 0, 0, _MODE, entry.at) + name
