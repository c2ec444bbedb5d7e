"""One place or several: photographs whose positions do not hang together."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from aerial.errors import PhotoError
from aerial.geo import LonLat
from aerial.records import Photo

Floats = NDArray[np.float64]
# Photographs of one survey lie tens of metres apart; a river or a motorway is narrower than this.
_APART_M = 1000.0
_APART_SPACINGS = 20.0
_METRES_PER_DEGREE = 111_320.0


def local_metres(positions: Sequence[LonLat]) -> Floats:
    """Return (east, north) in metres of each position from their median, shape (N, 2).

    A local plane: exact to 1 % within 100 km, which is enough to tell near from far.
    """
    lonlat_N2 = np.array([(p.lon_deg, p.lat_deg) for p in positions], float).reshape(-1, 2)
    if not len(lonlat_N2):
        return lonlat_N2
    lon, lat = np.median(lonlat_N2, axis=0)
    east_N = (lonlat_N2[:, 0] - lon + 180) % 360 - 180
    return np.column_stack(
        [east_N * np.cos(np.radians(lat)) * _METRES_PER_DEGREE, (lonlat_N2[:, 1] - lat) * _METRES_PER_DEGREE]
    )


def group_places(photos: Sequence[Photo]) -> tuple[tuple[Photo, ...], ...]:
    """Group photographs with a position by place, the largest group first.

    Two photographs are of one place if a chain of others joins them with steps of at most 1 km or
    20 times the usual spacing, whichever is more.
    """
    located = [photo for photo in photos if photo.at is not None]
    if len(located) < 2:
        return (tuple(located),) if located else ()
    metres_N2 = local_metres([photo.at for photo in located if photo.at is not None])
    spacing_m = float(np.median(cKDTree(metres_N2).query(metres_N2, k=2)[0][:, 1]))
    reach_m = max(_APART_M, _APART_SPACINGS * spacing_m)
    group_N = np.full(len(located), -1)
    # Lists of neighbours would be as long as the square of the photographs: most lie within reach of all.
    left_L = np.arange(len(located))
    while len(left_L):
        start, queue = int(left_L[0]), [int(left_L[0])]
        group_N[start], left_L = start, left_L[1:]
        while queue and len(left_L):
            near_L = np.hypot(*(metres_N2[left_L] - metres_N2[queue.pop()]).T) <= reach_m
            group_N[left_L[near_L]] = start
            queue += left_L[near_L].tolist()
            left_L = left_L[~near_L]
    groups = [tuple(located[i] for i in np.flatnonzero(group_N == g)) for g in np.unique(group_N)]
    return tuple(sorted(groups, key=len, reverse=True))


def is_stray(group: Sequence[Photo], largest: Sequence[Photo]) -> bool:
    """Tell whether a group apart is a bad position (at most 2 of many) and not a second place."""
    return len(group) <= 2 and len(largest) >= 5 * len(group)


def distance_km(a: Sequence[Photo], b: Sequence[Photo]) -> float:
    """Return the distance in kilometres between the middles of two groups with positions."""
    metres_N2 = local_metres([p.at for p in (*a, *b) if p.at is not None])
    return float(np.linalg.norm(metres_N2[: len(a)].mean(axis=0) - metres_N2[len(a) :].mean(axis=0))) / 1000


def require_one_place(photos: Sequence[Photo]) -> None:
    """Refuse photographs of two places.

    Raises:
        PhotoError: positions fall into groups that are apart; the message names them.
    """
    groups = group_places(photos)
    others = [group for group in groups[1:] if not is_stray(group, groups[0])]
    if not others:
        return
    names = [f"{len(group)} around {group[0].file}" for group in (groups[0], *others)]
    raise PhotoError(
        f"The photographs are of {len(names)} places, up to "
        f"{max(distance_km(groups[0], group) for group in others):.1f} km apart: {'; '.join(names)}.",
        hint="Put the photographs of each place into a folder of its own.",
    )
