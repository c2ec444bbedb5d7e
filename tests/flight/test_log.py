"""The flight log: whole lines, whatever ended the process that wrote them."""

import json
import math
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from aerial.flight.log import FlightLog, read_log

DIES = """
import os, sys
from pathlib import Path
from aerial.flight.log import FlightLog
log = FlightLog(Path(sys.argv[1]))
for number in range(100):
    log({"event": "shot", "number": number})
os._exit(9)
"""


def numbers(path: Path) -> list[int]:
    """Return the numbers of the events."""
    return [event["number"] for event in read_log(path)]


def test_lines(tmp_path: Path) -> None:
    """Each event is one line of JSON with the time in UTC, Chinese readable, in a folder that is made."""
    path = tmp_path / "flights" / "one.jsonl"
    with FlightLog(path) as log:
        log({"event": "text", "text": "起飞\nnext"})
        log({"event": "end", "complete": True})
    first, second = path.read_text(encoding="utf-8").splitlines()
    assert "起飞" in first
    assert json.loads(first)["text"] == "起飞\nnext"
    assert json.loads(second)["complete"] is True
    assert datetime.fromisoformat(json.loads(first)["time"]).utcoffset() is not None


def test_a_line_is_written_at_once(tmp_path: Path) -> None:
    """What was told is in the file while the log is still open."""
    path = tmp_path / "one.jsonl"
    with FlightLog(path) as log:
        for number in range(3):
            log({"event": "shot", "number": number})
            assert numbers(path) == list(range(number + 1))


def test_killed_process(tmp_path: Path) -> None:
    """A process that is gone without closing has lost no line."""
    path = tmp_path / "one.jsonl"
    assert subprocess.run([sys.executable, "-c", DIES, str(path)], check=False).returncode == 9
    assert numbers(path) == list(range(100))


def test_cut_anywhere(tmp_path: Path) -> None:
    """Cut at any byte, the log gives all whole lines before; the next process goes on in the same file."""
    whole = tmp_path / "whole.jsonl"
    with FlightLog(whole) as log:
        for number in range(3):
            log({"event": "shot", "number": number, "text": "起飞"})
    data = whole.read_bytes()
    ends = [at + 1 for at, byte in enumerate(data) if byte == ord("\n")]
    path = tmp_path / "cut.jsonl"
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        before = sum(end - 1 <= length for end in ends)
        assert numbers(path) == list(range(before))
        with FlightLog(path) as log:
            log({"event": "shot", "number": 77})
        assert numbers(path) == [*range(before), 77]
        assert path.read_bytes().startswith(data[:length])


@pytest.mark.parametrize(
    "line", ["", "null", "[1]", '"shot"', "{}", '{"event": 5}', "\x00\x00", '{"event": "sh']
)
def test_lines_of_others(tmp_path: Path, line: str) -> None:
    """Lines that are no events are left out, those around them are read."""
    path = tmp_path / "one.jsonl"
    good = '{"event": "shot", "number": %d}\n'
    path.write_bytes((good % 1 + line + "\n" + good % 2).encode() + b"\xff\xfe\n")
    assert numbers(path) == [1, 2]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_no_number(tmp_path: Path, value: float) -> None:
    """What is no JSON is refused before anything of it is written."""
    path = tmp_path / "one.jsonl"
    with FlightLog(path) as log:
        log({"event": "shot", "number": 1})
        with pytest.raises(ValueError, match="not JSON compliant"):
            log({"event": "shot", "number": value})
        log({"event": "shot", "number": 2})
    assert numbers(path) == [1, 2]


def test_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines reach the disk once a second, and the last ones when the log is closed."""
    now_s, synced = [0.0], []
    monkeypatch.setattr("aerial.flight.log.time.monotonic", lambda: now_s[0])
    monkeypatch.setattr(os, "fsync", synced.append)
    with FlightLog(tmp_path / "one.jsonl") as log:
        for step in range(50):
            now_s[0] = step * 0.1
            log({"event": "position"})
        assert len(synced) == 4
    assert len(synced) == 5


def test_a_full_disk_ends_no_flight(tmp_path: Path) -> None:
    """An event that cannot be written is lost and said to be; when there is room again, lines are whole."""
    log = FlightLog(tmp_path / "flight.jsonl")
    log({"event": "shot", "number": 1})
    whole = log._file

    class Full:
        def write(self, data: bytes) -> int:
            raise OSError(28, "No space left on device")

    log._file = Full()  # type: ignore[assignment]
    log({"event": "shot", "number": 2})
    assert log.broken
    log._file = whole
    log({"event": "shot", "number": 3})
    assert not log.broken
    log.close()
    assert numbers(log.path) == [1, 3]
