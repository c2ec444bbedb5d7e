"""Files of areas in every format, and towns of random cells."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pyogrio import raw
from shapely import to_wkb, transform, voronoi_polygons
from shapely.geometry import LineString, MultiPoint, Polygon, box, mapping
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.areas import Cell, Feature

SQUARE = box(113.8, 22.8, 113.81, 22.81)


def geojson(path: Path, *parts: tuple[Any, dict[str, Any]], crs: str | None = None) -> Path:
    """Write a FeatureCollection of (geometry, properties), with the old member ``crs`` if given."""
    features = [{"type": "Feature", "geometry": mapping(g), "properties": p} for g, p in parts]
    data: dict[str, Any] = {"type": "FeatureCollection", "features": features}
    if crs is not None:
        data["crs"] = {"type": "name", "properties": {"name": crs}}
    path.write_text(json.dumps(data), "utf-8")
    return path


def ogr(path: Path, *parts: tuple[BaseGeometry, dict[str, Any]], crs: str | None, **options: Any) -> Path:
    """Write a Shapefile or a GeoPackage with GDAL."""
    names = list(parts[0][1])
    columns = [np.array([properties[name] for _, properties in parts]) for name in names]
    columns = [column.astype(object) if column.dtype.kind == "U" else column for column in columns]
    raw.write(
        path,
        to_wkb(np.array([shape for shape, _ in parts], dtype=object)),
        columns,
        names,
        geometry_type=parts[0][0].geom_type,
        driver={".shp": "ESRI Shapefile", ".gpkg": "GPKG"}[path.suffix],
        crs=crs,
        **options,
    )
    return path


def kml(*placemarks: tuple[Polygon, str, str], head: str = "", encoding: str = "UTF-8") -> bytes:
    """Return a KML document, each placemark (outline, name, ExtendedData) in a folder in a folder."""
    body = "".join(
        f"<Folder><Folder><Placemark><name>{name}</name><ExtendedData>{data}</ExtendedData><Polygon>"
        "<outerBoundaryIs><LinearRing><coordinates>"
        + " ".join(f"{x!r},{y!r},12.5" for x, y in outline.exterior.coords)
        + "</coordinates></LinearRing></outerBoundaryIs></Polygon></Placemark></Folder></Folder>"
        for outline, name, data in placemarks
    )
    text = f'<?xml version="1.0" encoding="{encoding}"?>{head}<kml xmlns="http://www.opengis.net/kml/2.2">'
    return f"{text}<Document>{body}</Document></kml>".encode(encoding)


def town(lon: float, lat: float, *, cells: int, size_m: float, seed: int) -> tuple[Cell, ...]:
    """Return cells of random shape around a position, mean size ``size_m`` squared, that share borders."""
    rng = np.random.default_rng(seed)
    half = size_m * cells**0.5 / 2
    points = MultiPoint(rng.uniform(-half, half, (cells, 2)))
    around = box(-half, -half, half, half)
    frame = geo.local_frame(geo.LonLat(lon_deg=lon, lat_deg=lat))
    faces = [face.intersection(around) for face in voronoi_polygons(points, extend_to=around).geoms]
    return tuple(
        Cell(id=f"A{i}", outline=geo.reproject(face, frame, geo.WGS84), properties={})
        for i, face in enumerate(faces)
    )


def as_gcj02(features: tuple[Cell, ...]) -> tuple[Feature, ...]:
    """Return the same outlines as a Chinese web map shows them."""

    def shifted(lonlat_N2: Any) -> Any:
        return np.column_stack(geo.to_gcj02(lonlat_N2[:, 0], lonlat_N2[:, 1]))

    return tuple(Feature(outline=transform(one.outline, shifted), properties={}) for one in features)


def roads(lon: float, lat: float, half_deg: float, count: int, seed: int) -> list[LineString]:
    """Return wavy lines across a square around a position."""
    rng = np.random.default_rng(seed)
    along = np.linspace(-1.2 * half_deg, 1.2 * half_deg, 30)
    found = []
    for number in range(count):
        across = rng.uniform(-half_deg, half_deg) + half_deg / 10 * np.sin(
            along / half_deg * rng.uniform(1, 6)
        )
        pair = (lon + along, lat + across) if number % 2 else (lon + across, lat + along)
        found.append(LineString(np.column_stack(pair)))
    return found
