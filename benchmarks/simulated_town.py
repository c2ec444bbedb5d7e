"""Is the simulated town as rich in detail as the world, and how long does it take to render?

Counts SIFT keypoints (OpenCV's defaults, grey picture at 7 cm) to the square metre, on roofs and
beside them: on the real drone blocks, and in the middle of every sixth photograph of simulated
towns. Passes where each town lies within a factor of 2 of the real sites' median, on both surfaces.
The render time of an epoch is taken from the same photographs: processor seconds of one, times
their number, and twice the scene's own (each of two processes builds it).

    python -m benchmarks.simulated_town [--preset demo] [--seeds 11 12 13]
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.camera import project
from aerial.simulate import scene, surveys
from aerial.simulate.presets import PRESETS, Preset
from aerial.simulate.town import corners
from benchmarks.machine import DATA, emit

BLOCKS = DATA / "drone_blocks"
GSD_M = 0.07
SURFACES = ("roof", "beside")

# keypoints and square metres, by surface
Count = dict[str, tuple[int, float]]


def count(grey_HW: NDArray[np.uint8], masks: dict[str, NDArray[np.bool_]]) -> Count:
    points = cv2.SIFT_create().detect(grey_HW, None)
    at = np.array([p.pt for p in points]).reshape(-1, 2).astype(int)
    return {
        name: (int(mask[at[:, 1], at[:, 0]].sum()), float(mask.sum()) * GSD_M**2)
        for name, mask in masks.items()
    }


def density(counts: list[Count], surface: str) -> float:
    keypoints, area_m2 = np.array([c[surface] for c in counts]).sum(axis=0)
    return float(keypoints / area_m2)


def real() -> dict[str, list[Count]]:
    sites: dict[str, list[Count]] = {}
    for path in sorted(BLOCKS.glob("site?_?.jpg")):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        roof = cv2.imread(str(path.with_name(f"{path.stem}_mask.png")), cv2.IMREAD_GRAYSCALE) > 0
        # Holes of a block are black.
        there = cv2.erode((grey > 8).astype(np.uint8), np.ones((9, 9))) > 0
        sites.setdefault(path.stem[:5], []).append(
            count(grey, {"roof": roof & there, "beside": ~roof & there})
        )
    return sites


def simulated(preset: Preset, seed: int) -> tuple[list[Count], float]:
    """Return the counts of one town, and the processor seconds of one epoch's photographs."""
    counts, seconds = [], []
    for number in (1, 2):
        start = cpu_seconds()
        epoch = surveys.at_epoch(preset, seed, number)
        built = scene.build(epoch.town, preset, seed, number)
        fixed = cpu_seconds() - start
        picked = range(3, len(epoch.shots), 6)
        with tempfile.TemporaryDirectory() as folder:
            start = cpu_seconds()
            for index in picked:
                surveys.take(seed, number, epoch, built, index, Path(folder))
            each = (cpu_seconds() - start) / len(picked)
            counts += [_middle(preset, epoch, index, Path(folder)) for index in picked]
        seconds.append(2 * fixed + each * len(epoch.shots))
    return counts, float(np.mean(seconds))


def _middle(preset: Preset, epoch: surveys.Epoch, index: int, folder: Path) -> Count:
    shot = epoch.shots[index]
    grey = cv2.imread(str(folder / shot.name), cv2.IMREAD_GRAYSCALE)
    roof = np.zeros(grey.shape, np.uint8)
    for building in epoch.town.buildings:
        top = np.full(4, building.ground_m + building.height_m)
        pixels, seen = project(epoch.camera, shot.pose, np.column_stack([corners(building.plot), top]))
        if seen.any():
            cv2.fillPoly(roof, [np.round(pixels).astype(np.int32)], 1)
    scale = preset.gsd_m / GSD_M
    grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    on_roof = cv2.resize(roof, grey.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
    middle = tuple(slice(n // 5, n - n // 5) for n in grey.shape)
    return count(grey[middle], {"roof": on_roof[middle], "beside": ~on_roof[middle]})


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    given = parser.parse_args()
    cv2.setNumThreads(1)
    table = {site: {s: density(counts, s) for s in SURFACES} for site, counts in real().items()}
    aim = {s: float(np.median([row[s] for row in table.values()])) for s in SURFACES}
    table["median of the sites"] = aim
    seconds, passed = [], True
    for seed in given.seeds:
        counts, spent = simulated(PRESETS[given.preset], seed)
        row = {s: density(counts, s) for s in SURFACES}
        table[f"town, seed {seed}"] = row
        seconds.append(spent)
        passed &= all(0.5 <= row[s] / aim[s] <= 2 for s in SURFACES)
    print(f"{'SIFT keypoints per m2':24}{'roof':>8}{'beside':>8}", file=sys.stderr)
    for name, row in table.items():
        print(f"{name:24}{row['roof']:8.2f}{row['beside']:8.2f}", file=sys.stderr)
    figures = {"preset": given.preset, "keypoints_per_m2": table, "cpu_seconds_an_epoch": seconds}
    failed = [] if passed else ["keypoints not within a factor of 2 of the real sites' median"]
    return emit("simulated_town", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
