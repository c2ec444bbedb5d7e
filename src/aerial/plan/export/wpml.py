"""DJI's WPML (.kmz): one sortie as a waypoint mission, and its parser.

Source: DJI's Cloud API documentation, "DJI WPML" (template.kml, waylines.wpml, common elements). An
aircraft flies waylines.wpml; DJI Pilot 2 edits template.kml and writes the other anew from it, so both say
the same. Where the radio is lost, the aircraft comes home (DJI's own example flies on).

Heights are over the take-off point, so the ellipsoidal height that the template asks for beside them is
counted from a reference point of height 0.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from aerial.autopilots.items import camera_goes_on
from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.files import parse_xml, read_archive, write_archive
from aerial.records import Aircraft, Sortie
from aerial.records.record import record

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

TEMPLATE, WAYLINES = "wpmz/template.kml", "wpmz/waylines.wpml"
KML = "{http://www.opengis.net/kml/2.2}"
_WPML_URI = "http://www.dji.com/wpmz/1.0.2"
WPML = f"{{{_WPML_URI}}}"
# What the format takes: 2 to 65 535 waypoints; a take-off climb of 1.5 to 1500 m; 15 m/s between.
_MOST_POINTS = 65535
_FASTEST_M_S = 15.0
_TURNS = {
    "stop": "toPointAndStopWithDiscontinuityCurvature",
    "coordinated": "toPointAndPassWithContinuityCurvature",
}


@record
class WpmlPoint:
    """A waypoint; the speed is that from it to the next."""

    at: LonLat
    height_above_takeoff_m: float
    speed_m_s: float


@record
class WpmlShots:
    """Photographs at equal distances from one waypoint to another, by index."""

    first: int
    last: int
    distance_m: float


@record
class Wayline:
    """One wayline, as the aircraft flies it."""

    speed_m_s: float
    turn: str
    pitch_deg: float
    points: tuple[WpmlPoint, ...]
    shots: tuple[WpmlShots, ...]


@record
class WpmlMission:
    """What waylines.wpml says; ``drone`` and ``payload`` are (type, sub-type or position)."""

    drone: tuple[int, int]
    payload: tuple[int, int]
    takeoff_climb_m: float
    return_height_m: float
    transit_m_s: float
    waylines: tuple[Wayline, ...]


def wayline(sortie: Sortie, aircraft: Aircraft) -> Wayline:
    """Return a sortie as waypoints, rounded as they are written: 8 decimals, millimetres."""
    points: list[WpmlPoint] = []
    shots: list[WpmlShots] = []
    goes_on = False
    for number, leg in enumerate(sortie.legs):
        speed = sortie.transit_speed_m_s if leg.kind == "transit" else sortie.speed_m_s
        corners = [
            WpmlPoint(
                at=LonLat(lon_deg=round(point.at.lon_deg, 8), lat_deg=round(point.at.lat_deg, 8)),
                height_above_takeoff_m=round(point.height_above_takeoff_m, 3),
                speed_m_s=round(min(speed, _FASTEST_M_S), 3),
            )
            for point in leg.path
        ]
        if points and points[-1].at == corners[0].at and _same_height(points[-1], corners[0]):
            points.pop()
        start = len(points)
        for corner in corners:
            if len(points) == start or corner != points[-1]:
                points.append(corner)
        if leg.trigger_distance_m is not None:
            shot = WpmlShots(first=start, last=len(points) - 1, distance_m=round(leg.trigger_distance_m, 3))
            if goes_on and shots[-1].distance_m == shot.distance_m:
                shot = WpmlShots(first=shots.pop().first, last=shot.last, distance_m=shot.distance_m)
            shots.append(shot)
        goes_on = leg.trigger_distance_m is not None and camera_goes_on(sortie.legs, number)
    if not 2 <= len(points) <= _MOST_POINTS:
        raise InputError(
            f"Sortie {sortie.number} has {len(points)} waypoints; WPML takes 2 to {_MOST_POINTS}.",
            hint="Plan smaller sorties.",
        )
    return Wayline(
        speed_m_s=round(min(sortie.speed_m_s, _FASTEST_M_S), 3),
        turn=_TURNS[aircraft.turn],
        pitch_deg=round(sortie.pitch_deg, 3),
        points=tuple(points),
        shots=tuple(shots),
    )


def _same_height(one: WpmlPoint, other: WpmlPoint) -> bool:
    return one.height_above_takeoff_m == other.height_above_takeoff_m


def mission(sorties: tuple[Sortie, ...], aircraft: Aircraft) -> WpmlMission:
    """Return sorties as one WPML mission, a wayline each.

    Raises:
        InputError: the aircraft's file has no DJI numbers, or a sortie does not fit the format.
    """
    if aircraft.dji_drone is None or aircraft.dji_payload is None:
        raise InputError(
            f"The {aircraft.make} {aircraft.model} reads no WPML.",
            hint="Export geojson, kml or csv, or give dji_drone and dji_payload in the aircraft's file.",
        )
    first = sorties[0]
    climb = max(sortie.legs[0].path[0].height_above_takeoff_m for sortie in sorties)
    return WpmlMission(
        drone=aircraft.dji_drone,
        payload=aircraft.dji_payload,
        takeoff_climb_m=round(min(max(climb, 1.5), 1500.0), 3),
        return_height_m=round(max(sortie.return_height_m for sortie in sorties), 3),
        transit_m_s=round(min(first.transit_speed_m_s, _FASTEST_M_S), 3),
        waylines=tuple(wayline(sortie, aircraft) for sortie in sorties),
    )


def write_wpml(sortie: Sortie, path: Path, aircraft: Aircraft) -> None:
    """Write one sortie as a waypoint mission."""
    flown = mission((sortie,), aircraft)
    line = flown.waylines[0]
    places = _places(line, 0, execute=False)
    tall = max(point.height_above_takeoff_m for point in line.points)
    folder = (
        "<Folder><wpml:templateType>waypoint</wpml:templateType><wpml:templateId>0</wpml:templateId>"
        f"{coordinates_xml()}<wpml:autoFlightSpeed>{line.speed_m_s:.3f}</wpml:autoFlightSpeed>"
        f"<wpml:globalHeight>{tall:.3f}</wpml:globalHeight>"
        "<wpml:gimbalPitchMode>usePointSetting</wpml:gimbalPitchMode>"
        "<wpml:globalWaypointHeadingParam><wpml:waypointHeadingMode>followWayline</wpml:waypointHeadingMode>"
        "<wpml:waypointHeadingPathMode>followBadArc</wpml:waypointHeadingPathMode>"
        "</wpml:globalWaypointHeadingParam>"
        f"<wpml:globalWaypointTurnMode>{line.turn}</wpml:globalWaypointTurnMode>"
        f"<wpml:globalUseStraightLine>1</wpml:globalUseStraightLine>{places}</Folder>"
    )
    write_archive(
        path,
        {
            TEMPLATE: document(config_xml(flown, takeoff=sortie.takeoff) + folder),
            WAYLINES: waylines_xml(flown),
        },
    )


def waylines_xml(flown: WpmlMission) -> str:
    """Return waylines.wpml."""
    folders = []
    group = 0
    for number, line in enumerate(flown.waylines):
        places = _places(line, group, execute=True)
        group += 1 + len(line.shots)
        folders.append(
            "<Folder><wpml:templateId>0</wpml:templateId>"
            "<wpml:executeHeightMode>relativeToStartPoint</wpml:executeHeightMode>"
            f"<wpml:waylineId>{number}</wpml:waylineId>"
            f"<wpml:autoFlightSpeed>{line.speed_m_s:.3f}</wpml:autoFlightSpeed>{places}</Folder>"
        )
    return document(config_xml(flown, takeoff=None) + "\n".join(folders))


def document(body: str) -> str:
    """Return a WPML document around ``body``."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:wpml="{_WPML_URI}">\n'
        f"<Document>\n{body}\n</Document>\n</kml>\n"
    )


