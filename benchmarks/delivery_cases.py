"""Cases for the delivery benchmark, made through the ledger as a town makes them, and what its log tells."""

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime

from tests.ledger.made import accepted, case_of, ingest, observation

from aerial.geo import LonLat
from aerial.ledger import audit, cases, outbox
from aerial.ledger.store import Ledger
from aerial.records import Case, Observation

# Half of the buildings' width: the place of a case lies within its outline.
WITHIN_DEG = 4.5e-5


def add_cases(ledger: Ledger, first: int, count: int, sink: str, seed: int) -> tuple[Case, ...]:
    """Adds accepted cases for one destination in one transaction; their numbers begin at `first`."""
    made = []
    with ledger.begin() as tx:
        numbers = range(first, first + count)
        # Many cells, as a town has: what is known of one is read before it is added to.
        seen = [_moved(observation(n, cell=f"C{n // 50}"), seed, n) for n in numbers]
        ingest(tx, seen)
        for one in seen:
            case = case_of(one, accepted(tx, one))
            cases.add_case(tx, case, [sink])
            made.append(case)
    return tuple(made)


def open_rows(ledger: Ledger, sink: str) -> int:
    """How many rows are not settled yet."""
    with ledger.read() as tx:
        states = outbox.backlog(tx).get(sink, {})
        return sum(states.get(state, 0) for state in outbox.OPEN)


def told_by_the_log(ledger: Ledger) -> tuple[dict[str, int], list[float], tuple[str, ...]]:
    """The acts of the audit log by kind; seconds from first act to receipt, sorted; what is wrong with it."""
    acts: Counter[str] = Counter()
    began: dict[str, datetime] = {}
    took_s: list[float] = []
    with ledger.read() as tx:
        for row in audit.rows(tx):
            acts[row.what] += 1
            if row.what not in ("case.sending", "case.waits", "case.confirmed"):
                continue
            at, key = datetime.fromisoformat(row.at), row.subject
            began.setdefault(key, at)
            if row.what == "case.confirmed":
                took_s.append((at - began[key]).total_seconds())
        wrong = audit.verify(tx)
    return dict(acts), sorted(took_s), wrong


def _moved(one: Observation, seed: int, number: int) -> Observation:
    rng = random.Random(f"{seed}|{number}")
    at = one.suspect.at
    here = LonLat(
        lon_deg=at.lon_deg + rng.uniform(-WITHIN_DEG, WITHIN_DEG),
        lat_deg=at.lat_deg + rng.uniform(-WITHIN_DEG, WITHIN_DEG),
    )
    return replace(one, suspect=replace(one.suspect, at=here))
