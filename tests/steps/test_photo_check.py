"""The check in the field: verdicts, cover, the re-fly plan, the page."""

import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import pytest
from tests.photos.made import scene, write_photo
from tests.plan.test_covered import PLANS

from aerial.autopilots.triggers import trigger_points
from aerial.codec import write_json
from aerial.errors import InputError, PlanError
from aerial.plan.read import read_plan
from aerial.progress import SILENT
from aerial.records import TriggerPoint
from aerial.steps.photo_check import check_flight

PLAN = PLANS[(0.6, 0.3)]
POINTS = trigger_points(PLAN)
SHARP_HW3 = scene(7, 680, 510)
BLURRED_HW3 = cv2.GaussianBlur(SHARP_HW3, (0, 0), 4)
# In the middle of the first line, whose ground no second line shows.
BLURRED = 2


def fly(
    folder: Path, points: Sequence[TriggerPoint], *, blurred: int | None = None, seconds: float = 0.0
) -> None:
    """Write the photographs of some trigger points, as the plan's camera (87 degrees wide) takes them."""
    for number, point in enumerate(points):
        write_photo(
            folder / f"DJI_{number:04d}.JPG",
            image_HW3=BLURRED_HW3 if number == blurred else SHARP_HW3,
            at=(point.at.lon_deg, point.at.lat_deg),
            seconds=seconds + 4 * number,
            equivalent_mm=19,
            xmp={
                "GimbalPitchDegree": "-90.0",
                "GimbalYawDegree": f"{point.yaw_deg:.1f}",
                "RelativeAltitude": f"+{point.height_above_takeoff_m:.2f}",
            },
        )


@pytest.fixture(scope="module")
def flight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``plan`` and ``DCIM``, one photograph of which is blurred."""
    root = tmp_path_factory.mktemp("flight")
    write_json(root / "plan" / "plan.json", PLAN)
    fly(root / "DCIM" / "100MEDIA", POINTS, blurred=BLURRED)
    return root


def test_a_blurred_photograph_is_a_gap_until_it_was_flown_again(flight: Path, tmp_path: Path) -> None:
    """What cannot be used covers nothing; the re-fly plan takes it, and its photographs close the gap."""
    again, out, page = tmp_path / "again", tmp_path / "cover.json", tmp_path / "map.html"
    done = check_flight(flight / "DCIM", SILENT, plan=flight / "plan", refly=again, out=out, page=page)
    assert [check.file for check in done.checks if not check.ok] == [f"100MEDIA/DJI_{BLURRED:04d}.JPG"]
    assert done.cover is not None
    assert done.refly is not None
    assert done.refused is None
    assert POINTS[BLURRED] in done.cover.missing
    assert done.cover.gaps != ()
    plan = read_plan(again / "plan.json")
    assert 0 < plan.totals.photos < len(POINTS)
    assert (again / "plan-photos.csv").is_file()
    written = json.loads(out.read_text("utf-8"))
    assert set(written) == {"photos", "findings", "cover"}
    assert len(written["cover"]["gaps"]) == len(done.cover.gaps)
    text = page.read_text("utf-8")
    assert text.count('class="gap"') == len(done.cover.gaps)
    assert text.count("<polyline") == sum(len(sortie.legs) for sortie in PLAN.sorties)
    fly(flight / "DCIM" / "101MEDIA", trigger_points(plan), seconds=900)
    second = check_flight(
        flight / "DCIM", SILENT, plan=flight / "plan" / "plan.json", refly=tmp_path / "third"
    )
    assert second.cover is not None
    assert (second.cover.missing, second.cover.gaps) == ((), ())
    assert "covered" in {finding.code for finding in second.findings}
    assert second.refly is not None
    assert second.refly.plan is None
    assert not (tmp_path / "third").exists()


def test_photographs_of_another_cell_name_it(tmp_path: Path) -> None:
    """In a town, a photograph beside the plan says in which cell it was taken; all of them are refused."""
    plans = tmp_path / "plans" / "A1"
    write_json(plans / "plan.json", PLAN)
    (tmp_path / "aerial.toml").write_text("", "utf-8")
    lon, lat = 113.806, 22.8
    corners = [(-0.002, -0.002), (0.002, -0.002), (0.002, 0.002), (-0.002, 0.002), (-0.002, -0.002)]
    outline = {"type": "Polygon", "coordinates": [[[lon + x, lat + y] for x, y in corners]]}
    cell = {"type": "Feature", "properties": {"id": "B2"}, "geometry": outline}
    write_json(tmp_path / "cells.geojson", {"type": "FeatureCollection", "features": [cell]})
    fly(tmp_path / "DCIM", POINTS)
    for number in range(3):
        write_photo(
            tmp_path / "DCIM" / f"away{number}.JPG",
            image_HW3=SHARP_HW3,
            at=(lon, lat + 1e-4 * number),
            seconds=900 + 4 * number,
            xmp={"GimbalPitchDegree": "-90.0", "RelativeAltitude": "+80.0"},
        )
    done = check_flight(tmp_path / "DCIM", SILENT, plan=plans)
    told = {check.file: check.reasons[-1] for check in done.checks if check.ok and check.reasons}
    assert {name: text.rsplit(", ", 1)[-1] for name, text in told.items()} == {
        f"away{number}.JPG": "over cell B2" for number in range(3)
    }
    for path in (tmp_path / "DCIM").glob("DJI_*"):
        path.unlink()
    alone = check_flight(tmp_path / "DCIM", SILENT, plan=plans)
    assert len(alone.checks) == 3
    assert isinstance(alone.refused, PlanError)
    assert "m from it" in str(alone.refused)


def test_the_plan_itself_is_never_overwritten(flight: Path) -> None:
    """Its own folder as --refly is refused before anything is looked at."""
    with pytest.raises(InputError, match="holds the plan itself"):
        check_flight(flight / "DCIM", SILENT, plan=flight / "plan", refly=flight / "plan")
    with pytest.raises(InputError, match="holds the plan itself"):
        check_flight(flight / "DCIM", SILENT, plan=flight / "plan" / "plan.json", refly=flight / "plan")
