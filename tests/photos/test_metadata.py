"""What is read from EXIF and XMP."""

import math
from datetime import timedelta
from pathlib import Path

import pytest
from tests.photos.made import scene, write_photo

from aerial.errors import PhotoError
from aerial.photos import list_photos, read_photos
from aerial.photos.metadata import read_photo
from aerial.progress import SILENT


def test_a_dji_photograph_tells_position_heights_gimbal_and_rtk(tmp_path: Path) -> None:
    """South and west are negative, an altitude below sea level too; XMP gives height and gimbal."""
    write_photo(
        tmp_path / "a.JPG",
        at=(-91.99455, -46.84261),
        altitude_m=-12.5,
        xmp={
            "RelativeAltitude": "+59.90",
            "GimbalPitchDegree": "-89.90",
            "GimbalYawDegree": "-125.1",
            "RtkStdLon": "0.012",
            "RtkStdLat": "0.015",
        },
    )
    photo = read_photo(tmp_path, "a.JPG")
    assert photo.at is not None
    assert pytest.approx((photo.at.lon_deg, photo.at.lat_deg), abs=1e-8) == (-91.99455, -46.84261)
    assert pytest.approx(
        (
            photo.altitude_m,
            photo.relative_height_m,
            photo.gimbal_pitch_deg,
            photo.gimbal_yaw_deg,
            photo.rtk_std_m,
        )
    ) == (-12.5, 59.9, -89.9, -125.1, 0.015)
    assert (photo.make, photo.model, photo.width_px, photo.height_px) == ("DJI", "FC0001", 800, 600)


def test_xmp_as_elements_is_read_like_xmp_as_attributes(tmp_path: Path) -> None:
    """Tools that rewrite XMP turn attributes into elements; the closing tag is not a value."""
    path = write_photo(tmp_path / "a.jpg", xmp={"RelativeAltitude": "+1.00"})
    old = b'drone-dji:RelativeAltitude="+1.00"/>'
    new = b"><drone-dji:RelativeAltitude>+39.80</drone-dji:RelativeAltitude></rdf:Description>"
    data = path.read_bytes()
    assert old in data
    at = data.index(b"\xff\xe1", data.index(b"Exif"))
    length = int.from_bytes(data[at + 2 : at + 4], "big") + len(new) - len(old)
    path.write_bytes(data[: at + 2] + length.to_bytes(2, "big") + data[at + 4 :].replace(old, new))
    assert read_photo(tmp_path, "a.jpg").relative_height_m == 39.8


@pytest.mark.parametrize(
    ("size", "equivalent", "expected"),
    [((1500, 1000), 24, 1000.0), ((1400, 788), 20, 1400 * 20 / 36), ((800, 600), 24, 24 * 1000 / 43.2666)],
)
def test_the_35_mm_equivalent_becomes_pixels(
    tmp_path: Path, size: tuple[int, int], equivalent: int, expected: float
) -> None:
    """By the width at 3:2 and wider, by the diagonal at 4:3."""
    write_photo(tmp_path / "a.jpg", image_HW3=scene(1, *size), equivalent_mm=equivalent)
    assert read_photo(tmp_path, "a.jpg").focal_px == pytest.approx(expected, rel=1e-4)


def test_the_sensor_pitch_counts_for_a_picture_that_was_scaled_down(tmp_path: Path) -> None:
    """4.5 mm at 645.41 px/mm on 4000 px is 581 px on 800 px; a sensor of 1.9 mm is a contradiction."""
    pitch = {0x920A: 4.5, 0xA20E: 16393.44, 0xA210: 2, 0xA002: 4000, 0xA003: 3000}
    write_photo(tmp_path / "a.jpg", equivalent_mm=None, exif=pitch)
    assert read_photo(tmp_path, "a.jpg").focal_px == pytest.approx(4.5 * 16393.44 / 25.4 * 0.2, rel=1e-5)
    rewritten = {**pitch, 0xA002: 800, 0xA003: 600}
    write_photo(tmp_path / "c.jpg", equivalent_mm=None, exif=rewritten)
    assert read_photo(tmp_path, "c.jpg").focal_px is None
    model = {0x0110: "Canon PowerShot SX260 HS"}
    write_photo(tmp_path / "d.jpg", equivalent_mm=None, exif=rewritten, main=model)
    assert read_photo(tmp_path, "d.jpg").focal_px == pytest.approx(4.5 / 6.2 * 800)
    write_photo(tmp_path / "b.jpg", equivalent_mm=50, exif=pitch)
    assert read_photo(tmp_path, "b.jpg").focal_px == pytest.approx(50 * 1000 / 43.2666, rel=1e-4)


