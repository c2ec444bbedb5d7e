"""Deliveries in a merge: handed over by the laptop first, then taken over by headquarters."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from aerial.ledger import audit, schema
from aerial.ledger.merge_facts import HANDED, is_worked_out
from aerial.ledger.merge_rows import MANY, chunks
from aerial.ledger.transaction import Tx

Row = Mapping[str, Any]
_OPEN = ("pending", "ambiguous", "sent")


def hand_over(there: Tx, to_device: str, to_name: str) -> int:
    """Give up at the laptop whatever is not settled: headquarters delivers it from now on.

    What may have left keeps the time of its request, so that headquarters looks it up first; a request that
    is under way now can still be confirmed here. A held case gets its rows handed over before it has any, so
    that its release does not send it from two places. Returns the number of rows.
    """
    rows, cases = schema.outbox, schema.cases
    reason = f"{HANDED}{to_name} ({to_device})"
    change = {"state": "dead", "error": reason, "worker": None, "lease_until": None}
    query = (
        sa.select(rows.c.external_key, rows.c.sink).where(rows.c.state.in_(_OPEN)).order_by(*rows.primary_key)
    )
    handed = [tuple(row) for row in there.connection.execute(query)]
    if handed:
        there.connection.execute(rows.update().where(rows.c.state.in_(_OPEN)).values(change))
    present = {tuple(row) for row in there.connection.execute(sa.select(rows.c.external_key, rows.c.sink))}
    held = sa.select(cases.c.external_key, cases.c.sinks).where(cases.c.held).order_by(cases.c.external_key)
    new = [
        (row.external_key, sink)
        for row in there.connection.execute(held)
        for sink in row.sinks
        if (row.external_key, sink) not in present
    ]
    for part in chunks(new):
        made = {"attempts": 0, "failures": 0, "made_at": there.now, "next_at": there.now, **change}
        values = [{"external_key": key, "sink": sink, **made} for key, sink in part]
        there.connection.execute(rows.insert(), values)
    if handed or new:
        audit.append(
            there,
            "case.handed",
            to_device,
            {"to": to_name, "rows": [f"{key}@{sink}" for key, sink in sorted([*handed, *new])]},
        )
    return len(handed) + len(new)


def take_over(here: Tx, there: Tx) -> set[str]:
    """Copy and join the deliveries of cases that are not held; return the external keys that it changed."""
    rows = schema.outbox
    changed: set[str] = set()
    theirs = there.connection.execute(sa.select(rows).execution_options(yield_per=MANY)).mappings()
    for some in theirs.partitions(MANY):
        part = [dict(row) for row in some]
        keys = sorted({row["external_key"] for row in part})
        mine = {
            (row["external_key"], row["sink"]): dict(row)
            for row in here.connection.execute(
                sa.select(rows).where(rows.c.external_key.in_(keys))
            ).mappings()
        }
        cases = schema.cases
        held_rows = sa.select(cases.c.external_key).where(cases.c.external_key.in_(keys), cases.c.held)
        held = set(here.connection.execute(held_rows).scalars())
        new = []
        for row in part:
            key = (row["external_key"], row["sink"])
            if key not in mine:
                if row["external_key"] not in held:
                    new.append(_taken(row, here.device))
                continue
            change = _joined(mine[key], row, here.device)
            if any(mine[key][name] != value for name, value in change.items()):
                at = (rows.c.external_key == key[0]) & (rows.c.sink == key[1])
                here.connection.execute(rows.update().where(at).values(change))
                changed.add(key[0])
        if new:
            here.connection.execute(rows.insert(), new)
            changed.update(row["external_key"] for row in new)
    return changed


def _taken(row: Row, device: str) -> dict[str, Any]:
    """Return a laptop's row as headquarters goes on with it."""
    taken = {**row, "worker": None, "lease_until": None}
    if row["state"] == "dead" and _is_handed(row) and f"({device})" in row["error"]:
        taken |= {"state": "ambiguous" if row["sent_at"] else "pending", "error": None, "failures": 0}
    return taken


def _joined(mine: Row, theirs: Row, device: str) -> dict[str, Any]:
    """Return what changes of my row, given the laptop's."""
    other = _taken(theirs, device)
    change: dict[str, Any] = {
        "made_at": min(mine["made_at"], other["made_at"]),
        "attempts": max(mine["attempts"], other["attempts"]),
        "sent_at": max((at for at in (mine["sent_at"], other["sent_at"]) if at is not None), default=None),
    }
    if mine["state"] == "confirmed":
        return change
    if other["state"] == "confirmed":
        return {**change, "state": "confirmed", "error": None, "worker": None, "lease_until": None}
    if mine["state"] == "dead" and _is_handed(mine):
        # Another headquarters was to deliver it, and what it made of it comes now.
        names = ("state", "error", "next_at", "failures")
        return {**change, **{name: other[name] for name in names}}
    if other["state"] == "dead" and _is_handed(other):
        return change
    asked = other["sent_at"]
    may_be_there = other["state"] in ("sent", "ambiguous") or is_worked_out(other)
    if asked is not None and may_be_there and (mine["sent_at"] is None or asked > mine["sent_at"]):
        change |= {"state": "ambiguous", "error": None}
    untouched = mine["attempts"] == 0 and mine["failures"] == 0 and mine["next_at"] == mine["made_at"]
    if other["state"] == "dead" and mine["state"] == "pending" and untouched and not is_worked_out(other):
        change |= {"state": "dead", "error": other["error"]}
    return change


def _is_handed(row: Row) -> bool:
    return str(row["error"]).startswith(HANDED)
