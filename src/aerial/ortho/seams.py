"""Where one photograph passes over to the next: over the ground, where both show the same.

Where one photograph is clearly the best, or holds a thing whole, it is taken. The strips between are
flooded from there (a watershed, Soille, Pattern Recognition Letters 27, 2006), those cells first
where a seam would show: where the photographs differ, beside edges, on crowns. The seams are where
the floods meet last.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from aerial.ortho.choose import HIDDEN_COST, Ranks, Terrain
from aerial.ortho.things import Things, filled

Reals = NDArray[np.float32]

# The best is clearly the best when the next is so much further off nadir (tangents).
CLEAR = 0.08
# Width of the strip beside the edge of a frame in which its seam may run.
BAND_M = 4.0
# Prices of a seam: grey levels of difference count twice;
EDGE_PRICE, THING_PRICE, OFF_PRICE = 80.0, 160.0, 20.0
DEAREST = 600.0
# A step of the surface that a seam had better not cross.
STEP_M = 0.5
# Regions smaller than this are given to a neighbour that sees them.
SMALLEST_M2 = 12.0


def lay(terrain: Terrain, ranks: Ranks, things: Things, difference_HW: Reals) -> NDArray[np.int16]:
    """Return the photograph that each cell is to be taken from, -1 where there is none.

    ``difference_HW``: grey levels by which the two best photographs of a cell differ.
    """
    known_HW = np.isfinite(terrain.z_HW) & (ranks.choice_KHW[0] >= 0)
    # Where a second one is missing the first is clearly the best.
    first_HW, second_HW = np.sqrt(np.minimum(ranks.cost_KHW[:2], np.float32(1e6)))
    margin_HW = second_HW - first_HW
    price_HW = _price(terrain, things, difference_HW, margin_HW)
    clear_HW = (margin_HW > CLEAR) & (ranks.cost_KHW[0] < HIDDEN_COST)
    # The edge of a frame is a straight line through whatever lies there: back from it, where two see.
    clear_HW &= ~(_near_change(ranks.choice_KHW[0], BAND_M / terrain.cell_m) & (second_HW**2 < HIDDEN_COST))
    seed_HW = np.where(clear_HW, ranks.choice_KHW[0], -1)
    seed_HW = np.where(things.number_HW > 0, ranks.thing_T[things.number_HW], seed_HW)
    label_HW = flood(seed_HW.astype(np.int16), price_HW, known_HW)
    kept_HW = things.number_HW > 0
    label_HW = _visible(label_HW, ranks, kept_HW)
    small_HW = _small(label_HW, SMALLEST_M2 / terrain.cell_m**2) & ~kept_HW & known_HW
    label_HW = flood(np.where(small_HW, -1, label_HW).astype(np.int16), price_HW, known_HW)
    label_HW = _visible(label_HW, ranks, kept_HW)
    return np.where(known_HW, label_HW, -1).astype(np.int16)


def _price(terrain: Terrain, things: Things, difference_HW: Reals, margin_HW: Reals) -> Reals:
    z_HW = filled(terrain.z_HW)
    square = np.ones((3, 3), np.uint8)
    edge_HW = cv2.dilate(z_HW, square) - cv2.erode(z_HW, square) > STEP_M
    price_HW = 2 * cv2.blur(difference_HW, (3, 3)) + OFF_PRICE * np.clip(margin_HW / CLEAR, 0, 1)
    price_HW += EDGE_PRICE * edge_HW + THING_PRICE * things.core_HW
    return np.asarray(np.minimum(price_HW, DEAREST - 1), np.float32)


def _near_change(best_HW: NDArray[np.int16], cells: float) -> NDArray[np.bool_]:
    """Tell which cells lie within so many cells of another best photograph."""
    square = np.ones((2 * max(round(cells), 1) + 1,) * 2, np.uint8)
    return np.asarray(cv2.dilate(best_HW, square) != cv2.erode(best_HW, square))


def _visible(label_HW: NDArray[np.int16], ranks: Ranks, kept_HW: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Return the labels where their photograph sees the cell, elsewhere the best one."""
    seen_HW = kept_HW & (label_HW >= 0)
    for choice_HW, cost_HW in zip(ranks.choice_KHW, ranks.cost_KHW, strict=True):
        seen_HW |= (choice_HW == label_HW) & (cost_HW < HIDDEN_COST)
    return np.where(seen_HW, label_HW, ranks.choice_KHW[0])


