"""Laptops that were offline, merged into headquarters: nothing lost, nothing twice, in any order.

What people did (verdicts, results, receipts, sign-offs, notes, audit chains) is united by id. What a
structure is, which cases stand, and what is still to be sent is then worked out of that union, never of the
order in which the laptops came. Two structures that laptops named apart and that are one (the same suspect
stands for both, or ``suspects.track.same_structure`` finds them in one cell) become one: the identity first
seen is kept, the other is its alias.

**Who delivers afterwards: headquarters.** In one transaction at the laptop everything of its outbox that is
not settled is given up there ("handed to headquarters …"), and that is committed *before* headquarters
commits what it took over. A kill in between leaves rows that nobody sends until the merge is run again, and
then they are taken over: never lost, never sent from two places. What may have left (sent, ambiguous) comes
over as ambiguous, so headquarters looks it up at the destination before it sends anything; what the laptop's
running request still brings back is joined by the next merge, for confirmed wins over everything. Cases
that the laptop makes afterwards are its own to deliver, until the next merge. Merge the laptop's own ledger,
not a copy of it: a copy cannot hand anything over. What two laptops both sent is listed, for a person.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from aerial.chain import verify_rows
from aerial.errors import LedgerError
from aerial.ledger import audit, index, merge_cases, schema
from aerial.ledger import merge_rows as rows
from aerial.ledger.merge_cells import shared_cells
from aerial.ledger.merge_outbox import hand_over, take_over
from aerial.ledger.merge_rows import Copied, chunks
from aerial.ledger.merge_structures import reconcile
from aerial.ledger.store import Ledger
from aerial.ledger.transaction import Tx
from aerial.records.record import record


@record
class MergeReport:
    """What came over from ``device``: new rows of each kind; 0 everywhere when nothing was new.

    ``handed_over``: deliveries that headquarters does from now on. ``aliases``: structures that turned out
    to be another one. ``not_sent``: deliveries given up, with the reason. ``doubles``: every two cases of one
    structure that both left, in sentences, whenever they were found. ``attention``: what else a person
    must look at, in sentences.
    """

    device: str
    device_name: str
    surveys: int
    suspects: int
    structures: int
    verdicts: int
    cases: int
    results: int
    receipts: int
    audit_rows: int
    handed_over: int
    aliases: int
    not_sent: tuple[str, ...]
    doubles: tuple[str, ...]
    attention: tuple[str, ...]


def merge(target: Ledger, source: Ledger) -> MergeReport:
    """Take into ``target`` (headquarters) all that ``source`` (a laptop) knows; see the module.

    The same again, or again after a kill, changes nothing more.

    Raises:
        LedgerError: both are one ledger, an audit chain of the source is broken, forked or shorter than it
            was, or a row of what somebody did is another one at the target; nothing was changed then.
    """
    if target.device == source.device:
        raise LedgerError(
            f"{source.url} is this ledger itself, or a copy of it.",
            hint="Name the ledger of another device; a copy is no other device.",
        )
    # The inner transaction ends first: the laptop has given up what headquarters then takes over.
    with target.begin() as here, source.begin() as there:
        _require_whole_chains(here, there, source)
        handed = hand_over(there, target.device, target.device_name)
        return _merged(here, there, source, handed)


def _merged(here: Tx, there: Tx, source: Ledger, handed: int) -> MergeReport:
    rows.copy(here, there, schema.devices, rows.mine_stands)
    chain = _copy_chains(here, there)
    attention = _copy_cycles(here, there)
    surveys = rows.copy(here, there, schema.surveys, rows.joined_survey, keep=("cell",))
    pairs = rows.copy(here, there, schema.pairs, rows.joined_pair, keep=("cell",))
    differ: set[str] = set()

    def noted(mine: rows.Row, _: rows.Row) -> rows.Row:
        differ.add(mine["identity"])
        return mine

    structures = rows.copy(here, there, schema.structures, noted, keep=("identity", "cell"))
    suspects = rows.copy(here, there, schema.suspects, rows.joined_suspect, keep=("key",))
    seen = rows.copy(here, there, schema.sightings, rows.joined_sighting, keep=("key", "identity"))
    verdicts = rows.copy(here, there, schema.verdicts, rows.act(schema.verdicts), keep=("key",))
    cases = rows.copy(here, there, schema.cases, rows.joined_case, keep=("external_key",))
    outbox = take_over(here, there)
    receipts = rows.copy(here, there, schema.receipts, rows.joined_receipt, keep=("external_key",))
    results = rows.copy(here, there, schema.results, rows.joined_result, keep=("external_key",))
    notices = rows.copy(here, there, schema.notices, rows.joined_claim, keep=())
    signoffs = rows.copy(here, there, schema.signoffs, rows.act(schema.signoffs), keep=())

    new = {row["identity"] for row in structures.new}
    touched = {row["identity"] for row in seen.touched}
    touched |= _shown_by(here, {row["key"] for row in [*verdicts.new, *suspects.changed]})
    spoken_of = {row["external_key"] for row in [*cases.touched, *results.touched]} | outbox
    touched |= _of_cases(here, spoken_of)
    waiting = _of_waiting_results(here)
    merged_before = _aliases(there)
    # What only the source knew, and knew as one, comes over as it is.
    again = ((touched - new) | differ | waiting | merged_before) & _known(here)
    cells = shared_cells(
        here, _cells_of(here, {row["identity"] for row in seen.touched} | merged_before), new
    )
    done = merge_cases.Done(attention=list(attention))
    aliases = reconcile(here, cells, again, done)
    copied: Sequence[Copied] = (
        surveys, pairs, structures, suspects, seen, verdicts, cases, receipts, results, notices, signoffs,
    )  # fmt: skip
    report = MergeReport(
        device=source.device,
        device_name=source.device_name,
        surveys=len(surveys.new),
        suspects=len(suspects.new),
        structures=len(structures.new),
        verdicts=len(verdicts.new),
        cases=len(cases.new),
        results=len(results.new),
        receipts=len(receipts.new),
        audit_rows=chain,
        handed_over=handed,
        aliases=aliases,
        not_sent=tuple(done.given_up),
        doubles=merge_cases.doubles(here),
        attention=tuple(done.attention),
    )
    changed = any(one.touched for one in copied) or outbox or chain or handed or aliases
    if changed or done.given_up or done.taken_up:
        audit.append(here, "ledger.merged", source.device, {"report": report, "taken_up": done.taken_up})
        audit.record_heads(here)
    return report


def _require_whole_chains(here: Tx, there: Tx, source: Ledger) -> None:
    mine, theirs = audit.heads(here), audit.heads(there)
    expected = dict(audit.recorded_heads(there))
    if source.device in mine:
        # Headquarters holds a copy: what the laptop had then, it must have now.
        expected[source.device] = mine[source.device]
    findings = verify_rows(audit.rows(there), expected)
    for device in sorted(set(mine) & set(theirs)):
        seq = min(mine[device][0], theirs[device][0])
        if _hash_at(here, device, seq) != _hash_at(there, device, seq):
            findings += (f"Row {seq} of device {device} is another one at headquarters: the chain forked.",)
    if theirs.get(here.device, (0, ""))[0] > mine[here.device][0]:
        findings += (f"It knows rows of device {here.device}, this one, that are not here any more.",)
    if findings:
        more = f" ({len(findings)} findings in all)" if len(findings) > 1 else ""
        raise LedgerError(
            f"The audit log of {source.url} is not whole: {findings[0]}{more}",
            hint="Nothing was merged. Keep a copy of both ledgers, and run aerial case verify on each.",
        )


def _hash_at(tx: Tx, device: str, seq: int) -> str | None:
    table = schema.audit
    query = sa.select(table.c.hash).where(table.c.device == device, table.c.seq == seq)
    return tx.connection.execute(query).scalar()


def _copy_chains(here: Tx, there: Tx) -> int:
    table, count = schema.audit, 0
    mine = audit.heads(here)
    for device in audit.heads(there):
        if device == here.device:
            continue
        after = mine[device][0] if device in mine else 0
        query = sa.select(table).where(table.c.device == device, table.c.seq > after).order_by(table.c.seq)
        found = there.connection.execute(query.execution_options(yield_per=rows.MANY)).mappings()
        for part in found.partitions(rows.MANY):
            here.connection.execute(table.insert(), [dict(row) for row in part])
            count += len(part)
    return count


def _copy_cycles(here: Tx, there: Tx) -> list[str]:
    told = []
    for start, days in index.cycles(there):
        try:
            index.add_cycle(here, start, days)
        except LedgerError as error:
            told.append(f"The laptop's cycle was not taken over: {error}")
    return told


def _known(tx: Tx) -> set[str]:
    return set(tx.connection.execute(sa.select(schema.sightings.c.identity).distinct()).scalars())


def _shown_by(tx: Tx, keys: set[str]) -> set[str]:
    table = schema.sightings
    return _found(tx, table.c.identity, table.c.key, keys)


def _of_cases(tx: Tx, keys: set[str]) -> set[str]:
    table = schema.cases
    return _found(tx, table.c.identity, table.c.external_key, keys)


def _cells_of(tx: Tx, identities: set[str]) -> set[str]:
    table = schema.structures
    return _found(tx, table.c.cell, table.c.identity, identities)


def _found(tx: Tx, what: sa.Column[Any], by: sa.Column[Any], values: set[str]) -> set[str]:
    return {
        found
        for part in chunks(sorted(values))
        for found in tx.connection.execute(sa.select(what).where(by.in_(part)).distinct()).scalars()
    }


def _of_waiting_results(tx: Tx) -> set[str]:
    """Return the structures of cases that came after what a destination said of them."""
    cases, results = schema.cases, schema.results
    query = (
        sa.select(cases.c.identity)
        .join(results, results.c.external_key == cases.c.external_key)
        .where(results.c.applied.is_(False))
    )
    return set(tx.connection.execute(query.distinct()).scalars())


def _aliases(tx: Tx) -> set[str]:
    table = schema.aliases
    found = tx.connection.execute(sa.select(table.c.identity, table.c.same_as)).all()
    return {one for row in found for one in row}
