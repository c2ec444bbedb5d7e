"""The sink ``postgis``: a table of a PostGIS database; the only user of psycopg.

``url`` is ``postgresql://USER@HOST:PORT/DATABASE``, the secret its password. The table has a unique key, so
that the same case sent twice is one row; what an officer wrote into its stage is never overwritten. The
database itself transforms between EPSG:4490 and the CRS of the table: the parameters of a city's local CRS
stay in there.
"""

import hashlib
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.records import Case, Receipt, SinkConfig, SiteResult
from aerial.sinks import postgis_text as text
from aerial.sinks.addresses import resolve
from aerial.sinks.postgis_options import MADE, ResultTable, geometries, read_options, row_values
from aerial.sinks.readback import outward
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.words import site_result

_SRID = 4490  # CGCS2000; PostGIS keeps longitude as x
# SQLSTATE classes in which the same may well succeed later: connection, rollback, resources, lock, operator.
_LATER = ("08", "40", "53", "55", "57", "58")
_SHARED_LOCK = 0x6165_7269  # two workers that make the tables at the same time


class PostgisSink:
    """Rows of one table; see ``CaseSink``."""

    idempotent = True

    def __init__(self, config: SinkConfig, secret: str | None) -> None:
        self.name = config.name
        self._timeout_s, self._private = config.timeout_s, config.private
        self._options = read_options(config)
        chosen = self._options.columns
        self._columns = {name: name for name in MADE} if chosen is None else chosen
        self._connect = _parameters(config, secret)
        self._secret = secret
        self._srids: dict[str, int] | None = None

    def find(self, external_key: str) -> Receipt | None:
        """Return the row under the key, its position on CGCS2000, or None."""
        found = self.copies(external_key)
        return found[0] if found else None

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Return the row under the key; the table's own constraint keeps it from being two."""
        options = self._options
        point = sql.Identifier(options.point)
        stage = sql.Identifier(options.stage) if options.stage else sql.SQL("''")
        with self._transaction() as db:
            rows = db.execute(
                sql.SQL(text.FIND).format(
                    stage=stage,
                    point=point,
                    srid=sql.Literal(_SRID),
                    table=_table(options.table),
                    key=sql.Identifier(options.key),
                ),
                (external_key,),
            ).fetchall()
        return tuple(
            Receipt(
                external_key=external_key,
                remote_id=external_key,
                at=self._position(row, external_key),
                stage=str(row[0] or ""),
                read_at=datetime.now(UTC),
            )
            for row in rows
        )

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Insert the case and its files in one transaction, or bring its row up to date."""
        options, values = self._options, row_values(case, self._columns)
        with self._transaction(writes=True) as db:
            geometries = {options.point: f"POINT({case.at.lon_deg!r} {case.at.lat_deg!r})"}
            if options.outline:
                geometries[options.outline] = case.suspect.outline.wkt
            once = {options.key: case.external_key} | (
                {options.stage: options.first_stage} if options.stage else {}
            )
            names = [*once, *values, *geometries]
            places: list[sql.Composable] = [sql.Placeholder()] * (len(once) + len(values))
            places += [_geometry(self._srid(column)) for column in geometries]
            own = [sql.Identifier(name) for name in (*values, *geometries)]
            db.execute(
                sql.SQL(text.UPSERT).format(
                    table=_table(options.table),
                    names=sql.SQL(", ").join(map(sql.Identifier, names)),
                    places=sql.SQL(", ").join(places),
                    key=sql.Identifier(options.key),
                    sets=sql.SQL(", ").join(sql.SQL("{0} = excluded.{0}").format(name) for name in own),
                    changed=sql.SQL(" OR ").join(
                        sql.SQL("held.{0}::text IS DISTINCT FROM excluded.{0}::text").format(name)
                        for name in own
                    ),
                ),
                [*once.values(), *values.values(), *geometries.values()],
            )
            for each in outward(self.name, files) if options.files else ():
                self._keep(db, case.external_key, *each)

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return stages of the table and rows of the table of results that were written since ``cursor``.

        The cursor is a transaction number before which everything was seen: no clock is trusted, and a
        transaction that committed late is not missed. A row changed twice between two calls is read once.
        """
        options, found = self._options, []
        with self._transaction() as db:
            now, begin = _snapshot(db, cursor)
            since = sql.SQL(text.SINCE if begin else "TRUE").format(sql.Literal(str(begin % 2**32)))
            if options.stage:
                query = sql.SQL(text.STAGES).format(
                    key=sql.Identifier(options.key),
                    stage=sql.Identifier(options.stage),
                    table=_table(options.table),
                    since=since,
                )
                found += [
                    self._result(f"stage:{key}:{version}", key, datetime.now(UTC), stage=stage)
                    for key, stage, version in db.execute(query).fetchall()
                    if stage and stage != options.first_stage
                ]
            if options.results:
                found += self._told(db, options.results, since)
        return tuple(found), str(now)

    def _told(
        self, db: psycopg.Connection[Any], where: ResultTable, since: sql.Composable
    ) -> list[SiteResult]:
        optional = {name: getattr(where, name) for name in ("stage", "result", "by", "note")}
        chosen = {name: column for name, column in optional.items() if column}
        query = sql.SQL("SELECT {columns} FROM {table} WHERE {since} ORDER BY {at}").format(
            columns=sql.SQL(", ").join(
                [
                    sql.SQL("{}::text").format(sql.Identifier(where.id)),
                    sql.SQL("{}::text").format(sql.Identifier(where.external_key)),
                    sql.SQL("{}::timestamptz").format(sql.Identifier(where.at)),
                    *(sql.SQL("{}::text").format(sql.Identifier(column)) for column in chosen.values()),
                ]
            ),
            table=_table(where.table),
            since=since,
            at=sql.Identifier(where.at),
        )
        return [
            self._result(f"told:{row[0]}", row[1], row[2], **dict(zip(chosen, row[3:], strict=True)))
            for row in db.execute(query).fetchall()
        ]

    def _result(self, act: str, key: str, at: datetime, **words: str | None) -> SiteResult:
        return site_result(
            act,
            key,
            at.astimezone(UTC),
            stages=self._options.stages,
            results=self._options.site_results,
            **words,
        )

    def _keep(
        self, db: psycopg.Connection[Any], external_key: str, name: str, content: bytes, _: str
    ) -> None:
        db.execute(
            sql.SQL(text.KEEP_FILE).format(_table(self._options.files or "")),
            (external_key, name, hashlib.sha256(content).hexdigest(), content),
        )

    def _position(self, row: Sequence[Any], external_key: str) -> LonLat:
        _, lon, lat, empty = row
        if lon is None or empty:
            raise Rejected(
                f"{self.name} holds {external_key} without a position.",
                hint=f"Look at the row in {self._options.table}, or delete it and send the case again.",
            )
        return LonLat(lon_deg=lon, lat_deg=lat)

    def _srid(self, column: str) -> int:
        assert self._srids is not None  # noqa: S101 - a transaction begins with the check
        return self._srids[column]

    @contextmanager
    def _transaction(self, *, writes: bool = False) -> Iterator[psycopg.Connection[Any]]:
        """Yield a connection in one transaction that has ``timeout_s`` for everything.

        Before the commit is asked for, a broken connection has stored nothing; afterwards nobody knows.
        """
        try:
            db = psycopg.connect(**self._connect | self._addresses())
        except psycopg.Error as exc:
            self._fail(exc, Busy, "cannot be reached")
        asked = False
        ended = _Watchdog(db, self._timeout_s)
        try:
            with ended:
                if not writes:
                    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                self._check(db)
                yield db
                asked = writes
                db.commit()
        except psycopg.Error as exc:
            state = exc.sqlstate or ""
            if asked and not state.startswith(("22", "23", "40", "42")):
                self._fail(exc, Ambiguous, "broke off while it was storing")
            if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError) or state.startswith(_LATER):
                self._fail(exc, Busy, "broke off" if not ended.fired else "did not answer in time")
            self._fail(exc, Rejected, "refused")
        except UnicodeEncodeError as exc:
            raise Rejected(
                f"{self.name} (PostGIS) takes no half characters.", hint="Correct the key of the case."
            ) from exc
        finally:
            with suppress(psycopg.Error):
                db.close()

    def _addresses(self) -> dict[str, str]:
        host, port = self._connect["host"], self._connect.get("port", 5432)
        if host.startswith("/"):  # a socket of this machine
            return {}
        found = resolve(
            self.name,
            host,
            int(port),
            private=self._private,
            timeout_s=float(self._connect["connect_timeout"]),
        )
        return {"host": ",".join([host] * len(found)), "hostaddr": ",".join(found)}

    def _fail(self, exc: psycopg.Error, kind: type[Busy | Ambiguous | Rejected], what: str) -> NoReturn:
        # The primary line only: the detail quotes whole rows.
        said = exc.diag.message_primary or str(exc).strip().partition("\n")[0] or type(exc).__name__
        if self._secret:
            said = said.replace(self._secret, "***")
        hints = {
            Busy: "Check the network and the server; the case is tried again.",
            Ambiguous: "Nothing is to be done: the case is looked up before it is sent again.",
            Rejected: "Correct the table, its rights or the options of the sink, then revive the case.",
        }
        raise kind(f"{self.name} (PostGIS) {what}: {said}", hint=hints[kind]) from exc

    def _check(self, db: psycopg.Connection[Any]) -> None:
        """Refuse a table in which a case would be doubled or lose its place; make it where that is told."""
        if self._srids is not None:
            return
        options = self._options
        if db.execute("SELECT to_regproc('postgis_lib_version')").fetchone() == (None,):
            raise self._refused(
                "its database has no PostGIS", "Have its owner run: CREATE EXTENSION postgis."
            )
        if options.create:
            self._make(db)
        table = _table(options.table).as_string(db)
        if db.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,):
            raise self._refused(f"there is no table {options.table}", "Make it, or set create = true.")
        unique = db.execute(
            text.UNIQUE,
            (table, options.key),
        ).fetchone()
        if unique is None:
            raise self._refused(
                f"{options.table} may hold the same {options.key} twice",
                f"Add a unique constraint on {options.key}: without it a case sent twice is two.",
            )
        self._srids = {column: self._read_srid(db, table, column) for column in geometries(options)}

    def _read_srid(self, db: psycopg.Connection[Any], table: str, column: str) -> int:
        options = self._options
        row = db.execute(
            text.SRID,
            (table, column),
        ).fetchone()
        if row is None:
            raise self._refused(
                f"{options.table} has no geometry column {column}",
                "Name the column of the point as point, that of the polygon as outline (or none).",
            )
        srid, kind, known = row
        if not known:
            raise self._refused(
                f"{options.table}.{column} does not say its CRS (SRID {srid})",
                "Declare it: ALTER TABLE ... ALTER COLUMN ... TYPE geometry(Point, 4490).",
            )
        if kind not in geometries(options)[column]:
            raise self._refused(
                f"{options.table}.{column} holds {kind}, not {geometries(options)[column][0]}",
                "Name a column of the right kind.",
            )
        return int(srid)

    def _refused(self, what: str, hint: str) -> Rejected:
        return Rejected(f"{self.name} (PostGIS) cannot take cases: {what}.", hint=hint)

    def _make(self, db: psycopg.Connection[Any]) -> None:
        options = self._options
        db.execute("SELECT pg_advisory_xact_lock(%s)", (_SHARED_LOCK,))
        columns = [sql.SQL("{} text PRIMARY KEY").format(sql.Identifier(options.key))]
        if options.stage:
            columns.append(sql.SQL("{} text NOT NULL").format(sql.Identifier(options.stage)))
        for column, name in self._columns.items():
            kind = MADE.get(name, "text")
            columns.append(sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(kind)))
        for column, kinds in geometries(options).items():
            shape = sql.SQL("{} geometry(" + kinds[0] + ", 4490)")
            columns.append(shape.format(sql.Identifier(column)))
        db.execute(
            sql.SQL("CREATE TABLE IF NOT EXISTS {} ({})").format(
                _table(options.table), sql.SQL(", ").join(columns)
            )
        )
        if options.files:
            db.execute(sql.SQL(text.MAKE_FILES).format(_table(options.files)))
        db.commit()


