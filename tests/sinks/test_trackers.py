"""What ``redmine``, ``roundup`` and ``wfst`` do beyond the contract of all sinks."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon
from tests.sinks.fakes.trackers import KEY as KEY_FIELD
from tests.sinks.fakes.trackers import LAT, LON, RedmineFake, RoundupFake
from tests.sinks.fakes.wfs import APP, WfsFake
from tests.sinks.samples import KEY, sample_case

from aerial.errors import InputError
from aerial.records import SinkConfig, SiteResult
from aerial.sinks.redmine import RedmineSink
from aerial.sinks.roundup import RoundupSink
from aerial.sinks.sink import Ambiguous, Rejected
from aerial.sinks.walk import OVERLAP, Since, changed_since
from aerial.sinks.wfst import WfsTSink
from aerial.sinks.xml import XmlError, parse_xml

SECRET = "s3cret-key"  # noqa: S105 - opens nothing
ENOUGH_S = 5.0


@pytest.fixture
def tracker() -> Iterator[RoundupFake]:
    """A Roundup."""
    with RoundupFake(SECRET).serving() as peer:
        yield peer


def roundup(peer: RoundupFake, **options: Any) -> RoundupSink:
    """Return a sink at it."""
    url = f"{peer.url}/rest/data"
    config = SinkConfig(
        name="r", kind="roundup", url=url, timeout_s=ENOUGH_S, options={"user": "a"} | options
    )
    return RoundupSink(config, SECRET)


def redmine(peer: RedmineFake, **options: Any) -> RedmineSink:
    """Return a sink at a Redmine."""
    given = {"project": "cases", "key_field": KEY_FIELD, "lon_field": LON, "lat_field": LAT} | options
    return RedmineSink(
        SinkConfig(name="r", kind="redmine", url=peer.url, timeout_s=ENOUGH_S, options=given), SECRET
    )


def wfst(peer: WfsFake, **options: Any) -> WfsTSink:
    """Return a sink at a WFS."""
    given = {"type_name": "cases", "namespace": APP, "srs": "EPSG:4490"} | options
    return WfsTSink(SinkConfig(name="w", kind="wfst", url=peer.url, timeout_s=ENOUGH_S, options=given), None)


def test_a_repeated_sending_uses_the_same_link(tracker: RoundupFake) -> None:
    """After a broken answer the case goes through the link it had, so that the peer itself keeps it once."""
    sink = roundup(tracker, files=None)
    tracker.fail("reset before")
    with pytest.raises(Ambiguous):
        sink.send(sample_case(), [])
    tracker.fail(None)
    sink.send(sample_case(), [])
    assert tracker.made_links == 1
    assert len(tracker.held(KEY)) == 1


def test_a_used_link_is_ambiguous_and_then_replaced(tracker: RoundupFake) -> None:
    """Where a link was used and nothing is there, the look-up decides, and the next sending has a new one."""
    sink = roundup(tracker, files=None)
    tracker.fail("reset before")
    with pytest.raises(Ambiguous):
        sink.send(sample_case(), [])
    tracker.fail(None)
    tracker.links.clear()
    with pytest.raises(Ambiguous, match="used before"):
        sink.send(sample_case(), [])
    assert sink.find(KEY) is None
    sink.send(sample_case(), [])
    assert (tracker.made_links, len(tracker.held(KEY))) == (2, 1)


def test_two_threads_share_one_link(tracker: RoundupFake) -> None:
    """The same case sent by eight threads at once is one issue; who came late is told so."""
    sink, failures, ask = roundup(tracker, files=None), [], RoundupSink._rows
    looked = threading.Barrier(8, timeout=30)

    def look_up(key: str) -> list[dict[str, Any]]:
        found = ask(sink, key)
        looked.wait()
        return found

    sink._rows = look_up  # type: ignore[method-assign]

    def work() -> None:
        try:
            sink.send(sample_case(), [])
        except Ambiguous as exc:
            failures.append(exc)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tracker.held(KEY)) == 1
    assert len(failures) == 7


def test_a_changed_case_is_brought_up_to_date_under_its_tag(tracker: RoundupFake) -> None:
    """Sent again with another text, the issue gets it, the status stays; unchanged, nothing is written."""
    sink = roundup(tracker, files=None, fields={"title": "{community}"})
    sink.send(sample_case(), [])
    tracker.act(KEY, datetime.now(UTC), "resolved", "")
    sink.send(sample_case(community="锦厦社区"), [])
    held = tracker.held(KEY)
    assert [(one["title"], one["status"]["name"]) for one in held] == [("锦厦社区", "resolved")]
    writes = len([one for one in tracker.asked if one.method == "PUT"])
    sink.send(sample_case(community="锦厦社区"), [])
    assert len([one for one in tracker.asked if one.method == "PUT"]) == writes == 1


def test_the_link_is_followed_at_the_configured_address_only(tracker: RoundupFake) -> None:
    """The tracker says another host in its link; the request goes to the configured one."""
    roundup(tracker, files=None).send(sample_case(), [])
    assert [one.path for one in tracker.asked if "/@poe/" in one.path] == ["/rest/data/issue/@poe/t1"]


def test_a_filter_that_redmine_ignores_is_noticed() -> None:
    """Where the custom field is no filter, Redmine lists any issues: none of them passes for the case."""
    with RedmineFake(SECRET, filters=False).serving() as peer:
        sink = redmine(peer)
        sink.send(sample_case("other-1"), [])
        with pytest.raises(Rejected, match="does not search") as caught:
            sink.find(KEY)
        assert "filter" in caught.value.hint


def test_every_act_of_a_journal_is_told_once_with_its_person() -> None:
    """Two changes between two pulls are two acts; a status set past the journal is told too."""
    with RedmineFake(SECRET).serving() as peer:
        sink = redmine(peer, stages={"In Progress": "dispose", "Closed": "close"})
        sink.send(sample_case(), [])
        now = datetime.now(UTC).replace(microsecond=0)
        peer.act(KEY, now + timedelta(seconds=2), "In Progress", "去现场")
        peer.act(KEY, now + timedelta(seconds=3), "Closed", "已拆")
        first, cursor = sink.results(None)
        assert [(act.stage, act.by, act.note) for act in first] == [
            ("dispose", "Li Lei", "去现场"), ("close", "Li Lei", "已拆")
        ]  # fmt: skip
        moved = {"status": {"id": 2, "name": "In Progress"}, "updated_on": "2030-01-01T00:00:00Z"}
        peer.issues[0].update(moved)
        second, cursor = sink.results(cursor)
        assert [act.stage for act in second] == ["dispose"]
        assert sink.results(cursor)[0] == ()


def test_results_come_in_pages_and_none_is_missed() -> None:
    """250 issues that changed within one second are all told, over three pages, once."""
    with RedmineFake(SECRET).serving() as peer:
        sink = redmine(peer, stages={"Closed": "close"})
        sink.send(sample_case(), [])
        at = datetime.now(UTC) + timedelta(seconds=5)
        for number in range(2, 251):
            peer.issues.append({**peer.issues[0], "id": number, "journals": []})
            fields = [{"id": KEY_FIELD, "value": f"k{number}-1"}]
            peer.issues[-1]["custom_fields"] = fields
            peer.act(f"k{number}-1", at, "Closed", "")
        told, cursor = sink.results(None)
        assert sorted(act.external_key for act in told) == sorted(f"k{n}-1" for n in range(2, 251))
        assert sink.results(cursor)[0] == ()


@given(
    st.lists(st.integers(0, 40), max_size=60),
    st.integers(2, 7),
    st.integers(0, 40),
    st.lists(st.integers(0, 59)),
)
def test_an_item_that_changes_while_it_is_read_hides_no_other(
    times: list[int], size: int, since: int, moves: list[int]
) -> None:
    """Whatever items move to the end between two pages, every item changed since then is seen."""
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    items = dict(enumerate(times))
    clock, queue = iter(range(100, 10_000)), list(moves)

    def page(at: datetime, offset: int) -> list[tuple[int, int]]:
        # Moves before each page, as officers work while we read.
        for _ in range(min(3, len(queue))):
            if (moved := queue.pop()) in items:
                items[moved] = next(clock)
        second = (at - begin).total_seconds()
        rows = sorted((number for number in items if items[number] >= second), key=lambda n: (items[n], n))
        return [(number, items[number]) for number in rows[offset : offset + size]]

    wanted = {number for number, at in items.items() if at >= since}

    def when(row: tuple[int, int]) -> datetime:
        return begin + timedelta(seconds=row[1])

    seen = changed_since(page, when, begin + timedelta(seconds=since), size)
    assert wanted <= {number for number, _ in seen}


def test_a_shift_within_one_second_is_noticed() -> None:
    """Two of five items of one second change between its pages: the one behind them is seen all the same."""
    begin, items, asked = datetime(2026, 1, 1, tzinfo=UTC), dict.fromkeys(range(5), 0), []

    def page(at: datetime, offset: int) -> list[tuple[int, int]]:
        asked.append(offset)
        if len(asked) == 2:
            items.update({0: 1, 1: 1})
        rows = [(number, items[number]) for number in sorted(items, key=lambda n: (items[n], n))]
        later = [row for row in rows if begin + timedelta(seconds=row[1]) >= at]
        return later[offset : offset + 2]

    seen = changed_since(page, lambda row: begin + timedelta(seconds=row[1]), begin, 2)
    assert {number for number, _ in seen} == {0, 1, 2, 3, 4}


def test_a_cursor_forgets_what_will_not_come_again() -> None:
    """What was told is remembered while its item may be listed again, and no longer."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    act = SiteResult(id="a", external_key="k", at=at)
    since = Since(None)
    since.saw(at)
    assert list(since.only_new([act], at)) == [act]
    again = Since(since.text())
    assert list(again.only_new([act], at)) == []
    again.saw(at + OVERLAP + timedelta(seconds=1))
    assert '"told": {}' in again.text()
    with pytest.raises(InputError):
        Since("yesterday")


