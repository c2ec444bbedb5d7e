"""A person's word on a suspect: rejected, or accepted and made a case, in one transaction of the ledger."""

import json
from collections.abc import Sequence
from dataclasses import replace

from aerial.areas import read_cells
from aerial.codec import from_plain
from aerial.errors import LedgerError
from aerial.ledger import audit, cases, index, structures, verdicts
from aerial.ledger.store import Ledger, Tx
from aerial.records import Case, FileRef, Verdict
from aerial.records.record import record
from aerial.settings import Settings
from aerial.steps.evidence import keep, supporting
from aerial.steps.surroundings import surroundings
from aerial.suspects.case import Surroundings, make_case
from aerial.workspace import Town


@record
class Said:
    """What a person says to release a held case; see ``suspects.case.make_case``."""

    unit_grid: str | None = None
    community: str | None = None
    distinct: tuple[str, ...] = ()
    number: int | None = None


NOTHING_SAID = Said()
_SAID = "case.said"


def reject(ledger: Ledger, key: str, reason: str, by: str) -> Verdict:
    """Record that a suspect is none; what it is will not be shown again until it changes.

    Raises:
        LedgerError: no such suspect, no reason, nobody's name, or its case has been delivered.
    """
    with ledger.begin() as tx:
        return verdicts.add_verdict(tx, key, "reject", reason, by)


def accept(
    town: Town, settings: Settings, ledger: Ledger, key: str, reason: str, by: str
) -> tuple[Verdict, Case]:
    """Record that a suspect is one and make its case, with a delivery to each destination.

    A case that lacks something is held, and says what; it is made all the same. What has grown since its
    case went out, which is still open, is recorded with that case; it is not sent a second time.

    Raises:
        LedgerError: no such suspect, no reason, nobody's name, or it was decided already.
        EvidenceError: a file that supports it is not there, or changed since it was recorded.
    """
    around = surroundings(town, settings.cases)
    with ledger.read() as tx:
        found = structures.find_suspect(tx, key)
    # Hashing may take seconds; a transaction would keep everybody else waiting.
    suspect = found.observation.suspect
    evidence = keep(town, suspect.key, supporting(town, settings, found.row.cell, suspect))
    with ledger.begin() as tx:
        if not structures.find_suspect(tx, suspect.key).row.waits:
            _refuse_decided(tx, suspect.key)
        verdict = verdicts.add_verdict(tx, suspect.key, "accept", reason, by)
        standing = cases.find_case(tx, f"{verdict.identity}-{verdict.episode}")
        if standing is not None and standing.suspect.key != suspect.key:
            return verdict, standing
        case = _made(tx, town, settings, around, verdict, evidence, NOTHING_SAID)
        cases.add_case(tx, case, [sink.name for sink in settings.sinks])
    return verdict, case


def _refuse_decided(tx: Tx, key: str) -> None:
    """Refuse to accept twice what was accepted, as a command that is repeated would; a rejection may turn."""
    row = structures.find_suspect(tx, key).row
    if row.case is not None and row.state == "accepted":
        raise LedgerError(
            f"{key} was accepted before; its case is {row.case}.",
            hint=f"Look at it: aerial suspects show {key}",
        )


def release(town: Town, settings: Settings, ledger: Ledger, external_key: str, said: Said, by: str) -> Case:
    """Make a held case anew with the settings of today and with what a person says of it.

    Returns it, held or not. Raises:
        LedgerError: no such case, it is not held, or nobody's name.
    """
    if not by.strip():
        raise LedgerError("A release needs the name of a person.", hint="Say who it is: --by NAME.")
    around = surroundings(town, settings.cases)
    with ledger.begin() as tx:
        held = cases.case(tx, external_key)
        if not held.held:
            raise LedgerError(f"Case {external_key} is not held.", hint="Deliver it: aerial case push.")
        return _again(tx, town, settings, around, held, said, by)


def release_all(town: Town, settings: Settings, ledger: Ledger) -> tuple[Case, ...]:
    """Make every held case anew with the settings of today; return those that may leave now."""
    with ledger.read() as tx:
        held = [case.external_key for case in cases.list_cases(tx, held=True)]
    if not held:
        return ()
    around = surroundings(town, settings.cases)
    released = []
    for external_key in held:
        with ledger.begin() as tx:
            case = _again(tx, town, settings, around, cases.case(tx, external_key), NOTHING_SAID, None)
        if not case.held:
            released.append(case)
    return tuple(released)


def _again(
    tx: Tx, town: Town, settings: Settings, around: Surroundings, held: Case, said: Said, by: str | None
) -> Case:
    if held.accepted is None:
        raise LedgerError(f"Nobody accepted case {held.external_key}.", hint="aerial suspects accept ID.")
    verdict = next(v for v in verdicts.verdicts(tx, held.identity) if v.id == held.accepted.verdict)
    said = _with_earlier(tx, held.external_key, said)
    case = _made(tx, town, settings, around, verdict, held.evidence, said)
    if by is not None:
        audit.append(tx, _SAID, case.external_key, {"by": by, "said": said})
    if case != held:
        cases.replace_case(tx, case)
    return case


def _with_earlier(tx: Tx, external_key: str, said: Said) -> Said:
    """Add what people said of a case before: it may be held for another reason still."""
    for row in audit.of_subject(tx, external_key, _SAID):
        before = from_plain(Said, json.loads(row.payload)["said"], source=f"what was said of {external_key}")
        said = Said(
            unit_grid=said.unit_grid or before.unit_grid,
            community=said.community or before.community,
            distinct=tuple(dict.fromkeys([*before.distinct, *said.distinct])),
            number=before.number if said.number is None else said.number,
        )
    return said


def _made(
    tx: Tx,
    town: Town,
    settings: Settings,
    around: Surroundings,
    verdict: Verdict,
    evidence: Sequence[FileRef],
    said: Said,
) -> Case:
    found = structures.find_suspect(tx, verdict.key)
    before, after = found.observation.suspect.pair.split("__")
    pair = next(p for p in index.pairs(tx, cell=found.row.cell) if (p.before, p.after) == (before, after))
    cell = next((c for c in read_cells(town.cells_file) if c.id == found.row.cell), None)
    # What the town says of the whole cell serves where it has no finer layer and the place is known.
    coarse = cell is not None and around.unit_grids is None and found.row.error_m is not None
    unit_grid = said.unit_grid or (cell.unit_grid if cell and coarse else None)
    community = said.community or (cell.community if cell and around.communities is None else None)
    sighting = found.sightings[0]
    return make_case(
        found.observation,
        replace(sighting, structure=found.structures[0]),
        verdict,
        settings.cases,
        around,
        found_at=pair.compared_at,
        params_sha256=found.params_sha256,
        evidence=evidence,
        others=[case for case in cases.near(tx, found.row.at) if case.identity != verdict.identity],
        unit_grid=unit_grid,
        community=community,
        distinct=said.distinct,
        number=said.number,
    )
