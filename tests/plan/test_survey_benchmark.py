"""The audit, the bounds and the peers of ``benchmarks.survey`` judge rightly: its claims rest on them."""

import math
import sys
from pathlib import Path
from random import Random

import pytest
from shapely.affinity import rotate
from shapely.geometry import Point, Polygon, box

from aerial.codec import write_json
from benchmarks import cells_501, survey
from benchmarks.flight_lines import equal, polygons, rules
from benchmarks.flight_lines.audit import Audit, Leg, audit, default_fence
from benchmarks.flight_lines.bounds import area_bound_m, minimum_width_m, one_direction_bound_m

SQUARE = box(0, 0, 100, 100)
U_SHAPE = Polygon([(0, 0), (100, 0), (100, 100), (70, 100), (70, 40), (30, 40), (30, 100), (0, 100)])
S = 20.0


def rows(*ys: float) -> list[Leg]:
    """Lines from side to side of the square, to and fro."""
    legs: list[Leg] = []
    for number, y in enumerate(ys):
        ends = ((0.0, y), (100.0, y)) if number % 2 == 0 else ((100.0, y), (0.0, y))
        if legs:
            legs.append(Leg("turn", (legs[-1].xy[-1], ends[0])))
        legs.append(Leg("survey", ends))
    return legs


def judged(legs: list[Leg], area: Polygon = SQUARE, **given: object) -> Audit:
    """Audit at 20 m lines and 10 m between photographs."""
    return audit(legs, area, spacing_m=S, trigger_m=10.0, **given)  # type: ignore[arg-type]


def test_a_missing_line_is_the_share_that_only_it_would_have_covered() -> None:
    """Four of five lines leave a fifth of the square uncovered; five leave nothing."""
    assert judged(rows(10, 30, 50, 70)).uncovered == pytest.approx(0.2, abs=1e-9)
    assert judged(rows(10, 30, 50, 70, 90)).uncovered == pytest.approx(0, abs=1e-12)


def test_a_turn_covers_nothing() -> None:
    """Only survey legs cover: the same path with one line flown as a turn loses that line's fifth."""
    legs = rows(10, 30, 50, 70, 90)
    legs[4] = Leg("turn", legs[4].xy)
    assert judged(legs).uncovered == pytest.approx(0.2, abs=2e-3)
    assert not judged(legs).covers


def test_round_ends_are_told_too_small_by_no_more_than_the_tolerance() -> None:
    """One short line covers a rectangle and a disc; the audit errs to the strict side by what it says."""
    found = judged([Leg("survey", ((40.0, 50.0), (60.0, 50.0)))])
    true = 1 - (20 * S + math.pi * S**2 / 4) / SQUARE.area
    assert true <= found.uncovered <= true + found.tolerance + 1e-12
    assert found.tolerance < 1e-5


def test_no_fly_zones_leave_the_area_first() -> None:
    """What a zone covers need not be surveyed: without the last line, a zone on its strip makes it whole."""
    assert judged(rows(10, 30, 50, 70), no_fly=box(-5, 80, 105, 105)).uncovered < 1e-12


def test_metres_in_a_zone_count_every_kind_of_leg_each_time() -> None:
    """A transit through 30 m of a zone and back is 60 m, though the line on the map is one."""
    there = Leg("transit", ((0.0, 50.0), (100.0, 50.0)))
    back = Leg("transit", ((100.0, 50.0), (0.0, 50.0)))
    assert judged([there, back], no_fly=box(35, 20, 65, 80)).zone_m == pytest.approx(60, abs=0.01)


def test_a_path_may_touch_a_zone_but_not_enter_it() -> None:
    """Along the border is 0 m; one centimetre inside is the whole length."""
    zone = box(0, 50, 100, 80)
    assert judged([Leg("transit", ((0.0, 50.0), (100.0, 50.0)))], no_fly=zone).zone_m == 0
    inside = judged([Leg("transit", ((10.0, 50.01), (90.0, 50.01)))], no_fly=zone)
    assert inside.zone_m == pytest.approx(80, abs=0.01)


def test_the_fence_is_the_area_grown_by_one_spacing_where_none_is_given() -> None:
    """A line that runs on for 25 m leaves by 5 m; in a wider fence it does not."""
    legs = [Leg("survey", ((0.0, 50.0), (125.0, 50.0)))]
    assert judged(legs).outside_m == pytest.approx(5, abs=0.01)
    assert judged(legs, fence=SQUARE.buffer(30)).outside_m == 0


