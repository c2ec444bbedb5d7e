"""``quality.html``: a mosaic's quality for people, one file with its pictures in it.

It refers to nothing outside and runs no script. Names and reasons come from files and are escaped.
It shows where photographs were taken and is for inside the bureau.
"""

from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.codec import replacing
from aerial.ortho import views
from aerial.ortho.archive import StoredBlock, read_archive
from aerial.ortho.solve import block_of
from aerial.ortho.verdict import Word, figures_of, verdict
from aerial.raster.grid import Grid, gsd_m, world_to_pixel
from aerial.records import Mosaic, Photo, StitchJob, StitchQuality

Floats = NDArray[np.float64]

# Rows of a table; quality.json has all of them.
MOST_ROWS = 200
MOST_WORST = 10
# Arrows are drawn this share of the picture long, at the most (95 % of them).
_ARROW_SHARE = 0.06
_FACTORS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SCALES_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_SAYS: dict[Word, str] = {
    "fit to compare": "All figures are within their limits.",
    "look before use": "Nothing forbids a comparison, but look at the lines that are marked first.",
    "not fit": "Do not compare this mosaic: a figure says that its geometry cannot be trusted.",
}


def write_page(target: Path, folder: Path, job: StitchJob, mosaic: Mosaic, quality: StitchQuality) -> None:
    """Write the page of ``mosaic``, whose files lie in ``folder``; whole or not there.

    ``taken.tif`` (int16, which photograph of the block a cell was taken from, -1 none) is shown where an
    engine left it in ``folder``.

    Raises:
        RasterError: a mosaic cannot be read.
        StitchError: the block cannot be read.
    """
    stored = read_archive(folder / "block") if mosaic.block else None
    grid = views.view_grid(mosaic.grid)
    ortho = folder / mosaic.ortho.path
    pictures = [
        ("map", "The mosaic and the photographs", views.ortho_view(ortho, grid)),
    ]
    if mosaic.dsm:
        pictures.append(("relief", "Surface model, lit from the north-west", _relief(folder, mosaic, grid)))
        spread = views.spread_view(folder / mosaic.dsm.path, grid)
        if spread is not None:
            pictures.append(("spread", "How far the views disagree about a height", spread))
    if stored is not None:
        count = views.count_view(block_of(stored), grid)
        pictures.append(("count", "How many photographs see the ground", count))
    if (folder / "taken.tif").is_file():
        taken = views.taken_view(folder / "taken.tif", ortho, grid)
        pictures.append(("taken", "Which photograph each place was taken from, and the seams", taken))
    figures = figures_of(quality, mosaic)
    word = verdict(figures)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("aerial.ortho", "."), autoescape=True, undefined=jinja2.StrictUndefined
    )
    text = environment.get_template("quality.html.j2").render(
        word=word,
        says=_SAYS[word],
        quality=quality,
        mosaic=mosaic,
        figures=figures,
        pictures=pictures,
        overlay=_overlay(job.photos, mosaic, quality, stored, grid),
        scale=_scale_bar(grid),
        rejected=sorted(quality.rejected.items())[:MOST_ROWS],
        worst=sorted(quality.by_photo, key=lambda row: (-row.reprojection_px, row.file))[:MOST_WORST],
        parts=quality.parts,
        size_m=(mosaic.grid.width_px * gsd_m(mosaic.grid), mosaic.grid.height_px * gsd_m(mosaic.grid)),
    )
    with replacing(target) as part:
        part.write_text(text, encoding="utf-8")


def _relief(folder: Path, mosaic: Mosaic, grid: Grid) -> views.View:
    if mosaic.dsm is None:
        raise ValueError("no surface model")
    return views.relief_view(folder / mosaic.dsm.path, grid)


def _overlay(
    photos: Sequence[Photo], mosaic: Mosaic, quality: StitchQuality, stored: StoredBlock | None, grid: Grid
) -> dict[str, object]:
    """Return what is drawn over the mosaic, in pixels of its picture."""
    told_N2 = np.array([_place(photo, grid.crs) for photo in photos]).reshape(-1, 2)
    centre_of = {}
    if stored is not None:
        centre_of = {p.file: p.pose.centre_3[:2] + stored.origin_3[:2] for p in stored.photos}
    outside = {file for part in quality.parts if not part.in_mosaic for file in part.files}
    held, parted, rejected, arrows = [], [], [], []
    for photo, told_2 in zip(photos, told_N2, strict=True):
        at_2 = centre_of.get(photo.file, told_2)
        if photo.file in outside:
            parted.append(told_2)
        elif photo.file in quality.rejected:
            rejected.append(told_2)
        else:
            held.append(at_2)
            if photo.file in centre_of:
                arrows.append((at_2, told_2 - at_2))
    shift_2 = _common_shift(arrows) if mosaic.georef.how in ("reference", "ortho", "gcp") else np.zeros(2)
    lengths = [float(np.hypot(*(vector - shift_2))) for _, vector in arrows]
    known = [length for length in lengths if np.isfinite(length)]
    longest_m = _ARROW_SHARE * max(grid.width_px, grid.height_px) * gsd_m(grid)
    typical_m = float(np.percentile(known, 95)) if known else 0.0
    factor = max((f for f in _FACTORS if f * typical_m <= longest_m), default=1)
    lines = [
        np.concatenate([_pixels(at_2, grid), _pixels(at_2 + factor * (vector - shift_2), grid)])
        for (at_2, vector), length in zip(arrows, lengths, strict=True)
        if np.isfinite(length)
    ]
    return {
        "held": [_pixels(at_2, grid) for at_2 in held if np.isfinite(at_2).all()],
        "parted": [_pixels(at_2, grid) for at_2 in parted if np.isfinite(at_2).all()],
        "rejected": [_pixels(at_2, grid) for at_2 in rejected if np.isfinite(at_2).all()],
        "arrows": lines,
        "factor": factor,
        "shift_m": float(np.hypot(*shift_2)),
        "holes": [
            (
                *_pixels(np.array(geo.from_lonlat(grid.crs, hole.at)), grid),
                max(np.sqrt(hole.area_m2 / np.pi) / gsd_m(grid), 4.0),
            )
            for hole in sorted(quality.holes, key=lambda hole: -hole.area_m2)[:MOST_ROWS]
        ],
    }


def _place(photo: Photo, crs: str) -> tuple[float, float]:
    return geo.from_lonlat(crs, photo.at) if photo.at is not None else (np.nan, np.nan)


def _common_shift(arrows: Sequence[tuple[Floats, Floats]]) -> Floats:
    """Return what all positions are off together: the receiver's own error of that day."""
    vectors = [vector for _, vector in arrows if np.isfinite(vector).all()]
    return np.asarray(np.median(vectors, axis=0)) if vectors else np.zeros(2)


def _pixels(at_2: Floats, grid: Grid) -> Floats:
    return np.asarray(np.round(world_to_pixel(grid, np.asarray(at_2, float)[None])[0], 1))


def _scale_bar(grid: Grid) -> tuple[int, float]:
    """Return a round length in metres, at most a quarter of the picture's width, and it in pixels."""
    metres = max((m for m in _SCALES_M if m <= 0.25 * grid.width_px * gsd_m(grid)), default=1)
    return metres, metres / gsd_m(grid)
