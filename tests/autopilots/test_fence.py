"""Fences that only grow, fit the autopilot, and leave the flight free."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from shapely.geometry import LineString, Point, Polygon, box
from shapely.ops import nearest_points
from tests.autopilots.town import frame_of, path_of, shapes_of, towns, with_zones
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.fence import CLEAR_M, FAR_M, MOST_GROWTH_M, without_holes
from aerial.autopilots.outward import Growing, corners, grow
from aerial.autopilots.px4 import Px4
from aerial.errors import FlightError
from aerial.geo import WGS84, reproject
from aerial.records import Plan, Sortie

AUTOPILOTS = (ArduPilot(), Px4())


def ring(middle: tuple[float, float], radius_m: float, count: int) -> np.ndarray:
    """Return a regular polygon."""
    angle = np.arange(count) * 2 * math.pi / count
    return np.array(middle) + radius_m * np.column_stack([np.cos(angle), np.sin(angle)])


def given_in_frame(plan: Plan, sortie: Sortie) -> tuple[Polygon, list[Polygon]]:
    """Return the fence around the path, and what to stay out of: no-fly zones and the fence's holes."""
    frame = frame_of(sortie)
    fences = [reproject(part, WGS84, frame) for part in plan.fence]
    mine = next(part for part in fences if part.buffer(0.03).covers(path_of(sortie)))
    zones = [reproject(zone, WGS84, frame) for zone in plan.no_fly]
    return mine, zones + [Polygon(hole) for hole in mine.interiors]


def straight_home(sortie: Sortie) -> list[LineString]:
    """Return the straight ways from the corners of the path to the take-off point."""
    return [LineString([corner, (0, 0)]) for corner in path_of(sortie).coords[1:-1] if corner != (0, 0)]


@settings(max_examples=40, deadline=None, derandomize=True)
@given(towns())
def test_fences_hold_what_they_must_and_leave_the_flight_free(plan: Plan) -> None:
    """For jagged fences and zones: valid, rounded, few enough; the given ones inside, path and returns free.

    What no exclusion holds lies far from the flight; ways home that were near a zone come no nearer.
    """
    sortie = plan.sorties[0]
    fence, zones = given_in_frame(plan, sortie)
    for autopilot in AUTOPILOTS:
        try:
            items = autopilot.fence(plan, sortie)
        except FlightError as error:
            assert error.hint
            continue
        (inclusion,), exclusions = shapes_of(items, sortie)
        assert [item.seq for item in items] == list(range(len(items)))
        assert len(items) <= autopilot.limits.fence_corners
        assert all(shape.is_valid for shape in (inclusion, *exclusions))
        assert all(round(value * 1e7) / 1e7 == value for item in items for value in item.params[4:6])
        assert inclusion.covers(fence)
        tips = shapely.points(np.array(inclusion.exterior.coords))
        assert shapely.distance(tips, fence).max() <= MOST_GROWTH_M + 0.1
        path, closed = path_of(sortie), shapely.union_all(exclusions)
        assert inclusion.contains(path)
        assert closed.is_empty or path.distance(closed) > 0.9 * CLEAR_M - 0.2
        for way in straight_home(sortie):
            for shape in exclusions:
                nearest = min((way.distance(zone) for zone in zones), default=0.0)
                assert way.distance(shape) >= min(CLEAR_M, 0.9 * nearest) - 0.2
        left = shapely.union_all(zones).intersection(inclusion).difference(closed)
        assert left.area < 0.1 or left.distance(path) >= FAR_M


@pytest.mark.parametrize("autopilot", AUTOPILOTS, ids=lambda one: one.name)
def test_a_fence_that_fits_keeps_its_corners(autopilot: ArduPilot | Px4) -> None:
    """Few corners are uploaded as they are, grown by centimetres for the rounding."""
    plan = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 12), [ring((400, 150), 40.0, 7)])
    sortie = plan.sorties[0]
    fence, zones = given_in_frame(plan, sortie)
    (inclusion,), (exclusion,) = shapes_of(autopilot.fence(plan, sortie), sortie)
    for shape, what in ((inclusion, fence), (exclusion, zones[0])):
        assert len(shape.exterior.coords) == len(what.exterior.coords)
        assert 0 < shape.area - what.area < 0.1 * what.length


def test_a_round_fence_of_many_corners_grows_by_little() -> None:
    """Of 2000 corners on a circle of 500 m 69 remain, and nowhere are 1.5 m added."""
    plan = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 2000), [])
    sortie = plan.sorties[0]
    items = ArduPilot().fence(plan, sortie)
    (inclusion,), _ = shapes_of(items, sortie)
    assert 60 <= len(items) <= 69
    assert shapely.hausdorff_distance(inclusion, given_in_frame(plan, sortie)[0]) < 1.5


