"""Photographs of a plan as a flight takes them: a little beside their places, the nose a little off."""

from collections.abc import Sequence

import numpy as np

from aerial import geo
from aerial.geo import in_frame
from aerial.plan.profiles import read_camera
from aerial.records import Photo, Plan, TriggerPoint


def flown(
    plan: Plan,
    points: Sequence[TriggerPoint],
    *,
    seed: int = 0,
    beside_m: float = 0.0,
    yaw_deg: float = 0.0,
    higher_m: float = 0.0,
    focal: float = 1.0,
    turned_deg: float = 0.0,
    prefix: str = "",
) -> list[Photo]:
    """Return photographs at ``points``; ``beside_m``, ``yaw_deg`` are spreads, ``focal`` times the plan's."""
    rng = np.random.default_rng(seed)
    camera = read_camera(plan.camera)
    frame = geo.local_frame(points[0].at)
    xy_N2 = in_frame(frame, [point.at for point in points]) + beside_m * rng.normal(size=(len(points), 2))
    return [
        Photo(
            file=f"{prefix}{number:04d}.jpg",
            width_px=camera.width_px,
            height_px=camera.height_px,
            taken_at=None,
            at=geo.to_lonlat(frame, x, y),
            altitude_m=None,
            relative_height_m=point.height_above_takeoff_m + higher_m + beside_m * rng.normal(),
            gimbal_pitch_deg=-90.0,
            gimbal_yaw_deg=point.yaw_deg + turned_deg + yaw_deg * rng.normal(),
            focal_px=focal * camera.focal_mm / camera.sensor_width_mm * camera.width_px,
            make=None,
            model=None,
            rtk_std_m=None,
        )
        for number, (point, (x, y)) in enumerate(zip(points, xy_N2.tolist(), strict=True))
    ]
