"""What single peers do beyond the contract: codes inside of 200, windows of 90 days, swapped axes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.sinks.bench_http import FIELDS, FIND, FLAT, RESULTS, SECRET, config, http_options
from tests.sinks.fakes.city import CityFake
from tests.sinks.fakes.http import Asked, FakePeer, Said
from tests.sinks.fakes.ogc import OgcFake
from tests.sinks.fakes.open311 import Open311Fake
from tests.sinks.samples import KEY, sample_case

from aerial.errors import DeliveryError, InputError
from aerial.geo import LonLat
from aerial.sinks.http_json import HttpJsonSink
from aerial.sinks.ogc import OgcFeaturesSink
from aerial.sinks.open311 import Open311Sink
from aerial.sinks.sink import Ambiguous, Busy, Rejected


@pytest.fixture
def city() -> Iterator[CityFake]:
    """A city's interface."""
    with CityFake(SECRET).serving() as peer:
        yield peer


class Saying(FakePeer):
    """A peer that says one thing to all who store, and another one to all who ask."""

    def __init__(self, said: object, *, reads: object) -> None:
        super().__init__()
        self.said, self.reads = said, reads

    def answer(self, asked: Asked) -> Said:
        """Say it."""
        return 200, self.reads if asked.method == "GET" else self.said


NOTHING = {"code": 200, "data": {"rows": []}}


@pytest.mark.parametrize(
    ("said", "kind"),
    [({"code": 201, "msg": "重复"}, Rejected), ({"code": "500", "msg": "系统异常"}, Ambiguous),
     ({"code": 429}, Busy),
     ({"msg": "ok"}, Ambiguous), ([], Ambiguous), (b"<html>login</html>", Ambiguous),
     ({"code": None}, Rejected)],
)  # fmt: skip
def test_the_code_inside_of_200_decides(said: object, kind: type[DeliveryError]) -> None:
    """A business code that is not the good one is never success; what cannot be read is ambiguous."""
    with Saying(said, reads=NOTHING).serving() as peer, pytest.raises(kind):
        HttpJsonSink(config(peer, "http", http_options()), SECRET).send(sample_case(), [])


@pytest.mark.parametrize(
    "said",
    [
        {"code": 200},
        {"code": 200, "data": {"list": []}},
        {"code": 200, "data": {"rows": [{"id": 1, "lng": "113.7", "lat": "22.8"}]}},
        {"code": 200, "data": {"rows": [{"memo": KEY, "lng": "113.7", "lat": "22.8"}]}},
        {"code": 200, "data": {"rows": [{"memo": KEY, "id": 1}]}},
        {"code": 200, "data": {"rows": [{"memo": KEY, "id": 1, "lng": "x", "lat": "22.8"}]}},
        {"code": 200, "data": {"rows": 7}},
        {"code": 401, "msg": "who?"},
        b"<html>",
    ],
)
def test_a_look_up_that_is_not_understood_is_not_nothing(said: object) -> None:
    """Another shape than configured is refused: taken for "not there", it would make a double."""
    with Saying({"code": 200}, reads=said).serving() as peer:
        sink = HttpJsonSink(config(peer, "http", http_options()), SECRET)
        with pytest.raises(Rejected) as caught:
            sink.find(KEY)
        with pytest.raises(Rejected):
            sink.send(sample_case(), [])
        assert not [asked for asked in peer.asked if asked.method == "POST"]
    assert caught.value.hint


def test_a_list_that_does_not_filter_is_refused(city: CityFake) -> None:
    """A peer that ignores the query shows a page of others: ours may lie on the next one."""
    sink = HttpJsonSink(config(city, "http", http_options()), SECRET)
    sink.send(sample_case("01OTHER-1"), [])
    city.filters = False
    with pytest.raises(Rejected, match="does not filter"):
        sink.find(KEY)


def test_a_look_before_the_first_case_that_breaks_is_busy(city: CityFake) -> None:
    """The look-up fails before anything was sent: busy, and no case is posted."""
    city.writes = lambda asked: asked.method == "GET"  # type: ignore[method-assign]
    city.fail("500 before")
    with pytest.raises(Busy):
        HttpJsonSink(config(city, "http", http_options()), SECRET).send(sample_case(), [])
    assert not [asked for asked in city.asked if asked.method == "POST"]


def test_a_mistyped_address_is_not_nothing(city: CityFake) -> None:
    """404 on a list is refused: its address may be wrong; on a case's own address it is "not there"."""
    wrong = http_options(find=FIND | {"path": "case/lits"})
    with pytest.raises(Rejected, match="404"):
        HttpJsonSink(config(city, "http", wrong), SECRET).find(KEY)
    own = http_options(find=FIND | {"path": "case/one/{external_key}", "query": {}})
    assert HttpJsonSink(config(city, "http", own), SECRET).find(KEY) is None


