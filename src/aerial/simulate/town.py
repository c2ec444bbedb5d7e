"""What stands in the simulated town; metres in a local east-north-up frame unless said otherwise.

The local origin is ``ORIGIN_XY`` of ``CRS``; local x is east, y north, z height over the datum.
Colours are sRGB in 0-1.
"""

from collections.abc import Iterable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from aerial import geo
from aerial.records.record import record

Floats = NDArray[np.float64]
Colour = tuple[float, float, float]

CRS = "EPSG:4547"
CENTRE = geo.LonLat(lon_deg=113.8, lat_deg=22.8)
ORIGIN_XY = tuple(round(value) for value in geo.from_lonlat(CRS, CENTRE))

Roof = Literal["parapet", "gable", "mono"]
Species = Literal["broad", "palm", "banana", "bush"]
VehicleKind = Literal["car", "van", "truck", "bike"]
Crop = Literal["rows", "paddy", "bare", "stubble", "plastic"]


@record
class Plot:
    """An oriented rectangle: ``width_m`` along ``yaw_deg`` (counted from east to north)."""

    x_m: float
    y_m: float
    width_m: float
    depth_m: float
    yaw_deg: float


@record
class RoofShed:
    """What was built on a flat roof, ``height_m`` over it: a steel shed, or a room under a slab."""

    plot: Plot
    height_m: float
    colour: Colour
    slab: bool = False


@record
class Building:
    """One building; ``height_m`` from the ground to the eaves or the roof slab, parapet apart.

    ``seed`` fixes its windows and stair head, ``clutter_seed`` what stands on its roof.
    ``front_free``: what stands on its roof may stand in front, where no shed is.
    ``scaffold``: wrapped in a green net.
    """

    number: int
    plot: Plot
    ground_m: float
    height_m: float
    roof: Roof
    roof_colour: Colour
    roof_layer: str
    wall_colour: Colour
    wall_layer: str
    seed: int
    clutter_seed: int = 0
    shed: RoofShed | None = None
    front_free: bool = True
    scaffold: bool = False
    zone: str = "village"


@record
class Tree:
    """A crown of ``radius_m`` whose top is ``height_m`` over the ground."""

    x_m: float
    y_m: float
    radius_m: float
    height_m: float
    species: Species
    colour: Colour
    seed: int


@record
class Vehicle:
    """A parked or driving vehicle."""

    x_m: float
    y_m: float
    yaw_deg: float
    kind: VehicleKind
    colour: Colour


@record
class Sheet:
    """A tarpaulin spread ``lift_m`` over the ground or a roof."""

    plot: Plot
    base_m: float | None
    lift_m: float
    colour: Colour


@record
class Field:
    """A strip of farmland; ``canopy_m`` is the height of its crop."""

    plot: Plot
    crop: Crop
    canopy_m: float
    colour: Colour
    seed: int


@record
class Patch:
    """A stretch of ground with one surface, painted in order."""

    outline: Polygon
    layer: str
    colour: Colour
    mottle: float = 0.07


@record
class Road:
    """A paved strip along ``line_N2``."""

    line_N2: Floats
    width_m: float
    layer: str
    marked: bool


@record
class Pit:
    """Ground dug out (positive depth) or filled (negative); ``water`` fills it to 0.6 m under the rim."""

    plot: Plot
    depth_m: float
    water: bool


@record
class Lot:
    """Where something could be built: a free plot and what it is part of."""

    plot: Plot
    use: Literal["village", "farm", "yard", "court"]
    beside: int | None = None


@record
class Town:
    """The town at one epoch."""

    half_m: tuple[float, float]
    yaw_deg: float
    relief: Floats
    roads: tuple[Road, ...]
    patches: tuple[Patch, ...]
    fields: tuple[Field, ...]
    pits: tuple[Pit, ...]
    buildings: tuple[Building, ...]
    trees: tuple[Tree, ...]
    vehicles: tuple[Vehicle, ...]
    sheets: tuple[Sheet, ...]
    lots: tuple[Lot, ...]
    parking: tuple[Plot, ...]
    stains: tuple[Patch, ...] = ()


def shaded(colour: Iterable[float], factor: float = 1.0) -> Colour:
    """Return a colour made ``factor`` times as bright, within what can be shown."""
    red, green, blue = (min(max(float(value) * factor, 0.0), 0.95) for value in colour)
    return red, green, blue


def corners(plot: Plot, grow_m: float = 0.0) -> Floats:
    """Return the plot's corners, shape (4, 2), counter-clockwise from its lower left."""
    w, d = plot.width_m / 2 + grow_m, plot.depth_m / 2 + grow_m
    return place(plot, np.array([[-w, -d], [w, -d], [w, d], [-w, d]]))


def place(plot: Plot, local_N2: Floats) -> Floats:
    """Return points given in the plot's own axes (from its middle) in the town's frame."""
    c, s = np.cos(np.radians(plot.yaw_deg)), np.sin(np.radians(plot.yaw_deg))
    turned_N2 = np.asarray(local_N2, float) @ np.array([[c, s], [-s, c]])
    return np.asarray(turned_N2 + np.array((plot.x_m, plot.y_m)))


def outline(plot: Plot, grow_m: float = 0.0) -> Polygon:
    """Return the plot as a polygon of the local frame, grown by ``grow_m`` on every side."""
    return Polygon(corners(plot, grow_m))


def part_of(plot: Plot, x0: float, x1: float, y0: float, y1: float) -> Plot:
    """Return the piece of a plot between fractions 0-1 of its width (x) and its depth (y)."""
    middle = np.array([[(x0 + x1 - 1) / 2 * plot.width_m, (y0 + y1 - 1) / 2 * plot.depth_m]])
    (x, y), *_ = place(plot, middle)
    return Plot(
        x_m=float(x),
        y_m=float(y),
        width_m=plot.width_m * (x1 - x0),
        depth_m=plot.depth_m * (y1 - y0),
        yaw_deg=plot.yaw_deg,
    )
