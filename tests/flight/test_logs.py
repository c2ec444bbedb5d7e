"""Readers of logs: every layout is read, every damage is told, nothing hostile is believed."""

import random
import tracemalloc
from pathlib import Path

import pytest
from pymavlink import DFReader
from tests.flight.logs import (
    MIDDLE,
    NEW,
    OLD,
    UNIX_S,
    captured,
    dataflash,
    feedback,
    fmt,
    line,
    tlog,
    values_of,
)

from aerial.errors import InputError
from aerial.flight.logs import Log, read_log
from aerial.flight.logs import log as shared


def read(tmp_path: Path, content: bytes | str, name: str = "a.bin") -> Log:
    """Read a log of this content; the name says nothing."""
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_log(path)


def codes(log: Log) -> list[str]:
    """Return the codes of a log's findings."""
    return [finding.code for finding in log.findings]


@pytest.mark.parametrize("layout", [NEW, MIDDLE, OLD])
def test_cam_records_of_every_layout_are_read_by_name(tmp_path: Path, layout: tuple[str, str]) -> None:
    """Position, heights, attitude, number and UTC of a shot come out of the layouts of three firmwares."""
    log = read(tmp_path, dataflash(range(1, 6), layout))
    assert (log.kind, log.utc, codes(log)) == ("dataflash", True, [])
    # Old firmware does not number its shots, so that nobody can tell whether the log lacks some.
    assert log.lossy == ("Img" not in layout[1])
    assert [shot.index for shot in log.shots] == [1, 2, 3, 4, 5]
    first = log.shots[0]
    assert (first.at.lon_deg, first.at.lat_deg) == pytest.approx((113.8, 22.8001), abs=1e-7)
    assert (first.altitude_amsl_m, first.height_above_home_m) == (110.25, 100.5)
    assert (first.roll_deg, first.pitch_deg, first.yaw_deg, first.source) == (1.5, -22.75, 271.25, "bin")
    assert first.time_s == pytest.approx(UNIX_S + 2, abs=0.21)
    assert log.shots[4].time_s - first.time_s == pytest.approx(
        8.0, abs=0.001 if "TimeUS" in layout[1] else 0.21
    )


def test_the_reader_agrees_with_pymavlink(tmp_path: Path) -> None:
    """The DFReader of pymavlink, which others wrote, finds the same rows in the same file."""
    path = tmp_path / "a.BIN"
    path.write_bytes(dataflash(range(1, 40)))
    theirs = DFReader.DFReader_binary(str(path))
    rows = []
    while (message := theirs.recv_match(type="CAM")) is not None:
        rows.append(
            (message.Img, message.Lat, message.Lng, message.Alt, message.RelAlt, message.R, message.Y)
        )
    theirs.filehandle.close()
    ours = [
        (s.index, s.at.lat_deg, s.at.lon_deg, s.altitude_amsl_m, s.height_above_home_m, s.roll_deg, s.yaw_deg)
        for s in read_log(path).shots
    ]
    assert len(rows) == 39
    assert [pytest.approx(row, abs=1e-6) for row in rows] == ours


def test_triggers_alone_are_used_and_named(tmp_path: Path) -> None:
    """TRIG tells that the camera was asked, not that it answered; beside CAM it does not count."""
    assert codes(read(tmp_path, dataflash([1, 2, 3], name="TRIG"))) == ["triggers_only"]
    both = dataflash([1, 2], name="TRIG") + dataflash([1, 2, 3])
    log = read(tmp_path, both)
    assert (len(log.shots), codes(log)) == (3, [])


def test_of_two_cameras_one_is_taken(tmp_path: Path) -> None:
    """Two cameras in one log would double every shot: the one with more shots is used, and it is said."""
    log = read(tmp_path, dataflash([1, 2, 3, 4]) + dataflash([1, 2, 3], I=1))
    assert (len(log.shots), codes(log)) == (4, ["cameras"])


