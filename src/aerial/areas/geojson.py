"""GeoJSON: RFC 7946, and the member ``crs`` of the GeoJSON before it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shapely import from_geojson
from shapely.errors import GEOSException
from shapely.geometry.base import BaseGeometry

from aerial.areas.models import Item, Source
from aerial.codec import read_json
from aerial.errors import CrsError, InputError
from aerial.geo import WGS84, says_where

# What programs write into "crs" where they mean WGS 84 lon, lat.
_WGS84_NAMES = ("CRS84", "EPSG::4326", "EPSG:4326")


def read_geojson(path: Path) -> Source:
    """Return the features of a GeoJSON file.

    Raises:
        InputError: the file is not GeoJSON.
        CrsError: its member ``crs`` names none that is known.
    """
    data = read_json(path)
    if not isinstance(data, dict) or "type" not in data:
        raise InputError(f"{path} is not GeoJSON.", hint="Export it as GeoJSON (RFC 7946).")
    crs = _declared(data, path)
    return Source(crs=crs or WGS84, items=tuple(_items(data)), declared=crs is not None)


def _items(data: dict[str, Any]) -> Iterator[Item]:
    listed = data.get("features") if data["type"] == "FeatureCollection" else [data]
    for item in listed if isinstance(listed, list) else []:
        is_feature = isinstance(item, dict) and item.get("type") == "Feature"
        properties = item.get("properties") if is_feature else None
        yield Item(
            geometry=_geometry(item.get("geometry") if is_feature else item),
            properties=dict(properties) if isinstance(properties, dict) else {},
        )


def _geometry(plain: object) -> BaseGeometry | None:
    try:
        found: BaseGeometry | None = from_geojson(json.dumps(plain))
    except (GEOSException, RecursionError):
        return None
    return found


def _declared(data: dict[str, Any], path: Path) -> str | None:
    declared = data.get("crs")
    if declared is None:
        return None
    properties = declared.get("properties") if isinstance(declared, dict) else None
    name = str(properties.get("name", "")) if isinstance(properties, dict) else ""
    if name.endswith(_WGS84_NAMES):
        return None
    try:
        if name and says_where(name):
            return name
    except CrsError:
        pass
    raise CrsError(
        f"{path} declares the CRS {name or declared!r}, which is not known.",
        hint="Convert it first, for example: ogr2ogr -t_srs EPSG:4326 -lco RFC7946=YES out.geojson FILE.",
    )
