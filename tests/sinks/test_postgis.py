"""The sink ``postgis`` against a real PostGIS."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.sinks.cluster import PASSWORD, Database, cluster
from tests.sinks.samples import AT, sample_case

from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.records import SinkConfig
from aerial.sinks.postgis import PostgisSink
from aerial.sinks.sink import Ambiguous, Busy, Rejected


@pytest.fixture(scope="module")
def server() -> Iterator[Database]:
    """One cluster for all tests of this file."""
    with cluster() as database:
        database.run("template1", "CREATE EXTENSION postgis")
        yield database


_COUNT = iter(range(1000))


@pytest.fixture
def db(server: Database) -> str:
    """A fresh database with PostGIS."""
    name = f"t{next(_COUNT)}"
    server.run("postgres", f"CREATE DATABASE {name}")
    return name


def sink_of(server: Database, db: str, *, url: str | None = None, **options: Any) -> PostgisSink:
    """Return a sink on the database, with tables that it makes."""
    config = SinkConfig(
        name="bureau",
        kind="postgis",
        url=url or server.url(db),
        timeout_s=3.0,
        options={"create": True} | options,
    )
    return PostgisSink(config, PASSWORD)


def metres(a: LonLat, b: LonLat) -> float:
    """Return about how far two places in Dongguan are from each other."""
    return float(((a.lon_deg - b.lon_deg) * 102_700) ** 2 + ((a.lat_deg - b.lat_deg) * 110_750) ** 2) ** 0.5


def test_a_case_sent_twice_is_one_row_with_place_and_outline(
    server: Database, db: str, tmp_path: Path
) -> None:
    """Sent twice, it is stored once with hostile text whole, and read back within a tenth of a millimetre."""
    photo = tmp_path / "before.jpg"
    photo.write_bytes(b"\xff\xd8\x00picture")
    sink, case = sink_of(server, db, files="case_files"), sample_case()
    assert sink.find(case.external_key) is None
    sink.send(case, [photo])
    sink.send(case, [photo])
    receipt = sink.find(case.external_key)
    assert receipt is not None and receipt.stage == "report"
    assert metres(receipt.at, case.at) < 1e-4
    rows = server.run(
        db, "SELECT address, ST_SRID(geom), ST_Area(outline::geography), feature->>'id', score FROM cases"
    )
    assert len(rows) == 1 and rows[0][0] == case.address and rows[0][1] == 4490
    assert rows[0][2] == pytest.approx(113.7, abs=1) and rows[0][3:] == (case.external_key, 0.93)
    assert server.run(db, "SELECT name, content FROM case_files") == [("before.jpg", b"\xff\xd8\x00picture")]


def test_an_officers_stage_survives_a_second_sending(server: Database, db: str) -> None:
    """Sending again brings our columns up to date and leaves the stage that an officer wrote."""
    sink, case = sink_of(server, db), sample_case()
    sink.send(case, [])
    server.run(db, "UPDATE cases SET stage = 'dispose'")
    sink.send(replace(case, community="新安社区"), [])
    assert server.run(db, "SELECT stage, community FROM cases") == [("dispose", "新安社区")]


@pytest.mark.parametrize("srid", [4547, 4526, 4490, 4326, 3857])
def test_the_crs_of_the_table_is_read_and_kept(server: Database, db: str, srid: int) -> None:
    """In a table of any public CRS the place is stored in that CRS and read back within a millimetre."""
    server.run(
        db, f"CREATE TABLE bureau (key text UNIQUE, stage text, name text, geom geometry(Point, {srid}))"
    )
    options = {"table": "public.bureau", "key": "key", "outline": "", "columns": {"name": "title"}}
    sink = sink_of(server, db, create=False, **options)
    case = sample_case(at=LonLat(lon_deg=113.75, lat_deg=22.80))
    sink.send(case, [])
    receipt = sink.find(case.external_key)
    assert receipt is not None and metres(receipt.at, case.at) < 1e-3
    if srid == 4547:
        x, y = server.run(db, "SELECT ST_X(geom), ST_Y(geom) FROM bureau")[0]
        assert (x, y) == (pytest.approx(474331.703, abs=0.001), pytest.approx(2522410.756, abs=0.001))


def test_a_local_crs_stays_in_the_database(server: Database, db: str) -> None:
    """A city's own CRS that only the database knows is written in and read back within a millimetre."""
    proj4 = "+proj=tmerc +lat_0=0 +lon_0=113.7 +k=1 +x_0=40000 +y_0=-2500000 +ellps=GRS80 +units=m +no_defs"
    server.run(db, "INSERT INTO spatial_ref_sys (srid, proj4text) VALUES (990001, %s)", proj4)
    server.run(db, "CREATE TABLE cases (external_key text PRIMARY KEY, geom geometry(Point, 990001))")
    sink = sink_of(server, db, create=False, outline="", stage=None, columns={})
    sink.send(sample_case(), [])
    receipt = sink.find(sample_case().external_key)
    assert receipt is not None and metres(receipt.at, sample_case().at) < 1e-3
    x = server.run(db, "SELECT ST_X(geom) FROM cases")[0][0]
    assert x == pytest.approx(45_259, abs=20)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ("", "no table"),
        ("external_key text, stage text, geom geometry(Point, 4490)", "twice"),
        ("external_key text, stage text, geom geometry(Point, 4490), UNIQUE (external_key, stage)", "twice"),
        ("external_key text UNIQUE, stage text, geom geometry(Point)", "SRID 0"),
        ("external_key text UNIQUE, stage text, geom geometry", "SRID 0"),
        ("external_key text UNIQUE, stage text, geom geometry(LineString, 4490)", "LINESTRING"),
        ("external_key text UNIQUE, stage text", "no geometry column"),
    ],
)
def test_a_table_that_would_double_or_misplace_is_refused(
    server: Database, db: str, table: str, says: str
) -> None:
    """A table without unique key, known SRID or point column is refused in words, and nothing is stored."""
    if table:
        server.run(db, f"CREATE TABLE cases ({table})")
    with pytest.raises(Rejected, match=says) as caught:
        sink_of(server, db, create=False, outline="", columns={}).send(sample_case(), [])
    assert caught.value.hint
    if table:
        assert server.run(db, "SELECT count(*) FROM cases") == [(0,)]


