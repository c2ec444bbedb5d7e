"""What officers are told over robots and webhooks, and what is never in it."""

import json
import logging
import re
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import standardwebhooks
from hypothesis import given
from hypothesis import strategies as st
from tests.sinks.fakes.http import TIMEOUT_S
from tests.sinks.fakes.robots import ReceiverFake, RobotFake
from tests.sinks.samples import AT, HOSTILE, KEY, sample_case

from aerial.errors import AerialError, InputError, SecrecyError
from aerial.records import NotifierConfig, Officer
from aerial.sinks.digest import Digest, digests, lines, pieces, plain_name, require_placeless
from aerial.sinks.notifiers import make_notifier
from aerial.sinks.pace import Pace
from aerial.sinks.robots import DingTalkRobot, WeComRobot
from aerial.sinks.sink import Ambiguous, Busy, Rejected
from aerial.sinks.webhook import Webhook

LINK = "http://10.0.0.5:8080/case/{case}"
LI = Officer(name="李雷", accounts={"robot": "lilei"}, cells=("c017",))
HAN = Officer(name="韩梅梅", communities=("锦厦社区",))
KEY_WECOM, TOKEN, SIGNING = "693axxx6-7aoc-4bc4", "tok+en/1", "SECabc123"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def batch(count: int = 1) -> Digest:
    """One officer's digest of some cases."""
    return digests([sample_case(f"k{n:04}-1") for n in range(count)], [LI], link=LINK)[0]


def config(peer: Any, kind: str, **changes: Any) -> NotifierConfig:
    """A notifier at a fake inside of the own machine."""
    given = NotifierConfig(
        name="robot", kind=kind, url=peer.url, timeout_s=TIMEOUT_S, private=True, link=LINK
    )
    return replace(given, **changes)


@pytest.fixture
def wecom() -> Iterator[RobotFake]:
    """WeCom's service."""
    with RobotFake(key=KEY_WECOM).serving() as peer:
        yield peer


@pytest.fixture
def dingtalk() -> Iterator[RobotFake]:
    """DingTalk's service."""
    with RobotFake(token=TOKEN, signing=SIGNING).serving() as peer:
        yield peer


def test_each_officer_gets_one_digest_and_no_case_is_left_out() -> None:
    """By cell, else by community, else to nobody by name; every case is where it belongs and only there."""
    cases = [
        sample_case("k1-1"),
        sample_case("k2-1", cell="c099", community="锦厦社区"),
        sample_case("k3-1", community="锦厦社区"),
        sample_case("k4-1", cell="c099", community=None),
    ]
    made = digests(cases, [HAN, LI], link=LINK)
    assert [(one.officer, [item.external_key for item in one.items]) for one in made] == [
        (HAN, ["k2-1"]), (LI, ["k1-1", "k3-1"]), (None, ["k4-1"])
    ]  # fmt: skip
    assert "未分派" in lines(made[2])[0]
    assert "社区未知" in lines(made[2])[1]
    again = digests(cases[::-1], [HAN, LI], link=LINK)
    assert [one.key for one in again] == [one.key for one in made]
    assert len({one.key for one in made}) == 3


def test_a_digest_holds_number_community_and_link_alone() -> None:
    """Nothing else of the case is in the text: no address, coordinates, area, score or picture."""
    text = "\n".join(lines(digests([sample_case()], [LI], link=LINK)[0]))
    assert text == f"**疑似新增违建 1 件** 李雷\n- {KEY} 长安社区 [打开](http://10.0.0.5:8080/case/{KEY})"


