"""Claim: the 501 cells of a town are planned in under 30 s on 2 cores, and memory stays flat.

    python -m benchmarks.cells_501 [--seed 5010] [--cells 501] [--workers 2] [--keep DIR]

Cells of 330 to 560 m by seeded code at 22.8 N, 113.8 E: one in five concave, one in ten with holes, one
in twenty cut by a no-fly zone. The town is planned by the command that a planner types; sorties, checks
and exports are in the time, map pictures are not. Memory is that of the whole tree of processes,
looked at ten times a second: flat is no more than a tenth above what it was at cell 100. Every plan is
then audited from its ``lines.geojson``, in a frame of the benchmark's own.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from shapely import transform
from shapely.affinity import rotate, scale, translate
from shapely.geometry import Polygon, mapping, shape
from shapely.geometry.base import BaseGeometry
from shapely.ops import unary_union

from benchmarks.flight_lines.audit import MAY_MISS, Audit, Leg, audit, gaps_m
from benchmarks.flight_lines.polygons import (
    Case,
    can_be_flown,
    cell,
    disc_on_border,
    polygon_inside,
    with_holes,
)
from benchmarks.flight_lines.shapes import random_simple
from benchmarks.machine import emit

LON_DEG, LAT_DEG = 113.8, 22.8
ALLOWED_S = 30.0
ALLOWED_GROWTH = 1.1
FIRST = 100
_PITCH_M = 900.0
_COLUMNS = 23
# What the zones are drawn against; the planner's own spacing comes from the height that is asked.
SPACING_M = 35.0


@dataclass
class Memory:
    """(plans on disk, MB resident in the tree of processes), as seen while the command ran."""

    seen: list[tuple[int, float]] = field(default_factory=list)

    def around(self, low: int, high: int) -> float | None:
        """Return the median while ``low`` to ``high`` plans were there."""
        found = [mb for plans, mb in self.seen if low <= plans <= high]
        return median(found) if found else None


def command(town: Path, workers: int) -> list[str]:
    """Return how a planner plans every cell of a town; the one place that knows it."""
    asked = ["plan", "flight", "--all", "--height-m", "100", "--overlap", "0.8", "0.7", "--no-picture"]
    return [sys.executable, "-m", "aerial_cli.main", "-C", str(town), *asked, "--workers", str(workers)]


def make_town(folder: Path, seed: int, count: int) -> dict[str, Case]:
    """Write area, cells and zones, make them a town, and return the cells as cases in metres."""
    from aerial.steps.init import init_town

    rng = Random(f"town {seed}")
    made: dict[str, Case] = {}
    for number in range(count):
        at = ((number % _COLUMNS - 11) * _PITCH_M, (number // _COLUMNS - 11) * _PITCH_M)
        name = f"C{number + 1:03}"
        made[name] = _case(name, number, at, rng)
    parts = {
        "area": [_feature(unary_union([case.area for case in made.values()]).convex_hull.buffer(100), {})],
        "cells": [_feature(c.area, {"id": c.name, "takeoffs": [lonlat(c.takeoff)]}) for c in made.values()],
        "no_fly": [_feature(c.no_fly, {"kind": "no_fly"}) for c in made.values() if c.no_fly is not None],
    }
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}.geojson" for name in parts}
    for name, features in parts.items():
        files[name].write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    init_town(folder / "town", files["area"], files["cells"], [files["no_fly"]])
    return made


def _case(name: str, number: int, at: tuple[float, float], rng: Random) -> Case:
    # By number, so that the shares are exact: concave 20 %, holes 10 %, a zone 5 %.
    while True:
        area = cell(rng)
        if number % 5 == 1:
            area = _bitten(area, rng)
        elif number % 10 == 3:
            area = with_holes(area, rng.randint(1, 3), rng)
        zone = None
        if number % 20 == 7:
            zone = (disc_on_border if rng.random() < 0.5 else polygon_inside)(area, rng)
        case = Case(name, "cells", area, SPACING_M, zone)
        if can_be_flown(case):
            middle = area.centroid
            by = (at[0] - middle.x, at[1] - middle.y)
            moved = None if zone is None else translate(zone, *by)
            return Case(name, "cells", translate(area, *by), SPACING_M, moved)


def _bitten(area: Polygon, rng: Random) -> Polygon:
    """Return the cell less what stands at its border: a block, or something of many corners."""
    while True:
        size = rng.uniform(0.2, 0.4) * area.area**0.5
        at = area.exterior.interpolate(rng.random(), normalized=True)
        drawn = random_simple(rng, rng.randint(4, 10))
        bite = translate(scale(rotate(drawn, rng.uniform(0, 360)), size, size, origin=(0, 0)), at.x, at.y)
        left = area.difference(bite)
        if isinstance(left, Polygon) and not left.interiors and left.area < 0.97 * left.convex_hull.area:
            return left


@cache
def _to_degrees() -> pyproj.Transformer:
    frame = f"+proj=tmerc +lat_0={LAT_DEG} +lon_0={LON_DEG} +k=1 +ellps=WGS84 +units=m +no_defs +type=crs"
    return pyproj.Transformer.from_crs(frame, "EPSG:4326", always_xy=True)


def lonlat(at: tuple[float, float]) -> list[float]:
    """Return a position of the town's frame in degrees, as files hold it."""
    lon, lat = _to_degrees().transform(*at)
    return [round(lon, 8), round(lat, 8)]


