"""How much disk a stitch needs, told before hours of work and before each step that cannot tell it itself."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from aerial import geo
from aerial.errors import StitchError
from aerial.ortho.presets import Effort
from aerial.records import Photo, StitchJob
from aerial.records.record import record

# A feature in the journal (keypoint and descriptor, 24 + 128 bytes), and again in ``block/`` (8 + 128).
_FEATURE_BYTES = 288
# A verified match, with what COLMAP keeps of the pair besides; at most one feature in four has one.
_MATCH_BYTES, _MATCHED_SHARE = 16, 0.25
# A height map: two bytes a cell, and one coarse cell beside sixteen.
_CELL_BYTES = 2.125
# A pixel of the ortho: four bytes, as they are drawn (lightly packed) and as COG with overviews;
# a cell of the DSM has eight.
_ORTHO_PIXEL_BYTES, _DSM_CELL_BYTES = 7.0, 14.0
# What photographs are taken for that do not say how high they were taken.
_USUAL_GSD_M, _FINEST_GSD_M = 0.025, 0.05
# Kept free, whatever a step needs: other programs write as well.
SPARE_BYTES = 20_000_000
# What a step has beside its result for a while: eight photographs in grey, a write-ahead log.
SCRATCH_BYTES = 80_000_000


@record
class Needs:
    """Bytes on disk at the most, by what they are for."""

    features: int
    heights: int
    mosaics: int

    @property
    def total(self) -> int:
        """All of it, which lies there at the same time."""
        return self.features + self.heights + self.mosaics


def needs_of(job: StitchJob, effort: Effort) -> Needs:
    """Return what stitching ``job`` on this machine takes, estimated from what the photographs say.

    Features and matches are as many as the preset allows. Height maps cover the ground of a
    photograph, ``pairs_per_photo`` times; the mosaics cover the rectangle that the photographs span.
    """
    gsd_N = np.array([_gsd_m(photo) for photo in job.photos])
    side_N2 = np.array([[p.width_px, p.height_px] for p in job.photos]) * gsd_N[:, None]
    gsd = job.gsd_m or max(_FINEST_GSD_M, float(np.median(gsd_N)))
    cell = gsd * effort.dsm_pixels[0]
    matches = effort.neighbours * effort.max_features * _MATCHED_SHARE * _MATCH_BYTES
    area_m2 = _spanned_m2(job.photos, float(side_N2.max()))
    return Needs(
        features=round(len(job.photos) * (effort.max_features * _FEATURE_BYTES + matches)),
        heights=round(float(side_N2.prod(axis=1).sum()) / cell**2 * effort.pairs_per_photo * _CELL_BYTES),
        mosaics=round(area_m2 * (_ORTHO_PIXEL_BYTES / gsd**2 + _DSM_CELL_BYTES / cell**2)),
    )


def require_room(job: StitchJob, effort: Effort, work: Path) -> None:
    """Refuse a job that the disk of ``work`` has no room for; what lies there already counts.

    Raises:
        StitchError: with what is needed and what is free.
    """
    needs = needs_of(job, effort)
    there = sum(path.stat().st_size for path in work.rglob("*") if path.is_file())
    missing = max(needs.total - there, 0) + SCRATCH_BYTES + SPARE_BYTES - free_bytes(work)
    if missing > 0:
        raise StitchError(
            f"{len(job.photos)} photographs need {_size(needs.total)} in {work} while they are stitched: "
            f"{_size(needs.features)} for features, {_size(needs.heights)} for heights, "
            f"{_size(needs.mosaics)} for the mosaics, and {_size(SCRATCH_BYTES + SPARE_BYTES)} to spare; "
            f"{_size(free_bytes(work))} are free.",
            hint=f"Free {_size(missing)} more, or give --out on another disk; then run it again.",
        )


def require_free(folder: Path, needed: int, what: str) -> None:
    """Refuse to begin a step that would fill the disk of ``folder`` and cannot say so itself.

    Raises:
        StitchError: less than ``needed`` bytes and a spare are free.
    """
    free = free_bytes(folder)
    if free < needed + SPARE_BYTES:
        raise StitchError(
            f"The disk that holds {folder} is full: {what} needs {_size(needed + SPARE_BYTES)}, "
            f"{_size(free)} are free.",
            hint="Free some space and run the same command again: it goes on where it stopped.",
        )


def free_bytes(folder: Path) -> int:
    """Return how many bytes can still be written to ``folder``."""
    return shutil.disk_usage(folder).free


def _gsd_m(photo: Photo) -> float:
    if not photo.focal_px or not photo.relative_height_m or photo.relative_height_m <= 0:
        return _USUAL_GSD_M
    return photo.relative_height_m / photo.focal_px


def _spanned_m2(photos: Iterable[Photo], margin_m: float) -> float:
    at = [photo.at for photo in photos if photo.at is not None]
    if not at:
        return margin_m**2
    crs = geo.metric_crs_at(at[0])
    xy_N2 = np.array([geo.from_lonlat(crs, place) for place in at])
    # One photograph that was taken elsewhere is no reason to refuse all others.
    low_2, high_2 = np.percentile(xy_N2, [1, 99], axis=0)
    return float(np.prod(high_2 - low_2 + margin_m))


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(count, 0) / 1e6:.0f} MB"
