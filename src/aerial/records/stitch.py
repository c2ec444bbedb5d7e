"""What a stitch engine is asked for, and how good its answer is."""

from pathlib import Path
from typing import Literal

from aerial.geo import LonLat
from aerial.records.photo import Photo
from aerial.records.record import record

Preset = Literal["fast", "quality"]


@record
class StitchJob:
    """Photographs to stitch.

    ``folder`` holds the files that ``photos`` name. ``gsd_m`` None: the engine takes the
    photographs' own, at least 0.05 m (5 cm is what may leave the bureau). ``crs`` None: the metric
    CRS at the photographs. ``previous``: folder of the reference mosaic (``ortho.tif``,
    ``block/``) whose frame is kept and whose poses stay fixed. ``nodes``: URLs of stitching nodes,
    for engines that use them.

    ``preset``: ``fast`` to look at in the field, ``quality`` to compare. What a first survey is
    anchored to, the first that is given: ``gcp``, ground control points (ODM's ``gcp_list.txt``);
    ``reference_ortho``, a georeferenced orthomosaic of the place from elsewhere; else the
    photographs' positions. ``positions``: the file (ODM's ``geo.txt``) from which ``photos`` have
    their positions instead of from EXIF; None where EXIF gave them. ``calibration``: camera file
    whose focal length and distortion are taken. ``options``: (name, value) for the engine itself.
    """

    folder: Path
    photos: tuple[Photo, ...]
    gsd_m: float | None = None
    crs: str | None = None
    previous: Path | None = None
    nodes: tuple[str, ...] = ()
    preset: Preset = "quality"
    gcp: Path | None = None
    reference_ortho: Path | None = None
    positions: Path | None = None
    calibration: Path | None = None
    options: tuple[tuple[str, str], ...] = ()


@record
class Basis:
    """What a block stands on, and how well it does.

    ``how`` as in ``Georef``; ``source`` names it for people (the reference survey, the file, the
    receiver). ``points``: control points, matches or positions used; ``residual_*_m`` their
    horizontal misfit, ``residual_vertical_m`` the median of their vertical one. ``checked_m``: misfit
    (RMS, horizontal) at points kept out of the adjustment, None without such.
    """

    how: str
    source: str
    points: int
    residual_median_m: float | None
    residual_p95_m: float | None
    residual_vertical_m: float | None = None
    checked_m: float | None = None


@record
class PhotoResidual:
    """How one registered photograph fits.

    ``reprojection_px`` in pixels of the photograph (mean over its ``tie_points``); ``gps_m`` the
    horizontal distance to its own position, None without one.
    """

    file: str
    tie_points: int
    reprojection_px: float
    gps_m: float | None


@record
class BlockPart:
    """Photographs that fit together. The first part of a survey is its mosaic; no other part is in it.

    ``residual_median_m``: horizontal misfit to the positions; ``at`` the middle of the part.
    """

    files: tuple[str, ...]
    at: LonLat | None
    residual_median_m: float | None
    in_mosaic: bool


@record
class Hole:
    """Ground inside the mosaic's outline without pixels; ``at`` is its middle."""

    at: LonLat
    area_m2: float


@record
class SeamStep:
    """Brightness difference of the two photographs along the seams, grey levels of 255, before blending."""

    median: float
    p95: float
    length_m: float


@record
class HeightsQuality:
    """The surface model in figures.

    ``measured``: share of its cells that matching measured; the others were filled. ``spread_*_m``:
    disagreement of the views that measured a cell.
    """

    measured: float
    spread_median_m: float | None
    spread_p95_m: float | None


@record
class StitchQuality:
    """How good a mosaic is; written as ``quality.json``. Residuals are camera centre against GPS.

    ``rejected``: every photograph that is not in the block, with the reason. ``residual_*_m`` None
    where the engine does not tell. ``coverage``: share of the mosaic's outline that holds pixels.
    ``height_check``: mean height over ground from the block against the photographs' own
    relative height, ratio (1.0 agrees), None without it. Fields from ``preset`` on are None or
    empty in files of older versions and where an engine does not tell.
    """

    engine: str
    engine_version: str
    photos: int
    registered: int
    rejected: dict[str, str]
    seconds: float
    seconds_by_stage: dict[str, float]
    gsd_m: float
    georef: str
    residual_median_m: float | None
    residual_p95_m: float | None
    reprojection_px: float | None
    coverage: float | None
    height_check: float | None
    remarks: tuple[str, ...]
    preset: str | None = None
    basis: Basis | None = None
    by_photo: tuple[PhotoResidual, ...] = ()
    parts: tuple[BlockPart, ...] = ()
    holes: tuple[Hole, ...] = ()
    seam_step: SeamStep | None = None
    heights: HeightsQuality | None = None
