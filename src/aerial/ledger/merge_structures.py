"""Structures after a merge: aliases, and what all ledgers together know of each that was touched."""

import json
from collections.abc import Iterable
from dataclasses import replace

import sqlalchemy as sa

from aerial.codec import to_plain
from aerial.ledger import merge_cases, schema
from aerial.ledger.merge_cases import Done
from aerial.ledger.merge_cells import groups
from aerial.ledger.merge_facts import Facts, facts_of
from aerial.ledger.merge_replay import Whole, replayed
from aerial.ledger.merge_rows import chunks
from aerial.ledger.structures import save_structure
from aerial.ledger.transaction import Tx
from aerial.records import Structure

_SAME = "The same place, seen by two laptops that were apart."


def reconcile(tx: Tx, cells: Iterable[str], touched: Iterable[str], done: Done) -> int:
    """Work out anew what the structures of ``cells`` that share a place are, and those ``touched``.

    Returns how many identities are an alias now that were none before.
    """
    aliases = schema.aliases
    before: dict[str, str] = {
        row.identity: row.same_as for row in tx.connection.execute(sa.select(aliases)).all()
    }
    found = {identity: group for cell in cells for group in groups(tx, cell) for identity in group}
    old: dict[str, set[str]] = {}
    for identity, same_as in before.items():
        old.setdefault(same_as, {same_as}).add(identity)
    looked_at = _of_cells(tx, cells)
    wholes: dict[str, tuple[str, ...]] = {}
    for identity in {*touched, *found, *(one for ones in old.values() if ones & looked_at for one in ones)}:
        group = found.get(identity)
        if group is None and identity not in looked_at:
            # Nothing was seen there: its group is what it was.
            group = tuple(sorted(old.get(before.get(identity, identity), {identity})))
        for one in group or (identity,):
            wholes[one] = group or (identity,)
    facts = facts_of(tx, wholes)
    new = 0
    for group in sorted(set(wholes.values())):
        if all(facts.versions.get(identity) for identity in group):
            whole = replayed(group, facts)
            new += _alias(tx, whole, before)
            _keep(tx, whole, facts, done)
    return new


def _of_cells(tx: Tx, cells: Iterable[str]) -> set[str]:
    table = schema.structures
    return {
        identity
        for part in chunks(sorted(set(cells)))
        for identity in tx.connection.execute(
            sa.select(table.c.identity).where(table.c.cell.in_(part))
        ).scalars()
    }


def _alias(tx: Tx, whole: Whole, before: dict[str, str]) -> int:
    table = schema.aliases
    kept, *others = whole.members
    if kept in before:
        tx.connection.execute(table.delete().where(table.c.identity == kept))
    new = 0
    for identity in others:
        if before.get(identity) == kept:
            continue
        tx.connection.execute(table.delete().where(table.c.identity == identity))
        values = {"identity": identity, "same_as": kept, "reason": _SAME, "at": tx.now, "device": tx.device}
        tx.connection.execute(table.insert().values(values))
        new += identity not in before
    return new


def _keep(tx: Tx, whole: Whole, facts: Facts, done: Done) -> None:
    kept = whole.members[0]
    for era in sorted(set(whole.eras.values())):
        keys = {
            version.key
            for identity in whole.members
            for version in facts.versions[identity]
            if version.first and whole.eras[version.stint] == era
        }
        suspects = schema.suspects
        for part in chunks(sorted(keys)):
            moved = sa.or_(suspects.c.identity != kept, suspects.c.episode != era)
            tx.connection.execute(
                suspects.update().where(suspects.c.key.in_(part), moved).values(identity=kept, episode=era)
            )
    present = merge_cases.settle(tx, whole, facts, done)
    # A case that the structure speaks of and that is not there (another laptop has it) stays named.
    _save(tx, replace(whole.structure, case=present or whole.structure.case))
    for identity in whole.members[1:]:
        _save(tx, facts.versions[identity][-1].structure)
    known = sorted(case.key for case in facts.cases.values() if case.stint in whole.eras)
    results = schema.results
    for part in chunks(known):
        waiting = results.c.external_key.in_(part) & results.c.applied.is_(False)
        tx.connection.execute(results.update().where(waiting).values(applied=True))


def _save(tx: Tx, now: Structure) -> None:
    table = schema.structures
    held = tx.connection.execute(sa.select(table.c.record).where(table.c.identity == now.identity)).scalar()
    if held != json.loads(json.dumps(to_plain(now))):
        save_structure(tx, now)
