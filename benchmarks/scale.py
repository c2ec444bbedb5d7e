"""Memory and time of `aerial detect`, all of it, on pairs of 10k, 40k and 80k pixels a side; a kill.

The pictures are whole GeoTIFFs with JPEG tiles and overviews, made of one real texture of 205 m (the drone
blocks; noise where they are absent) with a roof built in AFTER; the tile table repeats it, so that the
files are small and every tile is still decoded, placed and scored. Each pair runs in a process of its own.

    python -m benchmarks.scale [--model NAME|DIR] [--quick]
"""

import argparse
import json
import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.machine import DATA, emit

TILE_PX, PATTERN_PX, GSD_M = 512, 4096, 0.05
MOST_MB, MOST_GROWTH, MOST_SECONDS = 512.0, 1.05, 60.0


def write_pair(folder: Path, side_px: int, *, gsd_m: float = GSD_M) -> tuple[Path, Path]:
    """Write before.tif and after.tif of a side in pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    before = texture()
    rng = np.random.default_rng(7)
    after = np.clip(before * 0.95 + 6 + rng.normal(0, 2, before.shape), 0, 255).astype(np.uint8)
    after[1500:1700, 2300:2560] = (200, 120, 60)
    after[1700:1740, 2300:2560] //= 2
    paths = folder / "before.tif", folder / "after.tif"
    for path, image_HWC in zip(paths, (before, after), strict=True):
        write_repeated(path, image_HWC, side_px, gsd_m)
    return paths


def texture() -> np.ndarray:
    """Return one pattern of real ground, as blue, green, red; seeded noise without the data."""
    files = sorted((DATA / "drone_blocks").glob("site1_*.jpg"))
    if files:
        image = cv2.imread(str(files[0]))
        return cv2.resize(image, (PATTERN_PX, PATTERN_PX), interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(1)
    out = np.full((PATTERN_PX, PATTERN_PX, 3), 110, np.float32)
    for step, weight in ((4, 10), (16, 18), (128, 25)):
        coarse = rng.normal(0, weight, (PATTERN_PX // step, PATTERN_PX // step, 3)).astype(np.float32)
        out += cv2.resize(coarse, (PATTERN_PX, PATTERN_PX), interpolation=cv2.INTER_CUBIC)
    return np.clip(out, 0, 255).astype(np.uint8)


def write_repeated(path: Path, pattern_HWC: np.ndarray, side_px: int, gsd_m: float) -> None:
    """Write a TIFF whose full resolution and overviews repeat a pattern of ``PATTERN_PX`` (TIFF 6.0)."""
    with path.open("wb") as file:
        file.write(b"II*\0\0\0\0\0")
        link, factor = 4, 1
        while True:
            side = -(-side_px // factor)
            small = pattern_HWC
            if factor > 1:
                small = cv2.resize(
                    pattern_HWC, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA
                )
            repeats = max(1, -(-TILE_PX // small.shape[0]))
            small = np.tile(small, (repeats, repeats, 1))
            count = small.shape[0] // TILE_PX
            places = {}
            for row in range(count):
                for column in range(count):
                    part = small[row * TILE_PX :, column * TILE_PX :][:TILE_PX, :TILE_PX]
                    data = cv2.imencode(".jpg", part, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
                    places[row, column] = (file.tell(), len(data))
                    file.write(data + b"\0" * (len(data) % 2))
            across = -(-side // TILE_PX)
            tiles = [places[r % count, c % count] for r in range(across) for c in range(across)]
            link = _directory(file, link, side, tiles, gsd_m if factor == 1 else None)
            if side <= TILE_PX:
                return
            factor *= 2


def _directory(file: Any, link: int, side: int, tiles: list[tuple[int, int]], gsd_m: float | None) -> int:
    """Write one image file directory, linked from the place ``link``, and return where the next is linked."""
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, 32737)
    entries: list[tuple[int, str, tuple[float, ...]]] = [
        (254, "I", (0 if gsd_m else 1,)), (256, "I", (side,)), (257, "I", (side,)), (258, "H", (8, 8, 8)),
        (259, "H", (7,)), (262, "H", (6,)), (277, "H", (3,)), (284, "H", (1,)), (322, "I", (TILE_PX,)),
        (323, "I", (TILE_PX,)), (324, "I", tuple(place for place, _ in tiles)),
        (325, "I", tuple(length for _, length in tiles)), (530, "H", (2, 2)),
    ]  # fmt: skip
    if gsd_m:
        entries += [
            (33550, "d", (gsd_m, gsd_m, 0.0)),
            (33922, "d", (0.0, 0.0, 0.0, 500_000.0, 9_000_000.0, 0.0)),
            (34735, "H", keys),
        ]
    packed = []
    for tag, kind, values in entries:
        data = struct.pack(f"<{len(values)}{kind}", *values)
        if len(data) > 4:
            place = file.tell()
            file.write(data + b"\0" * (len(data) % 2))
            data = struct.pack("<I", place)
        number = {"H": 3, "I": 4, "d": 12}[kind]
        packed.append(struct.pack("<HHI", tag, number, len(values)) + data.ljust(4, b"\0"))
    start = file.tell()
    file.write(struct.pack("<H", len(packed)) + b"".join(packed))
    end = file.tell()
    file.write(b"\0\0\0\0")
    file.seek(link)
    file.write(struct.pack("<I", start))
    file.seek(0, os.SEEK_END)
    return int(end)


def begin(pair: tuple[Path, Path], out: Path, model: str) -> subprocess.Popen[bytes]:
    """Start the whole command in a process of its own."""
    run = "import sys; from aerial_cli.main import main; sys.exit(main())"
    arguments = [sys.executable, "-c", run, "detect", *map(str, pair), "--out", str(out), "--model", model]
    with _log(out).open("wb") as talk:
        return subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=talk)


def _log(out: Path) -> Path:
    return out.with_suffix(".log")


def finish(process: subprocess.Popen[bytes], out: Path, start: float) -> dict[str, Any]:
    """Return time, memory (MB of a million bytes) and findings of a command begun at ``start``."""
    _, status, used = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"ended with {process.returncode}: {_log(out).read_text()[-500:]}")
    bytes_a_unit = 1 if sys.platform == "darwin" else 1024
    return {
        "wall_s": round(wall_s, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss * bytes_a_unit / 1e6, 1),
        "suspects": len(json.loads((out / "suspects.geojson").read_text())["features"]),
        "how": json.loads((out / "align.json").read_text())["how"],
    }


def killed(pair: tuple[Path, Path], whole: Path, out: Path, model: str) -> dict[str, Any]:
    """Kill a comparison once a stripe is there, run it again, and compare with the whole one."""
    process = begin(pair, out, model)
    while process.poll() is None and len(list(out.glob(".change.tif.*/0*.tif"))) < 1:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = len(list(out.glob(".change.tif.*/0*.tif")))
    shown = (out / "change.tif").exists()
    start = time.perf_counter()
    again = finish(begin(pair, out, model), out, start)
    same = all((whole / n).read_bytes() == (out / n).read_bytes() for n in ("change.tif", "suspects.geojson"))
    return {"stripes_kept": left, "map_before_it_was_whole": shown, "same_result": same} | again


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="siamese")
    parser.add_argument("--quick", action="store_true", help="pairs of 5k and 10k pixels")
    parser.add_argument("--sides", type=int, nargs="+", help="these sides in pixels instead")
    parser.add_argument("--write", metavar="DIR", type=Path, help="only write the first pair there")
    options = parser.parse_args()
    sides = options.sides or ((5_000, 10_000) if options.quick else (10_000, 40_000, 80_000))
    if options.write:
        write_pair(options.write, sides[0])
        return 0
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for side in sides:
            at, out = Path(folder) / f"{side}", Path(folder) / f"out{side}"
            # In a process of its own: a child's peak memory counts its parent's too.
            write = [sys.executable, "-m", "benchmarks.scale", "--write", str(at), "--sides", str(side)]
            subprocess.run(write, check=True)
            start = time.perf_counter()
            pair = at / "before.tif", at / "after.tif"
            rows[f"{side}"] = finish(begin(pair, out, options.model), out, start)
            print(side, rows[f"{side}"], file=sys.stderr, flush=True)
        middle = sides[min(1, len(sides) - 1)]
        pair = Path(folder) / f"{middle}" / "before.tif", Path(folder) / f"{middle}" / "after.tif"
        resumed = killed(pair, Path(folder) / f"out{middle}", Path(folder) / "killed", options.model)
    growth = rows[f"{sides[-1]}"]["peak_mb"] / rows[f"{sides[0]}"]["peak_mb"]
    failed = [f"{side}: {row['peak_mb']} MB" for side, row in rows.items() if row["peak_mb"] > MOST_MB]
    if growth > MOST_GROWTH:
        failed.append(f"memory grows {growth:.3f} times from {sides[0]} to {sides[-1]}")
    if rows.get("40000", {"wall_s": 0})["wall_s"] > MOST_SECONDS:
        failed.append(f"40k took {rows['40000']['wall_s']} s")
    if not resumed["same_result"] or resumed["map_before_it_was_whole"]:
        failed.append("the resumed run ended otherwise")
    return emit("scale", {"pairs": rows, "growth": round(growth, 3), "killed": resumed}, failed=failed)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.exit(main())
