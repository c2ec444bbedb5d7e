"""Lays a block on a georeferenced orthomosaic from elsewhere.

Features of some photographs, brought down to the orthomosaic's pixel size, are looked up in it
(RootSIFT: Arandjelovic and Zisserman, CVPR 2012); each match is a point of the block's ground and
its place in the world. One similarity in the plane that most agree with lays the block; heights
keep their own datum. Other seasons and buildings that came or went are disagreeing matches.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pycolmap
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aerial import geo
from aerial.errors import CrsError, StitchError
from aerial.ortho import adjust, georef
from aerial.ortho.features import read_grey
from aerial.ortho.judge import Candidate
from aerial.ortho.landmarks import Box, Landmarks, read_landmarks
from aerial.progress import Progress
from aerial.raster import grid as grids
from aerial.raster.features import Descriptors, root_sift
from aerial.raster.read import open_raster
from aerial.records import Photo

Floats = NDArray[np.float64]

# Photographs that are looked up: enough to see the whole block, and the time stays short.
LOOKED_UP = 48
MAX_GSD_M = 1.0
# How far positions may be off: consumer receivers and a shift between days.
REACH_M = 60.0
LEAST_MATCHES = 40
LEAST_PHOTOS = 3
# Agreement that counts, in pixels of the orthomosaic; where none is finer, in metres.
TOLERANCE_PX, TOLERANCE_M = 4.0, 0.5
# Matches further from the fit than this are other things, not a bend of either picture.
BEND_M = 3.0
CELL_M = 20.0
_OF_PHOTO = 1500
_RATIO = 0.8
# Of the presumed size, where positions do not say it.
_SCALES = (1.0, 0.5, 2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """A block on an orthomosaic.

    ``misfit_N2``: block minus orthomosaic (east, north, metres) of cells of the ground; ``matches``
    that agree.
    """

    candidate: Candidate
    misfit_N2: Floats
    matches: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matches:
    """Points of the block in the frame of its placement, their places in the world, their photographs."""

    from_N2: Floats
    to_N2: Floats
    photo_N: NDArray[np.int64]


def lay(
    photos: Sequence[Photo],
    folder: Path,
    placed: Candidate,
    path: Path,
    crs: str,
    gps_N3: Floats,
    progress: Progress,
) -> Laid:
    """Return ``placed`` laid on the orthomosaic at ``path``, in the metric CRS ``crs``.

    A block without positions (its residuals are NaN) is searched for in the whole picture.

    Raises:
        StitchError: too little of the photographs is recognised, or the pixels are too large.
        RasterError: the file is not a picture with a place on Earth.
    """
    own = open_raster(path).grid
    _require_picture(own, path)
    known = bool(np.isfinite(placed.placement.residual_N).any())
    gsd_m = grids.gsd_m(own) if geo.is_metric(own.crs) else _gsd_on_ground(own)
    if gsd_m > MAX_GSD_M:
        raise StitchError(
            f"The pixels of {path.name} are {gsd_m:.2g} m: too large to recognise photographs in.",
            hint=f"Give an orthomosaic of {MAX_GSD_M:g} m a pixel or finer.",
        )
    ground = _ground(placed)
    box = _outline(own, crs)
    if known:
        box = _around(ground, box, path)
    else:
        progress.phase("Looking for the photographs in the orthomosaic", len(_SCALES))
        found = None
        for scale in _SCALES:
            reference = read_landmarks(path, crs, box, gsd_m)
            trial = _scaled(placed, scale)
            found = _fit(_look_up(photos, folder, trial, reference, None), reference)
            progress.advance()
            if found is not None:
                placed = _turned(trial, *found[0])
                break
        if found is None:
            raise _not_found(path)
        box = _around(_ground(placed), _outline(own, crs), path)
    reference = read_landmarks(path, crs, box, max(gsd_m, _photo_gsd_m(placed)))
    matches = _look_up(photos, folder, placed, reference, REACH_M)
    fitted = _fit(matches, reference)
    if fitted is None:
        raise _not_found(path)
    (factor, shift), agree_N = fitted
    if known and abs(abs(factor) - 1) > 0.15:
        raise StitchError(
            f"The photographs fit {path.name} only {abs(factor):.2f} times as large as their positions say.",
            hint="Check that the orthomosaic declares the right CRS, and the positions of the photographs.",
        )
    turned = _at_altitudes(_turned(placed, factor, shift), gps_N3)
    left_N = (matches.to_N2 @ [1, 1j]) - (factor * (matches.from_N2 @ [1, 1j]) + shift)
    near_N = np.abs(left_N) < BEND_M
    misfit_N2 = _by_cell(matches.to_N2[near_N], -np.column_stack([left_N.real, left_N.imag])[near_N])
    world = turned.placement.similarity
    centres_N3 = world.apply(adjust.centres_and_axes(turned.model)[0])
    placement = georef.compare(centres_N3, gps_N3[np.array(turned.model.numbers) - 1], similarity=world)
    return Laid(
        candidate=dataclasses.replace(turned, placement=placement),
        misfit_N2=misfit_N2,
        matches=int(agree_N.sum()),
    )


def _not_found(path: Path) -> StitchError:
    return StitchError(
        f"Too little of the photographs is recognised in {path.name} to lay them on it.",
        hint="Give an orthomosaic of the same ground, of similar pixel size and season, or control points.",
    )


def _require_picture(own: grids.Grid, path: Path) -> None:
    if not geo.says_where(own.crs):
        raise CrsError(
            f"{path} declares a CRS without a known datum: it has no place on Earth.",
            hint="Declare it, for example: gdal_edit.py -a_srs EPSG:4547 FILE (never guess it).",
        )


def _gsd_on_ground(own: grids.Grid) -> float:
    x, y = grids.pixel_to_world(own, np.array([[own.width_px / 2, own.height_px / 2]]))[0]
    return grids.gsd_m(own) * min(geo.metres_per_unit(own.crs, float(x), float(y)))


def _outline(own: grids.Grid, crs: str) -> Box:
    w, h = own.width_px, own.height_px
    rim = grids.pixel_to_world(own, np.array([[0, 0], [w, 0], [w, h], [0, h]], float))
    x, y = geo.transform(own.crs, crs, rim[:, 0], rim[:, 1])
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _ground(placed: Candidate) -> Floats:
    points = placed.model.reconstruction.points3D
    xyz_N3 = np.array([points[i].xyz for i in sorted(points)]).reshape(-1, 3)
    return placed.placement.similarity.apply(xyz_N3)


def _around(ground_N3: Floats, box: Box, path: Path) -> Box:
    """Return the block's ground and a margin, as far as ``box`` reaches."""
    low, high = np.percentile(ground_N3[:, :2], [1, 99], axis=0)
    west, south = np.maximum(low - REACH_M, box[:2])
    east, north = np.minimum(high + REACH_M, box[2:])
    if not (east - west > 10 and north - south > 10):
        away_m = float(np.hypot(*np.maximum(np.maximum(box[:2] - high, low - box[2:]), 0)))
        raise StitchError(
            f"{path.name} does not show where the photographs were taken: it lies {away_m:.0f} m away.",
            hint="Give an orthomosaic of the same place, and check the CRS that it declares.",
        )
    return float(west), float(south), float(east), float(north)


