"""What stands out of the ground (roofs, crowns, cars), each thing by itself, from the surface model.

The ground is the surface opened by a square (erosion, then dilation; a plane keeps its slope under
it, so a hillside is ground). What lies over it falls apart where heights jump: a row of houses is
one thing, a low annex beside a tower is another.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse

Reals = NDArray[np.float32]

# Things higher than this over the ground around are kept whole.
STANDS_OUT_M = 0.8
# Nothing wider than this is a thing,
THING_M = 40.0
# but for halls: wider, and high enough that no hill's top is taken for one.
HALL_M, HALL_HIGH_M = 120.0, 2.5
# For them pits up to this width are closed first.
PIT_M = 24.0
# A roof climbs by no more than this a metre; steeper is the edge between two things.
STEEPEST = 1.2
# A surface model errs by this much at edges, so that a thing's own ring belongs to it.
RING_M = 0.8
# What is smaller belongs to the neighbour that it touches most: a chimney, one bough of a crown;
SMALLEST_M2 = 8.0
# and so does what is all but surrounded by something larger: the hut on a roof;
SURROUNDED = 0.6
# or what leans on it (this share of its outline), up to what any photograph holds.
LEANING, LARGEST_M2 = 0.15, 600.0
# Two pieces touch only where the surface between them does not drop under both by this much.
GAP_M = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Things:
    """``number_HW``: the thing that each cell belongs to, from 1 on; 0 is the ground.

    ``core_HW``: without the ring around each thing. ``count`` of things.
    """

    number_HW: NDArray[np.int32]
    core_HW: NDArray[np.bool_]
    count: int


def things_of(z_HW: Reals, cell_m: float) -> Things:
    """Return what stands out of a surface; ``z_HW`` in metres, NaN where nothing is known."""
    known_HW = np.isfinite(z_HW)
    z_HW = filled(z_HW)
    standing_HW = _standing(z_HW, cell_m) & known_HW
    step = STEEPEST * cell_m
    across_HW, down_HW = np.abs(np.diff(z_HW, axis=1)) > step, np.abs(np.diff(z_HW, axis=0)) > step
    calm_HW = standing_HW.copy()
    calm_HW[:, 1:] &= ~across_HW
    calm_HW[:, :-1] &= ~across_HW
    calm_HW[1:] &= ~down_HW
    calm_HW[:-1] &= ~down_HW
    piece_HW, pieces = ndimage.label(calm_HW)
    # What is steep all over, a crown, is what remains when edges beside calm pieces are given to them.
    piece_HW = _spread(piece_HW, standing_HW, 2)
    rough_HW, rough = ndimage.label(standing_HW & (piece_HW == 0), structure=np.ones((3, 3)))
    piece_HW = np.where(rough_HW > 0, rough_HW + pieces, piece_HW)
    piece_HW = _merged(z_HW, piece_HW.astype(np.int32), pieces + rough, cell_m**2)
    number_HW = _spread(piece_HW, known_HW, max(1, round(RING_M / cell_m)))
    return Things(number_HW=number_HW, core_HW=piece_HW > 0, count=int(piece_HW.max()))


def filled(z_HW: Reals) -> Reals:
    """Return ``z_HW`` with its gaps closed by the nearest height."""
    gaps_HW = ~np.isfinite(z_HW)
    if not gaps_HW.any() or gaps_HW.all():
        return np.where(gaps_HW, np.float32(0), z_HW)
    row_HW, column_HW = ndimage.distance_transform_edt(gaps_HW, return_distances=False, return_indices=True)
    return np.asarray(z_HW[row_HW, column_HW])


def _standing(z_HW: Reals, cell_m: float) -> NDArray[np.bool_]:
    standing_HW = z_HW - _opened(z_HW, THING_M / cell_m) > STANDS_OUT_M
    # Worked out on every fourth cell: the square is hundreds of cells wide.
    low_HW = cv2.erode(z_HW, np.ones((5, 5)))[::4, ::4]
    # Between two pits the ground itself would stand out.
    size = int(PIT_M / cell_m / 4) | 1
    low_HW = cv2.morphologyEx(low_HW, cv2.MORPH_CLOSE, np.ones((size, size), np.uint8))
    ground_HW = _opened(low_HW, HALL_M / cell_m / 4)
    h, w = z_HW.shape
    ground_HW = np.repeat(np.repeat(ground_HW, 4, axis=0), 4, axis=1)[:h, :w]
    return np.asarray(standing_HW | (z_HW - ground_HW > HALL_HIGH_M))


def _opened(z_HW: Reals, width: float) -> Reals:
    half = int(width) // 2
    # Without a rim the squares at the border would all hold the same pit, and lie under the ground.
    wide_HW = cv2.copyMakeBorder(z_HW, half, half, half, half, cv2.BORDER_REPLICATE)
    square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
    opened_HW = cv2.morphologyEx(wide_HW, cv2.MORPH_OPEN, square)
    return np.asarray(opened_HW[half : half + z_HW.shape[0], half : half + z_HW.shape[1]])


def _spread(piece_HW: NDArray[np.int32], where_HW: NDArray[np.bool_], cells: int) -> NDArray[np.int32]:
    """Give cells of ``where_HW`` to the nearest piece, up to ``cells`` away."""
    distance_HW, (row_HW, column_HW) = ndimage.distance_transform_edt(piece_HW == 0, return_indices=True)
    near_HW = where_HW & (distance_HW <= cells + 0.5)
    return np.where(near_HW, piece_HW[row_HW, column_HW], piece_HW).astype(np.int32)


def borders(piece_HW: NDArray[np.int32], pieces: int, *, ground: bool = True) -> sparse.csr_matrix:
    """Return how many cell sides each piece shares with each other one, and with the ground (0)."""
    sides = (piece_HW[:, :-1], piece_HW[:, 1:]), (piece_HW[:-1], piece_HW[1:])
    first_M, second_M = (np.concatenate([side[k].ravel() for side in sides]) for k in (0, 1))
    differ_M = first_M != second_M
    if not ground:
        differ_M &= (first_M > 0) & (second_M > 0)
    first_M, second_M = first_M[differ_M], second_M[differ_M]
    once = sparse.csr_matrix(
        (np.ones(len(first_M), np.int64), (first_M, second_M)), shape=(pieces + 1, pieces + 1)
    )
    return (once + once.T).tocsr()


def _merged(z_HW: Reals, piece_HW: NDArray[np.int32], pieces: int, cell_m2: float) -> NDArray[np.int32]:
    """Join small, surrounded and leaning pieces to the neighbour that they touch most; number anew."""
    for _ in range(6):
        size_T = np.bincount(piece_HW.ravel(), minlength=pieces + 1) * cell_m2
        shared = borders(piece_HW, pieces)
        around_T = np.asarray(shared.sum(axis=1)).ravel()
        # The ground is no thing to join, nor what lies across an alley.
        top_T = np.bincount(piece_HW.ravel(), weights=z_HW.ravel(), minlength=pieces + 1)
        top_T = top_T * cell_m2 / np.maximum(size_T, cell_m2)
        on_HW = (piece_HW > 0) & (z_HW > top_T[piece_HW] - GAP_M)
        shared = borders(np.where(on_HW, piece_HW, 0), pieces, ground=False)
        most_T = np.asarray(shared.max(axis=1).todense()).ravel()
        into_T = np.asarray(shared.argmax(axis=1)).ravel()
        joins_T = (most_T > 0) & (size_T[into_T] > size_T)
        leans_T = (most_T > LEANING * around_T) & (size_T + size_T[into_T] <= LARGEST_M2)
        joins_T &= (size_T < SMALLEST_M2) | (most_T > SURROUNDED * around_T) | leans_T
        joins_T[0] = False
        if not joins_T.any():
            break
        target_T = np.where(joins_T, into_T, np.arange(pieces + 1))
        # Whatever is joined is joined to something larger, so every chain ends.
        while not np.array_equal(target_T, target_T[target_T]):
            target_T = target_T[target_T]
        piece_HW = target_T[piece_HW].astype(np.int32)
    number_T = np.zeros(pieces + 1, np.int32)
    kept = np.unique(piece_HW[piece_HW > 0])
    number_T[kept] = np.arange(1, len(kept) + 1)
    return number_T[piece_HW]
