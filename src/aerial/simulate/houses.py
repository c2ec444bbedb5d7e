"""The kinds of buildings seen in the Pearl River Delta, each drawn at random."""

from dataclasses import replace

import numpy as np

from aerial.simulate.town import Building, Colour, Plot, RoofShed, part_of

STOREY_M = 3.1

WALLS: tuple[Colour, ...] = (
    (0.78, 0.74, 0.68),
    (0.70, 0.62, 0.54),
    (0.62, 0.60, 0.58),
    (0.80, 0.70, 0.62),
    (0.55, 0.48, 0.42),
    (0.83, 0.82, 0.79),
)
SLABS: tuple[Colour, ...] = (
    (0.52, 0.50, 0.47),
    (0.44, 0.43, 0.41),
    (0.60, 0.57, 0.52),
    (0.56, 0.44, 0.37),
    (0.66, 0.65, 0.62),
    (0.36, 0.36, 0.35),
)
STEEL_BLUE: Colour = (0.23, 0.42, 0.68)
STEEL_RED: Colour = (0.55, 0.20, 0.17)
STEEL_GREY: Colour = (0.66, 0.68, 0.70)
STEEL_WHITE: Colour = (0.82, 0.83, 0.83)
STEELS = (STEEL_BLUE, STEEL_BLUE, STEEL_BLUE, STEEL_RED, STEEL_RED, STEEL_GREY, STEEL_WHITE)


def steel(rng: np.random.Generator) -> Colour:
    """Return the colour of a sheet of painted steel, more or less faded."""
    base = np.array(STEELS[int(rng.integers(len(STEELS)))])
    fade = rng.uniform(0, 0.35)
    red, green, blue = base * (1 - fade) + 0.62 * fade + rng.normal(0, 0.01, 3)
    return float(red), float(green), float(blue)


def _tinted(rng: np.random.Generator, palette: tuple[Colour, ...]) -> Colour:
    red, green, blue = np.clip(
        np.array(palette[int(rng.integers(len(palette)))]) * rng.uniform(0.88, 1.1), 0, 0.95
    )
    return float(red), float(green), float(blue)


def house(
    rng: np.random.Generator, number: int, plot: Plot, ground_m: float, storeys: int | None = None
) -> Building:
    """Return a concrete house of 3-8 floors with parapet and stair head; some carry a steel shed."""
    floors = storeys or int(rng.choice([3, 4, 5, 6, 7, 8], p=[0.24, 0.28, 0.22, 0.14, 0.08, 0.04]))
    shed = None
    if rng.random() < 0.2:
        shed = roof_shed(rng, plot, float(rng.uniform(0.35, 0.5)))
    return Building(
        number=number,
        plot=plot,
        ground_m=ground_m,
        height_m=floors * STOREY_M + 0.3,
        roof="parapet",
        roof_colour=_tinted(rng, SLABS),
        roof_layer=("slab", "slab", "slab_wet", "tiles")[int(rng.integers(4))],
        wall_colour=_tinted(rng, WALLS),
        wall_layer=("facade_a", "facade_b", "facade_c")[int(rng.integers(3))],
        seed=int(rng.integers(1 << 30)),
        shed=shed,
    )


def roof_shed(rng: np.random.Generator, plot: Plot, share: float) -> RoofShed:
    """Return a steel shed over ``share`` of a roof's depth."""
    inner = part_of(plot, 0.06, 0.94, 0.05, 0.05 + 0.9 * share)
    return RoofShed(plot=inner, height_m=float(rng.uniform(2.6, 3.2)), colour=steel(rng))


def roof_addition(rng: np.random.Generator, plot: Plot, area_m2: float) -> RoofShed | None:
    """Return a room or a shed 2.5 m high of ``area_m2`` on the front of a roof; None where it has no room.

    Half of them are of steel, half look like the house.
    """
    wide, deep = 0.88 * plot.width_m, 0.5 * plot.depth_m
    width_m = min(float(np.sqrt(area_m2 * rng.uniform(1.0, 2.0))), wide)
    depth_m = area_m2 / width_m
    if depth_m > deep:
        width_m, depth_m = area_m2 / deep, deep
    if width_m > wide:
        return None
    w, d = width_m / plot.width_m, depth_m / plot.depth_m
    x, y = rng.uniform(0.05, 0.95 - w), rng.uniform(0.05, 0.57 - d)
    slab = bool(rng.random() < 0.5)
    # The gable of a shed rises by half a metre to its ridge; its mean is what counts.
    return RoofShed(
        plot=part_of(plot, x, x + w, y, y + d),
        height_m=2.5 if slab else 2.25,
        colour=steel(rng),
        slab=slab,
    )


def old_house(rng: np.random.Generator, number: int, plot: Plot, ground_m: float) -> Building:
    """Return an old brick house of one or two floors under grey tiles."""
    return Building(
        number=number,
        plot=part_of(plot, 0.05, 0.95, 0.08, 0.92),
        ground_m=ground_m,
        height_m=float(rng.uniform(3.0, 5.6)),
        roof="gable",
        roof_colour=_tinted(rng, ((0.36, 0.34, 0.33), (0.45, 0.33, 0.27), (0.40, 0.38, 0.36))),
        roof_layer="rooftile",
        wall_colour=_tinted(rng, WALLS),
        wall_layer="brick",
        seed=int(rng.integers(1 << 30)),
    )


def hall(rng: np.random.Generator, number: int, plot: Plot, ground_m: float, scale: float = 1.0) -> Building:
    """Return a factory hall under a low gable of steel sheet."""
    return Building(
        number=number,
        plot=plot,
        ground_m=ground_m,
        height_m=float(rng.uniform(6.0, 10.0)) * scale,
        roof="gable",
        roof_colour=steel(rng),
        roof_layer=("steel", "steel", "steel_rust", "steel_lit")[int(rng.integers(4))],
        wall_colour=_tinted(rng, WALLS),
        wall_layer="panel",
        seed=int(rng.integers(1 << 30)),
        zone="factory",
    )


def field_shed(rng: np.random.Generator, number: int, plot: Plot, ground_m: float) -> Building:
    """Return a low shed under one slope of steel sheet."""
    return Building(
        number=number,
        plot=plot,
        ground_m=ground_m,
        height_m=float(rng.uniform(2.6, 3.8)),
        roof="mono",
        roof_colour=steel(rng),
        roof_layer=("steel", "steel", "steel_rust")[int(rng.integers(3))],
        wall_colour=_tinted(rng, WALLS),
        wall_layer="panel",
        seed=int(rng.integers(1 << 30)),
        zone="farm",
    )


def annex(rng: np.random.Generator, number: int, plot: Plot, ground_m: float) -> Building:
    """Return a concrete annex of one or two floors."""
    return replace(house(rng, number, plot, ground_m, storeys=int(rng.integers(1, 3))), shed=None)
