"""Which photographs are usable, and why not."""

import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.photos.made import scene, write_flight, write_photo

from aerial.errors import PhotoError
from aerial.geo import LonLat
from aerial.photos import check as checking
from aerial.photos import check_photos, find_gaps, require_one_place
from aerial.photos.check import (
    _Entry,
    _judge_alone,
    _judge_heights,
    _judge_places,
    _judge_repeats,
    _judge_sharpness,
)
from aerial.photos.content import Content
from aerial.progress import SILENT
from aerial.records import Photo, PhotoCheck
from benchmarks.photos_freetown import rows_of


def reasons(folder: Path) -> dict[str, PhotoCheck]:
    """Return the verdicts that say something, by file."""
    return {check.file: check for check in check_photos(folder, SILENT) if check.reasons}


def test_a_good_flight_has_nothing_to_say(tmp_path: Path) -> None:
    """Nine sharp nadir pictures at one height pass without a word."""
    write_flight(tmp_path)
    assert (reasons(tmp_path), len(check_photos(tmp_path, SILENT))) == ({}, 9)


@pytest.mark.parametrize("keep", [0.02, 0.3, 0.9, 0.995])
def test_a_truncated_file_is_named(tmp_path: Path, keep: float) -> None:
    """However much of it is there."""
    path = write_flight(tmp_path)[4]
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    (check,) = reasons(tmp_path).values()
    assert (check.file, check.ok) == ("DJI_0005.JPG", False)


def test_a_file_whose_end_was_replaced_is_named(tmp_path: Path) -> None:
    """A closed JPEG whose lower part is missing decodes without an error, to one grey."""
    path = write_flight(tmp_path)[4]
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    (check,) = reasons(tmp_path).values()
    assert (check.file, check.ok) == ("DJI_0005.JPG", False)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"at": None}, "no GPS position"),
        ({"xmp": {"GimbalPitchDegree": "-20.0", "RelativeAltitude": "+60.0"}}, "70° off nadir"),
        ({"xmp": {"GimbalPitchDegree": "-163.9", "RelativeAltitude": "+60.0"}}, "74° off nadir"),
        ({"xmp": {"GimbalPitchDegree": "-90.0", "RelativeAltitude": "+2.0"}}, "taken 2 m above take-off"),
        ({"image_HW3": np.full((600, 800, 3), 4, np.uint8)}, "almost black"),
        ({"image_HW3": cv2.GaussianBlur(scene(3), (0, 0), 4)}, "blurred"),
        ({"image_HW3": cv2.blur(scene(3), (25, 1))}, "blurred"),
        ({"image_HW3": scene(3, 400, 300)}, "a thumbnail"),
        ({"image_HW3": scene(3, 1800, 700)}, "a panorama"),
        ({"at": (114.2, 22.9)}, "a wrong position"),
    ],
)
def test_one_bad_photograph_among_good_ones_is_rejected(
    tmp_path: Path, change: dict[str, object], expected: str
) -> None:
    """It alone, and for its own reason."""
    write_flight(tmp_path)
    good: dict[str, object] = {
        "image_HW3": scene(30),
        "xmp": {"GimbalPitchDegree": "-90.0", "RelativeAltitude": "+60.0"},
        "seconds": 600,
        "at": (113.8303, 22.8102),
    }
    write_photo(tmp_path / "DJI_0099.JPG", **{**good, **change})  # type: ignore[arg-type]  # mixed on purpose
    (check,) = reasons(tmp_path).values()
    assert (check.file, check.ok) == ("DJI_0099.JPG", False)
    assert expected in check.reasons[0]


@pytest.mark.parametrize("rest", [8, 0])
def test_photographs_that_vanish_are_named_and_a_card_that_goes_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rest: int
) -> None:
    """One file that goes between reading and measuring is a verdict; all of them are a refusal."""
    write_flight(tmp_path)

    def measure(path: Path, **options: int) -> Content:
        if rest == 0 or path.name == "DJI_0005.JPG":
            path.unlink()
        return measure_of(path, **options)

    measure_of = checking.measure
    monkeypatch.setattr(checking, "measure", measure)
    if rest:
        (bad,) = reasons(tmp_path).values()
        assert (bad.file, bad.ok) == ("DJI_0005.JPG", False)
        assert bad.reasons == ("DJI_0005.JPG was there when the check began and is gone",)
        return
    with pytest.raises(PhotoError, match="went away") as caught:
        check_photos(tmp_path, SILENT)
    assert "memory card" in caught.value.hint


