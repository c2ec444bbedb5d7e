"""A KML of a plan to look at: area, fence, zones, take-off points, lines.

Heights in it are over the take-off point of the sortie. Where every line has one height they are drawn over
the ground; where the lines follow the terrain they are not, and the lines lie on the ground (the height
stays in the coordinates).
"""

from collections.abc import Iterable
from pathlib import Path

from shapely.geometry import Polygon

from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.files import parse_xml, read_bytes, write_text, xml_text
from aerial.records import PathPoint, Plan
from aerial.records.record import record

_KML = "{http://www.opengis.net/kml/2.2}"
_ONE_HEIGHT_M = 1.0
# aabbggrr
_STYLES = {
    "area": ("ff00aa00", "3300aa00"),
    "fence": ("ffff8800", "00000000"),
    "no_fly": ("ff0000ff", "660000ff"),
    "survey": ("ff00ffff", "00000000"),
    "turn": ("ffffffff", "00000000"),
    "transit": ("ffaaaaaa", "00000000"),
}

Rings = tuple[tuple[tuple[float, float], ...], ...]


@record
class KmlPlan:
    """What the KML says; polygons are rings of (lon, lat), closed, the outer first."""

    polygons: tuple[tuple[str, Rings], ...]
    takeoffs: tuple[tuple[str, LonLat], ...]
    lines: tuple[tuple[str, tuple[PathPoint, ...]], ...]
    over_ground: bool


def kml_plan(plan: Plan) -> KmlPlan:
    """Return a plan as the KML says it: 8 decimals, millimetres; style name first."""
    heights = [
        point.height_above_takeoff_m
        for sortie in plan.sorties
        for leg in sortie.legs
        if leg.kind == "survey"
        for point in leg.path
    ]
    groups = (("area", plan.area), ("fence", plan.fence), ("no_fly", plan.no_fly))
    return KmlPlan(
        polygons=tuple((kind, _rings(polygon)) for kind, polygons in groups for polygon in polygons),
        takeoffs=tuple(
            (
                f"Take-off {sortie.number}",
                LonLat(lon_deg=round(sortie.takeoff.lon_deg, 8), lat_deg=round(sortie.takeoff.lat_deg, 8)),
            )
            for sortie in plan.sorties
        ),
        lines=tuple(
            (
                leg.kind,
                tuple(
                    PathPoint(
                        at=LonLat(lon_deg=round(point.at.lon_deg, 8), lat_deg=round(point.at.lat_deg, 8)),
                        height_above_takeoff_m=round(point.height_above_takeoff_m, 3),
                    )
                    for point in leg.path
                ),
            )
            for sortie in plan.sorties
            for leg in sortie.legs
        ),
        over_ground=bool(heights) and max(heights) - min(heights) <= _ONE_HEIGHT_M,
    )


def _rings(polygon: Polygon) -> Rings:
    return tuple(
        tuple((round(x, 8), round(y, 8)) for x, y, *_ in ring.coords)
        for ring in (polygon.exterior, *polygon.interiors)
    )


def write_kml(plan: Plan, path: Path) -> None:
    """Write a plan as KML."""
    said = kml_plan(plan)
    mode = "relativeToGround" if said.over_ground else "clampToGround"
    names = [
        f"Sortie {sortie.number}, {leg.kind}" + ("" if leg.line is None else f" {leg.line}")
        for sortie in plan.sorties
        for leg in sortie.legs
    ]
    styles = "".join(
        f'<Style id="{kind}"><LineStyle><color>{line}</color><width>2</width></LineStyle>'
        f"<PolyStyle><color>{fill}</color></PolyStyle></Style>"
        for kind, (line, fill) in _STYLES.items()
    )
    body = [
        f"<name>{xml_text(plan.cell or 'plan')}</name>",
        "<description>Heights are over the take-off point of the sortie, in metres.</description>",
        styles,
    ]
    body += [
        f"<Placemark><name>{kind}</name><styleUrl>#{kind}</styleUrl>{_polygon(rings)}</Placemark>"
        for kind, rings in said.polygons
    ]
    body += [
        f"<Placemark><name>{name}</name><Point><coordinates>{at.lon_deg:.8f},{at.lat_deg:.8f}</coordinates>"
        "</Point></Placemark>"
        for name, at in said.takeoffs
    ]
    body += [
        f"<Placemark><name>{name}</name><styleUrl>#{kind}</styleUrl><LineString>"
        f"<altitudeMode>{mode}</altitudeMode><coordinates>{_path(points)}</coordinates></LineString></Placemark>"
        for name, (kind, points) in zip(names, said.lines, strict=True)
    ]
    write_text(
        path,
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        + "\n".join(body)
        + "\n</Document></kml>\n",
    )


def _path(points: Iterable[PathPoint]) -> str:
    return " ".join(
        f"{point.at.lon_deg:.8f},{point.at.lat_deg:.8f},{point.height_above_takeoff_m:.3f}"
        for point in points
    )


def _polygon(rings: Rings) -> str:
    parts = []
    for number, ring in enumerate(rings):
        name = "innerBoundaryIs" if number else "outerBoundaryIs"
        corners = " ".join(f"{lon:.8f},{lat:.8f}" for lon, lat in ring)
        parts.append(f"<{name}><LinearRing><coordinates>{corners}</coordinates></LinearRing></{name}>")
    return f"<Polygon>{''.join(parts)}</Polygon>"


def read_kml(path: Path) -> KmlPlan:
    """Return what such a KML says.

    Raises:
        InputError: it is no KML of a plan.
    """
    root = parse_xml(read_bytes(path), str(path))
    polygons, takeoffs, lines, modes = [], [], [], set()
    try:
        for place in root.iterfind(f"{_KML}Document/{_KML}Placemark"):
            kind = place.findtext(f"{_KML}styleUrl", "").removeprefix("#")
            corners = [
                [tuple(map(float, corner.split(","))) for corner in (element.text or "").split()]
                for element in place.iter(f"{_KML}coordinates")
            ]
            if place.find(f"{_KML}Polygon") is not None:
                rings = tuple(tuple((corner[0], corner[1]) for corner in ring) for ring in corners)
                polygons.append((kind, rings))
            elif place.find(f"{_KML}LineString") is not None:
                modes.add(place.findtext(f"{_KML}LineString/{_KML}altitudeMode"))
                lines.append(
                    (
                        kind,
                        tuple(
                            PathPoint(at=LonLat(lon_deg=lon, lat_deg=lat), height_above_takeoff_m=height)
                            for lon, lat, height in corners[0]
                        ),
                    )
                )
            else:
                lon, lat = corners[0][0]
                takeoffs.append((place.findtext(f"{_KML}name", ""), LonLat(lon_deg=lon, lat_deg=lat)))
    except (ValueError, IndexError) as exc:
        raise InputError(f"{path} is not the KML of a plan: {exc}", hint="Export it again.") from exc
    return KmlPlan(
        polygons=tuple(polygons),
        takeoffs=tuple(takeoffs),
        lines=tuple(lines),
        over_ground=modes == {"relativeToGround"},
    )
