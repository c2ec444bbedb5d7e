"""Is the simulated town as rich in detail as the world, and how long does it take to render?

Counts SIFT keypoints (OpenCV's defaults, grey picture at 7 cm) to the square metre, on roofs and
beside them: on the real drone blocks, and in the middle of photographs of simulated towns. Passes
where the town lies within a factor of 2 of the real sites' median, on both surfaces.

    python benchmarks/simulated_town.py [--preset demo] [--seeds 11 12 13] [--json FILE]
"""

import argparse
import os
import platform
import resource
import sys
import tempfile
from pathlib import Path

import cv2
import numpy as np
from shapely.geometry import shape

from aerial import geo
from aerial.camera import Camera, Pose, project
from aerial.codec import read_json, write_json
from aerial.progress import SILENT
from aerial.simulate.presets import PRESETS
from aerial.simulate.surveys import SimulatedTown, simulate_surveys

BLOCKS = (
    Path(os.environ.get("AERIAL_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    / "drone_blocks"
)
GSD_M = 0.07


def density(grey_HW: np.ndarray, roof_HW: np.ndarray, beside_HW: np.ndarray) -> dict[str, float]:
    """Return keypoints to the square metre on both surfaces, and both areas."""
    points = cv2.SIFT_create().detect(grey_HW, None)
    at = np.array([p.pt for p in points]).round().astype(int).reshape(-1, 2)
    column, row = np.clip(at[:, 0], 0, grey_HW.shape[1] - 1), np.clip(at[:, 1], 0, grey_HW.shape[0] - 1)
    row_ = {}
    for name, mask in (("roof", roof_HW), ("beside", beside_HW)):
        area = float(mask.sum()) * GSD_M**2
        row_[f"{name}_m2"] = area
        row_[name] = float(mask[row, column].sum()) / area if area > 100 else float("nan")
    return row_


def real() -> list[dict[str, object]]:
    rows = []
    for path in sorted(BLOCKS.glob("site?_?.jpg")):
        grey = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        roof = cv2.imread(str(path.with_name(f"{path.stem}_mask.png")), cv2.IMREAD_GRAYSCALE) > 0
        # Holes of a block are black.
        there = cv2.erode((grey > 8).astype(np.uint8), np.ones((9, 9))) > 0
        rows.append({"site": path.stem, **density(grey, roof & there, ~roof & there)})
    return rows


def simulated(town: SimulatedTown, preset: str) -> list[dict[str, object]]:
    """Count in the middle 60 % of every sixth photograph, roofs told by their true outlines and heights."""
    roofs = read_json(town.truth / "roofs.geojson")["features"]
    rows = []
    for epoch, folder in enumerate(town.photos, start=1):
        told = read_json(town.truth / f"epoch{epoch}" / "cameras.json")
        camera = Camera(**{**told["camera"], "distortion": tuple(told["camera"]["distortion"])})
        for photo in told["photos"][3::6]:
            pose = Pose(rotation_33=np.array(photo["rotation_33"]), centre_3=np.array(photo["centre_m"]))
            mask = np.zeros((camera.height_px, camera.width_px), np.uint8)
            for roof in (r for r in roofs if r["properties"]["epoch"] == epoch):
                lon, lat = np.array(shape(roof["geometry"]).exterior.coords).T
                x, y = geo.transform(geo.WGS84, town.crs, lon, lat)
                height = np.full(len(x), roof["properties"]["height_m"])
                pixels, seen = project(camera, pose, np.column_stack([x, y, height]))
                if seen.any():
                    cv2.fillPoly(mask, [np.round(pixels).astype(np.int32)], 1)
            scale = PRESETS[preset].gsd_m / GSD_M
            grey = cv2.imread(str(folder / photo["file"]), cv2.IMREAD_GRAYSCALE)
            grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            mask = cv2.resize(mask, grey.shape[::-1], interpolation=cv2.INTER_NEAREST) > 0
            middle = tuple(slice(n // 5, n - n // 5) for n in grey.shape)
            rows.append({"site": photo["file"], **density(grey[middle], mask[middle], ~mask[middle])})
    return rows


def pooled(rows: list[dict[str, object]], name: str) -> float:
    """Return keypoints to the square metre over all rows together."""
    pairs = [(float(r[name]), float(r[f"{name}_m2"])) for r in rows if r[name] == r[name]]  # type: ignore[arg-type]
    return sum(a * b for a, b in pairs) / max(sum(b for _, b in pairs), 1e-9)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", choices=list(PRESETS), default="demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    sites: dict[str, list[dict[str, object]]] = {}
    for row in real():
        sites.setdefault(str(row["site"])[:5], []).append(row)
    table = [
        {"site": s, "roof": pooled(rows, "roof"), "beside": pooled(rows, "beside")}
        for s, rows in sites.items()
    ]
    aim = {name: float(np.median([row[name] for row in table])) for name in ("roof", "beside")}
    passed, seconds = True, []
    for seed in given.seeds:
        with tempfile.TemporaryDirectory() as folder:
            before = cpu_seconds()
            town = simulate_surveys(given.preset, seed, Path(folder) / "town", SILENT)
            seconds.append(cpu_seconds() - before)
            rows = simulated(town, given.preset)
        found = {name: pooled(rows, name) for name in aim}
        passed &= all(0.5 <= found[name] / aim[name] <= 2 for name in aim)
        table.append({"site": f"town, seed {seed}", **found})
    print(f"{'SIFT keypoints per m2':24}{'roof':>8}{'beside':>8}")
    for line in table:
        print(f"{line['site']:24}{line['roof']:8.2f}{line['beside']:8.2f}")
    print(f"{'median of the sites':24}{aim['roof']:8.2f}{aim['beside']:8.2f}")
    print(
        f"Render, both epochs: {np.median(seconds):.0f} CPU seconds ({given.preset}, {platform.processor()}, "
        f"{os.cpu_count()} cores)"
    )
    print("within a factor of 2" if passed else "NOT within a factor of 2")
    if given.json:
        write_json(given.json, {"sites": table, "aim": aim, "cpu_seconds": seconds, "passed": passed})
    return 0 if passed else 1


def cpu_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


if __name__ == "__main__":
    sys.exit(main())