def test_a_layer_in_another_crs_is_refused_before_anything_is_written() -> None:
    """Numbers in metres would be stored as degrees and answered alike: the service's own CRS decides."""
    with WfsFake(srs="urn:ogc:def:crs:EPSG::4547").serving() as peer:
        with pytest.raises(Rejected, match="4547"):
            wfst(peer).send(sample_case(), [])
        assert peer.rows == []
        wfst(peer, srs="EPSG:4547").send(sample_case(), [])
        assert peer.rows[0]["x"] == pytest.approx(474_460, abs=1)


def test_a_server_that_turns_the_axes_is_named() -> None:
    """Where the server departs from the CRS name, the read-back says that the axes are swapped."""
    with WfsFake().serving() as peer:
        wfst(peer, axis="yx").send(sample_case(), [])
        with pytest.raises(Rejected, match="swapped"):
            wfst(peer).find(KEY)


def test_hostile_text_is_text_in_the_xml() -> None:
    """Markup in a value arrives as the same text and makes no element of its own."""
    evil = "</title><external_key>OTHER-1</external_key><title>&lt;![CDATA[x]]>\"'"
    with WfsFake().serving() as peer:
        wfst(peer, fields={"title": "{address}"}).send(sample_case(address=evil), [])
        assert peer.rows[0]["title"] == evil
        assert peer.held("OTHER-1") == []


