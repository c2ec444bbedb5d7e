"""Plan the flight over one cell: spacing from the camera, lines, heights, sorties."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.autopilots.found import found
from aerial.errors import PlanError
from aerial.plan import sorties, terrain
from aerial.plan.assemble import plan_of, sortie_of
from aerial.plan.cover import Cover, Tour, cover, lay_parts, tour_of
from aerial.plan.densify import Dense, densify
from aerial.plan.energy import turn_m
from aerial.plan.ground import Ground
from aerial.plan.job import Job, frame_at
from aerial.plan.lines import XY, Line, Piece
from aerial.plan.pace import CEILING_M, Pace, pace, require_height
from aerial.plan.patch import clip
from aerial.plan.reinforce import Asked
from aerial.plan.route import Router
from aerial.plan.sorties import Craft, Stretch
from aerial.plan.terrain import Slope
from aerial.records import (
    Aircraft,
    Finding,
    Plan,
    Sortie,
    Zone,
)

Floats = NDArray[np.float64]


def plan_flight(job: Job, *, ground: Ground | None = None) -> Plan:
    """Return the flight over one cell, unchecked: ``checks.check_plan`` tells whether it may be flown.

    ``ground``: the terrain in ``frame_at(job.area)``, covering ``bounds_m``.

    Raises:
        PlanError: nothing to survey, out of reach, or too little battery.
    """
    frame = frame_at(job.area)
    require_height(job.parameters)
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
    return plan_of(job, covered, made, allowed, findings, frame)


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
            for number, leg in zip(numbers, _followed(tour, ground, job, allowed)[0], strict=True):
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


def _followed(
    tour: Tour, ground: Ground, job: Job, allowed: Pace
) -> tuple[list[Floats], list[Floats | None]]:
    """Return the lines of a tour and the ways after them as flown over the ground: x, y, height."""
    legs: list[Floats] = []
    is_line: list[bool] = []
    for number, line in enumerate(tour.lines):
        legs.append(np.array([line.start, line.end]))
        is_line.append(True)
        if number < len(tour.ways) and len(tour.ways[number]) > 1:
            legs.append(np.array(tour.ways[number]))
            is_line.append(False)
    slope = _slope(job.aircraft, allowed.speed_m_s)
    high = terrain.follow(ground, legs, job.parameters.height_agl_m, slope)
    lines: list[Floats] = []
    ways: list[Floats | None] = []
    for leg, survey in zip(high, is_line, strict=True):
        if survey:
            lines.append(leg)
            ways.append(None)
        else:
            ways[-1] = leg
    return lines, ways


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
        sortie_of(job, one, before + number, tour.takeoff, takeoff_amsl, allowed, frame)
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
        lines, ways = _followed(tour, ground, job, allowed)
    return [
        Stretch(
            number=first + number + 1,
            xyz_M3=line,
            trigger_m=triggers[number],
            way_M3=ways[number] if number < len(ways) else None,
        )
        for number, line in enumerate(lines)
    ]