def test_odd_names_are_quoted(server: Database, db: str) -> None:
    """A table and columns with quotes, spaces and SQL in their names are names and nothing else."""
    server.run(db, 'CREATE SCHEMA "S c"')
    sink = sink_of(
        server, db, table='S c.案件"; DROP TABLE x; --', key="Key $1", stage="st{0}", columns={'a"b': "title"}
    )
    sink.send(sample_case(), [])
    receipt = sink.find(sample_case().external_key)
    assert receipt is not None and receipt.stage == "report"


def test_stages_and_on_site_results_come_once_by_transaction(server: Database, db: str) -> None:
    """Each change of a stage and each row of an officer is told once, a late commit too."""
    server.run(
        db,
        "CREATE TABLE told (id bigserial, external_key text, at timestamptz, stage text, result text,"
        ' "by" text, note text)',
    )
    sink = sink_of(
        server, db, results={"table": "told"}, site_results={"违建": "confirmed"}, stages={"处置": "dispose"}
    )
    sink.send(sample_case("k-1"), [])
    sink.send(sample_case("k-2"), [])
    first, cursor = sink.results(None)
    assert first == ()
    server.run(db, "UPDATE cases SET stage = '处置' WHERE external_key = 'k-1'")
    late = psycopg.connect(server.url(db), password=PASSWORD)
    late.execute(
        "INSERT INTO told (external_key, at, result, \"by\") VALUES ('k-2', '2026-05-16 10:00+08', %s, %s)",
        ("违建", "韩梅"),
    )
    server.run(
        db, "INSERT INTO told (external_key, at, result) VALUES ('k-1', '2026-05-17 10:00+08', '奇怪')"
    )
    second, cursor = sink.results(cursor)
    assert [(one.external_key, one.stage, one.result) for one in second] == [
        ("k-1", "dispose", None),
        ("k-1", None, None),
    ]
    assert "奇怪" in second[1].note
    late.commit()
    late.close()
    third, cursor = sink.results(cursor)
    assert ("k-2", "confirmed", "韩梅") in [(one.external_key, one.result, one.by) for one in third]
    fourth, cursor = sink.results(cursor)
    assert fourth == ()
    # Our own sending of the same again is no act of an officer.
    sink.send(sample_case("k-1"), [])
    assert sink.results(cursor)[0] == ()
    # A cursor of another server's future reads all again, rather than nothing ever.
    assert len(sink.results("99999999999999")[0]) == 3
    server.run(db, "UPDATE cases SET stage = 'report' WHERE external_key = 'k-1'")
    server.run(db, "UPDATE cases SET stage = '处置' WHERE external_key = 'k-1'")
    again, _ = sink.results(cursor)
    assert again[0].id not in {one.id for one in second}


