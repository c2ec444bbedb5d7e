"""The ground that photographs show, those of a plan and those that were taken, laid beside each other.

A photograph's height is over the take-off point. With a terrain model its frame is cast on that; without,
on a plane as far below as the plan takes the ground to be at the nearest place where a photograph is due.
What a photograph does not tell is taken from that place: its height and where its top points.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aerial.geo import in_frame
from aerial.plan.ground import Ground
from aerial.plan.overlap import borders, on_plane, rings_of
from aerial.records import CameraProfile, Photo, Plan, TriggerPoint
from aerial.records.record import record

Floats = NDArray[np.float64]

_LEAST_HEIGHT_M = 1.0
# Beyond it a frame's far corner looks at the horizon; the check rejects such photographs, or does not know.
_MOST_OFF_NADIR_DEG = 40


@record
class Views:
    """Pictures in the plan's frame: ``above_N`` the camera over take-off, ``over_N`` over the ground.

    ``due_N``: place in the plan's trigger points of the nearest one, ``away_N`` metres away.
    ``rings``: the outline of each on the ground, (M, 2); of one that sees none, empty.
    ``focal_N``: focal length in widths of the picture. ``across_N``: the picture lies across the line.
    ``assumed_N``: its height over take-off is the plan's, since it tells none.
    """

    xy_N2: Floats
    above_N: Floats
    over_N: Floats
    due_N: NDArray[np.intp]
    away_N: Floats
    rings: tuple[Floats, ...]
    focal_N: Floats
    across_N: NDArray[np.bool_]
    assumed_N: NDArray[np.bool_]


@record
class Site:
    """A plan with its trigger points in ``frame``, and the ground: a terrain model, or None."""

    plan: Plan
    camera: CameraProfile
    points: tuple[TriggerPoint, ...]
    frame: str
    ground: Ground | None


def planned_views(site: Site, *, margin: float) -> Views:
    """Return what the plan's photographs will show; frames smaller by a share, for flights are not exact."""
    narrow = replace(
        site.camera,
        sensor_width_mm=site.camera.sensor_width_mm * (1 - margin),
        sensor_height_mm=site.camera.sensor_height_mm * (1 - margin),
    )
    xy_N2 = in_frame(site.frame, [point.at for point in site.points])
    count = len(site.points)
    return _views(
        site,
        xy_N2,
        np.arange(count),
        above_N=np.array([point.height_above_takeoff_m for point in site.points]),
        yaw_deg_N=np.array([point.yaw_deg for point in site.points]),
        pitch_N=np.full(count, site.plan.parameters.pitch_deg),
        cameras=[narrow] * count,
    )


def taken_views(site: Site, photos: Sequence[Photo]) -> Views:
    """Return what photographs with positions show."""
    places_N2 = in_frame(site.frame, [point.at for point in site.points])
    xy_N2 = in_frame(site.frame, [photo.at for photo in photos if photo.at is not None])
    due_N = np.asarray(cKDTree(places_N2).query(xy_N2)[1], np.intp)
    planned = [site.points[int(due)] for due in due_N]
    pitch_deg = site.plan.parameters.pitch_deg
    views = _views(
        site,
        xy_N2,
        due_N,
        above_N=np.array(
            [
                due.height_above_takeoff_m if photo.relative_height_m is None else photo.relative_height_m
                for photo, due in zip(photos, planned, strict=True)
            ]
        ),
        yaw_deg_N=np.array(
            [
                due.yaw_deg if photo.gimbal_yaw_deg is None else photo.gimbal_yaw_deg
                for photo, due in zip(photos, planned, strict=True)
            ]
        ),
        pitch_N=np.array(
            [pitch_deg if p.gimbal_pitch_deg is None else _looking_down(p.gimbal_pitch_deg) for p in photos]
        ),
        cameras=[_camera(site.camera, photo) for photo in photos],
    )
    return replace(views, assumed_N=np.array([photo.relative_height_m is None for photo in photos]))


def _looking_down(pitch_deg: float) -> float:
    """Return a gimbal's pitch within 40 degrees of straight down; some count on over the nadir."""
    off = (pitch_deg + 90 + 180) % 360 - 180
    return float(np.clip(off, -_MOST_OFF_NADIR_DEG, _MOST_OFF_NADIR_DEG)) - 90


def _camera(profile: CameraProfile, photo: Photo) -> CameraProfile:
    """Return the camera of one photograph: its own focal length, else the plan's, in the frame's shape."""
    wide, high = float(photo.width_px), float(photo.height_px)
    focal = photo.focal_px or profile.focal_mm / profile.sensor_width_mm * max(wide, high)
    return replace(profile, sensor_width_mm=wide, sensor_height_mm=high, focal_mm=focal)


def _views(
    site: Site,
    xy_N2: Floats,
    due_N: NDArray[np.intp],
    *,
    above_N: Floats,
    yaw_deg_N: Floats,
    pitch_N: Floats,
    cameras: Sequence[CameraProfile],
) -> Views:
    due = [site.points[int(place)] for place in due_N]
    # The plan's line is its height over the ground higher than the ground, by its own model.
    below_N = np.array([one.height_above_takeoff_m for one in due]) - site.plan.parameters.height_agl_m
    if site.ground is not None:
        base = {sortie.number: _takeoff_m(site, number) for number, sortie in enumerate(site.plan.sorties)}
        known_N = site.ground.at(xy_N2) - np.array([base[one.sortie] for one in due])
        below_N = np.where(np.isfinite(known_N), known_N, below_N)
    over_N = np.maximum(above_N - below_N, _LEAST_HEIGHT_M)
    yaw_N = np.radians(90.0 - yaw_deg_N)
    rings: list[Floats] = [np.empty((0, 2))] * len(xy_N2)
    frames = [
        (c.sensor_width_mm / c.focal_mm, c.sensor_height_mm / c.focal_mm, round(p))
        for c, p in zip(cameras, pitch_N.tolist(), strict=True)
    ]
    for frame in sorted(set(frames)):
        (at,) = np.nonzero([one == frame for one in frames])
        camera, pitch = cameras[int(at[0])], float(frame[2])
        cast = on_plane(camera, over_N[at], xy_N2[at], yaw_N[at], pitch)
        if site.ground is not None:
            z_N = site.ground.at(xy_N2[at]) + over_N[at]
            real = borders(camera, site.ground, np.column_stack([xy_N2[at], z_N]), yaw_N[at], pitch)
            # Beside the model the plane goes on.
            cast = np.where(np.isfinite(real), real, cast)
        for place, ring in zip(at.tolist(), rings_of(cast), strict=True):
            rings[place] = ring[np.isfinite(ring).all(axis=1)]
    places_N2 = in_frame(site.frame, [one.at for one in due])
    course_N = np.radians(90.0 - np.array([one.yaw_deg for one in due]))
    return Views(
        xy_N2=xy_N2,
        above_N=above_N,
        over_N=over_N,
        due_N=due_N,
        away_N=np.hypot(*(xy_N2 - places_N2).T),
        rings=tuple(rings),
        focal_N=np.array([c.focal_mm / c.sensor_width_mm for c in cameras]),
        across_N=np.abs(np.sin(yaw_N - course_N)) < np.sin(np.pi / 4),
        assumed_N=np.zeros(len(xy_N2), bool),
    )


def _takeoff_m(site: Site, number: int) -> float:
    sortie = site.plan.sorties[number]
    if sortie.takeoff_amsl_m is not None or site.ground is None:
        return sortie.takeoff_amsl_m or 0.0
    return float(site.ground.at(in_frame(site.frame, [sortie.takeoff]))[0])