def _photo_gsd_m(placed: Candidate) -> float:
    """Return the ground size of a pixel of the working photographs."""
    model, world = placed.model.reconstruction, placed.placement.similarity
    ground_m = float(np.median(_ground(placed)[:, 2]))
    sizes = []
    for number in placed.numbers:
        height_m = world.apply(adjust.pose_of(model, number).centre_3[None])[0, 2] - ground_m
        sizes.append(height_m / model.image(number).camera.mean_focal_length())
    return float(np.median(sizes))


def _look_up(
    photos: Sequence[Photo], folder: Path, placed: Candidate, reference: Landmarks, reach_m: float | None
) -> _Matches:
    """Return the matches of some photographs with the orthomosaic; ``reach_m`` None: anywhere in it."""
    model, world = placed.model.reconstruction, placed.placement.similarity
    numbers = placed.numbers
    chosen = [numbers[i] for i in np.unique(np.linspace(0, len(numbers) - 1, LOOKED_UP).astype(int))]
    tree = cKDTree(reference.xy_N2) if len(reference.xy_N2) else None
    shrink = min(1.0, _photo_gsd_m(placed) / reference.gsd_m)
    from_xy, to_xy, of_photo = [np.zeros((0, 2))], [np.zeros((0, 2))], [np.zeros(0, np.int64)]
    for number in chosen if tree is not None else ():
        try:
            grey_HW = read_grey(folder / photos[number - 1].file, photos[number - 1])
        except (OSError, ValueError, SyntaxError):
            continue
        small_HW = cv2.resize(grey_HW, None, fx=shrink, fy=shrink, interpolation=cv2.INTER_AREA)
        pixels_N2, described_ND = root_sift(np.asarray(small_HW, np.uint8), None, _OF_PHOTO)
        size_2 = np.array([grey_HW.shape[1] / small_HW.shape[1], grey_HW.shape[0] / small_HW.shape[0]])
        ground_N2 = _on_ground(model, number, pixels_N2 * size_2, world)
        if ground_N2 is None or len(ground_N2) < 2:
            continue
        rows = np.arange(len(reference.xy_N2))
        if reach_m is not None and tree is not None:
            middle_2 = np.median(ground_N2, axis=0)
            radius = float(np.hypot(*(ground_N2 - middle_2).T).max()) + reach_m
            rows = np.array(sorted(tree.query_ball_point(middle_2, radius)), int)
        if len(rows) < 2:
            continue
        mine, theirs = _matched(described_ND, reference.descriptors_ND[rows])
        from_xy.append(ground_N2[mine])
        to_xy.append(reference.xy_N2[rows[theirs]])
        of_photo.append(np.full(len(mine), number))
    return _Matches(from_N2=np.vstack(from_xy), to_N2=np.vstack(to_xy), photo_N=np.concatenate(of_photo))


