"""Positions, metric frames and the CRS guard; the only user of pyproj.

Every function that takes or returns plain numbers says their order and unit. Coordinates are
always x (east, longitude) first, whatever axis order the authority defines.

Metric work is done in the local CGCS2000 3-degree Gauss-Krueger zone (EPSG:4534-4554) in China
and in the WGS 84 UTM zone elsewhere, never in EPSG:3857: its areas are 17.7 % too large at
22.8 degrees north.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyproj
from numpy.typing import NDArray
from pyproj.exceptions import CRSError
from pyproj.transformer import TransformerGroup
from shapely import transform as shapely_transform
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

from aerial.codec import read_lines
from aerial.errors import CrsError, InputError

Floats = NDArray[np.float64]
G = TypeVar("G", bound=BaseGeometry)

WGS84 = "EPSG:4326"
_LOCAL = "+proj=tmerc "
_GEOD = pyproj.Geod(ellps="WGS84")
# The ellipsoid and the rectangle that the public descriptions of GCJ-02 name.
_GCJ_AXIS_M, _GCJ_E2 = 6378245.0, 0.00669342162296594323
_GCJ_WEST, _GCJ_EAST, _GCJ_SOUTH, _GCJ_NORTH = 72.004, 137.8347, 0.8293, 55.8271


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


@lru_cache(maxsize=64)
def _projection(frame: str) -> pyproj.Proj:
    return pyproj.Proj(frame)


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


def crs_named(text: str) -> str:
    """Return the CRS that a table of positions names in its first line (ODM's files do).

    ``EPSG:32650``, ``EPSG 32650``, a proj string, WKT, or ``WGS84 UTM 50N``.

    Raises:
        CrsError: it is none of these, ties its numbers to no place, or counts in another unit than
            degrees or metres.
    """
    named = text.strip().lstrip("#").strip()
    code = re.fullmatch(r"(?i)epsg[\s:_-]*(\d{4,6})", named)
    utm = re.fullmatch(r"(?i)wgs[\s_-]?84[\s/,]*utm[\s,]*(?:zone)?[\s,]*(\d{1,2})\s*([NS])", named)
    if code:
        named = f"EPSG:{code[1]}"
    elif utm and 1 <= int(utm[1]) <= 60:
        named = f"EPSG:{(32600 if utm[2].upper() == 'N' else 32700) + int(utm[1])}"
    parsed = _crs(named)
    in_metres = all(abs(axis.unit_conversion_factor - 1.0) < 1e-12 for axis in parsed.axis_info[:2])
    if not says_where(named) or not (parsed.is_geographic or in_metres):
        raise CrsError(
            f"{text.strip()!r} is not a CRS of known datum in degrees or metres.",
            hint="Name the CRS of the coordinates, for example EPSG:4326 or EPSG:4547.",
        )
    return named


def read_table(path: Path, hint: str) -> tuple[str, list[tuple[int, str]]]:
    """Return the CRS in a table's first line, and the number and text of every line below it.

    Lines that begin with ``#`` are remarks. ``hint`` says how such a file begins.

    Raises:
        InputError: the file is absent, empty or not text.
        CrsError: the first line names no CRS of known datum.
    """
    lines = [(n, line.strip()) for n, line in enumerate(read_lines(path), 1)]
    lines = [(n, line) for n, line in lines if line and not (n > 1 and line.startswith("#"))]
    if not lines:
        raise CrsError(f"{path} holds nothing but remarks.", hint=hint)
    first, *rest = lines
    try:
        return crs_named(first[1]), rest
    except CrsError as error:
        raise CrsError(f"{path}: the first line, {first[1][:60]!r}, names no CRS.", hint=hint) from error


def says_where(crs: str) -> bool:
    """Tell whether the CRS ties its numbers to a place on Earth: a known datum, degrees or a projection."""
    parsed = _crs(crs)
    if not (parsed.is_geographic or parsed.is_projected) or parsed.geodetic_crs is None:
        return False
    names = (parsed.name, parsed.geodetic_crs.datum.name if parsed.geodetic_crs.datum else "")
    return not any(name.lower().startswith(("undefined", "unknown")) for name in names)


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
    x, y = np.asarray(x, float), np.asarray(y, float)
    # A local frame is a projection of WGS 84 itself; to look for the best operation takes 12 ms each.
    if from_crs == WGS84 and to_crs.startswith(_LOCAL):
        out_x, out_y = _projection(to_crs)(x, y)
    elif to_crs == WGS84 and from_crs.startswith(_LOCAL):
        out_x, out_y = _projection(from_crs)(x, y, inverse=True)
    else:
        out_x, out_y = _transformer(from_crs, to_crs).transform(x, y)
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


def in_frame(frame: str, positions: Sequence[LonLat]) -> Floats:
    """Return x, y of WGS 84 positions in ``frame``, shape (N, 2)."""
    lonlat_N2 = np.array([(at.lon_deg, at.lat_deg) for at in positions], float).reshape(-1, 2)
    return np.column_stack(transform(WGS84, frame, lonlat_N2[:, 0], lonlat_N2[:, 1]))


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
    _, _, metres = _GEOD.inv([lon[0]] * 2, [lat[0]] * 2, lon[1:], lat[1:])
    return float(metres[0]) / step, float(metres[1]) / step


def distance_m(a: LonLat, b: LonLat) -> float:
    """Return the distance of two positions along the ellipsoid."""
    _, _, metres = _GEOD.inv(a.lon_deg, a.lat_deg, b.lon_deg, b.lat_deg)
    return float(metres)


def local_frame(position: LonLat) -> str:
    """Return a metric CRS around ``position``: true to 1 in 10 million within 3 km, at any latitude.

    A transverse Mercator projection of the ellipsoid with scale 1 at ``position``, which is (0, 0).
    """
    return (
        f"+proj=tmerc +lat_0={position.lat_deg:.9f} +lon_0={position.lon_deg:.9f} +k=1 +x_0=0 +y_0=0 "
        "+ellps=WGS84 +units=m +no_defs +type=crs"
    )


def reach(crs: str) -> tuple[float, float, float, float] | None:
    """Return west, south, east, north (degrees) of where the CRS is meant for; None: not known."""
    authority = _crs(crs).to_authority(min_confidence=70)
    area = (_crs(":".join(authority)) if authority else _crs(crs)).area_of_use
    return None if area is None else (area.west, area.south, area.east, area.north)


def accuracy_m(crs: str, position: LonLat) -> float | None:
    """Return how well coordinates of ``crs`` around ``position`` become WGS 84; None: not known.

    CGCS2000 counts as 1 m: it and WGS 84 of today are about 0.8 m apart and no public parameters
    relate them. Of older Chinese datums the parameters are local and secret.
    """
    parsed = _crs(crs)
    if parsed.ellipsoid is not None and parsed.ellipsoid.name == "CGCS2000":
        return 1.0
    lon, lat = position.lon_deg, position.lat_deg
    around = pyproj.transformer.AreaOfInterest(
        max(lon - 0.1, -180), max(lat - 0.1, -90), min(lon + 0.1, 180), min(lat + 0.1, 90)
    )
    group = TransformerGroup(parsed, _crs(WGS84), always_xy=True, area_of_interest=around)
    known = [float(way.accuracy) for way in group.transformers if way.accuracy >= 0]
    return min(known, default=None)


def area_m2(outline: BaseGeometry) -> float:
    """Return the area of a polygon (lon, lat on WGS 84) on the ellipsoid."""
    # The signs of rings say which are holes.
    wound = MultiPolygon([orient(part, 1.0) for part in getattr(outline, "geoms", [outline])])
    return float(_GEOD.geometry_area_perimeter(wound)[0])


def reproject_edges(geometry: G, from_crs: str, to_crs: str, *, within_m: float = 0.01) -> G:
    """Return polygons or lines transformed, with points added where a straight edge would bend.

    The edge between two vertices of the result stays within ``within_m`` of the straight edge of
    ``from_crs``. An edge gets the same points from both of its sides.
    """

    def fine(xy_N2: Floats) -> Floats:
        if len(xy_N2) < 2:
            return xy_N2
        start_N2, step_N2 = xy_N2[:-1], np.diff(xy_N2, axis=0)
        middle_N2 = start_N2 + step_N2 / 2
        lon_N, lat_N = transform(from_crs, to_crs, xy_N2[:, 0], xy_N2[:, 1])
        mid_lon_N, mid_lat_N = transform(from_crs, to_crs, middle_N2[:, 0], middle_N2[:, 1])
        unit = metres_per_unit(to_crs, float(lon_N[0]), float(lat_N[0]))
        bend_N = np.hypot(
            (mid_lon_N - (lon_N[:-1] + lon_N[1:]) / 2) * unit[0],
            (mid_lat_N - (lat_N[:-1] + lat_N[1:]) / 2) * unit[1],
        )
        # The bend of a part falls with the square of its length; half of the bound for what is not square.
        parts_N = np.ceil(np.sqrt(np.maximum(bend_N / (within_m / 2), 1.0))).astype(int)
        first_N = np.repeat(np.cumsum(parts_N) - parts_N, parts_N)
        share_M = (np.arange(parts_N.sum()) - first_N) / np.repeat(parts_N, parts_N)
        edge_M = np.repeat(np.arange(len(parts_N)), parts_N)
        return np.vstack([start_N2[edge_M] + step_N2[edge_M] * share_M[:, None], xy_N2[-1:]])

    return reproject(_each_ring(geometry, fine), from_crs, to_crs)


def _each_ring(geometry: G, change: Callable[[Floats], Floats]) -> G:
    def made(part: BaseGeometry) -> Any:
        if isinstance(part, Polygon):
            rings = [change(np.array(ring.coords)[:, :2]) for ring in (part.exterior, *part.interiors)]
            return Polygon(rings[0], rings[1:])
        return LineString(change(np.array(part.coords)[:, :2]))

    if isinstance(geometry, MultiPolygon | MultiLineString):
        return type(geometry)([made(part) for part in geometry.geoms])
    changed: G = made(geometry)
    return changed


def to_gcj02(lon_N: Floats, lat_N: Floats) -> tuple[Floats, Floats]:
    """Return WGS 84 positions (degrees) as the maps of Chinese providers shift them (GCJ-02).

    The series and constants of the public descriptions (collected at github.com/googollee/eviltransform).
    Outside of their rectangle nothing is shifted.
    """
    lon_N, lat_N = np.asarray(lon_N, float), np.asarray(lat_N, float)
    x, y = lon_N - 105.0, lat_N - 35.0
    root = np.sqrt(np.abs(x))

    def waves(t: Floats, *terms: tuple[float, float]) -> Floats:
        return np.asarray(sum(height * np.sin(t * np.pi / length) for height, length in terms)) * 2 / 3

    shared = waves(x, (20.0, 1 / 6), (20.0, 1 / 2))
    north = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + shared
    north = north + waves(y, (20.0, 1.0), (40.0, 3.0), (160.0, 12.0), (320.0, 30.0))
    east = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + shared
    east = east + waves(x, (20.0, 1.0), (40.0, 3.0), (150.0, 12.0), (300.0, 30.0))
    phi = np.radians(lat_N)
    w2 = 1 - _GCJ_E2 * np.sin(phi) ** 2
    meridian_m = _GCJ_AXIS_M * (1 - _GCJ_E2) / (w2 * np.sqrt(w2))
    parallel_m = _GCJ_AXIS_M / np.sqrt(w2) * np.cos(phi)
    inside = (lon_N >= _GCJ_WEST) & (lon_N <= _GCJ_EAST) & (lat_N >= _GCJ_SOUTH) & (lat_N <= _GCJ_NORTH)
    return (
        lon_N + np.where(inside, np.degrees(east / parallel_m), 0.0),
        lat_N + np.where(inside, np.degrees(north / meridian_m), 0.0),
    )


def from_gcj02(lon_N: Floats, lat_N: Floats) -> tuple[Floats, Floats]:
    """Return the WGS 84 positions of GCJ-02 positions (degrees), to a millimetre."""
    lon_N, lat_N = np.asarray(lon_N, float), np.asarray(lat_N, float)
    wgs_lon_N, wgs_lat_N = lon_N.copy(), lat_N.copy()
    # The shift changes by less than 1 % over its own length: each round gains two digits or more.
    for _ in range(6):
        again_lon_N, again_lat_N = to_gcj02(wgs_lon_N, wgs_lat_N)
        wgs_lon_N, wgs_lat_N = wgs_lon_N + lon_N - again_lon_N, wgs_lat_N + lat_N - again_lat_N
    return wgs_lon_N, wgs_lat_N
