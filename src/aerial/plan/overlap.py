"""Overlap of photographs on the ground as it is: frames cast on the elevation model.

Everything is in metres of one ``geo.local_frame``. Along and across are those of a survey line: u
along its direction, v to its left.

The overlap of two pictures is the least share of the larger one that both show, over every column
(front) or row (side) of ground that runs through both pictures from border to border. On flat ground
that is the classical 1 - distance / footprint. Where the ground rises at one side of the frame the
columns there are short, and they decide: a mean over the frame would hide them behind the long
columns of the low side. Front overlap is no more than the share of the larger picture's area either,
which counts what lies beside those columns. Ground hidden by other ground inside a frame is not looked for.
"""

from typing import Literal

import numpy as np
import shapely
from numpy.typing import NDArray

from aerial.plan.ground import Ground
from aerial.records.aircraft import CameraProfile
from aerial.records.record import record

Floats = NDArray[np.float64]

_BORDER = 12  # rays a side of the frame
_LOOKS = 9  # columns or rows compared
_LEAST_FALL = 0.05  # a ray that sinks less per unit looks at the horizon
FRONT, BACK, LEFT, RIGHT = 0, 1, 2, 3


@record
class Shots:
    """Photographs of a plan, in the order of flight.

    ``xyz_N3``: the camera. ``yaw_rad_N``: the direction of flight, counter-clockwise from east, where
    the top of the picture points. ``line_N``: the survey line; ``piece_N``: the piece that it belongs
    to, whose lines are neighbours of each other only. ``pitch_deg``: -90 straight down.
    """

    xyz_N3: Floats
    yaw_rad_N: Floats
    line_N: NDArray[np.intp]
    piece_N: NDArray[np.intp]
    pitch_deg: float = -90.0


@record
class Overlaps:
    """Shares 0-1 for each photograph; NaN where there is no neighbour or no known ground.

    ``front_N``: with the next photograph of its line. ``side_N``: with the nearest photographs of the
    lines left and right of it, the smaller.
    """

    front_N: Floats
    side_N: Floats


def footprint_m(camera: CameraProfile, height_m: float, pitch_deg: float = -90.0) -> tuple[float, float]:
    """Return what a picture covers of flat ground: across the line at its widest, along it."""
    forward, left, down = _rays(camera, pitch_deg)
    return (float(np.ptp(left / down)) * height_m, float(np.ptp(forward / down)) * height_m)


def flat_spacing_m(
    camera: CameraProfile,
    height_m: float,
    overlap_front: float,
    overlap_side: float,
    pitch_deg: float = -90.0,
) -> tuple[float, float]:
    """Return the widest line spacing and trigger distance that give the overlaps on flat ground.

    Off nadir a picture is narrower near the aircraft, and neighbouring lines are flown in opposite
    directions, so that the narrow end of one meets the wide end of the other; the next picture of a
    line shows less of this one's wide end than of its middle.
    """
    _, left, down = _rays(camera, pitch_deg)
    across = (left / down).reshape(4, _BORDER) * height_m
    widths = float(np.ptp(across[FRONT])), float(np.ptp(across[BACK]))
    wide, narrow = max(widths), min(widths)
    _, along = footprint_m(camera, height_m, pitch_deg)
    # The shared part of two equal trapezoids, one ahead of the other: share * mean = narrow q + bend q2.
    mean, bend = (wide + narrow) / 2, (wide - narrow) / 2
    kept = 2 * overlap_front * mean / (narrow + float(np.sqrt(narrow**2 + 4 * bend * overlap_front * mean)))
    return mean - overlap_side * wide, along * (1 - kept)


def borders(
    camera: CameraProfile, ground: Ground, xyz_N3: Floats, yaw_rad_N: Floats, pitch_deg: float
) -> Floats:
    """Return where the frame's borders meet the ground: shape (N, 4, n, 2), x and y in the frame.

    The second axis is ``FRONT`` and ``BACK`` (left to right), ``LEFT`` and ``RIGHT`` (back to front).
    NaN where a ray meets no known ground.
    """
    forward, left, down = _rays(camera, pitch_deg)
    cos, sin = np.cos(yaw_rad_N)[:, None], np.sin(yaw_rad_N)[:, None]
    slope_NR2 = np.stack([cos * forward - sin * left, sin * forward + cos * left], axis=-1) / down[:, None]
    met_NR2 = _cast(ground, xyz_N3, slope_NR2)
    return met_NR2.reshape(len(xyz_N3), 4, _BORDER, 2)


