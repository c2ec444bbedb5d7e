"""A town's files: GeoJSON, KML, KMZ, Shapefile (also in a zip) and GeoPackage, in any declared CRS.

What comes back is lon, lat on WGS 84, flat. Nothing is guessed: a file without a CRS, or whose
numbers do not fit the one that it declares, is refused. The heights of 3D positions are dropped.
"""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from shapely import transform
from shapely.geometry import LineString, Point
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.areas import judge
from aerial.areas.archive import MAX_BYTES, shapefile_of
from aerial.areas.geojson import read_geojson
from aerial.areas.kml import read_kml
from aerial.areas.models import CELL_ID, Cell, Feature, Source
from aerial.areas.ogr import Want, read_geopackage, read_shapefile
from aerial.areas.shifted import refuse_gcj02
from aerial.errors import CrsError, InputError
from aerial.geo import LonLat
from aerial.records.place import Place
from aerial.records.zone import Zone, ZoneKind

_FORMATS = "GeoJSON, KML, KMZ, a Shapefile (.shp or a .zip of it) or a GeoPackage (.gpkg)"
# A pilot stands within sight of what is flown.
_TAKEOFF_M = 5_000.0


def read_area(path: Path) -> Feature:
    """Return the town's outer boundary: the one polygon of the file.

    Raises:
        InputError: the file cannot be read, or is not of exactly one polygon of a town's size.
        CrsError: its CRS is not declared, or its coordinates do not fit it.
    """
    features = _polygons(path, bounded=True)
    if len(features) != 1:
        raise InputError(
            f"{path} holds {len(features)} features where the area is one polygon.",
            hint="Merge them into one (multi)polygon.",
        )
    return features[0]


def read_cells(path: Path, area: Feature | None = None) -> tuple[Cell, ...]:
    """Return the flight cells of a file; each feature needs a property ``id``.

    In KML the name of a placemark serves where it has no ``id``. ``area``: refuse cells that lie
    outside of it, or on it only as GCJ-02.

    Raises:
        InputError: an id is absent, of other characters, or used twice; a cell is outside; another
            property is not what it should be.
        CrsError: the CRS is not declared, or coordinates do not fit it.
    """
    cells = []
    seen: dict[str, str] = {}
    for number, feature in enumerate(_polygons(path, bounded=True), start=1):
        given = feature.properties.get("id")
        if given is None and path.suffix.lower() in (".kml", ".kmz"):
            given = feature.properties.get("name")
        name = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else ""
        if not CELL_ID.fullmatch(name):
            raise InputError(
                f"Cell {number} of {path} has the id {given!r}.",
                hint="Give each cell a property id of 1 to 32 letters, digits, _ or -.",
            )
        # Folders are named by it, and two of the three systems do not tell a from A.
        if name.casefold() in seen:
            raise InputError(
                f"{path} has two cells called {seen[name.casefold()]} and {name}.",
                hint="Give each cell an id of its own, whatever the case of its letters.",
            )
        seen[name.casefold()] = name
        what = f"Cell {name} of {path}"
        cells.append(
            Cell(
                id=name,
                outline=feature.outline,
                properties=feature.properties,
                unit_grid=_unit_grid(feature.properties, what),
                community=_text(feature.properties, "community", what),
                takeoffs=_takeoffs(feature, what),
            )
        )
    if area is not None:
        refuse_gcj02(cells, [area], str(path))
        for cell in cells:
            _require_inside(f"Cell {cell.id} of {path}", cell.outline, area)
    return tuple(cells)


def read_zones(path: Path) -> tuple[Feature, ...]:
    """Return the zones of a file, possibly none; each needs a property ``kind`` of ``ZoneKind``.

    Raises:
        InputError: a zone has no kind, or one that is not known, or is not a polygon.
        CrsError: the CRS is not declared, or coordinates do not fit it.
    """
    features = _polygons(path, bounded=False, may_be_empty=True)
    for number, feature in enumerate(features, start=1):
        kind = feature.properties.get("kind")
        if kind not in get_args(ZoneKind):
            raise InputError(
                f"Zone {number} of {path} has " + ("no kind." if kind is None else f"the kind {kind!r}."),
                hint=f"Give each zone a property kind: {', '.join(get_args(ZoneKind))}.",
            )
    return features


