"""``aerial photos``."""

import json
from pathlib import Path

import pytest
from tests.photos.made import write_flight

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
