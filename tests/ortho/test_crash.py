"""Kills, power cuts, a full disk and lost photographs, at random moments of a whole stitch."""

import os
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pycolmap
import pytest
from tests.conftest import run_alone

from aerial.errors import PhotoError, StitchError
from aerial.ortho import features, room, seal
from aerial.ortho.originals import Originals
from aerial.ortho.presets import QUALITY
from aerial.ortho.solve import solve
from aerial.progress import SILENT
from aerial.records import StitchJob

ROUNDS = 20
_SCRIPT = """
import pickle, sys
from pathlib import Path
from benchmarks.kill_stitch import campaign

folder = Path(sys.argv[1])
outcome = campaign(pickle.loads((folder / "job.pickle").read_bytes()), folder, int(sys.argv[2]), seed=5)
print(outcome)
sys.exit(bool(outcome.differences) or sum(outcome.met.values()) < 0.7 * int(sys.argv[2]))
"""


@pytest.fixture
def job(solved: Any, tmp_path: Path) -> StitchJob:
    """Four photographs of the scene in a folder of their own: two by two, seconds to stitch."""
    first = solved.survey.job
    photos = tuple(first.photos[n] for n in (0, 1, 6, 7))
    (tmp_path / "photos").mkdir()
    for photo in photos:
        shutil.copy2(first.folder / photo.file, tmp_path / "photos" / photo.file)
    return replace(first, folder=tmp_path / "photos", photos=photos)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_twenty_mishaps_end_with_the_same_bytes(job: StitchJob, tmp_path: Path) -> None:
    """Whatever happened to the run, wherever: the same mosaic, the earlier one whole until then, a hint."""
    (tmp_path / "job.pickle").write_bytes(pickle.dumps(job))
    done = run_alone(_SCRIPT, tmp_path, ROUNDS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_torn_database_is_noticed_wherever_it_is_torn(solved: Any, tmp_path: Path) -> None:
    """Any page zeroed, the file cut, or not a database: never taken for whole; whole, it is."""
    database = tmp_path / "block.db"
    whole = (solved.work / "block.db").read_bytes()
    database.write_bytes(whole)
    assert seal.is_sound(database)
    rng = np.random.default_rng(3)
    for page in rng.integers(0, len(whole) // 4096, 12).tolist():
        torn = bytearray(whole)
        if not any(torn[page * 4096 : page * 4096 + 4096]):
            continue
        torn[page * 4096 : page * 4096 + 4096] = bytes(4096)
        database.write_bytes(torn)
        assert not seal.is_sound(database), page
    for data in (whole[: len(whole) // 2], b"", b"not a database"):
        database.write_bytes(data)
        assert not seal.is_sound(database)


def test_rows_without_a_seal_and_of_changed_photographs_are_made_again(solved: Any, tmp_path: Path) -> None:
    """What was written after the last seal is dropped; ``forget`` drops one photograph and its pairs."""
    path = tmp_path / "block.db"
    shutil.copyfile(solved.work / "block.db", path)
    with pycolmap.Database.open(path) as database:
        pairs = len(database.read_all_matches()[0])
        with pycolmap.DatabaseTransaction(database):
            database.clear_descriptors()
            database.write_descriptors(1, database_descriptors(7))
    assert not seal.is_sound(path)
    shutil.copyfile(solved.work / "block.db", path)
    seal.forget(path, [3])
    assert seal.is_sound(path)
    with pycolmap.Database.open(path) as database:
        assert [n for n in range(1, 13) if not database.exists_descriptors(n)] == [3]
        left = database.read_all_matches()[0]
    assert 0 < len(left) < pairs


def database_descriptors(count: int) -> pycolmap.FeatureDescriptors:
    """Return other descriptors than any photograph has."""
    return pycolmap.FeatureDescriptors(pycolmap.FeatureExtractorType.SIFT, np.zeros((count, 128), np.uint8))


def test_a_torn_array_is_noticed(tmp_path: Path) -> None:
    """Cut, zeroed in part or empty, it is not whole; whole, numpy maps it."""
    path, array_HW = tmp_path / "map.npy", np.random.default_rng(1).random((300, 40), np.float32)
    seal.save_array(path, array_HW)
    assert seal.is_whole(path)
    assert np.array_equal(np.load(path, mmap_mode="r"), array_HW)
    seal.save_array(tmp_path / "turned.npy", array_HW.T)
    assert np.array_equal(np.load(tmp_path / "turned.npy", mmap_mode="r"), array_HW.T)
    whole = path.read_bytes()
    for torn in (whole[:-1], whole[:40], b"", whole[:5000] + bytes(4096) + whole[9096:]):
        path.write_bytes(torn)
        assert not seal.is_whole(path)
    assert not seal.is_whole(tmp_path / "absent.npy")


_FILL = """
import errno, resource, signal, sys
from pathlib import Path
import numpy as np
from aerial.ortho import seal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
try:
    seal.save_array(Path(sys.argv[1]), np.ones((300, 40), np.float32))
except OSError as exc:
    print(exc.errno == errno.EFBIG)
"""


def test_an_array_that_the_disk_cannot_hold_says_so(tmp_path: Path) -> None:
    """The error carries the system's number, by which a full disk is told; nothing is left there."""
    done = run_alone(_FILL, tmp_path / "map.npy")
    assert done.stdout.strip() == "True", done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_photograph_that_vanished_before_its_features_is_named(job: StitchJob, tmp_path: Path) -> None:
    """It is not left out as if it were bad, whether the block or only its features find out."""
    (job.folder / job.photos[2].file).unlink()
    with pytest.raises(PhotoError, match="not there any more") as error:
        solve(job, tmp_path / "work", SILENT)
    assert job.photos[2].file in str(error.value)
    assert "Put the originals back" in error.value.hint
    with pytest.raises(PhotoError, match="not there any more"):
        features._stage(job.folder, tmp_path, 3, job.photos[2])


def test_originals_are_known_by_size_and_time(job: StitchJob) -> None:
    """Untouched they pass; written to, even with as many bytes, they are named; so is a pulled card."""
    originals = Originals(job.folder, job.photos)
    originals.require()
    victim = job.folder / job.photos[1].file
    data = victim.read_bytes()
    victim.write_bytes(data[:-1] + b"x")
    os.utime(victim, ns=(1, 1))
    with pytest.raises(PhotoError, match="not what the stitch began with"):
        originals.require()
    job.folder.rename(job.folder.with_name("pulled"))
    with pytest.raises(PhotoError, match=r"4 of 4 photographs .* and 1 more"):
        originals.require()
    with pytest.raises(PhotoError, match="not there any more"):
        Originals(job.folder, job.photos)


def test_the_disk_is_looked_at_before_the_work(
    job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too small, the job is refused with the sizes and how much to free; large enough, it is not."""
    needs = room.needs_of(job, QUALITY)
    spare = room.SCRATCH_BYTES + room.SPARE_BYTES
    assert needs.total == needs.features + needs.heights + needs.mosaics
    monkeypatch.setattr(room, "free_bytes", lambda _: needs.total + spare - 3_000_000)
    with pytest.raises(StitchError, match=r"4 photographs need .* MB") as error:
        room.require_room(job, QUALITY, tmp_path)
    assert "Free 3 MB more" in error.value.hint
    # What the journal holds already need not be free again.
    (tmp_path / "block.db").write_bytes(bytes(3_000_000))
    room.require_room(job, QUALITY, tmp_path)


def test_what_is_needed_covers_what_is_written(solved: Any) -> None:
    """The estimate for features is above what a block took, and not ten times above it a photograph."""
    job = solved.survey.job
    taken = sum(p.stat().st_size for p in solved.work.rglob("*") if p.is_file())
    needs = room.needs_of(job, QUALITY)
    assert needs.features > taken


def test_a_disk_that_is_full_stops_the_features_with_a_hint(
    job: StitchJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """COLMAP would end the process: it is never let near a full disk."""
    monkeypatch.setattr(room, "free_bytes", lambda _: 1_000_000)
    monkeypatch.setattr(features, "_extract", None)
    with pytest.raises(StitchError, match="full") as error:
        solve(job, tmp_path / "work", SILENT)
    assert "goes on" in error.value.hint
