"""``aerial photos import``."""

import shutil
from pathlib import Path

import pytest
from tests.photos.made import write_flight, write_photo
from tests.steps.made import make_town

from aerial.codec import sha256_file
from aerial.errors import InputError, PhotoError, WorkspaceError
from aerial.evidence.hashes import noted_hashes
from aerial.progress import SILENT
from aerial.steps import photos as step
from aerial.steps.photos import import_photos
from aerial.workspace import Town, survey_photos, surveys_of


@pytest.fixture
def town(tmp_path: Path) -> Town:
    """A town with cell A1."""
    return make_town(tmp_path / "town", "A1", "B2")


def test_originals_are_copied_hashed_and_read_only(town: Town, tmp_path: Path) -> None:
    """Byte for byte, a broken one too, with the metadata of each beside them."""
    paths = write_flight(tmp_path / "card", 4)
    paths[3].write_bytes(paths[3].read_bytes()[:30])
    survey = import_photos(town, "A1", tmp_path / "card", SILENT).survey
    folder = town.survey_folder("A1", survey.survey)
    assert survey.survey == "2026-03-02-1"
    assert [path.read_bytes() for path in paths] == [
        (folder / ref.path).read_bytes() for ref in survey.photos
    ]
    assert [ref.sha256 for ref in survey.photos] == [sha256_file(path) for path in paths]
    assert all((folder / ref.path).stat().st_mode & 0o222 == 0 for ref in survey.photos)
    listed = survey_photos(folder)
    assert [item.photo is not None for item in listed] == [True, True, True, False]
    assert surveys_of(town, "A1") == (survey,)


def test_plan_and_logs_of_the_flight_are_kept_with_the_photographs(town: Town, tmp_path: Path) -> None:
    """The plan and the logs of those hours are copied and hashed; another week's log is not."""
    write_flight(tmp_path / "card", 4)
    logs = town.plan_folder("A1") / "flights"
    logs.mkdir(parents=True)
    for name, time in (("now", "2026-03-02T20:00:00Z"), ("old", "2026-02-16T03:00:00Z"), ("none", "no")):
        (logs / f"{name}.jsonl").write_text(f'{{"time": "{time}", "event": "start"}}\nbroken')
    town.plan_file("A1").write_text("{}")
    survey = import_photos(town, "A1", tmp_path / "card", SILENT).survey
    folder = town.survey_folder("A1", survey.survey)
    assert sorted(path.name for path in (folder / "flights").iterdir()) == ["now.jsonl", "plan.json"]
    assert noted_hashes(folder) == {
        "flights/plan.json": sha256_file(town.plan_file("A1")),
        "flights/now.jsonl": sha256_file(logs / "now.jsonl"),
        "photos.json": sha256_file(folder / "photos.json"),
    }


def test_two_memory_card_folders_lose_nothing(town: Town, tmp_path: Path) -> None:
    """DJI_0001 of the second folder is another photograph; only names that collide change."""
    write_flight(tmp_path / "card" / "100MEDIA", 3)
    for i, path in enumerate(write_flight(tmp_path / "card" / "101MEDIA", 2)):
        write_photo(path, seconds=100 + i)
    write_photo(tmp_path / "card" / "101MEDIA_DJI_0001.JPG", seconds=200)
    survey = import_photos(town, "A1", tmp_path / "card", SILENT).survey
    names = [Path(ref.path).name for ref in survey.photos]
    assert len(names) == len({name.casefold() for name in names}) == 6
    assert {
        "100MEDIA_DJI_0001.JPG",
        "101MEDIA_DJI_0001.JPG",
        "101MEDIA_DJI_0001_2.JPG",
        "DJI_0003.JPG",
    } <= set(names)
    assert {sha256_file(path) for path in (tmp_path / "card").rglob("*.JPG")} == {
        r.sha256 for r in survey.photos
    }


