"""Planning as a step: what it leaves, what it skips, and what it refuses to read again."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import box
from tests.steps.made import ORIGIN, make_town

from aerial.errors import InputError
from aerial.progress import SILENT
from aerial.steps.plan_check import check_folder
from aerial.steps.plan_export import export_plan_file
from aerial.steps.plan_flight import Outcome, Request, plan_file, plan_town, request
from aerial.workspace import Town

NOW = datetime(2026, 11, 28, tzinfo=UTC)


def asked(height_agl_m: float = 100) -> Request:
    """Return a request for a flight without a picture, coarse so that it is quick."""
    return request(
        aircraft=None,
        camera=None,
        gsd_m=None,
        height_agl_m=height_agl_m,
        overlap=(0.6, 0.5),
        picture=False,
    )


def planned(town: Town, *cells: str, height_agl_m: float = 100, workers: int = 1) -> list[Outcome]:
    """Plan cells of a town (all without names)."""
    return list(plan_town(town, cells, asked(height_agl_m), workers=workers, progress=SILENT))


def zone(path: Path, kind: str, lon: float, lat: float, side: float = 0.001) -> Path:
    """Write a square zone with its lower left corner at lon, lat."""
    corner = box(lon, lat, lon + side, lat + side)
    path.write_text(
        json.dumps(
            {
                "type": "FeatureCollection",
                "features": [
                    {"type": "Feature", "properties": {"kind": kind}, "geometry": corner.__geo_interface__}
                ],
            }
        ),
        "utf-8",
    )
    return path


def square(path: Path, side: float = 0.003) -> Path:
    """Write a square area at the origin of the made town."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(box(ORIGIN[0], ORIGIN[1], ORIGIN[0] + side, ORIGIN[1] + side).__geo_interface__),
        "utf-8",
    )
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_workers_write_every_file_that_one_writes(tmp_path: Path) -> None:
    """The number of workers changes no byte of any file of a plan."""
    names = ("A1", "A2")
    one, two = make_town(tmp_path / "one", *names), make_town(tmp_path / "two", *names)
    planned(one, workers=1)
    planned(two, workers=2)
    assert files(one.root / "plans") == files(two.root / "plans")
    assert "A2/A2-s1.kmz" in files(one.root / "plans")


def test_a_changed_zone_plans_again_around_it(tmp_path: Path) -> None:
    """A zone that is added is flown around by the next run; an unchanged town is left as it is."""
    town = make_town(tmp_path / "town")
    assert [outcome.done for outcome in planned(town)] == [True]
    assert [outcome.done for outcome in planned(town)] == [False]
    (town.root / "zones").mkdir(exist_ok=True)
    zone(town.root / "zones" / "school.geojson", "no_fly", ORIGIN[0] + 0.003, ORIGIN[1] + 0.003)
    (again,) = planned(town)
    assert again.done
    assert again.plan is not None
    assert len(again.plan.no_fly) == 1


def test_a_mission_file_that_was_lost_is_written_again(tmp_path: Path) -> None:
    """What the aircraft reads is a part of the plan: without it the cell does not count as planned."""
    town = make_town(tmp_path / "town")
    planned(town)
    mission = town.plan_folder("A1") / "A1-s1.kmz"
    before = mission.read_bytes()
    mission.unlink()
    assert [outcome.done for outcome in planned(town)] == [True]
    assert mission.read_bytes() == before


def test_a_town_that_refuses_a_height_keeps_its_plans(tmp_path: Path) -> None:
    """A refusal after a plan leaves every file of that plan to the byte, and names each cell."""
    town = make_town(tmp_path / "town", "A1", "A2")
    planned(town)
    before = files(town.root)
    refused = planned(town, height_agl_m=130)
    assert [(one.cell, one.plan, bool(one.hint)) for one in refused] == [
        ("A1", None, True),
        ("A2", None, True),
    ]
    assert files(town.root) == before


