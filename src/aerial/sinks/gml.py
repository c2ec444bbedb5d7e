"""Points and polygons in GML 3.1, with the order of axes that their CRS name stands for."""

from collections.abc import Sequence
from typing import Literal
from xml.etree.ElementTree import Element, SubElement

import numpy as np
from shapely.geometry import Polygon

from aerial.errors import CrsError
from aerial.geo import LonLat, is_geographic, transform
from aerial.sinks.xml import local

GML = "http://www.opengis.net/gml"
CGCS2000 = "EPSG:4490"
Axis = Literal["declared", "xy", "yx"]


class GmlError(ValueError):
    """A geometry cannot be read."""


def epsg(srs: str) -> str:
    """Return ``EPSG:n`` of a CRS name in any of the spellings of OGC services.

    Raises:
        GmlError: it is none of them.
    """
    number = srs.replace("#", ":").replace("/", ":").rpartition(":")[2]
    if not (number.isascii() and number.isdigit()) or "epsg" not in srs.lower():
        raise GmlError(f"{srs!r} is not the name of a CRS of EPSG")
    return f"EPSG:{number}"


def north_first(srs: str, axis: Axis) -> bool:
    """Tell whether latitude (or north) stands first under this CRS name.

    ``declared``: the URN and the URI forms mean the order of EPSG, which is north first for every
    Chinese CRS that is used here, in degrees and in metres; ``EPSG:n`` and the ``#n`` form mean x, y.
    """
    if axis != "declared":
        return axis == "yx"
    return srs.startswith(("urn:", "http://www.opengis.net/def/crs", "https://www.opengis.net/def/crs"))


def write_point(parent: Element, at: LonLat, srs: str, axis: Axis) -> None:
    """Add a gml:Point of a CGCS2000 position."""
    point = SubElement(parent, f"{{{GML}}}Point", {"srsName": srs})
    SubElement(point, f"{{{GML}}}pos").text = _numbers([(at.lon_deg, at.lat_deg)], srs, axis)


def write_polygon(parent: Element, outline: Polygon, srs: str, axis: Axis) -> None:
    """Add a gml:Polygon of an outline in longitude, latitude."""
    polygon = SubElement(parent, f"{{{GML}}}Polygon", {"srsName": srs})
    for name, ring in [("exterior", outline.exterior), *(("interior", hole) for hole in outline.interiors)]:
        inner = SubElement(SubElement(polygon, f"{{{GML}}}{name}"), f"{{{GML}}}LinearRing")
        SubElement(inner, f"{{{GML}}}posList").text = _numbers(list(ring.coords), srs, axis)


def read_point(geometry: Element | None, srs: str, axis: Axis) -> tuple[float, float]:
    """Return longitude and latitude (CGCS2000, unchecked) of the first position below ``geometry``.

    ``srs``: the CRS where the geometry names none.

    Raises:
        GmlError: there is no position, or its CRS is not known.
    """
    elements = list(geometry.iter()) if geometry is not None else []
    # Without a name the numbers are those of the storage, x first: so QGIS Server answers.
    name = next((element.get("srsName") for element in elements if element.get("srsName")), None) or epsg(srs)
    for element in elements:
        if local(element) in ("pos", "coordinates", "posList") and element.text:
            try:
                first, second = (float(text) for text in element.text.replace(",", " ").split()[:2])
            except ValueError as exc:
                raise GmlError(f"{element.text[:60]!r} is not a position") from exc
            x, y = (second, first) if north_first(name, axis) else (first, second)
            crs = epsg(name)
            if is_geographic(crs):
                # Between WGS 84 and CGCS2000 nothing is moved; out of range is for the caller to name.
                return x, y
            try:
                lon, lat = transform(crs, CGCS2000, np.array([x]), np.array([y]))
            except CrsError as exc:
                raise GmlError(f"{element.text[:60]!r} lies outside of {crs}") from exc
            return float(lon[0]), float(lat[0])
    raise GmlError("there is no position")


def _numbers(lonlat: Sequence[tuple[float, ...]], srs: str, axis: Axis) -> str:
    x, y = transform(CGCS2000, epsg(srs), np.array([p[0] for p in lonlat]), np.array([p[1] for p in lonlat]))
    digits = 10 if is_geographic(epsg(srs)) else 4
    pairs = zip(y, x, strict=True) if north_first(srs, axis) else zip(x, y, strict=True)
    return " ".join(f"{a:.{digits}f} {b:.{digits}f}" for a, b in pairs)
