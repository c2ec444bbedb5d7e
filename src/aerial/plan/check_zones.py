"""Zones against the path of a plan and its ways home."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

from aerial import geo
from aerial.autopilots.found import found
from aerial.geo import WGS84
from aerial.plan.flown import BESIDE_M, Margins, Segments, named
from aerial.plan.ground import Ground
from aerial.plan.overlap import footprint_m
from aerial.records.aircraft import CameraProfile
from aerial.records.finding import Finding
from aerial.records.plan import Plan
from aerial.records.record import record
from aerial.records.zone import Zone

Floats = NDArray[np.float64]

_SLACK_M = 0.01  # corners are written to 1 mm, and edges bend by millimetres between the frames
_LATTICE = 48


@record
class Ways:
    """The path and the ways home of a plan as segments and as lines of shapely."""

    plan: Plan
    crs: str
    path: Segments
    home: Segments


def lines_of(segments: Segments) -> NDArray[np.object_]:
    """Return the segments as lines."""
    return np.asarray(shapely.linestrings(np.stack([segments.start_S2, segments.end_S2], axis=1)), object)


def check_borders(ways: Ways, zones: Sequence[Zone]) -> list[Finding]:
    """Return findings on the path and the ways home against no-fly zones and the fence."""
    no_fly = _merged(ways.crs, [*ways.plan.no_fly, *(z.outline for z in zones if z.kind == "no_fly")])
    fences = [_merged(ways.crs, ways.plan.fence)]
    fences.append(_merged(ways.crs, [z.outline for z in zones if z.kind == "fence"]))
    findings = _inside_no_fly(ways, no_fly) if not no_fly.is_empty else []
    given = [fence for fence in fences if not fence.is_empty]
    if given:
        findings += _outside_fence(ways, given)
    return findings


def _merged(crs: str, outlines: Sequence[Polygon | MultiPolygon]) -> BaseGeometry:
    return shapely.union_all([geo.reproject(outline, WGS84, crs) for outline in outlines])


def _inside_no_fly(ways: Ways, no_fly: BaseGeometry) -> list[Finding]:
    inner = no_fly.buffer(-_SLACK_M)
    shapely.prepare(inner)

    def lengths(segments: Segments) -> Floats:
        lines = lines_of(segments)
        hit = shapely.intersects(lines, inner)
        out = np.zeros(len(lines))
        out[hit] = shapely.length(shapely.intersection(lines[hit], no_fly))
        return out

    inside_S, home_S = lengths(ways.path), lengths(ways.home)
    findings = [found("pass", "no_fly", "No path enters a no-fly zone.")]
    if inside_S.any():
        findings = [
            found(
                "fail",
                "no_fly",
                f"{_metres(inside_S)} of path lie in a no-fly zone: {_where(ways, ways.path, inside_S)}.",
                "Plan the cell again with these zones.",
            )
        ]
    return findings + _homeward(ways, home_S, "no_fly_return", "crosses a no-fly zone")


def _outside_fence(ways: Ways, fences: Sequence[BaseGeometry]) -> list[Finding]:
    outers = [fence.buffer(_SLACK_M) for fence in fences]
    for outer in outers:
        shapely.prepare(outer)

    def lengths(segments: Segments) -> Floats:
        lines = lines_of(segments)
        out = np.zeros(len(lines))
        for outer in outers:
            left = ~shapely.covered_by(lines, outer)
            out[left] = np.maximum(out[left], shapely.length(shapely.difference(lines[left], outer)))
        return out

    outside_S, home_S = lengths(ways.path), lengths(ways.home)
    findings = [found("pass", "fence", "The path stays inside the fence.")]
    if outside_S.any():
        findings = [
            found(
                "fail",
                "fence",
                f"{_metres(outside_S)} of path lie outside the fence: {_where(ways, ways.path, outside_S)}.",
                "Plan the cell again with this fence, or move the take-off point into it.",
            )
        ]
    return findings + _homeward(ways, home_S, "fence_return", "leaves the fence")


def _homeward(ways: Ways, length_S: Floats, code: str, what: str) -> list[Finding]:
    if not length_S.any():
        return []
    return [
        found(
            "warn",
            code,
            f"The straight way home of a failsafe {what} from {_where(ways, ways.home, length_S)}.",
            "Set a rally point to which the way is free, and have the pilot fly home by hand there.",
        )
    ]


def check_obstacles(
    ways: Ways,
    zones: Sequence[Zone],
    ground: Ground | None,
    takeoff_amsl: Sequence[float | None],
    clearance_m: float,
) -> list[Finding]:
    """Return findings on the clearance over obstacle zones.

    An obstacle's top is its height over the highest ground below it; without a terrain model (or where it
    does not know that ground) over the take-off point, which the finding says.
    """
    obstacles = [zone for zone in zones if zone.kind == "obstacle"]
    if not obstacles:
        return []
    around = [geo.reproject(zone.outline, WGS84, ways.crs) for zone in obstacles]
    tree = shapely.STRtree([outline.buffer(BESIDE_M) for outline in around])
    tops: dict[int, float | None] = {}
    findings: list[Finding] = []
    least: tuple[float, str] | None = None
    for segments, home in ((ways.path, False), (ways.home, True)):
        lines = lines_of(segments)
        hits = tree.query(lines, predicate="intersects").T.tolist()
        unknown: dict[int, int] = {}
        low: tuple[float, int, int] | None = None
        for segment, number in hits:
            zone = obstacles[number]
            if zone.height_agl_m is None:
                unknown.setdefault(number, segment)
                continue
            if number not in tops:
                tops[number] = _highest_below(ground, around[number])
            base = takeoff_amsl[segments.sortie_S[segment]]
            below, floor = tops[number], 0.0
            if below is not None and base is not None:
                floor = below - base
            over = _lowest_within(segments, segment, lines[segment], tree.geometries[number])
            margin = over - floor - zone.height_agl_m
            if low is None or margin < low[0]:
                low = margin, segment, number
        findings += [
            _unknown_obstacle(ways, segments, segment, obstacles[n], home) for n, segment in unknown.items()
        ]
        if low and low[0] < clearance_m:
            findings.append(_too_close(ways, segments, low, obstacles, ground, clearance_m, home))
        elif low and (least is None or low[0] < least[0]):
            least = low[0], obstacles[low[2]].name or "an obstacle"
    if not any(f.level == "fail" for f in findings):
        text = f"nearest is {least[1]}, {least[0]:.1f} m below" if least else "none is passed over"
        findings.append(found("pass", "obstacle_clearance", f"Obstacle zones are cleared: {text}."))
    return findings


def _unknown_obstacle(ways: Ways, segments: Segments, segment: int, zone: Zone, home: bool) -> Finding:
    way = "A way home" if home else "The path"
    return found(
        "warn" if home else "fail",
        "obstacle_height_return" if home else "obstacle_height",
        f"{way} passes over {zone.name or 'an obstacle'} of unknown height: "
        f"{leg_name(ways, segments, segment)}.",
        "Give the obstacle a property height_agl_m, or make it a no_fly zone.",
    )


def _too_close(
    ways: Ways,
    segments: Segments,
    low: tuple[float, int, int],
    obstacles: Sequence[Zone],
    ground: Ground | None,
    clearance_m: float,
    home: bool,
) -> Finding:
    margin, segment, number = low
    way = "A straight way home" if home else "The path"
    over = "" if ground else ", its foot taken to be level with the take-off point"
    need = clearance_m - margin
    what = (
        "Raise the return height" if home else "Raise the flight, or make the obstacle a no_fly zone: raise"
    )
    return found(
        "fail",
        "return_clearance" if home else "obstacle_clearance",
        f"{way} passes {margin:.1f} m over {obstacles[number].name or 'an obstacle'}{over}, where "
        f"{clearance_m:.0f} m are asked: {leg_name(ways, segments, segment)}.",
        f"{what} by {need:.1f} m.",
    )


def _highest_below(ground: Ground | None, outline: BaseGeometry) -> float | None:
    if ground is None:
        return None
    x0, y0, x1, y1 = outline.bounds
    x, y = np.meshgrid(np.linspace(x0, x1, _LATTICE), np.linspace(y0, y1, _LATTICE))
    xy_N2 = np.column_stack([x.ravel(), y.ravel()])
    inside = shapely.intersects_xy(outline, xy_N2)
    corners_N2 = shapely.get_coordinates(outline)
    spacing = max(x1 - x0, y1 - y0) / (_LATTICE - 1)
    tops = ground.max_within(np.vstack([xy_N2[inside], corners_N2]), round(spacing, 2))
    return float(np.nanmax(tops)) if np.isfinite(tops).any() else None


def _lowest_within(segments: Segments, segment: int, line: BaseGeometry, outline: BaseGeometry) -> float:
    """Return the least height over take-off of a segment inside an outline."""
    inside = shapely.get_coordinates(shapely.intersection(line, outline))
    start, end = segments.start_S2[segment], segments.end_S2[segment]
    length = float(np.hypot(*(end - start)))
    shares = np.hypot(*(inside - start).T) / length if length > 0 else np.array([0.0, 1.0])
    rise = segments.end_above_S[segment] - segments.start_above_S[segment]
    return float((segments.start_above_S[segment] + np.clip(shares, 0, 1) * rise).min())


def check_controlled(ways: Ways, zones: Sequence[Zone], over: Margins | None) -> list[Finding]:
    """Return findings on controlled zones; ``over``: true heights, None without a terrain model."""
    findings = []
    lines = lines_of(ways.path)
    for zone in zones:
        if zone.kind != "controlled":
            continue
        outline = geo.reproject(zone.outline, WGS84, ways.crs)
        shapely.prepare(outline)
        hit_S = shapely.intersects(lines, outline)
        if not hit_S.any():
            continue
        highest = _highest_in(ways, outline, lines, hit_S, over)
        floor = zone.floor_agl_m or 0.0
        name = zone.name or "a controlled zone"
        what = f"flies {highest:.1f} m high in {name}, controlled from {floor:.0f} m"
        where = leg_name(ways, ways.path, int(np.nonzero(hit_S)[0][0]))
        if highest < floor:
            findings.append(
                found("pass", "controlled", f"The path stays below {name}, controlled from {floor:.0f} m.")
            )
        elif zone.approval:
            findings.append(
                found("pass", "controlled", f"The path {what}; approval {zone.approval} is recorded.")
            )
        else:
            findings.append(
                found(
                    "fail",
                    "controlled",
                    f"The path {what}, without an approval: {where}.",
                    "Apply for it and record the number as the zone's approval, or fly elsewhere.",
                )
            )
    return findings


def _highest_in(
    ways: Ways,
    outline: BaseGeometry,
    lines: NDArray[np.object_],
    hit_S: NDArray[np.bool_],
    over: Margins | None,
) -> float:
    if over is not None:
        at_K = hit_S[over.segment_K]
        parts = shapely.linestrings(np.stack([over.at_K2[at_K], over.to_K2[at_K]], axis=1))
        inside = over.most_K[at_K][shapely.intersects(parts, outline)]
        if np.isfinite(inside).any():
            return float(np.nanmax(inside))
    return max(-_lowest_within(_sunk(ways.path), int(s), lines[s], outline) for s in np.nonzero(hit_S)[0])


def _sunk(segments: Segments) -> Segments:
    """Return segments with heights negated, so that the lowest is the highest."""
    return Segments(
        start_S2=segments.start_S2,
        end_S2=segments.end_S2,
        start_above_S=-segments.start_above_S,
        end_above_S=-segments.end_above_S,
        sortie_S=segments.sortie_S,
        leg_S=segments.leg_S,
    )


def check_sensitive(ways: Ways, zones: Sequence[Zone], camera: CameraProfile) -> list[Finding]:
    """Return warnings of sensitive zones that photographs may show: within half a frame's diagonal."""
    asked = ways.plan.parameters
    reach_m = float(np.hypot(*footprint_m(camera, asked.height_agl_m, asked.pitch_deg))) / 2
    legs = [sortie.legs for sortie in ways.plan.sorties]
    survey_S = np.array(
        [legs[s][leg].kind == "survey" for s, leg in zip(ways.path.sortie_S, ways.path.leg_S, strict=True)],
        dtype=bool,
    )
    lines = lines_of(ways.path)[survey_S]
    findings: list[Finding] = []
    for zone in zones:
        if zone.kind != "sensitive":
            continue
        outline = geo.reproject(zone.outline, WGS84, ways.crs)
        if lines.size and float(shapely.distance(lines, outline).min()) <= reach_m:
            findings.append(
                found(
                    "warn",
                    "sensitive",
                    f"Photographs show {zone.name or 'a sensitive zone'}.",
                    "Ask whoever is responsible for it, or make it a no_fly zone.",
                )
            )
    return findings


def _metres(length_S: Floats) -> str:
    return f"{length_S.sum():.2f} m"


def leg_name(ways: Ways, segments: Segments, segment: int) -> str:
    """Return what a person calls the leg of a segment."""
    return named(ways.plan.sorties[segments.sortie_S[segment]], int(segments.leg_S[segment]))


def _where(ways: Ways, segments: Segments, length_S: Floats) -> str:
    names = list(dict.fromkeys(leg_name(ways, segments, int(s)) for s in np.nonzero(length_S)[0]))
    return "; ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
