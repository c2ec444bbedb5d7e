"""Missions for MAVLink autopilots: items, .plan, .waypoints."""

import json
import math
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from shapely.geometry import Point, Polygon
from tests.plan.samples import plans, sample_plan

from aerial.autopilots.items import check_items, item_count, mission_items
from aerial.autopilots.triggers import trigger_points
from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.qgc_plan import fence_rings, read_qgc_plan, write_qgc_plan
from aerial.plan.export.waypoints import read_waypoints, waypoint_rows, write_waypoints
from aerial.records import Leg, MissionItem, PathPoint, Plan

AUTOPILOTS = ("ardupilot", "px4")


def bits(items: tuple[MissionItem, ...], shift: int = 0) -> list[object]:
    """Return items so that NaN equals NaN and nothing else is forgiven."""
    return [(item.seq + shift, item.frame, item.command, *map(repr, item.params)) for item in items]


def commands(items: tuple[MissionItem, ...]) -> list[int]:
    """Return the command numbers."""
    return [item.command for item in items]


def test_an_ardupilot_mission_is_home_takeoff_speed_gimbal_lines_and_return() -> None:
    """The order of items is the one that ArduPilot flies: item 0 is home, the last is RTL."""
    sortie = sample_plan(lines=2, sorties=1).sorties[0]
    items = mission_items(sortie, "ardupilot")
    line = [16, 206, 16, 206]
    assert commands(items) == [16, 22, 178, 1000, 16, 178, *line[1:], *line, 178, 16, 20]
    assert items[0].frame == 0
    assert items[0].params[4:] == (
        round(sortie.takeoff.lat_deg, 8),
        round(sortie.takeoff.lon_deg, 8),
        12.5,
    )
    assert {item.frame for item in items if item.command == 16 and item.seq} == {3}
    assert [item.seq for item in items] == list(range(len(items)))


def test_a_px4_mission_has_no_home_and_leaves_yaw_unset() -> None:
    """PX4 starts with the take-off, takes the gimbal, and is not turned north at each waypoint."""
    items = mission_items(sample_plan(lines=2, sorties=1).sorties[0], "px4")
    assert commands(items)[:5] == [22, 178, 530, 1001, 1000]
    assert commands(items)[-1] == 20
    assert all(math.isnan(item.params[3]) for item in items if item.command in (16, 22))


@pytest.mark.parametrize("autopilot", AUTOPILOTS)
def test_the_camera_is_on_along_lines_only(autopilot: str) -> None:
    """It fires at once at a line's start, and its closing command neither fires nor is left out."""
    plan = sample_plan(relief_m=20.0)
    for sortie in plan.sorties:
        items = mission_items(sortie, autopilot)  # type: ignore[arg-type]
        switches = [item.params[:3] for item in items if item.command == 206]
        assert switches == [(15.0, 0.0, 1.0), (0.0, 0.0, 0.0)] * 3


def test_a_line_of_two_legs_is_not_photographed_twice_at_the_joint() -> None:
    """Where the next leg goes on with the same distance, the camera is neither closed nor fired anew."""
    plan = sample_plan(lines=1, sorties=1)
    sortie = plan.sorties[0]
    out, line, back = sortie.legs
    middle = PathPoint(
        at=LonLat(
            lon_deg=(line.path[0].at.lon_deg + line.path[1].at.lon_deg) / 2,
            lat_deg=(line.path[0].at.lat_deg + line.path[1].at.lat_deg) / 2,
        ),
        height_above_takeoff_m=100.0,
    )
    halves = (replace(line, path=(line.path[0], middle)), replace(line, path=(middle, line.path[1])))
    split = replace(sortie, legs=(out, *halves, back))
    assert commands(mission_items(split, "ardupilot")).count(206) == 2
    whole = trigger_points(plan)
    parts = trigger_points(replace(plan, sorties=(split,)))
    assert len(whole) == len(parts) == 21
    for one, other in zip(whole, parts, strict=True):
        assert one.at.lat_deg == pytest.approx(other.at.lat_deg, abs=2e-8)


