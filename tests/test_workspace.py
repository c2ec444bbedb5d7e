"""The town's folder."""

from pathlib import Path

import pytest

from aerial.errors import InputError, WorkspaceError
from aerial.workspace import Town, locked, open_town, survey_order
from tests.steps.made import make_town


def test_the_town_is_found_upwards_and_a_given_one_wins(tmp_path: Path) -> None:
    """From a folder deep inside, and by name from anywhere."""
    a, b = make_town(tmp_path / "a"), make_town(tmp_path / "b")
    deep = a.root / "surveys" / "A1"
    deep.mkdir(parents=True)
    assert a == open_town(None, deep)
    assert b == open_town(b.root, deep)
    for given, start in ((tmp_path, deep), (None, tmp_path)):
        with pytest.raises(WorkspaceError) as caught:
            open_town(given, start)
        assert "aerial init" in caught.value.hint


@pytest.mark.parametrize("cell", ["", "..", "a/b", "a" * 33, "上沙"])
def test_no_path_leads_out_of_the_town(tmp_path: Path, cell: str) -> None:
    """A cell's id becomes a folder; only its own letters do."""
    with pytest.raises(InputError):
        Town(root=tmp_path).survey_folder(cell, "2026-03-02-1")
    with pytest.raises(InputError):
        Town(root=tmp_path).survey_folder("A1", "../2026-03-02-1")


def test_surveys_sort_by_day_and_number() -> None:
    """The tenth flight of a day comes after the second."""
    names = ["2026-03-02-10", "2026-03-02-2", "2025-12-31-1"]
    assert sorted(names, key=survey_order) == ["2025-12-31-1", "2026-03-02-2", "2026-03-02-10"]


def test_a_folder_is_changed_by_one_at_a_time(tmp_path: Path) -> None:
    """The second is refused while the first is at work, and let in afterwards."""
    with (
        locked(tmp_path / "A1"),
        pytest.raises(WorkspaceError, match="Another aerial"),
        locked(tmp_path / "A1"),
    ):
        pass
    with locked(tmp_path / "A1"):
        pass
