"""``aerial stitch`` with what it cannot use: told before the work, in words, and nothing is left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.photos.made import write_flight

from aerial.codec import sha256_file, write_json
from aerial.ortho import local
from aerial.raster.grid import Grid
from aerial.raster.write import write_cog
from aerial.records import FileRef, Georef, Mosaic
from aerial_cli.main import run

FAR = Grid(crs="EPSG:32650", affine=(1.0, 0, 5e5, 0, -1.0, 2.5e6), width_px=64, height_px=64)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five usable photographs; nothing is ever stitched of them."""
    (tmp_path / "photos").mkdir()
    write_flight(tmp_path / "photos", 5)
    monkeypatch.setattr(local, "solve", None)
    return tmp_path / "photos"


def no_text(folder: Path) -> Path:
    """Bytes that are no text and no raster."""
    (folder / "file").write_bytes(b"\x00\xff junk")
    return folder / "file"


def nothing(folder: Path) -> Path:
    """An empty file."""
    (folder / "file").touch()
    return folder / "file"


def far_ortho(folder: Path) -> Path:
    """A sound orthomosaic of somewhere else."""
    write_cog(folder / "far.tif", FAR, np.full((3, 64, 64), 90, np.uint8), mask=True)
    return folder / "far.tif"


def far_mosaic(folder: Path) -> Path:
    """The mosaic folder of another town."""
    ortho = far_ortho(folder)
    (folder / "far" / "block").mkdir(parents=True)
    (folder / "far" / "block" / "block.json").write_text("{}")
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256=sha256_file(ortho)),
        dsm=None,
        grid=FAR,
        georef=Georef(how="gps", ce95_m=4.0),
        block=None,
    )
    write_json(folder / "far" / "mosaic.json", mosaic)
    return folder / "far"


def no_mosaic(folder: Path) -> Path:
    """A folder that holds none."""
    (folder / "none").mkdir()
    return folder / "none"


@pytest.mark.parametrize(
    ("option", "make", "message"),
    [
        ("--gcp", no_text, "not a text table"),
        ("--gcp", nothing, "is empty"),
        ("--positions", no_text, "not a text table"),
        ("--calibration", no_text, "is not"),
        ("--reference", no_text, "not recognized"),
        ("--reference", far_ortho, "of another place"),
        ("--previous", no_mosaic, "holds no block/"),
        ("--previous", far_mosaic, "of another place"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_before_the_work(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    option: str,
    make: Callable[[Path], Path],
    message: str,
) -> None:
    """Message and hint on stderr, exit code 1, no folder where the mosaic was to be."""
    given = ["stitch", str(photos), "--out", str(tmp_path / "out"), option, str(make(tmp_path))]
    code, said = run(given), capsys.readouterr()
    assert code == 1, said.err
    assert said.out == ""
    assert message in said.err
    assert "Hint: " in said.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--node", "http://127.0.0.1:9"], "are for --engine odm"),
        (["--option", "dsm=true"], "are for --engine odm"),
        (["--engine", "odm"], "needs a node"),
        (["--engine", "odm", "--node", "http://127.0.0.1:9", "--option", "dsm"], "not NAME=VALUE"),
    ],
)
def test_an_option_without_its_engine_is_refused_not_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    """Who names a node wants the work done there: exit code 2 before a photograph is opened."""
    assert run(["stitch", str(tmp_path), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_place_that_cannot_be_written_is_told_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before minutes of looking at photographs."""
    (tmp_path / "photos").mkdir()
    (tmp_path / "file").write_text("in the way")
    assert run(["stitch", str(tmp_path / "photos"), "--out", str(tmp_path / "file" / "out")]) == 1
    said = capsys.readouterr().err
    assert "cannot be made" in said
    assert "--out" in said


def test_the_engine_itself_refuses_what_it_has_no_use_for(photos: Path) -> None:
    """A town's run passes nodes and options by the same record: they are never dropped in silence."""
    from aerial.photos import check_photos, usable_photos
    from aerial.progress import SILENT
    from aerial.records import StitchJob

    usable = usable_photos(check_photos(photos, SILENT))
    job = StitchJob(folder=photos, photos=usable, nodes=("http://a:3000",), options=(("dsm", "true"),))
    told = [f.message for f in local.LocalEngine().check(job) if f.level == "fail"]
    assert len(told) == 2
    assert all("no use for" in message for message in told)
