"""Identity over the cycles: which structure a suspect is, and whether a reviewer should see it.

A suspect is a change between two days, so time decides what it can be::

    before_on >= last_on    the change came after all that is known of the structure: "grown", shown
    before_on <  last_on    the pair may show again what is known: shown only where extent or height go
                            beyond it by more than measuring error ("grown"), else hidden: "decided"
                            where a verdict covers it, "again" where one is still awaited

``last_on`` is the day up to which the extent of a structure is known: that of the newest observation that
added to it. A structure that is gone is "rebuilt" by whatever stands there later; a demolition of most of
it ends its episode, one of a part takes that part away. Which structure: the one that shares most ground
(``overlap``); an ``extended`` suspect that shares none but stands against a larger structure with a quarter
of its rim is that structure's. Touching alone makes nothing one, and what belongs to nothing known is a
structure of its own. Everything is pure; nothing is dropped: what is hidden says why.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from shapely import union_all
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.records import Observation, Relation, Sighting, Structure, Zone
from aerial.suspects.demolition import demolition, lose
from aerial.suspects.episode import decided, external_key, rebuilt, told, waits
from aerial.suspects.growth import built_on, grow, link
from aerial.suspects.overlap import (
    LEAST_M2,
    SAME,
    contact_m,
    covered,
    excess,
    frame_at,
    reach_m,
    same_place,
    share,
    solid,
)
from aerial.suspects.places import Place, Places
from aerial.suspects.rank import ZoneMap, rank_of, sentence
from aerial.suspects.shows import (
    after_gone,
    is_earlier,
    is_gone,
    is_higher,
    may_show,
    repeats,
    replaced,
    was_bare,
)

__all__ = ["decided", "external_key", "identity_of", "same_structure", "told", "track", "waits"]

# An addition stands against its building with so much of its rim, and is so much smaller.
_AGAINST, _SMALLER = 0.25, 0.6
# An outline is a piece of what is known where so much of it lies within reach of that.
_PIECE = 0.9


def track(
    new: Sequence[Observation], known: Sequence[Structure], zones: Sequence[Zone]
) -> tuple[Sighting, ...]:
    """Return what new observations are to the structures known, in order of day, cell and key.

    The order in which ``new`` and ``known`` are given does not matter, and the same observation given
    twice counts once. Give the pairs of one survey together, and of the neighbouring cells what lies at
    their border. Where one outline shows a change of several structures, each gets a sighting with the
    same key, all but the first hidden: a verdict on the key is one on all of them. ``structure`` of a
    later sighting holds what earlier ones of the same structure added, so the last one counts. An
    observation that ``known`` already contains leaves its structure as it is.

    Raises:
        ValueError: ``known`` holds an identity twice.
    """
    unique = {(one.cell, one.suspect.key): one for one in sorted(new, key=repr)}
    ordered = sorted(unique.values(), key=_order)
    places, map_of_zones = Places(ordered, known), ZoneMap(zones)
    sightings: list[Sighting] = []
    for index, observation in enumerate(ordered):
        explained = map_of_zones.explain(observation)
        for place, relation, shown, what in _seen(observation, index, places):
            places.belongs(index, place.structure.identity)
            sightings.append(
                Sighting(
                    key=observation.suspect.key,
                    structure=place.structure,
                    relation=relation,
                    shown=shown,
                    reason=sentence(what, explained),
                    rank=rank_of(observation, relation, explained),
                    zones=explained.labels,
                )
            )
    return tuple(sightings)


def identity_of(observation: Observation) -> str:
    """Return the identity of a structure that begins with this observation: safe in names and URLs."""
    told_apart = f"{observation.cell}\n{observation.suspect.key}"
    return f"S-{hashlib.sha256(told_apart.encode()).hexdigest()[:12]}"


def same_structure(a: Structure, b: Structure) -> bool:
    """Tell whether two structures that were known apart (two laptops) are one: by their newest extents."""
    if a.outline.is_empty or b.outline.is_empty:
        return False
    # The smaller name first: a frame of the one or the other must not decide.
    first, second = sorted((a, b), key=lambda structure: structure.identity)
    frame = frame_at(first.outline)
    shapes = [solid(geo.reproject(one.outline, geo.WGS84, frame)) for one in (first, second)]
    return same_place(shapes[0], shapes[1], reach_m(None))


_Seen = tuple[Place, Relation, bool, str]


def _order(observation: Observation) -> tuple[date, int, bool, str, str]:
    """By day; on one day the newest change first, and what went before what came."""
    came = observation.suspect.kind != "demolished"
    newest = -observation.before_on.toordinal()
    return (observation.after_on, newest, came, observation.cell, observation.suspect.key)


def _seen(observation: Observation, index: int, places: Places) -> list[_Seen]:
    identity = identity_of(observation)
    shape = places.shape_of(observation)
    if places.knows(identity):
        return [_first_again(places.place(identity), observation)]
    near = places.near(index)
    for place in near:
        place.begin(observation.after_on)
    if observation.suspect.kind == "demolished":
        ended = demolition(observation, shape, near, places)
        return ended or [_begun(observation, identity, shape, places)]
    return _built(observation, shape, near, places) or [_begun(observation, identity, shape, places)]


def _first_again(place: Place, observation: Observation) -> _Seen:
    """Return the sighting of an observation that began a structure, given once more."""
    now = place.structure
    answered = now.episode > 1 or (now.decided_on is not None and now.decided_on >= observation.after_on)
    if answered:
        return place, "decided", False, "It is what was decided upon already"
    relation: Relation = "demolished" if observation.suspect.kind == "demolished" else "first"
    return place, relation, True, _first_words(observation)


def _begun(observation: Observation, identity: str, shape: BaseGeometry, places: Places) -> _Seen:
    suspect = observation.suspect
    gone = suspect.kind == "demolished"
    whole = suspect.outline.is_valid and not suspect.outline.is_empty
    height_m = suspect.height_change_m
    structure = Structure(
        identity=identity,
        episode=1,
        cell=observation.cell,
        state="gone" if gone else "open",
        outline=suspect.outline if whole else places.lonlat(shape),
        area_m2=suspect.area_m2,
        height_m=min(height_m or 0.0, 0.0) if suspect.kind == "excavation" else _rise(height_m),
        first_on=observation.after_on,
        last_on=observation.after_on,
        gone_on=observation.after_on if gone else None,
    )
    place = Place(structure=structure, shape=shape, decided=None, day=observation.after_on)
    if gone:
        lose(place, shape, observation.after_on, places)
    places.by_identity[identity] = place
    return place, "demolished" if gone else "first", True, _first_words(observation)


def _begun_on(
    former: Place, observation: Observation, shape: BaseGeometry, case: str | None, places: Places
) -> _Seen:
    """Return a structure of its own, built where another one was taken down in part, or formerly stood."""
    place, _, _, what = _begun(observation, identity_of(observation), shape, places)
    identity = former.structure.identity
    place.structure = replace(place.structure, former=identity, previous=case)
    of = f"{identity}, case {case}" if case else identity
    return place, "rebuilt", True, f"{what}, on ground where something of {of} stood"


def _on_lost(
    observation: Observation, shape: BaseGeometry, near: list[Place], reach: float, places: Places
) -> list[_Seen]:
    """Return what was built where another structure lost ground; nothing where none did."""
    on = [
        (float(shape.intersection(place.lost).area), place)
        for place in near
        if place.lost is not None
        and place.structure.taken_on is not None
        and observation.after_on >= place.structure.taken_on
        and share(shape, place.lost, reach) >= SAME
    ]
    if not on:
        return []
    # near() is in order of identity, which settles ties.
    _, former = max(on, key=lambda pair: pair[0])
    now = former.structure
    return [_begun_on(former, observation, shape, now.previous or now.case, places)]


def _rise(height_m: float | None) -> float | None:
    return height_m if height_m is not None and height_m > 0 else None


def _first_words(observation: Observation) -> str:
    what = {
        "demolished": "A building that was not known before was demolished",
        "excavation": "The ground was dug",
        "unknown": "A roof or a building changed",
        "extended": "Something was built against a building",
        "rooftop": "Something was built on a building",
    }.get(observation.suspect.kind, "Something was built")
    return f"{what} {_between(observation)}"


def _between(observation: Observation) -> str:
    return f"between {observation.before_on} and {observation.after_on}"


def _built(observation: Observation, shape: BaseGeometry, near: list[Place], places: Places) -> list[_Seen]:
    """Return what an outline in which something came is to the structures near; nothing: to none known."""
    reach = reach_m(observation.suspect.error_m)
    ground = {p.structure.identity: _shared(p, shape, observation, reach) for p in near}
    matched = [p for p in near if ground[p.structure.identity] > 0]
    if not matched:
        against = _against(observation, shape, near, reach, places)
        return against or _on_lost(observation, shape, near, reach, places)
    # The largest common ground first; near() is in order of identity, which settles ties.
    matched.sort(key=lambda p: -ground[p.structure.identity])
    known = [part for p in matched for part in may_show(p, observation, shape)]
    if known:
        # What is known beside it is no news either, where the pair may show it again.
        known += [p.shape for p in near if not is_gone(p) and repeats(p, observation, shape)]
    beyond = excess(shape, union_all(known), reach) if known else shape
    old = [p for p in matched if repeats(p, observation, shape)]
    standing = [p for p in matched if not is_gone(p)]
    best = (old or matched)[0]
    if not beyond.is_empty:
        fresh = [p for p in matched if p not in old]
        on = {p.structure.identity: _ground(p, beyond, observation) for p in matched}
        main = max(fresh or matched, key=lambda p: on[p.structure.identity] * (1 if is_gone(p) else 2))
        also = [p for p in fresh if p is not main and _takes_part(p, beyond, observation, reach)]
    elif again := [p for p in matched if built_on(p, observation, shape, known)]:
        main, also, beyond = again[0], [], shape
    elif standing and is_higher(standing, observation, shape):
        # One outline over what is known as several: each is so high now.
        main, also = standing[0], standing[1:]
    else:
        return [_hidden(best, observation)]
    if is_earlier(main.structure, observation):
        return [_hidden(main, observation)]
    others = [p.shape for p in matched if p is not main and (p in also or not is_gone(p))]
    part = _own(shape, beyond, others)
    if was_bare(main, observation, shape) and not replaced(main, observation, shape):
        # Most of what is known may stand yet; what was built on the bare part of its place is linked to it.
        now = main.structure
        seen = [_begun_on(main, observation, shape, now.case or now.previous, places)]
    else:
        seen = [_changed(main, observation, shape, part, places)]
        if seen[0][1] == "rebuilt":
            link(main, observation, shape, near)
    for place in also:
        own = beyond.intersection(place.known_on(observation.after_on))
        place, relation, _, what = _changed(place, observation, shape, own, places)
        seen.append((place, relation, False, f"{what}, by the same outline as {main.structure.identity}"))
    return seen


def _own(shape: BaseGeometry, beyond: BaseGeometry, others: Sequence[BaseGeometry]) -> BaseGeometry:
    """Return the outline that a reviewer is shown as news, all of it, without what is a neighbour's."""
    if beyond.is_empty:
        return beyond
    rest = shape.difference(union_all(others)) if others else shape
    return rest if rest.area >= LEAST_M2 else beyond


