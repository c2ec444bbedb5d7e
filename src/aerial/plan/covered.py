"""What of a plan's ground the photographs cover, and which of its places must be flown again.

Ground is covered where it is on as many photographs as are needed: eight tenths of those on which the
overlaps that were asked put it, and three, where they put it on so many. So overlaps of 80 and 70 % bear
the loss of single photographs but not of a line, and those of 60 and 30 % bear no loss. Only sorties that
were flown count: ground that is on the photographs of others alone is not missing yet.
"""

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from aerial import geo
from aerial.autopilots.triggers import trigger_points
from aerial.errors import PlanError
from aerial.plan.as_flown import judge_flight
from aerial.plan.flown import frame_of
from aerial.plan.ground import Ground
from aerial.plan.profiles import read_camera
from aerial.plan.refly import missing_points
from aerial.plan.tally import CELL_SHARE, Cells, Counts, cells_of, count, drawn, filled, of_size
from aerial.plan.views import Site, Views, planned_views, taken_views
from aerial.records import Finding, Photo, Plan, TriggerPoint
from aerial.records.record import record

Floats = NDArray[np.float64]

_NEEDED_SHARE, _NEEDED_VIEWS = 0.8, 3
# A flight is a metre or two off its lines, and the aircraft's nose some degrees.
_MARGIN = 0.1
# Of a frame's shorter side: the smallest patch of too few views that is told.
_PATCH_SHARE = 0.2
# Nothing on any photograph is told from so many cells on.
_HOLE_CELLS = 4
_FLOWN_SHARE = 0.25
# Photographs at a quarter less of their height, or more, are not the plan's.
_WRONG_HEIGHT = 0.25
_MOSTLY = 0.5
_NAMED = 5


@record
class Gap:
    """Ground on too few photographs: outline lon, lat; ``views``: on the fewest, ``needed`` there."""

    outline: Polygon
    area_m2: float
    views: int
    needed: int


@record
class Cover:
    """How usable photographs cover a plan.

    ``missing``: places of flown sorties without a photograph. ``again``: those, and the places whose
    photographs fill the gaps: what a re-flight takes. ``unflown``: sorties. ``area_m2``: ground that the
    flown sorties were to cover, ``covered_share`` of it on enough photographs. ``outside``: file -> metres
    from the plan, of photographs that show none of its ground. ``outlines``: file -> what it shows, lon,
    lat.
    """

    missing: tuple[TriggerPoint, ...]
    again: tuple[TriggerPoint, ...]
    gaps: tuple[Gap, ...]
    unflown: tuple[int, ...]
    area_m2: float
    covered_share: float
    outside: dict[str, float]
    outlines: dict[str, Polygon]
    findings: tuple[Finding, ...]


def judge_cover(plan: Plan, photos: Sequence[Photo], *, ground: Ground | None = None) -> Cover:
    """Return how ``photos``, the usable ones with a position, cover a plan.

    ``ground``: the terrain model in the frame ``flown.frame_of(plan)``; without it the ground is as far
    below the lines as the plan says.

    Raises:
        PlanError: none of the photographs was taken over the plan.
    """
    located = [photo for photo in photos if photo.at is not None]
    site = Site(
        plan=plan,
        camera=read_camera(plan.camera),
        points=trigger_points(plan),
        frame=frame_of(plan),
        ground=ground,
    )
    if not site.points or not located:
        raise PlanError(
            "No usable photograph with a position lies over the plan.",
            hint="Give the photographs of its flight; aerial photos geotag gives them positions.",
        )
    # What a level plan owes on a hill that it does not know is what it thought; the hill is in ``taken``.
    planned = planned_views(replace(site, ground=None), margin=_MARGIN)
    taken = taken_views(site, located)
    area = shapely.union_all([geo.reproject(part, geo.WGS84, site.frame) for part in plan.area])
    shapely.prepare(area)
    outside = {
        photo.file: float(shapely.distance(area, shapely.Point(xy)))
        for photo, xy, ring in zip(located, taken.xy_N2, taken.rings, strict=True)
        if len(ring) < 3 or not area.intersects(shapely.convex_hull(shapely.multipoints(ring)))
    }
    if len(outside) == len(located):
        raise PlanError(
            f"None of the {len(located)} photographs shows ground of the plan; the nearest was taken "
            f"{_distance(min(outside.values()))} from it.",
            hint="Give the plan of the cell that was flown.",
        )
    missing, unflown, told = _missing(site, located, taken)
    cells = cells_of(site, area)
    flown_N = np.array([point.sortie not in unflown for point in site.points])
    promised_HW = count([ring for ring, on in zip(planned.rings, flown_N, strict=True) if on], cells)
    promised_HW = np.minimum(promised_HW, _asked_views(plan)).astype(np.uint16)
    seen_HW = count(taken.rings, cells)
    needed_HW = np.maximum(
        np.ceil(_NEEDED_SHARE * promised_HW - 1e-9), np.minimum(promised_HW, _NEEDED_VIEWS)
    ).astype(np.uint16)
    asked_HW = (filled(area, cells) > 0) & (promised_HW > 0)
    lacking_HW = _lacking(asked_HW, seen_HW, needed_HW)
    again = _to_take(site, missing, planned, flown_N, cells, lacking_HW, needed_HW, seen_HW, asked_HW)
    area_m2 = float(asked_HW.sum()) * cells.cell_m**2
    gaps = _gaps(lacking_HW, seen_HW, needed_HW, cells, site.frame)
    covered_share = 1 - float(lacking_HW.sum()) / max(float(asked_HW.sum()), 1.0)
    lonlat = _lonlat(taken.rings, site.frame)
    return Cover(
        missing=missing,
        again=again,
        gaps=gaps,
        unflown=unflown,
        area_m2=area_m2,
        covered_share=covered_share,
        outside=outside,
        outlines={p.file: ring for p, ring in zip(located, lonlat, strict=True) if not ring.is_empty},
        findings=(
            *_cover_findings(gaps, covered_share, missing, again),
            *told,
            *_outside_findings(outside),
            *judge_flight(site, taken, located, outside),
        ),
    )


