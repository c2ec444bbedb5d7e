"""Where a cell is surveyed and where the path may be: area, fence, no-fly zones."""

import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.errors import PlanError
from aerial.records.record import record

# A drone holds its path to a metre or two; so far a planned path keeps from zones and fence, but no
# more than this share of the spacing, so that the ground by the border is still seen.
MARGIN_M, _MARGIN_SHARE = 3.0, 1 / 8
_MOST_M2 = 1e10
# Pieces of ground smaller than this are rounding.
_CRUMB_M2 = 1e-3


@record
class Region:
    """In the local frame: ``target`` is surveyed, the path stays in ``free``, ``fence`` is the border.

    ``outside_m2``: of the area, outside a given fence.
    """

    target: MultiPolygon
    free: MultiPolygon
    fence: MultiPolygon
    no_fly: MultiPolygon
    outside_m2: float


def region(
    area: Polygon | MultiPolygon,
    spacing_m: float,
    *,
    fence: BaseGeometry | None = None,
    no_fly: BaseGeometry | None = None,
) -> Region:
    """Return where to survey and fly; all in the local metric frame.

    Without ``fence`` it is the area grown by one line spacing. ``no_fly`` leaves the area first.

    Raises:
        PlanError: nothing of the area is left, or it is larger than 10 000 km2.
    """
    if area.area > _MOST_M2:
        raise PlanError(
            f"The area has {area.area / 1e6:.0f} km2.",
            hint="Plan cell by cell; cut the area with aerial plan cells.",
        )
    margin = min(MARGIN_M, spacing_m * _MARGIN_SHARE)
    forbidden = polygons(no_fly) if no_fly is not None else MultiPolygon()
    target = polygons(area.difference(forbidden))
    if target.is_empty:
        raise PlanError(
            "No-fly zones cover the whole area.", hint="Check the zones; there is nothing left to survey."
        )
    outside_m2 = 0.0
    if fence is None:
        border = polygons(area.buffer(spacing_m, quad_segs=4))
        inner = area.buffer(spacing_m - margin, quad_segs=4)
    else:
        border = polygons(fence)
        inner = border.buffer(-margin, join_style="mitre")
        inside = polygons(target.intersection(border))
        outside_m2 = float(target.area - inside.area)
        target = inside
        if target.is_empty:
            raise PlanError(
                "The area lies outside the fence.", hint="Check the fence zone; it must hold the area."
            )
    keep_out = forbidden.buffer(margin, join_style="mitre", mitre_limit=2.0)
    free = polygons(inner.difference(keep_out))
    if free.is_empty:
        raise PlanError(
            f"Nothing of the area is {margin:.0f} m inside the fence and {margin:.0f} m off no-fly zones.",
            hint="Check fence and zones.",
        )
    return Region(target=target, free=free, fence=border, no_fly=forbidden, outside_m2=outside_m2)


def polygons(geometry: BaseGeometry) -> MultiPolygon:
    """Return the polygons of a geometry, lines, points and crumbs left out."""
    parts = [
        part
        for part in shapely.get_parts(shapely.make_valid(geometry)).tolist()
        for part in shapely.get_parts(part).tolist()
        if isinstance(part, Polygon) and part.area > _CRUMB_M2
    ]
    return MultiPolygon(parts)
