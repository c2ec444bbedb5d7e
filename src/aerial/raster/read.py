"""Reading any GeoTIFF, on its own grid or resampled on another one.

Pixels come with their validity: nodata, alpha, internal masks and NaN are all one boolean array.
"""

import logging
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import rasterio.errors
import rasterio.transform
import rasterio.vrt
import rasterio.warp
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, Resampling
from rasterio.windows import Window

from aerial import geo
from aerial.errors import CrsError, RasterError
from aerial.raster import grid as grids
from aerial.raster.blocks import BlockCheck
from aerial.raster.grid import Grid

# GDAL's cache of decoded blocks is a share of the machine's memory unless it is told a size in MB.
os.environ.setdefault("GDAL_CACHEMAX", "32")

# (column offset, row offset, width, height), whole pixels
WindowPx = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class RasterInfo:
    """What a GeoTIFF says of itself.

    ``bands`` counts the image bands, alpha excluded. ``declares_validity``: it has a nodata value,
    an alpha band or a mask, so that its empty pixels are known. ``descriptions`` names every band, ""
    where the file does not. ``palette``: its numbers are not brightness but places in a table of colours.
    ``scale``, ``offset``, ``unit`` of the first band: stored numbers times scale plus offset are in unit.
    """

    path: Path
    grid: Grid
    bands: int
    dtype: str
    nodata: float | None
    declares_validity: bool
    overviews: tuple[int, ...]
    descriptions: tuple[str, ...] = ()
    palette: bool = False
    scale: float = 1.0
    offset: float = 0.0
    unit: str = ""


def open_raster(path: Path) -> RasterInfo:
    """Return what the GeoTIFF at ``path`` says of itself, without reading its pixels.

    Raises:
        RasterError: it is absent, not a raster, truncated at the header, or empty.
        CrsError: it declares no CRS or no georeference, or is rotated out of a plane.
    """
    with _opened(path) as dataset:
        if dataset.crs is None:
            raise CrsError(
                f"{path} declares no coordinate reference system.",
                hint="Declare it, for example: gdal_edit.py -a_srs EPSG:4547 FILE (never guess it).",
            )
        if dataset.transform.is_identity or dataset.transform.is_degenerate:
            raise CrsError(
                f"{path} has a CRS but no georeference: its pixels have no position.",
                hint="Export it again with its world file, or georeference it.",
            )
        alpha = [ci == ColorInterp.alpha for ci in dataset.colorinterp]
        flags = dataset.mask_flag_enums[0]
        return RasterInfo(
            path=path,
            grid=Grid(
                crs=_crs_text(dataset.crs),
                affine=tuple(dataset.transform)[:6],
                width_px=dataset.width,
                height_px=dataset.height,
            ),
            bands=dataset.count - sum(alpha),
            dtype=dataset.dtypes[0],
            nodata=dataset.nodata,
            declares_validity=rasterio.enums.MaskFlags.all_valid not in flags or any(alpha),
            overviews=tuple(dataset.overviews(1)),
            descriptions=tuple(text or "" for text in dataset.descriptions),
            palette=ColorInterp.palette in dataset.colorinterp,
            scale=dataset.scales[0],
            offset=dataset.offsets[0],
            unit=dataset.units[0] or "",
        )


