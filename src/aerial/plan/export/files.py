"""What every format needs: names, whole files, XML from outside."""

import re
import zipfile
from pathlib import Path
from xml.etree import ElementTree as ET

from aerial.codec import replacing
from aerial.errors import InputError
from aerial.records import Plan

# Larger than any mission: 65 535 waypoints of 1 kB.
_LARGEST_BYTES = 64 * 1024 * 1024
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def stem(plan: Plan) -> str:
    """Return the beginning of the plan's file names: its cell, or "plan"."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", plan.cell or "plan")[:32]


def write_text(path: Path, text: str) -> None:
    """Write ``path`` as UTF-8 with the line ends that ``text`` has; whole or not there.

    Not synced to the disk: an export is made anew from its plan in milliseconds, 501 cells of them are not.
    """
    with replacing(path, sync=False) as part:
        part.write_bytes(text.encode("utf-8"))


def xml_text(text: str) -> str:
    """Return ``text`` as it may stand in an XML element."""
    clean = _NOT_XML.sub("", text)
    return clean.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def read_bytes(path: Path) -> bytes:
    """Return the bytes of ``path``; raises ``InputError`` where it is absent or far too large."""
    try:
        if path.stat().st_size > _LARGEST_BYTES:
            raise InputError(f"{path} is larger than any mission.", hint="Give the file of one flight.")
        return path.read_bytes()
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.", hint="Check the path.") from exc


def parse_xml(data: bytes, source: str) -> ET.Element:
    """Return the root of an XML document in UTF-8.

    Raises:
        InputError: it is not well-formed, not UTF-8, or declares a document type (entities could grow
            without bound, or name files).
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise InputError(f"{source} is not UTF-8.", hint="Export it again.") from exc
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(f"{source} declares a document type.", hint="Give a plain KML or WPML file.")
    try:
        return ET.fromstring(text)  # noqa: S314 - without a document type there is nothing to expand
    except ET.ParseError as exc:
        raise InputError(f"{source} is not well-formed XML: {exc}", hint="Export it again.") from exc


def read_archive(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Return the members ``names`` of a zip archive; nothing is unpacked to disk.

    Raises:
        InputError: it is no archive, a member is absent, or it is far too large unpacked.
    """
    found = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for name in names:
                with archive.open(name) as member:
                    data = member.read(_LARGEST_BYTES + 1)
                if len(data) > _LARGEST_BYTES:
                    raise InputError(f"{path}: {name} is larger than any mission.", hint="Export it again.")
                found[name] = data
    except KeyError as exc:
        raise InputError(f"{path} holds no {exc.args[0]}.", hint="Give a KMZ of DJI's WPML.") from exc
    except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as exc:
        raise InputError(f"{path} is not a readable archive: {exc}", hint="Export it again.") from exc
    return found


def write_archive(path: Path, members: dict[str, str]) -> None:
    """Write a zip archive of texts; the same texts give the same bytes."""
    with (
        replacing(path, sync=False) as part,
        zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
    ):
        for name, text in members.items():
            # The epoch of the format: a date would make equal missions differ.
            archive.writestr(
                zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), text.encode("utf-8"), zipfile.ZIP_DEFLATED
            )
