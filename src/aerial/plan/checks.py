"""Whether a plan may be flown: heights, overlap, clearances, zones, camera, battery, limits.

Limits of height and class are those of 无人驾驶航空器飞行管理暂行条例 (国令761, 2024-01-01): true height
is that over the ground straight below. Nothing here says that a flight is legal.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial import geo
from aerial.autopilots.found import found
from aerial.errors import InputError
from aerial.geo import in_frame
from aerial.plan.check_aircraft import check_aircraft, check_storage, photo_every_s
from aerial.plan.check_heights import check_heights, check_surface
from aerial.plan.check_overlap import check_overlap
from aerial.plan.check_zones import Ways, check_borders, check_controlled, check_obstacles, check_sensitive
from aerial.plan.flown import (
    Margins,
    Segments,
    frame_of,
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
    findings += check_heights(ways, aircraft, over, home_over)
    if ground:
        findings += check_overlap(plan, camera, ground, base_N)
    findings += check_surface(ways, clear, home_clear, bases, surface)
    findings += _zones(ways, zones, ground, surface, bases, over, camera)
    findings += check_aircraft(plan, aircraft, camera)
    findings += check_storage(plan, aircraft)
    rows = _rows(ways, takeoffs, (over, home_over, clear, home_clear))
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
                found(
                    "warn",
                    "takeoff_height",
                    f"The terrain model puts a take-off point {max(apart):.1f} m from where the plan has it.",
                    "Plan with the terrain model that the check uses.",
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
        found(
            "fail",
            "surface_datum",
            f"The surface model lies {-middle:.1f} m under the terrain model (median).",
            "Give both in one height datum: one of them counts from the ellipsoid, or is shifted.",
        )
    ]


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
            found(
                "warn",
                "zones_unchecked",
                "zones unchecked: no zones were given.",
                "Give the published zones of the city with --zones.",
            )
        )
    findings += check_controlled(ways, given, over)
    findings += check_sensitive(ways, given, camera)
    findings += check_obstacles(ways, given, ground, bases, ways.plan.parameters.clearance_m)
    if surface is None and not any(zone.kind == "obstacle" for zone in given):
        findings.append(
            found(
                "warn",
                "obstacles_unchecked",
                "obstacles unchecked: neither a surface model nor obstacle zones were given.",
                "Give the surface model of the last survey with --dsm, or obstacle zones with --zones.",
            )
        )
    return findings


def _rows(
    ways: Ways,
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
                photo_every_s=photo_every_s(ways.plan, sortie.number),
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
