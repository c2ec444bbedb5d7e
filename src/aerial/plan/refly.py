"""The photographs that miss, and the small flight that takes them: the plan's own lines, in part.

A stretch begins and ends on trigger points of the plan, two photographs beyond those that miss, so that
the new pictures are taken where the old ones were due and overlap what is there.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, MultiPolygon

from aerial import geo
from aerial.autopilots.triggers import along_legs, of_sortie
from aerial.errors import PlanError
from aerial.geo import LonLat, in_frame
from aerial.plan import terrain
from aerial.plan.assemble import in_lonlat, sortie_of, totals_of
from aerial.plan.checks import check_plan
from aerial.plan.flown import frame_of
from aerial.plan.ground import Ground
from aerial.plan.job import Job
from aerial.plan.lines import XY
from aerial.plan.pace import Pace
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.plan.region import MARGIN_M, polygons
from aerial.plan.route import Router
from aerial.plan.sorties import Craft, Home, Stretch, between, split
from aerial.plan.terrain import Slope
from aerial.records import Aircraft, Leg, Plan, Sortie, TriggerPoint, Zone
from aerial.records.record import record

Floats = NDArray[np.float64]

MORE_PHOTOS = 2
# In trigger distances, how far photographs may be taken behind their places.
_DRIFT = 0.3
# Switching the camera off between two stretches is not worth it for fewer photographs than that.
_JOIN_PHOTOS = 4
# A photograph belongs to a line within that share of the line spacing.
_BESIDE = 0.4
# In trigger distances: the autopilot measures from the last shot, so that places drift along a line.
_HOLE, _NEAR, _FIRST, _LAST = 1.5, 0.45, 0.6, 1.05
_FLOWN = 0.25
_LEVEL_M = 0.01
_MORE_M = 0.1
# Lines may run along the margin itself; files hold a millimetre.
_ROUNDING_M = 0.05


@record
class _Part:
    """A stretch of a leg in distances along it; ``sortie`` and ``leg`` are places in the plan."""

    sortie: int
    leg: int
    begin_m: float
    end_m: float


def missing_points(
    plan: Plan,
    photographed: Sequence[LonLat],
    *,
    dropped: Sequence[LonLat] = (),
    sorties: Collection[int] | None = None,
) -> tuple[TriggerPoint, ...]:
    """Return the trigger points around which no photograph was taken, in the order of flight.

    ``photographed``: where photographs are. ``dropped``: where the shutter was fired and none was taken.
    ``sorties``: numbers of those that were flown; None: those of which at least a quarter was photographed.

    Raises:
        PlanError: the plan has no such sortie, or nothing of it was photographed.
    """
    numbers = {sortie.number for sortie in plan.sorties}
    if sorties is not None and not set(sorties) <= numbers:
        raise PlanError(
            f"The plan has no sortie {min(set(sorties) - numbers)}.",
            hint=f"It has {', '.join(map(str, sorted(numbers)))}.",
        )
    frame = frame_of(plan)
    taken_N2, dropped_N2 = in_frame(frame, photographed), in_frame(frame, dropped)
    found: list[TriggerPoint] = []
    flown = False
    for sortie in plan.sorties:
        if sorties is not None and sortie.number not in sorties:
            continue
        points = of_sortie(sortie)
        missing = list(_missing_of(plan, sortie, points, (taken_N2, dropped_N2), frame))
        if sorties is None and len(missing) > (1 - _FLOWN) * len(points):
            continue
        flown |= len(missing) < len(points)
        found += missing
    if not flown:
        raise PlanError(
            "No photograph was taken on a line of the plan.",
            hint="Give the plan that was flown, and its sortie.",
        )
    return tuple(found)


def _missing_of(
    plan: Plan, sortie: Sortie, points: Sequence[TriggerPoint], shots: tuple[Floats, Floats], frame: str
) -> Iterator[TriggerPoint]:
    along = along_legs(sortie)
    for leg_number, group in groupby(zip(points, along, strict=True), key=lambda one: one[1][0]):
        leg = sortie.legs[leg_number]
        every = leg.trigger_distance_m or 0.0
        line = LineString(in_frame(frame, [point.at for point in leg.path]))
        beside_m = _BESIDE * plan.line_spacing_m
        taken_K, dropped_K = (_along(line, shots_N2, beside_m) / every for shots_N2 in shots)
        here = list(group)
        last = here[-1][1][1] / every
        for point, (_, due_m) in here:
            due = due_m / every
            fired = bool((np.abs(dropped_K - due) < _NEAR).any())
            covered = bool((np.abs(taken_K - due) < _NEAR).any())
            if (fired and not covered) or _is_missing(taken_K, due, last):
                yield point


def _along(line: LineString, shots_N2: Floats, beside_m: float) -> Floats:
    """Return how far along a line shots are that lie on it, sorted, in metres."""
    at_N = np.atleast_1d(np.asarray(shapely.points(shots_N2)))
    near_N = at_N[shapely.distance(at_N, line) <= beside_m]
    return np.sort(np.asarray(shapely.line_locate_point(line, near_N), float).reshape(-1))


def _is_missing(taken_K: Floats, due: float, last: float) -> bool:
    """Tell whether no photograph is near; everything along the line, in trigger distances.

    ``last``: where the line's last photograph is due.
    """
    place = int(np.searchsorted(taken_K, due))
    behind = due - taken_K[place - 1] if place else np.inf
    ahead = taken_K[place] - due if place < len(taken_K) else np.inf
    if np.isinf(behind):
        return bool(ahead > _FIRST)
    if np.isinf(ahead):
        return bool(behind + last - due > _LAST and behind >= _NEAR)
    return bool(behind + ahead > _HOLE and min(behind, ahead) >= _NEAR)


def refly_plan(
    plan: Plan,
    missing: Sequence[TriggerPoint],
    *,
    ground: Ground | None = None,
    surface: Ground | None = None,
    zones: Sequence[Zone] | None = None,
) -> Plan:
    """Return a checked plan that flies the stretches of lines around ``missing``.

    Same lines, heights, trigger places and speeds. Ways between them keep in the plan's fence and out of
    its no-fly zones. ``ground`` (in the frame ``flown.frame_of(plan)``) is needed where the plan follows
    terrain; ``surface`` and ``zones`` are for the checks.

    Raises:
        PlanError: nothing misses, the plan knows no such trigger point, there is no way, too little
            battery, or a check fails.
    """
    aircraft, camera = read_aircraft(plan.aircraft), read_camera(plan.camera)
    frame = ground.crs if ground is not None else frame_of(plan)
    parts = _parts(plan, missing)
    router = Router(_free(plan, frame))
    made: list[Sortie] = []
    stretched: list[Stretch] = []
    for of_takeoff in _by_takeoff(plan, parts):
        sorties, stretches = _fly(plan, of_takeoff, aircraft, router, ground, frame, len(made))
        made += sorties
        stretched += stretches
    again = _assembled(plan, made, stretched, frame)
    checked = check_plan(again, aircraft=aircraft, camera=camera, ground=ground, surface=surface, zones=zones)
    failed = [finding for finding in checked.findings if finding.level == "fail"]
    if failed:
        raise PlanError(
            "The re-fly plan may not be flown: " + " ".join(finding.message for finding in failed),
            hint=" ".join(dict.fromkeys(finding.hint for finding in failed if finding.hint)),
        )
    return replace(again, findings=checked.findings)


def _parts(plan: Plan, missing: Sequence[TriggerPoint]) -> list[_Part]:
    """Return the stretches to fly, in the order of flight, joined where the camera would hardly rest."""
    if not missing:
        raise PlanError("No photograph is missing.", hint="There is nothing to fly again.")
    wanted: dict[int, set[int]] = {}
    for point in missing:
        wanted.setdefault(point.sortie, set()).add(point.photo)
    parts: list[_Part] = []
    for place, sortie in enumerate(plan.sorties):
        photos = wanted.pop(sortie.number, set())
        along = along_legs(sortie)
        if photos and max(photos) > len(along):
            wanted[sortie.number] = photos
            continue
        for photo in sorted(photos):
            leg, due_m = along[photo - 1]
            of_leg = [at for other, at in along if other == leg]
            every = sortie.legs[leg].trigger_distance_m or 0.0
            begin = max(due_m - MORE_PHOTOS * every, of_leg[0])
            # Places drift: a stretch that ended where its last photograph is due would end before it.
            path = [corner.at for corner in sortie.legs[leg].path]
            whole_m = LineString(in_frame(geo.local_frame(path[0]), path)).length
            end = min(due_m + (MORE_PHOTOS + _DRIFT) * every, whole_m)
            if end - begin < every / 2:
                raise PlanError(
                    f"Line {sortie.legs[leg].line} has one photograph only and cannot be flown in part.",
                    hint="Fly the sortie again.",
                )
            before = parts[-1] if parts else None
            same = before is not None and (before.sortie, before.leg) == (place, leg)
            if before and same and begin - before.end_m <= _JOIN_PHOTOS * every + 1e-6:
                parts[-1] = replace(before, end_m=max(end, before.end_m))
                continue
            parts.append(_Part(sortie=place, leg=leg, begin_m=begin, end_m=end))
    if wanted:
        raise PlanError(
            "The plan has no trigger points of that sortie or number.", hint="Give the plan that was flown."
        )
    return parts


def _by_takeoff(plan: Plan, parts: Sequence[_Part]) -> list[list[_Part]]:
    """Return the stretches by take-off point: heights count from it."""
    groups: dict[tuple[LonLat, float | None], list[_Part]] = {}
    for part in parts:
        sortie = plan.sorties[part.sortie]
        groups.setdefault((sortie.takeoff, sortie.takeoff_amsl_m), []).append(part)
    return list(groups.values())


def _free(plan: Plan, frame: str) -> MultiPolygon:
    """Return where ways may lead: inside the fence and off no-fly zones, by the planner's margins."""
    margin = min(MARGIN_M, plan.line_spacing_m / 8) - _ROUNDING_M
    fence = shapely.union_all([geo.reproject(part, geo.WGS84, frame) for part in plan.fence])
    forbidden = shapely.union_all([geo.reproject(part, geo.WGS84, frame) for part in plan.no_fly])
    keep_out = forbidden.buffer(margin, join_style="mitre", mitre_limit=2.0)
    return polygons(fence.buffer(-margin, join_style="mitre").difference(keep_out))