def on_plane(
    camera: CameraProfile, height_N: Floats, xy_N2: Floats, yaw_rad_N: Floats, pitch_deg: float
) -> Floats:
    """Return ``borders`` on level ground ``height_N`` metres below each camera."""
    forward, left, down = _rays(camera, pitch_deg)
    cos, sin = np.cos(yaw_rad_N)[:, None], np.sin(yaw_rad_N)[:, None]
    slope_NR2 = np.stack([cos * forward - sin * left, sin * forward + cos * left], axis=-1) / down[:, None]
    met_NR2 = xy_N2[:, None] + height_N[:, None, None] * slope_NR2
    return np.asarray(met_NR2.reshape(len(xy_N2), 4, _BORDER, 2))


def _rays(camera: CameraProfile, pitch_deg: float) -> tuple[Floats, Floats, Floats]:
    """Return forward, left and down parts of the rays through the frame's borders."""
    half_x, half_y = camera.sensor_width_mm / 2, camera.sensor_height_mm / 2
    across, along = np.linspace(-half_x, half_x, _BORDER), np.linspace(-half_y, half_y, _BORDER)
    right = np.concatenate([across, across, np.full(_BORDER, -half_x), np.full(_BORDER, half_x)])
    up = np.concatenate([np.full(_BORDER, half_y), np.full(_BORDER, -half_y), along, along])
    pitch = np.radians(pitch_deg)
    forward = camera.focal_mm * np.cos(pitch) - up * np.sin(pitch)
    down = -(camera.focal_mm * np.sin(pitch) + up * np.cos(pitch))
    length = np.sqrt(camera.focal_mm**2 + right**2 + up**2)
    down = np.where(down > _LEAST_FALL * length, down, np.nan)
    return forward, -right, down


def _cast(ground: Ground, xyz_N3: Floats, slope_NR2: Floats) -> Floats:
    """Return where rays first meet the ground; ``slope_NR2``: metres sideways per metre of fall."""
    lowest, highest = float(np.nanmin(ground.cells_HW)), float(np.nanmax(ground.cells_HW))
    z_N = xyz_N3[:, 2]
    start_N, end_N = np.maximum(z_N - highest, 0.0) - 1e-6, np.maximum(z_N - lowest, 0.0) + 1e-6
    run_m = float(np.nanmax(np.hypot(*np.moveaxis(slope_NR2, -1, 0)), initial=0.0) * (end_N - start_N).max())
    steps = int(np.clip(np.ceil(run_m / ground.step_m), 2, 64))
    # Straight in the frame is straight in pixels over the length of a ray.
    from_NR2 = ground.pixels(xyz_N3[:, None, :2] + slope_NR2 * start_N[:, None, None])
    to_NR2 = ground.pixels(xyz_N3[:, None, :2] + slope_NR2 * end_N[:, None, None])
    shape = slope_NR2.shape[:2]
    near_NR, far_NR = np.zeros(shape), np.full(shape, np.nan)
    over_NR, under_NR = np.full(shape, np.nan), np.full(shape, np.nan)
    seeking_NR = np.ones(shape, bool)
    last_NR = _over(ground, z_N, start_N, end_N, from_NR2, to_NR2, np.zeros(shape))
    for step in range(1, steps + 1):
        share = step / steps
        now_NR = _over(ground, z_N, start_N, end_N, from_NR2, to_NR2, np.full(shape, share))
        hit_NR = seeking_NR & (now_NR <= 0)
        near_NR[hit_NR], far_NR[hit_NR] = (step - 1) / steps, share
        over_NR[hit_NR], under_NR[hit_NR] = last_NR[hit_NR], now_NR[hit_NR]
        seeking_NR &= ~hit_NR
        last_NR = now_NR
        if not seeking_NR.any():
            break
    for _ in range(3):
        at_NR = near_NR + (far_NR - near_NR) * over_NR / np.maximum(over_NR - under_NR, 1e-12)
        now_NR = _over(ground, z_N, start_N, end_N, from_NR2, to_NR2, at_NR)
        above_NR = now_NR > 0
        near_NR, over_NR = np.where(above_NR, at_NR, near_NR), np.where(above_NR, now_NR, over_NR)
        far_NR, under_NR = np.where(above_NR, far_NR, at_NR), np.where(above_NR, under_NR, now_NR)
    at_NR = near_NR + (far_NR - near_NR) * over_NR / np.maximum(over_NR - under_NR, 1e-12)
    fall_NR = start_N[:, None] + (end_N - start_N)[:, None] * at_NR
    met_NR2 = xyz_N3[:, None, :2] + slope_NR2 * fall_NR[..., None]
    # A camera below the ground sees nothing.
    met_NR2[~(z_N > ground.at(xyz_N3[:, :2]))] = np.nan
    return np.asarray(met_NR2)


