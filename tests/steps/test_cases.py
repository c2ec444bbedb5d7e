"""From compared pairs through verdicts and cases to a destination, its results, and the package."""

import json
from pathlib import Path

import pytest
from tests.steps.compared import compare, files_below, with_cases
from tests.steps.made import make_town

from aerial.errors import EvidenceError, LedgerError, SecrecyError
from aerial.evidence.verify import verify_package
from aerial.ledger import audit, cases, outbox, structures
from aerial.ledger.store import Ledger
from aerial.progress import SILENT
from aerial.settings import Settings
from aerial.steps import deliver
from aerial.steps.cycle_report import report_cases
from aerial.steps.evidence import package_cases
from aerial.steps.town_ledger import listed_suspects, suspect_story, town_and_ledger
from aerial.steps.verdicts import Said, accept, reject, release
from aerial.workspace import Town

HOUSE, SHED, YARD = (0.0, 0.0, 10.0, 8.0), (40.0, 0.0, 5.0, 5.0), (80.0, 10.0, 12.0, 9.0)
MARCH, APRIL, MAY = "2030-03-04-1", "2030-04-01-1", "2030-05-06-1"


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town with two new buildings and one demolished, whose cases leave into a folder."""
    made = with_cases(make_town(tmp_path / "town"))
    compare(made, MARCH, APRIL, (HOUSE, "new"), (SHED, "new"), (YARD, "demolished"))
    return made


def opened(town: Town) -> tuple[Town, Settings, Ledger]:
    """Open settings and ledger of a town."""
    return town_and_ledger(town, {})


def push(town: Town, settings: Settings, ledger: Ledger) -> dict[str, str]:
    """Deliver what is due; return what became of each case."""
    turns: list[deliver.Turn] = []
    deliver.push(town, settings, ledger, None, {}, turns.append)
    return {turn.external_key: turn.done for turn in turns}


def test_pairs_are_indexed_once(town: Town) -> None:
    """Reading the same folder again adds nothing to the ledger, not even an audit row."""
    town, _settings, ledger = opened(town)
    assert len(listed_suspects(town, ledger)) == 3
    with ledger.read() as tx:
        before = audit.heads(tx)
    assert len(listed_suspects(town, ledger)) == 3
    with ledger.read() as tx:
        assert audit.heads(tx) == before


def test_a_newer_comparison_takes_the_place_of_the_older_one(town: Town) -> None:
    """A suspect that the same pair, compared anew, does not show waits no longer; a verdict stays."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    accept(town, settings, ledger, house.key, "built", "A. Reviewer")
    compare(town, MARCH, APRIL, (HOUSE, "new"), (YARD, "demolished"))
    left = listed_suspects(town, ledger)
    assert [row.kind for row in left] == ["demolished"]
    everything = listed_suspects(town, ledger, everything=True)
    shed = next(row for row in everything if row.area_m2 == 25.0)
    assert "newer comparison" in shed.reason
    with ledger.read() as tx:
        assert len(cases.list_cases(tx)) == 1


def test_an_accepted_suspect_is_delivered_and_read_back(town: Town) -> None:
    """Accepting makes a complete case; a push puts it into the folder with coarse, bare pictures, once."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    verdict, case = accept(town, settings, ledger, house.key[:10], "built without a permit", "李敏")
    assert not case.held
    assert (case.matter.code if case.matter else None) == "44190006001"
    assert case.unit_grid == "441900123456007"
    assert case.accepted is not None
    assert (case.accepted.by, case.accepted.verdict) == ("李敏", verdict.id)
    assert push(town, settings, ledger) == {case.external_key: "confirmed"}
    there = files_below(town.root / "drop" / "cases" / case.external_key)
    feature = json.loads(there["case.geojson"])
    assert feature["properties"]["SXDM"] == "44190006001"
    assert sum(name.endswith(".jpg") for name in there) == 3
    assert push(town, settings, ledger) == {}


def test_the_same_suspect_is_not_accepted_twice(town: Town) -> None:
    """A repeated command is refused with the case's number, and nothing is double."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    with pytest.raises(LedgerError, match=case.external_key):
        accept(town, settings, ledger, house.key, "built", "A")
    with ledger.read() as tx:
        assert len(outbox.rows(tx)) == 1