def flight_zones(paths: Path | Iterable[Path]) -> tuple[Zone, ...]:
    """Return the zones of one file or several, with their heights in metres and approvals.

    Raises:
        InputError: as ``read_zones``, or a height is not a number of metres from 0 up.
        CrsError: as ``read_zones``.
    """
    zones = []
    for path in [paths] if isinstance(paths, Path) else paths:
        for number, feature in enumerate(read_zones(path), start=1):
            what, given = f"Zone {number} of {path}", feature.properties
            zones.append(
                Zone(
                    kind=given["kind"],
                    outline=feature.outline,
                    name=_text(given, "name", what) or "",
                    height_agl_m=_metres(given, "height_agl_m", what),
                    floor_agl_m=_metres(given, "floor_agl_m", what),
                    approval=_text(given, "approval", what),
                )
            )
    return tuple(zones)


def read_communities(path: Path) -> tuple[Place, ...]:
    """Return the communities (社区) of a file; each needs a property ``community`` or ``name``.

    Raises:
        InputError: as ``read_zones``, or one has no name, or one of more than 60 characters.
        CrsError: as ``read_zones``.
    """
    return _places(path, ("community", "name"), "communities", None)


def read_unit_grids(path: Path, digits: int = 15) -> tuple[Place, ...]:
    """Return the unit grids (单元网格) of a file; each needs its code as ``unit_grid`` or ``code``.

    Raises:
        InputError: as ``read_zones``, or a code does not have so many ``digits``.
        CrsError: as ``read_zones``.
    """
    return _places(path, ("unit_grid", "code"), "unit grids", digits)


def read_lines(path: Path) -> tuple[LineString, ...]:
    """Return the lines of a file (roads, rivers), lon, lat on WGS 84.

    Raises:
        InputError: the file cannot be read or holds something else, or nothing.
        CrsError: the CRS is not declared, or coordinates do not fit it.
    """
    found = judge.lines(_source(path, "line"), path)
    if not found:
        raise InputError(f"{path} holds no line.", hint=f"Give the lines as {_FORMATS}.")
    return found


def _polygons(path: Path, *, bounded: bool, may_be_empty: bool = False) -> tuple[Feature, ...]:
    features = judge.polygons(_source(path, "polygon"), path, bounded=bounded)
    if not features and not may_be_empty:
        raise InputError(f"{path} holds no polygon.", hint="Give a file with polygons.")
    return features


def _source(path: Path, want: Want) -> Source:
    suffix = path.suffix.lower()
    if not path.is_file():
        raise InputError(f"{path} is not there.", hint="Check the path.")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(
            f"{path} has {size / 1e6:.0f} MB; at most {MAX_BYTES / 1e6:.0f} MB are read.",
            hint="Export only the outlines that are meant, without pictures.",
        )
    if suffix in (".kml", ".kmz"):
        return read_kml(path)
    if suffix == ".gpkg":
        return read_geopackage(path, want)
    if suffix == ".shp":
        return read_shapefile(path, path)
    if suffix == ".zip":
        with shapefile_of(path) as unpacked:
            return read_shapefile(unpacked, path)
    if suffix in (".shx", ".dbf", ".prj", ".cpg"):
        raise InputError(
            f"{path} is a part of a Shapefile.",
            hint=f"Give {path.with_suffix('.shp')}, the others beside it.",
        )
    if suffix not in (".json", ".geojson", ""):
        raise InputError(f"{path} is of a format that is not read here.", hint=f"Give {_FORMATS}.")
    return read_geojson(path)


