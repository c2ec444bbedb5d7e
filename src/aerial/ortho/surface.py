"""The digital surface model of a block: stereo pairs, matched one by one, agreed cell by cell."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aerial.camera import footprint, project
from aerial.codec import sha256_json
from aerial.errors import StitchError
from aerial.ortho import cover, fuse, stereo
from aerial.ortho.ahead import in_order
from aerial.ortho.block import Block
from aerial.ortho.maps import COARSE_CELLS, HeightMap, agreed, base_of, window
from aerial.ortho.originals import mark
from aerial.ortho.pictures import Pictures
from aerial.ortho.presets import QUALITY, Effort
from aerial.progress import Progress
from aerial.raster.grid import Grid, scaled
from aerial.raster.write import CogWriter

Heights = NDArray[np.float32]

# Counts as part of the key of the stored height maps: raise it when matching changes.
VERSION = 3
# Cells of the DSM are two pixels of the ortho wide, or more where the photographs are coarser than
# the ortho: matching cannot tell finer.
CELL_TO_PHOTO = 1.1
# Pictures to be matched stay at least so wide.
MATCHED_WIDTH_PX = 600
TILE_CELLS, HALO_CELLS = 512, 96
NODATA = -9999.0
# Spreads are counted in steps of this.
SPREAD_STEP_M = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class SurfaceResult:
    """A DSM: heights (band 1, metres in the block's datum) and their spread (band 2, metres).

    ``measured`` is the share of its valid cells that matching measured; the others were filled.
    ``spread_*_m``: of the cells that two views and more measured, None where there are none.
    """

    path: Path
    grid: Grid
    pairs: int
    measured: float
    spread_median_m: float | None = None
    spread_p95_m: float | None = None


def build_surface(
    block: Block, folder: Path, grid: Grid, work: Path, progress: Progress, *, effort: Effort = QUALITY
) -> SurfaceResult:
    """Write the DSM of ``block`` to ``work/dsm.tif`` over the extent of the ortho's ``grid``.

    ``folder`` holds the photographs. Height maps of pairs are kept in ``work/dense``: killed and
    called again, it goes on. Cells seen by too few photographs, or outside of all that was matched,
    are nodata; holes between measured cells are filled (``fuse.filled``), with a spread of 5 m to
    tell.

    Raises:
        StitchError: no two photographs overlap enough, or none of the pairs could be matched.
        PhotoError: a photograph cannot be decoded.
    """
    least = CELL_TO_PHOTO * cover.photo_gsd_m(block) / grid.affine[0]
    sizes = effort.dsm_pixels
    dsm_grid = scaled(grid, next((n for n in sizes if n >= least), sizes[-1]))
    pairs = cover.stereo_pairs(block, effort.pairs_per_photo)
    if not pairs:
        raise StitchError(
            "No two photographs overlap enough to measure heights.",
            hint="Fly with at least 60 % overlap forward and 40 % to the side.",
        )
    maps = _match_all(block, folder, dsm_grid, pairs, work / "dense", progress)
    if not maps:
        raise StitchError(
            "None of the photographs could be matched for heights.",
            hint="Check that the photographs are sharp and overlap by 60 % or more.",
        )
    target = work / "dsm.tif"
    measured, spreads = _fuse_all(block, dsm_grid, maps, target, progress)
    return SurfaceResult(
        path=target,
        grid=dsm_grid,
        pairs=len(maps),
        measured=measured,
        spread_median_m=_quantile(spreads, 0.5),
        spread_p95_m=_quantile(spreads, 0.95),
    )


def _match_all(
    block: Block,
    folder: Path,
    grid: Grid,
    pairs: tuple[cover.StereoPair, ...],
    store: Path,
    progress: Progress,
) -> list[HeightMap]:
    cell = grid.affine[0]
    native = cover.photo_gsd_m(block)
    # Finer than the cells would cost time and gain nothing; finer than the photographs is not there.
    width = float(np.median([photo.camera.width_px for photo in block.photos]))
    step = max(native, min(0.75 * cell, native * width / MATCHED_WIDTH_PX))
    reduction = max(n for n in (1, 2, 4, 8) if n == 1 or native * n <= 1.1 * step)
    pictures = Pictures(block, folder, reduction=reduction, grey=True)
    ground = cover.ground_of(block)

    def one(pair: cover.StereoPair) -> HeightMap | None:
        box = _common_box(block, pair, ground, grid)
        if box is None:
            return None
        row, column, height, width = box
        datum = float(ground[pair.left] + ground[pair.right]) / 2
        laid = HeightMap(
            path=store / f"{_key(block, folder, pair, grid, box, step)}.npy",
            row=row,
            column=column,
            height=height,
            width=width,
            datum_m=datum,
            weight=min(pair.base_to_height, 0.5) ** 2,
        )
        if not laid.is_whole():
            left, right = (
                stereo.View(grey_HW=pictures[i], camera=pictures.camera(i), pose=block.photos[i].pose)
                for i in (pair.left, pair.right)
            )
            levels = stereo.match_heights(
                left,
                right,
                ground_m=datum,
                relief_m=_relief(block, pair),
                step_m=step,
            )
            west = grid.affine[2] + column * cell - block.origin_3[0]
            north = grid.affine[5] - row * cell - block.origin_3[1]
            laid.store(levels, west, north, cell)
        return laid

    progress.phase("Matching heights", len(pairs))
    maps = []
    for laid in in_order(one, pairs):
        progress.advance()
        if laid is not None:
            maps.append(laid)
    return maps


def _key(
    block: Block,
    folder: Path,
    pair: cover.StereoPair,
    grid: Grid,
    box: tuple[int, int, int, int],
    step: float,
) -> str:
    # A map is good only for these photographs, poses and cells. By size and time, lest one that was
    # made of a file put there by mistake is taken once the original is back.
    photos = [
        [
            p.file,
            *mark(folder / p.file),
            repr(p.camera),
            p.pose.rotation_33.tolist(),
            p.pose.centre_3.tolist(),
        ]
        for p in (block.photos[pair.left], block.photos[pair.right])
    ]
    return sha256_json([VERSION, step, list(grid.affine), list(box), block.origin_3.tolist(), photos])[:24]


def _relief(block: Block, pair: cover.StereoPair) -> tuple[float, float]:
    """Return the range of the tie points that both photographs see, but for the odd wrong one."""
    seen_N = np.ones(len(block.points_N3), bool)
    for photo in (block.photos[pair.left], block.photos[pair.right]):
        seen_N &= project(photo.camera, photo.pose, block.points_N3)[1]
    z_N = block.points_N3[seen_N, 2] if seen_N.sum() >= 20 else block.points_N3[:, 2]
    low, high = np.percentile(z_N, [1, 99])
    return float(low), float(high)


def _common_box(
    block: Block, pair: cover.StereoPair, ground: NDArray[np.float64], grid: Grid
) -> tuple[int, int, int, int] | None:
    """Return (row, column, height, width) of the cells that both photographs see, on the grid."""
    low, high = np.array([-np.inf, -np.inf]), np.array([np.inf, np.inf])
    for i in (pair.left, pair.right):
        corners_42 = footprint(block.photos[i].camera, block.photos[i].pose, float(ground[i]))
        if corners_42 is None:
            return None
        low, high = np.maximum(low, corners_42.min(axis=0)), np.minimum(high, corners_42.max(axis=0))
    low, high = low + block.origin_3[:2], high + block.origin_3[:2]
    cell, west, north = grid.affine[0], grid.affine[2], grid.affine[5]
    # On multiples of the coarse cells, so that the coarse maps lie on one grid.
    column, row = (
        max(int(n / cell / COARSE_CELLS), 0) * COARSE_CELLS for n in (low[0] - west, north - high[1])
    )
    width = min(int((high[0] - west) / cell) + 1, grid.width_px) - column
    height = min(int((north - low[1]) / cell) + 1, grid.height_px) - row
    return (row, column, height, width) if width > 0 and height > 0 else None


def _fuse_all(
    block: Block, grid: Grid, maps: list[HeightMap], target: Path, progress: Progress
) -> tuple[float, NDArray[np.int64]]:
    """Fuse the maps tile by tile into the DSM at ``target``.

    Returns the share that was measured, and how many of its cells have which spread (in steps of
    ``SPREAD_STEP_M``, the last for all above).
    """
    base = base_of(block, grid, maps)
    covered = cover.coverage_of(block)
    valid_cells = measured_cells = 0
    spreads = np.zeros(round(fuse.UNCONFIRMED_SPREAD_M / SPREAD_STEP_M) + 1, np.int64)
    tiles = [
        (row, column)
        for row in range(0, grid.height_px, TILE_CELLS)
        for column in range(0, grid.width_px, TILE_CELLS)
    ]
    progress.phase("Joining heights", len(tiles))
    made = in_order(lambda at: _tile(grid, maps, base, *at), tiles)
    with CogWriter(
        target,
        grid,
        bands=2,
        dtype="float32",
        nodata=NODATA,
        descriptions=("height_m", "spread_m"),
        unit="metre",
    ) as cog:
        for (row, column), (height_HW, spread_HW, known_HW) in zip(tiles, made, strict=True):
            h, w = height_HW.shape
            x_W = grid.affine[2] + (column + np.arange(w) + 0.5) * grid.affine[0] - block.origin_3[0]
            y_H = grid.affine[5] + (row + np.arange(h) + 0.5) * grid.affine[4] - block.origin_3[1]
            valid_HW = covered.supported(x_W, y_H)
            valid_HW &= window(base[1], base[2], row, column, row + h, column + w) > 0.5
            data_CHW = np.stack([height_HW + np.float32(block.origin_3[2]), spread_HW])
            cog.write((column, row, w, h), data_CHW.astype(np.float32), valid_HW)
            valid_cells += int(valid_HW.sum())
            measured_cells += int((valid_HW & known_HW).sum())
            confirmed_N = spread_HW[valid_HW & known_HW & (spread_HW < fuse.UNCONFIRMED_SPREAD_M)]
            spreads += np.bincount(np.rint(confirmed_N / SPREAD_STEP_M).astype(int), minlength=len(spreads))
            progress.advance()
    return measured_cells / max(valid_cells, 1), spreads


def _tile(
    grid: Grid,
    maps: list[HeightMap],
    base: tuple[Heights, Heights, int],
    row: int,
    column: int,
) -> tuple[Heights, Heights, NDArray[np.bool_]]:
    """Return height, spread, and where it was measured, of the tile that begins at (row, column)."""
    h, w = min(TILE_CELLS, grid.height_px - row), min(TILE_CELLS, grid.width_px - column)
    # With a halo, so that what is filled and smoothed does not depend on the tiling.
    r0, c0 = max(row - HALO_CELLS, 0), max(column - HALO_CELLS, 0)
    r1, c1 = min(row + h + HALO_CELLS, grid.height_px), min(column + w + HALO_CELLS, grid.width_px)
    height_HW, spread_HW = agreed(maps, r0, c0, r1, c1, grid.affine[0])
    known_HW = np.isfinite(height_HW)
    coarse_HW = window(base[0], base[2], r0, c0, r1, c1)
    height_HW = fuse.narrowed(fuse.smoothed(fuse.filled(height_HW, coarse_HW)))
    spread_HW = np.where(known_HW & np.isfinite(spread_HW), spread_HW, fuse.UNCONFIRMED_SPREAD_M)
    spread_HW = np.minimum(spread_HW, fuse.UNCONFIRMED_SPREAD_M).astype(np.float32)
    inner = np.s_[row - r0 : row - r0 + h, column - c0 : column - c0 + w]
    return height_HW[inner], spread_HW[inner], known_HW[inner]


def _quantile(spreads: NDArray[np.int64], share: float) -> float | None:
    if not spreads.any():
        return None
    return round(float(np.searchsorted(spreads.cumsum(), share * spreads.sum())) * SPREAD_STEP_M, 3)
