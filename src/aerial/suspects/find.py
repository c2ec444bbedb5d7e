"""From a change map to suspects."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.codec import sha256_json
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster, read_bands
from aerial.records import Kind, Suspect
from aerial.suspects.candidates import candidates
from aerial.suspects.decide import Limits, Thresholds, decide, kind_of, reason_of
from aerial.suspects.fuse import COEFFICIENTS, INTERCEPT
from aerial.suspects.measure import Measured
from aerial.suspects.pieces import on_ground, windows
from aerial.suspects.regularise import regularise
from aerial.suspects.zones import Zone, labels_at

VERSION = "3"
# Corners closer than this to a straight line are pixels, not corners.
_STRAIGHT_M = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a change map does not know of itself.

    ``pair`` is ``<before>__<after>``; ``model_sha256`` names detectors and settings; ``error_m`` is
    the CE95 of a position in the pair, None where the georeference is not known. ``dsm_gsd_m``:
    cell size of the coarser surface model, None where a date has none. ``threshold``: the score from
    which on a piece that pictures alone show is a suspect, stored with the model; ``height_threshold``
    where heights are known.
    """

    pair: str
    model_sha256: str
    error_m: float | None
    zones: tuple[Zone, ...] = ()
    dsm_gsd_m: float | None = None
    threshold: float = 0.5
    height_threshold: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A suspect without its chips, and its outline in the CRS of the pair's grid."""

    suspect: Suspect
    outline: Polygon


def settings() -> dict[str, Any]:
    """Return every number that turns a change map into suspects."""
    return {
        "version": VERSION,
        "limits": asdict(Limits()),
        "fusion": [*COEFFICIENTS, INTERCEPT],
    }


def find_suspects(change: Path, context: Context) -> tuple[Found, ...]:
    """Return the suspects in a change map, the surest first; ties in order of their keys.

    The bands of the map are known by their descriptions: ``appeared``, ``gone``, ``building_before``,
    ``building_after`` (probabilities), and with surface models ``height_score`` (-1 to 1: lower, higher,
    NaN where the height is not known), ``height_change_m``, ``height_noise_m``, ``standing_before_m``,
    ``doubtful_change_m``, ``steepness``, ``vegetation``.
    """
    info = open_raster(change)
    limits = Limits()
    return _ranked(
        [
            _found(piece, score, kind_of(piece, limits), info.grid, context)
            for piece, score in _scored(change, limits, context)
        ]
    )


def scores_above(change: Path, context: Context, floor: float) -> tuple[float, ...]:
    """Return the scores of all pieces that score at least ``floor``, whatever the thresholds.

    What a mission's own threshold is chosen from.
    """
    low = replace(context, threshold=floor, height_threshold=floor)
    return tuple(score for _, score in _scored(change, Limits(), low))


def compared_m2(change: Path) -> float:
    """Return the ground area over which both dates of a change map could be compared."""
    grid = open_raster(change).grid
    known = sum(
        int(np.isfinite(read_bands(change, window, ("appeared",))["appeared"]).sum())
        for window in windows(grid)
    )
    return known * grids.gsd_m(grid) ** 2


def _scored(change: Path, limits: Limits, context: Context) -> Iterator[tuple[Measured, float]]:
    least = Thresholds(pictures=context.threshold, heights=context.height_threshold)
    for piece in candidates(change, context.threshold, min(limits.min_area_m2, limits.min_area_height_m2)):
        score = decide(piece, limits, least, context.dsm_gsd_m)
        if score is not None:
            yield piece, score


def _ranked(found: list[Found]) -> tuple[Found, ...]:
    return tuple(sorted(found, key=lambda f: (-f.suspect.score, f.suspect.key)))


def _found(piece: Measured, score: float, kind: Kind, grid: Grid, context: Context) -> Found:
    outline = on_ground(regularise(piece.outline_px, _STRAIGHT_M / grids.gsd_m(grid)), grid)
    lonlat = geo.reproject(outline, grid.crs, geo.WGS84)
    inside = outline.representative_point()
    pixel = piece.outline_px.representative_point()
    key = sha256_json([context.pair, context.model_sha256, piece.direction, int(pixel.x), int(pixel.y)])
    return Found(
        suspect=Suspect(
            key=key[:32],
            pair=context.pair,
            kind=kind,
            outline=lonlat,
            at=geo.to_lonlat(grid.crs, inside.x, inside.y),
            error_m=context.error_m,
            area_m2=round(_area_m2(outline, grid), 2),
            height_change_m=_rounded(piece.height_change_m, 2),
            score=round(min(score, 1.0), 4),
            model_sha256=context.model_sha256,
            chips=(),
            zones=labels_at(context.zones, lonlat),
            reason=reason_of(piece, context.threshold),
            probability=_rounded(piece.probability, 4),
            building_before=_rounded(piece.building_before, 4),
            building_after=_rounded(piece.building_after, 4),
            height_noise_m=_rounded(piece.height_noise_m, 2),
        ),
        outline=outline,
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _area_m2(outline: BaseGeometry, grid: Grid) -> float:
    mx, my = geo.metres_per_unit(grid.crs, outline.centroid.x, outline.centroid.y)
    return float(outline.area * mx * my)


def spread_ce95(parts_m: Sequence[float | None]) -> float | None:
    """Return the CE95 of independent errors together, rounded to 1 cm; None where one is unknown."""
    known = [part for part in parts_m if part is not None]
    return round(float(np.hypot.reduce(known)), 2) if known and len(known) == len(parts_m) else None
