"""Turns buildings, trees, vehicles and sheets into triangles."""

import numpy as np

from aerial.simulate import terrain
from aerial.simulate.mesh import Mesh, Skin
from aerial.simulate.textures import GROUND_LAYER
from aerial.simulate.town import (
    Building,
    Colour,
    Field,
    Floats,
    Pit,
    Plot,
    RoofShed,
    Sheet,
    Tree,
    Vehicle,
    corners,
    part_of,
    place,
    shaded,
)

PARAPET_M = 1.0
PARAPET_THICK_M = 0.2
NET: Colour = (0.14, 0.40, 0.24)


def building(mesh: Mesh, b: Building) -> None:
    """Add one building with its roof, clutter, awnings and air conditioners."""
    rng = np.random.default_rng(b.seed)
    wall = Skin(layer=b.wall_layer, colour=b.wall_colour)
    roof = Skin(layer=b.roof_layer, colour=b.roof_colour)
    eaves = b.ground_m + b.height_m
    mesh.walls(corners(b.plot), b.ground_m - 2, eaves, wall, base_m=b.ground_m)
    if b.roof == "gable":
        mesh.gable(b.plot, eaves, 0.11 * min(b.plot.width_m, b.plot.depth_m) + 0.2, roof, wall)
        if b.zone == "factory":
            _ridge_vents(mesh, b, rng)
    elif b.roof == "mono":
        _mono(mesh, b.plot, eaves, roof, wall)
    else:
        _flat_roof(mesh, b, rng, wall, roof)
        _facade_things(mesh, b, rng)
    if b.scaffold:
        net = Skin(layer="net", colour=NET)
        mesh.walls(corners(b.plot, 1.0), b.ground_m - 1, eaves + 1.3, net, base_m=b.ground_m)
        mesh.walls(corners(b.plot, 0.98)[::-1], b.ground_m - 1, eaves + 1.3, net, base_m=b.ground_m)


def _mono(mesh: Mesh, plot: Plot, eaves: float, roof: Skin, wall: Skin) -> None:
    ring_42 = corners(plot, 0.3)
    rise_m = 0.06 * plot.depth_m
    z = np.array([eaves, eaves, eaves + rise_m, eaves + rise_m])
    mesh.quad(np.column_stack([ring_42, z]), roof, along_deg=plot.yaw_deg)
    back_42 = corners(plot)
    mesh.walls(back_42, eaves - 0.1, eaves, wall)
    high = [
        [*back_42[2], eaves],
        [*back_42[3], eaves],
        [*back_42[3], eaves + rise_m],
        [*back_42[2], eaves + rise_m],
    ]
    mesh.quad(np.array(high), wall)
    mesh.add(np.array([[[*back_42[1], eaves], [*back_42[2], eaves], [*back_42[2], eaves + rise_m]]]), wall)
    mesh.add(np.array([[[*back_42[0], eaves], [*back_42[3], eaves + rise_m], [*back_42[3], eaves]]]), wall)


