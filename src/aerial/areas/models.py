"""What the files of a town hold."""

import re
from typing import Any

from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial.geo import LonLat
from aerial.records.record import record

CELL_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
# Of a zone, in metres. KML knows only text, and a Shapefile cuts names to ten characters.
NUMBERS = ("height_agl_m", "floor_agl_m")


@record
class Feature:
    """One polygon with the properties that the file gave it; lon, lat on WGS 84."""

    outline: Polygon | MultiPolygon
    properties: dict[str, Any]


@record
class Cell:
    """One flight cell; ``id`` names its folders.

    ``unit_grid``: the 15-digit code of the 单元网格 that it lies in. ``takeoffs``: where a pilot may
    stand, the preferred place first.
    """

    id: str
    outline: Polygon | MultiPolygon
    properties: dict[str, Any]
    unit_grid: str | None = None
    community: str | None = None
    takeoffs: tuple[LonLat, ...] = ()


@record
class Item:
    """One feature as its file holds it; None: a geometry that cannot be read."""

    geometry: BaseGeometry | None
    properties: dict[str, Any]


@record
class Source:
    """What a file holds, in the CRS ``crs`` that it declares (x = east or longitude first).

    ``declared`` is False where the format itself fixes WGS 84.
    """

    crs: str
    items: tuple[Item, ...]
    declared: bool = False