class _Watchdog:
    """Ends a connection's wait for an answer that does not come: libpq has no time-out for reading."""

    def __init__(self, db: psycopg.Connection[Any], timeout_s: float) -> None:
        self.fired = False
        self._socket = socket.fromfd(db.fileno(), socket.AF_INET, socket.SOCK_STREAM)
        self._timer = threading.Timer(timeout_s, self._end)
        self._timer.daemon = True

    def _end(self) -> None:
        self.fired = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "_Watchdog":
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._timer.join()
        self._socket.close()


def _parameters(config: SinkConfig, secret: str | None) -> dict[str, Any]:
    """Return what psycopg.connect takes; nothing of an unusable url is shown, a password may be in it."""
    try:
        given = (
            conninfo_to_dict(config.url) if config.url.startswith(("postgresql://", "postgres://")) else {}
        )
    except psycopg.Error:
        given = {}
    host, port, database = (str(given.get(name, "")) for name in ("host", "port", "dbname"))
    # A password with a slash or an @ ends up in any of the three.
    if not host or not database or not (port or "5432").isdigit() or set(host + database) & set(",@:"):
        raise InputError(
            f"The url of the destination {config.name!r} is not one of a PostgreSQL database.",
            hint="Write it like postgresql://USER@HOST:5432/DATABASE.",
        )
    if "password" in given:
        raise InputError(
            f"The url of the destination {config.name!r} has a password in it.",
            hint="Put it into the environment variable or file that secret names.",
        )
    given |= {"password": secret} if secret else {}
    return given | {
        "connect_timeout": max(2, round(config.timeout_s)),
        "application_name": "aerial",
        "options": f"-c statement_timeout={round(config.timeout_s * 1000)}",
    }


def _table(name: str) -> sql.Identifier:
    return sql.Identifier(*name.split(".", 1))


def _geometry(srid: int) -> sql.Composed:
    return sql.SQL("ST_Transform(ST_GeomFromText(%s, {}), {})").format(sql.Literal(_SRID), sql.Literal(srid))


def _snapshot(db: psycopg.Connection[Any], cursor: str | None) -> tuple[int, int]:
    """Return the number below which every transaction has ended, and from which on is to be read (0: all)."""
    row = db.execute(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text, pg_snapshot_xmax(pg_current_snapshot())::text"
    ).fetchone()
    now, newest = (int(text) for text in row or ("0", "0"))
    begin = int(cursor) if cursor and cursor.isascii() and cursor.isdigit() else 0
    # A number from the future is another server's: this database was restored elsewhere.
    return now, begin if begin <= newest else 0