def test_what_was_decided_comes_back_only_when_it_changes(town: Town) -> None:
    """Rejected and accepted structures stay away from the list; one that grew afterwards is shown."""
    town, settings, ledger = opened(town)
    rows = {row.area_m2: row for row in listed_suspects(town, ledger)}
    accept(town, settings, ledger, rows[80.0].key, "built", "A")
    reject(ledger, rows[25.0].key, "tarpaulin", "A")
    reject(ledger, rows[108.0].key, "was permitted", "A")
    assert listed_suspects(town, ledger) == ()
    compare(town, APRIL, MAY, ((40.0, 5.0, 5.0, 2.8), "extended"))
    grown = listed_suspects(town, ledger)
    assert [row.relation for row in grown] == ["grown"]
    assert grown[0].identity == rows[25.0].identity


def test_growth_of_a_closed_case_is_the_next_episode(town: Town) -> None:
    """What grows after the city closed the case becomes a case of its own that names the old one."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    push(town, settings, ledger)
    results = town.root / "drop" / "results"
    results.mkdir()
    act = {"id": "1", "external_key": case.external_key, "at": "2030-04-10T10:00:00+08:00", "stage": "close"}
    (results / "a.json").write_text(json.dumps([act]))
    assert deliver.pull_all(town, settings, ledger, None, {}, lambda _act: None)[0] == 1
    compare(town, APRIL, MAY, (HOUSE, "rooftop"))
    (grown,) = [row for row in listed_suspects(town, ledger) if row.relation == "grown"]
    _, second = accept(town, settings, ledger, grown.key, "another storey", "A")
    assert (second.identity, second.episode, second.previous) == (case.identity, 2, case.external_key)
    assert push(town, settings, ledger) == {second.external_key: "confirmed"}


def test_growth_while_the_case_is_open_is_kept_with_it(town: Town) -> None:
    """Accepted growth of a structure whose case is still open opens no second case."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    compare(town, APRIL, MAY, (HOUSE, "rooftop"))
    (grown,) = [row for row in listed_suspects(town, ledger) if row.relation == "grown"]
    assert accept(town, settings, ledger, grown.key, "grows", "A")[1] == case
    with ledger.read() as tx:
        assert len(cases.list_cases(tx)) == 1


def test_a_held_case_leaves_when_a_person_completed_it(tmp_path: Path) -> None:
    """Without a unit grid nothing leaves; the person's word releases it, and holds through later settings."""
    town = with_cases(make_town(tmp_path / "town"), placed=False)
    compare(town, MARCH, APRIL, (HOUSE, "new"))
    town, settings, ledger = opened(town)
    (house,) = listed_suspects(town, ledger)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    assert any("unit grid" in reason for reason in case.held)
    assert push(town, settings, ledger) == {}
    still = release(town, settings, ledger, case.external_key, Said(unit_grid="441900123456007"), "李敏")
    assert not any("unit grid (SZ" in reason for reason in still.held)
    now = release(town, settings, ledger, case.external_key, Said(community="马务社区"), "李敏")
    assert not now.held
    assert (now.unit_grid, now.community) == ("441900123456007", "马务社区")
    assert push(town, settings, ledger) == {case.external_key: "confirmed"}


def test_without_secrecy_nothing_leaves(tmp_path: Path) -> None:
    """An unset secrecy holds the case and refuses the report."""
    town = with_cases(make_town(tmp_path / "town"))
    town.settings_file.write_text(town.settings_file.read_text().replace('secrecy = "internal"', ""))
    compare(town, MARCH, APRIL, (HOUSE, "new"))
    town, settings, ledger = opened(town)
    (house,) = listed_suspects(town, ledger)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    assert any("secrecy" in reason for reason in case.held)
    assert push(town, settings, ledger) == {}
    with pytest.raises(SecrecyError, match="secrecy"):
        report_cases(town, settings, ledger)


