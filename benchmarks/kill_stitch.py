"""Claim: a stitch that is killed, loses power, disk or photographs, at any stage, ends with the same bytes.

    python -m benchmarks.kill_stitch [--rounds 100] [--seed 2026]

One survey is stitched undisturbed, then again and again in one folder that holds an earlier mosaic, each
run meeting one mishap: SIGKILL at a random moment, in each named stage, or between two renames; a
power cut, that is a kill after which the files that were written last are cut short, zeroed in part,
emptied or gone (harsher than a disk, which loses what was not synced); a full disk; a photograph
deleted, cut short, replaced by another or its whole folder gone. After each: no traceback, a message
with a hint where it ended by itself, the earlier mosaic whole or gone, the originals untouched.
Whatever finishes must equal the undisturbed mosaic byte by byte (times apart), with no file more.
"""

import argparse
import json
import multiprocessing
import os
import pickle
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from aerial.codec import read_record, sha256_file, write_json
from aerial.errors import AerialError, InputError
from aerial.ortho import local, room  # noqa: F401  # into memory before the forks
from aerial.records import Mosaic, StitchJob
from aerial.steps.stitch import stitch
from benchmarks.machine import emit

_HANGS_S = 900.0
# What the system has for a full disk without a disk of its own: no file may grow beyond this.
_FULL_BYTES = 2000
# After so many differences the rest tells nothing new.
_ENOUGH = 5
_LOSSES = ("gone", "cut", "other", "card")
_TIMES = re.compile(rb'"(seconds|seconds_by_stage)": ?(\{[^}]*\}|[0-9.]+)|<td class="seconds">[^<]*</td>')


@dataclass(frozen=True)
class Mishap:
    """What happens (``kind``) and when: in a phase after so many advances, at a rename, or after seconds."""

    kind: str
    phase: str = ""
    after: int = 0
    rename: int = -1
    seconds: float | None = None
    path: str = ""


@dataclass
class Outcome:
    """Mishaps by kind and place, finished runs, what differed."""

    met: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    differences: list[str] = field(default_factory=list)
    messages: Counter[str] = field(default_factory=Counter)
    undisturbed_s: float = 0.0
    phases: list[str] = field(default_factory=list)


class Trap:
    """Progress that counts the phases, and lets the mishap happen in its own."""

    def __init__(self, mishap: Mishap | None, spring: Callable[[], None], log: Path) -> None:
        self._mishap, self._spring, self._log = mishap, spring, log
        self._phase, self._count, self._sprung = "", 0, False

    def phase(self, name: str, total: int) -> None:
        """Note the phase."""
        self._phase, self._count = name, 0
        with self._log.open("a", encoding="utf-8") as file:
            file.write(f"{json.dumps([name, total])}\n")
        self._look()

    def advance(self, steps: int = 1) -> None:
        """Count."""
        self._count += steps
        self._look()

    def say(self, text: str) -> None:
        """Stay silent."""

    def _look(self) -> None:
        wanted = self._mishap
        if wanted and not self._sprung and wanted.phase == self._phase and self._count >= wanted.after:
            self._sprung = True
            self._spring()


