"""Files whose coordinates were taken from a Chinese web map: GCJ-02 said to be WGS 84.

The shift is some 300 to 700 m, the way and the distance depending on the place. Outlines that lie on
known ones only after it is taken back were drawn on such a map.
"""

import math
from collections.abc import Sequence

import numpy as np
from shapely import dwithin, line_interpolate_point, prepare, transform, unary_union
from shapely.geometry import box
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.areas.models import Cell, Feature
from aerial.errors import CrsError
from aerial.geo import Floats

# How near an outline is to another one when it is meant to be the same: drawing by hand on a map.
_NEAR_M = 12.0
# Of the cells' size: where outlines are dense, being near to one says less.
_NEAR_SHARE = 1 / 30
_SAMPLES = 400
_SAME, _OTHER = 0.85, 0.5
# Neighbours touch what is known without lying on it.
_TOUCHES, _OVERLAPS = 0.08, 0.02
_WAYS = ("north", "north-east", "east", "south-east", "south", "south-west", "west", "north-west")


def refuse_gcj02(features: Sequence[Feature | Cell], reference: Sequence[Feature | Cell], what: str) -> None:
    """Refuse ``features`` (called ``what``) that lie on the reference outlines only as GCJ-02.

    A feature speaks where its border runs along reference borders, as it is or after GCJ-02 is taken
    back. Refused is what has a feature (or all together) that fits only after, and none that fits as
    it is. Features that run along nothing known do not speak: zones, far cells, other neighbours.

    Raises:
        CrsError: they are shifted; the message says how far and in which direction.
    """
    if not features or not reference:
        return
    known = unary_union([one.outline for one in reference])
    middle = known.centroid
    frame = geo.local_frame(geo.LonLat(lon_deg=middle.x, lat_deg=middle.y))
    flat = [geo.reproject(_simple(one.outline), geo.WGS84, frame) for one in reference]
    size_m = math.sqrt(float(np.median([one.area for one in flat])))
    near_m = min(_NEAR_M, size_m * _NEAR_SHARE)
    borders = unary_union([one.boundary for one in flat])
    whole = unary_union(flat)
    prepare(borders)
    # Further away than the shift reaches nothing can be told.
    around = box(*known.bounds).buffer(0.02)
    outlines = [one.outline for one in features if around.intersects(one.outline)]
    if not outlines:
        return
    together = unary_union(outlines)
    shifted = False
    for outline in [together, *outlines] if len(outlines) > 1 else [together]:
        simple = _simple(outline)
        as_is = geo.reproject(simple, geo.WGS84, frame)
        without = geo.reproject(transform(simple, _taken_back), geo.WGS84, frame)
        share, share_without = (_share(shape, borders, near_m) for shape in (as_is, without))
        if share >= _SAME and share_without < _SAME:
            return
        beside = as_is.intersection(whole).area <= _OVERLAPS * as_is.area
        if outline is together and share >= _TOUCHES and beside:
            return
        shifted = shifted or (share_without >= _SAME and share < _OTHER)
    if shifted:
        _refuse(together, what)


def _simple(outline: BaseGeometry) -> BaseGeometry:
    """Return the outline without detail under a metre, which one drawn by hand has not either."""
    plain: BaseGeometry = outline.simplify(1e-5)
    return plain


def _share(shape: BaseGeometry, borders: BaseGeometry, near_m: float) -> float:
    """Return which share of the border of ``shape`` lies along known borders."""
    border = shape.boundary
    shares = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    points = line_interpolate_point(border, shares, normalized=True)  # type: ignore[arg-type]
    return float(np.mean(dwithin(borders, points, near_m)))


def _taken_back(lonlat_N2: Floats) -> Floats:
    return np.column_stack(geo.from_gcj02(lonlat_N2[:, 0], lonlat_N2[:, 1]))


def _refuse(outlines: BaseGeometry, what: str) -> None:
    at = outlines.representative_point()
    unit = geo.metres_per_unit(geo.WGS84, at.x, at.y)
    true_12 = _taken_back(np.array([[at.x, at.y]]))
    east_m, north_m = (at.x - true_12[0, 0]) * unit[0], (at.y - true_12[0, 1]) * unit[1]
    way = _WAYS[round(math.degrees(math.atan2(east_m, north_m)) / 45) % 8]
    raise CrsError(
        f"{what} is in GCJ-02, the shifted coordinates of Chinese web maps: it lies "
        f"{math.hypot(east_m, north_m):.0f} m to the {way} of the outlines that are known.",
        hint="Convert it from GCJ-02 to WGS 84, or draw it on a map that is not shifted; "
        "if the known outlines are the shifted ones, convert those.",
    )
