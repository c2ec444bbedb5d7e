"""The structures known, found by place, and how they look in one metric frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from shapely import STRtree, box, union_all
from shapely.geometry import Point, Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.records import Observation, Structure
from aerial.suspects.overlap import frame_at, one_polygon, solid

# What may touch: the farthest reach and a little.
_NEAR_M = 4.0
_DEGREE_M = 111_000.0


@dataclass(slots=True)
class Place:
    """A structure while observations are added, its ``shape`` in metres.

    ``lost`` is the ground on which something of it was taken down. ``base`` is the structure at the start
    of the day (``after_on``) that is being added, None when this episode began on it; ``today`` the
    outlines that were shown of it on that day, ``taken`` what it lost.
    """

    structure: Structure
    shape: BaseGeometry
    decided: BaseGeometry | None
    lost: BaseGeometry | None = None
    day: date | None = None
    base: Structure | None = None
    base_shape: BaseGeometry | None = None
    today: list[BaseGeometry] = field(default_factory=list)
    taken: list[BaseGeometry] = field(default_factory=list)

    def begin(self, day: date) -> None:
        """Make the present state the one that observations of ``day`` are compared with."""
        if self.day != day:
            self.day, self.base, self.base_shape = day, self.structure, self.shape
            self.today, self.taken = [], []

    def known_on(self, day: date) -> BaseGeometry:
        """Return the extent that a picture of ``day`` may show of what is known.

        What was taken down since the verdict still stood on an earlier day.
        """
        base = self.base_shape if self.base_shape is not None else self.shape
        if self.decided is None or day >= (self.base or self.structure).last_on:
            return base
        return union_all([base, self.decided])

    def ever(self) -> BaseGeometry:
        """Return the extent with what was taken down of it since the verdict, and on this day."""
        decided = [] if self.decided is None else [self.decided]
        return union_all([self.shape, *decided, *self.taken])


class Places:
    """Known structures and those that begin with the new observations, by place and by identity.

    One local frame around the middle of the new observations serves all of them: over a town of 20 km
    its scale is wrong by one millionth.
    """

    def __init__(self, new: Sequence[Observation], known: Sequence[Structure]) -> None:
        self.by_identity: dict[str, Place] = {}
        self._known = {structure.identity: structure for structure in known if not structure.outline.is_empty}
        if len({structure.identity for structure in known}) < len(known):
            raise ValueError("an identity is given twice")
        self._names = sorted(self._known)
        self._tree = STRtree([_extent(self._known[name]) for name in self._names])
        self._boxes = [_around(observation) for observation in new]
        self._new_tree = STRtree(self._boxes)
        self._of: dict[int, list[str]] = {}
        middle = np.mean([shape.bounds for shape in self._boxes], axis=0) if self._boxes else (0, 0, 0, 0)
        self.frame = frame_at(box(*middle))

    def shape_of(self, observation: Observation) -> BaseGeometry:
        """Return a suspect's outline in the frame; an empty one is a dot at its point."""
        suspect = observation.suspect
        if suspect.outline.is_empty:
            return solid(Point(geo.from_lonlat(self.frame, suspect.at)))
        return self.metric(suspect.outline)

    def metric(self, outline: Polygon) -> BaseGeometry:
        """Return an outline (lon, lat) in the frame, valid and with an area."""
        return solid(geo.reproject(outline, geo.WGS84, self.frame))

    def lonlat(self, shape: BaseGeometry) -> Polygon:
        """Return a shape of the frame as one polygon (lon, lat)."""
        return geo.reproject(one_polygon(shape), self.frame, geo.WGS84)

    def near(self, index: int) -> list[Place]:
        """Return the structures near a new observation, in order of identity."""
        names = {self._names[int(k)] for k in self._tree.query(self._boxes[index])}
        for other in self._new_tree.query(self._boxes[index]):
            names.update(self._of.get(int(other), ()))
        return [self.place(name) for name in sorted(names)]

    def knows(self, identity: str) -> bool:
        """Tell whether a structure of this identity is there."""
        return identity in self.by_identity or identity in self._known

    def place(self, identity: str) -> Place:
        """Return a structure by its identity."""
        if identity not in self.by_identity:
            structure = self._known[identity]
            self.by_identity[identity] = Place(
                structure=structure,
                shape=self.metric(structure.outline),
                decided=self.maybe(structure.decided_outline),
                lost=self.maybe(structure.taken_outline),
            )
        return self.by_identity[identity]

    def maybe(self, outline: Polygon | None) -> BaseGeometry | None:
        """Return an outline (lon, lat) in the frame; None where there is none."""
        return None if outline is None or outline.is_empty else self.metric(outline)

    def belongs(self, index: int, identity: str) -> None:
        """Record that a new observation is of a structure, which is then found around it too."""
        self._of.setdefault(index, []).append(identity)


def _extent(structure: Structure) -> Polygon:
    """Return what holds a structure with the ground that it lost."""
    if structure.taken_outline is None or structure.taken_outline.is_empty:
        return structure.outline
    return box(*union_all([structure.outline.envelope, structure.taken_outline.envelope]).bounds)


def _around(observation: Observation) -> Polygon:
    suspect = observation.suspect
    bounds = suspect.outline.bounds
    if suspect.outline.is_empty:
        bounds = (suspect.at.lon_deg, suspect.at.lat_deg) * 2
    north = _NEAR_M / _DEGREE_M
    east = north / max(math.cos(math.radians(suspect.at.lat_deg)), 0.01)
    return box(bounds[0] - east, bounds[1] - north, bounds[2] + east, bounds[3] + north)