def test_a_shot_without_a_fix_has_no_position(tmp_path: Path) -> None:
    """A receiver without a fix writes 0, 0: such a shot is left out, and its number is missed."""
    log = read(tmp_path, dataflash([1, 2]) + dataflash([3], Lat=0, Lng=0) + dataflash([4, 5]))
    assert [shot.index for shot in log.shots] == [1, 2, 4, 5]
    assert codes(log) == ["no_fix"]


def test_a_log_that_was_cut_gives_what_it_holds(tmp_path: Path) -> None:
    """Power lost in the middle of a write: all whole shots are there, and the cut is told."""
    whole = {"a.bin": dataflash([1, 2, 3]), "b": tlog([feedback(n) for n in (1, 2, 3)])}
    for name, content in whole.items():
        log = read(tmp_path, content[:-7], name)
        assert ([shot.index for shot in log.shots], codes(log)) == ([1, 2], ["log_cut"])
    text = line(1) + line(2) + line(3)[:-40]
    log = read(tmp_path, text)
    assert ([shot.index for shot in log.shots], codes(log)) == ([1, 2], ["log_cut"])


def test_damage_inside_a_log_costs_only_what_it_hit(tmp_path: Path) -> None:
    """Bytes overwritten in the middle: the shots behind are found again, and the log counts as lossy."""
    content = bytearray(dataflash(range(1, 30)))
    at = content.index(b"\xa3\x95\x1f", 1500)
    content[at : at + 60] = b"\x55" * 60
    log = read(tmp_path, bytes(content))
    assert len(log.shots) in (27, 28)
    assert log.lossy
    assert codes(log) == ["log_damaged"]
    frames = bytearray(tlog([feedback(n) for n in range(1, 30)]))
    frames[700:760] = b"\x55" * 60
    log = read(tmp_path, bytes(frames))
    assert len(log.shots) in (27, 28)
    assert codes(log) == ["log_damaged"]


def test_flight_jsonl_holds_shots_among_other_events(tmp_path: Path) -> None:
    """Other events are not looked at, shots told twice count once, in order of time; the file is lossy."""
    text = '{"event": "mode", "mode": "auto"}\n' + line(2) + line(1) + line(2) + "\n" + line(4, roll_deg=None)
    log = read(tmp_path, text)
    assert (log.kind, log.lossy, codes(log)) == ("flight.jsonl", True, [])
    assert [shot.index for shot in log.shots] == [1, 2, 4]
    assert log.shots[2].roll_deg is None
    assert log.shots[0].source == "feedback"


@pytest.mark.parametrize(
    "bad",
    ['{"event": "shot"}\n', line(5, lat_deg=95), line(5, index="7"), line(5, time_s="x"), "[1, 2]\n", "{{{\n",
     line(5).replace("1790000010.0", "NaN"), '{"event": "shot", "a": ' + "[" * 60_000 + "\n",
     '{"a": "' + "x" * 100_000 + '"}\n'],
)  # fmt: skip
def test_a_broken_line_is_told_and_skipped(tmp_path: Path, bad: str) -> None:
    """A line that is no shot is never guessed at: the others count, and the damage is told."""
    log = read(tmp_path, line(1) + bad + line(2))
    assert ([shot.index for shot in log.shots], codes(log)) == ([1, 2], ["log_damaged"])


def test_telemetry_gives_shots_once_and_by_their_own_time(tmp_path: Path) -> None:
    """A frame that came on two links counts once; the time is the vehicle's, not that of arrival."""
    log = read(tmp_path, tlog([feedback(1), feedback(2), feedback(2), feedback(3)]))
    assert (log.kind, log.lossy, codes(log)) == ("tlog", True, [])
    assert [shot.index for shot in log.shots] == [1, 2, 3]
    assert log.shots[2].time_s == UNIX_S + 6
    assert (log.shots[0].altitude_amsl_m, log.shots[0].yaw_deg) == (110.25, 271.25)


def test_captures_are_read_and_failed_ones_are_not_photographs(tmp_path: Path) -> None:
    """CAMERA_IMAGE_CAPTURED counts from 0; one with result 0 is no photograph."""
    log = read(tmp_path, tlog([captured(0), captured(1, result=0), captured(2)]))
    assert [shot.index for shot in log.shots] == [0, 2]
    assert log.shots[1].time_s - log.shots[0].time_s == 2.0
    assert codes(log) == ["capture_failed"]


