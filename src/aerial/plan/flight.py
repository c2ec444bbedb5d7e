"""Plan the flight over one cell: spacing from the camera, lines, heights, sorties."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.errors import PlanError
from aerial.geo import LonLat
from aerial.plan import sorties, terrain
from aerial.plan.cover import Cover, Tour, cover, lay_parts, tour_of
from aerial.plan.densify import Dense, densify
from aerial.plan.energy import turn_m
from aerial.plan.found import found
from aerial.plan.ground import Ground
from aerial.plan.lines import XY, Line, Piece
from aerial.plan.overlap import flat_spacing_m
from aerial.plan.patch import clip
from aerial.plan.region import polygons
from aerial.plan.reinforce import Asked
from aerial.plan.route import Router
from aerial.plan.sorties import Craft, Flown, Stretch
from aerial.plan.terrain import Slope
from aerial.plan.triggers import of_sortie
from aerial.records import (
    Aircraft,
    CameraProfile,
    Finding,
    Leg,
    Parameters,
    PathPoint,
    Plan,
    Sortie,
    Totals,
    Zone,
)
from aerial.records.record import record

Floats = NDArray[np.float64]
# Trigger distances are written to the centimetre, rounded down.
_CM = 100
_SLOWEST_M_S = 1.0
# True height without an approval, 国令761 article 19.
CEILING_M = 120.0


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


@record
class Pace:
    """Speeds over ground in m/s and distances in metres that camera and aircraft allow."""

    spacing_m: float
    trigger_m: float
    drift_m: float
    speed_m_s: float
    transit_m_s: float


def height_of_gsd(camera: CameraProfile, gsd_m: float) -> float:
    """Return the height over level ground at which a pixel shows ``gsd_m`` of it, looking down."""
    return gsd_m * camera.width_px * camera.focal_mm / camera.sensor_width_mm


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


def bounds_m(area: Polygon | MultiPolygon, frame: str, spacing_m: float) -> tuple[float, float, float, float]:
    """Return the part of the frame whose ground a plan may fly over or photograph."""
    x0, y0, x1, y1 = geo.reproject(area, geo.WGS84, frame).bounds
    more = 8 * spacing_m
    return x0 - more, y0 - more, x1 + more, y1 + more


def pace(aircraft: Aircraft, camera: CameraProfile, asked: Parameters) -> Pace:
    """Return spacing, trigger distance and speed that give the overlaps on level ground.

    The autopilot measures from the last photograph and notices late by up to one renewal of its
    position; the trigger distance is shorter by that. Neither depends on the wind, so that repeats
    take the same pictures. In wind the speed over ground is what the airspeed limit leaves.

    Raises:
        PlanError: the camera is too slow for the height, or the wind stronger than the aircraft.
    """
    spacing, distance = flat_spacing_m(
        camera, asked.height_agl_m, asked.overlap_front, asked.overlap_side, asked.pitch_deg
    )
    period = aircraft.position_period_s
    speed = min(aircraft.cruise_m_s, distance / (camera.min_trigger_interval_s + period) * 0.98)
    if speed < _SLOWEST_M_S:
        raise PlanError(
            f"The camera takes {camera.min_trigger_interval_s:g} s from one photograph to the next: "
            f"photographs every {distance:.1f} m would be flown at {speed:.1f} m/s.",
            hint="Fly higher or ask for less front overlap.",
        )
    trigger = int((distance - speed * period) * _CM) / _CM
    if trigger <= 0.1 or spacing <= 0.5:
        raise PlanError(
            f"Lines {spacing:.2f} m apart with photographs every {trigger:.2f} m cannot be flown.",
            hint="Fly higher or ask for less overlap.",
        )
    blowing = asked.wind.speed_m_s if asked.wind else 0.0
    against = aircraft.max_speed_m_s - blowing
    if against < _SLOWEST_M_S:
        raise PlanError(
            f"Wind of {blowing:g} m/s leaves the {aircraft.model} {against:.1f} m/s of its "
            f"{aircraft.max_speed_m_s:g}.",
            hint="Wait for less wind.",
        )
    return Pace(
        spacing_m=spacing,
        trigger_m=trigger,
        drift_m=speed * period,
        speed_m_s=min(speed, against),
        transit_m_s=min(aircraft.cruise_m_s, against),
    )


def plan_flight(job: Job, *, ground: Ground | None = None) -> Plan:
    """Return the flight over one cell, unchecked: ``checks.check_plan`` tells whether it may be flown.

    ``ground``: the terrain in ``frame_at(job.area)``, covering ``bounds_m``.

    Raises:
        PlanError: nothing to survey, out of reach, or too little battery.
    """
    frame = frame_at(job.area)
    _require_height(job.parameters)
    allowed = pace(job.aircraft, job.camera, job.parameters)
    area = geo.reproject(job.area, geo.WGS84, frame)
    covered = cover(
        area,
        spacing_m=allowed.spacing_m,
        fence=_of_kind(job.zones, "fence", frame),
        no_fly=_of_kind(job.zones, "no_fly", frame),
        takeoffs=[geo.from_lonlat(frame, takeoff) for takeoff in job.takeoffs],
        turn_m=turn_m(job.aircraft, allowed.speed_m_s),
    )
    findings = list(_coverage_findings(covered, allowed))
    trigger_of = dict.fromkeys(range(sum(len(tour.lines) for tour in covered.tours)), allowed.trigger_m)
    if ground is not None:
        covered, trigger_of, more = _on_terrain(job, covered, allowed, ground)
        findings += more
    made: list[Sortie] = []
    first_of_tour = [0, *accumulate(len(tour.lines) for tour in covered.tours)]
    routers = [Router(part) for part in covered.region.free.geoms]
    for tour, first in zip(covered.tours, first_of_tour, strict=False):
        router = min(routers, key=lambda one: one.free.distance(shapely.Point(tour.lines[0].start)))
        triggers = [trigger_of[first + number] for number in range(len(tour.lines))]
        made += _sorties(job, tour, router, triggers, first, allowed, ground, frame, len(made))
    return _plan(job, covered, made, allowed, findings, frame)


def _require_height(asked: Parameters) -> None:
    if asked.height_agl_m > CEILING_M and not asked.approval:
        raise PlanError(
            f"{asked.height_agl_m:.1f} m over ground is more than {CEILING_M:.0f} m of true height.",
            hint="Fly lower, or record the number of the approval with --approval.",
        )


def _of_kind(zones: Sequence[Zone], kind: str, frame: str) -> BaseGeometry | None:
    # A no-fly zone that begins above 120 m does not bind: the checks keep the path below that.
    found_ = [
        geo.reproject(zone.outline, geo.WGS84, frame)
        for zone in zones
        if zone.kind == kind and not (kind == "no_fly" and (zone.floor_agl_m or 0.0) >= CEILING_M)
    ]
    return shapely.union_all(found_) if found_ else None


def _coverage_findings(covered: Cover, allowed: Pace) -> list[Finding]:
    told = []
    if covered.uncovered > 1e-4:
        told.append(
            found(
                "warn",
                "uncovered",
                f"{covered.uncovered:.2%} of the area lies further than {allowed.spacing_m / 2:.1f} m from "
                "every line: zones and fence leave no way there.",
                "Widen the fence, or survey that part with another take-off point.",
            )
        )
    if covered.region.outside_m2 > 1:
        told.append(
            found(
                "warn",
                "outside_fence",
                f"{covered.region.outside_m2:.0f} m2 of the area lie outside the fence and are left out.",
                "Widen the fence zone.",
            )
        )
    if covered.chosen_takeoffs:
        told.append(
            found(
                "warn",
                "takeoff_chosen",
                f"{len(covered.chosen_takeoffs)} take-off point(s) were not given; the start of the first "
                "line was taken.",
                "Give them with --home LON,LAT or as takeoffs of the cell, and plan again.",
            )
        )
    return told


def _on_terrain(
    job: Job, covered: Cover, allowed: Pace, ground: Ground
) -> tuple[Cover, dict[int, float], list[Finding]]:
    """Return the cover with lines added where the ground asks for them, and each line's trigger distance."""
    region = covered.region
    routers = [Router(part) for part in region.free.geoms]
    takeoffs = [geo.from_lonlat(ground.crs, takeoff) for takeoff in job.takeoffs]
    homes = [[t for t in takeoffs if router.free.covers(shapely.Point(t))] for router in routers]
    chosen = [tour.takeoff for tour in covered.tours] if covered.chosen_takeoffs else []

    def lay(spacing_m: float) -> Sequence[Piece]:
        return lay_parts(region, covered.parts, spacing_m)

    def joined(lines: Sequence[Line]) -> list[tuple[Tour, tuple[int, ...]]]:
        middles = shapely.points([np.add(line.start, line.end) / 2 for line in lines])
        part_N = np.array([shapely.distance(router.free, middles) for router in routers]).argmin(axis=0)
        tours = []
        for number, router in enumerate(routers):
            here = np.flatnonzero(part_N == number)
            if len(here):
                tour = tour_of([lines[int(k)] for k in here], router, homes[number])
                tours.append((tour, tuple(int(here[k]) for k in tour.numbers)))
        return tours

    def fly(pieces: Sequence[Piece]) -> Sequence[Floats]:
        lines = [line for piece in pieces for line in piece.lines]
        legs: list[Floats | None] = [None] * len(lines)
        for tour, numbers in joined(lines):
            for number, leg in zip(numbers, _followed(tour, ground, job, allowed), strict=True):
                forward = np.dot(
                    leg[-1, :2] - leg[0, :2], np.subtract(lines[number].end, lines[number].start)
                )
                legs[number] = leg if forward >= 0 else leg[::-1]
        return [leg for leg in legs if leg is not None]

    slope = _slope(job.aircraft, allowed.speed_m_s)
    asked = Asked(
        camera=job.camera,
        height_agl_m=job.parameters.height_agl_m,
        overlap_front=job.parameters.overlap_front,
        overlap_side=job.parameters.overlap_side,
        slope=slope,
        pitch_deg=job.parameters.pitch_deg,
        drift_m=allowed.drift_m,
        least_trigger_m=allowed.speed_m_s * job.camera.min_trigger_interval_s,
    )
    dense: Dense = densify(ground, asked, allowed.spacing_m, region.target, lay=lay, fly=fly)
    lines: list[Line] = []
    trigger_of: list[float] = []
    numbered = [line for piece in dense.pieces for line in piece.lines]
    for line, trigger in zip(numbered, dense.trigger_m, strict=True):
        kept, _ = clip([line], region.free)
        lines += kept
        trigger_of += [trigger] * len(kept)
    tours = joined(lines)
    order = [number for _, numbers in tours for number in numbers]
    again = replace(
        covered,
        tours=tuple(tour for tour, _ in tours),
        chosen_takeoffs=tuple(tour.takeoff for tour, _ in tours) if chosen else (),
    )
    return again, {place: trigger_of[number] for place, number in enumerate(order)}, list(dense.findings)


