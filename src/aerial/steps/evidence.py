"""What supports a case, out of the town's folder; its package, and whether a package is whole."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from aerial.change.model import FILE as MODEL_FILE
from aerial.change.model import load_model
from aerial.codec import read_record, replacing, sha256_file, write_json
from aerial.errors import EvidenceError, InputError
from aerial.evidence.gather import Places, gather
from aerial.evidence.package import CaseEvidence, Package, write_package
from aerial.evidence.supporting import MissingFile, Role, Supporting, SupportingFile
from aerial.ledger import audit, cases, outbox, signoffs, verdicts
from aerial.ledger.store import Ledger, Tx
from aerial.progress import Progress
from aerial.records import Case, FileRef, SiteResult, Suspect
from aerial.records.record import record
from aerial.settings import Settings
from aerial.steps.run import own_model
from aerial.steps.town_ledger import zones_of
from aerial.workspace import Town

_KEPT = "kept.json"


@record
class Kept:
    """One file that supports a case, as it was when the case was accepted."""

    ref: FileRef
    role: Role
    recorded: bool


@record
class KeptList:
    """What ``kept.json`` of a case's folder holds."""

    files: tuple[Kept, ...]
    missing: tuple[MissingFile, ...]


def supporting(town: Town, settings: Settings, cell: str, suspect: Suspect) -> Supporting:
    """Return every file that supports a suspect of a cell, with the hash that it had at first.

    Raises:
        EvidenceError, InputError: a record of the pair or of its surveys is absent or broken.
    """
    before, after = suspect.pair.split("__")
    return gather(
        suspect,
        Places(
            root=town.root,
            pair=town.pair_folder(cell, before, after),
            before=town.survey_folder(cell, before),
            after=town.survey_folder(cell, after),
            zones=town.zone_files(),
            model=load_model(own_model(town, settings) or "siamese").folder / MODEL_FILE,
        ),
    )


def keep(town: Town, key: str, found: Supporting) -> tuple[FileRef, ...]:
    """Copy what supports a suspect to its own folder, photographs aside; return references of all of it.

    A pair may be compared anew by a later version, and its folder is then another one's; what a person
    decided on stays. Every file is compared with the hash that was recorded, photographs too.

    Raises:
        EvidenceError: a file is not what it was when it was recorded.
    """
    folder = town.evidence_folder(key)
    kept = []
    for file in found.files:
        target = folder / file.ref.path
        if file.role == "photograph":
            digest = sha256_file(file.source)
        else:
            with replacing(target) as part:
                shutil.copyfile(file.source, part)
                digest = sha256_file(part)
        if file.recorded and digest != file.ref.sha256:
            raise EvidenceError(
                f"{file.source} is not what it was when it was recorded.",
                hint="Restore it from the backup or the memory card before anything is decided on it.",
            )
        kept.append(Kept(ref=replace(file.ref, sha256=digest), role=file.role, recorded=file.recorded))
    write_json(folder / _KEPT, KeptList(files=tuple(kept), missing=found.missing))
    return tuple(file.ref for file in kept)


def kept_of(town: Town, case: Case) -> Supporting:
    """Return what supported a case when it was accepted, out of its own folder.

    Raises:
        EvidenceError: the folder is not there, or not the one that the case names.
    """
    folder = town.evidence_folder(case.suspect.key)
    try:
        listed = read_record(KeptList, folder / _KEPT)
    except InputError as exc:
        raise EvidenceError(
            f"What supports case {case.external_key} is not in {folder}: {exc}",
            hint="Restore the folder evidence/ from a copy, or take the package on the device that made it.",
        ) from exc
    if tuple(file.ref for file in listed.files) != case.evidence:
        raise EvidenceError(
            f"{folder / _KEPT} is not what case {case.external_key} names.",
            hint="Restore it from a copy; aerial case verify tells what else was changed.",
        )
    files, missing = [], list(listed.missing)
    for file in listed.files:
        source = (town.root if file.role == "photograph" else folder) / file.ref.path
        if source.is_file():
            files.append(SupportingFile(ref=file.ref, role=file.role, source=source, recorded=file.recorded))
        else:
            missing.append(
                MissingFile(
                    path=file.ref.path, role=file.role, sha256=file.ref.sha256, why="not there any more"
                )
            )
    return Supporting(files=tuple(files), missing=tuple(missing))


def pair_of(town: Town, case: Case) -> Path:
    """Return the folder with the pictures of a case's pair as they were when it was accepted."""
    return town.evidence_folder(case.suspect.key) / "pairs" / case.cell / case.suspect.pair


def package_cases(town: Town, ledger: Ledger, keys: Sequence[str], out: Path, progress: Progress) -> Package:
    """Write the evidence package of the cases to ``out``, a folder or a .zip.

    Original photographs are in it where a named person signed raw_photographs for each of the cases;
    pictures that show a ``sensitive`` zone stay out without that.

    Raises:
        LedgerError: no such case.
        EvidenceError: a file changed since it was recorded, or ``out`` is there already.
    """
    with ledger.read() as tx:
        chosen = [cases.case(tx, key) for key in keys]
        raw = all(
            any(s.kind == "raw_photographs" for s in signoffs.signoffs(tx, subject=case.external_key))
            for case in chosen
        )
        evidence = [_evidence(tx, town, case, raw=raw) for case in chosen]
        rows, heads = list(audit.rows(tx)), audit.heads(tx)
        now = tx.now
    return write_package(out, evidence, rows, heads, raw_photographs=raw, made_at=now, progress=progress)


def _evidence(tx: Tx, town: Town, case: Case, *, raw: bool) -> CaseEvidence:
    found = kept_of(town, case)
    said = verdicts.verdicts(tx, case.identity)
    by_sink = {proof.sink: proof.receipt for proof in outbox.receipts(tx, case.external_key)}
    results: dict[str, tuple[SiteResult, ...]] = {}
    for sink, result in cases.results_by_sink(tx, case.external_key):
        results[sink] = (*results.get(sink, ()), result)
    sensitive = [zone for zone in zones_of(town) if zone.kind == "sensitive"]
    near = any(zone.outline.intersects(case.suspect.outline.buffer(0.001)) for zone in sensitive)
    withheld = {
        file.ref.path: "it may show a sensitive zone, and nobody signed that it may leave"
        for file in found.files
        if near and not raw and file.role in ("picture", "photograph")
    }
    return CaseEvidence(
        case=case,
        supporting=found,
        verdicts=said,
        receipts=by_sink,
        results=results,
        subjects=tuple({verdict.id for verdict in said} | {verdict.key for verdict in said}),
        withheld=withheld,
    )


def verify_ledger(ledger: Ledger) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    """Return what is wrong with the ledger's audit log, and the head of each device's chain."""
    with ledger.read() as tx:
        wrong, heads = audit.verify(tx), audit.heads(tx)
    return wrong, [{"device": d, "rows": seq, "hash": digest} for d, (seq, digest) in sorted(heads.items())]