def _matched(one_ND: Descriptors, two_MD: Descriptors) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return which rows of ``one_ND`` have one clear match in ``two_MD``, and which it is."""
    mine, theirs = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for start in range(0, len(one_ND), 256):
        alike = one_ND[start : start + 256] @ two_MD.T
        best = np.argmax(alike, axis=1)
        rows = np.arange(len(best))
        first = alike[rows, best].copy()
        alike[rows, best] = -1
        second = alike.max(axis=1)
        # Root descriptors have length 1: the distance of two is sqrt(2 - 2 cos).
        clear = (2 - 2 * first) < _RATIO**2 * (2 - 2 * second)
        mine.append(rows[clear] + start)
        theirs.append(best[clear])
    return np.concatenate(mine), np.concatenate(theirs)


def _on_ground(
    model: pycolmap.Reconstruction, number: int, pixels_N2: Floats, world: georef.Similarity
) -> Floats | None:
    """Return where pixels of the working photograph lie on the ground, as deep as tie points near by."""
    image = model.image(number)
    tied = image.get_observation_points2D()
    if len(tied) < 10 or len(pixels_N2) == 0:
        return None
    pose = adjust.pose_of(model, number)
    xyz_K3 = np.array([model.points3D[point.point3D_id].xyz for point in tied])
    depth_K = (xyz_K3 - pose.centre_3) @ pose.rotation_33[2]
    _, nearest = cKDTree(np.array([point.xy for point in tied])).query(pixels_N2, k=3)
    depth_N = np.median(depth_K[nearest], axis=1)
    at_N2 = np.array(image.camera.cam_from_img(np.ascontiguousarray(pixels_N2)), float).reshape(-1, 2)
    seen_N3 = np.column_stack([at_N2, np.ones(len(at_N2))]) * depth_N[:, None]
    return world.apply(seen_N3 @ pose.rotation_33 + pose.centre_3)[:, :2]


_Plane = tuple[complex, complex]


def _fit(matches: _Matches, reference: Landmarks) -> tuple[_Plane, NDArray[np.bool_]] | None:
    """Return factor and shift of the plane's similarity that most matches agree with, and which do."""
    if len(matches.from_N2) < LEAST_MATCHES:
        return None
    tolerance_m = max(TOLERANCE_PX * reference.gsd_m, TOLERANCE_M)
    middle_2, there_2 = np.median(matches.from_N2, axis=0), np.median(matches.to_N2, axis=0)
    cv2.setRNGSeed(0)
    affine_23, _ = cv2.estimateAffinePartial2D(
        np.ascontiguousarray(matches.from_N2 - middle_2),
        np.ascontiguousarray(matches.to_N2 - there_2),
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance_m,
        maxIters=20_000,
        confidence=0.9999,
    )
    if affine_23 is None:
        return None
    a_N, b_N = (matches.from_N2 - middle_2) @ [1, 1j], (matches.to_N2 - there_2) @ [1, 1j]
    factor = complex(affine_23[0, 0], affine_23[1, 0])
    shift = complex(affine_23[0, 2], affine_23[1, 2])
    for _ in range(20):
        left_N = np.abs(b_N - factor * a_N - shift)
        agree_N = left_N < tolerance_m
        if agree_N.sum() < LEAST_MATCHES:
            return None
        sigma = max(float(np.median(left_N[agree_N])), 1e-3)
        weight_N = agree_N / (1 + (left_N / (2 * sigma)) ** 2)
        a_mean, b_mean = (np.average(v, weights=weight_N) for v in (a_N, b_N))
        factor = complex(
            np.sum(weight_N * np.conj(a_N - a_mean) * (b_N - b_mean))
            / np.sum(weight_N * np.abs(a_N - a_mean) ** 2)
        )
        shift = complex(b_mean - factor * a_mean)
    agreeing = matches.photo_N[agree_N]
    if sum(np.count_nonzero(agreeing == number) >= 5 for number in np.unique(agreeing)) < LEAST_PHOTOS:
        return None
    whole = shift + complex(*there_2) - factor * complex(*middle_2)
    return (factor, whole), agree_N


