"""The destination ``folder``: cases dropped into a folder, for systems behind an air gap.

    <url>/cases/<name>/  or <name>.zip     case.geojson, files/…, manifest-sha256.txt
    <url>/taken/                           where the one who takes cases away may move them
    <url>/results/*.json, *.csv            what is dropped back

A case is written beside and renamed: it is whole or not there.
"""

import json
import os
import secrets
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from aerial.codec import from_plain
from aerial.errors import InputError
from aerial.features import case_feature
from aerial.records import Case, Receipt, SinkConfig, SiteResult
from aerial.records.record import record
from aerial.sinks.fieldmap import at_path, plain_text
from aerial.sinks.readback import file_name, outward, position
from aerial.sinks.results import read_results
from aerial.sinks.sink import Busy

_CASE, _MANIFEST = "case.geojson", "manifest-sha256.txt"
_LEFTOVER_S = 3600.0
_MOST_BYTES = 128 * 2**20  # of one member that is read back
_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same case gives the same bytes


@record
class FolderOptions:
    """The ``options`` of this kind. ``utc_offset_h``: for times in results that have no offset."""

    form: Literal["folder", "zip"] = "folder"
    utc_offset_h: float | None = None


class FolderSink:
    """A folder; see ``CaseSink``. The ``url`` of the destination is the folder's path, which must exist."""

    idempotent = True

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        self.name = config.name
        where = f"The destination {config.name!r}"
        self._options = from_plain(FolderOptions, config.options, source=f"{where}: options")
        if not config.url or "://" in config.url or "\0" in config.url:
            raise InputError(
                f"{where}: url is not the path of a folder.", hint="Write the folder's path into url."
            )
        if secret is not None:
            raise InputError(f"{where}: a folder has no secret.", hint="Remove secret.")
        self._root = Path(config.url)

    def find(self, external_key: str) -> Receipt | None:
        """Return what lies there under the key, whole: every file's hash is that of the manifest."""
        return next(iter(self.copies(external_key)), None)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return what lies there under the key in ``cases`` and in ``taken``."""
        with self._reaching():
            held = [(path, members) for path in self._places(external_key) if (members := _read_back(path))]
            found = [self._receipt(external_key, members, path) for path, members in held]
        return tuple(receipt for receipt in found if receipt.external_key == external_key)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Write the case beside, sync it, and rename it into place; the same case again changes nothing."""
        members = _members(case, outward(self.name, files))
        zipped = self._options.form == "zip"
        name = case_name(case.external_key)
        with self._reaching():
            place = self._root / "cases" / (f"{name}.zip" if zipped else name)
            place.parent.mkdir(exist_ok=True)
            _sweep(place)
            for there in self._places(case.external_key):
                held = _read_back(there)
                # What was taken away is at the other side already, and must not come there twice.
                if held is not None and (held == members or there.parent.name == "taken"):
                    return
            part = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
            try:
                _write_zip(part, members) if zipped else _write_folder(part, members)
                _put_in_place(part, place)
            finally:
                _remove(part)
            _sync(place.parent)

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return what the files of ``results`` say that were not read yet; a broken one holds up no other.

        Raises:
            Rejected: only files are left that cannot be read; it names the first, its line and why.
        """
        with self._reaching():
            return read_results(self.name, self._root / "results", cursor, self._options.utc_offset_h)

    def _places(self, external_key: str) -> Iterator[Path]:
        name = case_name(external_key)
        for folder in ("taken", "cases"):
            yield from (self._root / folder / name, self._root / folder / f"{name}.zip")

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        # Never made by us: an absent folder is a disk that is not plugged in.
        if not self._root.is_dir():
            raise Busy(
                f"{self.name}: the folder {self._root} is not there.",
                hint="Mount the disk, or make the folder.",
            )
        try:
            yield
        except OSError as exc:
            raise Busy(
                f"{self.name}: {exc.strerror or exc} ({self._root}).",
                hint="Check the folder's rights and the space left; what was begun is written again later.",
            ) from None

    def _receipt(self, external_key: str, held: Mapping[str, bytes], path: Path) -> Receipt:
        try:
            properties = at_path(json.loads(held[_CASE]), "properties", {})
        except (ValueError, KeyError, RecursionError):
            properties = {}
        return Receipt(
            external_key=str(at_path(properties, "external_key")),
            remote_id=f"{path.parent.name}/{path.name}",
            at=position(self.name, at_path(properties, "lon_deg"), at_path(properties, "lat_deg")),
            stage=str(at_path(properties, "stage", "")),
            read_at=datetime.now(UTC),
        )


def case_name(external_key: str) -> str:
    """Return the name of a case's folder: its key, or where that is no file name a clean one with a hash."""
    clean = file_name(external_key)
    if clean == external_key and "." not in clean:
        return clean
    # Two keys must not become one name.
    return (
        f"{clean.replace('.', '_')[:60]}-{sha256(external_key.encode('utf-8', 'replace')).hexdigest()[:12]}"
    )


