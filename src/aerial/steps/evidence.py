"""What supports a case, out of the town's folder; its package, and whether a package is whole."""

from collections.abc import Sequence
from pathlib import Path

from aerial.change.model import FILE as MODEL_FILE
from aerial.change.model import load_model
from aerial.codec import sha256_file
from aerial.errors import EvidenceError
from aerial.evidence.gather import Places, gather
from aerial.evidence.package import CaseEvidence, Package, write_package
from aerial.evidence.supporting import Supporting
from aerial.ledger import audit, cases, outbox, signoffs, verdicts
from aerial.ledger.store import Ledger, Tx
from aerial.progress import Progress
from aerial.records import Case, FileRef, Suspect
from aerial.settings import Settings
from aerial.steps.run import own_model
from aerial.steps.town_ledger import zones_of
from aerial.workspace import Town


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


def intact_evidence(town: Town, settings: Settings, cell: str, suspect: Suspect) -> tuple[FileRef, ...]:
    """Return the references of what supports a suspect, after comparing every file with its hash.

    Raises:
        EvidenceError: a file is not what it was when it was recorded.
    """
    found = supporting(town, settings, cell, suspect)
    for file in found.files:
        if file.recorded and sha256_file(file.source) != file.ref.sha256:
            raise EvidenceError(
                f"{file.source} is not what it was when it was recorded.",
                hint="Restore it from the backup or the memory card before anything is decided on it.",
            )
    return tuple(file.ref for file in found.files)


def package_cases(
    town: Town, settings: Settings, ledger: Ledger, keys: Sequence[str], out: Path, progress: Progress
) -> Package:
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
        evidence = [_evidence(tx, town, settings, case, raw=raw) for case in chosen]
        rows, heads = list(audit.rows(tx)), audit.heads(tx)
        now = tx.now
    return write_package(out, evidence, rows, heads, raw_photographs=raw, made_at=now, progress=progress)


def _evidence(tx: Tx, town: Town, settings: Settings, case: Case, *, raw: bool) -> CaseEvidence:
    found = supporting(town, settings, case.cell, case.suspect)
    said = verdicts.verdicts(tx, case.identity)
    by_sink = {proof.sink: proof.receipt for proof in outbox.receipts(tx, case.external_key)}
    results: dict[str, tuple[object, ...]] = {}
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
        results=results,  # type: ignore[arg-type]
        subjects=tuple({verdict.id for verdict in said} | {verdict.key for verdict in said}),
        withheld=withheld,
    )


def verify_ledger(ledger: Ledger) -> tuple[tuple[str, ...], list[dict[str, object]]]:
    """Return what is wrong with the ledger's audit log, and the head of each device's chain."""
    with ledger.read() as tx:
        wrong, heads = audit.verify(tx), audit.heads(tx)
    return wrong, [{"device": d, "rows": seq, "hash": digest} for d, (seq, digest) in sorted(heads.items())]
