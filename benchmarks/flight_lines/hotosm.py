"""The real package drone-flightplan, run by the Python that has it installed; never imported here.

It is AGPL-3.0 and pins a build of GDAL that its own wheel index lacks for most systems. GDAL only reads
elevation models there, which this comparison gives it none of: where ``osgeo`` is absent, an empty
module stands in its place. It plans in EPSG:3857, so the polygon is put at a town's latitude.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
from numpy.typing import NDArray
from shapely import transform
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from aerial.geo import LonLat, local_frame
from benchmarks.flight_lines.audit import Leg

LON_DEG, LAT_DEG = 113.8, 22.8
FRAME = local_frame(LonLat(lon_deg=LON_DEG, lat_deg=LAT_DEG))
# What the package itself proposes.
_OVERLAP_PERCENT = 70.0

_SCRIPT = """
import json, logging, sys, types
job = json.load(sys.stdin)
try:
    import osgeo
except ImportError:
    stand_in = types.ModuleType("osgeo")
    stand_in.gdal = stand_in.ogr = stand_in.osr = None
    sys.modules["osgeo"] = stand_in
logging.disable(logging.CRITICAL)
from importlib.metadata import version
from drone_flightplan import create_waypoint, calculate_parameters
from drone_flightplan.enums import FlightMode
agl = 100.0
at_100 = calculate_parameters(job["overlap"], job["overlap"], agl, None)["side_spacing"]
out = []
for one in job["jobs"]:
    try:
        made = create_waypoint(
            one["area"], agl * one["spacing_m"] / at_100, None, job["overlap"], job["overlap"],
            no_fly_zones=one["no_fly"], mode=FlightMode.WAYLINES)
        features = json.loads(made["geojson"])["features"]
        out.append([[*f["geometry"]["coordinates"][:2], f["properties"]["heading"]] for f in features])
    except Exception as exc:
        out.append(repr(exc))
json.dump({"version": version("drone-flightplan"), "paths": out}, sys.stdout)
"""


class PeerError(Exception):
    """The package could not be run at all."""


def plan(
    python: Path, jobs: Sequence[tuple[BaseGeometry, float, BaseGeometry | None]], *, limit_s: float = 3600
) -> tuple[str, list[list[Leg] | str]]:
    """Return the package's version, and for each (area, spacing, no-fly) its path or what it raised.

    The height is chosen so that its side spacing is the one asked. Between the first and the last
    waypoint of a row its camera fires by a timer: the row is a survey line.
    """
    to_degrees = pyproj.Transformer.from_crs(FRAME, "EPSG:4326", always_xy=True)
    given = {
        "overlap": _OVERLAP_PERCENT,
        "jobs": [
            {
                "area": mapping(_moved(area, to_degrees)),
                "spacing_m": spacing,
                "no_fly": None if zones is None else _features(_moved(zones, to_degrees)),
            }
            for area, spacing, zones in jobs
        ],
    }
    done = subprocess.run(
        [str(python), "-c", _SCRIPT],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=limit_s,
    )
    if done.returncode != 0:
        raise PeerError(done.stderr.strip()[-500:])
    answer = json.loads(done.stdout)
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", FRAME, always_xy=True)
    return answer["version"], [
        path if isinstance(path, str) else _legs(path, to_metres) for path in answer["paths"]
    ]


def _moved(geometry: BaseGeometry, by: pyproj.Transformer) -> BaseGeometry:
    def move(xy_N2: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(by.transform(xy_N2[:, 0], xy_N2[:, 1]))

    return transform(geometry, move)


def _features(zones: BaseGeometry) -> dict[str, Any]:
    parts = getattr(zones, "geoms", [zones])
    return {"features": [{"type": "Feature", "geometry": mapping(part)} for part in parts]}


def _legs(waypoints: Sequence[tuple[float, float, Any]], to_metres: pyproj.Transformer) -> list[Leg]:
    if len(waypoints) < 2:
        return []
    x_N, y_N = to_metres.transform([w[0] for w in waypoints], [w[1] for w in waypoints])
    xy = [(float(x), float(y)) for x, y in zip(x_N, y_N, strict=True)]
    return [
        Leg("survey" if waypoints[i][2] == waypoints[i + 1][2] else "turn", (xy[i], xy[i + 1]))
        for i in range(len(xy) - 1)
    ]