def test_of_two_vehicles_one_is_taken(tmp_path: Path) -> None:
    """A ground station may hear two vehicles: their shots are not mixed."""
    log = read(tmp_path, tlog([feedback(n) for n in (1, 2, 3)]) + tlog([feedback(9)], system=2))
    assert ([shot.index for shot in log.shots], codes(log)) == ([1, 2, 3], ["vehicles"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "is no log of a flight"),
        (b"ULog\x01\x12\x35" + bytes(64), "PX4"),
        (b"FMT, 128, 89, FMT, BBnNZ\n", "turned into text"),
        (b"\xa3\x95" + bytes(4000), "describes no message"),
        (dataflash([]), "tells of no photographs"),
        (b'{"event": "arm"}\n', "tells of no photographs"),
        (bytes(8) + b"\xfd" + bytes(300), "no"),
    ],
)
def test_what_is_no_log_is_refused_with_a_hint(tmp_path: Path, content: bytes, said: str) -> None:
    """Empty, foreign and shotless files end in a sentence and a hint."""
    with pytest.raises(InputError, match=said) as refusal:
        read(tmp_path, content)
    assert refusal.value.hint


def test_a_log_that_is_not_there_is_refused(tmp_path: Path) -> None:
    """A missing file and a folder are refused like any other wrong path."""
    for path in (tmp_path / "none.BIN", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_log(path)


def test_noise_in_a_log_never_ends_in_a_traceback(tmp_path: Path) -> None:
    """Twenty times each, bytes of a log are changed at random: it is read or refused, within a second."""
    rng = random.Random(7)
    for content in (
        dataflash(range(1, 60)),
        tlog([feedback(n) for n in range(1, 60)]),
        "".join(map(line, range(60))),
    ):
        whole = content.encode() if isinstance(content, str) else content
        for _ in range(20):
            noisy = bytearray(whole)
            for _ in range(rng.randint(1, 200)):
                noisy[rng.randrange(len(noisy))] = rng.randrange(256)
            try:
                shots = read(tmp_path, bytes(noisy[: rng.randint(1, len(noisy))])).shots
            except InputError:
                continue
            assert all(abs(shot.at.lat_deg) <= 90 for shot in shots)


def test_lying_descriptions_are_not_believed(tmp_path: Path) -> None:
    """Lengths below a head, fields that do not fill the message and unknown types make no endless loop."""
    head = fmt(0x80, "FMT", "BBN", "Type,Length,Name", 89)
    lies = [
        fmt(31, "CAM", *NEW, length=2),
        fmt(31, "CAM", *NEW, length=200),
        fmt(31, "CAM", *NEW).replace(b"QBH", b"?BH"),
        fmt(31, "CAM", NEW[0], "TimeUS"),
    ]
    for lie in lies:
        with pytest.raises(InputError, match="no photographs"):
            read(tmp_path, head + lie + dataflash([1, 2, 3])[89 * 3 :])


def test_a_flood_of_shots_is_refused_and_memory_stays_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More shots than any flight has are refused; 5 MB of other messages are read in a few MB."""
    path = tmp_path / "a.BIN"
    filler = dataflash([1, 2])[89 * 3 : 89 * 3 + 3 * 17] * 100_000
    path.write_bytes(dataflash([1, 2]) + filler)
    tracemalloc.start()
    assert len(read_log(path).shots) == 2
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert path.stat().st_size > 5e6
    assert peak < 4e6
    monkeypatch.setattr(shared, "MOST_SHOTS", 3)
    for content in (
        dataflash(range(1, 9)),
        tlog([feedback(n) for n in range(1, 9)]),
        "".join(map(line, range(9))),
    ):
        with pytest.raises(InputError, match="more than 3 photographs"):
            read(tmp_path, content)


def test_the_made_logs_are_what_the_tests_say() -> None:
    """The writer of the tests puts shots two seconds apart: everything above rests on it."""
    assert values_of(2)["TimeUS"] - values_of(1)["TimeUS"] == 2e6
