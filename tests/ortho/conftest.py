"""One flown scene for the tests of surface and ortho: it takes seconds to make."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aerial.ortho.block import Block
from aerial.ortho.cover import grid_for
from aerial.ortho.rectify import OrthoResult, build_ortho
from aerial.ortho.solve import Solution, solve
from aerial.ortho.surface import SurfaceResult, build_surface
from aerial.progress import SILENT
from aerial.raster.grid import Grid, pixel_to_world
from aerial.raster.read import read_on_grid


def _load(name: str) -> ModuleType:
    # The test run imports by path (importmode importlib): neighbours are loaded by hand, once.
    known = sys.modules.get(f"ortho_{name}")
    if known is not None:
        return known
    spec = importlib.util.spec_from_file_location(f"ortho_{name}", Path(__file__).with_name(f"{name}.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Flown:
    """A scene of two houses, the higher one 10 m; photographs whose exposure differs by 20 %."""

    scene: Any
    houses: tuple[Any, ...]
    block: Block
    folder: Path
    grid: Grid
    surface: SurfaceResult
    ortho: OrthoResult

    def dsm(self) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """Return heights over ground and spread (2, H, W), validity, x and y of the cells."""
        data_CHW, valid_HW = read_on_grid(self.surface.path, self.surface.grid)
        data_CHW[0] -= self.block.origin_3[2]
        return data_CHW, valid_HW, *self.positions(self.surface.grid)

    def picture(self) -> tuple[NDArray[Any], NDArray[np.bool_], NDArray[Any], NDArray[Any]]:
        """Return the ortho's red channel, validity, x and y of the pixels."""
        data_CHW, valid_HW = read_on_grid(self.ortho.path, self.grid)
        return data_CHW[0].astype(float), valid_HW, *self.positions(self.grid)

    def positions(self, grid: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return x and y of a grid's pixels, metres in the block's frame."""
        at = np.meshgrid(np.arange(grid.width_px) + 0.5, np.arange(grid.height_px) + 0.5)
        xy_N2 = pixel_to_world(grid, np.stack(at, axis=-1).reshape(-1, 2)) - self.block.origin_3[:2]
        return xy_N2[:, 0].reshape(at[0].shape), xy_N2[:, 1].reshape(at[0].shape)


@pytest.fixture(scope="session")
def scene() -> ModuleType:
    """What photographs boxes on a plane."""
    return _load("scene")


@pytest.fixture(scope="session")
def flown(scene: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Flown:
    """The scene, flown, its surface and its ortho."""
    folder = tmp_path_factory.mktemp("scene")
    houses = (scene.Box(-6, 6, -5, 4, 10.0), scene.Box(12, 17, 6, 12, 4.0))
    block = scene.fly(folder / "photos", houses, gains=(1.0, 0.8, 1.2, 0.9, 1.1))
    grid = grid_for(block, scene.GSD_M)
    surface = build_surface(block, folder / "photos", grid, folder, SILENT)
    ortho = build_ortho(block, folder / "photos", surface.path, grid, folder / "ortho.tif", SILENT)
    return Flown(scene, houses, block, folder, grid, surface, ortho)


@dataclass(frozen=True)
class Solved:
    """A survey of the scene and its block, which other surveys may join; ``work`` is its journal."""

    survey: Any
    block: Block
    solution: Solution
    work: Path


@pytest.fixture(scope="session")
def make_survey() -> Callable[..., Any]:
    """Photographs the scene: folder, seed, houses, previous."""
    _load("scene")
    return _load("survey").survey  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def solved(make_survey: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Solved:
    """A first survey over one house, solved."""
    folder = tmp_path_factory.mktemp("first")
    survey = make_survey(folder / "photos", 1, (sys.modules["ortho_scene"].Box(-6, 6, -5, 4, 6.0),))
    block, solution = solve(survey.job, folder / "work", SILENT)
    return Solved(survey, block, solution, folder / "work")
