"""Zones that explain a suspect: approved construction, known buildings, farmland."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from shapely import make_valid
from shapely.errors import GEOSException
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from aerial.codec import read_json
from aerial.errors import InputError

ZoneKind = Literal[
    "no_fly", "fence", "controlled", "obstacle", "permit", "known_building", "farmland", "sensitive"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A polygon on WGS 84 with a kind; ``label`` is ``kind`` or ``kind:name``."""

    label: str
    outline: BaseGeometry


def read_zones(path: Path) -> tuple[Zone, ...]:
    """Return the zones of a GeoJSON file (lon, lat WGS 84).

    Raises:
        InputError: the file is absent or not GeoJSON, a zone has no kind or an unknown one, or its
            coordinates are not degrees.
    """
    data = read_json(path)
    if not isinstance(data, dict) or not isinstance(data.get("features"), list):
        raise InputError(
            f"{path} is not a GeoJSON FeatureCollection.",
            hint="Export the zones as GeoJSON in lon, lat WGS 84.",
        )
    return tuple(_zone(feature, f"{path}, feature {n}") for n, feature in enumerate(data["features"]))


def labels_at(zones: tuple[Zone, ...], outline: BaseGeometry) -> tuple[str, ...]:
    """Return the labels of the zones that ``outline`` (lon, lat) touches, in their order, each once."""
    return tuple(dict.fromkeys(zone.label for zone in zones if zone.outline.intersects(outline)))


def _zone(feature: object, where: str) -> Zone:
    try:
        properties = feature["properties"] or {}  # type: ignore[index]
        outline = make_valid(shape(feature["geometry"]))  # type: ignore[index]
        x0, y0, x1, y1 = outline.bounds
    except (KeyError, TypeError, ValueError, AttributeError, GEOSException) as exc:
        raise InputError(f"{where} is not a polygon: {exc}", hint="Correct or remove the feature.") from exc
    kinds = get_args(ZoneKind)
    kind = properties.get("kind")
    if kind not in kinds:
        said = "has no kind" if kind is None else f"has the unknown kind {kind!r}"
        raise InputError(f"{where} {said}.", hint=f"Give its property kind one of: {', '.join(kinds)}.")
    if x0 < -180 or x1 > 180 or y0 < -90 or y1 > 90:
        raise InputError(
            f"{where} has coordinates that are not degrees.", hint="Export it in lon, lat WGS 84 (EPSG:4326)."
        )
    name = properties.get("name")
    return Zone(label=f"{kind}:{name}" if name else str(kind), outline=outline)
