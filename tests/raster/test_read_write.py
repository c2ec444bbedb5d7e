"""Reading on another grid, and writing COG."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from aerial import geo
from aerial.errors import CrsError, RasterError
from aerial.raster.grid import Grid, north_up, pixel_to_world
from aerial.raster.read import open_raster, read_bands, read_on_grid
from aerial.raster.write import CogWriter, write_cog

GRID = north_up("EPSG:4547", (479_000.0, 2_522_000.0, 479_060.0, 2_522_040.0), 0.1)


def ramp(grid: Grid) -> NDArray[np.float32]:
    """Heights equal to x + 2y of each pixel's centre, so that any resampling can be checked."""
    rows, columns = np.mgrid[0 : grid.height_px, 0 : grid.width_px]
    xy_N2 = pixel_to_world(grid, np.column_stack([columns.ravel() + 0.5, rows.ravel() + 0.5]))
    values_N = (xy_N2[:, 0] - 479_000) + 2 * (xy_N2[:, 1] - 2_522_000)
    return values_N.reshape(1, grid.height_px, grid.width_px).astype(np.float32)


@pytest.mark.parametrize("pixel_size", [0.1, 0.25, 0.07])
def test_resampling_keeps_the_position_of_pixel_centres(tmp_path: Path, pixel_size: float) -> None:
    """A linear ramp reads the same values on a finer, a coarser and a shifted grid: no half pixel."""
    write_cog(tmp_path / "a.tif", GRID, ramp(GRID), nodata=-9999.0)
    inner = north_up("EPSG:4547", (479_010.0, 2_522_010.0, 479_030.0, 2_522_030.0), pixel_size)
    data_1HW, valid_HW = read_on_grid(tmp_path / "a.tif", inner)
    assert valid_HW.all()
    assert np.abs(data_1HW - ramp(inner)).max() < 0.02


def test_another_crs_is_resampled_in_place(tmp_path: Path) -> None:
    """A file in UTM is read on the Gauss-Krueger grid at the same place on the ground."""
    write_cog(tmp_path / "a.tif", GRID, ramp(GRID), nodata=-9999.0)
    x, y = geo.transform("EPSG:4547", "EPSG:32649", np.array([479_030.0]), np.array([2_522_020.0]))
    utm = north_up("EPSG:32649", (x[0] - 2, y[0] - 2, x[0] + 2, y[0] + 2), 0.1)
    data_1HW, valid_HW = read_on_grid(tmp_path / "a.tif", utm)
    middle = float(data_1HW[0, 19:21, 19:21].mean())
    assert valid_HW.all()
    assert pytest.approx(middle, abs=0.2) == 30 + 2 * 20


def test_pixels_outside_the_file_and_nodata_are_invalid(tmp_path: Path) -> None:
    """Validity is false outside, on nodata and on NaN, and their data is zero."""
    heights = ramp(GRID)
    heights[0, :100, :100] = -9999.0
    heights[0, 200, 200] = np.nan
    write_cog(tmp_path / "a.tif", GRID, heights, nodata=-9999.0)
    wide = north_up("EPSG:4547", (478_990.0, 2_522_000.0, 479_060.0, 2_522_040.0), 0.1)
    data_1HW, valid_HW = read_on_grid(tmp_path / "a.tif", wide, resampling="nearest")
    assert not valid_HW[:, :100].any()
    assert not valid_HW[:100, 100:200].any()
    assert not valid_HW[200, 300]
    assert valid_HW.sum() == 400 * 600 - 100 * 100 - 1
    assert np.abs(data_1HW[:, ~valid_HW]).max() == 0


@pytest.mark.parametrize("compress", ["DEFLATE", "JPEG"])
def test_a_masked_picture_keeps_black_as_a_colour(tmp_path: Path, compress: str) -> None:
    """Black inside the mask stays valid; only the mask decides."""
    picture = np.zeros((3, GRID.height_px, GRID.width_px), np.uint8)
    valid_HW = np.zeros(picture.shape[1:], bool)
    valid_HW[50:350, 50:550] = True
    write_cog(tmp_path / "a.tif", GRID, picture, valid_HW=valid_HW, mask=True, compress=compress)  # type: ignore[arg-type]
    data_CHW, read_valid_HW = read_on_grid(tmp_path / "a.tif", GRID, resampling="nearest")
    assert data_CHW.shape == (3, 400, 600)
    assert (valid_HW == read_valid_HW).all()
    assert open_raster(tmp_path / "a.tif").declares_validity


