"""Which identities of a cell are one structure: what laptops that were apart each gave a name."""

from collections import Counter
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from shapely import STRtree, box

from aerial.ledger import schema
from aerial.ledger.merge_facts import sightings_of
from aerial.ledger.merge_replay import first_seen
from aerial.ledger.merge_rows import chunks
from aerial.ledger.transaction import Tx
from aerial.records import Structure
from aerial.suspects.track import same_structure

# Outlines of one thing are never further apart; in degrees of latitude, and of longitude below 60 degrees.
_REACH_LAT_DEG, _REACH_LON_DEG = 3.0 / 110_000, 6.0 / 110_000


def shared_cells(tx: Tx, cells: Iterable[str], new: set[str]) -> tuple[str, ...]:
    """Return those of the cells that hold other structures than the ``new`` ones, too."""
    found = []
    table = schema.structures
    counted = Counter(
        cell
        for part in chunks(sorted(new))
        for cell in tx.connection.execute(sa.select(table.c.cell).where(table.c.identity.in_(part))).scalars()
    )
    for part in chunks(sorted(set(cells))):
        query = sa.select(table.c.cell, sa.func.count()).where(table.c.cell.in_(part)).group_by(table.c.cell)
        found += [cell for cell, count in tx.connection.execute(query) if count > counted[cell]]
    return tuple(sorted(found))


def groups(tx: Tx, cell: str) -> list[tuple[str, ...]]:
    """Return the identities of a cell that are one structure, of those that are more than one name.

    They are one where the same suspect stands for both, or where ``same_structure`` says so of their newest
    extents and no single comparison drew both. Each group begins with the identity that is kept.
    """
    table = schema.structures
    identities = tx.connection.execute(
        sa.select(table.c.identity).where(table.c.cell == cell).order_by(table.c.identity)
    ).scalars()
    facts = sightings_of(tx, list(identities))
    parent = {identity: identity for identity in facts.versions}

    def root(identity: str) -> str:
        while parent[identity] != identity:
            parent[identity] = parent[parent[identity]]
            identity = parent[identity]
        return identity

    def join(a: str, b: str) -> None:
        first, second = sorted((root(a), root(b)))
        parent[second] = first

    stands: dict[str, str] = {}
    for identity, versions in sorted(facts.versions.items()):
        for version in versions:
            if version.first:
                join(stands.setdefault(version.key, identity), identity)
    # What one ledger took in at one moment is of one comparison, which drew them as two outlines.
    drawn = {
        identity: {version.seen_at for version in versions if version.first}
        for identity, versions in facts.versions.items()
    }
    newest = {identity: versions[-1].structure for identity, versions in sorted(facts.versions.items())}
    for a, b in _near(list(newest.values())):
        if root(a.identity) == root(b.identity) or drawn[a.identity] & drawn[b.identity]:
            continue
        if same_structure(a, b):
            join(a.identity, b.identity)
    found: dict[str, list[str]] = {}
    for identity in parent:
        found.setdefault(root(identity), []).append(identity)
    return [first_seen(members, facts) for members in found.values() if len(members) > 1]


def _near(structures: Sequence[Structure]) -> list[tuple[Structure, Structure]]:
    solid = [one for one in structures if not one.outline.is_empty]
    boxes = []
    for one in solid:
        west, south, east, north = one.outline.bounds
        boxes.append(
            box(
                west - _REACH_LON_DEG,
                south - _REACH_LAT_DEG,
                east + _REACH_LON_DEG,
                north + _REACH_LAT_DEG,
            )
        )
    if len(boxes) < 2:
        return []
    left, right = STRtree(boxes).query(boxes)
    return [(solid[a], solid[b]) for a, b in sorted(zip(left.tolist(), right.tolist(), strict=True)) if a < b]
