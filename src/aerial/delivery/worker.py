"""One outbox row to its destination: looked up, sent only when it is not there, read back, counted.

The rule against doubles: before a request goes out, the ledger says that it may be there
(``ambiguous``), so that neither a kill, a time-out nor a broken connection leads to a blind resend. What
may be there is looked up by its external key; only what is still absent after the peer's quiet time,
within which it may yet commit what it was sent, is sent again.

::

    pending ── look up ── absent ── ambiguous ── send ── sent ── read back ── confirmed
                  └────── there ────────┴───── there ──────┘     (within 0.1 m, else dead)
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

from aerial import geo
from aerial.errors import AerialError, LedgerError, SecrecyError
from aerial.ledger import cases, outbox
from aerial.ledger.outbox import Row
from aerial.ledger.store import Ledger
from aerial.records import Case, Receipt, SinkConfig
from aerial.records.record import record
from aerial.sinks.sink import Busy, CaseSink, Misplaced, Rejected

# A position that comes back further away than this is another position.
SAME_PLACE_M = 0.1
# So many requests that may have arrived, and nothing there, are no accident: a person must look.
MOST_SENDS = 12
# A case that must not leave yet is looked at again this much later.
_BARRED_S = 900.0

Done = Literal["confirmed", "waits", "dead", "barred", "lost"]
Prepare = Callable[[Case], Sequence[Path]]


@record
class Turn:
    """What became of one row; ``text`` is for people. "lost": another worker has it now."""

    external_key: str
    sink: str
    done: Done
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Delivers the rows of one destination; several may run at once, in other processes too.

    ``prepare`` returns the outward files of a case, and raises ``SecrecyError`` when it must not leave.
    ``name`` tells workers apart in the ledger. Waits after failures begin at ``backoff_s``, double, and
    end at ``most_s``; ``rng`` spreads them.
    """

    ledger: Ledger
    sink: CaseSink
    config: SinkConfig
    prepare: Prepare
    name: str
    rng: random.Random = field(default_factory=random.Random)
    backoff_s: float = 5.0
    most_s: float = 3600.0

    def turn(self) -> Turn | None:
        """Take one row that is due and do what is next with it; None: nothing is due.

        Raises:
            LedgerError: the ledger failed; what was sent is looked up next time.
        """
        with self.ledger.begin() as tx:
            row = outbox.claim(tx, self.config.name, self.name, self._lease_s())
            case = cases.case(tx, row.external_key) if row else None
        if row is None or case is None:
            return None
        try:
            there = self.sink.find(case.external_key)
            if there is not None:
                return self._judge(row, case, there)
            return self._absent(row, case)
        except LedgerError:
            raise
        except Misplaced as error:
            # No repetition mends what lies in the wrong place.
            return self._dead(row, f"{error} {error.hint}")
        except Exception as error:
            # Before a request or after one, the ledger knows which: its state stays as it is.
            return self._later(row, error)

    def _absent(self, row: Row, case: Case) -> Turn:
        """Send a case that is not there, once the peer had its time to commit what it was sent before."""
        with self.ledger.read() as tx:
            quiet_s = self._quiet_s(row, tx.now.timestamp())
        if quiet_s > 0:
            return self._wait(row, quiet_s, row.state, "not there yet, and it may still come")
        if row.state != "pending" and row.attempts >= MOST_SENDS:
            return self._dead(row, f"sent {row.attempts} times, and never found there")
        try:
            files = self.prepare(case)
        except SecrecyError as error:
            self._wait(row, _BARRED_S, row.state, f"{error} {error.hint}")
            return self._turn(row, "barred", f"{error} {error.hint}")
        before = row
        with self.ledger.begin() as tx:
            if not outbox.still_mine(tx, row, self.name):
                return self._lost(row)
            row = outbox.sending(tx, row)
        try:
            self.sink.send(case, files)
        except Misplaced:
            raise
        except Rejected as error:
            # A way that repeats requests may show the refusal of the second one: what is there counts.
            there = self.sink.find(case.external_key)
            if there is None:
                return self._dead(row, f"refused: {error} {error.hint}")
            return self._judge(row, case, there)
        except Busy as error:
            return self._took_nothing(row, before, error)
        except Exception as error:
            return self._broke(row, error)
        with self.ledger.begin() as tx:
            if not outbox.sent(tx, row):
                return self._lost(row)
        there = self.sink.find(case.external_key)
        if there is None:
            return self._wait(row, self._backoff_s(row), "sent", "acknowledged, but not there")
        return self._judge(row, case, there)

    def _judge(self, row: Row, case: Case, there: Receipt) -> Turn:
        """Count what was read back, when it is this case at this place."""
        if there.external_key != case.external_key:
            return self._dead(row, f"the peer answers with another case, {there.external_key}")
        apart_m = geo.distance_m(case.at, there.at)
        if apart_m > SAME_PLACE_M:
            off = abs(there.at.lat_deg - case.at.lon_deg) + abs(there.at.lon_deg - case.at.lat_deg)
            what = "with latitude and longitude swapped" if off < 1e-4 else f"{apart_m:.1f} m from its place"
            return self._dead(row, f"the peer holds it as {there.remote_id}, {what}")
        with self.ledger.begin() as tx:
            outbox.confirmed(tx, row, there, apart_m)
        return self._turn(row, "confirmed", f"there as {there.remote_id}, {apart_m:.3f} m from its place")

    def _later(self, row: Row, error: Exception) -> Turn:
        with self.ledger.read() as tx:
            now = outbox.get(tx, row.external_key, row.sink)
        if now.state == "confirmed" or now.state == "dead":
            return self._turn(row, "lost", f"it is {now.state}")
        wait_s = self._busy_s(now, error) if isinstance(error, Busy) else self._backoff_s(now)
        return self._wait(row, wait_s, now.state, _said(error))

    def _took_nothing(self, row: Row, before: Row, error: Busy) -> Turn:
        wait_s = self._busy_s(row, error)
        with self.ledger.begin() as tx:
            until = tx.now + timedelta(seconds=wait_s)
            kept = outbox.took_nothing(tx, row, before, until, str(error))
        return self._waits(row, wait_s, str(error), kept=kept)

    def _broke(self, row: Row, error: Exception) -> Turn:
        wait_s = self._backoff_s(row)
        with self.ledger.begin() as tx:
            kept = outbox.broke(tx, row, tx.now + timedelta(seconds=wait_s), _said(error))
        return self._waits(row, wait_s, _said(error), kept=kept)

    def _quiet_s(self, row: Row, now_s: float) -> float:
        """Return how long the peer may still commit what it was sent; 0 where no double can come of it."""
        if row.sent_at is None or row.state == "pending" or self.sink.idempotent:
            return 0.0
        return max(0.0, row.sent_at.timestamp() + self.config.quiet_s - now_s)

    def _wait(self, row: Row, wait_s: float, state: outbox.OutboxState, text: str) -> Turn:
        if state == "confirmed" or state == "dead":
            raise ValueError(f"a row that is {state} does not wait")
        with self.ledger.begin() as tx:
            kept = outbox.retry(tx, row, tx.now + timedelta(seconds=wait_s), text, state)
        return self._waits(row, wait_s, text, kept=kept)

    def _waits(self, row: Row, wait_s: float, text: str, *, kept: bool) -> Turn:
        return self._turn(row, "waits", f"{text}; again in {wait_s:.0f} s") if kept else self._lost(row)

    def _dead(self, row: Row, text: str) -> Turn:
        with self.ledger.begin() as tx:
            kept = outbox.dead(tx, row, text)
        return self._turn(row, "dead", text) if kept else self._lost(row)

    def _lost(self, row: Row) -> Turn:
        return self._turn(row, "lost", "another worker has it")

    def _turn(self, row: Row, done: Done, text: str) -> Turn:
        return Turn(external_key=row.external_key, sink=row.sink, done=done, text=text)

    def _busy_s(self, row: Row, error: Busy) -> float:
        return max(error.retry_after_s or 0.0, self._backoff_s(row))

    def _backoff_s(self, row: Row) -> float:
        """Return an exponential wait, anywhere in its upper half, so that workers do not march in step."""
        return min(self.backoff_s * 2.0 ** min(row.failures, 20), self.most_s) * self.rng.uniform(0.5, 1.0)

    def _lease_s(self) -> float:
        # A look-up, sending with files and reading back, each of a few requests within the time-out.
        return 20 * self.config.timeout_s + 60


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, AerialError) else f"{type(error).__name__} in the sink"


def drain(worker: Worker, told: Callable[[Turn], None], *, most: int | None = None) -> int:
    """Take turns until nothing is due; return how many there were."""
    turns = 0
    while (most is None or turns < most) and (turn := worker.turn()) is not None:
        told(turn)
        turns += 1
    return turns
