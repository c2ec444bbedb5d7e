"""What a pair can show of a structure, by the days between which it looks, and by heights."""

import math
from collections.abc import Sequence

from shapely import union_all
from shapely.geometry.base import BaseGeometry

from aerial.records import Observation, Structure
from aerial.suspects.overlap import SAME, covered, reach_m, share
from aerial.suspects.places import Place

# Height over the known that is a storey and no noise: the least that is a suspect at all (``Limits``), and
# three times the noise of the difference of two such heights.
_STOREY_M, _SIGMAS, _NOISE_M = 1.6, 3 * 2**0.5, 0.3
_MOST_GROUND = 2 / 3
# Where the middle of an outline was bare ground, what stood on most of it is gone.
_STOOD_M, MOSTLY = 2.2, 0.6


def is_gone(place: Place) -> bool:
    """Tell whether the present episode has ended."""
    return place.structure.state == "gone"


def is_earlier(structure: Structure, observation: Observation) -> bool:
    """Tell whether an observation is of an earlier episode than the present one."""
    former = structure.episode > 1 and structure.state != "gone" and structure.gone_on is not None
    return former and structure.gone_on is not None and observation.after_on <= structure.gone_on


def after_gone(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether what stands on the observation's day stands there after the structure was gone."""
    now = place.structure
    if now.gone_on is None or observation.after_on > now.gone_on:
        return True
    # Gone and built again within one pair, the new lower: on that very day most of the ground is built on,
    # or the pair can show nothing older.
    if observation.after_on < now.gone_on:
        return False
    reach = reach_m(observation.suspect.error_m)
    if now.episode == 1 and now.first_on >= now.gone_on:
        # It is known by its demolition alone: no rise of it can be shown again.
        return True
    return observation.before_on >= (now.decided_on or now.first_on) or (
        covered(place.shape, shape, reach) >= MOSTLY
    )


def repeats(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether the pair may show again what is known of the structure."""
    if is_gone(place):
        return not after_gone(place, observation, shape)
    base = place.base
    if base is None or is_earlier(base, observation):
        return True
    if observation.after_on == base.last_on:
        # Another suspect of the day that is known best: new where its change came after the verdict.
        return observation.before_on < (base.decided_on or base.first_on)
    return observation.before_on < base.last_on


def may_show(place: Place, observation: Observation, shape: BaseGeometry) -> list[BaseGeometry]:
    """Return the known extents that may be what the observation shows."""
    if not repeats(place, observation, shape):
        return place.today
    return [place.known_on(observation.after_on) if place.base is not None else place.shape, *place.today]


def is_higher(places: Sequence[Place], observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether a pair shows more height than is known of what lies in its outline, beyond noise.

    Heights are medians: one of a piece says nothing against that of the whole, and over several structures
    the known one is what two thirds of their ground do not exceed. Whatever came over a pit is higher.
    """
    suspect, reach = observation.suspect, reach_m(observation.suspect.error_m)
    known = [(place, place.structure.height_m) for place in places]
    if suspect.kind != "excavation" and any(high is not None and high <= 0 for _, high in known):
        return True
    ground_known = union_all([place.shape for place in places])
    if suspect.height_change_m is None or covered(ground_known, shape, reach) < MOSTLY:
        return False
    ground = sorted(
        (math.inf if high is None else high, float(place.shape.intersection(shape).area))
        for place, high in known
    )
    least, reached = _MOST_GROUND * sum(area for _, area in ground), 0.0
    known_m = math.inf
    for high, area in ground:
        reached += area
        if reached >= least:
            known_m = high
            break
    noise_m = _NOISE_M if suspect.height_noise_m is None else suspect.height_noise_m
    return suspect.height_change_m > known_m + max(_STOREY_M, _SIGMAS * noise_m)


def stood_m(structure: Structure) -> float | None:
    """Return the height of a structure, or the one decided upon where the present one is not known."""
    return structure.height_m if structure.height_m is not None else structure.decided_height_m


def may_be_bare(place: Place, observation: Observation) -> bool:
    """Tell whether a pair that begins after all that is known of a building shows bare ground there.

    "new" by height means that the ground of the outline was bare for the most part and no building stood
    against it; a structure counts as a building where it was higher than a room.
    """
    suspect, base = observation.suspect, place.base
    if suspect.kind != "new" or suspect.height_change_m is None or base is None or is_gone(place):
        return False
    stood = stood_m(base)
    return stood is not None and stood >= _STOOD_M and observation.before_on >= base.last_on


def was_bare(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether a known building no more stood on the common ground, though nobody saw it go."""
    reach = reach_m(observation.suspect.error_m)
    return may_be_bare(place, observation) and share(shape, place.shape, reach) >= SAME


def replaced(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether bare ground shows that most of a structure was gone before the pair began."""
    reach = reach_m(observation.suspect.error_m)
    return was_bare(place, observation, shape) and covered(place.shape, shape, reach) >= MOSTLY
