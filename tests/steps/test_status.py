"""A town at a glance, with its ledger and without one."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from shapely.geometry import box
from tests.ledger.made import DAY, NOON, add_case, ingest, observation

from aerial.areas import Feature, write_features
from aerial.errors import LedgerError
from aerial.ledger import index
from aerial.ledger.store import open_ledger
from aerial.records import FileRef, Survey
from aerial.settings import load_settings
from aerial.steps.init import init_town
from aerial.steps.status import cell_statuses, town_status
from aerial.workspace import Town
from aerial_cli.commands import case
from aerial_cli.main import run


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town of two cells."""
    outlines = {"A1": box(113.75, 22.80, 113.754, 22.804), "A2": box(113.76, 22.80, 113.764, 22.804)}
    cells = [Feature(outline=outline, properties={"id": name}) for name, outline in outlines.items()]
    write_features(tmp_path / "cells.geojson", cells)
    write_features(
        tmp_path / "area.geojson", [Feature(outline=box(113.74, 22.79, 113.77, 22.81), properties={})]
    )
    return init_town(tmp_path / "town", tmp_path / "area.geojson", tmp_path / "cells.geojson", [])


def test_without_a_ledger_the_cells_are_told_and_none_is_made(
    town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    """A town before its first suspect shows its cells as ever, and status leaves no ledger behind."""
    assert run(["-C", str(town.root), "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [cell["cell"] for cell in found["cells"]] == ["A1", "A2"]
    assert (found["ledger"], found["cycle"], found["stages"]) == (False, None, [])
    assert run(["-C", str(town.root), "status"]) == 0
    assert "undelivered" not in capsys.readouterr().out
    assert not town.ledger_file.exists()


def filled(town: Town) -> None:
    """A cycle, a survey that another laptop brought, a case that is overdue and not delivered."""
    with open_ledger(town.ledger_file, clock=lambda: NOON + timedelta(days=11)) as ledger:
        add_case(ledger)
        with ledger.begin() as tx:
            index.add_cycle(tx, DAY, 14)
            photos = (FileRef(path="a.jpg", sha256="0" * 64),)
            brought = Survey(cell="A2", survey=f"{DAY}-1", started_at=NOON, photos=photos, mosaic=None)
            index.add_survey(tx, brought)
            ingest(tx, [observation(2)])


def test_cells_and_ledger_are_one_glance(town: Town) -> None:
    """Files and ledger together: cells that the cycle lacks, what waits, is due, and has not arrived."""
    filled(town)
    settings = load_settings(town.settings_file, environment={})
    with open_ledger(town.ledger_file, clock=lambda: NOON + timedelta(days=11)) as ledger:
        found = town_status(town, settings, ledger)
    assert found.cells == cell_statuses(town)
    assert found.cycle is not None
    assert (found.cycle.surveyed, found.cycle.missing) == (("A2",), ("A1",))
    assert found.cycle.end == DAY + timedelta(days=13)
    assert [(one.cell, one.suspects) for one in found.undecided] == [("A1", 1)]
    assert [(one.stage, one.cases) for one in found.stages] == [("report", 1)]
    assert [one.overdue for one in found.due] == [True]
    assert [(one.sink, one.state, one.rows) for one in found.undelivered] == [("city", "pending", 1)]


def test_the_command_shows_all_of_it(town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    """People read the cells and below them the ledger; JSON has both."""
    filled(town)
    assert run(["-C", str(town.root), "status"]) == 0
    said = capsys.readouterr().out
    for words in ("A1", "1 suspect(s) A1: 1", "report 1", "1 pending"):
        assert words in said, said
    assert run(["-C", str(town.root), "status", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["undelivered"] == [{"sink": "city", "state": "pending", "rows": 1, "last_error": None}]
    assert len(found["cells"]) == 2


def test_the_command_merges_a_laptop(town: Town, tmp_path: Path) -> None:
    """``aerial case merge`` takes a file over and says what came; a file that is not there is refused."""
    laptop = tmp_path / "laptop.sqlite"
    with open_ledger(laptop, device_name="laptop 3") as ledger:
        add_case(ledger)
    done = CliRunner().invoke(case.command, ["merge", str(laptop), "--json"], obj=town.root)
    found = json.loads(done.stdout)
    assert (found["device_name"], found["cases"], found["doubles"]) == ("laptop 3", 1, [])
    refused = CliRunner().invoke(case.command, ["merge", str(tmp_path / "none.sqlite")], obj=town.root)
    assert isinstance(refused.exception, LedgerError)
