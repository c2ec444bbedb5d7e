"""Differences between the surveys that no officer should be sent to."""

from dataclasses import replace

import numpy as np
from shapely.geometry import Point, Polygon

from aerial.records.record import record
from aerial.simulate import blocks, layout
from aerial.simulate.changes import History
from aerial.simulate.presets import stream
from aerial.simulate.town import Building, Field, Patch, Plot, Sheet, Town, Tree, Vehicle, outline


@record
class Distractor:
    """Something that looks different in the second survey, or hides what is under it."""

    kind: str
    outline: Polygon


VEHICLE_M = {"car": (4.5, 1.8), "van": (5.2, 1.9), "truck": (7.5, 2.4), "bike": (1.7, 0.7)}


def scatter(history: History, seed: int, cell: Polygon) -> tuple[Town, tuple[Distractor, ...]]:
    """Return the second epoch with its distractors, and what they are."""
    rng = stream(seed, "distractors")
    before, after = history.before, history.after
    changed = [change.outline for change in history.changes]
    found: list[Distractor] = []
    vehicles = _moved(rng, after, seed)
    found += [Distractor(kind="vehicle", outline=_shape(v)) for v in (*before.vehicles, *vehicles)]
    fields = tuple(_season(rng, f) for f in after.fields)
    found += [
        Distractor(kind="field", outline=outline(new.plot))
        for old, new in zip(after.fields, fields, strict=True)
        if new is not old
    ]
    trees = tuple(_leafed(rng, t) for t in after.trees)
    found += [Distractor(kind="tree", outline=Point(t.x_m, t.y_m).buffer(1.2 * t.radius_m)) for t in trees]
    sheets = _sheets(rng, after, cell, changed)
    found += [Distractor(kind="tarpaulin", outline=outline(s.plot)) for s in (*sheets, *before.sheets)]
    puddles = _puddles(rng, after)
    found += [Distractor(kind="puddle", outline=p.outline) for p in puddles]
    buildings = _scaffolds(rng, after, cell, changed)
    found += [Distractor(kind="scaffold", outline=outline(b.plot, 1.2)) for b in buildings if b.scaffold]
    buildings = tuple(
        replace(b, clutter_seed=2) if b.roof == "parapet" and rng.random() < 0.2 else b for b in buildings
    )
    found += [Distractor(kind="roof clutter", outline=outline(b.plot)) for b in buildings if b.clutter_seed]
    town = replace(
        after,
        vehicles=vehicles,
        fields=fields,
        trees=trees,
        sheets=after.sheets[::2] + sheets,
        stains=puddles,
        buildings=buildings,
    )
    return town, tuple(found)


def _shape(v: Vehicle) -> Polygon:
    length, width = VEHICLE_M[v.kind]
    return outline(Plot(x_m=v.x_m, y_m=v.y_m, width_m=length, depth_m=width, yaw_deg=v.yaw_deg))


def _moved(rng: np.random.Generator, town: Town, seed: int) -> tuple[Vehicle, ...]:
    """Return other vehicles in the bays and on the roads; a few stayed."""
    stayed = [v for v in town.vehicles if rng.random() < 0.2]
    parked = [
        blocks.vehicle(rng, p.x_m, p.y_m, p.yaw_deg)
        for p in town.parking
        if rng.random() < 0.45 and all(np.hypot(v.x_m - p.x_m, v.y_m - p.y_m) > 6 for v in stayed)
    ]
    driving = [
        v
        for v in layout.traffic(stream(seed, "traffic", 2), town.roads)
        if all(np.hypot(v.x_m - s.x_m, v.y_m - s.y_m) > 8 for s in stayed)
    ]
    bikes = [
        replace(v, x_m=v.x_m + float(rng.normal(0, 2)), y_m=v.y_m + float(rng.normal(0, 2)))
        for v in town.vehicles
        if v.kind == "bike" and v not in stayed
    ]
    return (*stayed, *parked, *driving, *bikes)


