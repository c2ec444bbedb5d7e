"""One row for each case and destination: what is to be sent, may have been, or is proved to be there.

    pending    not sent, or known not to have arrived
    ambiguous  a request went out and nobody knows what became of it: it is looked up before it is sent again
    sent       the peer said yes, and nothing was read back yet
    confirmed  read back: the peer holds it
    dead       given up, for a reason; a person may revive it

A worker claims a row for a time (its lease). Who lost the lease changes nothing any more, except that a
receipt is true whoever read it.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import sqlalchemy as sa

from aerial.errors import LedgerError
from aerial.ledger import audit
from aerial.ledger.schema import outbox
from aerial.ledger.schema import receipts as receipt_rows
from aerial.ledger.transaction import Tx, load
from aerial.records import Receipt
from aerial.records.record import record

OutboxState = Literal["pending", "sent", "confirmed", "ambiguous", "dead"]
OPEN: tuple[OutboxState, ...] = ("pending", "ambiguous", "sent")
_ERROR_SIGNS = 500


@record
class Row:
    """One row. ``attempts``: requests that went out; ``next_at``: not before.

    ``sent_at``: when the newest of them went out, or, where that is known, when it was over.

    ``failures``: how often in a row it had to wait, for whatever reason.

    ``worker`` and ``lease_until``: who has claimed it, and how long; both None when nobody has.
    """

    external_key: str
    sink: str
    state: OutboxState
    attempts: int
    failures: int
    made_at: datetime
    next_at: datetime
    sent_at: datetime | None
    error: str | None
    worker: str | None
    lease_until: datetime | None

    @property
    def id(self) -> str:
        """The same for the same case and destination, on every machine: a key for idempotent requests."""
        return f"{self.external_key}@{self.sink}"


@record
class Proof:
    """A receipt as it was read back from ``sink``, and how far its position was from the case's."""

    sink: str
    receipt: Receipt
    distance_m: float
    device: str


def make_rows(tx: Tx, external_key: str, sinks: Sequence[str]) -> tuple[str, ...]:
    """Make the rows of a case for destinations that have none yet; return those destinations."""
    there = set(
        tx.connection.execute(sa.select(outbox.c.sink).where(outbox.c.external_key == external_key)).scalars()
    )
    new = tuple(sink for sink in dict.fromkeys(sinks) if sink not in there)
    for sink in new:
        values = {
            "external_key": external_key,
            "sink": sink,
            "state": "pending",
            "attempts": 0,
            "failures": 0,
        }
        tx.connection.execute(outbox.insert().values(**values, made_at=tx.now, next_at=tx.now))
    return new


def claim(tx: Tx, sink: str, worker: str, lease_s: float) -> Row | None:
    """Return the due row that waits longest, leased to ``worker`` for ``lease_s``; None: nothing is due.

    No two workers hold one row: an expired lease can be claimed by another, a running one cannot. A claim
    is no act and stands in no audit row.
    """
    due = (
        sa.select(outbox)
        .where(outbox.c.sink == sink, outbox.c.state.in_(OPEN), outbox.c.next_at <= tx.now)
        .where(sa.or_(outbox.c.lease_until.is_(None), outbox.c.lease_until <= tx.now))
        .order_by(outbox.c.next_at, outbox.c.external_key)
        .limit(1)
        # Somebody with a database console may hold a row: a worker takes the next one instead of waiting.
        .with_for_update(skip_locked=True)
    )
    found = tx.connection.execute(due).mappings().first()
    if found is None:
        return None
    lease = {"worker": worker, "lease_until": tx.now + timedelta(seconds=lease_s)}
    if found["worker"] is not None and found["state"] == "ambiguous":
        # Its worker was cut off, and may have been sending until its lease ended.
        lease["sent_at"] = found["lease_until"]
    _update(tx, Row(**found), lease)
    return Row(**{**found, **lease})


def extend(tx: Tx, row: Row, worker: str, lease_s: float) -> bool:
    """Hold a row longer, from now; False: it is another's, or settled."""
    return _update_mine(tx, row, worker, {"lease_until": tx.now + timedelta(seconds=lease_s)})


def release(tx: Tx, worker: str) -> int:
    """Take back the rows of a worker that is known to have ended; return how many.

    What it was sending may arrive from now on as from its last breath.
    """
    held = (outbox.c.worker == worker) & outbox.c.state.in_(OPEN)
    free = {"worker": None, "lease_until": None, "next_at": tx.now}
    sending_ = held & (outbox.c.state == "ambiguous")
    done = tx.connection.execute(outbox.update().where(sending_).values(**free, sent_at=tx.now)).rowcount
    return done + tx.connection.execute(outbox.update().where(held).values(free)).rowcount


def still_mine(tx: Tx, row: Row, worker: str) -> bool:
    """Tell whether the worker's lease on an unsettled row still runs."""
    query = sa.select(outbox.c.sink).where(_mine(tx, row, worker))
    return tx.connection.execute(query).first() is not None


