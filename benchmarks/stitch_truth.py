"""How far a stitched mosaic is from the truth of a simulated town.

A mosaic that stands on GPS lies a metre or two off as a whole. That common shift (the median of
all windows) is told and taken off; every other figure is about what remains. Positions are metres
in the town's metric CRS.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import contains_xy, prepare, transform
from shapely.geometry import Polygon, shape

from aerial import geo
from aerial.camera import Camera, Pose
from aerial.codec import read_json
from aerial.raster.grid import Grid, north_up, world_to_pixel
from aerial.raster.read import open_raster, read_on_grid
from aerial.raster.shapes import burn
from aerial.simulate.score import read_truth

Floats = NDArray[np.float64]
Reals = NDArray[np.float32]

WINDOW_M = 12.8
GSD_M = 0.05
MIN_RESPONSE = 0.2
# Rows of crops correlate as well one row further on; such windows are counted apart.
ALIASED_M = 1.0
MOST_WINDOWS = 2500
ROOF_M2 = 20.0
# Photographs further off than this from their true place, after what the block has in common, are false.
FALSE_CAMERA_M = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Roof:
    """A roof of the truth: outline, median height, area of the outline."""

    outline: Polygon
    height_m: float
    area_m2: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """The truth of one flight; ``shift_m``: how far its GPS is off, east and north."""

    ortho: Path
    dsm: Path
    crs: str
    cell: Polygon
    roofs: tuple[Roof, ...]
    camera: Camera
    poses: dict[str, Pose]
    shift_m: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Displacement of windows, stitched minus true: middle ``at_N2`` and ``moved_N2``, east and north."""

    at_N2: Floats
    moved_N2: Floats

    @property
    def common_2(self) -> Floats:
        """The shift that the whole mosaic has."""
        return np.asarray(np.median(self.moved_N2, axis=0))

    @property
    def aliased(self) -> NDArray[np.bool_]:
        """Windows that locked on to another row of crops."""
        return np.asarray(np.hypot(*(self.moved_N2 - self.common_2).T) > ALIASED_M)

    def about(self, at_N2: Floats) -> Floats:
        """Return the displacement that the mosaic as a whole has at places: the affine map of its windows.

        GPS noise also turns and stretches a block by some decimetres from end to end; no roof leans by it.
        """
        sound_N = ~self.aliased
        terms_N3, asked_N3 = (
            np.column_stack([np.ones(len(xy_N2)), xy_N2 - self.at_N2.mean(axis=0)])
            for xy_N2 in (self.at_N2[sound_N], at_N2)
        )
        fitted_32, *_ = np.linalg.lstsq(terms_N3, self.moved_N2[sound_N], rcond=None)
        return np.asarray(asked_N3 @ fitted_32)


def read_epoch(simulated: Path, number: int) -> Epoch:
    """Return the truth of one epoch of a simulated town, the roofs inside its cell."""
    truth = read_truth(simulated)
    folder = simulated / "truth" / f"epoch{number}"
    told = read_json(folder / "cameras.json")
    roofs = []
    for feature in read_json(simulated / "truth" / "roofs.geojson")["features"]:
        properties = feature["properties"]
        outline = geo.reproject(shape(feature["geometry"]), geo.WGS84, truth.crs)
        if (
            properties["epoch"] == number
            and properties["area_m2"] >= ROOF_M2
            and truth.cell.contains(outline)
        ):
            roofs.append(
                Roof(outline=outline, height_m=properties["height_m"], area_m2=properties["area_m2"])
            )
    return Epoch(
        ortho=folder / "ortho.tif",
        dsm=folder / "dsm.tif",
        crs=truth.crs,
        cell=truth.cell,
        roofs=tuple(roofs),
        camera=Camera(**{**told["camera"], "distortion": tuple(told["camera"]["distortion"])}),
        poses={
            photo["file"]: Pose(
                rotation_33=np.array(photo["rotation_33"]), centre_3=np.array(photo["centre_m"])
            )
            for photo in told["photos"]
        },
        shift_m=truth.gps_shift_m[number - 1],
    )


def _gradient(path: Path, grid: Grid) -> tuple[Reals, NDArray[np.bool_]]:
    data_CHW, valid_HW = read_on_grid(path, grid)
    grey_HW = data_CHW[:3].mean(axis=0).astype(np.float32)
    return np.hypot(cv2.Sobel(grey_HW, cv2.CV_32F, 1, 0), cv2.Sobel(grey_HW, cv2.CV_32F, 0, 1)), valid_HW


