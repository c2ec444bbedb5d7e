"""The town's area, its flight cells and its zones, from GeoJSON (RFC 7946) and back.

Coordinates are lon, lat on WGS 84, written to 1 mm. Nothing is guessed: a file that declares
another CRS, or whose numbers cannot be degrees, is refused.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from shapely import from_geojson, set_precision, transform
from shapely.errors import GEOSException
from shapely.geometry import MultiPolygon, Polygon, mapping
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient
from shapely.validation import explain_validity

from aerial.codec import dumps, read_json, write_json
from aerial.errors import CrsError, InputError
from aerial.geo import LonLat
from aerial.records.record import record

ZoneKind = Literal[
    "no_fly", "fence", "controlled", "obstacle", "permit", "known_building", "farmland", "sensitive"
]
CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
_DECIMALS = 8  # of a degree: 1.1 mm on the ground
# What programs write into the "crs" member that RFC 7946 abolished, where they mean WGS 84 lon, lat.
_WGS84_NAMES = ("CRS84", "EPSG::4326", "EPSG:4326")


@record
class Feature:
    """One polygon with the properties that the file gave it; lon, lat on WGS 84."""

    outline: Polygon | MultiPolygon
    properties: dict[str, Any]


@record
class Cell:
    """One flight cell; ``id`` names its folders."""

    id: str
    outline: Polygon | MultiPolygon
    properties: dict[str, Any]


def read_area(path: Path) -> Feature:
    """Return the town's outer boundary: the one polygon of the file.

    Raises:
        InputError: the file is not GeoJSON of exactly one polygon.
        CrsError: its coordinates are not lon, lat on WGS 84.
    """
    features = _read(path)
    if len(features) != 1:
        raise InputError(
            f"{path} holds {len(features)} features where the area is one polygon.",
            hint="Merge them into one (multi)polygon.",
        )
    return features[0]


def read_cells(path: Path, area: Feature | None = None) -> tuple[Cell, ...]:
    """Return the flight cells of a file; each feature needs a property ``id``.

    ``area``: refuse cells that lie outside of it.

    Raises:
        InputError: an id is absent, of other characters, or used twice; a cell is outside.
        CrsError: coordinates are not lon, lat on WGS 84.
    """
    cells = []
    seen: dict[str, str] = {}
    for number, feature in enumerate(_read(path), start=1):
        given = feature.properties.get("id")
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
        if area is not None:
            _require_inside(name, feature.outline, area, path)
        cells.append(Cell(id=name, outline=feature.outline, properties=feature.properties))
    return tuple(cells)


def read_zones(path: Path) -> tuple[Feature, ...]:
    """Return the zones of a file, possibly none; each needs a property ``kind`` of ``ZoneKind``.

    Raises:
        InputError: a zone has no kind, or one that is not known.
        CrsError: coordinates are not lon, lat on WGS 84.
    """
    features = _read(path, may_be_empty=True)
    for number, feature in enumerate(features, start=1):
        kind = feature.properties.get("kind")
        if kind not in get_args(ZoneKind):
            raise InputError(
                f"Zone {number} of {path} has " + ("no kind." if kind is None else f"the kind {kind!r}."),
                hint=f"Give each zone a property kind: {', '.join(get_args(ZoneKind))}.",
            )
    return features


def write_features(path: Path, features: Sequence[Feature | Cell]) -> None:
    """Write polygons as a GeoJSON file, rounded to 1 mm without making them invalid."""
    write_json(
        path,
        {
            "type": "FeatureCollection",
            "features": [
                {"type": "Feature", "geometry": _geometry(f.outline), "properties": f.properties}
                for f in features
            ],
        },
    )


def _read(path: Path, *, may_be_empty: bool = False) -> tuple[Feature, ...]:
    data = read_json(path)
    features = tuple(_features(data, path))
    if not features and not may_be_empty:
        raise InputError(f"{path} holds no polygon.", hint="Give a GeoJSON file with polygons.")
    return features


def _features(data: Any, path: Path) -> Iterator[Feature]:
    if not isinstance(data, dict) or "type" not in data:
        raise InputError(f"{path} is not GeoJSON.", hint="Export it as GeoJSON (RFC 7946).")
    _require_wgs84(data, path)
    listed = data.get("features") if data["type"] == "FeatureCollection" else [data]
    for number, item in enumerate(listed if isinstance(listed, list) else [], start=1):
        is_feature = isinstance(item, dict) and item.get("type") == "Feature"
        geometry = item.get("geometry") if is_feature else item
        properties = item.get("properties") if is_feature else None
        try:
            outline = from_geojson(dumps(geometry))
        except GEOSException as exc:
            raise InputError(
                f"Feature {number} of {path} has no geometry that can be read.",
                hint="Export it as GeoJSON (RFC 7946) again.",
            ) from exc
        if not isinstance(outline, Polygon | MultiPolygon) or outline.is_empty:
            raise InputError(
                f"Feature {number} of {path} is a {outline.geom_type}, not a polygon.",
                hint="Give polygons; remove points and lines from the file.",
            )
        _require_degrees(outline, f"Feature {number} of {path}")
        if not outline.is_valid:
            raise InputError(
                f"Feature {number} of {path} is not a valid polygon: {explain_validity(outline)}.",
                hint="Repair it in a GIS (in QGIS: Fix geometries).",
            )
        yield Feature(outline=outline, properties=dict(properties or {}))


def _require_wgs84(data: dict[str, Any], path: Path) -> None:
    declared = data.get("crs")
    if declared is None:
        return
    name = str((declared.get("properties") or {}).get("name", declared)) if isinstance(declared, dict) else ""
    if not name.endswith(_WGS84_NAMES):
        raise CrsError(
            f"{path} declares the CRS {name or declared!r}; GeoJSON here is lon, lat on WGS 84.",
            hint="Convert it first, for example: ogr2ogr -t_srs EPSG:4326 -lco RFC7946=YES out.geojson FILE.",
        )


def _require_degrees(outline: BaseGeometry, what: str) -> None:
    x0, y0, x1, y1 = outline.bounds
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


def _require_inside(name: str, outline: BaseGeometry, area: Feature, path: Path) -> None:
    if outline.intersects(area.outline):
        return
    if transform(outline, lambda lonlat_N2: lonlat_N2[:, ::-1]).intersects(area.outline):
        raise CrsError(
            f"Cell {name} of {path} has its latitudes before its longitudes.",
            hint="Write each position as lon, lat.",
        )
    raise InputError(f"Cell {name} of {path} lies outside the area.", hint="Check both files.")


def _geometry(outline: Polygon | MultiPolygon) -> dict[str, Any]:
    rounded = set_precision(outline, 10.0**-_DECIMALS)
    if rounded.geom_type != outline.geom_type or rounded.is_empty:
        # A sliver thinner than a millimetre collapses; the unrounded ring is still right.
        rounded = outline
    parts = [orient(part, 1.0) for part in getattr(rounded, "geoms", [rounded])]
    plain = mapping(parts[0] if outline.geom_type == "Polygon" else MultiPolygon(parts))
    return {"type": plain["type"], "coordinates": _rounded(plain["coordinates"])}


def _rounded(value: Any) -> Any:
    if isinstance(value, int | float):
        return round(value, _DECIMALS)
    if value and isinstance(value[0], int | float):
        return [_rounded(number) for number in value[:2]]
    return [_rounded(part) for part in value]
