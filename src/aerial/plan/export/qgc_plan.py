"""QGroundControl's .plan: one sortie with its geofence and rally points.

Source: the Plan File Format of the QGroundControl developer guide. A mission holds one take-off, so a
plan of several batteries is several files. Home is no item of a .plan.
"""

import json
import math
from pathlib import Path
from typing import Any

from shapely.geometry import LineString, Polygon

from aerial.autopilots.fence import without_holes
from aerial.autopilots.items import FRAME_OVER_HOME, AutopilotName, mission_items
from aerial.codec import read_json
from aerial.errors import InputError
from aerial.plan.export.files import write_text
from aerial.records import MissionItem, Plan, Sortie
from aerial.records.record import record

FIRMWARE: dict[AutopilotName, int] = {"ardupilot": 3, "px4": 12}  # MAV_AUTOPILOT
_QUADROTOR = 2  # MAV_TYPE
_RELATIVE = 1  # AltitudeMode: over home

Ring = tuple[tuple[float, float], ...]


@record
class QgcPlan:
    """What a .plan file says; rings are (latitude, longitude), open, ``rally`` (lat, lon, height)."""

    firmware: int
    cruise_m_s: float
    home: tuple[float, float, float]
    items: tuple[MissionItem, ...]
    inclusion: tuple[Ring, ...]
    exclusion: tuple[Ring, ...]
    rally: tuple[tuple[float, float, float], ...]


def write_qgc_plan(plan: Plan, sortie: Sortie, path: Path, autopilot: AutopilotName) -> None:
    """Write one sortie as a .plan file."""
    items = mission_items(sortie, autopilot)
    if autopilot == "ardupilot":
        items = items[1:]
    inclusion, exclusion = fence_rings(plan, sortie)
    home = 0.0 if sortie.takeoff_amsl_m is None else round(sortie.takeoff_amsl_m, 3)
    data = {
        "fileType": "Plan",
        "version": 1,
        "groundStation": "aerial",
        "geoFence": {
            "version": 2,
            "circles": [],
            "polygons": [
                {"version": 1, "inclusion": inside, "polygon": [list(corner) for corner in ring]}
                for inside, rings in ((True, inclusion), (False, exclusion))
                for ring in rings
            ],
        },
        "rallyPoints": {
            "version": 2,
            "points": [
                [round(at.lat_deg, 8), round(at.lon_deg, 8), round(sortie.return_height_m, 3)]
                for at in plan.rally
            ],
        },
        "mission": {
            "version": 2,
            "firmwareType": FIRMWARE[autopilot],
            "vehicleType": _QUADROTOR,
            "globalPlanAltitudeMode": _RELATIVE,
            "cruiseSpeed": round(sortie.speed_m_s, 3),
            "hoverSpeed": round(sortie.speed_m_s, 3),
            "plannedHomePosition": [round(sortie.takeoff.lat_deg, 8), round(sortie.takeoff.lon_deg, 8), home],
            "items": [_simple(item, number) for number, item in enumerate(items, start=1)],
        },
    }
    # Without indents json is written by its C part, ten times faster.
    write_text(path, json.dumps(data, allow_nan=False) + "\n")


def fence_rings(plan: Plan, sortie: Sortie) -> tuple[tuple[Ring, ...], tuple[Ring, ...]]:
    """Return the rings that the sortie stays in and out of, (lat, lon) to 8 decimals, open.

    Autopilots know no holes: a hole of the fence is an exclusion, a no-fly zone with a hole is cut into
    parts without. Only the fences that the path enters are given, since ArduPilot wants to be in all.
    """
    path = LineString([(point.at.lon_deg, point.at.lat_deg) for leg in sortie.legs for point in leg.path])
    inclusion = [part for part in plan.fence if part.intersects(path)]
    exclusion = [Polygon(hole) for part in inclusion for hole in part.interiors]
    exclusion += [piece for zone in plan.no_fly for piece in without_holes(zone)]
    return tuple(map(_ring, inclusion)), tuple(map(_ring, exclusion))


def _ring(polygon: Polygon) -> Ring:
    return tuple((round(y, 8), round(x, 8)) for x, y, *_ in polygon.exterior.coords[:-1])


def _simple(item: MissionItem, number: int) -> dict[str, Any]:
    params = [None if math.isnan(value) else value for value in item.params]
    data: dict[str, Any] = {
        "type": "SimpleItem",
        "autoContinue": True,
        "command": item.command,
        "doJumpId": number,
        "frame": item.frame,
        "params": params,
    }
    if item.frame == FRAME_OVER_HOME:
        data |= {"Altitude": item.params[6], "AltitudeMode": _RELATIVE, "AMSLAltAboveTerrain": None}
    return data


def read_qgc_plan(path: Path) -> QgcPlan:
    """Return what a .plan file of simple items says.

    Raises:
        InputError: it is no .plan, of another version, or holds items of a pattern (survey, corridor).
    """
    data = read_json(path)
    try:
        return _parsed(data, path)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        raise InputError(
            f"{path} is not a QGroundControl plan: {exc!r}", hint="Give a .plan file that is whole."
        ) from exc


def _parsed(data: Any, path: Path) -> QgcPlan:
    if data["fileType"] != "Plan" or data["version"] != 1:
        raise ValueError(f"fileType {data['fileType']}, version {data['version']}")
    mission, fence, rally = data["mission"], data["geoFence"], data["rallyPoints"]
    for name, part in (("mission", mission), ("geoFence", fence), ("rallyPoints", rally)):
        if part["version"] != 2:
            raise ValueError(f"{name} of version {part['version']}")
    for item in mission["items"]:
        if item["type"] != "SimpleItem":
            raise InputError(
                f"{path} holds an item of type {item.get('complexItemType', item['type'])}.",
                hint="Give a plan of simple items.",
            )
    rings = [
        (part["inclusion"], tuple((float(lat), float(lon)) for lat, lon in part["polygon"]))
        for part in fence["polygons"]
    ]
    return QgcPlan(
        firmware=int(mission["firmwareType"]),
        cruise_m_s=float(mission["cruiseSpeed"]),
        home=_three(mission["plannedHomePosition"]),
        items=tuple(
            MissionItem(
                seq=int(item["doJumpId"]),
                frame=int(item["frame"]),
                command=int(item["command"]),
                params=_seven(item["params"]),
            )
            for item in mission["items"]
        ),
        inclusion=tuple(ring for inside, ring in rings if inside),
        exclusion=tuple(ring for inside, ring in rings if not inside),
        rally=tuple(_three(point) for point in rally["points"]),
    )


def _three(values: list[float]) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third


def _seven(values: list[float | None]) -> tuple[float, float, float, float, float, float, float]:
    a, b, c, d, e, f, g = (math.nan if value is None else float(value) for value in values)
    return a, b, c, d, e, f, g
