"""Bands of the project's own rasters, known by what they are called."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine

from aerial.errors import RasterError
from aerial.raster.grid import north_up
from aerial.raster.read import open_raster, read_bands
from aerial.raster.write import write_cog

GRID = north_up("EPSG:4547", (479_000.0, 2_522_000.0, 479_006.0, 2_522_004.0), 0.1)


def stored_in_bytes(path: Path, data_CHW: NDArray[np.uint8], names: tuple[str, ...]) -> Path:
    """Write uint8 bands of probabilities: 0-254, scale 1/254, nodata 255."""
    profile: dict[str, Any] = {
        "driver": "GTiff", "count": len(data_CHW), "height": data_CHW.shape[1], "width": data_CHW.shape[2],
        "dtype": "uint8", "nodata": 255, "crs": "EPSG:4547", "transform": Affine(*GRID.affine),
    }  # fmt: skip
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(data_CHW)
        dataset.scales = (1 / 254,) * len(data_CHW)
        for number, name in enumerate(names, start=1):
            dataset.set_band_description(number, name)
    return path


def test_bytes_are_probabilities_again_and_their_nodata_is_unknown(tmp_path: Path) -> None:
    """0, 127 and 254 of 254 read as 0, 0.5 and 1; 255 reads as NaN."""
    data = np.zeros((2, 40, 60), np.uint8)
    data[1, 0, :4] = (0, 127, 254, 255)
    path = stored_in_bytes(tmp_path / "c.tif", data, ("gone", "appeared"))
    row_W = read_bands(path, (0, 0, 60, 40), ("appeared",))["appeared"][0]
    assert np.allclose([0.0, 0.5, 1.0], row_W[:3], atol=1e-6)
    assert np.isnan(row_W[3])
    assert row_W.dtype == np.float32


def test_bands_are_found_by_name_wherever_they_stand(tmp_path: Path) -> None:
    """A band is what it is called; one that is not there is unknown everywhere."""
    bands = np.stack([np.full((40, 60), value, np.float32) for value in (3.0, 0.25)])
    bands[0, 5, 7] = np.nan
    path = tmp_path / "c.tif"
    write_cog(path, GRID, bands, nodata=float("nan"), descriptions=("height_change_m", "appeared"))
    found = read_bands(path, (0, 0, 60, 40), ("appeared", "building_after", "height_change_m"))
    assert {"appeared", "building_after", "height_change_m"} == set(found)
    assert {0.25} == set(np.unique(found["appeared"]))
    assert np.isnan(found["building_after"]).all()
    assert np.isnan(found["height_change_m"][5, 7])
    assert open_raster(path).descriptions == ("height_change_m", "appeared")


def test_a_window_is_read_where_it_lies_and_as_coarse_as_asked(tmp_path: Path) -> None:
    """Column and row of the window are those of the raster; step 3 gives every third pixel's shape."""
    data = np.zeros((1, 40, 60), np.uint8)
    data[0, 20:, 30:] = 254
    path = stored_in_bytes(tmp_path / "c.tif", data, ("appeared",))
    fine = read_bands(path, (29, 19, 6, 5), ("appeared",))["appeared"]
    assert fine.shape == (5, 6)
    assert (fine[0].max(), fine[1:, 1:].min()) == (0.0, 1.0)
    assert read_bands(path, (29, 19, 8, 5), ("appeared", "gone"), step=3)["gone"].shape == (2, 3)


def test_a_broken_map_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """An absent change map is named."""
    with pytest.raises(RasterError, match=r"c\.tif") as caught:
        read_bands(tmp_path / "c.tif", (0, 0, 1, 1), ("appeared",))
    assert caught.value.hint
