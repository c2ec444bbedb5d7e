"""A person's word on a suspect: rejected, or accepted and made a case, in one transaction of the ledger."""

from aerial.areas import read_communities, read_unit_grids
from aerial.errors import LedgerError
from aerial.ledger import cases, structures, verdicts
from aerial.ledger.store import Ledger
from aerial.records import Case, Verdict
from aerial.records.record import record
from aerial.resources import case_table_file
from aerial.settings import Settings
from aerial.steps.evidence import supporting_files
from aerial.suspects.case import Surroundings
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
        return verdicts.add_verdict(tx, structures.find_suspect(tx, key).key, "reject", reason, by)


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
        row = structures.find_suspect(tx, key)
    # Hashing may take seconds; a transaction would keep everybody else waiting.
    evidence = supporting_files(town, row)
    with ledger.begin() as tx:
        verdict = verdicts.add_verdict(tx, row.key, "accept", reason, by)
        case = _made(tx, settings, around, structures.find_suspect(tx, row.key), verdict, evidence)
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
        return _again(tx, settings, around, held, said, by)


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
            case = _again(tx, settings, around, cases.case(tx, external_key), NOTHING_SAID, "settings")
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