def _members(case: Case, files: Sequence[tuple[str, bytes, str]]) -> dict[str, bytes]:
    feature = case_feature(case)
    feature["properties"] = {
        name: plain_text(value) if isinstance(value, str) and name != "external_key" else value
        for name, value in feature["properties"].items()
    }
    text = json.dumps(feature, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    members = {_CASE: text.encode("utf-8", "replace")}
    members |= {f"files/{name}": content for name, content, _ in files}
    lines = [f"{sha256(content).hexdigest()}  {name}\n" for name, content in sorted(members.items())]
    return members | {_MANIFEST: "".join(lines).encode()}


def _read_back(path: Path) -> dict[str, bytes] | None:
    """Return the members of a dropped case, None where it is absent or differs from its manifest."""
    try:
        held = _zip_members(path) if path.suffix == ".zip" else _folder_members(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError):
        # Broken, or of a kind that we never write.
        return None
    listed: dict[str, str] = {}
    for line in held.get(_MANIFEST, b"").decode("utf-8", "replace").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    digests = {name: sha256(content).hexdigest() for name, content in held.items() if name != _MANIFEST}
    return held if listed == digests and _CASE in listed else None


def _folder_members(path: Path) -> dict[str, bytes]:
    if not path.is_dir():
        raise FileNotFoundError
    found = {}
    for member in sorted(path.rglob("*")):
        if member.is_symlink() or (member.is_file() and member.stat().st_size > _MOST_BYTES):
            raise ValueError(member)
        if member.is_file():
            found[member.relative_to(path).as_posix()] = member.read_bytes()
    return found


def _zip_members(path: Path) -> dict[str, bytes]:
    if not path.is_file():
        raise FileNotFoundError
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        if sum(info.file_size for info in infos) > _MOST_BYTES:
            raise ValueError(path)
        return {info.filename: archive.read(info) for info in infos}


def _write_folder(part: Path, members: Mapping[str, bytes]) -> None:
    (part / "files").mkdir(parents=True)
    for name, content in members.items():
        with (part / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    _sync(part / "files")
    _sync(part)


def _write_zip(part: Path, members: Mapping[str, bytes]) -> None:
    with part.open("wb") as file:
        with zipfile.ZipFile(file, "w") as archive:
            for name, content in members.items():
                archive.writestr(zipfile.ZipInfo(name, _ZIP_DATE), content)
        file.flush()
        os.fsync(file.fileno())


def _put_in_place(part: Path, place: Path) -> None:
    if not place.is_dir():
        part.replace(place)
        return
    # A folder cannot be renamed over another. A kill between the two leaves none: it is sent again.
    old = place.with_name(f".{place.name}.{secrets.token_hex(4)}.part")
    place.replace(old)
    part.replace(place)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _sweep(place: Path) -> None:
    """Remove what kills left of this case, but nothing that another worker may be writing now."""
    for part in place.parent.glob(f".{place.name}.*.part"):
        if time.time() - part.stat().st_mtime > _LEFTOVER_S:
            _remove(part)


def _sync(folder: Path) -> None:
    if os.name == "nt":
        return  # Windows cannot open folders; it writes their entries through
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