def sending(tx: Tx, row: Row) -> Row:
    """Note that a request goes out now, before it does: from here until an answer it may have arrived.

    Raises:
        LedgerError: the lease ran out, or the row was settled: send nothing.
    """
    change = {"state": "ambiguous", "attempts": outbox.c.attempts + 1, "sent_at": tx.now, "error": None}
    if not _update_mine(tx, row, row.worker, change):
        raise LedgerError(
            f"{row.external_key} for {row.sink} is no longer this worker's to send.",
            hint="Nothing was sent; whoever holds it now goes on.",
        )
    now = get(tx, row.external_key, row.sink)
    audit.append(tx, "case.sending", row.external_key, {"sink": row.sink, "attempt": now.attempts})
    return now


def sent(tx: Tx, row: Row) -> bool:
    """Note that the peer took it; that is no receipt, so the worker keeps the lease and reads back.

    False: the lease was lost, or no request went out, and nothing changed.
    """
    here = sa.and_(_mine(tx, row, row.worker), outbox.c.sent_at.is_not(None))
    statement = outbox.update().where(here).values(state="sent", sent_at=tx.now)
    done = tx.connection.execute(statement).rowcount == 1
    if done:
        audit.append(tx, "case.sent", row.external_key, {"sink": row.sink})
    return done


def confirmed(tx: Tx, row: Row, receipt: Receipt, distance_m: float) -> None:
    """Keep a receipt, ``distance_m`` from the case's position, and settle the row, whoever holds it.

    The same receipt again changes nothing.

    Raises:
        LedgerError: the receipt is of another case.
    """
    if receipt.external_key != row.external_key:
        raise LedgerError(
            f"A receipt for {receipt.external_key} proves nothing about {row.external_key}.",
            hint="Look at the destination's field for the external key.",
        )
    now = get(tx, row.external_key, row.sink)
    held = [proof.receipt for proof in receipts(tx, row.external_key) if proof.sink == row.sink]
    if receipt in held and now.state == "confirmed":
        return
    if receipt not in held:
        tx.connection.execute(
            receipt_rows.insert().values(
                external_key=row.external_key,
                sink=row.sink,
                remote_id=receipt.remote_id,
                read_at=receipt.read_at,
                distance_m=distance_m,
                device=tx.device,
                record=receipt,
            )
        )
    _update(tx, row, {"state": "confirmed", "error": None, "worker": None, "lease_until": None})
    payload = {"sink": row.sink, "receipt": receipt, "distance_m": distance_m}
    audit.append(tx, "case.confirmed", row.external_key, payload)


def retry(
    tx: Tx, row: Row, next_at: datetime, error: str, state: Literal["pending", "ambiguous", "sent"]
) -> bool:
    """Give a row back until ``next_at``. ``pending`` only where it is known that nothing arrived.

    ``error`` is kept in words, secrets in it blotted out. False: the lease was lost, and nothing changed.
    """
    if state not in OPEN:
        raise ValueError(f"a row that is tried again is not {state!r}")
    return _give_back(tx, row, next_at, error, {"state": state})


def broke(tx: Tx, row: Row, next_at: datetime, error: str) -> bool:
    """As ``retry``, of a request that broke just now: what the peer makes of it, it makes from now on."""
    return _give_back(tx, row, next_at, error, {"state": "ambiguous", "sent_at": tx.now})


def took_nothing(tx: Tx, row: Row, before: Row, next_at: datetime, error: str) -> bool:
    """As ``retry``, of a request of which the peer stored nothing: all is known that was ``before`` it.

    An earlier request that may have arrived may still have arrived.
    """
    undone = {"state": before.state, "attempts": before.attempts, "sent_at": before.sent_at}
    return _give_back(tx, row, next_at, error, undone)


def _give_back(tx: Tx, row: Row, next_at: datetime, error: str, change: Mapping[str, Any]) -> bool:
    words = _told(error)
    settled = {"next_at": next_at, "error": words, "failures": outbox.c.failures + 1}
    done = _update_mine(tx, row, row.worker, {**change, **settled, "worker": None, "lease_until": None})
    if done:
        payload = {"sink": row.sink, "state": change["state"], "next_at": next_at, "error": words}
        audit.append(tx, "case.waits", row.external_key, payload)
    return done


def dead(tx: Tx, row: Row, reason: str) -> bool:
    """Give a row up, for a reason in words. False: the lease was lost, and nothing changed."""
    change = {"state": "dead", "error": _told(reason), "worker": None, "lease_until": None}
    done = _update_mine(tx, row, row.worker, change)
    if done:
        audit.append(tx, "case.dead", row.external_key, {"sink": row.sink, "reason": _told(reason)})
    return done


def give_up_unsent(tx: Tx, external_key: str, reason: str) -> tuple[str, ...]:
    """Give up the rows of a case that never left, leased or not; return their destinations."""
    given_up = []
    for row in rows(tx, key=external_key):
        if row.state == "pending":
            change = {"state": "dead", "error": _told(reason), "worker": None, "lease_until": None}
            _update(tx, row, change)
            given_up.append(row.sink)
    return tuple(given_up)


