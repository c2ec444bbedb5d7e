"""Two mosaics in, suspects out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aerial.align.reader import AlignedPair
from aerial.align.warp import moved_grid
from aerial.change.detector import PairTile
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFiles:
    """Reads the tiles of an aligned pair for detectors; the view and the runtime's reader in one."""

    aligned: AlignedPair
    dsm: tuple[Path, Path] | None

    def read(self, window: WindowPx) -> PairTile:
        """Return one window of the pair's grid."""
        before_CHW, after_CHW, valid_HW = self.aligned.rgb(window)
        heights = self.aligned.heights(*self.dsm, window) if self.dsm else (None, None)
        return PairTile(
            grid=moved_grid(self.aligned.grid, np.eye(3), window),
            before_CHW=before_CHW,
            after_CHW=after_CHW,
            before_dsm_HW=heights[0],
            after_dsm_HW=heights[1],
            valid_HW=valid_HW,
        )

    def overview(self, side_px: int) -> PairTile:
        """Return the whole pair as one coarse tile."""
        grid = self.aligned.grid
        factor = max(1.0, max(grid.width_px, grid.height_px) / side_px)
        small = grids.scaled(grid, factor)
        coarse = PairFiles(aligned=self.aligned.coarser(factor), dsm=self.dsm)
        return coarse.read((0, 0, small.width_px, small.height_px))

    def samples(self, side_px: int, count: int) -> Sequence[PairTile]:
        """Return tiles at full resolution on a regular lattice; the ones that hold little are left out."""
        grid = self.aligned.grid
        side = min(side_px, grid.width_px, grid.height_px)
        columns = max(1, min(round(np.sqrt(count * grid.width_px / grid.height_px)), grid.width_px // side))
        rows = max(1, min(count // columns, grid.height_px // side))
        found = []
        for row in np.linspace(0, grid.height_px - side, rows + 2 if rows > 1 else 1).astype(int):
            for column in np.linspace(0, grid.width_px - side, columns + 2 if columns > 1 else 1).astype(int):
                tile = self.read((int(column), int(row), side, side))
                if tile.valid_HW.mean() > 0.3:
                    found.append(tile)
        return found


def _grid_of(pair: AlignedPair) -> Grid:
    return pair.grid
