"""Outward copies of pictures: at least 5 cm a pixel, sensitive zones cut out, nothing but pixels in the file.

A zone is cut where it may be, not only where it is drawn: widened by what the picture's own position errs,
and by one pixel of the copy. What is cut is filled with a flat hatch, so that nobody takes it for ground.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from math import ceil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from shapely import make_valid
from shapely.geometry import MultiPolygon, Polygon, box

from aerial import geo
from aerial.codec import replacing, sha256_file
from aerial.errors import EvidenceError, SecrecyError
from aerial.evidence.chips import FINEST_M, GRIDS_FILE, read_grids
from aerial.raster.grid import Grid, bounds, gsd_m, scaled, world_to_pixel
from aerial.records import FileRef, Suspect, Zone
from aerial.records.record import record

_QUALITY = 88
# JPEG codes colour in blocks of 16: what is cut is cut before, so nothing of it can ring into its rim.
_GREY, _LINE, _EVERY_PX, _LINE_PX = 128, 96, 16, 4
# A pixel size that went through degrees is not exact.
_ROUNDING = 1e-3
_SEGMENTS = 16


@record
class OutwardPicture:
    """One copy: ``file`` is named by its path in the folder it was written to; ``original`` stays inside.

    ``footprint``: the ground that it shows, lon, lat on WGS 84. ``cut``: names of the zones that were cut
    in it, empty where none reaches it.
    """

    file: FileRef
    original: FileRef
    gsd_m: float
    footprint: Polygon
    cut: tuple[str, ...]


def outward_pictures(
    suspect: Suspect, pair: Path, zones: Sequence[Zone], out: Path
) -> tuple[OutwardPicture, ...]:
    """Write outward copies of the suspect's chips, which lie in the folder ``pair``, into ``out``.

    Raises:
        SecrecyError: nobody recorded what ground the chips show, so nothing could be cut surely.
        EvidenceError: a chip is not the file that was recorded.
    """
    grids = read_grids_or_refuse(pair)
    if suspect.key not in grids:
        raise SecrecyError(
            f"Nobody recorded what ground the pictures of {suspect.key} show.",
            hint="Compare the pair again with this version: aerial run.",
        )
    error_m = suspect.error_m
    return tuple(
        outward_picture(
            pair / chip.path, chip, grids[suspect.key], zones, error_m, out / Path(chip.path).name
        )
        for chip in suspect.chips
    )


def read_grids_or_refuse(pair: Path) -> Mapping[str, Grid]:
    """Return the grids of a pair's chips; raises ``SecrecyError`` where they were not recorded."""
    folder = pair / "chips"
    if not (folder / GRIDS_FILE).is_file():
        raise SecrecyError(
            f"Nobody recorded what ground the pictures in {folder} show: they are of an older version.",
            hint="Compare the pair again with this version: aerial run.",
        )
    return read_grids(folder)


def outward_picture(
    path: Path, ref: FileRef, grid: Grid, zones: Sequence[Zone], error_m: float | None, out: Path
) -> OutwardPicture:
    """Write the outward copy of the picture at ``path`` to ``out``, a JPEG.

    ``ref``: the original as recorded. ``grid``: its pixels on the ground. ``error_m``: how far the
    picture may lie from where it says (CE95, metres).

    Raises:
        EvidenceError: the picture is not the file that was recorded, or not of the grid's size.
        SecrecyError: a zone is near and nobody knows how far the picture may be off.
    """
    image = _original(path, ref, grid)
    coarser = max(1, ceil(FINEST_M * (1 - _ROUNDING) / gsd_m(grid)))
    image_HW3, grid = _coarsened(image, grid, coarser)
    cut = []
    hidden_HW = np.zeros(image_HW3.shape[:2], bool)
    for zone in zones:
        if zone.kind != "sensitive":
            continue
        reached_HW = hidden_by(zone.outline, grid, _margin_m(zone, grid, error_m))
        if reached_HW.any():
            hidden_HW |= reached_HW
            cut.append(zone.name or "sensitive")
    image_HW3[hidden_HW] = _hatch(grid.height_px, grid.width_px)[hidden_HW]
    with replacing(out) as part:
        # A new picture of the pixels alone: whatever the original carried is not in it.
        Image.fromarray(image_HW3).save(part, format="JPEG", quality=_QUALITY, subsampling=0)
    return OutwardPicture(
        file=FileRef(path=out.name, sha256=sha256_file(out)),
        original=ref,
        gsd_m=gsd_m(grid),
        footprint=_footprint(grid),
        cut=tuple(cut),
    )


