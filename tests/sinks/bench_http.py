"""The benches of ``http``, in three dialects, and of ``open311`` and ``ogc`` beside their fakes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.sinks.fakes.city import CityFake
from tests.sinks.fakes.http import TIMEOUT_S
from tests.sinks.fakes.ogc import OgcFake
from tests.sinks.fakes.open311 import Open311Fake
from tests.sinks.registry import FAULTS, Bench, bench

from aerial.records import SinkConfig, SiteResult
from aerial.sinks.http_json import HttpJsonSink
from aerial.sinks.ogc import OgcFeaturesSink
from aerial.sinks.open311 import Open311Sink

SECRET = "p@ss-S3cr/et+key"  # noqa: S105 - opens nothing

FIELDS: dict[str, Any] = {
    "memo": "{external_key}",
    "content": "{title} {address} {community}",
    "place.lng": "{lon_deg}",
    "place.lat": "{lat_deg}",
    "area": {"value": "{area_m2}", "decimals": 1},
    "typeThirdID": "{matter_code}",
    "source": 3,
}
FLAT = {name.rpartition(".")[2]: value for name, value in FIELDS.items()}
FIND = {
    "path": "case/list", "query": {"keyword": "{external_key}"}, "items": "data.rows", "key": "memo",
    "id": "id", "lon": "lng", "lat": "lat", "stage": "status",
}  # fmt: skip
RESULTS = {
    "path": "case/acts", "query": {"since": "{cursor}"}, "first": "0", "items": "data.items",
    "cursor": "data.next",
    "id": "act", "key": "memo", "at": "time", "utc_offset_h": 8, "stage": "status", "stages": {"6": "close"},
    "result": "result", "by": "officer", "note": "say",
}  # fmt: skip
OK = {"ok": "code", "ok_values": [200]}


def http_options(**changes: Any) -> dict[str, Any]:
    """The options of the plainest dialect."""
    return {"path": "case/add", "fields": FIELDS, "find": FIND, "secret_in": "bearer", **OK} | changes


def placed(where: str) -> dict[str, str]:
    """Where the secret goes."""
    return {"secret_in": where}


def config(peer: Any, kind: str, options: dict[str, Any]) -> SinkConfig:
    """A destination at a fake."""
    return SinkConfig(name=f"my {kind}", kind=kind, url=peer.url, timeout_s=TIMEOUT_S, options=options)


def _city(options: dict[str, Any]) -> Iterator[Bench]:
    with CityFake(SECRET).serving() as peer:

        def report(acts: list[SiteResult]) -> None:
            for act in acts:
                peer.act(act.external_key, act.at, "6", act.note)

        yield Bench(
            sink=HttpJsonSink(config(peer, "http", options), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: peer.held(key)[0]["content"],
            double=lambda key: peer.rows.append({**peer.held(key)[0], "id": 5}),
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
            report=report if "results" in options else None,
            pictures=(lambda key: len(peer.held(key)[0]["pictures"])) if "files" in options else None,
        )


@bench("http", "json")
def _json(_: Path) -> Iterator[Bench]:
    yield from _city(http_options(files={"style": "base64", "field": "pics"}, results=RESULTS))


@bench("http", "form")
def _form(_: Path) -> Iterator[Bench]:
    files = {"style": "upload", "field": "pics", "path": "file/upload", "token": "data.url", "joined": ","}
    fields = {**FLAT, "memo": "[aerial:{external_key}]"}
    yield from _city(http_options(body="form", fields=fields, files=files, **placed("field uid")))


@bench("http", "multipart")
def _multipart(_: Path) -> Iterator[Bench]:
    files = {"style": "multipart", "field": "file"}
    yield from _city(http_options(body="form", fields=FLAT, files=files, **placed("header X-Key")))


@bench("http", "query")
def _query(_: Path) -> Iterator[Bench]:
    yield from _city(http_options(**placed("query uid")))


def _open311(**more: Any) -> Iterator[Bench]:
    with Open311Fake(SECRET, **more).serving() as peer:
        options = {"service_code": "171", "media_field": "media", "most_rows": peer.most_rows}

        def report(acts: list[SiteResult]) -> None:
            for act in acts:
                row = peer.held(act.external_key)[0]
                row |= {"status": "closed", "updated_datetime": act.at.isoformat(), "status_notes": act.note}

        yield Bench(
            sink=Open311Sink(config(peer, "open311", options), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: peer.held(key)[0]["description"],
            double=lambda key: peer.rows.append({**peer.held(key)[0], "service_request_id": "900"}),
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
            report=report,
            pictures=lambda key: peer.media[peer.held(key)[0]["service_request_id"]],
        )


@bench("open311")
def _plain_open311(_: Path) -> Iterator[Bench]:
    yield from _open311()


@bench("open311", "pages")
def _paged_open311(_: Path) -> Iterator[Bench]:
    yield from _open311(most_rows=2, pages=True)


def _ogc(options: dict[str, Any], **more: Any) -> Iterator[Bench]:
    with OgcFake(SECRET, **more).serving() as peer:

        def double(key: str) -> None:
            peer.features["uuid-double"] = peer.held(key)[0]

        yield Bench(
            sink=OgcFeaturesSink(config(peer, "ogc", {"collection": "cases", **options}), SECRET),
            held=lambda key: len(peer.held(key)),
            text=lambda key: "\n".join(
                str(value) for value in json.loads(json.dumps(peer.held(key)[0]["properties"])).values()
            ),
            double=double if more.get("mints") else None,
            secret=SECRET,
            fail=peer.fail,
            faults=frozenset(FAULTS),
        )


@bench("ogc", "post")
def _post(_: Path) -> Iterator[Bench]:
    yield from _ogc({}, upserts=False)


@bench("ogc", "put")
def _put(_: Path) -> Iterator[Bench]:
    yield from _ogc({"method": "put"}, upserts=True)


@bench("ogc", "mints")
def _mints(_: Path) -> Iterator[Bench]:
    yield from _ogc({"key_property": "external_key"}, upserts=False, mints=True)