def test_each_polygon_costs_ardupilot_storage() -> None:
    """69 corners fit as one polygon; with a second one a corner must go, for it takes two bytes more."""
    plan = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 69), [])
    sortie = plan.sorties[0]
    assert len(ArduPilot().fence(plan, sortie)) == 69
    more = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 65), [ring((400, 150), 20.0, 4)])
    assert len(ArduPilot().fence(more, more.sorties[0])) == 68
    assert len(Px4().fence(more, more.sorties[0])) == 69


def test_holes_of_the_fence_are_exclusions() -> None:
    """A pond that the fence leaves out is kept out."""
    plan = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 12), [])
    sortie = plan.sorties[0]
    fence, _ = given_in_frame(plan, sortie)
    pond = Polygon(ring((400, 150), 30.0, 8))
    holed = reproject(Polygon(fence.exterior.coords, [pond.exterior.coords]), frame_of(sortie), WGS84)
    _, (exclusion,) = shapes_of(ArduPilot().fence(replace(plan, fence=(holed,)), sortie), sortie)
    assert exclusion.buffer(0.01).covers(pond)
    assert exclusion.area < pond.area * 1.05


def test_a_sortie_in_the_hole_of_a_no_fly_zone_keeps_it_open() -> None:
    """A zone around the whole sortie is cut into parts, and the path is in none of them."""
    plan = sample_plan(sorties=1)
    sortie = plan.sorties[0]
    zone = Polygon(ring((75, 150), 460.0, 9), [ring((75, 150), 350.0, 9)])
    around = replace(
        with_zones(plan, ring((75, 150), 500.0, 10), []),
        no_fly=(reproject(zone, frame_of(sortie), WGS84),),
    )
    _, exclusions = shapes_of(ArduPilot().fence(around, sortie), sortie)
    closed = shapely.union_all(exclusions)
    assert len(exclusions) > 1
    assert closed.buffer(0.01).covers(zone)
    assert path_of(sortie).distance(closed) > 50


def test_zones_that_a_grown_fence_reaches_are_kept_out_too() -> None:
    """A zone that fills the notches of the fence lies outside it, until notches are given up."""
    comb = [(-200.0, -100.0), (400.0, -100.0), (400.0, 500.0)]
    for number in range(59):
        x = 400.0 - number * 10
        comb += [(x - 5, 500.0), (x - 5, 480.0), (x - 10, 480.0), (x - 10, 500.0)]
    fence = Polygon(comb)
    assert fence.is_valid
    plan = sample_plan(sorties=1)
    sortie = plan.sorties[0]
    frame = frame_of(sortie)
    zone = box(-200, 479, 400, 520).difference(fence.buffer(0.5, join_style="mitre"))
    zones = tuple(reproject(part, frame, WGS84) for part in shapely.get_parts(zone))
    walled = replace(plan, fence=(reproject(fence, frame, WGS84),), no_fly=zones)
    (inclusion,), exclusions = shapes_of(ArduPilot().fence(walled, sortie), sortie)
    assert inclusion.intersection(zone).area > 100
    assert inclusion.intersection(zone).difference(shapely.union_all(exclusions)).area < 0.1


def test_only_the_fence_that_the_sortie_flies_in_is_uploaded() -> None:
    """ArduCopter wants to be in all of its inclusions: another part of the fence would ground it."""
    plan = with_zones(sample_plan(sorties=1), ring((75, 150), 500.0, 12), [])
    sortie = plan.sorties[0]
    other = reproject(Polygon(ring((3000, 0), 200.0, 6)), frame_of(sortie), WGS84)
    both = replace(plan, fence=(other, *plan.fence))
    assert len(ArduPilot().fence(both, sortie)) == 12


def test_far_zones_are_given_up_last_and_near_ones_never() -> None:
    """With more zones than corners the furthest go; with more near ones it is refused with a hint."""
    plan = sample_plan(sorties=1)
    wide = ring((75, 150), 3000.0, 12)
    near = [ring((-300.0 + 40 * n, 500.0), 10.0, 4) for n in range(6)]
    far = [ring((-1500.0 + 100 * n, 2000.0), 10.0, 4) for n in range(30)]
    crowded = with_zones(plan, wide, near + far)
    _, exclusions = shapes_of(ArduPilot().fence(crowded, crowded.sorties[0]), crowded.sorties[0])
    closed = shapely.union_all(exclusions)
    path = path_of(crowded.sorties[0])
    _, zones = given_in_frame(crowded, crowded.sorties[0])
    held = [zone.distance(path) for zone in zones if closed.covers(zone)]
    left = [zone.distance(path) for zone in zones if not closed.covers(zone)]
    assert 6 < len(held) == len(exclusions) < len(zones) == 36
    assert max(held) <= min(left)
    assert min(left) > FAR_M
    fits = with_zones(plan, wide, near + far[:5])
    _, exclusions = shapes_of(ArduPilot().fence(fits, fits.sorties[0]), fits.sorties[0])
    assert len(exclusions) == 11
    close = [ring((-500.0 + 40 * n, 500.0), 10.0, 4) for n in range(30)]
    packed = with_zones(plan, wide, close)
    with pytest.raises(FlightError, match="more corners") as error:
        ArduPilot().fence(packed, packed.sorties[0])
    assert "join neighbouring zones" in error.value.hint


