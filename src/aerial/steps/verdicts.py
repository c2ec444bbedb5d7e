"""A person's word on a suspect: rejected, or accepted and made a case, in one transaction of the ledger."""

from collections.abc import Sequence
from dataclasses import replace

from aerial.areas import read_cells, read_communities, read_unit_grids
from aerial.errors import LedgerError
from aerial.ledger import audit, cases, index, structures, verdicts
from aerial.ledger.store import Ledger, Tx
from aerial.records import Case, FileRef, Verdict
from aerial.records.record import record
from aerial.resources import case_table_file
from aerial.settings import Settings
from aerial.steps.evidence import intact_evidence
from aerial.suspects.case import Surroundings, make_case
from aerial.suspects.codes import read_code_table
from aerial.suspects.deadline import WorkCalendar, read_calendar
from aerial.workspace import Town


@record
class Said:
    """What a person says to release a held case; see ``suspects.case.make_case``."""

    unit_grid: str | None = None
    community: str | None = None
    distinct: tuple[str, ...] = ()
    number: int | None = None


NOTHING_SAID = Said()


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

    A case that lacks something is held, and says what; it is made all the same.

    Raises:
        LedgerError: no such suspect, no reason, nobody's name, or it has a case.
        EvidenceError: a file that supports it is not there, or changed since it was recorded.
    """
    around = surroundings(town, settings)
    with ledger.read() as tx:
        found = structures.find_suspect(tx, key)
    # Hashing may take seconds; a transaction would keep everybody else waiting.
    suspect = found.observation.suspect
    evidence = intact_evidence(town, settings, found.row.cell, suspect)
    with ledger.begin() as tx:
        verdict = verdicts.add_verdict(tx, suspect.key, "accept", reason, by)
        case = _made(tx, town, settings, around, verdict, evidence, NOTHING_SAID)
        cases.add_case(tx, case, [sink.name for sink in settings.sinks])
    return verdict, case


def release(town: Town, settings: Settings, ledger: Ledger, external_key: str, said: Said, by: str) -> Case:
    """Make a held case anew with the settings of today and with what a person says of it.

    Returns it, held or not. Raises:
        LedgerError: no such case, it is not held, or nobody's name.
    """
    if not by.strip():
        raise LedgerError("A release needs the name of a person.", hint="Say who it is: --by NAME.")
    around = surroundings(town, settings)
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
    around = surroundings(town, settings)
    released = []
    for external_key in held:
        with ledger.begin() as tx:
            case = _again(tx, town, settings, around, cases.case(tx, external_key), NOTHING_SAID, None)
        if not case.held:
            released.append(case)
    return tuple(released)


def surroundings(town: Town, settings: Settings) -> Surroundings:
    """Read what the cases of a town need: code table, holidays, communities, unit grids.

    Raises:
        InputError: a file that the settings name cannot be used.
    """
    said = settings.cases
    own = town.root / said.table
    return Surroundings(
        table=read_code_table(own if own.is_file() else case_table_file(said.table)),
        calendar=read_calendar(town.root / said.holidays) if said.holidays else WorkCalendar(),
        communities=read_communities(town.root / said.communities) if said.communities else None,
        unit_grids=read_unit_grids(town.root / said.unit_grids, said.unit_grid_digits)
        if said.unit_grids
        else None,
    )


def _again(
    tx: Tx, town: Town, settings: Settings, around: Surroundings, held: Case, said: Said, by: str | None
) -> Case:
    if held.accepted is None:
        raise LedgerError(f"Nobody accepted case {held.external_key}.", hint="aerial suspects accept ID.")
    verdict = next(v for v in verdicts.verdicts(tx, held.identity) if v.id == held.accepted.verdict)
    case = _made(tx, town, settings, around, verdict, held.evidence, said)
    if case != held:
        cases.replace_case(tx, case)
        if by is not None:
            audit.append(tx, "case.said", case.external_key, {"by": by, "said": said})
    return case


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
    # What the town says of the whole cell serves where it has no finer layer.
    unit_grid = said.unit_grid or (cell.unit_grid if cell and around.unit_grids is None else None)
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
