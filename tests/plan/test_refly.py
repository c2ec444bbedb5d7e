"""What was not photographed is found on the plan, and flown again on the plan's own lines."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import LineString, Polygon, box
from tests.plan.made import FRAME, HOME, ground_of

from aerial import geo
from aerial.autopilots.triggers import along_legs, of_sortie, trigger_points
from aerial.codec import write_json
from aerial.errors import PlanError
from aerial.geo import LonLat, in_frame
from aerial.plan.flight import plan_flight
from aerial.plan.job import Job
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.plan.read import read_plan
from aerial.plan.refly import MORE_PHOTOS, missing_points, refly_plan
from aerial.records import Parameters, Plan, TriggerPoint, Zone

AIRCRAFT, CAMERA = "holybro_x500_v2", "mapir_survey3w"
HILL = ground_of(lambda x, y: 20.0 + 15.0 * np.sin(x / 90.0) * np.cos(y / 110.0))


def made(
    side_m: float = 260.0, *, zones: tuple[Zone, ...] = (), hill: bool = False, home: LonLat = HOME
) -> Plan:
    """Return a plan over a square around ``HOME``."""
    half = side_m / 2
    job = Job(
        area=geo.reproject(box(-half, -half, half, half), FRAME, geo.WGS84),
        aircraft=read_aircraft(AIRCRAFT),
        camera=read_camera(CAMERA),
        parameters=Parameters(height_agl_m=80.0, gsd_m=0.03, overlap_front=0.75, overlap_side=0.6),
        zones=zones,
        takeoffs=(home,),
        inputs={},
    )
    plan = plan_flight(job, ground=HILL if hill else None)
    return replace(plan, aircraft=AIRCRAFT, camera=CAMERA)


PLAN = made()
ON_HILL = made(200.0, hill=True)
POINTS = trigger_points(PLAN)


def places(points: Sequence[TriggerPoint]) -> list[LonLat]:
    """Return where photographs are due."""
    return [point.at for point in points]


def near(points: Sequence[TriggerPoint], all_of: Sequence[LonLat]) -> list[float]:
    """Return for each point how far the nearest place is, in metres."""
    there = shapely.multipoints(in_frame(FRAME, all_of))
    return [
        float(shapely.distance(shapely.Point(xy), there)) for xy in in_frame(FRAME, places(points)).tolist()
    ]


@pytest.mark.parametrize("plan", [PLAN, ON_HILL], ids=["level", "hill"])
def test_photographs_lie_on_legs_where_the_trigger_points_say(plan: Plan) -> None:
    """The distances along legs and the trigger points are the same photographs, to a centimetre."""
    for sortie in plan.sorties:
        points, along = of_sortie(sortie), along_legs(sortie)
        assert len(points) == len(along) > 20
        for point, (leg, at_m) in zip(points, along, strict=True):
            line = LineString(in_frame(FRAME, [one.at for one in sortie.legs[leg].path]))
            (xy,) = in_frame(FRAME, [point.at])
            assert line.interpolate(at_m).distance(shapely.Point(xy)) < 0.01
            assert sortie.legs[leg].line == point.line


def test_nothing_misses_where_every_place_was_photographed() -> None:
    """Also where the autopilot fires a little late each time, so that places drift along a line."""
    assert missing_points(PLAN, places(POINTS)) == ()
    frame_points: list[LonLat] = []
    for sortie in PLAN.sorties:
        for leg in sortie.legs:
            if leg.trigger_distance_m is None:
                continue
            line = LineString(in_frame(FRAME, [point.at for point in leg.path]))
            for at_m in np.arange(0, line.length + 0.01, leg.trigger_distance_m * 1.01):
                spot = line.interpolate(at_m)
                frame_points.append(geo.to_lonlat(FRAME, spot.x + 0.8, spot.y - 0.8))
    assert len(frame_points) <= len(POINTS)
    assert missing_points(PLAN, frame_points) == ()


@settings(deadline=None, max_examples=25)
@given(st.sets(st.integers(0, len(POINTS) - 1), min_size=1, max_size=12))
def test_exactly_the_dropped_places_miss(dropped: set[int]) -> None:
    """Any places without a photograph, at the ends of lines too, and no others."""
    taken = [point.at for number, point in enumerate(POINTS) if number not in dropped]
    missing = tuple(POINTS[number] for number in sorted(dropped))
    assert missing_points(PLAN, taken, dropped=places(missing)) == missing
    # Without a log the last of a line may as well not have been due yet: autopilots fire a little late.
    unseen = {n for n in dropped if n + 1 == len(POINTS) or POINTS[n + 1].line != POINTS[n].line}
    assert set(missing) - {POINTS[n] for n in unseen} <= set(missing_points(PLAN, taken)) <= set(missing)


@settings(deadline=None, max_examples=15)
@given(st.sets(st.integers(0, len(POINTS) - 1), min_size=1, max_size=8))
def test_the_small_plan_takes_what_misses_on_the_same_places(dropped: set[int]) -> None:
    """Each missing place and two beyond (where the line has them), on the plan's places and heights."""
    missing = [POINTS[number] for number in sorted(dropped)]
    again = refly_plan(PLAN, missing)
    taken = trigger_points(again)
    assert max(near(missing, places(taken))) < 0.02
    assert max(near(taken, places(POINTS))) < 0.02
    assert {point.height_above_takeoff_m for point in taken} == {POINTS[0].height_above_takeoff_m}
    assert again.totals.photos == len(taken) <= (2 * MORE_PHOTOS + 1) * len(missing) + 4 * len(missing)
    wider = [POINTS[n + more] for n in dropped for more in (-2, -1, 1, 2) if 0 <= n + more < len(POINTS)
             and POINTS[n + more].line == POINTS[n].line]  # fmt: skip
    assert max(near(wider, places(taken)), default=0.0) < 0.02


