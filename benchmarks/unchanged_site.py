"""Does a site where nothing changed give no suspect, from photographs to report?

The odd- and the even-numbered photographs of ``photos/caliterra_block`` (real, bad GPS) are imported
as two surveys of one cell, and ``aerial run`` is run. Targets: median registration residual <= 0.5 px
at 5 cm, and no suspect.

    python -m benchmarks.unchanged_site
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from aerial.codec import read_json, write_json
from aerial.photos.metadata import read_photo
from benchmarks.machine import DATA, emit, peak_mb


def aerial(*arguments: str) -> None:
    """Run one command of the installed program."""
    subprocess.run([sys.executable, "-m", "aerial_cli.main", *arguments], check=True, stdout=sys.stderr)


def square(lon_deg: float, lat_deg: float, half_deg: float, properties: dict[str, str]) -> dict[str, object]:
    """Return a FeatureCollection of one square."""
    west, east, south, north = lon_deg - half_deg, lon_deg + half_deg, lat_deg - half_deg, lat_deg + half_deg
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": properties, "geometry": geometry}],
    }


def main() -> int:
    photos = sorted((DATA / "photos" / "caliterra_block").glob("IMG_*.jpg"))
    if not photos:
        print(f"no photographs under {DATA}; set AERIAL_DATA", file=sys.stderr)
        return 1
    positions = [read_photo(path.parent, path.name).at for path in photos]
    lon, lat = np.median([[at.lon_deg, at.lat_deg] for at in positions if at], axis=0)
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        write_json(root / "area.geojson", square(lon, lat, 0.005, {}))
        write_json(root / "cells.geojson", square(lon, lat, 0.004, {"id": "A1"}))
        town = ["-C", str(root / "town")]
        aerial("init", str(root / "town"), "--area", str(root / "area.geojson"),
               "--cells", str(root / "cells.geojson"))  # fmt: skip
        for name, rest in (("odd", 1), ("even", 0)):
            (root / name).mkdir()
            for path in photos:
                if int(path.stem.split("_")[1]) % 2 == rest:
                    shutil.copy(path, root / name)
            aerial(*town, "photos", "import", str(root / name), "--cell", "A1")
        aerial(*town, "run", "A1")
        (pair,) = (root / "town" / "pairs" / "A1").iterdir()
        align = read_json(pair / "align.json")
        suspects = read_json(pair / "suspects.geojson")["features"]
        surveys = [read_json(p) for p in sorted((root / "town" / "surveys" / "A1").glob("*/quality.json"))]
    figures = {
        "photos": [s["photos"] for s in surveys],
        "registered": [s["registered"] for s in surveys],
        "residual_median_px": round(align["residual_median_px"], 3),
        "residual_p95_px": round(align["residual_p95_px"], 3),
        "suspects": [f["properties"] for f in suspects],
        "seconds": round(time.monotonic() - started),
        "peak_mb": peak_mb(),
    }
    failed = []
    if figures["photos"] != figures["registered"]:
        failed.append("not every photograph is registered")
    if align["residual_median_px"] > 0.5:
        failed.append("median residual > 0.5 px")
    if suspects:
        failed.append(f"{len(suspects)} suspects where nothing changed")
    return emit("unchanged_site", figures, failed=failed)


if __name__ == "__main__":
    sys.exit(main())
