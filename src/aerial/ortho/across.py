"""How well a repeat survey fits the reference that it joined, and how far it reaches beyond it.

A tie point that both surveys see is placed twice: by the new photographs alone and by the
reference's alone. The distance of the two is what a comparison of the surveys would show there.
"""

from dataclasses import dataclass

import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aerial.camera import Pose
from aerial.errors import StitchError
from aerial.ortho import adjust
from aerial.ortho.archive import StoredBlock

Floats = NDArray[np.float64]

# Fewer shared points may all lie on one roof or one car.
LEAST_POINTS = 60
LEAST_REFERENCES = 3
# A photograph with fewer is held by its neighbours, not by the reference.
LEAST_OF_PHOTO = 12
# Rays that meet more sharply say little about where they meet.
_LEAST_ANGLE_RAD = np.radians(4.0)
_MOST_MEASURED = 4000
# Ground further from shared points than this share of the flying height was not seen by both.
_REACH = 0.5
# A band of shared points this thin (of its length) lets the survey turn about it.
_THIN = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """Shared tie points of a repeat and its reference.

    ``shared`` points; ``references`` photographs of the reference that see some; ``untied`` numbers
    of new photographs that see hardly any. ``misfit_N3``: new minus reference (east, north, up,
    metres) where both can be measured. ``outside``: share of the new tie points beyond the reach of
    shared ones; ``furthest_m`` how far.
    """

    shared: int
    references: int
    untied: tuple[int, ...]
    misfit_N3: Floats
    outside: float
    furthest_m: float


def look_across(model: adjust.Model, first: int, reference: StoredBlock) -> Across:
    """Return how ``model``, whose photographs from ``first`` on are the reference's, hangs together.

    Raises:
        StitchError: what the two share is too little to hold the new photographs in place.
    """
    reconstruction = model.reconstruction
    own_xy, shared_xy, both = [], [], []
    of_photo = dict.fromkeys(model.numbers, 0)
    references: set[int] = set()
    for point_id in sorted(reconstruction.points3D):
        point = reconstruction.points3D[point_id]
        seen = sorted((e.image_id, e.point2D_idx) for e in point.track.elements)
        new = [e for e in seen if e[0] in of_photo]
        if len(new) >= 2:
            own_xy.append(point.xyz)
        old = [e for e in seen if e[0] >= first]
        if not new or not old:
            continue
        shared_xy.append(point.xyz)
        references |= {number for number, _ in old}
        for number, _ in new:
            of_photo[number] += 1
        if len(new) >= 2 and len(old) >= 2:
            both.append((new, old))
    shared_N3, own_N3 = (np.array(v).reshape(-1, 3) for v in (shared_xy, own_xy))
    _require_hold(shared_N3, len(references), reference)
    height_m = float(np.median([p.pose.centre_3[2] for p in reference.photos]) - np.median(shared_N3[:, 2]))
    away_N = cKDTree(shared_N3[:, :2]).query(own_N3[:, :2])[0] if len(own_N3) else np.zeros(0)
    return Across(
        shared=len(shared_N3),
        references=len(references),
        untied=tuple(n for n, count in of_photo.items() if count < LEAST_OF_PHOTO),
        misfit_N3=_misfit(reconstruction, both),
        outside=float(np.mean(away_N > _REACH * abs(height_m))) if len(away_N) else 0.0,
        furthest_m=float(away_N.max(initial=0.0)),
    )


def missed_px(model: pycolmap.Reconstruction, number: int) -> Floats:
    """Return by how much a photograph misses each of its tie points, in pixels of its working size."""
    image = model.image(number)
    tied = image.get_observation_points2D()
    if not tied:
        return np.zeros(0)
    matrix_34 = np.asarray(image.cam_from_world().matrix())
    xyz_N3 = np.array([model.points3D[point.point3D_id].xyz for point in tied])
    seen_N3 = xyz_N3 @ matrix_34[:, :3].T + matrix_34[:, 3]
    found_N2 = np.array([point.xy for point in tied])
    front_N = seen_N3[:, 2] > 0
    at_N2 = np.array(image.camera.img_from_cam(seen_N3[front_N]), float).reshape(-1, 2)
    return np.asarray(np.hypot(*(at_N2 - found_N2[front_N]).T))


def remarks(across: Across) -> tuple[str, ...]:
    """Return in words what the user should know of how a repeat hangs on its reference."""
    said = []
    if across.outside > 0.1:
        said.append(
            f"{100 * across.outside:.0f} % of the ground was not seen by the reference survey, up to "
            f"{across.furthest_m:.0f} m from what both saw: there the frame is carried on, not held."
        )
    if across.untied:
        said.append(
            f"{len(across.untied)} photograph(s) hang on others of this survey, not on the reference."
        )
    return tuple(said)


def _require_hold(shared_N3: Floats, references: int, reference: StoredBlock) -> None:
    if len(shared_N3) < LEAST_POINTS or references < min(LEAST_REFERENCES, len(reference.photos)):
        raise StitchError(
            f"Only {len(shared_N3)} tie points on {references} photograph(s) of the reference survey hold "
            "these photographs: too few to share its frame.",
            hint="Check that both are of the same place and season, or stitch without --previous.",
        )
    xy_N2 = shared_N3[:, :2] - shared_N3[:, :2].mean(axis=0)
    long, thin = np.linalg.svd(xy_N2, compute_uv=False)
    if thin < _THIN * long:
        raise StitchError(
            "What both surveys saw lies on one line: the new photographs could turn about it.",
            hint="Fly the ground of the reference survey again, or stitch without --previous.",
        )


_Seen = list[tuple[int, int]]


def _misfit(model: pycolmap.Reconstruction, both: list[tuple[_Seen, _Seen]]) -> Floats:
    step = max(1, len(both) // _MOST_MEASURED)
    poses = {n: adjust.pose_of(model, n) for n in model.reg_image_ids()}
    apart = []
    for new, old in both[::step]:
        places = [_met(model, poses, seen) for seen in (new, old)]
        if places[0] is not None and places[1] is not None:
            apart.append(places[0] - places[1])
    return np.array(apart).reshape(-1, 3)


def _met(model: pycolmap.Reconstruction, poses: dict[int, Pose], seen: _Seen) -> Floats | None:
    """Return where the rays of some observations meet, None where they are almost parallel."""
    origins_N3 = np.array([poses[number].centre_3 for number, _ in seen])
    rays = []
    for number, feature in seen:
        image = model.image(number)
        at_2 = np.asarray(image.camera.cam_from_img(image.point2D(feature).xy))
        rays.append(poses[number].rotation_33.T @ np.array([*at_2, 1.0]))
    rays_N3 = np.array(rays)
    rays_N3 /= np.linalg.norm(rays_N3, axis=1, keepdims=True)
    if np.arccos(np.clip((rays_N3 @ rays_N3.T).min(), -1, 1)) < _LEAST_ANGLE_RAD:
        return None
    across_N33 = np.eye(3) - np.einsum("ni,nj->nij", rays_N3, rays_N3)
    return np.asarray(np.linalg.solve(across_N33.sum(axis=0), np.einsum("nij,nj->i", across_N33, origins_N3)))