@settings(max_examples=40, deadline=None)
@given(plans())
def test_trigger_points_start_each_line_and_keep_the_distance(plan: Plan) -> None:
    """The first is the line's start, steps are the trigger distance, and none lies past the end."""
    from pyproj import Geod

    geod = Geod(ellps="WGS84")
    shots = trigger_points(plan)
    for sortie in plan.sorties:
        for leg in sortie.legs:
            if leg.line is None:
                continue
            mine = [shot for shot in shots if shot.sortie == sortie.number and shot.line == leg.line]
            start = leg.path[0].at
            assert mine[0].at.lat_deg == pytest.approx(start.lat_deg, abs=1e-8)
            assert mine[0].at.lon_deg == pytest.approx(start.lon_deg, abs=1e-8)
            assert leg.trigger_distance_m is not None
            length = geod.line_length(
                [point.at.lon_deg for point in leg.path], [point.at.lat_deg for point in leg.path]
            )
            # 1.5 m: the scale of the local frame may err by 1 in 2000 over a long line
            assert (len(mine) - 1) * leg.trigger_distance_m <= length * 1.0005 + 0.002
            assert len(mine) * leg.trigger_distance_m >= length * 0.9995 - 0.002
            for one, other in pairwise(mine):
                _, _, step = geod.inv(one.at.lon_deg, one.at.lat_deg, other.at.lon_deg, other.at.lat_deg)
                assert step == pytest.approx(leg.trigger_distance_m, rel=5e-4, abs=0.003)
    assert [shot.photo for shot in shots if shot.sortie == 1] == list(
        range(1, 1 + sum(shot.sortie == 1 for shot in shots))
    )


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_plan_file_says_exactly_the_items_fence_and_rally(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    """What the parser of .plan returns equals bit for bit what was to be written."""
    path = tmp_path_factory.mktemp("q") / "a.plan"
    for autopilot, firmware in (("ardupilot", 3), ("px4", 12)):
        for sortie in plan.sorties:
            write_qgc_plan(plan, sortie, path, autopilot)  # type: ignore[arg-type]
            back = read_qgc_plan(path)
            items = mission_items(sortie, autopilot)  # type: ignore[arg-type]
            wanted = bits(items[1:]) if autopilot == "ardupilot" else bits(items, 1)
            assert bits(back.items) == wanted
            assert back.firmware == firmware
            assert (back.inclusion, back.exclusion) == fence_rings(plan, sortie)
            assert back.home[:2] == (round(sortie.takeoff.lat_deg, 8), round(sortie.takeoff.lon_deg, 8))
            assert back.rally[0][2] == round(sortie.return_height_m, 3)


@settings(max_examples=30, deadline=None)
@given(plans())
def test_a_waypoints_file_says_exactly_the_items(
    tmp_path_factory: pytest.TempPathFactory, plan: Plan
) -> None:
    """What the parser of .waypoints returns equals bit for bit, home first for both autopilots."""
    path = tmp_path_factory.mktemp("w") / "a.waypoints"
    for autopilot in AUTOPILOTS:
        for sortie in plan.sorties:
            write_waypoints(sortie, path, autopilot)  # type: ignore[arg-type]
            back = read_waypoints(path)
            assert bits(back) == bits(waypoint_rows(sortie, autopilot))  # type: ignore[arg-type]
            assert (back[0].frame, back[0].command) == (0, 16)


def test_waypoints_are_latitude_first_with_windows_line_ends(tmp_path: Path) -> None:
    """Column 9 is latitude, column 10 longitude, columns are tabs, every line ends in CR LF."""
    path = tmp_path / "a.waypoints"
    write_waypoints(sample_plan().sorties[0], path, "ardupilot")
    raw = path.read_bytes()
    assert raw.startswith(b"QGC WPL 110\r\n0\t1\t0\t16\t")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    columns = raw.decode().splitlines()[5].split("\t")
    assert len(columns) == 12
    assert float(columns[8]) == pytest.approx(22.8, abs=0.01)
    assert float(columns[9]) == pytest.approx(113.8, abs=0.01)


def test_a_fence_hole_and_a_holed_zone_become_exclusions_without_holes() -> None:
    """A hole in the fence is kept out; the hole of a no-fly zone stays open to fly in."""
    plan = sample_plan(no_fly=True)
    zone = plan.no_fly[0]
    middle = zone.centroid
    ring = Polygon(zone.exterior.coords, [middle.buffer(1e-4).exterior.coords])
    inclusion, exclusion = fence_rings(replace(plan, no_fly=(ring,)), plan.sorties[0])
    assert len(inclusion) == 1
    shut = [Polygon([(lon, lat) for lat, lon in part]) for part in exclusion]
    assert not any(part.contains(Point(middle)) for part in shut)
    assert sum(part.area for part in shut) == pytest.approx(ring.area, rel=1e-3)
    holed = Polygon(plan.fence[0].exterior.coords, [zone.exterior.coords])
    _, exclusion = fence_rings(replace(plan, fence=(holed,), no_fly=()), plan.sorties[0])
    assert len(exclusion) == 1


def test_a_sortie_too_long_for_the_autopilot_is_found() -> None:
    """651 items fail on ArduPilot, which takes 650."""
    plan = sample_plan(lines=1, sorties=1)
    sortie = plan.sorties[0]
    spare = 650 - item_count(sortie, "ardupilot")
    start, end = sortie.legs[1].path
    extra = [
        PathPoint(
            at=LonLat(lon_deg=start.at.lon_deg, lat_deg=start.at.lat_deg + 1e-6 * n),
            height_above_takeoff_m=100,
        )
        for n in range(1, spare + 1)
    ]

    def with_points(points: list[PathPoint]) -> Plan:
        leg = replace(sortie.legs[1], path=(start, *points, end))
        return replace(plan, sorties=(replace(sortie, legs=(sortie.legs[0], leg, sortie.legs[2])),))

    assert [found.level for found in check_items(with_points(extra), "ardupilot")] == ["pass"]
    more = with_points([*extra, replace(extra[-1], height_above_takeoff_m=101)])
    assert [found.level for found in check_items(more, "ardupilot")] == ["fail"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("QGC WPL 100\n", "begin with"),
        ("QGC WPL 110\n0 1 0 16 0 0 0 0 22.8 113.8 0\n", "11 columns"),
        ("QGC WPL 110\n1 1 0 16 0 0 0 0 22.8 113.8 0 1\n", "where 0 is due"),
        ("QGC WPL 110\n0 1 0 WP 0 0 0 0 22.8 113.8 0 1\n", "line 2"),
    ],
)
def test_broken_waypoints_are_refused(tmp_path: Path, text: str, says: str) -> None:
    """Another version, missing columns, holes in the numbering and words for numbers are told."""
    path = tmp_path / "a.waypoints"
    path.write_text(text)
    with pytest.raises(InputError, match=re.escape(says)):
        read_waypoints(path)


