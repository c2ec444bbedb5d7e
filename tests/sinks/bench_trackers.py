"""The benches of ``redmine``, ``roundup`` and ``wfst`` with fakes, and of ``postgis`` with a real one."""

import atexit
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

from tests.sinks.cluster import PASSWORD, Database, cluster
from tests.sinks.fakes.http import TIMEOUT_S
from tests.sinks.fakes.trackers import KEY, LAT, LON, RedmineFake, RoundupFake
from tests.sinks.fakes.wfs import APP, WfsFake
from tests.sinks.registry import FAULTS, Bench, bench

from aerial.records import SinkConfig, SiteResult
from aerial.sinks.postgis import PostgisSink
from aerial.sinks.redmine import RedmineSink
from aerial.sinks.roundup import RoundupSink
from aerial.sinks.wfst import WfsTSink

SECRET = "p@ss-S3cr/et+key"  # noqa: S105 - opens nothing
SUBJECT = {"value": "{title}", "max_length": 200, "cut": True}
BODY = "{title} {address} {community}"


def _config(url: str, kind: str, options: dict[str, Any], timeout_s: float = TIMEOUT_S) -> SinkConfig:
    return SinkConfig(name=f"my {kind}", kind=kind, url=url, timeout_s=timeout_s, options=options)


@bench("redmine")
def _redmine(_: Path) -> Iterator[Bench]:
    options = {
        "project": "cases", "key_field": KEY, "lon_field": LON, "lat_field": LAT,
        "fields": {"subject": SUBJECT, "description": BODY}, "stages": {"Closed": "close"},
    }  # fmt: skip
    with RedmineFake(SECRET).serving() as peer:

        def report(acts: list[SiteResult]) -> None:
            for act in acts:
                peer.act(act.external_key, act.at, "Closed", act.note)

        yield Bench(
            sink=RedmineSink(_config(peer.url, "redmine", options), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: peer.held(key)[0]["description"],
            double=lambda key: peer.issues.append({**peer.held(key)[0], "id": 900}),
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
            report=report,
            pictures=lambda key: len(peer.held(key)[0]["attachments"]),
        )


@bench("roundup")
def _roundup(_: Path) -> Iterator[Bench]:
    options = {
        "user": "admin", "fields": {"title": SUBJECT, "details": BODY}, "note": "told",
        "stages": {"resolved": "close"},
    }  # fmt: skip
    with RoundupFake(SECRET).serving() as peer:

        def report(acts: list[SiteResult]) -> None:
            for act in acts:
                peer.act(act.external_key, act.at, "resolved", act.note)

        yield Bench(
            sink=RoundupSink(_config(f"{peer.url}/rest/data", "roundup", options), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: peer.held(key)[0]["details"],
            double=lambda key: peer.issues.append({**peer.held(key)[0], "id": "900"}),
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
            report=report,
            pictures=lambda key: len(peer.held(key)[0]["files"]),
        )


def _wfst(options: dict[str, Any], **more: Any) -> Iterator[Bench]:
    fields = {"title": "{title}", "details": BODY}
    options = {"type_name": "cases", "namespace": APP, "fields": fields} | options
    with WfsFake(**more).serving() as peer:
        yield Bench(
            sink=WfsTSink(_config(peer.url, "wfst", options | {"user": "a"}), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: peer.held(key)[0]["details"],
            double=lambda key: peer.rows.append({**peer.held(key)[0]}),
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
        )


@bench("wfst", "urn")
def _wfst_urn(_: Path) -> Iterator[Bench]:
    yield from _wfst({}, declares=True)


@bench("wfst", "short")
def _wfst_short(_: Path) -> Iterator[Bench]:
    yield from _wfst({"srs": "EPSG:4490"})


@bench("wfst", "turned")
def _wfst_turned(_: Path) -> Iterator[Bench]:
    yield from _wfst({"srs": "EPSG:4490", "axis": "yx"}, turns=True)


@cache
def _database() -> Database:
    """One cluster for the whole run; it takes seconds to start."""
    stack = ExitStack()
    database = stack.enter_context(cluster())
    atexit.register(stack.close)
    database.run("template1", "CREATE EXTENSION postgis")
    return database


_NUMBERS = iter(range(10_000))


@bench("postgis")
def _postgis(_: Path) -> Iterator[Bench]:
    server, name = _database(), f"bench{next(_NUMBERS)}"
    server.run("postgres", f"CREATE DATABASE {name}")
    server.run(name, "CREATE TABLE told (id text, external_key text, at timestamptz, stage text, note text)")
    options = {
        "create": True, "files": "case_files", "results": {"table": "told", "result": None, "by": None},
    }  # fmt: skip

    def report(acts: list[SiteResult]) -> None:
        for act in acts:
            row = (act.id, act.external_key, act.at, act.stage, act.note)
            server.run(name, "INSERT INTO told VALUES (%s, %s, %s, %s, %s)", *row)

    def one(query: str, key: str) -> Any:
        found = server.run(name, "SELECT to_regclass('cases')")
        return server.run(name, query, key)[0][0] if found != [(None,)] else 0

    yield Bench(
        sink=PostgisSink(_config(server.url(name), "postgis", options, 10.0), PASSWORD),
        held=lambda key: int(one("SELECT count(*) FROM cases WHERE external_key = %s", key)),
        text=lambda key: str(one("SELECT address || community FROM cases WHERE external_key = %s", key)),
        double=None,
        secret=PASSWORD,
        report=report,
        pictures=lambda key: int(one("SELECT count(*) FROM case_files WHERE external_key = %s", key)),
    )
