"""What the files of a package say, held against each other: records, references, audit log, heads.

Read only when every hash is right; still, whoever wrote the package may have written nonsense.
"""

import json
from collections.abc import Iterator
from typing import Any, TypeVar

from shapely.errors import ShapelyError

from aerial.chain import ChainRow, Head, read_lines, verify_rows
from aerial.codec import from_plain
from aerial.errors import EvidenceError, InputError
from aerial.evidence import bag
from aerial.evidence.opened import Opened, read
from aerial.evidence.package import PackagedFile, pair_path, suspect_feature
from aerial.features import case_feature
from aerial.records import Case, FileRef, Verdict

T = TypeVar("T")
Told = Iterator[tuple[str, str]]

_MOST_RECORD_BYTES = 16_000_000
# Of the audit log no more than one row is held at a time; a longer one is none.
_LONGEST_ROW = 16_000_000
LOG = "data/audit.jsonl"
_CASES, _HEADS, _FILES = "data/cases/", "data/heads.json", "data/files.json"


def content_findings(package: Opened) -> tuple[tuple[str, str], ...]:
    """Return code and sentence of everything in which the files of a package disagree."""
    try:
        return tuple(_all(package))
    except (EvidenceError, InputError) as error:
        return (("record", str(error)),)


def _all(package: Opened) -> Told:
    sizes = package.sizes
    hashes = bag.read_manifest(read(package, bag.MANIFEST_FILE, bag.MOST_TAG_BYTES), bag.MANIFEST_FILE)
    listed = {item.path: item for item in _record(package, _FILES, tuple[PackagedFile, ...])}
    info = bag.read_info(read(package, bag.INFO_FILE, bag.MOST_TAG_BYTES))
    yield from _declared(package, info)
    yield from _listed(hashes, listed, info)
    keys = sorted({name.split("/")[2] for name in sizes if name.startswith(_CASES)})
    if keys != sorted(value for label, value in info if label == "External-Identifier"):
        yield "info", "bag-info.txt names other cases than the package holds."
    own: set[bytes] = set()
    for key in keys:
        folder = f"{_CASES}{key}/"
        yield from _case(package, folder, listed)
        own |= set(read(package, folder + "audit.jsonl", _MOST_RECORD_BYTES).splitlines(keepends=True))
    yield from _audit(package, own)
    for line in sorted(own):
        yield (
            "audit",
            f"A case's audit.jsonl has a row that the whole log lacks: {bag.told(repr(line[:100]))}",
        )


def _declared(package: Opened, info: tuple[tuple[str, str], ...]) -> Told:
    if read(package, bag.DECLARATION_FILE, 1000) != bag.DECLARATION:
        yield "info", "bagit.txt does not declare BagIt 1.0 in UTF-8."
    payload = [size for name, size in package.sizes.items() if name.startswith(bag.PAYLOAD)]
    if ("Payload-Oxum", f"{sum(payload)}.{len(payload)}") not in info:
        yield "info", "bag-info.txt tells another size of the payload than it has."


def _listed(
    hashes: dict[str, str], listed: dict[str, PackagedFile], info: tuple[tuple[str, str], ...]
) -> Told:
    """Hold files.json against the manifest and bag-info.txt."""
    missing = {value.partition(": ")[0] for label, value in info if label == "Aerial-Missing"}
    for item in listed.values():
        name = bag.told(item.path)
        held = hashes.get(bag.PAYLOAD + item.path)
        if item.present and held != item.sha256:
            yield "listed", f"files.json has another hash for {name} than the manifest, or it is not there."
        if not item.present and held is not None:
            yield "listed", f"{name} is in the package, but files.json says that it is missing."
        # A name that cannot be in a package is not written out there as it is.
        if not item.present and bag.why_unusable(item.path) is None and item.path not in missing:
            yield "listed", f"{name} is missing, and bag-info.txt does not say so."
    for path in sorted(hashes):
        own = path.startswith(_CASES) or path in (LOG, _HEADS, _FILES)
        if not own and path.removeprefix(bag.PAYLOAD) not in listed:
            yield "listed", f"files.json does not know {bag.told(path)}."


