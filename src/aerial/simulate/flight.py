"""The survey flight: the camera as it really is, and where each photograph was taken."""

import dataclasses
import tomllib
from datetime import datetime, timedelta, timezone

import numpy as np
from shapely.geometry import Polygon

from aerial.camera import Camera, Pose, nadir_rotation
from aerial.records.record import record
from aerial.resources import camera_file
from aerial.simulate.presets import Preset, stream
from aerial.simulate.town import Floats, Plot, outline

CAMERA = "dji_fc6310"
CHINA = timezone(timedelta(hours=8))
# The first survey, and the second a baseline later.
DATES = (datetime(2025, 3, 11, 10, 20, tzinfo=CHINA), datetime(2025, 6, 17, 14, 35, tzinfo=CHINA))
SPEED_MPS = 6.0
GPS_BIAS_M = 1.5
GPS_NOISE_M = 0.35


@record
class CameraFile:
    """What a camera's TOML file says: the maker's figures."""

    make: str
    model: str
    width_px: int
    height_px: int
    sensor_width_mm: float
    sensor_height_mm: float
    focal_mm: float
    focal_35mm: int
    f_number: float
    exposure_s: float
    distortion: tuple[float, float, float, float]


@record
class Shot:
    """One photograph: its true pose, and what the aircraft says of it.

    ``gps_3`` is in the local frame, metres; ``gimbal_deg`` is (yaw, pitch, roll) as reported;
    ``blur_px`` the travel during the exposure; ``exposure`` and ``colour_3`` how bright and tinted.
    """

    name: str
    taken_at: datetime
    pose: Pose
    gps_3: Floats
    relative_height_m: float
    gimbal_deg: tuple[float, float, float]
    flight_yaw_deg: float
    blur_px: tuple[float, float]
    exposure: float
    colour_3: tuple[float, float, float]


def read_camera() -> CameraFile:
    """Return the camera that the simulator flies."""
    values = tomllib.loads(camera_file(CAMERA).read_text(encoding="utf-8"))
    needed = {field.name: values[field.name] for field in dataclasses.fields(CameraFile)}
    return CameraFile(**{**needed, "distortion": tuple(values["distortion"])})


def true_camera(file: CameraFile, preset: Preset, seed: int, epoch: int) -> Camera:
    """Return one camera of the series: focal length within 1 % of the label, its own distortion.

    Both epochs may be flown with the same aircraft: the distortion is the town's, the focal length
    moves a little with the temperature.
    """
    rng = stream(seed, "camera")
    width = preset.width_px
    height = width * file.height_px // file.width_px
    label_px = file.focal_mm / file.sensor_width_mm * width
    focal_px = label_px * (
        1 + float(rng.uniform(-0.009, 0.009)) + float(stream(seed, "lens", epoch).uniform(-1e-3, 1e-3))
    )
    k1, k2, p1, p2 = np.array(file.distortion) + rng.normal(0, [0.012, 0.006, 2e-4, 2e-4])
    dx, dy = rng.normal(0, 0.003, 2) * width
    return Camera(
        width_px=width,
        height_px=height,
        focal_x_px=focal_px,
        focal_y_px=focal_px,
        centre_x_px=width / 2 + float(dx),
        centre_y_px=height / 2 + float(dy),
        distortion=(float(k1), float(k2), float(p1), float(p2)),
    )


def flight_yaw_deg(seed: int) -> float:
    """Return the azimuth of the flight lines, clockwise from north."""
    return float(stream(seed, "heading").uniform(-60, 60))


def cell_plot(preset: Preset, seed: int) -> Plot:
    """Return the cell: the rectangle that the projection centres span, and little more."""
    across_m, along_m = _spacing_m(preset)
    return Plot(
        x_m=0.0,
        y_m=0.0,
        width_m=(preset.lines - 1) * across_m + 0.04 * preset.width_px * preset.gsd_m,
        depth_m=(preset.photos_per_line - 1) * along_m,
        yaw_deg=-flight_yaw_deg(seed),
    )


def seen_plot(preset: Preset, seed: int) -> Plot:
    """Return the rectangle that holds all that is photographed."""
    cell = cell_plot(preset, seed)
    wide_m = preset.width_px * preset.gsd_m
    return Plot(
        x_m=0.0,
        y_m=0.0,
        width_m=cell.width_m + 1.1 * wide_m,
        depth_m=cell.depth_m + 0.8 * wide_m,
        yaw_deg=cell.yaw_deg,
    )


