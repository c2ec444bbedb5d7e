"""Scores a report of suspects against what truly changed.

The rule: a true change is *found* if a suspect overlaps it by at least a quarter of the smaller of
the two areas. A suspect that finds no change is *false*. Changes inside a permit zone count
neither way, nor do suspects that lie on one; suspects whose middle is outside the cell are left out.

A survey that is georeferenced by GPS alone lies a metre or two off, as a whole. That shift is known
here (``Truth.gps_shift_m``) and is taken off before anything is compared.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shapely.affinity import translate
from shapely.geometry import Polygon, shape

from aerial import geo
from aerial.codec import read_json
from aerial.errors import InputError
from aerial.records import Suspect
from aerial.records.record import record

OVERLAP = 0.25
BUCKETS_M2 = ((0, 10), (10, 20), (20, 50), (50, 10_000))
EDGE_M = 3.0
# A cause is taken as such from this share of the suspect's area on.
BLAMED = 0.2


@record
class TrueChange:
    """One true change; the outline in the town's metric CRS."""

    id: str
    kind: str
    what: str
    outline: Polygon
    area_m2: float
    height_change_m: float
    permit: bool


@record
class Truth:
    """What the simulator wrote, in the town's metric CRS; ``gps_shift_m`` per epoch, east and north.

    ``causes`` are distractors by kind, ``roofs`` the outlines of both epochs' buildings.
    """

    crs: str
    cell: Polygon
    changes: tuple[TrueChange, ...]
    permits: tuple[Polygon, ...]
    causes: tuple[tuple[str, Polygon], ...]
    roofs: tuple[Polygon, ...]
    gps_shift_m: tuple[tuple[float, float], ...]


@record
class FoundChange:
    """A true change and the suspects that found it (none: missed); ``kind_right``: one named its kind."""

    change: TrueChange
    by: tuple[str, ...]
    kind_right: bool


@record
class FalseSuspect:
    """A suspect where nothing changed, and what most likely raised it."""

    key: str
    kind: str
    area_m2: float
    height_change_m: float | None
    cause: str


@record
class Score:
    """The outcome; permitted changes are in neither list."""

    changes: tuple[FoundChange, ...]
    false: tuple[FalseSuspect, ...]
    permitted: int
    outside: int


def read_truth(out: Path) -> Truth:
    """Return the truth of a folder that ``simulate_surveys`` wrote.

    Raises:
        InputError: a file of it is absent or broken.
    """
    folder = out / "truth"
    cameras = [read_json(path) for path in sorted(folder.glob("epoch*/cameras.json"))]
    if not cameras:
        raise InputError(f"{folder} holds no cameras.json.", hint="Name a folder that aerial simulate wrote.")
    crs = str(cameras[0]["crs"])

    def shapes(path: Path) -> list[tuple[dict[str, Any], Polygon]]:
        return [(f["properties"], _metric(_polygon(f["geometry"]), crs)) for f in read_json(path)["features"]]

    changes = tuple(
        TrueChange(
            id=p["id"],
            kind=p["kind"],
            what=p["what"],
            outline=outline,
            area_m2=p["area_m2"],
            height_change_m=p["height_change_m"],
            permit=p["permit"],
        )
        for p, outline in shapes(folder / "changes.geojson")
    )
    shifts = (
        np.median([np.array(p["gps_m"][:2]) - p["centre_m"][:2] for p in told["photos"]], axis=0)
        for told in cameras
    )
    return Truth(
        crs=crs,
        cell=shapes(out / "cells.geojson")[0][1],
        changes=changes,
        permits=tuple(zone for _, zone in shapes(folder / "permit.geojson")),
        causes=tuple((p["kind"], outline) for p, outline in shapes(folder / "distractors.geojson")),
        roofs=tuple(outline for _, outline in shapes(folder / "roofs.geojson")),
        gps_shift_m=tuple((float(east), float(north)) for east, north in shifts),
    )


