"""Two surveys of one cell on one pixel grid."""

from typing import Literal

from aerial.raster.grid import Grid
from aerial.records.mosaic import Mosaic
from aerial.records.record import record


@record
class Alignment:
    """How BEFORE was laid on AFTER; written as ``align.json``.

    ``before_to_after_px``: 2x3 affine of (column, row), pixel centre +0.5, from BEFORE's full grid
    to AFTER's, without the residual warp. Residuals are what is left after warp and affine,
    measured on windows, in AFTER's pixels and in metres. ``windows``: how many windows agreed.
    ``shift_m``: how far the georeferences disagreed, in metres. ``how``: ``measured``, many windows
    agreed; ``shifted``, all windows together told one shift; ``declared``, too few agreed to move
    anything, and the files' own georeference stands; ``assumed``, the same, and the residual could
    not be measured but is what such files may be apart.
    """

    before_to_after_px: tuple[tuple[float, float, float], tuple[float, float, float]]
    residual_median_px: float
    residual_p95_px: float
    residual_median_m: float
    residual_p95_m: float
    windows: int
    shift_m: float
    how: Literal["measured", "shifted", "declared", "assumed"] = "measured"


@record
class Pair:
    """Before and after mosaic of one cell on one common pixel grid."""

    before: Mosaic
    after: Mosaic
    grid: Grid
    residual_p95_m: float
