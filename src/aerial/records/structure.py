"""One building, or place of one, over the cycles."""

from datetime import date
from typing import Literal

from shapely.geometry import Polygon

from aerial.records.record import record
from aerial.records.suspect import Suspect

State = Literal["open", "accepted", "rejected", "gone"]
Relation = Literal["first", "again", "grown", "rebuilt", "demolished", "decided"]


@record
class Observation:
    """A suspect of one pair with what identity needs: its cell and the local days of both surveys."""

    suspect: Suspect
    cell: str
    before_on: date
    after_on: date


@record
class Structure:
    """What is known of one structure after the observations and decisions so far.

    ``identity`` is given once, derived from the first observation's key, and stays while the structure
    grows, is decided, demolished, or built again; ``episode`` counts from 1 and rises with a 复建.
    ``outline`` (lon, lat), ``area_m2`` and ``height_m`` (None: unknown; 0 and less: a pit) are the newest
    known extent; ``decided_*`` the same at the last verdict, with the ``after`` day of what was decided
    upon. ``state`` is of the present episode: "gone" after its demolition was seen or told. ``case``:
    external key of the episode's case, ``previous`` of the newest earlier episode that had one.
    ``taken_outline`` is the ground on which something of it was taken down by ``taken_on``: parts, and
    whole former episodes.
    ``former``: identity of another structure on whose taken ground this one was built.
    """

    identity: str
    episode: int
    cell: str
    state: State
    outline: Polygon
    area_m2: float
    height_m: float | None
    first_on: date
    last_on: date
    decided_on: date | None = None
    decided_outline: Polygon | None = None
    decided_area_m2: float | None = None
    decided_height_m: float | None = None
    gone_on: date | None = None
    case: str | None = None
    previous: str | None = None
    taken_outline: Polygon | None = None
    taken_on: date | None = None
    former: str | None = None


@record
class Sighting:
    """What one observation is to the structures known: which one, how it relates, and whether it is shown.

    ``structure``: as it is known after this observation. ``relation``: "decided" is what was decided
    already, "grown" changed after the decision or grew while open, "rebuilt" begins a new episode.
    ``shown``: a reviewer should see it. ``reason`` says why it is shown, ranked or not, in a sentence;
    ``rank`` orders what is shown (higher first). ``zones`` are the labels that explain it.
    """

    key: str
    structure: Structure
    relation: Relation
    shown: bool
    reason: str
    rank: float
    zones: tuple[str, ...] = ()
