"""What keeps a plan from being flown."""

import dataclasses
import json
import sys
import time
import types
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plan.made import CAMERA, Floats, aircraft, area, at, ground_of, leg, plan, write_model

from aerial import areas, geo
from aerial.codec import read_json, to_plain, write_json
from aerial.errors import CrsError, InputError
from aerial.plan.checks import Checked, check_plan
from aerial.plan.filing import check_deadline, filing_of, filing_sheet
from aerial.records import Aircraft, CameraProfile, Finding, Plan, Wind, Zone, ZoneKind


def check(made: Plan, **given: Any) -> Checked:
    """Check a plan with the test's aircraft and camera."""
    return check_plan(made, **({"aircraft": aircraft(), "camera": CAMERA} | given))


def one(checked: Checked, code: str) -> Finding:
    """Return the only finding of a code."""
    (found,) = [finding for finding in checked.findings if finding.code == code]
    return found


def codes(checked: Checked, level: str) -> set[str]:
    """Return the codes of a level."""
    return {finding.code for finding in checked.findings if finding.level == level}


def zone(kind: ZoneKind, x0: float, y0: float, x1: float, y1: float, **changes: Any) -> Zone:
    """Return a rectangular zone of the frame."""
    return Zone(kind=kind, outline=area(x0, y0, x1, y1), **changes)


def level(x: Floats, _: Floats) -> Floats:
    """Flat ground at 20 m."""
    return np.full(x.shape, 20.0)


def ditch(depth_m: float) -> Any:
    """Return flat ground with a ditch of one cell across the first line at y = 200."""
    return lambda x, y: np.where((np.abs(y - 202.5) < 2) & (x < 70), 20.0 - depth_m, 20.0)


def test_without_models_and_zones_the_plan_is_stamped() -> None:
    """Each of the three words appears as a warning, and nothing fails."""
    checked = check(plan())
    assert not checked.failed
    messages = " ".join(f.message for f in checked.findings if f.level == "warn")
    for words in ("zones unchecked", "terrain unchecked", "obstacles unchecked"):
        assert words in messages
    assert checked.sorties[0].most_true_height_m is None


def test_with_everything_given_nothing_is_unchecked() -> None:
    """Terrain, surface and zones that are fine leave passes only."""
    ground = ground_of(level)
    checked = check(plan(), ground=ground, surface=ground, zones=())
    assert codes(checked, "fail") | codes(checked, "warn") == set()
    row = checked.sorties[0]
    assert row.most_true_height_m == pytest.approx(90, abs=1e-4)
    assert row.least_clearance_m == pytest.approx(90, abs=1e-4)
    assert row.furthest_m == pytest.approx(np.hypot(90, 350), abs=0.01)


@pytest.mark.parametrize(
    ("height", "depth", "approval", "expected"),
    [
        (90, 0, None, "pass"),
        (90, 19.5, None, "pass"),
        (90, 20.5, None, "warn"),
        (90, 30.5, None, "fail"),
        (90, 30.5, "GZ-17", "warn"),
        (121, 0, None, "fail"),
    ],
)
def test_true_height_is_that_over_every_metre_below(
    height: float, depth: float, approval: str | None, expected: str
) -> None:
    """A ditch of one cell under a line counts: 110 m is warned, 120 m fails, an approval is recorded."""
    made = plan(height, parameters={"approval": approval})
    found = one(check(made, ground=ground_of(ditch(depth)), zones=()), "true_height")
    assert found.level == expected
    if approval:
        assert "approval GZ-17 recorded" in found.message
    if expected == "fail":
        assert found.hint
        assert f"{height + depth:.1f} m" in found.message