def score(
    suspects: Sequence[Suspect | Mapping[str, Any]], truth: Truth, shift_m: tuple[float, float] = (0.0, 0.0)
) -> Score:
    """Compare suspects (records, or GeoJSON features in lon, lat) with the truth.

    ``shift_m`` is how far the suspects' frame lies off the true one, east and north: for a report
    georeferenced by the first survey's GPS, ``truth.gps_shift_m[0]``.
    """
    hits: dict[str, list[tuple[str, str]]] = {change.id: [] for change in truth.changes}
    false: list[FalseSuspect] = []
    outside = 0
    for key, kind, height_change_m, drawn in (_parts(suspect) for suspect in suspects):
        outline = translate(_metric(drawn, truth.crs), -shift_m[0], -shift_m[1])
        if not truth.cell.contains(outline.representative_point()):
            outside += 1
            continue
        met = [change for change in truth.changes if overlaps(outline, change.outline)]
        for change in met:
            hits[change.id].append((key, kind))
        if not met and not any(overlaps(outline, zone) for zone in truth.permits):
            cause = likely_cause(outline, truth)
            false.append(
                FalseSuspect(
                    key=key, kind=kind, area_m2=outline.area, height_change_m=height_change_m, cause=cause
                )
            )
    return Score(
        changes=tuple(
            FoundChange(
                change=change,
                by=tuple(key for key, _ in hits[change.id]),
                kind_right=any(kind == change.kind for _, kind in hits[change.id]),
            )
            for change in truth.changes
            if not change.permit
        ),
        false=tuple(false),
        permitted=sum(change.permit for change in truth.changes),
        outside=outside,
    )


def overlaps(a: Polygon, b: Polygon) -> bool:
    """Tell whether two areas meet by the rule: a quarter of the smaller one."""
    return bool(a.intersection(b).area >= OVERLAP * min(a.area, b.area))


def likely_cause(outline: Polygon, truth: Truth) -> str:
    """Return what most likely raised a false suspect, the most specific explanation first."""
    for change in truth.changes:
        if outline.distance(change.outline) < 1.0:
            return f"beside {change.what} {change.id}"
    shares: dict[str, float] = {}
    for kind, cause in truth.causes:
        shares[kind] = shares.get(kind, 0.0) + outline.intersection(cause).area / max(outline.area, 1e-9)
    shadows = {kind: share for kind, share in shares.items() if kind.startswith("shadow")}
    objects = {
        kind: share for kind, share in shares.items() if not kind.startswith("shadow") and share >= BLAMED
    }
    if objects:
        return max(objects, key=lambda kind: objects[kind])
    if truth.cell.exterior.distance(outline) < EDGE_M:
        return "border"
    if any(
        outline.intersection(roof.exterior.buffer(1.0)).area >= 0.5 * outline.area for roof in truth.roofs
    ):
        return "facade"
    if any(outline.intersection(roof).area >= 0.5 * outline.area for roof in truth.roofs):
        return "roof"
    if shadows and max(shadows.values()) >= BLAMED:
        return max(shadows, key=lambda kind: shadows[kind])
    return "unexplained"


def by_kind(result: Score) -> list[dict[str, Any]]:
    """Return the table of found and missed changes, a row a kind, one for all, one for each size."""
    rows = []
    kinds = sorted({found.change.kind for found in result.changes})
    picks: list[tuple[str, list[FoundChange]]] = [
        (kind, [f for f in result.changes if f.change.kind == kind]) for kind in kinds
    ]
    picks += [
        (f"{low}-{high} m2" if high < 10_000 else f"over {low} m2", picked)
        for low, high in BUCKETS_M2
        if (picked := [f for f in result.changes if low <= f.change.area_m2 < high])
    ]
    picks.append(("all", list(result.changes)))
    for name, picked in picks:
        found = sum(bool(f.by) for f in picked)
        rows.append(
            {
                "changes": name,
                "true": len(picked),
                "found": found,
                "missed": len(picked) - found,
                "kind right": sum(f.kind_right for f in picked),
                "false": _false_of(result, name, kinds),
            }
        )
    return rows


def _false_of(result: Score, name: str, kinds: list[str]) -> int:
    if name in kinds:
        return sum(f.kind == name for f in result.false)
    for low, high in BUCKETS_M2:
        if name in (f"{low}-{high} m2", f"over {low} m2"):
            return sum(low <= f.area_m2 < high for f in result.false)
    return len(result.false)


def _parts(suspect: Suspect | Mapping[str, Any]) -> tuple[str, str, float | None, Polygon]:
    if isinstance(suspect, Suspect):
        return suspect.key, suspect.kind, suspect.height_change_m, suspect.outline
    properties = suspect["properties"]
    key = str(properties.get("key") or suspect.get("id") or "")
    return key, properties["kind"], properties.get("height_change_m"), _polygon(suspect["geometry"])


def _polygon(geometry: Mapping[str, Any]) -> Polygon:
    drawn = shape(dict(geometry))
    if not isinstance(drawn, Polygon):
        raise InputError(
            f"A {drawn.geom_type} cannot be scored.", hint="Give each suspect and change one polygon."
        )
    return drawn


def _metric(drawn: Polygon, crs: str) -> Polygon:
    return geo.reproject(drawn, geo.WGS84, crs)