def test_a_wide_hole_lies_outside_the_fence_and_a_narrow_one_does_not() -> None:
    """The fence grows into holes by one spacing: across a hole 60 m wide, 20 m are outside."""
    wide = box(0, 0, 200, 200).difference(box(70, 70, 130, 130))
    narrow = box(0, 0, 200, 200).difference(box(85, 85, 115, 115))
    across = [Leg("survey", ((0.0, 100.0), (200.0, 100.0)))]
    assert judged(across, wide).outside_m == pytest.approx(20, abs=0.01)
    assert judged(across, narrow).outside_m == 0


def test_lengths_photos_turns_and_gaps_are_counted() -> None:
    """Two lines of 100 m at 10 m take 11 photographs each; legs that do not join are told in metres."""
    found = judged([Leg("transit", ((0.0, 0.0), (0.0, 10.0))), *rows(10, 30)])
    assert (found.survey_m, found.turn_m, found.transit_m) == (200, 20, 10)
    assert (found.photos, found.turns, found.gaps_m, found.length_m) == (22, 1, 0, 220)
    assert judged([rows(10)[0], Leg("turn", ((103.0, 14.0), (103.0, 30.0)))]).gaps_m == pytest.approx(5)


def test_the_bounds_of_a_turned_rectangle() -> None:
    """B1 and B2 by hand for 300 x 100 m; turning it changes neither."""
    area = rotate(box(0, 0, 300, 100), 33)
    assert minimum_width_m(area) == pytest.approx(100)
    assert area_bound_m(area, S) == pytest.approx((30_000 - math.pi * 100) / 20)
    assert one_direction_bound_m(area, S) == pytest.approx(1500 + 80)


def test_a_path_that_covers_is_no_shorter_than_the_area_bound() -> None:
    """On seeded cells no peer at equal coverage comes under B1."""
    rng = Random(5)
    for _ in range(4):
        case = polygons.Case("cell", "cells", polygons.cell(rng), 45.0)
        reached = equal.at_equal_coverage(case, [rules.mission_planner])
        assert reached is not None
        assert reached.audit.covers
        assert reached.audit.length_m >= area_bound_m(case.area, case.spacing_m)


def test_qgroundcontrols_rule_flies_across_a_bay_and_mission_planners_does_not() -> None:
    """Over the arms of a U the one has a line of 100 m a row, the other two of 30 m."""
    across = [leg.length_m for leg in rules.qgroundcontrol(U_SHAPE, S) if leg.kind == "survey"]
    clipped = [leg.length_m for leg in rules.mission_planner(U_SHAPE, S) if leg.kind == "survey"]
    assert across == pytest.approx([100] * 5)
    assert sorted(clipped) == pytest.approx([30] * 6 + [100] * 2)


def test_the_rules_of_the_peers_reproduce_what_was_measured_of_them() -> None:
    """On near-square cells at 35 m: about 1.145 of B1 at 0 degrees, 1.08 along the longest side."""
    rng = Random("501")
    sums = {"QGroundControl": 0.0, "Mission Planner": 0.0, "missed": 0.0}
    for _ in range(60):
        case = polygons.Case("cell", "cells", polygons.cell(rng), 35.0)
        bound = area_bound_m(case.area, case.spacing_m)
        plain = equal.judge(case, rules.qgroundcontrol(case.area, case.spacing_m))
        longest = equal.judge(case, rules.mission_planner(case.area, case.spacing_m))
        sums["QGroundControl"] += math.log(plain.length_m / bound) / 60
        sums["Mission Planner"] += math.log(longest.length_m / bound) / 60
        sums["missed"] += plain.uncovered / 60
    assert math.exp(sums["QGroundControl"]) == pytest.approx(1.145, abs=0.015)
    assert math.exp(sums["Mission Planner"]) == pytest.approx(1.08, abs=0.015)
    assert sums["missed"] == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize("seeds", [polygons.DEVELOPMENT_SEEDS, polygons.REPORT_SEEDS])
