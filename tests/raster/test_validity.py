"""Files that do not say which of their pixels are empty."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from aerial.raster.read import read_on_grid
from aerial.raster.validity import inspect, to_bytes, valid_on


def test_a_jpeg_collar_is_not_ground_and_a_dark_pond_is(tmp_path: Path) -> None:
    """Black that reaches the rim is empty; black inside the picture is valid."""
    rng = np.random.default_rng(1)
    image = rng.integers(60, 200, (3, 320, 320)).astype(np.uint8)
    image[:, :, :80] = 0
    image[:, 150:200, 180:240] = 4
    path = tmp_path / "j.tif"
    profile = {
        "driver": "GTiff",
        "width": 320,
        "height": 320,
        "count": 3,
        "dtype": "uint8",
        "crs": "EPSG:4547",
    }
    with rasterio.open(
        path,
        "w",
        **profile,
        transform=Affine(0.1, 0, 5e5, 0, -0.1, 2.5e6),
        compress="JPEG",
        photometric="YCBCR",
    ) as file:
        file.write(image)
    validity = inspect(path)
    grid = validity.grid
    data_CHW, _ = read_on_grid(path, grid, resampling="nearest")
    valid_HW = valid_on(validity, grid, to_bytes(data_CHW, validity.low, validity.gain))
    assert not valid_HW[:, :70].any()
    assert valid_HW[:, 90:].mean() > 0.99
    assert valid_HW[160:190, 190:230].all()
