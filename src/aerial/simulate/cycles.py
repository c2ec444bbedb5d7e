"""A made-up town over many cycles, as a detector would see it: suspects with the truth beside them.

Rows of wall-to-wall lots. Buildings appear, some after a pit was dug, get floors, rooms on the roof and
strips along the wall, lose a part, are demolished, and are built again on the same or another footprint,
within one fortnight too. Lorries and tents come and go. The detector misses some changes (small ones more),
draws outlines moved, larger or smaller and with wrong corners, cuts one in two, makes one of two that
touch, mistakes kinds, has no heights in places, and raises false alarms, half of them on known roofs.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from shapely import affinity, union_all
from shapely.geometry import LineString, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import split

from aerial import geo
from aerial.records import Kind, LonLat, Observation, Suspect
from aerial.records.record import record

CYCLE_DAYS, BASELINE_DAYS = 14, 90
STOREY_M, LEAST_M2 = 1.6, 5.0
_START = date(2026, 1, 5)
_ORIGIN = LonLat(lon_deg=113.8, lat_deg=22.8)
FRAME = geo.local_frame(_ORIGIN)

# What stands on a site: disjoint pieces of ground (metres) and how high they reach.
State = tuple[tuple[Polygon, float], ...]


@record
class Glimpse:
    """An observation, and the truth of it.

    ``sites`` whose change it shows, most ground first; none: nothing real. ``ground``: where something
    rose (``rises``) or fell, in metres of the town; ``before`` and ``after`` are days.
    """

    observation: Observation
    sites: tuple[int, ...]
    rises: bool
    ground: Polygon
    before: int
    after: int


@dataclass(slots=True)
class Site:
    """One lot, or a place where something stood for a while; ``history``: (day, state), days rising."""

    lot: Polygon
    clutter: bool = False
    told: bool = False
    history: list[tuple[int, State]] = field(default_factory=list)

    def on(self, day: int) -> State:
        """Return what stood on the evening of a day."""
        return next((state for since, state in reversed(self.history) if since <= day), ())

    def bare_between(self, first: int, last: int) -> bool:
        """Tell whether nothing stood there at some moment after ``first`` until ``last``."""
        return any(first < since <= last and not state for since, state in self.history)


def day_on(day: int) -> date:
    """Return the date of a day of the simulation."""
    return _START + timedelta(days=day)


def changes(before: State, after: State, rises: bool) -> list[tuple[BaseGeometry, float, float]]:
    """Return pieces (ground, change m, standing before m) that rose, or fell, by a storey or more."""
    pieces: list[tuple[BaseGeometry, float, float]] = []
    for ground, high in after:
        rest: BaseGeometry = ground
        for old, height in before:
            pieces.append((ground.intersection(old), high - height, height))
            rest = rest.difference(old)
        pieces.append((rest, high, 0.0))
    stands = union_all([ground for ground, _ in after])
    pieces += [(old.difference(stands), -height, height) for old, height in before]
    sign = 1 if rises else -1
    return [piece for piece in pieces if piece[0].area > 0.01 and sign * piece[1] >= STOREY_M]


class CyclesTown:
    """The town: ``advance`` lets a cycle happen, ``pair`` compares two days of one cell."""

    def __init__(self, seed: int, *, lots: int = 240, error_m: float = 0.5) -> None:
        self.rng = random.Random(seed)
        self.error_m = error_m
        self.sites: list[Site] = []
        self._turn = self.rng.uniform(0, 90)
        self._lay(lots)
        self.middle_m = sum(site.lot.centroid.x for site in self.sites) / len(self.sites)

    def _lay(self, lots: int) -> None:
        rng, y = self.rng, 0.0
        while len(self.sites) < lots:
            x, depth = 0.0, rng.uniform(7, 15)
            while x < 200 and len(self.sites) < lots:
                width = rng.uniform(4, 14)
                site = Site(lot=box(x, y, x + width, y + depth))
                standing = rng.random() < 0.4
                # After an officer was there, many are taken down.
                site.told = rng.random() < 0.3
                site.history = [(-200, self._house(site.lot) if standing else ())]
                self.sites.append(site)
                x += width + (0.0 if rng.random() < 0.65 else rng.uniform(1, 4))
            y += depth + rng.uniform(4, 9)

    def _house(self, lot: Polygon) -> State:
        """Fill a lot: wall to wall, its depth for the most part."""
        west, south, east, north = lot.bounds
        north -= (north - south) * self.rng.choice((0.0, 0.0, self.rng.uniform(0, 0.4)))
        return ((box(west, south, east, north), 3.0 * self.rng.randint(1, 4)),)

    def advance(self, cycle: int) -> None:
        """Let everything happen that happens in a cycle, each on a day of its own."""
        for site in self.sites:
            day = cycle * CYCLE_DAYS - self.rng.randrange(CYCLE_DAYS)
            now = site.on(10**6)
            # A cell is flown days after the cycle's first: nothing may happen before what happened.
            after = self._next(site, now)
            if after is not now and day > site.history[-1][0]:
                site.history.append((day, after))
                if not after and not site.clutter and self.rng.random() < 0.06:
                    site.history.append((day + 1, self._again(now)))
        for _ in range(self.rng.randint(1, 4)):
            width = self.sites[0].lot.bounds[2] + 190
            x, y = self.rng.uniform(0, width), self.rng.uniform(0, self.sites[-1].lot.bounds[3])
            lorry = affinity.rotate(box(x, y, x + 2.6, y + self.rng.uniform(6, 12)), self.rng.uniform(0, 180))
            if any(lorry.intersects(other.lot) for other in self.sites):
                continue
            day = cycle * CYCLE_DAYS - self.rng.randrange(CYCLE_DAYS)
            self.sites.append(Site(lot=lorry, clutter=True, history=[(day, ((lorry, 3.2),))]))

    def _next(self, site: Site, now: State) -> State:
        rng, chance = self.rng, self.rng.random()
        if site.clutter:
            return () if now and chance < 0.5 else now
        if not now:
            if any(state for _, state in site.history):
                former = next(state for _, state in reversed(site.history) if state)
                return self._again(former) if chance < 0.3 else now
            if chance < 0.05:
                house = self._house(site.lot)
                return house if rng.random() < 0.85 else ((house[0][0], -1.8),)
            return now
        if now[0][1] < 0:
            return ((now[0][0], 6.0),)
        old = site.history[-1][0] < -100
        scale = 0.25 if old else 1.0
        ends = (0.05 + 0.25 * site.told) * (0.3 if old else 1.0)
        if chance < ends:
            return ()
        for least, change in (
            (0.07, self._floor),
            (0.04, self._room),
            (0.05, self._strip),
            (0.02, self._less),
        ):
            ends += least * scale
            if chance < ends:
                return change(now)
        return now

    def _again(self, former: State) -> State:
        ground = box(*union_all([piece for piece, _ in former]).bounds)
        if self.rng.random() < 0.5:
            west, south, east, north = ground.bounds
            ground = affinity.scale(ground, self.rng.uniform(0.75, 1.1), self.rng.uniform(0.75, 1.2))
            away = 0.25 * self.rng.uniform(-1, 1)
            ground = affinity.translate(ground, away * (east - west), away * (north - south))
        return ((ground, 3.0 * self.rng.randint(1, 4)),)

    def _floor(self, now: State) -> State:
        return tuple((ground, height + 3.0) for ground, height in now)

    def _room(self, now: State) -> State:
        (ground, height), *rest = now
        west, south, east, north = ground.bounds
        room = box(
            west, south, west + 0.6 * (east - west), south + self.rng.uniform(0.4, 0.8) * (north - south)
        )
        left = ground.difference(room)
        if room.area < 8 or not isinstance(left, Polygon) or left.area < 1:
            return now
        return ((left, height), (room, height + 3.0), *rest)

    def _strip(self, now: State) -> State:
        whole = union_all([ground for ground, _ in now])
        west, south, east, north = whole.bounds
        deep, end = self.rng.uniform(2.0, 3.5), east - self.rng.choice((0.0, 0.4)) * (east - west)
        side = (north, north + deep) if self.rng.random() < 0.5 else (south - deep, south)
        strip = box(west, side[0], end, side[1])
        return now if strip.area < 8 else (*now, (strip, 3.0))

    def _less(self, now: State) -> State:
        whole = union_all([ground for ground, _ in now])
        west, south, east, north = whole.bounds
        taken = box(west - 1, south + 0.65 * (north - south), east + 1, north + 1)
        left = [(ground.difference(taken), height) for ground, height in now]
        kept = tuple((g, h) for g, h in left if isinstance(g, Polygon) and g.area > 4)
        return kept or now

    def standing_near(self, outline: BaseGeometry, day: int) -> bool:
        """Tell whether a building stood against an outline (town coordinates) on a day."""
        rim = outline.buffer(1.0).difference(outline.buffer(0.3))
        stood = [g for s in self.sites if s.lot.distance(outline) < 5 for g, h in s.on(day) if h >= 1.8]
        return bool(stood) and rim.intersection(union_all(stood)).area >= 0.12 * rim.area

    def pair(self, cell: str, before: int, after: int) -> list[Glimpse]:
        """Return what a detector makes of two surveys of a cell ("W" or "E"), by their days."""
        rng = self.rng
        sigma = self.error_m / 2.448
        common = (rng.gauss(0, 0.7 * sigma), rng.gauss(0, 0.7 * sigma))
        found: list[Glimpse] = []
        for rises in (True, False):
            for sites, pieces in self._together(cell, before, after, rises):
                for drawn in _parts(union_all([piece[0] for piece in pieces]).buffer(0.01)):
                    inside = [p for p in pieces if p[0].intersection(drawn).area > 0.5 * p[0].area]
                    if drawn.area < LEAST_M2 or not inside:
                        continue
                    if rng.random() < (0.12 if drawn.area > 20 else 0.3):
                        continue
                    shown = sorted(
                        (s for s in sites if self._ground(s, inside).intersection(drawn).area > LEAST_M2 / 2),
                        key=lambda s: -self._ground(s, inside).intersection(drawn).area,
                    )
                    for outline in self._cut(drawn):
                        suspect = self._suspect(outline, inside, common, before, after, len(found), cell)
                        found.append(_glimpse(suspect, (cell, before, after), tuple(shown), rises, outline))
        found += [self._false(cell, before, after, common, n) for n in range(rng.randint(0, 4))]
        return found

    def _ground(self, site: int, pieces: Sequence[tuple[BaseGeometry, float, float]]) -> BaseGeometry:
        near = [p[0] for p in pieces if p[0].distance(self.sites[site].lot) < 4.0]
        own = self.sites[site]
        shapes = [ground for _, state in own.history for ground, _ in state]
        return union_all(near).intersection(union_all(shapes)) if near and shapes else Polygon()

    def _together(
        self, cell: str, before: int, after: int, rises: bool
    ) -> list[tuple[list[int], list[tuple[BaseGeometry, float, float]]]]:
        """Return changed sites of the cell; of those that touch, half as one."""
        groups: list[tuple[list[int], list[tuple[BaseGeometry, float, float]]]] = []
        for index, site in enumerate(self.sites):
            at = site.lot.centroid.x - self.middle_m + self.rng.gauss(0, 0.5)
            # Suspects within their own error of the border are both cells'.
            if (at if cell == "W" else -at) > self.error_m:
                continue
            pieces = changes(site.on(before), site.on(after), rises)
            if not pieces:
                continue
            ground = union_all([piece[0] for piece in pieces])
            beside = groups and union_all([p[0] for p in groups[-1][1]]).distance(ground) < 0.3
            if beside and self.rng.random() < 0.5:
                groups[-1][0].append(index)
                groups[-1][1].extend(pieces)
            else:
                groups.append(([index], list(pieces)))
        return groups

    def _cut(self, drawn: Polygon) -> list[Polygon]:
        if drawn.area < 40 or self.rng.random() > 0.07:
            return [drawn]
        west, south, east, north = drawn.bounds
        x = west + (east - west) * self.rng.uniform(0.3, 0.7)
        line = LineString([(x, south - 1), (x, north + 1)])
        return [
            part for part in split(drawn, line).geoms if isinstance(part, Polygon) and part.area > LEAST_M2
        ]

    def _drawn(self, outline: Polygon, common: tuple[float, float]) -> Polygon:
        """Return an outline as the detector draws it, on the ground (lon, lat)."""
        rng, sigma = self.rng, self.error_m / 2.448
        own = (rng.gauss(0, 0.714 * sigma), rng.gauss(0, 0.714 * sigma))
        moved = affinity.translate(outline, common[0] + own[0], common[1] + own[1])
        sized = moved.buffer(rng.gauss(0, 0.2), join_style="mitre").simplify(0.1)
        if not isinstance(sized, Polygon) or sized.area < LEAST_M2 / 2:
            sized = moved
        corners = [(x + rng.gauss(0, 0.15), y + rng.gauss(0, 0.15)) for x, y in sized.exterior.coords[:-1]]
        rough = Polygon(corners)
        shape = rough if rough.is_valid else sized
        return geo.reproject(affinity.rotate(shape, self._turn, origin=(0, 0)), FRAME, geo.WGS84)

    def _suspect(
        self,
        outline: Polygon,
        pieces: Sequence[tuple[BaseGeometry, float, float]],
        common: tuple[float, float],
        before: int,
        after: int,
        number: int,
        cell: str,
    ) -> Suspect:
        rng = self.rng
        shares = [(piece[0].intersection(outline).area, piece) for piece in pieces]
        rise_m = _median([(area, piece[1]) for area, piece in shares])
        standing_m = _median([(area, piece[2]) for area, piece in shares])
        if rise_m < 0:
            kind: Kind = "demolished" if standing_m >= 1.8 else "excavation"
        elif standing_m >= 1.8:
            kind = "rooftop"
        else:
            kind = "extended" if self.standing_near(outline, before) else "new"
        if rise_m > 0 and rng.random() < 0.06:
            kind = rng.choice(("extended", "rooftop", "unknown"))
        told_m = None if rng.random() < 0.1 else rise_m + rng.gauss(0, 0.3)
        drawn = self._drawn(outline, common)
        return _record(
            drawn, kind, told_m, self.error_m, rng.uniform(0.5, 1.0), (cell, before, after, number)
        )

    def _false(self, cell: str, before: int, after: int, common: tuple[float, float], number: int) -> Glimpse:
        rng = self.rng
        at = rng.choice(self.sites).lot.centroid
        if rng.random() < 0.5:
            at = Point(at.x + rng.uniform(-20, 20), at.y + rng.uniform(-20, 20))
        blot = affinity.rotate(
            box(at.x, at.y, at.x + rng.uniform(2.5, 8), at.y + rng.uniform(2.5, 8)), rng.uniform(0, 90)
        )
        told_m = None if rng.random() < 0.5 else rng.uniform(1.7, 3.5)
        kind: Kind = rng.choice(("new", "rooftop", "unknown"))
        name = (cell, before, after, f"false{number}")
        suspect = _record(self._drawn(blot, common), kind, told_m, self.error_m, rng.uniform(0.5, 0.8), name)
        return _glimpse(suspect, (cell, before, after), (), True, blot)


def _glimpse(
    suspect: Suspect, pair: tuple[str, int, int], sites: tuple[int, ...], rises: bool, ground: Polygon
) -> Glimpse:
    cell, before, after = pair
    seen = Observation(suspect=suspect, cell=cell, before_on=day_on(before), after_on=day_on(after))
    return Glimpse(observation=seen, sites=sites, rises=rises, ground=ground, before=before, after=after)


def _record(
    outline: Polygon, kind: Kind, rise_m: float | None, error_m: float, score: float, name: tuple[object, ...]
) -> Suspect:
    inside = outline.representative_point()
    return Suspect(
        key="-".join(map(str, name)),
        pair=f"{name[1]}__{name[2]}",
        kind=kind,
        outline=outline,
        at=LonLat(lon_deg=inside.x, lat_deg=inside.y),
        error_m=error_m,
        area_m2=round(geo.area_m2(outline), 2),
        height_change_m=rise_m,
        score=score,
        model_sha256="0" * 64,
        chips=(),
        height_noise_m=None if rise_m is None else 0.3,
    )


def _parts(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in getattr(shape, "geoms", [shape]) if isinstance(part, Polygon)]


def _median(weighted: Sequence[tuple[float, float]]) -> float:
    half, reached = math.fsum(weight for weight, _ in weighted) / 2, 0.0
    for weight, value in sorted(weighted, key=lambda pair: pair[1]):
        reached += weight
        if reached >= half:
            return value
    return 0.0
