"""A position goes into a JPEG and nothing else in it changes."""

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.photos.made import scene, write_photo

from aerial.errors import PhotoError
from aerial.geo import LonLat
from aerial.photos.embed import with_position
from aerial.photos.metadata import read_photo
from aerial.records import Photo, ShotRecord
from benchmarks.geotag import shot

SHOT = replace(
    shot(7, 1_790_000_000.25), at=LonLat(lon_deg=-70.12345678, lat_deg=-33.45678901), altitude_amsl_m=612.345,
    height_above_home_m=-3.25, roll_deg=1.5, pitch_deg=-7.25, yaw_deg=271.25,
)  # fmt: skip


def bare(width: int = 64) -> bytes:
    """Return a JPEG with a JFIF head and nothing else."""
    file = io.BytesIO()
    Image.fromarray(scene(3, width, 48)).save(file, "JPEG", quality=90)
    return file.getvalue()


def reread(tmp_path: Path, jpeg: bytes) -> Photo:
    """Return what a JPEG says."""
    (tmp_path / "b.JPG").write_bytes(jpeg)
    return read_photo(tmp_path, "b.JPG")


def picture(jpeg: bytes) -> bytes:
    """Return everything from the first table of the picture on."""
    return jpeg[jpeg.index(b"\xff\xdb") :]


def test_position_heights_and_attitude_are_written_and_nothing_else(tmp_path: Path) -> None:
    """South and west, below home, time and course; the picture's bytes and the other tags are the same."""
    original = write_photo(tmp_path / "a.JPG", at=None, altitude_m=None, exif={0x927C: b"maker" * 40})
    old = original.read_bytes()
    new = with_position(old, SHOT, "a.JPG", utc=True)
    assert picture(new) == picture(old)
    said = reread(tmp_path, new)
    assert said.at is not None
    assert (said.at.lon_deg, said.at.lat_deg) == pytest.approx((-70.12345678, -33.45678901), abs=1e-9)
    assert (said.altitude_m, said.relative_height_m) == pytest.approx((612.345, -3.25))
    before = read_photo(tmp_path, "a.JPG")
    assert replace(said, file="a.JPG", at=None, altitude_m=None, relative_height_m=None) == before
    with Image.open(io.BytesIO(new)) as image:
        gps = image.getexif().get_ifd(0x8825)
        packet = image.info["xmp"]
    assert (gps[1], gps[3], gps[5], gps[16], gps[18]) == ("S", "W", b"\x00", "T", "WGS-84")
    assert float(gps[17]) == 271.25
    assert (gps[29], [float(part) for part in gps[7]]) == ("2026:09:21", [14.0, 13.0, 20.25])
    assert b'drone-dji:FlightYawDegree="-88.750"' in packet


def test_a_makers_notes_stay_where_they_are(tmp_path: Path) -> None:
    """Their inner offsets count from the head of the EXIF block: they are neither moved nor changed."""
    notes = bytes(range(256)) * 8
    old = write_photo(tmp_path / "a.JPG", at=None, exif={0x927C: notes}).read_bytes()
    new = with_position(old, SHOT, "a.JPG", utc=False)
    assert old.index(notes) - old.index(b"Exif\0\0") == new.index(notes) - new.index(b"Exif\0\0")


def test_a_time_that_is_not_known_is_not_written() -> None:
    """Without UTC in the log there is no GPS time; without heights and course none of them."""
    poor = replace(
        SHOT, altitude_amsl_m=None, height_above_home_m=None, roll_deg=None, pitch_deg=None, yaw_deg=None
    )
    with Image.open(io.BytesIO(with_position(bare(), poor, "a.JPG", utc=False))) as image:
        gps = image.getexif().get_ifd(0x8825)
        assert set(gps) == {0, 1, 2, 3, 4, 18}
        assert b"drone-dji:" not in image.info["xmp"].replace(b"xmlns:drone-dji", b"")


def test_what_a_drone_wrote_before_is_replaced_not_doubled(tmp_path: Path) -> None:
    """An old position, height and RTK quality go; the gimbal's angles and foreign names stay."""
    xmp = {"RelativeAltitude": "+59.90", "GpsLatitude": "1.0", "RtkStdLat": "0.01", "RtkStdLon": "0.01",
           "GimbalPitchDegree": "-89.90", "FlightYawDegree": "+1.00"}  # fmt: skip
    old = write_photo(tmp_path / "a.JPG", xmp=xmp).read_bytes()
    new = with_position(old, SHOT, "a.JPG", utc=False)
    assert new.count(b"RelativeAltitude") == 1
    said = reread(tmp_path, new)
    assert (said.relative_height_m, said.gimbal_pitch_deg, said.rtk_std_m) == (-3.25, -89.9, None)
    assert said.at is not None
    assert said.at.lat_deg == pytest.approx(-33.45678901, abs=1e-9)