def _slope(aircraft: Aircraft, speed_m_s: float) -> Slope:
    return Slope(climb=aircraft.climb_m_s / speed_m_s, descent=aircraft.descent_m_s / speed_m_s)


def _followed(tour: Tour, ground: Ground, job: Job, allowed: Pace) -> list[Floats]:
    """Return the lines of a tour as flown over the ground, x, y and height in its datum."""
    legs, is_line = [], []
    for number, line in enumerate(tour.lines):
        legs.append(np.array([line.start, line.end]))
        is_line.append(True)
        if number < len(tour.ways) and len(tour.ways[number]) > 1:
            legs.append(np.array(tour.ways[number]))
            is_line.append(False)
    high = terrain.follow(ground, legs, job.parameters.height_agl_m, _slope(job.aircraft, allowed.speed_m_s))
    return [leg for leg, survey in zip(high, is_line, strict=True) if survey]


def _sorties(
    job: Job,
    tour: Tour,
    router: Router,
    triggers: Sequence[float],
    first: int,
    allowed: Pace,
    ground: Ground | None,
    frame: str,
    before: int,
) -> list[Sortie]:
    takeoff_amsl = float(ground.at(np.array([tour.takeoff]))[0]) if ground is not None else None
    if takeoff_amsl is not None and not np.isfinite(takeoff_amsl):
        raise PlanError(
            "The elevation model has no height at the take-off point.",
            hint="Give an elevation model without holes there, or move the take-off point.",
        )
    height = job.parameters.height_agl_m
    base = takeoff_amsl or 0.0
    slope = _slope(job.aircraft, allowed.transit_m_s)

    def raised(path: Sequence[XY]) -> Floats:
        xy_N2 = np.asarray(path, float)
        return np.column_stack([xy_N2, np.full(len(xy_N2), base + height)])

    def home(point_3: Floats) -> Floats:
        way = router.way((float(point_3[0]), float(point_3[1])), tour.takeoff)
        if way is None:
            raise PlanError(
                "There is no way from a line back to the take-off point inside the fence.",
                hint="Give another take-off point, or widen the fence.",
            )
        xy_N2 = np.asarray(way, float)
        if ground is None:
            return raised(way)
        if np.hypot(*(xy_N2[0] - xy_N2[-1])) < 1e-6:
            return np.array([point_3])
        over, amsl = terrain.profile(ground, xy_N2, height, slope)
        # The line may be higher than the way needs: sink from there no faster than the aircraft does.
        along = np.r_[0.0, np.cumsum(np.hypot(*np.diff(over, axis=0).T))]
        amsl = np.maximum(amsl, point_3[2] - along * slope.descent)
        return np.column_stack([over, amsl])

    stretches = _stretches(tour, triggers, first, job, allowed, ground, raised)
    craft = Craft(
        aircraft=job.aircraft,
        speed_m_s=allowed.speed_m_s,
        transit_m_s=allowed.transit_m_s,
        wind=job.parameters.wind,
        reserve=job.parameters.reserve,
    )
    up_3 = np.array([0, 0, base])
    relative = [
        replace(s, xyz_M3=s.xyz_M3 - up_3, way_M3=None if s.way_M3 is None else s.way_M3 - up_3)
        for s in stretches
    ]

    def home_relative(point_3: Floats) -> Floats:
        return np.asarray(home(point_3 + up_3) - up_3)

    flown = sorties.split(relative, home_relative, craft)
    return [
        _sortie(job, one, before + number, tour.takeoff, takeoff_amsl, allowed, frame)
        for number, one in enumerate(flown, start=1)
    ]