def shifted(grid: Grid, shift_2: Sequence[float] | Floats) -> Grid:
    a, b, c, d, e, f = grid.affine
    return replace(grid, affine=(a, b, c + float(shift_2[0]), d, e, f + float(shift_2[1])))


def displacements(
    stitched: Path, true: Path, cell: Polygon, crs: str, about_m: tuple[float, float] = (0.0, 0.0)
) -> Moved:
    """Measure where the picture of each window of the cell lies, by phase correlation of gradients.

    ``about_m``: the shift to look around. Windows that do not correlate are left out.
    """
    side = round(WINDOW_M / GSD_M)
    hann_HW = cv2.createHanningWindow((side, side), cv2.CV_32F)
    step = max(WINDOW_M / 2, float(np.sqrt(cell.area / MOST_WINDOWS)))
    x0, y0, x1, y1 = cell.bounds
    at, moved = [], []
    prepare(cell)
    for x in np.arange(x0, x1 - WINDOW_M, step):
        for y in np.arange(y0, y1 - WINDOW_M, step):
            middle = x + WINDOW_M / 2, y + WINDOW_M / 2
            if not contains_xy(cell, *middle):
                continue
            grid = north_up(crs, (x, y, x + WINDOW_M, y + WINDOW_M), GSD_M)
            a_HW, a_valid_HW = _gradient(true, grid)
            b_HW, b_valid_HW = _gradient(stitched, shifted(grid, about_m))
            if not (a_valid_HW.all() and b_valid_HW.all()):
                continue
            (dx, dy), response = cv2.phaseCorrelate(a_HW[:side, :side], b_HW[:side, :side], hann_HW)
            if response >= MIN_RESPONSE:
                at.append(middle)
                moved.append((dx * GSD_M + about_m[0], -dy * GSD_M + about_m[1]))
    return Moved(at_N2=np.array(at).reshape(-1, 2), moved_N2=np.array(moved).reshape(-1, 2))


def ortho_figures(moved: Moved) -> dict[str, Any]:
    """Return RMS and 95th percentile of what remains of the displacements, and the common shift."""
    left_N = np.hypot(*(moved.moved_N2 - moved.common_2)[~moved.aliased].T)
    return {
        "ortho_rms_m": round(float(np.sqrt((left_N**2).mean())), 3),
        "ortho_p95_m": round(float(np.percentile(left_N, 95)), 3),
        "windows": len(left_N),
        "windows_aliased": int(moved.aliased.sum()),
        "common_shift_m": [round(float(v), 2) for v in moved.common_2],
    }


def between_figures(first: Moved, second: Moved) -> dict[str, Any]:
    """Return how far two mosaics of one frame disagree, window by window, before any registration.

    Each is measured against the truth under its own light, so that shadows that turned do not count.
    """
    place = {tuple(at): index for index, at in enumerate(first.at_N2.tolist())}
    pairs = [
        (place[tuple(at)], index) for index, at in enumerate(second.at_N2.tolist()) if tuple(at) in place
    ]
    one, two = (np.array(side, int) for side in zip(*pairs, strict=True))
    sound_N = ~first.aliased[one] & ~second.aliased[two]
    apart_N = np.hypot(*(second.moved_N2[two] - first.moved_N2[one])[sound_N].T)
    return {
        "between_rms_m": round(float(np.sqrt((apart_N**2).mean())), 3),
        "between_median_px": round(float(np.median(apart_N)) / GSD_M, 2),
        "between_p95_px": round(float(np.percentile(apart_N, 95)) / GSD_M, 2),
        "between_p95_m": round(float(np.percentile(apart_N, 95)), 3),
    }


