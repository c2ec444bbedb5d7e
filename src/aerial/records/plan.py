"""The flight over one cell: what was asked, the lines, the sorties, what the checks said."""

from typing import Literal

from shapely.geometry import Polygon

from aerial.geo import LonLat
from aerial.records.finding import Finding
from aerial.records.record import record

LegKind = Literal["survey", "turn", "transit"]


@record
class Wind:
    """Wind at flight height: speed, and the direction it comes from, clockwise from north."""

    speed_m_s: float
    from_deg: float


@record
class Parameters:
    """What a plan was asked for; repeats keep them.

    ``height_agl_m``: over the ground below the line. ``overlap_front``, ``overlap_side``: shares 0-1,
    never less on the ground. ``pitch_deg`` of the camera, -90 straight down. ``approval``: number of the
    permission to exceed 120 m of true height. ``reserve``: share of the battery that stays.
    """

    height_agl_m: float
    gsd_m: float
    overlap_front: float
    overlap_side: float
    pitch_deg: float = -90.0
    wind: Wind | None = None
    clearance_m: float = 30.0
    reserve: float = 0.2
    approval: str | None = None


@record
class PathPoint:
    """A corner of the path; the height is over the take-off point of the sortie."""

    at: LonLat
    height_above_takeoff_m: float


@record
class Leg:
    """A stretch of the path of one kind, two points or more.

    ``line``: number of the survey line in the plan, the same in every repeat; None off the lines.
    ``trigger_distance_m``: None where the camera is off.
    """

    kind: LegKind
    path: tuple[PathPoint, ...]
    line: int | None = None
    trigger_distance_m: float | None = None


@record
class Sortie:
    """One battery's part of a plan: from above its take-off point back to it, legs end to start.

    The first leg begins and the last ends above ``takeoff``. ``takeoff_amsl_m``: the ground there in
    the height datum of the terrain model; None without one. ``return_height_m``: over take-off, at
    which a straight way home clears everything known. ``speed_m_s`` over ground on lines and turns,
    ``transit_speed_m_s`` elsewhere. ``duration_s`` and ``energy_wh`` include climb and landing.
    """

    number: int
    takeoff: LonLat
    takeoff_amsl_m: float | None
    legs: tuple[Leg, ...]
    speed_m_s: float
    transit_speed_m_s: float
    pitch_deg: float
    return_height_m: float
    photos: int
    length_m: float
    duration_s: float
    energy_wh: float
    battery_share: float


@record
class Totals:
    """Sums over the sorties; areas on the ground in m2, ``covered_share`` 0-1 of the area."""

    area_m2: float
    covered_share: float
    lines: int
    sorties: int
    photos: int
    survey_m: float
    turn_m: float
    transit_m: float
    duration_s: float


@record
class Plan:
    """The flight over one cell.

    Polygons are lon, lat on WGS 84. ``area``: what is surveyed, no-fly zones taken out. ``fence``: what
    the path stays in; ``no_fly``: what it stays out of. ``line_spacing_m``: no point of the area lies
    further than half of it from a survey line. ``trigger_distance_m``: the smallest of the lines, drift
    of the autopilot allowed for. ``inputs``: name of each file given -> SHA-256. ``findings``: of the
    checks; a plan with a "fail" is not flown.
    """

    schema: int = 1
    cell: str | None
    aircraft: str
    camera: str
    parameters: Parameters
    line_spacing_m: float
    trigger_distance_m: float
    direction_deg: float
    area: tuple[Polygon, ...]
    fence: tuple[Polygon, ...]
    no_fly: tuple[Polygon, ...]
    rally: tuple[LonLat, ...]
    sorties: tuple[Sortie, ...]
    totals: Totals
    findings: tuple[Finding, ...]
    inputs: dict[str, str]
