"""One suite over every stitch engine: what ``StitchEngine`` promises, each of them keeps."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ortho.conftest import make_survey as make_survey  # a fixture, used by name
from tests.ortho.fake_nodeodm import FakeNode, packed, serving

from aerial import plugins
from aerial.codec import read_record, sha256_file
from aerial.errors import StitchError
from aerial.ortho.engine import StitchEngine
from aerial.ortho.odm import OdmEngine
from aerial.progress import SILENT
from aerial.raster import grid as grids
from aerial.raster.read import open_raster, read_on_grid
from aerial.raster.write import write_cog
from aerial.records import Mosaic, StitchJob, StitchQuality


@dataclass(frozen=True)
class Stitched:
    """An engine, its job, where it worked, and what it returned."""

    engine: StitchEngine
    job: StitchJob
    work: Path
    mosaic: Mosaic


def archive_of(job: StitchJob, folder: Path) -> bytes:
    """Return what a node would send of the job's place: 80 m of ortho and DSM, half as coarse again."""
    at = job.photos[0].at
    assert at is not None
    assert job.crs is not None
    x, y = grids.geo.from_lonlat(job.crs, at)
    grid = grids.north_up(job.crs, (x - 40, y - 40, x + 40, y + 40), 0.3)
    shape = (grid.height_px, grid.width_px)
    picture_CHW = np.random.default_rng(1).integers(0, 255, (3, *shape), np.uint8)
    write_cog(folder / "o.tif", grid, picture_CHW, mask=True)
    write_cog(folder / "d.tif", grid, np.full((1, *shape), 30.0, np.float32), nodata=-9999.0)
    return packed(
        {
            "odm_orthophoto/odm_orthophoto.tif": (folder / "o.tif").read_bytes(),
            "odm_dem/dsm.tif": (folder / "d.tif").read_bytes(),
        }
    )


@pytest.fixture(scope="module", params=["local", "odm"])
def stitched(
    request: pytest.FixtureRequest,
    make_survey: Callable[..., Any],  # the fixture
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stitched]:
    """The same flight, stitched once by each engine."""
    folder = tmp_path_factory.mktemp(str(request.param))
    job: StitchJob = make_survey(
        folder / "photos", 1, (sys.modules["ortho_scene"].Box(-6, 6, -5, 4, 6.0),)
    ).job
    with pytest.MonkeyPatch.context() as patch, serving(FakeNode(archive=archive_of(job, folder))) as node:
        patch.setattr(OdmEngine, "poll_s", 0.01)
        job = replace(job, nodes=(node.url,) if request.param == "odm" else ())
        engine: StitchEngine = plugins.load("aerial.stitch_engines", request.param)()
        yield Stitched(engine, job, folder / "work", engine.stitch(job, folder / "work", SILENT))


def test_it_is_registered_by_its_own_name(stitched: Stitched) -> None:
    """The name that users write is the one that quality.json holds."""
    quality = read_record(StitchQuality, stitched.work / "quality.json")
    assert stitched.engine.name in plugins.names("aerial.stitch_engines")
    assert (quality.engine, quality.engine_version) == (stitched.engine.name, stitched.engine.version)


def test_the_files_are_what_the_mosaic_says(stitched: Stitched) -> None:
    """Relative paths and true hashes; an ortho with validity, a DSM in metres."""
    mosaic = stitched.mosaic
    for ref in (mosaic.ortho, mosaic.dsm, mosaic.block):
        if ref is not None:
            assert not Path(ref.path).is_absolute()
            assert sha256_file(stitched.work / ref.path) == ref.sha256
    ortho = open_raster(stitched.work / mosaic.ortho.path)
    assert (ortho.bands, ortho.dtype, ortho.declares_validity) == (3, "uint8", True)
    assert mosaic.dsm is not None
    dsm = open_raster(stitched.work / mosaic.dsm.path)
    assert (dsm.dtype, dsm.declares_validity) == ("float32", True)


def test_the_grid_is_the_one_that_was_asked_for(stitched: Stitched) -> None:
    """CRS and pixel size of the job; most of the ortho holds a picture of the flown place."""
    grid = stitched.mosaic.grid
    assert grid == open_raster(stitched.work / stitched.mosaic.ortho.path).grid
    assert grid.crs == stitched.job.crs
    assert grids.gsd_m(grid) == pytest.approx(0.2, rel=1e-3)
    data_CHW, valid_HW = read_on_grid(stitched.work / stitched.mosaic.ortho.path, grid)
    assert valid_HW.mean() > 0.5
    assert data_CHW[:, valid_HW].std() > 5
    at = stitched.job.photos[5].at
    assert at is not None
    x0, y0, x1, y1 = grids.bounds(grid)
    x, y = grids.geo.from_lonlat(grid.crs, at)
    assert x0 < x < x1
    assert y0 < y < y1


def test_the_quality_counts_every_photograph(stitched: Stitched) -> None:
    """Each is registered or rejected with a reason."""
    quality = read_record(StitchQuality, stitched.work / "quality.json")
    assert quality.photos == len(stitched.job.photos)
    assert quality.registered + len(quality.rejected) == quality.photos
    assert set(quality.rejected) <= {photo.file for photo in stitched.job.photos}
    assert quality.georef == stitched.mosaic.georef.how


def test_the_same_job_in_the_same_folder_ends_with_the_same_mosaic(stitched: Stitched) -> None:
    """The folder is the engine's journal."""
    assert stitched.engine.stitch(stitched.job, stitched.work, SILENT) == stitched.mosaic


def test_a_hopeless_job_is_told_before_it_is_done(stitched: Stitched, tmp_path: Path) -> None:
    """One photograph: ``check`` fails, and ``stitch`` refuses without leaving a mosaic."""
    one = replace(stitched.job, photos=stitched.job.photos[:1])
    findings = [finding for finding in stitched.engine.check(one) if finding.level == "fail"]
    assert findings
    assert all(finding.message and finding.hint for finding in findings)
    with pytest.raises(StitchError) as caught:
        stitched.engine.stitch(one, tmp_path, SILENT)
    assert caught.value.hint
    assert not (tmp_path / "ortho.tif").exists()
    assert not [finding for finding in stitched.engine.check(stitched.job) if finding.level == "fail"]
