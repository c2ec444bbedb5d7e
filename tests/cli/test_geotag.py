"""``aerial photos geotag``."""

import json
from pathlib import Path

import pytest
from shapely.geometry import box, mapping
from tests.flight.logs import dataflash, line
from tests.photos.made import scene, write_photo
from tests.steps.test_geotag import flown

from aerial.autopilots.triggers import trigger_points
from aerial.photos.metadata import list_photos
from aerial.plan.read import read_plan
from aerial_cli.main import run

UNIX_S = 1_772_443_800.0  # what the made photographs' first stamp is in UTC


def test_copies_are_written_and_the_rest_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts on stdout; on stderr the dropped shot with its place, the clock, and how well times agree."""
    photos, log = flown(tmp_path)
    assert run(["photos", "geotag", str(photos), "--log", str(log), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    assert "photographs with a position  13" in told.out
    assert "shots without a photograph   1      7" in told.out
    assert "The camera dropped shot 7 at 113.800000, 22.800700" in told.err
    assert "behind the vehicle's" in told.err
    assert "Times agree to 0." in told.err
    assert f"13 positions written to {tmp_path / 'out'}" in told.err
    assert len(list_photos(tmp_path / "out")) == 13


def test_json_holds_everything_and_nothing_is_written_unasked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --out and --sidecar the match is only told."""
    photos, log = flown(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run(["photos", "geotag", str(photos), "--log", str(log), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [row["shot"]["index"] for row in told["tags"]["tagged"]] == [n for n in range(1, 15) if n != 7]
    assert [row["index"] for row in told["tags"]["dropped"]] == [7]
    assert sorted(tmp_path.rglob("*")) == before


def test_a_refusal_exits_with_1_and_a_hint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line that lost a shot at one of its ends; a log that is none."""
    photos, _ = flown(tmp_path, dropped=tuple(range(7, 15)))
    log = tmp_path / "short.BIN"
    log.write_bytes(dataflash(range(1, 8)))
    assert run(["photos", "geotag", str(photos), "--log", str(log)]) == 1
    said = capsys.readouterr().err
    assert "two ways" in said
    assert "Hint: The times alone cannot tell." in said
    log.write_bytes(b"PK\x03\x04" + bytes(100))
    assert run(["photos", "geotag", str(photos), "--log", str(log)]) == 1
    assert "is no log of a flight" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--out", "a", "--sidecar", "b.csv"],
        ["--plan", "."],
        ["--refly", "r"],
        ["--sortie", "1"],
        ["--dem", "f.tif"],
    ],
)
def test_options_that_do_not_fit_together_are_usage_errors(
    tmp_path: Path, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 before anything is read."""
    photos, log = flown(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.tif").touch()
    assert run(["photos", "geotag", str(photos), "--log", str(log), *options]) == 2


def test_missing_photographs_become_a_plan(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A planned flight whose camera dropped three shots: the small plan takes their places again."""
    area = tmp_path / "block.geojson"
    area.write_text(json.dumps(mapping(box(113.8, 22.8, 113.8022, 22.802))))
    plan_dir = tmp_path / "plan"
    asked = ["--height-m", "80", "--aircraft", "holybro_x500_v2", "--overlap", "70", "60", "--no-picture"]
    assert run(["plan", "flight", "--area", str(area), *asked, "--out", str(plan_dir)]) == 0
    points = trigger_points(read_plan(plan_dir / "plan.json"))
    clock, lines, number, picture = 0.0, [], 0, scene(5, 64, 48)
    dropped = (4, len(points) // 2, len(points) - 3)
    for index, point in enumerate(points, start=1):
        if index > 1:
            clock += 3.0 if point.line == points[index - 2].line else 11.0
        place = {"lon_deg": point.at.lon_deg, "lat_deg": point.at.lat_deg}
        lines.append(line(index, time_s=UNIX_S + clock, **place))
        if index not in dropped:
            number += 1
            write_photo(tmp_path / "DCIM" / f"P{number:04d}.JPG", image_HW3=picture, at=None, seconds=clock)
    (tmp_path / "flight.jsonl").write_text("".join(lines))
    geotag = ["photos", "geotag", str(tmp_path / "DCIM"), "--log", str(tmp_path / "flight.jsonl")]
    refly = ["--plan", str(plan_dir), "--refly", str(tmp_path / "again")]
    capsys.readouterr()
    assert run([*geotag, *refly, "--json"]) == 0
    told = capsys.readouterr()
    assert [(one["sortie"], one["photo"]) for one in json.loads(told.out)["missing"]] == [
        (points[n - 1].sortie, points[n - 1].photo) for n in dropped
    ]
    assert "3 places of the plan have no photograph" in told.err
    again = read_plan(tmp_path / "again" / "plan.json")
    assert len(trigger_points(again)) < len(points) / 2
    assert (tmp_path / "again" / "lines.geojson").exists()
    assert run(["plan", "check", str(tmp_path / "again")]) == 0
    assert run([*geotag, "--plan", str(plan_dir), "--refly", str(plan_dir)]) == 1
    assert "holds the plan itself" in capsys.readouterr().err