def _turned(placed: Candidate, factor: complex, shift: complex) -> Candidate:
    """Return the block turned, scaled and moved in the plane; heights are scaled about the ground."""
    world = placed.placement.similarity
    scale, turn = abs(factor), factor / abs(factor)
    turn_33 = np.array([[turn.real, -turn.imag, 0], [turn.imag, turn.real, 0], [0, 0, 1.0]])
    ground_m = float(np.median(_ground(placed)[:, 2]))
    moved_3 = scale * turn_33 @ world.shift_3
    similarity = georef.Similarity(
        scale=scale * world.scale,
        rotation_33=turn_33 @ world.rotation_33,
        shift_3=np.array(
            [moved_3[0] + shift.real, moved_3[1] + shift.imag, moved_3[2] + (1 - scale) * ground_m]
        ),
    )
    return dataclasses.replace(placed, placement=dataclasses.replace(placed.placement, similarity=similarity))


def _at_altitudes(placed: Candidate, gps_N3: Floats) -> Candidate:
    """Return the block with its cameras at their altitudes again, where they have any: they are the datum."""
    if not np.isfinite(placed.placement.residual_N).any():
        return placed
    world = placed.placement.similarity
    centres_N3 = world.apply(adjust.centres_and_axes(placed.model)[0])
    up_N = gps_N3[np.array(placed.model.numbers) - 1, 2] - centres_N3[:, 2]
    up_m = float(np.nanmedian(up_N)) if np.isfinite(up_N).any() else 0.0
    raised = dataclasses.replace(world, shift_3=world.shift_3 + np.array([0.0, 0.0, up_m]))
    return dataclasses.replace(placed, placement=dataclasses.replace(placed.placement, similarity=raised))


def _scaled(placed: Candidate, scale: float) -> Candidate:
    return placed if scale == 1.0 else _turned(placed, complex(scale), 0j)


def _by_cell(xy_N2: Floats, misfit_N2: Floats) -> Floats:
    """Return the median misfit of each cell of the ground with three matches or more."""
    cells, index_N = np.unique(np.floor(xy_N2 / CELL_M).astype(int), axis=0, return_inverse=True)
    index_N = index_N.ravel()
    return np.array(
        [np.median(misfit_N2[index_N == i], axis=0) for i in range(len(cells)) if (index_N == i).sum() >= 3]
    ).reshape(-1, 2)
