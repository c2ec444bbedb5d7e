"""What a town's files say for its cases."""

from datetime import date
from pathlib import Path

import pytest
from tests.areas.test_places import layer

from aerial.errors import InputError
from aerial.records import CaseSettings
from aerial.resources import case_table_file
from aerial.steps.surroundings import surroundings
from aerial.workspace import Town


def test_table_calendar_and_layers_come_from_the_files_that_the_settings_name(tmp_path: Path) -> None:
    """Relative to the town's folder; a table of the town's own counts as one that ships."""
    (tmp_path / "own.toml").write_bytes(case_table_file("gbt47678-5").read_bytes())
    (tmp_path / "holidays.toml").write_text("off = [2026-10-01]\nuntil = 2026-12-31\n")
    layer(tmp_path / "c.geojson", {"community": "锦厦社区"})
    layer(tmp_path / "g.geojson", {"unit_grid": "441900001001001"})
    cases = CaseSettings(
        table="own.toml", holidays="holidays.toml", communities="c.geojson", unit_grids="g.geojson"
    )
    town = surroundings(Town(root=tmp_path), cases)
    assert (town.table.name, town.table.suspected) == ("own", "06001")
    assert town.calendar.off == (date(2026, 10, 1),)
    assert town.communities is not None
    assert town.unit_grids is not None
    assert (town.communities[0].name, town.unit_grids[0].name) == ("锦厦社区", "441900001001001")


def test_a_town_without_files_has_no_layers_and_the_week(tmp_path: Path) -> None:
    """Which holds cases for what they lack, and refuses nothing."""
    town = surroundings(Town(root=tmp_path), CaseSettings(table="gbt30428-2"))
    assert (town.communities, town.unit_grids, town.calendar.until) == (None, None, None)
    assert town.table.suspected == "0101"


@pytest.mark.parametrize(
    ("cases", "message"),
    [
        (CaseSettings(table="own.toml"), "own.toml is not a code table"),
        (CaseSettings(holidays="h.toml"), "h.toml is not a holiday list"),
        (CaseSettings(communities="c.geojson"), "c.geojson is not there"),
        (CaseSettings(unit_grids="g.geojson"), "g.geojson is not there"),
        (CaseSettings(table="gbt30428-2", matter="06001"), "no event '06001'"),
        (CaseSettings(matters={"excavation": "06999"}), "no event '06999'"),
        (CaseSettings(code_length=12), "do not have 12 characters"),
    ],
)
def test_what_the_settings_name_and_is_not_there_is_refused(
    tmp_path: Path, cases: CaseSettings, message: str
) -> None:
    """A named layer that is missing is a mistake, not a town without one."""
    with pytest.raises(InputError, match=message):
        surroundings(Town(root=tmp_path), cases)
