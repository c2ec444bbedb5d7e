"""Areas to plan over, made by seeded code: convex, concave, with holes, cut by zones, and a town's cells.

A case is drawn again until what is left of it after zones can be flown as one: the free space within
the fence is in one piece that reaches every part of the area.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import shapely
from shapely.affinity import rotate, scale, translate
from shapely.geometry import MultiPoint, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from benchmarks.flight_lines import shapes
from benchmarks.flight_lines.audit import default_fence, to_cover
from benchmarks.flight_lines.bounds import minimum_width_m

SETS = ("convex", "concave", "holes", "zones", "cells")
REPORT_SEEDS = (4101, 4102)
DEVELOPMENT_SEEDS = (11, 12)
MANY_LINES = 20
_DRAWS = 200
# The least width of a way that counts as one, for the aircraft must fit.
_WAY_M = 6.0
# From a sharp picture of a yard to a coarse one of a county.
_SPACINGS_M = (6.0, 80.0)


@dataclass(frozen=True, slots=True)
class Case:
    """An area to plan over; ``fence`` None: the area grown by one spacing."""

    name: str
    group: str
    area: Polygon
    spacing_m: float
    no_fly: BaseGeometry | None = None
    fence: BaseGeometry | None = None

    @property
    def trigger_m(self) -> float:
        """Distance of photographs: half the spacing, as 80 % front and 70 % side overlap of a 4:3 frame."""
        return self.spacing_m / 2

    @property
    def inside(self) -> BaseGeometry:
        """The fence that holds."""
        return default_fence(self.area, self.spacing_m) if self.fence is None else self.fence

    @property
    def takeoff(self) -> tuple[float, float]:
        """A place to take off from, inside the area and out of the zones."""
        free = self.ground.intersection(self.inside).buffer(-1.0)
        at = max(getattr(free, "geoms", [free]), key=lambda part: part.area).representative_point()
        return at.x, at.y

    @property
    def ground(self) -> BaseGeometry:
        """What is to be covered: the area without its zones."""
        return to_cover(self.area, self.no_fly)

    @property
    def many_lines(self) -> bool:
        """Whether at least 20 lines are needed in any direction."""
        return minimum_width_m(self.area) >= MANY_LINES * self.spacing_m


def cases(seeds: Sequence[int]) -> list[Case]:
    """Return about 45 cases a seed, the same ones each time."""
    return [case for seed in seeds for group in SETS for case in _MAKERS[group](seed)]


def cell(rng: Random) -> Polygon:
    """Return a town's cell: four sides of 330-560 m, corners moved by up to 6 %, turned."""
    width, height = rng.uniform(330, 560), rng.uniform(330, 560)
    corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
    moved = [
        (x + rng.uniform(-0.06, 0.06) * width, y + rng.uniform(-0.06, 0.06) * height) for x, y in corners
    ]
    return rotate(Polygon(moved), rng.uniform(0, 360), origin="centroid")


def _convex(seed: int) -> list[Case]:
    rng = Random(f"convex {seed}")
    made = []
    for number in range(13):
        # The first nine have 20 to 60 lines across their narrow side; the others are small or slender.
        kind = number % 3
        if kind == 0:
            area = MultiPoint([_in_disc(rng) for _ in range(rng.randint(5, 40))]).convex_hull
        elif kind == 1:
            area = shapes.regular(rng.randint(3, 12))
        else:
            slender = rng.uniform(0.15, 0.4) if number < 9 else rng.uniform(0.03, 0.3)
            area = scale(shapes.regular(rng.choice([4, 4, 5, 8, 24])), 1.0, slender)
        for _ in range(_DRAWS):
            lines = rng.uniform(21, 60) if number < 9 else rng.uniform(2, 18)
            placed = _placed(area, _log_uniform(rng, 60, 3000), rng)
            spacing = minimum_width_m(placed) / lines
            if _SPACINGS_M[0] <= spacing <= _SPACINGS_M[1]:
                made.append(Case(f"convex-{seed}-{number}", "convex", placed, spacing))
                break
    return made


