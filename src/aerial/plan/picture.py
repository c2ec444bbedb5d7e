"""A map of a plan that a pilot can read: what is flown, from where, and what the checks said.

Drawn in a local metric frame (north up, metres). Chinese names are written where the system has a font
for them; else the cell's id and plain English, never empty boxes.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path as Outline
from shapely.geometry import MultiPolygon, Polygon

from aerial.codec import replacing
from aerial.geo import WGS84, Floats, LonLat, in_frame, local_frame, reproject
from aerial.plan.picture_panel import draw_panel, fonts, readable
from aerial.records import Plan, Sortie, Wind, Zone

_COLOURS = ("#0b6fb8", "#d1495b", "#2e8b57", "#8e5ea2", "#c77c11", "#157f8c", "#7a5230", "#5c6bc0")
_ZONES = {
    "no_fly": ("#d00000", "no-fly zone"),
    "controlled": ("#e07b00", "controlled zone"),
    "obstacle": ("#5a3d2b", "obstacle"),
    "sensitive": ("#7b2cbf", "sensitive zone"),
    "permit": ("#3a86c8", "permit zone"),
    "known_building": ("#808080", "known building"),
    "farmland": ("#8a9a2b", "farmland"),
}
_SIZE_IN = (14.0, 9.0)
_WIDE = 1.8  # from this width to height on, the text stands below the map


def draw_plan(plan: Plan, path: Path, *, title: str | None = None, zones: Sequence[Zone] = ()) -> None:
    """Draw a plan into a PNG; ``title`` instead of the cell's id, ``zones`` beside the plan's own.

    The drawing of a plan is the same every time.
    """
    frame = local_frame(_middle(plan))
    figure = Figure(figsize=_SIZE_IN, dpi=110, facecolor="white")
    FigureCanvasAgg(figure)
    paths = [_metric(sortie, frame) for sortie in plan.sorties]
    west, south, east, north = _extent(plan, frame, paths)
    wide = (east - west) / (north - south) > _WIDE
    place = (0.02, 0.41, 0.96, 0.53) if wide else (0.02, 0.06, 0.64, 0.88)
    chart = figure.add_axes(place)
    # The limits have the shape of the paper, so that a metre is as long in both directions.
    wide_in, high_in = place[2] * _SIZE_IN[0], place[3] * _SIZE_IN[1]
    inch_m = max((east - west) / wide_in, (north - south) / high_in)
    chart.set_xlim((west + east - wide_in * inch_m) / 2, (west + east + wide_in * inch_m) / 2)
    chart.set_ylim((south + north - high_in * inch_m) / 2, (south + north + high_in * inch_m) / 2)
    chart.set_xticks([])
    chart.set_yticks([])
    shown = _polygons(chart, plan, zones, frame)
    for number, legs in enumerate(paths):
        _sortie(chart, legs, _COLOURS[number % len(_COLOURS)])
    _labels(chart, plan, paths, frame, inch_m)
    _furniture(chart, plan.parameters.wind, inch_m)
    heading = readable(title or plan.cell or "", readable(plan.cell or "", ""))
    figure.text(0.02, 0.96, f"Flight plan {heading}".rstrip(), fontsize=17, fontweight="bold", family=fonts())
    _legend(figure, shown, place[1])
    draw_panel(figure, plan, wide=wide)
    with replacing(path, sync=False) as part:
        figure.savefig(part, format="png", metadata={"Software": None})


class _Legs:
    """The metric path of a sortie: (kind, line, x and y of the corners) of each leg."""

    def __init__(self, parts: list[tuple[str, Floats]]) -> None:
        self.parts = parts

    def of(self, kind: str) -> list[Floats]:
        return [xy_N2 for one, xy_N2 in self.parts if one == kind]


def _metric(sortie: Sortie, frame: str) -> _Legs:
    points = [point.at for leg in sortie.legs for point in leg.path]
    xy_N2 = in_frame(frame, points)
    ends = np.cumsum([len(leg.path) for leg in sortie.legs])
    return _Legs(list(zip((leg.kind for leg in sortie.legs), np.split(xy_N2, ends[:-1]), strict=True)))


def _middle(plan: Plan) -> LonLat:
    west, south, east, north = MultiPolygon(plan.area).bounds
    return LonLat(lon_deg=(west + east) / 2, lat_deg=(south + north) / 2)


def _extent(plan: Plan, frame: str, paths: list[_Legs]) -> tuple[float, float, float, float]:
    """Return the bounds of area and path with a margin; of the fence too unless it is much larger."""
    boxes = [np.array(reproject(MultiPolygon(plan.area), WGS84, frame).bounds).reshape(2, 2)]
    boxes += [xy_N2 for legs in paths for _, xy_N2 in legs.parts]
    xy_N2 = np.vstack(boxes)
    low, high = xy_N2.min(axis=0), xy_N2.max(axis=0)
    if plan.fence:
        fence_22 = np.array(reproject(MultiPolygon(plan.fence), WGS84, frame).bounds).reshape(2, 2)
        if max(fence_22[1] - fence_22[0]) <= 1.6 * max(high - low):
            low, high = np.minimum(low, fence_22[0]), np.maximum(high, fence_22[1])
    margin = 0.04 * float(max(high - low)) + 15
    low, high = low - margin, high + margin
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _polygons(chart: Axes, plan: Plan, zones: Sequence[Zone], frame: str) -> list[Patch | Line2D]:
    shown: list[Patch | Line2D] = []
    for polygon in plan.area:
        _fill(chart, reproject(polygon, WGS84, frame), "#8a7a3a", 0.16, 1.4)
    shown.append(Patch(facecolor="#8a7a3a29", edgecolor="#8a7a3a", label="area"))
    for polygon in plan.fence:
        _fill(chart, reproject(polygon, WGS84, frame), "#1f4e9c", 0.0, 1.4, style="--")
    shown.append(Line2D([], [], color="#1f4e9c", linestyle="--", label="fence"))
    kinds: dict[str, list[Polygon]] = {"no_fly": list(plan.no_fly)} if plan.no_fly else {}
    for zone in zones:
        if zone.kind in _ZONES:
            kinds.setdefault(zone.kind, []).extend(getattr(zone.outline, "geoms", [zone.outline]))
    for kind, polygons in kinds.items():
        colour, label = _ZONES[kind]
        for polygon in polygons:
            _fill(chart, reproject(polygon, WGS84, frame), colour, 0.22, 1.2, hatch="///")
        shown.append(Patch(facecolor=colour + "38", edgecolor=colour, hatch="///", label=label))
    return shown


def _fill(
    chart: Axes,
    polygon: Polygon,
    colour: str,
    alpha: float,
    width: float,
    *,
    style: str = "-",
    hatch: str | None = None,
) -> None:
    rings = (polygon.exterior, *polygon.interiors)
    corners = np.vstack([np.asarray(ring.coords)[:, :2] for ring in rings])
    codes = np.concatenate(
        [[Outline.MOVETO] + [Outline.LINETO] * (len(ring.coords) - 2) + [Outline.CLOSEPOLY] for ring in rings]
    )
    shape = Outline(corners, codes)
    chart.add_patch(
        PathPatch(shape, facecolor=colour, alpha=alpha, edgecolor=colour, linewidth=0, hatch=hatch)
    )
    chart.add_patch(PathPatch(shape, facecolor="none", edgecolor=colour, linewidth=width, linestyle=style))


def _sortie(chart: Axes, legs: _Legs, colour: str) -> None:
    chart.add_collection(
        LineCollection(legs.of("transit"), colors=colour, linewidths=0.9, linestyles="dotted")
    )
    chart.add_collection(LineCollection(legs.of("turn"), colors=colour, linewidths=0.8, alpha=0.55))
    lines = legs.of("survey")
    chart.add_collection(LineCollection(lines, colors=colour, linewidths=1.6))
    if not lines:
        return
    # Short of the middle: neighbours fly back, so their heads do not make one bar.
    arrows_N4 = np.array([_arrow(xy_N2, 0.45) for xy_N2 in lines])
    chart.quiver(
        arrows_N4[:, 0],
        arrows_N4[:, 1],
        arrows_N4[:, 2],
        arrows_N4[:, 3],
        color=colour,
        pivot="mid",
        units="inches",
        scale_units="inches",
        scale=9.0,
        width=0.02,
        headwidth=6,
        headlength=6,
        headaxislength=5.5,
        zorder=4,
    )


def _arrow(xy_N2: Floats, share: float) -> tuple[float, float, float, float]:
    """Return the point at ``share`` of a path and its direction there, of length 1."""
    x, y = _at_share(xy_N2, share)
    ahead_x, ahead_y = _at_share(xy_N2, share + 0.01)
    length = max(math.hypot(ahead_x - x, ahead_y - y), 1e-9)
    return x, y, (ahead_x - x) / length, (ahead_y - y) / length


def _labels(chart: Axes, plan: Plan, paths: list[_Legs], frame: str, inch_m: float) -> None:
    """Number the sorties on one of their lines, and name the take-off points."""
    starts: list[tuple[float, float, list[tuple[float, int]]]] = []
    for number, (sortie, legs) in enumerate(zip(plan.sorties, paths, strict=True)):
        lines = legs.of("survey")
        if lines:
            # Staggered, so that numbers on neighbouring lines of a thin area do not cover each other.
            x, y = _at_share(lines[len(lines) // 2], 0.2 + 0.09 * (number % 4))
            colour = _COLOURS[number % len(_COLOURS)]
            _say(chart, x, y, str(sortie.number), side="center", circle=colour)
        x, y = map(float, legs.parts[0][1][0])
        chart.plot([x], [y], marker="^", markersize=11, color="black", markeredgecolor="white", zorder=5)
        near = [one for one in starts if math.hypot(one[0] - x, one[1] - y) < 0.5 * inch_m]
        if near:
            near[0][2].append((y, sortie.number))
        else:
            starts.append((x, y, [(y, sortie.number)]))
    for x, _, members in starts:
        numbers = _span([number for _, number in members])
        text = f"take-off {numbers}" if len(plan.sorties) > 1 else "take-off"
        _say(chart, x, min(members)[0] - 0.22 * inch_m, text, side="center")
    for x, y in in_frame(frame, plan.rally).tolist():
        chart.plot([x], [y], marker="P", markersize=8, color="#1f4e9c", markeredgecolor="white", zorder=4)


def _at_share(xy_N2: Floats, share: float) -> tuple[float, float]:
    """Return the point that lies at ``share`` of a path's length."""
    way_N = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy_N2, axis=0).T))])
    at = share * way_N[-1]
    return float(np.interp(at, way_N, xy_N2[:, 0])), float(np.interp(at, way_N, xy_N2[:, 1]))


