"""The log that the simulated vehicle keeps itself, read by pymavlink and by our own reader."""

from pathlib import Path
from typing import Any

import pytest
from pymavlink.DFReader import DFReader_binary
from tests.simulate.vehicle.bench import Bench, survey

from aerial.flight.logs import read_log


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bench, Path]:
    """Fly two lines and write the log."""
    bench = Bench(*survey(), WP_RADIUS_M=2.0, CAM1_TYPE=1.0)
    bench.fly()
    path = tmp_path_factory.mktemp("log") / "00000001.BIN"
    bench.flying.write_log(path)
    return bench, path


def rows(path: Path, kind: str) -> list[Any]:
    """Return all messages of one kind."""
    reader, found = DFReader_binary(str(path)), []
    while (message := reader.recv_match(type=kind)) is not None:
        found.append(message)
    reader.close()
    return found


def test_every_shot_is_a_cam_row(logged: tuple[Bench, Path]) -> None:
    """CAM rows have the true place to 1e-7 degrees, heights, angles, and GPS times of the shots."""
    bench, path = logged
    found = rows(path, "CAM")
    assert len(found) == len(bench.state.shots) == 20
    for row, shot in zip(found, bench.state.shots, strict=True):
        assert row.Img == shot.index
        assert (row.Lat, row.Lng) == pytest.approx((shot.at.lat_deg, shot.at.lon_deg), abs=1e-7)
        assert (row.Alt, row.RelAlt) == pytest.approx(
            (shot.altitude_amsl_m, shot.height_above_home_m), abs=1e-4
        )
        angles = (shot.roll_deg, shot.pitch_deg, shot.yaw_deg)
        assert pytest.approx(angles, abs=1e-4) == (row.R, row.P, row.Y)
        # Weeks since 1980-01-06, 18 leap seconds ahead.
        unix_s = 315_964_800 + row.GPSWeek * 604_800 + row.GPSTime / 1000 - 18
        assert unix_s == pytest.approx(shot.time_s, abs=2e-3)


def test_the_rest_of_the_log(logged: tuple[Bench, Path]) -> None:
    """GPS rows come five times a second; parameters, modes, arming, texts and items are all there."""
    bench, path = logged
    gps = rows(path, "GPS")
    assert len(gps) == pytest.approx(len(bench.trace) / 10, rel=0.01)
    assert {row.Status for row in gps} == {6}
    assert max(row.Alt for row in gps) == pytest.approx(50, abs=0.2)
    assert max(row.Spd for row in gps) == pytest.approx(8, abs=2.5)
    assert {row.Name: row.Value for row in rows(path, "PARM")} == {"CAM1_TYPE": 1.0, "WP_RADIUS_M": 2.0}
    assert [row.ModeNum for row in rows(path, "MODE")] == [3]
    assert [row.ArmState for row in rows(path, "ARM")] == [1, 0]
    assert [row.CId for row in rows(path, "CMD") if row.CId in (16, 20, 22)] == [22, 16, 16, 16, 16, 20]
    assert any(row.Message == "Mission: 1 Takeoff" for row in rows(path, "MSG"))


def test_our_own_reader_finds_the_shots(logged: tuple[Bench, Path]) -> None:
    """``flight.logs`` reads the same shots from it."""
    bench, path = logged
    found = read_log(path).shots
    assert [shot.index for shot in found] == [shot.index for shot in bench.state.shots]
    times = [shot.time_s for shot in found]
    assert times == pytest.approx([shot.time_s for shot in bench.state.shots], abs=2e-3)