def _season(rng: np.random.Generator, f: Field) -> Field:
    """Return a field after two weeks to three months: harvested, grown, or as it was."""
    draw = rng.random()
    if draw < 0.35 and f.crop in ("rows", "paddy"):
        return replace(f, crop="stubble", canopy_m=0.0, colour=(0.55, 0.48, 0.32))
    if draw < 0.7 and f.crop in ("rows", "bare", "stubble"):
        return replace(f, crop="rows", canopy_m=float(rng.uniform(0.4, 0.9)), colour=(0.25, 0.37, 0.13))
    if draw < 0.85:
        return replace(f, crop="bare", canopy_m=0.0, colour=(0.47, 0.38, 0.28))
    return f


def _leafed(rng: np.random.Generator, t: Tree) -> Tree:
    red, green, blue = np.clip(
        np.array(t.colour) * rng.uniform(0.85, 1.2) * rng.uniform([0.95, 0.95, 0.9], [1.3, 1.1, 1.1]), 0, 0.9
    )
    return replace(
        t,
        colour=(float(red), float(green), float(blue)),
        radius_m=t.radius_m * float(rng.uniform(0.98, 1.08)),
    )


def _sheets(rng: np.random.Generator, town: Town, cell: Polygon, changed: list[Polygon]) -> tuple[Sheet, ...]:
    """Return tarpaulins newly spread, half of them on roofs."""
    flats = [
        b for b in town.buildings if b.roof == "parapet" and b.shed is None and cell.contains(outline(b.plot))
    ]
    opens = [lot.plot for lot in town.lots if lot.use != "court" and cell.contains(outline(lot.plot))]
    sheets = []
    for k in range(max(2, round(cell.area / 2500))):
        on_roof = bool(flats) and (k % 2 == 0 or not opens)
        if not on_roof and not opens:
            break
        roof = flats[int(rng.integers(len(flats)))] if on_roof else None
        host = roof.plot if roof is not None else opens[int(rng.integers(len(opens)))]
        angle = host.yaw_deg + float(rng.normal(0, 10))
        x, y = (float(rng.uniform(-0.2, 0.2)) * size for size in (host.width_m, host.depth_m))
        plot = Plot(
            x_m=host.x_m + x,
            y_m=host.y_m + y,
            width_m=float(rng.uniform(2, 5)),
            depth_m=float(rng.uniform(2, 4)),
            yaw_deg=angle,
        )
        if any(outline(plot).distance(shape) < 1 for shape in changed):
            continue
        colour = blocks.TARPS[int(rng.integers(len(blocks.TARPS)))]
        base = roof.ground_m + roof.height_m if roof is not None else None
        sheets.append(Sheet(plot=plot, base_m=base, lift_m=float(rng.uniform(0.05, 0.5)), colour=colour))
    return tuple(sheets)


def _puddles(rng: np.random.Generator, town: Town) -> tuple[Patch, ...]:
    puddles = []
    for _ in range(rng.poisson(4 * town.half_m[0] * town.half_m[1] / 700)):
        middle = (rng.random(2) - 0.5) * 2 * town.half_m
        angle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
        reach = rng.uniform(0.5, 2.0) * rng.uniform(0.55, 1.0, 14)
        ring = middle + np.column_stack([np.cos(angle) * reach * 1.5, np.sin(angle) * reach])
        puddles.append(Patch(outline=Polygon(ring), layer="plain", colour=(0.20, 0.21, 0.20)))
    return tuple(puddles)


def _scaffolds(
    rng: np.random.Generator, town: Town, cell: Polygon, changed: list[Polygon]
) -> tuple[Building, ...]:
    """Return the buildings, one or a few of them wrapped in a green net."""
    fit = [
        k
        for k, b in enumerate(town.buildings)
        if b.roof == "parapet"
        and cell.contains(outline(b.plot))
        and all(outline(b.plot).distance(s) > 3 for s in changed)
    ]
    count = min(len(fit), max(1, round(cell.area / 15000)))
    picked = set(rng.choice(fit, count, replace=False)) if fit else set()
    return tuple(replace(b, scaffold=True) if k in picked else b for k, b in enumerate(town.buildings))
