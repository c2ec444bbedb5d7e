"""From what a file holds to polygons and lines on WGS 84 that can be worked with."""

from pathlib import Path

import numpy as np
from shapely import force_2d, get_coordinates
from shapely.geometry import LineString, MultiLineString, MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.validation import explain_validity

from aerial import geo
from aerial.areas.models import Feature, Item, Source
from aerial.errors import CrsError, InputError
from aerial.geo import LonLat

# The largest prefecture-level towns have 2 500 km2; no squad surveys twice that every two weeks.
MAX_KM2 = 5_000
# Degrees: how far beyond the stated reach of its CRS a file may go; a zone's neighbours are in use.
_BEYOND = 1.5
_ACCURATE_M = 5.0
# A centimetre: what is thinner is a line.
_WIDTH_DEG = 1e-7
# CGCS2000 zones with the zone number in the easting, and how far off the twin without it is.
_NUMBERED = {range(4513, 4534): 21, range(4491, 4502): 11}


def polygons(source: Source, path: Path, *, bounded: bool) -> tuple[Feature, ...]:
    """Return the features of a file as valid polygons on WGS 84.

    ``bounded``: refuse one of more than ``MAX_KM2``, and one of less than a square metre.

    Raises:
        InputError: a geometry is no polygon, broken, without area or too large.
        CrsError: coordinates do not fit the CRS, or it cannot be related to WGS 84.
    """
    features = []
    for number, item in enumerate(source.items, start=1):
        what = f"Feature {number} of {path}"
        outline = _on_wgs84(_flat(item, what, (Polygon, MultiPolygon), "polygon"), source, what)
        hull = outline.convex_hull  # a figure of eight has no area of its own, and is another mistake
        if not isinstance(outline, Polygon | MultiPolygon) or hull.area < _WIDTH_DEG * outline.length / 2:
            raise InputError(f"{what} has no area.", hint="Draw its outline again.")
        if not outline.is_valid:
            raise InputError(
                f"{what} is not a valid polygon: {explain_validity(outline)}.",
                hint="Repair it in a GIS (in QGIS: Fix geometries).",
            )
        if bounded:
            _require_size(outline, what)
        features.append(Feature(outline=outline, properties=item.properties))
    return tuple(features)


def lines(source: Source, path: Path) -> tuple[LineString, ...]:
    """Return the lines of a file on WGS 84; raises as ``polygons`` does."""
    found: list[LineString] = []
    for number, item in enumerate(source.items, start=1):
        what = f"Feature {number} of {path}"
        whole = _on_wgs84(_flat(item, what, (LineString, MultiLineString), "line"), source, what)
        found.extend(getattr(whole, "geoms", [whole]))
    return tuple(line for line in found if line.length > 0)


def _flat(item: Item, what: str, kinds: tuple[type[BaseGeometry], ...], word: str) -> BaseGeometry:
    if item.geometry is None:
        raise InputError(
            f"{what} has no geometry that can be read.", hint="Remove it, or export the file again."
        )
    if item.geometry.is_empty:
        raise InputError(f"{what} is empty.", hint="Remove it, or draw it again.")
    if not isinstance(item.geometry, kinds):
        raise InputError(f"{what} is a {item.geometry.geom_type}, not a {word}.", hint=_instead(item, word))
    flat: BaseGeometry = force_2d(item.geometry)
    if not np.all(np.isfinite(get_coordinates(flat))):
        raise InputError(f"{what} has a coordinate that is not a number.", hint="Export the file again.")
    return flat


def _instead(item: Item, word: str) -> str:
    if word == "line":
        return "Give lines (of roads, rivers); turn outlines into lines in a GIS."
    if "kind" in item.properties:
        return "Zones are polygons: buffer points and lines in a GIS by what they need, in metres."
    return "Give polygons; remove points and lines from the file."


def _on_wgs84(shape: BaseGeometry, source: Source, what: str) -> BaseGeometry:
    if source.declared and not geo.same_crs(source.crs, geo.WGS84):
        shape = _converted(shape, source.crs, what)
    _require_degrees(shape, what)
    return shape


