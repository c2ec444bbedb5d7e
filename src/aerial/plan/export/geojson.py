"""``lines.geojson``: the path of a plan, one feature a leg, in the order of flight.

Coordinates are lon, lat on WGS 84 (8 decimals) and the height over the take-off point of the sortie
(3 decimals).
"""

import json
from pathlib import Path
from typing import Any, get_args

from aerial.codec import read_json
from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.files import write_text
from aerial.records import LegKind, PathPoint, Plan
from aerial.records.record import record


@record
class Line:
    """One feature of the file; ``seq`` counts from 1 in its sortie."""

    kind: LegKind
    sortie: int
    seq: int
    line: int | None
    line_spacing_m: float
    trigger_distance_m: float | None
    path: tuple[PathPoint, ...]


def write_geojson(plan: Plan, path: Path) -> None:
    """Write the path of a plan."""
    rows = []
    for sortie in plan.sorties:
        for seq, leg in enumerate(sortie.legs, start=1):
            coordinates = ", ".join(
                f"[{point.at.lon_deg:.8f}, {point.at.lat_deg:.8f}, {point.height_above_takeoff_m:.3f}]"
                for point in leg.path
            )
            properties = {
                "kind": leg.kind,
                "sortie": sortie.number,
                "seq": seq,
                "line": leg.line,
                "line_spacing_m": round(plan.line_spacing_m, 3),
                "trigger_distance_m": None
                if leg.trigger_distance_m is None
                else round(leg.trigger_distance_m, 3),
            }
            rows.append(
                f'{{"type": "Feature", "properties": {json.dumps(properties, allow_nan=False)}, '
                f'"geometry": {{"type": "LineString", "coordinates": [{coordinates}]}}}}'
            )
    write_text(path, '{"type": "FeatureCollection", "features": [\n' + ",\n".join(rows) + "\n]}\n")


def read_geojson(path: Path) -> tuple[Line, ...]:
    """Return the legs of a ``lines.geojson`` in its order.

    Raises:
        InputError: it is no such file.
    """
    data = read_json(path)
    try:
        return tuple(_line(feature) for feature in data["features"])
    except (KeyError, TypeError, ValueError) as exc:
        raise InputError(
            f"{path} does not hold the lines of a plan: {exc!r}", hint="Export the plan again."
        ) from exc


def _line(feature: Any) -> Line:
    properties, geometry = feature["properties"], feature["geometry"]
    if geometry["type"] != "LineString" or properties["kind"] not in get_args(LegKind):
        raise ValueError(f"{geometry['type']} of kind {properties['kind']}")
    distance = properties["trigger_distance_m"]
    return Line(
        kind=properties["kind"],
        sortie=int(properties["sortie"]),
        seq=int(properties["seq"]),
        line=None if properties["line"] is None else int(properties["line"]),
        line_spacing_m=float(properties["line_spacing_m"]),
        trigger_distance_m=None if distance is None else float(distance),
        path=tuple(
            PathPoint(at=LonLat(lon_deg=float(lon), lat_deg=float(lat)), height_above_takeoff_m=float(height))
            for lon, lat, height in geometry["coordinates"]
        ),
    )
