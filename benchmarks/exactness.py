"""What must be exact: tiles, swapped dates, the same date twice, and the precisions beside fp32.

On real orthos with the shipped model: two blocks of drone orthos as two dates, and the labelled pairs for
the F1 of each precision (they only score here). Raw outlines are held to 1e-6 px of the raster's own
transform by tests on north-up, rotated and geographic grids, which run here too.

    python -m benchmarks.exactness [--model NAME|DIR] [--quick]
"""

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from aerial.change import looks
from aerial.change.compare import TILE_PX
from aerial.change.engine import Engine
from aerial.change.inputs import moments, normalisation
from aerial.change.model import Model, load_model
from aerial.change.siamese import cut_out, score_arrays, scored
from benchmarks.machine import DATA, emit

STEP = 1 / 255
MOST_F1 = 0.5
PRECISIONS = ("fp32", "bf16", "int8")


def blocks(side_px: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two drone blocks at 0.3 m, repeated to a square, as two dates of one place."""
    out = []
    for path in sorted((DATA / "drone_blocks").glob("site2_*.jpg"))[:2]:
        image = cv2.imread(str(path))[..., ::-1]
        image = cv2.resize(image, None, fx=0.07 / 0.3, fy=0.07 / 0.3, interpolation=cv2.INTER_AREA)
        times = [-(-side_px // n) for n in image.shape[:2]]
        out.append(np.tile(image, (*times, 1))[:side_px, :side_px].transpose(2, 0, 1).copy())
    return out[0], out[1]


def tiled(engine: Engine, dates: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the largest difference of the scores of tiles, second look included, from those of the whole."""
    halo, side = engine.model.file.halo_px, dates[0].shape[1]
    valid = np.ones((side, side), bool)
    norm = normalisation([moments(d, valid) for d in dates], engine.model.file.least_spread)
    see = partial(cut_out, dates, valid, None)
    whole = scored(engine, norm, *dates, valid, None, 1)
    looks.again(engine, norm, list(whole), (0, 0, side, side), 1, see)
    worst = 0.0
    for row in range(0, side, TILE_PX):
        for column in range(0, side, TILE_PX):
            cut = np.s_[row : min(row + TILE_PX, side), column : min(column + TILE_PX, side)]
            size = TILE_PX + 2 * halo
            seen = see((column - halo, row - halo, size, size))
            parts = seen.before_CHW, seen.after_CHW, seen.valid_HW
            found = scored(engine, norm, *parts, None, 1)[:, halo:, halo:]
            height, width = whole[0][cut].shape
            found = found[:, :height, :width].copy()
            looks.again(engine, norm, list(found), (column, row, width, height), 1, see)
            worst = max(worst, float(np.abs(found - whole[(slice(None), *cut)]).max()))
    return worst


def labelled() -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Return the labelled real pairs of 0.2 m as (before, after, changed)."""
    found = []
    for path in sorted((DATA / "pairs" / "real_dev").glob("*/A/*.png")):
        names = [Path(str(path).replace("/A/", f"/{part}/")) for part in ("A", "B", "label")]
        before, after = (cv2.imread(str(n))[..., ::-1].transpose(2, 0, 1).copy() for n in names[:2])
        found.append((before, after, cv2.imread(str(names[2]), 0) > 0))
    return found


def f1(model: Model, precision: Any, pairs: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> float:
    """Return the F1 (%) of changed pixels at the model's threshold over all pairs together."""
    both = wrong = missed = 0
    for before, after, truth in pairs:
        scores = score_arrays(model, before, after, None, 0.2, precision=precision)
        said = scores[:2].max(axis=0) >= model.file.threshold
        both += int((said & truth).sum())
        wrong += int((said & ~truth).sum())
        missed += int((~said & truth).sum())
    return 200.0 * both / max(2 * both + wrong + missed, 1)


def outlines_hold() -> bool:
    """Tell whether raw outlines are the raster's own pixels to 1e-6 px on every kind of grid."""
    run = [sys.executable, "-m", "pytest", "-q", "tests/suspects/test_exact.py"]
    where = Path(__file__).resolve().parents[1]
    return subprocess.run(run, cwd=where, stdout=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="siamese")
    parser.add_argument("--quick", action="store_true", help="a small place, two labelled pairs")
    options = parser.parse_args()
    if not (DATA / "pairs").is_dir():
        print(f"no data under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    model = load_model(options.model)
    # No multiple of the network's stride: scored as a whole picture, rim and all.
    dates = blocks(1100 if options.quick else 2000)
    pairs = labelled()[: 2 if options.quick else None]
    rows: dict[str, dict[str, float]] = {}
    for precision in PRECISIONS:
        if precision == "int8" and model.file.weights.onnx_int8 is None:
            continue
        engine = Engine(model, precision=precision)
        forth = score_arrays(model, *dates, None, 0.3, precision=precision)
        back = score_arrays(model, *dates[::-1], None, 0.3, precision=precision)
        same = score_arrays(model, dates[0], dates[0], None, 0.3, precision=precision)
        rows[precision] = {
            "tiled_from_whole_of_255": round(tiled(engine, dates) * 255, 3),
            "swapped_of_255": round(float(np.abs(forth - back[[1, 0, 3, 2]]).max()) * 255, 3),
            "same_date_most": round(float(same[:2].max()), 4),
            "same_date_pixels": int((same[:2] >= model.file.threshold).sum()),
            "f1": round(f1(model, precision, pairs), 2),
        }
    held = outlines_hold()
    failed = [] if held else ["raw outlines are not the raster's own"]
    used = Engine(model).precision
    for name, row in rows.items():
        if name not in (used, "fp32"):
            continue
        failed += [
            f"{name}: {key} {row[key]}"
            for key in ("tiled_from_whole_of_255", "swapped_of_255")
            if row[key] > STEP * 255
        ]
        if row["same_date_pixels"]:
            failed.append(f"{name}: the same date twice shows {row['same_date_pixels']} changed pixels")
        if abs(row["f1"] - rows["fp32"]["f1"]) > MOST_F1:
            failed.append(f"{name}: F1 {row['f1']} beside {rows['fp32']['f1']} in fp32")
    return emit(
        "exactness", {"precision_used": used, "raw_outlines_to_1e-6_px": held, "rows": rows}, failed=failed
    )


if __name__ == "__main__":
    sys.exit(main())
