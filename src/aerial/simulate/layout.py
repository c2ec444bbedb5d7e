"""Lays out the town at its first epoch: roads, blocks, and what stands on them."""

from collections.abc import Callable

import numpy as np
from shapely.geometry import Point, Polygon, box

from aerial.simulate import blocks, terrain
from aerial.simulate.presets import Preset, stream
from aerial.simulate.town import Floats, Road, Town, Tree, Vehicle, outline

Warp = Callable[[Floats], Floats]
Span = tuple[float, float, float, float]

# What blocks are used for, from the middle of the cell outwards, repeated as needed.
USES = ("village", "farm", "village", "factory", "village", "yard", "farm", "village", "park")
ROAD_WIDTHS_M = (11.0, 7.5, 5.5, 4.0)


def lay_out(preset: Preset, seed: int, half_m: tuple[float, float]) -> Town:
    """Return the town at the first epoch; it covers ``half_m`` east and north of the origin."""
    rng = stream(seed, "layout")
    reach = float(np.hypot(*half_m)) + 15 + preset.block_m
    yaw_deg = float(rng.uniform(-40, 40))
    warp = _warp(rng, yaw_deg)
    spans, lines = _plan(rng, reach, preset.block_m)
    keep = box(-half_m[0] - 12, -half_m[1] - 12, half_m[0] + 12, half_m[1] + 12)
    content = blocks.Content(relief=terrain.relief(stream(seed, "relief")))
    # The middle of the cell is always lived in: most changes happen to houses.
    shift = int(rng.choice([k for k, use in enumerate(USES) if use == "village"]))
    for index, span in enumerate(sorted(spans, key=lambda s: np.hypot(s[0] + s[2], s[1] + s[3]))):
        if Polygon(warp(_ring(span))).intersects(keep):
            use = USES[(index + shift) % len(USES)]
            blocks.fill(content, stream(seed, "block", index), use, span, warp)
    roads = tuple(
        Road(
            line_N2=warp(line), width_m=width, layer="asphalt" if width > 5 else "concrete", marked=width > 8
        )
        for line, width in lines
    )
    verge = stream(seed, "street trees")
    for road in roads:
        if road.marked:
            content.trees += _street_trees(verge, road)
    driving = traffic(stream(seed, "traffic"), roads)
    return Town(
        half_m=half_m,
        yaw_deg=yaw_deg,
        relief=content.relief,
        roads=roads,
        patches=tuple(content.patches),
        fields=tuple(content.fields),
        pits=tuple(content.pits),
        buildings=tuple(b for b in content.buildings if outline(b.plot).intersects(keep)),
        trees=tuple(t for t in content.trees if keep.contains(Point(t.x_m, t.y_m))),
        vehicles=tuple(v for v in (*content.vehicles, *driving) if keep.contains(Point(v.x_m, v.y_m))),
        sheets=tuple(content.sheets),
        lots=tuple(content.lots),
        parking=tuple(content.parking),
    )


def _plan(
    rng: np.random.Generator, reach: float, block_m: float
) -> tuple[list[Span], list[tuple[Floats, float]]]:
    """Return blocks and roads' middle lines of a straight plan, the middle of a block at the origin."""
    lines: list[tuple[Floats, float]] = []
    spans = _split(rng, (-reach, -reach, reach, reach), block_m, lines)
    u0, v0, u1, v1 = min(spans, key=lambda s: np.hypot(s[0] + s[2], s[1] + s[3]))
    u, v = (u0 + u1) / 2, (v0 + v1) / 2
    return (
        [(s[0] - u, s[1] - v, s[2] - u, s[3] - v) for s in spans],
        [(line - np.array([u, v]), width) for line, width in lines],
    )


def _warp(rng: np.random.Generator, yaw_deg: float) -> Warp:
    """Return the map from the plan's straight grid to the ground, where roads bend gently."""
    wave_m = rng.uniform(180, 320, (2, 2))
    sway_m = rng.uniform(3, 7, (2, 2))
    phase = rng.uniform(0, 2 * np.pi, (2, 2))
    c, s = np.cos(np.radians(yaw_deg)), np.sin(np.radians(yaw_deg))

    def warp(uv_N2: Floats) -> Floats:
        uv_N2 = np.asarray(uv_N2, float)
        bent = [
            uv_N2[:, axis]
            + sum(
                sway_m[axis, k] * np.sin(2 * np.pi * uv_N2[:, k] / wave_m[axis, k] + phase[axis, k])
                for k in (0, 1)
            )
            for axis in (0, 1)
        ]
        return np.column_stack([bent[0] * c - bent[1] * s, bent[0] * s + bent[1] * c])

    return warp


