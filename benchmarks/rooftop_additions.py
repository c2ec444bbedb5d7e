"""How many rooms built upon roofs are found, from stitched photographs?

Each town is flown twice (preset ``rooftops``); between the flights rooms and sheds of 6-60 m2, 2.5 m
high, are built on roofs that stay as they were, half of them of the house's own colours. Nothing else
is built, so that every other suspect is false: lorries come and go, crops grow, light and shadows turn.
Three rows, scored by ``aerial.simulate.score`` inside the cell:

* ``stitched``: orthos and surface models stitched from the photographs, as ``aerial run`` does it;
* ``pictures_alone``: the same orthos without their surface models;
* ``true_surface``: the simulator's own ortho and surface model, what a perfect stitcher would give.

Targets of the first row: >= 90 % of all of them (>= 6 m2, 2.5 m high), <= 5 false a km2.

    python -m benchmarks.rooftop_additions [--seeds 711 712 713] [--model DIR] [--keep DIR]
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from aerial.progress import SILENT
from aerial.simulate.score import Score, Truth, read_truth, score
from aerial.steps.demo import DemoTown, run_demo
from aerial.steps.detect import MosaicSource, detect_pair, source_at
from benchmarks.machine import emit, peak_mb

SMALL_M2 = 20.0
ROWS = ("stitched", "pictures_alone", "true_surface")


def sources(out: Path, row: str) -> tuple[MosaicSource, MosaicSource]:
    """Return both dates of a town as one row of the table sees them."""
    if row == "true_surface":
        places = [out / "simulated" / "truth" / f"epoch{number}" for number in (1, 2)]
    else:
        places = sorted(path.parent for path in (out / "town" / "surveys").glob("*/*/ortho.tif"))
    first, second = (source_at(place) for place in places)
    if row == "pictures_alone":
        return tuple(  # type: ignore[return-value]
            MosaicSource(ortho=s.ortho, dsm=None, survey=s.survey) for s in (first, second)
        )
    return first, second


def one_town(seed: int, out: Path, model: str | None) -> dict[str, tuple[Score, Truth]]:
    """Survey one town and return the score of each row."""
    run_demo(out, DemoTown(preset="rooftops", seed=seed), SILENT)
    truth = read_truth(out / "simulated")
    scores = {}
    for row in ROWS:
        before, after = sources(out, row)
        result = detect_pair(before, after, out / "benchmark" / row, model=model)
        shift_m = (0.0, 0.0) if row == "true_surface" else truth.gps_shift_m[0]
        scores[row] = score(result.suspects, truth, shift_m), truth
    return scores


def table(towns: list[dict[str, tuple[Score, Truth]]], row: str) -> dict[str, Any]:
    """Return the figures of one row over all towns."""
    pairs = [town[row] for town in towns]
    found = [f for score_, _ in pairs for f in score_.changes]
    large = [f for f in found if f.change.area_m2 >= SMALL_M2]
    small = [f for f in found if f.change.area_m2 < SMALL_M2]
    false = [f for score_, _ in pairs for f in score_.false]
    area_km2 = sum(truth.cell.area for _, truth in pairs) / 1e6
    return {
        "added": len(found),
        "found": sum(bool(f.by) for f in found),
        "large": len(large),
        "large_found": sum(bool(f.by) for f in large),
        "small": len(small),
        "small_found": sum(bool(f.by) for f in small),
        "kind_right": sum(f.kind_right for f in found),
        "false": len(false),
        "km2": round(area_km2, 4),
        "false_per_km2": round(len(false) / area_km2, 1),
        "missed": [f"{f.change.area_m2:.0f} m2" for f in found if not f.by],
        "false_by_cause": [f"{f.kind} {f.area_m2:.0f} m2: {f.cause}" for f in false],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[711, 712, 713])
    parser.add_argument("--model", help="a shipped model or a folder; default: the shipped one")
    parser.add_argument("--keep", type=Path, help="keep the towns here, and use those that are there")
    options = parser.parse_args()
    towns = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            towns.append(one_town(seed, (options.keep or Path(scratch)) / f"town{seed}", options.model))
            print(seed, {row: table(towns[-1:], row) for row in ROWS}, file=sys.stderr, flush=True)
    rows = {row: table(towns, row) for row in ROWS}
    stitched = rows["stitched"]
    checks = {
        "fewer than 90 % found": stitched["found"] < 0.9 * stitched["added"],
        "more than 5 false a km2": stitched["false_per_km2"] > 5,
    }
    failed = [name for name, fell_short in checks.items() if fell_short]
    return emit("rooftop_additions", {"seeds": options.seeds, **rows, "peak_mb": peak_mb()}, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