@pytest.mark.parametrize(
    "options",
    [
        {"fields": {k: v for k, v in FIELDS.items() if k != "memo"} | {"content": "{address}"}},
        {"find": FIND | {"query": {}}},
        {"find": FIND | {"path": "x/{address}"}},
        {"find": FIND | {"query": {"k": "{external_key.x}"}}},
        {"secret_in": "cookie a"},
        {"secret_in": "header a b"},
        {"secret_in": None},
        {"secret_in": "field memo", "body": "form", "fields": FLAT},
        {"files": {"style": "multipart", "field": "x"}},
        {"files": {"style": "upload", "field": "x"}},
        {"files": {"style": "base64", "field": "memo"}},
        {"files": {"style": "ftp", "field": "x"}},
        {"results": RESULTS | {"stages": {"1": "finished"}}},
        {"results": RESULTS | {"query": {"a": "{external_key}"}}},
        {"okay": "code"},
        {"body": "xml"},
    ],
)
def test_options_that_cannot_work_are_refused_at_once(city: CityFake, options: dict[str, Any]) -> None:
    """Nothing is sent with a configuration by which a delivery cannot be proved."""
    with pytest.raises(InputError) as caught:
        HttpJsonSink(config(city, "http", http_options(**options)), SECRET)
    assert caught.value.hint
    assert SECRET not in str(caught.value)
    assert not city.asked


def test_an_unknown_word_of_a_result_is_kept_as_a_note(city: CityFake) -> None:
    """A stage that the map does not know is neither guessed nor dropped."""
    sink = HttpJsonSink(config(city, "http", http_options(results=RESULTS)), SECRET)
    city.act(KEY, datetime(2026, 6, 20, tzinfo=UTC), "99", "说明")
    (act,), _ = sink.results(None)
    assert act.stage is None
    assert act.note == "说明 [stage: 99]"
    assert act.by == "张三"
    assert act.at == datetime(2026, 6, 20, tzinfo=UTC)


def test_a_failed_upload_stored_no_case(city: CityFake) -> None:
    """A picture's upload that breaks is busy, not ambiguous: no case was sent yet."""
    files = {"style": "upload", "field": "pics", "path": "file/upload", "token": "data.url"}
    sink = HttpJsonSink(config(city, "http", http_options(files=files)), SECRET)
    city.writes = lambda asked: asked.path == "/file/upload"  # type: ignore[method-assign]
    city.fail("500 after")
    with pytest.raises(Busy):
        sink.send(sample_case(), [Path(__file__)])
    assert not city.rows


def open311(peer: Open311Fake, **options: Any) -> Open311Sink:
    """The sink of a fake."""
    return Open311Sink(config(peer, "open311", {"service_code": "171"} | options), SECRET)


def stored(peer: Open311Fake, key: str, days_ago: float) -> None:
    """A request of another day."""
    form = {"service_code": "171", "description": f"[aerial:{key}] x", "lat": "22.8", "long": "113.7"}
    peer.add(form, datetime.now(UTC) - timedelta(days=days_ago))


def test_old_requests_are_found_in_windows_of_90_days() -> None:
    """Within the days looked back upon all are found, in queries that no peer refuses; beyond, none."""
    with Open311Fake(SECRET).serving() as peer:
        for number, days in enumerate((0, 88.9, 89.1, 200, 299)):
            stored(peer, f"01OLD-{number}", days)
        stored(peer, "01TOO-1", 400)
        sink = open311(peer, look_back_days=300)
        for number in range(5):
            assert sink.find(f"01OLD-{number}") is not None, number
        assert sink.find("01TOO-1") is None


@pytest.mark.parametrize("pages", [False, True])
def test_more_requests_than_one_answer_are_all_seen(pages: bool) -> None:
    """A peer that cuts its list, with or without pages, hides none."""
    with Open311Fake(SECRET, most_rows=10, pages=pages).serving() as peer:
        for number in range(95):
            stored(peer, f"01MANY-{number}", number / 3)
        sink = open311(peer, most_rows=10)
        assert all(sink.find(f"01MANY-{number}") for number in (0, 9, 10, 50, 94))


def test_more_requests_at_one_moment_than_one_answer_are_refused() -> None:
    """Where the list cannot be seen whole, that is said and not taken for "not there"."""
    with Open311Fake(SECRET, most_rows=10).serving() as peer:
        for number in range(30):
            stored(peer, f"01MANY-{number}", 3)
        with pytest.raises(Rejected, match="no pages"):
            open311(peer, most_rows=10).find("01MANY-29")


def test_an_unknown_service_is_named_with_those_there_are() -> None:
    """Before the first case the services are read; nothing is posted to one that is not there."""
    with Open311Fake(SECRET).serving() as peer:
        with pytest.raises(Rejected, match="'999'") as caught:
            open311(peer, service_code="999").send(sample_case(), [])
        assert "171, 180" in caught.value.hint
        assert not peer.rows


def test_a_refusal_as_duplicate_is_looked_up() -> None:
    """A peer that says "duplicate" holds it: ambiguous, so that it is looked up."""
    with Open311Fake(SECRET).serving() as peer:
        sink = open311(peer)
        peer.refusal = lambda _: (400, [{"code": 400, "description": "base is a duplicate"}])  # type: ignore[method-assign]
        peer.fail("400")
        with pytest.raises(Ambiguous):
            sink.send(sample_case(), [])


