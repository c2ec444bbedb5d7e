"""Writing Cloud-Optimized GeoTIFF in windows, with bounded memory; whole or not there."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import rasterio
import rasterio.errors
import rasterio.shutil
import rasterio.transform
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.windows import Window

from aerial.codec import replacing
from aerial.errors import RasterError
from aerial.raster.blocks import require_whole
from aerial.raster.grid import Grid

Compression = Literal["DEFLATE", "ZSTD", "JPEG", "LZW"]


class CogWriter:
    """Collects windows in a tiled GeoTIFF beside the target; on exit makes it a COG.

    The target appears only when all went well. ``nodata`` None with ``mask=True`` stores an
    internal mask (for pictures, where every colour is a colour). ``scale`` is what a stored number is
    multiplied by to be the quantity (probabilities as bytes). Measured numbers (floats) get their unit
    (``unit``, of all bands) and their statistics, by which viewers choose the range of grey. ``level``:
    how hard the compression tries, None: as GDAL does::

        with CogWriter(path, grid, bands=3, dtype="uint8", mask=True) as cog:
            cog.write((0, 0, 512, 512), image_CHW, valid_HW)
    """

    def __init__(
        self,
        path: Path,
        grid: Grid,
        *,
        bands: int,
        dtype: str,
        nodata: float | None = None,
        mask: bool = False,
        compress: Compression = "DEFLATE",
        descriptions: tuple[str, ...] = (),
        scale: float = 1.0,
        unit: str | None = None,
        level: int | None = None,
    ) -> None:
        self._path, self._grid, self._mask, self._nodata = path, grid, mask, nodata
        self._measured = dtype.startswith("float")
        self._compress, self._level = compress, level
        path.parent.mkdir(parents=True, exist_ok=True)
        # The name ends in .part so that nothing takes it for a finished raster.
        self._temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tiles.part")
        self._dataset = rasterio.open(
            self._temporary,
            "w",
            driver="GTiff",
            crs=rasterio.crs.CRS.from_user_input(grid.crs),
            transform=rasterio.transform.Affine(*grid.affine),
            width=grid.width_px,
            height=grid.height_px,
            count=bands + (1 if mask else 0),
            dtype=dtype,
            nodata=nodata,
            tiled=True,
            blockxsize=512,
            blockysize=512,
            compress="ZSTD",
            zstd_level=1,
            bigtiff="IF_SAFER",
            interleave="pixel",
            **({"alpha": "yes"} if mask else {}),
        )
        for index, text in enumerate(descriptions, start=1):
            self._dataset.set_band_description(index, text)
        if scale != 1.0:
            self._dataset.scales = (scale,) * self._dataset.count
        if unit is not None:
            self._dataset.units = (unit,) * self._dataset.count

    def write(
        self,
        window: tuple[int, int, int, int],
        data_CHW: NDArray[Any],
        valid_HW: NDArray[np.bool_] | None = None,
    ) -> None:
        """Write one window (column offset, row offset, width, height); invalid pixels become nodata."""
        if valid_HW is not None and self._nodata is not None:
            data_CHW = np.where(valid_HW, data_CHW, np.asarray(self._nodata, data_CHW.dtype))
        if self._mask:
            full = valid_HW if valid_HW is not None else np.ones(data_CHW.shape[1:], bool)
            alpha_1HW = (full[None] * np.iinfo(data_CHW.dtype).max).astype(data_CHW.dtype)
            data_CHW = np.concatenate([data_CHW, alpha_1HW])
        with written(self._path):
            self._dataset.write(data_CHW, window=Window(*window))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with written(self._path):
                self._dataset.close()
            if kind is None:
                with replacing(self._path) as part:
                    copy_as_cog(
                        self._temporary,
                        part,
                        compress=self._compress,
                        averaged=self._nodata is None,
                        level=self._level,
                        statistics=self._measured,
                        named=self._path,
                    )
        finally:
            self._temporary.unlink(missing_ok=True)


@contextmanager
def written(path: Path, part: Path | None = None) -> Iterator[None]:
    """Say what GDAL says of a write as ``RasterError``; on leaving, look whether ``part`` is whole."""
    try:
        # In an environment of rasterio's, GDAL tells us and not stderr.
        with rasterio.Env():
            yield
            if part is not None:
                require_whole(part)
    except (rasterio.errors.RasterioError, CPLE_BaseError, RasterError) as exc:
        raise RasterError(
            f"{path} could not be written: {exc}",
            hint="Check that the disk is not full, then run the same command again.",
        ) from exc


def copy_as_cog(
    source: Path,
    target: Path,
    *,
    compress: Compression,
    averaged: bool,
    level: int | None = None,
    statistics: bool = False,
    named: Path | None = None,
) -> None:
    """Copy a raster as COG; ``averaged``: its overviews are means (pictures), else single pixels.

    ``level``: how hard DEFLATE and ZSTD try, None: as GDAL does. ``named``: what a message calls the target.

    Raises:
        RasterError: the copy is not whole.
    """
    extra: dict[str, Any] = {"predictor": "YES"} if compress in ("DEFLATE", "ZSTD", "LZW") else {}
    if level is not None:
        extra["level"] = str(level)
    if compress == "JPEG":
        extra = {"quality": 90}
    if statistics:
        extra["statistics"] = "YES"
    with written(named or target, target):
        rasterio.shutil.copy(
            str(source),
            str(target),
            driver="COG",
            compress=compress,
            blocksize=512,
            overviews="IGNORE_EXISTING",
            overview_resampling="AVERAGE" if averaged else "NEAREST",
            bigtiff="IF_SAFER",
            num_threads="2",
            **extra,
        )


def write_cog(
    path: Path,
    grid: Grid,
    data_CHW: NDArray[Any],
    *,
    valid_HW: NDArray[np.bool_] | None = None,
    nodata: float | None = None,
    mask: bool = False,
    compress: Compression = "DEFLATE",
    descriptions: tuple[str, ...] = (),
    scale: float = 1.0,
) -> None:
    """Write one array that fits in memory as COG; see ``CogWriter``."""
    with CogWriter(
        path,
        grid,
        bands=data_CHW.shape[0],
        dtype=str(data_CHW.dtype),
        nodata=nodata,
        mask=mask,
        compress=compress,
        descriptions=descriptions,
        scale=scale,
    ) as cog:
        cog.write((0, 0, grid.width_px, grid.height_px), data_CHW, valid_HW)
