"""A path that covers a cell: the lines, their order, the ways between them.

``cover`` tries lines of one direction and, on areas that are not convex, pieces in directions of
their own; both are cut to the free ground, completed along borders, joined, and the shorter tour in
metres flown is kept.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import shapely
from shapely.geometry import MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.errors import PlanError
from aerial.plan import join
from aerial.plan.decompose import pieces
from aerial.plan.lay import best_direction, directions, estimator, lay
from aerial.plan.lines import XY, Line, Piece
from aerial.plan.patch import clip, patch
from aerial.plan.region import Region, region
from aerial.plan.route import Router, length_m
from aerial.records.plan import LegKind
from aerial.records.record import record

# Lines are laid this much closer than asked: projections of other people's checks differ by as much.
_CLOSER = 0.998
# The best directions by estimate that are laid out in full.
_TRIED = 3
_MISSED = 5e-5


# What is laid in one direction, and the direction in radians, counter-clockwise from x.
Part = tuple[Polygon | MultiPolygon, float]


@record
class PathLeg:
    """A stretch of one kind in the local frame."""

    kind: LegKind
    xy: tuple[XY, ...]


@record
class Tour:
    """Lines in the order and direction they are flown; ``ways[i]`` leads from line i to line i + 1.

    ``numbers``: the place of each among the lines that were given.
    ``out`` leads from the take-off point to the first line, ``back`` from the last one to it.
    """

    takeoff: XY
    lines: tuple[Line, ...]
    numbers: tuple[int, ...]
    ways: tuple[tuple[XY, ...], ...]
    out: tuple[XY, ...]
    back: tuple[XY, ...]

    @property
    def off_lines_m(self) -> float:
        """Metres between the lines, transit apart."""
        return sum(length_m(way) for way in self.ways)

    @property
    def survey_m(self) -> float:
        """Metres on the lines."""
        return sum(length_m((line.start, line.end)) for line in self.lines)


@record
class Cover:
    """Everything flown over one cell; more tours than one where zones cut the free ground apart.

    ``parts``: what was laid in one direction each. ``uncovered``: share (0-1) of the target further
    than half a spacing from every line.
    ``chosen_takeoffs``: tours whose take-off point nobody gave.
    """

    tours: tuple[Tour, ...]
    parts: tuple[Part, ...]
    uncovered: float
    region: Region
    chosen_takeoffs: tuple[XY, ...]

    @property
    def direction_rad(self) -> float:
        """Direction of the lines of the largest part, counter-clockwise from x."""
        return max(self.parts, key=lambda part: part[0].area)[1]

    @property
    def legs(self) -> tuple[PathLeg, ...]:
        """The path in flight order; each tour from its take-off point back to it."""
        return tuple(leg for tour in self.tours for leg in legs_of(tour))


def legs_of(tour: Tour) -> Iterator[PathLeg]:
    """Yield the legs of a tour, each beginning where the last ended."""
    if len(tour.out) > 1:
        yield PathLeg(kind="transit", xy=tour.out)
    for number, line in enumerate(tour.lines):
        yield PathLeg(kind="survey", xy=(line.start, line.end))
        if number < len(tour.ways) and len(tour.ways[number]) > 1:
            yield PathLeg(kind="turn", xy=tour.ways[number])
    if len(tour.back) > 1:
        yield PathLeg(kind="transit", xy=tour.back)


def cover(
    area: Polygon | MultiPolygon,
    *,
    spacing_m: float,
    fence: BaseGeometry | None = None,
    no_fly: BaseGeometry | None = None,
    takeoffs: Sequence[XY] = (),
    turn_m: float = 0.0,
    direction_rad: float | None = None,
) -> Cover:
    """Return the path that covers ``area``; everything in one local metric frame.

    ``turn_m``: what a turn costs beside its way, as metres of level flight. ``takeoffs``: where
    sorties may start, None needed. ``direction_rad``: fly one direction, do not choose.

    Raises:
        PlanError: nothing is left to survey, or a take-off point is not on free ground.
    """
    ground = region(area, spacing_m, fence=fence, no_fly=no_fly)
    routers = [Router(part) for part in ground.free.geoms]
    homes = _homes(routers, takeoffs)
    tried = []
    for parts in _candidates(ground, spacing_m * _CLOSER, turn_m, direction_rad):
        lines, uncovered = laid(ground, parts, spacing_m * _CLOSER)
        least = join.least_m(lines) + _missed_m(uncovered, ground, spacing_m) + turn_m * len(lines)
        tried.append((least, parts, lines, uncovered))
    best: tuple[float, Cover] | None = None
    # Where even the shortest conceivable order is longer than what is found, no order is looked for.
    for least, parts, lines, uncovered in sorted(tried, key=lambda one: one[0]):
        if best is not None and least >= best[0]:
            break
        joined = _joined(lines, routers, homes, ground, parts, uncovered)
        cost = _cost_m(joined, spacing_m, turn_m)
        if best is None or cost < best[0]:
            best = cost, joined
    assert best is not None  # noqa: S101 - there is a candidate
    return best[1]


def laid(ground: Region, parts: Sequence[Part], spacing_m: float) -> tuple[tuple[Line, ...], float]:
    """Return the lines of parts, cut to the free ground and completed, and the share still uncovered."""
    lines, cut = clip([line for part, angle in parts for line in lay(part, angle, spacing_m)], ground.free)
    if not cut:
        return lines, 0.0
    patched = patch(ground.target, ground.free, lines, spacing_m)
    return patched.lines, patched.uncovered


def lay_parts(ground: Region, parts: Sequence[Part], spacing_m: float) -> tuple[Piece, ...]:
    """Return the lines of ``laid`` by the part that they belong to; those along borders are their own."""
    pieces_: list[Piece] = []
    every: list[Line] = []
    for part, angle in parts:
        lines, _ = clip(lay(part, angle, spacing_m * _CLOSER), ground.free)
        every += lines
        pieces_.append(Piece(direction_rad=angle % np.pi, lines=lines))
    added = patch(ground.target, ground.free, every, spacing_m * _CLOSER).lines[len(every) :]
    return (*(piece for piece in pieces_ if piece.lines), *(_alone(line) for line in added))


def _alone(line: Line) -> Piece:
    angle = np.arctan2(line.end[1] - line.start[1], line.end[0] - line.start[0])
    return Piece(direction_rad=float(angle % np.pi), lines=(line,))


def _candidates(
    ground: Region, spacing_m: float, turn_m: float, direction_rad: float | None
) -> list[tuple[Part, ...]]:
    target = ground.target
    if direction_rad is not None:
        return [((target, direction_rad),)]
    step_m = turn_m + spacing_m
    cost = [estimator(part, spacing_m, step_m) for part in target.geoms]
    angles = directions(list(target.geoms), most=36)
    total = [sum(one(angle) for one in cost) for angle in angles]
    best = np.argsort(total, kind="stable")[:_TRIED]
    found: list[tuple[Part, ...]] = [((target, float(angles[k])),) for k in best]
    if len(target.geoms) == 1 and _is_convex(target.geoms[0]):
        return found
    # Each part in its own direction, and each part cut where that pays.
    cut = pieces(target, spacing_m, step_m)
    if len(cut) > 1:
        found.append(tuple(cut))
        if len(cut) > len(target.geoms) > 1:
            found.append(tuple((part, best_direction(part, spacing_m, step_m)[1]) for part in target.geoms))
    return found


def _is_convex(polygon: Polygon) -> bool:
    return bool(polygon.convex_hull.area - polygon.area < 1e-6 * polygon.area)


def _homes(routers: Sequence[Router], takeoffs: Sequence[XY]) -> list[list[XY]]:
    """Return the take-off points of each connected part of the free ground."""
    homes: list[list[XY]] = [[] for _ in routers]
    for takeoff in takeoffs:
        inside = [number for number, router in enumerate(routers) if router.free.covers(Point(takeoff))]
        if not inside:
            raise PlanError(
                "A take-off point lies outside the fence, inside a no-fly zone, or at the edge of either.",
                hint="Move it, or give a zone of kind fence that holds the area and the take-off point.",
            )
        homes[inside[0]].append(takeoff)
    return homes


def _joined(
    lines: Sequence[Line],
    routers: Sequence[Router],
    homes: Sequence[Sequence[XY]],
    ground: Region,
    parts: tuple[Part, ...],
    uncovered: float,
) -> Cover:
    tours, chosen = [], []
    middles = shapely.points([np.add(line.start, line.end) / 2 for line in lines])
    home_of = np.array([shapely.distance(router.free, middles) for router in routers]).argmin(axis=0)
    for number, router in enumerate(routers):
        here = [line for line, part in zip(lines, home_of, strict=True) if part == number]
        if not here:
            continue
        tour = tour_of(here, router, homes[number])
        tours.append(tour)
        if not homes[number]:
            chosen.append(tour.takeoff)
    return Cover(
        tours=tuple(tours),
        parts=parts,
        uncovered=uncovered,
        region=ground,
        chosen_takeoffs=tuple(chosen),
    )


def tour_of(lines: Sequence[Line], router: Router, takeoffs: Sequence[XY]) -> Tour:
    """Return the lines in the best order found, from the best of the take-off points and back.

    Without a take-off point it is the start of the first line.

    Raises:
        PlanError: a line cannot be reached.
    """
    ends_N2 = join.ends_of(lines)
    n = len(ends_N2)
    between = router.distances(np.concatenate([ends_N2, np.asarray(takeoffs, float).reshape(-1, 2)]))
    best: tuple[float, list[int], XY | None] | None = None
    for number, takeoff in enumerate(takeoffs) if takeoffs else [(0, None)]:
        away = between[n + number, :n] if takeoff is not None else None
        found = join.order(lines, between[:n, :n], away)
        cost = join.cost(found, between[:n, :n], np.zeros(n) if away is None else away)
        if best is None or cost < best[0]:
            best = (cost, found, takeoff)
    assert best is not None  # noqa: S101 - the loop ran at least once
    cost, found, takeoff = best
    if not np.isfinite(cost):
        raise PlanError(
            "A part of the area cannot be reached inside the fence without crossing a no-fly zone.",
            hint="Give it a take-off point of its own, or widen the fence.",
        )
    flown = tuple(lines[a // 2] if a % 2 == 0 else join.reverse(lines[a // 2]) for a in found[::2])
    start = flown[0].start if takeoff is None else takeoff
    return Tour(
        takeoff=start,
        lines=flown,
        numbers=tuple(a // 2 for a in found[::2]),
        ways=tuple(_way(router, before.end, after.start) for before, after in pairwise(flown)),
        out=_way(router, start, flown[0].start),
        back=_way(router, flown[-1].end, start),
    )


def _way(router: Router, start: XY, end: XY) -> tuple[XY, ...]:
    if np.hypot(end[0] - start[0], end[1] - start[1]) < 1e-6:
        return (start,)
    way = router.way(start, end)
    if way is None:
        raise PlanError(
            "A part of the area cannot be reached inside the fence without crossing a no-fly zone.",
            hint="Give it a take-off point of its own, or widen the fence.",
        )
    return way


def _cost_m(found: Cover, spacing_m: float, turn_m: float) -> float:
    flown = sum(tour.survey_m + tour.off_lines_m + turn_m * len(tour.lines) for tour in found.tours)
    return flown + _missed_m(found.uncovered, found.region, spacing_m)


def _missed_m(uncovered: float, ground: Region, spacing_m: float) -> float:
    """Return what ground that is missed weighs: a plan that misses some is taken only where all do."""
    return uncovered * ground.target.area / spacing_m * (1e4 if uncovered > _MISSED else 10)
