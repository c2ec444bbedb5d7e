"""What every detector keeps to, whatever it looks at."""

import atexit
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from tests import models, pairs

from aerial import plugins
from aerial.change.detector import Detector, PairTile, TileScores
from aerial.change.model import Model, load_model
from aerial.raster.grid import Grid
from aerial.records import FileRef, Georef, Mosaic, Pair

NAMES = ("height", "siamese")


class View:
    """A whole pair held in memory."""

    def __init__(self, tile: PairTile) -> None:
        self.tile = tile

    def overview(self, side_px: int) -> PairTile:
        """Return every n-th pixel of the pair."""
        step = -(-max(self.tile.valid_HW.shape) // side_px)
        return _cut(self.tile, np.s_[::step, ::step], step, (0, 0))

    def samples(self, side_px: int, count: int) -> list[PairTile]:
        """Return the pair itself."""
        return [self.tile]

    def window(self, window: tuple[int, int, int, int], factor: int) -> PairTile:
        """Not asked for by these tests."""
        raise NotImplementedError


def _cut(tile: PairTile, where: Any, step: int, offset: tuple[int, int]) -> PairTile:
    a, _, c, _, e, f = tile.grid.affine
    valid_HW = tile.valid_HW[where]
    row, column = offset
    grid = Grid(
        crs=tile.grid.crs,
        affine=(a * step, 0.0, c + a * column, 0.0, e * step, f + e * row),
        width_px=valid_HW.shape[1],
        height_px=valid_HW.shape[0],
    )
    images = {
        n: np.ascontiguousarray(getattr(tile, n)[(slice(None), *where)]) for n in ("before_CHW", "after_CHW")
    }
    others = {
        n: None if (value := getattr(tile, n)) is None else np.ascontiguousarray(value[where])
        for n in ("before_dsm_HW", "after_dsm_HW", "before_spread_HW", "after_spread_HW")
    }
    return PairTile(grid=grid, valid_HW=valid_HW, **images, **others)


def tile_of(before: pairs.Date, after: pairs.Date) -> PairTile:
    """Return two dates as one tile."""
    side = before.image_HWC.shape[0]
    return PairTile(
        grid=pairs.grid(side),
        before_CHW=np.ascontiguousarray(before.image_HWC.transpose(2, 0, 1)),
        after_CHW=np.ascontiguousarray(after.image_HWC.transpose(2, 0, 1)),
        before_dsm_HW=before.height_HW,
        after_dsm_HW=after.height_HW,
        before_spread_HW=None,
        after_spread_HW=None,
        valid_HW=np.ones((side, side), bool),
    )


def pair_of(tile: PairTile) -> Pair:
    """Return the record of a pair on the tile's grid."""
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256="0" * 64),
        dsm=None,
        grid=tile.grid,
        georef=Georef(how="declared", ce95_m=None),
        block=None,
    )
    return Pair(before=mosaic, after=mosaic, grid=tile.grid, residual_p95_m=0.1)


def detector_called(name: str) -> Detector:
    """Return a detector; one that needs a model gets the tiny one."""
    made: Any = plugins.load("aerial.detectors", name)
    detector: Detector = made(_rule_model()) if name == "siamese" else made()
    return detector


@cache
def _rule_model() -> Model:
    folder = TemporaryDirectory()
    atexit.register(folder.cleanup)
    return load_model(models.write_model(Path(folder.name)))


def score(name: str, tile: PairTile) -> TileScores:
    """Return a detector's scores of a tile that is the whole pair."""
    scorer = detector_called(name).prepare(pair_of(tile), View(tile))
    return next(iter(scorer([tile])))


@pytest.fixture(scope="module")
def changed() -> PairTile:
    """A pair with a new blue shed, among others."""
    return tile_of(*pairs.before_and_after())


def test_all_detectors_are_under_this_contract() -> None:
    """The suite names every registered detector."""
    assert tuple(sorted(plugins.names("aerial.detectors"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_scores_have_the_tile_s_shape_and_range(name: str, changed: PairTile) -> None:
    """Float32 of the tile's shape, scores 0-1, edges within -1 to 1."""
    scores = score(name, changed)
    for field in ("appeared_HW", "gone_HW", "height_change_HW", "edge_HW", "standing_HW"):
        assert (changed.valid_HW.shape, np.float32) == (
            getattr(scores, field).shape,
            getattr(scores, field).dtype,
        )
    assert min(scores.appeared_HW.min(), scores.gone_HW.min()) >= 0
    assert max(scores.appeared_HW.max(), scores.gone_HW.max()) <= 1
    assert np.abs(scores.edge_HW).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_new_shed_stands_out_of_unchanged_ground(name: str, changed: PairTile) -> None:
    """The shed's middle scores high; 98 % of the ground beside all changes scores low."""
    scores = score(name, changed)
    column, row, width, height = pairs.SHED
    middle = np.s_[row + 10 : row + height - 10, column + 10 : column + width - 10]
    assert scores.appeared_HW[middle].mean() > 0.7
    ground = np.s_[200:330, 20:180]
    assert (np.maximum(scores.appeared_HW, scores.gone_HW)[ground] < 0.3).mean() > 0.98


@pytest.mark.parametrize("name", NAMES)
def test_the_same_tile_gives_the_same_scores(name: str, changed: PairTile) -> None:
    """Scoring is pure."""
    first, second = score(name, changed), score(name, changed)
    assert np.array_equal(first.appeared_HW, second.appeared_HW)
    assert np.array_equal(first.edge_HW, second.edge_HW)


@pytest.mark.parametrize("name", NAMES)
def test_a_tile_with_its_halo_scores_as_the_whole_does(name: str, changed: PairTile) -> None:
    """Beyond ``halo_px`` from its rim, a cut-out gets the scores that the whole pair got."""
    detector = detector_called(name)
    scorer = detector.prepare(pair_of(changed), View(changed))
    whole = next(iter(scorer([changed])))
    # Cut where the runtime cuts: at a multiple of every stride and factor.
    at = 288
    part = next(iter(scorer([_cut(changed, np.s_[0:at, at : 2 * at], 1, (0, at))])))
    halo = detector.halo_px * max(1, round(detector.gsd_m / pairs.GSD_M))
    inner, same = (
        np.s_[halo : at - halo, halo : at - halo],
        np.s_[halo : at - halo, at + halo : 2 * at - halo],
    )
    for field in ("appeared_HW", "gone_HW", "edge_HW"):
        assert np.abs(getattr(part, field)[inner] - getattr(whole, field)[same]).max() < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_valid_scores_nothing(name: str, changed: PairTile) -> None:
    """Pixels that one date does not hold have no score."""
    valid_HW = changed.valid_HW.copy()
    valid_HW[:, 300:] = False
    fields = {n: getattr(changed, n) for n in PairTile.__slots__ if n != "valid_HW"}
    scores = score(name, PairTile(**fields, valid_HW=valid_HW))
    assert 0 == scores.appeared_HW[:, 300:].max() == scores.gone_HW[:, 300:].max()


@pytest.mark.parametrize("name", NAMES)
def test_settings_name_numbers_only(name: str) -> None:
    """Settings are hashed into keys, so they must be plain."""
    settings = detector_called(name).settings()
    assert settings
    assert all(isinstance(value, int | float | str) for value in settings.values())
