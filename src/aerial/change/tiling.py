"""Cuts a pair into tiles with their surroundings; every pixel of the pair is read once.

What two tiles share is kept, not read again: the columns between neighbours, and, over the whole width,
the rows between one row of tiles and the next.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerial.change.detector import PairTile, ReadTile
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx

Arrays = dict[str, NDArray[Any]]

# At the rim of what is read validity is known less well; so much is read beside and cut off.
_MARGIN_PX = 4
_ARRAYS = tuple(field.name for field in fields(PairTile) if field.name != "grid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiling:
    """Tiles of one size, ``width_px`` x ``height_px`` without their halo, that cover a grid from its corner.

    ``read_rows_px``: so many rows are read at a time: less is held while pictures are resampled.
    """

    grid: Grid
    width_px: int
    height_px: int
    halo_px: int
    read_rows_px: int

    @property
    def columns(self) -> int:
        """Return how many tiles lie side by side."""
        return -(-self.grid.width_px // self.width_px)

    @property
    def rows(self) -> int:
        """Return how many tiles lie one below the other."""
        return -(-self.grid.height_px // self.height_px)

    def row(self, number: int) -> list[WindowPx]:
        """Return the windows of one row of tiles, cut off at the rim of the grid."""
        top = number * self.height_px
        return [
            (
                left,
                top,
                min(self.width_px, self.grid.width_px - left),
                min(self.height_px, self.grid.height_px - top),
            )
            for left in range(0, self.grid.width_px, self.width_px)
        ]


def tiling(grid: Grid, *, most_px: int, unit_px: int, halo_px: int, read_rows_px: int) -> Tiling:
    """Return tiles of about ``most_px`` a side at most, multiples of ``unit_px``, that reach over little."""
    width, height = (
        -(-length // (-(-length // most_px) * unit_px)) * unit_px
        for length in (grid.width_px, grid.height_px)
    )
    return Tiling(grid=grid, width_px=width, height_px=height, halo_px=halo_px, read_rows_px=read_rows_px)


class TileReader:
    """Reads the tiles of a pair, halo included, row by row."""

    def __init__(self, read: ReadTile, tiling: Tiling) -> None:
        self._read, self._tiling = read, tiling
        halo, side = tiling.halo_px, tiling.height_px
        bands = [(-halo, 2 * halo), *((halo + k * side, side) for k in range(tiling.rows))]
        # Rows are always read in the same pieces: a resumed run meets the same pixels to the last bit.
        step = tiling.read_rows_px
        self._pieces = [
            (top + k, min(step, height - k)) for top, height in bands for k in range(0, height, step)
        ]

    def tiles(self, rows: Sequence[int]) -> Iterator[PairTile]:
        """Yield the tiles of some rows of tiles, each from left to right."""
        above: Arrays = {}
        for before, number in zip([None, *rows], rows, strict=False):
            if before is None or number != before + 1:
                above = self._above(number)
            yield from self._row(number, above)

    def _row(self, number: int, above: Arrays) -> Iterator[PairTile]:
        """Yield one row of tiles; ``above`` becomes what the next row has above it."""
        t = self._tiling
        width, height, both = t.width_px, t.height_px, 2 * t.halo_px
        top = number * height + t.halo_px
        left = self._region(-t.halo_px, both, top, top + height)
        for n in range(t.columns):
            at = n * width
            whole = self._region(at + t.halo_px, width, top, top + height, beside=both)
            for name, tile in whole.items() if both else ():
                tile[..., :both, :] = above[name][..., at : at + width + both]
                tile[..., both:, :both] = left[name]
                left[name] = tile[..., both:, width:].copy()
                # The next tile of this row still needs the columns that both share.
                stop = at + width + (both if n == t.columns - 1 else 0)
                above[name][..., at:stop] = tile[..., height:, : stop - at]
            yield _tile(t.grid, (at - t.halo_px, top - both), whole)

    def _above(self, number: int) -> Arrays:
        """Return the rows around the upper rim of a row of tiles, over the whole width."""
        t = self._tiling
        rim = number * t.height_px
        bands = [
            (-t.halo_px, 2 * t.halo_px),
            *((t.halo_px + n * t.width_px, t.width_px) for n in range(t.columns)),
        ]
        parts = [self._region(at, width, rim - t.halo_px, rim + t.halo_px) for at, width in bands]
        return {name: np.concatenate([part[name] for part in parts], axis=-1) for name in parts[-1]}

    def _region(self, column: int, width: int, first: int, stop: int, *, beside: int = 0) -> Arrays:
        """Return the arrays of some columns and rows, read in the pieces that rows are read in.

        ``beside``: so many rows above and columns to the left are left open.
        """
        found: Arrays = {}
        m = _MARGIN_PX
        for top, height in self._pieces:
            low, high = max(top, first), min(top + height, stop)
            if low >= high:
                continue
            tile = self._read((column - m, top - m, width + 2 * m, height + 2 * m))
            for name in _ARRAYS:
                if (value := getattr(tile, name)) is None:
                    continue
                if name not in found:
                    size = (*value.shape[:-2], stop - first + beside, width + beside)
                    found[name] = np.empty(size, value.dtype)
                inner = found[name][..., beside:, beside:]
                inner[..., low - first : high - first, :] = value[
                    ..., m + low - top : m + high - top, m : m + width
                ]
        return found


def cut(tile: PairTile, margin: int) -> PairTile:
    """Return a tile without so many pixels at each of its sides."""
    if margin == 0:
        return tile
    height, width = tile.valid_HW.shape
    inner = np.s_[..., margin : height - margin, margin : width - margin]
    arrays = {
        name: np.ascontiguousarray(value[inner])
        for name in _ARRAYS
        if (value := getattr(tile, name)) is not None
    }
    return _tile(tile.grid, (margin, margin), arrays)


def _tile(grid: Grid, corner: tuple[int, int], arrays: Arrays) -> PairTile:
    """Return arrays as a tile; ``corner``: (column, row) of its first pixel on ``grid``."""
    column, row = corner
    a, b, c, d, e, f = grid.affine
    height, width = arrays["valid_HW"].shape
    own = Grid(
        crs=grid.crs,
        affine=(a, b, c + column * a + row * b, d, e, f + column * d + row * e),
        width_px=width,
        height_px=height,
    )
    absent: dict[str, Any] = dict.fromkeys(_ARRAYS)
    return PairTile(grid=own, **absent | arrays)
