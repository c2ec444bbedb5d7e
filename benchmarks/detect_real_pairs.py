"""How many pasted roofs `aerial detect` finds in real orthos, and how often it alarms falsely.

Three kinds of pairs, one set of defaults: the prepared site (JPEG, exposure steps, a wrong
georeference), two real flights of unchanged plots in other seasons, and real ortho blocks as two
dates: other exposure, haze, cast shadows, up to 0.5 m of local shift, JPEG; once unchanged, once
with roofs cut from another site. Targets, on the prepared site: 8 of 8 roofs with at most 2 false,
and none where nothing changed.

    python -m benchmarks.detect_real_pairs [--quick]
"""

import argparse
import json
import resource
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from shapely.affinity import affine_transform
from shapely.geometry import Polygon, box

from aerial import geo
from aerial.errors import AlignError
from aerial.raster.grid import Grid
from aerial.raster.read import open_raster
from aerial.raster.write import write_cog
from aerial.steps.detect import detect_pair, source_at
from benchmarks.machine import DATA, emit

CRS = "EPSG:32737"
BLOCK_GSD_M, BLOCK_PX = 0.07, 1400
Case = tuple[str, Path, Path, list[Polygon]]  # truth in AFTER's pixels


def put(path: Path, image_HWC: np.ndarray, gsd_m: float) -> Path:
    grid = Grid(
        crs=CRS,
        affine=(gsd_m, 0.0, 500_000.0, 0.0, -gsd_m, 9_000_000.0),
        width_px=image_HWC.shape[1],
        height_px=image_HWC.shape[0],
    )
    write_cog(path, grid, np.ascontiguousarray(np.moveaxis(image_HWC[..., ::-1], -1, 0)), mask=True)
    return path


def prepared_site(data: Path) -> Iterator[Case]:
    folder = data / "pairs" / "caliterra"
    roofs = [
        f["properties"]["px"]
        for f in json.loads((folder / "truth_buildings.geojson").read_text())["features"]
    ]
    plain = [box(x, y, x + w, y + h) for x, y, w, h in roofs]
    affine = np.array(json.loads((folder / "truth.json").read_text())["affine_epoch2_to_shifted_px"])
    moved = [Polygon(np.asarray(p.exterior.coords) @ affine[:, :2].T + affine[:, 2]) for p in plain]
    truth = {"nochange": [], "buildings": plain, "buildings_shifted": moved}
    for name, polygons in truth.items():
        yield f"site {name}", folder / "epoch1.tif", folder / f"epoch2_{name}.tif", polygons


def two_flights(data: Path, work: Path) -> Iterator[Case]:
    for before in sorted((data / "neon_trees" / "pairs" / "A").glob("*.jpg")):
        after = data / "neon_trees" / "pairs" / "B" / before.name
        ends = [
            put(work / f"{before.stem}{n}.tif", cv2.imread(str(p)), 0.1)
            for n, p in enumerate((before, after))
        ]
        yield "two flights, unchanged", ends[0], ends[1], []


def blocks(data: Path, work: Path) -> Iterator[Case]:
    for path in sorted((data / "drone_blocks").glob("*.jpg")):
        rng = np.random.default_rng([17, *path.stem.encode()])
        image = cv2.imread(str(path))[:BLOCK_PX, :BLOCK_PX]
        taken = cv2.imread(str(path).replace(".jpg", "_mask.png"), 0)[:BLOCK_PX, :BLOCK_PX] > 0
        before = put(work / f"{path.stem}_a.tif", image, BLOCK_GSD_M)
        yield (
            "blocks, unchanged",
            before,
            put(work / f"{path.stem}_n.tif", another_day(image, rng), BLOCK_GSD_M),
            [],
        )
        other = f"site{int(path.stem[4]) % 5 + 1}"
        built, truth = image.copy(), []
        for rgb, mask in roofs_of(data, other, rng)[:5]:
            placed = paste(built, taken, rgb, mask, rng)
            if placed is not None:
                truth.append(placed)
        after = put(work / f"{path.stem}_p.tif", another_day(built, rng), BLOCK_GSD_M)
        yield "blocks, roofs pasted", before, after, truth


