"""What OpenDroneMap returns, written in the form of every stitch engine."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from shapely.geometry import box

from aerial import geo
from aerial.codec import read_json, sha256_file, write_json
from aerial.errors import InputError, NodeError, RasterError
from aerial.progress import Progress
from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx, open_raster, read_on_grid
from aerial.raster.write import CogWriter
from aerial.records import FileRef, Georef, Mosaic, StitchJob, StitchQuality

ORTHO, DSM, SHOTS = "odm_orthophoto/odm_orthophoto.tif", "odm_dem/dsm.tif", "odm_report/shots.geojson"
_WINDOW_PX = 2048
_NODATA_M = -9999.0


def normalise(
    job: StitchJob,
    work: Path,
    returned: Path,
    sent: Mapping[str, str],
    node: str,
    seconds: float,
    progress: Progress,
) -> Mosaic:
    """Write ``ortho.tif``, ``dsm.tif`` and ``quality.json`` into ``work`` and return the mosaic.

    ``returned`` holds the node's files under their own names; ``sent``: photograph -> name there.

    Raises:
        NodeError: there is no ortho, or it cannot be used.
    """
    try:
        grid = _target_grid(returned / "odm_orthophoto.tif", job)
        covered = _rewrite(returned / "odm_orthophoto.tif", work / "ortho.tif", grid, "picture", progress)
        has_dsm = (returned / "dsm.tif").is_file()
        if has_dsm:
            _rewrite(returned / "dsm.tif", work / "dsm.tif", grid, "heights", progress)
    except RasterError as error:
        raise NodeError(
            f"The stitching node {node} returned no usable mosaic: {error}",
            hint="Look at the task on the node, or use the local engine.",
        ) from error
    used = _used(returned / "shots.geojson")
    unused = [file for file, name in sent.items() if used is not None and name not in used]
    quality = StitchQuality(
        engine="odm",
        engine_version="1",
        photos=len(sent),
        registered=len(sent) - len(unused),
        rejected=dict.fromkeys(sorted(unused), "not joined by the node"),
        seconds=seconds,
        seconds_by_stage={"node": seconds},
        gsd_m=grids.gsd_m(grid),
        georef="gps",
        residual_median_m=None,
        residual_p95_m=None,
        reprojection_px=None,
        coverage=covered,
        height_check=None,
        remarks=("The node does not tell which photographs it used.",) if used is None else (),
    )
    write_json(work / "quality.json", quality)
    return Mosaic(
        ortho=FileRef(path="ortho.tif", sha256=sha256_file(work / "ortho.tif")),
        dsm=FileRef(path="dsm.tif", sha256=sha256_file(work / "dsm.tif")) if has_dsm else None,
        grid=grid,
        # The node knows GPS and nothing better, and does not say how good it is.
        georef=Georef(how="gps", ce95_m=None),
        block=None,
    )


def _target_grid(ortho: Path, job: StitchJob) -> Grid:
    """Return the grid of the mosaic: the job's CRS and pixel size, the node's extent."""
    info = open_raster(ortho)
    crs = job.crs or geo.metric_crs_at(grids.centre(info.grid))
    extent = geo.reproject(box(*grids.bounds(info.grid)).segmentize(50), info.grid.crs, crs).bounds
    x0, y0, x1, y1 = extent
    return grids.north_up(crs, (x0, y0, x1, y1), job.gsd_m or max(grids.gsd_m(info.grid), 0.05))


def _rewrite(
    source: Path, target: Path, grid: Grid, kind: Literal["picture", "heights"], progress: Progress
) -> float:
    """Write ``source`` on ``grid`` as the project's COG, by windows; return the share that is valid."""
    windows: list[WindowPx] = [
        (x, y, min(_WINDOW_PX, grid.width_px - x), min(_WINDOW_PX, grid.height_px - y))
        for y in range(0, grid.height_px, _WINDOW_PX)
        for x in range(0, grid.width_px, _WINDOW_PX)
    ]
    progress.phase(f"Writing {target.name}", len(windows))
    valid_px = 0
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
            progress.advance()
    if valid_px == 0:
        raise RasterError(f"{source.name} holds no pixels.", hint="Look at the task on the node.")
    return valid_px / (grid.width_px * grid.height_px)


def _used(path: Path) -> set[str] | None:
    """Return the names of the photographs in the node's block, None where it does not say."""
    try:
        features = read_json(path)["features"]
        return {str(feature["properties"]["filename"]) for feature in features}
    except (InputError, KeyError, TypeError):
        return None
