"""The location map of a case, as shapes in metres: HTML and PDF draw the same ones.

Drawn from what the town itself holds: the cell's outline, communities, zones and the newest ortho's
overview; never from tiles of outside.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from shapely import STRtree, box
from shapely.geometry import LineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.geo import WGS84, Floats
from aerial.raster.grid import Grid, bounds
from aerial.records import Case
from aerial.report.record import CellMap, CycleReport

ASPECT = 1.25  # width to height
ALONE_M = 150.0  # what is shown around a case whose cell has no outline
_MARGIN = 0.08
# What explains a building is drawn, the airspace is not; a sensitive zone must not be.
DRAWN_ZONES = ("permit", "known_building", "farmland")
_BARS_M = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A line of the map: ``kind`` is "cell", "community", "case" or a zone's; ``xy_N2`` in metres."""

    kind: str
    xy_N2: Floats
    closed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LocationMap:
    """``window`` and ``picture`` are west, south, east, north in metres of ``frame``; north is up.

    ``picture`` is where the overview lies, None where there is none. ``bar_m``: length of the scale bar.
    """

    frame: str
    window: Box
    rings: tuple[Ring, ...]
    at: tuple[float, float]
    picture: Box | None
    bar_m: float
    has_cell: bool


class Locator:
    """Makes the location maps of one report; what a cell's maps share is made once."""

    def __init__(self, report: CycleReport) -> None:
        self._cells = report.cells
        zones = [(zone.kind, zone.outline) for zone in report.zones if zone.kind in DRAWN_ZONES]
        named = [("community", outline) for outline in report.communities.values()]
        self._shapes: list[tuple[str, BaseGeometry]] = [*zones, *named]
        self._tree = STRtree([shape for _, shape in self._shapes])
        self._bases: dict[str, LocationMap] = {}

    def __call__(self, case: Case) -> LocationMap:
        """Return the map of ``case``: its cell, or its surroundings where the cell is unknown."""
        cell = self._cells.get(case.cell)
        base = None
        if cell is not None:
            if case.cell not in self._bases:
                self._bases[case.cell] = self._base(_frame(cell, case), cell, None)
            base = self._bases[case.cell]
        frame = base.frame if base else geo.metric_crs_at(case.at)
        outline = geo.reproject(case.suspect.outline, WGS84, frame)
        x, y = geo.from_lonlat(frame, case.at)
        seen: Box = base.window if base else _around(x, y, ALONE_M)
        if base is None or not box(*seen).contains(outline):
            # A case that reaches out of its cell's map is shown whole all the same.
            x0, y0, x1, y1 = outline.bounds
            whole = (min(seen[0], x0), min(seen[1], y0), max(seen[2], x1), max(seen[3], y1))
            base = self._base(frame, cell, whole)
        return replace(base, rings=(*base.rings, *_rings("case", outline)), at=(x, y))

    def _base(self, frame: str, cell: CellMap | None, seen: Box | None) -> LocationMap:
        outline = geo.reproject(cell.outline, WGS84, frame) if cell else None
        picture = None
        if cell and cell.overview and cell.overview_grid and _lies_in(cell.overview_grid, frame):
            picture = bounds(cell.overview_grid)
        window = _shaped(seen if seen is not None or outline is None else outline.bounds)
        near = geo.reproject(box(*window), frame, WGS84)
        rings: list[Ring] = []
        for index in sorted(self._tree.query(near)):
            kind, shape = self._shapes[int(index)]
            rings += _clipped(kind, geo.reproject(shape, WGS84, frame), window)
        if outline is not None:
            rings += _clipped("cell", outline, window)
        wide_m = window[2] - window[0]
        return LocationMap(
            frame=frame,
            window=window,
            rings=tuple(rings),
            at=(0.0, 0.0),
            picture=picture,
            bar_m=max((bar for bar in _BARS_M if bar <= wide_m / 4), default=wide_m / 4),
            has_cell=outline is not None,
        )


def on_paper(drawing: LocationMap, xy_N2: Floats, width: float, height: float) -> Floats:
    """Return positions in metres as positions on a sheet of ``width`` by ``height``, y downwards, (N, 2)."""
    west, south, east, north = drawing.window
    return np.column_stack(
        [
            (xy_N2[:, 0] - west) / (east - west) * width,
            (north - xy_N2[:, 1]) / (north - south) * height,
        ]
    )


def _frame(cell: CellMap, case: Case) -> str:
    # In the overview's own frame it needs no turning.
    grid = cell.overview_grid
    if grid is not None and geo.is_metric(grid.crs) and _lies_in(grid, grid.crs):
        return grid.crs
    return geo.metric_crs_at(case.at)


def _lies_in(grid: Grid, frame: str) -> bool:
    _, turn, _, turn_too, _, _ = grid.affine
    return turn == turn_too == 0 and geo.same_crs(grid.crs, frame)


def _around(x: float, y: float, half_m: float) -> Box:
    return (x - half_m, y - half_m, x + half_m, y + half_m)


def _shaped(seen: Any) -> Box:
    x0, y0, x1, y1 = seen
    wide, high = (x1 - x0) * (1 + 2 * _MARGIN), (y1 - y0) * (1 + 2 * _MARGIN)
    wide, high = max(wide, high * ASPECT), max(high, wide / ASPECT)
    x, y = (x0 + x1) / 2, (y0 + y1) / 2
    return (x - wide / 2, y - high / 2, x + wide / 2, y + high / 2)


def _clipped(kind: str, outline: BaseGeometry, window: Box) -> list[Ring]:
    """Return the outline's edges inside the window, without the edges that a cut would make."""
    detail_m = (window[2] - window[0]) / 800
    parts = []
    for ring in _rings(kind, outline):
        line = LineString(ring.xy_N2).simplify(detail_m)
        inside = line.intersection(box(*window))
        for part in getattr(inside, "geoms", [inside]):
            if isinstance(part, LineString) and not part.is_empty:
                xy_N2 = np.asarray(part.coords)[:, :2]
                parts += [Ring(kind=kind, xy_N2=xy_N2, closed=part.is_closed)]
    return parts


def _rings(kind: str, outline: BaseGeometry) -> list[Ring]:
    polygons = outline.geoms if isinstance(outline, MultiPolygon) else [outline]
    return [
        Ring(kind=kind, xy_N2=np.asarray(ring.coords)[:, :2], closed=True)
        for polygon in polygons
        if isinstance(polygon, Polygon)
        for ring in (polygon.exterior, *polygon.interiors)
    ]


def kinds_drawn(drawing: LocationMap) -> Mapping[str, None]:
    """Return the kinds of line on a map, in the order in which a legend names them."""
    return dict.fromkeys(ring.kind for ring in reversed(drawing.rings))