def test_the_file_is_a_cog_with_overviews(tmp_path: Path) -> None:
    """GDAL names the layout COG and finds overviews once a side exceeds the block size."""
    write_cog(tmp_path / "a.tif", GRID, ramp(GRID), nodata=-9999.0)
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1) == [2]


def test_an_exception_while_writing_leaves_nothing_behind(tmp_path: Path) -> None:
    """No file that looks whole appears, and no temporary one stays."""
    with pytest.raises(RuntimeError), CogWriter(tmp_path / "a.tif", GRID, bands=1, dtype="uint8") as cog:
        cog.write((0, 0, 10, 10), np.zeros((1, 10, 10), np.uint8))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_crs_absent_truncated_or_foreign_is_refused(tmp_path: Path) -> None:
    """Each gets its own message with a hint."""
    with rasterio.open(
        tmp_path / "nocrs.tif", "w", driver="GTiff", width=4, height=4, count=1, dtype="uint8",
        transform=Affine(0.1, 0, 479_000, 0, -0.1, 2_522_000),
    ) as dataset:  # fmt: skip
        dataset.write(np.zeros((1, 4, 4), np.uint8))
    with pytest.raises(CrsError, match="declares no coordinate") as caught:
        open_raster(tmp_path / "nocrs.tif")
    assert "never guess" in caught.value.hint
    with pytest.raises(RasterError, match="is not there"):
        open_raster(tmp_path / "absent.tif")
    (tmp_path / "text.tif").write_text("not a picture")
    with pytest.raises(RasterError, match="cannot be read"):
        open_raster(tmp_path / "text.tif")
    write_cog(tmp_path / "whole.tif", GRID, ramp(GRID), nodata=-9999.0)
    whole = (tmp_path / "whole.tif").read_bytes()
    (tmp_path / "cut.tif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RasterError, match="cannot be read"):
        read_on_grid(tmp_path / "cut.tif", GRID)


def test_a_written_scale_is_applied_when_bands_are_read(tmp_path: Path) -> None:
    """Bytes of 1/254 come back as 0-1 with NaN for 255; a band that is not there is all NaN."""
    stored = np.full((2, 40, 60), 127, np.uint8)
    stored[1, :10] = 255
    stored[1, 10:] = 254
    grid = north_up("EPSG:4547", (479_000.0, 2_522_000.0, 479_006.0, 2_522_004.0), 0.1)
    write_cog(tmp_path / "c.tif", grid, stored, nodata=255, descriptions=("gone", "appeared"), scale=1 / 254)
    found = read_bands(tmp_path / "c.tif", (5, 5, 20, 30), ("appeared", "height_change_m", "gone"), step=2)
    assert {name: band.shape for name, band in found.items()} == {
        "appeared": (15, 10),
        "height_change_m": (15, 10),
        "gone": (15, 10),
    }
    assert np.isnan(found["appeared"][:2]).all()
    assert (found["appeared"][3:] == 1).all()
    assert pytest.approx(found["gone"], abs=1e-6) == np.full((15, 10), 0.5)
    assert np.isnan(found["height_change_m"]).all()


def test_a_disk_that_fills_up_leaves_no_raster(tmp_path: Path) -> None:
    """GDAL closes a cut COG without complaint; here it is refused with a hint, and nothing stands there."""
    resource = pytest.importorskip("resource", reason="files cannot be limited here")
    grid = Grid(crs="EPSG:32650", affine=(0.1, 0, 5e5, 0, -0.1, 3e6), width_px=640, height_px=512)
    noise_CHW = np.random.default_rng(0).integers(0, 255, (3, 512, 640)).astype(np.uint8)
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    # Enough for the tiles that are collected, not for the copy with its overviews.
    resource.setrlimit(resource.RLIMIT_FSIZE, (noise_CHW.size * 11 // 10, kept[1]))
    try:
        with pytest.raises(RasterError, match="could not be written") as caught:
            write_cog(tmp_path / "a.tif", grid, noise_CHW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert "disk is not full" in caught.value.hint
    assert not list(tmp_path.iterdir())
    write_cog(tmp_path / "a.tif", grid, noise_CHW)
    assert (tmp_path / "a.tif").is_file()
