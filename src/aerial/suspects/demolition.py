"""What a demolition is to the structures known."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from shapely import union_all
from shapely.geometry.base import BaseGeometry

from aerial.records import Observation, Relation, Structure
from aerial.suspects.overlap import LEAST_M2, covered, excess, grown, reach_m, same_place, share, shrunk
from aerial.suspects.places import Place, Places
from aerial.suspects.shows import stood_m

# A demolition of so much of a structure ends its episode.
_MOST = 0.6
# One that takes no more than this of its height takes storeys; 0.05 for the noise of two heights of 6 m.
_HALF = 0.55
# The least house: so wide, and so large.
_ROOM_M, _HOUSE_M2 = 3.0, 20.0
# A part that was taken down shares so much of the smaller one.
_PART = 0.25
_Seen = tuple[Place, Relation, bool, str]


def demolition(
    observation: Observation, shape: BaseGeometry, near: Sequence[Place], places: Places
) -> list[_Seen]:
    """Return the sightings of a demolition; none where nothing known stood there.

    A pair tells that a structure was taken down only if it stood on the ``before`` day; what went down
    earlier on the same ground is no news of it. One outline can end several structures.
    """
    reach = reach_m(observation.suspect.error_m)
    known = _taken_before(observation, shape, near, reach)
    if known is not None:
        return [known]
    between = f"between {observation.before_on} and {observation.after_on}"
    ended: list[tuple[float, _Seen]] = []
    explained: list[tuple[float, _Seen]] = []
    for place in near:
        ever = place.ever()
        if not same_place(shape, ever, reach) and not _replaced(place, observation, shape):
            continue
        ground = float(shape.intersection(ever).area)
        why = _known_already(place, observation)
        if why is None:
            beside = [p.shape for p in near if p is not place and p.structure.state != "gone"]
            ground_lost = shape.difference(union_all(beside)) if beside else shape
            seen = _taken_down(place, observation, shape, ground_lost, between, places)
            (ended if seen[2] else explained).append((ground, seen))
        else:
            explained.append((ground, (place, "demolished", False, why)))
    # near() is in order of identity, and sorting keeps it among equals.
    ended.sort(key=lambda pair: -pair[0])
    explained.sort(key=lambda pair: -pair[0])
    if not ended:
        return [seen for _, seen in explained[:1]]
    main = ended[0][1]
    others = [
        (place, relation, False, f"{what}, by the same outline as {main[0].structure.identity}")
        for _, (place, relation, _, what) in ended[1:]
    ]
    return [main, *others]


def _taken_before(
    observation: Observation, shape: BaseGeometry, near: Sequence[Place], reach: float
) -> _Seen | None:
    """Return the sighting of a demolition that is known altogether; None: something of it is not."""
    lost = [
        (place, place.lost, place.structure.taken_on)
        for place in near
        if place.lost is not None
        and place.structure.taken_on is not None
        and observation.before_on < place.structure.taken_on
    ]
    if not lost or not excess(shape, union_all([ground for _, ground, _ in lost]), reach).is_empty:
        return None
    place, _, on = max(lost, key=lambda one: float(one[1].intersection(shape).area))
    return place, "demolished", False, f"What stood there is known to be gone since {on}"


def lose(place: Place, ground: BaseGeometry, day: date, places: Places) -> None:
    """Record the ground on which something of a structure was taken down by a day."""
    place.lost = union_all([ground] if place.lost is None else [place.lost, ground])
    outline = places.lonlat(place.lost)
    place.structure = replace(place.structure, taken_outline=outline, taken_on=day)


def _known_already(place: Place, observation: Observation) -> str | None:
    """Return why a demolition on the ground of a structure is no news; None: it is."""
    now, base = place.structure, place.base
    before, after = observation.before_on, observation.after_on
    if now.state == "gone" and now.gone_on is not None:
        known = before < now.gone_on or after <= now.gone_on
        return f"It is known to be gone since {now.gone_on}" if known else None
    stood_from = now.gone_on if now.episode > 1 and now.gone_on is not None else now.first_on
    if before < stood_from:
        return f"Something older than what stands here since {now.last_on} was demolished"
    if after < now.last_on or (base is not None and after <= base.last_on):
        return f"An older picture than that of {now.last_on}, on which it stands"
    return None


def _replaced(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether the rest of a former building shows beside what was built again on its place."""
    now = place.structure
    if now.episode == 1 or now.gone_on is None or not shape.intersects(place.shape):
        return False
    return observation.before_on < now.gone_on <= observation.after_on


def _taken_down(
    place: Place,
    observation: Observation,
    shape: BaseGeometry,
    lost: BaseGeometry,
    between: str,
    places: Places,
) -> _Seen:
    """End a structure, or take a part from it: ``lost`` is the outline without what stands beside."""
    now, day, reach = place.structure, observation.after_on, reach_m(observation.suspect.error_m)
    if now.state == "gone":
        # Something stood again, unseen, and is gone too.
        lose(place, lost, day, places)
        now = place.structure
        place.structure = replace(now, gone_on=day, last_on=max(now.last_on, day))
        return place, "demolished", True, f"What stood again was demolished {between}"
    most = covered(place.shape, shape, reach) >= _MOST and not _house_left(place.shape, shape, reach)
    if most and _lowered(now, observation):
        since = now if place.base is None else place.base
        if observation.before_on < since.last_on or since.last_on == day:
            # What it lost is counted from a day on which its height is known.
            news = now.last_on < day
            return place, "demolished", news, f"It lost height {between}, and still stands"
        left_m = (stood_m(now) or 0.0) + (observation.suspect.height_change_m or 0.0)
        place.structure = replace(now, height_m=round(left_m, 2), last_on=day)
        return place, "demolished", True, f"It was lowered {between}, and {left_m:.1f} m are left"
    if most:
        place.shape = place.ever()
        outline = places.lonlat(place.shape)
        place.structure = replace(now, state="gone", gone_on=day, last_on=day, outline=outline)
        # A room or a strip goes with the building that it was built on or against.
        lose(place, union_all([lost, place.shape]), day, places)
        return place, "demolished", True, f"It was demolished {between}"
    rest = place.shape.difference(shape)
    if share(shape, place.shape, reach) < _PART or place.shape.area - rest.area < LEAST_M2:
        return place, "demolished", False, f"That part of it was gone before {now.last_on}"
    place.taken.append(place.shape.intersection(shape))
    outline = places.lonlat(rest)
    place.shape = places.metric(outline)
    area_m2 = round(place.shape.area, 2)
    # The median height of the whole says nothing of what is left.
    place.structure = replace(now, outline=outline, area_m2=area_m2, height_m=None, last_on=day)
    lose(place, lost, day, places)
    return place, "demolished", True, f"A part of it was demolished {between}"


def _house_left(known: BaseGeometry, taken: BaseGeometry, reach: float) -> bool:
    """Tell whether what is left could be a house of its own, as of two that were once drawn as one."""
    rest = known.difference(grown(taken, reach / 2))
    return bool(grown(shrunk(rest, _ROOM_M / 2), _ROOM_M / 2).area >= _HOUSE_M2)


def _lowered(now: Structure, observation: Observation) -> bool:
    """Tell whether a structure lost storeys and still stands: less than half of its height, by heights."""
    fall_m = -(observation.suspect.height_change_m or 0.0)
    stood = stood_m(now)
    return stood is not None and 0 < fall_m <= _HALF * stood
