"""Opening, migrating, refusing, and what a transaction is."""

import multiprocessing
import re
import sqlite3
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from aerial.errors import LedgerError
from aerial.ledger import audit, schema
from aerial.ledger.store import Ledger, new_id, open_ledger
from tests import postgres

CHINA = timezone(timedelta(hours=8))


def test_the_migrations_make_the_tables_that_the_queries_see(ledger: Ledger) -> None:
    """Types, keys and indexes after the migrations are those of the schema, none more and none less."""
    with ledger.read() as tx:
        context = MigrationContext.configure(tx.connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, schema.METADATA) == []


def test_a_ledger_keeps_its_device_and_its_acts(ledger_url: str) -> None:
    """What was written is there when it is opened again, under the same device and name."""
    with open_ledger(ledger_url, device_name="制图一号") as first, first.begin() as tx:
        audit.append(tx, "test.done", "a", {"n": 1})
    with open_ledger(ledger_url, device_name="other") as again, again.read() as tx:
        assert (again.device, again.device_name) == (first.device, "制图一号")
        assert [row.what for row in audit.rows(tx)] == ["ledger.made", "test.done"]


def test_a_block_that_raises_leaves_nothing(ledger: Ledger) -> None:
    """An exception inside a transaction undoes all of it and comes through as it was."""
    with pytest.raises(OSError, match="mine"), ledger.begin() as tx:
        audit.append(tx, "test.done", "a", {})
        raise OSError("mine")
    with ledger.read() as tx:
        assert len(list(audit.rows(tx))) == 1


def test_a_reader_cannot_write(ledger: Ledger) -> None:
    """A transaction that was asked for reading refuses to write, and the next writer is not hindered."""
    with pytest.raises(LedgerError), ledger.read() as tx:
        audit.append(tx, "test.done", "a", {})
    with ledger.begin() as tx:
        audit.append(tx, "test.done", "a", {})


def test_a_reader_sees_one_moment(ledger: Ledger) -> None:
    """What another writes while a reader reads is not seen by the reader."""
    with ledger.read() as reading:
        before = len(list(audit.rows(reading)))
        with ledger.begin() as tx:
            audit.append(tx, "test.done", "a", {})
        assert len(list(audit.rows(reading))) == before


def test_writers_wait_for_each_other(ledger: Ledger) -> None:
    """Read, think, write by four threads at once loses no count: there is one writer at a time."""
    with ledger.begin() as tx:
        tx.connection.execute(schema.cursors.insert().values(sink="n", cursor="0", read_at=tx.now))

    def count() -> None:
        for _ in range(10):
            with ledger.begin() as tx:
                seen = tx.connection.execute(sa.select(schema.cursors.c.cursor)).scalar_one()
                tx.connection.execute(schema.cursors.update().values(cursor=str(int(seen) + 1)))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with ledger.read() as tx:
        assert tx.connection.execute(sa.select(schema.cursors.c.cursor)).scalar_one() == "40"


def test_times_are_stored_in_utc_and_come_back_aware(ledger: Ledger) -> None:
    """A Chinese time comes back as the same moment in UTC; one without an offset is refused."""
    noon = datetime(2026, 7, 1, 12, 0, 0, 5, tzinfo=CHINA)
    with ledger.begin() as tx:
        tx.connection.execute(schema.cursors.insert().values(sink="a", cursor=None, read_at=noon))
    with ledger.read() as tx:
        back = tx.connection.execute(sa.select(schema.cursors.c.read_at)).scalar_one()
    assert back == noon
    assert back.tzinfo is UTC
    with pytest.raises(ValueError, match="no UTC offset"), ledger.begin() as tx:
        late = noon.replace(tzinfo=None)
        tx.connection.execute(schema.cursors.insert().values(sink="b", cursor=None, read_at=late))


def _open(url: str, go: object, out: object) -> None:
    go.wait()  # type: ignore[attr-defined]
    with open_ledger(url) as ledger:
        out.put(ledger.device)  # type: ignore[attr-defined]


