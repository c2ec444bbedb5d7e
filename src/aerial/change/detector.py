"""The protocol of a detector (plugin group ``aerial.detectors``), and its tiles.

The runtime owns tiling and I/O; a detector sees whole-pair statistics once and then tiles.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx
from aerial.records import Pair


@dataclass(frozen=True, slots=True, kw_only=True)
class PairTile:
    """One window of an aligned pair, halo included.

    ``before_CHW``, ``after_CHW``: uint8 RGB. ``before_dsm_HW``, ``after_dsm_HW``: float32 metres, NaN
    where unknown, None without DSM. ``*_spread_HW``: how far the DSM's own measurements disagree,
    metres, NaN where it does not say. ``valid_HW``: both dates hold a pixel. ``grid``: the tile's own.
    """

    grid: Grid
    before_CHW: NDArray[np.uint8]
    after_CHW: NDArray[np.uint8]
    before_dsm_HW: NDArray[np.float32] | None
    after_dsm_HW: NDArray[np.float32] | None
    before_spread_HW: NDArray[np.float32] | None
    after_spread_HW: NDArray[np.float32] | None
    valid_HW: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TileScores:
    """Per pixel of a tile, float32: ``appeared_HW`` and ``gone_HW`` 0-1, ``height_change_HW`` metres.

    ``height_change_HW`` is NaN where the detector does not know it. ``edge_HW`` -1 to 1: a
    structural edge (a height step, an image edge) is new here, or, below 0, was here and is gone; the
    outline of a building follows it, that of a blot of colour or of a tree does not.
    ``standing_HW``: how high BEFORE stood over the surrounding ground, metres, NaN where unknown.
    ``doubtful_change_HW``: the height change also where it cannot be relied on, NaN where there is none.
    ``building_*_HW``: probability that a building stands there on that date. ``noise_HW``: what the
    heights of unchanged surfaces like this differ by, metres. ``vegetation_HW``: 1 where what stands
    there is green and rough. None where the detector does not tell.
    """

    appeared_HW: NDArray[np.float32]
    gone_HW: NDArray[np.float32]
    height_change_HW: NDArray[np.float32]
    edge_HW: NDArray[np.float32]
    standing_HW: NDArray[np.float32]
    doubtful_change_HW: NDArray[np.float32]
    building_before_HW: NDArray[np.float32] | None = None
    building_after_HW: NDArray[np.float32] | None = None
    noise_HW: NDArray[np.float32] | None = None
    vegetation_HW: NDArray[np.float32] | None = None


# (column, row, width, height) in, its tile out; may reach over the rim, where nothing is valid
ReadTile = Callable[[WindowPx], PairTile]


class PairView(Protocol):
    """The whole pair, for statistics."""

    def overview(self, side_px: int) -> PairTile:
        """Return all of the pair as one coarse tile of at most ``side_px`` a side."""
        ...

    def samples(self, side_px: int, count: int) -> Sequence[PairTile]:
        """Return up to ``count`` tiles at full resolution, spread over the pair, the same each time."""
        ...

    def window(self, window: WindowPx, factor: int) -> PairTile:
        """Return a window (column, row, width, height) of the pair on pixels ``factor`` times as large.

        It may reach over the rim, where nothing is valid.
        """
        ...


class Scorer(Protocol):
    """Scores tiles; pure: the same tile gives the same scores."""

    def __call__(self, tiles: Sequence[PairTile]) -> Sequence[TileScores]:
        """Return the scores of each tile, of the tile's own shape."""
        ...


@runtime_checkable
class CarefulScorer(Scorer, Protocol):
    """A scorer that looks again, slowly, where its first answer found something."""

    def again(
        self, bands: Sequence[NDArray[np.float32]], window: WindowPx, factor: int, read: ReadTile
    ) -> None:
        """Better ``appeared``, ``gone`` and both building maps of a window of the pair's grid, in place.

        ``factor``: how many of its pixels a pixel of the detector is wide; ``read``: windows of the pair on
        the detector's pixels.
        """
        ...


class Detector(Protocol):
    """Finds change in pairs.

    ``gsd_m``: the finest pixel size it works at. ``halo_px``: what it needs around.
    ``needs_dsm``: it says nothing without a surface model of both dates.
    """

    name: str
    version: str
    gsd_m: float
    halo_px: int
    needs_dsm: bool

    def prepare(self, pair: Pair, view: PairView) -> Scorer:
        """Take the pair's own statistics and return the scorer for its tiles."""
        ...

    def settings(self) -> dict[str, Any]:
        """Return every number that the result depends on; hashed into keys and model_sha256."""
        ...