def test_the_password_is_in_no_message(server: Database, db: str) -> None:
    """Neither a refused login nor a bad url shows a password; both have a hint."""
    config = SinkConfig(name="bureau", kind="postgis", url=server.url(db), timeout_s=3.0)
    with pytest.raises(Busy, match="authentication") as login:
        PostgisSink(config, "wrong-" + PASSWORD).find("k")
    for url in (
        f"postgresql://aerial:{PASSWORD}@127.0.0.1/x",
        f"postgresql://a:{PASSWORD}@h/x?bad=1",
        "http://x",
    ):
        with pytest.raises(InputError) as caught:
            PostgisSink(replace(config, url=url), None)
        assert PASSWORD not in str(caught.value) and caught.value.hint
    assert PASSWORD not in str(login.value) and login.value.hint


def test_a_private_address_needs_to_be_configured(server: Database, db: str) -> None:
    """With private = false a database on loopback is refused before anything is sent."""
    config = SinkConfig(name="bureau", kind="postgis", url=server.url(db), private=False)
    with pytest.raises(Rejected, match="private"):
        PostgisSink(config, PASSWORD).find("k")


class Relay:
    """A proxy before the database that swallows what the server says after it has heard a word."""

    def __init__(self, port: int) -> None:
        self._to, self.after, self.cut = port, b"", False
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._start(self._accept)

    def close(self) -> None:
        """End all connections and threads."""
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for one in (self._listener, *self._open):
            one.close()

    def _start(self, work: Any, *given: Any) -> None:
        self._threads.append(threading.Thread(target=work, args=given, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._to))
                self._open += [client, server]
                heard = threading.Event()
                self._start(self._up, client, server, heard)
                self._start(self._down, server, client, heard)

    def _up(self, source: socket.socket, sink: socket.socket, heard: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if self.after and self.after in data:
                    heard.set()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_RDWR)

    def _down(self, source: socket.socket, sink: socket.socket, heard: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not heard.is_set():
                    sink.sendall(data)
                elif self.cut:
                    sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(server: Database) -> Iterator[Relay]:
    """A proxy before the cluster."""
    made = Relay(server.port)
    yield made
    made.close()


@pytest.mark.parametrize("cut", [True, False])
def test_a_commit_without_an_answer_is_ambiguous_and_was_stored(
    server: Database, db: str, relay: Relay, cut: bool
) -> None:
    """Cut or silent after the commit: Ambiguous within the time-out, stored, and one row when sent again."""
    sink = sink_of(server, db, url=f"postgresql://aerial@127.0.0.1:{relay.port}/{db}")
    sink.send(sample_case("k-0"), [])
    relay.after, relay.cut = b"COMMIT", cut
    begun = time.monotonic()
    with pytest.raises(Ambiguous):
        sink.send(sample_case(), [])
    assert time.monotonic() - begun < 6
    relay.after = b""
    assert sink.find(sample_case().external_key) is not None
    sink.send(sample_case(), [])
    assert server.run(db, "SELECT count(*) FROM cases") == [(2,)]


@pytest.mark.parametrize("cut", [True, False])
def test_a_break_before_the_commit_stores_nothing(server: Database, db: str, relay: Relay, cut: bool) -> None:
    """Cut or silent before the commit: Busy within the time-out, and nothing is there."""
    sink = sink_of(server, db, url=f"postgresql://aerial@127.0.0.1:{relay.port}/{db}")
    sink.send(sample_case("k-0"), [])
    relay.after, relay.cut = b"INSERT INTO", cut
    with pytest.raises(Busy):
        sink.send(sample_case(), [])
    time.sleep(0.3)
    assert server.run(db, "SELECT count(*) FROM cases") == [(1,)]


def test_two_workers_at_once_make_one_row(server: Database, db: str) -> None:
    """Eight threads that send the same case into a database without tables leave one row and no error."""
    case, failures = sample_case(), []

    def work() -> None:
        try:
            sink_of(server, db).send(case, [])
        except Exception as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert server.run(db, "SELECT count(*) FROM cases") == [(1,)]


def test_what_the_table_refuses_is_rejected(server: Database, db: str) -> None:
    """A value that the bureau's own check refuses is Rejected, without the row in the message."""
    sink = sink_of(server, db)
    sink.send(sample_case("k-0"), [])
    server.run(db, "ALTER TABLE cases ADD CHECK (area_m2 < 1000)")
    big = replace(sample_case(), suspect=replace(sample_case().suspect, area_m2=5000.0))
    with pytest.raises(Rejected, match="check constraint") as caught:
        sink.send(big, [])
    assert str(AT.lon_deg)[:6] not in str(caught.value) and str(AT.lat_deg)[:5] not in str(caught.value)


def test_a_database_that_is_not_there_is_busy() -> None:
    """Nobody listens: Busy, since nothing was stored and it may come back."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = SinkConfig(
        name="bureau", kind="postgis", url=f"postgresql://a@127.0.0.1:{port}/x", timeout_s=2.0
    )
    with pytest.raises(Busy, match="cannot be reached"):
        PostgisSink(config, None).find("k")
