"""How good are mosaic, roof heights and report on simulated towns, from photographs to suspects?

For each seed: two flights are rendered, surveyed with ``aerial run`` as a squad would, and compared
with the truth of the first flight's frame:

* ortho: windows of 12.8 m inside the cell, stitched against true ortho of the same epoch, phase
  correlation of gradients (Hann window, response >= 0.2); RMS of the displacements after the common
  shift. Windows more than 1 m off (rows of crops match one row on) are counted apart as
  ``windows_aliased``.
* roofs >= 20 m2 inside the cell: median stitched height over the true outline, the common shift
  and the common height offset taken off, against the true median.
* report: found, missed and false suspects by ``aerial.simulate.score``.

Targets: RMS <= 0.15 m; >= 80 % of roofs within 0.5 m; >= 90 % of new structures >= 20 m2 found with
<= 3 false in the cell.

    python -m benchmarks.simulated_survey [--preset cell] [--seeds 101 102 103] [--keep DIR]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aerial.codec import read_json
from aerial.progress import SILENT
from aerial.simulate.score import Score, by_kind
from aerial.steps.demo import DemoTown, run_demo
from benchmarks.machine import emit, peak_mb
from benchmarks.stitch_roofs import roof_heights
from benchmarks.stitch_truth import displacements, ortho_figures, read_epoch, surface_figures


def report_row(score: Score) -> dict[str, Any]:
    """Return recall of new structures of 20 m2 and more, and the false suspects by cause."""
    wanted = [
        f for f in score.changes if f.change.area_m2 >= 20 and f.change.kind in ("new", "extended", "rooftop")
    ]
    return {
        "new_20m2": len(wanted),
        "new_20m2_found": sum(bool(f.by) for f in wanted),
        "missed": [f"{f.change.what} {f.change.area_m2:.0f} m2" for f in score.changes if not f.by],
        "false": [f"{f.kind} {f.area_m2:.0f} m2: {f.cause}" for f in score.false],
        "by_kind": by_kind(score),
    }


def one_town(preset: str, seed: int, out: Path) -> dict[str, Any]:
    """Survey one town and return its figures."""
    started = time.monotonic()
    demo = run_demo(out, DemoTown(preset=preset, seed=seed), SILENT)
    simulated = out / "simulated"
    row: dict[str, Any] = {"seed": seed, "seconds": round(time.monotonic() - started)}
    surveys = sorted(path.parent for path in (out / "town" / "surveys").glob("*/*/ortho.tif"))
    # The second survey lies in the first one's frame.
    about_m = read_epoch(simulated, 1).shift_m
    for number, survey in enumerate(surveys, start=1):
        epoch = read_epoch(simulated, number)
        moved = displacements(survey / "ortho.tif", epoch.ortho, epoch.cell, epoch.crs, about_m)
        surface = surface_figures(survey / "dsm.tif", epoch.dsm, epoch.cell, moved.common_2)
        off_N = np.abs(
            roof_heights(epoch.roofs, survey / "dsm.tif", epoch.dsm, moved.common_2, surface["dsm_offset_m"])
        )
        quality = read_json(survey / "quality.json")
        row[f"epoch{number}"] = ortho_figures(moved) | {
            "roofs": len(off_N),
            "roofs_within_0.5m": round(float((off_N <= 0.5).mean()), 3),
            "roofs_within_0.3m": round(float((off_N <= 0.3).mean()), 3),
            "stitch_seconds_a_photo": round(quality["seconds"] / quality["photos"], 2),
            "registered": f"{quality['registered']} of {quality['photos']}",
        }
    return row | report_row(demo.score)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="cell")
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103])
    parser.add_argument("--keep", type=Path, help="keep the towns here, and use those that are there")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for seed in options.seeds:
            rows.append(one_town(options.preset, seed, (options.keep or Path(scratch)) / f"town{seed}"))
            print(rows[-1], file=sys.stderr, flush=True)
    failed = []
    for row in rows:
        epochs = [row["epoch1"], row["epoch2"]]
        checks = {
            "ortho RMS > 0.15 m": any(e["ortho_rms_m"] > 0.15 for e in epochs),
            "roofs within 0.5 m < 80 %": any(e["roofs_within_0.5m"] < 0.8 for e in epochs),
            "recall of new structures < 90 %": row["new_20m2_found"] < 0.9 * row["new_20m2"],
            "more than 3 false": len(row["false"]) > 3,
        }
        failed += [f"seed {row['seed']}: {name}" for name, fell_short in checks.items() if fell_short]
    return emit(
        "simulated_survey", {"preset": options.preset, "towns": rows, "peak_mb": peak_mb()}, failed=failed
    )


if __name__ == "__main__":
    sys.exit(main())