def test_a_calibrated_focal_length_is_best(tmp_path: Path) -> None:
    """DJI's calibrated value of the full frame is scaled to the file."""
    write_photo(
        tmp_path / "a.jpg", xmp={"CalibratedFocalLength": "3725.15", "CalibratedOpticalCenterX": "2640.0"}
    )
    assert read_photo(tmp_path, "a.jpg").focal_px == pytest.approx(3725.15 * 800 / 5280)


def test_the_time_has_its_offset_and_its_fraction(tmp_path: Path) -> None:
    """OffsetTimeOriginal is kept; without it UTC is assumed; fractions of a second count."""
    write_photo(tmp_path / "a.jpg", exif={0x9011: "+08:00", 0x9291: "250"})
    write_photo(tmp_path / "b.jpg")
    a, b = (read_photo(tmp_path, name).taken_at for name in ("a.jpg", "b.jpg"))
    assert a is not None
    assert b is not None
    assert (timedelta(hours=8), 250_000) == (a.utcoffset(), a.microsecond)
    assert timedelta(hours=8) - timedelta(seconds=0.25) == b - a


def test_what_a_file_does_not_say_is_none(tmp_path: Path) -> None:
    """Nothing is guessed; (0, 0) and not-a-number are no position and no height."""
    write_photo(tmp_path / "a.jpg", at=None, equivalent_mm=None, exif={0x9003: "0000:00:00 00:00:00"})
    write_photo(tmp_path / "b.jpg", at=(0, 0), xmp={"RelativeAltitude": "nan"})
    a, b = (read_photo(tmp_path, name) for name in ("a.jpg", "b.jpg"))
    assert (
        a.taken_at,
        a.at,
        a.altitude_m,
        a.relative_height_m,
        a.gimbal_pitch_deg,
        a.gimbal_yaw_deg,
        a.focal_px,
        a.rtk_std_m,
    ) == (None,) * 8
    assert (b.at, b.relative_height_m) == (None, None)


def test_photographs_are_listed_through_the_folders_of_a_card(tmp_path: Path) -> None:
    """Any case of the suffix, sorted, relative; hidden files and other kinds are left out."""
    for name in ("101MEDIA/b.JPG", "100MEDIA/a.jpeg", "c.jpg", "._c.jpg", ".trash/d.jpg", "e.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert list_photos(tmp_path) == ("100MEDIA/a.jpeg", "101MEDIA/b.JPG", "c.jpg")


def test_an_empty_folder_is_refused_with_a_hint(tmp_path: Path) -> None:
    """No photographs is an expected failure, not an empty list."""
    with pytest.raises(PhotoError, match="holds no photographs") as caught:
        list_photos(tmp_path)
    assert "JPEG" in caught.value.hint


def test_unreadable_files_are_named_and_left_out(tmp_path: Path) -> None:
    """A text file called .jpg does not end the reading."""
    write_photo(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_text("not a picture")
    said: list[str] = []

    class Listening:
        def phase(self, name: str, total: int) -> None: ...
        def advance(self, units: int = 1) -> None: ...
        def say(self, message: str) -> None:
            said.append(message)

    assert [photo.file for photo in read_photos(tmp_path, Listening())] == ["a.jpg"]
    assert said == ["b.jpg is not a readable JPEG."]


@pytest.mark.realdata
def test_real_focal_lengths(real_data: Path) -> None:
    """Brighton: 20 mm on 1400 px of a 16:9 frame; Caliterra: 4.5 mm on a 6.2 mm sensor."""
    brighton = read_photos(real_data / "photos" / "brighton_beach", SILENT)
    caliterra = read_photos(real_data / "photos" / "caliterra", SILENT)
    assert {777.8} == {round(photo.focal_px or math.nan, 1) for photo in brighton}
    assert {871.0} == {round(photo.focal_px or math.nan, 1) for photo in caliterra}
