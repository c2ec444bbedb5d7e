"""Do real photographs stitch whole and fast, on one set of defaults?

``photos/brighton_beach`` (18, good GPS) three times, median; ``photos/caliterra_block`` (75, bad GPS)
once. Targets: 18 of 18 and 75 of 75 photographs; <= 1.5 s a photograph on brighton at 5 cm. Beside it
OpenCV's ``Stitcher`` in SCANS mode on the same photographs: how many it uses, and how long it takes
(it has no georeference, no surface and no check of itself).

    python -m benchmarks.stitch_real
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2

from aerial.codec import read_json
from benchmarks.machine import DATA, emit, peak_mb


def stitched(name: str, out: Path) -> dict[str, Any]:
    """Stitch one folder with the installed program; return its quality and the whole command's time."""
    started = time.monotonic()
    command = [sys.executable, "-m", "aerial_cli.main", "stitch", str(DATA / "photos" / name)]
    subprocess.run([*command, "--out", str(out)], check=True, stdout=sys.stderr)
    quality = read_json(out / "quality.json")
    seconds = time.monotonic() - started
    return {
        key: quality[key]
        for key in (
            "photos",
            "registered",
            "rejected",
            "seconds_by_stage",
            "gsd_m",
            "residual_median_m",
            "reprojection_px",
            "height_check",
            "coverage",
        )
    } | {"seconds": round(seconds, 1), "seconds_a_photo": round(seconds / quality["photos"], 2)}


def opencv(name: str) -> dict[str, Any]:
    """Return what OpenCV's stitcher makes of the same photographs."""
    paths = sorted(p for p in (DATA / "photos" / name).iterdir() if p.suffix.lower() == ".jpg")
    started = time.monotonic()
    stitcher = cv2.Stitcher.create(cv2.Stitcher_SCANS)
    status, _ = stitcher.stitch([cv2.imread(str(path)) for path in paths])
    used = len(stitcher.component()) if status == cv2.Stitcher_OK else 0
    return {"photos": len(paths), "used": used, "seconds": round(time.monotonic() - started, 1)}


def main() -> int:
    if not (DATA / "photos").is_dir():
        print(f"no photographs under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as scratch:
        runs = [stitched("brighton_beach", Path(scratch) / f"brighton{i}") for i in range(3)]
        caliterra = stitched("caliterra_block", Path(scratch) / "caliterra")
    median = statistics.median(run["seconds_a_photo"] for run in runs)
    figures = {
        "brighton_beach": runs[-1] | {"seconds_a_photo": median},
        "caliterra_block": caliterra,
        "opencv_scans": {"brighton_beach": opencv("brighton_beach")},
        "peak_mb": peak_mb(),
    }
    failed = [
        f"{name}: {run['registered']} of {run['photos']} photographs"
        for name, run in (("brighton_beach", runs[-1]), ("caliterra_block", caliterra))
        if run["registered"] < run["photos"]
    ]
    if median > 1.5:
        failed.append(f"{median} s a photograph on brighton_beach > 1.5")
    return emit("stitch_real", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
