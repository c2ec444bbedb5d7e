"""What a stitch engine is asked for, and how good its answer is."""

from pathlib import Path

from aerial.records.photo import Photo
from aerial.records.record import record


@record
class StitchJob:
    """Photographs to stitch.

    ``folder`` holds the files that ``photos`` name. ``gsd_m`` None: the engine takes the
    photographs' own, at least 0.05 m (5 cm is what may leave the bureau). ``crs`` None: the metric
    CRS at the photographs. ``previous``: folder of the reference mosaic (``ortho.tif``,
    ``block/``) whose frame is kept and whose poses stay fixed. ``nodes``: URLs of stitching nodes,
    for engines that use them.
    """

    folder: Path
    photos: tuple[Photo, ...]
    gsd_m: float | None = None
    crs: str | None = None
    previous: Path | None = None
    nodes: tuple[str, ...] = ()


@record
class StitchQuality:
    """How good a mosaic is; written as ``quality.json``. Residuals are camera centre against GPS.

    ``rejected``: every photograph that is not in the block, with the reason. ``residual_*_m`` None
    where the engine does not tell. ``coverage``: share of the mosaic's outline that holds pixels.
    ``height_check``: mean height over ground from the block against the photographs' own
    relative height, ratio (1.0 agrees), None without it.
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
