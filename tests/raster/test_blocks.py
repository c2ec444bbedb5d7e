"""Damaged blocks that decode all the same."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.errors
from rasterio.transform import Affine

from aerial import geo
from aerial.errors import RasterError
from aerial.raster.grid import Grid
from aerial.raster.read import levels, open_raster, read_level, read_on_grid

SIDE, BLOCK = 256, 64
CRS, AFFINE = "EPSG:32650", (0.1, 0.0, 500_000.0, 0.0, -0.1, 3_400_000.0)
# Which block is damaged (column, row).
AT = (2, 1)


def damaged(path: Path, *, overviews: bool = False, level: int | None = None, **layout: str) -> Path:
    """Write a DEFLATE raster and damage one block in its middle so that GDAL still reads all of it."""
    rng = np.random.default_rng(3)
    data_CHW = rng.normal(120, 12, (3, SIDE, SIDE)).clip(0, 255).astype(np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=SIDE, height=SIDE, count=3, dtype="uint8", crs=CRS,
        transform=Affine(*AFFINE), tiled=True, blockxsize=BLOCK, blockysize=BLOCK, compress="DEFLATE",
        **layout,
    ) as dataset:  # fmt: skip
        dataset.write(data_CHW)
        if overviews:
            dataset.build_overviews([2])
    column, row = AT if level is None else (0, 0)
    with rasterio.open(path) as dataset:
        offset, size = (
            int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1, ovr=level))
            for what in ("OFFSET", "SIZE")
        )
    whole = path.read_bytes()
    for _ in range(300):
        content = bytearray(whole)
        at = offset + int(rng.integers(size // 4, 3 * size // 4))
        content[at : at + 60] = rng.integers(0, 256, 60, dtype=np.uint8).tobytes()
        path.write_bytes(content)
        if read_without_complaint(path, level):
            return path
    raise AssertionError("GDAL noticed every damage; the check is not needed any more")


def read_without_complaint(path: Path, level: int | None) -> bool:
    """Tell whether GDAL reads all of a raster, or of one of its overviews."""
    try:
        with rasterio.open(path, **({} if level is None else {"overview_level": level})) as dataset:
            dataset.read()
    except rasterio.errors.RasterioIOError:
        return False
    return True


@pytest.mark.parametrize("layout", [{"interleave": "pixel"}, {"interleave": "band"}, {"predictor": "2"}])
def test_a_block_that_decodes_to_something_else_is_refused(tmp_path: Path, layout: dict[str, str]) -> None:
    """GDAL reads it without complaint; here the block is named, however its bands are stored."""
    path = damaged(tmp_path / "a.tif", **layout)
    full = levels(path)[0]
    with pytest.raises(RasterError, match="block in column 3, row 2") as caught:
        read_level(path, full, (0, 0, SIDE, SIDE), bands=3)
    assert "Copy it again" in caught.value.hint
    with pytest.raises(RasterError, match="damaged"):
        read_on_grid(path, open_raster(path).grid)


def test_what_lies_elsewhere_is_read(tmp_path: Path) -> None:
    """Only blocks under the window are compared."""
    path = damaged(tmp_path / "a.tif")
    data_CHW, valid_HW = read_level(path, levels(path)[0], (0, 128, SIDE, 128), bands=3)
    assert data_CHW.shape == (3, 128, SIDE)
    assert valid_HW.all()
    read_on_grid(path, open_raster(path).grid, window=(0, 160, SIDE, 90))


def test_overviews_are_compared_where_they_serve(tmp_path: Path) -> None:
    """A damaged overview is refused by a coarse grid, in another CRS too, and not by a fine one."""
    path = damaged(tmp_path / "a.tif", overviews=True, level=0)
    own = open_raster(path).grid
    read_on_grid(path, own)
    a, _, c, _, e, f = AFFINE
    coarse = Grid(crs=CRS, affine=(2 * a, 0, c, 0, 2 * e, f), width_px=SIDE // 2, height_px=SIDE // 2)
    with pytest.raises(RasterError, match="damaged"):
        read_on_grid(path, coarse)
    corner = geo.to_lonlat(CRS, c, f)
    affine = (3e-6, 0, corner.lon_deg, 0, -2e-6, corner.lat_deg)
    degrees = Grid(crs="EPSG:4326", affine=affine, width_px=90, height_px=110)
    with pytest.raises(RasterError, match="damaged"):
        read_on_grid(path, degrees)
