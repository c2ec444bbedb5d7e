"""Which photographs may go, and that nothing else does."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from aerial.codec import read_record, write_json
from aerial.errors import EvidenceError
from aerial.evidence import retention
from aerial.evidence.retention import (
    REMOVED_FILE,
    Claim,
    PhotoFolder,
    Removal,
    RetentionPlan,
    Rule,
    carry_out,
    plan_retention,
)
from aerial.records import FileRef, SurveyPhoto

TODAY = date(2026, 11, 28)
AT = datetime(2026, 11, 28, 8, 0, tzinfo=UTC)
RULE = Rule(keep_days=60, keep_case_days=730, budget_gb=0.0, baseline_days=90)


def folder(days: int, cell: str = "A1", *, size_gb: float = 1.0, **other: bool) -> PhotoFolder:
    """Return the photographs of a survey so many days old."""
    on = TODAY - timedelta(days=days)
    name = f"{on.isoformat()}-1"
    values = {"reference": False, "stitched": True, **other}
    return PhotoFolder(
        cell=cell,
        survey=name,
        on=on,
        folder=f"surveys/{cell}/{name}",
        size_bytes=round(size_gb * 1e9),
        **values,
    )


def claim(photos: PhotoFolder, what: str, closed_days: int | None = None) -> Claim:
    """Return a claim on one survey's photographs."""
    closed = None if closed_days is None else TODAY - timedelta(days=closed_days)
    return Claim(cell=photos.cell, surveys=(photos.survey,), what=what, name="k1", closed_on=closed)  # type: ignore[arg-type]


# A cell flown for a year: the reference, three old ones, one of 100 days (the baseline), the newest.
YEAR = (folder(365, reference=True), folder(300), folder(250), folder(200), folder(100), folder(1))


def removed(plan: RetentionPlan) -> list[int]:
    """Return how many days old what goes is."""
    return [(TODAY - item.photos.on).days for item in plan.remove]


def test_reference_newest_baseline_and_young_surveys_stay() -> None:
    """With no room at all only the old ones in between go; each other one says why it stays."""
    plan = plan_retention((*YEAR, folder(40)), [], RULE, TODAY)
    assert removed(plan) == [300, 250, 200]
    told = {(TODAY - item.photos.on).days: item.why for item in plan.keep}
    assert set(told) == {365, 100, 40, 1}
    assert "reference" in told[365] and "baseline" in told[100]
    assert "younger" in told[40] and "newest" in told[1]
    assert (plan.bytes_before, plan.bytes_after, plan.over_bytes) == (7e9, 4e9, 4e9)


def test_the_oldest_go_first_and_only_until_the_budget_is_met() -> None:
    """Six folders of 1 GB with room for 4.5: two go, the third stays because the budget is met."""
    plan = plan_retention(YEAR, [], replace(RULE, budget_gb=4.5), TODAY)
    assert removed(plan) == [300, 250]
    assert next(i.why for i in plan.keep if i.photos == YEAR[3]) == "The disk budget is met."
    assert (plan.bytes_after, plan.over_bytes) == (4e9, 0)


def test_without_a_budget_nothing_goes() -> None:
    """None is no zero: no disk budget means that nobody asked for room."""
    assert plan_retention(YEAR, [], replace(RULE, budget_gb=None), TODAY).remove == ()


@pytest.mark.parametrize(
    ("what", "closed_days", "stays"),
    [
        ("suspect", None, True),
        ("open case", None, True),
        ("closed case", 729, True),
        ("closed case", 730, False),
        ("closed case", None, True),
    ],
)
def test_what_a_suspect_or_case_rests_on_stays(what: str, closed_days: int | None, stays: bool) -> None:
    """Undecided suspects and open cases hold their photographs, closed ones until the legal period ends."""
    plan = plan_retention(YEAR, [claim(YEAR[1], what, closed_days)], RULE, TODAY)
    assert (300 not in removed(plan)) is stays


def test_a_claim_on_another_cell_or_survey_holds_nothing() -> None:
    """Only the survey of the claim's own cell is held."""
    other = replace(claim(YEAR[1], "suspect"), cell="B2")
    assert removed(plan_retention(YEAR, [other], RULE, TODAY)) == [300, 250, 200]


def test_photographs_without_a_mosaic_stay() -> None:
    """What was never stitched exists nowhere else."""
    plan = plan_retention((replace(YEAR[1], stitched=False), *YEAR[2:]), [], RULE, TODAY)
    assert 300 not in removed(plan)


