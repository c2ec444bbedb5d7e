"""Fills one block between roads: village, factory, farmland, yard or park."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from shapely.geometry import Polygon

from aerial.simulate import houses, terrain
from aerial.simulate.presets import pick
from aerial.simulate.town import (
    Building,
    Colour,
    Crop,
    Field,
    Floats,
    Lot,
    Patch,
    Pit,
    Plot,
    Sheet,
    Species,
    Tree,
    Vehicle,
    VehicleKind,
    outline,
    part_of,
    place,
)

Warp = Callable[[Floats], Floats]
Span = tuple[float, float, float, float]

GREENS: tuple[Colour, ...] = ((0.20, 0.30, 0.11), (0.25, 0.35, 0.14), (0.17, 0.26, 0.12), (0.31, 0.37, 0.16))
PAINTS: tuple[Colour, ...] = (
    (0.88, 0.88, 0.88),
    (0.75, 0.76, 0.78),
    (0.10, 0.10, 0.11),
    (0.30, 0.31, 0.33),
    (0.55, 0.10, 0.10),
    (0.15, 0.25, 0.50),
    (0.90, 0.90, 0.86),
)
TARPS: tuple[Colour, ...] = ((0.15, 0.35, 0.65), (0.75, 0.35, 0.15), (0.20, 0.45, 0.30), (0.85, 0.85, 0.85))
TRAFFIC: tuple[VehicleKind, ...] = ("car", "car", "car", "van", "truck")
TREES: tuple[Species, ...] = ("broad", "broad", "broad", "palm", "banana", "bush")
CROPS: tuple[Crop, ...] = ("rows", "rows", "paddy", "bare", "stubble", "plastic")


@dataclass(slots=True)
class Content:
    """What the blocks of the first epoch hold; grows while they are filled."""

    relief: Floats
    patches: list[Patch] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    pits: list[Pit] = field(default_factory=list)
    buildings: list[Building] = field(default_factory=list)
    trees: list[Tree] = field(default_factory=list)
    vehicles: list[Vehicle] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)
    lots: list[Lot] = field(default_factory=list)
    parking: list[Plot] = field(default_factory=list)

    def ground_m(self, plot: Plot) -> float:
        """Return the height of the ground at a plot's middle."""
        return float(terrain.ground_m(self.relief, (), np.array([plot.x_m]), np.array([plot.y_m]))[0])

    def build(self, plot: Plot, maker: Callable[[int, Plot, float], Building]) -> Building:
        """Add the building that ``maker`` makes of (number, plot, ground)."""
        building = maker(len(self.buildings), plot, self.ground_m(plot))
        self.buildings.append(building)
        return building


def fill(content: Content, rng: np.random.Generator, use: str, span: Span, warp: Warp) -> None:
    """Fill the block ``span`` of the straight plan, bent by ``warp``, with what ``use`` has."""
    {"village": _village, "factory": _factory, "farm": _farm, "yard": _yard, "park": _park}[use](
        content, rng, span, warp
    )


def warped(warp: Warp, u0: float, v0: float, u1: float, v1: float) -> Plot:
    """Return the rectangle that a span of the straight plan becomes on the ground."""
    u, v = (u0 + u1) / 2, (v0 + v1) / 2
    (x, y), (x2, y2) = warp(np.array([[u, v], [u + 1, v]]))
    return Plot(
        x_m=float(x),
        y_m=float(y),
        width_m=u1 - u0,
        depth_m=v1 - v0,
        yaw_deg=float(np.degrees(np.arctan2(y2 - y, x2 - x))),
    )


def vehicle(rng: np.random.Generator, x_m: float, y_m: float, yaw_deg: float) -> Vehicle:
    """Return a random vehicle at a place."""
    kind, colour = pick(rng, TRAFFIC), pick(rng, PAINTS)
    return Vehicle(x_m=x_m, y_m=y_m, yaw_deg=yaw_deg + float(rng.normal(0, 2)), kind=kind, colour=colour)