@pytest.mark.parametrize(
    "text",
    ["113.751234", "长安 113.75, 22.80", "113.75/22.80 社区", "１１３．７５１２３４", "113.75\u200b1234",
     "113.75、22.80", "113°45'", "东经113度45分", "E 474331.703", "474331, 2522410", "474331 2522410",
     "经度 113", "lon=113", "LAT: 22", "geo:113,22", "POINT (113 22)", "![x](http://a)", "<img src=x>",
     "data:image/png;base64,xx", "before.JPG"],
)  # fmt: skip
def test_anything_like_a_place_or_a_picture_is_refused(text: str) -> None:
    """In any spelling, as a community, an officer or a link, it never becomes a message."""
    with pytest.raises(SecrecyError) as caught:
        require_placeless(text)
    assert text not in str(caught.value) and caught.value.hint
    with pytest.raises(SecrecyError):
        digests([sample_case(community=f"社区{text[:20]}")], [], link="")


@pytest.mark.parametrize(
    "text", ["长安社区", KEY, "http://192.168.100.200:18080/case/0a1b2c3d4e5f67890123-12", "第12网格", ""]
)
def test_what_a_message_needs_is_no_place(text: str) -> None:
    """Numbers of cases, addresses of the own network and names pass the guard."""
    require_placeless(text)


@given(
    lon=st.floats(73, 135),
    lat=st.floats(18, 54),
    digits=st.integers(4, 10),
    between=st.sampled_from([", ", " ", ",", "，", "/"]),
)
def test_no_position_of_china_passes_the_guard(lon: float, lat: float, digits: int, between: str) -> None:
    """Any position with four or more decimals, however it is joined, is refused."""
    with pytest.raises(SecrecyError):
        require_placeless(f"a {lon:.{digits}f}{between}{lat:.{digits}f} b")


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_hostile_names_mean_nothing(what: str) -> None:
    """A name keeps to its line and has nothing left that Markdown, HTML or a mention is made of."""
    try:
        made = digests([sample_case(community=HOSTILE[what])], [replace(LI, name=HOSTILE[what])], link=LINK)
    except SecrecyError:
        return
    text = lines(made[0])
    assert len(text) == 2
    name = text[1].removeprefix(f"- {KEY} ").partition(" [打开](http://10.0.0.5:8080/")[0]
    assert len(name) <= 40
    assert not re.search(r"[<>\[\]()*_`#@!|~\\&\x00-\x1f]", name)


@pytest.mark.parametrize(
    "link",
    [
        "ftp://a/x",
        "javascript:alert(1)",
        "http://u:p@a/x",
        "http://a/x)[y](z",
        "http://a/ x",
        "http:///x",
        "http://a/{address}",
    ],
)
def test_a_link_is_an_address_and_nothing_else(link: str) -> None:
    """Other schemes, logins, Markdown and other names than the key's are refused with a hint."""
    with pytest.raises(InputError) as caught:
        digests([sample_case()], [], link=link)
    assert caught.value.hint


@given(st.lists(st.text(max_size=30), min_size=1), st.integers(120, 400))
def test_texts_are_parted_between_lines(some: list[str], most: int) -> None:
    """Every piece fits in bytes of UTF-8, and joined they are the lines that were given."""
    some = [line.replace("\n", " ") or "x" for line in some]
    parts = pieces(some, most)
    assert all(len(part.encode("utf-8", "surrogatepass")) <= most for part in parts)
    assert "\n".join(parts).split("\n") == some


def test_a_large_batch_becomes_several_whole_messages(wecom: RobotFake) -> None:
    """200 cases arrive in messages of at most 4096 bytes, each case once, the officer mentioned."""
    WeComRobot(config(wecom, "wecom"), KEY_WECOM).tell(batch(200))
    texts = [message["markdown"]["content"] for message in wecom.messages]
    assert len(texts) > 1
    assert max(len(text.encode()) for text in texts) <= 4096
    found = re.findall(r"- (k\d{4}-1) ", "\n".join(texts))
    assert found == [f"k{n:04}-1" for n in range(200)]
    assert "<@lilei>" in texts[0]


