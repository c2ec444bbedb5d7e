"""A private PostgreSQL with PostGIS on a free port of loopback."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from tests.system import lacking

BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
PASSWORD = "S3cret/pass:word"  # noqa: S105 - of a database that lives for one test run


class Database:
    """Where it listens, and plain SQL past every sink."""

    def __init__(self, port: int) -> None:
        self.port = port

    def url(self, name: str) -> str:
        """Return the address of a database, without the password."""
        return f"postgresql://aerial@127.0.0.1:{self.port}/{name}"

    def run(self, name: str, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement; return its rows."""
        with psycopg.connect(self.url(name), password=PASSWORD, autocommit=True) as db:
            done = db.execute(statement, values or None)  # type: ignore[call-overload]
            return done.fetchall() if done.description else []


def missing() -> str | None:
    """Return what must be installed, None where all is there."""
    if not BINARIES:
        return "no PostgreSQL here: apt-get install postgresql-15 postgresql-15-postgis-3"
    share = Path("/usr/share/postgresql") / BINARIES[-1].parents[1].name / "extension/postgis.control"
    return None if share.exists() else "no PostGIS here: apt-get install postgresql-15-postgis-3"


@contextmanager
def cluster() -> Iterator[Database]:
    """Start a cluster that is thrown away; skips the test where none can be."""
    if reason := missing():
        lacking(reason)
    folder = Path(tempfile.mkdtemp(prefix="aerial-pg-"))
    as_user: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    password = folder / "password"
    password.write_text(PASSWORD + "\n")
    if as_user:
        shutil.chown(folder, "postgres", "postgres")
        shutil.chown(password, "postgres", "postgres")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    tools, data = BINARIES[-1].parent, folder / "data"
    begin = [tools / "initdb", "-D", data, "-U", "aerial", "-A", "scram-sha-256", "-N", "-E", "UTF8",
             "--locale=C.UTF-8", "--pwfile", password]  # fmt: skip
    subprocess.run(begin, check=True, capture_output=True, cwd="/", **as_user)
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", folder, "-c", "fsync=off"]
    server = subprocess.Popen(
        [tools / "postgres", "-D", data, *options], cwd="/", stderr=subprocess.DEVNULL, **as_user
    )
    try:
        database = Database(port)
        for _ in range(300):
            try:
                database.run("postgres", "SELECT 1")
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield database
    finally:
        server.send_signal(2)  # fast shutdown: clients are not waited for
        server.wait(30)
        shutil.rmtree(folder, ignore_errors=True)
