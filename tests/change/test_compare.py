"""From windows of a pair to its change map."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from tests import models, pairs
from tests.contracts.test_detectors import pair_of, score, tile_of
from tests.pairs import before_and_after, ground, photographed

from aerial.change.compare import TILE_PX, Source, compare, tiling_of
from aerial.change.detector import PairTile
from aerial.change.fields import block_medians, neighbourhood_median
from aerial.change.model import load_model
from aerial.change.siamese import SiameseDetector, score_arrays
from aerial.errors import RasterError
from aerial.raster.grid import Grid


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


class Place:
    """Two pictures of 0.3 m made of noise and blue roofs, in windows; ``broken_at``: a read that fails."""

    def __init__(self, width_px: int, height_px: int) -> None:
        rng = np.random.default_rng(5)
        self.grid = Grid(
            crs=pairs.CRS,
            affine=(0.3, 0.0, pairs.LEFT, 0.0, -0.3, pairs.TOP),
            width_px=width_px,
            height_px=height_px,
        )
        base = rng.normal(110, 12, (3, height_px, width_px))
        self.before, self.after = base.copy(), base + rng.normal(0, 3, base.shape)
        for number in range(40):
            row, column = rng.integers(0, height_px - 20), rng.integers(0, width_px - 20)
            date = self.after if number % 2 else self.before
            date[:, row : row + 20, column : column + 20] = np.array([60, 110, 200])[:, None, None]
        self.before, self.after = (np.clip(d, 0, 255).astype(np.uint8) for d in (self.before, self.after))
        self.reads, self.broken_at = 0, 10**9

    def swapped(self) -> "Place":
        """Return the place with its dates swapped."""
        other = copy.copy(self)
        other.before, other.after = self.after, self.before
        return other

    def read(self, window: tuple[int, int, int, int]) -> PairTile:
        """Return a window, grey and not valid beyond the rim."""
        self.reads += 1
        if self.reads > self.broken_at:
            raise RasterError("A block is broken.", hint="Copy it again.")
        return self._cut(window)

    def _cut(self, window: tuple[int, int, int, int]) -> PairTile:
        column, row, width, height = window
        tall, wide = self.before.shape[1:]
        y, x = np.arange(row, row + height), np.arange(column, column + width)
        valid = ((y >= 0) & (y < tall))[:, None] & ((x >= 0) & (x < wide))[None]
        dates = [
            np.where(valid, d[:, np.clip(y, 0, tall - 1)[:, None], np.clip(x, 0, wide - 1)[None]], 77)
            for d in (self.before, self.after)
        ]
        a, _, c, _, e, f = self.grid.affine
        grid = Grid(
            crs=self.grid.crs,
            affine=(a, 0.0, c + a * column, 0.0, e, f + e * row),
            width_px=width,
            height_px=height,
        )
        none = dict.fromkeys(("before_dsm_HW", "after_dsm_HW", "before_spread_HW", "after_spread_HW"), None)
        return PairTile(
            grid=grid,
            before_CHW=dates[0].astype(np.uint8),
            after_CHW=dates[1].astype(np.uint8),
            valid_HW=valid,
            **none,  # type: ignore[arg-type]
        )

    def overview(self, side_px: int) -> PairTile:
        """Return the whole place."""
        return self.read((0, 0, self.grid.width_px, self.grid.height_px))

    def samples(self, side_px: int, count: int) -> list[PairTile]:
        """Return nothing: the overview is at full resolution."""
        return []

    def window(self, window: tuple[int, int, int, int], factor: int) -> PairTile:
        """Return a window for a second look; it is not counted."""
        assert factor == 1
        return self._cut(window)

    def change(self, path: Path, detector: SiameseDetector) -> Path:
        """Write the change map."""
        pair = replace(pair_of(self.read((0, 0, 8, 8))), grid=self.grid)
        compare(Source(pair=pair, view=self, read=self.read), [detector], path, key="k" * 64)
        return path


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> SiameseDetector:
    """The siamese detector with a rule for weights."""
    return SiameseDetector(load_model(models.write_model(tmp_path_factory.mktemp("model"))))


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many tiles of a small place."""
    monkeypatch.setattr("aerial.change.compare.TILE_PX", 192)