def test_an_input_in_the_folder_of_the_plan_is_not_overwritten(tmp_path: Path) -> None:
    """An area that is called as one of the plan's files is refused where it would be lost."""
    for name in ("lines.geojson", "plan.json"):
        area = square(tmp_path / "out" / name)
        before = area.read_bytes()
        with pytest.raises(InputError, match="would be overwritten"):
            plan_file(area, tmp_path / "out", asked())
        assert area.read_bytes() == before
        area.unlink()


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a good plan."""
    folder = tmp_path_factory.mktemp("plan")
    plan_file(square(folder / "area.geojson"), folder / "out", asked())
    return folder / "out"


def _points(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [point for leg in plan["sorties"][0]["legs"] for point in leg["path"]]


BROKEN: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "schema": (lambda p: p.update(schema=9), "schema 9"),
    "no sorties": (lambda p: p.update(sorties=[]), "no sorties"),
    "no area": (lambda p: p.update(area=[]), "no area"),
    "no legs": (lambda p: p["sorties"][0].update(legs=[]), "no leg"),
    "one point": (lambda p: p["sorties"][0]["legs"][0]["path"].pop(), "two points"),
    "a gap": (lambda p: p["sorties"][0]["legs"].pop(2), "does not begin where"),
    "a jump": (lambda p: _points(p)[3].update(height_above_takeoff_m=-50.0), "does not begin where"),
    "NaN": (lambda p: _points(p)[0].update(height_above_takeoff_m=float("nan")), "no height"),
    "moved": (lambda p: p["sorties"][0]["takeoff"].update(lon_deg=113.9), "above its take-off"),
    "speed 0": (lambda p: p["sorties"][0].update(speed_m_s=0), "the speeds 0"),
    "trigger 0": (
        lambda p: [leg.update(trigger_distance_m=0) for leg in p["sorties"][0]["legs"]],
        "trigger distance of 0",
    ),
    "no trigger": (
        lambda p: [leg.update(trigger_distance_m=None) for leg in p["sorties"][0]["legs"]],
        "without a trigger",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_plan_that_was_changed_to_nonsense_is_refused_by_check_and_export(
    plan: Path, tmp_path: Path, name: str
) -> None:
    """Neither reads such a plan: the reason is named with a hint, and no file is written."""
    change, says = BROKEN[name]
    data = json.loads((plan / "plan.json").read_text("utf-8"))
    change(data)
    (tmp_path / "plan.json").write_text(json.dumps(data), "utf-8")
    before = files(tmp_path)
    with pytest.raises(InputError, match=says) as checked:
        check_folder(tmp_path, now=NOW)
    assert checked.value.hint
    with pytest.raises(InputError, match=says):
        export_plan_file(tmp_path, None, None)
    assert files(tmp_path) == before


def test_what_planning_wrote_is_read_again(plan: Path, tmp_path: Path) -> None:
    """Check and export take the plan as it was written; the check finds nothing that fails."""
    assert not check_folder(plan, now=NOW).failed
    assert export_plan_file(plan, tmp_path, ["wpml"]) == [tmp_path / "plan-s1.kmz"]


_TOWN_RUN = """
import sys
from pathlib import Path
from aerial.progress import SILENT
from aerial.steps.plan_flight import plan_town
from aerial.workspace import open_town
from tests.steps.test_plan_flight import asked
if __name__ == "__main__":
    for outcome in plan_town(
        open_town(Path(sys.argv[1]), Path.cwd()), (), asked(), workers=2, progress=SILENT
    ):
        print(outcome.cell, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is of POSIX systems")
def test_killed_planning_leaves_no_process_and_loses_nothing(tmp_path: Path) -> None:
    """Killed in the middle, the workers end too; the next run gives what an undisturbed one gives."""
    names = [f"A{number}" for number in range(9)]
    hit, whole = make_town(tmp_path / "hit", *names), make_town(tmp_path / "whole", *names)
    script = tmp_path / "run.py"
    script.write_text(_TOWN_RUN, "utf-8")
    command = [sys.executable, str(script), str(hit.root)]
    paths = os.pathsep.join(path for path in sys.path if path)
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": paths},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()  # one cell is planned, others are in work
    process.kill()
    process.wait()
    until = time.monotonic() + 10
    while _alive(process.pid) and time.monotonic() < until:
        time.sleep(0.05)
    left = _alive(process.pid)
    if left:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not left
    planned(hit)
    planned(whole)
    # A write that is killed leaves its part beside the file; no reader takes it for the file.
    found = {name: held for name, held in files(hit.root / "plans").items() if not name.endswith(".part")}
    assert found == files(whole.root / "plans")


def _alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_request_says_pixel_sizes_in_the_unit_they_are_given_in() -> None:
    """A ground pixel of 200 cm is refused in centimetres."""
    with pytest.raises(InputError, match="pixel size of 200 cm"):
        request(aircraft=None, camera=None, gsd_m=2.0, height_agl_m=None, overlap=(0.8, 0.7))


def test_a_plan_that_failed_a_check_is_still_read(plan: Path, tmp_path: Path) -> None:
    """Only nonsense is refused: a plan too high is read, and the check says so."""
    from aerial.codec import write_json
    from aerial.plan.read import read_plan

    read = read_plan(plan / "plan.json")
    legs = tuple(
        replace(leg, path=tuple(replace(point, height_above_takeoff_m=150.0) for point in leg.path))
        for leg in read.sorties[0].legs
    )
    high = replace(read, sorties=(replace(read.sorties[0], legs=legs),))
    write_json(tmp_path / "plan.json", high)
    assert check_folder(tmp_path, now=NOW).failed
