"""How many training pairs does one core make a second, and what are they made of?

Samples of the default size are drawn from the real pictures; time is processor time of this process
alone, so that neighbours on the machine weigh little. Target: at least 90 pairs a second and core,
more than the default network eats on the same core.

    python -m benchmarks.synthesiser [--pairs 400] [--cache FOLDER]
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from aerial_training.sample import UNKNOWN, Sample
from aerial_training.synthesis import PairSynthesiser
from benchmarks.machine import DATA, emit, peak_mb

SEED, GSD_M, LEAST_PAIRS_S = 20260, 0.3, 90.0


def contents(samples: list[Sample]) -> dict[str, object]:
    """Return shares of what the samples hold, and the areas of what changed."""
    changed = [(sample.appeared_HW == 1) | (sample.gone_HW == 1) for sample in samples]
    areas: list[float] = []
    for mask in changed:
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        areas += (stats[1:, cv2.CC_STAT_AREA] * GSD_M**2).tolist()
    return {
        "share_with_change": round(float(np.mean([mask.any() for mask in changed])), 3),
        "share_with_height": round(float(np.mean([s.height_change_HW is not None for s in samples])), 3),
        "share_of_pixels_changed": round(float(np.mean(changed)), 4),
        "share_of_pixels_unknown": round(float(np.mean([s.appeared_HW == UNKNOWN for s in samples])), 4),
        "changed_area_m2_percentiles_10_50_90": [
            round(float(x), 1) for x in np.percentile(areas, (10, 50, 90))
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--cache", type=Path)
    chosen = parser.parse_args()
    if not (DATA / "drone_blocks").is_dir():
        print(f"no pictures under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as scratch:
        started = time.process_time()
        synthesiser = PairSynthesiser(DATA, SEED, cache=chosen.cache or Path(scratch))
        prepared_s = time.process_time() - started
        for index in range(20):
            synthesiser.sample(index)
        rates = []
        samples: list[Sample] = []
        for part in range(3):
            started = time.process_time()
            first = 20 + part * chosen.pairs
            own = [synthesiser.sample(index) for index in range(first, first + chosen.pairs)]
            rates.append(chosen.pairs / (time.process_time() - started))
            samples = own
    pairs_s = float(np.median(rates))
    figures = {
        "pairs_per_cpu_second": round(pairs_s, 1),
        "runs": [round(rate, 1) for rate in rates],
        "preparation_cpu_s": round(prepared_s, 1),
        "peak_mb": peak_mb(),
        **contents(samples),
    }
    failed = [] if pairs_s >= LEAST_PAIRS_S else [f"{pairs_s:.0f} pairs a second, wanted {LEAST_PAIRS_S:.0f}"]
    return emit("synthesiser", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