def _fly(
    plan: Plan,
    parts: Sequence[_Part],
    aircraft: Aircraft,
    router: Router,
    ground: Ground | None,
    frame: str,
    before: int,
) -> tuple[list[Sortie], list[Stretch]]:
    """Return the sorties from one take-off point, and the stretches that they fly."""
    first = plan.sorties[parts[0].sortie]
    (takeoff,) = in_frame(frame, [first.takeoff]).tolist()
    height = _Heights(plan, first, aircraft, ground)
    lines = [_line(plan, part, frame) for part in parts]
    stretches = [
        replace(one, way_M3=height.way(router, one.xyz_M3[-1], two.xyz_M3[0])) for one, two in pairwise(lines)
    ] + lines[-1:]
    home: Home = lambda point_3: height.home(router, point_3, takeoff)  # noqa: E731
    craft = Craft(
        aircraft=aircraft,
        speed_m_s=first.speed_m_s,
        transit_m_s=first.transit_speed_m_s,
        wind=plan.parameters.wind,
        reserve=plan.parameters.reserve,
    )
    job = Job(
        area=MultiPolygon(plan.area),
        aircraft=aircraft,
        camera=read_camera(plan.camera),
        parameters=plan.parameters,
        cell=plan.cell,
        inputs=plan.inputs,
    )
    allowed = Pace(
        spacing_m=plan.line_spacing_m,
        trigger_m=plan.trigger_distance_m,
        drift_m=0.0,
        speed_m_s=first.speed_m_s,
        transit_m_s=first.transit_speed_m_s,
    )
    sorties = [
        sortie_of(job, flown, before + number, takeoff, first.takeoff_amsl_m, allowed, frame)
        for number, flown in enumerate(split(stretches, home, craft), start=1)
    ]
    return_m = max(plan.sorties[part.sortie].return_height_m for part in parts)
    return [replace(one, return_height_m=max(return_m, one.return_height_m)) for one in sorties], lines


