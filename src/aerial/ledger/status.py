"""How a town stands, as a few queries over columns: no record is read whole but those of held cases.

Each answers within a fraction of a second at 100 000 suspects and 10 000 cases
(``benchmarks/ledger_scale.py``).
"""

from datetime import date, datetime, timedelta

import sqlalchemy as sa

from aerial.ledger import index, schema
from aerial.ledger.outbox import OutboxState
from aerial.ledger.structures import waiting
from aerial.ledger.transaction import Tx
from aerial.records import Stage
from aerial.records.record import record

# A deadline that comes within so many days is shown before it has passed.
SOON_DAYS = 3
_OVER: tuple[Stage, ...] = ("close", "cancel")


@record
class StageCount:
    """How many cases are in a stage; ``held`` of them must not leave yet."""

    stage: Stage
    cases: int
    held: int


@record
class HeldCase:
    """A case that must not leave, and every reason for it."""

    external_key: str
    cell: str
    reasons: tuple[str, ...]


@record
class DueCase:
    """An open case whose deadline has passed (``overdue``), or will within ``SOON_DAYS``."""

    external_key: str
    cell: str
    stage: Stage
    deadline: datetime
    overdue: bool


@record
class Undelivered:
    """Rows in one state that a destination does not provably hold, and what went wrong last, if anything."""

    sink: str
    state: OutboxState
    rows: int
    last_error: str | None


@record
class DeadRow:
    """A delivery that was given up, with the reason."""

    external_key: str
    sink: str
    reason: str


@record
class CellWaits:
    """How many suspects of a cell wait for a verdict."""

    cell: str
    suspects: int


@record
class CycleSurveys:
    """The newest cycle that has begun: its first day, its days, and the cells surveyed in it."""

    start: date
    days: int
    surveyed: tuple[str, ...]


def stages(tx: Tx) -> tuple[StageCount, ...]:
    """Return how many cases are in each stage, by its name."""
    table = schema.cases
    query = (
        sa.select(
            table.c.stage,
            sa.func.count().label("cases"),
            sa.func.sum(sa.case((table.c.held, 1), else_=0)).label("held"),
        )
        .group_by(table.c.stage)
        .order_by(table.c.stage)
    )
    return tuple(
        StageCount(stage=row.stage, cases=row.cases, held=int(row.held))
        for row in tx.connection.execute(query)
    )


def held(tx: Tx) -> tuple[HeldCase, ...]:
    """Return the open cases that are held, by external key."""
    table = schema.cases
    query = (
        sa.select(table.c.external_key, table.c.cell, table.c.record)
        .where(table.c.held, table.c.stage.not_in(_OVER))
        .order_by(table.c.external_key)
    )
    return tuple(
        HeldCase(external_key=row.external_key, cell=row.cell, reasons=tuple(row.record.get("held", ())))
        for row in tx.connection.execute(query)
    )


def due(tx: Tx) -> tuple[DueCase, ...]:
    """Return the open cases whose deadline has passed or comes soon, the oldest first."""
    table = schema.cases
    query = (
        sa.select(table.c.external_key, table.c.cell, table.c.stage, table.c.deadline)
        .where(table.c.stage.not_in(_OVER), table.c.deadline <= tx.now + timedelta(days=SOON_DAYS))
        .order_by(table.c.deadline, table.c.external_key)
    )
    return tuple(
        DueCase(**row, overdue=row["deadline"] < tx.now) for row in tx.connection.execute(query).mappings()
    )


def undelivered(tx: Tx) -> tuple[Undelivered, ...]:
    """Return the rows that are not confirmed, counted by destination and state."""
    rows = schema.outbox
    place = sa.func.row_number().over(
        partition_by=(rows.c.sink, rows.c.state),
        # The row that was tried last tells what is wrong now.
        order_by=(
            rows.c.error.is_(None),
            sa.func.coalesce(rows.c.sent_at, rows.c.made_at).desc(),
            rows.c.external_key,
        ),
    )
    counted = (
        sa.select(
            rows.c.sink,
            rows.c.state,
            rows.c.error.label("last_error"),
            sa.func.count().over(partition_by=(rows.c.sink, rows.c.state)).label("rows"),
            place.label("place"),
        )
        .where(rows.c.state != "confirmed")
        .subquery()
    )
    query = (
        sa.select(counted.c.sink, counted.c.state, counted.c.rows, counted.c.last_error)
        .where(counted.c.place == 1)
        .order_by(counted.c.sink, counted.c.state)
    )
    return tuple(Undelivered(**row) for row in tx.connection.execute(query).mappings())


def dead(tx: Tx) -> tuple[DeadRow, ...]:
    """Return the deliveries that were given up and whose case is open all the same."""
    rows, table = schema.outbox, schema.cases
    query = (
        sa.select(rows.c.external_key, rows.c.sink, rows.c.error)
        .join(table, table.c.external_key == rows.c.external_key)
        .where(rows.c.state == "dead", table.c.stage.not_in(_OVER))
        .order_by(rows.c.external_key, rows.c.sink)
    )
    return tuple(
        DeadRow(external_key=row.external_key, sink=row.sink, reason=row.error or "")
        for row in tx.connection.execute(query)
    )


def undecided(tx: Tx) -> tuple[CellWaits, ...]:
    """Return how many suspects wait in each cell that has some, by cell."""
    suspects, now = schema.suspects, schema.structures
    query = (
        sa.select(suspects.c.cell, sa.func.count().label("suspects"))
        .join(now, now.c.identity == suspects.c.identity)
        .where(waiting())
        .group_by(suspects.c.cell)
        .order_by(suspects.c.cell)
    )
    return tuple(CellWaits(**row) for row in tx.connection.execute(query).mappings())


def newest_cycle(tx: Tx, today: date) -> CycleSurveys | None:
    """Return the newest cycle that had begun on the local day ``today``; None before the first."""
    begun = [cycle for cycle in index.cycles(tx) if cycle[0] <= today]
    if not begun:
        return None
    start, days = begun[-1]
    table = schema.surveys
    # A survey is called by its local day, <YYYY-MM-DD>-<n>: as text it sorts by that day.
    query = (
        sa.select(table.c.cell)
        .where(
            table.c.survey >= start.isoformat(), table.c.survey < (start + timedelta(days=days)).isoformat()
        )
        .distinct()
        .order_by(table.c.cell)
    )
    return CycleSurveys(start=start, days=days, surveyed=tuple(tx.connection.execute(query).scalars()))
