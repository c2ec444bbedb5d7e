"""Verdicts are added by named people, never changed, and decide the structure."""

import pytest

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, outbox, structures
from aerial.ledger.store import Ledger
from aerial.ledger.verdicts import add_verdict, newest_verdict, verdicts
from tests.ledger.made import accepted, add_case, case_of, ingest, observation, receipt

ONE = observation(1)


def test_a_changed_verdict_is_another_row(ledger: Ledger) -> None:
    """Accept, then reject: both stand, the newest counts, and the structure follows it."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        first = add_verdict(tx, ONE.suspect.key, "accept", "钢棚", "李明")
    with ledger.begin() as tx:
        second = add_verdict(tx, ONE.suspect.key[:6], "reject", "已有许可", "王芳")
        assert verdicts(tx, first.identity) == (first, second)
        assert newest_verdict(tx, first.identity) == second
        assert structures.structure(tx, first.identity).state == "rejected"
        assert [row.what for row in audit.rows(tx)][-2:] == ["suspect.accepted", "suspect.rejected"]
        assert structures.find_suspect(tx, ONE.suspect.key).verdicts == (first, second)


@pytest.mark.parametrize(
    ("key", "reason", "by", "message"),
    [
        ("000001", "", "李明", "reason is empty"),
        ("000001", "  \n", "李明", "reason is empty"),
        ("000001", "钢棚", " ", "name is empty"),
        ("000001", "钢\x00棚", "李明", "no text"),
        ("000001", "\ud800", "李明", "no text"),
        ("none", "钢棚", "李明", "no suspect 'none'"),
    ],
)
def test_a_verdict_without_name_reason_or_suspect_is_refused(
    ledger: Ledger, key: str, reason: str, by: str, message: str
) -> None:
    """What is missing is named, and nothing is written."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        before = audit.heads(tx)
    with pytest.raises(LedgerError, match=message) as caught, ledger.begin() as tx:
        add_verdict(tx, key, "accept", reason, by)
    assert caught.value.hint
    with ledger.read() as tx:
        assert audit.heads(tx) == before


def test_nobody_decided_yet_is_told(ledger: Ledger) -> None:
    """Asking for the verdict of an undecided structure is refused with a hint."""
    with ledger.begin() as tx:
        ingest(tx, [ONE])
        identity = structures.find_suspect(tx, ONE.suspect.key).row.identity
        with pytest.raises(LedgerError, match="Nobody has decided"):
            newest_verdict(tx, identity)


def test_a_rejection_withdraws_a_case_that_has_not_left(ledger: Ledger) -> None:
    """The rows of a case that waits go dead with the reason, and the case is cancelled."""
    case = add_case(ledger, sinks=("city", "folder"))
    with ledger.begin() as tx:
        add_verdict(tx, case.suspect.key, "reject", "邻居的旧房", "王芳")
        assert {row.state for row in outbox.rows(tx)} == {"dead"}
        assert all("王芳: 邻居的旧房" in str(row.error) for row in outbox.rows(tx))
        assert cases.case(tx, case.external_key).stage == "cancel"
        assert outbox.claim(tx, "city", "w", 60) is None


def test_a_rejection_stops_a_worker_that_has_claimed_the_case(ledger: Ledger) -> None:
    """Between claim and request a rejection still counts: the worker is told not to send."""
    case = add_case(ledger)
    with ledger.begin() as tx:
        row = outbox.claim(tx, "city", "w", 60)
        assert row is not None
        add_verdict(tx, case.suspect.key, "reject", "旧房", "王芳")
        assert not outbox.still_mine(tx, row, "w")
        with pytest.raises(LedgerError, match="no longer this worker's"):
            outbox.sending(tx, row)


@pytest.mark.parametrize("state", ["ambiguous", "sent", "confirmed"])
def test_a_case_that_may_have_left_cannot_be_rejected(ledger: Ledger, state: str) -> None:
    """Once a request went out a rejection is refused with where it went, and the verdict stands."""
    case = add_case(ledger)
    with ledger.begin() as tx:
        row = outbox.claim(tx, "city", "w", 60)
        assert row is not None
        row = outbox.sending(tx, row)
        if state == "sent":
            outbox.sent(tx, row)
        if state == "confirmed":
            outbox.confirmed(tx, row, receipt(case), 0.0)
    with pytest.raises(LedgerError, match=rf"city \({state}\)"), ledger.begin() as tx:
        add_verdict(tx, case.suspect.key, "reject", "旧房", "王芳")
    with ledger.read() as tx:
        assert newest_verdict(tx, case.identity).decision == "accept"
        assert structures.structure(tx, case.identity).state == "accepted"


def test_a_case_that_was_withdrawn_comes_back_with_a_new_accept(ledger: Ledger) -> None:
    """Rejected and accepted again: the same key, its rows due again, the new verdict behind it."""
    case = add_case(ledger)
    with ledger.begin() as tx:
        add_verdict(tx, case.suspect.key, "reject", "旧房", "王芳")
        with pytest.raises(LedgerError, match="rejected since"):
            cases.add_case(tx, case, ["city"])
        again = case_of(observation(1), accepted(tx, observation(1), by="王芳"))
        assert again.external_key == case.external_key
        cases.add_case(tx, again, ["city"])
        assert [row.state for row in outbox.rows(tx)] == ["pending"]
        assert cases.case(tx, case.external_key) == again
