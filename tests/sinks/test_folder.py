"""The folder drop: whole or not there, hashes, kills in the middle, and results dropped back."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.conftest import REPOSITORY
from tests.sinks.bench_folder import members
from tests.sinks.samples import KEY, pictures, sample_case

from aerial.errors import InputError
from aerial.records import SinkConfig
from aerial.sinks.folder import FolderSink, case_name
from aerial.sinks.sink import Busy, Rejected


def drop(root: Path, **options: object) -> FolderSink:
    """A drop into ``root``, which is made."""
    root.mkdir(exist_ok=True)
    return FolderSink(SinkConfig(name="drop", kind="folder", url=str(root), options=options), None)


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_flipped_bit_in_any_file_is_no_receipt_and_is_healed(tmp_path: Path, form: str) -> None:
    """A changed, missing or additional file: find is None, and the next send puts the whole case there."""
    sink, files = drop(tmp_path / "d", form=form), pictures(tmp_path)
    sink.send(sample_case(), files)
    (place,) = (tmp_path / "d" / "cases").iterdir()
    whole = members(place)
    assert set(whole) == {"case.geojson", "manifest-sha256.txt", "files/before.jpg", "files/after.jpg"}
    targets = [place] if form == "zip" else [place / name for name in whole]
    for target in targets:
        for at in range(0, target.stat().st_size, 37):
            content = bytearray(target.read_bytes())
            content[at] ^= 1
            kept = target.read_bytes()
            target.write_bytes(content)
            if form == "folder":
                assert sink.find(KEY) is None, (target, at)
            else:
                # A bit of the container that changes no member is no change of the case.
                assert sink.find(KEY) is None or members(target) == whole
            target.write_bytes(kept)
    if form == "folder":
        (place / "files" / "more.jpg").write_bytes(b"x")
        assert sink.find(KEY) is None
    else:
        place.write_bytes(b"PK")
        assert sink.find(KEY) is None
    sink.send(sample_case(), files)
    assert sink.find(KEY) is not None
    assert members(place) == whole


def test_a_changed_case_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """The stage changes: one case is there, the new one, and nothing lies beside."""
    sink = drop(tmp_path / "d")
    sink.send(sample_case(), pictures(tmp_path))
    sink.send(sample_case(stage="cancel"), pictures(tmp_path))
    receipt = sink.find(KEY)
    assert receipt is not None
    assert receipt.stage == "cancel"
    assert len(list((tmp_path / "d" / "cases").iterdir())) == 1


def test_what_was_taken_away_is_not_dropped_again(tmp_path: Path) -> None:
    """A case moved to ``taken`` counts as held there; sending it again makes no second one."""
    sink = drop(tmp_path / "d")
    sink.send(sample_case(), [])
    (tmp_path / "d" / "taken").mkdir()
    (tmp_path / "d" / "cases" / KEY).rename(tmp_path / "d" / "taken" / KEY)
    for stage in ("report", "cancel"):
        sink.send(sample_case(stage=stage), [])
    assert [receipt.remote_id for receipt in sink.copies(KEY)] == [f"taken/{KEY}"]


def test_an_absent_folder_is_busy_and_is_not_made(tmp_path: Path) -> None:
    """A disk that is not mounted takes nothing, and nothing is written where it would be."""
    sink = FolderSink(SinkConfig(name="drop", kind="folder", url=str(tmp_path / "usb")), None)
    for act in (lambda: sink.send(sample_case(), []), lambda: sink.find(KEY), lambda: sink.results(None)):
        with pytest.raises(Busy):
            act()
    assert not (tmp_path / "usb").exists()


@pytest.mark.skipif(os.name == "nt", reason="rights are of POSIX")
def test_a_disk_that_fails_is_busy_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the middle: busy, no half case, no leftover."""
    sink, sync = drop(tmp_path / "d"), os.fsync

    def full(handle: int) -> None:
        sync(handle)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Busy, match="No space left"):
        sink.send(sample_case(), [])
    monkeypatch.undo()
    assert list((tmp_path / "d" / "cases").iterdir()) == []
    assert sink.find(KEY) is None


