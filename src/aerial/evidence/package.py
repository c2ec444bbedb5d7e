"""The evidence package of one case or several: BagIt 1.0, whole or not there.

    <package>/ or <package>.zip
      bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt
      data/
        cases/<external_key>/     case.json case.geojson suspect.geojson verdicts.json receipts.json
                                  results.json audit.jsonl (its own rows)
        pairs/... surveys/... model/... zones/... results/...
                                  as the town's folder names them
        files.json                every supporting file: hash at first, role, there or why not
        audit.jsonl heads.json    the whole chains of all devices, and their last rows

The root hash, of the tag manifest's bytes, stands for the whole package: it is printed in the report.
"""

import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any

from aerial import __version__
from aerial.chain import ChainRow, Head, to_line, verify_rows
from aerial.codec import dumps, replacing, to_plain
from aerial.errors import EvidenceError
from aerial.evidence import bag
from aerial.evidence.container import write_container
from aerial.evidence.supporting import MissingFile, Role, Supporting, SupportingFile
from aerial.features import DECIMALS, case_feature, outline_geometry
from aerial.progress import SILENT, Progress
from aerial.records import Case, Receipt, SiteResult, Suspect, Verdict
from aerial.records.record import record

_NO_SIGN_OFF = "a raw photograph, and nobody signed that it may leave; the hash that was recorded is here"
_NOT_FOUND = "the case names it, and it was not found; the hash that the case names is here"
_CHUNK = 1 << 20


@record
class CaseEvidence:
    """One case with all that is known of it; ``receipts`` and ``results`` by the sink that told them.

    An officer's photograph that was fetched is a supporting file ``results/<external_key>/<sink>/<path>``.

    ``subjects``: what audit rows that concern the case name as their subject, beside its external key,
    identity and suspect key (ids of verdicts, other suspects of the structure). ``withheld``: path of
    what must not leave and why (a picture that shows a ``sensitive`` zone); its hash stays.
    """

    case: Case
    supporting: Supporting
    verdicts: tuple[Verdict, ...] = ()
    receipts: Mapping[str, Receipt]
    results: Mapping[str, tuple[SiteResult, ...]]
    subjects: tuple[str, ...] = ()
    withheld: Mapping[str, str] = field(default_factory=dict)


@record
class PackagedFile:
    """One line of ``files.json``: ``sha256`` None where nobody knows it, ``why`` where it is not there.

    ``recorded``: the hash is that of the day when the file came in, not only of the packaging.
    """

    path: str
    role: Role
    sha256: str | None
    recorded: bool
    present: bool
    why: str = ""


@record
class Package:
    """What was written: ``root_sha256`` stands for all of it, ``missing`` names what is not there."""

    path: Path
    root_sha256: str
    files: int
    payload_bytes: int
    missing: tuple[str, ...]


def write_package(
    out: Path,
    cases: Sequence[CaseEvidence],
    audit: Iterable[ChainRow],
    heads: Mapping[str, Head],
    *,
    raw_photographs: bool,
    made_at: datetime,
    progress: Progress = SILENT,
) -> Package:
    """Write the package of ``cases`` to the folder ``out``, or to one zip where ``out`` ends in .zip.

    ``audit``: all rows of all devices, each device's in order; ``heads``: their last rows.
    ``raw_photographs``: a named person signed that originals may leave; else only their hashes do.
    Supporting files are copied and hashed on the way, in pieces: memory does not grow with them.

    Raises:
        EvidenceError: a file is not what it was when it was recorded, two cases disagree on one,
            ``out`` is there already, or no case is given.
    """
    if not cases:
        raise EvidenceError("No case to make a package of.", hint="Name at least one.")
    if out.exists():
        raise EvidenceError(
            f"{out} is there already, and packages are never rewritten.", hint="Give another name."
        )
    files, missing = _united(cases, raw_photographs=raw_photographs)
    zipped = out.suffix.lower() == ".zip"
    with _beside(out) as part:
        hashes = _Hashes(part)
        progress.phase("Evidence", len(files))
        for file in files:
            hashes.copy(file)
            progress.advance()
        listed = _listed(files, missing)
        _write_records(hashes, cases, audit, heads)
        hashes.write("files.json", dumps(listed))
        root = _write_tags(part, hashes, cases, listed, made_at)
        if zipped:
            names = [*bag.TAGGED, bag.TAGS_FILE, *sorted(hashes.of)]
            with replacing(out) as temporary:
                write_container(temporary, out.stem, [(name, part / name) for name in names])
        else:
            part.rename(out)
    return Package(
        path=out,
        root_sha256=root,
        files=len(hashes.of),
        payload_bytes=hashes.bytes,
        missing=tuple(item.path for item in listed if not item.present),
    )