def _span(numbers: list[int]) -> str:
    """Return 1-4 for 1, 2, 3, 4, and 1, 3 for 1, 3."""
    if len(numbers) > 2 and numbers[-1] - numbers[0] == len(numbers) - 1:
        return f"{numbers[0]}-{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _furniture(chart: Axes, wind: Wind | None, inch_m: float) -> None:
    """Draw north, wind and a scale bar into the corners; ``inch_m``: metres that an inch of paper shows."""
    (west, _), (south, north) = chart.get_xlim(), chart.get_ylim()
    east = chart.get_xlim()[1]
    _pointer(chart, (east - 0.3 * inch_m, north - 0.55 * inch_m), (0.0, 0.35 * inch_m), "N", inch_m)
    if wind is not None and wind.speed_m_s > 0:
        away = math.radians(wind.from_deg + 180)
        step = (0.4 * inch_m * math.sin(away), 0.4 * inch_m * math.cos(away))
        middle = (west + 0.6 * inch_m, north - 0.5 * inch_m)
        start = (middle[0] - step[0] / 2, middle[1] - step[1] / 2)
        label = f"wind {wind.speed_m_s:.0f} m/s from {wind.from_deg % 360:.0f}\N{DEGREE SIGN}"
        _pointer(chart, start, step, "", inch_m)
        _say(chart, west + 0.95 * inch_m, north - 0.5 * inch_m, label, side="left")
    length = _round_length(1.6 * inch_m)
    x, y = west + 0.25 * inch_m, south + 0.25 * inch_m
    chart.plot([x, x + length], [y, y], color="black", linewidth=3, solid_capstyle="butt", zorder=7)
    label = f"{length / 1000:g} km" if length >= 1000 else f"{length:g} m"
    _say(chart, x + length / 2, y + 0.16 * inch_m, label, side="center")