def wide(spacing_m: float, height_m: float = 90.0) -> Plan:
    """Return a plan of lines 600 m long over 600 m."""
    legs = []
    for k, x in enumerate(np.arange(-300, 301, spacing_m).tolist()):
        y = (-300.0, 300.0) if k % 2 == 0 else (300.0, -300.0)
        line = leg("survey", (x, y[0], height_m), (x, y[1], height_m), line=k + 1)
        legs.append(dataclasses.replace(line, trigger_distance_m=19.0))
    around = (area(-310, -310, 310, 310),)
    return plan(height_m, legs=tuple(legs), area=around, fence=around, line_spacing_m=spacing_m)


def test_overlap_on_the_terrain_is_told() -> None:
    """37 m of spacing keep 70 % on flat ground, not over a hill of 30 m; 39 m do not."""
    flat = one(check(wide(37.0), ground=ground_of(level), zones=()), "overlap")
    assert flat.level == "pass"
    assert "side overlap is at least 70.8%" in flat.message
    hill = ground_of(lambda x, y: 20 + 30 * np.exp(-((x - 20) ** 2 + y**2) / 80**2))
    risen = one(check(wide(37.0), ground=hill, zones=()), "overlap")
    assert risen.level == "warn"
    assert one(check(wide(39.0), ground=ground_of(level), zones=()), "overlap").level == "warn"


def test_without_terrain_the_height_over_take_off_is_bounded_too() -> None:
    """A plan at 125 m over take-off fails although no terrain model was given."""
    assert one(check(plan(125)), "true_height").level == "fail"


def test_transit_is_checked_like_lines() -> None:
    """A pit below the transit alone makes the plan fail, and the transit is named."""
    ground = ground_of(lambda x, y: np.where(np.hypot(x - 25, y - 25) < 8, -15.0, 20.0))
    found = one(check(plan(), ground=ground, zones=()), "true_height")
    assert (found.level, "a transit" in found.message) == ("fail", True)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 1000),
    points=st.lists(
        st.tuples(st.floats(-300, 300), st.floats(-300, 300), st.floats(80, 100)), min_size=2, max_size=4
    ),
)
def test_true_heights_are_exact_on_rough_ground(seed: int, points: list[tuple[float, float, float]]) -> None:
    """The extremes equal those of 20 000 samples of the path, on noise of one cell, and miss none."""
    rng = np.random.default_rng(seed)
    ground = ground_of(lambda x, _: rng.uniform(0, 20, x.shape), half_m=500)
    points = [(x + 0.5 * k, y, z) for k, (x, y, z) in enumerate(points)]
    row = check(plan(legs=(leg("survey", *points, line=1),)), ground=ground).sorties[0]
    most, least = [], []
    base = float(ground.at(np.zeros((1, 2)))[0])
    for start, end in pairwise(points):
        way = np.array(start) + np.linspace(0, 1, 20_001)[:, None] * (np.array(end) - start)
        over = base + way[:, 2] - ground.at(way[:, :2])
        most.append(over.max())
        least.append(over.min())
    # Between two samples, 3 cm apart at most, the steepest ground of the noise changes by 0.12 m.
    assert -0.001 <= row.most_true_height_m - max(most) <= 0.13
    assert -0.13 <= row.least_true_height_m - min(least) <= 0.001


def test_the_dip_of_a_saddle_between_samples_counts() -> None:
    """Across a saddle of four cells the ground dips by 10 m between two high centres: exact to 1 mm."""
    ground = ground_of(lambda x, y: np.where((np.abs(x) < 5) & (np.abs(y) < 5) & (x * y < 0), 10.0, 30.0))
    made = plan(legs=(leg("survey", (-31.3, -31.3, 80), (40, 40, 80), line=1),))
    row = check(made, ground=ground).sorties[0]
    takeoff = float(ground.at(np.zeros((1, 2)))[0])
    assert row.most_true_height_m == pytest.approx(takeoff + 80 - 20.0, abs=1e-3)


def test_unknown_ground_below_the_path_fails() -> None:
    """A hole of the terrain model under a line is a fail, not a guess."""
    ground = ground_of(lambda _, y: np.where(np.abs(y - 200) < 20, np.nan, 20.0))
    found = one(check(plan(), ground=ground, zones=()), "unknown_ground")
    assert found.level == "fail"
    assert "m of path" in found.message


