"""In which unit grid, in which community: a position with its error against a layer of polygons."""

from collections.abc import Sequence

import numpy as np
from shapely import STRtree, contains_xy, prepare
from shapely.geometry import box

from aerial.geo import WGS84, LonLat, local_frame, metres_per_unit, transform
from aerial.records import Place

# A position counts as inside where this share of what it may be lies inside.
CLEAR = 0.95
# CE95 over the standard deviation of one axis: sqrt(-2 ln 0.05).
_CE95_SIGMAS = 2.4477
_POINTS = 2000
_GOLDEN_RAD = np.pi * (3 - np.sqrt(5))


def shares(at: LonLat, error_m: float, places: Sequence[Place]) -> tuple[tuple[str, float], ...]:
    """Return the places that the position may lie in, with the share of it (0-1), the largest first.

    ``error_m`` is the CE95 of a position that errs alike in all directions. Places that overlap each
    get their share; parts of one name are one place.
    """
    lon_N, lat_N = _spread(at, error_m)
    around = box(lon_N.min(), lat_N.min(), lon_N.max(), lat_N.max())
    inside: dict[str, np.ndarray] = {}
    for index in sorted(STRtree([place.outline for place in places]).query(around)):
        place = places[index]
        prepare(place.outline)
        hit_N = contains_xy(place.outline, lon_N, lat_N)
        inside[place.name] = inside.get(place.name, np.zeros(len(lon_N), bool)) | hit_N
    found = [(name, float(hit_N.mean())) for name, hit_N in inside.items() if hit_N.any()]
    return tuple(sorted(found, key=lambda named: (-named[1], named[0])))


def distance_m(a: LonLat, b: LonLat) -> float:
    """Return the metres between two positions that are near one another."""
    east, north = metres_per_unit(WGS84, a.lon_deg, a.lat_deg)
    return float(np.hypot((b.lon_deg - a.lon_deg) * east, (b.lat_deg - a.lat_deg) * north))


def _spread(at: LonLat, error_m: float) -> tuple[np.ndarray, np.ndarray]:
    # Points of equal weight in a sunflower's spiral: the same ones for the same position, always.
    share_N = (np.arange(_POINTS) + 0.5) / _POINTS
    reach_N = error_m / _CE95_SIGMAS * np.sqrt(-2 * np.log1p(-share_N))
    turn_N = np.arange(_POINTS) * _GOLDEN_RAD
    return transform(local_frame(at), WGS84, reach_N * np.cos(turn_N), reach_N * np.sin(turn_N))
