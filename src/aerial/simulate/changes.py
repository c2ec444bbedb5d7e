"""What happens between the two surveys: true changes, and distractors that are none.

Places are chosen inside the cell. Where the town offers none of the kind that is asked for, the
*first* epoch is given one (a lot emptied, a shed taken off a roof), so that every town has all kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from shapely import STRtree
from shapely.geometry import Point, Polygon
from shapely.ops import unary_union

from aerial.records.record import record
from aerial.records.suspect import Kind
from aerial.simulate import houses, terrain
from aerial.simulate.presets import Preset, stream
from aerial.simulate.town import Building, Lot, Patch, Pit, Plot, Town, corners, outline, part_of

Use = Literal["village", "farm", "yard", "court"]


@record
class Change:
    """One true change; the outline is in the local frame.

    ``height_change_m`` is what it was built with; the truth on disk holds the median measured in it.
    """

    kind: Kind
    what: str
    outline: Polygon
    height_change_m: float
    permit: bool = False


@record
class History:
    """Both epochs and what lies between them; ``permits`` are the permit zones."""

    before: Town
    after: Town
    changes: tuple[Change, ...]
    permits: tuple[Polygon, ...]


@dataclass(slots=True)
class _Draft:
    """Both epochs' buildings and ground while changes are chosen."""

    town: Town
    rng: np.random.Generator
    cell: Polygon
    before: dict[int, Building]
    after: dict[int, Building]
    lots: list[Lot]
    patches_before: list[Patch]
    patches_after: list[Patch]
    pits_after: list[Pit]
    changes: list[Change] = field(default_factory=list)
    taken: list[Polygon] = field(default_factory=list)

    def free(self, shape: Polygon) -> bool:
        """Tell whether a shape lies in the cell and clear of the changes so far."""
        return _inner(self.cell).contains(shape) and not any(shape.distance(t) < 2.5 for t in self.taken)

    def ground_m(self, plot: Plot) -> float:
        return float(terrain.ground_m(self.town.relief, (), np.array([plot.x_m]), np.array([plot.y_m]))[0])

    def build(
        self, maker: Callable[[np.random.Generator, int, Plot, float], Building], plot: Plot
    ) -> Building:
        """Add a building to the second epoch."""
        number = max(self.after | self.before) + 1
        self.after[number] = made = maker(self.rng, number, plot, self.ground_m(plot))
        return made

    def note(self, change: Change) -> None:
        self.changes.append(change)
        self.taken.append(change.outline)

    def lot(self, *uses: Use, size_m: float = 0.0) -> Lot | None:
        """Take a free lot of one of ``uses``, in this order of preference."""
        for use in uses:
            fit = [
                k
                for k, lot in enumerate(self.lots)
                if lot.use == use
                and min(lot.plot.width_m, lot.plot.depth_m) >= size_m
                and self.free(outline(lot.plot))
                and (lot.beside is None or lot.beside in self.before)
            ]
            if fit:
                return self.lots.pop(int(self.rng.choice(fit)))
        return None

    def house(self, fits: Callable[[Building], bool]) -> Building | None:
        """Return a building of both epochs in the cell that ``fits``."""
        x0, y0, x1, y1 = self.cell.bounds
        numbers = [
            n
            for n, b in self.before.items()
            if x0 < b.plot.x_m < x1
            and y0 < b.plot.y_m < y1
            and self.after.get(n) is b
            and fits(b)
            and self.free(outline(b.plot))
        ]
        return self.before[int(self.rng.choice(numbers))] if numbers else None

    def empty(self) -> Lot | None:
        """Take a house away from both epochs and return its lot."""
        house = self.house(lambda b: b.zone == "village" and b.roof == "parapet")
        if house is None:
            return None
        del self.before[house.number], self.after[house.number]
        vacant = Patch(outline=outline(house.plot), layer="rubble", colour=(0.55, 0.47, 0.37))
        self.patches_before.append(vacant)
        self.patches_after.append(vacant)
        return Lot(plot=house.plot, use="village")


@lru_cache(maxsize=4)
def _inner(cell: Polygon) -> Polygon:
    """Return where changes may lie: 3 m inside the cell's edge."""
    return cell.buffer(-3.0)


