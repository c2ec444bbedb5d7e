"""Runs every benchmark in turn: ``python -m benchmarks``; stops at none, exits 1 if any fell short."""

import subprocess
import sys
from pathlib import Path

NOT_ALONE = {
    "delivery_cases",
    "delivery_disk",
    "delivery_faults",
    "delivery_places",
    "delivery_run",
    "identity_engines",
    "identity_judge",
    "mission_clients",
    "__init__",
    "__main__",
    "drone_sites",
    "machine",
    "nodeodm",
    "model_card",
    "stitch_peers",
    "stitch_roofs",
    "stitch_run",
    "stitch_table",
    "stitch_truth",
    "true_towns",
}


def main() -> int:
    names = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if p.stem not in NOT_ALONE)
    codes = {}
    for name in names:
        print(f"== {name}", file=sys.stderr, flush=True)
        codes[name] = subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    for name, code in codes.items():
        print(f"{name}: {'holds' if code == 0 else 'fell short'}", file=sys.stderr)
    return int(any(codes.values()))


if __name__ == "__main__":
    sys.exit(main())