def _ridge_vents(mesh: Mesh, b: Building, rng: np.random.Generator) -> None:
    metal = Skin(layer="plain", colour=(0.7, 0.71, 0.72))
    rise_m = 0.11 * min(b.plot.width_m, b.plot.depth_m) + 0.2
    long = b.plot.width_m >= b.plot.depth_m
    length = max(b.plot.width_m, b.plot.depth_m)
    for k in range(int(length // 7)):
        if rng.random() < 0.7:
            along = (k + 0.5) * 7 - length / 2
            x, y = place(b.plot, np.array([[along, 0.0] if long else [0.0, along]]))[0]
            z = b.ground_m + b.height_m + rise_m - 0.1
            mesh.cylinder(float(x), float(y), 0.4, z, z + 0.7, metal)


def _flat_roof(mesh: Mesh, b: Building, rng: np.random.Generator, wall: Skin, roof: Skin) -> None:
    top = b.ground_m + b.height_m
    mesh.quad(np.column_stack([corners(b.plot), np.full(4, top)]), roof, along_deg=b.plot.yaw_deg)
    coping = Skin(layer="concrete", colour=shaded(b.wall_colour, 1.1))
    w, d, t = b.plot.width_m, b.plot.depth_m, PARAPET_THICK_M
    for piece in (
        part_of(b.plot, 0, 1, 0, t / d),
        part_of(b.plot, 0, 1, 1 - t / d, 1),
        part_of(b.plot, 0, t / w, t / d, 1 - t / d),
        part_of(b.plot, 1 - t / w, 1, t / d, 1 - t / d),
    ):
        mesh.box(piece, top, top + PARAPET_M, coping, coping)
    # The stair head stands at the back; the shed, if any, at the front, clear of it.
    deep = min(0.42, 4.2 / d)
    side = float(rng.uniform(0.03, 0.6))
    wide = min(0.36, 3.4 / w)
    head = part_of(b.plot, side, side + wide, 0.97 - deep, 0.97)
    if d > 6 and b.height_m > 8:
        mesh.box(head, top, top + 2.7, wall, roof)
        mesh.box(part_of(head, -0.05, 1.05, -0.1, 1.05), top + 2.7, top + 2.85, coping, roof)
    if b.shed is not None and b.shed.slab:
        # A room looks like the house it stands on: from above only its height and its shadow tell.
        mesh.box(b.shed.plot, top, top + b.shed.height_m, wall, roof)
    elif b.shed is not None:
        roof_shed(mesh, b.shed, top)
    _clutter(
        mesh,
        b,
        np.random.default_rng([b.seed, b.clutter_seed]),
        top,
        front_free=b.front_free and b.shed is None,
    )


def roof_shed(mesh: Mesh, shed: RoofShed, top: float) -> None:
    """Add a steel shed on a roof at height ``top``."""
    sheet, side = Skin(layer="steel", colour=shed.colour), Skin(layer="panel", colour=(0.7, 0.71, 0.72))
    mesh.walls(corners(shed.plot), top, top + shed.height_m, side, base_m=top)
    mesh.gable(shed.plot, top + shed.height_m, 0.5, sheet, side)


def _clutter(mesh: Mesh, b: Building, rng: np.random.Generator, top: float, *, front_free: bool) -> None:
    """Add water tanks, solar heaters, pipes, planters, washing and junk on a flat roof."""
    low, high = (0.08, 0.5) if front_free else (0.62, 0.92)
    area = b.plot.width_m * b.plot.depth_m * (high - low)
    for _ in range(2 + rng.poisson(area / 9)):
        u, v = rng.uniform(0.1, 0.9), rng.uniform(low, high)
        x, y = place(b.plot, np.array([[(u - 0.5) * b.plot.width_m, (v - 0.5) * b.plot.depth_m]]))[0]
        yaw = b.plot.yaw_deg + float(rng.choice([0, 90])) + float(rng.normal(0, 4))
        _thing(mesh, rng, float(x), float(y), top, yaw)


def _thing(mesh: Mesh, rng: np.random.Generator, x: float, y: float, top: float, yaw: float) -> None:
    def plot(width: float, depth: float) -> Plot:
        return Plot(x_m=x, y_m=y, width_m=width, depth_m=depth, yaw_deg=yaw)

    draw = rng.random()
    if draw < 0.16:
        steel_tank = rng.random() < 0.6
        colour = (0.80, 0.81, 0.82) if steel_tank else (0.15, 0.35, 0.65)
        mesh.cylinder(
            x,
            y,
            float(rng.uniform(0.5, 0.75)),
            top,
            top + float(rng.uniform(1.2, 2.0)),
            Skin(layer="plain", colour=colour),
        )
    elif draw < 0.28:
        ring_42 = corners(plot(1.9, 1.5))
        z = top + np.array([0.35, 0.35, 1.15, 1.15])
        mesh.quad(
            np.column_stack([ring_42, z]), Skin(layer="panel", colour=(0.07, 0.08, 0.14)), along_deg=yaw
        )
    elif draw < 0.48:
        green = rng.uniform(0.7, 1.2)
        mesh.box(
            plot(float(rng.uniform(0.5, 2.0)), 0.5),
            top,
            top + 0.5,
            Skin(layer="brick", colour=(0.5, 0.33, 0.25)),
            Skin(layer="leaves", colour=(0.22 * green, 0.32 * green, 0.12)),
        )
    elif draw < 0.75:
        shade = rng.uniform(0.15, 0.85, 3) * 0.4 + rng.uniform(0.1, 0.5)
        size = rng.uniform(0.3, 1.2, 2)
        skin = Skin(layer="rubble", colour=shaded(shade))
        mesh.box(plot(float(size[0]), float(size[1])), top, top + float(rng.uniform(0.2, 0.9)), skin, skin)
    else:
        # Washing, mats and boards lie flat: paint without height.
        shade = rng.uniform(0.1, 0.9, 3)
        skin = Skin(layer="plain", colour=shaded(shade))
        flat = corners(plot(float(rng.uniform(0.4, 2.2)), float(rng.uniform(0.3, 1.0))))
        mesh.quad(np.column_stack([flat, np.full(4, top + 0.06)]), skin, along_deg=yaw)


def _facade_things(mesh: Mesh, b: Building, rng: np.random.Generator) -> None:
    """Add awnings and air conditioners that stand out of the walls."""
    ring_42 = corners(b.plot)
    storeys = int(b.height_m // 3.1)
    for side in range(4):
        start, end = ring_42[side], ring_42[(side + 1) % 4]
        length = float(np.hypot(*(end - start)))
        along = (end - start) / length
        out = np.array([along[1], -along[0]])
        yaw = float(np.degrees(np.arctan2(along[1], along[0])))
        for _ in range(rng.poisson(0.06 * length * storeys)):
            at = start + along * rng.uniform(0.8, max(0.9, length - 0.8)) + out * 0.25
            z = b.ground_m + 3.1 * int(rng.integers(0, storeys)) + float(rng.uniform(1.6, 2.4))
            unit = rng.random() < 0.5
            width = 0.9 if unit else float(rng.uniform(1.2, 2.4))
            colour = (
                (0.82, 0.82, 0.80)
                if unit
                else ((0.25, 0.45, 0.65), (0.7, 0.71, 0.72), (0.55, 0.3, 0.25))[int(rng.integers(3))]
            )
            skin = Skin(layer="plain", colour=colour)
            plot = Plot(x_m=float(at[0]), y_m=float(at[1]), width_m=width, depth_m=0.5, yaw_deg=yaw)
            mesh.box(plot, z, z + (0.6 if unit else 0.1), skin, skin)


def tree(mesh: Mesh, t: Tree, ground_m: float) -> None:
    """Add a crown of leaf clumps: tilted quads over an ellipsoid, fronds for palms and bananas."""
    rng = np.random.default_rng(t.seed)
    if t.species in ("palm", "banana"):
        _fronds(mesh, t, ground_m, rng)
        return
    count = int(np.clip(26 * t.radius_m**1.5, 20, 220))
    direction_N3 = rng.normal(size=(count, 3))
    direction_N3[:, 2] = np.abs(direction_N3[:, 2]) * 0.9 - 0.1
    direction_N3 /= np.linalg.norm(direction_N3, axis=1, keepdims=True)
    thick_m = min(t.height_m * 0.55, t.radius_m * 1.1)
    lobes = 1 + 0.18 * np.sin(3 * np.arctan2(direction_N3[:, 1], direction_N3[:, 0]) + rng.uniform(0, 6))
    reach_N = rng.uniform(0.55, 1.0, count) * lobes
    centre_N3 = direction_N3 * np.column_stack([reach_N * t.radius_m] * 2 + [reach_N * thick_m])
    centre_N3 += [t.x_m, t.y_m, ground_m + t.height_m - thick_m]
    facing_N3 = direction_N3 + rng.normal(0, 0.35, (count, 3)) + [0, 0, 0.5]
    size_N = rng.uniform(0.3, 0.62, count) * max(t.radius_m, 1.0) ** 0.5
    shade_N = rng.uniform(0.7, 1.25, count)
    _clumps(mesh, rng, centre_N3, facing_N3, size_N, shade_N, t.colour)


def _clumps(
    mesh: Mesh,
    rng: np.random.Generator,
    centre_N3: Floats,
    facing_N3: Floats,
    size_N: Floats,
    shade_N: Floats,
    colour: Colour,
) -> None:
    facing_N3 = facing_N3 / np.linalg.norm(facing_N3, axis=1, keepdims=True)
    side_N3 = np.cross(facing_N3, rng.normal(size=facing_N3.shape))
    side_N3 /= np.linalg.norm(side_N3, axis=1, keepdims=True)
    other_N3 = np.cross(facing_N3, side_N3)
    for level in range(4):
        pick = np.flatnonzero(np.arange(len(size_N)) % 4 == level)
        if len(pick) == 0:
            continue
        hexagon = []
        for k in range(6):
            angle, stretch = k * np.pi / 3, 0.75 + 0.45 * rng.random(len(pick))
            hexagon.append(
                centre_N3[pick]
                + (side_N3[pick] * np.cos(angle) + other_N3[pick] * np.sin(angle))
                * (size_N[pick] * stretch)[:, None]
            )
        triangles = [np.stack([centre_N3[pick], hexagon[k], hexagon[(k + 1) % 6]], 1) for k in range(6)]
        shade = float(shade_N[pick].mean()) * (0.8 + 0.13 * level)
        skin = Skin(layer="leaves", colour=shaded(colour, shade))
        mesh.add(np.concatenate(triangles), skin, along_deg=float(rng.uniform(0, 180)))


def _fronds(mesh: Mesh, t: Tree, ground_m: float, rng: np.random.Generator) -> None:
    top = ground_m + t.height_m
    count = 13 if t.species == "palm" else 8
    width = 0.32 if t.species == "palm" else 0.5
    for k in range(count):
        angle = 2 * np.pi * (k + rng.uniform(-0.3, 0.3)) / count
        along = np.array([np.cos(angle), np.sin(angle), 0.0])
        across = np.array([-np.sin(angle), np.cos(angle), 0.0])
        length = t.radius_m * rng.uniform(0.8, 1.2)
        spine = [
            np.array([t.x_m, t.y_m, top]) + along * length * s + [0, 0, 0.25 - 1.1 * s**2]
            for s in (0, 0.5, 1)
        ]
        wide = [0.25 * width, width, 0.08]
        shade = rng.uniform(0.75, 1.3)
        skin = Skin(layer="leaves", colour=shaded(t.colour, shade))
        for a, b, wa, wb in zip(spine, spine[1:], wide, wide[1:], strict=False):
            mesh.quad(
                np.array([a - across * wa, b - across * wb, b + across * wb, a + across * wa]),
                skin,
                along_deg=float(np.degrees(angle)),
            )
    trunk = Skin(layer="brick", colour=(0.35, 0.29, 0.22))
    mesh.cylinder(t.x_m, t.y_m, 0.15, ground_m, top, trunk)


def vehicle(mesh: Mesh, v: Vehicle, ground_m: float) -> None:
    """Add a car, van or lorry as a body and a cabin with dark glass."""
    length, width, body_m, height_m = {
        "car": (4.5, 1.8, 0.85, 1.45),
        "van": (5.2, 1.9, 1.1, 2.0),
        "truck": (7.5, 2.4, 1.3, 3.1),
        "bike": (1.7, 0.7, 0.75, 0.95),
    }[v.kind]
    whole = Plot(x_m=v.x_m, y_m=v.y_m, width_m=length, depth_m=width, yaw_deg=v.yaw_deg)
    paint, glass = Skin(layer="plain", colour=v.colour), Skin(layer="plain", colour=(0.06, 0.07, 0.08))
    z = ground_m + 0.15
    if v.kind == "bike":
        mesh.box(part_of(whole, 0, 1, 0.3, 0.7), z, z + 0.75, paint, glass)
        mesh.box(part_of(whole, 0.6, 0.7, 0, 1), z + 0.75, z + 0.95, glass, glass)
        return
    if v.kind == "truck":
        cargo = Skin(layer="panel", colour=v.colour)
        mesh.box(part_of(whole, 0, 0.74, 0, 1), z + 0.8, z + height_m, cargo, cargo)
        mesh.box(part_of(whole, 0.78, 1, 0.05, 0.95), z, z + 2.3, glass, paint)
        mesh.box(part_of(whole, 0, 0.8, 0.1, 0.9), z, z + 0.9, glass, glass)
        return
    mesh.box(whole, z, z + body_m, paint, paint)
    cabin = part_of(whole, 0.18, 0.72 if v.kind == "car" else 0.93, 0.06, 0.94)
    mesh.box(cabin, z + body_m, z + height_m - 0.1, glass, glass)
    mesh.box(part_of(cabin, 0.16, 0.86, 0.04, 0.96), z + height_m - 0.1, z + height_m, paint, paint)


def sheet(mesh: Mesh, s: Sheet, ground_m: float) -> None:
    """Add a tarpaulin over a low pile."""
    base = ground_m if s.base_m is None else s.base_m
    skin = Skin(layer="plain", colour=s.colour)
    outer_42, inner_42 = corners(s.plot), corners(part_of(s.plot, 0.2, 0.8, 0.2, 0.8))
    outer = np.column_stack([outer_42, np.full(4, base + 0.05)])
    inner = np.column_stack([inner_42, np.full(4, base + 0.05 + s.lift_m)])
    mesh.quad(inner, skin, along_deg=s.plot.yaw_deg)
    for k in range(4):
        after = (k + 1) % 4
        mesh.quad(np.array([outer[k], outer[after], inner[after], inner[k]]), skin)


def canopy(mesh: Mesh, f: Field, relief_54: Floats, pits: tuple[Pit, ...]) -> None:
    """Add the crop of a field as a rough surface over its ground."""
    rng = np.random.default_rng(f.seed)
    columns, rows = max(2, int(f.plot.width_m / 0.7)), max(2, int(f.plot.depth_m / 0.7))
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, columns + 1), np.linspace(-0.5, 0.5, rows + 1))
    xy = place(f.plot, np.column_stack([u.ravel() * f.plot.width_m, v.ravel() * f.plot.depth_m]))
    rough = rng.uniform(0.35, 1.0, u.shape)
    rough[[0, -1], :] = rough[:, [0, -1]] = -0.1
    bare = terrain.ground_m(relief_54, (), xy[:, 0], xy[:, 1])
    dug = terrain.ground_m(relief_54, pits, xy[:, 0], xy[:, 1])
    # Nothing grows where the ground is dug away.
    z = np.where(np.abs(bare - dug) > 0.02, dug - 0.3, bare + f.canopy_m * rough.ravel())
    p = np.column_stack([xy, z]).reshape(*u.shape, 3)
    a, b, c, d = p[:-1, :-1], p[:-1, 1:], p[1:, 1:], p[1:, :-1]
    for triangle in ((a, b, c), (a, c, d)):
        mesh.add_layer(np.stack([corner.reshape(-1, 3) for corner in triangle], 1), GROUND_LAYER)