def _pointer(
    chart: Axes, start: tuple[float, float], step: tuple[float, float], label: str, inch_m: float
) -> None:
    end = (start[0] + step[0], start[1] + step[1])
    head = {"arrowstyle": "-|>", "color": "black", "lw": 1.8, "mutation_scale": 16}
    chart.annotate("", end, xytext=start, arrowprops=head, zorder=7)
    if label:
        _say(chart, start[0], start[1] - 0.02 * inch_m, label, side="center")


def _say(chart: Axes, x: float, y: float, text: str, *, side: str, circle: str | None = None) -> None:
    """Write on the map: on white paper, or white in a circle of a colour."""
    paper: dict[str, Any] = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"}
    if circle is not None:
        paper = {"boxstyle": "circle,pad=0.25", "facecolor": circle, "edgecolor": "white"}
    else:
        paper["alpha"] = 0.85
    chart.text(
        x,
        y,
        text,
        ha=side,
        va="center",
        fontsize=10,
        zorder=8 if circle is None else 6,
        bbox=paper,
        color="black" if circle is None else "white",
        fontweight="normal" if circle is None else "bold",
    )


def _round_length(most_m: float) -> float:
    """Return the longest of 1, 2, 5 times a power of ten that is not over ``most_m``."""
    power = 10.0 ** math.floor(math.log10(most_m))
    return max(step * power for step in (1, 2, 5) if step * power <= most_m)


def _legend(figure: Figure, shown: list[Patch | Line2D], y: float) -> None:
    lines = [
        Line2D([], [], color="#333333", linewidth=1.6, marker=">", markersize=6, label="survey line"),
        Line2D([], [], color="#333333", linewidth=0.8, alpha=0.55, label="turn"),
        Line2D([], [], color="#333333", linewidth=0.9, linestyle="dotted", label="transit"),
        Line2D([], [], color="black", marker="^", markersize=9, linestyle="", label="take-off"),
        Line2D([], [], color="#1f4e9c", marker="P", markersize=7, linestyle="", label="rally point"),
    ]
    figure.legend(
        handles=[*shown, *lines],
        loc="upper left",
        bbox_to_anchor=(0.015, y),
        ncols=10,
        frameon=False,
        fontsize=9,
        handlelength=1.8,
        columnspacing=1.3,
    )
