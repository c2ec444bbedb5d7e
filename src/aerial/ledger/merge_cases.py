"""Cases of one structure after a merge: which one stands, what leaves, and what is never sent."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from aerial.ledger import schema
from aerial.ledger.cases import OVER, SETTLED
from aerial.ledger.merge_facts import CaseFacts, Facts, by_standing
from aerial.ledger.merge_replay import Whole
from aerial.ledger.transaction import Tx

DOUBLE, REJECTED, HANDED = "double of ", "rejected by ", "handed to headquarters "
_LEFT = ("confirmed", "sent", "ambiguous")
_RANK = {"confirmed": 0, "sent": 1, "ambiguous": 1}


@dataclass(slots=True)
class Done:
    """What a merge decided about cases: for its audit row and its report."""

    given_up: list[str] = field(default_factory=list)
    taken_up: list[str] = field(default_factory=list)
    attention: list[str] = field(default_factory=list)


def settle(tx: Tx, whole: Whole, facts: Facts, done: Done) -> str | None:
    """Bring the cases of a structure in line with what it is now; return the key of the present one."""
    present: str | None = None
    for era, cases in sorted(whole.cases(facts).items()):
        ordered = by_standing(cases, whole.members[0])
        rejected = False
        if era == whole.structure.episode:
            present = ordered[0].key
            last = whole.last
            rejected = last is not None and last.decision == "reject" and whole.structure.state == "rejected"
        _settle_cases(tx, whole, era, ordered, rejected, done)
        _settle_rows(tx, whole, ordered, rejected, done)
    return present


def doubles(tx: Tx) -> tuple[str, ...]:
    """Return a sentence for every two cases of one structure that may both have left."""
    cases, rows = schema.cases, schema.outbox
    query = (
        sa.select(cases.c.external_key, cases.c.double_of, cases.c.cell)
        .where(cases.c.double_of.is_not(None))
        .order_by(cases.c.external_key)
    )
    found = tx.connection.execute(query).all()
    keys = {row.external_key for row in found} | {row.double_of for row in found}
    there: dict[str, list[str]] = {}
    if found:
        # Given up after a request: it may have arrived all the same.
        asked = sa.or_(rows.c.state.in_(_LEFT), rows.c.sent_at.is_not(None))
        doubled = sa.select(cases.c.external_key).where(cases.c.double_of.is_not(None))
        stands = sa.select(cases.c.double_of).where(cases.c.double_of.is_not(None))
        where = sa.or_(rows.c.external_key.in_(doubled), rows.c.external_key.in_(stands))
        for row in tx.connection.execute(
            sa.select(rows.c.external_key, rows.c.sink).where(where, asked).order_by(rows.c.sink)
        ):
            there.setdefault(row.external_key, []).append(row.sink)
    keys &= set(there)
    return tuple(
        f"{row.external_key} ({', '.join(there[row.external_key])}) and {row.double_of} "
        f"({', '.join(there[row.double_of])}) are one structure of cell {row.cell}, and both have left: "
        f"look at the destinations and cancel {row.external_key} there."
        for row in found
        if row.external_key in keys and row.double_of in keys
    )


def _settle_cases(
    tx: Tx, whole: Whole, era: int, ordered: list[CaseFacts], rejected: bool, done: Done
) -> None:
    for case in ordered:
        double_of = ordered[0].key if case is not ordered[0] else None
        withdrawn = case.row["withdrawn"]
        if era == whole.structure.episode:
            withdrawn = whole.last.id if rejected and whole.last and not case.left else None
            if rejected and whole.last and case.left and double_of is None:
                where = ", ".join(sink for sink, row in sorted(case.outbox.items()) if row["state"] in _LEFT)
                done.attention.append(
                    f"{case.key} has left ({where}) and was rejected by {whole.last.by}: "
                    f"{whole.last.reason}. Cancel it at the destination."
                )
        told = [result for _, result in case.results if result.stage is not None]
        over = withdrawn is not None or (double_of is not None and not case.left)
        stage = told[-1].stage if told else ("cancel" if over else "report")
        values: dict[str, Any] = {
            "identity": whole.members[0],
            "episode": era,
            "double_of": double_of,
            "withdrawn": withdrawn,
            "stage": stage,
            "stage_at": told[-1].at if told else None,
        }
        if any(case.row[name] != value for name, value in values.items()):
            values["record"] = {**case.row["record"], "stage": stage}
            here = schema.cases.c.external_key == case.key
            tx.connection.execute(schema.cases.update().where(here).values(values))
            case.row.update(values)


def _settle_rows(tx: Tx, whole: Whole, ordered: list[CaseFacts], rejected: bool, done: Done) -> None:
    first = ordered[0]
    over = [
        f"{sink} says: {result.result if result.result in SETTLED else result.stage}"
        for case in ordered
        for sink, result in case.results
        if result.result in SETTLED or result.stage in OVER
    ]
    stop = over[0] if over else None
    if rejected and whole.last is not None:
        stop = f"{REJECTED}{whole.last.by}: {whole.last.reason}"
    named = {sink for case in ordered if not case.row["held"] for sink in (*case.row["sinks"], *case.outbox)}
    for sink in sorted(named):
        place = {case.key: number for number, case in enumerate(ordered)}
        candidates = [case for case in ordered if sink in case.outbox]
        best = min(
            candidates,
            key=lambda case: (_RANK.get(case.outbox[sink]["state"], 2), place[case.key]),
            default=first,
        )
        if sink not in best.outbox or best.outbox[sink]["state"] not in _LEFT:
            best = first
        for case in candidates:
            row = case.outbox[sink]
            if case is not best and row["state"] in ("pending", "sent", "ambiguous"):
                _give_up(tx, case, sink, DOUBLE + best.key, done)
        if sink not in best.outbox:
            _make(tx, best, sink)
        row = best.outbox[sink]
        if row["state"] == "dead" and str(row["error"]).startswith((DOUBLE, REJECTED)):
            _take_up(tx, best, sink, done)
        if row["state"] == "pending" and stop is not None:
            _give_up(tx, best, sink, stop, done)


def _give_up(tx: Tx, case: CaseFacts, sink: str, reason: str, done: Done) -> None:
    _change(tx, case, sink, {"state": "dead", "error": reason})
    done.given_up.append(f"{case.key}@{sink}: {reason}")


def _take_up(tx: Tx, case: CaseFacts, sink: str, done: Done) -> None:
    # What ever went out is looked up before it is sent again.
    state = "ambiguous" if case.outbox[sink]["sent_at"] else "pending"
    _change(tx, case, sink, {"state": state, "error": None, "next_at": tx.now, "failures": 0})
    done.taken_up.append(f"{case.key}@{sink}")


def _change(tx: Tx, case: CaseFacts, sink: str, change: dict[str, Any]) -> None:
    rows = schema.outbox
    values = {**change, "worker": None, "lease_until": None}
    here = (rows.c.external_key == case.key) & (rows.c.sink == sink)
    tx.connection.execute(rows.update().where(here).values(values))
    case.outbox[sink].update(values)


def _make(tx: Tx, case: CaseFacts, sink: str) -> None:
    rows = schema.outbox
    values: dict[str, Any] = {
        "external_key": case.key,
        "sink": sink,
        "state": "pending",
        "attempts": 0,
        "failures": 0,
        "made_at": tx.now,
        "next_at": tx.now,
        "sent_at": None,
        "error": None,
        "worker": None,
        "lease_until": None,
    }
    tx.connection.execute(rows.insert().values(values))
    case.outbox[sink] = values
