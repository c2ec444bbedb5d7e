"""The stitch step: whole or not there, resumed, never done twice."""

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from aerial import plugins
from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import InputError, PhotoError, StitchError, WorkspaceError
from aerial.progress import SILENT, Progress
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import FileRef, Finding, Georef, Mosaic, Photo, SeamStep, StitchJob, StitchQuality
from aerial.steps import stitch as step
from aerial.steps.stitch import stitch
from aerial.workspace import locked


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
        write_cog(work / "taken.tif", grid, np.zeros((1, 30, 40), np.int16), nodata=-1)
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
            seam_step=SeamStep(median=2.0, p95=5.0, length_m=40.0),
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
    # Its block is none that the page could draw.
    monkeypatch.setattr(step, "write_page", lambda target, *_: target.write_text("page"))
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
    assert quality.seam_step is not None
    assert quality.rejected == {"c.jpg": "dark", "b.jpg": "does not overlap"}
    assert quality == read_record(StitchQuality, tmp_path / "out" / "quality.json")


def test_a_killed_run_leaves_no_mosaic_and_keeps_its_journal(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the engine: nothing that looks like a result; the next run gets the same journal."""
    monkeypatch.setattr(FakeEngine, "dies", True)
    with pytest.raises(KeyboardInterrupt):
        stitch(job, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".lock", ".work"]
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
    """Killed at each single move of the hand-over: no mosaic.json, or files that it names."""
    stitch(job, tmp_path / "out")
    out, moves = tmp_path / "out", 0
    real = Path.replace

    def replace_or_die(path: Path, target: Path) -> Path:
        nonlocal moves
        moves -= 1
        if moves < 0:
            raise KeyboardInterrupt
        return real(path, target)

    (job.folder / "a.jpg").write_bytes(b"other")
    unfinished = 0
    for allowed in range(40):
        moves = allowed
        with monkeypatch.context() as patch:
            patch.setattr(Path, "replace", replace_or_die)
            try:
                stitch(job, out)
            except KeyboardInterrupt:
                unfinished += 1
            else:
                break
        if (out / "mosaic.json").exists():
            mosaic = read_record(Mosaic, out / "mosaic.json")
            assert all(sha256_file(out / r.path) == r.sha256 for r in (mosaic.ortho, mosaic.block) if r)
    assert unfinished >= 4
    assert len(engine.runs) <= unfinished
    assert sorted(p.name for p in out.iterdir()) == [
        ".lock",
        "block",
        "hashes.json",
        "inputs.json",
        "mosaic.json",
        "ortho.tif",
        "quality.html",
        "quality.json",
        "taken.tif",
    ]


def test_two_cannot_stitch_into_one_folder(engine: Any, job: StitchJob, tmp_path: Path) -> None:
    """While another holds the folder, a second is refused before it touches anything."""
    with locked(tmp_path / "out"), pytest.raises(WorkspaceError, match="Another aerial") as error:
        stitch(job, tmp_path / "out")
    assert "Wait" in error.value.hint
    assert engine.runs == []


def test_a_torn_mosaic_is_not_taken_for_this_very_mosaic(engine: Any, job: StitchJob, tmp_path: Path) -> None:
    """An ortho cut short after it was handed over is made anew, not reported as done."""
    stitch(job, tmp_path / "out")
    whole = (tmp_path / "out" / "ortho.tif").read_bytes()
    (tmp_path / "out" / "ortho.tif").write_bytes(whole[: len(whole) // 2])
    stitch(job, tmp_path / "out")
    assert (tmp_path / "out" / "ortho.tif").read_bytes() == whole


def test_photographs_that_vanish_while_the_engine_works_are_named(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the engine made of them, it is not handed over, and the mosaic before stays."""
    stitch(job, tmp_path / "out")
    before = (tmp_path / "out" / "mosaic.json").read_bytes()
    (job.folder / "a.jpg").write_bytes(b"other")
    real = FakeEngine.stitch

    def stitch_and_lose(self: FakeEngine, job: StitchJob, work: Path, progress: Progress) -> Mosaic:
        (job.folder / "b.jpg").unlink()
        return real(self, job, work, progress)

    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "stitch", stitch_and_lose)
        with pytest.raises(PhotoError, match=r"not there any more: b\.jpg") as error:
            stitch(job, tmp_path / "out")
    assert "Put the originals back" in error.value.hint
    assert (tmp_path / "out" / "mosaic.json").read_bytes() == before
    (job.folder / "b.jpg").write_bytes(b"b.jpg")
    stitch(job, tmp_path / "out")
    assert (tmp_path / "out" / "mosaic.json").is_file()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_with_a_hint(
    engine: Any, job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever way the system says it, in whatever stage, it is a message and not a traceback."""

    def full(*_: object) -> Mosaic:
        raise OSError(number, "No space left on device")

    monkeypatch.setattr(FakeEngine, "stitch", full)
    with pytest.raises(StitchError, match="full") as error:
        stitch(job, tmp_path / "out")
    assert "goes on" in error.value.hint


def _load(*_: object) -> type[FakeEngine]:
    return FakeEngine
