"""Windows spread over a pair, and what each of them says of the shift between the pictures."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from aerial.align import fine
from aerial.align.reader import AlignedPair
from aerial.raster.grid import Grid

Floats = NDArray[np.float64]

WINDOW_PX = 192
MAX_WINDOWS = 200
_SLAB_PX = 4096
# Each holds a stretch of both pictures.
_THREADS = min(4, os.cpu_count() or 1)


def lattice(grid: Grid, most: int = MAX_WINDOWS) -> tuple[list[int], list[int], int]:
    """Return the columns and rows of windows, and their size: at most ``most``, spread evenly.

    They overlap by three quarters at most.
    """
    least = min(grid.width_px, grid.height_px)
    # Half of a small place, so that it still holds several.
    size = min(WINDOW_PX, least, max(96, least // 2))
    step = max(size / 4, float(np.sqrt(grid.width_px * grid.height_px / most)))
    offsets = []
    for length in (grid.width_px, grid.height_px):
        count = max(1, int((length - size) / step) + 1)
        offsets.append([int(v) for v in np.linspace(0, length - size, count).round()])
    return offsets[0], offsets[1], size


def surfaces(pair: AlignedPair, most: int = MAX_WINDOWS) -> Iterator[tuple[float, float, Floats]]:
    """Yield (column, row, surface) of every window that holds enough of both pictures."""
    columns, rows, size = lattice(pair.grid, most)

    def found(place: tuple[int, int, list[int]]) -> list[tuple[float, float, Floats]]:
        row, first, others = place
        # One read serves all windows of a stretch.
        before_CHW, after_CHW, valid_HW = pair.rgb((first, row, others[-1] + size - first, size))
        cuts = {column: np.s_[..., column - first : column - first + size] for column in others}
        surfaces = {
            column: fine.correlate(before_CHW[cut], after_CHW[cut], valid_HW[cut])
            for column, cut in cuts.items()
        }
        return [(c + size / 2, row + size / 2, s) for c, s in surfaces.items() if s is not None]

    places = [(row, first, others) for row in rows for first, others in _stretches(columns, size)]
    with ThreadPoolExecutor(_THREADS, "windows") as pool:
        # In the order of the places, whoever is first.
        for surfaces_of_place in pool.map(found, places):
            yield from surfaces_of_place


def shifts(pair: AlignedPair, most: int = MAX_WINDOWS) -> tuple[fine.Shifts, int]:
    """Return the windows that stand out, and how many could be tried."""
    found, tried = [], 0
    for column, row, surface_HW in surfaces(pair, most):
        tried += 1
        shift_column, shift_row, peak = fine.highest(surface_HW)
        if peak >= fine.MIN_PEAK:
            found.append((column, row, shift_column, shift_row, peak))
    return fine.gather(found), tried


def independent(pair: AlignedPair, tried: int) -> float:
    """Return how many of the tried windows would lie side by side without overlap."""
    _, _, size = lattice(pair.grid)
    return float(min(tried, (pair.grid.width_px / size) * (pair.grid.height_px / size)))


def _stretches(columns: list[int], size: int) -> Iterable[tuple[int, list[int]]]:
    """Yield runs of windows that touch, as (first column, columns), none wider than a slab of memory."""
    run = [columns[0]]
    for column in columns[1:]:
        if column > run[-1] + size or column - run[0] > _SLAB_PX:
            yield run[0], run
            run = []
        run.append(column)
    yield run[0], run
