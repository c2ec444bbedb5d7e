"""Writes a model's CARD.md and the pictures of its failures from what the benchmarks printed.

    python -m benchmarks.accuracy > accuracy.json
    python -m benchmarks.nuisance_gate > gate.json
    python -m benchmarks.model_card --accuracy accuracy.json --gate gate.json --made "By ... in ... hours."

Failures are shown on the drone sites that training leaves out, whose licence allows it; never on the
real pairs, whose licence does not.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from aerial.change.model import load_model
from aerial.codec import read_json
from aerial_training.card import failures, write_card
from benchmarks.drone_sites import KEPT_OUT, windows


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="siamese")
    parser.add_argument("--accuracy", type=Path, required=True)
    parser.add_argument("--gate", type=Path)
    parser.add_argument("--made", required=True, help="one sentence: recipe, machine, hours")
    parser.add_argument("--windows", type=int, default=60, help="of each site, to choose the worst from")
    given = parser.parse_args()
    model = load_model(given.model)
    with tempfile.TemporaryDirectory() as scratch:
        pictures = [p for site in KEPT_OUT for p in windows(site, given.windows, Path(scratch))]
        shown = failures(model, pictures, model.folder)
    gate = read_json(given.gate) if given.gate else None
    print(write_card(model, read_json(given.accuracy), shown, made=given.made, gate=gate))
    return 0


if __name__ == "__main__":
    sys.exit(main())