@pytest.mark.parametrize(
    "change", [{"fileType": "Fence"}, {"version": 2}, {"mission": {}}, {"geoFence": None}]
)
def test_broken_plan_files_are_refused(tmp_path: Path, change: dict[str, object]) -> None:
    """A file of another kind or version, or without its parts, is told as such."""
    plan = sample_plan()
    path = tmp_path / "a.plan"
    write_qgc_plan(plan, plan.sorties[0], path, "px4")
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, **change}))
    with pytest.raises(InputError, match="not a QGroundControl plan"):
        read_qgc_plan(path)


def test_a_pattern_item_is_refused(tmp_path: Path) -> None:
    """A survey that only QGroundControl can unfold is named, not skipped."""
    plan = sample_plan()
    path = tmp_path / "a.plan"
    write_qgc_plan(plan, plan.sorties[0], path, "px4")
    data = json.loads(path.read_text())
    data["mission"]["items"].append({"type": "ComplexItem", "complexItemType": "survey"})
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="type survey"):
        read_qgc_plan(path)


def test_legs_off_the_lines_need_no_line_number() -> None:
    """A leg that photographs off the lines still gives its photographs, without a line."""
    plan = sample_plan(lines=1, sorties=1)
    sortie = plan.sorties[0]
    legs = tuple(replace(leg, line=None) for leg in sortie.legs)
    assert {shot.line for shot in trigger_points(replace(plan, sorties=(replace(sortie, legs=legs),)))} == {
        None
    }
    assert all(isinstance(leg, Leg) for leg in legs)
