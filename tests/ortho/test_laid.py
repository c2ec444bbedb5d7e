"""A block laid on an orthomosaic from elsewhere."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aerial import geo
from aerial.errors import CrsError, StitchError
from aerial.ortho import adjust, georef, join
from aerial.ortho.archive import read_archive
from aerial.ortho.judge import Candidate
from aerial.ortho.laid import Laid, lay
from aerial.progress import SILENT
from aerial.raster.grid import Grid, pixel_to_world
from aerial.raster.write import write_cog

Floats = NDArray[np.float64]
CRS, OTHER = "EPSG:32650", "EPSG:4548"
# What the scene's own positions do not know: where the block is put before it is laid.
AWAY_3 = np.array([9.0, -6.0, 2.0])


def orthomosaic(path: Path, *, crs: str = OTHER, gsd_m: float = 0.2, away_m: float = 0.0) -> Path:
    """Write what a paler, noisier camera saw of the scene, georeferenced exactly in another CRS."""
    scene = sys.modules["ortho_scene"]
    size = round(130 / gsd_m)
    x, y = geo.transform(CRS, OTHER, scene.ORIGIN_3[:1], scene.ORIGIN_3[1:2])
    affine = (gsd_m, 0.0, float(x[0]) - 65 + away_m, 0.0, -gsd_m, float(y[0]) + 65)
    grid = Grid(crs=crs, affine=affine, width_px=size, height_px=size)
    at = np.stack(np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), axis=-1).reshape(-1, 2)
    x, y = geo.transform(OTHER, CRS, *pixel_to_world(grid, at).T)
    box = scene.Box(-6, 6, -5, 4, 6.0)
    grey = scene.surface_grey(x - scene.ORIGIN_3[0], y - scene.ORIGIN_3[1], (box,)).reshape(size, size)
    grey = np.clip(0.8 * grey + 40 + np.random.default_rng(0).normal(0, 4, grey.shape), 0, 255)
    write_cog(path, grid, np.repeat(grey.astype(np.uint8)[None], 3, axis=0))
    return path


def unlaid(solved: Any, *, turn_deg: float = 0.0, scale: float = 1.0, known: bool = True) -> Candidate:
    """Return the solved block put elsewhere, turned and scaled: what positions, or none, made of it."""
    stored = read_archive(solved.work / "block")
    model = adjust.Model(
        reconstruction=join._reconstruction(solved.work / "block.db", stored, 1),
        numbers=tuple(range(1, len(stored.photos) + 1)),
    )
    # The database has the lens as the photographs state it, the archive as it was calibrated.
    model.reconstruction.camera(1).params = stored.parameters_L8[0]
    a = np.radians(turn_deg)
    turn_33 = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    world = georef.Similarity(scale=scale, rotation_33=turn_33, shift_3=stored.origin_3 + AWAY_3)
    count = len(stored.photos)
    placement = georef.Placement(
        similarity=world,
        residual_N=np.full(count, 1.0 if known else np.nan),
        agrees_N=np.ones(count, bool),
        sigma_m=1.0,
        tilt_deg=0.0,
    )
    return Candidate(model=model, placement=placement, why_not="")


def laid(solved: Any, placed: Candidate, path: Path, gps_N3: Floats | None = None) -> Laid:
    """Return the block on the orthomosaic."""
    job = solved.survey.job
    unknown_N3 = np.full((len(job.photos), 3), np.nan)
    return lay(job.photos, job.folder, placed, path, CRS, unknown_N3 if gps_N3 is None else gps_N3, SILENT)


def horizontal_errors(found: Laid, solved: Any) -> Floats:
    """Return how far the placed cameras are from the true ones, in the plane."""
    centres_N3, _ = adjust.centres_and_axes(found.candidate.model)
    error_N3 = found.candidate.placement.similarity.apply(centres_N3) - solved.survey.centres_N3
    return np.asarray(np.hypot(*error_N3[:, :2].T))


def test_a_block_comes_to_lie_on_the_orthomosaic(solved: Any, tmp_path: Path) -> None:
    """11 m off, 3 degrees turned and 2 % too large, it comes within 15 cm; its misfit says so."""
    path = orthomosaic(tmp_path / "ref.tif")
    found = laid(solved, unlaid(solved, turn_deg=3, scale=1.02), path, solved.survey.centres_N3)
    assert horizontal_errors(found, solved).max() < 0.15
    assert found.matches > 100
    assert np.median(np.hypot(*found.misfit_N2.T)) < 0.1
    heights_N = found.candidate.placement.similarity.apply(adjust.centres_and_axes(found.candidate.model)[0])[
        :, 2
    ]
    assert np.median(heights_N - solved.survey.centres_N3[:, 2]) == pytest.approx(0, abs=0.05)


def test_a_block_without_positions_is_found_in_the_picture(solved: Any, tmp_path: Path) -> None:
    """Without any position, turned by 130 degrees and a third too small, it is searched for and found."""
    path = orthomosaic(tmp_path / "ref.tif")
    found = laid(solved, unlaid(solved, turn_deg=130, scale=0.7, known=False), path)
    assert horizontal_errors(found, solved).max() < 0.15


def test_another_place_is_refused(solved: Any, tmp_path: Path) -> None:
    """A picture beside the photographs, of other ground, or without a place holds nothing."""
    with pytest.raises(StitchError, match=r"lies \d+ m away"):
        laid(solved, unlaid(solved), orthomosaic(tmp_path / "beside.tif", away_m=2000.0, gsd_m=0.5))
    path = tmp_path / "other.tif"
    size = 500
    grid = Grid(crs=CRS, affine=(0.2, 0, 499_950.0, 0, -0.2, 2_500_050.0), width_px=size, height_px=size)
    noise = np.random.default_rng(3).integers(0, 255, (3, size, size), np.uint8)
    write_cog(path, grid, noise)
    with pytest.raises(StitchError, match="Too little of the photographs") as error:
        laid(solved, unlaid(solved), path)
    assert "control points" in error.value.hint
    write_cog(path, replace(grid, affine=(2.0, 0, 499_500.0, 0, -2.0, 2_500_500.0)), noise)
    with pytest.raises(StitchError, match=r"pixels of other\.tif are 2 m"):
        laid(solved, unlaid(solved), path)
    local = 'LOCAL_CS["unknown",UNIT["metre",1]]'
    write_cog(path, replace(grid, crs=local), noise)
    with pytest.raises(CrsError):
        laid(solved, unlaid(solved), path)
