"""Zip archives from outside: nothing leaves its folder, nothing grows beyond a bound."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from zipfile import BadZipFile, ZipFile, ZipInfo
from zlib import error as ZlibError  # noqa: N812 - named as the class that it is

from aerial.errors import InputError

# A town's outlines are far smaller; an archive that unpacks to more is a mistake or an attack.
MAX_BYTES = 200_000_000
_MAX_MEMBERS = 10_000
_PARTS = (".shp", ".shx", ".dbf", ".prj", ".cpg")


def kml_of(path: Path) -> bytes:
    """Return the one .kml of a KMZ.

    Raises:
        InputError: the archive is broken, hostile, too large, or holds none or several.
    """
    with _opened(path) as archive:
        return _read(archive, _only(archive, ".kml", path), path)


@contextmanager
def shapefile_of(path: Path) -> Iterator[Path]:
    """Unpack the one Shapefile of a zip and yield its .shp, for as long as the context lasts.

    Raises:
        InputError: the archive is broken, hostile, too large, or holds none or several.
    """
    with _opened(path) as archive, TemporaryDirectory(prefix="aerial-") as folder:
        main = PurePosixPath(_only(archive, ".shp", path).filename)
        for member in _members(archive):
            part = PurePosixPath(member.filename)
            suffix = part.suffix.lower()
            together = part.parent == main.parent and part.stem.casefold() == main.stem.casefold()
            if together and suffix in _PARTS:
                # Names of our own: those inside may be in any encoding.
                (Path(folder) / f"layer{suffix}").write_bytes(_read(archive, member, path))
        yield Path(folder) / "layer.shp"


@contextmanager
def _opened(path: Path) -> Iterator[ZipFile]:
    try:
        with ZipFile(path) as archive:
            _require_harmless(archive, path)
            yield archive
    except (BadZipFile, ZlibError, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as exc:
        raise InputError(
            f"{path} is not a whole zip archive that can be read: {exc}",
            hint="Copy or export it again, without a password.",
        ) from exc


def _require_harmless(archive: ZipFile, path: Path) -> None:
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ":" in name.split("/")[0] or ".." in name.split("/"):
            raise InputError(
                f"{path} holds {member.filename!r}, which would leave its folder.",
                hint="Do not use this archive; ask its sender.",
            )
    size = sum(member.file_size for member in archive.infolist())
    if size > MAX_BYTES or len(archive.infolist()) > _MAX_MEMBERS:
        raise InputError(
            f"{path} unpacks to {len(archive.infolist())} files of {size / 1e6:.0f} MB.",
            hint=f"Leave out what is not needed: at most {MAX_BYTES / 1e6:.0f} MB are read.",
        )


def _members(archive: ZipFile) -> Iterator[ZipInfo]:
    for member in archive.infolist():
        # What macOS adds beside every file has its suffix too.
        if not member.is_dir() and not PurePosixPath(member.filename).name.startswith("._"):
            yield member


def _only(archive: ZipFile, suffix: str, path: Path) -> ZipInfo:
    found = [m for m in _members(archive) if PurePosixPath(m.filename).suffix.lower() == suffix]
    if len(found) != 1:
        names = ", ".join(sorted(m.filename for m in found)[:5]) or "none"
        raise InputError(
            f"{path} should hold one {suffix} file; it holds {len(found)}: {names}.",
            hint="Give an archive of one layer.",
        )
    return found[0]


def _read(archive: ZipFile, member: ZipInfo, path: Path) -> bytes:
    # The size in the directory is only a claim.
    with archive.open(member) as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise InputError(
            f"{member.filename} of {path} unpacks to more than {MAX_BYTES / 1e6:.0f} MB.",
            hint="Do not use this archive; ask its sender.",
        )
    return content
