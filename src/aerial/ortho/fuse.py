"""Many height maps to one surface: laying points on cells, agreeing, filling, smoothing."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Floats = NDArray[np.float64]
Heights = NDArray[np.float32]

# Heights of a cell that lie this near are of one surface.
SAME_SURFACE_M = 0.5
# What is written as spread where no second view confirms the height.
UNCONFIRMED_SPREAD_M = 5.0
# The share of the views that must be of one surface, where there are four or more.
AGREED = 0.35
# So many views that tried make the height of one alone a chance match.
MANY = 8
STRIP_SAMPLES = 2_000_000
# The least share of measured cells around one that is believed.
SCATTERED = 0.4
SCATTERED_PASSES = 3
# Steps above this are walls.
WALL_M = 1.5


def lay(points_N3: Heights, left: float, top: float, cell: float, shape: tuple[int, int]) -> Heights:
    """Return the upper surface of points on a raster, NaN where none fell.

    Row 0 lies at ``top`` (north); ``left``, ``top`` and ``cell`` in metres. A cell takes the mean
    of its points within half a metre of the highest: at a roof's edge the roof, not a height
    between roof and ground.
    """
    h, w = shape
    column_N = np.floor((points_N3[:, 0] - np.float32(left)) / np.float32(cell)).astype(np.int32)
    row_N = np.floor((np.float32(top) - points_N3[:, 1]) / np.float32(cell)).astype(np.int32)
    inside_N = (column_N >= 0) & (row_N >= 0) & (column_N < w) & (row_N < h)
    cell_N, z_N = row_N[inside_N] * w + column_N[inside_N], points_N3[inside_N, 2]
    highest = np.full(h * w, -np.inf, np.float32)
    np.maximum.at(highest, cell_N, z_N)
    upper_N = z_N > highest[cell_N] - np.float32(SAME_SURFACE_M)
    count = np.bincount(cell_N[upper_N], minlength=h * w)
    total = np.bincount(cell_N[upper_N], weights=z_N[upper_N], minlength=h * w)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32).reshape(h, w)


def wide_holes(height_HW: Heights, cells: int) -> NDArray[np.bool_]:
    """Return the holes that a disc of ``cells`` across fits in; narrower ones are what walls hide."""
    hole_HW = (~np.isfinite(height_HW)).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (cells, cells))
    return np.asarray(cv2.morphologyEx(hole_HW, cv2.MORPH_OPEN, disc) > 0)


def agree(stack_NHW: Heights, weight_N: Floats, tried_HW: NDArray[np.int16]) -> tuple[Heights, Heights]:
    """Return the height of each cell that most views support, and the spread of the views.

    The median decides between surfaces (roof or ground), the weighted mean of the views near it
    gives the height, NaN where hardly any agree. The spread is half of the 16-84 % range of all views,
    NaN for fewer than two. ``tried_HW`` is the number of views that may have seen a cell: where
    many tried, one alone is not believed.
    """
    n, h, w = stack_NHW.shape
    height_HW, spread_HW = (np.full((h, w), np.nan, np.float32) for _ in range(2))
    if n:
        # In strips: the work takes several copies of what it works on.
        strip = max(1, STRIP_SAMPLES // (n * w))
        for top in range(0, h, strip):
            rows = slice(top, top + strip)
            height_HW[rows], spread_HW[rows] = _agree(stack_NHW[:, rows], weight_N, tried_HW[rows])
    return height_HW, spread_HW


def _agree(stack_NHW: Heights, weight_N: Floats, tried_HW: NDArray[np.int16]) -> tuple[Heights, Heights]:
    ordered_NHW = np.sort(stack_NHW, axis=0)  # NaN sorts last
    count_HW = np.isfinite(stack_NHW).sum(axis=0)

    def ranked(share: float) -> Heights:
        at_HW = np.rint(share * np.maximum(count_HW - 1, 0)).astype(int)
        return np.asarray(np.take_along_axis(ordered_NHW, at_HW[None], axis=0)[0])

    median_HW = ranked(0.5)
    near_NHW = np.abs(stack_NHW - median_HW) <= SAME_SURFACE_M
    weight_NHW = near_NHW * weight_N.astype(np.float32)[:, None, None]
    # Where hardly two of many views agree, each is a guess: water, shadow, leaves in the wind.
    agreed_HW = (count_HW < 4) | (near_NHW.sum(axis=0) >= AGREED * count_HW)
    agreed_HW &= (count_HW >= 2) | (tried_HW < MANY)
    sum_HW = weight_NHW.sum(axis=0) * agreed_HW
    mean_HW = np.where(near_NHW, stack_NHW * weight_NHW, 0).sum(axis=0) / np.maximum(sum_HW, 1e-9)
    height_HW = np.where(sum_HW > 0, mean_HW, np.nan)
    spread_HW = np.where(count_HW >= 2, (ranked(0.84) - ranked(0.16)) / 2, np.nan)
    return height_HW.astype(np.float32), spread_HW.astype(np.float32)


def without_specks(height_HW: Heights, smallest_cells: int) -> Heights:
    """Empty patches of fewer cells than ``smallest_cells`` that no step below a metre joins to others."""
    filled_HW = np.where(np.isfinite(height_HW), height_HW, -1e6).astype(np.float32)
    base = np.nanmin(height_HW) if np.isfinite(height_HW).any() else 0.0
    # filterSpeckles works on 16-bit whole numbers: decimetres.
    steps_HW = np.clip((filled_HW - base) * 10 + 1, 0, 32000).astype(np.int16)
    cv2.filterSpeckles(steps_HW, 0, smallest_cells, 10)
    return np.where(steps_HW > 0, height_HW, np.float32(np.nan))


def without_scattered(height_HW: Heights, cells: int) -> Heights:
    """Empty what lies scattered where hardly anything was measured: matches on water and in shadow.

    ``cells`` is the side of the window in which at least ``SCATTERED`` of the cells must be known.
    """
    known_HW = np.isfinite(height_HW)
    # Again, for beside a bank what lies scattered is held by the bank until the middle is empty.
    for _ in range(SCATTERED_PASSES):
        share_HW = cv2.blur(known_HW.astype(np.float32), (cells, cells), borderType=cv2.BORDER_REPLICATE)
        known_HW &= share_HW >= SCATTERED
    return np.where(known_HW, height_HW, np.float32(np.nan))


def filled(height_HW: Heights, base_HW: Heights) -> Heights:
    """Fill the holes of a surface.

    A hole whose rim lies at one level is spanned from its rim. One with a high and a low side is
    what a wall hides, and takes the low side: ground goes up to a wall, roofs do not hang over.
    A hole that reaches the border is too large to be judged here and takes ``base_HW``.
    """
    hole_HW = ~np.isfinite(height_HW)
    if not hole_HW.any():
        return height_HW
    label_HW, n = ndimage.label(hole_HW, structure=np.ones((3, 3)))
    border = np.concatenate([label_HW[0], label_HW[-1], label_HW[:, 0], label_HW[:, -1]])
    open_N = np.zeros(n + 1, bool)
    open_N[border] = True
    # Rim cells belong to the hole beside them; between two holes the larger number wins.
    rim_HW = np.where(hole_HW, 0, cv2.dilate(label_HW.astype(np.float32), np.ones((5, 5))).astype(int))
    rim_label, rim_z = rim_HW[rim_HW > 0], height_HW[rim_HW > 0]
    order = np.lexsort((rim_z, rim_label))
    rim_label, rim_z = rim_label[order], rim_z[order]
    start = np.searchsorted(rim_label, np.arange(n + 1))
    count = np.searchsorted(rim_label, np.arange(n + 1), side="right") - start
    low_N = rim_z[np.minimum(start + count // 10, len(rim_z) - 1)] if len(rim_z) else np.zeros(n + 1)
    # Only rim cells near the low side take part in the span.
    part_HW = (rim_HW > 0) & (height_HW <= low_N[rim_HW] + 1.0)
    spanned_HW = spanned(np.where(part_HW, height_HW, np.nan))
    closed_HW = hole_HW & ~open_N[label_HW] & (count[label_HW] > 0)
    ceiling_HW = np.where(closed_HW, low_N[label_HW] + 1.0, np.inf)
    return np.where(
        closed_HW, np.minimum(spanned_HW, ceiling_HW), np.where(hole_HW, base_HW, height_HW)
    ).astype(np.float32)


def spanned(height_HW: NDArray[np.floating]) -> Heights:
    """Fill NaN by the means of ever coarser pyramids, smoothly (push and pull)."""
    known_HW = np.isfinite(height_HW)
    if known_HW.all() or not known_HW.any():
        return height_HW.astype(np.float32)
    h, w = height_HW.shape
    if max(h, w) <= 2:
        return np.where(known_HW, height_HW, np.nanmean(height_HW)).astype(np.float32)
    pad = ((0, h % 2), (0, w % 2))
    sum_HW = np.pad(np.where(known_HW, height_HW, 0), pad)
    number_HW = np.pad(known_HW.astype(np.float32), pad)
    blocks = (sum_HW.shape[0] // 2, 2, sum_HW.shape[1] // 2, 2)
    sums_HW = sum_HW.reshape(blocks).sum(axis=(1, 3))
    numbers_HW = number_HW.reshape(blocks).sum(axis=(1, 3))
    coarse_HW = spanned(np.where(numbers_HW > 0, sums_HW / np.maximum(numbers_HW, 1), np.nan))
    fine_HW = cv2.resize(coarse_HW, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)[:h, :w]
    return np.where(known_HW, height_HW, fine_HW).astype(np.float32)


def narrowed(height_HW: Heights) -> Heights:
    """Take one cell off all around what stands above a wall.

    Half of the matching window and half of a cell of what is high hang over the edge: matched
    roofs are 0.20 m too wide at cells of 0.10 m, 0.25 m at cells of 0.20 m.
    """
    window_33 = np.ones((3, 3), np.uint8)
    # Pinholes are not walls and are not to grow.
    low_HW = cv2.erode(cv2.morphologyEx(height_HW, cv2.MORPH_CLOSE, window_33), window_33)
    return np.where(height_HW - low_HW > WALL_M, low_HW, height_HW)


def smoothed(height_HW: Heights) -> Heights:
    """Even out the matching's noise on level ground and roofs; steps above half a metre stay."""
    calm_HW = cv2.medianBlur(height_HW, 5)
    return np.asarray(cv2.bilateralFilter(calm_HW, d=9, sigmaColor=0.25, sigmaSpace=3.0))
