"""How good are mosaic, roof heights and report on simulated towns, from photographs to suspects?

For each seed: two flights are rendered, surveyed with ``aerial run`` as a squad would, and compared
with the truth of the first flight's frame:

* ortho: windows of 12.8 m, stitched against true ortho of the same epoch, phase correlation of
  gradients (Hann window, response >= 0.2); RMS of the displacements after the common shift. Windows
  more than 1 m off (rows of crops match one row on) are counted apart as ``windows_aliased``.
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

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.affinity import translate
from shapely.geometry import shape

from aerial import geo
from aerial.codec import read_json
from aerial.progress import SILENT
from aerial.raster.grid import Grid, north_up, world_to_pixel
from aerial.raster.read import open_raster, read_on_grid
from aerial.simulate.score import Score, by_kind, read_truth
from aerial.steps.demo import DemoTown, run_demo
from benchmarks.machine import emit, peak_mb

WINDOW_M = 12.8
GSD_M = 0.05
MIN_RESPONSE = 0.2
# Rows of crops correlate as well one row further on; such windows are counted apart.
ALIASED_M = 1.0


def gradient(path: Path, grid: Grid) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the gradient magnitude of a picture's grey on ``grid``, and where it is valid."""
    data_CHW, valid_HW = read_on_grid(path, grid)
    grey_HW = data_CHW[:3].mean(axis=0).astype(np.float32)
    return np.hypot(cv2.Sobel(grey_HW, cv2.CV_32F, 1, 0), cv2.Sobel(grey_HW, cv2.CV_32F, 0, 1)), valid_HW


def displacements_m(stitched: Path, true: Path, extent: tuple[float, float, float, float]) -> NDArray[Any]:
    """Return (east, north) of stitched minus true in every window that correlates, shape (N, 2)."""
    crs = open_raster(true).grid.crs
    side = round(WINDOW_M / GSD_M)
    hann_HW = cv2.createHanningWindow((side, side), cv2.CV_32F)
    found = []
    x0, y0, x1, y1 = extent
    for x in np.arange(x0, x1 - WINDOW_M, WINDOW_M / 2):
        for y in np.arange(y0, y1 - WINDOW_M, WINDOW_M / 2):
            grid = north_up(crs, (x, y, x + WINDOW_M, y + WINDOW_M), GSD_M)
            a_HW, a_valid_HW = gradient(true, grid)
            b_HW, b_valid_HW = gradient(stitched, grid)
            if not (a_valid_HW.all() and b_valid_HW.all()):
                continue
            a_HW, b_HW = a_HW[:side, :side], b_HW[:side, :side]
            (dx, dy), response = cv2.phaseCorrelate(a_HW, b_HW, hann_HW)
            if response >= MIN_RESPONSE:
                found.append((dx * GSD_M, -dy * GSD_M))
    return np.array(found).reshape(-1, 2)


def roof_errors_m(
    features: list[dict[str, Any]], dsm: Path, true_dsm: Path, shift_2: NDArray[Any], cell: Any
) -> NDArray[Any]:
    """Return stitched minus true median height of every roof of at least 20 m2 inside the cell."""
    info = open_raster(dsm).grid
    stitched_HW, valid_HW = (part[0] if part.ndim == 3 else part for part in read_on_grid(dsm, info))
    back = Grid(
        crs=info.crs,
        affine=(
            *info.affine[:2],
            info.affine[2] - shift_2[0],
            *info.affine[3:5],
            info.affine[5] - shift_2[1],
        ),
        width_px=info.width_px,
        height_px=info.height_px,
    )
    true_1HW, true_valid_HW = read_on_grid(true_dsm, back)
    both_HW = valid_HW & true_valid_HW
    offset_m = float(np.median((stitched_HW - true_1HW[0])[both_HW]))
    errors = []
    for feature in features:
        outline = geo.reproject(shape(feature["geometry"]), geo.WGS84, info.crs)
        if feature["properties"]["area_m2"] < 20 or not cell.contains(outline):
            continue
        ring = world_to_pixel(back, np.asarray(outline.exterior.coords)[:, :2])
        mask_HW = np.zeros(valid_HW.shape, np.uint8)
        cv2.fillPoly(mask_HW, [np.round(ring - 0.5).astype(np.int32)], 1)
        there_HW = (mask_HW > 0) & both_HW
        if there_HW.sum() < 0.5 * mask_HW.sum():
            errors.append(np.inf)
            continue
        errors.append(float(np.median(stitched_HW[there_HW]) - np.median(true_1HW[0][there_HW]) - offset_m))
    return np.array(errors)


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
    truth = read_truth(simulated)
    row: dict[str, Any] = {"seed": seed, "seconds": round(time.monotonic() - started)}
    surveys = sorted(path.parent for path in (out / "town" / "surveys").glob("*/*/ortho.tif"))
    roofs = read_json(simulated / "truth" / "roofs.geojson")["features"]
    for number, survey in enumerate(surveys, start=1):
        true = simulated / "truth" / f"epoch{number}"
        # The second survey lies in the first one's frame.
        first = np.array(truth.gps_shift_m[0])
        coarse = translate(truth.cell, *first).bounds
        moved_N2 = displacements_m(survey / "ortho.tif", true / "ortho.tif", coarse)
        shift_2 = np.median(moved_N2, axis=0)
        aliased_N = np.hypot(*(moved_N2 - shift_2).T) > ALIASED_M
        moved_N2 = moved_N2[~aliased_N]
        rms_m = float(np.sqrt(((moved_N2 - shift_2) ** 2).sum(axis=1).mean()))
        mine = [f for f in roofs if f["properties"]["epoch"] == number]
        errors_N = roof_errors_m(mine, survey / "dsm.tif", true / "dsm.tif", shift_2, truth.cell)
        quality = read_json(survey / "quality.json")
        row[f"epoch{number}"] = {
            "ortho_rms_m": round(rms_m, 3),
            "ortho_p95_m": round(float(np.percentile(np.hypot(*(moved_N2 - shift_2).T), 95)), 3),
            "windows": len(moved_N2),
            "windows_aliased": int(aliased_N.sum()),
            "common_shift_m": [round(float(v), 2) for v in shift_2],
            "roofs": len(errors_N),
            "roofs_within_0.5m": round(float((np.abs(errors_N) <= 0.5).mean()), 3),
            "roofs_within_0.3m": round(float((np.abs(errors_N) <= 0.3).mean()), 3),
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