def test_dingtalk_is_signed_and_mentions_one_officer(dingtalk: RobotFake) -> None:
    """The service's own reckoning of the signature agrees, and nobody else is mentioned."""
    DingTalkRobot(config(dingtalk, "dingtalk"), f"{TOKEN} {SIGNING}").tell(batch())
    assert dingtalk.messages[0]["at"] == {"atUserIds": ["lilei"], "isAtAll": False}
    assert "@lilei" in dingtalk.messages[0]["markdown"]["text"]


def test_the_signature_is_the_published_one() -> None:
    """For a fixed time and secret the signature is the one that the service's formula gives."""
    robot = DingTalkRobot(
        NotifierConfig(name="r", kind="dingtalk"), "t this is secret".replace("this is ", ""),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    query = robot._query()
    assert query["timestamp"] == "1767225600000"
    assert query["sign"] == "1fw8BpCOyotKc7DGthOtCoyIPZnawMkstREQyRU4j5I="


@pytest.mark.parametrize("kind", ["wecom", "dingtalk"])
def test_the_code_in_the_body_decides(kind: str, wecom: RobotFake, dingtalk: RobotFake) -> None:
    """HTTP 200 with an errcode is refused, or Busy for too many; without a code it is Ambiguous."""
    peer = {"wecom": wecom, "dingtalk": dingtalk}[kind]
    secret = {"wecom": KEY_WECOM, "dingtalk": f"{TOKEN} {SIGNING}"}[kind]
    for code, wanted in ((310000, Rejected), ({"ok": True}, Ambiguous), ({"errcode": "0"}, Ambiguous)):
        peer.code = code
        with pytest.raises(wanted):
            make_notifier(config(peer, kind), secret).tell(batch())
    peer.code = {"wecom": 45009, "dingtalk": 130101}[kind]
    notifier = make_notifier(config(peer, kind), secret)
    asked = len(peer.asked)
    for _ in range(2):
        with pytest.raises(Busy) as caught:
            notifier.tell(batch())
        assert (caught.value.retry_after_s or 0) > {"wecom": 55, "dingtalk": 590}[kind]
    # Once told to be quiet, it does not ask again.
    assert len(peer.asked) == asked + 1
    assert peer.messages == []


def test_no_more_than_20_messages_in_any_minute(wecom: RobotFake) -> None:
    """The 21st digest is Busy with the seconds to wait and is not sent; after them it goes."""
    now = [1000.0]
    robot = WeComRobot(config(wecom, "wecom"), KEY_WECOM, clock=lambda: now[0])
    for _ in range(20):
        robot.tell(batch())
        now[0] += 1
    with pytest.raises(Busy) as caught:
        robot.tell(batch())
    assert caught.value.retry_after_s == pytest.approx(41)
    assert len(wecom.messages) == 20
    now[0] += 41
    robot.tell(batch())
    assert len(wecom.messages) == 21


@given(st.lists(st.tuples(st.floats(0, 30), st.integers(1, 5)), max_size=60))
def test_no_window_ever_holds_more_than_the_limit(steps: list[tuple[float, int]]) -> None:
    """Whatever the rhythm of asking, no 60 seconds hold more than 20 acts, and the wait told is enough."""
    now, done = [0.0], list[float]()
    pace = Pace(20, 60.0, lambda: now[0])
    for pause_s, count in steps:
        now[0] += pause_s
        if wait_s := pace.take(count):
            assert 0 < wait_s <= 60
            now[0] += wait_s + 1e-6
            assert pace.take(count) == 0
        done += [now[0]] * count
        assert sum(at > now[0] - 60 for at in done) <= 20


@pytest.mark.parametrize("fault", ["500 before", "time-out after", "reset after", "429", "400"])
@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "webhook"])
def test_the_key_is_in_no_message_or_log(kind: str, fault: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever the service does, echo of the whole address included, no key is in a message, hint or log."""
    caplog.set_level(logging.DEBUG)
    secret = {"wecom": KEY_WECOM, "dingtalk": f"{TOKEN} {SIGNING}", "webhook": WHSEC}[kind]
    with RobotFake(key="another").serving() as peer:
        notifier = make_notifier(config(peer, kind), secret)
        told = [repr(notifier), str(vars(notifier).get("_web"))]
        for now in (fault, None):
            peer.fail(now)
            try:
                notifier.tell(batch())
            except AerialError as error:
                told += ["".join(traceback.format_exception(error)), repr(error), error.hint]
    told += [record.getMessage() for record in caplog.records]
    hidden = [*secret.split(), secret.removeprefix("whsec_"), TOKEN.replace("+", "%2B").replace("/", "%2F")]
    assert len(told) > 2 or kind == "webhook"
    assert not [text for text in told for part in hidden if part in text]


def test_a_webhook_is_verified_by_the_scheme_and_refused_when_tampered() -> None:
    """The public library takes the message, a changed body, id or time not; no place is in the body."""
    with ReceiverFake().serving() as peer:
        Webhook(config(peer, "webhook"), WHSEC).tell(batch(3))
        asked = peer.asked[0]
    judge = standardwebhooks.Webhook(WHSEC)
    event = judge.verify(asked.body, dict(asked.headers))
    assert event["specversion"] == "1.0" and event["id"] == asked.headers["webhook-id"]
    assert [case["external_key"] for case in event["data"]["cases"]] == ["k0000-1", "k0001-1", "k0002-1"]
    text = asked.body.decode()
    assert f"{AT.lon_deg}"[:6] not in text and f"{AT.lat_deg}"[:5] not in text and "东门中路" not in text
    old = str(int(datetime.now(UTC).timestamp()) - 400)
    for body, change in (
        (asked.body + b" ", {}),
        (asked.body, {"webhook-id": "x"}),
        (asked.body, {"webhook-timestamp": old}),
    ):
        with pytest.raises(standardwebhooks.WebhookVerificationError):
            judge.verify(body, dict(asked.headers) | change)


def test_the_same_digest_has_the_same_id() -> None:
    """A receiver that saw a message can drop it by its id, whenever it is sent."""
    with ReceiverFake().serving() as peer:
        for day in (0, 1):
            moment = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(days=day)
            Webhook(config(peer, "webhook"), WHSEC, now=lambda moment=moment: moment).tell(batch())
        first, second = (one.headers["webhook-id"] for one in peer.asked)
        assert first == second
        assert json.loads(peer.asked[0].body)["time"] != json.loads(peer.asked[1].body)["time"]


@pytest.mark.parametrize("kind", ["wecom", "dingtalk", "webhook"])
def test_a_private_address_is_refused_unless_configured(kind: str) -> None:
    """Without private = true a notifier does not reach the own network, and the receiver sees nothing."""
    with ReceiverFake().serving() as peer:
        notifier = make_notifier(config(peer, kind, private=False), WHSEC)
        with pytest.raises(Rejected, match="private"):
            notifier.tell(batch())
        assert peer.asked == []


def test_impossible_configurations_are_refused_in_words() -> None:
    """Unknown kinds, absent secrets, a webhook without address and a mention of everybody have a hint."""
    for kind, secret, url in (
        ("feishu", "x", ""), ("wecom", None, ""), ("wecom", " ", ""), ("dingtalk", "a b c", ""),
        ("webhook", WHSEC, ""), ("webhook", "whsec_", "https://a"), ("webhook", "no base64 " * 9, "https://a"),
        ("wecom", "k", "https://a/?key=k"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            make_notifier(NotifierConfig(name="n", kind=kind, url=url), secret)
        assert caught.value.hint
    robot = make_notifier(NotifierConfig(name="n", kind="wecom"), "k")
    with pytest.raises(InputError, match="user id"):
        robot.tell(replace(batch(), officer=Officer(name="x", accounts={"n": "all> <@b"})))


def test_a_name_is_cut_to_a_line() -> None:
    """Line ends, tabs and length do not get through."""
    assert plain_name("a\r\nb\tc\u2028d") == "a b c d"
    assert len(plain_name("违" * 100)) == 40