def test_stages_of_features_are_told_when_they_change_back_too() -> None:
    """report, dispose, check, dispose: three acts with three ids, each of them once."""
    with WfsFake().serving() as peer:
        sink, cursor, told = wfst(peer), None, list[SiteResult]()
        sink.send(sample_case(), [])
        for stage in ("report", "dispose", "dispose", "check", "dispose", "report"):
            peer.rows[0]["stage"] = stage
            acts, cursor = sink.results(cursor)
            told += acts
        assert [act.stage for act in told] == ["dispose", "check", "dispose", "report"]
        assert len({act.id for act in told}) == 4


def test_an_outline_is_written_as_a_polygon_with_its_holes() -> None:
    """With shape = outline the geometry is the outline, ring by ring, latitude first under the URN."""
    hole = Polygon([(0, 0), (1e-3, 0), (1e-3, 1e-3), (0, 1e-3)], [[(4e-4, 4e-4), (6e-4, 4e-4), (6e-4, 6e-4)]])
    case = sample_case()
    case = replace(case, suspect=replace(case.suspect, outline=hole))
    with WfsFake().serving() as peer:
        sink = wfst(peer, shape="outline", srs="urn:ogc:def:crs:EPSG::4490")
        plain = peer.answer
        peer.answer = (  # type: ignore[method-assign]
            lambda asked: plain(asked) if asked.method == "GET" else (200, b"<x/>")
        )
        with pytest.raises(Ambiguous, match="TransactionResponse"):
            sink.send(case, [])
        root = parse_xml(peer.asked[-1].body)
    rings = [element.text or "" for element in root.iter() if element.tag.endswith("}posList")]
    assert len(rings) == 2
    assert rings[0].startswith(
        "0.0000000000 0.0000000000 0.0000000000 0.0010000000 0.0010000000 0.0010000000"
    )


