"""One suite over every sink: what ``CaseSink`` promises, each of them keeps, whatever its peer does."""

import logging
import tomllib
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.sinks.registry import Bench, benches
from tests.sinks.samples import AT, HOSTILE, KEY, pictures, sample_case

from aerial.geo import LonLat
from aerial.records import SiteResult
from aerial.sinks.fieldmap import plain_text
from aerial.sinks.readback import distance_m
from aerial.sinks.sink import Ambiguous, Busy, Rejected

ALL = benches()


@pytest.fixture(params=sorted(ALL))
def one(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A sink beside its peer."""
    with ALL[request.param](tmp_path / "peer") as made:
        yield made


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    """Two outward pictures."""
    return pictures(tmp_path / "chips")


def playing(one: Bench, fault: str) -> None:
    """Set a fault, or skip where this peer cannot play it."""
    if fault not in one.faults:
        pytest.skip(f"this peer does not play {fault!r}")
    one.fail(fault)


def squeezed(text: str) -> str:
    """Text without the differences that carriers may make: space, line ends, a defused mark."""
    return "".join(text.replace("[aerial:", "(aerial:").split())


def test_all_sinks_are_under_this_contract() -> None:
    """Every sink that the package registers and has a module for has a bench."""
    root = Path(__file__).parents[2]
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    declared = tomllib.loads(text)["project"]["entry-points"]["aerial.sinks"]
    there = {
        kind
        for kind, target in declared.items()
        if (root / "src" / f"{target.partition(':')[0].replace('.', '/')}.py").is_file()
    }
    assert there
    assert there <= {name.partition("-")[0] for name in ALL}


def test_what_was_sent_is_found_at_its_place(one: Bench, files: list[Path]) -> None:
    """Send, then find: the same key, within 0.1 m, longitude first."""
    one.sink.send(sample_case(), files)
    receipt = one.sink.find(KEY)
    assert receipt is not None
    assert receipt.external_key == KEY
    assert receipt.remote_id
    assert distance_m(receipt.at, AT) <= 0.1
    assert datetime.now(UTC) - receipt.read_at < timedelta(minutes=1)


def test_what_was_never_sent_is_not_found(one: Bench) -> None:
    """Find of an unknown key is None, beside another case and a key that begins alike."""
    assert one.sink.find(KEY) is None
    one.sink.send(sample_case(f"{KEY}0"), [])
    assert one.sink.find(KEY) is None
    assert one.sink.copies(KEY) == ()
    assert one.sink.find(f"{KEY}0") is not None


def test_doubles_are_counted(one: Bench) -> None:
    """Copies shows every record that the peer holds under the key."""
    if one.double is None:
        pytest.skip("this peer cannot hold two under one key")
    one.sink.send(sample_case(), [])
    one.double(KEY)
    copies = one.sink.copies(KEY)
    assert len(copies) == one.held(KEY) == 2
    assert len({copy.remote_id for copy in copies}) == 2
    found = one.sink.find(KEY)
    assert found is not None
    assert found.remote_id == copies[0].remote_id


def test_sent_twice_is_stored_once_where_that_is_promised(one: Bench, files: list[Path]) -> None:
    """An idempotent sink's peer holds one after three sends."""
    if not one.sink.idempotent:
        pytest.skip("not promised")
    for _ in range(3):
        one.sink.send(sample_case(), files)
    assert one.held(KEY) == len(one.sink.copies(KEY)) == 1


def test_a_2xx_that_stores_nothing_is_no_receipt(one: Bench) -> None:
    """What the peer said it stored and did not is not found; a sink may notice it at once."""
    playing(one, "stores nothing")
    try:
        one.sink.send(sample_case(), [])
    except Ambiguous as error:
        assert error.hint
    assert one.held(KEY) == 0
    assert one.sink.find(KEY) is None


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("how", ["500", "time-out", "reset"])
def test_a_break_after_sending_is_ambiguous(one: Bench, how: str, when: str) -> None:
    """5xx, silence and a reset leave it open what was stored, and find tells afterwards."""
    playing(one, f"{how} {when}")
    with pytest.raises(Ambiguous):
        one.sink.send(sample_case(), [])
    one.fail(None)
    assert one.held(KEY) == (when == "after")
    assert (one.sink.find(KEY) is not None) == (when == "after")


def test_too_many_requests_is_busy_with_the_pause(one: Bench) -> None:
    """429 stores nothing and carries the seconds that the peer asked for."""
    playing(one, "429")
    with pytest.raises(Busy) as caught:
        one.sink.send(sample_case(), [])
    assert caught.value.retry_after_s == 7
    assert one.held(KEY) == 0


def test_a_refusal_is_rejected(one: Bench) -> None:
    """4xx, or an error code inside of 200, is final; the message is one short line without markup."""
    playing(one, "400")
    with pytest.raises(Rejected) as caught:
        one.sink.send(sample_case(), [])
    text = str(caught.value)
    assert "bad" in text
    assert text.isprintable()
    assert "<" not in text
    assert len(text) < 400
    assert one.held(KEY) == 0


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_text_arrives_or_is_refused(one: Bench, files: list[Path], what: str) -> None:
    """Whatever stands in the free texts, the peer holds one case at its place with that text, or none."""
    text = HOSTILE[what]
    case = sample_case(address=text, community=text, matter=None, authority=None, unit_grid=text, cell="c")
    other = sample_case("01OTHER-1", LonLat(lon_deg=113.76, lat_deg=22.81))
    one.sink.send(other, [])
    try:
        one.sink.send(case, files)
    except Rejected as error:
        assert error.hint
        assert one.held(KEY) == 0
        assert one.sink.find(KEY) is None
    else:
        assert one.held(KEY) == 1
        receipt = one.sink.find(KEY)
        assert receipt is not None
        assert distance_m(receipt.at, AT) <= 0.1
        assert squeezed(plain_text(text)[:100]) in squeezed(one.text(KEY))
    assert one.held("01OTHER-1") == len(one.sink.copies("01OTHER-1")) == 1


@pytest.mark.parametrize("key", ["../../evil-1", "a/b?c#d-1", "..", "%2e%2e-1", "a b'\"<>-1", "城 🏠-1"])
def test_a_hostile_key_arrives_or_is_refused(one: Bench, files: list[Path], key: str) -> None:
    """A key that looks like a path or a query is one case under that key, or refused."""
    try:
        one.sink.send(sample_case(key), files)
    except Rejected:
        return
    assert one.held(key) == 1
    receipt = one.sink.find(key)
    assert receipt is not None
    assert receipt.external_key == key


def test_hostile_file_names_arrive_clean(one: Bench, tmp_path: Path) -> None:
    """Pictures arrive, two of one name too, and none of them lies outside."""
    if one.pictures is None:
        pytest.skip("this peer takes no pictures")
    names = [("a", 'x"; filename="..jpg'), ("b", "后.jpg"), ("c", "后.jpg"), ("d", "..hidden\n.jpg")]
    some = [path for folder, name in names for path in pictures(tmp_path / folder, name)]
    one.sink.send(sample_case(), some)
    assert one.pictures(KEY) == len(names)
    assert one.held(KEY) == 1


def test_the_secret_is_told_to_nobody_but_the_peer(
    one: Bench, files: list[Path], caplog: pytest.LogCaptureFixture
) -> None:
    """No message, hint, repr, traceback or log record shows it, not even when the peer echoes it."""
    if one.secret is None:
        pytest.skip("this sink has no secret")
    caplog.set_level(logging.DEBUG)
    told = [repr(one.sink), str(one.sink)]
    for fault in (None, *sorted(one.faults)):
        one.fail(fault)
        try:
            one.sink.send(sample_case(), files)
            told.append(repr(one.sink.find(KEY)))
        except (Rejected, Busy, Ambiguous) as error:
            told += ["".join(traceback.format_exception(error)), repr(error), error.hint]
    one.fail(None)
    told += [record.getMessage() + repr(record.__dict__) for record in caplog.records]
    assert not [text for text in told if one.secret in text or "p%40ss" in text or "p@ss" in text]


def test_results_come_once(one: Bench) -> None:
    """What happened on site comes with its key, stage and result; the next cursor brings only what is new."""
    if one.report is None:
        pytest.skip("this peer has no results")
    one.sink.send(sample_case(), [])
    first, cursor = one.sink.results(None)
    assert not [result for result in first if result.result]
    at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=5)
    acts = [
        SiteResult(id="r1", external_key=KEY, at=at, stage="close", note="看过了"),
        SiteResult(id="r2", external_key=KEY, at=at + timedelta(seconds=60), stage="close", note="再看"),
    ]
    one.report(acts[:1])
    second, cursor = one.sink.results(cursor)
    assert [(act.external_key, act.stage, act.at) for act in second] == [(KEY, "close", at)]
    assert "看过了" in second[0].note
    again, cursor = one.sink.results(cursor)
    assert not again
    one.report(acts[1:])
    third, cursor = one.sink.results(cursor)
    assert [act.at for act in third] == [at + timedelta(seconds=60)]
    assert third[0].id != second[0].id
    assert not one.sink.results(cursor)[0]