def _over(
    ground: Ground,
    z_N: Floats,
    start_N: Floats,
    end_N: Floats,
    from_NR2: Floats,
    to_NR2: Floats,
    share_NR: Floats,
) -> Floats:
    """Return how far a ray is over the ground at a share of its way."""
    fall_NR = start_N[:, None] + (end_N - start_N)[:, None] * share_NR
    return (z_N[:, None] - fall_NR) - ground.between(from_NR2 + (to_NR2 - from_NR2) * share_NR[..., None])


def turned(borders_N4n2: Floats, direction_rad: float, against_N: NDArray[np.bool_]) -> Floats:
    """Return borders as (u, v) of a direction; pictures taken against it have their sides exchanged."""
    cos, sin = np.cos(direction_rad), np.sin(direction_rad)
    x, y = borders_N4n2[..., 0], borders_N4n2[..., 1]
    out = np.stack([x * cos + y * sin, y * cos - x * sin], axis=-1)
    out[against_N] = out[against_N][:, [BACK, FRONT, RIGHT, LEFT]]
    return out


def shared(a_N4n2: Floats, b_N4n2: Floats, way: Literal["front", "side"]) -> Floats:
    """Return the overlap of pictures ``a`` with ``b``, which lies ahead (front) or to the left (side)."""
    along, far, near, one, other = (
        (0, FRONT, BACK, LEFT, RIGHT) if way == "front" else (1, LEFT, RIGHT, FRONT, BACK)
    )
    across = 1 - along
    # The rims of the ground that runs through both pictures: the other two borders at their innermost.
    top_N = np.minimum(*(np.min(c[:, one, :, across], axis=-1) for c in (a_N4n2, b_N4n2)))
    low_N = np.maximum(*(np.max(c[:, other, :, across], axis=-1) for c in (a_N4n2, b_N4n2)))
    looks_NL = low_N[:, None] + (top_N - low_N)[:, None] * np.linspace(0.01, 0.99, _LOOKS)
    ends = {}
    for name, picture in (("a", a_N4n2), ("b", b_N4n2)):
        for side, pick in ((far, "far"), (near, "near")):
            ends[name, pick] = _edge(
                picture[:, side, :, along], picture[:, side, :, across], looks_NL, inner=pick
            )
    size_NL = np.maximum(ends["a", "far"] - ends["a", "near"], ends["b", "far"] - ends["b", "near"])
    share_NL = (ends["a", "far"] - ends["b", "near"]) / size_NL
    return np.where(top_N < low_N, 0.0, np.clip(share_NL.min(axis=1), 0.0, 1.0))


def shared_area(a_N4n2: Floats, b_N4n2: Floats) -> Floats:
    """Return what pictures share by area, as a share of the larger of the two."""
    a_N, b_N = _outlines(a_N4n2), _outlines(b_N4n2)
    larger_N = np.maximum(shapely.area(a_N), shapely.area(b_N))
    both_N = shapely.area(shapely.intersection(a_N, b_N))
    return np.asarray(np.where(larger_N > 0, both_N / np.where(larger_N > 0, larger_N, 1.0), np.nan))


def rings_of(picture_N4n2: Floats) -> Floats:
    """Return the borders of pictures as rings, shape (N, 4 n, 2)."""
    front, back, left, right = (picture_N4n2[:, side] for side in (FRONT, BACK, LEFT, RIGHT))
    return np.concatenate([front, right[:, ::-1], back[:, ::-1], left], axis=1)


def _outlines(picture_N4n2: Floats) -> NDArray[np.object_]:
    """Return the ground of pictures as polygons, empty where part of it is unknown."""
    rings = rings_of(picture_N4n2)
    known_N = np.isfinite(rings).all(axis=(1, 2))
    out = np.full(len(rings), shapely.Polygon(), object)
    out[known_N] = shapely.polygons(rings[known_N])
    folded = known_N & ~shapely.is_valid(out)
    out[folded] = shapely.buffer(out[folded], 0)
    return out


