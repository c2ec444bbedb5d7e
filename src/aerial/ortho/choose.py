"""Which photographs see each piece of ground, and each thing on it, the best first.

The best is the nearest to straight above of those that see it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aerial.ortho import sight
from aerial.ortho.ahead import in_order
from aerial.ortho.block import Block
from aerial.ortho.cover import MAX_OFF_NADIR_DEG, in_frame
from aerial.ortho.things import Things, borders, filled

Reals = NDArray[np.float32]

# Photographs remembered for each cell, the best first.
RANKS = 6
# What hidden ground costs more: a photograph that does not see it is better than none.
HIDDEN_COST = 10.0
# Photographs remembered for each thing,
THING_RANKS = 4
# which must hold all but so much of it in their frame,
WHOLE = 0.98
# and what it costs, in tangents off nadir, when all of it is hidden,
HIDDEN_THING_COST = 4.0
# or when all that it touches is taken from another photograph.
COUPLING = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Terrain:
    """A coarse surface in the block's frame: row 0 at ``top_m``, NaN where nothing is known."""

    left_m: float
    top_m: float
    cell_m: float
    z_HW: Reals

    def axes(self) -> tuple[Reals, Reals]:
        """Return x of the columns and y of the rows, metres, cell middles."""
        h, w = self.z_HW.shape
        x_W = self.left_m + (np.arange(w) + 0.5) * self.cell_m
        y_H = self.top_m - (np.arange(h) + 0.5) * self.cell_m
        return x_W.astype(np.float32), y_H.astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """The photographs for each cell of a terrain, the best first, and the one for each thing.

    ``choice_KHW`` -1 where there is none; ``cost_KHW`` is the squared tangent of the angle off nadir,
    ``HIDDEN_COST`` more where hidden, infinite where there is none. ``thing_T`` (number 0 is the
    ground) -1 where no frame holds the thing whole.
    """

    choice_KHW: NDArray[np.int16]
    cost_KHW: Reals
    thing_T: NDArray[np.int16]


def rank(block: Block, terrain: Terrain, things: Things) -> Ranks:
    """Sort the photographs of ``block`` for the cells of ``terrain`` and the ``things`` on it."""
    z_HW = filled(terrain.z_HW)
    x_W, y_H = terrain.axes()
    h, w = z_HW.shape
    size_T = np.bincount(things.number_HW[things.core_HW], minlength=things.count + 1)
    cost_KHW = np.full((RANKS, h, w), np.inf, np.float32)
    choice_KHW = np.full((RANKS, h, w), -1, np.int16)
    thing_cost_KT = np.full((THING_RANKS, things.count + 1), np.inf, np.float32)
    thing_KT = np.full((THING_RANKS, things.count + 1), -1, np.int16)
    windows = [_window(photo.pose.centre_3, terrain, z_HW) for photo in block.photos]
    seen_by = [(index, *window) for index, window in enumerate(windows) if window is not None]

    def cost_of(seen: tuple[int, slice, slice]) -> Reals:
        index, rows, columns = seen
        return _cost(block, index, x_W[columns], y_H[rows], z_HW[rows, columns], terrain.cell_m)

    for (index, rows, columns), cost_HW in zip(seen_by, in_order(cost_of, seen_by), strict=True):
        _insert(cost_KHW[:, rows, columns], choice_KHW[:, rows, columns], cost_HW, index)
        core_HW = things.core_HW[rows, columns] & np.isfinite(cost_HW)
        number_M, cost_M = things.number_HW[rows, columns][core_HW], cost_HW[core_HW]
        hidden_M = cost_M >= HIDDEN_COST
        n = things.count + 1
        held_T = np.bincount(number_M, minlength=n)
        lean_T = np.bincount(number_M, weights=np.sqrt(cost_M - HIDDEN_COST * hidden_M), minlength=n)
        hidden_T = np.bincount(number_M[hidden_M], minlength=n)
        whole_T = (held_T >= WHOLE * size_T) & (held_T > 0)
        thing_cost_T = (lean_T + HIDDEN_THING_COST * hidden_T) / np.maximum(held_T, 1)
        _insert(thing_cost_KT, thing_KT, np.where(whole_T, thing_cost_T, np.inf).astype(np.float32), index)
    unknown_HW = ~np.isfinite(terrain.z_HW)
    choice_KHW[:, unknown_HW], cost_KHW[:, unknown_HW] = -1, np.inf
    thing_T = _agreed(things, size_T, thing_cost_KT, thing_KT)
    return Ranks(choice_KHW=choice_KHW, cost_KHW=cost_KHW, thing_T=thing_T)


