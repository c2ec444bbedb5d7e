"""A raster that is made in stripes, so that a killed run goes on where it was.

Each finished stripe is a file of its own, whole or not there; together they become one COG.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import rasterio
import rasterio.transform
from numpy.typing import NDArray
from rasterio.windows import Window

from aerial.codec import replacing
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx
from aerial.raster.write import copy_as_cog, written


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the raster is: ``names`` of its bands, how they are stored, and the rows of one stripe.

    ``block_px``: (width, height) of a stripe's blocks, multiples of 16; nothing is written faster than
    whole ones.
    """

    grid: Grid
    names: tuple[str, ...]
    dtype: str
    nodata: float
    scale: float
    stripe_px: int
    block_px: tuple[int, int] = (512, 512)

    def stripes(self) -> list[WindowPx]:
        """Return the window of every stripe, from the top."""
        width, height = self.grid.width_px, self.grid.height_px
        return [
            (0, row, width, min(self.stripe_px, height - row)) for row in range(0, height, self.stripe_px)
        ]


class StripedRaster:
    """The stripes of one raster, in a hidden folder beside ``path``.

    ``key`` names everything that the pixels depend on: stripes of another key are not taken up, but
    removed. Nothing stands at ``path`` before ``finish``::

        striped = StripedRaster(path, layout, key=sha256_json(inputs))
        for number in striped.missing():
            with striped.stripe(number) as write:
                write((0, 0, 512, 512), data_CHW)
        striped.finish()
    """

    def __init__(self, path: Path, layout: Layout, *, key: str) -> None:
        self._path, self._layout = path, layout
        self._folder = path.with_name(f".{path.name}.{key[:16]}.stripes")
        for other in path.parent.glob(f".{path.name}.*.stripes"):
            if other != self._folder:
                shutil.rmtree(other, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        for leftover in self._folder.glob(".*.part"):
            leftover.unlink(missing_ok=True)

    def missing(self) -> list[int]:
        """Return the numbers of the stripes that are not there yet."""
        return [n for n in range(len(self._layout.stripes())) if not self._file(n).is_file()]

    @contextmanager
    def stripe(self, number: int) -> Iterator[Any]:
        """Yield a function that writes (window in the whole raster, data_CHW as stored)."""
        layout = self._layout
        _, top, width, height = layout.stripes()[number]
        with replacing(self._file(number)) as part, written(self._path, part), rasterio.open(
            part, "w", driver="GTiff", width=width, height=height, count=len(layout.names),
            dtype=layout.dtype, nodata=layout.nodata, tiled=True,
            blockxsize=layout.block_px[0], blockysize=layout.block_px[1],
            compress="ZSTD", zstd_level=1, interleave="pixel", bigtiff="IF_SAFER",
            crs=rasterio.crs.CRS.from_user_input(layout.grid.crs),
            transform=rasterio.transform.Affine(*layout.grid.affine)
            @ rasterio.transform.Affine.translation(0, top),
        ) as dataset:  # fmt: skip

            def write(window: WindowPx, data_CHW: NDArray[Any]) -> None:
                column, row, w, h = window
                dataset.write(data_CHW, window=Window(column, row - top, w, h))

            yield write

    def finish(self) -> None:
        """Make the COG of all stripes and remove them."""
        vrt = self._folder / "all.vrt"
        vrt.write_text(self._vrt(), encoding="utf-8")
        with replacing(self._path) as part:
            # Level 1: the file is a quarter larger and the copy, which nothing overlaps, much faster.
            copy_as_cog(vrt, part, compress="DEFLATE", averaged=False, level=1)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self._folder / f"{number:05d}.tif"

    def _vrt(self) -> str:
        layout = self._layout
        grid, a, b, c, d, e, f = layout.grid, *layout.grid.affine
        nodata = "nan" if np.isnan(layout.nodata) else f"{layout.nodata:g}"
        kind = {"uint8": "Byte", "float32": "Float32"}[layout.dtype]
        bands = []
        for index, name in enumerate(layout.names, start=1):
            sources = "".join(
                f'<SimpleSource><SourceFilename relativeToVRT="1">{n:05d}.tif</SourceFilename>'
                f"<SourceBand>{index}</SourceBand>"
                f'<SourceProperties RasterXSize="{w}" RasterYSize="{h}" DataType="{kind}" '
                f'BlockXSize="{layout.block_px[0]}" BlockYSize="{layout.block_px[1]}"/>'
                f'<SrcRect xOff="0" yOff="0" xSize="{w}" ySize="{h}"/>'
                f'<DstRect xOff="0" yOff="{top}" xSize="{w}" ySize="{h}"/></SimpleSource>'
                for n, (_, top, w, h) in enumerate(layout.stripes())
            )
            bands.append(
                f'<VRTRasterBand dataType="{kind}" band="{index}"><Description>{escape(name)}</Description>'
                f"<NoDataValue>{nodata}</NoDataValue><Scale>{layout.scale!r}</Scale>{sources}</VRTRasterBand>"
            )
        wkt = escape(rasterio.crs.CRS.from_user_input(grid.crs).to_wkt())
        transform = ", ".join(repr(v) for v in (c, a, b, f, d, e))
        return (
            f'<VRTDataset rasterXSize="{grid.width_px}" rasterYSize="{grid.height_px}"><SRS>{wkt}</SRS>'
            f"<GeoTransform>{transform}</GeoTransform>{''.join(bands)}</VRTDataset>"
        )