def _ground(place: Place, part: BaseGeometry, observation: Observation) -> float:
    return float(place.known_on(observation.after_on).intersection(part).area)


def _takes_part(place: Place, beyond: BaseGeometry, observation: Observation, reach: float) -> bool:
    """Tell whether a change is so much a second structure's that it is one of it, too."""
    extent = place.known_on(observation.after_on)
    return _ground(place, beyond, observation) >= LEAST_M2 and share(beyond, extent, reach) >= SAME


def _shared(place: Place, shape: BaseGeometry, observation: Observation, reach: float) -> float:
    """Return the common ground (m2) with a structure that this can be, else 0."""
    extents = [place.shape, place.known_on(observation.after_on)]
    if is_gone(place) and place.lost is not None and after_gone(place, observation, shape):
        extents.append(place.lost)
    # A narrow piece of what is known may lie beside it altogether, and still within measuring error.
    piece = repeats(place, observation, shape) and covered(shape, extents[1], 2 * reach) >= _PIECE
    if piece or any(same_place(shape, extent, reach) for extent in extents):
        return max(max(float(shape.intersection(extent).area) for extent in extents), 1e-9)
    return 0.0


def _hidden(place: Place, observation: Observation) -> _Seen:
    now = place.structure
    if now.state == "gone":
        what = f"It is what stood here until it was gone on {now.gone_on}"
        return place, "decided" if now.decided_on else "again", False, what
    if is_earlier(now, observation):
        return place, "decided", False, f"It is what stood here before {now.gone_on}, an earlier episode"
    if now.decided_on is not None and now.decided_on >= now.last_on:
        return place, "decided", False, f"Nothing but what was {_verdict(now)}"
    what = f"Nothing but what is known since {now.last_on} and waits for a verdict"
    return place, "again", False, what