def hidden_by(zone: Polygon | MultiPolygon, grid: Grid, margin_m: float) -> NDArray[np.bool_]:
    """Return the pixels of ``grid``, (H, W), that a zone (lon, lat), ``margin_m`` wider, touches at all."""
    hidden_HW = np.zeros((grid.height_px, grid.width_px), np.uint8)
    placed = geo.reproject_edges(zone, geo.WGS84, grid.crs)
    # One pixel more than asked: a polygon's rim goes through pixels that it covers in part.
    # A zone that crosses itself would lose a part when it is widened.
    widened = make_valid(placed).buffer(1.002 * margin_m + 1.5 * gsd_m(grid), quad_segs=_SEGMENTS)
    near = widened.intersection(box(*bounds(grid)).buffer(10 * gsd_m(grid)))
    for part in getattr(near, "geoms", [near]):
        if not isinstance(part, Polygon) or part.is_empty:
            continue
        rings = [
            np.round((world_to_pixel(grid, np.asarray(ring.coords)[:, :2]) - 0.5) * 256).astype(np.int32)
            for ring in (part.exterior, *part.interiors)
        ]
        cv2.fillPoly(hidden_HW, rings, 1, cv2.LINE_8, 8)
    return hidden_HW.astype(bool)


def _original(path: Path, ref: FileRef, grid: Grid) -> Image.Image:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise EvidenceError(
            f"{path} cannot be read: {exc.strerror}.", hint="Restore it from a copy."
        ) from exc
    if hashlib.sha256(data).hexdigest() != ref.sha256:
        raise EvidenceError(
            f"{path} is not the picture that was recorded.", hint="Restore the original from a copy."
        )
    with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
        if image.size != (grid.width_px, grid.height_px):
            raise EvidenceError(
                f"{path} has {image.size[0]} x {image.size[1]} pixels, its grid {grid.width_px} x "
                f"{grid.height_px}.",
                hint="Compare the pair again: aerial run.",
            )
        return image.convert("RGB")


def _coarsened(image: Image.Image, grid: Grid, factor: int) -> tuple[NDArray[np.uint8], Grid]:
    if factor == 1:
        return np.array(image, np.uint8), grid
    coarse = scaled(grid, factor)
    # The rim that fills no whole pixel is repeated, so that the pixels stay where they are.
    full = (coarse.width_px * factor - grid.width_px, coarse.height_px * factor - grid.height_px)
    padded_HW3 = np.pad(np.array(image, np.uint8), ((0, full[1]), (0, full[0]), (0, 0)), mode="edge")
    blocks = padded_HW3.reshape(coarse.height_px, factor, coarse.width_px, factor, 3)
    return np.round(blocks.mean(axis=(1, 3))).astype(np.uint8), coarse


def _margin_m(zone: Zone, grid: Grid, error_m: float | None) -> float:
    if error_m is not None:
        return error_m
    near_m = 100.0
    if hidden_by(zone.outline, grid, near_m).any():
        raise SecrecyError(
            f"The sensitive zone {zone.name or 'without a name'} is near, and nobody knows how far the "
            "picture may be off.",
            hint="Give the survey a georeference with ce95_m, or leave the picture out.",
        )
    return near_m


def _hatch(height_px: int, width_px: int) -> NDArray[np.uint8]:
    rows, columns = np.indices((height_px, width_px))
    line_HW = (rows + columns) % _EVERY_PX < _LINE_PX
    return np.repeat(np.where(line_HW, _LINE, _GREY).astype(np.uint8)[..., None], 3, axis=2)


def _footprint(grid: Grid) -> Polygon:
    return geo.reproject_edges(box(*bounds(grid)), grid.crs, geo.WGS84)
