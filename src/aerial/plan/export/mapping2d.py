"""DJI's WPML template ``mapping2d``: the area, and DJI's own software lays the lines.

For squads that want to go on editing in DJI Pilot 2 or FlightHub 2. The template knows one outline, one
height and no zones: what needs more is refused, since its lines would fly through.
"""

import math
from pathlib import Path
from typing import TYPE_CHECKING

from aerial.errors import InputError
from aerial.plan.export.files import parse_xml, read_archive, write_archive
from aerial.plan.export.wpml import (
    KML,
    TEMPLATE,
    WAYLINES,
    WPML,
    config_xml,
    coordinates_xml,
    document,
    find,
    mission,
    text,
    waylines_xml,
)
from aerial.records import Aircraft, Plan
from aerial.records.record import record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

# Heights of one plan that count as one: below what an aircraft holds.
_ONE_HEIGHT_M = 1.0


@record
class Mapping2d:
    """What the template says; ``outline`` is (lon, lat), open; overlaps in whole per cent."""

    outline: tuple[tuple[float, float], ...]
    height_m: float
    speed_m_s: float
    direction_deg: int
    margin_m: int
    overlap_front_pct: int
    overlap_side_pct: int


def mapping2d(plan: Plan) -> Mapping2d:
    """Return a plan as the template says it; overlaps are rounded up.

    Raises:
        InputError: the template cannot say it.
    """
    heights = [
        point.height_above_takeoff_m
        for sortie in plan.sorties
        for leg in sortie.legs
        if leg.kind == "survey"
        for point in leg.path
    ]
    reason = None
    if len(plan.area) != 1 or plan.area[0].interiors:
        reason = "the area is of several parts or has holes"
    elif plan.no_fly:
        reason = "there are no-fly zones"
    elif not heights or max(heights) - min(heights) > _ONE_HEIGHT_M:
        reason = "the lines follow the terrain, or start from places of different height"
    elif plan.parameters.pitch_deg != -90:
        reason = "the camera does not look straight down"
    if reason is not None:
        raise InputError(
            f"The mapping2d template cannot express this plan: {reason}.",
            hint="Export the waypoint mission instead: --format wpml.",
        )
    # 1e-9: 0.7 as a float must not become 71 per cent.
    return Mapping2d(
        outline=tuple((round(x, 8), round(y, 8)) for x, y, *_ in plan.area[0].exterior.coords[:-1]),
        height_m=round(max(heights), 3),
        speed_m_s=round(plan.sorties[0].speed_m_s, 3),
        direction_deg=round(plan.direction_deg) % 360,
        margin_m=0,
        overlap_front_pct=math.ceil(plan.parameters.overlap_front * 100 - 1e-9),
        overlap_side_pct=math.ceil(plan.parameters.overlap_side * 100 - 1e-9),
    )


def write_mapping2d(plan: Plan, path: Path, aircraft: Aircraft) -> None:
    """Write the template, and beside it the plan's own lines as what is flown until it is edited."""
    said = mapping2d(plan)
    flown = mission(plan.sorties, aircraft)
    ring = " ".join(f"{lon:.8f},{lat:.8f},0" for lon, lat in (*said.outline, said.outline[0]))
    height = f"{said.height_m:.3f}"
    shoot = (
        f"<wpml:globalShootHeight>{plan.parameters.height_agl_m:.3f}</wpml:globalShootHeight>"
        "<wpml:surfaceFollowModeEnable>0</wpml:surfaceFollowModeEnable>"
    )
    folder = (
        "<Folder><wpml:templateType>mapping2d</wpml:templateType><wpml:templateId>0</wpml:templateId>"
        f"{coordinates_xml(shoot)}<wpml:autoFlightSpeed>{said.speed_m_s:.3f}</wpml:autoFlightSpeed>\n"
        "<Placemark><wpml:caliFlightEnable>0</wpml:caliFlightEnable>"
        "<wpml:elevationOptimizeEnable>0</wpml:elevationOptimizeEnable>"
        "<wpml:smartObliqueEnable>0</wpml:smartObliqueEnable><wpml:shootType>distance</wpml:shootType>"
        f"<wpml:direction>{said.direction_deg}</wpml:direction><wpml:margin>{said.margin_m}</wpml:margin>"
        f"<wpml:overlap><wpml:orthoCameraOverlapH>{said.overlap_front_pct}</wpml:orthoCameraOverlapH>"
        f"<wpml:orthoCameraOverlapW>{said.overlap_side_pct}</wpml:orthoCameraOverlapW></wpml:overlap>"
        f"<Polygon><outerBoundaryIs><LinearRing><coordinates>{ring}</coordinates></LinearRing>"
        "</outerBoundaryIs></Polygon>"
        f"<wpml:ellipsoidHeight>{height}</wpml:ellipsoidHeight><wpml:height>{height}</wpml:height>"
        "</Placemark></Folder>"
    )
    write_archive(
        path,
        {
            TEMPLATE: document(config_xml(flown, takeoff=plan.sorties[0].takeoff) + folder),
            WAYLINES: waylines_xml(flown),
        },
    )


def read_mapping2d(path: Path) -> Mapping2d:
    """Return what the mapping2d template of a .kmz says.

    Raises:
        InputError: it is no such template.
    """
    root = parse_xml(read_archive(path, (TEMPLATE,))[TEMPLATE], f"{path}: {TEMPLATE}")
    try:
        return _parsed(root)
    except (ValueError, IndexError) as exc:
        raise InputError(f"{path} is no mapping2d template: {exc}", hint="Export it again.") from exc


def _parsed(root: "Element") -> Mapping2d:
    folder = find(root, f"{KML}Document/{KML}Folder")
    if text(folder, "templateType") != "mapping2d":
        raise ValueError(f"its template is {text(folder, 'templateType')}")
    place = find(folder, f"{KML}Placemark")
    overlap = find(place, f"{WPML}overlap")
    ring = find(place, f"{KML}Polygon/{KML}outerBoundaryIs/{KML}LinearRing/{KML}coordinates").text
    corners = [tuple(map(float, corner.split(","))) for corner in (ring or "").split()]
    return Mapping2d(
        outline=tuple((corner[0], corner[1]) for corner in corners[:-1]),
        height_m=float(text(place, "height")),
        speed_m_s=float(text(folder, "autoFlightSpeed")),
        direction_deg=int(text(place, "direction")),
        margin_m=int(text(place, "margin")),
        overlap_front_pct=int(text(overlap, "orthoCameraOverlapH")),
        overlap_side_pct=int(text(overlap, "orthoCameraOverlapW")),
    )
