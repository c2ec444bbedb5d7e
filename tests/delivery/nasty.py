"""A clock that is moved by hand, and peers: one that does what it is told, one that is nasty from a seed."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aerial.geo import LonLat
from aerial.ledger import outbox
from aerial.ledger.store import Ledger
from aerial.records import Case, Receipt, SinkConfig, SiteResult
from aerial.sinks.sink import Ambiguous, Busy, Rejected

QUIET_S, TIMEOUT_S = 60.0, 20.0
NAME = "city"


@dataclass
class Clock:
    """The ledger's clock."""

    now: datetime = datetime(2026, 7, 16, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        """The time."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def config(name: str = NAME) -> SinkConfig:
    """How the destination is configured."""
    return SinkConfig(name=name, kind="none", quiet_s=QUIET_S, timeout_s=TIMEOUT_S)


def row(ledger: Ledger, key: str, sink: str = NAME) -> outbox.Row:
    """The outbox row of a case."""
    with ledger.read() as tx:
        return outbox.get(tx, key, sink)


@dataclass
class Peer:
    """Stores what it is sent; each of ``acts`` is done in place of storing, ``looks`` before a look-up.

    ``moved``: what it makes of positions.
    """

    clock: Clock
    idempotent: bool = False
    name: str = NAME
    stored: list[tuple[str, LonLat]] = field(default_factory=list)
    acts: list[Callable[[Case], None]] = field(default_factory=list)
    looks: list[Callable[[], None]] = field(default_factory=list)
    moved: Callable[[LonLat], LonLat] = lambda at: at
    calls: list[str] = field(default_factory=list)

    def keep(self, case: Case) -> None:
        """Commit a case."""
        if self.idempotent and any(key == case.external_key for key, _ in self.stored):
            return
        self.stored.append((case.external_key, self.moved(case.at)))

    def find(self, external_key: str) -> Receipt | None:
        """Look up."""
        return next(iter(self.copies(external_key)), None)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Look all of them up."""
        self.calls.append("find")
        if self.looks:
            self.looks.pop(0)()
        return tuple(
            Receipt(external_key=key, remote_id=f"R-{number}", at=at, stage="report", read_at=self.clock())
            for number, (key, at) in enumerate(self.stored)
            if key == external_key
        )

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Take a request."""
        self.calls.append("send")
        if self.acts:
            self.acts.pop(0)(case)
        else:
            self.keep(case)

    def results(self, cursor: str | None) -> tuple[Sequence[SiteResult], str | None]:
        """Nothing happens there."""
        return (), cursor

    @property
    def sends(self) -> int:
        """How many requests went out."""
        return self.calls.count("send")


def raising(error: BaseException) -> Callable[..., None]:
    """An act that raises."""

    def act(*_: object) -> None:
        raise error

    return act


ODD = Ambiguous("The connection broke.", hint="It is looked up.")


class NastyPeer(Peer):
    """Fails half of the time, in every way that peers and the ways to them have.

    ``ours`` counts, by key, the requests of ours that were stored within the quiet time; ``theirs`` what was
    delivered twice on the way, or stored after the quiet time. ``meanwhile`` is called while one is out.
    """

    FAULTS = (
        "timeout_after", "reset_before", "reset_after", "crash_after", "slow", "late_below", "late_above",
        "duplicate", "busy", "refused_after", "long_then_late",
    )  # fmt: skip

    def __init__(self, clock: Clock, seed: int, *, idempotent: bool, name: str = NAME) -> None:
        super().__init__(clock, idempotent=idempotent, name=name)
        self.rng = random.Random(seed)
        self.ours: Counter[str] = Counter()
        self.theirs: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.late: list[tuple[datetime, Case, bool]] = []
        self.meanwhile: Callable[[], object] = lambda: None

    def arrive(self) -> None:
        """Commit what was held back until now."""
        due = [one for one in self.late if one[0] <= self.clock()]
        self.late = [one for one in self.late if one[0] > self.clock()]
        for _, case, ours in sorted(due, key=lambda one: one[0]):
            (self.ours if ours else self.theirs)[case.external_key] += 1
            self.keep(case)

    def copies(self, external_key: str) -> tuple[Receipt, ...]:
        """Look up, or fail to."""
        self.arrive()
        if self.rng.random() < 0.2:
            self.injected["look"] += 1
            raise self.rng.choice([ODD, Busy("Busy.", hint="Later.", retry_after_s=2), OSError("gone")])
        return super().copies(external_key)

    def send(self, case: Case, files: Sequence[Path]) -> None:
        """Take a request, and do something bad."""
        self.calls.append("send")
        fault = self.rng.choice(self.FAULTS) if self.rng.random() < 0.7 else ""
        self.injected[fault or "none"] += 1
        self.meanwhile()
        self.arrive()
        if fault == "busy":
            raise Busy("Too many requests.", hint="Later.", retry_after_s=7)
        if fault == "long_then_late":
            # Several requests: only the last one, long after the first, makes the case.
            self.clock.wait(2 * QUIET_S)
        if fault in ("late_below", "late_above", "long_then_late"):
            above = fault == "late_above"
            share = self.rng.uniform(1.1, 2.0) if above else self.rng.uniform(0.1, 0.95)
            self.late.append((self.clock() + timedelta(seconds=share * QUIET_S), case, not above))
        if fault in ("reset_before", "late_below", "late_above", "long_then_late"):
            raise ODD
        self.clock.wait(0.5 * TIMEOUT_S if fault == "slow" else 0.0)
        self.ours[case.external_key] += 1
        self.keep(case)
        if fault == "duplicate":
            self.theirs[case.external_key] += 1
            self.keep(case)
        if fault == "timeout_after":
            self.clock.wait(TIMEOUT_S)
        if fault in ("timeout_after", "reset_after"):
            raise ODD
        if fault == "crash_after":
            raise ZeroDivisionError
        if fault == "refused_after":
            # A gateway sent it twice, and shows the answer to the second one.
            raise Rejected("Such a case is there.", hint="Do not send it again.")
