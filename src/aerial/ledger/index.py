"""What was measured, as an index: cycles, surveys and compared pairs. The files are the truth of it."""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aerial.codec import sha256_json
from aerial.errors import LedgerError
from aerial.ledger import audit, schema
from aerial.ledger.transaction import Tx
from aerial.records import Survey
from aerial.records.record import record


@record
class SurveyRow:
    """One survey: how many photographs, hashes of the orthomosaic (None: not stitched) and of the record."""

    cell: str
    survey: str
    started_at: datetime
    photos: int
    ortho_sha256: str | None
    record_sha256: str


@record
class PairRow:
    """One comparison: hashes of ``suspects.geojson``, of the settings and of the model; the newest counts."""

    cell: str
    before: str
    after: str
    suspects_sha256: str
    params_sha256: str
    model_sha256: str
    compared_at: datetime


def add_cycle(tx: Tx, start: date, days: int) -> None:
    """Tell that a cycle of ``days`` begins on the local day ``start``; telling it again changes nothing.

    Raises:
        LedgerError: it would share days with another cycle.
    """
    if days < 1:
        raise ValueError(f"a cycle of {days} days")
    end = start + timedelta(days=days)
    for other, length in cycles(tx):
        if other != start and other < end and start < other + timedelta(days=length):
            raise LedgerError(
                f"A cycle from {start} over {days} days shares days with the one from {other}.",
                hint="Begin the cycle after the one before it has ended.",
            )
    _put(tx, schema.cycles, {"start": start}, {"days": days}, "cycle.added", start.isoformat())


def add_survey(tx: Tx, survey: Survey) -> None:
    """Index a survey, or what it has become since; the same again changes nothing."""
    values = {
        "started_at": survey.started_at,
        "photos": len(survey.photos),
        "ortho_sha256": survey.mosaic.ortho.sha256 if survey.mosaic else None,
        "record_sha256": sha256_json(survey),
    }
    key = {"cell": survey.cell, "survey": survey.survey}
    _put(tx, schema.surveys, key, values, "survey.added", f"{survey.cell}/{survey.survey}")


def add_pair(
    tx: Tx,
    cell: str,
    before: str,
    after: str,
    *,
    suspects_sha256: str,
    params_sha256: str,
    model_sha256: str,
    compared_at: datetime,
) -> None:
    """Index a comparison of two surveys of a cell; a newer comparison of them takes its place."""
    values = {
        "suspects_sha256": suspects_sha256,
        "params_sha256": params_sha256,
        "model_sha256": model_sha256,
        "compared_at": compared_at,
    }
    key = {"cell": cell, "before": before, "after": after}
    _put(tx, schema.pairs, key, values, "pair.added", f"{cell}/{before}__{after}")


def cycles(tx: Tx) -> tuple[tuple[date, int], ...]:
    """Return first day and length in days of every cycle, in order."""
    query = sa.select(schema.cycles).order_by(schema.cycles.c.start)
    return tuple((row.start, row.days) for row in tx.connection.execute(query))


def surveys(tx: Tx, *, cell: str | None = None, since: datetime | None = None) -> tuple[SurveyRow, ...]:
    """Return the surveys of a cell, or of all, begun at ``since`` or later, by cell and time."""
    table = schema.surveys
    query = sa.select(table).order_by(table.c.cell, table.c.started_at)
    if cell is not None:
        query = query.where(table.c.cell == cell)
    if since is not None:
        query = query.where(table.c.started_at >= since)
    return tuple(SurveyRow(**row) for row in tx.connection.execute(query).mappings())


def pairs(tx: Tx, *, cell: str | None = None) -> tuple[PairRow, ...]:
    """Return the comparisons of a cell, or of all, by cell and surveys."""
    table = schema.pairs
    query = sa.select(table).order_by(table.c.cell, table.c.after, table.c.before)
    if cell is not None:
        query = query.where(table.c.cell == cell)
    return tuple(PairRow(**row) for row in tx.connection.execute(query).mappings())


def days_of(tx: Tx, cycle: date) -> tuple[date, date]:
    """Return the first day of a cycle and the first day after it.

    Raises:
        LedgerError: no cycle begins on that day.
    """
    found = dict(cycles(tx)).get(cycle)
    if found is None:
        raise LedgerError(f"No cycle begins on {cycle}.", hint="aerial cycle status shows the cycles.")
    return cycle, cycle + timedelta(days=found)


def _put(
    tx: Tx, table: sa.Table, key: Mapping[str, Any], values: Mapping[str, Any], what: str, subject: str
) -> None:
    here = sa.and_(*(table.c[name] == value for name, value in key.items()))
    columns = [table.c[name] for name in values]
    present = tx.connection.execute(sa.select(*columns).where(here)).mappings().first()
    if present is not None and dict(present) == dict(values):
        return
    if present is None:
        tx.connection.execute(table.insert().values({**key, **values}))
    else:
        tx.connection.execute(table.update().where(here).values(dict(values)))
    audit.append(tx, what, subject, values)
