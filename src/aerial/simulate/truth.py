"""Writes what is true: poses, ortho and DSM straight from above, changes, distractors, zones, roofs."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import contains_xy
from shapely.affinity import translate
from shapely.geometry import Polygon, mapping
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from aerial import geo
from aerial.camera import Camera
from aerial.codec import write_json
from aerial.progress import Progress
from aerial.raster.grid import Grid, bounds, north_up, world_to_pixel
from aerial.raster.read import read_window
from aerial.raster.write import CogWriter
from aerial.simulate.changes import Change
from aerial.simulate.distractors import Distractor
from aerial.simulate.flight import Shot
from aerial.simulate.photograph import tone_curve
from aerial.simulate.scene import Scene, drop
from aerial.simulate.shade import Light, look
from aerial.simulate.town import CRS, ORIGIN_XY, Building, outline

START_M = 300.0
BAND_RAYS = 2_000_000


def to_world(shape: BaseGeometry) -> BaseGeometry:
    """Return a shape of the local frame in ``CRS``."""
    return translate(shape, *ORIGIN_XY)


def grid_over(area: Polygon, gsd_m: float) -> Grid:
    """Return the truth's grid over a polygon of the local frame."""
    return north_up(CRS, to_world(area).bounds, gsd_m)


def rows_at_once(grid: Grid) -> int:
    """Return how many rows of the truth are made at once: memory does not grow with the town."""
    return max(1, min(256, BAND_RAYS // grid.width_px))


def write_rasters(folder: Path, scene: Scene, light: Light, grid: Grid, progress: Progress) -> None:
    """Write ``ortho.tif`` and ``dsm.tif`` as seen straight from above."""
    x0, _, _, y1 = bounds(grid)
    width, height, gsd_m = grid.width_px, grid.height_px, grid.affine[0]
    xs = (np.arange(width) + 0.5) * gsd_m + x0 - ORIGIN_XY[0]
    ys = y1 - (np.arange(height) + 0.5) * gsd_m - ORIGIN_XY[1]
    rows = rows_at_once(grid)
    curve = tone_curve()
    with (
        CogWriter(folder / "ortho.tif", grid, bands=3, dtype="uint8", compress="JPEG") as ortho,
        CogWriter(folder / "dsm.tif", grid, bands=1, dtype="float32", nodata=-9999.0) as dsm,
    ):
        for row in range(0, height, rows):
            x_HW, y_HW = np.meshgrid(xs, ys[row : row + rows])
            starts_N3 = np.column_stack([x_HW.ravel(), y_HW.ravel(), np.full(x_HW.size, START_M)]).astype(
                np.float32
            )
            down_N3 = np.ascontiguousarray(np.broadcast_to(np.array([0, 0, -1], np.float32), starts_N3.shape))
            radiance_N3, reach_N = look(scene, starts_N3, down_N3, light, 0.0)
            image_HW3 = curve[np.clip(radiance_N3 * 0.98 * 4095, 0, 4095).astype(np.uint16)].reshape(
                *x_HW.shape, 3
            )
            height_HW = np.asarray(START_M - reach_N, np.float32).reshape(x_HW.shape)
            window = (0, row, width, len(height_HW))
            ortho.write(window, np.ascontiguousarray(image_HW3.transpose(2, 0, 1)))
            dsm.write(window, height_HW[None])
            progress.advance()


def write_cameras(path: Path, camera: Camera, shots: tuple[Shot, ...]) -> None:
    """Write the true intrinsics and poses; positions in ``CRS``, metres, rotation world to camera."""
    write_json(
        path,
        {
            "crs": CRS,
            "camera": camera,
            "photos": [
                {
                    "file": shot.name,
                    "centre_m": _world_3(shot.pose.centre_3),
                    "rotation_33": shot.pose.rotation_33.tolist(),
                    "gps_m": _world_3(shot.gps_3),
                }
                for shot in shots
            ],
        },
    )


def _world_3(local_3: NDArray[np.float64]) -> list[float]:
    return [float(local_3[0] + ORIGIN_XY[0]), float(local_3[1] + ORIGIN_XY[1]), float(local_3[2])]


def write_geojson(path: Path, features: list[tuple[BaseGeometry, dict[str, Any]]]) -> None:
    """Write shapes of the local frame as RFC 7946 features, lon, lat to 1e-8 degree (1 mm)."""
    write_json(
        path,
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "properties": properties, "geometry": _lonlat(shape)}
                for shape, properties in features
            ],
        },
    )