def test_a_hill_into_the_path_fails() -> None:
    """Flying 90 m level into a hill of 70 m leaves 20 m, less than the clearance asked."""
    ground = ground_of(lambda x, y: 20 + 70.0 * (np.hypot(x - 50, y - 200) < 30))
    assert one(check(plan(), ground=ground, zones=()), "ground_clearance").level == "fail"


def test_micro_aircraft_have_a_lower_ceiling_and_large_ones_none() -> None:
    """50 m for micro, 120 m for light; medium needs an approval whatever the height."""
    ground = ground_of(level)
    micro = {"aircraft": aircraft(weight_class="micro"), "ground": ground, "zones": ()}
    assert one(check(plan(55), **micro), "true_height").level == "fail"
    assert one(check(plan(39), **micro), "true_height").level == "pass"
    medium = check(plan(60), aircraft=aircraft(weight_class="medium"), ground=ground, zones=())
    assert one(medium, "weight_class").level == "fail"


def mast(x0: float, y0: float, height_m: float) -> Any:
    """Return flat ground with one cell of a mast."""
    return lambda x, y: 20 + height_m * ((np.abs(x - x0) < 1) & (np.abs(y - y0) < 1))


@pytest.mark.parametrize(
    ("x", "height", "fails"),
    [(50.5, 61.0, True), (50.5, 59.0, False), (54.5, 61.0, True), (60.5, 61.0, False)],
)
def test_the_surface_is_cleared_beside_the_path_too(x: float, height: float, fails: bool) -> None:
    """A mast of one cell within 5 m of a line counts, 10 m away it does not; 30 m of air suffice."""
    surface = ground_of(mast(x, 220.5, height), cell_m=1.0)
    checked = check(plan(), ground=ground_of(level), surface=surface, zones=())
    assert ("surface_clearance" in codes(checked, "fail")) == fails


def test_the_straight_way_home_clears_the_surface() -> None:
    """A mast between the far ends and take-off fails the return, and raising it by the hint is enough."""
    surface = ground_of(mast(30.5, 150.5, 75.0), cell_m=1.0)
    given = {"ground": ground_of(level), "surface": surface, "zones": ()}
    found = one(check(plan(), **given), "return_clearance")
    assert found.level == "fail"
    assert "15.0 m" in found.hint
    assert one(check(plan(return_height_m=105.0), **given), "return_clearance").level == "pass"


def test_a_surface_that_ends_leaves_obstacles_unchecked_there() -> None:
    """Path beyond the surface model is counted and said to be unchecked."""
    surface = ground_of(lambda _, y: np.where(y > 200, np.nan, 20.0))
    found = one(check(plan(), ground=ground_of(level), surface=surface, zones=()), "obstacles_unchecked")
    assert "obstacles unchecked on 3" in found.message


def test_a_surface_of_another_datum_is_noticed() -> None:
    """A surface model 8 m under the terrain would hide obstacles: it fails."""
    checked = check(
        plan(), ground=ground_of(level), surface=ground_of(lambda x, _: np.full(x.shape, 12.0)), zones=()
    )
    assert one(checked, "surface_datum").level == "fail"


@pytest.mark.parametrize(
    ("place", "height", "ground", "expected"),
    [
        ((40, 150, 60, 170), 59.0, 0.0, "pass"),
        ((40, 150, 60, 170), 61.0, 0.0, "fail"),
        ((53, 150, 60, 170), 61.0, 0.0, "fail"),
        ((56, 150, 60, 170), 61.0, 0.0, "pass"),
        ((40, 150, 60, 170), 56.0, 5.0, "fail"),
    ],
)
def test_obstacle_zones_are_cleared(
    place: tuple[float, float, float, float], height: float, ground: float, expected: str
) -> None:
    """Top of the obstacle plus 30 m, within 5 m of it, its foot on the ground that is there."""
    foot = ground_of(lambda x, y: 20 + ground * (np.hypot(x - 50, y - 160) < 15))
    zones = (zone("obstacle", *place, height_agl_m=height, name="chimney"),)
    checked = check(plan(return_height_m=200.0), ground=foot, zones=zones)
    found = one(checked, "obstacle_clearance")
    assert found.level == expected
    assert expected == "pass" or "chimney" in found.message
    assert "obstacles_unchecked" not in codes(checked, "warn")