def test_a_folder_of_videos_and_one_that_cannot_be_read_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither looks like an empty folder; what could not be read is never passed over in silence."""
    (tmp_path / "DJI_0001.MP4").write_bytes(b"x")
    with pytest.raises(PhotoError, match=r"only 1 video\(s\)"):
        check_photos(tmp_path, SILENT)
    write_flight(tmp_path / "100MEDIA", 3)
    (tmp_path / "101MEDIA").mkdir()
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("101MEDIA"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PhotoError, match="101MEDIA cannot be read: Permission denied"):
        check_photos(tmp_path, SILENT)


def test_the_same_names_in_two_folders_are_two_photographs(tmp_path: Path) -> None:
    """Cameras begin again at DJI_0001 in the next folder."""
    write_flight(tmp_path / "100MEDIA", 4)
    for number, path in enumerate(write_flight(tmp_path / "101MEDIA", 4, seconds=60)):
        write_photo(path, image_HW3=scene(50 + number), at=(113.8304, 22.8101), seconds=60 + 3 * number)
    checks = check_photos(tmp_path, SILENT)
    assert [check.file for check in checks] == [
        f"10{f}MEDIA/DJI_000{n}.JPG" for f in (0, 1) for n in range(1, 5)
    ]
    assert all(check.ok for check in checks)


def test_another_height_is_a_remark(tmp_path: Path) -> None:
    """A usable picture from higher up stays usable and is named."""
    write_flight(tmp_path)
    write_photo(
        tmp_path / "high.jpg",
        image_HW3=scene(30),
        xmp={"GimbalPitchDegree": "-90.0", "RelativeAltitude": "+106.0"},
        seconds=600,
    )
    (check,) = reasons(tmp_path).values()
    assert (check.ok, check.reasons) == (True, ("flown at 106 m where the others are at 60 m",))


def test_a_line_that_follows_the_ground_down_is_not_a_landing(tmp_path: Path) -> None:
    """Steady forward flight far below the others' height over take-off is kept."""
    write_flight(tmp_path, 9)
    for i in range(5):
        write_photo(
            tmp_path / f"VALLEY_{i}.JPG",
            image_HW3=scene(40 + i),
            at=(113.831 + 0.0002 * i, 22.8101),
            seconds=100 + 3 * i,
            xmp={"GimbalPitchDegree": "-90.0", "RelativeAltitude": f"+{20 - i}"},
        )
    bad = {name for name, check in reasons(tmp_path).items() if not check.ok}
    # The ends of the line have only one neighbour, so nothing proves that they were not hovering.
    assert {"VALLEY_0.JPG", "VALLEY_4.JPG"} == bad


@pytest.mark.realdata
def test_a_flight_that_follows_hills_loses_nothing_to_its_heights(real_data: Path) -> None:
    """1,452 shots over a hillside, 170 to 470 m above the sea, counted from a take-off above most."""
    content = Content(
        bright=180, dark=20, detail=10, sharpness=3, sky=0, lost=0, thumb_HW=np.zeros((24, 32), np.float32)
    )
    entries = []
    for row, taken, at in rows_of(real_data / "freetown_meta"):
        photo = Photo(
            file=row["FileName"],
            width_px=4000,
            height_px=3000,
            taken_at=taken,
            at=at,
            altitude_m=None,
            relative_height_m=float(row["AbsoluteAltitude"]) - 230.0,
            gimbal_pitch_deg=float(row["GimbalPitchDegree"]),
            gimbal_yaw_deg=None,
            focal_px=2800.0,
            make=None,
            model=None,
            rtk_std_m=None,
        )
        entries.append(_Entry(photo=photo, size_bytes=1, content=content, bad=[], remarks=[]))
    for rule in (_judge_alone, _judge_places, _judge_heights, _judge_sharpness, _judge_repeats):
        rule(entries)
    bad = [entry for entry in entries if entry.bad]
    # One shot looks 35 degrees off nadir; hovering at the ends of a flight may look like taking off.
    assert len(bad) <= 0.01 * len(entries)
    assert any("gimbal" in entry.bad[0] for entry in bad)


def test_without_xmp_the_altitude_and_the_sky_speak(tmp_path: Path) -> None:
    """A picture from the ground, and one of the horizon, from a camera without gimbal data."""
    write_flight(tmp_path, dji=False)
    ground = write_photo(tmp_path / "ground.jpg", image_HW3=scene(31), altitude_m=2.0, seconds=600)
    view = scene(32)
    view[:260] = 235
    horizon = write_photo(tmp_path / "horizon.jpg", image_HW3=view, altitude_m=60.0, seconds=700)
    found = reasons(tmp_path)
    assert {ground.name, horizon.name} == set(found)
    assert "58 m below the others" in found["ground.jpg"].reasons[0]
    assert "sky" in found["horizon.jpg"].reasons[0]