def _feature(geometry: BaseGeometry, properties: dict[str, Any]) -> dict[str, Any]:
    degrees = transform(geometry, lambda xy_N2: np.column_stack(_to_degrees().transform(*xy_N2.T)))
    return {"type": "Feature", "properties": properties, "geometry": mapping(degrees)}


def run(told: Sequence[str], town: Path, log: Path) -> tuple[float, int, Memory]:
    """Run a command and return its seconds, its exit code, and what memory it held meanwhile."""
    memory = Memory()
    start = time.perf_counter()
    with log.open("wb") as out, subprocess.Popen(told, stdout=out, stderr=subprocess.STDOUT) as process:
        done = threading.Event()
        watch = threading.Thread(target=_watch, args=(process.pid, town, memory, done))
        watch.start()
        code = process.wait()
        seconds = time.perf_counter() - start
        done.set()
        watch.join()
    return seconds, code, memory


def _watch(pid: int, town: Path, memory: Memory, done: threading.Event) -> None:
    while not done.wait(0.1):
        plans = sum(1 for _ in town.glob("plans/*/plan.json"))
        memory.seen.append((plans, sum(_resident_mb(one) for one in _tree(pid))))


def _tree(pid: int) -> Iterator[int]:
    yield pid
    # Linux alone tells; elsewhere the command's own process stands for all. A process may end meanwhile.
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))


def _resident_mb(pid: int) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, IndexError, ValueError):
        return 0.0


