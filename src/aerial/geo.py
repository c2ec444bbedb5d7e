"""Positions, metric frames and the CRS guard; the only user of pyproj.

Every function that takes or returns plain numbers says their order and unit. Coordinates are
always x (east, longitude) first, whatever axis order the authority defines.

Metric work is done in the local CGCS2000 3-degree Gauss-Krueger zone (EPSG:4534-4554) in China
and in the WGS 84 UTM zone elsewhere, never in EPSG:3857: its areas are 17.7 % too large at
22.8 degrees north.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from shapely import transform as shapely_transform
from shapely.geometry.base import BaseGeometry

from aerial.errors import CrsError, InputError

Floats = NDArray[np.float64]
G = TypeVar("G", bound=BaseGeometry)

WGS84 = "EPSG:4326"


@dataclass(frozen=True, slots=True, kw_only=True)
class LonLat:
    """A position on WGS 84, in degrees.

    Raises:
        InputError: a value is not finite, or outside -180..180 / -90..90.
    """

    lon_deg: float
    lat_deg: float

    def __post_init__(self) -> None:
        if not (abs(self.lon_deg) <= 180 and abs(self.lat_deg) <= 90):
            raise InputError(
                f"Longitude {self.lon_deg}, latitude {self.lat_deg} is not a position on Earth.",
                hint="Give longitude first, then latitude, in degrees.",
            )


@lru_cache(maxsize=64)
def _crs(text: str) -> pyproj.CRS:
    try:
        return pyproj.CRS.from_user_input(text)
    except CRSError as exc:
        raise CrsError(
            f"{text!r} is not a coordinate reference system.", hint="Give an EPSG code such as EPSG:4547."
        ) from exc


@lru_cache(maxsize=64)
def _transformer(from_crs: str, to_crs: str) -> pyproj.Transformer:
    # only_best would refuse where a grid file is absent; a field laptop has none, so the ballpark
    # between WGS 84 and CGCS2000 (about 0.8 m today) is stated in error_m instead.
    return pyproj.Transformer.from_crs(_crs(from_crs), _crs(to_crs), always_xy=True)


def same_crs(a: str, b: str) -> bool:
    """Tell whether two CRS texts (EPSG code or WKT) mean the same CRS, axis order aside."""
    return a == b or _crs(a).equals(_crs(b), ignore_axis_order=True)


def require_same_crs(a: str, b: str) -> None:
    """Refuse to mix two CRSs; the one guard that every module calls.

    Raises:
        CrsError: they differ.
    """
    if not same_crs(a, b):
        raise CrsError(
            f"Coordinates of {short_name(a)} and {short_name(b)} cannot be mixed.",
            hint="Reproject one of them first.",
        )


def short_name(crs: str) -> str:
    """Return ``EPSG:n`` where the CRS has a code, else its name."""
    authority = _crs(crs).to_authority(min_confidence=70)
    return f"{authority[0]}:{authority[1]}" if authority else str(_crs(crs).name)


def is_geographic(crs: str) -> bool:
    """Tell whether the CRS counts in degrees of longitude and latitude."""
    return bool(_crs(crs).is_geographic)


def is_metric(crs: str) -> bool:
    """Tell whether the CRS is projected, counts in metres, and is not Web Mercator."""
    parsed = _crs(crs)
    if not parsed.is_projected or same_crs(crs, "EPSG:3857"):
        return False
    return all(abs(axis.unit_conversion_factor - 1.0) < 1e-12 for axis in parsed.axis_info[:2])


def height_unit_m(crs: str) -> float | None:
    """Return how many metres the unit of a CRS's heights is, negative for depths; None where it has none."""
    signs = {"up": 1.0, "down": -1.0}
    found = [
        signs[axis.direction.lower()] * axis.unit_conversion_factor
        for axis in _crs(crs).axis_info
        if axis.direction.lower() in signs
    ]
    return float(found[0]) if found else None


def metric_crs_at(position: LonLat) -> str:
    """Return the CRS for metric work around ``position``.

    In and around China (73-135 E, 18-54 N) the CGCS2000 3-degree Gauss-Krueger zone without zone
    prefix, EPSG:4534 (75 E) to EPSG:4554 (135 E); elsewhere the WGS 84 UTM zone.
    """
    lon, lat = position.lon_deg, position.lat_deg
    if 73.5 <= lon <= 136.5 and 18 <= lat <= 54:
        central = min(max(3 * round(lon / 3), 75), 135)
        return f"EPSG:{4534 + (central - 75) // 3}"
    zone = int((lon + 180) // 6) % 60 + 1
    return f"EPSG:{(32600 if lat >= 0 else 32700) + zone}"


def transform(from_crs: str, to_crs: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Transform coordinates (x = east or longitude, y = north or latitude), arrays of one shape.

    Raises:
        CrsError: a point has no finite image in ``to_crs``.
    """
    out_x, out_y = _transformer(from_crs, to_crs).transform(np.asarray(x, float), np.asarray(y, float))
    if not (np.all(np.isfinite(out_x)) and np.all(np.isfinite(out_y))):
        raise CrsError(
            f"Some coordinates of {short_name(from_crs)} lie outside the reach of {short_name(to_crs)}.",
            hint="Check that the file declares the CRS that its coordinates are in.",
        )
    return np.asarray(out_x, float), np.asarray(out_y, float)


def to_lonlat(crs: str, x: float, y: float) -> LonLat:
    """Return the WGS 84 position of one point of ``crs`` (x = east or longitude)."""
    lon, lat = transform(crs, WGS84, np.array([x]), np.array([y]))
    return LonLat(lon_deg=float(lon[0]), lat_deg=float(lat[0]))


def from_lonlat(crs: str, position: LonLat) -> tuple[float, float]:
    """Return (x, y) of a WGS 84 position in ``crs``."""
    x, y = transform(WGS84, crs, np.array([position.lon_deg]), np.array([position.lat_deg]))
    return float(x[0]), float(y[0])


def reproject(geometry: G, from_crs: str, to_crs: str) -> G:
    """Return a shapely geometry with its vertices transformed; edges are not densified."""

    def move(xy_N2: Floats) -> Floats:
        return np.column_stack(transform(from_crs, to_crs, xy_N2[:, 0], xy_N2[:, 1]))

    return shapely_transform(geometry, move)


def metres_per_unit(crs: str, x: float, y: float) -> tuple[float, float]:
    """Return how many metres one unit of x and one unit of y are on the ground at (x, y).

    Measured on the ellipsoid, so it also serves degrees and Web Mercator.
    """
    step = 1e-4 if is_geographic(crs) else 10.0
    lon, lat = transform(crs, WGS84, np.array([x, x + step, x]), np.array([y, y, y + step]))
    geod = pyproj.Geod(ellps="WGS84")
    _, _, metres = geod.inv([lon[0]] * 2, [lat[0]] * 2, lon[1:], lat[1:])
    return float(metres[0]) / step, float(metres[1]) / step


def local_frame(position: LonLat) -> str:
    """Return a metric CRS around ``position``: true to 1 in 10 million within 3 km, at any latitude.

    A transverse Mercator projection of the ellipsoid with scale 1 at ``position``, which is (0, 0).
    """
    return (
        f"+proj=tmerc +lat_0={position.lat_deg:.9f} +lon_0={position.lon_deg:.9f} +k=1 +x_0=0 +y_0=0 "
        "+ellps=WGS84 +units=m +no_defs +type=crs"
    )