def test_the_cases_are_what_the_claim_says(seeds: tuple[int, ...]) -> None:
    """Sixty and more, flyable, all sets, 15 holes, 15 convex of 20 lines, one cut in two; repeatable."""
    made = polygons.cases(seeds)
    assert len(made) >= 60
    assert {case.group for case in made} == set(polygons.SETS)
    assert all(case.area.is_valid and polygons.can_be_flown(case) for case in made)
    assert sum(case.group == "convex" and case.many_lines for case in made) >= 15
    assert max(len(case.area.interiors) for case in made) == 15
    assert any(case.ground.geom_type == "MultiPolygon" for case in made if case.name.endswith("two"))
    assert all(case.inside.covers(Point(case.takeoff)) for case in made)
    assert all(case.no_fly is None or not case.no_fly.intersects(Point(case.takeoff)) for case in made)
    assert made == polygons.cases(seeds)


def test_seeds_of_the_report_are_not_those_of_development() -> None:
    """Nothing reported was looked at while the planner was made."""
    assert not set(polygons.DEVELOPMENT_SEEDS) & set(polygons.REPORT_SEEDS)


def test_a_plan_in_degrees_is_audited_as_the_same_lines_in_metres(tmp_path: Path) -> None:
    """Lines written as GeoJSON of a town of cells give the figures that they give in the flat frame."""
    made = cells_501.make_town(tmp_path, 1, 9)
    lines = {name: rules.mission_planner(case.area, case.spacing_m) for name, case in made.items()}
    for name, legs in lines.items():
        folder = tmp_path / "town" / "plans" / name
        folder.mkdir(parents=True)
        write_json(folder / "lines.geojson", {"type": "FeatureCollection", "features": _as_features(legs)})
    audits, errors = cells_501.audit_town(tmp_path / "town", list(made))
    assert not errors
    assert any(case.no_fly is not None for case in made.values())
    for name, case in made.items():
        flat = equal.judge(case, lines[name])
        assert audits[name].uncovered == pytest.approx(flat.uncovered, abs=1e-5)
        assert audits[name].zone_m == pytest.approx(flat.zone_m, abs=0.05)
        assert audits[name].length_m == pytest.approx(flat.length_m, rel=1e-5)


def _as_features(legs: list[Leg]) -> list[dict[str, object]]:
    given = {"sortie": 1, "line_spacing_m": cells_501.SPACING_M, "trigger_distance_m": 17.0}
    return [
        {
            "type": "Feature",
            "properties": {"kind": leg.kind, "seq": seq, **given},
            "geometry": {
                "type": "LineString",
                "coordinates": [[*cells_501.lonlat(at), 100] for at in leg.xy],
            },
        }
        for seq, leg in enumerate(legs)
    ]


def test_a_python_without_the_peers_package_is_said_to_have_none() -> None:
    """The table says "not installed" and why; nothing of the package is imported or made up."""
    python, told = survey._package(Path(sys.executable))
    assert python is None
    assert "not installed" in told
    assert "No module named 'drone_flightplan'" in told
    assert survey._package(None)[1].startswith("drone-flightplan: not installed")
    assert survey.HOTOSM not in survey.peers(polygons.Case("c", "cells", SQUARE, S), python)


def test_our_own_shortfalls_are_named_and_fail_the_run() -> None:
    """A plan that misses ground and enters a zone is told by both, and a peer that is shorter by name."""
    bad = judged([*rows(10, 30, 50, 70)], no_fly=box(40, 0, 60, 20), fence=default_fence(SQUARE, S))
    case = polygons.Case("cells-1-0", "cells", SQUARE, S, box(40, 0, 60, 20))
    good = judged(rows(10, 30, 50, 70, 90))
    longer = audit([*rows(10, 30, 50, 70, 90)] * 2, SQUARE, spacing_m=S, trigger_m=10)
    results = [
        survey.Result(case.name, survey.OURS, bad, equal.Equal("", longer)),
        survey.Result(case.name, "peer", good, equal.Equal("", good)),
    ]
    told = survey.shortfalls(results, survey.summarise([case], results))
    assert told == [
        "cells-1-0: 20.833% uncovered",
        "cells-1-0: 19.998 m in a zone",
        "cells: peer is ahead at equal coverage, 0.500 of our length",
    ]
    raised = [survey.Result(case.name, survey.OURS, error="PlanError: no way"), results[1]]
    assert survey.shortfalls(raised, survey.summarise([case], raised)) == ["cells-1-0: PlanError: no way"]