def test_a_jpeg_without_any_metadata_takes_a_position(tmp_path: Path) -> None:
    """EXIF and XMP are put behind the JFIF head; the rest is as it was."""
    new = with_position(bare(), SHOT, "a.JPG", utc=True)
    assert new[:11] == bare()[:11]
    assert picture(new) == picture(bare())
    assert reread(tmp_path, new).altitude_m == pytest.approx(612.345)


def test_little_endian_blocks_stay_little_endian(tmp_path: Path) -> None:
    """Most cameras write II; numbers of the new directory must be of the same order."""
    exif = Image.Exif()
    exif.endian = "<"
    exif[0x0110] = "ILCE-6000"
    file = io.BytesIO()
    Image.fromarray(scene(3, 64, 48)).save(file, "JPEG", exif=b"Exif\0\0" + exif.tobytes()[6:])
    assert b"Exif\0\0II" in file.getvalue()
    said = reread(tmp_path, with_position(file.getvalue(), SHOT, "a.JPG", utc=True))
    assert said.model == "ILCE-6000"
    assert said.altitude_m == pytest.approx(612.345)


def test_a_full_block_is_refused_with_the_way_out(tmp_path: Path) -> None:
    """A segment holds 65 533 bytes: where there is no room the sidecar is named."""
    old = write_photo(tmp_path / "a.JPG", at=None, exif={0x927C: bytes(65_200)}).read_bytes()
    with pytest.raises(PhotoError, match="no room") as refusal:
        with_position(old, SHOT, "a.JPG", utc=True)
    assert "--sidecar" in refusal.value.hint


@pytest.mark.parametrize("cut", [0, 1, 3, 20, 200])
def test_a_broken_file_is_refused(tmp_path: Path, cut: int) -> None:
    """A file that ends in its head is no photograph."""
    old = write_photo(tmp_path / "a.JPG").read_bytes()
    with pytest.raises(PhotoError, match="not a readable JPEG"):
        with_position(old[:cut], SHOT, "a.JPG", utc=True)


def test_damaged_metadata_is_refused_not_rewritten(tmp_path: Path) -> None:
    """Offsets that lead out of the block, and XMP without an end, are not guessed at."""
    old = write_photo(tmp_path / "a.JPG", xmp={"RelativeAltitude": "+1"}).read_bytes()
    at = old.index(b"Exif\0\0") + 10
    with pytest.raises(PhotoError, match="EXIF data of a"):
        with_position(old[:at] + b"\x7f\xff\xff\xff" + old[at + 4 :], SHOT, "a.JPG", utc=True)
    with pytest.raises(PhotoError, match="XMP data of a"):
        with_position(old.replace(b"</rdf:RDF>", b"</rdf_RDF>"), SHOT, "a.JPG", utc=True)


@given(
    lon=st.floats(-180, 180), lat=st.floats(-90, 90), amsl=st.floats(-400, 9000), above=st.floats(-500, 500)
)
def test_every_position_comes_back(lon: float, lat: float, amsl: float, above: float) -> None:
    """To 1e-9 degrees (0.1 mm) and a millimetre, anywhere on Earth; (0, 0) alone reads as no fix."""
    here: ShotRecord = replace(
        SHOT, at=LonLat(lon_deg=lon, lat_deg=lat), altitude_amsl_m=amsl, height_above_home_m=above
    )
    with Image.open(io.BytesIO(with_position(bare(16), here, "a.JPG", utc=False))) as image:
        gps = image.getexif().get_ifd(0x8825)
    found = [
        sum(float(part) / 60**power for power, part in enumerate(gps[tag]))
        * (-1 if gps[tag - 1] in "SW" else 1)
        for tag in (4, 2)
    ]
    assert found == pytest.approx([lon, lat], abs=1e-9)
    assert float(gps[6]) * (-1 if gps[5] == b"\x01" else 1) == pytest.approx(amsl, abs=6e-4)