def _agreed(
    things: Things, size_T: NDArray[np.int_], cost_KT: Reals, photo_KT: NDArray[np.int16]
) -> NDArray[np.int16]:
    """Return one photograph for each thing, the large ones first, alike for those that touch."""
    thing_T = np.full(things.count + 1, -1, np.int16)
    shared = borders(things.number_HW, things.count)
    for number in (int(t) for t in np.argsort(-size_T[1:], kind="stable") + 1):
        start, end = shared.indptr[number], shared.indptr[number + 1]
        touching_B, sides_B = thing_T[shared.indices[start:end]], shared.data[start:end]
        settled_B = touching_B >= 0
        best, best_cost = -1, np.inf
        for photo, cost in zip(photo_KT[:, number].tolist(), cost_KT[:, number].tolist(), strict=True):
            if photo < 0:
                break
            other = float(sides_B[settled_B & (touching_B != photo)].sum()) / max(float(sides_B.sum()), 1.0)
            if cost + COUPLING * other < best_cost:
                best, best_cost = photo, cost + COUPLING * other
        thing_T[number] = best
    return thing_T


def _window(centre_3: NDArray[np.float64], terrain: Terrain, z_HW: Reals) -> tuple[slice, slice] | None:
    reach = (centre_3[2] - float(z_HW.min())) * np.tan(np.radians(MAX_OFF_NADIR_DEG))
    h, w = z_HW.shape
    c0 = max(int((centre_3[0] - reach - terrain.left_m) / terrain.cell_m), 0)
    c1 = min(int((centre_3[0] + reach - terrain.left_m) / terrain.cell_m) + 1, w)
    r0 = max(int((terrain.top_m - centre_3[1] - reach) / terrain.cell_m), 0)
    r1 = min(int((terrain.top_m - centre_3[1] + reach) / terrain.cell_m) + 1, h)
    return (slice(r0, r1), slice(c0, c1)) if r1 - r0 > 2 and c1 - c0 > 2 else None


def _cost(block: Block, index: int, x_W: Reals, y_H: Reals, z_HW: Reals, cell: float) -> Reals:
    """Return the squared tangent of the angle off nadir, more where hidden, infinite out of the frame."""
    camera, pose = block.photos[index].camera, block.photos[index].pose
    dx_W, dy_H = x_W - np.float32(pose.centre_3[0]), y_H - np.float32(pose.centre_3[1])
    dz_HW = z_HW - np.float32(pose.centre_3[2])
    column_HW, row_HW = sight.pixels_of(camera, pose, dx_W[None, :], dy_H[:, None], dz_HW)
    seen_HW = in_frame(camera, column_HW, row_HW)
    cost_HW = (dx_W[None, :] ** 2 + dy_H[:, None] ** 2) / np.maximum(dz_HW * dz_HW, 1e-6)
    seen_HW &= (dz_HW < 0) & (cost_HW < np.tan(np.radians(MAX_OFF_NADIR_DEG)) ** 2)
    if seen_HW.any():
        unhidden_HW = sight.unhidden(pose.centre_3, x_W, y_H, z_HW, cell)
        # A z-buffer of so coarse cells calls much of a roof with parapets hidden: it would be taken from
        # a photograph that looks along it.
        rows_N, columns_N = np.nonzero(seen_HW & ~unhidden_HW)
        first_2 = (float(x_W[0]), float(y_H[0]))
        unhidden_HW[rows_N, columns_N] = sight.unhidden_cells(
            pose.centre_3, first_2, z_HW, cell, rows_N, columns_N
        )
        cost_HW = cost_HW + HIDDEN_COST * ~unhidden_HW
    return np.where(seen_HW, cost_HW, np.inf).astype(np.float32)


def _insert(cost_K: Reals, choice_K: NDArray[np.int16], cost: Reals, index: int) -> None:
    """Sort one more photograph into the ranks of cells or things, in place."""
    new, who = cost.copy(), np.full(cost.shape, index, np.int16)
    for k in range(len(cost_K)):
        better = new < cost_K[k]
        if not better.any():
            continue
        old, old_who = cost_K[k].copy(), choice_K[k].copy()
        cost_K[k] = np.where(better, new, old)
        choice_K[k] = np.where(better, who, old_who)
        new, who = np.where(better, old, new), np.where(better, old_who, who)
