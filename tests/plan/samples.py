"""Plans to test with, made without the planner: rows of lines over a rectangle."""

import math
from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from shapely.geometry import Polygon, box
from shapely.ops import unary_union

from aerial.geo import WGS84, LonLat, local_frame, reproject, to_lonlat
from aerial.records import Finding, Leg, Parameters, PathPoint, Plan, Sortie, Totals, Wind

HERE = LonLat(lon_deg=113.8, lat_deg=22.8)


def sample_plan(
    *,
    at: LonLat = HERE,
    cell: str | None = "A1",
    lines: int = 6,
    length_m: float = 300.0,
    spacing_m: float = 30.0,
    distance_m: float = 15.0,
    height_m: float = 100.0,
    relief_m: float = 0.0,
    sorties: int = 2,
    turned_deg: float = 0.0,
    hole: bool = False,
    no_fly: bool = False,
    findings: tuple[Finding, ...] = (),
    wind: Wind | None = None,
    amsl_m: float | None = 12.5,
) -> Plan:
    """Return a plan of ``lines`` lines north to south, turned clockwise, in batches of one battery each."""
    frame = local_frame(at)
    cos, sin = math.cos(math.radians(turned_deg)), math.sin(math.radians(turned_deg))

    def place(x: float, y: float) -> LonLat:
        return to_lonlat(frame, x * cos + y * sin, -x * sin + y * cos)

    def point(x: float, y: float) -> PathPoint:
        return PathPoint(
            at=place(x, y), height_above_takeoff_m=height_m + relief_m * math.sin(x / 50 + y / 80)
        )

    def polygon(shape: Polygon) -> Polygon:
        corners = np.array(shape.exterior.coords)
        holes = [np.array(ring.coords) for ring in shape.interiors]
        turn = np.array([[cos, -sin], [sin, cos]])
        return reproject(Polygon(corners @ turn, [one @ turn for one in holes]), frame, WGS84)

    width = (lines - 1) * spacing_m
    outline = box(0, 0, max(width, spacing_m), length_m)
    gap = box(width * 0.4, length_m * 0.4, width * 0.6 + 1, length_m * 0.6)
    area = outline.difference(gap) if hole or no_fly else outline
    flown = []
    for number, part in enumerate(np.array_split(np.arange(lines), sorties), start=1):
        takeoff = (part[0] * spacing_m - 20.0, -20.0)
        legs: list[Leg] = []
        here = point(*takeoff)
        for row, line in enumerate(part.tolist()):
            ends = [point(line * spacing_m, 0.0), point(line * spacing_m, length_m)]
            start, end = ends if row % 2 == 0 else ends[::-1]
            legs.append(Leg(kind="turn" if row else "transit", path=(here, start)))
            middle = point(line * spacing_m, length_m / 2)
            path = (start, middle, end) if relief_m else (start, end)
            legs.append(Leg(kind="survey", path=path, line=line, trigger_distance_m=distance_m))
            here = end
        legs.append(Leg(kind="transit", path=(here, point(*takeoff))))
        flown.append(
            Sortie(
                number=number,
                takeoff=place(*takeoff),
                takeoff_amsl_m=amsl_m,
                legs=tuple(legs),
                speed_m_s=8.0,
                transit_speed_m_s=12.0,
                pitch_deg=-90.0,
                return_height_m=height_m + 20.0,
                photos=len(part) * (int(length_m / distance_m) + 1),
                length_m=1000.0,
                duration_s=600.0,
                energy_wh=30.0,
                battery_share=0.62,
            )
        )
    fence = unary_union([outline.buffer(60, join_style="mitre"), outline])
    return Plan(
        cell=cell,
        aircraft="dji_mavic3_enterprise",
        camera="dji_m3e_wide",
        parameters=Parameters(
            height_agl_m=height_m, gsd_m=0.027, overlap_front=0.7, overlap_side=0.65, wind=wind
        ),
        line_spacing_m=spacing_m,
        trigger_distance_m=distance_m,
        direction_deg=turned_deg,
        area=(polygon(area),),
        fence=(polygon(fence),),
        no_fly=(polygon(gap),) if no_fly else (),
        rally=(place(-20.0, -20.0),),
        sorties=tuple(flown),
        totals=Totals(
            area_m2=area.area,
            covered_share=1.0,
            lines=lines,
            sorties=sorties,
            photos=sum(sortie.photos for sortie in flown),
            survey_m=lines * length_m,
            turn_m=lines * spacing_m,
            transit_m=100.0,
            duration_s=600.0 * sorties,
        ),
        findings=findings,
        inputs={},
    )


def failed(plan: Plan) -> Plan:
    """Return the plan with a check that failed."""
    finding = Finding(level="fail", code="true-height", message="True height is 131 m.", hint="Fly at 110 m.")
    return replace(plan, findings=(finding,))


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Random plans all over the Earth short of the poles."""
    lines = draw(st.integers(1, 8))
    return sample_plan(
        at=LonLat(lon_deg=draw(st.floats(-179, 179)), lat_deg=draw(st.floats(-75, 75))),
        cell=draw(st.sampled_from([None, "A1", "b_2-c", "石排 <村>&", "../x"])),
        lines=lines,
        length_m=draw(st.floats(20, 3000)),
        spacing_m=draw(st.floats(5, 150)),
        distance_m=draw(st.floats(2, 80)),
        height_m=draw(st.floats(30, 120)),
        relief_m=draw(st.sampled_from([0.0, 25.0])),
        sorties=draw(st.integers(1, min(lines, 3))),
        turned_deg=draw(st.floats(0, 360)),
        hole=draw(st.booleans()),
        no_fly=draw(st.booleans()),
        amsl_m=draw(st.none() | st.floats(-10, 4000)),
    )
