"""Sign-offs: a named person's word that something may leave which else would not."""

from typing import get_args

import sqlalchemy as sa

from aerial.ledger import audit, schema
from aerial.ledger.transaction import Tx, clean, new_id
from aerial.records import Signoff, SignoffKind


def add_signoff(tx: Tx, kind: SignoffKind, subject: str, by: str, reason: str) -> Signoff:
    """Record that ``by`` lets ``subject`` (a case's external key, a report's name) leave, and why.

    Raises:
        LedgerError: subject, name or reason is empty.
    """
    if kind not in get_args(SignoffKind):
        raise ValueError(f"no sign-off is called {kind!r}")
    signoff = Signoff(
        id=new_id(tx.now),
        device=tx.device,
        kind=kind,
        subject=clean(subject, "subject"),
        by=clean(by, "name"),
        reason=clean(reason, "reason"),
        at=tx.now,
    )
    values = {name: getattr(signoff, name) for name in Signoff.__dataclass_fields__}
    tx.connection.execute(schema.signoffs.insert().values(**values))
    audit.append(tx, "signoff.given", signoff.subject, {"signoff": signoff})
    return signoff


def signoffs(tx: Tx, *, subject: str | None = None) -> tuple[Signoff, ...]:
    """Return the sign-offs for one subject, or all, oldest first."""
    table = schema.signoffs
    query = sa.select(table).order_by(table.c.at, table.c.id)
    if subject is not None:
        query = query.where(table.c.subject == subject)
    return tuple(
        Signoff(**{name: getattr(row, name) for name in Signoff.__dataclass_fields__})
        for row in tx.connection.execute(query)
    )
