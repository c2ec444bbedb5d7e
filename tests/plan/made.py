"""Elevation models, aircraft and plans for the tests of planning."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from shapely.geometry import Polygon, box

from aerial import geo
from aerial.geo import LonLat
from aerial.plan.ground import Ground
from aerial.raster.grid import Grid, north_up, pixel_to_world
from aerial.records import (
    Aircraft,
    CameraProfile,
    Leg,
    LegKind,
    Parameters,
    PathPoint,
    Plan,
    Sortie,
    Totals,
)

Floats = NDArray[np.float64]
Surface = Callable[[Floats, Floats], Floats]

HOME = LonLat(lon_deg=113.8, lat_deg=22.8)
FRAME = geo.local_frame(HOME)

CAMERA = CameraProfile(
    name="wide",
    make="DJI",
    model="M3E",
    width_px=5280,
    height_px=3956,
    sensor_width_mm=17.3,
    sensor_height_mm=13.0,
    focal_mm=12.29,
    min_trigger_interval_s=0.7,
    source="test",
)


def aircraft(**changes: Any) -> Aircraft:
    """Return a small multirotor."""
    figures: dict[str, Any] = {
        "name": "quad", "make": "X", "model": "Q", "autopilot": "ardupilot", "weight_class": "small",
        "takeoff_mass_kg": 5.0, "cameras": ("wide",), "battery_wh": 200.0, "hover_s": 2000.0,
        "cruise_s": 2200.0, "cruise_m_s": 10.0, "max_speed_m_s": 15.0, "acceleration_m_s2": 3.0,
        "climb_m_s": 5.0, "descent_m_s": 3.0, "max_wind_m_s": 10.0, "turn": "stop",
        "position_period_s": 0.2, "source": "test",
    }  # fmt: skip
    return Aircraft(**(figures | changes))


def write_model(
    path: Path,
    height: Surface,
    *,
    crs: str | None = "EPSG:4547",
    pixel: float = 5.0,
    half_m: float = 700.0,
    store: Callable[[Floats], NDArray[Any]] = lambda z: z.astype(np.float32),
    **profile: Any,
) -> Path:
    """Write ``height(x, y)`` of the frame as a GeoTIFF around ``HOME``; ``pixel`` in units of ``crs``."""
    x0, y0 = geo.from_lonlat(crs or "EPSG:4547", HOME)
    half = half_m / geo.metres_per_unit(crs or "EPSG:4547", x0, y0)[1]
    grid = north_up(crs or "EPSG:4547", (x0 - half, y0 - half, x0 + half, y0 + half), pixel)
    stored = store(height(*frame_of_pixels(grid)))
    scale, offset, unit = (profile.pop(key, None) for key in ("scale", "offset", "unit"))
    with rasterio.open(
        path, "w", driver="GTiff", count=1, width=grid.width_px, height=grid.height_px, dtype=stored.dtype,
        transform=Affine(*grid.affine), **({"crs": crs} if crs else {}), **profile,
    ) as dataset:  # fmt: skip
        dataset.write(stored, 1)
        if scale is not None:
            dataset.scales, dataset.offsets = (scale,), (offset or 0.0,)
        if unit:
            dataset.units = (unit,)
    return path


def frame_of_pixels(grid: Grid) -> tuple[Floats, Floats]:
    """Return x and y in the local frame of the centres of a grid's pixels."""
    column, row = np.meshgrid(np.arange(grid.width_px) + 0.5, np.arange(grid.height_px) + 0.5)
    world = pixel_to_world(grid, np.column_stack([column.ravel(), row.ravel()]))
    x, y = geo.transform(grid.crs, FRAME, world[:, 0], world[:, 1])
    return x.reshape(column.shape), y.reshape(column.shape)


def ground_of(height: Surface, *, cell_m: float = 5.0, half_m: float = 1000.0, crs: str = FRAME) -> Ground:
    """Return a ground in memory: cells of the frame itself, the first one north-west."""
    count = int(2 * half_m / cell_m)
    middles = (np.arange(count) + 0.5) * cell_m - half_m
    x, y = np.meshgrid(middles, -middles)
    per = half_m / cell_m
    return Ground(
        crs=crs,
        cells_HW=height(x, y).astype(np.float32),
        centre=(0.0, 0.0),
        half_m=half_m,
        to_column=np.array([[per, 0.0], [per, 0.0]]),
        to_row=np.array([[per, -per], [0.0, 0.0]]),
        cell_m=(cell_m, cell_m),
    )


def at(x: float, y: float) -> LonLat:
    """Return the position of a point of the frame."""
    return geo.to_lonlat(FRAME, x, y)


def area(x0: float, y0: float, x1: float, y1: float) -> Polygon:
    """Return a rectangle of the frame as lon, lat."""
    return geo.reproject(box(x0, y0, x1, y1), FRAME, geo.WGS84)


def leg(kind: LegKind, *points: tuple[float, float, float], line: int | None = None) -> Leg:
    """Return a leg through (x, y, height over take-off)."""
    return Leg(
        kind=kind,
        path=tuple(PathPoint(at=at(x, y), height_above_takeoff_m=z) for x, y, z in points),
        line=line,
        trigger_distance_m=20.0 if kind == "survey" else None,
    )


def plan(height_m: float = 90.0, *, legs: tuple[Leg, ...] | None = None, **changes: Any) -> Plan:
    """Return a plan of one sortie: out of (0, 0), two lines of 300 m to the north, and back."""
    h = height_m
    legs = legs or (
        leg("transit", (0, 0, h), (50, 50, h)),
        leg("survey", (50, 50, h), (50, 350, h), line=1),
        leg("turn", (50, 350, h), (90, 350, h)),
        leg("survey", (90, 350, h), (90, 50, h), line=2),
        leg("transit", (90, 50, h), (0, 0, h)),
    )
    in_sortie = {"return_height_m": h, "battery_share": 0.5, "takeoff_amsl_m": None, "speed_m_s": 10.0}
    in_sortie |= {key: changes.pop(key) for key in list(changes) if key in in_sortie}
    asked = Parameters(
        height_agl_m=h, gsd_m=0.03, overlap_front=0.8, overlap_side=0.7, **changes.pop("parameters", {})
    )
    sortie = Sortie(
        number=1, takeoff=HOME, legs=legs, transit_speed_m_s=10.0, pitch_deg=-90.0, photos=32, length_m=900.0,
        duration_s=300.0, energy_wh=90.0, **in_sortie,
    )  # fmt: skip
    figures: dict[str, Any] = {
        "cell": "A1", "aircraft": "quad", "camera": "wide", "parameters": asked, "line_spacing_m": 40.0,
        "trigger_distance_m": 20.0, "direction_deg": 0.0, "area": (area(30, 30, 110, 370),),
        "fence": (area(-20, -20, 200, 420),), "no_fly": (), "rally": (), "sorties": (sortie,),
        "totals": Totals(
            area_m2=27_200.0, covered_share=1.0, lines=2, sorties=1, photos=32, survey_m=600.0, turn_m=40.0,
            transit_m=173.0, duration_s=300.0,
        ),
        "findings": (), "inputs": {},
    }  # fmt: skip
    return Plan(**(figures | changes))