def revive(tx: Tx, external_key: str, sink: str) -> Row:
    """Take a dead row up again, due now; what ever went out is looked up before it is sent again.

    Raises:
        LedgerError: there is no such row, or it is not dead.
    """
    row = get(tx, external_key, sink)
    if row.state != "dead":
        raise LedgerError(
            f"{external_key} for {sink} is {row.state}, not dead.", hint="Only what was given up is revived."
        )
    state = "ambiguous" if row.sent_at else "pending"
    _update(tx, row, {"state": state, "next_at": tx.now, "error": None, "failures": 0})
    audit.append(tx, "case.revived", external_key, {"sink": sink, "state": state})
    return get(tx, external_key, sink)


def hurry(tx: Tx, sink: str) -> int:
    """Make due now what never left for a destination: a person asks, and may have mended why."""
    never = (outbox.c.sink == sink) & (outbox.c.state == "pending") & outbox.c.sent_at.is_(None)
    waits = never & (outbox.c.next_at > tx.now)
    return tx.connection.execute(outbox.update().where(waits).values(next_at=tx.now)).rowcount


def get(tx: Tx, external_key: str, sink: str) -> Row:
    """Return one row.

    Raises:
        LedgerError: there is none.
    """
    query = sa.select(outbox).where(outbox.c.external_key == external_key, outbox.c.sink == sink)
    found = tx.connection.execute(query).mappings().first()
    if found is None:
        raise LedgerError(
            f"{external_key} is not to be sent to {sink}.", hint="aerial case push shows what is."
        )
    return Row(**found)


def rows(tx: Tx, *, key: str | None = None, sink: str | None = None) -> tuple[Row, ...]:
    """Return the rows of a case, of a destination, or all, by case and destination."""
    query = sa.select(outbox).order_by(outbox.c.external_key, outbox.c.sink)
    if key is not None:
        query = query.where(outbox.c.external_key == key)
    if sink is not None:
        query = query.where(outbox.c.sink == sink)
    return tuple(Row(**row) for row in tx.connection.execute(query).mappings())


def confirmed_keys(tx: Tx) -> tuple[str, ...]:
    """Return the cases that are proved to be at one destination at least."""
    query = sa.select(outbox.c.external_key).where(outbox.c.state == "confirmed").distinct()
    return tuple(tx.connection.execute(query.order_by(outbox.c.external_key)).scalars())


def receipts(tx: Tx, external_key: str) -> tuple[Proof, ...]:
    """Return every receipt of a case, oldest first."""
    query = (
        sa.select(receipt_rows)
        .where(receipt_rows.c.external_key == external_key)
        .order_by(receipt_rows.c.read_at, receipt_rows.c.sink)
    )
    return tuple(
        Proof(
            sink=row.sink,
            receipt=load(Receipt, row.record, source=f"receipt of {external_key}"),
            distance_m=row.distance_m,
            device=row.device,
        )
        for row in tx.connection.execute(query)
    )


def backlog(tx: Tx) -> dict[str, dict[OutboxState, int]]:
    """Return how many rows each destination has in each state."""
    query = (
        sa.select(outbox.c.sink, outbox.c.state, sa.func.count().label("rows"))
        .group_by(outbox.c.sink, outbox.c.state)
        .order_by(outbox.c.sink, outbox.c.state)
    )
    counts: dict[str, dict[OutboxState, int]] = {}
    for row in tx.connection.execute(query):
        counts.setdefault(row.sink, {})[row.state] = row.rows
    return counts


def _mine(tx: Tx, row: Row, worker: str | None) -> sa.ColumnElement[bool]:
    return sa.and_(
        outbox.c.external_key == row.external_key,
        outbox.c.sink == row.sink,
        outbox.c.worker == worker,
        outbox.c.lease_until > tx.now,
        outbox.c.state.in_(OPEN),
    )


def _update_mine(tx: Tx, row: Row, worker: str | None, change: Mapping[str, Any]) -> bool:
    statement = outbox.update().where(_mine(tx, row, worker)).values(dict(change))
    return tx.connection.execute(statement).rowcount == 1


def _update(tx: Tx, row: Row, change: Mapping[str, Any]) -> None:
    here = (outbox.c.external_key == row.external_key) & (outbox.c.sink == row.sink)
    tx.connection.execute(outbox.update().where(here).values(dict(change)))


def _told(error: str) -> str:
    # A peer's words may quote the address that it was asked at, and that may hold a key.
    error = re.sub(r"://[^\s/@]*@", "://***@", error)
    error = re.sub(r"(?i)((?:key|token|secret|sign|password|pwd)[\w-]*=)[^\s&\"']+", r"\1***", error)
    printable = "".join(sign if sign.isprintable() else " " for sign in error)
    return printable[:_ERROR_SIGNS]
