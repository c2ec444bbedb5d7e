"""Evidence packages as they are written."""

import json
import re
from dataclasses import replace
from pathlib import Path

import bagit
import pytest
from tests.evidence.made import KEY, NOW, case_of, evidence_of, log, package_at, place

from aerial.chain import heads
from aerial.codec import read_record, sha256_file
from aerial.errors import EvidenceError
from aerial.evidence import bag
from aerial.evidence.gather import gather
from aerial.evidence.package import PackagedFile, write_package
from aerial.evidence.supporting import MissingFile
from aerial.evidence.verify import verify_package
from aerial.records import FileRef, SiteResult


def listed(folder: Path) -> dict[str, PackagedFile]:
    """Return the lines of files.json by path."""
    items = read_record(tuple[PackagedFile, ...], folder / "data/files.json")
    return {item.path: item for item in items}


def test_another_program_finds_the_package_valid(tmp_path: Path) -> None:
    """The Library of Congress' own BagIt program validates folder and unpacked zip, hashes and all."""
    package_at(tmp_path / "p", tmp_path / "town")
    assert bagit.Bag(str(tmp_path / "p")).validate()
    assert (tmp_path / "p/bagit.txt").read_text().splitlines()[0] == "BagIt-Version: 1.0"


def test_it_holds_all_that_supports_the_case(tmp_path: Path) -> None:
    """Case, chips, parameters, photographs, quality, flight log, model, audit, heads, receipts, results."""
    package_at(tmp_path / "p", tmp_path / "town")
    data = tmp_path / "p/data"
    case = data / "cases" / KEY
    assert {path.name for path in case.iterdir()} == {
        "case.json",
        "case.geojson",
        "suspect.geojson",
        "verdicts.json",
        "receipts.json",
        "results.json",
        "audit.jsonl",
    }
    pair = data / "pairs/A1/2026-11-01-1__2026-11-15-1"
    wanted = [
        pair / "align.json",
        pair / "detect.json",
        pair / "chips/k1-before.jpg",
        data / "model/model.toml",
    ]
    for survey in ("2026-11-01-1", "2026-11-15-1"):
        folder = data / "surveys/A1" / survey
        wanted += [folder / "photos/p1.jpg", folder / "quality.json", *folder.glob("flights/*.jsonl")]
    assert all(path.is_file() for path in wanted)
    assert len(wanted) == 10
    assert len((data / "audit.jsonl").read_bytes().splitlines()) == 12
    assert len((case / "audit.jsonl").read_bytes().splitlines()) == 3
    assert set(json.loads((data / "heads.json").read_text())) == {"01LAPTOP", "01OFFICE"}


def test_what_is_not_in_it_is_said(tmp_path: Path) -> None:
    """Mosaics, and photographs that tell nothing, are named as missing, with hash and reason."""
    package = package_at(tmp_path / "p", tmp_path / "town")
    told = (tmp_path / "p/bag-info.txt").read_text()
    ortho = "surveys/A1/2026-11-01-1/ortho.tif"
    item = listed(tmp_path / "p")[ortho]
    assert (item.present, item.sha256) == (False, "1" * 64)
    assert f"Aerial-Missing: {ortho}: too large" in told
    assert {ortho, "surveys/A1/2026-11-15-1/photos/p3.jpg"} <= set(package.missing)
    assert not any("p2.jpg" in path for path in listed(tmp_path / "p"))


def test_raw_photographs_leave_only_when_signed_for(tmp_path: Path) -> None:
    """Without the sign-off no original is in the package, their hashes are, and it says why."""
    package_at(tmp_path / "p", tmp_path / "town", raw_photographs=False)
    assert not list((tmp_path / "p/data").rglob("p*.jpg"))
    held = [item for item in listed(tmp_path / "p").values() if item.path.endswith("p1.jpg")]
    assert len(held) == 2
    assert all(item.sha256 and "nobody signed" in item.why for item in held)
    assert not [f for f in verify_package(tmp_path / "p") if f.level == "fail"]


def test_a_file_that_changed_since_it_came_in_is_refused(tmp_path: Path) -> None:
    """One changed photograph stops the package, by name, and nothing is left behind."""
    suspect, places = place(tmp_path / "town")
    changed = tmp_path / "town/surveys/A1/2026-11-01-1/photos/p1.jpg"
    changed.write_bytes(changed.read_bytes()[:-1] + b"x")
    evidence = evidence_of(suspect, gather(suspect, places))
    with pytest.raises(EvidenceError, match=r"p1\.jpg") as refused:
        write_package(tmp_path / "p", [evidence], log(), heads(log()), raw_photographs=True, made_at=NOW)
    assert refused.value.hint
    assert [path.name for path in tmp_path.iterdir()] == ["town"]


@pytest.mark.parametrize("name", ["align.json", "chips/k1-after.jpg", "hashes.json"])
def test_files_of_the_pair_are_held_to_the_hash_of_their_step(tmp_path: Path, name: str) -> None:
    """A file of the comparison that was edited after the step is refused."""
    suspect, places = place(tmp_path / "town")
    path = places.pair / name
    path.write_bytes(path.read_bytes() + b" ")
    evidence = evidence_of(suspect, gather(suspect, places))
    with pytest.raises(EvidenceError, match=re.escape(name)):
        write_package(tmp_path / "p", [evidence], log(), heads(log()), raw_photographs=True, made_at=NOW)


