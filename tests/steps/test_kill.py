"""``kill -9`` at random moments of ``aerial run``."""

import os
from pathlib import Path

import pytest
from tests.conftest import run_alone

ROUNDS = 20
_SCRIPT = """
import sys
from pathlib import Path
from benchmarks.kill_run import campaign

small = {"preset": "tests", "photos": 6, "gsd_m": 0.2, "blur_px": 1.5}
outcome = campaign(Path(sys.argv[1]), int(sys.argv[2]), seed=5, **small)
print(outcome)
sys.exit(bool(outcome.differences) or sum(outcome.kills.values()) != int(sys.argv[2]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked processes")
def test_twenty_kills_end_with_the_same_suspects(tmp_path: Path) -> None:
    """Whatever the run was doing: the same keys and outlines, and every original as it was."""
    done = run_alone(_SCRIPT, tmp_path, ROUNDS)
    assert done.returncode == 0, done.stdout + done.stderr