def test_the_same_photographs_again_make_no_second_survey(town: Town, tmp_path: Path) -> None:
    """Also from another folder and by other names; a part of them is refused."""
    write_flight(tmp_path / "card", 4)
    first = import_photos(town, "A1", tmp_path / "card", SILENT)
    shutil.copytree(tmp_path / "card", tmp_path / "other" / "100MEDIA")
    again = import_photos(town, "A1", tmp_path / "other", SILENT)
    assert (first.again, again.again, first.survey) == (False, True, again.survey)
    write_photo(tmp_path / "other" / "new.jpg", seconds=99)
    with pytest.raises(WorkspaceError, match="4 of the 5 photographs"):
        import_photos(town, "A1", tmp_path / "other", SILENT)
    assert len(surveys_of(town, "A1")) == 1


def test_a_second_flight_of_a_day_has_the_next_number(town: Town, tmp_path: Path) -> None:
    """Other photographs of the same day are another survey."""
    write_flight(tmp_path / "a", 3)
    for i, path in enumerate(write_flight(tmp_path / "b", 3)):
        write_photo(path, seconds=5000 + i)
    for folder in ("a", "b"):
        import_photos(town, "A1", tmp_path / folder, SILENT)
    assert [survey.survey for survey in surveys_of(town, "A1")] == ["2026-03-02-1", "2026-03-02-2"]


def test_an_import_that_was_cut_short_is_taken_up(
    town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a survey is not listed; the next try finishes the same folder."""
    write_flight(tmp_path / "card", 5)
    copies: list[object] = []

    def failing(source: object, target: object) -> None:
        copies.append(source)
        if len(copies) == 3:
            raise OSError(28, "No space left on device")
        shutil.copyfile(source, target)  # type: ignore[type-var]  # paths, handed through

    with monkeypatch.context() as patch:
        patch.setattr(step, "shutil", type("Shutil", (), {"copyfile": staticmethod(failing)}))
        with pytest.raises(OSError, match="No space"):
            import_photos(town, "A1", tmp_path / "card", SILENT)
    assert surveys_of(town, "A1") == ()
    survey = import_photos(town, "A1", tmp_path / "card", SILENT).survey
    assert (survey.survey, len(survey.photos)) == ("2026-03-02-1", 5)
    assert [p.name for p in town.cell_folder("A1").iterdir() if p.is_dir()] == ["2026-03-02-1"]
    assert sorted(path.name for path in town.survey_folder("A1", survey.survey).iterdir()) == [
        "hashes.json",
        "photos",
        "photos.json",
        "survey.json",
    ]


def test_what_is_not_one_flight_over_the_cell_is_refused(town: Town, tmp_path: Path) -> None:
    """Each with its own message, and nothing is written."""
    write_flight(tmp_path / "two" / "1", 4)
    write_flight(tmp_path / "two" / "2", 4, origin=(113.95, 22.81))
    write_flight(tmp_path / "far", 3, origin=(113.95, 22.81))
    for i in range(3):
        write_photo(tmp_path / "nowhere" / f"{i}.jpg", at=None)
        write_photo(tmp_path / "never" / f"{i}.jpg", exif={0x9003: " "})
    (tmp_path / "empty").mkdir()
    cases: list[tuple[str, type[Exception], str]] = [
        ("two", PhotoError, "2 places"),
        ("far", PhotoError, "km from cell A1"),
        ("nowhere", PhotoError, "GPS position"),
        ("never", PhotoError, "when it was taken"),
        ("empty", PhotoError, "no photographs"),
    ]
    for folder, kind, message in cases:
        with pytest.raises(kind, match=message):
            import_photos(town, "A1", tmp_path / folder, SILENT)
    with pytest.raises(InputError, match="no cell 'C3'") as caught:
        import_photos(town, "C3", tmp_path / "two", SILENT)
    assert "A1, B2" in caught.value.hint
    assert not (town.root / "surveys").exists()
