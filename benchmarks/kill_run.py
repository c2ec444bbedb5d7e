"""Claim: ``aerial run`` killed at any moment and called again ends with the same suspects.

    python -m benchmarks.kill_run [--rounds 100] [--seed 2026]

Renders the small simulated town, runs it once undisturbed, then kills the same command with SIGKILL
at seeded random moments, again and again on the same folder, until the rounds are used up; whenever
a run reaches its end between two kills, its suspects are compared and a new town is begun. No peer:
none of the stitching programs states what a kill leaves behind.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import emit

CELL = "C01"
# Of the undisturbed run's time: short enough that many kills fall into one run.
_LONGEST_SHARE = 0.3
_HANGS_S = 1800.0


@dataclass
class Outcome:
    """What happened: kills by what the run was doing, finished runs, and what differed."""

    kills: dict[str, int] = field(default_factory=dict)
    finished: int = 0
    differences: list[str] = field(default_factory=list)
    undisturbed_s: float = 0.0


def make_town(
    folder: Path,
    *,
    preset: str,
    seed: int,
    photos: int | None = None,
    gsd_m: float | None = None,
    blur_px: float = 0.0,
) -> None:
    """Render a town, keep the first ``photos`` of each survey (None: all), import both.

    A blur leaves a tenth of the features, and a run takes seconds.
    """
    import cv2
    from PIL import Image

    from aerial.progress import SILENT
    from aerial.settings import Settings, write_settings
    from aerial.simulate.surveys import simulate_surveys
    from aerial.steps.init import init_town
    from aerial.steps.photos import import_photos

    made = simulate_surveys(preset, seed, folder / "simulated", SILENT)
    town = init_town(folder / "town", made.area, made.cells)
    write_settings(town.settings_file, Settings(crs=made.crs, gsd_m=gsd_m))
    for card in made.photos:
        for extra in sorted(card.glob("*.JPG"))[photos:] if photos is not None else ():
            extra.unlink()
        for path in card.glob("*.JPG") if blur_px else ():
            with Image.open(path) as picture:
                blurred = cv2.GaussianBlur(np.asarray(picture), (0, 0), blur_px)
                kept = {"exif": picture.info["exif"], "xmp": picture.info["xmp"]}
            Image.fromarray(blurred).save(path, "JPEG", quality=90, **kept)
        import_photos(town, made.cell, card, SILENT)


def originals(town: Path) -> dict[str, str]:
    """Return the hash of every original photograph in a town."""
    files = sorted(town.glob("surveys/*/*/photos/*"))
    return {str(path.relative_to(town)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def suspects(town: Path) -> dict[str, Any]:
    """Return the report's suspects by key: kind, rounded area and outline."""
    (report,) = town.glob("reports/*/*/report.geojson")
    features = json.loads(report.read_text("utf-8"))["features"]
    return {f["properties"]["key"]: (f["properties"]["kind"], f["geometry"]["coordinates"]) for f in features}


def run_cell_command(town: Path) -> int:
    """Run the cell as the command line does; return the exit code."""
    from aerial_cli.main import run

    return run(["-C", str(town), "run", CELL])


def run_and_kill(
    town: Path, after_s: float | None, work: Callable[[Path], int] = run_cell_command
) -> tuple[int, str]:
    """Do ``work`` on a town in a forked process and kill it after ``after_s`` seconds (None: never).

    Returns its exit code (-9: killed) and the last phase that it told. A fork of this process has
    the libraries in memory already, so that the moments fall into the work and not into imports.
    """
    told = town.parent / "told.txt"
    child = os.fork()
    if child == 0:
        os.setsid()
        log = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for stream in (1, 2):
            os.dup2(log, stream)
        code = 99
        try:
            code = work(town)
        finally:
            sys.stdout.flush()
            os._exit(code)
    deadline = time.monotonic() + (after_s if after_s is not None else _HANGS_S)
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), told.read_text()
        time.sleep(0.005)
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        # Killed before it led a group of its own.
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    phases = [line.split(" (")[0] for line in told.read_text().splitlines() if line.endswith(")")]
    return os.waitstatus_to_exitcode(status), phases[-1] if phases else "start"


def campaign(folder: Path, rounds: int, seed: int, **town_options: Any) -> Outcome:
    """Make a town, kill ``rounds`` times at random moments and compare whatever finishes."""
    # In a process of its own: forks of one that has rendered would inherit locked thread pools.
    maker = multiprocessing.get_context("spawn").Process(
        target=make_town, args=(folder,), kwargs={"seed": seed, **town_options}
    )
    maker.start()
    maker.join()
    if maker.exitcode != 0:
        raise SystemExit("the town could not be made")
    town = folder / "town"
    import aerial.steps.run  # noqa: F401  # into memory before the forks

    rng = random.Random(seed)
    outcome = Outcome()
    known = originals(town)
    undisturbed, current = town.with_name("undisturbed"), town.with_name("current")
    shutil.copytree(town, undisturbed)
    started = time.monotonic()
    code, text = run_and_kill(undisturbed, None)
    if code != 0:
        raise SystemExit(f"the undisturbed run failed ({code}):\n{text}")
    outcome.undisturbed_s = time.monotonic() - started
    wanted = suspects(undisturbed)
    killed = 0
    while True:
        if not current.exists():
            shutil.copytree(town, current)
        last = killed >= rounds
        limit = None if last else rng.uniform(0.0, _LONGEST_SHARE * outcome.undisturbed_s)
        code, text = run_and_kill(current, limit)
        if code == -signal.SIGKILL:
            killed += 1
            outcome.kills[text] = outcome.kills.get(text, 0) + 1
            continue
        outcome.finished += 1
        if code != 0:
            outcome.differences.append(f"exit code {code}: {text[-500:]}")
        elif (found := suspects(current)) != wanted:
            unlike = sorted(k for k in found.keys() | wanted.keys() if found.get(k) != wanted.get(k))
            outcome.differences.append(f"other suspects after {killed} kills: {', '.join(unlike)}")
        if originals(current) != known:
            outcome.differences.append("an original changed")
        if last:
            return outcome
        shutil.rmtree(current)


def main() -> int:
    """Run the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=2026)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = campaign(Path(folder), given.rounds, given.seed, preset="tests")
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "kills_by_phase": dict(sorted(outcome.kills.items())),
        "finished_runs": outcome.finished,
        "differences": outcome.differences,
        "undisturbed_s": round(outcome.undisturbed_s, 1),
    }
    return emit("kill_run", figures, failed=outcome.differences)


if __name__ == "__main__":
    sys.exit(main())
