"""Rows of one ledger into another: what only the source has is copied, what both have is joined.

A join takes the same of two rows whichever comes first, so that laptops may be merged in any order. Rows of
what people did are never changed: the same id with other content is refused.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from aerial.errors import LedgerError
from aerial.ledger import schema
from aerial.ledger.transaction import Tx

MANY = 500  # rows in one query

Row = Mapping[str, Any]
Join = Callable[[Row, Row], Row]

# The tables with records as the text that they are kept as: copying reads none of it.
_TEXTS = sa.MetaData()
TEXTS = {
    table.name: sa.Table(
        table.name,
        _TEXTS,
        *(
            sa.Column(
                column.name,
                sa.Text() if isinstance(column.type, schema.Plain) else column.type,
                primary_key=column.primary_key,
            )
            for column in table.columns
        ),
    )
    for table in schema.METADATA.sorted_tables
}


class Copied:
    """What a copy of one table did: ``new`` rows inserted, ``changed`` ones joined; both as they are now."""

    def __init__(self) -> None:
        self.new: list[Row] = []
        self.changed: list[Row] = []

    @property
    def touched(self) -> list[Row]:
        """Rows that are not as they were."""
        return [*self.new, *self.changed]


def chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """Yield values in parts that one query takes."""
    for start in range(0, len(values), MANY):
        yield values[start : start + MANY]


def copy(here: Tx, there: Tx, table: sa.Table, join: Join, *, keep: Sequence[str] | None = None) -> Copied:
    """Copy the rows of one table; ``join`` tells what a row becomes that both have, given mine and theirs.

    ``keep``: names of the columns returned, where the whole rows would be large.
    """
    texts = TEXTS[table.name]
    keys = [column.name for column in table.primary_key.columns]
    done = Copied()
    theirs = there.connection.execute(sa.select(texts).execution_options(yield_per=MANY)).mappings()
    for some in theirs.partitions(MANY):
        part = [dict(row) for row in some]
        mine = {_key(row, keys): row for row in _present(here, texts, keys, part)}
        new = [row for row in part if _key(row, keys) not in mine]
        if new:
            here.connection.execute(texts.insert(), new)
        done.new += [_some(row, keep) for row in new]
        changed = []
        for row in part:
            present = mine.get(_key(row, keys))
            if present is None or present == row:
                continue
            joined = join(present, row)
            if joined != present:
                changed.append(joined)
        if changed:
            same = [texts.c[name] == sa.bindparam(f"its_{name}") for name in keys]
            columns: dict[str, Any] = {name: sa.bindparam(name) for name in changed[0] if name not in keys}
            rows = [{**row, **{f"its_{name}": row[name] for name in keys}} for row in changed]
            here.connection.execute(texts.update().where(*same).values(columns), rows)
        done.changed += [_some(row, keep) for row in changed]
    return done


def mine_stands(mine: Row, _: Row) -> Row:
    """Keep the row that is there."""
    return mine


def act(table: sa.Table) -> Join:
    """Return the join of what people did: the same id must be the same act."""
    keys = [column.name for column in table.primary_key.columns]

    def same(mine: Row, theirs: Row) -> Row:
        if dict(mine) != dict(theirs):
            named = ", ".join(str(mine[name]) for name in keys)
            raise LedgerError(
                f"The row {named} of {table.name} is another one in the other ledger.",
                hint="One of both was changed; keep a copy of each, and run aerial case verify on them.",
            )
        return mine

    return same


def joined_survey(mine: Row, theirs: Row) -> Row:
    """Return the survey that is further: stitched before not stitched."""
    return max(
        mine, theirs, key=lambda row: (row["ortho_sha256"] is not None, row["photos"], row["record_sha256"])
    )


def joined_pair(mine: Row, theirs: Row) -> Row:
    """Return the newest comparison."""
    return max(mine, theirs, key=lambda row: (row["compared_at"], row["suspects_sha256"]))


def joined_suspect(mine: Row, theirs: Row) -> Row:
    """Return a suspect as the ledger tells it that knew most: what one of them hides was seen before."""
    names = ("shown", "relation", "reason", "rank", "params_sha256", "observation")
    told = min(mine, theirs, key=lambda row: tuple(row[name] for name in names))
    own = ("identity", "episode")
    first_seen = min(mine["seen_at"], theirs["seen_at"])
    return {**told, **{name: mine[name] for name in own}, "seen_at": first_seen}


def joined_sighting(mine: Row, theirs: Row) -> Row:
    """Return the sighting of the ledger that knew more of the structure."""
    told = max(mine, theirs, key=_known)
    return {**mine, "record": told["record"], "first": mine["first"] or theirs["first"]}


def joined_claim(mine: Row, theirs: Row) -> Row:
    """Return the earlier claim of a note."""
    return min(mine, theirs, key=lambda row: (row["claimed_at"], row["payload_sha256"]))


def joined_receipt(mine: Row, theirs: Row) -> Row:
    """Return a receipt that two devices read at one moment."""
    return min(mine, theirs, key=lambda row: (row["device"], row["record"]))


def joined_result(mine: Row, theirs: Row) -> Row:
    """Return what a destination said, read first; the act itself must be the same."""
    names = ("external_key", "at", "stage", "result", "record")
    if [mine[name] for name in names] != [theirs[name] for name in names]:
        raise LedgerError(
            f"The result {mine['id']} of {mine['sink']} is another one in the other ledger.",
            hint="One of both was changed; keep a copy of each, and read the destination anew.",
        )
    first = min(mine["read_at"], theirs["read_at"])
    return {**mine, "read_at": first}


def joined_case(mine: Row, theirs: Row) -> Row:
    """Return a case that two laptops made of one suspect: released before held, accepted first.

    Stage, withdrawal and doubles are worked out afterwards, by what all ledgers know together.
    """
    told = min(mine, theirs, key=lambda row: (row["held"], _accepted_at(row["record"])))
    sinks = sorted({*json.loads(mine["sinks"]), *json.loads(theirs["sinks"])})
    kept = mine["sinks"] if set(json.loads(mine["sinks"])) == set(sinks) else json.dumps(sinks)
    if _accepted_at(told["record"]) == _accepted_at(mine["record"]) and told["held"] == mine["held"]:
        told = mine
    names = ("suspect_key", "cell", "after_on", "found_at", "deadline", "held", "record")
    return {**mine, **{name: told[name] for name in names}, "sinks": kept}


def _accepted_at(record: str) -> tuple[str, str]:
    case = json.loads(record)
    told_apart = json.dumps({**case, "stage": None}, sort_keys=True)
    return (case["accepted"] or {}).get("at", ""), told_apart


def _known(row: Row) -> tuple[Any, ...]:
    structure = json.loads(row["record"])["structure"]
    return (structure["episode"], structure["last_on"], structure["area_m2"], row["record"])


def _present(tx: Tx, texts: sa.Table, keys: Sequence[str], rows: Sequence[Row]) -> list[Row]:
    # A list for each column finds a few rows too many; a list of tuples would be compared with every row.
    where = sa.and_(*(texts.c[name].in_(sorted({row[name] for row in rows})) for name in keys))
    return [dict(row) for row in tx.connection.execute(sa.select(texts).where(where)).mappings()]


def _key(row: Row, keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in keys)


def _some(row: Row, keep: Sequence[str] | None) -> Row:
    return {name: row[name] for name in keep} if keep is not None else dict(row)
