"""From a change map to suspects."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from shapely import affinity
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.codec import sha256_json
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster
from aerial.records import Suspect
from aerial.suspects.judge import JudgeSettings, judge, kind_of
from aerial.suspects.regularise import regularise
from aerial.suspects.vectorise import find_blobs
from aerial.suspects.zones import Zone, labels_at

VERSION = "1"
# Corners closer than this to a straight line are pixels, not corners.
_STRAIGHT_M = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a change map does not know of itself.

    ``pair`` is ``<before>__<after>``; ``model_sha256`` names detectors and settings; ``error_m`` is
    the CE95 of a position in the pair, None where the georeference is not known. ``dsm_gsd_m``:
    cell size of the coarser surface model, None where a date has none.
    """

    pair: str
    model_sha256: str
    error_m: float | None
    zones: tuple[Zone, ...] = ()
    dsm_gsd_m: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A suspect without its chips, and its outline in the CRS of the pair's grid."""

    suspect: Suspect
    outline: Polygon


def settings() -> dict[str, Any]:
    """Return every number that turns a change map into suspects."""
    return {"version": VERSION, **asdict(JudgeSettings())}


def find_suspects(change: Path, context: Context) -> tuple[Found, ...]:
    """Return the suspects in a change map, the surest first; ties in order of their keys."""
    limits = JudgeSettings()
    grid = open_raster(change).grid
    found = []
    for blob in find_blobs(change, min(limits.min_area_m2, limits.min_area_height_m2)):
        score = judge(blob, limits, context.dsm_gsd_m)
        if score is None or score < limits.min_score:
            continue
        outline_px = regularise(blob.outline_px, _STRAIGHT_M / grids.gsd_m(grid))
        outline = _on_ground(outline_px, grid)
        lonlat = geo.reproject(outline, grid.crs, geo.WGS84)
        inside = outline.representative_point()
        pixel = blob.outline_px.representative_point()
        key = sha256_json([context.pair, context.model_sha256, blob.direction, int(pixel.x), int(pixel.y)])
        suspect = Suspect(
            key=key[:32],
            pair=context.pair,
            kind=kind_of(blob, limits),
            outline=lonlat,
            at=geo.to_lonlat(grid.crs, inside.x, inside.y),
            error_m=context.error_m,
            area_m2=round(_area_m2(outline, grid), 2),
            height_change_m=None if blob.height_change_m is None else round(blob.height_change_m, 2),
            score=round(min(score, 1.0), 4),
            model_sha256=context.model_sha256,
            chips=(),
            zones=labels_at(context.zones, lonlat),
        )
        found.append(Found(suspect=suspect, outline=outline))
    return tuple(sorted(found, key=lambda f: (-f.suspect.score, f.suspect.key)))


def _on_ground(outline_px: Polygon, grid: Grid) -> Polygon:
    a, b, c, d, e, f = grid.affine
    return affinity.affine_transform(outline_px, [a, b, d, e, c, f])


def _area_m2(outline: BaseGeometry, grid: Grid) -> float:
    mx, my = geo.metres_per_unit(grid.crs, outline.centroid.x, outline.centroid.y)
    return float(outline.area * mx * my)


def spread_ce95(parts_m: Sequence[float | None]) -> float | None:
    """Return the CE95 of independent errors together, rounded to 1 cm; None where one is unknown."""
    known = [part for part in parts_m if part is not None]
    return round(float(np.hypot.reduce(known)), 2) if known and len(known) == len(parts_m) else None
