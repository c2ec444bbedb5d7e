"""Ingest is idempotent, lists show what waits for a verdict, and a suspect is found by its key."""

from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerial.errors import LedgerError
from aerial.ledger import audit, index, structures
from aerial.ledger.store import Ledger
from aerial.suspects.track import track, waits
from tests.ledger.made import DAY, PARAMS, accepted, ingest, observation

LATER = DAY + timedelta(days=14)


def test_a_repeated_ingest_changes_nothing(ledger: Ledger) -> None:
    """The same pair ingested again adds no suspect, no structure and no audit row."""
    pair = [observation(n) for n in range(4)]
    with ledger.begin() as tx:
        assert ingest(tx, pair) == 4
        before = (structures.structures(tx, "A1"), structures.list_suspects(tx), audit.heads(tx))
    with ledger.begin() as tx:
        assert ingest(tx, pair) == 0
        assert (structures.structures(tx, "A1"), structures.list_suspects(tx), audit.heads(tx)) == before


def test_an_ingest_that_was_cut_short_is_completed(ledger: Ledger) -> None:
    """A part that is known already does not hinder the rest of the pair, and is counted once."""
    pair = [observation(n) for n in range(4)]
    with ledger.begin() as tx:
        ingest(tx, pair[:2])
        assert ingest(tx, pair) == 2
        assert len(structures.structures(tx, "A1")) == 4


def test_a_decided_structure_is_not_shown_again(ledger: Ledger) -> None:
    """After a verdict the suspect waits no more, and neither does the next cycle's of the same building."""
    first, second = observation(1), observation(2)
    with ledger.begin() as tx:
        ingest(tx, [first, second])
        accepted(tx, first)
        assert [row.key for row in structures.list_suspects(tx)] == [second.suspect.key]
        again = observation(1, after_on=LATER, size=1.01)
        long = [again.__class__(**{**_fields(again), "before_on": DAY - timedelta(days=90)})]
        ingest(tx, long)
        assert [row.key for row in structures.list_suspects(tx)] == [second.suspect.key]
        assert len(structures.list_suspects(tx, shown=False, undecided=False)) == 3


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__dataclass_fields__}  # type: ignore[attr-defined]


def test_what_waits_in_a_list_is_what_track_says(ledger: Ledger) -> None:
    """The query's answer for every suspect is that of ``suspects.track.waits``."""
    with ledger.begin() as tx:
        for day in (DAY, LATER, LATER + timedelta(days=14)):
            ingest(tx, [observation(n, after_on=day, size=1 + (day - DAY).days / 20) for n in range(4)])
            accepted(tx, observation(day.day % 3, after_on=day))
        rows = structures.list_suspects(tx, shown=False, undecided=False)
        assert {row.waits for row in rows} == {True, False}
        for row in rows:
            detail = structures.find_suspect(tx, row.key)
            assert row.waits == waits(detail.sightings[0], detail.observation, detail.structures[0])
        waiting = {row.key for row in structures.list_suspects(tx)}
        assert waiting == {row.key for row in rows if row.waits}


def test_what_track_made_comes_back_as_it_was(ledger: Ledger) -> None:
    """Observation, sighting and structure are read as they were written."""
    one = observation(7)
    sightings = track([one], (), ())
    with ledger.begin() as tx:
        structures.add_sightings(tx, [one], sightings, PARAMS)
    with ledger.read() as tx:
        detail = structures.find_suspect(tx, one.suspect.key)
        assert detail.observation == one
        assert detail.sightings == sightings
        assert detail.structures == (sightings[0].structure,)
        assert structures.structure(tx, sightings[0].structure.identity) == sightings[0].structure
        assert (detail.row.at, detail.row.state, detail.row.case) == (one.suspect.at, "open", None)
        assert detail.params_sha256 == PARAMS
        assert detail.seen_at == tx.now or detail.seen_at < tx.now


