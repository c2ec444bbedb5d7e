"""Claim: detect, accept, report, push killed at any moment and called again lose no case and double none.

    python -m benchmarks.kill_cases [--rounds 1000] [--seed 2028]

Renders the small simulated town and stitches it once. Then one forked process after another does the rest
through the command line (run, suspects accept, report, case push) on a copy and is killed with SIGKILL at a
seeded random moment, until the rounds are used up. Whenever a run reaches its end between two kills, what is
in the ledger, in a folder drop and at a case server that opens a second case for every repeated request is
compared with what must be there, and a new copy is begun.
"""

import argparse
import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.kill_run import CELL, make_town, originals, run_and_kill, run_cell_command
from benchmarks.machine import emit

# Moments are drawn from the time that what is left takes undisturbed, and a little more, so that some end.
_LONGEST_SHARE = 1.1
# Of the passes, so many begin before detection; the others with compared pairs and an empty ledger.
_FROM_MOSAICS = 0.25
# A tenth of the features and coarse pixels: a run takes seconds, and many kills fall behind detection.
SMALL: dict[str, Any] = {"preset": "tests", "photos": 6, "gsd_m": 0.2, "blur_px": 1.5}
_SERVER = """
import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

class Peer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"
    def do_POST(self):
        row = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with open(sys.argv[1], "a", encoding="utf-8") as kept:
            kept.write(json.dumps(row) + "\\n")
        self.answer({"code": 200})
    def do_GET(self):
        key = parse_qs(urlsplit(self.path).query)["extKey"][0]
        with open(sys.argv[1], encoding="utf-8") as kept:
            rows = [json.loads(line) | {"id": n} for n, line in enumerate(kept)]
        self.answer({"code": 200, "rows": [row for row in rows if row["extKey"] == key]})
    def answer(self, data):
        body = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass

server = ThreadingHTTPServer(("127.0.0.1", 0), Peer)
print(server.server_port, flush=True)
server.serve_forever()
"""
_SETTINGS = """
[cases]
division = "441900"
authority_code = "{code}"
authority_name = "城管局"
secrecy = "internal"
gnss_datum = "cgcs2000"

[[sinks]]
name = "drop"
kind = "folder"
url = "drop"

[[sinks]]
name = "city"
kind = "http"
url = "http://127.0.0.1:{port}"
quiet_s = 0.3
timeout_s = 3.0
[sinks.options]
path = "add"
ok = "code"
ok_values = [200]
[sinks.options.fields]
extKey = "{{external_key}}"
lon = "{{lon_deg}}"
lat = "{{lat_deg}}"
[sinks.options.find]
path = "list"
query = {{ extKey = "{{external_key}}" }}
items = "rows"
key = "extKey"
id = "id"
lon = "lon"
lat = "lat"
"""


