"""What OpenDroneMap returns, written in the form of every stitch engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from shapely.geometry import box

from aerial import geo
from aerial.codec import read_json, sha256_file, write_json
from aerial.errors import InputError, NodeError, RasterError
from aerial.ortho.odm.fetch import DSM, ORTHO, SHOTS
from aerial.ortho.odm.told import Told
from aerial.progress import Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx, open_raster, read_on_grid
from aerial.raster.write import CogWriter
from aerial.records import Basis, FileRef, Georef, Hole, Mosaic, StitchJob, StitchQuality

_WINDOW_PX = 2048
_NODATA_M = -9999.0
# Holes are looked for in cells: at most so many a side.
_CELLS = 2048
_LEAST_HOLE_M2 = 1.0
# The engine, as its mosaics name it.
NAME, VERSION = "odm", "2"
# A camera this much farther from its own position than the others, and than GPS errs, is a false one.
_FAR_M, _FAR_RATIO = 30.0, 5.0


@dataclass(frozen=True, slots=True)
class Ground:
    """Which node worked, and what its log tells; ``told`` None where nothing was asked that it would."""

    node: str
    told: Told | None


@dataclass(frozen=True, slots=True)
class _Cover:
    """Where a raster holds pixels: its share of the outline, and the holes in it."""

    share: float
    holes: tuple[Hole, ...]


def normalise(
    job: StitchJob,
    work: Path,
    returned: Path,
    sent: Mapping[str, str],
    ground: Ground,
    seconds: Mapping[str, float],
    progress: Progress,
) -> Mosaic:
    """Write ``ortho.tif``, ``dsm.tif`` and ``quality.json`` into ``work`` and return the mosaic.

    ``returned`` holds the node's files under their own names; ``sent``: photograph -> name there.

    Raises:
        NodeError: there is no ortho, or it cannot be used.
    """
    ortho, dsm, shots = (returned / Path(name).name for name in (ORTHO, DSM, SHOTS))
    try:
        grid = _target_grid(ortho, job)
        cover = _rewrite(ortho, work / "ortho.tif", grid, "picture", progress)
        has_dsm = dsm.is_file()
        if has_dsm:
            _rewrite(dsm, work / "dsm.tif", grid, "heights", progress)
    except RasterError as error:
        raise NodeError(
            f"The stitching node {ground.node} returned no usable mosaic: {error}",
            hint="Look at the task on the node, or use the local engine.",
        ) from error
    used = _used(shots)
    unused = [file for file, name in sent.items() if used is not None and name not in used]
    off_m = _off_m(job, sent, used or {})
    basis, remarks = _basis(job, ground, off_m)
    if used is None:
        remarks.append("The node does not tell which photographs it used.")
    if not has_dsm:
        remarks.append("The node returned no surface model.")
    quality = StitchQuality(
        engine=NAME,
        engine_version=VERSION,
        photos=len(sent),
        registered=len(sent) - len(unused),
        rejected=dict.fromkeys(sorted(unused), "not joined by the node"),
        seconds=round(sum(seconds.values()), 3),
        seconds_by_stage=dict(seconds),
        gsd_m=grids.gsd_m(grid),
        georef=basis.how,
        residual_median_m=basis.residual_median_m,
        residual_p95_m=basis.residual_p95_m,
        reprojection_px=None,
        coverage=round(cover.share, 4),
        height_check=None,
        remarks=tuple(remarks),
        preset=job.preset,
        basis=basis,
        holes=cover.holes,
    )
    write_json(work / "quality.json", quality)
    how: Literal["reference", "gcp", "rtk", "gps"] = basis.how  # type: ignore[assignment]  # of _basis
    return Mosaic(
        ortho=FileRef(path="ortho.tif", sha256=sha256_file(work / "ortho.tif")),
        dsm=FileRef(path="dsm.tif", sha256=sha256_file(work / "dsm.tif")) if has_dsm else None,
        grid=grid,
        # The node does not say how good its positions are.
        georef=Georef(how=how, ce95_m=None),
        block=None,
    )


def _off_m(
    job: StitchJob, sent: Mapping[str, str], used: Mapping[str, geo.LonLat | None]
) -> dict[str, float]:
    """Return how far each camera of the node's block is from the photograph's own position, horizontally."""
    off = {}
    for photo in job.photos:
        camera = used.get(sent[photo.file])
        if camera is not None and photo.at is not None:
            off[photo.file] = geo.distance_m(camera, photo.at)
    return off


def _basis(job: StitchJob, ground: Ground, off_m: Mapping[str, float]) -> tuple[Basis, list[str]]:
    """Return what the mosaic stands on, by what the node's log confirms, and what is to be said of it."""
    told, remarks = ground.told, []
    rtk = all(photo.rtk_std_m is not None for photo in job.photos)
    how, source, points = ("rtk" if rtk else "gps"), "the photographs' positions", len(off_m)
    if job.gcp is not None and told is not None:
        if told.gcp_lines:
            how, source, points = "gcp", job.gcp.name, told.gcp_lines
        else:
            remarks.append(f"The node's log does not tell that it used {job.gcp.name}.")
    if job.previous is not None and told is not None:
        if told.aligned:
            how, source, points = "reference", f"heights of {job.previous.name}, by the node's align", 0
            remarks.append("The node aligned the survey by its heights, and does not say how well.")
        else:
            remarks.append(
                f"The node did not align the survey to {job.previous.name} ({told.why_not}): "
                "the two do not share a frame."
            )
    distances = np.array(sorted(off_m.values()))
    median, p95 = (
        (round(float(np.percentile(distances, share)), 3) for share in (50, 95))
        if len(distances)
        else (None, None)
    )
    far = [file for file, off in off_m.items() if off > max(_FAR_M, _FAR_RATIO * (median or 0))]
    if far:
        shown = ", ".join(f"{file} ({off_m[file]:.0f} m)" for file in far[:3])
        remarks.append(
            f"{len(far)} camera(s) of the node's block stand far from their own position: {shown}."
        )
    return Basis(how=how, source=source, points=points, residual_median_m=median, residual_p95_m=p95), remarks