def _edge(along_Nn: Floats, across_Nn: Floats, looks_NL: Floats, *, inner: str) -> Floats:
    """Return where a border lies at places across it; where it folds, the point nearest the middle."""
    merge, value = (np.fmin, np.inf) if inner == "far" else (np.fmax, -np.inf)
    out_NL = np.full(looks_NL.shape, value)
    for k in range(along_Nn.shape[1] - 1):
        v0, v1 = across_Nn[:, k, None], across_Nn[:, k + 1, None]
        share_NL = (looks_NL - v0) / np.where(v1 == v0, np.nan, v1 - v0)
        at_NL = along_Nn[:, k, None] + (along_Nn[:, k + 1] - along_Nn[:, k])[:, None] * share_NL
        out_NL = np.where((share_NL >= 0) & (share_NL <= 1), merge(out_NL, at_NL), out_NL)
    return np.where(np.isinf(out_NL), np.nan, out_NL)


def overlaps(camera: CameraProfile, ground: Ground, shots: Shots, *, spacing_m: float) -> Overlaps:
    """Return the overlaps that photographs achieve on the ground.

    Lines of a piece further apart than 1.3 times ``spacing_m`` are no neighbours: what lies between is
    not the piece.
    """
    cast = borders(camera, ground, shots.xyz_N3, shots.yaw_rad_N, shots.pitch_deg)
    count = len(shots.xyz_N3)
    front_N, side_N = np.full(count, np.nan), np.full(count, np.nan)
    for piece in np.unique(shots.piece_N):
        in_piece = np.nonzero(shots.piece_N == piece)[0]
        direction = float(shots.yaw_rad_N[in_piece[0]])
        against = np.cos(shots.yaw_rad_N[in_piece] - direction) < 0
        uv = turned(cast[in_piece], direction, against)
        line = shots.line_N[in_piece]
        place = shots.xyz_N3[in_piece, :2] @ np.array(
            [[np.cos(direction), -np.sin(direction)], [np.sin(direction), np.cos(direction)]]
        )
        follows = np.nonzero(line[1:] == line[:-1])[0]
        ahead = np.where(against[follows], follows, follows + 1)
        behind = np.where(against[follows], follows + 1, follows)
        front_N[in_piece[follows]] = np.minimum(
            shared(uv[behind], uv[ahead], "front"), shared_area(uv[behind], uv[ahead])
        )
        right, left = neighbours(place, line, 1.3 * spacing_m)
        side = shared(uv[right], uv[left], "side")
        for one in (right, left):
            np.fmin.at(side_N, in_piece[one], side)
    return Overlaps(front_N=front_N, side_N=side_N)


def neighbours(
    place_N2: Floats, line_N: NDArray[np.intp], widest_m: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return pairs (right, left) of pictures on neighbouring lines; ``place_N2`` is (u, v).

    The left neighbour of a picture is on the nearest line to its left that passes it, the picture
    nearest along; likewise on its right. Lines more than ``widest_m`` apart are no neighbours.
    """
    numbers = np.unique(line_N)
    members = [np.nonzero(line_N == number)[0] for number in numbers]
    across = np.array([place_N2[m, 1].mean() for m in members])
    order = np.argsort(across, kind="stable")
    members, across = [members[k] for k in order], across[order]
    spans = np.array([[place_N2[m, 0].min(), place_N2[m, 0].max()] for m in members])
    pairs: list[NDArray[np.intp]] = []
    for k, here in enumerate(members):
        for ahead in (True, False):
            left_over = here
            others = range(k + 1, len(members)) if ahead else range(k - 1, -1, -1)
            for other in others:
                if not left_over.size or abs(across[other] - across[k]) > widest_m:
                    break
                if abs(across[other] - across[k]) < 1e-3:
                    continue
                along = place_N2[left_over, 0]
                passed = (along >= spans[other, 0] - 1e-6) & (along <= spans[other, 1] + 1e-6)
                one = left_over[passed]
                if one.size:
                    there = members[other]
                    nearest = there[np.abs(place_N2[there, 0] - along[passed][:, None]).argmin(axis=1)]
                    pairs.append(np.column_stack([one, nearest] if ahead else [nearest, one]))
                left_over = left_over[~passed]
    found = np.unique(np.vstack(pairs), axis=0) if pairs else np.empty((0, 2), np.intp)
    return found[:, 0], found[:, 1]
