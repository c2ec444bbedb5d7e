"""Overlap achieved on ground with 150 m of relief: this project's plan beside a flat one.

Ridges, valleys and terraces of several seeds are written as a GeoTIFF of 5 m pixels and read back. Ours
follows the ground, lays lines as close as the ground wants, and adds what still falls short. The flat
plan flies the same rectangle at one height over its take-off point in the middle, with the spacing and
trigger distance of flat ground. Counted are photographs that show ground inside the border only: the least
and the 1st percentile of front and side overlap, and how many photographs show a point of the ground.

    python -m benchmarks.terrain [--seeds N N ...]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from shapely.geometry import Polygon

from aerial import geo
from aerial.geo import LonLat
from aerial.plan.check_overlap import shots_of
from aerial.plan.densify import shots_on
from aerial.plan.flight import plan_flight
from aerial.plan.flown import Segments, over_ground
from aerial.plan.ground import Ground, read_ground
from aerial.plan.job import Job
from aerial.plan.lines import Line, Piece
from aerial.plan.overlap import Shots, flat_spacing_m, footprint_m, overlaps
from aerial.plan.profiles import read_aircraft
from aerial.raster.grid import Grid, north_up
from aerial.raster.write import write_cog
from aerial.records import CameraProfile, Parameters, Plan
from benchmarks.machine import emit

Floats = NDArray[np.float64]

HOME = LonLat(lon_deg=113.95, lat_deg=22.88)
RELIEF_M, PIXEL_M, HALF_M = 150.0, 5.0, 1000.0
WIDTH_M, DEPTH_M, DIRECTION_RAD = 600.0, 500.0, 0.3
HEIGHT_M, FRONT, SIDE = 100.0, 0.8, 0.7
SEEDS = (201, 202, 203, 204, 205, 206)  # none of them was used in development
# Sensor and lens of the wide camera of DJI's Mavic 3 Enterprise (4/3 inch, 24 mm equivalent).
CAMERA = CameraProfile(
    name="m3e-wide", make="DJI", model="M3E", width_px=5280, height_px=3956, sensor_width_mm=17.3,
    sensor_height_mm=13.0, focal_mm=12.29, min_trigger_interval_s=0.7, source="DJI Mavic 3 Enterprise",
)  # fmt: skip


def write_dem(path: Path, seed: int) -> Path:
    """Write ridges and valleys, every third hill terraced, with ``RELIEF_M`` inside the rectangle flown."""
    x0, y0 = geo.from_lonlat("EPSG:4547", HOME)
    grid = north_up("EPSG:4547", (x0 - HALF_M, y0 - HALF_M, x0 + HALF_M, y0 + HALF_M), PIXEL_M)
    z_HW = relief(grid, seed)
    write_cog(path, grid, z_HW[None].astype(np.float32), nodata=-9999.0)
    return path


def relief(grid: Grid, seed: int) -> Floats:
    """Return heights: folded noise makes ridges; terraces step by 3 m on one kind of slope."""
    rng = np.random.default_rng(seed)
    shape = (grid.height_px, grid.width_px)

    def noise(sigma_m: float) -> Floats:
        field = gaussian_filter(rng.normal(size=shape), sigma_m / PIXEL_M)
        return field / field.std()

    ridges = 1.0 - np.sqrt(noise(140) ** 2 + 0.02)
    z_HW = 0.6 * noise(220) + 0.5 * ridges + 0.08 * noise(40) + 0.01 * noise(8)
    low, high = (f(z_HW[middle(shape)]) for f in (np.min, np.max))
    z_HW = 40 + (z_HW - low) / (high - low) * RELIEF_M
    # A terrace rises over a fifth of its tread.
    step_m = 3.0
    tread = z_HW / step_m
    terraced = step_m * (np.floor(tread) + np.clip((tread % 1 - 0.8) / 0.2, 0, 1))
    return np.where(noise(150) > 0.6, terraced, z_HW)


def middle(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Return the pixels around the rectangle."""
    half = int(0.5 * np.hypot(WIDTH_M, DEPTH_M) * 0.8 / PIXEL_M)
    return tuple(slice(n // 2 - half, n // 2 + half) for n in shape)


def lines_of(spacing_m: float) -> list[Piece]:
    """Return the lines over the rectangle: the one place that knows how they are laid."""
    count = int(np.ceil(DEPTH_M / spacing_m))
    across = (np.arange(count) - (count - 1) / 2) * (DEPTH_M / count)
    ends = np.array([[[-WIDTH_M / 2, v], [WIDTH_M / 2, v]] for v in across]) @ _turn()
    lines = tuple(Line(start=(float(a[0]), float(a[1])), end=(float(b[0]), float(b[1]))) for a, b in ends)
    return [Piece(direction_rad=DIRECTION_RAD, lines=lines)]


def rectangle() -> Polygon:
    """Return the rectangle flown, in the frame."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [WIDTH_M / 2, DEPTH_M / 2]
    return Polygon(corners @ _turn())


def _turn() -> Floats:
    cos, sin = np.cos(DIRECTION_RAD), np.sin(DIRECTION_RAD)
    return np.array([[cos, sin], [-sin, cos]])


def to_and_fro(pieces: Sequence[Piece]) -> list[Floats]:
    """Return the path over the lines in their order: each line, and the way to the next between."""
    legs: list[Floats] = []
    for k, line in enumerate(line for piece in pieces for line in piece.lines):
        ends = np.array([line.start, line.end] if k % 2 == 0 else [line.end, line.start])
        if legs:
            legs.append(np.vstack([legs[-1][1], ends[0]]))
        legs.append(ends)
    return legs


def job() -> Job:
    """Return what the planner is asked for: the rectangle, by the aircraft that ships for the camera."""
    return Job(
        area=geo.reproject(rectangle(), geo.local_frame(HOME), geo.WGS84),
        aircraft=read_aircraft("dji_mavic3_enterprise"),
        camera=CAMERA,
        parameters=Parameters(height_agl_m=HEIGHT_M, gsd_m=0.027, overlap_front=FRONT, overlap_side=SIDE),
        takeoffs=(HOME,),
        inputs={},
    )


def flown(plan: Plan, frame: str) -> tuple[list[Floats], list[Floats]]:
    """Return all legs of a plan, and those of the survey: x, y and height in the datum of the ground."""
    legs, surveyed = [], []
    for sortie in plan.sorties:
        for leg in sortie.legs:
            lonlat = np.array([[p.at.lon_deg, p.at.lat_deg, p.height_above_takeoff_m] for p in leg.path])
            x, y = geo.transform(geo.WGS84, frame, lonlat[:, 0], lonlat[:, 1])
            legs.append(np.column_stack([x, y, lonlat[:, 2] + (sortie.takeoff_amsl_m or 0.0)]))
            if leg.kind == "survey":
                surveyed.append(legs[-1])
    return legs, surveyed


def judge(
    ground: Ground, shots: Shots, path: Sequence[Floats], surveyed: Sequence[Floats], spacing_m: float
) -> dict[str, Any]:
    """Return what a flight achieves."""
    start = time.perf_counter()
    found = overlaps(CAMERA, ground, shots, spacing_m=spacing_m)
    seconds = time.perf_counter() - start
    across, along = footprint_m(CAMERA, HEIGHT_M)
    inner = shapely.contains_xy(rectangle().buffer(-across / 2), shots.xyz_N3[:, :2])
    has_next = inner & np.append(np.diff(shots.line_N) == 0, False)
    points = np.vstack([np.column_stack([leg[:-1], leg[1:]]) for leg in path])
    segments = Segments(
        start_S2=points[:, :2], end_S2=points[:, 3:5], start_above_S=points[:, 2], end_above_S=points[:, 5],
        sortie_S=np.zeros(len(points), np.intp), leg_S=np.zeros(len(points), np.intp),
    )  # fmt: skip
    over = over_ground(ground, segments, np.zeros(len(points)))
    seen = times_seen(ground, shots, along, across)
    return {
        "photos": len(shots.line_N),
        "lines": int(shots.line_N.max()) + 1,
        "survey_m": round(float(sum(np.hypot(*(leg[-1, :2] - leg[0, :2])) for leg in surveyed))),
        "front_min": _least(found.front_N[has_next]), "front_p1": _least(found.front_N[has_next], 1),
        "side_min": _least(found.side_N[inner]), "side_p1": _least(found.side_N[inner], 1),
        "seen_min": int(seen.min()), "seen_p1": int(np.percentile(seen, 1)),
        "true_height_m": [round(float(over.least_K.min()), 1), round(float(over.most_K.max()), 1)],
        "cast_s": round(seconds, 3),
    }  # fmt: skip


def _least(shares: Floats, percent: float = 0) -> float:
    # A picture that is under the ground or meets none shares nothing.
    return round(float(np.percentile(np.nan_to_num(shares, nan=0.0), percent)), 4)


def times_seen(ground: Ground, shots: Shots, along_m: float, across_m: float) -> NDArray[np.int_]:
    """Return how many photographs show each point of a 10 m lattice a footprint inside the border.

    Not by the planner's rays: points are projected, and hidden where the ground rises over the ray.
    """
    u, v = np.meshgrid(
        np.arange(-WIDTH_M / 2 + along_m, WIDTH_M / 2 - along_m + 1, 10.0),
        np.arange(-DEPTH_M / 2 + across_m, DEPTH_M / 2 - across_m + 1, 10.0),
    )
    xy = np.column_stack([u.ravel(), v.ravel()]) @ _turn()
    z = ground.at(xy)
    count = np.zeros(len(xy), int)
    half_across, half_along = CAMERA.sensor_width_mm / 2, CAMERA.sensor_height_mm / 2
    for camera, yaw in zip(shots.xyz_N3, shots.yaw_rad_N, strict=True):
        depth = camera[2] - z
        away = xy - camera[:2]
        forward = away[:, 0] * np.cos(yaw) + away[:, 1] * np.sin(yaw)
        left = away[:, 1] * np.cos(yaw) - away[:, 0] * np.sin(yaw)
        inside = (depth > 1) & (np.abs(forward) * CAMERA.focal_mm <= half_along * depth)
        (at,) = np.nonzero(inside & (np.abs(left) * CAMERA.focal_mm <= half_across * depth))
        share = np.linspace(0.02, 0.98, 25)[:, None]
        way = xy[at] + share[..., None] * (camera[:2] - xy[at])
        free = (z[at] + share * (camera[2] - z[at]) >= ground.at(way) - 0.05).all(axis=0)
        count[at[free]] += 1
    return count


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    options = parser.parse_args()
    frame = geo.local_frame(HOME)
    spacing_m, trigger_m = flat_spacing_m(CAMERA, HEIGHT_M, FRONT, SIDE)
    implied = int(1 / (1 - FRONT) + 1e-9) * int(1 / (1 - SIDE) + 1e-9)
    rows, failed = {}, []
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            dem = write_dem(Path(folder) / "dem.tif", seed)
            ground = read_ground(dem, frame, (-700.0, -700.0, 700.0, 700.0))
        start = time.perf_counter()
        plan = plan_flight(job(), ground=ground)
        seconds = time.perf_counter() - start
        legs, surveyed = flown(plan, frame)
        base_N = np.array([sortie.takeoff_amsl_m for sortie in plan.sorties], float)
        ours = judge(ground, shots_of(plan, frame, base_N), legs, surveyed, plan.line_spacing_m)
        ours |= {"plan_s": round(seconds, 2), "said": [f.message for f in plan.findings if f.level == "warn"]}
        plain = lines_of(spacing_m)
        level_m = float(ground.at(np.zeros((1, 2)))[0]) + HEIGHT_M
        path = [np.column_stack([leg, np.full(2, level_m)]) for leg in to_and_fro(plain)]
        shots = shots_on(plain, path[::2], (trigger_m,) * len(plain[0].lines), -90.0)
        flat = judge(ground, shots, path, path[::2], spacing_m)
        rows[str(seed)] = {"ours": ours, "flat": flat}
        print(seed, rows[str(seed)], file=sys.stderr, flush=True)
        for key, wanted in (("front_min", FRONT), ("side_min", SIDE), ("seen_min", implied)):
            if ours[key] < wanted:
                failed.append(f"seed {seed}: {key} {ours[key]} of {wanted}")
    return emit(
        "terrain",
        {"asked": {"front": FRONT, "side": SIDE, "seen": implied}, "relief_m": RELIEF_M, "seeds": rows},
        failed=failed,
    )


if __name__ == "__main__":
    sys.exit(main())
