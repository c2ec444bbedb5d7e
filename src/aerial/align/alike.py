"""What must hold of two pictures before the one is laid on the other."""

import numpy as np
from shapely.geometry import Polygon

from aerial import geo
from aerial.align.reader import Picture
from aerial.errors import AlignError
from aerial.raster import grid as grids
from aerial.raster.grid import Grid

MAX_GSD_RATIO = 4.0
# What both show must hold a square of so many pixels somewhere, or there is nothing to compare.
_LEAST_SHARED_PX = 10


def require_like(before: Picture, after: Picture) -> None:
    """Refuse two pictures that no common pixels can serve.

    Raises:
        AlignError: their GSDs differ more than 4 times, or only one has colours.
    """
    ratio = max(before.gsd_m, after.gsd_m) / min(before.gsd_m, after.gsd_m)
    if ratio > MAX_GSD_RATIO:
        raise AlignError(
            f"The pixels are {before.gsd_m:.3g} m and {after.gsd_m:.3g} m: {ratio:.1f} times apart.",
            hint=f"Compare surveys whose pixel sizes are at most {MAX_GSD_RATIO:.0f} times apart.",
        )
    if (before.info.bands == 1) != (after.info.bands == 1):
        grey = before if before.info.bands == 1 else after
        raise AlignError(
            f"{grey.info.path} has one band, the other date has colours.",
            hint="Export both mosaics with red, green and blue, or both in grey.",
        )


def require_overlap(before: Picture, grid: Grid) -> None:
    """Refuse a picture that lies beside a grid.

    Raises:
        AlignError: they share nothing, or a sliver.
    """
    shared = _outline(before.info.grid, grid.crs).intersection(_outline(grid, grid.crs))
    if shared.is_empty:
        raise AlignError(
            "BEFORE and AFTER do not overlap: their georeferences place them apart.",
            hint="Check that both files are of the same place and declare the right CRS.",
        )
    # A hair less than half, so that a square of just that size is one.
    if shared.buffer(-0.499 * _LEAST_SHARED_PX * grids.gsd_m(grid)).is_empty:
        raise AlignError(
            f"BEFORE and AFTER share only a sliver, less than {_LEAST_SHARED_PX} pixels wide.",
            hint="Check that both files are of the same place, and that neither was cut too small.",
        )


def _outline(own: Grid, crs: str) -> Polygon:
    w, h = own.width_px, own.height_px
    rim = grids.pixel_to_world(own, np.array([[0, 0], [w, 0], [w, h], [0, h]], float))
    return Polygon(np.column_stack(geo.transform(own.crs, crs, rim[:, 0], rim[:, 1])))
