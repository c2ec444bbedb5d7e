"""What a change adds to a structure, and what is built again where others stood."""

from collections.abc import Sequence
from dataclasses import replace

from shapely import union_all
from shapely.geometry.base import BaseGeometry

from aerial.records import Observation
from aerial.suspects.overlap import EMPTY, SAME, covered, reach_m, share
from aerial.suspects.overlap import grown as wider
from aerial.suspects.places import Place, Places
from aerial.suspects.shows import MOSTLY, is_gone, may_be_bare, repeats

_CRUMB_M2 = 1.0
# So much of an outline outside of the known one is added as drawn; less is the drawing's own error.
_OUTSIDE = 0.3


def grow(
    place: Place, observation: Observation, part: BaseGeometry, shape: BaseGeometry, places: Places
) -> None:
    """Add a change to a structure: ``part`` of its outline ``shape`` (metres) that is the change."""
    now, suspect = place.structure, observation.suspect
    outside = part.difference(place.shape)
    reach = reach_m(suspect.error_m)
    if outside.area < _OUTSIDE * part.area:
        # Added from half of the reach on, shown again from the whole of it on: what lies between is not news.
        beyond = part.difference(wider(place.shape, reach / 2))
        outside = outside.intersection(wider(beyond, reach)) if beyond.area >= _CRUMB_M2 else EMPTY
    height_m, rise_m = now.height_m, suspect.height_change_m
    pit = height_m is not None and height_m <= 0
    if rise_m is None and not pit and share(shape, place.shape, reach) >= SAME:
        # It may have grown upward by any height.
        height_m = None
    if pit:
        # Over a pit: as high as over its bottom; on a building that nobody saw come, by any height. What
        # covers a part only leaves the rest a pit, on which something is still to come.
        told = rise_m is not None and suspect.kind != "rooftop"
        if told or covered(place.shape, shape, reach) >= MOSTLY:
            height_m = rise_m if told else None
    elif rise_m is not None and rise_m > 0:
        base = place.base
        first = base is not None and observation.before_on >= base.last_on < observation.after_on
        # Suspects of one day on one structure are one storey, not several.
        parts = union_all([*place.today, shape])
        if height_m is None:
            if observation.before_on < now.first_on and covered(place.shape, shape, reach) >= MOSTLY:
                height_m = rise_m
        elif first and base is not None and covered(place.shape, parts, reach) >= MOSTLY / 2:
            # So large a part can be the median of a piece that counts as the whole.
            height_m = max(height_m, (base.height_m or 0.0) + rise_m)
        else:
            height_m = max(height_m, rise_m)
    outline, area_m2 = now.outline, now.area_m2
    if not outside.is_empty:
        place.shape = union_all([place.shape, outside])
        outline = places.lonlat(place.shape)
        place.shape = places.metric(outline)
        area_m2 = round(place.shape.area, 2)
    place.today.append(shape)
    place.structure = replace(
        now,
        outline=outline,
        area_m2=area_m2,
        height_m=height_m,
        last_on=max(now.last_on, observation.after_on),
    )


def built_on(
    place: Place, observation: Observation, shape: BaseGeometry, known: Sequence[BaseGeometry]
) -> bool:
    """Tell whether the place of something gone is built on again, and by nothing that is known."""
    if not is_gone(place) or repeats(place, observation, shape):
        return False
    reach = reach_m(observation.suspect.error_m)
    explained = known and covered(place.shape, union_all(known), reach) >= MOSTLY
    return not explained and covered(place.shape, shape, reach) >= MOSTLY


def link(place: Place, observation: Observation, shape: BaseGeometry, near: Sequence[Place]) -> None:
    """Give what was built again the case of another structure that stood on its ground, where it has none."""
    if place.structure.previous is not None:
        return
    found: list[tuple[bool, float, Place]] = []
    for other in near:
        gone_on = other.structure.taken_on if other.lost is not None else None
        ground = other.lost if gone_on is not None and gone_on <= observation.after_on else None
        if ground is None and not may_be_bare(other, observation):
            continue
        ground = other.shape if ground is None else ground
        common = float(ground.intersection(shape).area)
        if other is not place and common >= SAME * min(ground.area, shape.area):
            case = other.structure.case or other.structure.previous
            found.append((case is not None, common, other))
    if found:
        # near() is in order of identity, which settles ties.
        now = max(found, key=lambda one: one[:2])[2].structure
        place.structure = replace(place.structure, former=now.identity, previous=now.case or now.previous)
