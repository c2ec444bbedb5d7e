"""What supports a suspect, and which photographs see it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.evidence.made import AT, BEFORE, M_LAT, M_LON, outline, photo, place

from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import EvidenceError, InputError
from aerial.evidence.gather import evidence_refs, gather
from aerial.evidence.hashes import note_hashes, noted_hashes
from aerial.evidence.sight import sight_of
from aerial.geo import LonLat
from aerial.records import SurveyPhoto, Suspect


@pytest.fixture
def suspect(tmp_path: Path) -> Suspect:
    """A 10 m square at ``AT`` with an error of 1.5 m."""
    return place(tmp_path / "town")[0]


def test_every_file_has_the_hash_that_was_recorded_for_it(tmp_path: Path) -> None:
    """Photographs, chips, parameters, quality, flight log, model and zone come with their first hash."""
    suspect, places = place(tmp_path / "town")
    found = {file.ref.path: file for file in gather(suspect, places).files}
    own = {"detect.json", "survey.json", "hashes.json"}
    late = {path.rpartition("/")[2] for path, file in found.items() if not file.recorded}
    assert late <= own
    assert all(file.ref.sha256 == sha256_file(file.source) for file in found.values())
    assert {"picture", "comparison", "survey", "photograph", "flight", "model", "zones"} == {
        file.role for file in found.values()
    }


def test_a_zone_or_model_that_is_gone_is_missing_with_its_hash(tmp_path: Path) -> None:
    """What the comparison used and is not there any more is listed, with the hash it had."""
    suspect, places = place(tmp_path / "town")
    hashes = {"zones/sensitive.geojson": sha256_file(places.zones[0])}
    missing = {item.path: item for item in gather(suspect, replace(places, zones=(), model=None)).missing}
    assert missing["zones/sensitive.geojson"].sha256 == hashes["zones/sensitive.geojson"]
    assert missing["model/model.toml"].sha256 == noted_hashes(places.pair)["model/model.toml"]


def test_a_photograph_that_was_deleted_is_missing_with_its_hash(tmp_path: Path) -> None:
    """After the retention rule the original is listed as not there any more."""
    suspect, places = place(tmp_path / "town")
    path = places.before / "photos/p1.jpg"
    held = sha256_file(path)
    path.unlink()
    item = {m.path: m for m in gather(suspect, places).missing}[f"surveys/A1/{BEFORE}/photos/p1.jpg"]
    assert (item.sha256, item.why) == (held, "not there any more")


def test_a_case_names_what_cannot_change_any_more(tmp_path: Path) -> None:
    """The evidence of a case is every file with a recorded hash, mosaics and deleted files included."""
    suspect, places = place(tmp_path / "town")
    before = evidence_refs(gather(suspect, places))
    (places.before / "photos/p1.jpg").unlink()
    assert evidence_refs(gather(suspect, places)) == before
    names = {ref.path.rpartition("/")[2] for ref in before}
    assert {"ortho.tif", "p1.jpg", "k1-after.jpg", "align.json"} <= names
    assert not {"survey.json", "detect.json"} & names


def test_records_that_name_other_hashes_or_files_outside_are_refused(tmp_path: Path) -> None:
    """photos.json against survey.json, and a path that climbs out, are named."""
    suspect, places = place(tmp_path / "town")
    listed = places.before / "photos.json"
    photos = read_record(tuple[SurveyPhoto, ...], listed)
    other = replace(photos[0], file=replace(photos[0].file, sha256="0" * 64))
    write_json(listed, [other, *photos[1:]])
    with pytest.raises(EvidenceError, match=r"photos/p1\.jpg"):
        gather(suspect, places)
    write_json(listed, photos)
    chip = replace(suspect.chips[0], path="../../../../secret")
    with pytest.raises(EvidenceError, match="outside"):
        gather(replace(suspect, chips=(chip,)), places)


def test_a_damaged_receipt_is_named(tmp_path: Path) -> None:
    """A detect.json that is none is an error with its path, not a traceback."""
    suspect, places = place(tmp_path / "town")
    (places.pair / "detect.json").write_text("[]")
    with pytest.raises(InputError, match=r"detect\.json"):
        gather(suspect, places)


def test_hashes_are_added_and_a_file_noted_again_is_replaced(tmp_path: Path) -> None:
    """A second note keeps the first names; the same name holds the newer hash."""
    (tmp_path / "a").write_text("1")
    note_hashes(tmp_path, {"a": tmp_path / "a", "b": tmp_path / "a"})
    old = noted_hashes(tmp_path)["b"]
    (tmp_path / "a").write_text("2")
    note_hashes(tmp_path, {"a": tmp_path / "a"})
    assert noted_hashes(tmp_path) == {"a": sha256_file(tmp_path / "a"), "b": old}
    assert old != sha256_file(tmp_path / "a")


# The frame of the made photograph is 100 m x 75 m; the suspect reaches 5 m, errors take 6.5 m more.
@pytest.mark.parametrize(
    ("east_m", "north_m", "yaw_deg", "seen"),
    [
        (0, 0, 0.0, True),
        (60, 0, 0.0, True),
        (63, 0, 0.0, False),
        (0, 48, 0.0, True),
        (0, 50.5, 0.0, False),
        (0, 60, 90.0, True),
        (50.5, 0, 90.0, False),
        (-60, 0, 180.0, True),
        (70, 0, None, True),
        (76, 0, None, False),
    ],
)
def test_a_photograph_sees_what_its_frame_touches(
    suspect: Suspect, east_m: float, north_m: float, yaw_deg: float | None, seen: bool
) -> None:
    """The frame, turned by the gimbal's yaw, counts to its rim and the errors, and no further."""
    assert sight_of(photo("a", east_m=east_m, north_m=north_m, gimbal_yaw_deg=yaw_deg), suspect) is seen