def _ring(span: Span) -> Floats:
    u0, v0, u1, v1 = span
    ring_52 = np.array([[u0, v0], [u1, v0], [u1, v1], [u0, v1], [u0, v0]], float)
    return np.concatenate([_dense(ring_52[i : i + 2]) for i in range(4)])


def _dense(line_22: Floats) -> Floats:
    steps = max(2, int(np.hypot(*(line_22[1] - line_22[0])) / 4))
    return np.asarray(np.linspace(line_22[0], line_22[1], steps))


def _split(
    rng: np.random.Generator,
    span: Span,
    block_m: float,
    lines: list[tuple[Floats, float]],
    depth: int = 0,
) -> list[Span]:
    """Cut a span by roads until its pieces are blocks; the roads' middle lines go to ``lines``."""
    u0, v0, u1, v1 = span
    long_m = max(u1 - u0, v1 - v0)
    if long_m < block_m * rng.uniform(1.3, 1.7):
        return [span]
    width_m = ROAD_WIDTHS_M[min(depth // 2, len(ROAD_WIDTHS_M) - 1)]
    at = long_m * rng.uniform(0.38, 0.62)
    if u1 - u0 >= v1 - v0:
        middle = u0 + at
        lines.append((_dense(np.array([[middle, v0], [middle, v1]])), width_m))
        halves = (u0, v0, middle - width_m / 2, v1), (middle + width_m / 2, v0, u1, v1)
    else:
        middle = v0 + at
        lines.append((_dense(np.array([[u0, middle], [u1, middle]])), width_m))
        halves = (u0, v0, u1, middle - width_m / 2), (u0, middle + width_m / 2, u1, v1)
    return [piece for half in halves for piece in _split(rng, half, block_m, lines, depth + 1)]


def _street_trees(rng: np.random.Generator, road: Road) -> list[Tree]:
    """Return trees on the pavements of a main road, some 12 m apart, many missing."""
    trees = []
    for side in (-1, 1):
        for index in range(1, len(road.line_N2) - 1, 3):
            if rng.random() < 0.45:
                step = road.line_N2[index + 1] - road.line_N2[index]
                along = step / np.hypot(*step)
                x, y = road.line_N2[index] + side * (road.width_m / 2 + 0.6) * np.array([-along[1], along[0]])
                trees.append(blocks.tree(rng, float(x), float(y), 0.75))
    return trees


def traffic(rng: np.random.Generator, roads: tuple[Road, ...]) -> list[Vehicle]:
    """Return vehicles driving and parked along the roads."""
    vehicles = []
    for road in roads:
        if road.width_m < 5:
            continue
        steps_N2 = np.diff(road.line_N2, axis=0)
        for index in np.flatnonzero(rng.random(len(steps_N2)) < 0.12):
            along = steps_N2[index] / np.hypot(*steps_N2[index])
            side = float(rng.choice([-1, 1])) * road.width_m * float(rng.choice([0.2, 0.38]))
            x, y = road.line_N2[index] + side * np.array([-along[1], along[0]])
            heading = float(np.degrees(np.arctan2(along[1], along[0])))
            vehicles.append(blocks.vehicle(rng, float(x), float(y), heading))
    return vehicles


def driving(rng: np.random.Generator, roads: tuple[Road, ...], after_s: float) -> tuple[Vehicle, ...]:
    """Return the vehicles under way on the wider roads, ``after_s`` seconds after the first photograph.

    Drawn from the same ``rng``, they are the same vehicles, further on; at its end a road begins anew.
    """
    vehicles = []
    for road in roads:
        if road.width_m < 5:
            continue
        steps_m = np.hypot(*np.diff(road.line_N2, axis=0).T)
        along_m = np.concatenate([[0.0], np.cumsum(steps_m)])
        for _ in range(rng.poisson(along_m[-1] / 80)):
            way = float(rng.choice([-1, 1]))
            at_m = (rng.uniform(0, along_m[-1]) + way * rng.uniform(3, 12) * after_s) % along_m[-1]
            index = min(int(np.searchsorted(along_m, at_m, side="right")) - 1, len(steps_m) - 1)
            ahead_2 = (road.line_N2[index + 1] - road.line_N2[index]) / steps_m[index]
            x, y = road.line_N2[index] + ahead_2 * (at_m - along_m[index])
            # People keep to the right of the road's middle.
            x, y = x + way * ahead_2[1] * road.width_m / 4, y - way * ahead_2[0] * road.width_m / 4
            heading = float(np.degrees(np.arctan2(way * ahead_2[1], way * ahead_2[0])))
            vehicles.append(blocks.vehicle(rng, float(x), float(y), heading))
    return tuple(vehicles)