def test_two_processes_that_open_a_new_ledger_make_one(ledger_url: str) -> None:
    """Four processes at once make the tables once, and one device."""
    fork = multiprocessing.get_context("fork")
    go, out = fork.Event(), fork.Queue()
    children = [fork.Process(target=_open, args=(ledger_url, go, out)) for _ in range(4)]
    for child in children:
        child.start()
    go.set()
    devices = {out.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    assert len(devices) == 1


def test_a_newer_schema_is_refused(ledger_url: str) -> None:
    """A ledger of a later version is left as it is, and the message says what to do."""
    with open_ledger(ledger_url) as ledger, ledger.begin() as tx:
        tx.connection.execute(sa.text("UPDATE aerial_schema SET version_num = '9999'"))
    with pytest.raises(LedgerError, match="9999 is newer") as caught:
        open_ledger(ledger_url)
    assert "Update aerial" in caught.value.hint


def test_another_program_s_tables_are_not_touched(ledger_url: str, tmp_path: Path) -> None:
    """A database that holds another's table of one of our names is refused, and is still the other's."""
    with open_ledger(ledger_url) as ledger, ledger.begin() as tx:
        tx.connection.execute(sa.text(f"DROP TABLE {schema.VERSION_TABLE}"))
    with pytest.raises(LedgerError, match="something else than a ledger"):
        open_ledger(ledger_url)
    foreign = tmp_path / "town.gpkg"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE gpkg_contents (a)")
    connection.close()
    with pytest.raises(LedgerError, match="gpkg_contents"):
        open_ledger(foreign)


def test_a_migration_that_fails_leaves_nothing(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema is made whole or not at all, and the next try succeeds."""
    with monkeypatch.context() as patched:
        patched.setattr("aerial.ledger.store._name_device", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            open_ledger(ledger_url)
    engine = sa.create_engine(
        ledger_url.replace("postgresql:", "postgresql+psycopg:")
        if "://" in ledger_url
        else f"sqlite:///{ledger_url}"
    )
    assert sa.inspect(engine).get_table_names() == []
    engine.dispose()
    open_ledger(ledger_url).close()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("letter.doc", b"Dear ledger, " * 100, "not a database"),
        ("folder/", b"", "is a folder"),
        ("absent/ledger.sqlite", b"", "is not there"),
    ],
)
def test_what_is_no_sqlite_file_is_told(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    """A file of another kind, a folder, an absent folder: a message with a hint, the file unchanged."""
    path = tmp_path / name.rstrip("/")
    if name.endswith("/"):
        path.mkdir()
    elif content:
        path.write_bytes(content)
    with pytest.raises(LedgerError, match=message) as caught:
        open_ledger(path)
    assert caught.value.hint
    assert not path.is_file() or path.read_bytes() == content


def test_a_folder_that_cannot_be_written_is_told() -> None:
    """Where no file can be made, the message says so; not even the superuser makes one in /proc."""
    if not Path("/proc/self").exists():
        pytest.skip("this system has no /proc")
    with pytest.raises(LedgerError, match="unable to open") as caught:
        open_ledger("/proc/ledger.sqlite")
    assert "writable" in caught.value.hint


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """A write that finds no room is undone; what was there before is whole, and works when there is room."""
    with open_ledger(tmp_path / "ledger.sqlite") as ledger:
        with pytest.raises(LedgerError, match="full") as caught, ledger.begin() as tx:
            tx.connection.exec_driver_sql("PRAGMA max_page_count=1")
            for number in range(200):
                audit.append(tx, "test.done", str(number), {"text": "x" * 1000})
        assert "Free space" in caught.value.hint
        ledger.engine.dispose()
        with ledger.begin() as tx:
            audit.append(tx, "test.done", "after", {})
            assert audit.verify(tx) == ()
            assert [row.seq for row in audit.rows(tx)] == [1, 2]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://chief:s3cret@127.0.0.1:1/town",
        "postgresql://chief:s3cret@no-such-host.invalid/town",
        "postgres://chief:s3cret@127.0.0.1:s3cret/town",
        "postgresql://chief:s3cret@127.0.0.1:1",
        "mysql://chief:s3cret@127.0.0.1/town",
        "s3cret://chief:s3cret@127.0.0.1/town",
        "postgresql://chief:s3@cret@:@/:/town",
        "://s3cret",
        "sqlite://",
        "sqlite:///:memory:",
    ],
)
def test_a_url_that_leads_nowhere_is_told_without_its_password(url: str) -> None:
    """No message, hint or chained cause repeats the password of a URL that cannot be used."""
    with pytest.raises(LedgerError) as caught:
        open_ledger(url)
    error: BaseException | None = caught.value
    assert caught.value.hint
    told = str(error) + caught.value.hint
    if "s3cret://" not in url:
        assert "s3cret" not in told
    assert error is not None
    assert error.__cause__ is None
    assert error.__suppress_context__ or error.__context__ is None


def test_the_password_of_an_open_ledger_is_not_shown(postgres_server: postgres.Server) -> None:
    """``url`` and the messages of later failures hold no password."""
    url = postgres_server.make("with_password").replace("postgres@", "postgres:s3cret@")
    with open_ledger(url) as ledger:
        assert "s3cret" not in ledger.url
        with pytest.raises(LedgerError) as caught, ledger.begin() as tx:
            tx.connection.exec_driver_sql("SELECT nothing FROM nowhere")
        assert "s3cret" not in str(caught.value)
    postgres_server.drop("with_password")


def test_a_database_that_cannot_keep_chinese_is_refused(postgres_server: postgres.Server) -> None:
    """A database of another encoding than UTF-8 is refused before anything is written."""
    url = postgres_server.make(
        "bytes", options="ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    )
    with pytest.raises(LedgerError, match="encoding is SQL_ASCII"):
        open_ledger(url)
    postgres_server.drop("bytes")


def test_a_server_that_comes_back_is_found_again(postgres_server: postgres.Server) -> None:
    """A connection that the server ended is replaced; the transaction that it cut was undone."""
    with open_ledger(postgres_server.make("restarted")) as ledger:
        with pytest.raises(LedgerError), ledger.begin() as tx:
            audit.append(tx, "test.done", "cut", {})
            tx.connection.execute(sa.text("SELECT pg_terminate_backend(pg_backend_pid())"))
        with ledger.begin() as tx:
            audit.append(tx, "test.done", "after", {})
            assert [row.subject for row in audit.rows(tx)][1:] == ["after"]
    postgres_server.drop("restarted")


def test_ids_of_acts_sort_by_time() -> None:
    """A ULID has 26 signs, sorts by its millisecond, and two of one moment differ."""
    times = [datetime(2026, 7, 1, tzinfo=UTC) + timedelta(milliseconds=n * 977) for n in range(500)]
    ids = [new_id(at) for at in times]
    assert ids == sorted(ids)
    assert all(re.fullmatch(r"[0-9A-HJKMNP-TV-Z]{26}", made) for made in ids)
    assert new_id(times[0]) != new_id(times[0])
    # The example of the public specification: 2016-07-30T23:54:10.259Z.
    assert new_id(datetime(2016, 7, 30, 23, 54, 10, 259000, tzinfo=UTC)).startswith("01ARZ3NDEK")
