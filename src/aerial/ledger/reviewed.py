"""Suspects with the verdict on them and what was found on site, for labels."""

from datetime import datetime

import sqlalchemy as sa

from aerial.ledger import schema
from aerial.ledger.transaction import Tx, load
from aerial.records import Decision, Observation, Result
from aerial.records.record import record


@record
class Reviewed:
    """One suspect: the newest verdict on it, and the newest on-site result of its case (None: none)."""

    observation: Observation
    decision: Decision
    by: str
    at: datetime
    result: Result | None


def reviewed(tx: Tx) -> tuple[Reviewed, ...]:
    """Return every suspect that a person looked at, by key."""
    suspects, verdicts, cases, results = schema.suspects, schema.verdicts, schema.cases, schema.results
    newest: dict[str, sa.Row[tuple[object, ...]]] = {
        row.key: row
        for row in tx.connection.execute(sa.select(verdicts).order_by(verdicts.c.at, verdicts.c.id))
    }
    on_site = {
        row.suspect_key: row.result
        for row in tx.connection.execute(
            sa.select(cases.c.suspect_key, results.c.result)
            .join(results, results.c.external_key == cases.c.external_key)
            .where(results.c.result.is_not(None), results.c.result != "no_access")
            .order_by(results.c.at, results.c.id)
        )
    }
    found = tx.connection.execute(
        sa.select(suspects.c.key, suspects.c.observation)
        .where(suspects.c.key.in_(sa.select(verdicts.c.key)))
        .order_by(suspects.c.key)
    )
    return tuple(
        Reviewed(
            observation=load(Observation, row.observation, source=f"suspect {row.key}"),
            decision=newest[row.key].decision,
            by=newest[row.key].by,
            at=newest[row.key].at,
            result=on_site.get(row.key),
        )
        for row in found
    )
