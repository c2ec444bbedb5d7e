"""Bad orthos and models by way of ``aerial detect``: a message with a hint, exit code 1, nothing partial."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from tests import models, pairs

from aerial.raster.write import write_cog
from aerial_cli.main import run

SIDE = 420


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an ortho before and the tiny model."""
    folder = tmp_path_factory.mktemp("place")
    write_cog(folder / "before.tif", pairs.grid(SIDE), picture(1), mask=True)
    models.write_model(folder / "model")
    return folder


def picture(seed: int) -> np.ndarray:
    """Return ground with a blue shed as (3, H, W)."""
    date = pairs.with_box(pairs.ground(3, SIDE), (120, 150, 90, 70), 4.0, (60, 110, 190))
    return np.ascontiguousarray(pairs.photographed(date, seed).image_HWC.transpose(2, 0, 1))


def missing_band(path: Path) -> None:
    """Red and green alone."""
    write_cog(path, pairs.grid(SIDE), picture(2)[:2])


def grey(path: Path) -> None:
    """One band where the other date has colours."""
    write_cog(path, pairs.grid(SIDE), picture(2)[:1], mask=True)


def palette(path: Path) -> None:
    """Indexed colours, as a GIF or a map export has them."""
    grid = pairs.grid(SIDE)
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=1, dtype="uint8", crs=grid.crs,
        transform=rasterio.Affine(*grid.affine),
    ) as dataset:  # fmt: skip
        dataset.write(picture(2)[:1] // 16)
        dataset.write_colormap(1, {k: (k * 16, 255 - k * 16, 80, 255) for k in range(16)})
        dataset.colorinterp = [ColorInterp.palette]


def cloud(path: Path) -> None:
    """Soft white everywhere."""
    soft = 228 + 20 * np.sin(np.linspace(0, 9, SIDE))[None] * np.ones((SIDE, 1))
    write_cog(path, pairs.grid(SIDE), np.repeat(soft[None], 3, axis=0).astype(np.uint8), mask=True)


def white(path: Path) -> None:
    """Nothing but white, and no mask that says so."""
    write_cog(path, pairs.grid(SIDE), np.full((3, SIDE, SIDE), 255, np.uint8))


def nan(path: Path) -> None:
    """A float picture that is NaN everywhere."""
    write_cog(path, pairs.grid(SIDE), np.full((3, SIDE, SIDE), np.nan, np.float32))


def elsewhere(path: Path) -> None:
    """100 km away."""
    grid = pairs.grid(SIDE)
    far = type(grid)(
        crs=grid.crs, affine=(0.1, 0, 600_000.0, 0, -0.1, 2_600_000.0), width_px=SIDE, height_px=SIDE
    )
    write_cog(path, far, picture(2), mask=True)


def coarse(path: Path) -> None:
    """Pixels five times as large."""
    write_cog(path, pairs.grid(SIDE // 5, 0.5), picture(2)[:, ::5, ::5].copy(), mask=True)


def torn(path: Path) -> None:
    """The block in the middle is overwritten from its beginning, as by a failing memory card."""
    write_cog(path, pairs.grid(SIDE), picture(2))
    with rasterio.open(path) as dataset:
        start = int(dataset.get_tag_item("BLOCK_OFFSET_0_0", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[start : start + 3000] = b"\xff" * 3000
    path.write_bytes(data)


def torn_jpeg(path: Path) -> None:
    """Part of a JPEG block is noise: GDAL warns of it and fills in grey."""
    write_cog(path, pairs.grid(SIDE), picture(2), compress="JPEG")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).integers(0, 256, 300, dtype=np.uint8).tobytes()
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (missing_band, "2 image band(s)"),
        (grey, "one band"),
        (palette, "palette"),
        (cloud, "shows nothing"),
        (white, "no valid pixel"),
        (nan, "no valid pixel"),
        (elsewhere, "do not overlap"),
        (coarse, "5.0 times apart"),
        (torn, "is damaged"),
        (torn_jpeg, "cannot be read"),
    ],
)
def test_a_bad_picture_is_refused_and_leaves_nothing_that_looks_whole(
    make: Callable[[Path], None],
    message: str,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Named, with a hint, exit code 1; no suspects, no change map, no report."""
    make(tmp_path / "after.tif")
    out = tmp_path / "out"
    arguments = [str(place / "before.tif"), str(tmp_path / "after.tif"), "--out", str(out)]
    code, said = run(["detect", *arguments, "--model", str(place / "model")]), capsys.readouterr()
    assert (code, said.out) == (1, "")
    assert message in said.err
    assert "Hint: " in said.err
    assert "Traceback" not in said.err
    assert set() == {path.name for path in out.glob("*")} - {"align.json", ".lock"}


@pytest.mark.parametrize(("stored", "factor"), [("uint16", 180), ("float32", 0.01)])
def test_more_than_eight_bits_are_scaled_aloud(
    stored: str, factor: float, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """16-bit numbers, and floats of which a part is NaN, are compared, and it is said how they are shown."""
    image = (picture(2) * factor).astype(stored)
    if stored == "float32":
        image[:, :60] = np.nan
    write_cog(tmp_path / "after.tif", pairs.grid(SIDE), image)
    arguments = [str(place / "before.tif"), str(tmp_path / "after.tif"), "--out", str(tmp_path / "out")]
    code, said = run(["detect", *arguments, "--model", str(place / "model")]), capsys.readouterr()
    assert code == 0, said.err
    assert f"is of {stored}" in said.err
    assert (tmp_path / "out" / "suspects.geojson").is_file()


def test_weights_that_are_not_the_model_s_own_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model file that does not match its SHA-256: nothing is aligned, nothing written."""
    folder = models.write_model(tmp_path / "model")
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"\0")
    arguments = [str(place / "before.tif"), str(place / "before.tif"), "--out", str(tmp_path / "out")]
    code, said = run(["detect", *arguments, "--model", str(folder)]), capsys.readouterr()
    assert code == 1
    assert "SHA-256" in said.err
    assert "Hint: " in said.err
    assert not (tmp_path / "out").exists()