def _concave(seed: int) -> list[Case]:
    rng = Random(f"concave {seed}")
    drawn: list[Polygon] = [
        shapes.letter_l(rng),
        shapes.letter_u(rng),
        shapes.comb(rng, rng.randint(3, 6)),
        shapes.star(rng, rng.randint(5, 9)),
        shapes.spiral(rng.randint(5, 8)),
        shapes.staircase(rng, rng.randint(3, 6)),
        shapes.river_bank(rng),
        shapes.river_bank(rng),
        shapes.random_simple(rng, rng.randint(9, 16)),
        shapes.random_simple(rng, rng.randint(17, 40)),
        shapes.random_orthogonal(rng),
        shapes.random_orthogonal(rng),
    ]
    return [_sized(f"concave-{seed}-{n}", "concave", area, rng) for n, area in enumerate(drawn)]


def _holes(seed: int) -> list[Case]:
    rng = Random(f"holes {seed}")
    made = []
    for number, wanted in enumerate((1, 1, 2, 3, 4, 6, 8, 10, 15)):
        outer = shapes.random_simple(rng, 14) if number % 3 == 2 else shapes.regular(rng.randint(4, 9))
        case = _sized(f"holes-{seed}-{number}", "holes", outer, rng, lines=(12, 40))
        made.append(_replaced(case, area=with_holes(case.area, wanted, rng)))
    return made


def _zones(seed: int) -> list[Case]:
    rng = Random(f"zones {seed}")
    makers: list[Callable[[Polygon, Random], BaseGeometry]] = [
        disc_on_border,
        _disc_inside,
        _polygon_on_border,
        polygon_inside,
        _cut_from_the_side,
        _cut_from_the_side,
        lambda area, rng: unary_union([disc_on_border(area, rng), polygon_inside(area, rng)]),
        lambda area, rng: unary_union([_disc_inside(area, rng) for _ in range(4)]),
    ]
    made = []
    for number, maker in enumerate(makers):
        for _ in range(_DRAWS):
            outer = shapes.random_simple(rng, 12) if number % 2 else cell(rng)
            case = _sized(f"zones-{seed}-{number}", "zones", outer, rng, lines=(8, 35))
            if number == 7:
                case = _replaced(case, area=with_holes(case.area, 2, rng))
            case = _replaced(case, no_fly=maker(case.area, rng))
            if can_be_flown(case):
                made.append(case)
                break
        else:
            raise RuntimeError(f"no zone of kind {number} leaves an area that can be flown")
    return [*made, _cut_in_two(seed, rng)]


def _cells(seed: int) -> list[Case]:
    rng = Random(f"cells {seed}")
    return [Case(f"cells-{seed}-{n}", "cells", cell(rng), rng.uniform(25, 45)) for n in range(10)]


_MAKERS: dict[str, Callable[[int], list[Case]]] = {
    "convex": _convex,
    "concave": _concave,
    "holes": _holes,
    "zones": _zones,
    "cells": _cells,
}


def can_be_flown(case: Case) -> bool:
    """Tell whether an aircraft gets from any part of the area to any other, inside the fence."""
    free = case.inside if case.no_fly is None else case.inside.difference(case.no_fly)
    free = free.buffer(-_WAY_M / 2)
    return (
        isinstance(free, Polygon)
        and case.ground.area > 0.25 * case.area.area
        and all(part.intersects(free) for part in getattr(case.ground, "geoms", [case.ground]))
    )


def _cut_in_two(seed: int, rng: Random) -> Case:
    """A zone from border to border; the fence is a wider one, and the way round lies in it."""
    case = _sized(f"zones-{seed}-two", "zones", cell(rng), rng, lines=(10, 25))
    middle = case.area.centroid
    reach = 2 * math.sqrt(case.area.area)
    band = box(middle.x - reach, middle.y - 0.06 * reach, middle.x + reach, middle.y + 0.04 * reach)
    band = rotate(band, rng.uniform(0, 180), origin=middle)
    zone = band.intersection(case.area.buffer(case.spacing_m, join_style="mitre"))
    return _replaced(case, no_fly=zone, fence=case.area.convex_hull.buffer(4 * case.spacing_m))


def disc_on_border(area: Polygon, rng: Random) -> BaseGeometry:
    at = area.exterior.interpolate(rng.random(), normalized=True)
    return at.buffer(rng.uniform(0.1, 0.3) * math.sqrt(area.area))


def _disc_inside(area: Polygon, rng: Random) -> BaseGeometry:
    return point_in(area, rng).buffer(rng.uniform(0.04, 0.15) * math.sqrt(area.area))


