"""What photographs cover of a plan, and what must be flown again."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import shapely
from shapely.geometry import Point, box
from tests.plan.flying import flown
from tests.plan.made import FRAME, HOME, ground_of

from aerial import geo
from aerial.autopilots.triggers import trigger_points
from aerial.errors import PlanError
from aerial.geo import LonLat
from aerial.plan.covered import Cover, judge_cover
from aerial.plan.flight import plan_flight
from aerial.plan.ground import Ground
from aerial.plan.job import Job
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.plan.refly import refly_plan
from aerial.records import Parameters, Plan, TriggerPoint

AIRCRAFT, CAMERA = "holybro_x500_v2", "mapir_survey3w"
Overlap = tuple[float, float]
USUAL: Overlap = (0.8, 0.7)


def made(overlap: Overlap = USUAL, side_m: float = 260.0, ground: Ground | None = None) -> Plan:
    """Return a plan over a square around ``HOME``."""
    half = side_m / 2
    job = Job(
        area=geo.reproject(box(-half, -half, half, half), FRAME, geo.WGS84),
        aircraft=read_aircraft(AIRCRAFT),
        camera=read_camera(CAMERA),
        parameters=Parameters(
            height_agl_m=80.0, gsd_m=0.03, overlap_front=overlap[0], overlap_side=overlap[1]
        ),
        zones=(),
        takeoffs=(HOME,),
        inputs={},
    )
    return replace(plan_flight(job, ground=ground), aircraft=AIRCRAFT, camera=CAMERA)


PLANS = {overlap: made(overlap) for overlap in (USUAL, (0.75, 0.6), (0.6, 0.3))}
PLAN = PLANS[USUAL]
POINTS = trigger_points(PLAN)


def codes(cover: Cover) -> set[str]:
    """Return what was found that is not in order."""
    return {finding.code for finding in cover.findings if finding.level != "pass"}


def without(points: Sequence[TriggerPoint], *, line: int, photos: slice = slice(None)) -> list[TriggerPoint]:
    """Return the points but for some of a line."""
    gone = {point.photo for point in [p for p in points if p.line == line][photos]}
    return [point for point in points if point.photo not in gone]


@pytest.mark.parametrize("overlap", list(PLANS))
@pytest.mark.parametrize("seed", range(3))
def test_a_flight_as_planned_covers(overlap: Overlap, seed: int) -> None:
    """A metre beside its places, the nose 3 degrees off: nothing misses, no gap, nothing to say."""
    plan = PLANS[overlap]
    photos = flown(plan, trigger_points(plan), seed=seed, beside_m=1.0, yaw_deg=3.0)
    cover = judge_cover(plan, photos)
    assert (cover.missing, cover.gaps, cover.again, codes(cover)) == ((), (), (), set())
    assert cover.covered_share == 1.0
    assert cover.area_m2 == pytest.approx(260.0**2, rel=0.03)


@pytest.mark.parametrize(("overlap", "bears"), [(USUAL, True), ((0.75, 0.6), True), ((0.6, 0.3), False)])
def test_a_lost_photograph_is_a_gap_where_the_overlap_is_thin(overlap: Overlap, bears: bool) -> None:
    """It is always named as missing; ground lacks views only where the plan has none to spare."""
    plan = PLANS[overlap]
    points = trigger_points(plan)
    line = sorted({point.line or 0 for point in points})[1]
    kept = without(points, line=line, photos=slice(1, 2))
    cover = judge_cover(plan, flown(plan, kept))
    assert len(cover.missing) == 1
    assert (cover.gaps == ()) is bears
    assert codes(cover) == ({"missing"} if bears else {"missing", "gap"})


@pytest.mark.parametrize("overlap", [USUAL, (0.75, 0.6)])
def test_a_lost_line_is_a_gap_that_a_second_flight_closes(overlap: Overlap) -> None:
    """The gap lies along the line; the re-fly plan is checked, and with its photographs all is covered."""
    plan = PLANS[overlap]
    points = trigger_points(plan)
    line = [point for point in points if point.line == 3]
    cover = judge_cover(plan, flown(plan, without(points, line=3), beside_m=0.5))
    assert cover.missing == tuple(line)
    assert set(line) <= set(cover.again)
    assert {"missing", "gap"} == codes(cover)
    on_line = shapely.MultiPoint([(p.at.lon_deg, p.at.lat_deg) for p in line]).convex_hull
    assert max(gap.outline.distance(on_line) for gap in cover.gaps) < plan.line_spacing_m * 1.5 / 100_000
    assert all(gap.views < gap.needed for gap in cover.gaps)
    again = refly_plan(plan, cover.again)
    both = [*flown(plan, without(points, line=3), beside_m=0.5),
            *flown(plan, trigger_points(again), seed=1, beside_m=0.5, prefix="again")]  # fmt: skip
    closed = judge_cover(plan, both)
    assert (closed.missing, closed.gaps, codes(closed)) == ((), (), set())


def test_the_outline_of_a_gap_is_where_the_views_lack() -> None:
    """Ground on no photograph at all is inside an outline, ground beside it that has enough is not."""
    plan = PLANS[(0.6, 0.3)]
    points = trigger_points(plan)
    line = sorted({point.line or 0 for point in points})[1]
    lost = [point for point in points if point.line == line][1:4]
    cover = judge_cover(plan, flown(plan, [point for point in points if point not in lost]))
    middle = Point(lost[1].at.lon_deg, lost[1].at.lat_deg)
    blind = [gap for gap in cover.gaps if gap.outline.contains(middle)]
    assert [gap.views for gap in blind] == [0]
    (crs, far) = (FRAME, points[0].at)
    assert not any(gap.outline.contains(Point(far.lon_deg, far.lat_deg)) for gap in cover.gaps)
    assert geo.reproject(blind[0].outline, geo.WGS84, crs).area == pytest.approx(blind[0].area_m2, rel=0.05)


def test_a_sortie_that_was_not_flown_is_no_gap() -> None:
    """Its ground is named as not flown, and a re-fly plan does not take it."""
    plan = made(side_m=900.0, overlap=(0.7, 0.5))
    assert len(plan.sorties) > 1
    first = [point for point in trigger_points(plan) if point.sortie == 1]
    cover = judge_cover(plan, flown(plan, first, beside_m=0.5))
    assert cover.unflown == tuple(sortie.number for sortie in plan.sorties[1:])
    assert codes(cover) == {"sortie_unflown"}
    assert (cover.gaps, cover.again) == ((), ())


def test_flown_too_low_is_told_and_leaves_gaps() -> None:
    """At 55 m for 80 m pictures are narrower: height, overlap and cover are named, all is to be flown."""
    cover = judge_cover(PLAN, flown(PLAN, POINTS, higher_m=-25.0))
    assert {"height", "overlap", "gap"} <= codes(cover)
    (said,) = [finding.message for finding in cover.findings if finding.code == "height"]
    assert "25 m lower" in said
    assert cover.again == POINTS


def test_flown_too_high_covers_and_is_told() -> None:
    """Coarser pictures cover more; the height is a warning all the same."""
    cover = judge_cover(PLAN, flown(PLAN, POINTS, higher_m=15.0))
    assert (codes(cover), cover.gaps) == ({"height"}, ())


def test_a_camera_with_a_longer_lens_leaves_gaps() -> None:
    """The pictures' own width counts, not the plan's camera."""
    cover = judge_cover(PLAN, flown(PLAN, POINTS, focal=1.5))
    assert {"camera", "overlap", "gap"} <= codes(cover)


def test_a_camera_turned_by_a_right_angle_overlaps_less_sideways() -> None:
    """Footprints have the photographs' own yaw."""
    cover = judge_cover(PLAN, flown(PLAN, POINTS, turned_deg=90.0))
    assert "overlap" in codes(cover)
    straight = judge_cover(PLAN, flown(PLAN, POINTS))
    one, other = (geo.reproject(c.outlines["0030.jpg"], geo.WGS84, FRAME).bounds for c in (straight, cover))
    wide, high = one[2] - one[0], one[3] - one[1]
    assert (other[3] - other[1], other[2] - other[0]) == pytest.approx((wide, high), rel=0.02)
    assert max(wide, high) > 1.2 * min(wide, high)