@dataclass
class Outcome:
    """What happened: kills by the command that ran, finished runs, and what differed."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    cases: int = 0
    differences: list[str] = field(default_factory=list)
    undisturbed_s: float = 0.0


def credit_code(first17: str) -> str:
    """Return a 统一社会信用代码 with its check character (GB 32100)."""
    letters = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(letters.index(sign) * pow(3, place, 31) for place, sign in enumerate(first17))
    return first17 + letters[-total % 31]


def chain(town: Path) -> int:
    """Do everything from two mosaics to delivered cases, as a reviewer at the command line would."""
    from aerial_cli.main import run

    def call(*words: str) -> int:
        print(f"{words[0]} ({words[1] if len(words) > 1 else ''})", file=sys.stderr, flush=True)
        return run(["-C", str(town), *words])

    return call("run", CELL) or decided_and_delivered(town, call)


def decided_and_delivered(town: Path, call: Callable[..., int]) -> int:
    """Accept every suspect that waits, report, and push until everything is confirmed."""
    if code := call("suspects", "list"):
        return code
    for key in waiting(town):
        if code := call("suspects", "accept", key, "--reason", "seen", "--by", "A. Reviewer"):
            return code
    if code := call("report", "--format", "geojson", "--format", "xlsx", "--format", "pdf"):
        return code
    for _ in range(200):
        if call("case", "push", "--strict") == 0:
            return 0
        time.sleep(0.2)
    return 98


def waiting(town: Path) -> list[str]:
    """Return the suspects that still wait for a verdict."""
    from aerial.ledger import structures
    from aerial.ledger.store import open_ledger

    with open_ledger(town / "ledger.sqlite") as ledger, ledger.read() as tx:
        return [row.key for row in structures.list_suspects(tx)]


def differences(town: Path, peer: Path, wanted: int) -> list[str]:
    """Return what is lost, double or broken after a run that reached its end."""
    from aerial.ledger import audit, cases, outbox
    from aerial.ledger.store import open_ledger

    found = []
    database = sqlite3.connect(town / "ledger.sqlite")
    if (said := database.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
        found.append(f"the database says {said}")
    verdicts = database.execute("SELECT count(*), count(DISTINCT key) FROM verdicts").fetchone()
    database.close()
    with open_ledger(town / "ledger.sqlite") as ledger, ledger.read() as tx:
        found += audit.verify(tx)
        made = cases.list_cases(tx)
        rows = outbox.rows(tx)
    found += [f"{row.external_key} {row.sink} is {row.state}" for row in rows if row.state != "confirmed"]
    # An accepted demolition is held: no suspected new building.
    keys = [case.external_key for case in made if not case.held]
    if len(made) != wanted or verdicts != (wanted, wanted) or not keys:
        found.append(f"{wanted} suspects, {verdicts} verdicts and suspects of them, {len(made)} cases")
    there = Counter(json.loads(line)["extKey"] for line in peer.read_text("utf-8").splitlines())
    dropped = Counter(path.name for path in (town / "drop" / "cases").iterdir() if path.name[0] != ".")
    reported = Counter(
        f["properties"]["external_key"]
        for path in (town / "reports").glob("all/report.geojson")
        for f in json.loads(path.read_text("utf-8"))["features"]
    )
    everything = [case.external_key for case in made]
    for name, held, due in (
        ("the case server", there, keys),
        ("the folder", dropped, keys),
        ("the report", reported, everything),
    ):
        if held != Counter(due):
            found.append(f"{name} holds {dict(held)} instead of one each of {len(due)}")
    return found


def campaign(folder: Path, rounds: int, seed: int, **town_options: Any) -> Outcome:
    """Make a town, kill ``rounds`` times at random moments, and judge whatever finishes."""
    maker = multiprocessing.get_context("spawn").Process(
        target=_prepared, args=(folder,), kwargs={"seed": seed, **town_options}
    )
    maker.start()
    maker.join()
    if maker.exitcode != 0:
        raise SystemExit("the town could not be made")
    peer = folder / "peer.jsonl"
    peer.touch()
    with server(peer) as port:
        town = folder / "town"
        with (town / "aerial.toml").open("a", encoding="utf-8") as file:
            file.write(_SETTINGS.format(port=port, code=credit_code("11441900007332838")))
        return _killed(town, peer, rounds, random.Random(seed))


def _prepared(folder: Path, **options: Any) -> None:
    """Make the town, stitch and compare it once, and take everything after the mosaics away."""
    from aerial_cli.main import run

    make_town(folder, **options)
    town = folder / "town"
    cells = json.loads((town / "cells.geojson").read_text("utf-8"))
    cells["features"][0]["properties"] |= {"unit_grid": "441900123456007", "community": "马务社区"}
    (town / "cells.geojson").write_text(json.dumps(cells), "utf-8")
    if run(["-C", str(town), "run", CELL]):
        sys.exit(1)
    for name in ("pairs", "reports"):
        shutil.rmtree(town / name)
    for path in town.glob("ledger.sqlite*"):
        path.unlink()


@contextlib.contextmanager
def server(peer: Path):

    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(peer)], stdout=subprocess.PIPE, text=True)
    try:
        yield int(process.stdout.readline())  # type: ignore[union-attr]
    finally:
        process.kill()


def _killed(town: Path, peer: Path, rounds: int, rng: random.Random) -> Outcome:
    # Into memory before the forks, so that the moments fall into the work and not into imports.
    import aerial.report.write
    import aerial.sinks.folder
    import aerial.sinks.http_json
    import aerial.steps.cycle_report
    import aerial.steps.deliver
    import aerial.steps.run  # noqa: F401

    outcome, known, current = Outcome(), originals(town), town.with_name("current")
    compared = town.with_name("compared")
    _fresh(town, current, peer)
    began = time.monotonic()
    code, text = run_and_kill(current, None, run_cell_command)
    if code != 0 or not (suspects := _suspects(current)):
        raise SystemExit(f"the undisturbed comparison failed ({code}):\n{text}")
    detection_s = time.monotonic() - began
    for path in current.glob("ledger.sqlite*"):
        path.unlink()
    current.rename(compared)
    _fresh(compared, current, peer)
    began = time.monotonic()
    code, text = run_and_kill(current, None, chain)
    rest_s = time.monotonic() - began
    outcome.cases, outcome.undisturbed_s = len(suspects), detection_s + rest_s
    if code != 0:
        raise SystemExit(f"the undisturbed run failed ({code}):\n{text}")
    outcome.differences += differences(current, peer, len(suspects))
    killed = 0
    while True:
        _fresh(town if rng.random() < _FROM_MOSAICS else compared, current, peer)
        here = 0
        while True:
            left_s = rest_s + (0.0 if list(current.glob("pairs/*/*/detect.json")) else detection_s)
            last = killed >= rounds
            code, text = run_and_kill(
                current, None if last else rng.uniform(0.0, _LONGEST_SHARE * left_s), chain
            )
            if code != -signal.SIGKILL:
                break
            killed, here = killed + 1, here + 1
            outcome.kills[text] += 1
        outcome.finished += 1
        print(f"{killed} kills, {outcome.finished} runs to their end, {outcome.differences}", file=sys.stderr)
        if code != 0:
            outcome.differences.append(f"exit code {code} after {here} kills: {text[-500:]}")
        else:
            found = differences(current, peer, len(suspects))
            outcome.differences += [f"after {here} kills: {difference}" for difference in found]
        if originals(current) != known:
            outcome.differences.append("an original changed")
        if killed >= rounds:
            return outcome


def _fresh(town: Path, current: Path, peer: Path) -> None:
    shutil.rmtree(current, ignore_errors=True)
    # Photographs and mosaics are only read: links are enough.
    shutil.copytree(town, current, copy_function=_linked)
    (current / "drop").mkdir(exist_ok=True)
    peer.write_text("")


def _linked(source: str, target: str) -> None:
    if source.endswith((".JPG", ".tif", ".npz")):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _suspects(town: Path) -> set[str]:
    (path,) = town.glob("pairs/*/*/suspects.geojson")
    return {f["properties"]["key"] for f in json.loads(path.read_text("utf-8"))["features"]}


def main() -> int:
    """Run the campaign and print its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=2028)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = campaign(Path(folder), given.rounds, given.seed, **SMALL)
    figures = {
        "rounds": given.rounds,
        "seed": given.seed,
        "cases_a_run": outcome.cases,
        "kills_by_command": dict(sorted(outcome.kills.items())),
        "finished_runs": outcome.finished,
        "differences": outcome.differences,
        "undisturbed_s": round(outcome.undisturbed_s, 1),
    }
    return emit("kill_cases", figures, failed=outcome.differences)


if __name__ == "__main__":
    sys.exit(main())