def config_xml(flown: WpmlMission, *, takeoff: LonLat | None) -> str:
    """Return missionConfig; with the reference point (latitude first) where ``takeoff`` is given."""
    reference = (
        ""
        if takeoff is None
        else f"<wpml:takeOffRefPoint>{takeoff.lat_deg:.8f},{takeoff.lon_deg:.8f},0.000</wpml:takeOffRefPoint>"
    )
    return (
        "<wpml:missionConfig><wpml:flyToWaylineMode>safely</wpml:flyToWaylineMode>"
        "<wpml:finishAction>goHome</wpml:finishAction>"
        "<wpml:exitOnRCLost>executeLostAction</wpml:exitOnRCLost>"
        "<wpml:executeRCLostAction>goBack</wpml:executeRCLostAction>"
        f"<wpml:takeOffSecurityHeight>{flown.takeoff_climb_m:.3f}</wpml:takeOffSecurityHeight>{reference}"
        f"<wpml:globalTransitionalSpeed>{flown.transit_m_s:.3f}</wpml:globalTransitionalSpeed>"
        f"<wpml:globalRTHHeight>{flown.return_height_m:.3f}</wpml:globalRTHHeight>"
        f"<wpml:droneInfo><wpml:droneEnumValue>{flown.drone[0]}</wpml:droneEnumValue>"
        f"<wpml:droneSubEnumValue>{flown.drone[1]}</wpml:droneSubEnumValue></wpml:droneInfo>"
        f"<wpml:payloadInfo><wpml:payloadEnumValue>{flown.payload[0]}</wpml:payloadEnumValue>"
        f"<wpml:payloadPositionIndex>{flown.payload[1]}</wpml:payloadPositionIndex></wpml:payloadInfo>"
        "</wpml:missionConfig>\n"
    )


