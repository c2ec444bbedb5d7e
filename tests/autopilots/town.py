"""Sorties in fences of many corners among no-fly zones of any shape."""

import math
from dataclasses import replace

import numpy as np
import shapely
from hypothesis import strategies as st
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon
from tests.plan.samples import sample_plan

from aerial.geo import WGS84, LonLat, local_frame, reproject
from aerial.records import MissionItem, Plan, Sortie

Floats = NDArray[np.float64]


def frame_of(sortie: Sortie) -> str:
    """Return the local frame of a sortie."""
    return local_frame(sortie.takeoff)


def path_of(sortie: Sortie) -> LineString:
    """Return the path in the sortie's frame."""
    points = [(p.at.lon_deg, p.at.lat_deg) for leg in sortie.legs for p in leg.path]
    return reproject(LineString(points), WGS84, frame_of(sortie))


def star(seed: int, corners: int, least_m: float, most_m: float) -> Floats:
    """Return a jagged ring around (0, 0)."""
    rng = np.random.default_rng(seed)
    angle = np.sort(rng.uniform(0, 2 * math.pi, corners)) if corners > 3 else np.arange(3) * 2 * math.pi / 3
    far = rng.uniform(least_m, most_m, corners)
    return np.column_stack([np.cos(angle), np.sin(angle)]) * far[:, None]


def with_zones(plan: Plan, fence: Floats | None, zones: list[Floats]) -> Plan:
    """Return ``plan`` in this fence and with those of the zones that its first sortie does not touch."""
    sortie = plan.sorties[0]
    frame, path = frame_of(sortie), path_of(sortie)

    def lonlat(shape: Polygon) -> Polygon:
        return shapely.transform(reproject(shape, frame, WGS84), lambda xy: np.round(xy, 8))

    border: tuple[Polygon, ...] = ()
    if fence is not None:
        whole = shapely.union_all([Polygon(fence).buffer(0), path.buffer(4, quad_segs=2)])
        border = tuple(lonlat(part) for part in shapely.get_parts(whole) if part.area > 1)
    free = [Polygon(zone).buffer(0) for zone in zones]
    ground = shapely.union_all([zone for zone in free if zone.distance(path) > 3])
    parts = [part for part in shapely.get_parts(ground) if isinstance(part, Polygon) and part.area > 1]
    return replace(plan, sorties=(sortie,), fence=border, no_fly=tuple(lonlat(part) for part in parts))


@st.composite
def towns(draw: st.DrawFn, most_zones: int = 6) -> Plan:
    """Plans of one sortie in jagged fences, among and in no-fly zones."""
    at = LonLat(lon_deg=draw(st.floats(-179, 179)), lat_deg=draw(st.floats(-70, 70)))
    plan = sample_plan(
        at=at,
        lines=draw(st.integers(1, 4)),
        length_m=draw(st.floats(60, 600)),
        sorties=1,
        turned_deg=draw(st.floats(0, 360)),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    fence = star(seed, draw(st.integers(3, 150)), draw(st.floats(20, 600)), 900)
    zones = []
    for number in range(draw(st.integers(0, most_zones))):
        middle = np.array([draw(st.floats(-700, 700)), draw(st.floats(-700, 700))])
        zone = star(seed + 1 + number, draw(st.integers(3, 40)), 5, draw(st.floats(10, 200)))
        zones.append(zone + middle)
    return with_zones(plan, fence, zones)


def shapes_of(items: tuple[MissionItem, ...], sortie: Sortie) -> tuple[list[Polygon], list[Polygon]]:
    """Return the inclusions and exclusions that fence items say, in the sortie's frame."""
    found: dict[int, list[Polygon]] = {5001: [], 5002: []}
    rest = list(items)
    while rest:
        command, count = rest[0].command, int(rest[0].params[0])
        mine, rest = rest[:count], rest[count:]
        assert {(item.command, item.params[0]) for item in mine} == {(command, float(count))}
        ring = Polygon([(item.params[5], item.params[4]) for item in mine])
        found[command].append(reproject(ring, WGS84, frame_of(sortie)))
    return found[5001], found[5002]
