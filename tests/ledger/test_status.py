"""A town at a glance: stages, deadlines, what is held, not delivered, undecided, and the newest cycle."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aerial.ledger import cases, index, outbox, status
from aerial.ledger.store import Ledger, Tx
from aerial.ledger.verdicts import add_verdict
from aerial.records import FileRef, Survey
from tests.ledger.made import DAY, NOON, accepted, add_case, case_of, ingest, observation, site_result


def at(tx: Tx, days: float) -> Tx:
    """The transaction, so many days after the cases were found; their deadline is on the tenth."""
    return replace(tx, now=NOON + timedelta(days=days))


def test_an_empty_ledger_has_nothing_to_tell(ledger: Ledger) -> None:
    """Every query answers with nothing, and there is no cycle."""
    with ledger.read() as tx:
        ask = (status.stages, status.held, status.due, status.undelivered, status.dead, status.undecided)
        assert [query(tx) for query in ask] == [()] * 6
        assert status.newest_cycle(tx, DAY) is None


def test_cases_are_counted_by_stage_and_held_ones_say_why(ledger: Ledger) -> None:
    """Each case is in one stage; what is held is counted there, and named with every reason."""
    one = observation(9)
    closed = add_case(ledger, 1)
    add_case(ledger, 2)
    with ledger.begin() as tx:
        ingest(tx, [one])
        held = case_of(one, accepted(tx, one), held=("The unit grid is missing.", "No secrecy."))
        cases.add_case(tx, held, ["city"])
        cases.add_result(tx, "city", site_result(closed, 1, stage="close"))
    with ledger.read() as tx:
        assert [(one.stage, one.cases, one.held) for one in status.stages(tx)] == [
            ("close", 1, 0),
            ("report", 2, 1),
        ]
        (told,) = status.held(tx)
        assert (told.external_key, told.cell, told.reasons) == (held.external_key, "A1", held.held)


def test_deadlines_are_told_before_and_after(ledger: Ledger) -> None:
    """An open case is due soon from three days before its deadline and overdue after; a closed one never."""
    closed, still_open = add_case(ledger, 1), add_case(ledger, 2)
    with ledger.begin() as tx:
        cases.add_result(tx, "city", site_result(closed, 1, stage="close"))
        assert status.due(at(tx, 6.9)) == ()
        (soon,) = status.due(at(tx, 7.1))
        (late,) = status.due(at(tx, 10.1))
    assert (soon.external_key, soon.overdue) == (still_open.external_key, False)
    assert (late.external_key, late.overdue) == (still_open.external_key, True)
    assert late.deadline == NOON + timedelta(days=10)


def test_what_is_not_delivered_says_what_went_wrong_last(ledger: Ledger) -> None:
    """Rows are counted by destination and state with the newest error, and the dead are named."""
    for number in (1, 2, 3):
        add_case(ledger, number, sinks=("city", "gis"))
    said = iter(["the peer was busy", "timed out"])
    for error in said:
        with ledger.begin() as tx:
            row = outbox.claim(tx, "city", "w", 60)
            assert row is not None
            row = outbox.sending(tx, row)
            outbox.retry(tx, row, tx.now + timedelta(days=1), error, "ambiguous")
    with ledger.begin() as tx:
        row = outbox.claim(tx, "gis", "w", 60)
        assert row is not None
        outbox.dead(tx, row, "refused: no such layer")
    with ledger.read() as tx:
        found = {(one.sink, one.state): (one.rows, one.last_error) for one in status.undelivered(tx)}
        (dead,) = status.dead(tx)
    assert found == {
        ("city", "ambiguous"): (2, "timed out"),
        ("city", "pending"): (1, None),
        ("gis", "dead"): (1, "refused: no such layer"),
        ("gis", "pending"): (2, None),
    }
    assert (dead.external_key, dead.sink, dead.reason) == (row.external_key, "gis", "refused: no such layer")


def test_undecided_suspects_are_counted_by_cell(ledger: Ledger) -> None:
    """A suspect counts until there is a verdict on it."""
    with ledger.begin() as tx:
        ingest(tx, [observation(1), observation(2)])
        ingest(tx, [observation(3, cell="B2")])
        add_verdict(tx, observation(2).suspect.key, "reject", "大棚", "王芳")
        assert [(one.cell, one.suspects) for one in status.undecided(tx)] == [("A1", 1), ("B2", 1)]


def test_the_newest_cycle_tells_the_cells_surveyed_in_it(ledger: Ledger) -> None:
    """Surveys on the first and the last day count, others do not; a cycle that has not begun is none."""
    days = {"A1": DAY, "A2": DAY + timedelta(days=13), "A3": DAY - timedelta(days=1)}
    days["A4"] = DAY + timedelta(days=14)
    with ledger.begin() as tx:
        index.add_cycle(tx, DAY, 14)
        index.add_cycle(tx, DAY + timedelta(days=60), 14)
        for cell, day in days.items():
            begun = datetime(day.year, day.month, day.day, 2, tzinfo=UTC)
            photos = (FileRef(path="a.jpg", sha256="0" * 64),)
            index.add_survey(
                tx, Survey(cell=cell, survey=f"{day}-1", started_at=begun, photos=photos, mosaic=None)
            )
        assert status.newest_cycle(tx, DAY - timedelta(days=1)) is None
        cycle = status.newest_cycle(tx, DAY + timedelta(days=20))
    assert cycle is not None
    assert (cycle.start, cycle.days, cycle.surveyed) == (DAY, 14, ("A1", "A2"))
