"""Lays a block on ground control points.

The marks of a point are brought together in the model's own frame; a similarity that most points
agree with gives the block its place, and names the points that do not agree. Then the block is
adjusted with the points held where they were surveyed. Of five points or more every fifth is kept
out of all that and tells afterwards how well the block fits where nothing holds it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.errors import StitchError
from aerial.ortho import adjust, georef
from aerial.ortho.features import working_size
from aerial.ortho.gcp import ControlPoint
from aerial.ortho.judge import Candidate
from aerial.records import Photo

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_POINTS = 3
# With fewer, every point is needed to hold the block.
CHECKED_FROM = 5
CHECKED_SHARE = 5
# People hit a target to a pixel or two; a mark that misses by this much (of the working size) is on
# another thing.
MARK_PX = 8.0
# A surveyed point is wrong where it misses by this much and by so many times what the others do.
WRONG_M = 0.25
WRONG_SIGMAS = 5.0
# Positions of cameras err by less: where all points lie further away, the CRS is another one.
FAR_M = 300.0
# A mark weighs as much as so many tie points: it was made by a person, and there are few.
MARK_WEIGHT = 4
MAX_LOSS = 1.05
# Heights that points kept out miss by this much are worth a word.
UP_M = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Controlled:
    """A block on control points.

    ``used``, ``kept_out``: names. ``misfit_U3``, ``misfit_K3``: found minus surveyed (east, north,
    up, metres) at the used ones, which the block was bent to, and at those kept out.
    ``alone_U3``: at each used point, what the others make of it. ``wrong``: (name, misfit in metres).
    ``remarks`` in words.
    """

    candidate: Candidate
    used: tuple[str, ...]
    kept_out: tuple[str, ...]
    misfit_U3: Floats
    misfit_K3: Floats
    alone_U3: Floats
    wrong: tuple[tuple[str, float], ...]
    remarks: tuple[str, ...]


def control(
    photos: Sequence[Photo], placed: Candidate, points: Sequence[ControlPoint], gps_N3: Floats
) -> Controlled:
    """Return ``placed`` laid on ``points`` (their ``xyz_3`` in the CRS of ``gps_N3``).

    Raises:
        StitchError: fewer than three points are marked on two photographs of the block, they lie
            elsewhere than the photographs, on one line, or contradict each other.
    """
    model = placed.model
    found, remarks = _seen(photos, model, points)
    if len(found) < LEAST_POINTS:
        raise StitchError(
            f"{len(found)} control point(s) are marked on two photographs of the block; three are needed.",
            hint="Mark each point on at least three photographs that are not blurred or left out.",
        )
    model_N3 = np.array([xyz for xyz, _ in found.values()])
    true_N3 = np.array([_point(points, name).xyz_3 for name in found])
    names = list(found)
    _require_near(placed, model_N3, true_N3, has_gps=bool(np.isfinite(placed.placement.residual_N).any()))
    flat_N3 = placed.placement.similarity.apply(model_N3)
    held_N, flat_miss_N = _agreed(flat_N3[:, :2], true_N3[:, :2])
    wrong = [(names[i], float(flat_miss_N[i])) for i in np.flatnonzero(~held_N)]
    good = np.flatnonzero(held_N).tolist()
    while True:
        kept_out = [good[i] for i in _to_keep_out(true_N3[good])]
        rows = [i for i in good if i not in kept_out]
        world = similarity_3d(model_N3[rows], true_N3[rows])
        origin_3 = np.round(np.median(world.apply(adjust.centres_and_axes(model)[0]), axis=0))
        moved, bent = _held_at(
            model.reconstruction, world, origin_3, [(found[names[i]][1], true_N3[i]) for i in rows]
        )
        misfit_N3 = np.array([_meet(moved, found[name][1])[0] + origin_3 for name in names]) - true_N3
        # Heights of a block whose lens stays as it was may be bent, where every point is right.
        seen_N3 = misfit_N3 if len(rows) >= CHECKED_FROM else misfit_N3[:, :2]
        worst = _worst(seen_N3, good)
        if worst is None:
            break
        if len(good) <= LEAST_POINTS:
            raise _contradict(float(np.linalg.norm(misfit_N3[worst])))
        wrong.append((names[worst], float(np.linalg.norm(misfit_N3[worst]))))
        good.remove(worst)
    if not bent:
        remarks.append("The control points do not fit the tie points: the block was not bent to them.")
    up_m = float(np.sqrt(np.mean(misfit_N3[kept_out, 2] ** 2))) if kept_out else 0.0
    if up_m > UP_M:
        remarks.append(f"Control points kept out miss by {up_m:.2f} m in height: the ground is bent.")
    model = adjust.Model(reconstruction=moved, numbers=model.numbers, fixed=model.fixed)
    world = georef.Similarity(scale=1.0, rotation_33=np.eye(3), shift_3=origin_3)
    centres_N3 = world.apply(adjust.centres_and_axes(model)[0])
    placement = georef.compare(centres_N3, gps_N3[np.array(model.numbers) - 1], similarity=world)

    return Controlled(
        candidate=Candidate(model=model, placement=placement, why_not=""),
        used=tuple(names[i] for i in rows),
        kept_out=tuple(names[i] for i in kept_out),
        misfit_U3=misfit_N3[rows],
        misfit_K3=misfit_N3[kept_out],
        alone_U3=_each_without_itself(model_N3[rows], true_N3[rows]),
        wrong=tuple((name, round(miss, 2)) for name, miss in wrong),
        remarks=tuple(remarks),
    )


def measured(
    photos: Sequence[Photo], placed: Candidate, points: Sequence[ControlPoint]
) -> tuple[tuple[str, ...], Floats]:
    """Return the points that a placed block shows, and found minus surveyed of each, (N, 3) metres."""
    found, _ = _seen(photos, placed.model, points)
    world = placed.placement.similarity
    misfit = [world.apply(xyz[None])[0] - _point(points, name).xyz_3 for name, (xyz, _) in found.items()]
    return tuple(found), np.array(misfit).reshape(-1, 3)


def similarity_3d(from_N3: Floats, to_N3: Floats) -> georef.Similarity:
    """Return the least-squares similarity (Umeyama 1991, doi 10.1109/34.88573)."""
    from_3, to_3 = from_N3.mean(axis=0), to_N3.mean(axis=0)
    a_N3, b_N3 = from_N3 - from_3, to_N3 - to_3
    u_33, size_3, v_33 = np.linalg.svd(b_N3.T @ a_N3)
    sign_3 = np.array([1.0, 1.0, np.sign(np.linalg.det(u_33 @ v_33))])
    rotation_33 = u_33 @ (sign_3[:, None] * v_33)
    scale = float((size_3 * sign_3).sum() / max((a_N3**2).sum(), 1e-300))
    return georef.Similarity(
        scale=scale, rotation_33=rotation_33, shift_3=to_3 - scale * rotation_33 @ from_3
    )


_Marks = list[tuple[int, Floats]]


def _point(points: Sequence[ControlPoint], name: str) -> ControlPoint:
    return next(point for point in points if point.name == name)


def _seen(
    photos: Sequence[Photo], model: adjust.Model, points: Sequence[ControlPoint]
) -> tuple[dict[str, tuple[Floats, _Marks]], list[str]]:
    """Return where the model has each point and the marks that agree on it; remarks on the others."""
    found: dict[str, tuple[Floats, _Marks]] = {}
    remarks = []
    registered = set(model.numbers)
    for point in points:
        marks: _Marks = []
        for mark in point.marks:
            if mark.number in registered:
                photo = photos[mark.number - 1]
                width, height = working_size(photo.width_px, photo.height_px)
                scale_2 = np.array([width / photo.width_px, height / photo.height_px])
                marks.append((mark.number, mark.pixel_2 * scale_2))
        if len(marks) < 2:
            remarks.append(
                f"Control point {point.name} is marked on {len(marks)} photograph(s) of the block."
            )
            continue
        xyz_3, agree = _meet(model.reconstruction, marks)
        bad = [photos[number - 1].file for (number, _), ok in zip(marks, agree, strict=True) if not ok]
        if len(marks) - len(bad) < 2:
            remarks.append(f"The marks of control point {point.name} do not meet: it is not used.")
            continue
        if bad:
            remarks.append(f"Control point {point.name} is marked wrongly on {', '.join(bad)}.")
        found[point.name] = (xyz_3, [mark for mark, ok in zip(marks, agree, strict=True) if ok])
    return found, remarks


def _meet(model: pycolmap.Reconstruction, marks: _Marks) -> tuple[Floats, Bools]:
    """Return where the rays of ``marks`` (working size) meet, and which of them do."""
    origins, directions = [], []
    for number, pixel_2 in marks:
        pose = adjust.pose_of(model, number)
        at_2 = np.asarray(model.image(number).camera.cam_from_img(pixel_2))
        ray_3 = pose.rotation_33.T @ np.array([*at_2, 1.0])
        origins.append(pose.centre_3)
        directions.append(ray_3 / np.linalg.norm(ray_3))
    across_N33 = np.eye(3) - np.einsum("ni,nj->nij", np.array(directions), np.array(directions))
    origin_N3 = np.array(origins)

    def solved(rows: list[int]) -> Floats:
        normal_33 = across_N33[rows].sum(axis=0) + 1e-12 * np.eye(3)
        return np.asarray(
            np.linalg.solve(normal_33, np.einsum("nij,nj->i", across_N33[rows], origin_N3[rows]))
        )

    def errors(point_3: Floats) -> Floats:
        missed = []
        for number, pixel_2 in marks:
            image = model.image(number)
            pose = adjust.pose_of(model, number)
            seen_3 = pose.rotation_33 @ (point_3 - pose.centre_3)
            at = image.camera.img_from_cam(seen_3) if seen_3[2] > 0 else None
            missed.append(np.inf if at is None else float(np.hypot(*(np.asarray(at) - pixel_2))))
        return np.array(missed)

    everyone = list(range(len(marks)))
    best = solved(everyone)
    if len(marks) > 2 and errors(best).max() > MARK_PX:
        tries = [solved(list(pair)) for pair in combinations(everyone[:12], 2)]
        best = min(tries, key=lambda xyz: (-(errors(xyz) < MARK_PX).sum(), float(np.median(errors(xyz)))))
        inside = np.flatnonzero(errors(best) < MARK_PX).tolist()
        if len(inside) >= 2:
            best = solved(inside)
    return best, errors(best) < MARK_PX


def _require_near(placed: Candidate, model_N3: Floats, true_N3: Floats, *, has_gps: bool) -> None:
    spread_N = np.linalg.svd(true_N3[:, :2] - true_N3[:, :2].mean(axis=0), compute_uv=False)
    if spread_N[1] < 0.02 * spread_N[0] or spread_N[0] < 1.0:
        raise StitchError(
            "The control points lie on one line: the block could turn about it.",
            hint="Survey points at the corners and in the middle of the cell.",
        )
    if not has_gps:
        return
    by_gps_N3 = placed.placement.similarity.apply(model_N3)
    away_N2 = true_N3[:, :2] - by_gps_N3[:, :2]
    away_m = float(np.median(np.hypot(*away_N2.T)))
    limit_m = max(FAR_M, 10 * placed.placement.sigma_m)
    if away_m <= limit_m:
        return
    swapped_m = float(np.median(np.hypot(*(true_N3[:, 1::-1] - by_gps_N3[:, :2]).T)))
    if swapped_m <= limit_m:
        raise StitchError(
            "The control points fit the photographs only with x and y swapped.",
            hint="Write east (or longitude) first, then north (or latitude).",
        )
    raise StitchError(
        f"The control points lie {away_m / 1000:.1f} km from where the photographs were taken.",
        hint="Check the CRS in the first line of the file (zone, datum), and that east comes before north.",
    )


def _agreed(flat_N2: Floats, true_N2: Floats) -> tuple[Bools, Floats]:
    """Return which points agree on one similarity of the plane, and by how much each misses it.

    In the plane, since a bent block misses heights by metres where every point is right.
    """
    count = len(flat_N2)
    most = max(LEAST_POINTS, int(np.ceil(0.6 * count)))
    a_N, b_N = ((xy_N2 - xy_N2.mean(axis=0)) @ [1, 1j] for xy_N2 in (flat_N2, true_N2))
    spread_m = float(np.abs(b_N).mean())
    best_N, best_cost = np.abs(b_N), np.inf
    for i, j in combinations(range(count), 2):
        if abs(b_N[i] - b_N[j]) < 0.3 * spread_m or a_N[i] == a_N[j]:
            continue
        factor = (b_N[i] - b_N[j]) / (a_N[i] - a_N[j])
        missed_N = np.abs(b_N - b_N[i] - factor * (a_N - a_N[i]))
        cost = float(np.sort(missed_N)[:most].mean())
        if cost < best_cost:
            best_N, best_cost = missed_N, cost
    held_N = np.ones(count, bool)
    for _ in range(3):
        sigma = 1.5 * float(np.sort(best_N)[:most].mean())
        held_N = best_N <= max(WRONG_M, WRONG_SIGMAS * sigma)
        a_0, b_0 = a_N - a_N[held_N].mean(), b_N - b_N[held_N].mean()
        factor = np.sum(np.conj(a_0) * b_0 * held_N) / np.sum(np.abs(a_0) ** 2 * held_N)
        best_N = np.abs(b_0 - factor * a_0)
    missed_m = float(np.sqrt(np.mean(best_N[held_N] ** 2)))
    if held_N.sum() < most or missed_m > max(1.0, 0.02 * spread_m):
        raise _contradict(missed_m)
    return held_N, best_N


def _contradict(missed_m: float) -> StitchError:
    return StitchError(
        f"The control points contradict each other or the photographs, by {missed_m:.1f} m.",
        hint="Check their coordinates and marks; with four points or more a single wrong one is found.",
    )


def _worst(misfit_ND: Floats, good: Sequence[int]) -> int | None:
    """Return the point that the adjusted block misses by far more than the others, None without one."""
    missed_N = np.linalg.norm(misfit_ND[list(good)], axis=1)
    worst = int(np.argmax(missed_N))
    usual_m = float(np.median(np.delete(missed_N, worst)))
    return good[worst] if missed_N[worst] > max(2 * WRONG_M, 2 * WRONG_SIGMAS * usual_m) else None


def _held_at(
    model: pycolmap.Reconstruction,
    world: georef.Similarity,
    origin_3: Floats,
    marked: Sequence[tuple[_Marks, Floats]],
) -> tuple[pycolmap.Reconstruction, bool]:
    """Return ``model`` in the world minus ``origin_3``, and whether it could be bent to its points."""
    before = pycolmap.Reconstruction(model)
    before.transform(
        pycolmap.Sim3d(world.scale, pycolmap.Rotation3d(world.rotation_33), world.shift_3 - origin_3)
    )
    moved = pycolmap.Reconstruction(before)
    _hold(moved, [(marks, xyz_3 - origin_3) for marks, xyz_3 in marked])
    allowed_px = MAX_LOSS * before.compute_mean_reprojection_error()
    return (moved, True) if moved.compute_mean_reprojection_error() <= allowed_px else (before, False)


def _to_keep_out(true_N3: Floats) -> list[int]:
    """Return the points to check with: those that lie amid the others, every fifth."""
    count = len(true_N3)
    if count < CHECKED_FROM:
        return []
    order = [int(np.argmax(np.hypot(*(true_N3 - true_N3.mean(axis=0)).T[:2])))]
    while len(order) < count:
        apart_NK = np.hypot(*(true_N3[:, None, :2] - true_N3[None, order, :2]).transpose(2, 0, 1))
        nearest_N = apart_NK.min(axis=1)
        nearest_N[order] = -1
        order.append(int(np.argmax(nearest_N)))
    return sorted(order[count - count // CHECKED_SHARE :])


def _each_without_itself(model_N3: Floats, true_N3: Floats) -> Floats:
    if len(model_N3) <= LEAST_POINTS:
        return np.asarray(similarity_3d(model_N3, true_N3).apply(model_N3) - true_N3)
    rows = np.arange(len(model_N3))
    return np.array(
        [
            similarity_3d(model_N3[rows != i], true_N3[rows != i]).apply(model_N3[i : i + 1])[0] - true_N3[i]
            for i in rows
        ]
    )


def _hold(moved: pycolmap.Reconstruction, marked: Sequence[tuple[_Marks, Floats]]) -> None:
    """Adjust ``moved`` in place with points where they were surveyed."""
    config = pycolmap.BundleAdjustmentConfig()
    of_lens: Counter[int] = Counter()
    for number in sorted(moved.reg_image_ids()):
        config.add_image(number)
        of_lens[moved.image(number).camera_id] += 1
    for camera_id, seen in of_lens.items():
        # Few points leave the ground free to bend; the lens then stays as heights made it.
        if seen < adjust.MIN_PHOTOS_OF_LENS or len(marked) < CHECKED_FROM:
            config.set_constant_cam_intrinsics(camera_id)
    added = []
    for some, xyz_3 in marked:
        for _ in range(MARK_WEIGHT):
            track = pycolmap.Track()
            for number, pixel_2 in some:
                image = moved.image(number)
                image.points2D.append(pycolmap.Point2D(pixel_2))
                track.add_element(number, len(image.points2D) - 1)
            added.append(moved.add_point3D(xyz_3, track))
            config.add_constant_point(added[-1])
    pycolmap.create_default_bundle_adjuster(adjust.refine_options(), config, moved).solve()
    for point_id in added:
        moved.delete_point3D(point_id)
    moved.update_point_3d_errors()
