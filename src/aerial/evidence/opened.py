"""A package opened for reading, folder or zip: names, sizes and contents, and nothing outside of it."""

import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Protocol
from zipfile import BadZipFile, ZipFile, ZipInfo

from aerial.errors import EvidenceError
from aerial.evidence import bag
from aerial.evidence.container import open_container

_AGAIN = "Copy the package again, or ask for it again."


class Opened(Protocol):
    """``sizes``: bytes of each file by its name in the package; ``refused``: what cannot be a file of one."""

    sizes: dict[str, int]
    refused: tuple[str, ...]

    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """Open one of ``sizes`` for reading; raises ``EvidenceError`` where it cannot be read whole."""
        ...


def read(package: Opened, name: str, most: int) -> bytes:
    """Return all of one file of a package.

    Raises:
        EvidenceError: it cannot be read, or is larger than ``most`` bytes.
    """
    with package.open(name) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise EvidenceError(f"{bag.told(name)} is larger than {most / 1e6:.0f} MB.", hint=_AGAIN)
    return data


@contextmanager
def open_package(path: Path) -> Iterator[Opened]:
    """Yield the package at ``path``, a folder or a zip.

    Raises:
        EvidenceError: it is neither.
    """
    if path.is_dir():
        yield _Folder(path)
    else:
        with open_container(path) as (archive, members):
            yield _Zip(archive, members)


class _Folder:
    """A package as a folder; links and devices in it are refused, never followed."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self.sizes: dict[str, int] = {}
        refused: list[str] = []
        for folder, folders, files in os.walk(top, onerror=lambda error: refused.append(_unread(error))):
            if not folders and not files and Path(folder) != top:
                empty = bag.told(Path(folder).relative_to(top).as_posix())
                refused.append(f"{empty} does not belong to the package: it is an empty folder.")
            for name in (*folders, *files):
                path = Path(folder) / name
                relative = path.relative_to(top).as_posix()
                kind = path.lstat()
                why = bag.why_unusable(relative)
                if stat.S_ISLNK(kind.st_mode):
                    why = "it is a link"
                elif not stat.S_ISREG(kind.st_mode) and not stat.S_ISDIR(kind.st_mode):
                    why = "it is no file"
                elif why is None and stat.S_ISREG(kind.st_mode):
                    self.sizes[relative] = kind.st_size
                if why is not None:
                    refused.append(f"{bag.told(relative)} does not belong to the package: {why}.")
        self.refused = tuple(sorted(refused))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with (self._top / name).open("rb") as file:
                yield file
        except OSError as exc:
            raise EvidenceError(f"{bag.told(name)} cannot be read: {exc.strerror}.", hint=_AGAIN) from exc


class _Zip:
    """A package as a zip, read in place; its layout was compared before."""

    def __init__(self, archive: ZipFile, members: dict[str, ZipInfo]) -> None:
        self._archive = archive
        self._members: dict[str, ZipInfo] = {}
        refused: list[str] = []
        tops = {name.partition("/")[0] for name in members}
        seen: set[str] = set()
        for name, member in members.items():
            relative = name.partition("/")[2]
            why = bag.why_unusable(name)
            if not relative or len(tops) > 1:
                why = why or "a package has one folder at its top"
            elif relative.casefold() in seen:
                why = why or "another differs from it only by case"
            seen.add(relative.casefold())
            if why is None:
                self._members[relative] = member
            else:
                refused.append(f"{bag.told(name)} does not belong to the package: {why}.")
        self.sizes = {name: member.file_size for name, member in self._members.items()}
        self.refused = tuple(sorted(refused))

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        try:
            with self._archive.open(self._members[name]) as file:
                yield file
        except (BadZipFile, EOFError, OSError) as exc:
            raise EvidenceError(f"{bag.told(name)} was changed: {exc}.", hint=_AGAIN) from exc


def _unread(error: OSError) -> str:
    return f"{bag.told(str(error.filename))} cannot be looked into: {error.strerror}."
