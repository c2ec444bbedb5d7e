"""Verdicts as they were given: read, and never changed."""

import sqlalchemy as sa

from aerial.ledger import schema
from aerial.ledger.transaction import Tx
from aerial.records import Verdict


def of_key(tx: Tx, key: str) -> tuple[Verdict, ...]:
    """Return the verdicts that were given on one suspect, oldest first."""
    return _verdicts(tx, schema.verdicts.c.key == key)


def of_structure(tx: Tx, identity: str) -> tuple[Verdict, ...]:
    """Return the verdicts on any suspect that shows a structure, under whatever identity, oldest first."""
    sightings, aliases = schema.sightings, schema.aliases
    others = sa.select(aliases.c.identity).where(aliases.c.same_as == identity)
    shows = sa.select(sightings.c.key).where(
        sa.or_(sightings.c.identity == identity, sightings.c.identity.in_(others))
    )
    return _verdicts(tx, schema.verdicts.c.key.in_(shows))


def of_id(tx: Tx, verdict: str) -> Verdict | None:
    """Return one verdict, or None."""
    found = _verdicts(tx, schema.verdicts.c.id == verdict)
    return found[0] if found else None


def of_row(row: sa.RowMapping) -> Verdict:
    """Return the verdict that a row holds."""
    return Verdict(**row)


def _verdicts(tx: Tx, which: sa.ColumnElement[bool]) -> tuple[Verdict, ...]:
    table = schema.verdicts
    rows = tx.connection.execute(sa.select(table).where(which).order_by(table.c.at, table.c.id)).mappings()
    return tuple(of_row(row) for row in rows)