def happen(town: Town, preset: Preset, seed: int, cell: Polygon) -> History:
    """Return both epochs of a town whose cell is ``cell`` (local frame), with every true change."""
    draft = _Draft(
        town=town,
        rng=stream(seed, "changes"),
        cell=cell,
        before={b.number: b for b in town.buildings},
        after={b.number: b for b in town.buildings},
        lots=list(town.lots),
        patches_before=list(town.patches),
        patches_after=list(town.patches),
        pits_after=list(town.pits),
    )
    permits = [zone for _ in range(preset.permitted) if (zone := _permitted(draft)) is not None]
    for what, count in preset.changes.items():
        for _ in range(count):
            MAKERS[what](draft)
    built = [b for n, b in draft.after.items() if n not in draft.before]
    footprints = unary_union(
        [outline(b.plot, 0.8) for b in built] + [outline(p.plot) for p in draft.pits_after[len(town.pits) :]]
    )
    before = replace(
        town,
        buildings=tuple(draft.before.values()),
        patches=tuple(draft.patches_before),
        trees=tuple(t for t, under in zip(town.trees, _roofed(town, draft.before), strict=True) if not under),
    )
    after = replace(
        before,
        buildings=tuple(draft.after.values()),
        patches=tuple(draft.patches_after),
        pits=tuple(draft.pits_after),
        trees=tuple(t for t in before.trees if footprints.distance(Point(t.x_m, t.y_m)) > 0.5 * t.radius_m),
        vehicles=tuple(v for v in town.vehicles if footprints.distance(Point(v.x_m, v.y_m)) > 2.5),
        sheets=tuple(s for s in town.sheets if not footprints.intersects(outline(s.plot))),
        parking=tuple(p for p in town.parking if not footprints.intersects(outline(p, 0.5))),
    )
    return History(before=before, after=after, changes=tuple(draft.changes), permits=tuple(permits))


def _roofed(town: Town, buildings: dict[int, Building]) -> list[bool]:
    """Tell of each tree whether it would grow through a roof."""
    index = STRtree([outline(b.plot) for b in buildings.values()])
    return [len(index.query(Point(t.x_m, t.y_m), "within")) > 0 for t in town.trees]


def _permitted(draft: _Draft) -> Polygon | None:
    """Build a house inside a permit zone."""
    lot = draft.lot("village", "yard", "farm", size_m=8) or draft.empty()
    if lot is None:
        return None
    made = draft.build(houses.house, _cut(draft.rng, lot.plot, (8, 12), (8, 12)))
    zone = outline(lot.plot, 2.0)
    draft.note(
        Change(
            kind="new",
            what="permitted",
            outline=outline(made.plot),
            height_change_m=made.height_m,
            permit=True,
        )
    )
    draft.taken.append(zone)
    return zone


def _cut(
    rng: np.random.Generator, plot: Plot, width_m: tuple[float, float], depth_m: tuple[float, float]
) -> Plot:
    """Return a rectangle of random size, no larger than the plot, at a random place in it."""
    w = min(1.0, rng.uniform(*width_m) / plot.width_m)
    d = min(1.0, rng.uniform(*depth_m) / plot.depth_m)
    x, y = rng.uniform(0, 1 - w), rng.uniform(0, 1 - d)
    return part_of(plot, x, x + w, y, y + d)


def _house(draft: _Draft) -> None:
    lot = draft.lot("village", "farm", size_m=6) or draft.empty()
    if lot is not None:
        made = draft.build(houses.house, _cut(draft.rng, lot.plot, (7.5, 12), (8, 13)))
        draft.note(
            Change(kind="new", what="house", outline=outline(made.plot), height_change_m=made.height_m)
        )


def _farm_shed(draft: _Draft) -> None:
    lot = draft.lot("farm", "yard", "village", size_m=5) or draft.empty()
    if lot is not None:
        made = draft.build(houses.field_shed, _cut(draft.rng, lot.plot, (3.5, 12), (3.5, 8)))
        draft.note(
            Change(kind="new", what="farm_shed", outline=outline(made.plot), height_change_m=made.height_m)
        )


def _floor(draft: _Draft) -> None:
    house = draft.house(lambda b: b.roof == "parapet" and b.shed is None and b.height_m < 20)
    if house is not None:
        draft.after[house.number] = replace(
            house, height_m=house.height_m + houses.STOREY_M, seed=int(draft.rng.integers(1 << 30))
        )
        draft.note(
            Change(kind="rooftop", what="floor", outline=outline(house.plot), height_change_m=houses.STOREY_M)
        )