def test_a_package_is_never_rewritten(tmp_path: Path) -> None:
    """A second package of the same name is refused and the first stays as it is."""
    first = package_at(tmp_path / "p", tmp_path / "town")
    with pytest.raises(EvidenceError, match="already"):
        package_at(tmp_path / "p", tmp_path / "town2")
    assert bag.root_of((tmp_path / "p" / bag.TAGS_FILE).read_bytes()) == first.root_sha256


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    """Two zips of one case are equal to the byte, and have the root of the folder."""
    folder = package_at(tmp_path / "p", tmp_path / "t0")
    for number in (1, 2):
        zipped = package_at(tmp_path / str(number) / "p.zip", tmp_path / f"t{number}")
        assert zipped.root_sha256 == folder.root_sha256
    assert sha256_file(tmp_path / "1/p.zip") == sha256_file(tmp_path / "2/p.zip")


def test_a_broken_log_makes_no_package(tmp_path: Path) -> None:
    """A log with a row taken out, and one whose heads are others, are refused before anything is named."""
    rows = log()
    with pytest.raises(EvidenceError, match="audit log"):
        package_at(tmp_path / "p", tmp_path / "town", rows=rows[:4] + rows[5:])
    suspect, places = place(tmp_path / "town2")
    evidence = evidence_of(suspect, gather(suspect, places))
    with pytest.raises(EvidenceError, match="heads"):
        write_package(tmp_path / "p", [evidence], rows, heads(rows[:-1]), raw_photographs=True, made_at=NOW)
    assert not (tmp_path / "p").exists()


def test_two_cases_share_their_files(tmp_path: Path) -> None:
    """A package of two cases of one pair holds each file once and a folder for each case."""
    suspect, places = place(tmp_path / "town")
    supporting = gather(suspect, places)
    cases = [evidence_of(suspect, supporting, key) for key in (KEY, "s77-2")]
    write_package(tmp_path / "p", cases, log(), heads(log()), raw_photographs=True, made_at=NOW)
    assert sorted(path.name for path in (tmp_path / "p/data/cases").iterdir()) == [KEY, "s77-2"]
    assert not [f for f in verify_package(tmp_path / "p") if f.level == "fail"]


def test_pictures_of_sensitive_ground_can_be_held_back(tmp_path: Path) -> None:
    """A withheld chip is not in the package, its hash and the reason are, and the package is whole."""
    suspect, places = place(tmp_path / "town")
    evidence = evidence_of(suspect, gather(suspect, places))
    chip = evidence.case.evidence[0].path
    evidence = replace(evidence, withheld={chip: "it shows a sensitive zone"})
    write_package(tmp_path / "p", [evidence], log(), heads(log()), raw_photographs=True, made_at=NOW)
    assert not (tmp_path / "p/data" / chip).exists()
    assert listed(tmp_path / "p")[chip].why == "it shows a sensitive zone"
    assert not [f for f in verify_package(tmp_path / "p") if f.level == "fail"]


def test_names_that_not_every_system_carries_are_listed_as_missing(tmp_path: Path) -> None:
    """A line break or percent sign in a file's name breaks no tag file: the file is listed, not carried."""
    suspect, places = place(tmp_path / "town")
    evidence = evidence_of(suspect, gather(suspect, places))
    odd = MissingFile(path="a\nb%0A: c", role="survey", sha256=None, why="no\r\nAerial-Forged: yes")
    supporting = replace(evidence.supporting, missing=(*evidence.supporting.missing, odd))
    evidence = replace(evidence, supporting=supporting)
    write_package(tmp_path / "p", [evidence], log(), heads(log()), raw_photographs=True, made_at=NOW)
    assert not re.search(r"^Aerial-Forged", (tmp_path / "p/bag-info.txt").read_text(), re.MULTILINE)
    assert not [f for f in verify_package(tmp_path / "p") if f.level == "fail"]


def test_what_the_case_names_is_in_the_package_or_said_to_be_missing(tmp_path: Path) -> None:
    """A file that only the case names is listed as missing; one that it names otherwise is refused."""
    suspect, places = place(tmp_path / "town")
    evidence = evidence_of(suspect, gather(suspect, places))
    lost = FileRef(path="pairs/A1/lost.json", sha256="d" * 64)
    with_lost = replace(evidence, case=replace(evidence.case, evidence=(lost,)))
    package = write_package(
        tmp_path / "p", [with_lost], log(), heads(log()), raw_photographs=True, made_at=NOW
    )
    assert lost.path in package.missing
    assert not [f for f in verify_package(tmp_path / "p") if f.level == "fail"]
    other = replace(evidence.case.evidence[0], sha256="d" * 64)
    forged = replace(evidence, case=replace(evidence.case, evidence=(other,)))
    with pytest.raises(EvidenceError, match="another hash"):
        write_package(tmp_path / "q", [forged], log(), heads(log()), raw_photographs=True, made_at=NOW)


def test_photographs_of_officers_that_were_not_fetched_are_said(tmp_path: Path) -> None:
    """A photograph that a result names is listed with the destination that holds it."""
    suspect, places = place(tmp_path / "town")
    evidence = evidence_of(suspect, gather(suspect, places))
    seen = SiteResult(
        id="r2",
        external_key=KEY,
        at=NOW,
        result="demolished",
        photos=(FileRef(path="9.jpg", sha256="c" * 64),),
    )
    evidence = replace(evidence, results={"city": (seen,)})
    package = write_package(
        tmp_path / "p", [evidence], log(), heads(log()), raw_photographs=True, made_at=NOW
    )
    assert f"results/{KEY}/city/9.jpg" in package.missing
    assert case_of(suspect).external_key == KEY