def coordinates_xml(extra: str = "") -> str:
    """Return the coordinate system: WGS 84, heights over the take-off point."""
    return (
        "<wpml:waylineCoordinateSysParam><wpml:coordinateMode>WGS84</wpml:coordinateMode>"
        f"<wpml:heightMode>relativeToStartPoint</wpml:heightMode>{extra}</wpml:waylineCoordinateSysParam>"
    )


def _places(line: Wayline, group: int, *, execute: bool) -> str:
    starts: dict[int, list[str]] = {}
    starts.setdefault(0, []).append(_gimbal(group, line.pitch_deg))
    for number, shot in enumerate(line.shots, start=group + 1):
        starts.setdefault(shot.first, []).append(_camera(number, shot))
    turn = (
        f"<wpml:waypointTurnParam><wpml:waypointTurnMode>{line.turn}</wpml:waypointTurnMode>"
        "<wpml:waypointTurnDampingDist>0</wpml:waypointTurnDampingDist></wpml:waypointTurnParam>"
    )
    return "\n".join(
        _place(index, point, line, turn, "".join(starts.get(index, ())), execute=execute)
        for index, point in enumerate(line.points)
    )


def _place(index: int, point: WpmlPoint, line: Wayline, turn: str, actions: str, *, execute: bool) -> str:
    height = f"{point.height_above_takeoff_m:.3f}"
    if execute:
        heights = f"<wpml:executeHeight>{height}</wpml:executeHeight>"
        uses = ""
    else:
        heights = (
            f"<wpml:useGlobalHeight>0</wpml:useGlobalHeight><wpml:ellipsoidHeight>{height}</wpml:ellipsoidHeight>"
            f"<wpml:height>{height}</wpml:height>"
        )
        uses = (
            "<wpml:useGlobalSpeed>0</wpml:useGlobalSpeed><wpml:useGlobalHeadingParam>1</wpml:useGlobalHeadingParam>"
            "<wpml:useGlobalTurnParam>1</wpml:useGlobalTurnParam>"
            f"<wpml:gimbalPitchAngle>{line.pitch_deg:.3f}</wpml:gimbalPitchAngle>"
        )
    heading = (
        "<wpml:waypointHeadingParam><wpml:waypointHeadingMode>followWayline</wpml:waypointHeadingMode>"
        "<wpml:waypointHeadingPathMode>followBadArc</wpml:waypointHeadingPathMode></wpml:waypointHeadingParam>"
    )
    return (
        f"<Placemark><Point><coordinates>{point.at.lon_deg:.8f},{point.at.lat_deg:.8f}</coordinates></Point>"
        f"<wpml:index>{index}</wpml:index>{heights}"
        f"<wpml:waypointSpeed>{point.speed_m_s:.3f}</wpml:waypointSpeed>{heading}{turn}"
        f"<wpml:useStraightLine>1</wpml:useStraightLine>{uses}{actions}</Placemark>"
    )