def _small(label_HW: NDArray[np.int16], cells: float) -> NDArray[np.bool_]:
    """Tell which cells lie in a region of one photograph that is smaller than so many cells."""
    h, w = label_HW.shape
    at_HW = np.arange(h * w, dtype=np.int32).reshape(h, w)
    right_HW, down_HW = label_HW[:, :-1] == label_HW[:, 1:], label_HW[:-1] == label_HW[1:]
    one_M = np.concatenate([at_HW[:, :-1][right_HW], at_HW[:-1][down_HW]])
    other_M = np.concatenate([at_HW[:, 1:][right_HW], at_HW[1:][down_HW]])
    graph = sparse.coo_matrix((np.ones(len(one_M), np.int8), (one_M, other_M)), shape=(h * w, h * w))
    _, region_N = connected_components(graph, directed=False)
    return np.asarray((np.bincount(region_N)[region_N] < cells).reshape(h, w))


def flood(seed_HW: NDArray[np.int16], price_HW: Reals, where_HW: NDArray[np.bool_]) -> NDArray[np.int16]:
    """Spread the seeds (>= 0) over the cells of ``where_HW`` so that they meet where the price is lowest.

    The spanning forest of lowest cost, one tree a label, is that watershed.
    """
    free_HW = where_HW & (seed_HW < 0)
    if not free_HW.any():
        return seed_HW
    labels = np.unique(seed_HW[where_HW & (seed_HW >= 0)])
    n = int(free_HW.sum())
    node_HW = np.full(seed_HW.shape, -1, np.int32)
    node_HW[free_HW] = np.arange(n)
    seeded_HW = where_HW & (seed_HW >= 0)
    node_HW[seeded_HW] = n + np.searchsorted(labels, seed_HW[seeded_HW])
    cost_HW = (DEAREST - price_HW).astype(np.float32)
    edges = [_edges(node_HW, cost_HW, n, axis) for axis in (0, 1)]
    root = n + len(labels)
    one_M, other_M, cost_M = (
        np.concatenate(part)
        for part in zip(
            *edges,
            (np.arange(n, root), np.full(len(labels), root), np.full(len(labels), 1e-3, np.float32)),
            strict=True,
        )
    )
    # A cell may touch a label on several sides; sparse matrices would add up what it costs.
    _, first = np.unique(one_M.astype(np.int64) * (root + 1) + other_M, return_index=True)
    graph = sparse.coo_matrix((cost_M[first], (one_M[first], other_M[first])), shape=(root + 1, root + 1))
    tree = minimum_spanning_tree(graph.tocsr()).tocoo()
    inner_M = (tree.row != root) & (tree.col != root)
    forest = sparse.coo_matrix(
        (tree.data[inner_M], (tree.row[inner_M], tree.col[inner_M])), shape=(root + 1, root + 1)
    )
    _, part_N = connected_components(forest, directed=False)
    label_P = np.full(int(part_N.max()) + 1, -1, np.int16)
    label_P[part_N[n:root]] = labels
    out_HW = seed_HW.copy()
    out_HW[free_HW] = label_P[part_N[:n]]
    return out_HW


def _edges(node_HW: NDArray[np.int32], cost_HW: Reals, free: int, axis: int) -> tuple[Any, Any, Any]:
    """Return free cells, the free cells or labels beside them, and what it costs to pass over."""
    a, b = (np.s_[:-1], np.s_[1:]) if axis == 0 else (np.s_[:, :-1], np.s_[:, 1:])
    low_HW, high_HW = np.minimum(node_HW[a], node_HW[b]), np.maximum(node_HW[a], node_HW[b])
    # A label's own cell costs what the free one does.
    cost_a_HW = np.where(node_HW[a] < free, cost_HW[a], 0)
    cost_b_HW = np.where(node_HW[b] < free, cost_HW[b], 0)
    used_HW = (low_HW >= 0) & (low_HW < free)
    return low_HW[used_HW], high_HW[used_HW], np.maximum(cost_a_HW, cost_b_HW)[used_HW]
