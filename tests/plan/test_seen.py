"""How many photographs show the ground of a plan, counted without the planner's own geometry."""

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from aerial import geo
from aerial.autopilots.triggers import trigger_points
from aerial.geo import LonLat
from aerial.plan.flight import plan_flight
from aerial.plan.job import Job
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.records import Aircraft, CameraProfile, Parameters, Plan

FRAME = geo.local_frame(LonLat(lon_deg=113.8, lat_deg=22.8))
OUTLINE = Polygon([(-300, -200), (280, -260), (330, 190), (40, 60), (-260, 280)])


def planned(front: float, side: float, pitch_deg: float) -> tuple[Plan, CameraProfile, Aircraft]:
    """Return a plan over the outline at 80 m."""
    aircraft = read_aircraft("dji_mavic3_enterprise")
    camera = read_camera(aircraft.cameras[0])
    asked = Parameters(
        height_agl_m=80.0, gsd_m=0.02, overlap_front=front, overlap_side=side, pitch_deg=pitch_deg
    )
    area = geo.reproject(OUTLINE, FRAME, geo.WGS84)
    return (
        plan_flight(Job(area=area, aircraft=aircraft, camera=camera, parameters=asked, inputs={})),
        camera,
        aircraft,
    )


def times_seen(plan: Plan, camera: CameraProfile, ground_N2: NDArray[np.float64]) -> NDArray[np.int_]:
    """Return how many photographs show each point: a ray from the lens to it falls on the sensor."""
    shots = trigger_points(plan)
    x, y = geo.transform(
        geo.WGS84,
        FRAME,
        np.array([shot.at.lon_deg for shot in shots]),
        np.array([shot.at.lat_deg for shot in shots]),
    )
    tilt = np.radians(90 + plan.parameters.pitch_deg)
    seen = np.zeros(len(ground_N2), int)
    for shot, east, north in zip(shots, x, y, strict=True):
        yaw = np.radians(shot.yaw_deg)
        away = ground_N2 - [east, north]
        ahead = away[:, 0] * np.sin(yaw) + away[:, 1] * np.cos(yaw)
        right = away[:, 0] * np.cos(yaw) - away[:, 1] * np.sin(yaw)
        height = plan.parameters.height_agl_m
        depth = ahead * np.sin(tilt) + height * np.cos(tilt)
        up = ahead * np.cos(tilt) - height * np.sin(tilt)
        on_sensor = (np.abs(up) <= depth * camera.sensor_height_mm / 2 / camera.focal_mm) & (
            np.abs(right) <= depth * camera.sensor_width_mm / 2 / camera.focal_mm
        )
        seen += on_sensor & (depth > 0)
    return seen


@pytest.mark.parametrize(
    ("front", "side", "pitch_deg"), [(0.8, 0.7, -90.0), (0.75, 0.6, -90.0), (0.8, 0.7, -80.0)]
)
def test_ground_a_footprint_inside_is_seen_as_often_as_the_overlaps_imply(
    front: float, side: float, pitch_deg: float
) -> None:
    """Every point a footprint inside the border is on 1/(1-front) times 1/(1-side) photographs or more."""
    plan, camera, _ = planned(front, side, pitch_deg)
    footprint_m = 80.0 * camera.sensor_width_mm / camera.focal_mm
    inner = OUTLINE.buffer(-footprint_m)
    x, y = np.meshgrid(np.arange(-300, 330, 7.0), np.arange(-260, 280, 7.0))
    points = np.column_stack([x.ravel(), y.ravel()])
    points = points[shapely.contains_xy(inner, points)]
    assert len(points) > 500
    implied = int(1 / (1 - front) + 1e-9) * int(1 / (1 - side) + 1e-9)
    assert times_seen(plan, camera, points).min() >= implied


def test_the_trigger_distance_leaves_room_for_the_drift_of_the_autopilot() -> None:
    """Photographs that come late by one renewal of the position still overlap as much as was asked."""
    plan, camera, aircraft = planned(0.8, 0.7, -90.0)
    along_m = 80.0 * camera.sensor_height_mm / camera.focal_mm
    late_m = plan.sorties[0].speed_m_s * aircraft.position_period_s
    assert late_m > 0.1
    assert 1 - (plan.trigger_distance_m + late_m) / along_m >= 0.8
