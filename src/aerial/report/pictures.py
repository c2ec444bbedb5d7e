"""The pictures of a report: checked against their hashes, small enough for paper.

Nothing that lies in a sensitive zone is seen in an overview.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, UnidentifiedImageError
from shapely.geometry import MultiPolygon

from aerial import geo
from aerial.codec import sha256_file
from aerial.geo import WGS84
from aerial.raster.grid import Grid, world_to_pixel
from aerial.records import Zone
from aerial.report.record import CaseEntry, CellMap

_QUALITY = 80
_LEAST_SIDE_PX = 320
OVERVIEW_LEAST_PX = 480


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One picture of a case: ``label`` is "before", "after" or "change"; ``path`` or the word for why not."""

    label: str
    path: Path | None
    absent: str | None = None


def case_pictures(entry: CaseEntry) -> tuple[Shown, ...]:
    """Return the three pictures of a case, each shown only if its bytes are those that the case names."""
    known = {ref.sha256 for ref in (*entry.case.suspect.chips, *entry.case.evidence, *entry.copies)}
    named = (("before", entry.before), ("after", entry.after), ("change", entry.change))
    return tuple(_checked(label, path, known) for label, path in named)


def _checked(label: str, path: Path | None, known: set[str]) -> Shown:
    if path is None:
        return Shown(label=label, path=None, absent="no_picture")
    try:
        genuine = sha256_file(path) in known
    except OSError:
        return Shown(label=label, path=None, absent="no_picture")
    return Shown(label=label, path=path) if genuine else Shown(label=label, path=None, absent="other_picture")


def for_paper(path: Path) -> tuple[bytes, int, int] | None:
    """Return a JPEG of 320 to 640 pixels a side, if it was not smaller, with its width and height.

    60 mm on paper are then 135 dots an inch or more. None: it cannot be read.
    """
    try:
        with Image.open(path) as picture:
            if picture.format == "JPEG" and max(picture.size) <= 2 * _LEAST_SIDE_PX:
                return path.read_bytes(), *picture.size
            # The decoder halves, and halves again, while it decodes: a quarter of the time each.
            picture.draft("RGB", (_LEAST_SIDE_PX, _LEAST_SIDE_PX))
            small = picture.convert("RGB")
            small.thumbnail((2 * _LEAST_SIDE_PX, 2 * _LEAST_SIDE_PX), Image.Resampling.BILINEAR)
            buffer = io.BytesIO()
            small.save(buffer, "JPEG", quality=_QUALITY)
            return buffer.getvalue(), *small.size
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def write_small_overview(cell: CellMap, zones: Sequence[Zone], path: Path) -> bool:
    """Write the overview of a cell for location maps as a small JPEG; tell whether there is one.

    What lies in a ``sensitive`` zone is painted white.
    """
    if cell.overview is None or cell.overview_grid is None:
        return False
    try:
        with Image.open(cell.overview) as picture:
            full = picture.size
            picture.draft("RGB", (OVERVIEW_LEAST_PX, OVERVIEW_LEAST_PX))
            small = picture.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return False
    small.thumbnail((2 * OVERVIEW_LEAST_PX, 2 * OVERVIEW_LEAST_PX), Image.Resampling.BILINEAR)
    _blank(small, cell.overview_grid, full, zones)
    small.save(path, "JPEG", quality=_QUALITY)
    return True


def _blank(picture: Image.Image, grid: Grid, full: tuple[int, int], zones: Sequence[Zone]) -> None:
    scale_2 = np.array(picture.size) / np.array([grid.width_px, grid.height_px])
    if full != (grid.width_px, grid.height_px):
        raise ValueError(f"an overview of {full} pixels on a grid of {grid.width_px} x {grid.height_px}")
    draw = ImageDraw.Draw(picture)
    for zone in zones:
        if zone.kind != "sensitive":
            continue
        outline = geo.reproject(zone.outline, WGS84, grid.crs)
        for polygon in outline.geoms if isinstance(outline, MultiPolygon) else [outline]:
            ring_N2 = world_to_pixel(grid, np.asarray(polygon.exterior.coords)[:, :2]) * scale_2
            draw.polygon([(float(x), float(y)) for x, y in ring_N2], fill="white", outline="white", width=3)