def _stored(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("appeared", "gone", "building_before", "building_after")
        return np.asarray(dataset.read())


def test_a_killed_comparison_goes_on_where_it_was_and_ends_the_same(
    tmp_path: Path, detector: SiameseDetector
) -> None:
    """Broken in the third stripe: nothing stands at the path; the next run reads the rest alone."""
    place = Place(300, 700)
    whole = _stored(place.change(tmp_path / "whole" / "change.tif", detector))
    # One read for the record, one for the overview; what lies above, and then a row: its rim and two tiles.
    reads, place.reads, place.broken_at = place.reads, 0, 2 + 3 + 2 * 3
    path = tmp_path / "killed" / "change.tif"
    with pytest.raises(RasterError):
        place.change(path, detector)
    assert not path.exists()
    place.reads, place.broken_at = 0, 10**9
    assert np.array_equal(whole, _stored(place.change(path, detector)))
    # Two of four stripes were done.
    assert (reads, place.reads) == (2 + 3 + 4 * 3, 2 + 3 + 2 * 3)
    assert [path] == list(path.parent.iterdir())


@pytest.mark.parametrize("width_px", [1_667, 6_667, 13_337, 20_000])
def test_wider_rasters_are_cut_smaller_for_what_they_keep(
    width_px: int, detector: SiameseDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tile with its halo and the rows held over the whole width stay within the largest tile's memory."""
    monkeypatch.setattr("aerial.change.compare.TILE_PX", TILE_PX)
    wide_eyed = copy.copy(detector)
    wide_eyed.halo_px = 128
    grid = replace(pairs.grid(100, detector.gsd_m), width_px=width_px, height_px=width_px)
    cuts = tiling_of(grid, [wide_eyed])
    both = 2 * cuts.halo_px
    # Up to a tile that is a multiple of the stride more.
    held_px = (cuts.width_px - 32 + both) ** 2 + 0.15 * both * width_px
    assert cuts.width_px * cuts.columns >= width_px
    assert held_px <= (TILE_PX + both) ** 2


def test_stripes_of_other_inputs_are_not_taken_up(tmp_path: Path, detector: SiameseDetector) -> None:
    """Another key begins anew and removes what the other run left."""
    place = Place(60, 400)
    pair = replace(pair_of(place.read((0, 0, 8, 8))), grid=place.grid)
    source = Source(pair=pair, view=place, read=place.read)
    place.reads, place.broken_at = 0, 3
    with pytest.raises(RasterError):
        compare(source, [detector], tmp_path / "change.tif", key="a" * 64)
    assert len(list(tmp_path.iterdir())) == 1
    place.reads, place.broken_at = 0, 10**9
    compare(source, [detector], tmp_path / "change.tif", key="b" * 64)
    # The overview, what lies above, and three rows of a rim and a tile.
    assert (place.reads, [p.name for p in tmp_path.iterdir()]) == (1 + 2 + 3 * 2, ["change.tif"])


def test_tiles_score_as_the_whole_does(tmp_path: Path, detector: SiameseDetector) -> None:
    """The map of many windows equals the scores of the place in one piece, to 1/255."""
    place = Place(500, 420)
    stored = _stored(place.change(tmp_path / "change.tif", detector)) / 254
    whole = score_arrays(detector.model, place.before, place.after, None, 0.3)
    assert np.abs(stored - whole).max() <= 1 / 255 + 0.5 / 254
    assert (stored[0] > 0.9).sum() > 2000


def test_swapped_dates_swap_the_bands(tmp_path: Path, detector: SiameseDetector) -> None:
    """On a common grid appeared becomes gone and gone appeared, to 1/255."""
    place = Place(300, 250)
    forth = _stored(place.change(tmp_path / "a.tif", detector)).astype(int)
    back = _stored(place.swapped().change(tmp_path / "b.tif", detector)).astype(int)
    assert np.abs(forth - back[[1, 0, 3, 2]]).max() <= 1
