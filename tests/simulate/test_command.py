"""``aerial simulate`` as a user types it."""

from pathlib import Path

import pytest

from aerial_cli.main import run


def test_simulate_refuses_a_folder_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds something is refused with exit code 1, a message and a hint."""
    (tmp_path / "mine.txt").write_text("keep")
    assert run(["simulate", "--preset", "tests", "--out", str(tmp_path)]) == 1
    told = capsys.readouterr()
    assert "not an empty folder" in told.err
    assert "Hint:" in told.err
    assert told.out == ""
