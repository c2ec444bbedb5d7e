"""Polygons to GeoJSON, RFC 7946."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from shapely import set_precision
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.polygon import orient

from aerial.areas.models import Cell, Feature
from aerial.codec import replacing

_DECIMALS = 8  # of a degree: 1.1 mm on the ground


def write_features(path: Path, features: Sequence[Feature | Cell]) -> None:
    """Write polygons as a GeoJSON file, one a line, rounded to 1 mm without making them invalid."""
    lines = [
        json.dumps(
            {"type": "Feature", "geometry": _geometry(feature.outline), "properties": _properties(feature)},
            ensure_ascii=False,
            allow_nan=False,
        )
        for feature in features
    ]
    with replacing(path) as part:
        text = '{\n"type": "FeatureCollection",\n"features": [\n' + ",\n".join(lines) + "\n]\n}\n"
        part.write_text(text, encoding="utf-8")


def _properties(feature: Feature | Cell) -> dict[str, Any]:
    if isinstance(feature, Feature):
        return feature.properties
    named: dict[str, Any] = {
        "id": feature.id,
        "unit_grid": feature.unit_grid,
        "community": feature.community,
        "takeoffs": [[round(p.lon_deg, _DECIMALS), round(p.lat_deg, _DECIMALS)] for p in feature.takeoffs],
    }
    return feature.properties | {key: value for key, value in named.items() if value not in (None, [])}


def _geometry(outline: Polygon | MultiPolygon) -> dict[str, Any]:
    rounded = set_precision(outline, 10.0**-_DECIMALS)
    if rounded.geom_type != outline.geom_type or rounded.is_empty:
        # A sliver thinner than a millimetre collapses; the unrounded ring is still right.
        rounded = outline
    parts = [_rings(orient(part, 1.0)) for part in getattr(rounded, "geoms", [rounded])]
    single = outline.geom_type == "Polygon"
    return {"type": outline.geom_type, "coordinates": parts[0] if single else parts}


def _rings(polygon: Polygon) -> list[Any]:
    rings = (polygon.exterior, *polygon.interiors)
    return [np.round(np.asarray(ring.coords)[:, :2], _DECIMALS).tolist() for ring in rings]
