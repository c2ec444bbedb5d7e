"""What a flight is planned for, and the frame it is planned in."""

from shapely.geometry import GeometryCollection, MultiPolygon, Point, Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.errors import PlanError
from aerial.geo import LonLat
from aerial.records import Aircraft, CameraProfile, Parameters, Zone
from aerial.records.record import record


@record
class Job:
    """What to fly over and with what; ``area``, ``zones`` and ``takeoffs`` are lon, lat on WGS 84."""

    area: Polygon | MultiPolygon
    aircraft: Aircraft
    camera: CameraProfile
    parameters: Parameters
    zones: tuple[Zone, ...] = ()
    takeoffs: tuple[LonLat, ...] = ()
    cell: str | None = None
    inputs: dict[str, str]


def frame_at(area: BaseGeometry) -> str:
    """Return the local metric frame in which an area (lon, lat) is planned.

    Raises:
        PlanError: it lies over the antimeridian.
    """
    west, _, east, _ = area.bounds
    if east - west > 180:
        raise PlanError(
            "The area lies on both sides of the antimeridian (180 degrees).",
            hint="Cut it there, and plan the two parts as two cells.",
        )
    middle = area.envelope.centroid
    return geo.local_frame(LonLat(lon_deg=middle.x, lat_deg=middle.y))


def bounds_m(job: Job, frame: str, spacing_m: float) -> tuple[float, float, float, float]:
    """Return the part of the frame whose ground a plan flies over or photographs, take-off points too."""
    places: list[BaseGeometry] = [geo.reproject(job.area, geo.WGS84, frame)]
    places += [Point(geo.from_lonlat(frame, takeoff)) for takeoff in job.takeoffs]
    x0, y0, x1, y1 = GeometryCollection(places).bounds
    more = 8 * spacing_m
    return x0 - more, y0 - more, x1 + more, y1 + more
