"""Rows of the outbox: claimed by one worker at a time, and never sent blindly twice."""

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aerial.errors import LedgerError
from aerial.ledger import audit, cases, outbox
from aerial.ledger.store import Ledger, open_ledger
from aerial.records import Case
from tests import postgres
from tests.ledger.made import NOON, accepted, add_case, case_of, ingest, observation, receipt


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def timed(ledger_url: str, clock: Clock) -> Iterator[Ledger]:
    """A ledger on that clock."""
    with open_ledger(ledger_url, clock=clock) as ledger:
        yield ledger


def claimed(ledger: Ledger, worker: str = "w", sink: str = "city", lease_s: float = 60) -> outbox.Row | None:
    """Claim in a transaction of its own, as workers do."""
    with ledger.begin() as tx:
        return outbox.claim(tx, sink, worker, lease_s)


def row_of(ledger: Ledger, case: Case, sink: str = "city") -> outbox.Row:
    """The row as it is now."""
    with ledger.read() as tx:
        return outbox.get(tx, case.external_key, sink)


def must(row: outbox.Row | None) -> outbox.Row:
    """The row that was claimed."""
    assert row is not None
    return row


def test_a_leased_row_is_nobody_else_s(timed: Ledger, clock: Clock) -> None:
    """While the lease runs nothing is due for others; when it ran out the row is claimed by the next."""
    case = add_case(timed)
    row = must(claimed(timed, "a"))
    assert (row.external_key, row.worker, row.attempts) == (case.external_key, "a", 0)
    assert claimed(timed, "b") is None
    clock.pass_s(59.9)
    assert claimed(timed, "b") is None
    with timed.read() as tx:
        assert outbox.still_mine(tx, row, "a")
        assert not outbox.still_mine(tx, row, "b")
    clock.pass_s(0.1)
    assert must(claimed(timed, "b")).worker == "b"
    with timed.read() as tx:
        assert not outbox.still_mine(tx, row, "a")


def test_a_lease_is_extended_by_its_holder_only(timed: Ledger, clock: Clock) -> None:
    """Extending counts from now; after it ran out, or by another, it is refused."""
    add_case(timed)
    row = must(claimed(timed, "a"))
    clock.pass_s(50)
    with timed.begin() as tx:
        assert not outbox.extend(tx, row, "b", 60)
        assert outbox.extend(tx, row, "a", 60)
    clock.pass_s(59)
    assert claimed(timed, "b") is None
    clock.pass_s(1)
    with timed.begin() as tx:
        assert not outbox.extend(tx, row, "a", 60)


def test_who_lost_the_lease_sends_nothing_and_changes_nothing(timed: Ledger, clock: Clock) -> None:
    """After the lease ran out a request is refused, and the old worker's other words do not count."""
    case = add_case(timed)
    old = must(claimed(timed, "a"))
    clock.pass_s(61)
    new = must(claimed(timed, "b"))
    with timed.begin() as tx:
        with pytest.raises(LedgerError, match="no longer this worker's"):
            outbox.sending(tx, old)
        before = (outbox.get(tx, case.external_key, "city"), audit.heads(tx))
        assert not outbox.sent(tx, old)
        assert not outbox.retry(tx, old, clock.now, "late", "pending")
        assert not outbox.dead(tx, old, "late")
        assert (outbox.get(tx, case.external_key, "city"), audit.heads(tx)) == before
        assert outbox.sending(tx, new).state == "ambiguous"


def test_a_request_is_noted_before_it_goes_out(timed: Ledger, clock: Clock) -> None:
    """From ``sending`` on the row is ambiguous with the time, so a kill behind it leads to a look-up."""
    case = add_case(timed)
    with timed.begin() as tx:
        row = outbox.sending(tx, must(outbox.claim(tx, "city", "a", 60)))
    assert (row.state, row.attempts, row.sent_at) == ("ambiguous", 1, clock.now)
    clock.pass_s(61)  # the worker was killed
    again = must(claimed(timed, "b"))
    # It may have been sending until its lease ended.
    assert (again.state, again.attempts, again.sent_at) == ("ambiguous", 1, NOON + timedelta(seconds=60))
    assert row_of(timed, case).worker == "b"