def _lonlat(shape: BaseGeometry) -> dict[str, Any]:
    def rounded(part: Any) -> Any:
        return [rounded(item) for item in part] if isinstance(part, list | tuple) else round(part, 8)

    moved = geo.reproject(to_world(shape), CRS, geo.WGS84)
    if isinstance(moved, Polygon):
        # RFC 7946 asks for counter-clockwise outer rings.
        moved = orient(moved)
    plain = mapping(moved)
    return {"type": plain["type"], "coordinates": rounded(plain["coordinates"])}


def change_features(changes: tuple[Change, ...]) -> list[tuple[BaseGeometry, dict[str, Any]]]:
    """Return the true changes as features."""
    return [
        (
            change.outline,
            {
                "id": f"T{index:03d}",
                "kind": change.kind,
                "what": change.what,
                "height_change_m": round(change.height_change_m, 2),
                "area_m2": round(change.outline.area, 2),
                "permit": change.permit,
            },
        )
        for index, change in enumerate(changes, start=1)
    ]


def heights_in(scene: Scene, outline_local: Polygon) -> NDArray[np.float32]:
    """Return surface heights at points every 0.2 m inside an outline, the same points for each scene."""
    x0, y0, x1, y1 = outline_local.bounds
    x_HW, y_HW = np.meshgrid(np.arange(x0, x1, 0.2) + 0.1, np.arange(y0, y1, 0.2) + 0.1)
    inside_HW = contains_xy(outline_local.buffer(-0.2), x_HW, y_HW)
    return drop(scene.embree, x_HW[inside_HW], y_HW[inside_HW])


def distractor_features(distractors: tuple[Distractor, ...]) -> list[tuple[BaseGeometry, dict[str, Any]]]:
    """Return the distractors as features."""
    return [(d.outline, {"kind": d.kind}) for d in distractors]


def shadows(buildings: tuple[Building, ...], light: Light, epoch: int) -> list[Distractor]:
    """Return where buildings cast their shadows on level ground."""
    east, north, up = (float(value) for value in light.to_sun_3)
    cast = []
    for b in buildings:
        base = outline(b.plot)
        moved = translate(base, -east / up * b.height_m, -north / up * b.height_m)
        hull = base.union(moved).convex_hull.difference(base)
        if isinstance(hull, Polygon) and not hull.is_empty:
            cast.append(Distractor(kind=f"shadow of epoch {epoch}", outline=hull))
    return cast


def roof_features(
    buildings: tuple[Building, ...], dsm: Path, grid: Grid, epoch: int
) -> list[tuple[BaseGeometry, dict[str, Any]]]:
    """Return building outlines with the median height of the true DSM within, half a metre off the rim.

    Buildings that reach out of the grid are left out.
    """
    features: list[tuple[BaseGeometry, dict[str, Any]]] = []
    for b in buildings:
        ring = np.array(outline(b.plot, -0.5).exterior.coords) + ORIGIN_XY
        pixels = world_to_pixel(grid, ring)
        low, high = np.floor(pixels.min(axis=0)).astype(int), np.ceil(pixels.max(axis=0)).astype(int)
        if (low < 0).any() or high[0] > grid.width_px or high[1] > grid.height_px or b.scaffold:
            continue
        mask = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
        cv2.fillPoly(mask, [np.round(pixels - low - 0.5).astype(np.int32)], 1)
        window = (int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1]))
        heights = read_window(dsm, window)[0][mask > 0]
        if heights.size:
            properties = {
                "id": b.number,
                "epoch": epoch,
                "roof": b.roof,
                "area_m2": round(outline(b.plot).area, 2),
                "height_m": round(float(np.median(heights)), 3),
            }
            features.append((outline(b.plot), properties))
    return features