def _verdict(structure: Structure) -> str:
    said = "accepted" if structure.state == "accepted" else "rejected"
    return f"{said} on the picture of {structure.decided_on}"


def _changed(
    place: Place,
    observation: Observation,
    shape: BaseGeometry,
    part: BaseGeometry,
    places: Places,
) -> _Seen:
    """Return the sighting of a structure that grew, or was built again, by ``part`` of the outline."""
    now, day = place.structure, observation.after_on
    if now.state == "gone" and not after_gone(place, observation, shape):
        # An old picture, larger than what was known of something gone: worth a look, and no new episode.
        return place, "again", True, f"Larger than what was known here before it was gone on {now.gone_on}"
    if now.state == "gone" or replaced(place, observation, shape):
        gone_on = now.gone_on if now.state == "gone" and now.gone_on is not None else observation.before_on
        height_m = observation.suspect.height_change_m
        place.structure = rebuilt(now, places.lonlat(part), height_m, day, gone_on)
        place.shape, place.decided, place.base, place.base_shape = part, None, None, None
        place.lost = places.maybe(place.structure.taken_outline)
        former = f", formerly case {place.structure.previous}" if place.structure.previous else ""
        what = f"Built again {_between(observation)} where a structure was gone by {gone_on}{former}"
        return place, "rebuilt", True, what
    grow(place, observation, part, shape, places)
    return place, "grown", True, _grown_words(now, observation)


def _grown_words(before: Structure, observation: Observation) -> str:
    if before.decided_on is None:
        return f"It grew {_between(observation)} while it waits for a verdict"
    if observation.before_on >= before.decided_on:
        return f"It changed {_between(observation)}, after it was {_verdict(before)}"
    return f"It is larger or higher than what was {_verdict(before)}"


def _against(
    observation: Observation, shape: BaseGeometry, near: list[Place], reach: float, places: Places
) -> list[_Seen]:
    """Return the structure that an addition stands against; nothing where it is a building of its own."""
    if observation.suspect.kind != "extended":
        return []
    least_m = _AGAINST * shape.length
    touched = [
        (contact_m(shape, p.shape, reach), p)
        for p in near
        if not is_gone(p) and shape.area <= _SMALLER * p.shape.area
    ]
    length_m, place = max(touched, key=lambda pair: pair[0], default=(0.0, None))
    if place is None or length_m < least_m:
        return []
    before = place.structure
    grow(place, observation, shape, shape, places)
    return [(place, "grown", True, _grown_words(before, observation))]
