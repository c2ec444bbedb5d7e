"""``kill -9`` at random moments of verdicts, reports and deliveries, through the command line."""

import os
from pathlib import Path

import pytest
from tests.conftest import run_alone

ROUNDS = 20
_SCRIPT = """
import random, shutil, signal, sys, time
from pathlib import Path
from benchmarks import kill_cases
from benchmarks.kill_run import run_and_kill
from tests.steps.compared import compare
from tests.steps.made import make_town

folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
town = make_town(folder / "town")
text = town.cells_file.read_text("utf-8")
placed = '"id": "A1", "unit_grid": "441900123456007", "community": "C"'
town.cells_file.write_text(text.replace('"id": "A1"', placed), "utf-8")
compare(town, "2030-03-04-1", "2030-04-01-1", *(((20.0 * n, 0.0, 8.0, 8.0), "new") for n in range(4)))
peer = folder / "peer.jsonl"
import aerial.steps.cycle_report, aerial.steps.deliver, aerial.report.write
import aerial.sinks.folder, aerial.sinks.http_json

def work(root):
    from aerial_cli.main import run

    def call(*words):
        print(f"{words[0]} ()", file=sys.stderr, flush=True)
        return run(["-C", str(root), *words])

    return kill_cases.decided_and_delivered(root, call)

with kill_cases.server(peer) as port:
    code = kill_cases.credit_code("11441900007332838")
    with town.settings_file.open("a", encoding="utf-8") as file:
        file.write(kill_cases._SETTINGS.format(port=port, code=code))
    rng, killed, wrong, current, length_s = random.Random(11), 0, [], folder / "current", 2.0
    while killed < rounds:
        shutil.rmtree(current, ignore_errors=True)
        shutil.copytree(town.root, current)
        (current / "drop").mkdir(exist_ok=True)
        peer.write_text("")
        while True:
            began = time.monotonic()
            code, text = run_and_kill(current, None if killed >= rounds else rng.uniform(0.0, length_s), work)
            if code != -signal.SIGKILL:
                break
            killed += 1
        wrong += [text[-500:]] if code else kill_cases.differences(current, peer, 4)
print(killed, wrong)
sys.exit(bool(wrong) or killed < rounds)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_twenty_kills_lose_no_case_and_double_none(tmp_path: Path) -> None:
    """Whatever was going on: one verdict, one case, one copy at each destination, a whole audit log."""
    done = run_alone(_SCRIPT, tmp_path, ROUNDS)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
