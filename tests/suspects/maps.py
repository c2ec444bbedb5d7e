"""Change maps made by hand."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests import pairs

from aerial.change.compare import HEIGHT_BANDS, PICTURE_BANDS
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog

Floats = NDArray[np.float32]


def write(path: Path, bands: dict[str, Floats], grid: Grid | None = None) -> Path:
    """Write bands under their names; those of pictures that are not given are 0."""
    shape = next(iter(bands.values())).shape
    full = {name: np.zeros(shape, np.float32) for name in PICTURE_BANDS} | bands
    write_cog(
        path,
        grid or pairs.grid(shape[0]),
        np.stack(list(full.values())),
        nodata=float("nan"),
        descriptions=tuple(full),
    )
    return path


def blank(side: int, value: float = 0.0) -> Floats:
    """Return one band of one value."""
    return np.full((side, side), value, np.float32)


def heights(side: int) -> dict[str, Floats]:
    """Return the bands of two surface models of which nothing changed, and a network that says nothing."""
    silent = {name: blank(side, float("nan")) for name in ("building_before", "building_after")}
    return {name: blank(side) for name in HEIGHT_BANDS} | {"height_noise_m": blank(side, 0.2)} | silent


def boxes(path: Path, boxes_px: list[tuple[int, int, int, int, float, float]], side: int = 400) -> Path:
    """Write a map with height of boxes (column, row, width, height, change m, standing before m)."""
    bands = heights(side)
    for column, row, width, height, change, standing in boxes_px:
        where = np.s_[row : row + height, column : column + width]
        bands["height_score"][where] = 0.95 * np.sign(change)
        bands["height_change_m"][where] = bands["doubtful_change_m"][where] = change
        bands["standing_before_m"][where] = standing
        rim = np.s_[row - 1 : row + height + 1, column - 1 : column + width + 1]
        bands["steepness"][rim] = 1.0
        bands["steepness"][row + 2 : row + height - 2, column + 2 : column + width - 2] = 0.0
    return write(path, bands)
