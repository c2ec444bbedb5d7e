"""What GDAL, QGIS and web viewers make of the mosaics: COG by its own rules, judged tag by tag."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray

from aerial.raster.grid import Grid
from aerial.raster.write import CogWriter

GRID = Grid(
    crs="EPSG:4547", affine=(0.05, 0, 430_000.0, 0, -0.05, 2_540_000.0), width_px=1400, height_px=1100
)


@pytest.fixture(scope="module")
def disc() -> NDArray[np.bool_]:
    """Where there is ground: a disc, so that no border lies on a block's."""
    y, x = np.mgrid[: GRID.height_px, : GRID.width_px]
    return np.asarray((x - 640) ** 2 + (y - 510) ** 2 < 480**2)


@pytest.fixture(scope="module")
def mosaics(tmp_path_factory: pytest.TempPathFactory, disc: NDArray[np.bool_]) -> dict[str, Path]:
    """An ortho, bright all over, and a DSM at 37.5 m, written window by window as an engine does."""
    folder = tmp_path_factory.mktemp("cog")
    paths = {"ortho": folder / "ortho.tif", "dsm": folder / "dsm.tif"}
    with (
        CogWriter(paths["ortho"], GRID, bands=3, dtype="uint8", mask=True) as ortho,
        CogWriter(
            paths["dsm"],
            GRID,
            bands=2,
            dtype="float32",
            nodata=-9999.0,
            descriptions=("height_m", "spread_m"),
            unit="metre",
        ) as dsm,
    ):
        for row in range(0, GRID.height_px, 300):
            height = min(300, GRID.height_px - row)
            window, valid_HW = (0, row, GRID.width_px, height), disc[row : row + height]
            ortho.write(window, np.full((3, height, GRID.width_px), 250, np.uint8), valid_HW)
            dsm.write(window, np.full((2, height, GRID.width_px), 37.5, np.float32), valid_HW)
    return paths


def offsets(dataset: Any, level: int | None) -> tuple[int, int]:
    """Return where a level's directory and its first block lie in the file."""
    more = {} if level is None else {"ovr": level}
    directory = dataset.get_tag_item("IFD_OFFSET", "TIFF", bidx=1, **more)
    height, width = dataset.block_shapes[0]
    shape = [-(-n // (1 if level is None else dataset.overviews(1)[level])) for n in dataset.shape]
    blocks = (
        dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=1, **more)
        for row in range(-(-shape[0] // height))
        for column in range(-(-shape[1] // width))
    )
    return int(directory), min(int(block) for block in blocks if block)


@pytest.mark.parametrize("name", ["ortho", "dsm"])
def test_the_file_is_laid_out_as_cog_asks(mosaics: dict[str, Path], name: str) -> None:
    """Tiles, overviews down to one tile, directories first and in order, pixels of small levels first."""
    with rasterio.open(mosaics[name]) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.profile["tiled"]
        assert set(dataset.block_shapes) == {(512, 512)}
        factors = dataset.overviews(1)
        assert factors == [2, 4]
        assert max(dataset.shape) / factors[-1] <= 512
        levels = [offsets(dataset, level) for level in (None, *range(len(factors)))]
        directories, first_blocks = zip(*levels, strict=True)
        # 300 bytes hold the head and GDAL's note on the layout.
        assert directories[0] < 300
        assert list(directories) == sorted(directories)
        assert list(first_blocks) == sorted(first_blocks, reverse=True)
        assert max(directories) < min(first_blocks)
    assert not list(mosaics[name].parent.glob("*.aux.xml"))


def test_an_ortho_has_no_dark_rim_at_any_level(mosaics: dict[str, Path]) -> None:
    """Empty pixels are transparent and colour none of their neighbours when levels are averaged."""
    for level in (None, 0, 1):
        with rasterio.open(
            mosaics["ortho"], **({} if level is None else {"overview_level": level})
        ) as dataset:
            colour_CHW, alpha_HW = dataset.read((1, 2, 3)), dataset.read(4)
            assert dataset.colorinterp[3].name == "alpha"
        assert colour_CHW[:, alpha_HW > 0].min() == 250
        assert (alpha_HW > 0).mean() == pytest.approx(np.pi * 480**2 / 1400 / 1100, rel=0.01)


def test_a_surface_model_says_what_it_holds(mosaics: dict[str, Path]) -> None:
    """Nodata, both bands by name and unit, statistics without nodata, the CRS with its datum."""
    for level in (None, 0, 1):
        with rasterio.open(mosaics["dsm"], **({} if level is None else {"overview_level": level})) as dataset:
            assert set(np.unique(dataset.read(1))) == {-9999.0, 37.5}
            assert dataset.nodata == -9999.0
    with rasterio.open(mosaics["dsm"]) as dataset:
        assert dataset.descriptions == ("height_m", "spread_m")
        assert dataset.units == ("metre", "metre")
        assert float(dataset.tags(1)["STATISTICS_MINIMUM"]) == 37.5
        assert dataset.crs.to_epsg() == 4547
        assert "China_2000" in dataset.crs.to_wkt()
