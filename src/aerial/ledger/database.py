"""SQLite in a file or PostgreSQL by URL: connections, the one writer at a time, and failures in words."""

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from aerial.errors import LedgerError

BUSY_S = 30  # how long a writer waits for the one before it
_CONNECT_S = 10
_WRITE_LOCK = 0x6165_7269_616C  # "aerial": the advisory lock of PostgreSQL's one writer
_URL_HINT = (
    "Give a file's path, or postgresql://USER:PASSWORD@HOST:PORT/DATABASE "
    "with the signs @ : / % of a password written as %40 %3A %2F %25."
)


def database_url(given: str) -> URL:
    """Return the URL of a ledger; what holds no ``://`` is a path.

    Raises:
        LedgerError: it is no URL of a database that can hold a ledger.
    """
    if "://" not in given:
        return URL.create("sqlite", database=given)
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        # The reason would quote the URL, and with it the password.
        raise LedgerError("The ledger's URL cannot be read.", hint=_URL_HINT) from None
    if url.drivername.split("+")[0] in ("postgresql", "postgres"):
        if not url.database:
            raise LedgerError("The ledger's URL names no database.", hint=_URL_HINT)
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database and url.database != ":memory:":
        return URL.create("sqlite", database=url.database)
    kind = url.drivername if re.fullmatch(r"[a-z0-9+]{1,20}", url.drivername) else "this"
    raise LedgerError(f"A ledger cannot be kept in a database of kind {kind!r}.", hint=_URL_HINT)


def made_engine(url: URL) -> Engine:
    """Return the engine of a URL; nothing is opened yet, except that a SQLite file is turned to WAL.

    Raises:
        LedgerError: the file cannot be one, or cannot be written.
    """
    if url.get_backend_name() != "sqlite":
        engine = sa.create_engine(
            url,
            connect_args={
                "connect_timeout": _CONNECT_S,
                "application_name": "aerial",
                "client_encoding": "utf8",
            },
            pool_pre_ping=True,
        )
        sa.event.listen(engine, "begin", _begin_postgresql)
        return engine
    path = Path(str(url.database))
    if path.is_dir():
        raise LedgerError(f"{path} is a folder.", hint="Name the ledger's file, such as ledger.sqlite.")
    if not path.parent.is_dir():
        raise LedgerError(f"The folder {path.parent} is not there.", hint="Make the folder, or name another.")
    # Transactions are begun here, not by the driver, which would begin them too late.
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_S, "isolation_level": None})
    sa.event.listen(engine, "connect", _connect_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    try:
        with told(url):
            _to_wal(engine)
    except UnicodeDecodeError as exc:
        # SQLite quotes what it cannot read of a damaged schema.
        raise LedgerError(
            f"The ledger {path} is damaged: {exc.reason}.", hint="Restore it from a copy."
        ) from None
    return engine


@contextmanager
def begun(engine: Engine, *, write: bool) -> Iterator[Connection]:
    """Yield a connection inside a transaction, kept at the end and undone when the block raises.

    Raises:
        LedgerError: the database failed; nothing was written.
    """
    with told(engine.url), engine.connect() as connection:
        options: dict[str, Any] = {"aerial_write": write}
        if connection.dialect.name == "postgresql":
            # A writer must see what the one before it wrote; a reader sees one moment.
            options["isolation_level"] = "READ COMMITTED" if write else "REPEATABLE READ"
            options["postgresql_readonly"] = not write
        connection = connection.execution_options(**options)
        with connection.begin():
            yield connection


@contextmanager
def told(url: URL) -> Iterator[None]:
    """Turn a failure of the database into a ``LedgerError`` that holds no secret."""
    try:
        yield
    except DBAPIError as exc:
        raise LedgerError(_in_words(url, str(exc.orig)), hint=_hint(str(exc.orig))) from None
    except StatementError as exc:
        # A value that no column takes: the caller's mistake, told as it is.
        raise (exc.orig or exc) from None
    except SQLAlchemyError as exc:
        raise LedgerError(_in_words(url, str(exc)), hint=_hint(str(exc))) from None
    except sqlite3.Error as exc:
        raise LedgerError(_in_words(url, str(exc)), hint=_hint(str(exc))) from None


# What a database says, and what to do then; the first that is found counts.
_HINTS = (
    ("not a database", "The file is something else: name another one, and leave this one as it is."),
    ("malformed", "The file is damaged: restore it from a copy."),
    ("decode to utf-8", "The file is damaged: restore it from a copy."),
    ("full", "Free space on the disk and try again; nothing was written."),
    ("no space", "Free space on the database's disk and try again; nothing was written."),
    ("readonly", "Make the file and its folder writable for you."),
    ("read-only", "This may only read: use a transaction that writes, or a server that is no standby."),
    ("unable to open", "Check that the folder is there and writable for you."),
    ("locked", "Another program is writing for long: wait, or end it, and try again."),
    ("lock timeout", "Another program is writing for long: wait, or end it, and try again."),
    ("password", "Check the user and the password in the ledger's URL."),
    ("does not exist", "Create the user or the database, or correct the ledger's URL."),
    ("permission denied", "Give the user the right to create tables in the database."),
    ("refused", "Start the server, or correct host and port in the ledger's URL."),
    ("resolve", "Correct the host in the ledger's URL."),
    ("timeout", "Check that the server is reachable; work offline in a file and merge later."),
    ("constraint", "This act does not fit what the ledger holds; look at its present state."),
)


def _hint(said: str) -> str:
    said = said.lower()
    for mark, hint in _HINTS:
        if mark in said:
            return hint
    return "Check that the database is there and running, then try again; nothing was written."


def _in_words(url: URL, said: str) -> str:
    first = next((line.strip() for line in said.splitlines() if line.strip()), "unknown failure")
    for secret in {str(url.password or ""), str(url.render_as_string(hide_password=False))} - {""}:
        first = first.replace(secret, "***")
    first = re.sub(r"://[^\s/@]*@", "://***@", first)
    return f"The ledger {url.render_as_string(hide_password=True)} failed: {first}"


def _connect_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA synchronous=FULL")


def _begin_sqlite(connection: Connection) -> None:
    write = connection.get_execution_options().get("aerial_write", False)
    connection.exec_driver_sql(f"PRAGMA query_only={'OFF' if write else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get("aerial_write", False):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{BUSY_S}s'")
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_WRITE_LOCK)))


def _to_wal(engine: Engine) -> None:
    # Once for the file, which keeps it. SQLite does not wait for this lock, so the waiting is done here.
    raw = engine.raw_connection()
    until = time.monotonic() + BUSY_S
    try:
        while True:
            try:
                raw.cursor().execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as exc:
                if "locked" not in str(exc) or time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return
    finally:
        raw.close()
