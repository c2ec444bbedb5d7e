"""What a merge must know of structures to tell what they are: only what was added and never changed.

Everything that a merge works out is worked out of these facts, so that the order in which laptops come
does not matter, and the same again changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from aerial.ledger import schema
from aerial.ledger.merge_rows import chunks
from aerial.ledger.transaction import Tx, load
from aerial.ledger.verdict_rows import of_row
from aerial.records import Observation, SiteResult, Structure, Verdict
from aerial.records.record import record

# A structure's episode, as the ledger counted that knew it.
Stint = tuple[str, int]


@record
class Version:
    """A structure as it was known after one suspect was seen; ``first``: the suspect stands for it."""

    key: str
    first: bool
    structure: Structure
    before_on: date
    after_on: date
    seen_at: datetime

    @property
    def stint(self) -> Stint:
        """Whose episode it is of."""
        return self.structure.identity, self.structure.episode

    @property
    def order(self) -> tuple[Any, ...]:
        """By when it was seen; what one comparison shows, as ``track`` orders it."""
        now = self.structure
        return (self.seen_at, self.after_on, now.episode, now.last_on, -self.before_on.toordinal(), self.key)


# Why a merge or a verdict gives a row up, and to whom a laptop gives what it does not send any more.
DOUBLE, REJECTED, HANDED = "double of ", "rejected by ", "handed to headquarters "


def is_worked_out(row: Mapping[str, Any]) -> bool:
    """Tell whether a merge or a verdict gave a row up: that is worked out anew of what all ledgers know."""
    return row["state"] == "dead" and str(row["error"]).startswith((DOUBLE, REJECTED))


def left(row: Mapping[str, Any]) -> int:
    """2: the destination was read back to hold it; 1: it may; 0: it never left."""
    if row["state"] == "confirmed":
        return 2
    # Given up while nobody knew what became of a request: it may be there all the same.
    asked = row["sent_at"] is not None and is_worked_out(row)
    return int(asked or row["state"] in ("sent", "ambiguous"))


@dataclass(slots=True)
class CaseFacts:
    """A case: its row, whose it is by its own record, its deliveries and what destinations said of it."""

    row: dict[str, Any]
    stint: Stint
    outbox: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: list[tuple[str, SiteResult]] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The external key."""
        return str(self.row["external_key"])

    @property
    def left(self) -> int:
        """2: a destination was read back to hold it; 1: one may; 0: it never left."""
        return max((left(row) for row in self.outbox.values()), default=0)


def by_standing(cases: Iterable[CaseFacts], kept: str) -> list[CaseFacts]:
    """Return cases of one structure and era, the one that stands for it first: what left before the others.

    ``kept``: the identity that the structure keeps.
    """
    return sorted(
        cases, key=lambda case: (-case.left, bool(case.row["held"]), case.stint[0] != kept, case.key)
    )


@dataclass(slots=True)
class Facts:
    """The facts of some structures, by identity as it was given; verdicts and observations by suspect."""

    versions: dict[str, list[Version]] = field(default_factory=dict)
    verdicts: dict[str, list[Verdict]] = field(default_factory=dict)
    observations: dict[str, Observation] = field(default_factory=dict)
    cases: dict[str, CaseFacts] = field(default_factory=dict)


def facts_of(tx: Tx, identities: Iterable[str]) -> Facts:
    """Return the facts of structures; ``identities`` are raw ones, no alias is followed."""
    wanted = sorted(identities)
    found = sightings_of(tx, wanted)
    keys = sorted({one.key for ones in found.versions.values() for one in ones})
    for part in chunks(keys):
        _add_verdicts(tx, part, found)
    for part in chunks(sorted(found.verdicts)):
        suspects = schema.suspects
        query = sa.select(suspects.c.key, suspects.c.observation).where(suspects.c.key.in_(part))
        for row in tx.connection.execute(query):
            found.observations[row.key] = load(Observation, row.observation, source=f"suspect {row.key}")
    for part in chunks(wanted):
        _add_cases(tx, part, found)
    for part in chunks(sorted(found.cases)):
        _add_deliveries(tx, part, found)
    return found


def sightings_of(tx: Tx, identities: Iterable[str]) -> Facts:
    """Return the versions of structures, and nothing else of the facts."""
    found = Facts()
    for part in chunks(sorted(identities)):
        _add_versions(tx, part, found)
    return found


def _add_versions(tx: Tx, identities: Sequence[str], found: Facts) -> None:
    sightings, suspects = schema.sightings, schema.suspects
    query = (
        sa.select(
            sightings.c.key,
            sightings.c.identity,
            sightings.c.first,
            sightings.c.record,
            suspects.c.before_on,
            suspects.c.after_on,
            suspects.c.seen_at,
        )
        .join(suspects, suspects.c.key == sightings.c.key)
        .where(sightings.c.identity.in_(identities))
    )
    for row in tx.connection.execute(query):
        version = Version(
            key=row.key,
            first=row.first,
            structure=load(Structure, row.record["structure"], source=f"sighting {row.key}"),
            before_on=row.before_on,
            after_on=row.after_on,
            seen_at=row.seen_at,
        )
        found.versions.setdefault(row.identity, []).append(version)
    for identity in identities:
        found.versions.get(identity, []).sort(key=lambda version: version.order)


def _add_verdicts(tx: Tx, keys: Sequence[str], found: Facts) -> None:
    table = schema.verdicts
    query = sa.select(table).where(table.c.key.in_(keys)).order_by(table.c.at, table.c.id)
    for row in tx.connection.execute(query).mappings():
        found.verdicts.setdefault(row["key"], []).append(of_row(row))


def _add_cases(tx: Tx, identities: Sequence[str], found: Facts) -> None:
    table = schema.cases
    for row in tx.connection.execute(sa.select(table).where(table.c.identity.in_(identities))).mappings():
        stint = (row["record"]["identity"], row["record"]["episode"])
        found.cases[row["external_key"]] = CaseFacts(row=dict(row), stint=stint)


def _add_deliveries(tx: Tx, keys: Sequence[str], found: Facts) -> None:
    rows, results = schema.outbox, schema.results
    deliveries = sa.select(rows).where(rows.c.external_key.in_(keys))
    for delivery in tx.connection.execute(deliveries).mappings():
        found.cases[delivery["external_key"]].outbox[delivery["sink"]] = dict(delivery)
    query = (
        sa.select(results)
        .where(results.c.external_key.in_(keys))
        .order_by(results.c.at, results.c.sink, results.c.id)
    )
    for row in tx.connection.execute(query):
        result = load(SiteResult, row.record, source=f"result {row.id} of {row.sink}")
        found.cases[row.external_key].results.append((row.sink, result))
