"""Zones that explain a suspect: approved construction, known buildings, farmland."""

from dataclasses import dataclass

from shapely.geometry.base import BaseGeometry


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A polygon on WGS 84 (lon, lat); ``label`` is ``kind`` or ``kind:name``."""

    label: str
    outline: BaseGeometry


def labels_at(zones: tuple[Zone, ...], outline: BaseGeometry) -> tuple[str, ...]:
    """Return the labels of the zones that ``outline`` (lon, lat) touches, in their order, each once."""
    return tuple(dict.fromkeys(zone.label for zone in zones if zone.outline.intersects(outline)))
