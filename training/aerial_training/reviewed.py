"""Reviewed suspects as training samples: what a bureau's own people accepted and rejected.

``reviewed.geojson`` holds suspects as ``suspects.geojson`` does (polygons in lon, lat) with, for each:

==============================  ====================================================================
``verdict``                     ``accepted`` or ``rejected``
``kind``                        of an accepted one; says which date the building stands on
``before_ortho``, ``after_ortho``  the pair's mosaics, GeoTIFF, relative to ``reviewed.geojson``
==============================  ====================================================================

Other properties are passed over. What a verdict says of the ground: inside an accepted outline the
change is true, inside a rejected one there is none; within ``RIM_M`` of an accepted outline nobody
knows, for outlines are drawn roughly; from there to ``SEEN_M`` the reviewer looked and saw no other
change; beyond that nothing is known, and nothing is taught.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import make_valid, transform
from shapely.affinity import translate
from shapely.geometry import MultiPolygon, Polygon, box, shape
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.align.reader import AlignedPair
from aerial.align.register import register
from aerial.codec import read_json
from aerial.errors import InputError
from aerial.progress import SILENT, Progress
from aerial.raster import grid as grids
from aerial.raster.shapes import burn
from aerial_training.layouts import SCALES, augmented
from aerial_training.sample import EITHER, UNKNOWN, Sample

RIM_M = 1.0
SEEN_M = 5.0

# kind -> stood before, stands after; None: not said
_STANDS: dict[str, tuple[int | None, int | None]] = {
    "new": (0, 1),
    "extended": (None, 1),
    "rooftop": (1, 1),
    "demolished": (1, 0),
}
_APPEARED = ("new", "extended", "rooftop")
Verdict = Literal["accepted", "rejected"]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """One suspect with its verdict; ``outline_px`` in pixels of the pair's common grid."""

    verdict: Verdict
    kind: str
    outline_px: BaseGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedPair:
    """Two mosaics laid over each other, and what was said of their suspects."""

    aligned: AlignedPair
    suspects: tuple[Reviewed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewedSamples:
    """Crops around reviewed suspects; the same index gives the same crop in any process.

    Accepted and rejected ones are shown equally often, however few there are of one.
    """

    pairs: tuple[ReviewedPair, ...]
    side_px: int
    gsd_m: float
    seed: int

    def sample(self, index: int) -> Sample:
        """Return sample number ``index``, ``side_px`` a side at ``gsd_m``."""
        rng = np.random.default_rng([self.seed, index, 17])
        by_verdict: dict[str, list[tuple[ReviewedPair, Reviewed]]] = {}
        for pair in self.pairs:
            for suspect in pair.suspects:
                by_verdict.setdefault(suspect.verdict, []).append((pair, suspect))
        verdicts = sorted(by_verdict)
        known = by_verdict[verdicts[int(rng.integers(len(verdicts)))]]
        pair, suspect = known[int(rng.integers(len(known)))]
        own_gsd_m = grids.gsd_m(pair.aligned.grid)
        own_px = max(8, round(self.side_px * self.gsd_m * rng.uniform(*SCALES) / own_gsd_m))
        inside = suspect.outline_px.representative_point()
        middle = np.array([inside.x, inside.y]) + rng.uniform(-0.3, 0.3, 2) * own_px
        column, row = (round(v - own_px / 2) for v in middle)
        made = _cut(pair, (column, row, own_px, own_px), self.side_px, self.gsd_m)
        return augmented(made, rng)


def around(pair: ReviewedPair, suspect: Reviewed, side_px: int, gsd_m: float) -> Sample:
    """Return the ground around one suspect as it is, ``side_px`` a side at ``gsd_m``: to score on."""
    own_px = max(8, round(side_px * gsd_m / grids.gsd_m(pair.aligned.grid)))
    inside = suspect.outline_px.representative_point()
    column, row = (round(v - own_px / 2) for v in (inside.x, inside.y))
    return _cut(pair, (column, row, own_px, own_px), side_px, gsd_m)


def read_reviewed(path: Path, gsd_m: float, progress: Progress = SILENT) -> tuple[ReviewedPair, ...]:
    """Return the reviewed suspects of a file by pair, each pair laid over at pixels of ``gsd_m``.

    Raises:
        InputError: the file is no GeoJSON of reviewed suspects; the message names the feature.
        RasterError: a mosaic is absent or broken.
        AlignError: two mosaics cannot be laid over each other.
    """
    data = read_json(path)
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, list) or not features:
        raise InputError(f"{path} holds no features.", hint="Give a GeoJSON FeatureCollection of suspects.")
    by_files: dict[tuple[Path, Path], list[tuple[int, Verdict, str, BaseGeometry]]] = {}
    for number, feature in enumerate(features, start=1):
        files, (verdict, kind, outline) = _feature(path, number, feature)
        by_files.setdefault(files, []).append((number, verdict, kind, outline))
    pairs = []
    for (before, after), verdicts in by_files.items():
        aligned = register(before, after, gsd_m=gsd_m, progress=progress).pair
        ground = box(0, 0, aligned.grid.width_px, aligned.grid.height_px)
        suspects = []
        for number, verdict, kind, outline in verdicts:
            outline_px = _in_pixels(outline, aligned.grid)
            if not outline_px.intersects(ground):
                raise InputError(
                    f"{path}: feature {number} lies outside {before.name} and {after.name}.",
                    hint="Name the two mosaics that the suspect was found in.",
                )
            suspects.append(Reviewed(verdict=verdict, kind=kind, outline_px=outline_px))
        pairs.append(ReviewedPair(aligned=aligned, suspects=tuple(suspects)))
    return tuple(pairs)