def tree(rng: np.random.Generator, x_m: float, y_m: float, size: float = 1.0) -> Tree:
    """Return a random tree at a place."""
    species = pick(rng, TREES)
    radius = (
        {"broad": 2.6, "palm": 2.2, "banana": 1.5, "bush": 0.9}[species] * float(rng.uniform(0.7, 1.4)) * size
    )
    height = {"broad": 6.5, "palm": 7.0, "banana": 3.2, "bush": 1.3}[species] * float(rng.uniform(0.75, 1.3))
    return Tree(
        x_m=x_m,
        y_m=y_m,
        radius_m=radius,
        height_m=height,
        species=species,
        colour=pick(rng, GREENS),
        seed=int(rng.integers(1 << 30)),
    )


def _ring(warp: Warp, span: Span) -> Polygon:
    u0, v0, u1, v1 = span
    us, vs = np.linspace(u0, u1, 9), np.linspace(v0, v1, 9)
    ring = (
        [(u, v0) for u in us]
        + [(u1, v) for v in vs]
        + [(u, v1) for u in us[::-1]]
        + [(u0, v) for v in vs[::-1]]
    )
    return Polygon(warp(np.array(ring)))


def _scatter_trees(
    content: Content, rng: np.random.Generator, plot: Plot, density: float, size: float = 1.0
) -> None:
    for _ in range(rng.poisson(density * plot.width_m * plot.depth_m)):
        local = (rng.random((1, 2)) - 0.5) * [plot.width_m, plot.depth_m]
        x, y = place(plot, local)[0]
        content.trees.append(tree(rng, float(x), float(y), size))