def test_an_altitude_that_drifts_rejects_nobody(tmp_path: Path) -> None:
    """A receiver that wanders by 100 m during the flight loses no picture."""
    for i, path in enumerate(write_flight(tmp_path, 12, dji=False)):
        write_photo(
            path, image_HW3=scene(i), at=(113.83 + 0.0002 * i, 22.81), altitude_m=320 + 9.0 * i, seconds=3 * i
        )
    assert reasons(tmp_path) == {}


def test_copies_are_rejected_once(tmp_path: Path) -> None:
    """The same bytes, and the same picture saved again; the first one stays."""
    first = write_flight(tmp_path)[2]
    shutil.copy(first, tmp_path / "copy.jpg")
    write_photo(
        tmp_path / "saved again.jpg",
        image_HW3=cv2.GaussianBlur(scene(2), (0, 0), 0.4),
        at=(113.8304, 22.81),
        altitude_m=60.0,
        seconds=6,
        xmp={"GimbalPitchDegree": "-90.00", "RelativeAltitude": "+60.00"},
    )
    found = reasons(tmp_path)
    assert found["copy.jpg"].reasons == ("the same file as DJI_0003.JPG",)
    assert found["saved again.jpg"].reasons == ("the same picture as DJI_0003.JPG",)
    assert {"copy.jpg", "saved again.jpg"} == set(found)


def test_two_places_are_named_and_refused(tmp_path: Path) -> None:
    """The smaller group is rejected by ``check``; a step refuses the whole."""
    write_flight(tmp_path / "100MEDIA", 9)
    write_flight(tmp_path / "101MEDIA", 6, origin=(113.95, 22.81))
    checks = check_photos(tmp_path, SILENT)
    assert sum(check.ok for check in checks) == 9
    assert all("another place" in check.reasons[0] for check in checks if not check.ok)
    with pytest.raises(PhotoError, match=r"2 places, up to 12\.3 km apart") as caught:
        require_one_place([check.photo for check in checks if check.photo])
    assert "folder of its own" in caught.value.hint


def test_a_gap_in_the_cover_is_found() -> None:
    """Twenty-five photographs cover; without the nine in the middle there is a hole."""

    def photo(x: int, y: int) -> Photo:
        return Photo(
            file=f"{x}_{y}.jpg",
            width_px=4000,
            height_px=3000,
            taken_at=None,
            at=LonLat(lon_deg=113.83 + x * 0.000195, lat_deg=22.81 + y * 0.00018),
            altitude_m=None,
            relative_height_m=60.0,
            gimbal_pitch_deg=-90.0,
            gimbal_yaw_deg=0.0,
            focal_px=2800.0,
            make=None,
            model=None,
            rtk_std_m=None,
        )

    whole = [photo(x, y) for x in range(9) for y in range(9)]
    holed = [p for p in whole if not (p.file[0] in "2345" and p.file[2] in "2345")]
    assert find_gaps(whole) == ()
    assert [finding.code for finding in find_gaps(holed)] == ["gap"]
    assert [finding.code for finding in find_gaps(whole[:2])] == ["coverage_unknown"]


@pytest.mark.realdata
def test_real_flights_keep_their_good_photographs(real_data: Path) -> None:
    """18 of 18 and 75 of 75 are usable, though one receiver's altitude wanders by 110 m."""
    for name, count in (("brighton_beach", 18), ("caliterra_block", 75)):
        assert count == sum(c.ok for c in check_photos(real_data / "photos" / name, SILENT))


@pytest.mark.realdata
def test_a_real_card_loses_its_bad_photographs_only(real_data: Path) -> None:
    """The 8 bad ones of Bogotá have a reason, the 18 at 60 m none, the one at 106 m is named."""
    checks = {c.file[:-4]: c for c in check_photos(real_data / "photos" / "bogota_niza", SILENT)}
    bad = {"101MEDIA_DJI_0258", "101MEDIA_DJI_0984", "101MEDIA_DJI_0990", "102MEDIA_DJI_0994"}
    bad |= {name for name in checks if name.startswith("100MEDIA")}
    assert bad == {name for name, check in checks.items() if not check.ok}
    assert bad | {"101MEDIA_DJI_0948"} == {name for name, check in checks.items() if check.reasons}
    assert "106 m" in checks["101MEDIA_DJI_0948"].reasons[0]
