"""The audit log: one hash chain a device, a row for every act, in the act's own transaction.

What a row is and how it is hashed is told by ``aerial.chain``. Payloads hold no secrets.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

import sqlalchemy as sa

from aerial.chain import ChainRow, Head, chained, verify_rows
from aerial.codec import to_plain
from aerial.errors import LedgerError
from aerial.ledger.schema import audit, audit_heads
from aerial.ledger.transaction import Tx

_HEADS_RECORDED = "heads.recorded"


def append(tx: Tx, what: str, subject: str, payload: Mapping[str, Any]) -> None:
    """Add a row to this device's chain: ``what`` was done (``noun.verb``) to ``subject``, with ``payload``.

    Raises:
        LedgerError: the payload, which may hold records, cannot be written as JSON.
    """
    last = tx.connection.execute(
        sa.select(audit.c.seq, audit.c.hash)
        .where(audit.c.device == tx.device)
        .order_by(audit.c.seq.desc())
        .limit(1)
    ).first()
    at = tx.now.astimezone(UTC).isoformat(timespec="microseconds")
    after = (last.seq, last.hash) if last else None
    try:
        row = chained(tx.device, after, at, what, subject, _listed(to_plain(dict(payload))))
    except (ValueError, TypeError) as exc:
        raise LedgerError(
            f"{what} of {subject!r} cannot be written to the audit log: {exc}",
            hint="Remove what is no text or no finite number.",
        ) from exc
    tx.connection.execute(
        audit.insert().values({name: getattr(row, name) for name in ChainRow.__dataclass_fields__})
    )


def rows(tx: Tx, device: str | None = None) -> Iterator[ChainRow]:
    """Yield the rows of one device's chain, or of all of them, each in its order."""
    query = sa.select(audit).order_by(audit.c.device, audit.c.seq)
    if device is not None:
        query = query.where(audit.c.device == device)
    for row in tx.connection.execute(query.execution_options(yield_per=1000)).mappings():
        yield ChainRow(**row)


def of_subject(tx: Tx, subject: str, what: str) -> tuple[ChainRow, ...]:
    """Return the rows of one kind about one subject, the newest first."""
    query = sa.select(audit).where(audit.c.subject == subject, audit.c.what == what)
    found = tx.connection.execute(query.order_by(audit.c.at.desc(), audit.c.seq.desc())).mappings()
    return tuple(ChainRow(**row) for row in found)


def heads(tx: Tx) -> dict[str, Head]:
    """Return seq and hash of the last row of every chain, by device."""
    last = (
        sa.select(audit.c.device, sa.func.max(audit.c.seq).label("seq")).group_by(audit.c.device).subquery()
    )
    query = sa.select(audit.c.device, audit.c.seq, audit.c.hash).join(
        last, (last.c.device == audit.c.device) & (last.c.seq == audit.c.seq)
    )
    return {row.device: (row.seq, row.hash) for row in tx.connection.execute(query)}


def recorded_heads(tx: Tx) -> dict[str, Head]:
    """Return the newest recorded head of every chain that ever had one, by device."""
    query = sa.select(audit_heads).order_by(audit_heads.c.seq)
    return {row.device: (row.seq, row.hash) for row in tx.connection.execute(query)}


def record_heads(tx: Tx) -> None:
    """Record the present heads; from now on a chain that is shorter, or another one, is found.

    The recording is an act too: the heads of all devices stand in this device's chain.

    Raises:
        LedgerError: a chain does not hold the head that was recorded before.
    """
    before, now = recorded_heads(tx), heads(tx)
    for device, (seq, digest) in before.items():
        held = tx.connection.execute(
            sa.select(audit.c.hash).where(audit.c.device == device, audit.c.seq == seq)
        ).scalar()
        if held != digest:
            raise LedgerError(
                f"The audit chain of device {device} does not hold row {seq} as it was recorded.",
                hint="Run aerial case verify, and keep a copy of both ledgers before anything else is done.",
            )
    new = {device: head for device, head in now.items() if before.get(device) != head}
    last = tx.connection.execute(
        sa.select(audit.c.what).where(audit.c.device == tx.device, audit.c.seq == now[tx.device][0])
    ).scalar()
    if set(new) == {tx.device} and last == _HEADS_RECORDED:
        return  # nothing happened since but the recording itself
    for device, (seq, digest) in new.items():
        values = {"device": device, "seq": seq, "hash": digest, "recorded_at": tx.now}
        tx.connection.execute(audit_heads.insert().values(values))
    if new:
        append(
            tx, _HEADS_RECORDED, tx.device, {"heads": {device: list(head) for device, head in new.items()}}
        )


def verify(tx: Tx) -> tuple[str, ...]:
    """Return what is wrong with the chains in the ledger, against the recorded heads; empty: nothing."""
    return verify_rows(rows(tx), recorded_heads(tx))


def _listed(data: Any) -> Any:
    # Canonical JSON is compared with what is read back: tuples become what JSON makes of them.
    if isinstance(data, Mapping):
        return {str(key): _listed(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [_listed(value) for value in data]
    return data
