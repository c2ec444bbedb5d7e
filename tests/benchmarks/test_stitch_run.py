"""The stitching benchmark's stopwatch and its targets."""

import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.stitch_run import every_other, measured, photographs
from benchmarks.stitch_table import fell_short

HOLD = "import subprocess, sys; b = b'x' * {mb}_000_000; subprocess.run([sys.executable, '-c', {child!r}])"
CHILD = "import time; b = b'x' * 150_000_000; time.sleep(0.8)"


def test_memory_of_a_child_counts_beside_its_parents(tmp_path: Path) -> None:
    """A program that holds 100 MB while its child holds 150 MB is told as more than 250 MB, in one moment."""
    usage = measured([sys.executable, "-c", HOLD.format(mb=100, child=CHILD)], tmp_path / "log")
    assert usage.code == 0
    assert 250 < usage.peak_mb < 330
    assert usage.wall_s >= 0.8


def test_a_program_that_does_not_end_is_stopped_and_told(tmp_path: Path) -> None:
    """What runs beyond its limit is killed; what it said on stderr is kept."""
    sleeper = "import sys, time; print('too long', file=sys.stderr, flush=True); time.sleep(60)"
    usage = measured([sys.executable, "-c", sleeper], tmp_path / "log", limit_s=1.0)
    assert (usage.code, usage.said) == (-9, "too long\n")
    assert usage.wall_s < 20


def test_two_flights_are_made_of_one(tmp_path: Path) -> None:
    """Every photograph is in one of the two halves, and what is no photograph in neither."""
    block = tmp_path / "block"
    block.mkdir()
    for name in ("1.JPG", "2.jpg", "3.JPG", "notes.txt"):
        (block / name).write_text(name)
    halves = [photographs(every_other(block, tmp_path / str(first), first)) for first in (0, 1)]
    assert [[path.read_text() for path in half] for half in halves] == [["1.JPG", "3.JPG"], ["2.jpg"]]


GOOD: dict[str, Any] = {
    "set": "cell",
    "preset": "quality",
    "photos": 70,
    "registered": 70,
    "s_photo": 5.0,
    "peak_mb": 2000.0,
    "cameras_false": 0,
    "between_rms_m": 0.05,
    "aligned_median_px": 0.2,
    "aligned_p95_px": 0.8,
    "roofs": 30,
    "lean_p95_m": 0.2,
    "roofs_within_0.3m": 0.95,
    "roofs_cut": 0,
}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"s_photo": 6.1}, "6.1 s"),
        ({"preset": "fast", "s_photo": 1.6}, "1.6 s"),
        ({"peak_mb": 4100.0}, "4100 MB"),
        ({"registered": 68}, "68 of 70"),
        ({"cameras_false": 1}, "1 false"),
        ({"between_rms_m": 0.16}, "0.16 m apart"),
        ({"aligned_median_px": 0.31}, "aligned_median_px"),
        ({"aligned_p95_px": 1.1}, "aligned_p95_px"),
        ({"aligned": "nothing alike"}, "not aligned"),
        ({"lean_p95_m": 0.31}, "lean"),
        ({"lean_p95_m": None}, "lean"),
        ({"roofs_within_0.3m": 0.89}, "89.0%"),
        ({"roofs_cut": 1}, "1 roofs"),
    ],
)
def test_each_target_that_is_missed_is_named(bad: dict[str, Any], why: str) -> None:
    """A row that meets all targets is silent; each single miss is named, and it alone."""
    assert list(fell_short(GOOD)) == []
    (said,) = fell_short(GOOD | bad)
    assert why in said


def test_seams_that_were_not_measured_are_a_miss() -> None:
    """Without the index of photographs nothing is claimed of seams."""
    row = {name: value for name, value in GOOD.items() if name != "roofs_cut"}
    assert list(fell_short(row)) == ["seams through unknown roofs"]


def test_a_refusal_is_honest_and_a_block_off_its_positions_is_not() -> None:
    """Photographs that do not make a block may be refused with a word; a false block is named."""
    refusal = {"set": "bogota_niza", "registered": 0, "refused": ["error: they do not overlap"]}
    assert list(fell_short(refusal)) == []
    false = {"set": "bogota_niza", "registered": 43, "gps_median_m": 92.0, "reprojection_px": 2.7}
    assert len(list(fell_short(false))) == 2
