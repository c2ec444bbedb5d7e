"""``aerial photos``."""

import json
import sys
from pathlib import Path

import pytest
from tests.photos.made import write_flight
from tests.steps.test_photo_check import PLAN, POINTS, fly

from aerial.codec import write_json
from aerial_cli.main import run


def test_check_lists_every_photograph_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad photographs are data, not a failure: exit code 0; with --strict 1."""
    write_flight(tmp_path, 5)
    (tmp_path / "DJI_0003.JPG").write_bytes(b"\xff\xd8\xff\xe1")
    assert run(["photos", "check", str(tmp_path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [f"DJI_000{i}.JPG" for i in range(1, 6)] == [row["file"] for row in rows]
    assert [row["ok"] for row in rows] == [True, True, False, True, True]
    assert all(set(row) == {"file", "ok", "reasons"} for row in rows)
    assert rows[2]["reasons"] == ["DJI_0003.JPG is not a readable JPEG."]
    assert run(["photos", "check", str(tmp_path), "--strict"]) == 1


def test_check_refuses_an_empty_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to check is a refusal with a hint, not an empty list."""
    assert run(["photos", "check", str(tmp_path), "--json"]) == 1
    assert "holds no photographs" in (said := capsys.readouterr().err)
    assert "Hint: " in said


def test_check_with_a_plan_keeps_its_json_and_fails_only_when_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list has the same three keys; a gap is talk and exit code 0, with --strict 1."""
    write_json(tmp_path / "plan" / "plan.json", PLAN)
    fly(tmp_path / "DCIM", POINTS[:6] + POINTS[8:])
    call = ["photos", "check", str(tmp_path / "DCIM"), "--plan", str(tmp_path / "plan"), "--json"]
    assert run([*call, "--map", str(tmp_path / "map.html")]) == 0
    told = capsys.readouterr()
    rows = json.loads(told.out)
    assert all(set(row) == {"file", "ok", "reasons"} for row in rows)
    assert "on too few photographs" in told.err
    assert (tmp_path / "map.html").is_file()
    assert run([*call, "--strict"]) == 1


def test_check_of_another_cell_lists_the_photographs_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdicts are printed, then the refusal with its hint: exit code 1."""
    write_flight(tmp_path / "DCIM", 4)
    write_json(tmp_path / "plan.json", PLAN)
    assert (
        run(["photos", "check", str(tmp_path / "DCIM"), "--plan", str(tmp_path / "plan.json"), "--json"]) == 1
    )
    told = capsys.readouterr()
    assert len(json.loads(told.out)) == 4
    assert "shows ground of the plan" in told.err
    assert "Hint: " in told.err


@pytest.mark.parametrize("options", [["--refly", "x"], ["--dem", "f"], ["--plan", "f", "--zones", "f"]])
def test_check_refuses_options_that_need_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    """Usage, before anything is read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").touch()
    assert run(["photos", "check", ".", *options]) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="only here may names hold any bytes")
def test_names_that_are_no_text_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A card from another system has names that are not UTF-8: they are escaped, not an error."""
    (path,) = write_flight(tmp_path, 1)
    path.rename(tmp_path / "bad\udcff.JPG")
    page, out = tmp_path / "map.html", tmp_path / "cover.json"
    assert run(["photos", "check", str(tmp_path), "--json", "--map", str(page), "--out", str(out)]) == 0
    assert run(["photos", "check", str(tmp_path)]) == 0
