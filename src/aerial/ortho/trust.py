"""Which cameras of a model stand where they claim, by what their neighbours saw.

Mapping keeps the observations that fit a pose and drops the others, so that a camera in a wrong place
looks as good as its few survivors. Here every verified match counts, kept or not: a match of a camera
with a feature that others made a tie point of says where that point must appear in it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.camera import Camera, project
from aerial.ortho import adjust
from aerial.records import Photo

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Pixels of the working size within which a point must appear; sound cameras miss by 0.3-0.9.
AGREE_PX = 4.0
# COLMAP verifies a pair by 15 matches; fewer agreeing points are no tie.
MIN_TIES = 15
# One neighbour with so many agreeing points ties a camera; else two must.
STRONG_TIES = 60
# Of a sound camera's matches 0.9 agree and more; those of wrong pairs are few.
MIN_SHARE = 0.5
# Standard deviation of the agreeing points across their narrow direction, as a share of the frame's
# long edge: less fixes no pose.
MIN_SPREAD = 0.02
# A gimbal errs by a degree or two, and tells no more than where down is.
MAX_GIMBAL_DEG = 12.0
# A camera without a position stands where the flight could have been: times are of whole seconds, and
# no photograph is taken much faster than the flight's own.
SPEED_FACTOR, SPEED_SLACK_S, SPEED_SLACK_M = 1.5, 1.0, 5.0
# Positions of one flight drift together; a camera that leaves its neighbours in time by this, and by
# this many times the median of all, is where its receiver says or where its ties say, not both.
JUMP_M, JUMP_FACTOR = 3.0, 8.0
MIN_KNOWN = 5
FLIGHT_GAP_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """What the tie points of photograph ``of`` say of camera ``judged``: matched, and agreeing."""

    judged: int
    of: int
    matched: int
    agreeing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All links of a model, and for each camera how widely its agreeing points lie (share of the frame)."""

    links: tuple[Link, ...]
    spread: dict[int, float]

    def ties(self) -> dict[tuple[int, int], int]:
        """Return the agreeing points of each unordered pair that is a tie."""
        found: dict[tuple[int, int], int] = {}
        for link in self.links:
            if link.agreeing >= MIN_TIES and link.agreeing >= MIN_SHARE * link.matched:
                pair = (min(link.judged, link.of), max(link.judged, link.of))
                found[pair] = max(found.get(pair, 0), link.agreeing)
        return found


def gather(reconstruction: pycolmap.Reconstruction, database: Path) -> Evidence:
    """Return what all verified matches of ``database`` say of the cameras of a model."""
    numbers = sorted(reconstruction.reg_image_ids())
    points_N3 = np.empty((reconstruction.num_points3D(), 3))
    length_N = np.empty(len(points_N3), np.int64)
    seen_by: dict[int, list[tuple[int, int]]] = {number: [] for number in numbers}
    for index, point_id in enumerate(sorted(reconstruction.point3D_ids())):
        point = reconstruction.point3D(point_id)
        points_N3[index] = point.xyz
        length_N[index] = point.track.length()
        for element in point.track.elements:
            seen_by[element.image_id].append((element.point2D_idx, index))
    links: list[Link] = []
    agreed: dict[int, list[Floats]] = {number: [] for number in numbers}
    with pycolmap.Database.open(database) as opened:
        keypoints = {n: np.asarray(opened.read_keypoints(n)[:, :2], np.float64) for n in numbers}
        point_of = {}
        for number in numbers:
            point_of[number] = np.full(len(keypoints[number]), -1, np.int64)
            if seen_by[number]:
                features, points = np.array(seen_by[number], np.int64).T
                point_of[number][features] = points
        cameras = {n: _camera(reconstruction.image(n).camera) for n in numbers}
        poses = {n: adjust.pose_of(reconstruction, n) for n in numbers}
        for a, b in _verified(opened, set(numbers)):
            matches_M2 = np.asarray(opened.read_two_view_geometry(a, b).inlier_matches, np.int64)
            for judged, of, columns in ((a, b, (0, 1)), (b, a, (1, 0))):
                own, other = (matches_M2[:, column] for column in columns)
                points = point_of[of][other]
                # What only these two see, their own matches made: no witness.
                others = length_N[points] - (point_of[judged][own] == points)
                use = (points >= 0) & (others >= 2)
                own, points = own[use], points[use]
                at_K2, _ = project(cameras[judged], poses[judged], points_N3[points])
                seen_K2 = keypoints[judged][own]
                good_K = np.hypot(*(at_K2 - seen_K2).T) <= AGREE_PX
                links.append(
                    Link(judged=judged, of=of, matched=len(own), agreeing=int(np.count_nonzero(good_K)))
                )
                agreed[judged].append(seen_K2[good_K])
    spread = {n: _spread(np.concatenate([np.empty((0, 2)), *agreed[n]]), cameras[n]) for n in numbers}
    return Evidence(links=tuple(links), spread=spread)


