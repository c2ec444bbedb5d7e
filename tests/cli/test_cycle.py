"""``aerial cycle`` in a town's folder."""

import json
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import Polygon, box

from aerial.areas import Feature, write_features
from aerial.codec import read_record, write_json
from aerial.geo import LonLat
from aerial.records import Cycle, Parameters, Plan, Sortie, Survey, Totals
from aerial.steps.init import init_town
from aerial.workspace import Town, record_survey
from aerial_cli.main import run

CREWS = """
[[crews]]
name = "north"
aircraft = "m3e"
home = { lon_deg = 113.81, lat_deg = 22.83 }
work_start = "08:30"
work_end = "10:30"
off = [2030-03-05]
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A planned town of eight cells, the cycle from Monday 2030-03-04."""
    root = tmp_path_factory.mktemp("cycle")
    outlines = [box(113.80 + 0.005 * n, 22.80, 113.804 + 0.005 * n, 22.804) for n in range(8)]
    write_features(
        root / "cells.geojson",
        [
            Feature(outline=outline, properties={"id": f"C{n}", "community": "霄边"})
            for n, outline in enumerate(outlines)
        ],
    )
    write_features(root / "area.geojson", [Feature(outline=box(113.79, 22.79, 113.85, 22.81), properties={})])
    write_features(
        root / "zones.geojson",
        [Feature(outline=outlines[2].centroid.buffer(1e-4), properties={"kind": "controlled"})],
    )
    town = init_town(root / "town", root / "area.geojson", root / "cells.geojson", [root / "zones.geojson"])
    town.crews_file.write_text(CREWS, encoding="utf-8")
    for n, outline in enumerate(outlines):
        write_json(town.plan_file(f"C{n}"), flight(f"C{n}", outline))
    assert run(["-C", str(town.root), "cycle", "plan", "--start", "2030-03-04", "--seconds", "1"]) == 0
    return town.root


@pytest.fixture
def town(made: Path, tmp_path: Path) -> Town:
    """A copy of the planned town."""
    shutil.copytree(made, tmp_path / "town")
    return Town(root=tmp_path / "town")


def flight(cell: str, outline: Polygon) -> Plan:
    """A plan of two sorties of eight minutes each."""
    sorties = tuple(
        Sortie(
            number=number,
            takeoff=LonLat(lon_deg=outline.centroid.x, lat_deg=outline.centroid.y),
            takeoff_amsl_m=None,
            legs=(),
            speed_m_s=8.0,
            transit_speed_m_s=10.0,
            pitch_deg=-90.0,
            return_height_m=100.0,
            photos=100,
            length_m=3000.0,
            duration_s=480.0,
            energy_wh=60.0,
            battery_share=0.6,
        )
        for number in (1, 2)
    )
    return Plan(
        cell=cell,
        aircraft="m3e",
        camera="m3e",
        parameters=Parameters(height_agl_m=100, gsd_m=0.03, overlap_front=0.8, overlap_side=0.7),
        line_spacing_m=40,
        trigger_distance_m=20,
        direction_deg=0,
        area=(outline,),
        fence=(),
        no_fly=(),
        rally=(),
        sorties=sorties,
        totals=Totals(
            area_m2=1,
            covered_share=1,
            lines=1,
            sorties=2,
            photos=200,
            survey_m=1,
            turn_m=1,
            transit_m=1,
            duration_s=960,
        ),
        findings=(),
        inputs={},
    )


