"""Outlines about one unit wide, drawn from a random generator: what towns and rivers leave over."""

import math
from itertools import pairwise
from random import Random

from shapely.geometry import LineString, Polygon, box
from shapely.ops import unary_union


def regular(corners: int) -> Polygon:
    """A regular polygon on the unit circle."""
    return Polygon(
        [(math.cos(2 * math.pi * k / corners), math.sin(2 * math.pi * k / corners)) for k in range(corners)]
    )


def letter_l(rng: Random) -> Polygon:
    """An L, its arms 0.25 to 0.6 thick."""
    across, up = rng.uniform(0.25, 0.6), rng.uniform(0.25, 0.6)
    return Polygon([(0, 0), (1, 0), (1, up), (across, up), (across, 1), (0, 1)])


def letter_u(rng: Random) -> Polygon:
    """A U with a bay 0.3 to 0.8 deep."""
    left, right = rng.uniform(0.2, 0.35), rng.uniform(0.65, 0.8)
    floor = rng.uniform(0.2, 0.7)
    return Polygon([(0, 0), (1, 0), (1, 1), (right, 1), (right, floor), (left, floor), (left, 1), (0, 1)])


def comb(rng: Random, teeth: int) -> Polygon:
    """A back with teeth of different lengths."""
    step = 1 / (2 * teeth - 1)
    parts = [box(0, 0, 1, rng.uniform(0.15, 0.35))]
    parts += [box(2 * k * step, 0, (2 * k + 1) * step, rng.uniform(0.5, 1)) for k in range(teeth)]
    return _one(unary_union(parts))


def star(rng: Random, points: int) -> Polygon:
    """A star; its inner corners at 0.4 to 0.7 of the radius."""
    inner = rng.uniform(0.4, 0.7)
    radii = [1.0 if k % 2 == 0 else inner for k in range(2 * points)]
    return _around(radii, [math.pi * k / points for k in range(2 * points)])


def spiral(bends: int) -> Polygon:
    """A square spiral of one width, as a road that winds inward."""
    at, heading, length = (0.0, 0.0), 0, 1.0
    points = [at]
    for bend in range(bends):
        step = (length, 0.0) if heading == 0 else (0.0, length) if heading == 1 else (-length, 0.0)
        if heading == 3:
            step = (0.0, -length)
        at = (at[0] + step[0], at[1] + step[1])
        points.append(at)
        heading = (heading + 1) % 4
        if bend % 2 == 1 or bend == 0:
            length -= 0.22
    return LineString(points).buffer(0.065, cap_style="square", join_style="mitre")


def staircase(rng: Random, steps: int) -> Polygon:
    """Right-angled steps up one side."""
    xs = [0.0, *sorted(rng.uniform(0.1, 0.9) for _ in range(steps - 1)), 1.0]
    ys = sorted((rng.uniform(0.15, 1.0) for _ in range(steps)), reverse=True)
    parts = [box(a, 0, b, y) for (a, b), y in zip(pairwise(xs), ys, strict=True)]
    return _one(unary_union(parts))


def river_bank(rng: Random) -> Polygon:
    """Land between a straight road and a winding bank of sixty corners."""
    waves = [(rng.uniform(0.03, 0.12) / k, rng.uniform(0, 2 * math.pi), 2 * math.pi * k) for k in range(1, 5)]
    width = rng.uniform(0.3, 0.7)
    bank = [
        (x / 60, width + sum(a * math.sin(f * x / 60 + phase) for a, phase, f in waves)) for x in range(61)
    ]
    return Polygon([(0, 0), *([(1.0, 0.0)]), *reversed(bank)])


def random_simple(rng: Random, corners: int) -> Polygon:
    """A ring around a middle that it sees, its corners at 0.35 to 1 of the radius."""
    angles = [2 * math.pi * (k + rng.uniform(-0.35, 0.35)) / corners for k in range(corners)]
    return _around([rng.uniform(0.35, 1.0) for _ in range(corners)], angles)


def random_orthogonal(rng: Random) -> Polygon:
    """Squares of a lattice that grew together, without holes: blocks along streets."""
    taken = {(0, 0)}
    while len(taken) < rng.randint(10, 18):
        x, y = rng.choice(sorted(taken))
        dx, dy = rng.choice([(1, 0), (-1, 0), (0, 1), (0, -1)])
        taken.add((x + dx, y + dy))
    grown = _one(unary_union([box(x, y, x + 1, y + 1) for x, y in taken]))
    # Two squares that meet in a corner alone leave a ring that touches itself.
    return Polygon(grown.exterior).buffer(0.01, join_style="mitre")


def _around(radii: list[float], angles: list[float]) -> Polygon:
    return Polygon([(r * math.cos(a), r * math.sin(a)) for r, a in zip(radii, angles, strict=True)])


def _one(shape: object) -> Polygon:
    if not isinstance(shape, Polygon):
        raise TypeError(f"{shape!r} is not one polygon")
    return shape
