"""Cases of one structure after a merge: which one stands, what leaves, and what is never sent."""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from aerial.ledger import schema
from aerial.ledger.cases import OVER, SETTLED
from aerial.ledger.merge_facts import DOUBLE, REJECTED, CaseFacts, Facts, by_standing, is_worked_out, left
from aerial.ledger.merge_replay import Whole
from aerial.ledger.transaction import Tx
from aerial.records import SiteResult, Verdict

_LEFT = ("confirmed", "sent", "ambiguous")


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
        if era == whole.structure.episode:
            present = ordered[0].key
        _settle_cases(tx, whole, era, ordered, done)
        _settle_rows(tx, ordered, whole.rejected.get(era), done)
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


def _settle_cases(tx: Tx, whole: Whole, era: int, ordered: list[CaseFacts], done: Done) -> None:
    word = whole.rejected.get(era)
    for case in ordered:
        double_of = ordered[0].key if case is not ordered[0] else None
        withdrawn = word.id if word is not None and not case.left else None
        if word is not None and case.left and double_of is None:
            where = ", ".join(sink for sink, row in sorted(case.outbox.items()) if left(row))
            done.attention.append(
                f"{case.key} has left ({where}) and was rejected by {word.by}: {word.reason}. "
                "Cancel it at the destination."
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
        staged = case.row["record"]["stage"] == stage
        if not staged or any(case.row[name] != value for name, value in values.items()):
            values["record"] = {**case.row["record"], "stage": stage}
            here = schema.cases.c.external_key == case.key
            tx.connection.execute(schema.cases.update().where(here).values(values))
            case.row.update(values)


def _settle_rows(tx: Tx, ordered: list[CaseFacts], rejected: Verdict | None, done: Done) -> None:
    """Let each destination have one of the cases, which are one structure's, the first standing for it."""
    said = sorted((r.at, sink, r.id, r) for case in ordered for sink, r in case.results if _is_over(r))
    over = [f"{sink} says: {r.result if r.result in SETTLED else r.stage}" for _, sink, _, r in said]
    stop = over[0] if over else None
    if rejected is not None:
        stop = f"{REJECTED}{rejected.by}: {rejected.reason}"
    named = {sink for case in ordered if not case.row["held"] for sink in (*case.row["sinks"], *case.outbox)}
    for sink in sorted(named):
        candidates = [case for case in ordered if sink in case.outbox]
        best = min(candidates, key=lambda case: -left(case.outbox[sink]), default=ordered[0])
        if sink not in best.outbox or not left(best.outbox[sink]):
            best = ordered[0]
        if sink not in best.outbox:
            _make(tx, best, sink)
            candidates.append(best)
        for case in candidates:
            row = case.outbox[sink]
            # Why a row was given up by a merge, a verdict or a result is told anew, of all that is known.
            worked_out = is_worked_out(row) or (row["state"] == "dead" and row["error"] in over)
            if case is not best:
                if worked_out or row["state"] in ("pending", "sent", "ambiguous"):
                    _give_up(tx, case, sink, DOUBLE + best.key, done)
            elif stop is not None and (worked_out or row["state"] == "pending"):
                _give_up(tx, case, sink, stop, done)
            elif worked_out:
                _take_up(tx, case, sink, done)


def _is_over(result: SiteResult) -> bool:
    return result.result in SETTLED or result.stage in OVER


def _give_up(tx: Tx, case: CaseFacts, sink: str, reason: str, done: Done) -> None:
    if (case.outbox[sink]["state"], case.outbox[sink]["error"]) == ("dead", reason):
        return
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