def parts(evidence: Evidence, numbers: Sequence[int]) -> list[tuple[int, ...]]:
    """Return the parts of a model, largest first: cameras that two others tie, or one strongly.

    One pair of look-alike roofs ties two flights into one false block; it never has a second witness.
    Cameras that nothing ties are in no part.
    """
    mates: dict[int, dict[int, int]] = {number: {} for number in numbers}
    for (a, b), count in evidence.ties().items():
        if a in mates and b in mates:
            mates[a][b] = mates[b][a] = count
    left = set(numbers)
    found = []
    while left:
        seed = max(left, key=lambda n: (sum(c for m, c in mates[n].items() if m in left), -n))
        part, edge = {seed}, [m for m in mates[seed] if m in left]
        if edge:
            # Two cameras make the seed: a third is tied to one of them by two, or strongly.
            part.add(max(edge, key=lambda m: (mates[seed][m], -m)))
        waiting = sorted({m for n in part for m in mates[n] if m in left} - part)
        while waiting:
            grown = False
            for number in waiting:
                ties = [count for mate, count in mates[number].items() if mate in part]
                if len(ties) >= 2 or max(ties) >= STRONG_TIES:
                    part.add(number)
                    grown = True
            waiting = sorted({m for n in part for m in mates[n] if m in left} - part) if grown else []
        left -= part
        if len(part) >= adjust.MIN_MODEL:
            found.append(tuple(sorted(part)))
    return sorted(found, key=lambda part: (-len(part), part))


def contradicted(evidence: Evidence, numbers: Iterable[int]) -> dict[int, str]:
    """Return why cameras are not where the model has them, for those whose own matches say so."""
    matched: dict[int, int] = {}
    agreeing: dict[int, int] = {}
    for link in evidence.links:
        matched[link.judged] = matched.get(link.judged, 0) + link.matched
        agreeing[link.judged] = agreeing.get(link.judged, 0) + link.agreeing
    reasons = {}
    for number in numbers:
        ties, of = agreeing.get(number, 0), matched.get(number, 0)
        if ties < MIN_TIES:
            reasons[number] = f"is tied to the block by {ties} points only"
        elif ties < MIN_SHARE * of:
            reasons[number] = f"contradicts {of - ties} of the {of} points that its neighbours see in it"
        elif evidence.spread.get(number, 0.0) < MIN_SPREAD:
            reasons[number] = "is tied to the block along a line or in a corner only"
    return reasons


def out_of_line(
    photos: Sequence[Photo],
    numbers: Sequence[int],
    agreeing: Collection[int],
    centres_N3: Floats,
    downs_N3: Floats,
    gps_M3: Floats,
) -> dict[int, str]:
    """Return which placed cameras contradict their own flight: its gimbal, positions, heights or times.

    ``photos`` and ``gps_M3`` (NaN where unknown) are of all photographs, in order of their numbers;
    ``centres_N3`` and ``downs_N3`` (where each gimbal says that down is), in the world, of ``numbers``.
    Of these, only ``agreeing`` are near their own positions at all, and witnesses for those around them.
    """
    reasons: dict[int, str] = {}
    lean_N = np.degrees(np.arccos(np.clip(-downs_N3[:, 2], -1, 1)))
    for number, lean_deg in zip(numbers, lean_N, strict=True):
        if photos[number - 1].gimbal_pitch_deg is not None and lean_deg > MAX_GIMBAL_DEG:
            reasons[number] = f"looks {lean_deg:.0f} degrees beside what its gimbal says"
    centre_of = dict(zip(numbers, centres_N3, strict=True))
    for flight in _flights(photos):
        held = [row for row in flight if row + 1 in agreeing]
        reasons |= _jumps(photos, held, np.array([centre_of[row + 1] for row in held]), gps_M3)
        reasons |= _too_far(photos, flight, centre_of, gps_M3)
    return reasons


