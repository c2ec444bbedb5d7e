"""What destinations say of cases comes into the ledger once, whatever breaks in between."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.delivery.nasty import NAME, ODD, Clock, Peer
from tests.ledger.made import accepted, add_case, case_of, ingest, observation, site_result

from aerial.delivery.pull import pull
from aerial.ledger import cases, structures
from aerial.ledger.store import Ledger, open_ledger
from aerial.records import SiteResult
from aerial.sinks.sink import Ambiguous


class Killed(BaseException):
    """What a kill is to code that cannot catch it."""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger in a file."""
    with open_ledger(tmp_path / "ledger.sqlite", device_name="laptop", clock=Clock()) as opened:
        yield opened


class Telling(Peer):
    """A peer whose results come in pages; the cursor is the number of the next page."""

    def __init__(self, *pages: Sequence[SiteResult]) -> None:
        super().__init__(Clock())
        self.pages = list(pages)
        self.asked: list[str | None] = []
        self.breaks_at: int | None = None

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Return one page."""
        self.asked.append(cursor)
        number = int(cursor or 0)
        if number == self.breaks_at:
            raise ODD
        return (self.pages[number], str(number + 1)) if number < len(self.pages) else ((), cursor)


def test_each_act_comes_once_and_the_place_is_kept(ledger: Ledger) -> None:
    """Pages are read to the end; the next time begins behind them, and what was read is not told again."""
    case = add_case(ledger)
    acts = [site_result(case, number, stage="accept", days=number) for number in range(1, 4)]
    peer, told = Telling(acts[:2], acts[2:]), list[SiteResult]()
    assert pull(ledger, NAME, peer, told.append) == 3
    assert told == acts
    assert pull(ledger, NAME, peer, told.append) == 0
    assert peer.asked[-1] == "2"
    with ledger.read() as tx:
        assert cases.results(tx, case.external_key) == tuple(acts)
        assert cases.case(tx, case.external_key).stage == "accept"


def test_a_kill_between_page_and_cursor_doubles_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page whose cursor was not kept is not kept either; it is read again, and recorded once."""
    case = add_case(ledger)
    peer = Telling([site_result(case, 1, result="confirmed")])

    def dies(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(cases, "set_cursor", dies)
        pull(ledger, NAME, peer, lambda _: None)
    with ledger.read() as tx:
        assert (cases.results(tx, case.external_key), cases.cursor(tx, NAME)) == ((), None)
    assert pull(ledger, NAME, peer, lambda _: None) == 1
    with ledger.read() as tx:
        assert len(cases.results(tx, case.external_key)) == 1


def test_a_peer_that_shows_an_act_again_adds_nothing(ledger: Ledger) -> None:
    """The same act on two pages, as peers with overlapping windows give it, is one."""
    case = add_case(ledger)
    act = site_result(case, 1, result="confirmed")
    assert pull(ledger, NAME, Telling([act], [act]), lambda _: None) == 1


def test_a_break_keeps_what_was_read(ledger: Ledger) -> None:
    """The second page fails: the first is recorded, and the next pull goes on at the second."""
    case = add_case(ledger)
    peer = Telling([site_result(case, 1, stage="accept")], [site_result(case, 2, stage="close", days=2)])
    peer.breaks_at = 1
    with pytest.raises(Ambiguous):
        pull(ledger, NAME, peer, lambda _: None)
    with ledger.read() as tx:
        assert cases.case(tx, case.external_key).stage == "accept"
    peer.breaks_at = None
    assert pull(ledger, NAME, peer, lambda _: None) == 1
    assert peer.asked[2] == "1"


def test_an_act_on_a_case_that_is_not_known_here_is_kept(ledger: Ledger) -> None:
    """What an officer found before the laptop's case arrives counts as soon as it does."""
    one = observation(1)
    with ledger.begin() as tx:
        ingest(tx, [one])
        case = case_of(one, accepted(tx, one))
    assert pull(ledger, NAME, Telling([site_result(case, 1, result="demolished")]), lambda _: None) == 1
    with ledger.begin() as tx:
        assert cases.find_case(tx, case.external_key) is None
        cases.add_case(tx, case, [NAME])
    with ledger.read() as tx:
        assert [act.result for act in cases.results(tx, case.external_key)] == ["demolished"]
        assert structures.structure(tx, case.identity).state == "gone"


def test_a_peer_that_never_ends_is_left(ledger: Ledger) -> None:
    """A cursor that does not move, or a page with nothing on it, ends the reading."""
    case = add_case(ledger)
    act = site_result(case, 1, stage="accept")

    class Stuck(Peer):
        def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
            self.calls.append("results")
            return [act], "same"

    peer = Stuck(Clock())
    assert pull(ledger, NAME, peer, lambda _: None) == 1
    assert peer.calls.count("results") == 2
