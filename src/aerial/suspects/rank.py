"""How urgent a suspect is, and which zones explain it: an order and a sentence, never a removal.

    rank = lowered x (1 - (1 - score x size) / raised)

``score`` is the suspect's. ``size`` goes from a half (a kiosk) to 1 (from 100 m2 on). ``raised`` is 1.5 on
farmland and 1.25 in a sensitive zone, and 1.5 for what was built again after it was gone; they multiply.
``lowered`` is 0.2 for what lies wholly inside an approved construction, 0.4 for what a known building
covers (not for additions on or beside it, which no register of buildings explains), 0.5 for a demolition.
"""

import math
from collections.abc import Sequence

from shapely import STRtree, make_valid, union_all
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.records import Observation, Relation, Zone, ZoneKind
from aerial.records.record import record
from aerial.suspects.overlap import frame_at, reach_m, shrunk, solid

_LARGE_M2 = 100.0
_RAISED: dict[ZoneKind, float] = {"farmland": 1.5, "sensitive": 1.25}
_LOWERED: dict[ZoneKind, float] = {"permit": 0.2, "known_building": 0.4}
_REBUILT, _DEMOLISHED = 1.5, 0.5
_ADDITIONS = ("rooftop", "extended")
# Wholly inside: but for what rounding cuts off.
_WHOLLY = 0.98
# (wholly inside, partly inside) for the sentence; in the order in which they are told.
_SAID: dict[ZoneKind, tuple[str, str]] = {
    "permit": (
        "it lies inside the approved construction{}",
        "it reaches beyond the approved construction{}",
    ),
    "known_building": ("the known building{} covers it", "it overlaps the known building{}"),
    "farmland": ("it lies on farmland{}", "part of it lies on farmland{}"),
    "sensitive": ("it lies in a sensitive zone{}", "part of it lies in a sensitive zone{}"),
}


@record
class Explained:
    """What zones say of a suspect: labels (``kind`` or ``kind:name``), factors, and clauses of a sentence."""

    labels: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    raised: float = 1.0
    lowered: float = 1.0


class ZoneMap:
    """The zones that explain (permit, known building, farmland, sensitive), found by place."""

    def __init__(self, zones: Sequence[Zone]) -> None:
        told = [zone for zone in zones if zone.kind in _SAID and not zone.outline.is_empty]
        self._zones = sorted(told, key=lambda zone: (zone.kind, zone.name, zone.outline.bounds))
        self._shapes = [z.outline if z.outline.is_valid else make_valid(z.outline) for z in self._zones]
        self._tree = STRtree(self._shapes)

    def explain(self, observation: Observation) -> Explained:
        """Return what the zones say of a suspect; those that it touches within measuring error are silent."""
        suspect = observation.suspect
        if suspect.outline.is_empty or not len(self._tree.query(suspect.outline)):
            return Explained()
        inner = _inner(suspect.outline, reach_m(suspect.error_m))
        hits = sorted(int(k) for k in self._tree.query(inner, "intersects"))
        labels: list[str] = []
        clauses: list[str] = []
        raised = lowered = 1.0
        for kind, (whole, partly) in _SAID.items():
            of_kind = [k for k in hits if self._zones[k].kind == kind]
            if not of_kind:
                continue
            names = list(dict.fromkeys(self._zones[k].name for k in of_kind))
            labels += [f"{kind}:{name}" if name else str(kind) for name in names]
            inside = inner.intersection(union_all([self._shapes[k] for k in of_kind])).area
            wholly = inside >= _WHOLLY * inner.area
            told = " and ".join(name for name in names if name)
            clauses.append((whole if wholly else partly).format(f" {told}" if told else ""))
            raised *= _RAISED.get(kind, 1.0)
            explains = wholly and not (kind == "known_building" and suspect.kind in _ADDITIONS)
            lowered *= _LOWERED.get(kind, 1.0) if explains else 1.0
        return Explained(labels=tuple(labels), clauses=tuple(clauses), raised=raised, lowered=lowered)


def rank_of(observation: Observation, relation: Relation, explained: Explained) -> float:
    """Return the rank, 0-1, higher first; see the module."""
    suspect = observation.suspect
    score = min(max(suspect.score, 0.0), 1.0) if math.isfinite(suspect.score) else 0.0
    size = 0.5 + 0.5 * min(max(suspect.area_m2, 0.0) / _LARGE_M2, 1.0)
    raised = explained.raised * (_REBUILT if relation == "rebuilt" else 1.0)
    lowered = explained.lowered * (_DEMOLISHED if relation == "demolished" else 1.0)
    return round(lowered * (1 - (1 - score * size) / raised), 4)


def sentence(what: str, explained: Explained) -> str:
    """Return one sentence: what it is, and what the zones add."""
    return "; ".join((what, *explained.clauses)) + "."


def _inner(outline: BaseGeometry, reach: float) -> BaseGeometry:
    """Return an outline (lon, lat) without the rim that may lie elsewhere; what is all rim stays."""
    frame = frame_at(outline)
    shape = solid(geo.reproject(outline, geo.WGS84, frame))
    inner = shrunk(shape, min(reach / 2, math.sqrt(shape.area) / 8))
    return geo.reproject(shape if inner.is_empty else inner, frame, geo.WGS84)
