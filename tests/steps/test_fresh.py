"""The one rule for skipping."""

from pathlib import Path

import pytest

from aerial.steps.fresh import once


@pytest.fixture
def given(tmp_path: Path) -> Path:
    """An input file."""
    path = tmp_path / "in.txt"
    path.write_text("one")
    return path


def do(given: Path, *, version: str = "1", settings: object = 5) -> bool:
    """Copy the input in capitals, once."""
    out = given.parent / "step" / "out.txt"

    def work() -> list[Path]:
        out.parent.mkdir(exist_ok=True)
        out.write_text(given.read_text().upper())
        return [out]

    return once(out.parent / "copy.json", version=version, settings=settings, inputs={"in": given}, work=work)


def test_a_step_is_skipped_only_when_everything_is_equal(given: Path) -> None:
    """Version, settings, input and output each make it run again, and nothing else does."""
    out = given.parent / "step" / "out.txt"
    assert [do(given), do(given)] == [True, False]
    assert [do(given, version="2"), do(given, version="2")] == [True, False]
    assert [do(given, version="2", settings={"a": 1.5}), do(given, version="2")] == [True, True]
    given.write_text("two")
    assert [do(given, version="2"), do(given, version="2")] == [True, False]
    out.write_text("changed by hand")
    assert [do(given, version="2"), out.read_text()] == [True, "TWO"]
    out.unlink()
    assert [do(given, version="2"), do(given, version="2")] == [True, False]


@pytest.mark.parametrize("damage", ["", "{", '{"step": "copy"}', "[]"])
def test_a_damaged_record_makes_the_step_run_again(given: Path, damage: str) -> None:
    """A record that cannot be read proves nothing."""
    do(given)
    (given.parent / "step" / "copy.json").write_text(damage)
    assert [do(given), do(given)] == [True, False]


def test_a_step_that_failed_leaves_no_record(given: Path) -> None:
    """Work that raised is done again."""
    stamp = given.parent / "step" / "copy.json"
    with pytest.raises(OSError, match="full"):
        once(
            stamp,
            version="1",
            settings=None,
            inputs={"in": given},
            work=lambda: (_ for _ in ()).throw(OSError("full")),
        )
    assert not stamp.exists()