def audit_plan(town: Path, name: str, outline: BaseGeometry, zones: BaseGeometry) -> Audit:
    """Audit one plan from the files: outline and zones lon, lat; the frame lies at the cell's middle."""
    lon, lat = outline.centroid.coords[0]
    frame = f"+proj=tmerc +lat_0={lat} +lon_0={lon} +k=1 +ellps=WGS84 +units=m +no_defs +type=crs"
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", frame, always_xy=True)

    def move(xy_N2: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(to_metres.transform(xy_N2[:, 0], xy_N2[:, 1]))

    listed = json.loads((town / "plans" / name / "lines.geojson").read_text("utf-8"))["features"]
    sorties: defaultdict[int, list[Leg]] = defaultdict(list)
    for feature in listed:
        xy_N2 = move(np.array(feature["geometry"]["coordinates"], float)[:, :2])
        leg = Leg(feature["properties"]["kind"], tuple((float(x), float(y)) for x, y in xy_N2))
        sorties[feature["properties"]["sortie"]].append(leg)
    if any(gaps_m(legs) > 0 for legs in sorties.values()):
        raise ValueError("legs of a sortie do not join")
    properties = next(f["properties"] for f in listed if f["properties"]["kind"] == "survey")
    near = zones.intersection(outline.buffer(0.02))
    return audit(
        [leg for legs in sorties.values() for leg in legs],
        transform(outline, move),
        spacing_m=properties["line_spacing_m"],
        trigger_m=properties["trigger_distance_m"],
        no_fly=None if near.is_empty else transform(near, move),
    )


def shortfalls(names: Sequence[str], audits: dict[str, Audit], errors: dict[str, str]) -> list[str]:
    """Return what the claim does not hold for, cell by cell."""
    failed = [f"{name}: {errors[name]}" for name in names if name in errors]
    for name, found in audits.items():
        for what, bad in (
            (f"{found.uncovered:.3%} uncovered", found.uncovered > MAY_MISS),
            (f"{found.zone_m:.3f} m in a zone", found.zone_m > 0),
            (f"{found.outside_m:.3f} m outside the fence", found.outside_m > 0),
        ):
            if bad:
                failed.append(f"{name}: {what}")
    return failed


def audit_town(town: Path, names: Sequence[str]) -> tuple[dict[str, Audit], dict[str, str]]:
    """Return the audit of each cell's plan, and what went wrong where there is none."""
    features = json.loads((town / "cells.geojson").read_text("utf-8"))["features"]
    outlines = {f["properties"]["id"]: shape(f["geometry"]) for f in features}
    zones = unary_union(
        [
            shape(f["geometry"])
            for path in sorted((town / "zones").glob("*.geojson"))
            for f in json.loads(path.read_text("utf-8"))["features"]
        ]
    )
    audits, errors = {}, {}
    for name in names:
        try:
            audits[name] = audit_plan(town, name, outlines[name], zones)
        except (OSError, ValueError, KeyError, StopIteration) as exc:
            errors[name] = f"{type(exc).__name__}: {exc}"
    return audits, errors


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=5010)
    parser.add_argument("--cells", type=int, default=501)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="make the town here, and leave it")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.keep or Path(temporary)
        names = list(make_town(folder, asked.seed, asked.cells))
        town, log = folder / "town", folder / "plan.log"
        seconds, code, memory = run(command(town, asked.workers), town, log)
        said = log.read_text("utf-8", errors="replace")[-600:]
        audits, errors = audit_town(town, names)
    early, late = memory.around(FIRST, FIRST + 50), memory.around(len(names) - 50, len(names))
    growth = late / early if early and late else None
    failed = shortfalls(names, audits, errors)
    if code != 0:
        failed.insert(0, f"the command ended with {code}: {said}")
    if seconds > ALLOWED_S:
        failed.append(f"{seconds:.1f} s")
    if growth is None or growth > ALLOWED_GROWTH:
        failed.append("memory was not seen" if growth is None else f"memory grew by {growth - 1:.0%}")
    figures = {
        "cells": len(names),
        "planned": len(audits),
        "seconds": round(seconds, 2),
        "peak_mb": round(max((mb for _, mb in memory.seen), default=0.0), 1),
        "mb_at_100": early,
        "mb_at_the_end": late,
        "uncovered_max": max((a.uncovered for a in audits.values()), default=None),
        "zone_m": sum(a.zone_m for a in audits.values()),
        "outside_m": sum(a.outside_m for a in audits.values()),
        "survey_and_turns_km": sum(a.length_m for a in audits.values()) / 1000,
        "photos": sum(a.photos for a in audits.values()),
    }
    for name, value in figures.items():
        print(f"{name:22} {value}", file=sys.stderr)
    return emit("cells_501", figures, failed=failed[:50])


if __name__ == "__main__":
    sys.exit(main())
