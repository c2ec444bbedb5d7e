"""KML (OGC 12-007r2) and KMZ: WGS 84 by specification, numbers as text.

Read here and not by GDAL, whose two drivers either drop ExtendedData or turn a property ``id`` into
another name, and split nested folders into layers.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from shapely.errors import GEOSException
from shapely.geometry import (
    GeometryCollection,
    LineString,
    MultiLineString,
    MultiPoint,
    MultiPolygon,
    Point,
    Polygon,
)
from shapely.geometry.base import BaseGeometry

from aerial.areas.archive import kml_of
from aerial.areas.models import NUMBERS, Item, Source
from aerial.errors import InputError
from aerial.geo import WGS84

_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*encoding\s*=\s*["']([A-Za-z0-9._-]+)["'][^>]*\?>""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_GEOMETRIES = ("Point", "LineString", "LinearRing", "Polygon", "MultiGeometry")
_MULTI: dict[str, Callable[[list[Any]], BaseGeometry]] = {
    "Point": MultiPoint,
    "LineString": MultiLineString,
    "Polygon": MultiPolygon,
}


def read_kml(path: Path) -> Source:
    """Return the placemarks of a KML or KMZ, of all its folders; ``ExtendedData`` are their properties.

    Raises:
        InputError: the file is not KML, declares entities, or only links to other files.
    """
    root = _root(kml_of(path) if path.suffix.lower() == ".kmz" else path.read_bytes(), path)
    items = []
    links = 0
    for element in root.iter():
        links += _tag(element) == "NetworkLink"
        if _tag(element) == "Placemark":
            items.append(Item(geometry=_placed(element), properties=_properties(element)))
    if links and not items:
        raise InputError(
            f"{path} only links to other files.",
            hint="Open it in Google Earth and save the places themselves.",
        )
    return Source(crs=WGS84, items=tuple(items))


def _root(content: bytes, path: Path) -> Element:
    text = _decoded(content, path)
    # Entities are how XML reads other files or grows without bound; KML needs none.
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise InputError(
            f"{path} declares a document type or entities.", hint="Do not use this file; ask its sender."
        )
    parser = XMLParser()  # noqa: S314 - without entities there is nothing that it could expand
    try:
        parser.feed(text)
        root = parser.close()
    except ParseError as exc:
        raise InputError(f"{path} is not whole KML: {exc}.", hint="Export it again.") from exc
    if not isinstance(root, Element) or _tag(root) != "kml":
        raise InputError(f"{path} is not KML.", hint="Export it as KML again.")
    return root


def _decoded(content: bytes, path: Path) -> str:
    found = _ENCODING.match(content)
    encoding = found[1].decode() if found else "utf-8-sig"
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    # gb18030 holds gb2312 and gbk, and programs that write the smaller name write the larger set.
    encoding = "gb18030" if encoding.lower() in ("gb2312", "gbk") else encoding
    try:
        text = content.decode("utf-8-sig" if encoding.lower() == "utf-8" else encoding)
    except (LookupError, UnicodeDecodeError) as exc:
        raise InputError(
            f"{path} is not text in the encoding {encoding}.", hint="Export it again, in UTF-8."
        ) from exc
    return _DECLARATION.sub("", text)


def _tag(element: Element) -> str:
    return element.tag.rsplit("}", 1)[-1]


def _children(element: Element, *names: str) -> Iterator[Element]:
    return (child for child in element if _tag(child) in names)


def _text(element: Element, name: str) -> str | None:
    child = next(_children(element, name), None)
    return None if child is None or child.text is None else child.text.strip()


def _properties(placemark: Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("name", "description"):
        if (text := _text(placemark, name)) is not None:
            found[name] = text
    for extended in _children(placemark, "ExtendedData"):
        for data in extended.iter():
            if _tag(data) == "Data" and "name" in data.attrib:
                found[data.attrib["name"]] = _text(data, "value")
            elif _tag(data) == "SimpleData" and "name" in data.attrib:
                found[data.attrib["name"]] = (data.text or "").strip() or None
    for name in NUMBERS:
        if isinstance(found.get(name), str):
            with suppress(ValueError):
                found[name] = float(found[name])
    return found


def _placed(placemark: Element) -> BaseGeometry | None:
    element = next(_children(placemark, *_GEOMETRIES), None)
    if element is None:
        return None
    try:
        return _geometry(element)
    except (ValueError, GEOSException):
        return None


def _geometry(element: Element) -> BaseGeometry:
    tag = _tag(element)
    if tag == "MultiGeometry":
        parts = [_geometry(child) for child in _children(element, *_GEOMETRIES)]
        kinds = {part.geom_type for part in parts}
        whole = _MULTI.get(next(iter(kinds), "")) if len(kinds) == 1 else None
        return whole(parts) if whole is not None else GeometryCollection(parts)
    if tag == "Polygon":
        outer = [_ring(ring) for side in _children(element, "outerBoundaryIs") for ring in side]
        inner = [_ring(ring) for side in _children(element, "innerBoundaryIs") for ring in side]
        if len(outer) != 1:
            raise ValueError("a polygon has one outer boundary")
        return Polygon(outer[0], inner)
    return Point(_ring(element)[0]) if tag == "Point" else LineString(_ring(element))


def _ring(element: Element) -> list[tuple[float, float]]:
    positions = []
    for position in (_text(element, "coordinates") or "").split():
        lon, lat, *_ = position.split(",")
        positions.append((float(lon), float(lat)))
    if not positions:
        raise ValueError("no coordinates")
    return positions
