"""Claim: `aerial photos check` takes under 0.1 s a photograph of 12 Mpx on two cores, in bounded memory.

    python -m benchmarks.photos_check [--photos DIR] [--count 60] [--many 1500] [--keep DIR]

*Speed*: photographs of 12 Mpx (of DIR, else made: sharp-edged roofs on textured ground, JPEG quality 90,
each with a position of its own) are checked three times, with and without the map; wall clock and processor
seconds a photograph, the median of three. Beside it what any check pays: decoding the same files whole
to grey, with Pillow and with OpenCV, two threads.

*Many*: 1500 photographs of 1.5 Mpx in lines, checked in a process of its own with a map: peak memory and
the size of the page.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from PIL import Image, TiffImagePlugin

from aerial.progress import SILENT
from aerial.steps.photo_check import check_flight
from benchmarks.machine import emit

TARGET_S = 0.1
MOST_MB, MOST_PAGE_MB = 600.0, 20.0
START = datetime(2026, 3, 2, 9, 30, 0)  # noqa: DTZ001  # EXIF times have no offset
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:drone-dji="http://www.dji.com/drone-dji/1.0/" drone-dji:GimbalPitchDegree="-90" '
    'drone-dji:GimbalYawDegree="0.0" drone-dji:RelativeAltitude="+80.0"/></rdf:RDF></x:xmpmeta>'
)


def picture(seed: int, width: int, height: int) -> Image.Image:
    """Return roofs on ground, with a sensor's noise."""
    rng = np.random.default_rng(seed)
    ground = cv2.resize(rng.integers(70, 140, (height // 8, width // 8, 3), np.uint8), (width, height))
    for _ in range(400):
        x, y = (int(rng.integers(0, side)) for side in (width, height))
        box = cv2.boxPoints(((x, y), tuple(rng.uniform(width / 80, width / 8, 2)), rng.uniform(0, 90)))
        cv2.fillPoly(ground, [box.astype(np.int32)], tuple(int(c) for c in rng.integers(20, 230, 3)))
    noise = rng.normal(0, 3, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(ground + noise, 0, 255).astype(np.uint8))


def degrees(value: float) -> tuple[TiffImagePlugin.IFDRational, ...]:
    """Return an angle as EXIF writes it."""
    whole = int(value)
    minutes = int((value - whole) * 60)
    seconds = (value - whole - minutes / 60) * 3600
    rational = TiffImagePlugin.IFDRational
    return rational(whole), rational(minutes), rational(round(seconds * 10**6), 10**6)


def make(folder: Path, count: int, width: int, height: int) -> None:
    """Write photographs in lines of 30, 20 m apart: eight pictures, each with a place of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = [picture(seed, width, height) for seed in range(8)]
    for number in range(count):
        image = pictures[number % 8]
        tags = image.getexif()
        tags.update({0x010F: "DJI", 0x0110: "FC0001"})
        taken = (START + timedelta(seconds=3 * number)).strftime("%Y:%m:%d %H:%M:%S")
        tags.get_ifd(0x8769).update({0x9003: taken, 0xA405: 24})
        line, place = divmod(number, 30)
        lon, lat = 113.83 + 0.0004 * line, 22.81 + 0.00018 * (29 - place if line % 2 else place)
        tags.get_ifd(0x8825).update({1: "N", 2: degrees(lat), 3: "E", 4: degrees(lon)})
        image.save(
            folder / f"DJI_{number:04d}.JPG", "JPEG", quality=90, exif=tags, xmp=XMP.encode(), subsampling=2
        )


def timed(what: Callable[[], object], count: int) -> dict[str, float]:
    """Return seconds a photograph, the median of three."""
    walls, processor = [], []
    for _ in range(3):
        before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        what()
        after = resource.getrusage(resource.RUSAGE_SELF)
        walls.append((time.perf_counter() - began) / count)
        processor.append((after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / count)
    return {"wall_s": round(median(walls), 4), "processor_s": round(median(processor), 4)}


def decoded(folder: Path, decode: Callable[[Path], object]) -> None:
    """Decode every photograph with two threads."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        for _ in pool.map(decode, sorted(folder.glob("*.JPG"))):
            pass


def many(folder: Path, page: Path) -> dict[str, Any]:
    """Return what a check with a map takes in a process of its own."""
    code = (
        "import json, resource, sys, time\n"
        "from pathlib import Path\n"
        "from aerial.progress import SILENT\n"
        "from aerial.steps.photo_check import check_flight\n"
        "began = time.perf_counter()\n"
        "done = check_flight(Path(sys.argv[1]), SILENT, page=Path(sys.argv[2]))\n"
        "print(json.dumps({'photographs': len(done.checks), 'usable': sum(c.ok for c in done.checks),\n"
        "  'wall_s': round(time.perf_counter() - began, 1),\n"
        "  'peak_mb': round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)}))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(page)], check=True, capture_output=True, text=True
    )
    return {**json.loads(done.stdout), "page_mb": round(page.stat().st_size / 1e6, 1)}


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--many", type=int, default=1500)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = given.photos or work / "12mpx"
        if given.photos is None:
            make(folder, given.count, 4000, 3000)
        files = sorted(folder.glob("*.JPG"))
        with Image.open(files[0]) as first:
            size = f"{first.width} x {first.height}"
        checked = check_flight(folder, SILENT)
        figures: dict[str, Any] = {
            "image_size_px": size,
            "mean_file_mb": round(sum(file.stat().st_size for file in files) / len(files) / 1e6, 2),
            "photographs": len(files),
            "usable": sum(check.ok for check in checked.checks),
            "check": timed(lambda: check_flight(folder, SILENT), len(files)),
            "check_with_map": timed(lambda: check_flight(folder, SILENT, page=work / "map.html"), len(files)),
            "pillow_whole": timed(
                lambda: decoded(folder, lambda file: np.asarray(Image.open(file).convert("L"))), len(files)
            ),
            "opencv_whole": timed(
                lambda: decoded(folder, lambda file: cv2.imread(str(file), cv2.IMREAD_GRAYSCALE)), len(files)
            ),
        }
        make(work / "many", given.many, 1448, 1086)
        figures["many"] = many(work / "many", work / "many.html")
    failed = [name for name in ("check", "check_with_map") if figures[name]["wall_s"] > TARGET_S]
    failed += ["peak memory"] if figures["many"]["peak_mb"] > MOST_MB else []
    failed += ["page"] if figures["many"]["page_mb"] > MOST_PAGE_MB else []
    return emit("photos_check", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
