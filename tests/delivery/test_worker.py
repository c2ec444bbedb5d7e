"""The worker against peers that lose, double, delay and lie; time passes by hand."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tests.delivery.nasty import NAME, ODD, QUIET_S, Clock, NastyPeer, Peer, config, raising, row
from tests.ledger.made import add_case

from aerial.delivery import worker as worker_module
from aerial.delivery.reconcile import reconcile
from aerial.delivery.worker import Prepare, Worker, drain
from aerial.errors import SecrecyError
from aerial.geo import LonLat
from aerial.ledger import audit, outbox
from aerial.ledger.store import Ledger, open_ledger
from aerial.records import Case
from aerial.sinks.sink import Busy, Misplaced, Rejected

LEASE_S = 20 * 20.0 + 60


class Killed(BaseException):
    """What a kill is to code that cannot catch it."""


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """A ledger in a file, by that clock."""
    with open_ledger(tmp_path / "ledger.sqlite", device_name="laptop", clock=clock) as opened:
        yield opened


def no_files(case: Case) -> Sequence[Path]:
    """Nothing to send beside the case."""
    return ()


def a_worker(ledger: Ledger, peer: Peer, name: str = "w1", prepare: Prepare = no_files) -> Worker:
    """A worker for the peer, its luck fixed."""
    return Worker(
        ledger=ledger, sink=peer, config=config(peer.name), prepare=prepare, name=name, rng=random.Random(1)
    )


def turn(worker: Worker) -> str:
    """Take a turn that there must be; return what became of it."""
    done = worker.turn()
    assert done is not None
    return done.done


def test_a_case_is_looked_up_sent_and_read_back(ledger: Ledger, clock: Clock) -> None:
    """Nothing is sent before a look-up, and nothing counts before it was read back."""
    case, peer = add_case(ledger), Peer(clock)
    assert turn(a_worker(ledger, peer)) == "confirmed"
    assert peer.calls == ["find", "send", "find"]
    with ledger.read() as tx:
        (proof,) = outbox.receipts(tx, case.external_key)
    assert proof.receipt.remote_id == "R-0"
    assert a_worker(ledger, peer).turn() is None


def test_what_is_there_already_is_not_sent(ledger: Ledger, clock: Clock) -> None:
    """A case that another laptop delivered is counted by the look-up alone."""
    case, peer = add_case(ledger), Peer(clock)
    peer.keep(case)
    assert turn(a_worker(ledger, peer)) == "confirmed"
    assert peer.sends == 0


def test_a_broken_request_waits_for_the_quiet_time(ledger: Ledger, clock: Clock) -> None:
    """After an ambiguous answer nothing is sent within the quiet time, however often it is looked up."""
    case, peer = add_case(ledger), Peer(clock, acts=[raising(ODD)])
    worker = a_worker(ledger, peer)
    assert turn(worker) == "waits"
    assert row(ledger, case.external_key).state == "ambiguous"
    until = clock.now.timestamp() + QUIET_S
    while clock.now.timestamp() < until - 1:
        clock.wait(1)
        drain(worker, lambda _: None)
        assert peer.sends == 1
    assert peer.calls.count("find") == 2
    clock.wait(QUIET_S)
    assert turn(worker) == "confirmed"
    assert peer.sends == 2


def test_a_late_commit_within_the_quiet_time_is_not_doubled(ledger: Ledger, clock: Clock) -> None:
    """What appears before the quiet time ends is counted, not sent again."""
    case, peer = add_case(ledger), Peer(clock, acts=[raising(ODD)])
    worker = a_worker(ledger, peer)
    turn(worker)
    clock.wait(QUIET_S - 1)
    peer.keep(case)
    assert turn(worker) == "confirmed"
    assert peer.sends == 1


def test_the_quiet_time_begins_when_the_request_broke(ledger: Ledger, clock: Clock) -> None:
    """A sending of several requests that breaks late is given the whole quiet time from then on."""

    def long(_: Case) -> None:
        clock.wait(5 * QUIET_S)
        raise ODD

    add_case(ledger)
    peer = Peer(clock, acts=[long])
    worker = a_worker(ledger, peer)
    turn(worker)
    for _ in range(int(QUIET_S) - 1):
        clock.wait(1)
        drain(worker, lambda _: None)
    assert peer.sends == 1


def test_an_idempotent_peer_needs_no_quiet_time(ledger: Ledger, clock: Clock) -> None:
    """Where a repetition is stored once, it goes out after the backoff alone."""
    add_case(ledger)
    peer = Peer(clock, idempotent=True, acts=[raising(ODD)])
    worker = a_worker(ledger, peer)
    turn(worker)
    clock.wait(QUIET_S / 6)
    assert turn(worker) == "confirmed"


def test_what_was_acknowledged_and_is_not_there_is_sent_again(ledger: Ledger, clock: Clock) -> None:
    """A 2xx is no receipt: looked up, waited for, and sent again after the quiet time."""
    case = add_case(ledger)
    peer = Peer(clock, acts=[lambda _: None])
    worker = a_worker(ledger, peer)
    assert turn(worker) == "waits"
    assert row(ledger, case.external_key).state == "sent"
    clock.wait(QUIET_S / 2)
    assert turn(worker) == "waits"
    assert peer.sends == 1
    clock.wait(2 * QUIET_S)
    assert turn(worker) == "confirmed"
    assert peer.sends == 2


@pytest.mark.parametrize("arrived", [True, False])
def test_a_kill_while_sending_is_looked_up(ledger: Ledger, clock: Clock, arrived: bool) -> None:
    """Killed between the two notes: the next worker looks, and sends only what is not there in time."""
    case = add_case(ledger)

    def die(sent: Case) -> None:
        if arrived:
            peer.keep(sent)
        raise Killed

    peer = Peer(clock, acts=[die])
    with pytest.raises(Killed):
        a_worker(ledger, peer).turn()
    assert row(ledger, case.external_key).state == "ambiguous"
    other = a_worker(ledger, peer, "w2")
    assert other.turn() is None
    clock.wait(LEASE_S + 1)
    assert turn(other) == ("confirmed" if arrived else "waits")
    assert peer.sends == 1
    clock.wait(2 * QUIET_S)
    drain(other, lambda _: None)
    assert row(ledger, case.external_key).state == "confirmed"
    assert len(peer.stored) == 1


def test_a_kill_gives_the_peer_the_quiet_time_from_the_end_of_the_lease(ledger: Ledger, clock: Clock) -> None:
    """A worker that was cut off may have sent until its lease ended; the quiet time begins there."""
    add_case(ledger)
    peer = Peer(clock, acts=[raising(Killed())])
    with pytest.raises(Killed):
        a_worker(ledger, peer).turn()
    clock.wait(LEASE_S + QUIET_S - 1)
    other = a_worker(ledger, peer, "w2")
    assert turn(other) == "waits"
    assert peer.sends == 1


def test_a_busy_peer_is_asked_after_its_pause(ledger: Ledger, clock: Clock) -> None:
    """Retry-After is kept to, and nothing arrived: no quiet time, and no request is counted."""
    case = add_case(ledger)
    peer = Peer(clock, acts=[raising(Busy("429", hint="Later.", retry_after_s=100.0))])
    worker = a_worker(ledger, peer)
    assert turn(worker) == "waits"
    held = row(ledger, case.external_key)
    assert (held.state, held.attempts, held.sent_at) == ("pending", 0, None)
    clock.wait(99)
    assert worker.turn() is None
    clock.wait(1)
    assert turn(worker) == "confirmed"


def test_a_busy_answer_does_not_make_an_earlier_request_safe(ledger: Ledger, clock: Clock) -> None:
    """Ambiguous, then busy: it is as ambiguous as before, with the time of the earlier request."""
    case = add_case(ledger)
    peer = Peer(clock, acts=[raising(ODD), raising(Busy("429", hint="Later."))])
    worker = a_worker(ledger, peer)
    turn(worker)
    before = row(ledger, case.external_key)
    clock.wait(2 * QUIET_S)
    assert turn(worker) == "waits"
    after = row(ledger, case.external_key)
    assert (after.state, after.attempts, after.sent_at) == ("ambiguous", 1, before.sent_at)


def test_a_refused_case_is_dead_and_can_be_revived(ledger: Ledger, clock: Clock) -> None:
    """A refusal says why and is not repeated; revived, it is looked up and sent."""
    case = add_case(ledger)
    peer = Peer(clock, acts=[raising(Rejected("No such field.", hint="Mend the map."))])
    worker = a_worker(ledger, peer)
    assert turn(worker) == "dead"
    held = row(ledger, case.external_key)
    assert held.state == "dead"
    assert "No such field. Mend the map." in str(held.error)
    clock.wait(100 * QUIET_S)
    assert worker.turn() is None
    with ledger.begin() as tx:
        outbox.revive(tx, case.external_key, NAME)
    assert turn(worker) == "confirmed"


def test_a_refusal_of_what_is_there_is_a_delivery(ledger: Ledger, clock: Clock) -> None:
    """A way that repeats a request shows the refusal of the second one: the look-up decides."""
    add_case(ledger)

    def refuse(case: Case) -> None:
        peer.keep(case)
        raise Rejected("It is there.", hint="Do not send it again.")

    peer = Peer(clock, acts=[refuse])
    assert turn(a_worker(ledger, peer)) == "confirmed"


def test_a_refusal_that_cannot_be_looked_up_is_not_final(ledger: Ledger, clock: Clock) -> None:
    """While nobody knows whether it is there, the case is not given up."""
    case = add_case(ledger)
    refusal = raising(Rejected("No.", hint="Mend it."))
    peer = Peer(clock, acts=[refusal, refusal], looks=[lambda: None, raising(ODD)])
    worker = a_worker(ledger, peer)
    assert turn(worker) == "waits"
    assert row(ledger, case.external_key).state == "ambiguous"
    clock.wait(2 * QUIET_S)
    assert turn(worker) == "dead"


def test_another_position_is_dead_with_words(ledger: Ledger, clock: Clock) -> None:
    """More than 0.1 m away is not this case: given up, and told by how much."""
    case = add_case(ledger)
    peer = Peer(clock, moved=lambda at: LonLat(lon_deg=at.lon_deg, lat_deg=at.lat_deg + 1.2e-6))
    assert turn(a_worker(ledger, peer)) == "dead"
    assert "0.1 m from its place" in str(row(ledger, case.external_key).error)


def test_swapped_axes_are_dead_by_name(ledger: Ledger, clock: Clock) -> None:
    """Latitude and longitude in each other's place are called that; east of 90 degrees the sink says so."""
    case = add_case(ledger)
    wrong = Misplaced("The axes are swapped.", hint="Correct the CRS at the peer.")
    peer = Peer(clock, looks=[lambda: None, raising(wrong)])
    assert turn(a_worker(ledger, peer)) == "dead"
    assert "axes are swapped" in str(row(ledger, case.external_key).error)