def _stretches(
    tour: Tour,
    triggers: Sequence[float],
    first: int,
    job: Job,
    allowed: Pace,
    ground: Ground | None,
    raised: Callable[[Sequence[XY]], Floats],
) -> list[Stretch]:
    """Return the lines of a tour with heights, each with the way to the next."""
    if ground is None:
        lines = [raised((line.start, line.end)) for line in tour.lines]
        ways: list[Floats | None] = [raised(way) if len(way) > 1 else None for way in tour.ways]
    else:
        legs: list[Floats] = []
        for number, line in enumerate(tour.lines):
            legs.append(np.array([line.start, line.end]))
            if number < len(tour.ways) and len(tour.ways[number]) > 1:
                legs.append(np.array(tour.ways[number]))
        high = iter(
            terrain.follow(ground, legs, job.parameters.height_agl_m, _slope(job.aircraft, allowed.speed_m_s))
        )
        lines, ways = [], []
        for number in range(len(tour.lines)):
            lines.append(next(high))
            if number < len(tour.ways):
                ways.append(next(high) if len(tour.ways[number]) > 1 else None)
    return [
        Stretch(
            number=first + number + 1,
            xyz_M3=line,
            trigger_m=triggers[number],
            way_M3=ways[number] if number < len(ways) else None,
        )
        for number, line in enumerate(lines)
    ]


