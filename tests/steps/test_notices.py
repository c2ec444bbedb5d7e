"""Notes to officers about delivered cases, and what photographs a town may delete."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.sinks.fakes.robots import RobotFake
from tests.steps.compared import compare, with_cases
from tests.steps.made import make_town

from aerial.codec import write_json
from aerial.errors import EvidenceError, InputError
from aerial.ledger import audit
from aerial.records import FileRef, Georef, Grid, Mosaic, Survey
from aerial.steps import deliver
from aerial.steps.notices import notify
from aerial.steps.retain import carry_out_retention, plan_town_retention
from aerial.steps.town_ledger import index_town, listed_suspects, town_and_ledger
from aerial.steps.verdicts import accept
from aerial.workspace import Town, record_survey

HOUSE, SHED = (0.0, 0.0, 10.0, 8.0), (40.0, 0.0, 5.0, 5.0)
_NOTES = """
[[cases.officers]]
name = "李雷"
cells = ["A1"]
accounts = {{ squad = "lilei" }}

[[notifiers]]
name = "squad"
kind = "wecom"
url = "{url}"
secret = "WECOM_KEY"
private = true
link = "http://10.0.0.5/case/{{case}}"
"""


@pytest.fixture
def robot() -> Iterator[RobotFake]:
    """WeCom's service."""
    with RobotFake(key="k-1").serving() as peer:
        yield peer


def test_an_officer_is_told_once_of_what_was_delivered(tmp_path: Path, robot: RobotFake) -> None:
    """No note before the delivery, one digest after it, none again; no coordinates in it, no key in words."""
    town = with_cases(make_town(tmp_path / "town"))
    with town.settings_file.open("a", encoding="utf-8") as file:
        file.write(_NOTES.format(url=robot.url))
    compare(town, "2030-03-04-1", "2030-04-01-1", (HOUSE, "new"), (SHED, "new"))
    town, settings, ledger = town_and_ledger(town, {})
    environment = {"WECOM_KEY": "k-1"}
    for row in listed_suspects(town, ledger):
        accept(town, settings, ledger, row.key, "new", "A")
    told: list[str] = []
    assert notify(town, settings, ledger, environment, told.append) == 0
    deliver.push(town, settings, ledger, None, environment, lambda _turn: None)
    assert notify(town, settings, ledger, environment, told.append) == 1
    assert notify(town, settings, ledger, environment, told.append) == 0
    assert len(robot.asked) == 1
    text = json.dumps(robot.asked[0].json(), ensure_ascii=False)
    assert text.count("http://10.0.0.5/case/S-") == 2
    assert "113.8" not in text
    assert "k-1" not in "".join(told)


def photographed(town: Town, survey: str, megabytes: int) -> Path:
    """Write a survey with one photograph of a size; return it."""
    folder = town.survey_folder("A1", survey)
    (folder / "photos").mkdir(parents=True)
    photo = folder / "photos" / "a.JPG"
    photo.write_bytes(b"\0" * megabytes * 1_000_000)
    ref = FileRef(path="photos/a.JPG", sha256="0" * 64)
    write_json(
        folder / "photos.json",
        [{"file": {"path": ref.path, "sha256": ref.sha256}, "source": "a.JPG", "photo": None}],
    )
    day = datetime.fromisoformat(survey.rsplit("-", 1)[0]).replace(hour=2, tzinfo=UTC)
    grid = Grid(crs="EPSG:4547", affine=(0.1, 0.0, 0.0, 0.0, -0.1, 0.0), width_px=9, height_px=9)
    mosaic = Mosaic(
        ortho=FileRef(path="ortho.tif", sha256="1" * 64),
        dsm=None,
        grid=grid,
        georef=Georef(how="gps", ce95_m=3.0),
        block=None,
    )
    record_survey(town, Survey(cell="A1", survey=survey, started_at=day, photos=(ref,), mosaic=mosaic))
    return photo


def test_photographs_go_by_rule_and_with_a_name_only(tmp_path: Path) -> None:
    """Without a budget nothing goes; with one, what a suspect needs stays; the rest goes by a hash."""
    town = with_cases(make_town(tmp_path / "town"))
    names = ("2020-01-06-1", "2020-02-03-1", "2020-03-02-1", "2020-04-06-1", "2020-05-04-1")
    photos = {name: photographed(town, name, 3) for name in names}
    compare(town, names[1], names[2], (HOUSE, "new"))
    town, settings, ledger = town_and_ledger(town, {})
    with pytest.raises(InputError, match="budget"):
        plan_town_retention(town, settings, ledger)
    with town.settings_file.open("a", encoding="utf-8") as file:
        file.write("\n[retention]\nbudget_gb = 1\nkeep_days = 30\nkeep_case_days = 60\n")
    town, settings, ledger = town_and_ledger(town, {})
    settings = replace(settings, retention=replace(settings.retention, budget_gb=0.004))
    index_town(town, ledger)
    plan = plan_town_retention(town, settings, ledger)
    going = {judged.photos.survey for judged in plan.remove}
    assert not going & {names[1], names[2]}  # a suspect waits for a verdict on these
    assert names[-1] not in going  # the newest
    with pytest.raises(EvidenceError):
        carry_out_retention(town, ledger, plan, confirm="0" * 64, by="A")
    with pytest.raises(EvidenceError):
        carry_out_retention(town, ledger, plan, confirm=plan.sha256, by=" ")
    assert all(photo.is_file() for photo in photos.values())
    assert going
    carry_out_retention(town, ledger, plan, confirm=plan.sha256, by="A. Keeper")
    assert {name for name, photo in photos.items() if not photo.is_file()} == going
    with ledger.read() as tx:
        assert any(row.what == "retention.confirmed" for row in audit.rows(tx))