def test_a_path_outside_its_fence_or_in_a_zone_is_refused() -> None:
    """No fence is made that would break off the flight."""
    plan = sample_plan(sorties=1)
    sortie = plan.sorties[0]
    frame = frame_of(sortie)
    small = reproject(box(-10, -10, 100, 100), frame, WGS84)
    with pytest.raises(FlightError, match="leaves the fence"):
        ArduPilot().fence(replace(plan, fence=(small,)), sortie)
    with pytest.raises(FlightError, match="enters a no-fly zone"):
        ArduPilot().fence(replace(plan, no_fly=(small,)), sortie)


def test_a_plan_without_fence_and_zones_has_no_fence_items() -> None:
    """Nothing is made up; zones alone are exclusions without an inclusion."""
    plan = replace(sample_plan(sorties=1), fence=())
    assert ArduPilot().fence(plan, plan.sorties[0]) == ()
    zoned = with_zones(plan, None, [ring((600, 0), 30.0, 5)])
    inclusions, exclusions = shapes_of(Px4().fence(zoned, zoned.sorties[0]), zoned.sorties[0])
    assert (len(inclusions), len(exclusions)) == (0, 1)


def test_cut_polygons_have_no_holes_and_the_same_ground() -> None:
    """A polygon with two holes becomes parts without any that cover it."""
    holed = Polygon(box(0, 0, 100, 50).exterior.coords, [box(10, 10, 20, 20).exterior.coords,
                    box(60, 10, 80, 30).exterior.coords])  # fmt: skip
    parts = without_holes(holed)
    assert not any(part.interiors for part in parts)
    assert shapely.union_all(parts).symmetric_difference(holed).area < 1e-9


def test_growing_takes_the_smallest_steps_first_and_keeps_clear_of_lines() -> None:
    """A shallow dent is closed before a deep one, and never over a line that runs in it."""
    dented = Polygon([(0, 0), (100, 0), (100, 50), (70, 50), (65, 48), (60, 50), (40, 50), (35, 30), (30, 50),
                      (0, 50)])  # fmt: skip

    def fewer(count: int, lines: list[LineString]) -> Polygon:
        one = Growing(
            origin=dented,
            xy_N2=corners(dented),
            most_m=50.0,
            lines_K=np.array(lines, object),
            keep_K=np.full(len(lines), 1.0),
        )
        grow([one], lambda numbers: sum(numbers) <= count)
        return Polygon(one.xy_N2)

    assert fewer(9, []).contains(Point(65, 49.9))
    assert not fewer(9, []).contains(Point(35, 49))
    assert fewer(4, []).contains(Point(35, 49))
    line = LineString([(35, 60), (35, 45)])
    kept = fewer(4, [line])
    assert kept.distance(line) >= 1.0
    assert nearest_points(kept, line)[0].distance(line) < 30
    assert all(a != b for a, b in pairwise(kept.exterior.coords))


@pytest.mark.parametrize("seed", [1, 7, 9])
def test_growing_never_crosses_itself_and_loses_nothing(seed: int) -> None:
    """A curled shape stays valid at every number of corners, and holds what it held."""
    turn = np.linspace(0, 3.5 * math.pi, 60)
    far = 20 + 12 * turn + np.random.default_rng(seed).uniform(-4, 4, 60)
    spiral = LineString(np.column_stack([np.cos(turn) * far, np.sin(turn) * far])).buffer(9, quad_segs=1)
    whole = Polygon(spiral.exterior)
    nothing = np.zeros(0, object)
    one = Growing(origin=whole, xy_N2=corners(whole), most_m=np.inf, lines_K=nothing, keep_K=np.zeros(0))
    count = len(one.xy_N2)
    while grow([one], lambda numbers: sum(numbers) < count):  # noqa: B023 - called before it changes
        count = len(one.xy_N2)
        shape = Polygon(one.xy_N2)
        assert shape.is_valid
        assert whole.difference(shape).area < 1e-6
    assert count == 3
