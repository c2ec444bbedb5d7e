"""Cases with their rows in one transaction, held ones, and what destinations say of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, index, outbox, structures
from aerial.ledger.store import Ledger
from aerial.records import Result
from tests.ledger.made import DAY, accepted, add_case, case_of, ingest, observation, site_result

ONE = observation(1)


def test_a_case_and_its_rows_are_one_transaction(ledger: Ledger) -> None:
    """What fails behind the case takes case, rows and audit row with it."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        case = case_of(ONE, accepted(tx, ONE))
        before = audit.heads(tx)
    with pytest.raises(ZeroDivisionError), ledger.begin() as tx:
        cases.add_case(tx, case, ["city", "folder"])
        assert len(outbox.rows(tx)) == 2
        raise ZeroDivisionError
    with ledger.read() as tx:
        assert (cases.list_cases(tx), outbox.rows(tx), audit.heads(tx)) == ((), (), before)


def test_the_same_case_again_adds_nothing_but_new_destinations(ledger: Ledger) -> None:
    """One row a destination, however often; a destination of later gets its row when it is named."""
    case = add_case(ledger, sinks=("city", "folder"))
    with ledger.begin() as tx:
        before = audit.heads(tx)
        cases.add_case(tx, case, ["city", "folder", "city"])
        assert audit.heads(tx) == before
        cases.add_case(tx, replace(case, community="another"), ["gis"])
        assert [row.sink for row in outbox.rows(tx, key=case.external_key)] == ["city", "folder", "gis"]
        assert cases.case(tx, case.external_key) == case


def test_a_case_that_nobody_accepted_is_refused(ledger: Ledger) -> None:
    """No verdict, a rejecting one, or one about another suspect: no case, no row."""
    with ledger.begin() as tx:
        ingest(tx, [ONE, observation(2)])
        verdict = accepted(tx, ONE)
        case = case_of(ONE, verdict)
        other = case_of(observation(2), replace(verdict, identity="S-other"))
        unknown = case_of(ONE, replace(verdict, id="0" * 26))
        for wrong in (replace(case, accepted=None), other, unknown):
            with pytest.raises(LedgerError, match="Nobody accepted"):
                cases.add_case(tx, wrong, ["city"])
        assert outbox.rows(tx) == ()


def test_a_held_case_leaves_when_it_is_released(ledger: Ledger) -> None:
    """While a case is held it has no row; released it has one for each of its destinations."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        held = case_of(ONE, accepted(tx, ONE), held=("The unit grid is missing.",))
        cases.add_case(tx, held, ["city", "folder"])
        cases.add_case(tx, held, ["city", "gis"])
        assert outbox.rows(tx) == ()
        cases.replace_case(tx, replace(held, address="长安镇"))
        assert outbox.rows(tx) == ()
        cases.replace_case(tx, replace(held, unit_grid="441900003001001", held=()))
        assert [row.sink for row in outbox.rows(tx)] == ["city", "folder", "gis"]
        assert [row.what for row in audit.rows(tx)][-2:] == ["case.changed", "case.released"]


def test_only_a_held_case_is_replaced_and_only_by_itself(ledger: Ledger) -> None:
    """A case that may have left, one that is unknown, and one of another suspect are not replaced."""
    case = add_case(ledger)
    two = observation(2)
    with ledger.begin() as tx:
        with pytest.raises(LedgerError, match="is not held"):
            cases.replace_case(tx, replace(case, address="x"))
        with pytest.raises(LedgerError, match="There is no case"):
            cases.replace_case(tx, replace(case, external_key="none"))
        ingest(tx, [two])
        held = case_of(two, accepted(tx, two), held=("x",))
        cases.add_case(tx, held, ["city"])
        with pytest.raises(LedgerError, match="another suspect"):
            cases.replace_case(tx, replace(held, suspect=ONE.suspect, held=()))


def test_cases_are_listed_by_cycle_cell_and_stage(ledger: Ledger) -> None:
    """Each filter keeps its own, and a case comes back as it was written."""
    first, second = add_case(ledger, 1), add_case(ledger, 2)
    with ledger.begin() as tx:
        index.add_cycle(tx, DAY, 14)
        index.add_cycle(tx, DAY + timedelta(days=14), 14)
        cases.add_result(tx, "city", site_result(first, 1, stage="file"))
        assert set(cases.list_cases(tx)) == {replace(first, stage="file"), second}
        assert cases.list_cases(tx, stage="report") == (second,)
        assert len(cases.list_cases(tx, cycle=DAY, cell="A1")) == 2
        assert cases.list_cases(tx, cell="B1") == ()
        assert cases.list_cases(tx, cycle=DAY + timedelta(days=14)) == ()


def test_the_same_result_twice_is_one(ledger: Ledger) -> None:
    """A result read again, as every second pull does, changes nothing; another sink's of that id does."""
    case = add_case(ledger)
    said = site_result(case, 1, stage="file")
    with ledger.begin() as tx:
        assert cases.add_result(tx, "city", said)
        before = audit.heads(tx)
        assert not cases.add_result(tx, "city", said)
        assert audit.heads(tx) == before
        assert cases.results(tx, case.external_key) == (said,)
        assert cases.add_result(tx, "folder", said)