BOMB = b'<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><a>&y;</a>'
FILE = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>&x;</a>'


@pytest.mark.parametrize(
    "content",
    [BOMB, FILE, b"<!DOCTYPE a><a/>", b"<a>", b"", b"<a>&nbsp;</a>", b"<a>" * 500 + b"</a>" * 500,
     b"\xff\xfe<a/>", b"<?xml version='1.0' encoding='no-such'?><a/>", b"<a/><b/>", "<a>违".encode("gbk")],
)  # fmt: skip
def test_xml_is_plain_or_refused(content: bytes) -> None:
    """Document types, entities, endless nesting and broken text are refused, and quickly."""
    begun = time.monotonic()
    with pytest.raises(XmlError):
        parse_xml(content)
    assert time.monotonic() - begun < 1


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_in_one_way(content: bytes) -> None:
    """Whatever a peer answers, reading it as XML ends in a tree or in one error."""
    try:
        parse_xml(b"<a>" + content + b"</a>")
    except XmlError:
        return


def test_impossible_options_are_refused_in_words() -> None:
    """Misspelt keys, unknown stages, odd names and absent secrets have a message and a hint."""
    url = "http://127.0.0.1:1"
    wfs = {"type_name": "cases", "namespace": APP}
    red = {"project": "p", "key_field": 1, "lon_field": 2, "lat_field": 3}
    tries: list[tuple[Any, dict[str, Any], str | None]] = [
        (WfsTSink, wfs | {"typo": 1}, None), (WfsTSink, wfs | {"srs": "CGCS2000"}, None),
        (WfsTSink, wfs | {"key": "a b"}, None), (WfsTSink, wfs | {"stages": {"x": "nope"}}, None),
        (WfsTSink, wfs | {"axis": "ne"}, None), (RedmineSink, red, None),
        (RedmineSink, red | {"key_field": "1"}, "k"),
        (RedmineSink, red | {"custom_fields": {"1": "{title}"}}, "k"),
        (RedmineSink, red | {"custom_fields": {"x": "{title}"}}, "k"),
        (RoundupSink, {}, "k"), (RoundupSink, {"user": "a"}, None), (RoundupSink, {"user": "a:b"}, "k"),
    ]  # fmt: skip
    for kind, options, secret in tries:
        with pytest.raises(InputError) as caught:
            kind(SinkConfig(name="x", kind="x", url=url, options=options), secret)
        assert caught.value.hint, options