def _jumps(photos: Sequence[Photo], flight: list[int], centres_K3: Floats, gps_M3: Floats) -> dict[int, str]:
    """Return which cameras of a flight leave their positions unlike those taken just before and after."""
    if len(flight) < MIN_KNOWN:
        return {}
    left_K3 = centres_K3 - gps_M3[flight]
    relative = [photos[row].relative_height_m for row in flight]
    if all(height is not None for height in relative):
        left_K3[:, 2] = centres_K3[:, 2] - np.array(relative, float)
    reasons = {}
    for columns, words in (([0, 1], "beside"), ([2], "above or below")):
        off_K = np.full(len(flight), np.nan)
        for k in range(len(flight)):
            near_J3 = left_K3[[j for j in range(k - 3, k + 4) if j != k and 0 <= j < len(flight)]][:, columns]
            near_J3 = near_J3[np.isfinite(near_J3).all(axis=1)]
            if len(near_J3) >= 3:
                off_K[k] = np.linalg.norm(left_K3[k, columns] - np.median(near_J3, axis=0))
        known_K = np.isfinite(off_K)
        if known_K.sum() < MIN_KNOWN:
            continue
        limit_m = max(JUMP_M, JUMP_FACTOR * float(np.median(off_K[known_K])))
        for k in np.flatnonzero(off_K > limit_m).tolist():
            reasons[flight[k] + 1] = (
                f"stands {off_K[k]:.0f} m {words} where the photographs around it say that it was"
            )
    return reasons


def _too_far(
    photos: Sequence[Photo], flight: list[int], centre_of: dict[int, Floats], gps_N3: Floats
) -> dict[int, str]:
    """Return which cameras without a position stand where their flight could not have been by then."""
    when = [photos[row].taken_at.timestamp() for row in flight]  # type: ignore[union-attr]  # flights are timed
    known = [k for k, row in enumerate(flight) if np.isfinite(gps_N3[row, :2]).all()]
    if len(known) < MIN_KNOWN:
        return {}
    at_K2 = gps_N3[[flight[k] for k in known], :2]
    when_K = np.array([when[k] for k in known])
    # Two drones may have flown at once: the next of its own is the nearest of the next few.
    speeds = []
    for i in range(len(known) - 1):
        far_J = np.hypot(*(at_K2[i + 1 : i + 5] - at_K2[i]).T)
        speeds.append(float(np.min(far_J / (when_K[i + 1 : i + 5] - when_K[i] + SPEED_SLACK_S))))
    speed_m_s = float(np.percentile(speeds, 90))
    reasons = {}
    for k, row in enumerate(flight):
        if k in known or row + 1 not in centre_of:
            continue
        beside = [j for j in known if j < k][-2:] + [j for j in known if j > k][:2]
        far_J = np.hypot(*(gps_N3[[flight[j] for j in beside], :2] - centre_of[row + 1][:2]).T)
        seconds_J = np.abs([when[k] - when[j] for j in beside]) + SPEED_SLACK_S
        if (far_J > SPEED_FACTOR * speed_m_s * seconds_J + SPEED_SLACK_M).all():
            reasons[row + 1] = "has no position, and stands where its flight was not at that time"
    return reasons


def _flights(photos: Sequence[Photo]) -> list[list[int]]:
    """Return the rows of each flight's photographs, in order of time; what has no time is in none."""
    timed = [(p.taken_at.timestamp(), row) for row, p in enumerate(photos) if p.taken_at is not None]
    flights: list[list[int]] = []
    before_s = -np.inf
    for when_s, row in sorted(timed):
        if when_s - before_s > FLIGHT_GAP_S:
            flights.append([])
        flights[-1].append(row)
        before_s = when_s
    return flights


def without(reconstruction: pycolmap.Reconstruction, numbers: Iterable[int]) -> pycolmap.Reconstruction:
    """Return a copy in which ``numbers`` are not registered and their observations are gone."""
    copy = pycolmap.Reconstruction(reconstruction)
    for number in sorted(numbers):
        copy.deregister_frame(copy.image(number).frame_id)
    return copy


def _verified(opened: pycolmap.Database, among: set[int]) -> list[tuple[int, int]]:
    pairs, counts = opened.read_two_view_geometry_num_inliers()
    found = []
    for pair, count in zip(pairs, counts, strict=True):
        a, b = pycolmap.pair_id_to_image_pair(pair)
        if count >= MIN_TIES and a in among and b in among:
            found.append((int(a), int(b)))
    return sorted(found)


def _camera(camera: pycolmap.Camera) -> Camera:
    fx, fy, cx, cy, k1, k2, p1, p2 = (float(value) for value in camera.params)
    return Camera(
        width_px=camera.width,
        height_px=camera.height,
        focal_x_px=fx,
        focal_y_px=fy,
        centre_x_px=cx,
        centre_y_px=cy,
        distortion=(k1, k2, p1, p2),
    )


def _spread(pixels_N2: Floats, camera: Camera) -> float:
    if len(pixels_N2) < 3:
        return 0.0
    narrow = np.linalg.eigvalsh(np.cov(pixels_N2.T))[0]
    return float(np.sqrt(max(narrow, 0.0))) / max(camera.width_px, camera.height_px)
