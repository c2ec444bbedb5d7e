"""Suspects as GeoJSON (RFC 7946), and back.

Lon, lat on WGS 84 with 8 decimals (1 mm), exterior rings counter-clockwise, no ``crs`` member.
The property names are a frozen contract (docs/formats.md): add, never rename.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shapely.geometry import mapping, shape

from aerial.codec import from_plain, read_json, to_plain, write_json
from aerial.errors import InputError
from aerial.features import DECIMALS, outline_geometry
from aerial.records import Suspect


def suspects_to_collection(
    suspects: Sequence[Suspect], context: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a FeatureCollection of ``suspects``, in their order.

    ``context`` is added to every feature's properties (cell, dates of both surveys).
    """
    return {
        "type": "FeatureCollection",
        "features": [_feature(suspect, context or {}) for suspect in suspects],
    }


def write_suspects(path: Path, suspects: Sequence[Suspect], context: Mapping[str, Any] | None = None) -> None:
    """Write ``suspects`` as a GeoJSON file, whole or not there."""
    write_json(path, suspects_to_collection(suspects, context))


def read_suspects(path: Path) -> tuple[Suspect, ...]:
    """Return the suspects of a file that ``write_suspects`` wrote; context properties are dropped.

    Raises:
        InputError: the file is absent, not GeoJSON, or a feature is not a suspect.
    """
    data = read_json(path)
    if not isinstance(data, dict) or data.get("type") != "FeatureCollection":
        raise InputError(f"{path} is not a GeoJSON FeatureCollection.", hint="Run aerial detect again.")
    return tuple(_suspect(feature, path) for feature in data.get("features", []))


def _feature(suspect: Suspect, context: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in to_plain(suspect).items() if key not in ("outline", "at")}
    return {
        "type": "Feature",
        "geometry": outline_geometry(suspect.outline),
        "properties": {
            **properties,
            "lon_deg": round(suspect.at.lon_deg, DECIMALS),
            "lat_deg": round(suspect.at.lat_deg, DECIMALS),
            **context,
        },
    }


def _suspect(feature: Any, path: Path) -> Suspect:
    try:
        properties = feature["properties"]
        fields = {key: properties[key] for key in _FIELDS}
        fields["zones"] = properties.get("zones", [])
        # Files of earlier versions do not hold these.
        fields |= {key: properties[key] for key in _EVIDENCE if key in properties}
        fields["at"] = {"lon_deg": properties["lon_deg"], "lat_deg": properties["lat_deg"]}
        fields["outline"] = mapping(shape(feature["geometry"]))
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        raise InputError(
            f"{path} holds a feature that is not a suspect: {exc}", hint="Run aerial detect again."
        ) from exc
    return from_plain(Suspect, fields, source=str(path))


_FIELDS = (
    "key",
    "pair",
    "kind",
    "error_m",
    "area_m2",
    "height_change_m",
    "score",
    "model_sha256",
    "chips",
)
_EVIDENCE = ("reason", "probability", "building_before", "building_after", "height_noise_m")
