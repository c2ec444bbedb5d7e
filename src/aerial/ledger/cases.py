"""Cases: made with their outbox rows in one transaction, and what destinations say became of them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from aerial.codec import sha256_json
from aerial.errors import LedgerError
from aerial.geo import LonLat
from aerial.ledger import audit, index, outbox, schema
from aerial.ledger.structures import save_structure, structure
from aerial.ledger.transaction import Tx, load
from aerial.ledger.verdict_rows import of_id
from aerial.records import Case, Result, SiteResult, Stage, Verdict
from aerial.suspects.track import told

# What an officer found that no other destination should send one for any more.
SETTLED: tuple[Result, ...] = ("unfounded", "permitted", "demolished")
_NEAR_DEG = 200 / 111_000
OVER: tuple[Stage, ...] = ("close", "cancel")


def add_case(tx: Tx, case: Case, sinks: Sequence[str]) -> None:
    """Keep a case, with one outbox row for each destination; a held one gets its rows when it is released.

    The same case again adds rows for destinations that have none yet, and changes nothing else. A case that
    was withdrawn comes back when its suspect was accepted anew.

    Raises:
        LedgerError: no accepting verdict of this ledger stands behind it, or the case was withdrawn.
    """
    found = _find(tx, case.external_key)
    if found is None or found.withdrawn is not None:
        _require_accepted(tx, case)
    if found is None:
        values = {**_values(case), "withdrawn": None, "sinks": list(sinks)}
        tx.connection.execute(schema.cases.insert().values(values))
        made = () if case.held else outbox.make_rows(tx, case.external_key, sinks)
        audit.append(tx, "case.added", case.external_key, _payload(case, made))
        _apply_earlier_results(tx, case.external_key)
        return
    if found.withdrawn is not None:
        _reinstate(tx, case, sinks)
        return
    wanted = list(dict.fromkeys([*found.sinks, *sinks]))
    if wanted != found.sinks:
        _change(tx, case.external_key, {"sinks": wanted})
    made = () if found.held else outbox.make_rows(tx, case.external_key, wanted)
    if made or wanted != found.sinks:
        audit.append(tx, "case.addressed", case.external_key, {"sinks": wanted})


def case(tx: Tx, key: str) -> Case:
    """Return a case by its external key.

    Raises:
        LedgerError: there is none.
    """
    return _case(key, _need(tx, key).record)


def find_case(tx: Tx, key: str) -> Case | None:
    """Return a case by its external key; None: there is none."""
    found = _find(tx, key)
    return _case(key, found.record) if found is not None else None


def list_cases(
    tx: Tx,
    *,
    cycle: date | None = None,
    cell: str | None = None,
    stage: Stage | None = None,
    held: bool | None = None,
) -> tuple[Case, ...]:
    """Return cases by external key. ``cycle``: first day of the one in which the later survey was flown.

    ``held``: only those that are, or are not.

    Raises:
        LedgerError: no cycle begins on that day.
    """
    table = schema.cases
    query = sa.select(table.c.external_key, table.c.record).order_by(table.c.external_key)
    if cycle is not None:
        first, end = index.days_of(tx, cycle)
        query = query.where(table.c.after_on >= first, table.c.after_on < end)
    if cell is not None:
        query = query.where(table.c.cell == cell)
    if stage is not None:
        query = query.where(table.c.stage == stage)
    if held is not None:
        query = query.where(table.c.held.is_(held))
    return tuple(_case(row.external_key, row.record) for row in tx.connection.execute(query))


def near(tx: Tx, at: LonLat) -> tuple[Case, ...]:
    """Return the cases whose suspect lies within about 200 m of a position."""
    suspects, table = schema.suspects, schema.cases
    lon_deg = _NEAR_DEG / max(math.cos(math.radians(at.lat_deg)), 0.1)
    query = (
        sa.select(table)
        .join(suspects, suspects.c.key == table.c.suspect_key)
        .where(
            suspects.c.lat_deg.between(at.lat_deg - _NEAR_DEG, at.lat_deg + _NEAR_DEG),
            suspects.c.lon_deg.between(at.lon_deg - lon_deg, at.lon_deg + lon_deg),
            table.c.double_of.is_(None),
        )
        .order_by(table.c.external_key)
    )
    return tuple(_case(row.external_key, row.record) for row in tx.connection.execute(query))


def address(tx: Tx, sink: str) -> int:
    """Make a row for a destination that was added later, for each case still open; return how many."""
    table, rows = schema.cases, schema.outbox
    there = sa.select(rows.c.external_key).where(rows.c.sink == sink)
    query = (
        sa.select(table.c.external_key, table.c.sinks)
        .where(table.c.held.is_(False), table.c.withdrawn.is_(None), table.c.stage.not_in(OVER))
        .where(table.c.double_of.is_(None))
        .where(table.c.external_key.not_in(there))
        .order_by(table.c.external_key)
    )
    found = tx.connection.execute(query).all()
    for row in found:
        wanted = list(dict.fromkeys([*row.sinks, sink]))
        _change(tx, row.external_key, {"sinks": wanted})
        outbox.make_rows(tx, row.external_key, [sink])
        audit.append(tx, "case.addressed", row.external_key, {"sinks": wanted})
    return len(found)


def replace_case(tx: Tx, case: Case) -> None:
    """Put the completed form of a held case in its place; where nothing holds it any more, its rows are made.

    Raises:
        LedgerError: there is no such case, it was not held, or it is about something else.
    """
    found = _need(tx, case.external_key)
    before = _case(case.external_key, found.record)
    if not before.held or found.withdrawn is not None:
        raise LedgerError(
            f"Case {case.external_key} is not held: it may have left as it is.",
            hint="What left is changed at its destination, not here.",
        )
    if (before.identity, before.suspect, before.accepted) != (case.identity, case.suspect, case.accepted):
        raise LedgerError(
            f"Case {case.external_key} would be about another suspect or another verdict.",
            hint="Complete the case that is held; do not make another one.",
        )
    _change(tx, case.external_key, _values(case))
    made = () if case.held else outbox.make_rows(tx, case.external_key, found.sinks)
    what = "case.changed" if case.held else "case.released"
    audit.append(tx, what, case.external_key, _payload(case, made))


def withdraw(tx: Tx, key: str, verdict: Verdict) -> None:
    """Cancel a case that was rejected after all; a case that is not there is none to cancel.

    Raises:
        LedgerError: it has arrived somewhere, or may have.
    """
    found = _find(tx, key)
    if found is None or found.withdrawn is not None:
        return
    rows = outbox.rows(tx, key=key)
    gone = [row for row in rows if row.state not in ("pending", "dead")]
    if gone:
        where = ", ".join(f"{row.sink} ({row.state})" for row in gone)
        raise LedgerError(
            f"Case {key} has left already: {where}.",
            hint="Cancel it at the destination; aerial case pull then brings that back here.",
        )
    stopped = outbox.give_up_unsent(tx, key, f"rejected by {verdict.by}: {verdict.reason}")
    _change(tx, key, {**_values(replace(_case(key, found.record), stage="cancel")), "withdrawn": verdict.id})
    # What was given up after a request may be there all the same: the log says where to look.
    asked = [row.sink for row in rows if row.sent_at is not None]
    audit.append(tx, "case.withdrawn", key, {"verdict": verdict.id, "sinks": stopped, "asked": asked})


def add_result(tx: Tx, sink: str, result: SiteResult) -> bool:
    """Keep what a destination says happened to a case; False: that was known, and nothing changed.

    The newest stage counts. An officer's result settles the structure, unless it is of an earlier episode,
    and what was not sent yet is not sent any more when nothing is left to look for. A result for a case
    that is not known here is kept, and counts as soon as the case is.
    """
    table = schema.results
    known = sa.select(table.c.id).where(table.c.sink == sink, table.c.id == result.id)
    if tx.connection.execute(known).first() is not None:
        return False
    applied = _find(tx, result.external_key) is not None
    tx.connection.execute(
        table.insert().values(
            sink=sink,
            id=result.id,
            external_key=result.external_key,
            at=result.at,
            stage=result.stage,
            result=result.result,
            read_at=tx.now,
            applied=applied,
            record=result,
        )
    )
    audit.append(tx, "case.result", result.external_key, {"sink": sink, "result": result, "known": applied})
    if applied:
        _apply(tx, sink, result)
    return True


def results(tx: Tx, key: str) -> tuple[SiteResult, ...]:
    """Return what every destination said about a case, oldest first."""
    return tuple(result for _, result in _results(tx, schema.results.c.external_key == key))


def results_by_sink(tx: Tx, key: str) -> tuple[tuple[str, SiteResult], ...]:
    """Return what was said about a case with the destination that said it, oldest first."""
    return tuple(_results(tx, schema.results.c.external_key == key))


def cursor(tx: Tx, sink: str) -> str | None:
    """Return how far the results of a destination were read; None: not at all."""
    table = schema.cursors
    return tx.connection.execute(sa.select(table.c.cursor).where(table.c.sink == sink)).scalar()


def set_cursor(tx: Tx, sink: str, cursor: str | None) -> None:
    """Note how far results were read, in the transaction that kept them. No act: no audit row."""
    table = schema.cursors
    values = {"cursor": cursor, "read_at": tx.now}
    if not tx.connection.execute(table.update().where(table.c.sink == sink).values(values)).rowcount:
        tx.connection.execute(table.insert().values(sink=sink, **values))


def _require_accepted(tx: Tx, case: Case) -> None:
    hint = "A named person accepts a suspect first: aerial suspects accept."
    verdict = of_id(tx, case.accepted.verdict) if case.accepted else None
    if verdict is None or verdict.decision != "accept" or verdict.key != case.suspect.key:
        raise LedgerError(f"Nobody accepted the suspect of case {case.external_key}.", hint=hint)
    now = structure(tx, case.identity)
    if now.episode == case.episode and now.state == "rejected":
        raise LedgerError(f"The suspect of case {case.external_key} was rejected since.", hint=hint)


def _reinstate(tx: Tx, case: Case, sinks: Sequence[str]) -> None:
    _change(tx, case.external_key, {**_values(case), "withdrawn": None, "sinks": list(sinks)})
    made: tuple[str, ...] = ()
    if not case.held:
        made = outbox.make_rows(tx, case.external_key, sinks)
        for row in outbox.rows(tx, key=case.external_key):
            if row.state == "dead" and row.sink in sinks:
                outbox.revive(tx, case.external_key, row.sink)
    audit.append(tx, "case.reinstated", case.external_key, _payload(case, made))


def _apply_earlier_results(tx: Tx, key: str) -> None:
    table = schema.results
    waiting = (table.c.external_key == key) & table.c.applied.is_(False)
    for sink, result in _results(tx, waiting):
        _apply(tx, sink, result)
    tx.connection.execute(table.update().where(waiting).values(applied=True))


def _apply(tx: Tx, sink: str, result: SiteResult) -> None:
    found = _need(tx, result.external_key)
    now = _case(result.external_key, found.record)
    if result.stage is not None and _is_newest(found.stage_at, result.at):
        changed = _values(replace(now, stage=result.stage))
        _change(tx, now.external_key, {**changed, "stage_at": result.at})
    if result.result is not None:
        # The row, not the record, tells whose it is since ledgers were merged.
        place = structure(tx, found.identity)
        if place.episode == found.episode:
            save_structure(tx, told(place, result.result, result.at.date()))
    if result.result in SETTLED or result.stage in OVER:
        said = result.result if result.result in SETTLED else result.stage
        outbox.give_up_unsent(tx, now.external_key, f"{sink} says: {said}")


def _is_newest(before: datetime | None, at: datetime) -> bool:
    return before is None or at >= before


def _results(tx: Tx, which: sa.ColumnElement[bool]) -> list[tuple[str, SiteResult]]:
    table = schema.results
    query = sa.select(table.c.sink, table.c.id, table.c.record).where(which)
    found = tx.connection.execute(query.order_by(table.c.at, table.c.sink, table.c.id))
    return [
        (row.sink, load(SiteResult, row.record, source=f"result {row.id} of {row.sink}")) for row in found
    ]


def _find(tx: Tx, key: str) -> sa.Row[Any] | None:
    return tx.connection.execute(sa.select(schema.cases).where(schema.cases.c.external_key == key)).first()


def _need(tx: Tx, key: str) -> sa.Row[Any]:
    found = _find(tx, key)
    if found is None:
        raise LedgerError(f"There is no case {key!r}.", hint="aerial status shows the cases.")
    return found


def _case(key: str, data: object) -> Case:
    return load(Case, data, source=f"case {key}")


def _change(tx: Tx, key: str, values: dict[str, Any]) -> None:
    table = schema.cases
    tx.connection.execute(table.update().where(table.c.external_key == key).values(values))


def _values(case: Case) -> dict[str, Any]:
    return {
        "external_key": case.external_key,
        "identity": case.identity,
        "episode": case.episode,
        "suspect_key": case.suspect.key,
        "cell": case.cell,
        "after_on": case.after_on,
        "found_at": case.found_at,
        "stage": case.stage,
        "deadline": case.deadline,
        "held": bool(case.held),
        "record": case,
    }


def _payload(case: Case, sinks: Sequence[str]) -> dict[str, Any]:
    verdict = case.accepted.verdict if case.accepted else None
    return {"sha256": sha256_json(case), "verdict": verdict, "held": case.held, "sinks": sinks}