def test_a_receipt_settles_a_row_whoever_reads_it(timed: Ledger, clock: Clock) -> None:
    """A receipt counts after the lease was lost too; the row is never due again; the same twice is one."""
    case = add_case(timed)
    with timed.begin() as tx:
        row = outbox.sending(tx, must(outbox.claim(tx, "city", "a", 60)))
    clock.pass_s(61)
    must(claimed(timed, "b"))
    with timed.begin() as tx:
        outbox.confirmed(tx, row, receipt(case), 0.04)
        head = audit.heads(tx)
        outbox.confirmed(tx, row, receipt(case), 0.04)
        assert audit.heads(tx) == head
        proofs = outbox.receipts(tx, case.external_key)
    assert [(p.sink, p.receipt, p.distance_m, p.device) for p in proofs] == [
        ("city", receipt(case), 0.04, timed.device)
    ]
    clock.pass_s(10_000)
    assert claimed(timed, "c") is None
    assert row_of(timed, case).state == "confirmed"
    with timed.begin() as tx:
        with pytest.raises(LedgerError, match="no longer"):
            outbox.sending(tx, row)
        assert not outbox.dead(tx, row, "late")


def test_a_receipt_of_another_case_is_refused(timed: Ledger) -> None:
    """A peer that answers with another key proves nothing."""
    first, second = add_case(timed, 1), add_case(timed, 2)
    with timed.begin() as tx:
        row = outbox.get(tx, first.external_key, "city")
        with pytest.raises(LedgerError, match="proves nothing"):
            outbox.confirmed(tx, row, receipt(second), 0.0)
    assert row_of(timed, first).state == "pending"


def test_a_row_that_is_tried_again_waits_until_then(timed: Ledger, clock: Clock) -> None:
    """Given back with a time a row is not due before it, keeps its state, and is due for any worker then."""
    case = add_case(timed)
    row = must(claimed(timed))
    with timed.begin() as tx:
        sent = outbox.sending(tx, row)
        assert outbox.retry(tx, sent, clock.now + timedelta(seconds=300), "no answer", "ambiguous")
    assert claimed(timed) is None
    clock.pass_s(300)
    again = must(claimed(timed, "b"))
    assert (again.state, again.error, again.attempts) == ("ambiguous", "no answer", 1)
    assert row_of(timed, case).worker == "b"


def test_the_oldest_due_row_comes_first(timed: Ledger, clock: Clock) -> None:
    """Rows come in the order in which they became due, each destination's on its own."""
    made = []
    for number in (3, 1, 2):
        made.append(add_case(timed, number, sinks=("city", "gis")))
        clock.pass_s(1)
    assert [must(claimed(timed)).external_key for _ in made] == [case.external_key for case in made]
    assert claimed(timed) is None
    assert must(claimed(timed, sink="gis")).external_key == made[0].external_key
    assert claimed(timed, sink="none") is None


def test_a_dead_row_is_revived_by_a_person(timed: Ledger, clock: Clock) -> None:
    """Given up it is not due; revived it is: pending if nothing ever went out, else looked up first."""
    case = add_case(timed, sinks=("city", "gis"))
    with timed.begin() as tx:
        assert outbox.dead(tx, must(outbox.claim(tx, "city", "a", 60)), "refused: field X")
        assert outbox.dead(tx, outbox.sending(tx, must(outbox.claim(tx, "gis", "a", 60))), "gone")
        assert outbox.claim(tx, "city", "a", 60) is None
        assert outbox.revive(tx, case.external_key, "city").state == "pending"
        assert outbox.revive(tx, case.external_key, "gis").state == "ambiguous"
        with pytest.raises(LedgerError, match="is pending, not dead"):
            outbox.revive(tx, case.external_key, "city")
        with pytest.raises(LedgerError, match="is not to be sent to nowhere"):
            outbox.revive(tx, case.external_key, "nowhere")
        assert outbox.claim(tx, "city", "a", 60) is not None


def test_the_backlog_counts_each_destination_and_state(timed: Ledger) -> None:
    """Every row is counted once."""
    for number in range(3):
        add_case(timed, number, sinks=("city", "gis"))
    with timed.begin() as tx:
        outbox.sending(tx, must(outbox.claim(tx, "city", "a", 60)))
        assert outbox.backlog(tx) == {"city": {"ambiguous": 1, "pending": 2}, "gis": {"pending": 3}}


def test_the_id_of_a_row_is_the_same_everywhere(timed: Ledger) -> None:
    """Case and destination make it, so that two machines use one key for one request."""
    case = add_case(timed)
    assert row_of(timed, case).id == f"{case.external_key}@city"