def call(town: Town, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any, str]:
    """Run a command with --json; return its code, its data and its talk."""
    capsys.readouterr()
    code = run(["-C", str(town.root), "cycle", *words, "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else None, said.err


def surveyed(town: Town, cell: str, day: str) -> None:
    """A survey as an import leaves it."""
    moment = datetime.fromisoformat(f"{day}T09:00:00+08:00")
    record_survey(town, Survey(cell=cell, survey=f"{day}-1", started_at=moment, photos=(), mosaic=None))


def test_a_plan_takes_its_time_from_the_flight_plans_and_is_written_for_the_crew(town: Town) -> None:
    """Two sorties, one change of battery, one set-up: 16 + 3 + 6 minutes; sheet and table say it."""
    folder = town.root / "cycles" / "2030-03-04"
    cycle = read_record(Cycle, folder / "cycle.json")
    visits = [visit for shift in cycle.shifts for visit in shift.visits]
    assert sorted(visit.cell for visit in visits) == [f"C{n}" for n in range(8)]
    assert {visit.service_s for visit in visits} == {25 * 60}
    assert not any(str(shift.day) == "2030-03-05" for shift in cycle.shifts)
    filed = {visit.cell for visit in visits if visit.file_before}
    assert filed == {"C2"}
    sheet = (folder / "north.md").read_text(encoding="utf-8")
    table = (folder / "north.csv").read_text(encoding="utf-8-sig").splitlines()
    assert len(table) == 9
    for visit in visits:
        assert f"| {visit.cell} | 霄边 | 113.8" in sheet
        assert any(
            f",{visit.cell},霄边,113.8" in line and visit.start_at.isoformat() in line for line in table
        )


def test_status_follows_the_surveys_and_strict_tells_a_miss(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is on disk is done; what was planned and is not there is missed, until it is planned again."""
    cycle = read_record(Cycle, town.root / "cycles" / "2030-03-04" / "cycle.json")
    first = [visit.cell for visit in cycle.shifts[0].visits]
    for cell in first[1:]:
        surveyed(town, cell, "2030-03-04")
    code, rows, said = call(town, capsys, "status", "--on", "2030-03-05", "--strict")
    states = {row["cell"]: row["state"] for row in rows}
    assert (code, states.pop(first[0])) == (1, "missed")
    assert {cell for cell, state in states.items() if state == "done"} == set(first[1:])
    assert f"Cell {first[0]} is missed" in said
    code, moved, _ = call(town, capsys, "replan", "--on", "2030-03-05")
    assert (code, [move["cell"] for move in moved]) == (0, first[:1])
    code, rows, _ = call(town, capsys, "status", "--on", "2030-03-05", "--strict")
    assert code == 0
    assert {row["state"] for row in rows} == {"done", "planned"}


def test_events_are_kept_for_the_next_replan(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """Rain told on Monday still keeps everyone at home after a failure on Wednesday."""
    code, moved, _ = call(town, capsys, "replan", "--on", "2030-03-04T07:00", "--rain", "2030-03-06")
    assert code == 0
    day = max(move["to_day"] for move in moved) if moved else "2030-03-07"
    assert day > "2030-03-06"
    code, _, _ = call(town, capsys, "replan", "--on", "2030-03-05T07:00", "--crew-off", "north:2030-03-07")
    assert code == 0
    cycle = read_record(Cycle, town.root / "cycles" / "2030-03-04" / "cycle.json")
    assert not {str(shift.day) for shift in cycle.shifts} & {"2030-03-06", "2030-03-07"}
    lines = (town.root / "cycles" / "2030-03-04" / "events.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["kind"] for line in lines] == ["rain", "crew_off"]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("plan", "--start", "2030-03-10"), 1, "overlaps with the one from 2030-03-04"),
        (("plan", "--start", "2020-03-10"), 1, "ended on 2020-03-23"),
        (("plan", "--start", "tomorrow"), 2, "tomorrow"),
        (("status", "--on", "2029-01-01"), 1, "No cycle that begins by 2029-01-01"),
        (("replan", "--on", "2030-03-05", "--failed", "X"), 1, "No flight of cell X"),
        (("replan", "--on", "2030-03-05", "--crew-off", "north"), 2, "not NAME:DATE"),
        (("replan", "--on", "2030-03-05", "--crew-off", "east:2030-03-06"), 1, "No crew is called east"),
        (("replan", "--on", "2030-03-05", "--rain", "2031-01-01"), 1, "not in the cycle"),
    ],
)
def test_what_cannot_be_is_refused_with_a_hint(
    town: Town, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, message: str
) -> None:
    """And the schedule stays as it was."""
    before = (town.root / "cycles" / "2030-03-04" / "cycle.json").read_bytes()
    got, _, said = call(town, capsys, *words)
    assert got == code
    assert message in said
    assert ("Hint:" in said) == (code == 1)
    assert (town.root / "cycles" / "2030-03-04" / "cycle.json").read_bytes() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "crews is missing"),
        ("crews = []", "names no crew"),
        (CREWS.replace("home", "base"), "unknown keys base"),
        (CREWS.replace("home = { lon_deg = 113.81, lat_deg = 22.83 }\n", ""), "home is missing"),
        (CREWS.replace("08:30", "8:30"), "is not a time"),
        (CREWS + 'days_off = ["Sunday"]', "is not a weekday"),
        (CREWS.replace("north", "北"), "is called"),
        ("road_km_h = 0\n" + CREWS, "road_km_h = 0.0 is not possible"),
        ("schema = 2\n" + CREWS, "schema 2"),
        ("= 3", "is not TOML"),
    ],
)
def test_a_mistake_in_the_crews_file_is_named(
    town: Town, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    """No key is guessed and no crew is dropped."""
    town.crews_file.write_text(text, encoding="utf-8")
    code, _, said = call(town, capsys, "status", "--on", "2030-03-05")
    assert code == 1
    assert message in said
    assert "Hint:" in said


def test_cells_without_a_plan_need_a_time(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """Refused, unless the minutes are given; a re-plan goes on with them."""
    shutil.rmtree(town.root / "plans" / "C3")
    shutil.rmtree(town.root / "cycles")
    code, _, said = call(town, capsys, "plan", "--start", "2030-03-04", "--seconds", "1")
    assert code == 1
    assert "C3" in said
    assert "aerial plan flight" in said
    words = ("plan", "--start", "2030-03-04", "--seconds", "1", "--minutes-per-cell", "30")
    code, cycle, _ = call(town, capsys, *words)
    times = {visit["cell"]: visit["service_s"] for shift in cycle["shifts"] for visit in shift["visits"]}
    assert (code, times["C3"], times["C4"]) == (0, 36 * 60, 25 * 60)
    assert call(town, capsys, "status", "--on", "2030-03-04")[0] == 0