@pytest.mark.parametrize("fields", [{"api_key": "x"}, {"lat": "{lat_deg}"}, {"attribute[x]": "{nothing}"}])
def test_fields_of_the_protocol_are_not_overwritten(fields: dict[str, str]) -> None:
    """A field map cannot move a case or change its key."""
    with Open311Fake(SECRET).serving() as peer, pytest.raises(InputError):
        open311(peer, fields=fields)


def test_a_change_that_is_committed_late_is_not_missed() -> None:
    """An act a few minutes older than the newest one read comes, and what came does not come again."""
    with Open311Fake(SECRET).serving() as peer:
        sink = open311(peer)
        for number in range(2):
            stored(peer, f"01LATE-{number}", 1)
        now = datetime.now(UTC)
        peer.rows[0] |= {"status": "closed", "updated_datetime": now.isoformat()}
        peer.rows[1] |= {"updated_datetime": None}
        (first,), cursor = sink.results(None)
        late = now - timedelta(minutes=3)
        peer.rows[1] |= {"status": "closed", "updated_datetime": late.isoformat()}
        (second,), cursor = sink.results(cursor)
        assert (first.external_key, second.external_key) == ("01LATE-0", "01LATE-1")
        assert not sink.results(cursor)[0]


def ogc(peer: OgcFake, **options: Any) -> OgcFeaturesSink:
    """The sink of a fake."""
    return OgcFeaturesSink(config(peer, "ogc", {"collection": "cases"} | options), SECRET)


def test_swapped_axes_are_named() -> None:
    """A server that turns latitude and longitude round is told so, on sending and on finding."""
    with OgcFake(SECRET, upserts=True, swaps=True).serving() as peer:
        sink = ogc(peer, method="put")
        with pytest.raises(Rejected, match="axes are swapped"):
            sink.send(sample_case(), [])
        with pytest.raises(Rejected, match="axes are swapped"):
            sink.find(KEY)


def test_swapped_axes_are_named_where_both_orders_are_positions() -> None:
    """West of 90 degrees east a swapped position is one, too: it is compared with the case's."""
    with (
        OgcFake(SECRET, upserts=True, swaps=True).serving() as peer,
        pytest.raises(Rejected, match="swapped"),
    ):
        ogc(peer, method="put").send(sample_case(at=LonLat(lon_deg=87.6, lat_deg=43.8)), [])


def test_another_place_is_named_in_metres() -> None:
    """A server that rounds to 5 decimals holds the case elsewhere, and the distance is told."""
    with OgcFake(SECRET, upserts=True).serving() as peer:
        shown = peer._shown

        def rounding(name: str, feature: dict[str, Any]) -> dict[str, Any]:
            found = shown(name, feature)
            found["geometry"]["coordinates"] = [round(x, 5) for x in found["geometry"]["coordinates"]]
            return found

        peer._shown = rounding  # type: ignore[method-assign]
        with pytest.raises(Rejected, match=r"0\.\d m away"):
            ogc(peer, method="put").send(sample_case(), [])


def test_a_put_that_stores_nothing_is_noticed_at_once() -> None:
    """204 and nothing there (TinyDB behind pygeoapi): ambiguous, with what to change."""
    with OgcFake(SECRET, upserts=False).serving() as peer:
        with pytest.raises(Ambiguous) as caught:
            ogc(peer, method="put").send(sample_case(), [])
        assert "post" in caught.value.hint
        assert ogc(peer).find(KEY) is None


def test_a_second_post_is_ambiguous_and_one_is_stored() -> None:
    """Pygeoapi answers 500 to a known id; the case is there once, and is found."""
    with OgcFake(SECRET, upserts=False).serving() as peer:
        sink = ogc(peer)
        sink.send(sample_case(), [])
        with pytest.raises(Ambiguous):
            sink.send(sample_case(), [])
        assert len(peer.features) == 1
        assert sink.find(KEY) is not None


def test_a_key_that_is_the_servers_own_id_is_found() -> None:
    """A server (pygeoapi) takes the id out of the properties: the feature's id is the key then."""
    with OgcFake(SECRET, upserts=False).serving() as peer:
        shown = peer._shown

        def without(name: str, feature: dict[str, Any]) -> dict[str, Any]:
            found = shown(name, feature)
            rest = {key: value for key, value in found["properties"].items() if key != "external_key"}
            return {**found, "properties": rest}

        peer._shown = without  # type: ignore[method-assign]
        sink = ogc(peer, key_property="external_key")
        sink.send(sample_case(), [])
        assert sink.find(KEY) is not None


def test_a_filter_that_the_server_ignores_is_refused() -> None:
    """Features of others in the answer: ours may be on another page."""
    with OgcFake(SECRET, upserts=False, mints=True).serving() as peer:
        sink = ogc(peer, key_property="external_key")
        sink.send(sample_case("01OTHER-1"), [])
        peer.filters = False
        with pytest.raises(Rejected, match="not queryable"):
            sink.find(KEY)