def test_no_survey_that_is_protected_ever_goes() -> None:
    """1000 random towns: nothing claimed, young, newest, reference, baseline or unstitched is in a plan."""
    rng = Random(11)
    for _ in range(1000):
        made = [
            folder(
                days,
                cell,
                size_gb=rng.uniform(0.1, 3),
                reference=rng.random() < 0.1,
                stitched=rng.random() < 0.9,
            )
            for cell in ("A1", "B2")
            for days in sorted(rng.sample(range(400), rng.randrange(1, 9)), reverse=True)
        ]
        claims = [claim(item, "open case") for item in rng.sample(made, len(made) // 3)]
        rule = replace(RULE, budget_gb=rng.uniform(0, 12))
        plan = plan_retention(made, claims, rule, TODAY)
        held = {(c.cell, c.surveys[0]) for c in claims}
        for item in plan.remove:
            photos = item.photos
            cell = [f for f in made if f.cell == photos.cell]
            assert photos.stitched and not photos.reference and (photos.cell, photos.survey) not in held
            assert (TODAY - photos.on).days >= 60 and photos.on < max(f.on for f in cell)
        assert len(plan.remove) + len(plan.keep) == len(made)
        last = plan.remove[-1].photos.size_bytes if plan.remove else 0
        assert not plan.remove or plan.bytes_after + last > rule.budget_gb * 1e9


def test_an_impossible_rule_is_refused() -> None:
    """Negative days would delete what is of tomorrow."""
    with pytest.raises(EvidenceError, match="negative"):
        plan_retention(YEAR, [], replace(RULE, keep_days=-1), TODAY)


@pytest.fixture
def town(tmp_path: Path) -> Path:
    """A town with one old survey on disk: three photographs, one file that nobody recorded."""
    home = tmp_path / "town" / YEAR[1].folder
    (home / "photos").mkdir(parents=True)
    listed = []
    for number in range(3):
        path = home / "photos" / f"{number}.jpg"
        path.write_bytes(b"x" * 100)
        path.chmod(0o444)
        ref = FileRef(path=f"photos/{number}.jpg", sha256="0" * 64)
        listed.append(SurveyPhoto(file=ref, source=path.name, photo=None))
    (home / "photos/by-hand.txt").write_text("mine")
    (home / "ortho.tif").write_text("mosaic")
    write_json(home / "photos.json", listed)
    return tmp_path / "town"


def one_plan() -> RetentionPlan:
    """Return a plan that removes the one old survey."""
    plan = plan_retention(YEAR, [], replace(RULE, budget_gb=5.5), TODAY)
    assert removed(plan) == [300]
    return plan


def left(town: Path) -> set[str]:
    """Return the names of the files of the old survey."""
    return {path.name for path in (town / YEAR[1].folder).rglob("*") if path.is_file()}


def test_only_recorded_photographs_go_and_their_hashes_stay(town: Path) -> None:
    """Three originals are gone; photos.json, the mosaic and a file put there by hand are not."""
    plan = one_plan()
    (done,) = carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT)
    assert left(town) == {"photos.json", "by-hand.txt", "ortho.tif", REMOVED_FILE}
    assert (done.files, done.size_bytes, done.by, done.done) == (3, 300, "张三", True)
    assert read_record(Removal, town / YEAR[1].folder / REMOVED_FILE) == done


def test_an_unconfirmed_or_other_plan_deletes_nothing(town: Path) -> None:
    """Another plan's hash, an empty one, and nobody's name are refused before the first file."""
    plan = one_plan()
    before = left(town)
    for confirm, by in (("", "张三"), ("0" * 64, "张三"), (plan.sha256, " ")):
        with pytest.raises(EvidenceError):
            carry_out(plan, town, confirm=confirm, by=by, at=AT)
    assert left(town) == before
    other = replace(plan, remove=(replace(plan.remove[0], why="another reason"),))
    assert other.sha256 != plan.sha256


@pytest.mark.parametrize("path", ["surveys/A1/../../..", "/etc", "surveys/B2/2026-02-01-1", "plans/A1"])
def test_a_plan_that_names_another_folder_deletes_nothing(town: Path, path: str) -> None:
    """Only the survey's own folder is ever opened."""
    plan = one_plan()
    item = plan.remove[0]
    bad = replace(plan, remove=(replace(item, photos=replace(item.photos, folder=path)),))
    with pytest.raises(EvidenceError, match="not the folder"):
        carry_out(bad, town, confirm=bad.sha256, by="张三", at=AT)
    assert "0.jpg" in left(town)


def test_a_list_that_names_files_outside_deletes_nothing(town: Path) -> None:
    """photos.json with a path that climbs out, or the mosaic, stops everything before the first file."""
    listed = town / YEAR[1].folder / "photos.json"
    photos = read_record(tuple[SurveyPhoto, ...], listed)
    plan = one_plan()
    for path in ("../../../secret", "photos/../ortho.tif", "ortho.tif"):
        bad = replace(photos[0], file=replace(photos[0].file, path=path))
        write_json(listed, [*photos, bad])
        with pytest.raises(EvidenceError, match="no photograph"):
            carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT)
        assert {"0.jpg", "1.jpg", "2.jpg", "ortho.tif"} <= left(town)


def test_a_linked_folder_of_photographs_is_not_followed(town: Path, tmp_path: Path) -> None:
    """A photos folder that is a link leads elsewhere, and nothing goes there."""
    photos = town / YEAR[1].folder / "photos"
    photos.rename(tmp_path / "elsewhere")
    photos.symlink_to(tmp_path / "elsewhere")
    plan = one_plan()
    with pytest.raises(EvidenceError, match="not the folder"):
        carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT)
    assert (tmp_path / "elsewhere/0.jpg").is_file()


@pytest.mark.parametrize("dies_at", [0, 1, 2, 3])
def test_killed_at_any_file_and_called_again_it_ends_the_same(
    town: Path, dies_at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record tells of all three files whenever it was cut, and the second call finishes."""
    plan = one_plan()
    unlink, calls = Path.unlink, []

    def dying(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".jpg":
            calls.append(path)
            if len(calls) > dies_at:
                raise KeyboardInterrupt
        unlink(path, missing_ok=missing_ok)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", dying)
        if dies_at < 3:
            with pytest.raises(KeyboardInterrupt):
                carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT)
            begun = read_record(Removal, town / YEAR[1].folder / REMOVED_FILE)
            assert (begun.files, begun.done) == (3, False)
    # The plan that is made after the kill sees a smaller folder, and is confirmed anew.
    smaller = replace(plan.remove[0], photos=replace(plan.remove[0].photos, size_bytes=1))
    plan = replace(plan, remove=(smaller,))
    (done,) = carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT)
    assert (done.files, done.size_bytes, done.done) == (3, 300, True)
    assert carry_out(plan, town, confirm=plan.sha256, by="张三", at=AT) == (done,)
    assert not [name for name in left(town) if name.endswith(".jpg")]
    assert retention.REMOVED_FILE in left(town)