def _asked_views(plan: Plan) -> int:
    """Return on how many photographs the overlaps that were asked put ground, at the least."""
    asked = plan.parameters
    front, side = (int(1 / (1 - share) + 1e-6) for share in (asked.overlap_front, asked.overlap_side))
    return front * side


def _missing(
    site: Site, photos: Sequence[Photo], taken: Views
) -> tuple[tuple[TriggerPoint, ...], tuple[int, ...], list[Finding]]:
    """Return places without a photograph in flown sorties, the sorties that were not flown, and words."""
    due_above_N = np.array([site.points[int(due)].height_above_takeoff_m for due in taken.due_N])
    limit_m = _WRONG_HEIGHT * site.plan.parameters.height_agl_m
    right_N = np.abs(taken.above_N - due_above_N) <= limit_m
    places = [photo.at for photo, right in zip(photos, right_N.tolist(), strict=True) if right and photo.at]
    numbers = tuple(sortie.number for sortie in site.plan.sorties)
    try:
        absent = missing_points(site.plan, places, sorties=numbers)
    except PlanError:
        # Nothing on a line at its height: the cover says what is left, and that all is to be flown.
        absent = site.points
    due = {number: sum(point.sortie == number for point in site.points) for number in numbers}
    there = {n: due[n] - sum(point.sortie == n for point in absent) for n in numbers}
    unflown = tuple(n for n in numbers if there[n] < _FLOWN_SHARE * due[n])
    if len(unflown) == len(numbers):
        return site.points, (), []
    told = [
        Finding(
            level="warn",
            code="sortie_unflown",
            message=f"Sortie {n} was not flown: {there[n]} of its {due[n]} photographs are here.",
            hint="Fly it, or add its photographs to the folder.",
        )
        for n in unflown
    ]
    return tuple(point for point in absent if point.sortie not in unflown), unflown, told


