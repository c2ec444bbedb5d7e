"""Whether a plan may be flown: heights, clearances, zones, camera, battery, limits.

Limits of height and class are those of 无人驾驶航空器飞行管理暂行条例 (国令761, in force since 2024-01-01): true
height is that over the ground straight below. Nothing here says that a flight is legal.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.errors import InputError
from aerial.plan.check_zones import Ways, check_borders, check_controlled, check_obstacles, check_sensitive
from aerial.plan.flown import (
    Margins,
    Segments,
    frame_of,
    in_frame,
    named,
    over_ground,
    over_surface,
    path_of,
    ways_home,
)
from aerial.plan.ground import Ground
from aerial.records.aircraft import Aircraft, CameraProfile
from aerial.records.finding import Finding
from aerial.records.plan import Plan
from aerial.records.record import record
from aerial.records.zone import Zone

Floats = NDArray[np.float64]

# Ceilings of flight without an application (适飞空域), true height; medium and large have none.
CEILING_M = {"micro": 50.0, "light": 120.0, "small": 120.0, "medium": None, "large": None}
NEAR_M = 10.0  # a terrain model errs by metres: within it of the ceiling is warned
# ArduCopter in simulation took 650 items with home and 69 vertices of one polygon; PX4's header has 128.
MOST_ITEMS = {"ardupilot": 650}
MOST_VERTICES = {"ardupilot": 69, "px4": 128}
_DATUM_M = 3.0


@record
class SortieCheck:
    """The figures of one sortie; None: not known without the model concerned.

    Heights are metres over the ground straight below, clearances over the surface model.
    ``photo_every_s``: the shortest time between photographs.
    """

    sortie: int
    photos: int
    length_m: float
    duration_s: float
    battery_share: float
    furthest_m: float
    photo_every_s: float | None
    highest_above_takeoff_m: float
    least_true_height_m: float | None
    most_true_height_m: float | None
    most_true_height_home_m: float | None
    least_clearance_m: float | None
    least_clearance_home_m: float | None


@record
class Checked:
    """What the checks found; ``findings`` are in the order of the checks."""

    findings: tuple[Finding, ...]
    sorties: tuple[SortieCheck, ...]

    @property
    def failed(self) -> bool:
        """Whether the plan is not to be flown."""
        return any(finding.level == "fail" for finding in self.findings)


def check_plan(
    plan: Plan,
    *,
    aircraft: Aircraft,
    camera: CameraProfile,
    ground: Ground | None = None,
    surface: Ground | None = None,
    zones: Sequence[Zone] | None = None,
) -> Checked:
    """Return what may keep a plan from being flown, and the figures of its sorties.

    ``ground`` and ``surface`` are in one local frame and cover ``flown.bounds_of`` (the surface: what it
    has). A sortie's zero is the ground at its take-off point: of ``ground``, else as the plan says, else
    of ``surface``. ``zones`` None: nobody gave any.

    Raises:
        CrsError: ``ground`` and ``surface`` are of two frames.
        InputError: the plan has no sortie.
    """
    if not plan.sorties:
        raise InputError("The plan has no sortie.", hint="Plan the cell again: its area may be empty.")
    if ground and surface:
        geo.require_same_crs(ground.crs, surface.crs)
    crs = ground.crs if ground else surface.crs if surface else frame_of(plan)
    path = path_of(plan, crs)
    ways = Ways(plan=plan, crs=crs, path=path, home=ways_home(plan, crs, path))
    takeoffs = in_frame(crs, [sortie.takeoff for sortie in plan.sorties])
    bases, findings = _bases(plan, takeoffs, ground, surface)
    base_N = np.array([np.nan if base is None else base for base in bases])
    over = home_over = clear = home_clear = None
    if ground:
        over = over_ground(ground, path, base_N[path.sortie_S])
        home_over = over_ground(ground, ways.home, base_N[ways.home.sortie_S])
    if surface:
        clear = over_surface(surface, path, base_N[path.sortie_S])
        home_clear = over_surface(surface, ways.home, base_N[ways.home.sortie_S])
    findings += _heights(ways, aircraft, over, home_over)
    findings += _surface_clearance(ways, clear, home_clear, bases, surface)
    findings += _zones(ways, zones, ground, surface, bases, over, camera)
    findings += _aircraft_limits(plan, aircraft, camera)
    findings += _storage(plan, aircraft)
    rows = _rows(ways, camera, takeoffs, (over, home_over, clear, home_clear))
    return Checked(findings=tuple(findings), sorties=rows)


def _bases(
    plan: Plan, takeoffs: Floats, ground: Ground | None, surface: Ground | None
) -> tuple[list[float | None], list[Finding]]:
    """Return the height of each take-off point in the datum of the models."""
    findings = []
    bases: list[float | None] = [sortie.takeoff_amsl_m for sortie in plan.sorties]
    if ground:
        known = ground.at(takeoffs)
        apart = [
            abs(height - sortie.takeoff_amsl_m)
            for height, sortie in zip(known, plan.sorties, strict=True)
            if sortie.takeoff_amsl_m is not None and np.isfinite(height)
        ]
        if apart and max(apart) > _DATUM_M:
            findings.append(
                Finding(
                    level="warn",
                    code="takeoff_height",
                    message=f"The terrain model puts a take-off point {max(apart):.1f} m from where the plan has it.",
                    hint="Plan with the terrain model that the check uses.",
                )
            )
        bases = [float(height) if np.isfinite(height) else None for height in known]
    elif surface:
        known = surface.at(takeoffs)
        bases = [
            base if base is not None else (float(height) if np.isfinite(height) else None)
            for base, height in zip(bases, known, strict=True)
        ]
    if ground and surface:
        findings += _datums(ground, surface)
    return bases, findings


def _datums(ground: Ground, surface: Ground) -> list[Finding]:
    """Return a finding where a surface lies under the ground: two datums, or one of them is wrong."""
    x, y = np.meshgrid(*(np.linspace(c - surface.half_m, c + surface.half_m, 64) for c in surface.centre))
    xy_N2 = np.column_stack([x.ravel(), y.ravel()])
    over_N = surface.at(xy_N2) - ground.at(xy_N2)
    over_N = over_N[np.isfinite(over_N)]
    middle = float(np.median(over_N)) if over_N.size else 0.0
    if middle >= -_DATUM_M:
        return []
    return [
        Finding(
            level="fail",
            code="surface_datum",
            message=f"The surface model lies {-middle:.1f} m under the terrain model (median).",
            hint="Give both in one height datum: one of them counts from the ellipsoid, or is shifted.",
        )
    ]


def _heights(
    ways: Ways, aircraft: Aircraft, over: Margins | None, home_over: Margins | None
) -> list[Finding]:
    ceiling = CEILING_M[aircraft.weight_class]
    approval = ways.plan.parameters.approval
    findings = []
    if ceiling is None:
        findings.append(
            Finding(
                level="warn" if approval else "fail",
                code="weight_class",
                message=f"{aircraft.name} is of the class {aircraft.weight_class}: every flight needs an approval"
                + (f"; approval {approval} is recorded." if approval else "."),
                hint="" if approval else "Apply for the flight and record the number.",
            )
        )
    limit = ceiling if ceiling is not None else 120.0
    if over is None or home_over is None:
        findings.append(
            Finding(
                level="warn",
                code="terrain_unchecked",
                message="terrain unchecked: heights are over the take-off point, not over the ground below.",
                hint="Give a terrain model with --dem.",
            )
        )
        highest_S = np.maximum(ways.path.start_above_S, ways.path.end_above_S)
        findings += _ceiling(ways, ways.path, highest_S, "over the take-off point", limit)
        return findings
    findings += _unknown_ground(over)
    findings += _below_ground(ways, over)
    most_S = _by_segment(over, len(ways.path.leg_S))
    findings += _ceiling(ways, ways.path, most_S, "over the ground below", limit)
    home_S = _by_segment(home_over, len(ways.home.leg_S))
    if home_S.size and np.nanmax(home_S) > limit:
        at = int(np.nanargmax(home_S))
        findings.append(
            Finding(
                level="warn",
                code="true_height_return",
                message=f"A straight way home is {home_S[at]:.1f} m over the ground below, above {limit:.0f} m: "
                f"{_leg(ways, ways.home, at)}.",
                hint="Set a rally point nearer to the lines, or a lower return height where it stays clear.",
            )
        )
    return findings


def _by_segment(margins: Margins, count: int) -> Floats:
    most_S = np.full(count, -np.inf)
    np.fmax.at(most_S, margins.segment_K, margins.most_K)
    return np.where(np.isneginf(most_S), np.nan, most_S)


def _ceiling(ways: Ways, segments: Segments, most_S: Floats, over: str, limit: float) -> list[Finding]:
    if not np.isfinite(most_S).any():
        return []
    at = int(np.nanargmax(most_S))
    most, where = float(most_S[at]), _leg(ways, segments, at)
    approval = ways.plan.parameters.approval
    if most > limit:
        return [
            Finding(
                level="warn" if approval else "fail",
                code="true_height",
                message=f"The path is {most:.1f} m {over}, above {limit:.0f} m: {where}"
                + (f"; approval {approval} recorded." if approval else "."),
                hint=""
                if approval
                else "Fly lower, climb less steeply, or record the number of the approval.",
            )
        ]
    if most > limit - NEAR_M:
        return [
            Finding(
                level="warn",
                code="true_height",
                message=f"The path is {most:.1f} m {over}, within {NEAR_M:.0f} m of the ceiling of {limit:.0f} m: "
                f"{where}.",
                hint="Fly lower if the terrain model may err by as much.",
            )
        ]
    return [Finding(level="pass", code="true_height", message=f"The path is at most {most:.1f} m {over}.")]


def _unknown_ground(over: Margins) -> list[Finding]:
    unknown_m = float(over.length_K[np.isnan(over.most_K)].sum())
    if not np.isnan(over.most_K).any():
        return []
    return [
        Finding(
            level="fail",
            code="unknown_ground",
            message=f"The terrain model has no height under {unknown_m:.0f} m of path.",
            hint="Give a terrain model without holes there, or keep the flight off them with a no_fly zone.",
        )
    ]


def _below_ground(ways: Ways, over: Margins) -> list[Finding]:
    asked = ways.plan.parameters
    if not np.isfinite(over.least_K).any():
        return []
    at = int(np.nanargmin(over.least_K))
    least = float(over.least_K[at])
    # Over bare ground the clearance is as much needed as over roofs.
    if least >= asked.clearance_m:
        return [
            Finding(
                level="pass",
                code="ground_clearance",
                message=f"The path is at least {least:.1f} m over the ground.",
            )
        ]
    return [
        Finding(
            level="fail",
            code="ground_clearance",
            message=f"The path is {least:.1f} m over the ground, where {asked.clearance_m:.0f} m are asked: "
            f"{_leg(ways, ways.path, int(over.segment_K[at]))}.",
            hint="Plan the cell again with this terrain model, so that the heights follow the ground.",
        )
    ]


def _surface_clearance(
    ways: Ways,
    clear: Margins | None,
    home_clear: Margins | None,
    bases: Sequence[float | None],
    surface: Ground | None,
) -> list[Finding]:
    if surface is None or clear is None or home_clear is None:
        return []
    findings = []
    asked_m = ways.plan.parameters.clearance_m
    for margins, segments, home in ((clear, ways.path, False), (home_clear, ways.home, True)):
        known = np.isfinite(margins.least_K)
        if not known.any():
            continue
        at = int(np.nanargmin(margins.least_K))
        least, where = float(margins.least_K[at]), _leg(ways, segments, int(margins.segment_K[at]))
        way = "A straight way home" if home else "The path"
        code = "return_clearance" if home else "surface_clearance"
        if least >= asked_m:
            findings.append(
                Finding(level="pass", code=code, message=f"{way} clears the surface model by {least:.1f} m.")
            )
            continue
        what = (
            "Raise the return height" if home else "Raise the flight, or plan around what stands there: raise"
        )
        findings.append(
            Finding(
                level="fail",
                code=code,
                message=f"{way} clears the surface model by {least:.1f} m, where {asked_m:.0f} m are asked: {where}.",
                hint=f"{what} by {asked_m - least:.1f} m.",
            )
        )
    unknown_m = float(clear.length_K[np.isnan(clear.least_K)].sum())
    if unknown_m > 0:
        why = " (a take-off point has no known height)" if None in bases else ""
        findings.append(
            Finding(
                level="warn",
                code="obstacles_unchecked",
                message=f"obstacles unchecked on {unknown_m:.0f} m of path: the surface model has nothing there{why}.",
                hint="Give obstacle zones there, or a surface model that reaches the take-off points.",
            )
        )
    return findings


def _zones(
    ways: Ways,
    zones: Sequence[Zone] | None,
    ground: Ground | None,
    surface: Ground | None,
    bases: Sequence[float | None],
    over: Margins | None,
    camera: CameraProfile,
) -> list[Finding]:
    given = tuple(zones or ())
    findings = check_borders(ways, given)
    if zones is None:
        findings.append(
            Finding(
                level="warn",
                code="zones_unchecked",
                message="zones unchecked: no zones were given.",
                hint="Give the published zones of the city with --zones.",
            )
        )
    findings += check_controlled(ways, given, over)
    findings += check_sensitive(ways, given, camera)
    findings += check_obstacles(ways, given, ground, bases, ways.plan.parameters.clearance_m)
    if surface is None and not any(zone.kind == "obstacle" for zone in given):
        findings.append(
            Finding(
                level="warn",
                code="obstacles_unchecked",
                message="obstacles unchecked: neither a surface model nor obstacle zones were given.",
                hint="Give the surface model of the last survey with --dsm, or obstacle zones with --zones.",
            )
        )
    return findings


def _aircraft_limits(plan: Plan, aircraft: Aircraft, camera: CameraProfile) -> list[Finding]:
    findings = []
    for sortie in plan.sorties:
        every_s = _photo_every_s(plan, sortie.number)
        # A tenth of a millimetre of trigger distance is no camera's business.
        if every_s is not None and every_s < camera.min_trigger_interval_s - 1e-5:
            findings.append(
                Finding(
                    level="fail",
                    code="trigger_interval",
                    message=f"Sortie {sortie.number} asks for a photograph every {every_s:.2f} s; {camera.name} "
                    f"takes {camera.min_trigger_interval_s:.2f} s.",
                    hint="Fly slower: at most "
                    f"{every_s * sortie.speed_m_s / camera.min_trigger_interval_s:.1f} m/s.",
                )
            )
        if sortie.battery_share > 1 - plan.parameters.reserve + 1e-9:
            findings.append(
                Finding(
                    level="fail",
                    code="endurance",
                    message=f"Sortie {sortie.number} needs {sortie.battery_share:.0%} of the battery; "
                    f"{1 - plan.parameters.reserve:.0%} may be used.",
                    hint="Split it, or take off nearer to the lines.",
                )
            )
    wind = plan.parameters.wind
    if wind and wind.speed_m_s > aircraft.max_wind_m_s:
        findings.append(
            Finding(
                level="fail",
                code="wind",
                message=f"A wind of {wind.speed_m_s:.1f} m/s is above the {aircraft.max_wind_m_s:.1f} m/s that "
                f"{aircraft.name} bears.",
                hint="Wait for less wind.",
            )
        )
    if not findings:
        most = max(sortie.battery_share for sortie in plan.sorties)
        findings.append(
            Finding(
                level="pass", code="endurance", message=f"A sortie needs at most {most:.0%} of the battery."
            )
        )
    return findings


def _storage(plan: Plan, aircraft: Aircraft) -> list[Finding]:
    findings = []
    most_items = MOST_ITEMS.get(aircraft.autopilot)
    items = {sortie.number: _items(plan, sortie.number) for sortie in plan.sorties}
    number = max(items, key=lambda n: items[n])
    if most_items and items[number] > most_items:
        findings.append(
            Finding(
                level="warn",
                code="item_count",
                message=f"Sortie {number} needs about {items[number]} mission items; stock storage holds {most_items}.",
                hint="Store missions on the SD card (BRD_SD_MISSION), or split the sortie.",
            )
        )
    vertices = sum(
        len(ring.coords) - 1
        for part in (*plan.fence, *plan.no_fly)
        for ring in (part.exterior, *part.interiors)
    )
    most_vertices = MOST_VERTICES.get(aircraft.autopilot)
    if most_vertices and vertices > most_vertices:
        findings.append(
            Finding(
                level="warn",
                code="fence_vertices",
                message=f"Fence and no-fly zones have {vertices} corners; the autopilot holds {most_vertices}.",
                hint="Simplify them outward, or upload those near the sortie only.",
            )
        )
    return findings


def _items(plan: Plan, number: int) -> int:
    """Return about how many mission items a sortie is: corners, camera on and off, and five around."""
    (sortie,) = (sortie for sortie in plan.sorties if sortie.number == number)
    corners = sum(len(leg.path) - 1 for leg in sortie.legs) + 1
    return corners + 2 * sum(leg.trigger_distance_m is not None for leg in sortie.legs) + 5


def _photo_every_s(plan: Plan, number: int) -> float | None:
    (sortie,) = (sortie for sortie in plan.sorties if sortie.number == number)
    triggers = [leg.trigger_distance_m for leg in sortie.legs if leg.trigger_distance_m is not None]
    return min(triggers) / sortie.speed_m_s if triggers else None


def _rows(
    ways: Ways,
    camera: CameraProfile,
    takeoffs: Floats,
    margins: tuple[Margins | None, Margins | None, Margins | None, Margins | None],
) -> tuple[SortieCheck, ...]:
    over, home_over, clear, home_clear = margins
    rows = []
    for place, sortie in enumerate(ways.plan.sorties):
        mine = ways.path.sortie_S == place
        ends_N2 = np.vstack([ways.path.start_S2[mine], ways.path.end_S2[mine], takeoffs[place : place + 1]])
        above_N = np.concatenate([ways.path.start_above_S[mine], ways.path.end_above_S[mine], [0.0]])
        rows.append(
            SortieCheck(
                sortie=sortie.number,
                photos=sortie.photos,
                length_m=sortie.length_m,
                duration_s=sortie.duration_s,
                battery_share=sortie.battery_share,
                furthest_m=float(np.hypot(*(ends_N2 - takeoffs[place]).T).max()),
                photo_every_s=_photo_every_s(ways.plan, sortie.number),
                highest_above_takeoff_m=float(above_N.max()),
                least_true_height_m=_least(over, ways.path, place),
                most_true_height_m=_most(over, ways.path, place),
                most_true_height_home_m=_most(home_over, ways.home, place),
                least_clearance_m=_least(clear, ways.path, place),
                least_clearance_home_m=_least(home_clear, ways.home, place),
            )
        )
    return tuple(rows)


def _least(margins: Margins | None, segments: Segments, place: int) -> float | None:
    if margins is None:
        return None
    values = margins.least_K[segments.sortie_S[margins.segment_K] == place]
    return float(np.nanmin(values)) if np.isfinite(values).any() else None


def _most(margins: Margins | None, segments: Segments, place: int) -> float | None:
    if margins is None:
        return None
    values = margins.most_K[segments.sortie_S[margins.segment_K] == place]
    return float(np.nanmax(values)) if np.isfinite(values).any() else None


def _leg(ways: Ways, segments: Segments, segment: int) -> str:
    return named(ways.plan.sorties[segments.sortie_S[segment]], int(segments.leg_S[segment]))