def _target_grid(ortho: Path, job: StitchJob) -> Grid:
    """Return the grid of the mosaic: the job's CRS and pixel size, the node's extent."""
    info = open_raster(ortho)
    crs = job.crs or geo.metric_crs_at(grids.centre(info.grid))
    extent = geo.reproject(box(*grids.bounds(info.grid)).segmentize(50), info.grid.crs, crs).bounds
    x0, y0, x1, y1 = extent
    return grids.north_up(crs, (x0, y0, x1, y1), job.gsd_m or max(grids.gsd_m(info.grid), 0.05))


def _rewrite(
    source: Path, target: Path, grid: Grid, kind: Literal["picture", "heights"], progress: Progress
) -> _Cover:
    """Write ``source`` on ``grid`` as the project's COG, by windows; return where it is valid."""
    windows: list[WindowPx] = [
        (x, y, min(_WINDOW_PX, grid.width_px - x), min(_WINDOW_PX, grid.height_px - y))
        for y in range(0, grid.height_px, _WINDOW_PX)
        for x in range(0, grid.width_px, _WINDOW_PX)
    ]
    progress.phase(f"Writing {target.name}", len(windows))
    valid_px = 0
    cell_px = -(-max(grid.width_px, grid.height_px) // _CELLS)
    cells_HW = np.zeros((-(-grid.height_px // cell_px), -(-grid.width_px // cell_px)), bool)
    picture = kind == "picture"
    with CogWriter(
        target,
        grid,
        bands=3 if picture else 1,
        dtype="uint8" if picture else "float32",
        nodata=None if picture else _NODATA_M,
        mask=picture,
    ) as cog:
        for window in windows:
            data_CHW, valid_HW = read_on_grid(source, grid, window=window)
            if data_CHW.shape[0] < (3 if picture else 1) or (picture and data_CHW.dtype != np.uint8):
                raise RasterError(
                    f"{source.name} is not an 8-bit colour picture.", hint="Use ODM's default output."
                )
            data_CHW = data_CHW[:3] if picture else data_CHW[:1].astype(np.float32)
            cog.write(window, data_CHW, valid_HW)
            valid_px += int(valid_HW.sum())
            rows, columns = np.nonzero(valid_HW)
            cells_HW[(rows + window[1]) // cell_px, (columns + window[0]) // cell_px] = True
            progress.advance()
    if valid_px == 0:
        raise RasterError(f"{source.name} holds no pixels.", hint="Look at the task on the node.")
    return _cover(grid, cells_HW, cell_px, valid_px)


def _cover(grid: Grid, cells_HW: NDArray[np.bool_], cell_px: int, valid_px: int) -> _Cover:
    """Return the share of the outline that is valid, and the holes, largest first."""
    outline_HW = ndimage.binary_fill_holes(cells_HW)
    labels_HW, count = ndimage.label(outline_HW & ~cells_HW)
    area_m2 = (cell_px * grids.gsd_m(grid)) ** 2
    sizes = np.bincount(labels_HW.ravel(), minlength=count + 1)
    holes = []
    for label in sorted(range(1, count + 1), key=lambda n: -sizes[n]):
        if sizes[label] * area_m2 < _LEAST_HOLE_M2:
            break
        row, column = ndimage.center_of_mass(labels_HW == label)
        xy_12 = np.array([[(column + 0.5) * cell_px, (row + 0.5) * cell_px]])
        x, y = grids.pixel_to_world(grid, xy_12)[0]
        holes.append(
            Hole(
                at=geo.to_lonlat(grid.crs, float(x), float(y)),
                area_m2=round(float(sizes[label] * area_m2), 1),
            )
        )
    return _Cover(min(1.0, valid_px / max(int(outline_HW.sum()) * cell_px**2, 1)), tuple(holes))


def _used(path: Path) -> dict[str, geo.LonLat | None] | None:
    """Return the cameras of the node's block by name, with their positions; None where it does not say."""
    used: dict[str, geo.LonLat | None] = {}
    try:
        for feature in read_json(path)["features"]:
            used[str(feature["properties"]["filename"])] = _position(feature)
    except (InputError, KeyError, TypeError):
        return None
    return used


def _position(feature: Mapping[str, object]) -> geo.LonLat | None:
    geometry = feature.get("geometry")
    try:
        lon, lat = geometry["coordinates"][:2]  # type: ignore[index]  # whatever is there is tried
        return geo.LonLat(lon_deg=float(lon), lat_deg=float(lat))
    except (AttributeError, IndexError, KeyError, TypeError, ValueError, InputError):
        return None