def another_day(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    height, width = image.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    drift = [slow(rng, (height, width), 0.25 / BLOCK_GSD_M) for _ in range(2)]
    out = cv2.remap(image, x + drift[0], y + drift[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT).astype(
        np.float32
    )
    out = (
        255
        * (np.clip(out, 0, 255) / 255) ** rng.uniform(0.85, 1.2)
        * rng.uniform(0.9, 1.1, 3)
        * rng.uniform(0.8, 1.1)
    )
    shade = np.zeros((height, width), np.float32)
    for _ in range(4):
        corners = rng.uniform(0, [width, height]) + rng.uniform(-4, 4, (5, 2)) / BLOCK_GSD_M
        cv2.fillConvexPoly(shade, cv2.convexHull(corners.astype(np.int32)), 1)
    out *= 1 - cv2.GaussianBlur(shade, (0, 0), 2)[..., None] * (1 - np.array([0.55, 0.48, 0.44]))
    out *= 1 + slow(rng, (height, width), 0.04)[..., None]
    out += rng.normal(size=out.shape) * 3 + rng.uniform(0, 10)
    packed = cv2.imencode(".jpg", np.clip(out, 0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 82])[1]
    return cv2.imdecode(packed, cv2.IMREAD_COLOR)


def slow(rng: np.random.Generator, shape: tuple[int, int], spread: float) -> np.ndarray:
    field = cv2.resize(rng.normal(size=(4, 4)).astype(np.float32), shape[::-1], interpolation=cv2.INTER_CUBIC)
    return (field * spread).astype(np.float32)


def roofs_of(data: Path, site: str, rng: np.random.Generator) -> list[tuple[np.ndarray, np.ndarray]]:
    found = []
    for path in sorted((data / "drone_blocks").glob(f"{site}_?.jpg")):
        image = cv2.imread(str(path))
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (cv2.imread(str(path).replace(".jpg", "_mask.png"), 0) > 0).astype(np.uint8)
        )
        for i in range(1, count):
            x, y, w, h, area = stats[i]
            if 1000 < area < 30_000 and area > 0.5 * w * h:
                found.append((image[y : y + h, x : x + w].copy(), labels[y : y + h, x : x + w] == i))
    rng.shuffle(found)
    return found


def paste(
    image: np.ndarray, taken: np.ndarray, rgb: np.ndarray, mask: np.ndarray, rng: np.random.Generator
) -> Polygon | None:
    height, width = mask.shape
    room = image.shape[0] - height - 60, image.shape[1] - width - 60
    if min(room) <= 40:
        return None
    for _ in range(60):
        y, x = int(rng.integers(40, room[0])), int(rng.integers(40, room[1]))
        if taken[y - 10 : y + height + 20, x - 10 : x + width + 20].any():
            continue
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8)[..., None]
        reach = int(1.5 / BLOCK_GSD_M)
        shadow = image[y + reach : y + reach + height, x + reach : x + reach + width]
        shadow[mask] //= 2
        part = image[y : y + height, x : x + width]
        part[:] = (part * (1 - soft) + rgb * soft).astype(np.uint8)
        taken[y : y + height, x : x + width] = True
        outline = max(
            cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0], key=len
        )
        return Polygon(outline[:, 0] + [x, y]).buffer(0)
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fifth pair")
    options = parser.parse_args()
    if not (DATA / "pairs").is_dir():
        print(f"no pairs under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    rows: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        cases = [*prepared_site(DATA), *two_flights(DATA, work), *blocks(DATA, work)]
        for number, (name, before, after, truth) in enumerate(cases):
            if options.quick and number >= 3 and number % 5:
                continue
            count(rows[name], before, after, truth, work / f"out{number}")
    for row in rows.values():
        row["false_per_km2"] = round(row["false"] / row["km2"], 1) if row["km2"] else 0.0
        row["km2"], row["cpu_s"] = round(row["km2"], 4), round(row["cpu_s"] / max(row["n"], 1), 1)
    failed = [
        f"{name}: {row['found']:.0f} of {row['roofs']:.0f} roofs, {row['false']:.0f} false"
        for name, row in rows.items()
        if name.startswith("site")
        and (row["found"] < row["roofs"] or row["false"] > (2 if row["roofs"] else 0))
    ]
    return emit("detect_real_pairs", {"pairs": rows}, failed=failed)


def count(row: dict[str, float], before: Path, after: Path, truth: list[Polygon], out: Path) -> None:
    row["n"] += 1
    start = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    try:
        suspects = detect_pair(source_at(before), source_at(after), out).suspects
    except AlignError:
        row["refused"] += 1
        return
    row["cpu_s"] += resource.getrusage(resource.RUSAGE_SELF).ru_utime - start
    grid = open_raster(after).grid
    a, b, c, d, e, f = grid.affine
    row["km2"] += abs(a * e - b * d) * grid.width_px * grid.height_px / 1e6
    true = [affine_transform(p, (a, b, d, e, c, f)) for p in truth]
    seen = [geo.reproject(s.outline, geo.WGS84, grid.crs) for s in suspects]
    row["roofs"] += len(true)
    row["found"] += sum(any(s.intersection(t).area > 0.3 * min(s.area, t.area) for s in seen) for t in true)
    row["false"] += sum(all(s.intersection(t).area <= 0.1 * s.area for t in true) for s in seen)


if __name__ == "__main__":
    sys.exit(main())
