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
    tree = cKDTree(metres_N2)
    spacing_m = float(np.median(tree.query(metres_N2, k=2)[0][:, 1]))
    neighbours = tree.query_ball_point(metres_N2, max(_APART_M, _APART_SPACINGS * spacing_m))
    group_N = np.full(len(located), -1)
    for start in range(len(located)):
        if group_N[start] >= 0:
            continue
        queue = [start]
        group_N[start] = start
        while queue:
            for other in neighbours[queue.pop()]:
                if group_N[other] < 0:
                    group_N[other] = start
                    queue.append(other)
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
