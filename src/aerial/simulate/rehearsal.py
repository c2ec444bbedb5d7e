"""The photographs of a rehearsed flight: a simulated town under the places where the shutter was fired."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aerial import geo
from aerial.camera import Camera, Pose, nadir_rotation
from aerial.progress import Progress
from aerial.records import CameraProfile, ShotRecord
from aerial.simulate import exif, layout, photograph, scene, terrain
from aerial.simulate.flight import CameraFile, Shot
from aerial.simulate.presets import PRESETS, stream
from aerial.simulate.shade import sunlight
from aerial.simulate.town import Floats

# A rehearsal shows that photographs fit together; their full size would take a minute each.
WIDTH_PX = 1600
_SEED = 1
_F_NUMBER, _EXPOSURE_S = 4.0, 1 / 800


def photograph_shots(
    shots: Sequence[ShotRecord], profile: CameraProfile, out: Path, progress: Progress
) -> list[Path]:
    """Render what a camera looking straight down saw at each shot; return the JPEG files written to ``out``.

    Pictures are ``WIDTH_PX`` wide, with the EXIF and XMP of a real flight: position, heights, time. The
    town is made up, and level with the take-off point.
    """
    file, camera = _camera(profile)
    frame = geo.local_frame(shots[0].at)
    xy_N2 = np.array([geo.from_lonlat(frame, shot.at) for shot in shots])
    middle_2 = (xy_N2.min(axis=0) + xy_N2.max(axis=0)) / 2
    local_N2 = xy_N2 - middle_2
    height_N = np.array([shot.height_above_home_m or 0.0 for shot in shots])
    reach = float(height_N.max()) * camera.width_px / camera.focal_x_px
    half_m = (float(np.abs(local_N2[:, 0]).max()) + reach, float(np.abs(local_N2[:, 1]).max()) + reach)
    gsd = float(np.median(height_N)) / camera.focal_x_px
    preset = replace(PRESETS["demo"], width_px=camera.width_px, gsd_m=gsd)
    progress.phase("Building the town", 1)
    built = scene.build(layout.lay_out(preset, _SEED, half_m), preset, _SEED, 1)
    light = sunlight(50.0, 130.0, 0.5)
    ground_m = terrain.DATUM_M
    progress.phase("Photographs", len(shots))
    written = []
    for number, (shot, (x, y), height) in enumerate(zip(shots, local_N2, height_N, strict=True), start=1):
        taken = _shot(number, shot, np.array([x, y, ground_m + height]))
        image_HW3 = photograph.expose(built, camera, taken, light, stream(_SEED, "photo", number))
        path = out / taken.name
        photograph.save(
            path,
            image_HW3,
            exif.exif_bytes(file, camera, taken, shot.at),
            exif.xmp_bytes(file, taken, shot.at),
        )
        written.append(path)
        progress.advance()
    return written


def _camera(profile: CameraProfile) -> tuple[CameraFile, Camera]:
    height_px = round(WIDTH_PX * profile.height_px / profile.width_px)
    focal_px = profile.focal_mm / profile.sensor_width_mm * WIDTH_PX
    diagonal_mm = float(np.hypot(profile.sensor_width_mm, profile.sensor_height_mm))
    file = CameraFile(
        make=profile.make,
        model=profile.model,
        width_px=WIDTH_PX,
        height_px=height_px,
        sensor_width_mm=profile.sensor_width_mm,
        sensor_height_mm=profile.sensor_height_mm,
        focal_mm=profile.focal_mm,
        focal_35mm=profile.focal_35mm or round(profile.focal_mm * 43.27 / diagonal_mm),
        f_number=profile.f_number or _F_NUMBER,
        exposure_s=profile.exposure_s or _EXPOSURE_S,
        distortion=profile.distortion or (0.0, 0.0, 0.0, 0.0),
    )
    k1, k2, p1, p2 = file.distortion
    camera = Camera(
        width_px=WIDTH_PX,
        height_px=height_px,
        focal_x_px=focal_px,
        focal_y_px=focal_px,
        centre_x_px=WIDTH_PX / 2,
        centre_y_px=height_px / 2,
        distortion=(k1, k2, p1, p2),
    )
    return file, camera


def _shot(number: int, shot: ShotRecord, centre_3: Floats) -> Shot:
    yaw = shot.yaw_deg or 0.0
    amsl = shot.altitude_amsl_m if shot.altitude_amsl_m is not None else float(centre_3[2])
    return Shot(
        name=f"REH_{number:04d}.JPG",
        taken_at=datetime.fromtimestamp(shot.time_s, UTC),
        pose=Pose(rotation_33=nadir_rotation(yaw), centre_3=centre_3),
        gps_3=np.array([0.0, 0.0, amsl]),
        relative_height_m=shot.height_above_home_m or 0.0,
        gimbal_deg=(yaw, -90.0, 0.0),
        flight_yaw_deg=yaw,
        blur_px=(0.0, 0.0),
        exposure=1.0,
        colour_3=(1.0, 1.0, 1.0),
    )
