"""A process that is killed at any moment leaves a ledger that opens, verifies and lost nothing it told."""

import multiprocessing
import os
import random
import signal
import sys
import time
from typing import Any

import pytest

from aerial.ledger import audit, cases, outbox, structures
from aerial.ledger.store import Ledger, open_ledger
from tests.ledger.made import accepted, case_of, ingest, observation, receipt

ROUNDS = 20


def _work(url: str, start: int, told: Any) -> None:
    with open_ledger(url) as ledger:
        number = start
        while True:
            one = observation(number)
            with ledger.begin() as tx:
                ingest(tx, [one])
            with ledger.begin() as tx:
                case = case_of(one, accepted(tx, one))
                cases.add_case(tx, case, ["city", "gis"])
            told.send(case.external_key)
            with ledger.begin() as tx:
                row = outbox.claim(tx, "city", "w", 60)
            if row is not None:
                with ledger.begin() as tx:
                    row = outbox.sending(tx, row)
                with ledger.begin() as tx:
                    outbox.confirmed(tx, row, receipt(cases.case(tx, row.external_key)), 0.01)
            number += 1


def _check(ledger: Ledger, kept: set[str]) -> None:
    with ledger.read() as tx:
        assert audit.verify(tx) == ()
        listed = {case.external_key for case in cases.list_cases(tx)}
        assert kept <= listed
        rows = outbox.rows(tx)
        # A case and its rows are there together, and each has an audit row.
        assert {(row.external_key, row.sink) for row in rows} == {
            (key, sink) for key in listed for sink in ("city", "gis")
        }
        log = [(row.what, row.subject) for row in audit.rows(tx)]
        assert {subject for what, subject in log if what == "case.added"} == listed
        confirmed = {row.external_key for row in rows if row.state == "confirmed"}
        assert {subject for what, subject in log if what == "case.confirmed"} == confirmed
        assert all(outbox.receipts(tx, key) for key in confirmed)
        accepted_keys = {subject for what, subject in log if what == "suspect.accepted"}
        assert accepted_keys == {case.suspect.key for case in cases.list_cases(tx)}
        assert len(structures.list_suspects(tx, shown=False, undecided=False)) >= len(accepted_keys)


@pytest.mark.skipif(sys.platform == "win32", reason="kills with SIGKILL")
def test_a_kill_at_any_moment_loses_and_doubles_nothing(ledger_url: str) -> None:
    """Twenty seeded kills, the making of the ledger included: what was told is kept, the chain is whole."""
    rng = random.Random(20260715)
    fork = multiprocessing.get_context("fork")
    kept: set[str] = set()
    for number in range(ROUNDS):
        reader, writer = fork.Pipe(duplex=False)
        child = fork.Process(target=_work, args=(ledger_url, number * 1000, writer))
        child.start()
        writer.close()
        if number % 2:
            assert reader.poll(60)  # else a slow machine would only ever be killed at the start
        time.sleep(rng.uniform(0.0, 0.3))
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        try:
            while reader.poll():
                kept.add(reader.recv())
        except EOFError:
            pass
        reader.close()
        with open_ledger(ledger_url) as ledger:
            _check(ledger, kept)
    assert len(kept) >= ROUNDS // 2
