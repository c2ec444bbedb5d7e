"""Photographs of a flight in, verdicts out: usable or not, what of the plan they cover, what to fly again."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapely.geometry import Point

from aerial.areas import Cell, read_cells
from aerial.codec import write_json
from aerial.errors import AerialError, InputError, PlanError
from aerial.photos import check_photos, find_gaps
from aerial.photos.oddities import find_oddities
from aerial.photos.page import Marked, write_page
from aerial.plan.covered import Cover, judge_cover
from aerial.plan.flown import bounds_of, frame_of
from aerial.plan.ground import read_ground
from aerial.plan.read import read_plan
from aerial.progress import Progress
from aerial.records import Finding, PhotoCheck, Plan
from aerial.records.record import record
from aerial.steps.refly import PLAN_FILE, Refly, refly_points, require_another
from aerial.workspace import open_town


@record
class CheckedFlight:
    """The verdict on each photograph and on all together.

    ``cover`` and ``refly``: None without a plan, and where ``refused`` says why not; what was found
    before that is whole all the same.
    """

    checks: tuple[PhotoCheck, ...]
    findings: tuple[Finding, ...]
    cover: Cover | None
    refly: Refly | None
    refused: AerialError | None


def check_flight(
    folder: Path,
    progress: Progress,
    *,
    plan: Path | None = None,
    dem: Path | None = None,
    refly: Path | None = None,
    dsm: Path | None = None,
    zones: Sequence[Path] = (),
    out: Path | None = None,
    page: Path | None = None,
) -> CheckedFlight:
    """Check the photographs below ``folder``, and against ``plan`` (its folder or file) what they cover.

    ``refly``: folder for a plan of what misses (with ``dsm`` and ``zones`` for its checks); nothing is
    written there if nothing misses. ``out``: JSON of cover and findings. ``page``: the map with thumbnails.

    Raises:
        PhotoError: the folder is none or holds no photograph.
        InputError: a file of the plan is absent or broken, or an output would lie among the inputs.
    """
    flown = _read_plan(plan) if plan is not None else None
    if plan is not None and refly is not None:
        require_another(_plan_folder(plan), refly)
    if page is not None and page.is_dir():
        raise InputError(f"{page} is a folder.", hint="Give the name of the page, as in --map photos.html.")
    ground = None
    if flown is not None and dem is not None:
        frame = frame_of(flown)
        ground = read_ground(dem, frame, bounds_of(flown, frame))
    pictures: dict[str, bytes] = {}
    checks = check_photos(folder, progress, keep=pictures.__setitem__ if page is not None else None)
    findings = list(find_oddities([check.photo for check in checks if check.photo is not None]))
    usable = [check.photo for check in checks if check.ok and check.photo is not None]
    cover: Cover | None = None
    again: Refly | None = None
    refused: AerialError | None = None
    if flown is None:
        findings += find_gaps(usable)
    else:
        try:
            cover = judge_cover(flown, usable, ground=ground)
            cells = _cells_of(plan) if cover.outside else ()
            checks = _with_remarks(checks, cover, cells)
            findings += cover.findings
        except PlanError as error:
            refused = error
    if page is not None:
        write_page(
            page,
            folder.resolve().name,
            checks,
            pictures,
            findings,
            outlines=cover.outlines if cover else None,
            plan=flown,
            gaps=_marked(cover),
        )
    if out is not None:
        write_json(out, {"photos": checks, "findings": findings, "cover": cover})
    if flown is not None and cover is not None and refly is not None:
        try:
            again = refly_points(flown, cover.again, refly, dem=dem, dsm=dsm, zones=zones)
        except AerialError as error:
            refused = error
    return CheckedFlight(checks=checks, findings=tuple(findings), cover=cover, refly=again, refused=refused)


def _plan_folder(plan: Path) -> Path:
    return plan if plan.is_dir() else plan.parent


def _read_plan(plan: Path) -> Plan:
    return read_plan(plan / PLAN_FILE if plan.is_dir() else plan)


def _cells_of(plan: Path | None) -> tuple[Cell, ...]:
    """Return the cells of the town that a plan lies in; none where it lies in no town."""
    if plan is None:
        return ()
    try:
        return tuple(read_cells(open_town(None, _plan_folder(plan).resolve()).cells_file))
    except AerialError:
        # Only the name of a neighbour would be known from it.
        return ()


def _with_remarks(
    checks: Sequence[PhotoCheck], cover: Cover, cells: Sequence[Cell]
) -> tuple[PhotoCheck, ...]:
    """Return the verdicts; a photograph that shows nothing of the plan says so, and whose cell it is."""
    told = []
    for check in checks:
        away_m = cover.outside.get(check.file)
        if away_m is not None and check.photo is not None and check.photo.at is not None:
            at = Point(check.photo.at.lon_deg, check.photo.at.lat_deg)
            cell = next((f", over cell {cell.id}" for cell in cells if cell.outline.covers(at)), "")
            text = f"outside of the plan: {away_m:.0f} m from it{cell}"
            check = replace(check, reasons=(*check.reasons, text))
        told.append(check)
    return tuple(told)


def _marked(cover: Cover | None) -> list[Marked]:
    return [
        Marked(
            outline=gap.outline,
            text=f"{gap.area_m2:.0f} m²: on {gap.views} photograph(s), {gap.needed} are needed",
        )
        for gap in (cover.gaps if cover else ())
    ]