def attempt(job: StitchJob, out: Path, mishap: Mishap | None) -> tuple[int, str, list[tuple[str, int]]]:
    """Stitch in a forked process that meets ``mishap``; return exit code, last words and phases.

    A fork has the libraries in memory already, so that moments fall into the work and not into imports.
    """
    # Not on the disk that a mishap may fill.
    told, phases = (
        Path(tempfile.gettempdir()) / f"kill_stitch.{os.getpid()}.{n}" for n in ("told", "phases")
    )
    phases.write_text("")
    child = os.fork()
    if child == 0:
        code = 99
        try:
            log = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(log, stream)
            code = _work(job, out, mishap, phases)
        except BaseException:  # it ends here, in a fork, whatever it is
            # The end of it: a file may not grow any more, this log least of all.
            os.write(2, traceback.format_exc()[-_FULL_BYTES // 2 :].encode())
        finally:
            sys.stdout.flush()
            os._exit(code)
    limit = mishap.seconds if mishap and mishap.seconds is not None else _HANGS_S
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        time.sleep(0.005)
    else:
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
    seen = [json.loads(line) for line in phases.read_text().splitlines()]
    return os.waitstatus_to_exitcode(status), told.read_text(), [(name, total) for name, total in seen]


def _work(job: StitchJob, out: Path, mishap: Mishap | None, phases: Path) -> int:
    """Stitch in this process, a mishap ahead; return the exit code of the command line."""
    if mishap and mishap.rename >= 0:
        _die_at_rename(mishap.rename)
    try:
        stitch(job, out, progress=Trap(mishap, lambda: _happen(mishap, job), phases))
    except AerialError as error:
        print(f"{error} | {error.hint}" if error.hint else f"{error}: NO HINT")
        return 1
    return 0


def _happen(mishap: Mishap | None, job: StitchJob) -> None:
    kind = mishap.kind if mishap else ""
    victim = job.folder / job.photos[len(job.photos) // 2].file
    if kind in ("kill", "power"):
        os.kill(os.getpid(), signal.SIGKILL)
    elif kind == "full":
        room.free_bytes = lambda _: 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (_FULL_BYTES, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    elif kind == "filled":
        place = Path(mishap.path if mishap else "")
        (place / "ballast").write_bytes(bytes(max(shutil.disk_usage(place).free - 4096, 0)))
    elif kind == "gone":
        victim.unlink()
    elif kind == "cut":
        os.truncate(victim, victim.stat().st_size // 2)
    elif kind == "other":
        Image.new("RGB", (333, 222), "grey").save(victim, "JPEG")
    elif kind == "card":
        job.folder.rename(job.folder.with_name("pulled"))


def _die_at_rename(count: int) -> None:
    """Let the process be killed before its rename number ``count // 2``, or after it."""
    real, left = Path.replace, count

    def renamed(path: Path, target: Any) -> Path:
        nonlocal left
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(path, target)
        if left == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 2
        return result

    Path.replace = renamed  # type: ignore[method-assign,assignment]


def tear(out: Path, since: float, rng: random.Random) -> None:
    """Damage some of the files that were written last, as a power cut may."""
    written = [
        path
        for path in out.rglob("*")
        if path.is_file() and path.stat().st_mtime >= since and path.name not in ("hashes.json", ".lock")
    ]
    last = sorted(written, key=lambda path: path.stat().st_mtime)[-6:]
    for path in rng.sample(last, min(len(last), rng.randint(1, 3))):
        size, how = path.stat().st_size, rng.choice(("cut", "zero", "empty", "gone"))
        if how == "cut":
            os.truncate(path, rng.randrange(size + 1))
        elif how == "zero" and size:
            with path.open("rb+") as file:
                start = rng.randrange(size)
                file.seek(start)
                file.write(bytes(min(size - start, 4096)))
        elif how == "empty":
            os.truncate(path, 0)
        else:
            path.unlink()


def contents(out: Path) -> dict[str, bytes]:
    """Return what lies in a folder by name, times taken out."""
    found = {}
    for path in sorted(out.rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.suffix in (".json", ".html") and path.name != "hashes.json":
                data = _TIMES.sub(b"", data)
            found[path.relative_to(out).as_posix()] = b"" if path.name == "hashes.json" else data
    return found


def earlier_is_whole(out: Path) -> bool:
    """Tell whether the folder names no mosaic, or all files of the one it names are what it says."""
    try:
        mosaic = read_record(Mosaic, out / "mosaic.json")
    except InputError:
        return not (out / "mosaic.json").exists()
    named = [ref for ref in (mosaic.ortho, mosaic.dsm, mosaic.block) if ref]
    return all((out / r.path).is_file() and sha256_file(out / r.path) == r.sha256 for r in named)


def mishaps(
    phases: list[tuple[str, int]], renames: int, longest_s: float, rounds: int, rng: random.Random
) -> list[Mishap]:
    """Return ``rounds`` mishaps: those of every phase in the order of the phases, random ones between."""
    named = [
        Mishap(kind, phase=name, after=rng.randrange(max(total, 1)))
        for name, total in phases
        for kind in ("kill", "power", "full", rng.choice(_LOSSES))
    ]
    chosen = sorted(rng.sample(range(len(named)), min(len(named), round(0.6 * rounds))))
    # Every kind at every phase in a long campaign; a draw of them in a short one.
    some = [named[index] for index in chosen]
    while len(some) < rounds:
        kind = rng.choice(("kill", "power"))
        at = (
            Mishap(kind, rename=rng.randrange(2 * renames))
            if rng.random() < 0.5
            else Mishap(kind, seconds=rng.uniform(0.0, longest_s))
        )
        some.insert(rng.randrange(len(some) + 1), at)
    return some


def campaign(job: StitchJob, folder: Path, rounds: int, seed: int) -> Outcome:
    """Stitch ``job`` undisturbed, then through ``rounds`` mishaps; compare whatever finishes."""
    rng, outcome = random.Random(seed), Outcome()
    kept = folder / "originals"
    shutil.copytree(job.folder, kept)
    originals = contents(kept)
    wanted_folder, out = folder / "undisturbed" / "out", folder / "current" / "out"
    for parent in (wanted_folder.parent, out.parent):
        parent.mkdir(parents=True)
    started = time.monotonic()
    code, text, phases = attempt(job, wanted_folder, None)
    outcome.phases = [name for name, _ in phases]
    outcome.undisturbed_s = time.monotonic() - started
    if code != 0:
        raise SystemExit(f"the undisturbed run failed ({code}):\n{text}")
    wanted = contents(wanted_folder)
    # About: every array and record of the journal is renamed into its place once.
    renames = 2 * len(job.photos) + 12 + 2 * dict(phases).get("Matching heights", 0)
    plan = mishaps(phases, renames, outcome.undisturbed_s, rounds, rng)
    while True:
        if not out.exists():
            # An earlier mosaic of something else.
            shutil.copytree(wanted_folder, out)
            write_json(out / "inputs.json", {"inputs": "another"})
        mishap = plan.pop(0) if plan else None
        since, was_whole = time.time() - 0.05, earlier_is_whole(out)
        code, text, _ = attempt(job, out, mishap)
        _judge(outcome, mishap, code, text, folder)
        if was_whole and not earlier_is_whole(out):
            outcome.differences.append(f"a mosaic that is not whole after {mishap}")
        if code == -signal.SIGKILL and mishap and mishap.kind == "power":
            tear(out, since, rng)
        if contents(job.folder) != originals and not (mishap and mishap.kind in _LOSSES):
            outcome.differences.append(f"an original changed after {mishap}")
        _restore(kept, job.folder)
        if code != 0 and mishap is not None and len(outcome.differences) < _ENOUGH:
            continue
        outcome.finished += 1
        found = contents(out)
        if found != wanted:
            unlike = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
            outcome.differences.append(f"finished after {mishap}: other bytes in {', '.join(unlike)}")
        shutil.rmtree(out)
        if not plan or len(outcome.differences) >= _ENOUGH:
            return outcome


def _judge(outcome: Outcome, mishap: Mishap | None, code: int, text: str, folder: Path) -> None:
    """Note what a run did about its mishap, and whether that was right."""
    if mishap and code != 0:
        where = mishap.phase or ("a rename" if mishap.rename >= 0 else "any moment")
        outcome.met[f"{mishap.kind} in {where}"] += 1
    if code == 1 and mishap and mishap.kind in ("full", *_LOSSES) and "NO HINT" not in text:
        last = text.strip().splitlines()[-1].replace(str(folder), "FOLDER")
        outcome.messages[re.sub(r"[0-9]+(\.[0-9]+)?", "N", last)] += 1
    elif code not in (0, -signal.SIGKILL) or (mishap is None and code != 0):
        outcome.differences.append(f"exit code {code} after {mishap}: {text[-800:]}")


def fill_disk(job: StitchJob, folder: Path, phases: list[str]) -> dict[str, Any]:
    """Fill a real disk of 160 MB at the start of every phase of one stitch; needs the right to mount."""
    disk, outcome = folder / "disk", Outcome()
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m", "none", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        return {"not_run": "no right to mount"}
    try:
        out = disk / "current" / "out"
        out.parent.mkdir()
        for name in phases:
            code, text, _ = attempt(job, out, Mishap("filled", phase=name, path=str(disk)))
            (disk / "ballast").unlink(missing_ok=True)
            _judge(outcome, Mishap("full", phase=name), code, text, folder)
        code, text, _ = attempt(job, out, None)
        if code != 0 or contents(out) != contents(folder / "undisturbed" / "out"):
            outcome.differences.append(f"other bytes after a full disk: {text[-300:]}")
    finally:
        subprocess.run(["umount", str(disk)], check=False)
    return {"phases": len(outcome.met), "messages": len(outcome.messages), "differences": outcome.differences}


def _restore(kept: Path, folder: Path) -> None:
    """Put the originals back; those that are the same stay, as on a card that was put in again."""
    pulled = folder.with_name("pulled")
    if pulled.exists():
        pulled.rename(folder)
    for path in kept.rglob("*"):
        target = folder / path.relative_to(kept)
        if path.is_file() and not (target.is_file() and target.read_bytes() == path.read_bytes()):
            shutil.copy2(path, target)


def _make(folder: Path, seed: int) -> None:
    """Photograph a simulated town, and leave the job of its first survey in ``folder/job.pickle``."""
    from aerial.photos import check_photos, usable_photos
    from aerial.progress import SILENT
    from aerial.simulate.surveys import simulate_surveys

    made = simulate_surveys("tests", seed, folder / "simulated", SILENT)
    photos = usable_photos(check_photos(made.photos[0], SILENT))
    job = StitchJob(folder=made.photos[0], photos=photos, gsd_m=0.1, crs=made.crs)
    (folder / "job.pickle").write_bytes(pickle.dumps(job))


def main() -> int:
    """Run the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--photos", type=int, default=12, help="how many of the town are stitched")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: forks of one that has rendered would inherit locked thread pools.
        maker = multiprocessing.get_context("spawn").Process(target=_make, args=(folder, given.seed))
        maker.start()
        maker.join()
        if maker.exitcode != 0:
            raise SystemExit("the survey could not be made")
        job: StitchJob = pickle.loads((folder / "job.pickle").read_bytes())  # noqa: S301  # our own
        job = replace(job, photos=job.photos[: given.photos])
        outcome = campaign(job, folder, given.rounds, given.seed)
        filled = fill_disk(job, folder, outcome.phases)
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "photos": len(job.photos),
        "met": dict(sorted(outcome.met.items())),
        "finished_runs": outcome.finished,
        "messages": dict(outcome.messages.most_common()),
        "disk_filled": filled,
        "differences": outcome.differences,
        "undisturbed_s": round(outcome.undisturbed_s, 1),
    }
    return emit("kill_stitch", figures, failed=outcome.differences + filled.get("differences", []))


if __name__ == "__main__":
    sys.exit(main())
