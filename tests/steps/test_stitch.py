"""The stitch step: whole or not there, resumed, never done twice."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from aerial import plugins
from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import InputError, StitchError
from aerial.progress import SILENT, Progress
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import FileRef, Finding, Georef, Mosaic, Photo, StitchJob, StitchQuality
from aerial.steps.stitch import stitch


class FakeEngine:
    """Writes a small mosaic; can be told to die or to find something."""

    name = "local"
    version = "0"
    runs: ClassVar[list[Path]] = []
    dies: ClassVar[bool] = False
    finds: ClassVar[list[Finding]] = []

    def check(self, job: StitchJob) -> Sequence[Finding]:
        """Return what the test told it to find."""
        return self.finds

    def stitch(self, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        """Write a mosaic, or die half way."""
        self.runs.append(work)
        if self.dies:
            (work / "half").write_text("half")
            raise KeyboardInterrupt
        grid = Grid(crs="EPSG:32650", affine=(0.1, 0, 5e5, 0, -0.1, 2.5e6), width_px=40, height_px=30)
        write_cog(work / "ortho.tif", grid, np.full((3, 30, 40), 9, np.uint8))
        (work / "block").mkdir(exist_ok=True)
        (work / "block" / "block.json").write_text("{}")
        quality = StitchQuality(
            engine="local",
            engine_version="0",
            photos=len(job.photos),
            registered=1,
            rejected={"b.jpg": "does not overlap"},
            seconds=1.0,
            seconds_by_stage={},
            gsd_m=0.1,
            georef="gps",
            residual_median_m=None,
            residual_p95_m=None,
            reprojection_px=None,
            coverage=None,
            height_check=None,
            remarks=(),
        )
        write_json(work / "quality.json", quality)
        return Mosaic(
            ortho=FileRef(path="ortho.tif", sha256=sha256_file(work / "ortho.tif")),
            dsm=None,
            grid=grid,
            georef=Georef(how="gps", ce95_m=4.0),
            block=FileRef(path="block/block.json", sha256=sha256_file(work / "block" / "block.json")),
        )


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> type[FakeEngine]:
    """A fake in the place of the local engine."""
    monkeypatch.setattr(plugins, "load", _load)
    monkeypatch.setattr(FakeEngine, "runs", [])
    return FakeEngine


@pytest.fixture
def job(tmp_path: Path) -> StitchJob:
    """Two photographs, as far as the step looks."""
    empty: dict[str, Any] = dict.fromkeys(Photo.__dataclass_fields__)
    (tmp_path / "photos").mkdir()
    photos = []
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "photos" / name).write_bytes(name.encode())
        photos.append(Photo(**(empty | {"file": name, "width_px": 10, "height_px": 10})))
    return StitchJob(folder=tmp_path / "photos", photos=tuple(photos))


def test_the_mosaic_is_handed_over_whole(engine: Any, job: StitchJob, tmp_path: Path) -> None:
    """Everything the record names lies there with its hash, and the journal is gone."""
    quality = stitch(job, tmp_path / "out", bad={"c.jpg": "dark"})
    mosaic = read_record(Mosaic, tmp_path / "out" / "mosaic.json")
    for ref in (mosaic.ortho, mosaic.block):
        assert ref.sha256 == sha256_file(tmp_path / "out" / ref.path)
    assert not (tmp_path / "out" / ".work").exists()
    assert quality.photos == 3
    assert quality.rejected == {"c.jpg": "dark", "b.jpg": "does not overlap"}
    assert quality == read_record(StitchQuality, tmp_path / "out" / "quality.json")


def test_a_killed_run_leaves_no_mosaic_and_keeps_its_journal(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the engine: nothing that looks like a result; the next run gets the same journal."""
    monkeypatch.setattr(FakeEngine, "dies", True)
    with pytest.raises(KeyboardInterrupt):
        stitch(job, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".work"]
    monkeypatch.setattr(FakeEngine, "dies", False)
    stitch(job, tmp_path / "out")
    assert engine.runs[0] == engine.runs[1]
    assert (tmp_path / "out" / "mosaic.json").is_file()


def test_the_same_job_is_done_once(engine: Any, job: StitchJob, tmp_path: Path) -> None:
    """Repeated, nothing runs; with a changed photograph or a lost file it runs again."""
    first = stitch(job, tmp_path / "out")
    assert first == stitch(job, tmp_path / "out")
    assert len(engine.runs) == 1
    (tmp_path / "out" / "ortho.tif").unlink()
    stitch(job, tmp_path / "out")
    assert len(engine.runs) == 2
    (job.folder / "a.jpg").write_bytes(b"other")
    stitch(job, tmp_path / "out")
    assert len(engine.runs) == 3


def test_what_the_engine_finds_beforehand_is_refused(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A finding of level fail refuses before any work; its hint reaches the user."""
    found = Finding(level="fail", code="positions", message="No positions.", hint="Use originals.")
    monkeypatch.setattr(FakeEngine, "finds", [found])
    with pytest.raises(StitchError, match="No positions") as error:
        stitch(job, tmp_path / "out")
    assert error.value.hint == "Use originals."
    assert engine.runs == []


def test_the_reference_is_never_overwritten(engine: Any, job: StitchJob, tmp_path: Path) -> None:
    """--out on the reference itself is refused and leaves it whole."""
    stitch(job, tmp_path / "out")
    joined = StitchJob(folder=job.folder, photos=job.photos, previous=tmp_path / "out")
    with pytest.raises(InputError, match="reference"):
        stitch(joined, tmp_path / "out" / ".." / "out", progress=SILENT)
    assert (tmp_path / "out" / "mosaic.json").is_file()


def test_an_old_mosaic_never_stands_beside_new_pixels(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while results are moved, the folder holds no mosaic.json; run again it is whole."""
    stitch(job, tmp_path / "out")
    (job.folder / "a.jpg").write_bytes(b"other")
    monkeypatch.setattr(shutil, "copytree", _die)
    with pytest.raises(KeyboardInterrupt):
        stitch(job, tmp_path / "out")
    assert not (tmp_path / "out" / "mosaic.json").exists()
    monkeypatch.undo()
    monkeypatch.setattr(plugins, "load", _load)
    stitch(job, tmp_path / "out")
    assert (tmp_path / "out" / "block" / "block.json").is_file()


def _load(*_: object) -> type[FakeEngine]:
    return FakeEngine


def _die(*_: object, **__: object) -> None:
    raise KeyboardInterrupt