def surface_figures(dsm: Path, true_dsm: Path, cell: Polygon, shift_2: Floats) -> dict[str, Any]:
    """Return the errors of the surface model inside the cell, the common height offset taken off.

    ``dome_m``: how much higher the middle is than ground 50 m around it, of the paraboloid that fits
    the errors of less than a metre: what a wrong lens bends.
    """
    grid = open_raster(dsm).grid
    x0, y0, x1, y1 = cell.bounds
    size = max(grid.affine[0], float(np.sqrt(cell.area / 2e6)))
    errors, places, missing, asked = [], [], 0, 0
    for top in np.arange(y1, y0, -64.0):
        strip = north_up(grid.crs, (x0, max(y0, top - 64.0), x1, top), size)
        true_CHW, true_HW = read_on_grid(true_dsm, strip, resampling="nearest")
        made_CHW, made_HW = read_on_grid(dsm, shifted(strip, shift_2), resampling="nearest")
        inside_HW = true_HW & burn(
            transform(cell, lambda xy_N2, strip=strip: world_to_pixel(strip, xy_N2)),
            strip.width_px,
            strip.height_px,
        )
        both_HW = inside_HW & made_HW
        asked, missing = asked + int(inside_HW.sum()), missing + int((inside_HW & ~made_HW).sum())
        errors.append((made_CHW[0] - true_CHW[0])[both_HW])
        row_N, column_N = np.nonzero(both_HW)
        places.append(np.column_stack([column_N, row_N]) * [size, -size] + [strip.affine[2], strip.affine[5]])
    error_N, at_N2 = np.concatenate(errors), np.concatenate(places)
    offset_m = float(np.median(error_N))
    error_N = error_N - offset_m
    near_N = np.abs(error_N) < 1.0
    x_N, y_N = ((at_N2[near_N] - [cell.centroid.x, cell.centroid.y]) / 50).T
    terms_N4 = np.column_stack([np.ones_like(x_N), x_N, y_N, x_N**2 + y_N**2])
    fitted_4, *_ = np.linalg.lstsq(terms_N4, error_N[near_N], rcond=None)
    return {
        "dsm_offset_m": round(offset_m, 2),
        "dsm_median_m": round(float(np.median(np.abs(error_N))), 3),
        "dsm_nmad_m": round(1.4826 * float(np.median(np.abs(error_N))), 3),
        "dsm_p95_m": round(float(np.percentile(np.abs(error_N), 95)), 2),
        "dsm_dome_m": round(-float(fitted_4[3]), 3),
        "dsm_empty": round(missing / max(asked, 1), 4),
    }


def burnt(outline: Polygon, grid: Grid) -> NDArray[np.bool_]:
    return burn(transform(outline, lambda xy_N2: world_to_pixel(grid, xy_N2)), grid.width_px, grid.height_px)


def false_cameras(block: dict[str, Any], poses: dict[str, Pose]) -> dict[str, Any]:
    """Compare a block's poses (``block.json``) with the truth, after the similarity that most share."""
    told = [photo for photo in block["photos"] if Path(photo["file"]).name in poses]
    made_N3 = np.array([photo["centre"] for photo in told]).reshape(-1, 3) + np.array(block["origin"])
    true_N3 = np.array([poses[Path(photo["file"]).name].centre_3 for photo in told]).reshape(-1, 3)
    apart_N = np.linalg.norm(made_N3 - true_N3 - np.median(made_N3 - true_N3, axis=0), axis=1)
    for _ in range(5):
        # Half of the cameras always take part; of the others those that fit.
        good_N = apart_N <= max(float(np.median(apart_N)), FALSE_CAMERA_M)
        apart_N = np.linalg.norm(_laid(made_N3, true_N3, good_N) - true_N3, axis=1)
    return {
        "cameras": len(told),
        "cameras_false": int((apart_N > FALSE_CAMERA_M).sum()),
        "cameras_median_m": round(float(np.median(apart_N)), 3),
        "cameras_worst_m": round(float(apart_N.max()), 2),
    }


def _laid(made_N3: Floats, true_N3: Floats, good_N: NDArray[np.bool_]) -> Floats:
    """Lay the first on the second by the similarity of the good ones (Umeyama 1991)."""
    a_3, b_3 = made_N3[good_N].mean(axis=0), true_N3[good_N].mean(axis=0)
    a_N3, b_N3 = made_N3[good_N] - a_3, true_N3[good_N] - b_3
    u_33, s_3, vt_33 = np.linalg.svd(b_N3.T @ a_N3)
    sign_3 = np.array([1.0, 1.0, np.sign(np.linalg.det(u_33) * np.linalg.det(vt_33))])
    scale = float((s_3 * sign_3).sum() / (a_N3**2).sum())
    return np.asarray(b_3 + scale * (made_N3 - a_3) @ (u_33 * sign_3 @ vt_33).T)