def _converted(shape: BaseGeometry, crs: str, what: str) -> BaseGeometry:
    x0, y0, x1, y1 = shape.bounds
    if not _within_reach(crs, (x0, x1), (y0, y1)):
        raise CrsError(
            f"{what} declares {geo.short_name(crs)}, and its coordinates (x {x0:.10g}, y {y0:.10g}) "
            "lie outside of where that is meant for.",
            hint=_reach_hint(crs, (x0, x1), (y0, y1)),
        )
    middle = geo.to_lonlat(crs, (x0 + x1) / 2, (y0 + y1) / 2)
    accuracy_m = geo.accuracy_m(crs, middle)
    if accuracy_m is None or accuracy_m > _ACCURATE_M:
        off = "not known how far" if accuracy_m is None else f"only known to {accuracy_m:.0f} m how far"
        raise CrsError(
            f"{what} is in {geo.short_name(crs)}, and it is {off} that lies from WGS 84 there.",
            hint="Convert it to CGCS2000 with the local parameters of your surveying office first.",
        )
    return geo.reproject_edges(shape, crs, geo.WGS84)


def _within_reach(crs: str, xs: tuple[float, float], ys: tuple[float, float]) -> bool:
    try:
        lon, lat = geo.transform(crs, geo.WGS84, np.array([*xs, *xs]), np.array([*ys, *ys[::-1]]))
    except CrsError:
        return False
    if np.any(np.abs(lat) > 90):
        return False
    reach = geo.reach(crs)
    if reach is None:
        return True
    west, south, east, north = reach
    # Some reach across 180 degrees.
    from_west = np.mod(lon - west + _BEYOND, 360)
    wide = (east - west) % 360 if east - west < 360 else 360
    return bool(
        np.all(from_west <= wide + 2 * _BEYOND)
        and np.all(lat >= south - _BEYOND)
        and np.all(lat <= north + _BEYOND)
    )


def _reach_hint(crs: str, xs: tuple[float, float], ys: tuple[float, float]) -> str:
    twin = _twin(geo.short_name(crs))
    if twin and _within_reach(twin[0], xs, ys):
        return f"Declare {twin[0]}: its eastings are {twin[1]} a zone number, as here."
    if _within_reach(crs, ys, xs):
        return f"Write each position as {'lon, lat' if geo.is_geographic(crs) else 'east, north'}."
    if max(*map(abs, xs)) <= 180 and max(*map(abs, ys)) <= 180:
        return "The numbers look like degrees: declare EPSG:4490 (CGCS2000) or EPSG:4326 (WGS 84)."
    return "Check which coordinate reference system the coordinates are in, and declare that."


def _twin(name: str) -> tuple[str, str] | None:
    """Return the CGCS2000 zone that differs in the zone number alone, and whether it has one."""
    code = int(name.removeprefix("EPSG:")) if name.removeprefix("EPSG:").isdecimal() else 0
    for numbered, off in _NUMBERED.items():
        if code in numbered:
            return f"EPSG:{code + off}", "without"
        if code - off in numbered:
            return f"EPSG:{code - off}", "with"
    return None


def _require_degrees(shape: BaseGeometry, what: str) -> None:
    x0, y0, x1, y1 = shape.bounds
    if max(abs(y0), abs(y1)) <= 90 and (x1 - x0 > 180 or 180 < max(abs(x0), abs(x1)) <= 360):
        raise CrsError(
            f"{what} crosses 180 degrees of longitude: it reaches from {x0:.6g} to {x1:.6g}.",
            hint="Check its longitudes; cut a shape that truly lies there into one file for each side.",
        )
    try:
        LonLat(lon_deg=x0, lat_deg=y0)
        LonLat(lon_deg=x1, lat_deg=y1)
    except InputError as exc:
        if max(abs(x0), abs(x1)) <= 90 and max(abs(y0), abs(y1)) <= 180:
            raise CrsError(
                f"{what} has its latitudes before its longitudes.",
                hint="Write each position as lon, lat.",
            ) from exc
        raise CrsError(
            f"{what} has coordinates that are not degrees, and declares no CRS.",
            hint="Convert it from its own CRS first: ogr2ogr -s_srs ... -t_srs EPSG:4326.",
        ) from exc


def _require_size(outline: BaseGeometry, what: str) -> None:
    area_m2 = geo.area_m2(outline)
    if area_m2 > MAX_KM2 * 1e6:
        raise InputError(
            f"{what} is {area_m2 / 1e6:,.0f} km2 large; a town has at most {MAX_KM2:,} km2.",
            hint="Check the coordinates, or give one town of it at a time.",
        )
    if area_m2 < 1:
        raise InputError(
            f"{what} is {area_m2:.2g} m2 small.", hint="Remove it, or check the unit of its coordinates."
        )