def test_lists_are_cut_by_cell_and_cycle(ledger: Ledger) -> None:
    """A cell's list holds its own; a cycle's holds what its days saw, its last day and not the day after."""
    with ledger.begin() as tx:
        index.add_cycle(tx, DAY - timedelta(days=13), 14)
        for number, day in enumerate((DAY - timedelta(days=14), DAY - timedelta(days=13), DAY, LATER)):
            ingest(tx, [observation(number, after_on=day, cell=f"A{number % 2}")])
        listed = structures.list_suspects(tx, cycle=DAY - timedelta(days=13))
        assert {row.after_on for row in listed} == {DAY - timedelta(days=13), DAY}
        assert {row.cell for row in structures.list_suspects(tx, cell="A1")} == {"A1"}
        assert structures.list_suspects(tx, limit=2) == structures.list_suspects(tx)[:2]
        with pytest.raises(LedgerError, match="No cycle begins on 2000-01-01"):
            structures.list_suspects(tx, cycle=date(2000, 1, 1))


def test_a_suspect_is_found_by_the_beginning_of_its_key(ledger: Ledger) -> None:
    """A prefix of one suspect finds it; of several or none it is refused; a wildcard is no wildcard."""
    with ledger.begin() as tx:
        ingest(tx, [observation(n) for n in (1, 2, 19)])
        assert structures.find_suspect(tx, "000002").row.key == observation(2).suspect.key
        for prefix in ("00000", ""):
            with pytest.raises(LedgerError, match=r"Several|no suspect"):
                structures.find_suspect(tx, prefix)
        for absent in ("nothing", "%", "00000_", "' OR 1=1 --", "000001260715NA1"):
            with pytest.raises(LedgerError, match="no suspect"):
                structures.find_suspect(tx, absent)


def test_a_verdict_between_reading_and_writing_is_not_lost(ledger: Ledger) -> None:
    """Sightings that were tracked against older structures are refused when a verdict came in between."""
    first = observation(1)
    with ledger.begin() as tx:
        ingest(tx, [first])
    with ledger.read() as tx:
        known = structures.structures(tx, "A1")
    later = observation(1, after_on=LATER, size=2)
    stale = track([later], known, ())
    with ledger.begin() as tx:
        accepted(tx, first)
    with pytest.raises(LedgerError, match="decided while"), ledger.begin() as tx:
        structures.add_sightings(tx, [later], stale, PARAMS)
    with ledger.begin() as tx:
        assert ingest(tx, [later]) == 1


def test_observations_and_sightings_must_be_of_the_same_suspects(ledger: Ledger) -> None:
    """A sighting without its observation is a mistake of the caller, and nothing is kept."""
    sightings = track([observation(1)], (), ())
    with pytest.raises(ValueError, match="same suspects"), ledger.begin() as tx:
        structures.add_sightings(tx, [observation(2)], sightings, PARAMS)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(5)), cuts=st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_ingest_in_any_parts_gives_the_same(ledger: Ledger, order: list[int], cuts: list[int]) -> None:
    """Whatever parts of a pair come first and however often, the suspects in the end are the same."""
    pair = [observation(n) for n in range(5)]
    with ledger.begin() as tx:
        for cut in [*cuts, 5]:
            ingest(tx, [pair[n] for n in order[:cut]])
        listed = structures.list_suspects(tx)
        assert sorted(row.key for row in listed) == [one.suspect.key for one in pair]
        assert len(structures.structures(tx, "A1")) == 5


def test_a_suspect_of_an_earlier_episode_waits_no_more(ledger: Ledger) -> None:
    """Built, gone and built again before anybody decided: only what stands now waits for a verdict."""
    built, gone = observation(1), observation(1, after_on=LATER, kind="demolished")
    again = observation(1, after_on=LATER + timedelta(days=14))
    with ledger.begin() as tx:
        for one in (built, gone, again):
            ingest(tx, [one])
        detail = structures.find_suspect(tx, built.suspect.key)
        assert detail.structures[0].episode == 2
        assert not detail.row.waits
        assert not waits(detail.sightings[0], detail.observation, detail.structures[0])
        assert again.suspect.key in {row.key for row in structures.list_suspects(tx)}