def test_obstacles_without_terrain_are_said_to_be_level_with_take_off() -> None:
    """The message says what the height of an obstacle's foot was taken to be."""
    checked = check(plan(), zones=(zone("obstacle", 40, 150, 60, 170, height_agl_m=70.0),))
    assert "level with the take-off point" in one(checked, "obstacle_clearance").message


def test_an_obstacle_of_unknown_height_may_not_be_passed_over() -> None:
    """Under a line it fails; under a way home only it is a warning; elsewhere it is nothing."""
    assert one(check(plan(), zones=(zone("obstacle", 40, 150, 60, 170),)), "obstacle_height").level == "fail"
    under_home = check(plan(), zones=(zone("obstacle", 25, 140, 35, 150),))
    assert one(under_home, "obstacle_height_return").level == "warn"
    assert "obstacle_height" not in codes(check(plan(), zones=(zone("obstacle", 300, 0, 310, 9),)), "fail")


def test_a_path_in_a_no_fly_zone_fails_and_names_the_line() -> None:
    """20 m of line 1 inside a zone are measured and named; touching its edge is no entry."""
    found = one(check(plan(), zones=(zone("no_fly", 40, 150, 70, 170),)), "no_fly")
    assert (found.level, "20.00 m" in found.message, "line 1" in found.message) == ("fail", True, True)
    assert one(check(plan(no_fly=(area(40, 150, 70, 170),))), "no_fly").level == "fail"
    assert one(check(plan(), zones=(zone("no_fly", 50, 150, 70, 170),)), "no_fly").level == "pass"


def test_a_path_outside_the_fence_fails() -> None:
    """The fence of the plan and fence zones both bind; transits count."""
    assert one(check(plan()), "fence").level == "pass"
    assert one(check(plan(fence=(area(-20, -20, 80, 420),))), "fence").level == "fail"
    assert one(check(plan(), zones=(zone("fence", 10, 10, 200, 420),)), "fence").level == "fail"


def test_a_way_home_over_a_no_fly_zone_is_warned_until_a_rally_point_is_near() -> None:
    """The straight way home across a zone names the line; a rally point beside the lines takes it away."""
    block = (area(10, 150, 40, 200),)
    found = one(check(plan(no_fly=block)), "no_fly_return")
    assert (found.level, "line" in found.message, "rally" in found.hint) == ("warn", True, True)
    relieved = check(plan(no_fly=block, rally=(at(70, 250), at(70, 100))))
    assert "no_fly_return" not in codes(relieved, "warn")


@pytest.mark.parametrize(
    ("floor", "approval", "level_"),
    [(None, None, "fail"), (95.0, None, "pass"), (80.0, None, "fail"), (80.0, "K-3", "pass")],
)
def test_controlled_zones_need_an_approval_from_their_floor(
    floor: float | None, approval: str | None, level_: str
) -> None:
    """At 90 m: a floor of 95 m is above, one of 80 m binds, an approval is named."""
    zones = (zone("controlled", 40, 150, 60, 170, floor_agl_m=floor, approval=approval, name="port"),)
    for ground in (None, ground_of(level)):
        found = one(check(plan(), zones=zones, ground=ground), "controlled")
        assert found.level == level_
        assert not approval or approval in found.message


