"""Uploads and downloads against single messages: what is believed, and what is not."""

from typing import Any

import pytest

from aerial.flight.exchange import Peer
from aerial.flight.mavlink import Codec, Message, dialect
from aerial.flight.mission.download import Download
from aerial.flight.mission.upload import Upload
from aerial.flight.mission.wire import to_wire
from aerial.records import MissionItem

PEER, OWN = Peer(system=1, component=1), Peer(system=255, component=25)
ITEMS = tuple(
    MissionItem(seq=n, frame=3, command=16, params=(0, 0, 0, 0, 22.8 + n * 1e-4, 113.8, 50.0))
    for n in range(20)
)


def of(message: Message, system: int = 1, component: int = 1) -> Message:
    """Return a message as it comes from a sender."""
    (found,) = Codec(system=9, component=9).feed(Codec(system=system, component=component).pack(message))
    return found


def ack(result: int, kind: int = 0, to: tuple[int, int] = (255, 25), **sender: int) -> Message:
    """Return a MISSION_ACK."""
    return of(dialect.MAVLink_mission_ack_message(*to, result, kind), **sender)


def ask(seq: int, kind: int = 0, to: tuple[int, int] = (255, 25), **sender: int) -> Message:
    """Return a MISSION_REQUEST."""
    return of(dialect.MAVLink_mission_request_message(*to, seq, kind), **sender)


def upload(asked: int = 3) -> Upload:
    """Return an upload of which ``asked`` items have been asked for."""
    found = Upload(ITEMS, "mission", PEER, OWN)
    found.start(0.0)
    for seq in range(asked):
        (sent,) = found.hear(ask(seq), 0.1 * seq)
        assert sent.seq == seq
    return found


def test_acceptance_before_the_last_item_is_of_another_transfer() -> None:
    """ACCEPTED that comes before the last item was sent does not end the upload (PX4 #28738)."""
    found = upload(3)
    found.hear(ack(0), 1.0)
    assert not found.done
    found = upload(20)
    found.hear(ack(0), 3.0)
    assert found.outcome is not None
    assert found.outcome.how == "accepted"


@pytest.mark.parametrize(
    "message",
    [
        ack(4, kind=1),
        ack(4, kind=2),
        ack(4, to=(254, 25)),
        ack(4, to=(255, 190)),
        ack(4, system=2),
        ack(4, component=190),
        ask(7, kind=1),
        ask(7, to=(255, 190)),
        ask(7, system=2),
    ],
)
def test_what_is_not_ours_is_ignored(message: Message) -> None:
    """Answers of another mission type, to another station, or of another sender change nothing."""
    found = upload(3)
    assert not found.hear(message, 1.0)
    assert not found.done


@pytest.mark.parametrize("code", [13, 14])
def test_refusals_that_end_nothing(code: int) -> None:
    """INVALID_SEQUENCE and DENIED do not end an upload; any other refusal does, with its item."""
    found = upload(3)
    found.hear(ack(code), 1.0)
    assert not found.done
    found.hear(ack(10), 1.1)
    assert found.outcome is not None
    assert (found.outcome.how, found.outcome.code, found.outcome.seq) == ("refused", 10, 2)


def test_repeated_and_late_requests_are_answered() -> None:
    """A request that comes again, and one that comes late, are answered with their items."""
    found = upload(5)
    assert [m.seq for m in found.hear(ask(4), 1.0)] == [4]
    assert [m.seq for m in found.hear(ask(2), 1.1)] == [2]
    assert found.hear(ask(99), 1.2) == ()
    assert [m.get_type() for m in found.hear(ask(5), 1.3)] == ["MISSION_ITEM_INT"]


def test_silence_is_met_with_this_item_and_the_next() -> None:
    """While it is silent, what it asked for and the next are sent unasked; after 10 s it is given up."""
    found = upload(3)
    sent: list[int] = []
    now = 0.2
    while not found.done and now < 30:
        now += 0.05
        sent += [message.seq for message in found.tick(now)]
    assert set(sent) == {2, 3}
    assert found.outcome is not None
    assert found.outcome.how == "silent"
    assert 10 <= now <= 10.5


def test_count_is_sent_again_and_given_up() -> None:
    """COUNT is sent every 1.5 s, five times; then the vehicle is silent."""
    found = Upload(ITEMS, "mission", PEER, OWN)
    times = [0.0] * len(list(found.start(0.0)))
    now = 0.0
    while not found.done and now < 60:
        now += 0.05
        times += [now] * len(found.tick(now))
    assert times == pytest.approx([0, 1.5, 3.0, 4.5, 6.0], abs=0.3)
    assert found.outcome is not None
    assert found.outcome.how == "silent"


def read(items: tuple[MissionItem, ...], at_once: int, tamper: dict[int, MissionItem]) -> Download:
    """Download ``items``; from the second time on an item is what ``tamper`` says."""
    found = Download("mission", PEER, OWN, at_once)
    found.start(0.0)
    waiting = list(found.hear(of(dialect.MAVLink_mission_count_message(255, 25, len(items), 0)), 0.1))
    seen: set[int] = set()
    now = 0.1
    while waiting and not found.done:
        request = waiting.pop(0)
        if request.get_type() != "MISSION_REQUEST_INT":
            continue
        now += 0.01
        item = tamper.get(request.seq, items[request.seq]) if request.seq in seen else items[request.seq]
        seen.add(request.seq)
        waiting += found.hear(of(to_wire(item, OWN, "mission")), now)
    return found


def test_what_changes_while_it_is_read_is_no_reading() -> None:
    """A mission whose last item changed while it was read is refused as busy; one that did not is whole."""
    whole = read(ITEMS, 5, {})
    assert whole.outcome is not None
    assert whole.outcome.how == "accepted"
    assert len(whole.items) == len(ITEMS)
    other = MissionItem(seq=19, frame=3, command=20, params=(0,) * 7)
    broken = read(ITEMS, 5, {19: other})
    assert broken.outcome is not None
    assert broken.outcome.how == "busy"


def test_downloads_in_order_ask_one_by_one() -> None:
    """With one request at a time, items are asked for in order and none twice."""
    found = Download("mission", PEER, OWN, 1)
    found.start(0.0)
    asked: list[int] = []
    waiting: list[Any] = list(found.hear(of(dialect.MAVLink_mission_count_message(255, 25, 20, 0)), 0.1))
    while waiting:
        request = waiting.pop(0)
        if request.get_type() == "MISSION_REQUEST_INT":
            asked.append(request.seq)
            waiting += found.hear(of(to_wire(ITEMS[request.seq], OWN, "mission")), 0.2)
    assert asked == list(range(20))


def test_items_of_others_are_no_part_of_a_download() -> None:
    """Items of another vehicle, type or to another station are not taken."""
    found = Download("mission", PEER, OWN, 5)
    found.start(0.0)
    found.hear(of(dialect.MAVLink_mission_count_message(255, 25, 20, 0)), 0.1)
    item = to_wire(ITEMS[0], OWN, "mission")
    found.hear(of(item, system=2), 0.2)
    found.hear(of(to_wire(ITEMS[0], Peer(system=255, component=190), "mission")), 0.2)
    found.hear(of(to_wire(ITEMS[0], OWN, "fence")), 0.2)
    assert found.items == ()
    found.hear(of(item), 0.2)
    assert len(found.items) == 1