def _roof_shed(draft: _Draft) -> None:
    house = draft.house(lambda b: b.roof == "parapet" and b.plot.depth_m > 6)
    if house is not None:
        bare = replace(house, shed=None)
        shed = houses.roof_shed(draft.rng, house.plot, float(draft.rng.uniform(0.3, 0.6)))
        draft.before[house.number] = bare
        draft.after[house.number] = replace(bare, shed=shed)
        draft.note(
            Change(
                kind="rooftop",
                what="roof_shed",
                outline=outline(shed.plot),
                height_change_m=shed.height_m + 0.25,
            )
        )


def _roof_addition(draft: _Draft, low_m2: float, high_m2: float) -> None:
    """Build on a roof that stays otherwise as it was, 2.5 m high, its area drawn evenly in its logarithm."""
    area_m2 = float(np.exp(draft.rng.uniform(np.log(low_m2), np.log(high_m2))))
    house = draft.house(
        lambda b: (
            b.roof == "parapet" and 0.42 * b.plot.width_m * b.plot.depth_m >= area_m2 and b.plot.depth_m > 6
        )
    )
    shed = houses.roof_addition(draft.rng, house.plot, area_m2) if house is not None else None
    if house is not None and shed is not None:
        # What lies on the roof makes room for it on both dates, so that nothing else tells of it.
        draft.before[house.number] = replace(house, shed=None, front_free=False)
        draft.after[house.number] = replace(house, shed=shed, front_free=False)
        draft.note(
            Change(kind="rooftop", what="roof_addition", outline=outline(shed.plot), height_change_m=2.5)
        )


def _annex(draft: _Draft) -> None:
    lot = draft.lot("court", size_m=3.5)
    if lot is None:
        house = draft.house(lambda b: b.roof == "parapet" and b.plot.depth_m > 7.5 and b.zone == "village")
        if house is None:
            return
        shorter = replace(house, plot=part_of(house.plot, 0, 1, 0.45, 1), shed=None)
        draft.before[house.number] = draft.after[house.number] = shorter
        lot = Lot(plot=part_of(house.plot, 0, 1, 0, 0.43), use="court", beside=house.number)
    width = draft.rng.uniform(0.45, 1)
    plot = (
        part_of(lot.plot, 0, width, 0.15, 1)
        if draft.rng.random() < 0.5
        else part_of(lot.plot, 1 - width, 1, 0, 0.9)
    )
    maker = houses.field_shed if draft.rng.random() < 0.5 else houses.annex
    made = draft.build(maker, plot)
    draft.note(Change(kind="extended", what="annex", outline=outline(plot), height_change_m=made.height_m))


def _demolition(draft: _Draft) -> None:
    house = draft.house(lambda b: b.roof == "gable" and b.zone == "village") or draft.house(
        lambda b: b.zone == "village"
    )
    if house is not None:
        del draft.after[house.number]
        draft.patches_after.append(
            Patch(outline=outline(house.plot, 0.6), layer="rubble", colour=(0.57, 0.46, 0.38), mottle=0.35)
        )
        draft.note(
            Change(
                kind="demolished",
                what="demolition",
                outline=outline(house.plot),
                height_change_m=-house.height_m,
            )
        )


def _excavation(draft: _Draft) -> None:
    lot = draft.lot("yard", "farm", "village", size_m=8) or draft.empty()
    if lot is not None:
        plot = _cut(draft.rng, lot.plot, (9, 16), (8, 14))
        depth_m = float(draft.rng.uniform(2.5, 4.0))
        draft.pits_after.append(Pit(plot=plot, depth_m=depth_m, water=False))
        draft.note(
            Change(
                kind="excavation", what="excavation", outline=Polygon(corners(plot)), height_change_m=-depth_m
            )
        )


MAKERS: dict[str, Callable[[_Draft], None]] = {
    "house": _house,
    "farm_shed": _farm_shed,
    "floor": _floor,
    "roof_shed": _roof_shed,
    "roof_room": lambda draft: _roof_addition(draft, 20.0, 60.0),
    "roof_box": lambda draft: _roof_addition(draft, 6.0, 20.0),
    "annex": _annex,
    "demolition": _demolition,
    "excavation": _excavation,
}