def test_swapped_axes_west_of_90_degrees_are_dead_by_name(ledger: Ledger, clock: Clock) -> None:
    """Where both orders are positions, the worker compares them itself."""
    case = add_case(ledger)
    west = replace(case, at=LonLat(lon_deg=87.6, lat_deg=43.8))
    peer = Peer(clock, moved=lambda at: LonLat(lon_deg=at.lat_deg, lat_deg=at.lon_deg))
    peer.keep(west)
    worker = a_worker(ledger, peer)
    there = peer.find(case.external_key)
    assert there is not None
    with ledger.begin() as tx:
        held = outbox.claim(tx, NAME, "w1", 60)
    assert held is not None
    assert worker._judge(held, west, there).done == "dead"
    assert "latitude and longitude swapped" in str(row(ledger, case.external_key).error)


def test_five_centimetres_are_the_same_place(ledger: Ledger, clock: Clock) -> None:
    """A peer that rounds to less than 0.1 m holds the case, and the distance is kept with the receipt."""
    case = add_case(ledger)
    peer = Peer(clock, moved=lambda at: LonLat(lon_deg=at.lon_deg, lat_deg=at.lat_deg + 4.5e-7))
    assert turn(a_worker(ledger, peer)) == "confirmed"
    with ledger.read() as tx:
        (proof,) = outbox.receipts(tx, case.external_key)
    assert proof.distance_m == pytest.approx(0.05, abs=0.002)