def _gimbal(group: int, pitch_deg: float) -> str:
    return (
        f"{_group(group, 0, 0, 'reachPoint', '')}<wpml:action><wpml:actionId>0</wpml:actionId>"
        "<wpml:actionActuatorFunc>gimbalRotate</wpml:actionActuatorFunc><wpml:actionActuatorFuncParam>"
        "<wpml:gimbalHeadingYawBase>north</wpml:gimbalHeadingYawBase>"
        "<wpml:gimbalRotateMode>absoluteAngle</wpml:gimbalRotateMode>"
        "<wpml:gimbalPitchRotateEnable>1</wpml:gimbalPitchRotateEnable>"
        f"<wpml:gimbalPitchRotateAngle>{pitch_deg:.3f}</wpml:gimbalPitchRotateAngle>"
        "<wpml:gimbalRollRotateEnable>0</wpml:gimbalRollRotateEnable>"
        "<wpml:gimbalRollRotateAngle>0</wpml:gimbalRollRotateAngle>"
        "<wpml:gimbalYawRotateEnable>0</wpml:gimbalYawRotateEnable>"
        "<wpml:gimbalYawRotateAngle>0</wpml:gimbalYawRotateAngle>"
        "<wpml:gimbalRotateTimeEnable>0</wpml:gimbalRotateTimeEnable>"
        "<wpml:gimbalRotateTime>0</wpml:gimbalRotateTime>"
        "<wpml:payloadPositionIndex>0</wpml:payloadPositionIndex></wpml:actionActuatorFuncParam></wpml:action>"
        "</wpml:actionGroup>"
    )


def _camera(group: int, shot: WpmlShots) -> str:
    param = f"<wpml:actionTriggerParam>{shot.distance_m:.3f}</wpml:actionTriggerParam>"
    return (
        f"{_group(group, shot.first, shot.last, 'multipleDistance', param)}<wpml:action>"
        "<wpml:actionId>0</wpml:actionId><wpml:actionActuatorFunc>takePhoto</wpml:actionActuatorFunc>"
        "<wpml:actionActuatorFuncParam><wpml:fileSuffix></wpml:fileSuffix>"
        "<wpml:payloadPositionIndex>0</wpml:payloadPositionIndex>"
        "<wpml:useGlobalPayloadLensIndex>1</wpml:useGlobalPayloadLensIndex></wpml:actionActuatorFuncParam>"
        "</wpml:action></wpml:actionGroup>"
    )


def _group(number: int, first: int, last: int, trigger: str, param: str) -> str:
    return (
        f"<wpml:actionGroup><wpml:actionGroupId>{number}</wpml:actionGroupId>"
        f"<wpml:actionGroupStartIndex>{first}</wpml:actionGroupStartIndex>"
        f"<wpml:actionGroupEndIndex>{last}</wpml:actionGroupEndIndex>"
        "<wpml:actionGroupMode>sequence</wpml:actionGroupMode>"
        f"<wpml:actionTrigger><wpml:actionTriggerType>{trigger}</wpml:actionTriggerType>{param}"
        "</wpml:actionTrigger>"
    )