def test_a_camera_that_looks_forward_sees_what_lies_ahead(suspect: Suspect) -> None:
    """At 45 degrees to the north the ground 100 m north is in the middle, the ground below is not seen."""
    south = photo("a", north_m=-100, gimbal_pitch_deg=-45.0, gimbal_yaw_deg=0.0)
    assert sight_of(south, suspect) is True
    assert sight_of(replace(south, gimbal_yaw_deg=180.0), suspect) is False
    assert sight_of(photo("a", gimbal_pitch_deg=-45.0), suspect) is False


@pytest.mark.parametrize(
    "lacking",
    [
        {"at": None},
        {"relative_height_m": None},
        {"relative_height_m": -3.0},
        {"focal_px": None},
        {"gimbal_pitch_deg": -5.0},
    ],
)
def test_a_photograph_that_does_not_tell_is_neither_seen_nor_not(
    suspect: Suspect, lacking: dict[str, object]
) -> None:
    """Without position, height or focal length, or with the horizon in the frame, nothing is claimed."""
    assert sight_of(photo("a", **lacking), suspect) is None
    assert sight_of(None, suspect) is None


def test_no_photograph_whose_frame_holds_the_suspect_is_left_out(suspect: Suspect) -> None:
    """For 500 random photographs that look straight down: the suspect's middle in the frame means seen."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(500):
        east_m, north_m, yaw_deg = rng.uniform(-90, 90), rng.uniform(-90, 90), rng.uniform(0, 360)
        yaw = np.radians(yaw_deg)
        right_m = -east_m * np.cos(yaw) + north_m * np.sin(yaw)
        ahead_m = -east_m * np.sin(yaw) - north_m * np.cos(yaw)
        if abs(right_m) < 50 and abs(ahead_m) < 37.5:
            inside += 1
            shot = photo("a", east_m=east_m, north_m=north_m, gimbal_yaw_deg=yaw_deg)
            assert sight_of(shot, suspect) is True
    assert inside > 50
    assert outline().contains(outline(2))
    assert LonLat(lon_deg=AT.lon_deg + M_LON, lat_deg=AT.lat_deg + M_LAT) != AT