_SENDER = """
import sys
from pathlib import Path
from aerial.sinks.folder import FolderSink
from aerial.records import SinkConfig
from tests.sinks.samples import sample_case
root, form = sys.argv[1:3]
sink = FolderSink(SinkConfig(name="drop", kind="folder", url=root, options={"form": form}), None)
files = sorted(Path(sys.argv[3]).iterdir())
print("ready", flush=True)
for n in range(1000000):
    sink.send(sample_case(f"01KILL-{n // 2}", stage="report" if n % 2 else "accept"), files)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_kill_in_the_middle_leaves_whole_cases_only(tmp_path: Path, form: str) -> None:
    """Killed at any moment: whatever has its name is whole, and the next send completes the rest."""
    root, chips = tmp_path / "d", tmp_path / "chips"
    sink = drop(root, form=form)
    files = pictures(chips, *[f"{n}.jpg" for n in range(8)])
    for number in range(10):
        process = subprocess.Popen(
            [sys.executable, "-c", _SENDER, str(root), form, str(chips)],
            cwd=REPOSITORY, stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.013 * (number + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        for place in root.glob("cases/*"):
            if not place.name.startswith("."):
                receipt = sink.find(place.name.removesuffix(".zip"))
                assert receipt is not None, place
    sink.send(sample_case("01KILL-0"), files)
    assert sink.find("01KILL-0") is not None


def test_leftovers_of_kills_go_and_the_work_of_others_stays(tmp_path: Path) -> None:
    """An old part of the same case is removed; a young one may be another worker's."""
    sink = drop(tmp_path / "d")
    cases = tmp_path / "d" / "cases"
    cases.mkdir()
    for name, age_s in (("old", 7200), ("young", 60)):
        (cases / f".{KEY}.{name}.part").mkdir()
        os.utime(cases / f".{KEY}.{name}.part", (time.time() - age_s,) * 2)
    sink.send(sample_case(), [])
    assert {path.name for path in cases.iterdir()} == {KEY, f".{KEY}.young.part"}


def test_two_keys_never_share_a_name() -> None:
    """Keys that clean to the same name, or to a device of Windows, keep names of their own."""
    keys = ["a/b-1", "a_b-1", "a\\b-1", "a:b-1", "A.b-1", "con", "..", "", "a" * 300, "a" * 301, "x.zip", "x"]
    names = [case_name(key) for key in keys]
    assert len({name.lower() for name in names}) == len(keys)
    for name in names:
        assert name == Path(name).name
        assert "." not in name
        assert len(name) < 150


@pytest.mark.parametrize("url", ["", "http://a/b", "a\0b"])
def test_what_is_no_folder_is_refused_at_once(url: str) -> None:
    """A url of another kind is not taken for a path."""
    with pytest.raises(InputError):
        FolderSink(SinkConfig(name="drop", kind="folder", url=url), None)


def test_results_in_both_forms_are_one_act_each(tmp_path: Path) -> None:
    """JSON and CSV, Chinese words and ours, UTF-8 and GB 18030; the same line in two files is one act."""
    sink = drop(tmp_path / "d", utc_offset_h=8)
    folder = tmp_path / "d" / "results"
    folder.mkdir()
    table = "external_key,at,result,by\r\n" + KEY + ",2026-06-20 10:00:00,属实,张三\r\n"
    (folder / "a.csv").write_bytes(table.encode("gb18030"))
    (folder / "b.csv").write_bytes(table.encode("utf-8-sig"))
    entry = {"id": "7", "external_key": KEY, "at": "2026-06-21T10:00:00+08:00", "stage": "close", "note": "x"}
    (folder / "c.json").write_text(json.dumps([entry]), encoding="utf-8")
    found, cursor = sink.results(None)
    assert [(act.result, act.stage, act.at.isoformat()) for act in found] == [
        ("confirmed", None, "2026-06-20T02:00:00+00:00"),
        (None, "close", "2026-06-21T02:00:00+00:00"),
    ]
    assert sink.results(cursor) == ([], cursor)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", "external_key,at,result\nK-1,2026-06-20,属实\n", "offset"),
        ("x.csv", "external_key,at,result\nK-1,2026-06-20T10:00:00+08:00,maybe\n", "line 2"),
        ("x.csv", "external_key,at,result\nK-1,2026-06-20T10:00:00+08:00,属实", "not be whole"),
        ("x.csv", "key,at\nK-1,2026\n", "unknown columns"),
        ("x.csv", "external_key,at,result\n,2026-06-20T10:00:00+08:00,属实\n", "lacks"),
        ("x.csv", "external_key,at\nK-1,2026-06-20T10:00:00+08:00\n", "says nothing"),
        ("x.json", '[{"external_key": "K-1"', "whole JSON"),
        ("x.json", "[3]", "entry 1"),
        ("x.json", "[" * 50_000, "whole JSON"),
    ],
)
def test_a_broken_result_file_is_named_and_holds_up_no_other(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    """The good ones come first; then the broken one is named until it is corrected, never skipped."""
    sink = drop(tmp_path / "d")
    folder = tmp_path / "d" / "results"
    folder.mkdir()
    (folder / name).write_text(content, encoding="utf-8")
    good = {"external_key": KEY, "at": "2026-06-21T10:00:00+08:00", "result": "已拆"}
    (folder / "good.json").write_text(json.dumps(good), encoding="utf-8")
    found, cursor = sink.results(None)
    assert [act.result for act in found] == ["demolished"]
    for _ in range(2):
        with pytest.raises(Rejected, match=says) as caught:
            sink.results(cursor)
        assert name in str(caught.value)
    (folder / name).write_text(json.dumps({**good, "result": "属实"}) + "\n", encoding="utf-8")
    (folder / name).rename(folder / "fixed.json")
    assert [act.result for act in sink.results(cursor)[0]] == ["confirmed"]
