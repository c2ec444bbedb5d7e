"""How several detectors make one answer."""

import numpy as np
from tests.contracts.test_detectors import pair_of, score, tile_of
from tests.pairs import before_and_after, ground, photographed

from aerial.change.compare import fuse, tiles
from aerial.change.detector import TileScores
from aerial.change.fields import block_medians, neighbourhood_median


def scores(appeared: float, height: float) -> TileScores:
    """Return one uniform answer; NaN height: it does not know."""
    full = np.ones((4, 4), np.float32)
    return TileScores(
        appeared_HW=full * appeared,
        gone_HW=full * 0,
        height_change_HW=full * height,
        edge_HW=full * 0.5,
        standing_HW=full * height,
        doubtful_change_HW=full * height,
    )


def test_height_decides_where_it_is_known() -> None:
    """A tarpaulin looks new and stands no higher: no alarm. Where height is unknown the look decides."""
    flat = scores(0.0, 0.0)
    flat.height_change_HW[:2] = np.nan
    fused = fuse([flat, scores(0.9, np.nan)])
    assert (round(float(fused.appeared_HW[0, 0]), 3), float(fused.appeared_HW[3, 0])) == (0.9, 0.0)


def test_windows_cover_every_pixel_once() -> None:
    """The tiling neither overlaps nor leaves gaps."""
    grid = pair_of(tile_of(ground(1, 64), ground(1, 64))).grid
    large = type(grid)(crs=grid.crs, affine=grid.affine, width_px=2500, height_px=1100)
    seen = np.zeros((1100, 2500), int)
    for column, row, width, height in tiles(large):
        seen[row : row + height, column : column + width] += 1
    assert (seen.min(), seen.max()) == (1, 1)


def test_a_tilted_and_sunken_surface_is_no_change() -> None:
    """A DSM 3 m lower and doming by a metre, as another block gives it, raises nothing."""
    before = photographed(ground(5), 1)
    after = photographed(ground(5), 2)
    side = before.height_HW.shape[0]
    y, x = np.mgrid[:side, :side] / side
    after.height_HW[:] += (-3 + 0.8 * x + 1.0 * (x - 0.5) ** 2 + y * 0.5).astype(np.float32)
    result = score("height", tile_of(before, after))
    assert max(result.appeared_HW.max(), result.gone_HW.max()) < 0.3


def test_views_that_disagree_make_the_height_unknown() -> None:
    """Where the spread of a surface model says 5 m, no height change is claimed."""
    tile = tile_of(*before_and_after())
    spread = np.full(tile.valid_HW.shape, 0.1, np.float32)
    spread[:, :300] = 5.0
    fields = {n: getattr(tile, n) for n in type(tile).__slots__ if n != "after_spread_HW"}
    result = score("height", type(tile)(**fields, after_spread_HW=spread))
    assert np.isnan(result.height_change_HW[:, :300]).all()
    assert np.isfinite(result.height_change_HW[:, 300:]).mean() > 0.95


def test_block_medians_ignore_what_is_small_and_fill_what_is_unknown() -> None:
    """A quarter of a block that changed does not move its median; a hole takes its neighbours' value."""
    values = np.full((40, 40), 2.0, np.float32)
    values[:5, :5] = 30.0
    values[20:, 20:] = np.nan
    blocks = block_medians(values, 10)
    assert blocks[0, 0] == 2.0
    assert np.isnan(blocks[3, 3])
    assert (neighbourhood_median(blocks, 1) == 2.0).all()
