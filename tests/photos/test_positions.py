"""Positions of photographs from a file beside them (geo.txt)."""

from pathlib import Path

import pytest

from aerial.errors import AerialError, InputError, PhotoError
from aerial.photos.positions import read_positions, require_named, with_position
from aerial.records import LonLat, Photo

PHOTO = Photo(
    file="100MEDIA/DJI 1.JPG",
    width_px=4000,
    height_px=3000,
    taken_at=None,
    at=LonLat(lon_deg=1.0, lat_deg=2.0),
    altitude_m=5.0,
    relative_height_m=80.0,
    gimbal_pitch_deg=-90.0,
    gimbal_yaw_deg=0.0,
    focal_px=3000.0,
    make=None,
    model=None,
    rtk_std_m=None,
)


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    """Return a file with ``text``."""
    path = tmp_path / "geo.txt"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("header", ["EPSG:4547", "epsg 4547", "# EPSG:4547"])
def test_a_line_places_its_photograph(tmp_path: Path, header: str) -> None:
    """Name with a space, x, y, height, angles, accuracy and other programs' remarks are read as meant."""
    path = written(
        tmp_path, f"{header}\n# a remark\n\nDJI 1.JPG 474000.5 2542000 87.25 0 -90 0 0.02 0.04 fix\r\n"
    )
    photo = with_position(PHOTO, read_positions(path))
    assert photo.at is not None
    assert (photo.at.lon_deg, photo.at.lat_deg) == pytest.approx((113.7466, 22.9776), abs=1e-3)
    assert (photo.altitude_m, photo.rtk_std_m, photo.relative_height_m) == (87.25, 0.02, 80.0)


def test_utm_by_name_and_chinese_encodings(tmp_path: Path) -> None:
    """ODM's ``WGS84 UTM 50N`` and a file that Notepad saved in GB 18030 are understood."""
    path = written(tmp_path, "WGS84 UTM 50N\n照片 01.jpg 500000 2500000\n", "gb18030")
    (position,) = read_positions(path).values()
    assert position.at.lon_deg == pytest.approx(117.0)
    assert position.altitude_m is None
    assert set(read_positions(path)) == {"照片 01.jpg"}


def test_a_photograph_that_the_file_does_not_name_has_no_position(tmp_path: Path) -> None:
    """EXIF of metres is not mixed with a file of centimetres: overlap places the photograph."""
    positions = read_positions(written(tmp_path, "EPSG:4326\nother.jpg 113 23\n"))
    photo = with_position(PHOTO, positions)
    assert photo.at is None
    assert photo.relative_height_m == 80.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("EPSG:4326\n", "no position"),
        ("a.jpg 113 23\n", "names no CRS"),
        ("EPSG:999999\na.jpg 113 23\n", "names no CRS"),
        # A bare ellipsoid is no datum: nobody knows where on Earth its numbers lie.
        ("+proj=tmerc +lon_0=114 +ellps=GRS80\na.jpg 1 1\n", "names no CRS"),
        ("EPSG:4326\na.jpg 113\n", "line 2"),
        ("EPSG:4326\na.jpg 113 north\n", "'north' is not a number"),
        ("EPSG:4326\na.jpg 23 113\n", "x comes first"),
        ("EPSG:4326\na.jpg nan 23\n", "not a finite number"),
        ("EPSG:4326\na.jpg 113 23\na.jpg 113 24\n", "has a position already"),
        ("EPSG:4326\na.jpg 113 23 5 0 0 0 -1\n", "accuracy of -1 m"),
        ("EPSG:4326\na\x00.jpg 113 23\n", "not a text table"),
        ("EPSG:4547\na.jpg 1e9 1e9\n", "line 2"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path: Path, text: str, message: str) -> None:
    """Every wrong file is refused with the line and a hint."""
    with pytest.raises(AerialError, match=message) as error:
        read_positions(written(tmp_path, text))
    assert error.value.hint


def test_a_file_that_is_not_there_or_enormous_is_refused(tmp_path: Path) -> None:
    """An absent file and one of 33 MB end in a sentence."""
    with pytest.raises(InputError, match="not there"):
        read_positions(tmp_path / "geo.txt")
    with pytest.raises(InputError, match="not a text table"):
        read_positions(written(tmp_path, "EPSG:4326\n" + "a" * 33_000_000))


def test_positions_of_other_photographs_are_refused(tmp_path: Path) -> None:
    """A file of another flight, and a bare name that two folders share, place nothing."""
    positions = read_positions(written(tmp_path, "EPSG:4326\na.jpg 113 23\n"))
    with pytest.raises(PhotoError, match="places 1 of the 4"):
        require_named(["a.jpg", "b.jpg", "c.jpg", "d.jpg"], positions, tmp_path / "geo.txt")
    with pytest.raises(PhotoError, match="2 photographs have this name"):
        require_named(["1/a.jpg", "2/a.jpg"], positions, tmp_path / "geo.txt")
