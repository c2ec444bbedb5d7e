"""Structures after a merge: aliases, and what all ledgers together know of each that was touched."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import sqlalchemy as sa

from aerial.codec import to_plain
from aerial.ledger import merge_cases, schema
from aerial.ledger.merge_cases import Done
from aerial.ledger.merge_cells import groups
from aerial.ledger.merge_facts import Facts, Stint, facts_of
from aerial.ledger.merge_replay import Whole, replayed
from aerial.ledger.merge_rows import chunks
from aerial.ledger.structures import values_of
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
    groups_of_all = sorted({group for group in wholes.values() if all(map(facts.versions.get, group))})
    changed = _Changed()
    for group in groups_of_all:
        whole = replayed(group, facts)
        changed.aliases.update(dict.fromkeys(whole.members[1:], whole.members[0]))
        changed.kept.append(whole.members[0])
        _keep(tx, whole, facts, changed, done)
    _write(tx, changed, facts)
    return _write_aliases(tx, changed, before)


@dataclass(slots=True)
class _Changed:
    """What is written together: one round trip a structure would be thousands."""

    kept: list[str] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    structures: list[Structure] = field(default_factory=list)
    suspects: dict[str, Stint] = field(default_factory=dict)


def _of_cells(tx: Tx, cells: Iterable[str]) -> set[str]:
    table = schema.structures
    return {
        identity
        for part in chunks(sorted(set(cells)))
        for identity in tx.connection.execute(
            sa.select(table.c.identity).where(table.c.cell.in_(part))
        ).scalars()
    }


def _keep(tx: Tx, whole: Whole, facts: Facts, changed: _Changed, done: Done) -> None:
    kept = whole.members[0]
    for identity in whole.members:
        for version in facts.versions[identity]:
            if version.first:
                era = max(whole.eras[version.stint], changed.suspects.get(version.key, (kept, 0))[1])
                changed.suspects[version.key] = (kept, era)
    present = merge_cases.settle(tx, whole, facts, done)
    # A case that the structure speaks of and that is not there (another laptop has it) stays named.
    changed.structures.append(replace(whole.structure, case=present or whole.structure.case))
    changed.structures += [facts.versions[identity][-1].structure for identity in whole.members[1:]]


def _write(tx: Tx, changed: _Changed, facts: Facts) -> None:
    table, suspects, results = schema.structures, schema.suspects, schema.results
    for part in chunks(changed.structures):
        query = sa.select(table.c.identity, table.c.record).where(
            table.c.identity.in_([now.identity for now in part])
        )
        held = {row.identity: row.record for row in tx.connection.execute(query)}
        changed_now = [now for now in part if held.get(now.identity) != json.loads(json.dumps(to_plain(now)))]
        if changed_now:
            here = table.c.identity == sa.bindparam("its_identity")
            names = ("episode", "cell", "state", "decided_on", "record")
            statement = table.update().where(here).values({name: sa.bindparam(name) for name in names})
            tx.connection.execute(
                statement, [{"its_identity": now.identity, **values_of(now)} for now in changed_now]
            )
    moved = []
    for keys in chunks(sorted(changed.suspects)):
        columns = (suspects.c.key, suspects.c.identity, suspects.c.episode)
        for row in tx.connection.execute(sa.select(*columns).where(suspects.c.key.in_(keys))):
            identity, era = changed.suspects[row.key]
            if (row.identity, row.episode) != (identity, era):
                moved.append({"its_key": row.key, "identity": identity, "episode": era})
    if moved:
        tx.connection.execute(suspects.update().where(suspects.c.key == sa.bindparam("its_key")), moved)
    for keys in chunks(sorted(facts.cases)):
        waiting = results.c.external_key.in_(keys) & results.c.applied.is_(False)
        tx.connection.execute(results.update().where(waiting).values(applied=True))


def _write_aliases(tx: Tx, changed: _Changed, before: dict[str, str]) -> int:
    """Write the aliases that are not as they were; return how many identities had none."""
    table = schema.aliases
    new = {name: same_as for name, same_as in changed.aliases.items() if before.get(name) != same_as}
    gone = sorted(name for name in (*new, *changed.kept) if name in before)
    for part in chunks(gone):
        tx.connection.execute(table.delete().where(table.c.identity.in_(part)))
    values = {"reason": _SAME, "at": tx.now, "device": tx.device}
    made = [{"identity": name, "same_as": same_as, **values} for name, same_as in sorted(new.items())]
    if made:
        tx.connection.execute(table.insert(), made)
    return sum(name not in before for name in new)
