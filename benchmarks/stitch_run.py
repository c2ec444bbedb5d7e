"""Runs a program and says what it took; stitches a folder of photographs so."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PHOTO = {".jpg", ".jpeg"}
POLL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a program and its children took: memory is the most they held at one moment.

    ``code`` is -9 where it was stopped after ``limit_s``; ``said`` the end of what it wrote to stderr.
    """

    code: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stitched:
    """One run of ``aerial stitch``; ``out`` holds the mosaic where ``usage.code`` is 0."""

    out: Path
    usage: Usage


def photographs(folder: Path) -> list[Path]:
    """Return the photographs of a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PHOTO)


def measured(argv: Sequence[str | Path], log: Path, *, limit_s: float = 4 * 3600.0) -> Usage:
    """Run a program to its end; its stdout goes to ``log``, its stderr to ``log`` with ``.err`` behind."""
    log.parent.mkdir(parents=True, exist_ok=True)
    said = log.with_name(log.name + ".err")
    started = time.monotonic()
    with log.open("wb") as out, said.open("wb") as err:
        # A session of its own, by which its children are known.
        program = subprocess.Popen([str(a) for a in argv], stdout=out, stderr=err, start_new_session=True)
        # Of use only without /proc: what wait4 tells begins with what this process held when it forked.
        most = [0.0]
        watcher = threading.Thread(target=_watch, args=(program, most, started + limit_s), daemon=True)
        watcher.start()
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        watcher.join()
    unit = 1e6 if sys.platform == "darwin" else 1e3
    return Usage(
        code=program.returncode,
        wall_s=round(time.monotonic() - started, 2),
        cpu_s=round(used.ru_utime + used.ru_stime, 2),
        peak_mb=round(most[0] or used.ru_maxrss / unit, 1),
        said=said.read_text(errors="replace")[-600:],
    )


def _watch(program: "subprocess.Popen[bytes]", most: list[float], until: float) -> None:
    while program.returncode is None:
        most[0] = max(most[0], _held_mb(program.pid))
        if time.monotonic() > until:
            program.kill()
            return
        time.sleep(POLL_S)


def _held_mb(session: int) -> float:
    """Return the resident memory of all processes of a session, in MB, or the most that one ever held.

    0 where /proc is not.
    """
    pages, highest_kb = 0, 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            # The name in brackets may hold anything; what follows it is numbers.
            told = (place / "stat").read_text().rpartition(")")[2].split()
            if int(told[3]) != session:
                continue
            status = (place / "status").read_text()
        except OSError:
            continue
        pages += int(told[21])
        peak = status.partition("VmHWM:")[2].split()
        highest_kb = max(highest_kb, int(peak[0]) if peak else 0)
    return max(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, highest_kb * 1024 / 1e6)


def stitched(
    photos: Path, out: Path, preset: str, *, previous: Path | None = None, reuse: bool = False
) -> Stitched:
    """Stitch a folder with the installed program as a squad would, and measure the whole command.

    ``reuse``: what an earlier run left in ``out`` is taken with what was measured then.
    """
    kept = out.with_name(out.name + ".usage.json")
    if reuse and kept.is_file():
        return Stitched(out=out, usage=Usage(**json.loads(kept.read_text())))
    shutil.rmtree(out, ignore_errors=True)
    command: list[str | Path] = [sys.executable, "-m", "aerial_cli.main", "stitch", photos, "--out", out]
    command += ["--preset", preset, *(["--previous", previous] if previous else [])]
    usage = measured(command, out.with_name(out.name + ".log"))
    kept.write_text(json.dumps(asdict(usage)))
    return Stitched(out=out, usage=usage)


def every_other(photos: Path, out: Path, first: int) -> Path:
    """Return a folder with every other photograph of a block, as if it had been flown on another day."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for path in photographs(photos)[first::2]:
        (out / path.name).symlink_to(path.resolve())
    return out