def test_half_as_many_photographs_are_half_the_overlap() -> None:
    """Every second one lost: the distance between photographs is told, and there are gaps."""
    cover = judge_cover(PLAN, flown(PLAN, POINTS[::2]))
    assert {"missing", "gap", "overlap"} <= codes(cover)


def test_without_height_and_yaw_the_plan_speaks() -> None:
    """A camera that tells neither is taken to have flown as planned, which is said."""
    photos = [
        replace(photo, relative_height_m=None, gimbal_yaw_deg=None, gimbal_pitch_deg=None, focal_px=None)
        for photo in flown(PLAN, POINTS)
    ]
    cover = judge_cover(PLAN, photos)
    assert (codes(cover), cover.gaps, cover.missing) == ({"height_unknown"}, (), ())


def test_photographs_of_another_cell_are_named_and_none_of_this_one_is_refused() -> None:
    """Some beside are a warning with their distance; all of them are an error that says how far."""
    away = [replace(p, file=f"x{p.file}", at=LonLat(lon_deg=HOME.lon_deg + 0.02, lat_deg=HOME.lat_deg))
            for p in flown(PLAN, POINTS[:4])]  # fmt: skip
    cover = judge_cover(PLAN, [*flown(PLAN, POINTS), *away])
    assert set(cover.outside) == {photo.file for photo in away}
    assert min(cover.outside.values()) == pytest.approx(0.02 * 102_600 - 130, rel=0.01)
    assert codes(cover) == {"outside"}
    with pytest.raises(PlanError, match=r"None of the 4 photographs .* 1\.9 km"):
        judge_cover(PLAN, away)
    with pytest.raises(PlanError, match="No usable photograph"):
        judge_cover(PLAN, [])


def test_a_hill_that_the_plan_does_not_know_leaves_gaps() -> None:
    """Seen from the terrain model the pictures on its top are small; the level plan thinks all is well."""
    hill = ground_of(lambda x, y: 45.0 * np.exp(-(x**2 + y**2) / 60.0**2))
    photos = flown(PLAN, POINTS)
    plan = replace(PLAN, sorties=tuple(replace(s, takeoff_amsl_m=0.0) for s in PLAN.sorties))
    assert judge_cover(plan, photos).gaps == ()
    cover = judge_cover(plan, photos, ground=hill)
    top = Point(HOME.lon_deg, HOME.lat_deg)
    assert any(gap.outline.buffer(2e-4).contains(top) for gap in cover.gaps)


def test_a_plan_that_follows_a_hill_covers_with_and_without_the_model() -> None:
    """Heights over take-off differ along a line; neither way of knowing the ground makes a gap of that."""
    hill = ground_of(lambda x, y: 20.0 + 15.0 * np.sin(x / 90.0) * np.cos(y / 110.0))
    plan = made(side_m=200.0, ground=hill)
    photos = flown(plan, trigger_points(plan), beside_m=0.5, yaw_deg=2.0)
    assert np.ptp([photo.relative_height_m or 0.0 for photo in photos]) > 10.0
    for ground in (None, hill):
        cover = judge_cover(plan, photos, ground=ground)
        assert (cover.gaps, cover.missing, codes(cover)) == ((), (), set())