def test_a_controlled_floor_counts_true_height() -> None:
    """Over a ditch inside the zone the true height reaches the floor, beside it would not."""
    zones = (zone("controlled", 40, 190, 60, 215, floor_agl_m=99.0),)
    assert one(check(plan(), zones=zones, ground=ground_of(ditch(10))), "controlled").level == "fail"
    assert one(check(plan(), zones=zones, ground=ground_of(level)), "controlled").level == "pass"


def test_photographs_of_a_sensitive_zone_are_warned() -> None:
    """A zone within the picture's reach of a line is named, one far off is not."""
    near = check(plan(), zones=(zone("sensitive", 160, 100, 180, 120, name="school"),))
    assert "school" in one(near, "sensitive").message
    assert "sensitive" not in codes(check(plan(), zones=(zone("sensitive", 400, 100, 420, 120),)), "warn")


@pytest.mark.parametrize(
    ("changes", "given", "code", "expected"),
    [
        ({"speed_m_s": 28.5}, {}, "trigger_interval", None),
        ({"speed_m_s": 28.6}, {}, "trigger_interval", "fail"),
        ({"battery_share": 0.8}, {}, "endurance", "pass"),
        ({"battery_share": 0.81}, {}, "endurance", "fail"),
        ({"parameters": {"wind": Wind(speed_m_s=10.5, from_deg=0)}}, {}, "wind", "fail"),
        ({"parameters": {"wind": Wind(speed_m_s=9.5, from_deg=0)}}, {}, "wind", None),
        ({"fence": (area(-20, -20, 200, 420).buffer(1e-5, quad_segs=20),)}, {}, "fence_vertices", "warn"),
        (
            {"fence": (area(-20, -20, 200, 420).buffer(1e-5, quad_segs=20),)},
            {"aircraft": aircraft(autopilot="dji")},
            "fence_vertices",
            None,
        ),
    ],
)
def test_limits_of_camera_battery_wind_and_storage(
    changes: dict[str, Any], given: dict[str, Any], code: str, expected: str | None
) -> None:
    """Each limit holds on its good side and is found on its bad one."""
    found = [f.level for f in check(plan(**changes), **given).findings if f.code == code]
    assert found == ([expected] if expected else [])


def test_too_many_items_for_the_autopilot_are_warned() -> None:
    """A line of 700 corners is more than ArduPilot stores; 600 are not."""

    def corners(count: int) -> Checked:
        points = [(50.0, 50 + 300 * k / count, 90.0) for k in range(count)]
        return check(plan(legs=(leg("survey", *points, line=1),)))

    assert "item_count" in codes(corners(700), "warn")
    assert "item_count" not in codes(corners(600), "warn")


def test_models_of_two_frames_and_empty_plans_are_refused() -> None:
    """Ground and surface of two frames do not mix; a plan without sorties is not checked."""
    other = ground_of(level, crs=geo.local_frame(geo.LonLat(lon_deg=114.0, lat_deg=22.8)))
    with pytest.raises(CrsError):
        check(plan(), ground=ground_of(level), surface=other)
    with pytest.raises(InputError):
        check(plan(sorties=()))


def test_a_plan_of_another_terrain_is_noticed() -> None:
    """A take-off height that the terrain model does not have is warned of."""
    found = one(check(plan(takeoff_amsl_m=31.0), ground=ground_of(level), zones=()), "takeoff_height")
    assert "11.0 m" in found.message


def test_checks_of_a_plan_without_models_take_milliseconds() -> None:
    """40 lines with zones are checked in 15 ms on a free core; 150 ms here, whatever else runs."""
    legs = []
    for k in range(40):
        y = (50.0, 350.0) if k % 2 == 0 else (350.0, 50.0)
        legs.append(leg("survey", (40 * k, y[0], 90), (40 * k, y[1], 90), line=k + 1))
        legs.append(leg("turn", (40 * k, y[1], 90), (40 * k + 40, y[1], 90)))
    made = plan(legs=tuple(legs), fence=(area(-100, -100, 2000, 500),), no_fly=(area(-50, 100, -20, 200),))
    zones = tuple(zone("obstacle", 50 * k, 150, 50 * k + 9, 160, height_agl_m=20.0) for k in range(30))
    check(made, zones=zones)
    start = time.perf_counter()
    check(made, zones=zones)
    assert time.perf_counter() - start < 0.15