def read_wpml(path: Path) -> WpmlMission:
    """Return what waylines.wpml of a .kmz says.

    Raises:
        InputError: it is no WPML, heights have another reference, or waypoints are not numbered from 0.
    """
    members = read_archive(path, (TEMPLATE, WAYLINES))
    parse_xml(members[TEMPLATE], f"{path}: {TEMPLATE}")
    root = parse_xml(members[WAYLINES], f"{path}: {WAYLINES}")
    try:
        return _mission(root)
    except (ValueError, AttributeError, IndexError) as exc:
        raise InputError(f"{path} is not a WPML mission: {exc}", hint="Export it again.") from exc


def _mission(root: "Element") -> WpmlMission:
    config = find(root, f"{KML}Document/{WPML}missionConfig")
    drone, payload = find(config, f"{WPML}droneInfo"), find(config, f"{WPML}payloadInfo")
    return WpmlMission(
        drone=(int(text(drone, "droneEnumValue")), int(text(drone, "droneSubEnumValue"))),
        payload=(int(text(payload, "payloadEnumValue")), int(text(payload, "payloadPositionIndex"))),
        takeoff_climb_m=float(text(config, "takeOffSecurityHeight")),
        return_height_m=float(text(config, "globalRTHHeight")),
        transit_m_s=float(text(config, "globalTransitionalSpeed")),
        waylines=tuple(_wayline(folder) for folder in root.iterfind(f"{KML}Document/{KML}Folder")),
    )


def _wayline(folder: "Element") -> Wayline:
    if text(folder, "executeHeightMode") != "relativeToStartPoint":
        raise ValueError("heights are not over the take-off point")
    points, shots, pitches, turns = [], [], [], set()
    for number, place in enumerate(folder.iterfind(f"{KML}Placemark")):
        if int(text(place, "index")) != number:
            raise ValueError(f"waypoint {text(place, 'index')} where {number} is due")
        lon, lat = map(float, str(find(place, f"{KML}Point/{KML}coordinates").text).split(","))
        points.append(
            WpmlPoint(
                at=LonLat(lon_deg=lon, lat_deg=lat),
                height_above_takeoff_m=float(text(place, "executeHeight")),
                speed_m_s=float(text(place, "waypointSpeed")),
            )
        )
        turns.add(text(find(place, f"{WPML}waypointTurnParam"), "waypointTurnMode"))
        for group in place.iterfind(f"{WPML}actionGroup"):
            action = find(group, f"{WPML}action")
            if text(action, "actionActuatorFunc") == "gimbalRotate":
                pitches.append(
                    float(text(find(action, f"{WPML}actionActuatorFuncParam"), "gimbalPitchRotateAngle"))
                )
            else:
                shots.append(
                    WpmlShots(
                        first=int(text(group, "actionGroupStartIndex")),
                        last=int(text(group, "actionGroupEndIndex")),
                        distance_m=float(text(find(group, f"{WPML}actionTrigger"), "actionTriggerParam")),
                    )
                )
    if len(turns) != 1 or not pitches:
        raise ValueError("no gimbal angle, or several ways to turn")
    return Wayline(
        speed_m_s=float(text(folder, "autoFlightSpeed")),
        turn=turns.pop(),
        pitch_deg=pitches[0],
        points=tuple(points),
        shots=tuple(shots),
    )


def find(parent: "Element", path: str) -> "Element":
    """Return the first element at ``path``; raises ``ValueError`` where there is none."""
    found = parent.find(path)
    if found is None:
        raise ValueError(f"{path.rsplit('}', 1)[-1]} is missing")
    return found


def text(parent: "Element", name: str) -> str:
    """Return the text of the WPML element ``name``; raises ``ValueError`` where there is none."""
    return (find(parent, f"{WPML}{name}").text or "").strip()