def _line(plan: Plan, part: _Part, frame: str) -> Stretch:
    leg: Leg = plan.sorties[part.sortie].legs[part.leg]
    xy_M2 = in_frame(frame, [point.at for point in leg.path])
    above_M = np.array([point.height_above_takeoff_m for point in leg.path])
    whole = Stretch(
        number=leg.line or 0,
        xyz_M3=np.column_stack([xy_M2, above_M]),
        trigger_m=leg.trigger_distance_m or 0.0,
        way_M3=None,
    )
    xyz_M3 = between(whole, part.begin_m, part.end_m)
    # Positions are written to a millimetre: without some more, rounding might cost the last photograph.
    course_3 = xyz_M3[-1] - xyz_M3[-2]
    xyz_M3[-1] += course_3 / np.hypot(*course_3[:2]) * _MORE_M
    return replace(whole, xyz_M3=xyz_M3)


class _Heights:
    """Heights over take-off of ways: the plan's own where it is level, else over the ground."""

    def __init__(self, plan: Plan, sortie: Sortie, aircraft: Aircraft, ground: Ground | None) -> None:
        flown = [point.height_above_takeoff_m for leg in sortie.legs for point in leg.path]
        if ground is None and max(flown) - min(flown) > _LEVEL_M:
            raise PlanError(
                "The plan follows the ground, and ways between its lines must do so too.",
                hint="Give the elevation model that it was made with, with --dem.",
            )
        self._level_m = max(flown)
        self._ground = ground
        self._agl_m = plan.parameters.height_agl_m
        self._base_m = sortie.takeoff_amsl_m or 0.0
        speed = sortie.transit_speed_m_s
        self._slope = Slope(climb=aircraft.climb_m_s / speed, descent=aircraft.descent_m_s / speed)

    def way(self, router: Router, start_3: Floats, end_3: Floats) -> Floats:
        """Return the way from the end of a stretch to the next one's start."""
        return self._over(_way(router, start_3, end_3), float(start_3[2]), float(end_3[2]))

    def home(self, router: Router, start_3: Floats, takeoff: XY) -> Floats:
        """Return the way from a place on a line to above the take-off point."""
        return self._over(_way(router, start_3, np.asarray(takeoff)), float(start_3[2]), None)

    def _over(self, way: tuple[XY, ...], start_m: float, end_m: float | None) -> Floats:
        xy_N2 = np.asarray(way, float)
        if self._ground is None:
            return np.column_stack([xy_N2, np.full(len(xy_N2), self._level_m)])
        if np.hypot(*(xy_N2[-1] - xy_N2[0])) < 1e-6 and len(xy_N2) == 2:
            return np.column_stack([xy_N2, [start_m, start_m if end_m is None else end_m]])
        xy_N2, amsl_N = terrain.profile(self._ground, xy_N2, self._agl_m, self._slope)
        above_N = amsl_N - self._base_m
        along_N = np.r_[0.0, np.cumsum(np.hypot(*np.diff(xy_N2, axis=0).T))]
        # From a line that is higher than the way needs, and to one: no steeper than the aircraft can.
        above_N = np.maximum(above_N, start_m - along_N * self._slope.descent)
        if end_m is not None:
            above_N = np.maximum(above_N, end_m - (along_N[-1] - along_N) * self._slope.climb)
        rows = [np.array([[*xy_N2[0], start_m]]), np.column_stack([xy_N2, above_N])]
        if end_m is not None:
            rows.append(np.array([[*xy_N2[-1], end_m]]))
        path_M3 = np.vstack(rows)
        same = np.abs(np.diff(path_M3, axis=0)).max(axis=1) < _LEVEL_M / 2
        return np.asarray(path_M3[np.r_[True, ~same]])


def _way(router: Router, start: Floats, end: Floats) -> tuple[XY, ...]:
    way = router.way((float(start[0]), float(start[1])), (float(end[0]), float(end[1])))
    if way is None:
        raise PlanError(
            "There is no way between the missing photographs and the take-off point inside the fence.",
            hint="Plan the cell again.",
        )
    return way


def _assembled(plan: Plan, made: Sequence[Sortie], stretches: Sequence[Stretch], frame: str) -> Plan:
    seen = shapely.union_all(
        [LineString(one.xyz_M3[:, :2]).buffer(plan.line_spacing_m / 2, cap_style="flat") for one in stretches]
    )
    area = shapely.union_all([geo.reproject(part, geo.WGS84, frame) for part in plan.area])
    within = polygons(seen.intersection(area))
    target = within if not within.is_empty else polygons(seen)
    return replace(
        plan,
        trigger_distance_m=min(one.trigger_m for one in stretches),
        area=tuple(in_lonlat(part, frame) for part in target.geoms),
        sorties=tuple(made),
        totals=totals_of(
            made,
            frame,
            area_m2=target.area,
            covered_share=1.0,
            lines=len({one.number for one in stretches}),
        ),
        findings=(),
    )