def read_on_grid(
    path: Path,
    grid: Grid,
    *,
    window: WindowPx | None = None,
    resampling: Literal["nearest", "bilinear", "cubic", "average"] = "bilinear",
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the image bands of ``path`` resampled on ``grid`` (or a window of it).

    Any CRS, GSD, rotation and extent is accepted; overviews are used where the grid is coarser.
    ``average`` is right where the grid is much coarser than the file.

    Returns:
        ``data_CHW`` in the file's dtype (0 where invalid) and ``valid_HW``.

    Raises:
        RasterError: the file is absent or its pixels cannot be decoded.
        CrsError: it has no CRS, or no image in the grid's CRS.
    """
    info = open_raster(path)
    if not geo.same_crs(info.grid.crs, grid.crs):
        geo.to_lonlat(grid.crs, grid.affine[2], grid.affine[5])
    _require_sound(info, grid, window or (0, 0, grid.width_px, grid.height_px))
    where = Window(*window) if window else None
    bands = list(range(1, info.bands + 1))
    with (
        _opened(path) as dataset,
        _translating(path),
        rasterio.vrt.WarpedVRT(
            dataset,
            crs=rasterio.crs.CRS.from_user_input(grid.crs),
            transform=rasterio.transform.Affine(*grid.affine),
            width=grid.width_px,
            height=grid.height_px,
            resampling=Resampling[resampling],
            add_alpha=not any(ci == ColorInterp.alpha for ci in dataset.colorinterp)
            and dataset.nodata is None,
            warp_mem_limit=16,
        ) as vrt,
    ):
        data_CHW = vrt.read(bands, window=where)
        valid_HW = vrt.dataset_mask(window=where) > 0
    if data_CHW.dtype.kind == "f":
        valid_HW &= np.isfinite(data_CHW).all(axis=0)
    data_CHW[:, ~valid_HW] = 0
    return data_CHW, valid_HW


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A raster at one of its resolutions: ``overview`` None is the full one; its size in pixels."""

    overview: int | None
    width_px: int
    height_px: int


def levels(path: Path) -> tuple[Level, ...]:
    """Return the full resolution of a raster and its overviews, the finest first.

    Raises:
        RasterError: the file is absent or broken.
    """
    with _translating(path):
        first = _kept_open(path, None)
        found = [Level(overview=None, width_px=first.width, height_px=first.height)]
        for number in range(len(first.overviews(1))):
            dataset = _kept_open(path, number)
            found.append(Level(overview=number, width_px=dataset.width, height_px=dataset.height))
    return tuple(found)


def read_level(
    path: Path, level: Level, window: WindowPx, *, bands: int, step: int = 1
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the image bands of a window of one level as stored, the means of ``step`` x ``step`` pixels.

    Nothing is resampled otherwise. The file stays open for the next window, so that blocks at the
    windows' rims need not be decoded again at once. Window and size are multiples of ``step`` inside
    the level.

    Raises:
        RasterError: the pixels cannot be decoded.
    """
    column, row, width, height = window
    where, shape = Window(column, row, width, height), (height // step, width // step)
    with _translating(path):
        dataset = _kept_open(path, level.overview)
        _BLOCKS.require_sound(path, dataset, window)
        # Bands side by side, as most files store them and as pictures are resampled: nothing is reordered.
        data_CHW = np.moveaxis(np.empty((*shape, bands), dataset.dtypes[0]), -1, 0)
        dataset.read(
            list(range(1, bands + 1)),
            window=where,
            out=data_CHW,
            resampling=Resampling.average if step > 1 else Resampling.nearest,
        )
        valid_HW = dataset.dataset_mask(window=where, out_shape=shape, resampling=Resampling.nearest) > 0
    if data_CHW.dtype.kind == "f":
        valid_HW &= np.isfinite(data_CHW).all(axis=0)
        data_CHW[:, ~valid_HW] = 0
    return data_CHW, valid_HW


def _require_sound(info: RasterInfo, grid: Grid, window: WindowPx) -> None:
    """Refuse a raster that is damaged under a window of any grid, at the resolution that serves it."""
    column, row, width, height = window
    x, y = np.meshgrid(np.linspace(column, column + width, 9), np.linspace(row, row + height, 9))
    world_N2 = grids.pixel_to_world(grid, np.column_stack([x.ravel(), y.ravel()]))
    there = geo.transform(grid.crs, info.grid.crs, world_N2[:, 0], world_N2[:, 1])
    at_N2 = grids.world_to_pixel(info.grid, np.column_stack(there))
    ratio = grids.gsd_m(grid) / grids.gsd_m(info.grid)
    number = max((n for n, factor in enumerate(info.overviews) if factor <= 1.05 * ratio), default=None)
    with _translating(info.path):
        dataset = _kept_open(info.path, number)
        scale = np.array([dataset.width / info.grid.width_px, dataset.height / info.grid.height_px])
        size = np.array([dataset.width, dataset.height])
        low = np.clip(np.floor(at_N2.min(axis=0) * scale) - 2, 0, size).astype(int)
        high = np.clip(np.ceil(at_N2.max(axis=0) * scale) + 2, 0, size).astype(int)
        if (high > low).all():
            _BLOCKS.require_sound(info.path, dataset, (*low.tolist(), *(high - low).tolist()))


def read_small(
    path: Path, grid: Grid, *, resampling: Literal["nearest", "average"] = "nearest"
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Read the image bands of a whole raster on its own ``grid``, scaled: pixels of the fitting overview.

    ``average`` is for people to look at; it smooths what a statistic wants to see.

    Returns:
        ``data_CHW`` in the file's dtype (0 where invalid) and ``valid_HW``.

    Raises:
        RasterError: the file is absent or its pixels cannot be decoded.
    """
    info = open_raster(path)
    shape = (grid.height_px, grid.width_px)
    _require_sound(info, grid, (0, 0, grid.width_px, grid.height_px))
    with _opened(path) as dataset:
        data_CHW = dataset.read(
            list(range(1, info.bands + 1)),
            out_shape=(info.bands, *shape),
            resampling=Resampling[resampling],
        )
        valid_HW = dataset.dataset_mask(out_shape=shape) > 0
    if data_CHW.dtype.kind == "f":
        valid_HW &= np.isfinite(data_CHW).all(axis=0)
    data_CHW[:, ~valid_HW] = 0
    return data_CHW, valid_HW


class _Open(threading.local):
    """The datasets that a thread has open, the last used last; GDAL's are not for two threads."""

    def __init__(self) -> None:
        self.datasets: OrderedDict[tuple[Any, ...], Any] = OrderedDict()


_OPEN = _Open()
_BLOCKS = BlockCheck()
_MOST_OPEN = 8


def _kept_open(path: Path, overview: int | None) -> Any:
    if not path.is_file():
        raise RasterError(f"{path} is not there.", hint="Check the path.")
    state = path.stat()
    # A file that was written anew is another one.
    key = (str(path.resolve()), overview, state.st_mtime_ns, state.st_size, state.st_ino)
    if key not in _OPEN.datasets:
        while len(_OPEN.datasets) >= _MOST_OPEN:
            _OPEN.datasets.popitem(last=False)[1].close()
        options = {} if overview is None else {"overview_level": overview}
        _OPEN.datasets[key] = rasterio.open(path, **options)
    _OPEN.datasets.move_to_end(key)
    return _OPEN.datasets[key]


def read_window(path: Path, window: WindowPx, *, step: int = 1) -> NDArray[Any]:
    """Read all bands of a window as they are stored, nodata kept; every ``step``-th pixel.

    For the project's own rasters (change maps), whose bands are unknown in different places. The
    window must lie inside the raster.

    Raises:
        RasterError: the file is absent or its pixels cannot be decoded.
    """
    column, row, width, height = window
    shape = (-(-height // step), -(-width // step))
    with _opened(path) as dataset:
        return np.asarray(
            dataset.read(
                window=Window(column, row, width, height),
                out_shape=(dataset.count, *shape),
                resampling=Resampling.nearest,
            )
        )


def read_bands(
    path: Path, window: WindowPx, names: Sequence[str], *, step: int = 1
) -> dict[str, NDArray[np.float32]]:
    """Read the bands that are described by ``names``, every ``step``-th pixel of a window.

    For the project's own rasters, whose bands are known by description, never by number. Each is
    float32 (H, W) in the band's own unit, whatever it is stored as (an integer with a scale), NaN where
    it has no data; a band that the file lacks is NaN everywhere. The window must lie inside the raster.

    Raises:
        RasterError: the file is absent or its pixels cannot be decoded.
    """
    column, row, width, height = window
    shape = (-(-height // step), -(-width // step))
    with _opened(path) as dataset:
        numbers = {text: index for index, text in enumerate(dataset.descriptions, start=1) if text}
        wanted = [name for name in names if name in numbers]
        found = {name: np.full(shape, np.nan, np.float32) for name in names if name not in numbers}
        if wanted:
            stored_CHW = dataset.read(
                [numbers[name] for name in wanted],
                window=Window(column, row, width, height),
                out_shape=(len(wanted), *shape),
                resampling=Resampling.nearest,
            )
            for name, stored_HW in zip(wanted, stored_CHW, strict=True):
                band = numbers[name] - 1
                found[name] = _in_units(
                    stored_HW, dataset.nodatavals[band], dataset.scales[band], dataset.offsets[band]
                )
    return found


def _in_units(
    stored_HW: NDArray[Any], nodata: float | None, scale: float, offset: float
) -> NDArray[np.float32]:
    values_HW = stored_HW.astype(np.float32)
    if (scale, offset) != (1.0, 0.0):
        values_HW = values_HW * np.float32(scale) + np.float32(offset)
    if nodata is not None and not np.isnan(nodata):
        values_HW[stored_HW == nodata] = np.nan
    return values_HW


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with _translating(path), warnings.catch_warnings():
        # Said as CrsError by open_raster, with a hint.
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        if not path.is_file():
            raise RasterError(f"{path} is not there.", hint="Check the path.")
        with rasterio.open(path) as dataset:
            if dataset.count == 0 or dataset.width * dataset.height == 0:
                raise RasterError(f"{path} holds no pixels.", hint="Export it again.")
            yield dataset


class _Warnings(logging.Handler):
    """Keeps what GDAL only warns of, by thread: a broken JPEG block is filled in with grey."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.kept = threading.local()

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if "corrupt" in text.lower() or "premature end" in text.lower():
            self.kept.text = text


_WARNINGS = _Warnings()
logging.getLogger("rasterio").addHandler(_WARNINGS)


@contextmanager
def _translating(path: Path) -> Iterator[None]:
    _WARNINGS.kept.text = None
    try:
        yield
        if getattr(_WARNINGS.kept, "text", None):
            raise rasterio.errors.RasterioIOError(_WARNINGS.kept.text)
    except rasterio.errors.RasterioError as exc:
        raise RasterError(
            f"{path} cannot be read: {exc}", hint="The file is broken or not a raster: copy it again."
        ) from exc


def _crs_text(crs: Any) -> str:
    epsg = crs.to_epsg(confidence_threshold=90)
    return f"EPSG:{epsg}" if epsg else str(crs.to_wkt())