def test_who_lost_the_lease_sends_nothing(ledger: Ledger, clock: Clock) -> None:
    """A worker that slept past its lease finds the row another's, and leaves it alone."""
    case, peer = add_case(ledger), Peer(clock)
    other = a_worker(ledger, peer, "w2")

    def sleeps(_: Case) -> Sequence[Path]:
        clock.wait(LEASE_S + 1)
        with ledger.begin() as tx:
            assert outbox.claim(tx, NAME, other.name, LEASE_S) is not None
        return ()

    assert turn(a_worker(ledger, peer, prepare=sleeps)) == "lost"
    assert peer.sends == 0
    assert row(ledger, case.external_key).worker == "w2"


@pytest.mark.parametrize("sending", [True, False])
def test_a_fault_of_the_sink_itself_loses_nothing(ledger: Ledger, clock: Clock, sending: bool) -> None:
    """An exception that nobody expected leaves the row as it was known, and it goes on later."""
    case = add_case(ledger)
    peer = Peer(clock, acts=[raising(KeyError("x"))] if sending else [], looks=[raising(KeyError("x"))])
    if sending:
        peer.looks.clear()
    worker = a_worker(ledger, peer)
    assert turn(worker) == "waits"
    held = row(ledger, case.external_key)
    assert held.state == ("ambiguous" if sending else "pending")
    assert "KeyError in the sink" in str(held.error)
    clock.wait(3 * QUIET_S)
    assert turn(worker) == "confirmed"


