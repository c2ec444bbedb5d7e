"""Equal brightness: one gain a photograph and channel, and the lens's fall-off, from the overlaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import spsolve

from aerial.camera import Camera
from aerial.ortho import sight
from aerial.ortho.block import Block
from aerial.ortho.choose import Terrain
from aerial.ortho.pictures import Pictures

Floats = NDArray[np.float64]
Reals = NDArray[np.float32]

# Darker and brighter than this a channel no longer follows the light.
DARKEST, BRIGHTEST = 12.0, 243.0
# Differences of logarithms above this are change of content, not of exposure.
HUBER = 0.05
SAMPLES = 15_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """``gain_N3`` for each photograph (B, G, R); ``fall_off_2`` of the lens in r^2 and r^4."""

    gain_N3: Floats
    fall_off_2: Floats

    def levelling(self, camera: Camera, column_HW: Reals, row_HW: Reals) -> Reals:
        """Return what to multiply pixels by against the lens's fall-off."""
        r2_HW = _radius2(camera, column_HW, row_HW)
        return np.asarray(np.exp(-(self.fall_off_2[0] * r2_HW + self.fall_off_2[1] * r2_HW**2)), np.float32)


def _radius2(camera: Camera, column_HW: Reals, row_HW: Reals) -> Reals:
    half2 = (camera.width_px**2 + camera.height_px**2) / 4
    dx_HW, dy_HW = column_HW + 0.5 - camera.width_px / 2, row_HW + 0.5 - camera.height_px / 2
    return np.asarray((dx_HW**2 + dy_HW**2) / half2, np.float32)