def half_extent_m(preset: Preset, seed: int) -> tuple[float, float]:
    """Return half the width and height of the box around all that is photographed."""
    x0, y0, x1, y1 = outline(seen_plot(preset, seed)).bounds
    return (x1 - x0) / 2, (y1 - y0) / 2


def area(preset: Preset, seed: int) -> Polygon:
    """Return the outer boundary of the town: the cell and a margin, all of it photographed."""
    return outline(cell_plot(preset, seed), 5.0)


def _spacing_m(preset: Preset) -> tuple[float, float]:
    wide_m = preset.width_px * preset.gsd_m
    return wide_m * (1 - preset.side_overlap), wide_m * 2 / 3 * (1 - preset.forward_overlap)


def fly(preset: Preset, seed: int, epoch: int, ground_m: float) -> tuple[Shot, ...]:
    """Return the photographs of one epoch in the order they were taken.

    Wind moves the aircraft by half a metre to a metre, the gimbal errs by a degree or two; GPS has
    one bias for the flight and little noise of its own, the barometer drifts.
    """
    rng = stream(seed, "flight", epoch)
    file = read_camera()
    heading = flight_yaw_deg(seed)
    height_m = preset.gsd_m * file.focal_mm / file.sensor_width_mm * preset.width_px
    across_m, along_m = _spacing_m(preset)
    bias_3 = rng.normal(0, [GPS_BIAS_M, GPS_BIAS_M, 2 * GPS_BIAS_M])
    drift = np.cumsum(rng.normal(0, 0.012, preset.lines * preset.photos_per_line))
    white = rng.normal(0, 0.015, 3)
    metered = float(stream(seed, "exposure", epoch).normal(0, 0.08))
    shots = []
    first = int(rng.integers(12, 400))
    start_m = rng.normal(0, 0.5, 2)
    for line in range(preset.lines):
        back = line % 2 == 1
        yaw = heading + 180 * back
        crab = float(rng.normal(0, 1.5))
        for step in range(preset.photos_per_line):
            index = line * preset.photos_per_line + step
            along = (step - (preset.photos_per_line - 1) / 2) * along_m * (-1 if back else 1)
            across = (line - (preset.lines - 1) / 2) * across_m
            local = np.array([across, along]) + start_m + rng.normal(0, 0.6, 2)
            a = np.radians(heading)
            east, north = (
                local[0] * np.cos(a) + local[1] * np.sin(a),
                -local[0] * np.sin(a) + local[1] * np.cos(a),
            )
            centre_3 = np.array([east, north, ground_m + height_m + rng.normal(0, 0.5)])
            gimbal = (
                yaw + crab + float(rng.normal(0, 1.0)),
                -90 + float(rng.normal(0.3, 1.0)),
                float(rng.normal(0, 0.8)),
            )
            travel_px = SPEED_MPS * file.exposure_s / preset.gsd_m
            told = rng.normal(0, 0.15, 3)
            tint = white + rng.normal(0, 0.004, 3)
            shots.append(
                Shot(
                    name=f"DJI_{first + index:04d}.JPG",
                    taken_at=DATES[epoch - 1]
                    + timedelta(seconds=round(index * along_m / SPEED_MPS + line * 9)),
                    pose=Pose(rotation_33=nadir_rotation(*gimbal), centre_3=centre_3),
                    gps_3=centre_3 + bias_3 + rng.normal(0, [GPS_NOISE_M, GPS_NOISE_M, 2 * GPS_NOISE_M]),
                    relative_height_m=float(centre_3[2] - ground_m + rng.normal(0, 0.15)),
                    gimbal_deg=(gimbal[0] + told[0], gimbal[1] + told[1], gimbal[2] + told[2]),
                    flight_yaw_deg=yaw + crab,
                    blur_px=(0.0, travel_px * float(rng.uniform(0.7, 1.3))),
                    exposure=float(np.exp(metered + drift[index])),
                    colour_3=(1 + float(tint[0]), 1 + float(tint[1]), 1 + float(tint[2])),
                )
            )
    return tuple(shots)