def _feature(path: Path, number: int, feature: Any) -> tuple[tuple[Path, Path], tuple[Verdict, str, Any]]:
    properties: Mapping[str, Any] = feature.get("properties") or {} if isinstance(feature, dict) else {}
    verdict, kind = properties.get("verdict"), str(properties.get("kind", "unknown"))
    if verdict not in ("accepted", "rejected"):
        raise InputError(
            f"{path}: feature {number} has the verdict {verdict!r}.", hint="Use accepted or rejected."
        )
    orthos = [properties.get(name) for name in ("before_ortho", "after_ortho")]
    if not all(isinstance(name, str) and name for name in orthos):
        raise InputError(
            f"{path}: feature {number} does not name its pair.",
            hint="Write the two mosaics into before_ortho and after_ortho, relative to the file.",
        )
    try:
        outline = shape(feature["geometry"])
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InputError(f"{path}: feature {number} has no outline: {exc}", hint="Draw it again.") from exc
    if not isinstance(outline, Polygon | MultiPolygon) or outline.is_empty:
        raise InputError(
            f"{path}: feature {number} is a {outline.geom_type}.", hint="Give each suspect a polygon."
        )
    west, south, east, north = outline.bounds
    if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):
        raise InputError(
            f"{path}: feature {number} has coordinates that are no longitude and latitude.",
            hint="Save the file as GeoJSON in WGS 84 (EPSG:4326), longitude first.",
        )
    # Outlines that people drew may cross themselves.
    mended = outline if outline.is_valid else make_valid(outline).buffer(0)
    if mended.is_empty:
        raise InputError(f"{path}: feature {number} encloses nothing.", hint="Draw it again.")
    before, after = (path.parent / str(name) for name in orthos)
    return (before, after), (verdict, kind, mended)


def _in_pixels(outline: BaseGeometry, grid: grids.Grid) -> BaseGeometry:
    there = geo.reproject(outline, geo.WGS84, grid.crs)
    return transform(there, lambda xy_N2: grids.world_to_pixel(grid, xy_N2))


def _cut(pair: ReviewedPair, window: tuple[int, int, int, int], side_px: int, gsd_m: float) -> Sample:
    before_3HW, after_3HW, valid_HW = pair.aligned.rgb(window)
    maps = _truth(pair, window, 1.0 / grids.gsd_m(pair.aligned.grid))
    maps_4HW = np.where(valid_HW, maps, UNKNOWN).astype(np.uint8)
    size = (side_px, side_px)
    method = cv2.INTER_AREA if window[2] > side_px else cv2.INTER_CUBIC
    before, after = (
        np.ascontiguousarray(
            np.moveaxis(cv2.resize(np.moveaxis(p, 0, -1), size, interpolation=method), -1, 0), np.uint8
        )
        for p in (before_3HW, after_3HW)
    )
    truth = [np.asarray(cv2.resize(m, size, interpolation=cv2.INTER_NEAREST), np.uint8) for m in maps_4HW]
    return Sample(
        before_3HW=before,
        after_3HW=after,
        appeared_HW=truth[0],
        gone_HW=truth[1],
        building_before_HW=truth[2],
        building_after_HW=truth[3],
        height_change_HW=None,
        gsd_m=gsd_m,
    )


def _truth(pair: ReviewedPair, window: tuple[int, int, int, int], px_a_m: float) -> Bytes:
    """Return the four truth maps of a window (1, 0, ``UNKNOWN``), in the order of the network's channels."""
    column, row, width, height = window

    def drawn(outline: BaseGeometry, by_m: float) -> NDArray[np.bool_]:
        moved = translate(outline, -column, -row)
        return burn(moved.buffer(by_m * px_a_m) if by_m else moved, width, height)

    accepted, rejected = (
        [s for s in pair.suspects if s.verdict == verdict] for verdict in ("accepted", "rejected")
    )
    maps_4HW = np.full((4, height, width), UNKNOWN, np.uint8)
    for suspect in pair.suspects:
        maps_4HW[:2, drawn(suspect.outline_px, SEEN_M)] = 0
    for suspect in accepted:
        maps_4HW[:2, drawn(suspect.outline_px, RIM_M)] = UNKNOWN
    for suspect in rejected:
        maps_4HW[:2, drawn(suspect.outline_px, 0.0)] = 0
    for suspect in accepted:
        if suspect.kind not in _STANDS:
            # An excavation is no building; of the others nobody said what they are.
            value = UNKNOWN if suspect.kind == "excavation" else EITHER
            maps_4HW[:2, drawn(suspect.outline_px, 0.0)] = value
            continue
        inside_HW, appeared = drawn(suspect.outline_px, 0.0), suspect.kind in _APPEARED
        maps_4HW[0, inside_HW], maps_4HW[1, inside_HW] = int(appeared), int(not appeared)
        for channel, stands in zip((2, 3), _STANDS[suspect.kind], strict=True):
            if stands is not None:
                maps_4HW[channel, inside_HW] = stands
    return maps_4HW
