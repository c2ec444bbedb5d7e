"""The audit log in the ledger: append-only chains, heads, and what verify finds."""

import multiprocessing
import random

import pytest
import sqlalchemy as sa

from aerial import chain
from aerial.errors import LedgerError
from aerial.ledger import audit, schema
from aerial.ledger.store import Ledger, open_ledger
from aerial.ledger.transaction import Tx


def filled(ledger: Ledger, count: int = 5) -> None:
    """Add some rows."""
    for number in range(count):
        with ledger.begin() as tx:
            audit.append(tx, "test.done", f"疑似-{number}", {"n": number, "text": "东莞"})


def test_rows_chain_from_the_making_of_the_ledger(ledger: Ledger) -> None:
    """The first row tells that the ledger was made; rows count from 1 without a hole, and all verify."""
    filled(ledger)
    with ledger.read() as tx:
        rows = list(audit.rows(tx))
        assert [row.seq for row in rows] == [1, 2, 3, 4, 5, 6]
        assert rows[0].what == "ledger.made"
        assert audit.heads(tx) == {ledger.device: (6, rows[-1].hash)}
        assert audit.verify(tx) == ()
        assert list(audit.rows(tx, ledger.device)) == rows
        assert list(audit.rows(tx, "other")) == []


def test_an_export_verifies_without_the_ledger(ledger: Ledger) -> None:
    """The lines of an export verify offline against the heads."""
    filled(ledger)
    with ledger.read() as tx:
        data = "".join(chain.to_line(row) + "\n" for row in audit.rows(tx)).encode()
        head = audit.heads(tx)
    assert chain.verify_lines(data, head) == ()


def test_a_flipped_bit_in_any_column_of_any_row_is_found(ledger: Ledger) -> None:
    """Every text column of every row is changed in the database by one bit: verify finds each of them."""
    filled(ledger, 3)
    rng = random.Random(1)
    with ledger.read() as tx:
        rows = list(audit.rows(tx))
    table = schema.audit
    for row in rows:
        for column in ("device", "at", "what", "subject", "payload", "prev", "hash"):
            value: str = getattr(row, column)
            places = [n for n, sign in enumerate(value) if ord(sign) < 128]
            place = rng.choice(places)
            flipped = value[:place] + chr(ord(value[place]) ^ 1 << rng.randrange(5)) + value[place + 1 :]
            if "\x00" in flipped:
                continue  # no database keeps it in a text
            with pytest.raises(_UndoneError), ledger.begin() as tx:
                here = (table.c.device == row.device) & (table.c.seq == row.seq)
                tx.connection.execute(table.update().where(here).values({column: flipped}))
                assert audit.verify(tx), f"{column} of row {row.seq}: {value!r} to {flipped!r}"
                raise _UndoneError
    with ledger.read() as tx:
        assert audit.verify(tx) == ()


class _UndoneError(Exception):
    pass


def test_a_chain_that_was_cut_is_found_against_the_recorded_head(ledger: Ledger) -> None:
    """Without a recorded head the last row can vanish unseen; after the recording it cannot."""
    filled(ledger)
    table = schema.audit
    with ledger.begin() as tx:
        audit.record_heads(tx)
        audit.append(tx, "test.done", "later", {})
    with ledger.begin() as tx:
        last = audit.heads(tx)[ledger.device][0]
        tx.connection.execute(table.delete().where(table.c.seq == last))
        assert audit.verify(tx) == ()
        tx.connection.execute(table.delete().where(table.c.seq >= last - 2))
        assert "rows were removed" in audit.verify(tx)[0]
        with pytest.raises(LedgerError, match="does not hold row 6 as it was recorded"):
            audit.record_heads(tx)


def test_recording_heads_twice_records_once(ledger: Ledger) -> None:
    """Recording stands in the chain itself, and a second one without an act between changes nothing."""
    filled(ledger)
    with ledger.begin() as tx:
        audit.record_heads(tx)
    with ledger.begin() as tx:
        audit.record_heads(tx)
        rows = list(audit.rows(tx))
        assert [row.what for row in rows].count("heads.recorded") == 1
        assert rows[-2].hash in rows[-1].payload
        assert audit.recorded_heads(tx) == {ledger.device: (6, rows[5].hash)}


def test_what_cannot_be_written_is_refused(ledger: Ledger) -> None:
    """A number that is none and a text that is none are refused with their act named; nothing is written."""
    for value in (float("nan"), "\udcff"):
        with pytest.raises(LedgerError, match=r"test\.done"), ledger.begin() as tx:
            audit.append(tx, "test.done", "a", {"value": value})
    with ledger.read() as tx:
        assert len(list(audit.rows(tx))) == 1


def _append(url: str, count: int) -> None:
    with open_ledger(url) as ledger:
        filled(ledger, count)


def test_processes_that_write_at_once_do_not_fork_the_chain(ledger_url: str) -> None:
    """Four processes of one device add 25 rows each: one chain of 101 rows, whole."""
    open_ledger(ledger_url).close()
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=_append, args=(ledger_url, 25)) for _ in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    with open_ledger(ledger_url) as ledger, ledger.read() as tx:
        assert audit.heads(tx)[ledger.device][0] == 101
        assert audit.verify(tx) == ()


def test_a_second_row_of_one_number_is_refused(ledger: Ledger) -> None:
    """The database itself refuses a fork: device and number are unique."""
    with pytest.raises(LedgerError), ledger.begin() as tx:
        _copy_last(tx)


def _copy_last(tx: Tx) -> None:
    row = tx.connection.execute(sa.select(schema.audit)).mappings().one()
    tx.connection.execute(schema.audit.insert().values(dict(row)))