def _sortie(
    job: Job, flown: Flown, number: int, takeoff: XY, takeoff_amsl: float | None, allowed: Pace, frame: str
) -> Sortie:
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


def _plan(
    job: Job, covered: Cover, made: Sequence[Sortie], allowed: Pace, findings: Sequence[Finding], frame: str
) -> Plan:
    lengths = {"survey": 0.0, "turn": 0.0, "transit": 0.0}
    for sortie in made:
        for leg in sortie.legs:
            xy_N2 = np.array([geo_point(p) for p in leg.path])
            x, y = geo.transform(geo.WGS84, frame, xy_N2[:, 0], xy_N2[:, 1])
            lengths[leg.kind] += float(np.hypot(np.diff(x), np.diff(y)).sum())
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
        totals=Totals(
            area_m2=round(region.target.area, 1),
            covered_share=round(1 - covered.uncovered, 6),
            lines=sum(len(tour.lines) for tour in covered.tours),
            sorties=len(made),
            photos=sum(sortie.photos for sortie in made),
            survey_m=round(lengths["survey"], 1),
            turn_m=round(lengths["turn"], 1),
            transit_m=round(lengths["transit"], 1),
            duration_s=round(sum(sortie.duration_s for sortie in made), 1),
        ),
        findings=tuple(findings),
        inputs=job.inputs,
    )


def geo_point(point: PathPoint) -> tuple[float, float]:
    """Return (lon, lat) in degrees of a corner of the path."""
    return point.at.lon_deg, point.at.lat_deg


def _lonlat(shape: MultiPolygon, frame: str) -> tuple[Polygon, ...]:
    return tuple(polygons_lonlat(part, frame) for part in polygons(shape).geoms)


def polygons_lonlat(part: Polygon, frame: str) -> Polygon:
    """Return a polygon of the frame in lon, lat, written to 1 mm."""
    return shapely.transform(geo.reproject(part, frame, geo.WGS84), lambda xy_N2: np.round(xy_N2, 8))