def _polygon_on_border(area: Polygon, rng: Random) -> BaseGeometry:
    at = area.exterior.interpolate(rng.random(), normalized=True)
    return blot(at, rng.uniform(0.15, 0.35) * math.sqrt(area.area), rng)


def polygon_inside(area: Polygon, rng: Random) -> BaseGeometry:
    return blot(point_in(area, rng), rng.uniform(0.08, 0.2) * math.sqrt(area.area), rng)


def _cut_from_the_side(area: Polygon, rng: Random) -> BaseGeometry:
    """A strip from well outside to beyond the middle, as the approach of a runway."""
    size = math.sqrt(area.area)
    middle = area.centroid
    half, end = rng.uniform(0.03, 0.08) * size, rng.uniform(0, 0.2) * size
    strip = box(middle.x - 2 * size, middle.y - half, middle.x + end, middle.y + half)
    return rotate(strip, rng.uniform(0, 360), origin=middle)


def blot(at: Point, radius_m: float, rng: Random) -> BaseGeometry:
    drawn = shapes.random_simple(rng, rng.randint(5, 12))
    grown = scale(drawn, radius_m, radius_m, origin=(0, 0))
    return translate(grown, at.x - grown.centroid.x, at.y - grown.centroid.y)


def with_holes(area: Polygon, wanted: int, rng: Random) -> Polygon:
    """Cut holes out, every other one concave, clear of the border and of each other."""
    share = rng.uniform(0.06, 0.25)
    radius = math.sqrt(share * area.area / wanted / math.pi)
    holes: list[Polygon] = []
    clear = area.buffer(-0.3 * radius)
    for attempt in range(50 * _DRAWS):
        # What does not fit comes back a little smaller.
        size = radius * 0.995 ** (attempt // 4) * rng.uniform(0.7, 1.3)
        at = point_in(area, rng)
        concave = len(holes) % 2 == 1
        hole = blot(at, 1.3 * size, rng) if concave else at.buffer(size, quad_segs=rng.randint(1, 6))
        if clear.contains(hole):
            holes.append(hole)
            clear = clear.difference(hole.buffer(0.3 * radius))
        if len(holes) == wanted:
            return Polygon(area.exterior, [one.exterior for one in holes])
    raise RuntimeError(f"{wanted} holes do not fit")


def _sized(name: str, group: str, area: Polygon, rng: Random, lines: tuple[float, float] = (5, 45)) -> Case:
    placed = _placed(area, _log_uniform(rng, 60, 3000), rng)
    # Lines as over a square of its size: a comb's width says nothing of how many it takes.
    spacing = math.sqrt(placed.area) / rng.uniform(*lines)
    return Case(name, group, placed, min(max(spacing, _SPACINGS_M[0]), _SPACINGS_M[1]))


def _replaced(
    case: Case,
    *,
    area: Polygon | None = None,
    no_fly: BaseGeometry | None = None,
    fence: BaseGeometry | None = None,
) -> Case:
    return Case(
        case.name,
        case.group,
        area or case.area,
        case.spacing_m,
        case.no_fly if no_fly is None else no_fly,
        case.fence if fence is None else fence,
    )


def _placed(area: BaseGeometry, size_m: float, rng: Random) -> Polygon:
    """Return the area with a longest extent of ``size_m``, turned, around (0, 0)."""
    x0, y0, x1, y1 = shapely.minimum_rotated_rectangle(area).bounds
    sides = list(shapely.minimum_rotated_rectangle(area).exterior.coords)
    longest = max(math.dist(a, b) for a, b in pairwise(sides))
    moved = translate(area, -(x0 + x1) / 2, -(y0 + y1) / 2)
    placed = rotate(
        scale(moved, size_m / longest, size_m / longest, origin=(0, 0)), rng.uniform(0, 360), origin=(0, 0)
    )
    if isinstance(placed, MultiPolygon) or not placed.is_valid:
        raise RuntimeError("a shape is not one valid polygon")
    return placed


def point_in(area: Polygon, rng: Random) -> Point:
    x0, y0, x1, y1 = area.bounds
    while True:
        at = Point(rng.uniform(x0, x1), rng.uniform(y0, y1))
        if area.contains(at):
            return at


def _in_disc(rng: Random) -> tuple[float, float]:
    radius, angle = math.sqrt(rng.random()), rng.uniform(0, 2 * math.pi)
    return radius * math.cos(angle), radius * math.sin(angle)


def _log_uniform(rng: Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))
