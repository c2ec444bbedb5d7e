"""Keeps the pixels under windows that are read several times, each time from a hair beside."""

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aerial.raster.read import Level, RasterInfo, WindowPx, read_level

# Together, in both pictures of a pair: 200 windows of 8-bit colours are 30 MB.
MOST_BYTES = 48 << 20
# A fit moves a window by a few of its pixels.
_MARGIN_PX = 12

Pixels = tuple[NDArray[Any], NDArray[np.bool_]]


class Slabs:
    """The windows read last of one picture at one of its levels, as ``read_level`` gives them.

    Blocks of a file are larger than windows, and are decoded whole: passes over the same windows
    would decode each of them again. What does not fit into memory is read anew; ``kept_bytes``: what
    is held. For several threads at once.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear(None)

    def _clear(self, kind: object) -> None:
        self._kind, self.kept_bytes = kind, 0
        self._kept: list[tuple[WindowPx, Pixels]] = []

    def read(self, info: RasterInfo, level: Level, window: WindowPx, *, bands: int, step: int) -> Pixels:
        """Return what ``read_level`` does; arrays are not to be written to."""
        kind = (level, bands, step)
        with self._lock:
            if kind != self._kind:
                self._clear(kind)
            kept = next((item for item in self._kept if _holds(item[0], window)), None)
        if kept is None:
            wide = _widened(window, level, step)
            kept = wide, read_level(info.path, level, wide, bands=bands, step=step)
            size = sum(array.nbytes for array in kept[1])
            with self._lock:
                if kind == self._kind and self.kept_bytes + size <= MOST_BYTES:
                    self._kept.append(kept)
                    self.kept_bytes += size
        (column, row, _, _), (data_CHW, valid_HW) = kept
        left, top = (window[0] - column) // step, (window[1] - row) // step
        rows, columns = slice(top, top + window[3] // step), slice(left, left + window[2] // step)
        return data_CHW[:, rows, columns], valid_HW[rows, columns]


def _holds(whole: WindowPx, part: WindowPx) -> bool:
    return all(whole[k] <= part[k] and part[k] + part[k + 2] <= whole[k] + whole[k + 2] for k in (0, 1))


def _widened(window: WindowPx, level: Level, step: int) -> WindowPx:
    """Return a window with a margin, in whole steps, as far as the level goes."""
    ends = []
    for first, size, length in zip(window[:2], window[2:], (level.width_px, level.height_px), strict=True):
        low = max(0, first - _MARGIN_PX * step)
        high = min(length - length % step, first + size + _MARGIN_PX * step)
        ends.append((low, high - low))
    (column, width), (row, height) = ends
    return column, row, width, height
