"""Holds at the ends of lines: where the camera is switched, the aircraft is on its place."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from tests.plan.samples import plans, sample_plan

from aerial.autopilots.items import LINE_HOLD_S, line_hold_s, mission_items
from aerial.geo import LonLat, local_frame, to_lonlat
from aerial.records import Leg, MissionItem, PathPoint, Plan, Sortie

AUTOPILOTS = ("ardupilot", "px4")
WAYPOINT, TAKEOFF, TRIGGER = 16, 22, 206


def holds(items: tuple[MissionItem, ...]) -> list[float]:
    """Return the hold of each waypoint, home left out."""
    return [item.params[0] for item in items if item.command == WAYPOINT and item.frame == 3]


def at(x: float, y: float) -> PathPoint:
    """Return a point of a flat path, metres east and north of the take-off point."""
    frame = local_frame(LonLat(lon_deg=113.8, lat_deg=22.8))
    return PathPoint(at=to_lonlat(frame, x, y), height_above_takeoff_m=80.0)


def sortie_of(*legs: Leg) -> Sortie:
    """Return a sortie of these legs between ways from and to the take-off point."""
    first, last = legs[0].path[0], legs[-1].path[-1]
    sortie = sample_plan(sorties=1).sorties[0]
    out, back = (
        Leg(kind="transit", path=(at(0, 0), first)),
        Leg(kind="transit", path=(last, at(0, 0))),
    )
    return replace(sortie, takeoff=at(0, 0).at, legs=(out, *legs, back))


def line(number: int, *points: PathPoint, every_m: float = 20.0) -> Leg:
    """Return a survey line."""
    return Leg(kind="survey", path=points, line=number, trigger_distance_m=every_m)


@settings(max_examples=40, deadline=None)
@given(plans())
def test_every_camera_command_follows_a_waypoint_with_a_hold(plan: Plan) -> None:
    """On and off are commanded at rest on the end of a line; all other waypoints are flown through."""
    for autopilot in AUTOPILOTS:
        for sortie in plan.sorties:
            held, last = set(), None
            items = mission_items(sortie, autopilot)  # type: ignore[arg-type]
            for item in items:
                if item.command in (WAYPOINT, TAKEOFF):
                    last = item
                elif item.command == TRIGGER:
                    assert last is not None
                    assert (last.command, last.params[0]) == (WAYPOINT, LINE_HOLD_S)
                    held.add(last.seq)
            assert {i.seq for i in items if i.command == WAYPOINT and i.params[0]} == held


@pytest.mark.parametrize("autopilot", AUTOPILOTS)
def test_inner_points_of_a_line_are_flown_through(autopilot: str) -> None:
    """A line over relief holds at its two ends and nowhere between."""
    sortie = sample_plan(relief_m=20.0, lines=1, sorties=1).sorties[0]
    assert holds(mission_items(sortie, autopilot)) == [1.0, 0.0, 1.0, 0.0]  # type: ignore[arg-type]


def test_a_line_that_goes_on_straight_is_not_stopped_and_one_that_bends_is() -> None:
    """Two legs of one line join without a hold; where the next line turns off, the corner is flown to."""
    straight = sortie_of(line(1, at(50, 0), at(50, 100)), line(1, at(50, 100), at(50, 200)))
    assert holds(mission_items(straight, "ardupilot")) == [1, 0, 1, 0]
    bent = sortie_of(line(1, at(50, 0), at(50, 100)), line(2, at(50, 100), at(150, 100)))
    assert holds(mission_items(bent, "ardupilot")) == [1, 1, 1, 0]


def test_a_new_trigger_distance_is_given_at_rest() -> None:
    """Where a line goes on with another distance, its first photograph is taken on the joint."""
    sortie = sortie_of(line(1, at(50, 0), at(50, 100)), line(2, at(50, 100), at(50, 200), every_m=15.0))
    items = mission_items(sortie, "px4")
    assert [item.params[0] for item in items if item.command == TRIGGER] == [20.0, 15.0, 0.0]
    assert holds(items) == [1, 1, 1, 0]


def test_a_line_that_begins_above_the_take_off_point_needs_no_hold_there() -> None:
    """The take-off ends at rest; its first parameter is no hold and stays 0."""
    sortie = sample_plan(sorties=1).sorties[0]
    legs = (line(1, at(0, 0), at(0, 100)), Leg(kind="transit", path=(at(0, 100), at(0, 0))))
    items = mission_items(replace(sortie, takeoff=at(0, 0).at, legs=legs), "ardupilot")
    assert [item.params[0] for item in items if item.command == TAKEOFF] == [0.0]
    assert holds(items) == [1, 0]


def test_holds_are_whole_seconds() -> None:
    """ArduCopter keeps the whole seconds of a hold only."""
    assert math.trunc(LINE_HOLD_S) == LINE_HOLD_S >= 1
    assert [line_hold_s(name) for name in ("ardupilot", "px4", "dji")] == [1.0, 1.0, 0.0]