def balance(block: Block, small: Pictures, terrain: Terrain, choice_KHW: NDArray[np.int16]) -> Exposure:
    """Solve gains and fall-off so that photographs agree on the ground that they share.

    ``small`` gives reduced colour pictures; ``choice_KHW`` says which photographs see a cell. Least
    squares on logarithms with Huber's weights; the mean gain is 1.
    """
    rows_S, columns_S = np.nonzero(np.isfinite(terrain.z_HW) & (choice_KHW[1] >= 0))
    every = max(1, len(rows_S) // SAMPLES)
    rows_S, columns_S = rows_S[::every], columns_S[::every]
    n = len(block.photos)
    seen_KS = choice_KHW[:, rows_S, columns_S].astype(int)
    colour_KS3, radius_KS = _sampled(block, small, terrain, rows_S, columns_S, seen_KS)
    fine_KS = np.all((colour_KS3 > DARKEST) & (colour_KS3 < BRIGHTEST), axis=-1) & (seen_KS >= 0)
    log_KS3 = np.log(np.maximum(colour_KS3, 1.0))
    firsts, seconds, differences, radii = [], [], [], []
    for k in range(len(seen_KS) - 1):
        both_S = fine_KS[k] & fine_KS[k + 1]
        firsts.append(seen_KS[k, both_S])
        seconds.append(seen_KS[k + 1, both_S])
        differences.append(log_KS3[k, both_S] - log_KS3[k + 1, both_S])
        r_S, q_S = radius_KS[k, both_S], radius_KS[k + 1, both_S]
        radii.append(np.column_stack([r_S - q_S, r_S**2 - q_S**2]))
    first_M, second_M = np.concatenate(firsts), np.concatenate(seconds)
    difference_M3, radius_M2 = np.concatenate(differences), np.concatenate(radii)
    if len(first_M) == 0:
        return Exposure(gain_N3=np.ones((n, 3)), fall_off_2=np.zeros(2))
    fall_2 = _fall_off(first_M, second_M, difference_M3.mean(axis=1), radius_M2, n)
    levelled_M3 = difference_M3 - (radius_M2 @ fall_2)[:, None]
    log_gain_N3 = np.column_stack(
        [_solved(_differences(first_M, second_M, n), levelled_M3[:, c], n) for c in range(3)]
    )
    log_gain_N3 -= log_gain_N3.mean(axis=0)
    return Exposure(gain_N3=np.exp(-log_gain_N3), fall_off_2=fall_2)


def _fall_off(
    first_M: NDArray[np.int_], second_M: NDArray[np.int_], difference_M: Floats, radius_M2: Floats, n: int
) -> Floats:
    system = sparse.hstack([_differences(first_M, second_M, n), sparse.csr_matrix(radius_M2)]).tocsr()
    fall_2 = _solved(system, difference_M, n + 2)[n:]
    # A lens never brightens its corners, and none that flies loses more than two thirds.
    at_corner = fall_2.sum()
    return fall_2 if -1.1 < at_corner < 0.1 else np.zeros(2)


def _differences(first_M: NDArray[np.int_], second_M: NDArray[np.int_], n: int) -> sparse.csr_matrix:
    m = len(first_M)
    row = np.arange(m)
    return sparse.csr_matrix(
        (
            np.concatenate([np.ones(m), -np.ones(m)]),
            (np.concatenate([row, row]), np.concatenate([first_M, second_M])),
        ),
        shape=(m, n),
    )


def _solved(system: sparse.csr_matrix, right_M: Floats, unknowns: int) -> Floats:
    """Return the least-squares solution with Huber's weights; a weak pull holds it near zero."""
    # As strong as one sample in ten thousand: a chain of photographs must not drift.
    pull = sparse.identity(unknowns) * (1e-4 * system.shape[0] / unknowns)
    weight_M = np.ones(len(right_M))
    answer = np.zeros(unknowns)
    for _ in range(5):
        weighted = system.T @ sparse.diags(weight_M)
        answer = spsolve((weighted @ system + pull).tocsc(), weighted @ right_M)
        weight_M = HUBER / np.maximum(np.abs(system @ answer - right_M), HUBER)
    return np.asarray(answer)


def _sampled(
    block: Block,
    small: Pictures,
    terrain: Terrain,
    rows_S: NDArray[np.int_],
    columns_S: NDArray[np.int_],
    seen_KS: NDArray[np.int_],
) -> tuple[Floats, Floats]:
    x_W, y_H = terrain.axes()
    xyz_S3 = np.column_stack([x_W[columns_S], y_H[rows_S], terrain.z_HW[rows_S, columns_S]])
    colour_KS3, radius_KS = np.zeros((*seen_KS.shape, 3)), np.zeros(seen_KS.shape)
    for index, photo in enumerate(block.photos):
        k_M, s_M = np.nonzero(seen_KS == index)
        if len(k_M) == 0:
            continue
        picture_HW3, camera = small[index], small.camera(index)
        at_M3 = (xyz_S3[s_M] - photo.pose.centre_3).astype(np.float32)
        column_M, row_M = sight.pixels_of(camera, photo.pose, *at_M3.T)
        at_row = np.rint(row_M).astype(int).clip(0, camera.height_px - 1)
        at_column = np.rint(column_M).astype(int).clip(0, camera.width_px - 1)
        colour_KS3[k_M, s_M] = picture_HW3[at_row, at_column]
        radius_KS[k_M, s_M] = _radius2(camera, column_M, row_M)
    return colour_KS3, radius_KS


def difference(
    block: Block, small: Pictures, terrain: Terrain, choice_KHW: NDArray[np.int16], balanced: Exposure
) -> Reals:
    """Return by how many grey levels the two best photographs of each cell differ, (H, W), balanced."""
    _, h, w = choice_KHW.shape
    x_W, y_H = terrain.axes()
    colour_KN3 = np.zeros((2, h * w, 3), np.float16)
    for colour_N3, choice_N in zip(colour_KN3, choice_KHW[:2].reshape(2, -1), strict=True):
        order_N = np.argsort(choice_N, kind="stable")
        starts = np.searchsorted(choice_N[order_N], np.arange(len(block.photos) + 1))
        for index, photo in enumerate(block.photos):
            at_M = order_N[starts[index] : starts[index + 1]]
            if len(at_M) == 0:
                continue
            camera, centre_3 = small.camera(index), photo.pose.centre_3.astype(np.float32)
            column_M, row_M = sight.pixels_of(
                camera,
                photo.pose,
                x_W[at_M % w] - centre_3[0],
                y_H[at_M // w] - centre_3[1],
                terrain.z_HW.reshape(-1)[at_M] - centre_3[2],
            )
            colour_N3[at_M] = _levelled(small[index], camera, column_M, row_M, balanced, index)
    difference_N = np.abs(colour_KN3[0] - colour_KN3[1]).mean(axis=-1, dtype=np.float32)
    # Without two photographs there is nothing to compare, and no seam.
    return np.where(choice_KHW[1] >= 0, difference_N.reshape(h, w), np.float32(0))


def _levelled(
    picture_HW3: NDArray[np.uint8],
    camera: Camera,
    column_M: Reals,
    row_M: Reals,
    balanced: Exposure,
    index: int,
) -> Reals:
    """Return a photograph's colours at (column, row), (M, 3), nearest pixel, balanced."""
    at_row = np.rint(row_M).astype(int).clip(0, camera.height_px - 1)
    at_column = np.rint(column_M).astype(int).clip(0, camera.width_px - 1)
    gain_M = balanced.levelling(camera, column_M, row_M)
    return np.asarray(picture_HW3[at_row, at_column] * gain_M[:, None] * balanced.gain_N3[index], np.float32)