def test_no_secret_of_an_error_is_kept(timed: Ledger, clock: Clock) -> None:
    """Passwords in addresses and keys in queries are blotted out in the row and in the audit log."""
    case = add_case(timed)
    said = (
        "POST https://bot:s3cret@city.example/send?key=s3cret&access_token=s3cret&x=1 "
        "api_key=s3cret, password=s3cret failed\n\x00" + "x" * 2000
    )
    with timed.begin() as tx:
        row = must(outbox.claim(tx, "city", "a", 60))
        outbox.retry(tx, row, clock.now, said, "pending")
        logged = " ".join(row.payload for row in audit.rows(tx))
    kept = row_of(timed, case).error
    assert kept is not None
    assert "s3cret" not in kept
    assert "s3cret" not in logged
    assert "x=1" in kept
    assert len(kept) <= 500


def _many(ledger: Ledger, count: int) -> set[str]:
    ones = [observation(number) for number in range(count)]
    with ledger.begin() as tx:
        ingest(tx, ones)
        made = [case_of(one, accepted(tx, one)) for one in ones]
        for case in made:
            cases.add_case(tx, case, ["city"])
    return {case.external_key for case in made}


def _drain(url: str, worker: str, got: Callable[[str], None]) -> None:
    with open_ledger(url) as ledger:
        while (row := claimed(ledger, worker, lease_s=600)) is not None:
            got(row.external_key)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_workers_never_get_the_same_row(ledger_url: str, kind: str) -> None:
    """Four workers that claim at once share forty rows: each row once, none left."""
    with open_ledger(ledger_url) as ledger:
        keys = _many(ledger, 40)
    got: list[str] = []
    if kind == "threads":
        workers = [threading.Thread(target=_drain, args=(ledger_url, f"w{n}", got.append)) for n in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    else:
        fork = multiprocessing.get_context("fork")
        queue = fork.Queue()
        children = [fork.Process(target=_drain, args=(ledger_url, f"w{n}", queue.put)) for n in range(4)]
        for child in children:
            child.start()
        got = [queue.get(timeout=60) for _ in keys]
        for child in children:
            child.join()
            assert child.exitcode == 0
        assert queue.empty()
    assert len(got) == len(keys)
    assert set(got) == keys


def test_a_row_that_somebody_holds_is_passed_over(postgres_server: postgres.Server) -> None:
    """On PostgreSQL a row locked from a console does not stop the others: the next one is claimed."""
    with open_ledger(postgres_server.make("console")) as ledger:
        _many(ledger, 2)
        with ledger.read() as tx:
            first, second = outbox.rows(tx)
        with ledger.engine.connect() as console, console.begin():
            lock = sa.text("SELECT 1 FROM outbox WHERE external_key = :key FOR UPDATE")
            console.execute(lock, {"key": first.external_key})
            assert must(claimed(ledger)).external_key == second.external_key
            assert claimed(ledger) is None
    postgres_server.drop("console")


# What may be done to a row, as a worker, a person or the clock does it.
ACTS = st.lists(
    st.sampled_from(["claim a", "claim b", "send", "sent", "retry", "dead", "revive", "receipt", "wait"]),
    max_size=14,
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(acts=ACTS)
def test_whatever_happens_a_row_that_went_out_is_never_plainly_pending(
    timed: Ledger, clock: Clock, acts: list[str]
) -> None:
    """No order of acts loses a receipt, unsettles a confirmed row, or forgets that a request went out.

    Only ``retry`` with the state "pending" may say that nothing arrived, and here none does.
    """
    number = len(_known(timed))
    case = add_case(timed, number, sinks=(f"s{number}",))
    sink, rows, went_out, proved = f"s{number}", [row_of(timed, case, f"s{number}")], False, False
    for act in acts:
        with timed.begin() as tx:
            if act.startswith("claim"):
                rows += [row for row in [outbox.claim(tx, sink, act[-1], 60)] if row]
            elif act == "send":
                try:
                    rows.append(outbox.sending(tx, rows[-1]))
                    went_out = True
                except LedgerError:
                    pass
            elif act == "sent":
                outbox.sent(tx, rows[-1])
            elif act == "retry":
                outbox.retry(tx, rows[-1], clock.now, "x", "ambiguous" if went_out else "pending")
            elif act == "dead":
                outbox.dead(tx, rows[-1], "x")
            elif act == "revive" and outbox.get(tx, case.external_key, sink).state == "dead":
                outbox.revive(tx, case.external_key, sink)
            elif act == "receipt":
                outbox.confirmed(tx, rows[-1], receipt(case), 0.0)
                proved = True
            else:
                clock.pass_s(61)
        now = row_of(timed, case, sink)
        assert not proved or now.state == "confirmed"
        assert not (went_out and now.state == "pending")
        assert (now.sent_at is not None) == went_out
    with timed.read() as tx:
        assert audit.verify(tx) == ()


def _known(ledger: Ledger) -> tuple[outbox.Row, ...]:
    with ledger.read() as tx:
        return outbox.rows(tx)
