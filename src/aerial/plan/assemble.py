"""From the local frame to records: sorties and the plan, positions on WGS 84 to the millimetre."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import shapely
from shapely.geometry import LineString, MultiPolygon, Polygon

from aerial import geo
from aerial.autopilots.triggers import of_sortie
from aerial.geo import LonLat
from aerial.plan.cover import Cover
from aerial.plan.job import Job
from aerial.plan.lines import XY
from aerial.plan.pace import Pace
from aerial.plan.region import polygons
from aerial.plan.sorties import Flown
from aerial.records import Finding, Leg, PathPoint, Plan, Sortie, Totals


def sortie_of(
    job: Job, flown: Flown, number: int, takeoff: XY, takeoff_amsl: float | None, allowed: Pace, frame: str
) -> Sortie:
    """Return a sortie as a record; ``flown`` is in the frame, heights over the take-off point."""
    sizes = [len(leg.xyz_M3) for leg in flown.legs]
    every_N3 = np.vstack([leg.xyz_M3 for leg in flown.legs])
    lon_N, lat_N = geo.transform(frame, geo.WGS84, every_N3[:, 0], every_N3[:, 1])
    points = [
        PathPoint(
            at=LonLat(lon_deg=round(float(lon), 8), lat_deg=round(float(lat), 8)),
            height_above_takeoff_m=round(float(height), 3),
        )
        for lon, lat, height in zip(lon_N, lat_N, every_N3[:, 2], strict=True)
    ]
    ends = list(accumulate(sizes))
    legs = tuple(
        Leg(
            kind=leg.kind,
            path=tuple(points[end - size : end]),
            line=leg.line,
            trigger_distance_m=leg.trigger_m,
        )
        for leg, size, end in zip(flown.legs, sizes, ends, strict=True)
    )
    at = geo.to_lonlat(frame, *takeoff)
    sortie = Sortie(
        number=number,
        takeoff=LonLat(lon_deg=round(at.lon_deg, 8), lat_deg=round(at.lat_deg, 8)),
        takeoff_amsl_m=None if takeoff_amsl is None else round(takeoff_amsl, 3),
        legs=legs,
        speed_m_s=round(allowed.speed_m_s, 2),
        transit_speed_m_s=round(allowed.transit_m_s, 2),
        pitch_deg=job.parameters.pitch_deg,
        return_height_m=float(np.ceil(every_N3[:, 2].max())),
        photos=0,
        length_m=round(flown.cost.length_m, 2),
        duration_s=round(flown.cost.duration_s, 1),
        energy_wh=round(flown.cost.energy_wh, 2),
        battery_share=round(flown.cost.energy_wh / job.aircraft.battery_wh, 4),
    )
    return replace(sortie, photos=len(of_sortie(sortie)))


def plan_of(
    job: Job, covered: Cover, made: Sequence[Sortie], allowed: Pace, findings: Sequence[Finding], frame: str
) -> Plan:
    """Return the plan that sorties make, its totals counted on the rounded path."""
    region = covered.region
    passed = shapely.union_all([shapely.Point(tour.takeoff) for tour in covered.tours])
    triggers = [leg.trigger_distance_m for s in made for leg in s.legs if leg.trigger_distance_m]
    return Plan(
        cell=job.cell,
        aircraft=job.aircraft.name,
        camera=job.camera.name,
        parameters=job.parameters,
        line_spacing_m=round(allowed.spacing_m, 3),
        trigger_distance_m=min(triggers),
        direction_deg=round(float((90 - np.degrees(covered.direction_rad)) % 180), 3),
        area=_lonlat(region.target, frame),
        fence=tuple(
            part
            for part in _lonlat(region.fence, frame)
            if geo.reproject(part, geo.WGS84, frame).intersects(passed)
        ),
        no_fly=_lonlat(region.no_fly, frame),
        rally=(),
        sorties=tuple(made),
        totals=totals_of(
            made,
            frame,
            area_m2=region.target.area,
            covered_share=1 - covered.uncovered,
            lines=sum(len(tour.lines) for tour in covered.tours),
        ),
        findings=tuple(findings),
        inputs=job.inputs,
    )


def totals_of(
    made: Sequence[Sortie], frame: str, *, area_m2: float, covered_share: float, lines: int
) -> Totals:
    """Return what sorties come to; their lengths, in m of ``frame``, by kind of leg."""
    lengths = {"survey": 0.0, "turn": 0.0, "transit": 0.0}
    for leg in (leg for sortie in made for leg in sortie.legs):
        lengths[leg.kind] += LineString(geo.in_frame(frame, [point.at for point in leg.path])).length
    return Totals(
        area_m2=round(area_m2, 1),
        covered_share=round(covered_share, 6),
        lines=lines,
        sorties=len(made),
        photos=sum(sortie.photos for sortie in made),
        survey_m=round(lengths["survey"], 1),
        turn_m=round(lengths["turn"], 1),
        transit_m=round(lengths["transit"], 1),
        duration_s=round(sum(sortie.duration_s for sortie in made), 1),
    )


def _lonlat(shape: MultiPolygon, frame: str) -> tuple[Polygon, ...]:
    return tuple(in_lonlat(part, frame) for part in polygons(shape).geoms)


def in_lonlat(part: Polygon, frame: str) -> Polygon:
    """Return a polygon of the frame in lon, lat, written to 1 mm."""
    return shapely.transform(geo.reproject(part, frame, geo.WGS84), lambda xy_N2: np.round(xy_N2, 8))
