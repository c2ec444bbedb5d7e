"""The tag files of an evidence package: BagIt 1.0 (RFC 8493), in one canonical form.

BagIt leaves freedom: the order of lines, upper or lower case of hashes, the kind of line end. A package
has none of it, so that not one bit of a tag file can change unseen.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping

from aerial.errors import EvidenceError

DECLARATION_FILE, INFO_FILE = "bagit.txt", "bag-info.txt"
MANIFEST_FILE, TAGS_FILE = "manifest-sha256.txt", "tagmanifest-sha256.txt"
# What the tag manifest lists; it cannot list itself: its own hash is the package's root.
TAGGED = (INFO_FILE, DECLARATION_FILE, MANIFEST_FILE)
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data/"
# Two hundred thousand files of long names; more is no package of a case.
MOST_TAG_BYTES = 64_000_000

_LINE = re.compile(r"([0-9a-f]{64})  (.+)")
_LABEL = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
# Not to be had on every system, or read differently by BagIt programs (%, ~).
_UNUSABLE = re.compile(r'[\x00-\x1f\x7f\x80-\x9f\u2028\u2029%\\:*?"<>|]|^~|^ | $')
_LONGEST_NAME = 1000


def why_unusable(path: str) -> str | None:
    """Return why ``path`` cannot be the name of a file in a package, None where it can.

    Names are relative, POSIX style, and stay below their folder on every system.
    """
    parts = path.split("/")
    if not path or len(path) > _LONGEST_NAME:
        return "the name is empty or too long"
    if any(part in ("", ".", "..") or part[-1] in ". " for part in parts):
        return "the name would leave its folder, or mean another one elsewhere"
    if _UNUSABLE.search(path):
        return "the name holds characters that not every system can carry"
    try:
        path.encode()
    except UnicodeEncodeError:
        return "the name is not text"
    return None


def manifest_text(hashes: Mapping[str, str]) -> bytes:
    """Return a manifest: ``hashes`` by path, one line each, sorted by path."""
    return "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes)).encode()


def read_manifest(data: bytes, name: str) -> dict[str, str]:
    """Return the hashes of a manifest by path.

    Raises:
        EvidenceError: a line is not one, a path would leave its folder, or the form is not the canonical one.
    """
    hashes: dict[str, str] = {}
    # Only the line feed ends a line; others would be part of a name, and are refused there.
    for number, line in enumerate(_text(data, name).split("\n")[:-1], 1):
        found = _LINE.fullmatch(line)
        if found is None:
            raise _refused(f"Line {number} of {name} is not a hash and a path: {told(line[:100])}")
        why = why_unusable(found[2])
        if why is not None:
            raise _refused(f"Line {number} of {name} names {told(found[2])}: {why}.")
        if found[2] in hashes:
            raise _refused(f"{name} names {told(found[2])} twice.")
        hashes[found[2]] = found[1]
    if manifest_text(hashes) != data:
        raise _refused(f"{name} is not in the order and form in which it was written.")
    return hashes


def info_text(entries: Iterable[tuple[str, str]]) -> bytes:
    """Return ``bag-info.txt``: label and value, one line each; a line break in a value becomes a space."""
    lines = []
    for label, value in entries:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{label!r} is not a label of bag-info.txt")
        plain = value.encode("utf-8", "backslashreplace").decode()
        lines.append(f"{label}: {' '.join(plain.split())}\n")
    return "".join(lines).encode()


def read_info(data: bytes) -> tuple[tuple[str, str], ...]:
    """Return label and value of each line of ``bag-info.txt``; raises ``EvidenceError``."""
    entries = []
    for number, line in enumerate(_text(data, INFO_FILE).split("\n")[:-1], 1):
        label, colon, value = line.partition(": ")
        if not colon or not _LABEL.fullmatch(label):
            raise _refused(f"Line {number} of {INFO_FILE} is not a label and a value: {told(line[:100])}")
        entries.append((label, value))
    return tuple(entries)


def root_of(tags: bytes) -> str:
    """Return the root hash of a package, which stands for all of it: of the bytes of its tag manifest."""
    return hashlib.sha256(tags).hexdigest()


def told(name: str) -> str:
    """Return a name from outside as it can be printed anywhere."""
    return ascii(name) if not name.isprintable() else f"'{name}'"


def _text(data: bytes, name: str) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as exc:
        raise _refused(f"{name} is not UTF-8.") from exc
    if "\r" in text:
        raise _refused(f"{name} has line ends of another system.")
    if not text.endswith("\n"):
        raise _refused(f"{name} does not end with a whole line.")
    return text


def _refused(message: str) -> EvidenceError:
    return EvidenceError(message, hint="Ask for the package again: it is not as it was written.")
