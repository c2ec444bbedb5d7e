"""Structures as they are known now, and the suspects that made them known."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from aerial.codec import sha256_json
from aerial.errors import LedgerError
from aerial.geo import LonLat
from aerial.ledger import audit, index, schema
from aerial.ledger.transaction import Tx, load
from aerial.ledger.verdict_rows import of_key
from aerial.records import Kind, Observation, Relation, Sighting, State, Structure, Verdict
from aerial.records.record import record

_MANY = 500  # values in one query
_DETAIL = ("observation", "params_sha256", "seen_at")  # columns that no list shows


@record
class SuspectRow:
    """A suspect in a list. ``waits``: it is shown and still needs a verdict; ``case``: of its structure.

    ``identity``, ``episode``, ``relation``, ``shown``, ``reason`` and ``rank`` are of the sighting;
    ``state`` is the structure's now.
    """

    key: str
    cell: str
    pair: str
    kind: Kind
    before_on: date
    after_on: date
    at: LonLat
    error_m: float | None
    area_m2: float
    height_change_m: float | None
    score: float
    identity: str
    episode: int
    relation: Relation
    shown: bool
    reason: str
    rank: float
    state: State
    waits: bool
    case: str | None


@record
class SuspectDetail:
    """All of one suspect. ``sightings``: of every structure that it shows, ``row``'s first.

    ``structures``: the same as they are known now, in the same order. ``seen_at``: when it was ingested.
    """

    row: SuspectRow
    observation: Observation
    sightings: tuple[Sighting, ...]
    structures: tuple[Structure, ...]
    verdicts: tuple[Verdict, ...]
    params_sha256: str
    seen_at: datetime


def structures(tx: Tx, *cells: str) -> tuple[Structure, ...]:
    """Return the structures of the cells, without those that turned out to be another one."""
    table, aliases = schema.structures, schema.aliases
    query = (
        sa.select(table.c.identity, table.c.record)
        .where(table.c.cell.in_(cells), table.c.identity.not_in(sa.select(aliases.c.identity)))
        .order_by(table.c.identity)
    )
    return tuple(_structure(row.identity, row.record) for row in tx.connection.execute(query))


def structure(tx: Tx, identity: str) -> Structure:
    """Return one structure as it is known now; of an alias, the structure that it turned out to be.

    Raises:
        LedgerError: it is not known.
    """
    table, aliases = schema.structures, schema.aliases
    same_as = tx.connection.execute(
        sa.select(aliases.c.same_as).where(aliases.c.identity == identity)
    ).scalar()
    query = sa.select(table.c.identity, table.c.record).where(table.c.identity == (same_as or identity))
    row = tx.connection.execute(query).first()
    if row is None:
        raise LedgerError(f"The structure {identity} is not known.", hint="aerial suspects list shows them.")
    return _structure(row.identity, row.record)


def save_structure(tx: Tx, changed: Structure) -> None:
    """Keep a structure as it is known now; the act that changed it writes the audit row."""
    table = schema.structures
    values = values_of(changed)
    here = table.c.identity == changed.identity
    if not tx.connection.execute(table.update().where(here).values(values)).rowcount:
        tx.connection.execute(table.insert().values(identity=changed.identity, **values))


def values_of(changed: Structure) -> dict[str, Any]:
    """Return the columns of a structure, its identity apart."""
    return {
        "episode": changed.episode,
        "cell": changed.cell,
        "state": changed.state,
        "decided_on": changed.decided_on,
        "record": changed,
    }


def move_to_episode(tx: Tx, key: str, identity: str, episode: int) -> None:
    """Count a suspect to another episode of its structure; the verdict on it writes the audit row."""
    table = schema.suspects
    here = (table.c.key == key) & (table.c.identity == identity)
    tx.connection.execute(table.update().where(here).values(episode=episode))


def add_sightings(
    tx: Tx,
    observations: Sequence[Observation],
    sightings: Sequence[Sighting],
    params_sha256: str | Mapping[str, str],
) -> int:
    """Keep what ``suspects.track`` made of new observations; return how many suspects were new.

    A suspect whose key is known changes nothing. The structures that ``track`` was told must have been
    read in this same transaction: what a verdict changed since would be lost. ``params_sha256``: of the
    settings of the comparison, or of each pair's by its name.

    Raises:
        LedgerError: a structure was decided since it was read.
        ValueError: a sighting without its observation, or an observation without a sighting.
    """
    by_key = {one.suspect.key: one for one in observations}
    seen: dict[str, list[Sighting]] = {}
    for sighting in sightings:
        seen.setdefault(sighting.key, []).append(sighting)
    if set(by_key) != set(seen):
        raise ValueError("observations and sightings are not of the same suspects")
    known = known_keys(tx, list(by_key))
    new = {key: ones for key, ones in seen.items() if key not in known}
    if not new:
        return 0
    touched = {one.structure.identity for ones in new.values() for one in ones}
    # The last sighting of a structure holds what all of them added to it.
    newest = {one.structure.identity: one.structure for one in sightings}
    _save_tracked(tx, [newest[identity] for identity in sorted(touched)])
    tx.connection.execute(
        schema.suspects.insert(),
        [_suspect_values(tx, by_key[key], ones[0], params_sha256) for key, ones in new.items()],
    )
    tx.connection.execute(
        schema.sightings.insert(),
        [
            {"key": key, "identity": one.structure.identity, "first": number == 0, "record": one}
            for key, ones in new.items()
            for number, one in enumerate(ones)
        ],
    )
    digest = sha256_json([[by_key[key], new[key]] for key in sorted(new)])
    places = sorted({f"{by_key[key].cell}/{by_key[key].suspect.pair}" for key in new})
    audit.append(
        tx,
        "suspects.added",
        places[0] if len(places) == 1 else f"{len(places)} pairs",
        {"pairs": places, "suspects": len(new), "sha256": digest, "params_sha256": params_sha256},
    )
    return len(new)


def supersede(tx: Tx, cell: str, pair: str, kept: Sequence[str]) -> int:
    """Hide the suspects of a pair that a newer comparison does not show any more; return how many were.

    What was decided stays decided, and every row stays: only nobody is asked about it again.
    """
    table = schema.suspects
    here = sa.and_(table.c.cell == cell, table.c.pair == pair, table.c.shown)
    shown = set(tx.connection.execute(sa.select(table.c.key).where(here)).scalars())
    gone = sorted(shown - set(kept))
    for start in range(0, len(gone), _MANY):
        some = table.c.key.in_(gone[start : start + _MANY])
        change = {"shown": False, "reason": "A newer comparison of the same surveys does not show it."}
        tx.connection.execute(table.update().where(some).values(change))
    if gone:
        audit.append(tx, "suspects.superseded", f"{cell}/{pair}", {"suspects": gone})
    return len(gone)


def list_suspects(
    tx: Tx,
    *,
    cell: str | None = None,
    cycle: date | None = None,
    shown: bool = True,
    undecided: bool = True,
    limit: int | None = None,
) -> tuple[SuspectRow, ...]:
    """Return suspects, what matters most first.

    ``shown``: leave out what is hidden with a reason; ``undecided``: only what still waits for a verdict.
    ``cycle``: first day of the cycle in which the later survey was flown. ``limit``: no more than so many,
    because a page or a terminal shows no hundred thousand.

    Raises:
        LedgerError: no cycle begins on that day.
    """
    suspects = schema.suspects
    query = _rows().order_by(suspects.c.rank.desc(), suspects.c.score.desc(), suspects.c.key).limit(limit)
    if cell is not None:
        query = query.where(suspects.c.cell == cell)
    if cycle is not None:
        first, end = index.days_of(tx, cycle)
        query = query.where(suspects.c.after_on >= first, suspects.c.after_on < end)
    if shown or undecided:
        query = query.where(suspects.c.shown)
    if undecided:
        query = query.where(waiting())
    return tuple(_row(found) for found in tx.connection.execute(query).mappings())


def find_suspect(tx: Tx, key_or_prefix: str) -> SuspectDetail:
    """Return the suspect with this key, or the only one whose key begins so.

    Raises:
        LedgerError: there is none, or several.
    """
    suspects = schema.suspects
    wanted = key_or_prefix.strip()
    found = tx.connection.execute(_rows().where(suspects.c.key == wanted)).mappings().first()
    if found is None and wanted:
        begins = sa.func.substr(suspects.c.key, 1, len(wanted)) == wanted
        several = tx.connection.execute(_rows().where(begins).order_by(suspects.c.key).limit(6)).mappings()
        rows = several.all()
        if len(rows) > 1:
            named = ", ".join(row["key"] for row in rows[:5]) + (" …" if len(rows) > 5 else "")
            raise LedgerError(
                f"Several suspects begin with {wanted!r}: {named}.", hint="Give more of the key."
            )
        found = rows[0] if rows else None
    if found is None:
        raise LedgerError(
            f"There is no suspect {wanted!r}.", hint="aerial suspects list --all shows every suspect."
        )
    return _detail(tx, _row(found))


def list_of_structure(tx: Tx, identity: str) -> tuple[SuspectRow, ...]:
    """Return every suspect of a structure, in order of time."""
    suspects = schema.suspects
    query = _rows().where(suspects.c.identity == identity).order_by(suspects.c.after_on, suspects.c.key)
    return tuple(_row(found) for found in tx.connection.execute(query).mappings())


def waiting() -> sa.ColumnElement[bool]:
    """Return the condition on ``suspects`` joined to ``structures``: shown, and not answered by a verdict.

    The same as ``suspects.track.waits`` says of one.
    """
    suspects, now = schema.suspects, schema.structures
    return sa.and_(
        suspects.c.shown,
        suspects.c.episode == now.c.episode,
        sa.or_(now.c.decided_on.is_(None), now.c.decided_on < suspects.c.after_on),
    )


def _structure(identity: str, data: object) -> Structure:
    return load(Structure, data, source=f"structure {identity}")


def _structure_values(structure: Structure) -> dict[str, Any]:
    return {"identity": structure.identity, **values_of(structure)}


def known_keys(tx: Tx, keys: list[str]) -> set[str]:
    """Return those of the keys whose suspect is in the ledger."""
    suspects = schema.suspects
    return {row.key for row in _each(tx, sa.select(suspects.c.key), suspects.c.key, keys)}


def _save_tracked(tx: Tx, tracked: list[Structure]) -> None:
    table = schema.structures
    query = sa.select(table.c.identity, table.c.record)
    known = {
        row.identity: _structure(row.identity, row.record)
        for row in _each(tx, query, table.c.identity, [one.identity for one in tracked])
    }
    for one in tracked:
        if one.identity in known:
            _require_undecided_since(known[one.identity], one)
            save_structure(tx, one)
    new = [_structure_values(one) for one in tracked if one.identity not in known]
    if new:
        tx.connection.execute(table.insert(), new)


def _each(tx: Tx, query: sa.Select[Any], column: sa.Column[Any], values: list[str]) -> Iterator[Any]:
    # No database takes any number of values in one query.
    for start in range(0, len(values), _MANY):
        yield from tx.connection.execute(query.where(column.in_(values[start : start + _MANY])))


def _require_undecided_since(now: Structure, new: Structure) -> None:
    same = (now.decided_on, now.case) == (new.decided_on, new.case)
    # A next episode names the case of the one before it, so a case that came in between is missed.
    follows = new.previous == (now.case or now.previous)
    if new.episode < now.episode or not (same if new.episode == now.episode else follows):
        raise LedgerError(
            f"The structure {new.identity} was decided while new suspects were compared with it.",
            hint="Run the same again.",
        )


def _suspect_values(
    tx: Tx, observation: Observation, sighting: Sighting, params_sha256: str | Mapping[str, str]
) -> dict[str, Any]:
    suspect = observation.suspect
    params = params_sha256 if isinstance(params_sha256, str) else params_sha256[suspect.pair]
    return {
        "key": suspect.key,
        "identity": sighting.structure.identity,
        "episode": sighting.structure.episode,
        "cell": observation.cell,
        "pair": suspect.pair,
        "before_on": observation.before_on,
        "after_on": observation.after_on,
        "kind": suspect.kind,
        "lon_deg": suspect.at.lon_deg,
        "lat_deg": suspect.at.lat_deg,
        "error_m": suspect.error_m,
        "area_m2": suspect.area_m2,
        "height_change_m": suspect.height_change_m,
        "score": suspect.score,
        "relation": sighting.relation,
        "shown": sighting.shown,
        "reason": sighting.reason,
        "rank": sighting.rank,
        "params_sha256": params,
        "seen_at": tx.now,
        "observation": observation,
    }


def _rows() -> sa.Select[Any]:
    suspects, now, cases = schema.suspects, schema.structures, schema.cases
    columns = [column for column in suspects.c if column.name not in _DETAIL]
    return sa.select(
        *columns, now.c.state, waiting().label("waits"), cases.c.external_key.label("case")
    ).select_from(
        suspects.join(now, now.c.identity == suspects.c.identity).outerjoin(
            cases,
            (cases.c.identity == suspects.c.identity)
            & (cases.c.episode == suspects.c.episode)
            & cases.c.double_of.is_(None),
        )
    )


def _row(found: sa.RowMapping) -> SuspectRow:
    values = dict(found)
    values["at"] = LonLat(lon_deg=values.pop("lon_deg"), lat_deg=values.pop("lat_deg"))
    values["waits"] = bool(values["waits"])
    return SuspectRow(**values)


def _detail(tx: Tx, row: SuspectRow) -> SuspectDetail:
    suspects, sightings, now = schema.suspects, schema.sightings, schema.structures
    found = tx.connection.execute(sa.select(suspects).where(suspects.c.key == row.key)).one()
    aliases = schema.aliases
    known_as = sa.func.coalesce(aliases.c.same_as, sightings.c.identity)
    found_all = tx.connection.execute(
        sa.select(now.c.identity, sightings.c.record.label("sighting"), now.c.record)
        .select_from(sightings.outerjoin(aliases, aliases.c.identity == sightings.c.identity))
        .join(now, now.c.identity == known_as)
        .where(sightings.c.key == row.key)
        .order_by(sightings.c.first.desc(), now.c.identity, sightings.c.identity)
    ).all()
    seen: dict[str, Any] = {}
    for one in found_all:
        seen.setdefault(one.identity, one)  # two names of one structure are one
    source = f"suspect {row.key}"
    return SuspectDetail(
        row=row,
        observation=load(Observation, found.observation, source=source),
        sightings=tuple(load(Sighting, one.sighting, source=source) for one in seen.values()),
        structures=tuple(_structure(one.identity, one.record) for one in seen.values()),
        verdicts=of_key(tx, row.key),
        params_sha256=found.params_sha256,
        seen_at=found.seen_at,
    )