def log_findings(package: Opened) -> Told:
    """Name the rows of a changed audit log."""
    try:
        yield from _audit(package, set())
    except (EvidenceError, InputError) as error:
        yield "audit", str(error)


def _audit(package: Opened, wanted: set[bytes]) -> Told:
    """Verify the whole chains and their heads, row by row; lines that were met are taken from ``wanted``."""
    expected = _heads(package)
    broken: list[str] = []
    ends: dict[str, Head] = {}

    def rows() -> Iterator[ChainRow]:
        with package.open(LOG) as file:
            number = 0
            while line := file.readline(_LONGEST_ROW):
                number += 1
                wanted.discard(line)
                found, findings = read_lines(line)
                if findings:
                    broken.append(f"Line {number} of the audit log was cut or changed: it is not a row.")
                for row in found:
                    ends[row.device] = (row.seq, row.hash)
                    yield row

    findings = verify_rows(rows(), expected)
    for message in (*broken, *findings):
        yield "audit", message
    if ends != expected:
        yield "audit", "heads.json does not name the last row of every device's chain."


def _heads(package: Opened) -> dict[str, Head]:
    plain = _json(package, _HEADS)
    if not isinstance(plain, dict):
        raise EvidenceError("heads.json does not hold a head for each device.", hint="Ask for it again.")
    found: dict[str, Head] = {}
    for device, head in plain.items():
        if not (isinstance(head, list) and [type(part) for part in head] == [int, str]):
            raise EvidenceError(f"heads.json holds no head of {bag.told(device)}.", hint="Ask for it again.")
        found[device] = (head[0], head[1])
    return found


def _case(package: Opened, folder: str, listed: dict[str, PackagedFile]) -> Told:
    case = _record(package, folder + "case.json", Case)
    if f"{_CASES}{case.external_key}/" != folder:
        yield "case", f"{folder}case.json is of another case, {bag.told(case.external_key)}."
    try:
        features = {
            "case.geojson": case_feature(case),
            "suspect.geojson": suspect_feature(case.suspect),
        }
    except (ShapelyError, ValueError, TypeError, AttributeError) as exc:
        # The outline is whatever somebody wrote there.
        yield "case", f"{folder}case.json holds no outline that can be one: {exc}"
        return
    for name, expected in features.items():
        if not _agrees(_json(package, folder + name), expected):
            yield "case", f"{folder}{name} says something else than case.json."
    known = {item.path: item.sha256 for item in listed.values()}
    pair = pair_path(case)
    chips = [FileRef(path=f"{pair}/{chip.path}", sha256=chip.sha256) for chip in case.suspect.chips]
    for ref in (*case.evidence, *chips):
        if ref.path not in known:
            yield "evidence", f"{folder}case.json names {bag.told(ref.path)}, which files.json does not know."
        elif known[ref.path] != ref.sha256:
            yield "evidence", f"{folder}case.json has another hash for {bag.told(ref.path)} than files.json."
    verdicts = _record(package, folder + "verdicts.json", tuple[Verdict, ...])
    if case.accepted and verdicts and case.accepted.verdict not in {verdict.id for verdict in verdicts}:
        yield "case", f"{folder}verdicts.json lacks the verdict that accepted the case."


def _agrees(given: Any, expected: dict[str, Any]) -> bool:
    """Tell whether a feature says what is expected; a later version may expect more properties."""
    if not isinstance(given, dict) or not isinstance(given.get("properties"), dict):
        return False
    plain = json.loads(json.dumps(expected))
    properties = {key: plain["properties"].get(key) for key in given["properties"]}
    return bool(
        given["properties"] == properties
        and given.get("geometry") == plain["geometry"]
        and given.get("id") == plain.get("id")
    )


def _record(package: Opened, name: str, kind: type[T]) -> T:
    return from_plain(kind, _json(package, name), source=name)


def _json(package: Opened, name: str) -> Any:
    if name not in package.sizes:
        raise EvidenceError(f"{name} is missing.", hint="Ask for the package again.")
    try:
        return json.loads(read(package, name, _MOST_RECORD_BYTES))
    except (ValueError, RecursionError) as exc:
        raise EvidenceError(f"{name} is not JSON.", hint="Ask for the package again.") from exc