def suspect_feature(suspect: Suspect) -> dict[str, Any]:
    """Return a suspect as a GeoJSON Feature with the properties of ``suspects.geojson``."""
    plain = {key: value for key, value in to_plain(suspect).items() if key not in ("outline", "at")}
    at = suspect.at
    where = {"lon_deg": round(at.lon_deg, DECIMALS), "lat_deg": round(at.lat_deg, DECIMALS)}
    return {
        "type": "Feature",
        "geometry": outline_geometry(suspect.outline),
        "properties": {**plain, **where},
    }


def pair_path(case: Case) -> str:
    """Return where the pair's folder is in the town's, and in a package below ``data/``."""
    return f"pairs/{case.cell}/{case.suspect.pair}"


class _Hashes:
    """Writes the payload and keeps its hashes by path from the top of the package."""

    def __init__(self, part: Path) -> None:
        self._part = part
        self.of: dict[str, str] = {}
        self.bytes = 0

    def write(self, name: str, text: str) -> None:
        with self.begun(name) as put:
            put(text)

    @contextmanager
    def begun(self, name: str) -> Iterator[Callable[[str], None]]:
        digest, size = hashlib.sha256(), 0
        with self._place(name).open("wb") as target:

            def put(text: str) -> None:
                nonlocal size
                data = text.encode()
                digest.update(data)
                size += target.write(data)

            yield put
        self._note(name, digest.hexdigest(), size)

    def copy(self, file: SupportingFile) -> None:
        digest, size = hashlib.sha256(), 0
        try:
            with file.source.open("rb") as source, self._place(file.ref.path).open("wb") as target:
                while chunk := source.read(_CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
                    target.write(chunk)
        except OSError as exc:
            raise EvidenceError(
                f"{file.source} cannot be copied into the package: {exc.strerror}.",
                hint="Check the disk and that the file is still there, then try again.",
            ) from exc
        if digest.hexdigest() != file.ref.sha256:
            raise EvidenceError(
                f"{file.source} is not the file that was recorded as {file.ref.path}: its hash is "
                f"{digest.hexdigest()[:16]}…, not {file.ref.sha256[:16]}….",
                hint="Restore the original from a copy; a changed file proves nothing.",
            )
        self._note(file.ref.path, digest.hexdigest(), size)

    def _place(self, name: str) -> Path:
        why = bag.why_unusable(name)
        if why is not None:
            raise EvidenceError(
                f"{bag.told(name)} cannot be in a package: {why}.", hint="Correct the record that names it."
            )
        path = self._part / bag.PAYLOAD / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise EvidenceError(
                f"Two files of the package would be called {name}, or differ only by case.",
                hint="Rename one of them where it was recorded.",
            )
        return path

    def _note(self, name: str, sha256: str, size: int) -> None:
        self.of[bag.PAYLOAD + name] = sha256
        self.bytes += size


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """Yield a new folder beside ``out``, which is gone afterwards unless it was renamed."""
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.{secrets.token_hex(4)}.part")
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _united(
    cases: Sequence[CaseEvidence], *, raw_photographs: bool
) -> tuple[tuple[SupportingFile, ...], tuple[MissingFile, ...]]:
    """Return the files of all cases, each once, and what is missing or held back."""
    files: dict[str, SupportingFile] = {}
    missing: dict[str, MissingFile] = {}
    withheld: dict[str, str] = {}
    for evidence in cases:
        withheld |= evidence.withheld
        for file in evidence.supporting.files:
            known = files.setdefault(file.ref.path, file)
            if known.ref.sha256 != file.ref.sha256:
                raise EvidenceError(
                    f"Two cases name {file.ref.path} with different hashes.",
                    hint="One of the records was changed; restore it from a copy.",
                )
        missing |= {item.path: item for item in evidence.supporting.missing}
        missing |= {item.path: item for item in _on_site(evidence)}
    for ref in (ref for evidence in cases for ref in evidence.case.evidence):
        held = files[ref.path].ref.sha256 if ref.path in files else None
        if held is None and ref.path in missing:
            held = missing[ref.path].sha256
        if held is None:
            missing[ref.path] = MissingFile(
                path=ref.path, role="comparison", sha256=ref.sha256, why=_NOT_FOUND
            )
        elif held != ref.sha256:
            raise EvidenceError(
                f"A case names {ref.path} with another hash than the one that was recorded with the file.",
                hint="One of the records was changed; restore it from a copy.",
            )
    for path, file in list(files.items()):
        why = bag.why_unusable(path) or withheld.get(path)
        if file.role == "photograph" and not raw_photographs:
            why = _NO_SIGN_OFF
        if why is not None:
            del files[path]
            missing[path] = MissingFile(path=path, role=file.role, sha256=file.ref.sha256, why=why)
    return (
        tuple(files[path] for path in sorted(files)),
        tuple(missing[path] for path in sorted(missing) if path not in files),
    )


def _on_site(evidence: CaseEvidence) -> Iterator[MissingFile]:
    """Name the officers' photographs that the results tell of; those that were fetched win over these."""
    for sink, results in evidence.results.items():
        for ref in (photo for result in results for photo in result.photos):
            path = f"results/{evidence.case.external_key}/{sink}/{ref.path}"
            yield MissingFile(path=path, role="on site", sha256=ref.sha256, why=f"{sink} holds it")


def _listed(files: Sequence[SupportingFile], missing: Sequence[MissingFile]) -> tuple[PackagedFile, ...]:
    there = [
        PackagedFile(path=f.ref.path, role=f.role, sha256=f.ref.sha256, recorded=f.recorded, present=True)
        for f in files
    ]
    absent = [
        PackagedFile(
            path=m.path, role=m.role, sha256=m.sha256, recorded=bool(m.sha256), present=False, why=m.why
        )
        for m in missing
    ]
    return tuple(sorted(there + absent, key=lambda item: item.path))


def _write_records(
    hashes: _Hashes, cases: Sequence[CaseEvidence], audit: Iterable[ChainRow], heads: Mapping[str, Head]
) -> None:
    about: dict[str, list[str]] = {}
    for evidence in cases:
        case = evidence.case
        for subject in _subjects(evidence):
            about.setdefault(subject, []).append(case.external_key)
        folder = f"cases/{case.external_key}"
        hashes.write(f"{folder}/case.json", dumps(case))
        hashes.write(f"{folder}/case.geojson", dumps(case_feature(case)))
        hashes.write(f"{folder}/suspect.geojson", dumps(suspect_feature(case.suspect)))
        hashes.write(f"{folder}/verdicts.json", dumps(evidence.verdicts))
        hashes.write(f"{folder}/receipts.json", dumps(dict(sorted(evidence.receipts.items()))))
        hashes.write(f"{folder}/results.json", dumps(dict(sorted(evidence.results.items()))))
    own = _write_log(hashes, about, audit, heads)
    for evidence in cases:
        key = evidence.case.external_key
        hashes.write(f"cases/{key}/audit.jsonl", "".join(own.get(key, ())))
    hashes.write("heads.json", json.dumps(dict(sorted(heads.items())), indent=2) + "\n")


def _write_log(
    hashes: _Hashes, about: Mapping[str, Sequence[str]], audit: Iterable[ChainRow], heads: Mapping[str, Head]
) -> dict[str, list[str]]:
    """Write the whole log, verified on the way; return the lines that concern each case."""
    own: dict[str, list[str]] = {}
    ends: dict[str, Head] = {}

    def rows(put: Callable[[str], None]) -> Iterator[ChainRow]:
        for row in audit:
            line = to_line(row) + "\n"
            for key in about.get(row.subject, ()):
                own.setdefault(key, []).append(line)
            put(line)
            ends[row.device] = (row.seq, row.hash)
            yield row

    with hashes.begun("audit.jsonl") as put:
        broken = list(verify_rows(rows(put), heads))
    if ends != dict(heads):
        broken.append("The heads are not the last rows of the chains.")
    if broken:
        raise EvidenceError(
            f"The audit log is not whole: {broken[0]}",
            hint="Nothing can be proved with it: restore the ledger from a copy, or merge from headquarters.",
        )
    return own


def _subjects(evidence: CaseEvidence) -> set[str]:
    case = evidence.case
    return {case.external_key, case.identity, case.suspect.key, *evidence.subjects}


def _write_tags(
    part: Path,
    hashes: _Hashes,
    cases: Sequence[CaseEvidence],
    listed: Sequence[PackagedFile],
    made_at: datetime,
) -> str:
    """Write the tag files and return the root hash."""
    entries = [
        ("Bag-Software-Agent", f"aerial {__version__}"),
        ("Bagging-Date", made_at.date().isoformat()),
        ("Payload-Oxum", f"{hashes.bytes}.{len(hashes.of)}"),
        ("Aerial-Made-At", made_at.isoformat()),
        *(("External-Identifier", evidence.case.external_key) for evidence in cases),
        *((_label(item), _line(item)) for item in listed if not item.present or not item.recorded),
    ]
    texts = {
        bag.DECLARATION_FILE: bag.DECLARATION,
        bag.INFO_FILE: bag.info_text(entries),
        bag.MANIFEST_FILE: bag.manifest_text(hashes.of),
    }
    tags = bag.manifest_text({name: hashlib.sha256(data).hexdigest() for name, data in texts.items()})
    for name, data in {**texts, bag.TAGS_FILE: tags}.items():
        with (part / name).open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    return bag.root_of(tags)


def _label(item: PackagedFile) -> str:
    return "Aerial-Unrecorded" if item.present else "Aerial-Missing"


def _line(item: PackagedFile) -> str:
    why = item.why if not item.present else "its hash was taken only when this package was made"
    return f"{item.path}: {why}"