def _lacking(asked_HW: NDArray[np.bool_], seen_HW: Counts, needed_HW: Counts) -> NDArray[np.bool_]:
    """Return the ground on too few photographs, slivers left out; holes count however narrow."""
    few_HW = (asked_HW & (seen_HW < needed_HW)).astype(np.uint8)
    few_HW = cv2.morphologyEx(few_HW, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    patch = (_PATCH_SHARE / CELL_SHARE) ** 2
    holes_HW = (asked_HW & (seen_HW == 0)).astype(np.uint8)
    return of_size(few_HW, patch) | of_size(holes_HW, _HOLE_CELLS)


def _to_take(
    site: Site,
    missing: tuple[TriggerPoint, ...],
    planned: Views,
    flown_N: NDArray[np.bool_],
    cells: Cells,
    lacking_HW: NDArray[np.bool_],
    needed_HW: Counts,
    seen_HW: Counts,
    asked_HW: NDArray[np.bool_],
) -> tuple[TriggerPoint, ...]:
    """Return what misses, and more places, the most useful first, until no ground lacks a view."""
    if lacking_HW.sum() > _MOSTLY * asked_HW.sum():
        return tuple(point for point, on in zip(site.points, flown_N, strict=True) if on)
    chosen = set(missing)
    lack_HW = np.where(lacking_HW, needed_HW.astype(int) - seen_HW, 0)
    masks = {
        number: shown
        for number, ring in enumerate(planned.rings)
        if flown_N[number] and (shown := drawn(ring, cells)) is not None
    }
    for number, point in enumerate(site.points):
        if point in chosen and number in masks:
            rows, columns, mask_HW = masks[number]
            lack_HW[rows, columns] -= mask_HW
    left = {number: mask for number, mask in masks.items() if site.points[number] not in chosen}
    while left:
        gain = {
            n: int(((lack_HW[rows, columns] > 0) & (mask > 0)).sum())
            for n, (rows, columns, mask) in left.items()
        }
        left = {number: left[number] for number, cells_gained in gain.items() if cells_gained}
        if not left:
            break
        best = max(left, key=lambda number: (gain[number], -number))
        rows, columns, mask_HW = left.pop(best)
        lack_HW[rows, columns] -= mask_HW
        chosen.add(site.points[best])
    return tuple(point for point in site.points if point in chosen)


def _gaps(
    lacking_HW: NDArray[np.bool_], seen_HW: Counts, needed_HW: Counts, cells: Cells, frame: str
) -> tuple[Gap, ...]:
    patches, labels_HW, stats, _ = cv2.connectedComponentsWithStats(
        lacking_HW.astype(np.uint8), connectivity=8
    )
    found = []
    for label in range(1, patches):
        left, top, width, height = (int(n) for n in stats[label, :4])
        window = (slice(top, top + height), slice(left, left + width))
        mask_HW = labels_HW[window] == label
        views_HW = np.where(mask_HW, seen_HW[window], np.iinfo(np.uint16).max)
        worst = np.unravel_index(views_HW.argmin(), views_HW.shape)
        found.append(
            Gap(
                outline=_outline(mask_HW, (left, top), cells, frame),
                area_m2=float(mask_HW.sum()) * cells.cell_m**2,
                views=int(views_HW[worst]),
                needed=int(needed_HW[window][worst]),
            )
        )
    return tuple(sorted(found, key=lambda gap: -gap.area_m2))


def _outline(mask_HW: NDArray[np.bool_], corner: tuple[int, int], cells: Cells, frame: str) -> Polygon:
    """Return the outline of connected cells, row by row of boxes."""
    cell_m = cells.cell_m
    low_2 = cells.origin_2 + np.array(corner) * cell_m
    edges_HW = np.diff(np.pad(mask_HW.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, starts = np.nonzero(edges_HW == 1)
    _, ends = np.nonzero(edges_HW == -1)
    x0, x1, y0 = low_2[0] + starts * cell_m, low_2[0] + ends * cell_m, low_2[1] + rows * cell_m
    whole = shapely.union_all(shapely.box(x0, y0, x1, y0 + cell_m), grid_size=cell_m * 1e-6)
    outline: Polygon
    (outline,) = shapely.get_parts(geo.reproject(whole, frame, geo.WGS84)).tolist()
    return outline


def _lonlat(rings: Sequence[Floats], frame: str) -> list[Polygon]:
    """Return rings as polygons, empty where there is none; all at once, for one at a time is slow."""
    lengths = [len(ring) for ring in rings]
    lon, lat = geo.transform(frame, geo.WGS84, *np.vstack(rings).T)
    lonlat = np.split(np.round(np.column_stack([lon, lat]), 8), np.cumsum(lengths)[:-1])
    return [Polygon(ring) if len(ring) >= 3 else Polygon() for ring in lonlat]


def _distance(metres: float) -> str:
    return f"{metres / 1000:.1f} km" if metres >= 1000 else f"{metres:.0f} m"


def _cover_findings(
    gaps: Sequence[Gap], share: float, missing: Sequence[TriggerPoint], again: Sequence[TriggerPoint]
) -> list[Finding]:
    found = []
    if missing:
        lines = sorted({point.line for point in missing if point.line is not None})
        named = ", ".join(map(str, lines[:_NAMED])) + (" …" if len(lines) > _NAMED else "")
        found.append(
            Finding(
                level="warn",
                code="missing",
                message=f"{len(missing)} place(s) of the plan have no usable photograph, on line(s) {named}.",
                hint="" if gaps else "The ground there is on enough others; nothing must be flown for it.",
            )
        )
    if gaps:
        worst = min(gaps, key=lambda gap: (gap.views / gap.needed, -gap.area_m2))
        text = f"{1 - share:.1%} of the planned ground is on too few photographs: {len(gaps)} gap(s), "
        text += f"the largest of {gaps[0].area_m2:.0f} m², the worst with {worst.views or 'none'} of the "
        text += f"{worst.needed} views that are needed."
        hint = f"Fly {len(again)} place(s) again before leaving: --refly OUT writes the plan."
        found.append(Finding(level="warn", code="gap", message=text, hint=hint))
    else:
        found.append(
            Finding(level="pass", code="covered", message="The planned ground that was flown is covered.")
        )
    return found


def _outside_findings(outside: dict[str, float]) -> list[Finding]:
    if not outside:
        return []
    some = ", ".join(list(outside)[:_NAMED]) + (" …" if len(outside) > _NAMED else "")
    return [
        Finding(
            level="warn",
            code="outside",
            message=f"{len(outside)} photograph(s) show no ground of the plan, up to "
            f"{_distance(max(outside.values()))} from it: {some}.",
            hint="Put the photographs of another cell into a folder of their own.",
        )
    ]
