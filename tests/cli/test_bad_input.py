"""Bad photographs, by every way in: a message with a hint, exit code 1, nothing lost, nothing left."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tests.photos.made import scene, write_flight, write_photo
from tests.steps.made import make_town

from aerial.codec import sha256_file
from aerial_cli.main import run


def none(folder: Path) -> None:
    """Only what is not a photograph."""
    (folder / "DJI_0001.MP4").write_bytes(b"video")


def one(folder: Path) -> None:
    """One photograph."""
    write_photo(folder / "DJI_0001.JPG")


def truncated(folder: Path) -> None:
    """All photographs cut short in their headers."""
    for path in write_flight(folder, 5):
        path.write_bytes(path.read_bytes()[:200])


def without_position(folder: Path) -> None:
    """A camera without GPS."""
    for i in range(5):
        write_photo(folder / f"{i}.jpg", image_HW3=scene(i), at=None, seconds=3 * i)


def two_places(folder: Path) -> None:
    """Two flights 12 km apart."""
    write_flight(folder / "a", 5)
    write_flight(folder / "b", 5, origin=(113.95, 22.81))


def black(folder: Path) -> None:
    """A covered lens."""
    for i in range(5):
        write_photo(folder / f"{i}.jpg", image_HW3=np.full((600, 800, 3), i, np.uint8), seconds=3 * i)


def not_pictures(folder: Path) -> None:
    """Text with the suffix of a picture."""
    (folder / "a.jpg").write_text("hello")
    (folder / "b.jpg").touch()


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return what was said of a command that must refuse."""
    code, said = run(arguments), capsys.readouterr()
    assert code == 1, said.err
    assert "Error: " in said.err
    assert "Hint: " in said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    return said.err


def hashes(folder: Path) -> dict[str, str]:
    """Return every file of a folder with its hash."""
    return {str(path): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (none, "holds no photographs"),
        (one, "Of 1 photograph(s) 1 can be used."),
        (truncated, "Of 5 photograph(s) 0 can be used (5 x is not a readable JPEG.)."),
        (without_position, "0 of 5 photographs say where they were taken; three are needed."),
        (two_places, "2 places, up to 12.3 km apart: 5 around a/DJI_0001.JPG; 5 around b/DJI_0001.JPG"),
        (black, "Of 5 photograph(s) 0 can be used (5 x almost black: lens covered or no light)."),
        (not_pictures, "Of 2 photograph(s) 0 can be used (2 x is not a readable JPEG.)."),
    ],
)
def test_stitch_refuses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], message: str
) -> None:
    """No mosaic appears, and the photographs stay as they were."""
    folder = tmp_path / "photos"
    folder.mkdir()
    make(folder)
    before = hashes(folder)
    assert message in refused(["stitch", str(folder), "--out", str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out" / "ortho.tif").exists()
    assert hashes(folder) == before


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (none, "holds no photographs"),
        (truncated, "tells when it was taken"),
        (without_position, "has a GPS position"),
        (two_places, "2 places, up to 12.3 km apart"),
        (not_pictures, "tells when it was taken"),
    ],
)
def test_import_refuses_what_is_not_a_flight(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None], message: str
) -> None:
    """And the town holds no survey afterwards."""
    town, folder = make_town(tmp_path / "town"), tmp_path / "photos"
    folder.mkdir()
    make(folder)
    before = hashes(folder)
    said = refused(["-C", str(town.root), "photos", "import", str(folder), "--cell", "A1"], capsys)
    assert message in said
    assert hashes(folder) == before
    assert list(town.root.glob("surveys/*/*")) == []


@pytest.mark.parametrize("make", [one, black])
def test_run_refuses_a_survey_that_makes_no_mosaic(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Path], None]
) -> None:
    """It is imported, for nothing is thrown away; running it names the reason."""
    town, folder = make_town(tmp_path / "town"), tmp_path / "photos"
    folder.mkdir()
    make(folder)
    assert run(["-C", str(town.root), "photos", "import", str(folder), "--cell", "A1"]) == 0
    capsys.readouterr()
    refused(["-C", str(town.root), "run", "A1"], capsys)
    originals = {path.read_bytes() for path in folder.rglob("*.[jJ]*")}
    assert originals == {path.read_bytes() for path in town.root.glob("surveys/A1/*/photos/*")}


def test_a_command_outside_a_town_says_how_to_name_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither here nor above; and a cell that the town does not have."""
    monkeypatch.chdir(tmp_path)
    assert "aerial init" in refused(["run", "A1"], capsys)
    town = make_town(tmp_path / "town")
    monkeypatch.setenv("AERIAL_TOWN", str(town.root))
    assert "no cell 'B7'" in refused(["run", "B7"], capsys)
    assert "has no survey" in refused(["run", "A1"], capsys)