def _require_inside(what: str, outline: BaseGeometry, area: Feature) -> None:
    if outline.intersects(area.outline):
        return
    if transform(outline, lambda lonlat_N2: lonlat_N2[:, ::-1]).intersects(area.outline):
        raise CrsError(
            f"{what} has its latitudes before its longitudes.", hint="Write each position as lon, lat."
        )
    raise InputError(f"{what} lies outside the area.", hint="Check both files.")


def _text(properties: dict[str, Any], key: str, what: str) -> str | None:
    value = properties.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"{what} has the {key} {value!r}.", hint=f"Write {key} as text.")
    # Blanks are no text: they would open a controlled zone as an approval.
    return str(value).strip() or None


def _metres(properties: dict[str, Any], key: str, what: str) -> float | None:
    value = properties.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise InputError(
            f"{what} has the {key} {value!r}.",
            hint=f"Write {key} as a number of metres over the ground, from 0 up, or leave it out.",
        )
    return float(value)


def _places(path: Path, keys: tuple[str, str], listed: str, digits: int | None) -> tuple[Place, ...]:
    places = []
    for number, feature in enumerate(_polygons(path, bounded=False), start=1):
        what = f"Feature {number} of {path}"
        name = next((text for key in keys if (text := _text(feature.properties, key, what))), None)
        # The name goes into addresses and messages.
        if name is None or len(name) > 60 or not name.isprintable():
            raise InputError(
                f"{what} has the {keys[0]} {name!r}.",
                hint=f"Give each of the {listed} a property {keys[0]}, at most 60 characters of text.",
            )
        if digits is not None and not (len(name) == digits and name.isascii() and name.isdecimal()):
            raise InputError(
                f"{what} has the {keys[0]} {name!r}.",
                hint=f"Give each of the {listed} its code of {digits} digits, as text: numbers lose zeros.",
            )
        places.append(Place(name=name, outline=feature.outline))
    return tuple(places)


def _unit_grid(properties: dict[str, Any], what: str) -> str | None:
    code = _text(properties, "unit_grid", what)
    if code is not None and not (len(code) == 15 and code.isascii() and code.isdecimal()):
        raise InputError(
            f"{what} has the unit_grid {code!r}.",
            hint="Give the 15 digits of the 单元网格 code, or leave it out.",
        )
    return code


def _takeoffs(feature: Feature, what: str) -> tuple[LonLat, ...]:
    given = feature.properties.get("takeoffs")
    if given is None or given == "":
        return ()
    try:
        # Shapefile, KML and GeoPackage hold a list as its text.
        listed = json.loads(given) if isinstance(given, str) else given
        pairs = [(_number(lon), _number(lat)) for lon, lat in listed]
    except (TypeError, ValueError) as exc:
        raise InputError(
            f"{what} has takeoffs that are not positions: {given!r}.",
            hint="Write takeoffs as a list of [lon, lat].",
        ) from exc
    return tuple(_near(lon, lat, feature.outline, what) for lon, lat in pairs)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(value)
    return float(value)


def _near(lon: float, lat: float, outline: BaseGeometry, what: str) -> LonLat:
    away_m = _distance_m(lon, lat, outline)
    if away_m <= _TAKEOFF_M:
        return LonLat(lon_deg=lon, lat_deg=lat)
    if _distance_m(lat, lon, outline) <= _TAKEOFF_M:
        raise CrsError(
            f"{what} has a take-off point with its latitude before its longitude.",
            hint="Write each position as lon, lat.",
        )
    raise InputError(
        f"{what} has the take-off point {lon}, {lat}, which is more than {_TAKEOFF_M / 1000:.0f} km away.",
        hint="Give places from which the cell is in sight.",
    )


def _distance_m(lon: float, lat: float, outline: BaseGeometry) -> float:
    if not (abs(lon) <= 180 and abs(lat) <= 90):
        return math.inf
    middle = outline.representative_point()
    unit = geo.metres_per_unit(geo.WGS84, middle.x, middle.y)
    flat = transform(outline, lambda lonlat_N2: lonlat_N2 * unit)
    return float(flat.distance(Point(lon * unit[0], lat * unit[1])))
