"""Photographs of the generated scene as a drone brings them home: files, records, true poses."""

import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.camera import Pose, nadir_rotation
from aerial.records import Photo, StitchJob

CRS = "EPSG:32650"


@dataclass(frozen=True)
class Survey:
    """A job and the truth about it: ``centres_N3`` in ``CRS``, in the order of the photographs."""

    job: StitchJob
    centres_N3: NDArray[np.float64]


def survey(folder: Path, seed: int, boxes: tuple[Any, ...], previous: Path | None = None) -> Survey:
    """Photograph the scene in 3 lines of 4, flown to and fro; positions err by 0.3 m."""
    scene = sys.modules["ortho_scene"]
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    photos, centres = [], []
    for number in range(12):
        line, step = divmod(number, 4)
        y = (-18.0, -6.0, 6.0, 18.0)[step if line % 2 == 0 else 3 - step]
        pose = Pose(
            rotation_33=nadir_rotation(180.0 * (line % 2) + rng.normal(0, 2), -90 + rng.normal(0, 1.0), 0.5),
            centre_3=np.array([(line - 1) * 16.0, y, scene.HEIGHT_M]) + rng.normal(scale=0.7, size=3),
        )
        # Blurred, so that a tenth of the features remains: still hundreds, and the tests take seconds.
        grey_HW = cv2.GaussianBlur(scene.photograph(pose, boxes), (0, 0), 2.0)
        name = f"照片 {number:02d}.jpg"  # a space and Chinese on purpose
        cv2.imencode(".jpg", np.clip(grey_HW, 0, 255).astype(np.uint8))[1].tofile(folder / name)
        centre_3 = pose.centre_3 + scene.ORIGIN_3
        told_3 = centre_3 + rng.normal(0, 0.3, 3)
        centres.append(centre_3)
        photos.append(
            Photo(
                file=name,
                width_px=scene.CAMERA.width_px,
                height_px=scene.CAMERA.height_px,
                taken_at=datetime(2026, 3, 1, 2, tzinfo=UTC) + timedelta(seconds=3 * number),
                at=geo.to_lonlat(CRS, told_3[0], told_3[1]),
                altitude_m=float(told_3[2]),
                relative_height_m=float(pose.centre_3[2]),
                gimbal_pitch_deg=-90.0,
                gimbal_yaw_deg=0.0,
                focal_px=scene.CAMERA.focal_x_px,
                make="DJI",
                model="FC1",
                rtk_std_m=None,
            )
        )
    job = StitchJob(folder=folder, photos=tuple(photos), gsd_m=0.2, crs=CRS, previous=previous)
    return Survey(job=job, centres_N3=np.array(centres))