def test_the_small_plan_is_one_that_can_be_read_checked_and_is_shorter(tmp_path: Path) -> None:
    """It is written, read back whole, carries its checks, and is a fraction of the flight."""
    again = refly_plan(PLAN, POINTS[20:22])
    write_json(tmp_path / "plan.json", again)
    assert read_plan(tmp_path / "plan.json") == again
    assert {finding.code for finding in again.findings} >= {"fence", "endurance", "zones_unchecked"}
    assert all(finding.level != "fail" for finding in again.findings)
    assert again.totals.duration_s < 0.5 * PLAN.totals.duration_s
    (sortie,) = again.sorties
    assert (sortie.takeoff, sortie.speed_m_s) == (PLAN.sorties[0].takeoff, PLAN.sorties[0].speed_m_s)
    assert sortie.return_height_m >= PLAN.sorties[0].return_height_m


def test_ways_lead_around_no_fly_zones_and_stay_in_the_fence() -> None:
    """A zone between the missing places: no leg enters it or leaves the fence."""
    zone = Zone(
        name="school", kind="no_fly", outline=geo.reproject(box(-30, -40, 30, 40), FRAME, geo.WGS84)
    )  # fmt: skip
    plan = made(zones=(zone,), home=geo.to_lonlat(FRAME, 0.0, -110.0))
    points = trigger_points(plan)
    xy_N2 = in_frame(FRAME, places(points))
    west = [p for p, (x, y) in zip(points, xy_N2.tolist(), strict=True) if x < -60 and abs(y) < 12]
    east = [p for p, (x, y) in zip(points, xy_N2.tolist(), strict=True) if x > 60 and abs(y) < 12]
    again = refly_plan(plan, [west[0], east[0]], zones=(zone,))
    forbidden: Polygon = box(-30, -40, 30, 40)
    fence = shapely.union_all([geo.reproject(part, geo.WGS84, FRAME) for part in plan.fence])
    for leg in (leg for sortie in again.sorties for leg in sortie.legs):
        path = LineString(in_frame(FRAME, [point.at for point in leg.path]))
        assert not path.intersects(forbidden.buffer(1.0))
        assert fence.covers(path)


def test_over_terrain_lines_keep_their_heights_and_ways_follow_the_ground(tmp_path: Path) -> None:
    """With the elevation model ways are high enough; without it a plan that is not level is refused."""
    points = trigger_points(ON_HILL)
    missing = [points[3], points[-4]]
    with pytest.raises(PlanError, match="follows the ground") as refusal:
        refly_plan(ON_HILL, missing)
    assert "--dem" in refusal.value.hint
    again = refly_plan(ON_HILL, missing, ground=HILL)
    taken = trigger_points(again)
    for point in missing:
        twin = min(taken, key=lambda one: near([point], [one.at])[0])
        assert near([point], [twin.at])[0] < 0.02
        assert twin.height_above_takeoff_m == pytest.approx(point.height_above_takeoff_m, abs=0.02)
    base = again.sorties[0].takeoff_amsl_m or math.nan
    for leg in again.sorties[0].legs:
        path = LineString(in_frame(FRAME, [point.at for point in leg.path]))
        above = [point.height_above_takeoff_m for point in leg.path]
        at_N = np.array([path.project(shapely.Point(xy)) for xy in path.coords])
        for at_m in np.linspace(0, path.length, 40):
            spot = path.interpolate(at_m)
            (ground_m,) = HILL.at(np.array([[spot.x, spot.y]]))
            assert base + np.interp(at_m, at_N, above) - ground_m > 79.5
    write_json(tmp_path / "plan.json", again)
    assert read_plan(tmp_path / "plan.json") == again


def test_what_cannot_be_flown_again_is_refused() -> None:
    """No missing place, places and sorties that the plan does not have, photographs of elsewhere."""
    for missing, said in (
        ([], "No photograph is missing"),
        ([replace(POINTS[0], photo=9999)], "no trigger points"),
        ([replace(POINTS[0], sortie=9)], "no trigger points"),
    ):
        with pytest.raises(PlanError, match=said):
            refly_plan(PLAN, missing)
    with pytest.raises(PlanError, match="no sortie 7"):
        missing_points(PLAN, places(POINTS), sorties=(7,))
    with pytest.raises(PlanError, match="No photograph was taken on a line"):
        missing_points(PLAN, [LonLat(lon_deg=114.2, lat_deg=22.8)])


def test_a_check_that_fails_refuses_the_small_plan() -> None:
    """A zone that the city published since then: the part is not flown."""
    zone = Zone(
        name="new", kind="no_fly", outline=geo.reproject(box(-200, -200, 200, 200), FRAME, geo.WGS84)
    )  # fmt: skip
    with pytest.raises(PlanError, match="may not be flown"):
        refly_plan(PLAN, POINTS[20:21], zones=(zone,))


def test_a_stretch_to_the_end_of_a_line_flies_all_of_it() -> None:
    """Photographs drift along a line: what flies its last one again flies the line to its very end."""
    plan = made()
    sortie = plan.sorties[0]
    number, leg = next((n, leg) for n, leg in enumerate(sortie.legs) if leg.kind == "survey")
    last = [p for p, (of, _) in zip(of_sortie(sortie), along_legs(sortie), strict=True) if of == number][-1]
    again = refly_plan(plan, [last])
    (flown,) = [one for one in again.sorties[0].legs if one.kind == "survey"]
    (end,) = in_frame(FRAME, [leg.path[-1].at])
    ends = in_frame(FRAME, [flown.path[0].at, flown.path[-1].at])
    assert np.hypot(*(ends - end).T).min() < 0.15
