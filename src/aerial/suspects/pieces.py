"""From scores per pixel to outlines along pixel edges; vectorising happens only here.

Window by window: a piece that lies inside one window and holds too little that is sure is forgotten at
once, pieces that reach a seam wait for their other halves. Memory follows what was found, not the map.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely import STRtree, affinity, unary_union
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from aerial.raster import grid as grids
from aerial.raster.grid import Grid
from aerial.raster.read import WindowPx, open_raster, read_bands
from aerial.raster.shapes import labelled_outlines

Bands = dict[str, NDArray[np.float32]]

# Labels and scores of a window take 60 MB at twice this.
WINDOW_PX = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A piece is what scores at least ``low``, where at least ``sure_m2`` of it score ``seed``.

    ``least_m2``: smaller pieces are forgotten. Two levels, so that a roof of two tones stays whole
    and a haze of middling scores is no piece.
    """

    low: float
    seed: float
    sure_m2: float
    least_m2: float


def outlines_of(
    change: Path, names: Sequence[str], score: Callable[[Bands], NDArray[np.float32]], levels: Levels
) -> list[Polygon]:
    """Return the pieces of a change map in pixels (column, row) of it, as its pixels have them.

    ``score`` makes one score of the bands called ``names``, NaN where nothing is known. Pieces are
    4-connected; where the windows' seams lie makes no difference.
    """
    grid = open_raster(change).grid
    pixel_m2 = grids.gsd_m(grid) ** 2
    whole: list[_Piece] = []
    cut: list[_Piece] = []
    for window in windows(grid):
        score_HW = np.nan_to_num(score(read_bands(change, window, names)), nan=-np.inf)
        for piece in _pieces(score_HW, levels):
            placed = _Piece(
                outline_px=affinity.translate(piece.outline_px, window[0], window[1]), sure_px=piece.sure_px
            )
            if _at_seam(piece.outline_px, window, grid.width_px, grid.height_px):
                cut.append(placed)
            elif _enough(placed, levels, pixel_m2):
                whole.append(placed)
    whole += [piece for piece in _joined(cut) if _enough(piece, levels, pixel_m2)]
    # In reading order, so that the same map gives the same list whatever its windows.
    return [
        p.outline_px for p in sorted(whole, key=lambda p: (p.outline_px.bounds[1], p.outline_px.bounds[0]))
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    outline_px: Polygon
    sure_px: int


def windows(grid: Grid) -> list[WindowPx]:
    """Return windows that cover a grid without overlap, row by row."""
    width_px, height_px = grid.width_px, grid.height_px
    return [
        (column, row, min(WINDOW_PX, width_px - column), min(WINDOW_PX, height_px - row))
        for row in range(0, height_px, WINDOW_PX)
        for column in range(0, width_px, WINDOW_PX)
    ]


def _pieces(score_HW: NDArray[np.float32], levels: Levels) -> list[_Piece]:
    mask_HW = (score_HW >= levels.low).astype(np.uint8)
    if not mask_HW.any():
        return []
    count, labels_HW = cv2.connectedComponents(mask_HW, connectivity=4, ltype=cv2.CV_32S)
    sure_L = np.bincount(labels_HW[score_HW >= levels.seed], minlength=count)
    rims = (labels_HW[0], labels_HW[-1], labels_HW[:, 0], labels_HW[:, -1])
    keep_L = sure_L > 0
    keep_L[np.unique(np.concatenate(rims))] = True
    keep_L[0] = False
    labels_HW = np.where(keep_L[labels_HW], labels_HW, 0).astype(np.int32)
    return [
        _Piece(outline_px=outline, sure_px=int(sure_L[label]))
        for label, outline in labelled_outlines(labels_HW)
    ]


def _at_seam(outline: Polygon, window: WindowPx, width_px: int, height_px: int) -> bool:
    column, row, width, height = window
    x0, y0, x1, y1 = outline.bounds
    return bool(
        (x0 <= 0 and column > 0)
        or (y0 <= 0 and row > 0)
        or (x1 >= width and column + width < width_px)
        or (y1 >= height and row + height < height_px)
    )


def _joined(cut: list[_Piece]) -> list[_Piece]:
    """Return pieces joined over the seams, each sure of what its parts were sure of."""
    if not cut:
        return []
    outlines = polygons(unary_union([piece.outline_px for piece in cut]))
    tree = STRtree([piece.outline_px.representative_point() for piece in cut])
    return [
        _Piece(outline_px=outline, sure_px=sum(cut[k].sure_px for k in tree.query(outline, "contains")))
        for outline in outlines
    ]


def _enough(piece: _Piece, levels: Levels, pixel_m2: float) -> bool:
    return piece.sure_px * pixel_m2 >= levels.sure_m2 and piece.outline_px.area * pixel_m2 >= levels.least_m2


def polygons(geometry: BaseGeometry) -> list[Polygon]:
    """Return the polygons of a geometry, lines and points left out."""
    if isinstance(geometry, Polygon):
        return [] if geometry.is_empty else [geometry]
    return [part for part in getattr(geometry, "geoms", []) if isinstance(part, Polygon)]


def cleaned(piece: Polygon, gsd_m: float, *, neck_m: float, gap_m: float, hole_m2: float) -> list[Polygon]:
    """Return a piece without hairs, parted at necks, cracks and small holes closed.

    Necks narrower than ``neck_m`` and cracks narrower than ``gap_m`` go; holes stay that are larger
    than ``hole_m2`` and than a tenth of their piece (a courtyard).
    """
    neck, gap = neck_m / 2 / gsd_m, gap_m / 2 / gsd_m
    opened = piece.buffer(gap, join_style="mitre").buffer(-gap - neck, join_style="mitre")
    opened = opened.buffer(neck, join_style="mitre")
    out = []
    for part in polygons(opened):
        least = max(hole_m2 / gsd_m**2, 0.1 * part.area)
        holes = [ring for ring in part.interiors if Polygon(ring).area > least]
        out.append(Polygon(part.exterior, holes))
    return out


def on_ground(outline_px: Polygon, grid: Grid) -> Polygon:
    """Return an outline in pixels in the CRS of their grid, by the grid's own transform."""
    a, b, c, d, e, f = grid.affine
    return affinity.affine_transform(outline_px, [a, b, d, e, c, f])
