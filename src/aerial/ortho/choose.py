"""Which photograph each piece of ground is taken from.

The nearest to straight above that sees it. What stands out of the ground (a house, a car) is taken
whole from one photograph where one sees it whole, so that seams run over the ground.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from aerial.ortho import sight
from aerial.ortho.block import Block
from aerial.ortho.cover import MAX_OFF_NADIR_DEG, in_frame

Reals = NDArray[np.float32]

# Photographs remembered for each cell, the best first.
RANKS = 6
# Things higher than this over the ground around are kept whole.
STANDS_OUT_M = 0.8
# Nothing wider than this is a thing.
THING_M = 40.0
# What hidden ground costs more: a photograph that does not see it is better than none.
HIDDEN_COST = 10.0


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


def choose(block: Block, terrain: Terrain) -> NDArray[np.int16]:
    """Return the photographs for each cell of ``terrain``, ``choice_KHW``, best first, -1 for none."""
    z_HW = np.where(np.isfinite(terrain.z_HW), terrain.z_HW, np.nanmin(terrain.z_HW)).astype(np.float32)
    x_W, y_H = terrain.axes()
    h, w = z_HW.shape
    thing_HW, things = ndimage.label(_standing(z_HW, terrain.cell_m), structure=np.ones((3, 3)))
    size_T = np.bincount(thing_HW.ravel(), minlength=things + 1)
    best_T, chosen_T = np.full(things + 1, np.inf), np.full(things + 1, -1, np.int16)
    cost_KHW = np.full((RANKS, h, w), np.inf, np.float32)
    choice_KHW = np.full((RANKS, h, w), -1, np.int16)
    for index, photo in enumerate(block.photos):
        window = _window(photo.pose.centre_3, terrain, z_HW)
        if window is None:
            continue
        rows, columns = window
        cost_HW = _cost(block, index, x_W[columns], y_H[rows], z_HW[rows, columns], terrain.cell_m)
        _insert(cost_KHW[:, rows, columns], choice_KHW[:, rows, columns], cost_HW, index)
        part_HW, seen_HW = thing_HW[rows, columns], cost_HW < HIDDEN_COST
        seen_T = np.bincount(part_HW[seen_HW], minlength=things + 1)
        sum_T = np.bincount(part_HW[seen_HW], weights=cost_HW[seen_HW], minlength=things + 1)
        mean_T = np.where(seen_T >= 0.98 * size_T, sum_T / np.maximum(seen_T, 1), np.inf)
        better_T = mean_T < best_T
        best_T[better_T], chosen_T[better_T] = mean_T[better_T], index
    chosen_T[0] = -1
    return np.concatenate([chosen_T[thing_HW][None], choice_KHW])


def _standing(z_HW: Reals, cell: float) -> NDArray[np.bool_]:
    width = int(THING_M / cell) | 1
    ground_HW = cv2.morphologyEx(z_HW, cv2.MORPH_OPEN, np.ones((width, width)))
    return np.asarray(cv2.dilate((z_HW - ground_HW > STANDS_OUT_M).astype(np.uint8), np.ones((3, 3))) > 0)


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
        cost_HW = cost_HW + HIDDEN_COST * ~sight.unhidden(pose.centre_3, x_W, y_H, z_HW, cell)
    return np.where(seen_HW, cost_HW, np.inf).astype(np.float32)


def _insert(cost_KHW: Reals, choice_KHW: NDArray[np.int16], cost_HW: Reals, index: int) -> None:
    """Sort one more photograph into the ranks, in place."""
    new_HW, who_HW = cost_HW.copy(), np.full(cost_HW.shape, index, np.int16)
    for k in range(len(cost_KHW)):
        better_HW = new_HW < cost_KHW[k]
        old_HW, old_who_HW = cost_KHW[k].copy(), choice_KHW[k].copy()
        cost_KHW[k] = np.where(better_HW, new_HW, old_HW)
        choice_KHW[k] = np.where(better_HW, who_HW, old_who_HW)
        new_HW = np.where(better_HW, old_HW, new_HW)
        who_HW = np.where(better_HW, old_who_HW, who_HW)