def test_the_newest_stage_counts_whatever_comes_first(ledger: Ledger) -> None:
    """An older stage that is read later does not take the case back."""
    case = add_case(ledger)
    with ledger.begin() as tx:
        cases.add_result(tx, "city", site_result(case, 2, stage="dispose", days=3))
        cases.add_result(tx, "city", site_result(case, 1, stage="file", days=1))
        assert cases.case(tx, case.external_key).stage == "dispose"
        assert [one.id for one in cases.results(tx, case.external_key)] == ["act-1", "act-2"]


@pytest.mark.parametrize(
    ("result", "state", "row"),
    [
        ("confirmed", "accepted", "pending"),
        ("unfounded", "rejected", "dead"),
        ("permitted", "rejected", "dead"),
        ("demolished", "gone", "dead"),
        ("no_access", "accepted", "pending"),
    ],
)
def test_what_an_officer_found_settles_the_structure(
    ledger: Ledger, result: Result, state: str, row: str
) -> None:
    """属实 无法进入 leave it, 不属实 已批 reject it, 已拆 ends it; what was not sent yet is then not sent."""
    case = add_case(ledger, sinks=("city", "gis"))
    with ledger.begin() as tx:
        claimed = outbox.claim(tx, "city", "w", 60)
        assert claimed is not None
        outbox.sending(tx, claimed)
        cases.add_result(tx, "city", site_result(case, 1, result=result))
        assert structures.structure(tx, case.identity).state == state
        assert outbox.get(tx, case.external_key, "gis").state == row
        assert outbox.get(tx, case.external_key, "city").state == "ambiguous"


def test_a_late_result_of_an_earlier_episode_leaves_the_new_one(ledger: Ledger) -> None:
    """What is said of the case before the rebuilding does not settle what was built again (复建)."""
    case = add_case(ledger)
    again = observation(1, after_on=DAY + timedelta(days=42))
    with ledger.begin() as tx:
        cases.add_result(tx, "city", site_result(case, 1, result="demolished", days=5))
        ingest(tx, [again])
        now = structures.structure(tx, case.identity)
        assert (now.episode, now.state, now.previous) == (2, "open", case.external_key)
        cases.add_result(tx, "city", site_result(case, 2, result="unfounded", days=50))
        assert structures.structure(tx, case.identity) == now
        second = case_of(again, accepted(tx, again))
        cases.add_case(tx, second, ["city"])
        assert second.external_key == f"{case.identity}-2"


def test_a_result_that_comes_before_its_case_counts_when_it_is_known(ledger: Ledger) -> None:
    """A result for a case that another device made is kept, and settles it as soon as it is here."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        case = case_of(ONE, accepted(tx, ONE))
        assert cases.add_result(tx, "city", site_result(case, 1, stage="close", result="demolished"))
        cases.add_case(tx, case, ["city"])
        assert cases.case(tx, case.external_key).stage == "close"
        assert structures.structure(tx, case.identity).state == "gone"
        assert outbox.rows(tx)[0].state == "dead"


def test_cursors_are_kept_by_destination(ledger: Ledger) -> None:
    """A cursor is None until it is set, and each destination has its own."""
    with ledger.begin() as tx:
        assert cases.cursor(tx, "city") is None
        cases.set_cursor(tx, "city", "page-2")
        cases.set_cursor(tx, "gis", None)
        cases.set_cursor(tx, "city", "page-3")
        assert (cases.cursor(tx, "city"), cases.cursor(tx, "gis")) == ("page-3", None)


def test_a_case_that_is_not_there_is_told(ledger: Ledger) -> None:
    """An unknown key is refused with a hint."""
    with pytest.raises(LedgerError, match="There is no case 'S-x-1'") as caught, ledger.read() as tx:
        cases.case(tx, "S-x-1")
    assert caught.value.hint
