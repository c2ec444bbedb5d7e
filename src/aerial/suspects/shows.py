"""What a pair can show of a structure, by the days between which it looks, and by heights."""

from shapely.geometry.base import BaseGeometry

from aerial.records import Observation, Structure
from aerial.suspects.overlap import SAME, covered, reach_m, share
from aerial.suspects.places import Place

# Height over the known that is a storey and no noise: the least that is a suspect at all (``Limits``), and
# three times the noise of the difference of two such heights.
_STOREY_M, _SIGMAS, _NOISE_M = 1.6, 3 * 2**0.5, 0.3
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


def is_higher(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether a pair shows more height than is known, beyond noise."""
    suspect, structure = observation.suspect, place.structure
    if suspect.height_change_m is None or structure.height_m is None:
        return False
    # Heights are medians: one of a piece says nothing against that of the whole.
    if covered(place.shape, shape, reach_m(suspect.error_m)) < MOSTLY:
        return False
    noise_m = _NOISE_M if suspect.height_noise_m is None else suspect.height_noise_m
    return suspect.height_change_m > structure.height_m + max(_STOREY_M, _SIGMAS * noise_m)


def stood_m(structure: Structure) -> float | None:
    """Return the height of a structure, or the one decided upon where the present one is not known."""
    return structure.height_m if structure.height_m is not None else structure.decided_height_m


def was_bare(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether no more stood on the common ground before the pair began, though nobody saw it go.

    "new" by height means that the ground of the outline was bare for the most part and no building stood
    against it: a structure that was higher than a room and shares real ground with it was not there.
    """
    now, suspect, stood = place.structure, observation.suspect, stood_m(place.structure)
    if suspect.kind != "new" or suspect.height_change_m is None or stood is None or stood < _STOOD_M:
        return False
    return (
        place.base is not None
        and observation.before_on >= place.base.last_on
        and now.state != "gone"
        and share(shape, place.shape, reach_m(suspect.error_m)) >= SAME
    )


def replaced(place: Place, observation: Observation, shape: BaseGeometry) -> bool:
    """Tell whether bare ground shows that most of a structure was gone before the pair began."""
    reach = reach_m(observation.suspect.error_m)
    return was_bare(place, observation, shape) and covered(place.shape, shape, reach) >= MOSTLY
