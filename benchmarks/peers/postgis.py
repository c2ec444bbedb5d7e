"""PostgreSQL 15 with PostGIS: a private cluster, the peer whose table itself refuses a second copy."""

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from benchmarks.peers.base import INSTALL, LOOPBACK, Peer, PeerError, Server, free_port

BINARIES = Path("/usr/lib/postgresql/15/bin")
EXTENSION = Path("/usr/share/postgresql/15/extension/postgis.control")
# A database refuses to run as root; Debian's package makes this user.
SYSTEM_USER = "postgres"
INITDB = ("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "-N")
OWNER = "aerial"
GEO, PLAIN = "cases_geo", "cases_plain"

COLUMNS = """
    external_key text PRIMARY KEY,
    title text,
    kind text,
    stage text NOT NULL DEFAULT 'new',
    unit_grid text,
    community text,
    error_m double precision,
    area_m2 double precision,
    payload jsonb,
    updated_at timestamptz NOT NULL DEFAULT now()
"""
FILES = """
    CREATE TABLE case_files (
        external_key text NOT NULL,
        name text NOT NULL,
        sha256 text,
        content bytea,
        PRIMARY KEY (external_key, name)
    );
"""
SCHEMA = {
    GEO: f"CREATE EXTENSION postgis; CREATE TABLE cases ({COLUMNS}, geom geometry(Point, 4490));"
    f"CREATE INDEX ON cases USING gist (geom); {FILES}",
    PLAIN: f"CREATE TABLE cases ({COLUMNS}, lon double precision, lat double precision); {FILES}",
}


def missing() -> str | None:
    """The reason why no cluster can start here."""
    if not (BINARIES / "postgres").exists() or not EXTENSION.exists():
        return (
            "PostgreSQL 15 with PostGIS is not installed: "
            f"apt-get install postgresql-15 postgresql-15-postgis-3 (or {INSTALL})"
        )
    if shutil.which("psql") is None:
        return f"psql is not installed: apt-get install postgresql-client-15 (or {INSTALL})"
    return None


class Cluster:
    """A cluster of PostgreSQL in a folder, on a free port of loopback, with a password of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.user, self.password = OWNER, secrets.token_urlsafe(18)
        self._server: Server | None = None

    @property
    def _system_user(self) -> str | None:
        return SYSTEM_USER if os.geteuid() == 0 else None

    def start(self, limit_s: float = 60.0) -> None:
        """Makes the cluster and starts it."""
        data, password = self.folder / "data", self.folder / "password"
        self.folder.mkdir(parents=True, exist_ok=True)
        password.write_text(self.password + "\n")
        identity = {}
        if self._system_user:
            for path in (self.folder, password):
                shutil.chown(path, self._system_user, self._system_user)
            identity = {"user": SYSTEM_USER, "group": SYSTEM_USER, "extra_groups": []}
        password.chmod(0o600)
        made = subprocess.run(
            [BINARIES / "initdb", "-D", data, *INITDB, "-U", self.user, "--pwfile", password],
            capture_output=True,
            check=False,
            cwd="/",
            **identity,  # type: ignore[call-overload]
        )
        if made.returncode != 0:
            raise PeerError(f"initdb failed:\n{made.stderr.decode(errors='replace')}")
        argv: list[str | Path] = [
            BINARIES / "postgres",
            "-D",
            data,
            "-h",
            LOOPBACK,
            "-p",
            str(self.port),
            "-k",
            self.folder,
        ]
        argv += ["-c", "max_connections=60", "-c", "shared_buffers=64MB"]
        self._server = Server(argv, self.folder / "postgres.log", user=self._system_user)
        self._server.wait(self._ready, limit_s)

    def _ready(self) -> bool:
        return self._psql("postgres", "SELECT 1", {}).returncode == 0

    def _psql(self, database: str, sql: str, values: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        argv = ["psql", "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", "-"]
        for name, value in values.items():
            argv += ["-v", f"{name}={value}"]
        argv += ["-h", LOOPBACK, "-p", str(self.port), "-U", self.user, "-d", database]
        env = {**os.environ, "PGPASSWORD": self.password, "PGCONNECT_TIMEOUT": "5"}
        return subprocess.run(argv, input=sql, capture_output=True, text=True, check=False, env=env)

    def sql(self, database: str, sql: str, **values: str) -> list[list[str]]:
        """Runs statements in which `:'name'` stands for a value; returns the rows as text."""
        done = self._psql(database, sql, values)
        if done.returncode != 0:
            raise PeerError(f"psql: {done.stderr.strip()}")
        return [line.split("\t") for line in done.stdout.splitlines() if line]

    def create(self, database: str, schema: str) -> None:
        """Makes a database and what lies in it."""
        self.sql("postgres", f"CREATE DATABASE {database}")
        self.sql(database, schema)

    def stop(self) -> None:
        """Ends the server at once: its data are thrown away."""
        if self._server is not None:
            # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
            self._server.stop(signal.SIGINT)
            self._server = None


class Postgis(Peer):
    """A table of cases in PostGIS, or in plain PostgreSQL with two columns for the position."""

    idempotent = True

    def __init__(
        self, storage: Literal["postgis", "postgresql"] = "postgis", *, front_port: int | None = None
    ) -> None:
        super().__init__(front_port=front_port)
        self.name = storage
        self._database = GEO if storage == "postgis" else PLAIN
        self.cluster: Cluster

    @classmethod
    def available(cls) -> str | None:
        """Nothing when PostgreSQL and PostGIS are here."""
        return missing()

    def _start(self) -> None:
        self.cluster = Cluster(self.folder / "cluster")
        self._undo.callback(self.cluster.stop)
        self.cluster.start()
        self.cluster.create(self._database, SCHEMA[self._database])
        self.url = f"postgresql://{LOOPBACK}:{self.cluster.port}/{self._database}"
        self.options = {
            "host": LOOPBACK,
            "port": self.cluster.port,
            "database": self._database,
            "user": self.cluster.user,
            "password": self.cluster.password,
            "table": "cases",
            "files_table": "case_files",
            "key_column": "external_key",
            "stage_column": "stage",
            "geometry_column": "geom" if self._database == GEO else None,
            "srid": 4490 if self._database == GEO else None,
        }

    def _rows(self, sql: str, **values: str) -> Sequence[Sequence[str]]:
        return self.cluster.sql(self._database, sql, **values)

    def counts(self) -> dict[str, int]:
        """Copies of each key in the table."""
        return {k: int(n) for k, n in self._rows("SELECT external_key, count(*) FROM cases GROUP BY 1")}

    def position(self, external_key: str) -> tuple[float, float]:
        """Longitude and latitude as stored."""
        sql = {
            GEO: "SELECT ST_X(geom), ST_Y(geom) FROM cases WHERE external_key = :'key'",
            PLAIN: "SELECT lon, lat FROM cases WHERE external_key = :'key'",
        }
        return only_position(self._rows(sql[self._database], key=external_key), external_key)

    def files(self, external_key: str) -> int:
        """Rows of the table of files."""
        sql = "SELECT count(*) FROM case_files WHERE external_key = :'key'"
        return int(self._rows(sql, key=external_key)[0][0])

    def set_stage(self, external_key: str, stage: str) -> None:
        """Writes the column."""
        sql = "UPDATE cases SET stage = :'stage', updated_at = now() WHERE external_key = :'key'"
        self._rows(sql, key=external_key, stage=stage)

    def reset(self) -> None:
        """Empties both tables."""
        self._rows("TRUNCATE cases, case_files")


def only_position(rows: Sequence[Sequence[str]], external_key: str) -> tuple[float, float]:
    """The position of the first copy, or an error when there is none."""
    if not rows:
        raise KeyError(external_key)
    return float(rows[0][0]), float(rows[0][1])
