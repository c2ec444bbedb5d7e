"""Camera and aircraft files: those that ship, and what is refused."""

import re
from pathlib import Path

import pytest

from aerial.errors import InputError
from aerial.plan.profiles import read_aircraft, read_camera
from aerial.resources import aircraft_file, camera_file, data_folder

CAMERAS = sorted(path.stem for path in (data_folder() / "flightplans" / "cameras").glob("*.toml"))
AIRCRAFT = sorted(path.stem for path in (data_folder() / "flightplans" / "aircraft").glob("*.toml"))


@pytest.mark.parametrize("name", CAMERAS)
def test_every_shipped_camera_is_read_and_says_its_source(name: str) -> None:
    """A shipped camera has a source and a focal length that fits its 35 mm equivalent within 8 %."""
    camera = read_camera(name)
    assert camera.name == name
    assert camera.source
    assert camera.focal_35mm is not None
    equivalent = camera.focal_mm / camera.sensor_width_mm * 36
    assert equivalent == pytest.approx(camera.focal_35mm, rel=0.08)


@pytest.mark.parametrize("name", AIRCRAFT)
def test_every_shipped_aircraft_carries_shipped_cameras(name: str) -> None:
    """A shipped aircraft has a source and cameras that ship; its power is that of a multirotor."""
    aircraft = read_aircraft(name)
    assert aircraft.source
    for camera in aircraft.cameras:
        read_camera(camera)
    watts_per_kg = aircraft.battery_wh / (aircraft.hover_s / 3600) / aircraft.takeoff_mass_kg
    assert 50 < watts_per_kg < 250
    assert aircraft.hover_s <= aircraft.cruise_s


def test_both_mavlink_autopilots_and_dji_ship() -> None:
    """At least five aircraft ship, and one for each autopilot that plans are exported to."""
    assert len(AIRCRAFT) >= 5
    assert {read_aircraft(name).autopilot for name in AIRCRAFT} == {"ardupilot", "px4", "dji"}


def test_an_unknown_name_lists_those_that_ship() -> None:
    """The hint names every camera and every aircraft there is."""
    for read, names in ((read_camera, CAMERAS), (read_aircraft, AIRCRAFT)):
        with pytest.raises(InputError) as caught:
            read("concorde")
        assert all(name in caught.value.hint for name in names)


def own(tmp_path: Path, source: Path, change: tuple[str, str]) -> str:
    """Copy a shipped file with one regular expression replaced; return its path."""
    text, count = re.subn(change[0], change[1], source.read_text("utf-8"), flags=re.MULTILINE)
    assert count
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    """The name of the profile is the name of the file."""
    path = own(tmp_path, camera_file("dji_m3e_wide"), ("^min_trigger.*", "min_trigger_interval_s = 2"))
    assert read_camera(path).name == "mine"
    assert read_camera(path).min_trigger_interval_s == 2.0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("^focal_mm.*", "focal_mm = -8.8"), "focal_mm = -8.8 is not a positive"),
        (("^focal_mm.*", "focal_mm = nan"), "not a positive"),
        (("^focal_mm.*", ""), "focal_mm"),
        (("^focal_mm", "focal_lenght_mm = 3\nfocal_mm"), "unknown keys focal_lenght_mm"),
        (("^sensor_width_mm.*", "sensor_width_mm = 16.0"), "times as wide as high"),
        (("^width_px.*", "width_px = '5280'"), "whole number"),
        (("^source.*", "source = ''"), "source is empty"),
        (("^make.*", "make ="), "is not TOML"),
        (("^make.*", "make = 'x'\nname = 'y'"), "holds the key name"),
    ],
)
def test_impossible_cameras_are_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    """Negative, missing, misspelt and contradictory figures are named."""
    path = own(tmp_path, camera_file("dji_m3e_wide"), change)
    with pytest.raises(InputError, match=says):
        read_camera(path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("^cameras.*", "cameras = []"), "cameras is empty"),
        (("^cruise_m_s.*", "cruise_m_s = 30"), "above max_speed"),
        (("^hover_s.*", "hover_s = 38"), "seconds"),
        (("^position_period_s.*", "position_period_s = 5"), "above 1 s"),
        (("^dji_payload.*", ""), "go together"),
        (("^turn.*", "turn = 'fast'"), "turn"),
        (("^climb_m_s.*", "climb_m_s = 0"), "not a positive"),
    ],
)
def test_impossible_aircraft_are_refused(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    """Figures that no multirotor has are named."""
    path = own(tmp_path, aircraft_file("dji_mavic3_enterprise"), change)
    with pytest.raises(InputError, match=says):
        read_aircraft(path)


def test_an_absent_file_is_told() -> None:
    """A path that leads nowhere is no unknown name."""
    with pytest.raises(InputError, match="not there"):
        read_camera("nowhere/mine.toml")