def test_what_must_not_leave_is_not_sent(ledger: Ledger, clock: Clock) -> None:
    """A case that the gate refuses stays, with the reason; it leaves when the gate lets it."""
    case, peer = add_case(ledger), Peer(clock)

    def barred(_: Case) -> Sequence[Path]:
        raise SecrecyError("No secrecy is set.", hint="Set it.")

    assert turn(a_worker(ledger, peer, prepare=barred)) == "barred"
    assert peer.sends == 0
    assert "No secrecy is set. Set it." in str(row(ledger, case.external_key).error)
    clock.wait(3600)
    assert turn(a_worker(ledger, peer)) == "confirmed"


def test_an_answer_about_another_case_is_no_receipt(ledger: Ledger, clock: Clock) -> None:
    """A peer that finds the wrong case is named, and nothing is confirmed."""
    case = add_case(ledger)
    peer = Peer(clock)
    find = peer.find

    class Mistaken(Peer):
        def find(self, external_key: str) -> object:  # type: ignore[override]
            found = find(external_key)
            return None if found is None else replace(found, external_key="S-other-1")

    other = Mistaken(clock, stored=peer.stored)
    assert turn(a_worker(ledger, other)) == "dead"
    assert "another case, S-other-1" in str(row(ledger, case.external_key).error)


def test_a_peer_that_swallows_everything_is_shown_to_a_person(ledger: Ledger, clock: Clock) -> None:
    """After so many requests that never appear the row is dead; busy answers do not count as requests."""
    case = add_case(ledger)
    busy = [raising(Busy("429", hint="Later."))] * 30
    peer = Peer(clock, acts=[*busy, *([raising(ODD)] * 30)])
    worker = a_worker(ledger, peer)
    for _ in range(200):
        clock.wait(2 * 3600)
        if worker.turn() is None:
            break
    held = row(ledger, case.external_key)
    assert held.state == "dead"
    assert held.attempts == worker_module.MOST_SENDS
    assert peer.sends == 30 + worker_module.MOST_SENDS


def test_waits_grow_and_are_spread(ledger: Ledger, clock: Clock) -> None:
    """Each failure doubles the wait up to the most, anywhere in its upper half."""
    add_case(ledger)
    peer = Peer(clock, looks=[raising(ODD)] * 40)
    worker = replace(a_worker(ledger, peer), backoff_s=2.0, most_s=30.0)
    waits = []
    for failures in range(8):
        began = clock.now
        assert turn(worker) == "waits"
        with ledger.read() as tx:
            (held,) = outbox.rows(tx)
        waits.append((held.next_at - began).total_seconds())
        assert min(2.0 * 2**failures, 30.0) / 2 <= waits[-1] <= min(2.0 * 2**failures, 30.0)
        clock.now = held.next_at
    assert len(set(waits[-3:])) == 3


def test_nothing_is_acknowledged_that_was_not_sent(ledger: Ledger) -> None:
    """A row whose request never went out cannot become sent."""
    case = add_case(ledger)
    with ledger.begin() as tx:
        held = outbox.claim(tx, NAME, "w1", 60)
        assert held is not None
        assert not outbox.sent(tx, held)
    assert row(ledger, case.external_key).state == "pending"


@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("seed", range(20))
def test_no_case_is_lost_or_doubled_by_us(ledger: Ledger, clock: Clock, seed: int, idempotent: bool) -> None:
    """Two workers, a peer that fails in every way: all arrive, none twice by us, other doubles are shown."""
    known = [add_case(ledger, number) for number in range(8)]
    peer = NastyPeer(clock, seed, idempotent=idempotent)
    pair = [a_worker(ledger, peer, f"w{number}") for number in range(2)]
    names: list[str] = []

    def meanwhile() -> None:
        # One request is out; the other worker takes its turn.
        if len(names) == 1:
            step(pair[1])

    def step(worker: Worker) -> bool:
        names.append(worker.name)
        try:
            return worker.turn() is not None
        finally:
            names.pop()

    peer.meanwhile = meanwhile
    for _ in range(4000):
        if not (step(pair[0]) or step(pair[1])):
            with ledger.read() as tx:
                if not any(held.state in outbox.OPEN for held in outbox.rows(tx)):
                    break
            clock.wait(1)
    clock.wait(10 * QUIET_S)
    peer.arrive()
    assert sum(peer.injected.values()) > 8
    copies = {case.external_key: [key for key, _ in peer.stored].count(case.external_key) for case in known}
    assert {row(ledger, key).state for key in copies} == {"confirmed"}
    assert min(copies.values()) == 1
    if idempotent:
        assert max(copies.values()) == 1
    else:
        assert max(peer.ours.values()) == 1
        assert copies == {key: peer.ours[key] + peer.theirs[key] for key in copies}
    calm = Peer(clock, stored=peer.stored)
    shown = {one.external_key: len(one.remote_ids) for one in reconcile(ledger, NAME, calm)}
    assert shown == {key: number for key, number in copies.items() if number > 1}
    with ledger.read() as tx:
        assert audit.verify(tx) == ()