def test_what_was_decided_on_survives_a_new_comparison(town: Town) -> None:
    """The package holds the pictures that the reviewer saw, though the pair was compared anew since."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    pictures = {chip.path: chip.sha256 for chip in case.suspect.chips}
    compare(town, MARCH, APRIL, (YARD, "demolished"))
    for path in town.pair_folder("A1", MARCH, APRIL).glob("chips/*.jpg"):
        path.write_bytes(b"another picture")
    made = package_cases(town, ledger, [case.external_key], town.root / "p.zip", SILENT)
    findings = verify_package(made.path, root=made.root_sha256)
    assert [finding.level for finding in findings] == ["pass"], findings
    assert len(pictures) == 3
    assert push(town, settings, ledger) == {case.external_key: "confirmed"}


def test_nothing_is_decided_on_a_picture_that_changed(town: Town) -> None:
    """A picture that is not what the comparison recorded refuses the verdict, which leaves no trace."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    picture = next(town.pair_folder("A1", MARCH, APRIL).glob(f"chips/{house.key}-after.jpg"))
    picture.write_bytes(picture.read_bytes() + b"!")
    with pytest.raises(EvidenceError, match="not what it was"):
        accept(town, settings, ledger, house.key, "built", "A")
    with ledger.read() as tx:
        assert cases.list_cases(tx) == ()
        assert structures.find_suspect(tx, house.key).verdicts == ()


def test_on_site_results_become_labels(town: Town) -> None:
    """An officer's 不属实 turns an accepted suspect into a rejected label of reviewed.geojson."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    push(town, settings, ledger)
    for survey in (MARCH, APRIL):
        (town.survey_folder("A1", survey) / "ortho.tif").write_bytes(b"an ortho")
    results = town.root / "drop" / "results"
    results.mkdir()
    act = {
        "id": "7",
        "external_key": case.external_key,
        "at": "2030-04-10T10:00:00+08:00",
        "result": "不属实",
        "by": "王强",
    }
    (results / "a.json").write_text(json.dumps([act], ensure_ascii=False))
    seen: list[object] = []
    assert deliver.pull_all(town, settings, ledger, None, {}, seen.append) == (1, ())
    (feature,) = json.loads(town.reviewed_file.read_text("utf-8"))["features"]
    assert (feature["properties"]["verdict"], feature["properties"]["on_site"]) == ("rejected", "unfounded")
    assert feature["properties"]["before_ortho"] == f"surveys/A1/{MARCH}/ortho.tif"
    assert deliver.pull_all(town, settings, ledger, None, {}, seen.append)[0] == 0
    assert "unfounded" in str(suspect_story(town, ledger, house.key)["on site"])


def test_what_a_killed_process_held_is_taken_up_at_once(town: Town) -> None:
    """A row leased to a process that is gone does not wait for the end of its lease."""
    town, settings, ledger = opened(town)
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    gone = town.workers_folder / "laptop-4711-abc"
    gone.mkdir(parents=True)
    (gone / ".lock").touch()
    with ledger.begin() as tx:
        assert outbox.claim(tx, "drop", gone.name, 3600.0) is not None
    assert push(town, settings, ledger) == {case.external_key: "confirmed"}
    assert not gone.exists()


def test_a_sensitive_zone_is_cut_from_what_leaves(town: Town) -> None:
    """Pictures near a sensitive zone leave and are printed with the zone hatched, never as they were."""
    town, settings, ledger = opened(town)
    from shapely.geometry import mapping
    from tests.steps.compared import outline

    zone = {
        "type": "Feature",
        "geometry": mapping(outline((-14.0, -4.0, 8.0, 8.0))),
        "properties": {"kind": "sensitive", "name": "barracks"},
    }
    town.zones_folder.mkdir(exist_ok=True)
    (town.zones_folder / "s.geojson").write_text(
        json.dumps({"type": "FeatureCollection", "features": [zone]})
    )
    house = next(row for row in listed_suspects(town, ledger) if row.area_m2 == 80.0)
    _, case = accept(town, settings, ledger, house.key, "built", "A")
    assert push(town, settings, ledger) == {case.external_key: "confirmed"}
    originals = {chip.sha256 for chip in case.suspect.chips}
    from aerial.codec import sha256_file

    left = list((town.root / "drop" / "cases" / case.external_key).glob("files/*.jpg"))
    assert len(left) == 3
    assert not originals & {sha256_file(path) for path in left}
    folder, _ = report_cases(town, settings, ledger, formats=("html",))
    shown = list((folder / "html" / "pictures").glob("*.jpg"))
    assert shown
    assert not originals & {sha256_file(path) for path in shown}
    assert "barracks" not in "".join(path.read_text("utf-8") for path in (folder / "html").glob("*.html"))
