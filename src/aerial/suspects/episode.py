"""What observations, verdicts and officers make of a structure."""

from dataclasses import replace
from datetime import date

from shapely.geometry import Polygon

from aerial.geo import area_m2
from aerial.records import Decision, Observation, Result, Sighting, Structure
from aerial.suspects.overlap import joined


def external_key(structure: Structure) -> str:
    """Return the key by which every destination finds the case of a structure's present episode."""
    return f"{structure.identity}-{structure.episode}"


def rebuilt(
    structure: Structure, outline: Polygon, height_m: float | None, on: date, gone: date
) -> Structure:
    """Return the next episode: built again by ``on`` after the former one ended by ``gone`` (复建)."""
    ended = (structure.taken_outline, structure.outline, structure.decided_outline)
    lost = [ground for ground in ended if ground is not None and not ground.is_empty]
    return replace(
        structure,
        episode=structure.episode + 1,
        state="open",
        outline=outline,
        area_m2=round(area_m2(outline), 2),
        height_m=height_m,
        last_on=on,
        decided_on=None,
        decided_outline=None,
        decided_area_m2=None,
        decided_height_m=None,
        gone_on=gone,
        case=None,
        previous=structure.case or structure.previous,
        taken_outline=joined(lost) if lost else None,
        taken_on=gone,
    )


def decided(
    structure: Structure, decision: Decision, observation: Observation, *, case: str | None = None
) -> Structure:
    """Return the structure after a person accepted or rejected the suspect of ``observation`` on it.

    What is decided upon is the extent known on the observation's ``after`` day, so growth seen later stays
    open. Accepting sets ``case``: ``<identity>-<episode>``, or the given key where one suspect shows
    several structures and the case is another's. Rejecting what changed after an acceptance
    means that the change is nothing: the accepted case stands. A verdict on a demolition says whether it is
    a case, not whether something stands: the state stays, and what is open waits on. A verdict on what stands
    on a place that was told to be gone before that day begins the next episode.
    """
    day = observation.after_on
    taken = observation.suspect.kind == "demolished"
    if taken and (structure.state == "gone" or structure.decided_on is not None):
        return _with_extent(structure, observation)
    if taken:
        return structure
    if structure.state == "gone":
        if structure.gone_on is not None and day > structure.gone_on:
            height_m = structure.height_m
            again = rebuilt(structure, structure.outline, height_m, structure.last_on, structure.gone_on)
            return decided(again, decision, observation, case=case)
        # A late word on what is gone already; it is kept, and nothing comes back.
        return _with_extent(structure, observation)
    stands = structure.state == "accepted" and structure.decided_on is not None and day > structure.decided_on
    accepted = decision == "accept" or stands
    return replace(
        _with_extent(structure, observation),
        state="accepted" if accepted else "rejected",
        case=structure.case or case or external_key(structure) if decision == "accept" else structure.case,
    )


def told(structure: Structure, result: Result, on: date) -> Structure:
    """Return the structure after what an officer found on site on the day ``on``.

    confirmed (属实) accepts; unfounded (不属实) and permitted (已批) reject; demolished (已拆) ends the
    episode on that day; rebuilt (复建) ends it on the day that was decided upon, so that whatever is seen
    standing later begins the next; no_access (无法进入) changes nothing. A result of before the present
    episode changes nothing either; whose episode it is, the caller knows by the case's key.
    """
    earlier = structure.gone_on is not None and structure.state != "gone" and on <= structure.gone_on
    if result == "no_access" or earlier:
        return structure
    if result in ("demolished", "rebuilt"):
        stood = structure.decided_on or structure.first_on
        ended = on if result == "demolished" else min(stood, on)
        if structure.state == "gone" and result == "demolished" and structure.gone_on is not None:
            ended = min(structure.gone_on, on)
        return replace(structure, state="gone", gone_on=ended)
    if structure.state == "gone":
        return structure
    settled = structure
    if structure.decided_on is None:
        settled = _settled(structure, structure.outline, structure.last_on, structure.height_m)
    return replace(settled, state="accepted" if result == "confirmed" else "rejected")


def waits(sighting: Sighting, observation: Observation, now: Structure) -> bool:
    """Tell whether a shown suspect still waits for a verdict, given its structure as it is known now.

    To be asked of what has no verdict of its own. It does not when it is of an earlier episode, or when
    what was decided upon is as new as it: of the suspects of one structure and day one answers for all.
    """
    if not sighting.shown or sighting.structure.episode != now.episode:
        return False
    return now.decided_on is None or now.decided_on < observation.after_on


def _with_extent(structure: Structure, observation: Observation) -> Structure:
    """Return the structure with ``decided_*`` as known on the observation's day, never less than before."""
    day = observation.after_on
    if structure.decided_on is not None and day < structure.decided_on:
        return structure
    if day >= structure.last_on:
        return _settled(structure, structure.outline, day, structure.height_m)
    # Decided upon with an older picture: what came since is not decided.
    seen = None if observation.suspect.kind == "demolished" else observation.suspect.outline
    parts = [part for part in (structure.decided_outline, seen) if part is not None and not part.is_empty]
    if not parts:
        return _settled(structure, structure.outline, day, structure.height_m)
    then = joined(parts)
    heights = [structure.decided_height_m, observation.suspect.height_change_m]
    known = max((h for h in heights if h is not None), default=None)
    return _settled(structure, then, day, known)


def _settled(structure: Structure, outline: Polygon, day: date, height_m: float | None) -> Structure:
    return replace(
        structure,
        decided_on=day,
        decided_outline=outline,
        decided_area_m2=round(area_m2(outline), 2),
        decided_height_m=height_m,
    )
