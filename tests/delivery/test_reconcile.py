"""What a destination holds beside what the ledger believes is named, and nothing is changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.delivery.nasty import NAME, ODD, Clock, Peer, config, raising, row
from tests.ledger.made import add_case

from aerial.delivery.reconcile import reconcile
from aerial.delivery.worker import Worker, drain
from aerial.geo import LonLat
from aerial.ledger import audit
from aerial.ledger.store import Ledger, open_ledger
from aerial.records import Case
from aerial.sinks.sink import Busy


@pytest.fixture
def clock() -> Clock:
    """The time."""
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """A ledger in a file, by that clock."""
    with open_ledger(tmp_path / "ledger.sqlite", device_name="laptop", clock=clock) as opened:
        yield opened


def delivered(ledger: Ledger, peer: Peer, count: int = 1) -> list[Case]:
    """Cases that went out, whatever became of them."""
    made = [add_case(ledger, number) for number in range(count)]
    worker = Worker(ledger=ledger, sink=peer, config=config(), prepare=lambda _: (), name="w")
    drain(worker, lambda _: None)
    return made


def test_what_agrees_is_not_named(ledger: Ledger, clock: Clock) -> None:
    """Confirmed here, there once at its place: nothing to say, and the ledger is as it was."""
    peer = Peer(clock)
    delivered(ledger, peer, 3)
    with ledger.read() as tx:
        before = audit.heads(tx)
    assert reconcile(ledger, NAME, peer) == ()
    with ledger.read() as tx:
        assert audit.heads(tx) == before


def test_a_double_is_named_with_all_of_its_copies(ledger: Ledger, clock: Clock) -> None:
    """Every copy that the peer holds of a case is listed, the others are not."""
    peer = Peer(clock)
    case, _ = sorted(delivered(ledger, peer, 2), key=lambda case: case.external_key)
    peer.keep(case)
    peer.keep(case)
    (found,) = reconcile(ledger, NAME, peer)
    assert (found.external_key, found.what) == (case.external_key, "double")
    assert found.remote_ids == ("R-0", "R-2", "R-3")
    assert "3 copies" in found.text


def test_what_vanished_is_named(ledger: Ledger, clock: Clock) -> None:
    """Confirmed once and deleted at the peer since."""
    peer = Peer(clock)
    (case,) = delivered(ledger, peer)
    peer.stored.clear()
    (found,) = reconcile(ledger, NAME, peer)
    assert (found.external_key, found.what, found.remote_ids) == (case.external_key, "vanished", ())


def test_what_moved_is_named_in_metres(ledger: Ledger, clock: Clock) -> None:
    """Somebody dragged it on the peer's map."""
    peer = Peer(clock)
    (case,) = delivered(ledger, peer)
    peer.stored = [(case.external_key, LonLat(lon_deg=case.at.lon_deg, lat_deg=case.at.lat_deg + 1e-5))]
    (found,) = reconcile(ledger, NAME, peer)
    assert (found.what, found.remote_ids) == ("moved", ("R-0",))
    assert "1.1 m" in found.text


@pytest.mark.parametrize("there", [True, False])
def test_what_is_there_and_not_counted_yet_is_named(ledger: Ledger, clock: Clock, there: bool) -> None:
    """Ambiguous here: named when the peer holds it, and no news when it does not."""
    peer = Peer(clock, acts=[raising(ODD)])
    (case,) = delivered(ledger, peer)
    if there:
        peer.keep(case)
    found = reconcile(ledger, NAME, peer)
    assert [one.what for one in found] == (["there"] if there else [])
    assert row(ledger, case.external_key).state == "ambiguous"


def test_what_never_went_out_is_not_asked_for(ledger: Ledger, clock: Clock) -> None:
    """A row that waits for its first request costs the peer no question."""
    add_case(ledger)
    peer = Peer(clock)
    assert reconcile(ledger, NAME, peer) == ()
    assert peer.calls == []


def test_a_peer_that_does_not_answer_is_no_finding(ledger: Ledger, clock: Clock) -> None:
    """Nothing is called vanished while the peer cannot be asked."""
    peer = Peer(clock)
    delivered(ledger, peer)
    peer.stored.clear()
    peer.looks.append(raising(Busy("Down.", hint="Later.")))
    with pytest.raises(Busy):
        reconcile(ledger, NAME, peer)