SHANGHAI_NOON = datetime(2026, 11, 30, 4, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "expected"),
    [(datetime(2026, 11, 30, 3, 59, 59, tzinfo=UTC), "pass"), (SHANGHAI_NOON, "fail")],
)
def test_applications_close_at_noon_in_china_on_the_day_before(now: datetime, expected: str) -> None:
    """For 1 December the last second is 11:59:59 on 30 November, UTC+8."""
    assert check_deadline(date(2026, 12, 1), now).level == expected


def test_the_filing_sheet_holds_what_the_application_asks() -> None:
    """Class, corners, take-off, true height, day and deadline are on the sheet; "legal" is not."""
    checked = check(plan(), ground=ground_of(ditch(10)), zones=())
    filing = filing_of(plan(), aircraft(), checked, date(2026, 12, 1))
    assert (filing.height_over, round(filing.highest_m, 1)) == ("ground", 100.0)
    sheet = filing_sheet(filing)
    for words in (
        "小型 small",
        "100.0 m",
        "2026-12-01",
        "2026-11-30 12:00",
        "E 113.800000",
        "uom.caac.gov.cn",
    ):
        assert words in sheet
    assert "113°48′00.0″" in sheet
    assert "legal" not in sheet.lower()
    assert "合法" not in sheet
    assert len(filing.airspace[0]) == 4
    assert "terrain unchecked" in filing_sheet(filing_of(plan(), aircraft(), check(plan()), None))


@pytest.fixture
def profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the step find the test's aircraft, camera and zones."""
    fake = types.ModuleType("aerial.plan.profiles")

    def read_aircraft(_: str) -> Aircraft:
        return aircraft()

    def read_camera(_: str) -> CameraProfile:
        return CAMERA

    def flight_zones(_: Path) -> tuple[Zone, ...]:
        return (zone("no_fly", 40, 150, 70, 170),)

    fake.read_aircraft, fake.read_camera = read_aircraft, read_camera  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "aerial.plan.profiles", fake)
    monkeypatch.setattr(areas, "flight_zones", flight_zones, raising=False)


@pytest.mark.usefixtures("profiles")
def test_the_command_writes_and_exits_by_what_it_finds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fine: 0, checks.json and filing.md; with a zone across a line: 1, and JSON on stdout."""
    from aerial_cli.main import run

    write_json(tmp_path / "plan.json", plan())
    dem = write_model(tmp_path / "dem.tif", level)
    arguments = [str(tmp_path), "--dem", str(dem), "--dsm", str(dem)]
    assert run(["plan", "check", *arguments]) == 0
    out = capsys.readouterr().out
    assert "true_height" in out
    assert "90.0-90.0" in out
    assert read_json(tmp_path / "checks.json")["sorties"][0]["sortie"] == 1
    assert "飞行活动申请" in (tmp_path / "filing.md").read_text(encoding="utf-8")
    zones = tmp_path / "zones.geojson"
    zones.write_text("{}")
    late = [str(tmp_path), "--zones", str(zones), "--fly-on", "2020-01-02", "--json"]
    assert run(["plan", "check", *late]) == 1

    failed = {f["code"] for f in json.loads(capsys.readouterr().out)["findings"] if f["level"] == "fail"}
    assert failed == {"no_fly", "filing_deadline"}


def test_what_was_checked_survives_json() -> None:
    """The result is plain JSON: no number is NaN, no field is lost."""
    checked = check(plan(), ground=ground_of(level), zones=())
    plain = to_plain(checked)
    assert set(plain["sorties"][0]) == {field.name for field in dataclasses.fields(checked.sorties[0])}
    assert len(plain["findings"]) == len(checked.findings)