def _park_vehicles(content: Content, rng: np.random.Generator, plot: Plot, share: float) -> None:
    """Line bays along a plot's lower edge and park vehicles in some of them."""
    bays = int(plot.width_m // 4.0)
    for bay in range(bays):
        x, y = place(plot, np.array([[(bay + 0.5) * 4.0 - plot.width_m / 2, -plot.depth_m / 2 + 3.4]]))[0]
        spot = Plot(x_m=float(x), y_m=float(y), width_m=5.5, depth_m=2.8, yaw_deg=plot.yaw_deg + 90)
        content.parking.append(spot)
        if rng.random() < share:
            content.vehicles.append(vehicle(rng, spot.x_m, spot.y_m, spot.yaw_deg))


def _village(content: Content, rng: np.random.Generator, span: Span, warp: Warp) -> None:
    """Rows of houses on lots of about 11 x 13 m, alleys of 1-3 m between, some lots empty."""
    u0, v0, u1, v1 = span
    content.patches.append(Patch(outline=_ring(warp, span), layer="concrete", colour=(0.50, 0.48, 0.44)))
    columns, rows = (
        max(1, round((u1 - u0) / rng.uniform(10.5, 13))),
        max(1, round((v1 - v0) / rng.uniform(12, 15))),
    )
    us, vs = np.linspace(u0 + 1, u1 - 1, columns + 1), np.linspace(v0 + 1, v1 - 1, rows + 1)
    for i in range(columns):
        for j in range(rows):
            gap_u, gap_v = rng.uniform(0.5, 1.4), rng.uniform(0.6, 2.0)
            lot = warped(warp, us[i] + gap_u, vs[j] + gap_v, us[i + 1] - gap_u, vs[j + 1] - gap_v)
            _village_lot(content, rng, lot)
            # The alley at the lot's lower edge.
            _bikes(content, rng, part_of(lot, 0, 1, -0.09, -0.02), 0.12)


def _village_lot(content: Content, rng: np.random.Generator, lot: Plot) -> None:
    draw = rng.random()
    if draw < 0.14:
        green = rng.random() < 0.5
        colour = (0.36, 0.38, 0.22) if green else (0.56, 0.48, 0.38)
        content.patches.append(
            Patch(outline=outline(lot), layer="grass" if green else "rubble", colour=colour)
        )
        content.lots.append(Lot(plot=lot, use="village"))
        _scatter_trees(content, rng, lot, 0.006, 0.6)
    elif draw < 0.36:
        # A house at the back of its lot, a walled court in front.
        house = content.build(part_of(lot, 0, 1, 0.46, 1), lambda n, p, g: houses.house(rng, n, p, g))
        court = part_of(lot, 0, 1, 0, 0.44)
        content.patches.append(Patch(outline=outline(court), layer="concrete", colour=(0.58, 0.54, 0.49)))
        content.lots.append(Lot(plot=court, use="court", beside=house.number))
        if rng.random() < 0.5:
            x, y = place(court, np.array([[court.width_m * 0.3, 0.0]]))[0]
            content.trees.append(tree(rng, float(x), float(y), 0.7))
    elif draw < 0.46:
        content.build(lot, lambda n, p, g: houses.old_house(rng, n, p, g))
    else:
        content.build(lot, lambda n, p, g: houses.house(rng, n, p, g))


def _bikes(content: Content, rng: np.random.Generator, plot: Plot, per_m2: float) -> None:
    """Lean bicycles and motor scooters about in alleys and courts."""
    for _ in range(rng.poisson(per_m2 * plot.width_m * plot.depth_m)):
        x, y = place(plot, (rng.random((1, 2)) - 0.5) * [plot.width_m, plot.depth_m])[0]
        colour = pick(rng, PAINTS)
        yaw_deg = plot.yaw_deg + float(rng.choice([0, 90])) + float(rng.normal(0, 12))
        content.vehicles.append(
            Vehicle(x_m=float(x), y_m=float(y), yaw_deg=yaw_deg, kind="bike", colour=colour)
        )


def _factory(content: Content, rng: np.random.Generator, span: Span, warp: Warp) -> None:
    """Halls under blue and red steel sheet, an office, a concrete yard with lorries."""
    u0, v0, u1, v1 = span
    content.patches.append(Patch(outline=_ring(warp, span), layer="concrete", colour=(0.60, 0.59, 0.56)))
    wide = u1 - u0 > v1 - v0
    halls = max(1, int((v1 - v0 if wide else u1 - u0) // 24))
    step = ((v1 - v0) if wide else (u1 - u0)) / halls
    for k in range(halls):
        if wide:
            lot = warped(warp, u0 + 3, v0 + k * step + 2.5, u1 - 9, v0 + (k + 1) * step - 4)
        else:
            lot = warped(warp, u0 + k * step + 2.5, v0 + 9, u0 + (k + 1) * step - 4, v1 - 3)
        if rng.random() < 0.75:
            content.build(lot, lambda n, p, g: houses.hall(rng, n, p, g))
        else:
            content.build(part_of(lot, 0, 0.55, 0, 1), lambda n, p, g: houses.hall(rng, n, p, g))
            content.build(part_of(lot, 0.62, 1, 0.1, 0.9), lambda n, p, g: houses.house(rng, n, p, g))
    strip = (
        warped(warp, u1 - 7.5, v0 + 2, u1 - 1, v1 - 2)
        if wide
        else warped(warp, u0 + 2, v0 + 1, u1 - 2, v0 + 7.5)
    )
    if wide:
        strip = Plot(
            x_m=strip.x_m,
            y_m=strip.y_m,
            width_m=strip.depth_m,
            depth_m=strip.width_m,
            yaw_deg=strip.yaw_deg + 90,
        )
    _park_vehicles(content, rng, strip, 0.45)


def _farm(content: Content, rng: np.random.Generator, span: Span, warp: Warp) -> None:
    """Strips of vegetables, paddy and bare soil, with paths, a shed or two, perhaps a pond."""
    u0, v0, u1, v1 = span
    content.patches.append(
        Patch(outline=_ring(warp, span), layer="soil", colour=(0.46, 0.39, 0.30), mottle=0.12)
    )
    strips = max(2, round((u1 - u0) / rng.uniform(11, 17)))
    us = np.linspace(u0 + 0.8, u1 - 0.8, strips + 1)
    pond = int(rng.integers(strips)) if rng.random() < 0.5 else -1
    for i in range(strips):
        cuts = [v0 + 0.8, v0 + 0.8 + (v1 - v0 - 1.6) * rng.uniform(0.35, 0.65), v1 - 0.8]
        for j in (0, 1):
            plot = warped(warp, us[i] + 0.4, cuts[j] + 0.4, us[i + 1] - 0.4, cuts[j + 1] - 0.4)
            if i == pond and j == 0:
                content.pits.append(Pit(plot=part_of(plot, 0.05, 0.95, 0.05, 0.95), depth_m=1.4, water=True))
            else:
                _strip(content, rng, plot)


def _strip(content: Content, rng: np.random.Generator, plot: Plot) -> None:
    crop = pick(rng, CROPS)
    canopy_m = {"rows": 0.35, "paddy": 0.4, "bare": 0.0, "stubble": 0.0, "plastic": 0.5}[crop]
    colour = {
        "rows": (0.28, 0.36, 0.15),
        "paddy": (0.33, 0.42, 0.16),
        "bare": (0.50, 0.41, 0.30),
        "stubble": (0.56, 0.50, 0.33),
        "plastic": (0.58, 0.59, 0.59),
    }[crop]
    content.fields.append(
        Field(plot=plot, crop=crop, canopy_m=canopy_m, colour=colour, seed=int(rng.integers(1 << 30)))
    )
    if rng.random() < 0.18:
        corner = part_of(
            plot, 0.05, 0.05 + min(0.8, 6 / plot.width_m), 0.04, 0.04 + min(0.8, 4.5 / plot.depth_m)
        )
        content.build(corner, lambda n, p, g: houses.field_shed(rng, n, p, g))
    else:
        content.lots.append(Lot(plot=plot, use="farm"))
    if rng.random() < 0.35:
        _scatter_trees(content, rng, part_of(plot, 0, 1, 0.93, 1), 0.15, 0.7)


def _yard(content: Content, rng: np.random.Generator, span: Span, warp: Warp) -> None:
    """Open ground: dirt, parked vehicles, piles under tarpaulins, sheds at the edge."""
    u0, v0, u1, v1 = span
    content.patches.append(
        Patch(outline=_ring(warp, span), layer="rubble", colour=(0.56, 0.49, 0.41), mottle=0.14)
    )
    middle = (v0 + v1) / 2
    lower, upper = (
        warped(warp, u0 + 2, v0 + 2, u1 - 2, middle - 1),
        warped(warp, u0 + 2, middle + 1, u1 - 2, v1 - 2),
    )
    _park_vehicles(content, rng, lower, 0.5)
    pieces = 3
    for k in range(pieces):
        piece = part_of(upper, k / pieces + 0.03, (k + 1) / pieces - 0.03, 0.05, 0.95)
        draw = rng.random()
        if draw < 0.35:
            content.build(part_of(piece, 0.05, 0.95, 0.45, 1), lambda n, p, g: houses.hall(rng, n, p, g, 0.6))
        elif draw < 0.75:
            content.lots.append(Lot(plot=piece, use="yard"))
        else:
            _scatter_trees(content, rng, piece, 0.02)
    for _ in range(rng.poisson(2)):
        x, y = place(upper, (rng.random((1, 2)) - 0.5) * [upper.width_m, upper.depth_m])[0]
        sheet = Plot(
            x_m=float(x),
            y_m=float(y),
            width_m=float(rng.uniform(2, 4)),
            depth_m=float(rng.uniform(1.5, 3)),
            yaw_deg=float(rng.uniform(0, 180)),
        )
        content.sheets.append(Sheet(plot=sheet, base_m=None, lift_m=0.25, colour=pick(rng, TARPS)))


def _park(content: Content, rng: np.random.Generator, span: Span, warp: Warp) -> None:
    """Grass with trees, a pond or a ball court."""
    u0, v0, u1, v1 = span
    content.patches.append(
        Patch(outline=_ring(warp, span), layer="grass", colour=(0.31, 0.36, 0.18), mottle=0.15)
    )
    plot = warped(warp, u0 + 2, v0 + 2, u1 - 2, v1 - 2)
    if rng.random() < 0.5:
        content.pits.append(Pit(plot=part_of(plot, 0.2, 0.8, 0.15, 0.55), depth_m=1.6, water=True))
    else:
        court = part_of(plot, 0.2, 0.2 + min(0.7, 28 / plot.width_m), 0.1, 0.1 + min(0.5, 15 / plot.depth_m))
        content.patches.append(
            Patch(outline=outline(court), layer="concrete", colour=(0.25, 0.42, 0.33), mottle=0.05)
        )
        content.patches.append(
            Patch(outline=outline(court, -2), layer="concrete", colour=(0.55, 0.26, 0.20), mottle=0.05)
        )
    _scatter_trees(content, rng, part_of(plot, 0, 1, 0.6, 1), 0.02)
    content.lots.append(Lot(plot=part_of(plot, 0.1, 0.9, 0.62, 0.98), use="yard"))
