"""An area in, the flight over it out: planned, checked, exported."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from shapely.geometry import MultiPolygon, Polygon

from aerial.areas import Cell, flight_zones, read_area, read_cells, refuse_gcj02
from aerial.codec import read_record, replacing, sha256_file, to_plain, write_json
from aerial.errors import AerialError, InputError, PlanError
from aerial.geo import LonLat, in_frame
from aerial.plan.checks import Checked, check_plan
from aerial.plan.export import export_plan, formats_for
from aerial.plan.filing import filing_of, filing_sheet
from aerial.plan.flight import plan_flight
from aerial.plan.flown import over_surface, path_of, ways_home
from aerial.plan.ground import Ground, read_ground, read_surface
from aerial.plan.job import Job, bounds_m, frame_at
from aerial.plan.pace import height_of_gsd, pace
from aerial.plan.picture import draw_plan
from aerial.plan.profiles import read_aircraft, read_camera, shipped_aircraft_with
from aerial.pool import interruption_held, stay_with_parent
from aerial.progress import Progress
from aerial.records import Aircraft, CameraProfile, Parameters, Plan, Wind, Zone
from aerial.records.record import record
from aerial.settings import Settings
from aerial.steps.fresh import once
from aerial.workspace import Town, locked, surveys_of

VERSION = "1"
_DEFAULT_AIRCRAFT = "dji_mavic3_enterprise"


@record
class Request:
    """How to fly; the same for every cell. Exactly one of ``gsd_m`` and ``height_agl_m``.

    ``aircraft_given`` and ``camera_given``: name or file, by which checks and exports find them again.
    """

    aircraft: Aircraft
    aircraft_given: str
    camera: CameraProfile
    camera_given: str
    gsd_m: float | None
    height_agl_m: float | None
    overlap_front: float
    overlap_side: float
    pitch_deg: float = -90.0
    wind: Wind | None = None
    clearance_m: float = 30.0
    approval: str | None = None
    dem: Path | None = None
    dsm: Path | None = None
    picture: bool = True


@record
class Site:
    """What to fly over: lon, lat on WGS 84, and the files that it came from."""

    cell: str | None
    area: Polygon | MultiPolygon
    takeoffs: tuple[LonLat, ...]
    zones: tuple[Zone, ...] | None
    files: dict[str, Path]


@record
class Outcome:
    """What became of one cell; ``plan`` None: refused, and why. ``done`` False: it was planned before."""

    cell: str
    plan: Plan | None
    refusal: str = ""
    hint: str = ""
    done: bool = True


def request(
    *,
    aircraft: str | None,
    camera: str | None,
    gsd_m: float | None,
    height_agl_m: float | None,
    overlap: tuple[float, float],
    pitch_deg: float = -90.0,
    wind: Wind | None = None,
    clearance_m: float = 30.0,
    approval: str | None = None,
    dem: Path | None = None,
    dsm: Path | None = None,
    picture: bool = True,
) -> Request:
    """Return a request from names and numbers, checked.

    Raises:
        InputError: a name is not known, or a number cannot be flown.
    """
    if (gsd_m is None) == (height_agl_m is None):
        raise InputError(
            "Give a ground pixel size or a height, one of them.", hint="Give --gsd-cm or --height-m."
        )
    size = f"A ground pixel size of {100 * (gsd_m or 0.0):g} cm"
    _require(gsd_m is None or 0.001 <= gsd_m <= 1, size, "0.1 to 100 cm")
    _require(height_agl_m is None or 5 <= height_agl_m <= 1000, f"{height_agl_m} m of height", "5 to 1000 m")
    for share in overlap:
        _require(0 <= share <= 0.95, f"An overlap of {share * 100:g} %", "0 to 95 percent, such as 80 70")
    _require(-90 <= pitch_deg <= -60, f"A camera pitch of {pitch_deg:g} degrees", "-90 (down) to -60")
    _require(approval is None or bool(approval.strip()), "An approval without a number", "the number")
    _require(clearance_m >= 0, f"A clearance of {clearance_m:g} m", "0 m or more")
    _require(wind is None or 0 <= wind.speed_m_s <= 50, "Wind of that speed", "0 to 50 m/s")
    if aircraft is None:
        aircraft = _DEFAULT_AIRCRAFT if camera is None else shipped_aircraft_with(camera)
    flown = read_aircraft(aircraft)
    camera = camera or flown.cameras[0]
    return Request(
        aircraft=flown,
        aircraft_given=aircraft,
        camera=read_camera(camera),
        camera_given=camera,
        gsd_m=gsd_m,
        height_agl_m=height_agl_m,
        overlap_front=overlap[0],
        overlap_side=overlap[1],
        pitch_deg=pitch_deg,
        wind=wind,
        clearance_m=clearance_m,
        approval=approval,
        dem=dem,
        dsm=dsm,
        picture=picture,
    )


def _require(holds: bool, what: str, wanted: str) -> None:
    if not holds:
        raise InputError(f"{what} cannot be flown.", hint=f"Give {wanted}.")


def plan_file(
    area: Path,
    out: Path,
    asked: Request,
    *,
    zones: Sequence[Path] = (),
    home: LonLat | None = None,
    town: Town | None = None,
) -> Plan:
    """Plan the flight over the polygon in ``area``; write plan, lines, checks and exports to ``out``.

    ``town``: its cells tell whether the polygon is on WGS 84 or was shifted to GCJ-02.

    Raises:
        InputError: a file is not what it should be.
        CrsError: a file declares no CRS, or is in GCJ-02 while the town is not.
        PlanError: nothing to fly, or a check fails; what lay in ``out`` stays.
    """
    outline = read_area(area)
    if town is not None and town.cells_file.exists():
        refuse_gcj02([outline], read_cells(town.cells_file), str(area))
    site = Site(
        cell=None,
        area=outline.outline,
        takeoffs=(home,) if home else (),
        zones=flight_zones(zones) if zones else None,
        files={"area": area, **{f"zones {n}": path for n, path in enumerate(zones, start=1)}},
    )
    plan, _ = plan_site(site, out, asked)
    return plan


def plan_site(site: Site, out: Path, asked: Request) -> tuple[Plan, list[Path]]:
    """Plan, check and write the flight over one site; return it and its files. See ``plan_file``."""
    parameters = Parameters(
        height_agl_m=asked.height_agl_m or height_of_gsd(asked.camera, asked.gsd_m or 0.0),
        gsd_m=asked.gsd_m or (asked.height_agl_m or 0.0) / height_of_gsd(asked.camera, 1.0),
        overlap_front=asked.overlap_front,
        overlap_side=asked.overlap_side,
        pitch_deg=asked.pitch_deg,
        wind=asked.wind,
        clearance_m=asked.clearance_m,
        approval=asked.approval,
    )
    files = dict(site.files)
    files |= {name: path for name, path in (("dem", asked.dem), ("dsm", asked.dsm)) if path is not None}
    _refuse_overwriting(files, out, site.cell or "plan")
    job = Job(
        area=site.area,
        aircraft=asked.aircraft,
        camera=asked.camera,
        parameters=parameters,
        zones=site.zones or (),
        takeoffs=site.takeoffs,
        cell=site.cell,
        inputs={name: sha256_file(path) for name, path in files.items()},
    )
    ground, surface = _models(job, asked)
    plan = plan_flight(job, ground=ground)
    plan = replace(plan, aircraft=asked.aircraft_given, camera=asked.camera_given)
    plan = _with_safe_return(plan, ground, surface)
    checked = check_plan(
        plan,
        aircraft=asked.aircraft,
        camera=asked.camera,
        ground=ground,
        surface=surface,
        zones=site.zones,
    )
    failed = [finding for finding in checked.findings if finding.level == "fail"]
    if failed:
        raise PlanError(
            " ".join(finding.message for finding in failed),
            hint=" ".join(dict.fromkeys(finding.hint for finding in failed if finding.hint)),
        )
    plan = replace(plan, findings=(*plan.findings, *checked.findings))
    return plan, _write(plan, checked, out, asked, site)


def _refuse_overwriting(files: dict[str, Path], out: Path, name: str) -> None:
    written = {out.resolve() / file for file in ("plan.json", "lines.geojson", "checks.json", f"{name}.kml")}
    for path in files.values():
        if path.resolve() in written:
            raise InputError(
                f"{path} would be overwritten by the plan that is made of it.", hint="Give another --out."
            )


def _models(job: Job, asked: Request) -> tuple[Ground | None, Ground | None]:
    if asked.dem is None and asked.dsm is None:
        return None, None
    frame = frame_at(job.area)
    spacing = pace(job.aircraft, job.camera, job.parameters).spacing_m
    bounds = bounds_m(job, frame, spacing)
    return (
        read_ground(asked.dem, frame, bounds) if asked.dem else None,
        read_surface(asked.dsm, frame, bounds) if asked.dsm else None,
    )


def _with_safe_return(plan: Plan, ground: Ground | None, surface: Ground | None) -> Plan:
    """Return the plan with ways home so high that they clear what the models show.

    Straight home from the end of any leg, at the height of the path or higher.
    """
    for model in (ground, surface):
        if model is None:
            continue
        home = ways_home(plan, model.crs, path_of(plan, model.crs))
        known = [sortie.takeoff_amsl_m for sortie in plan.sorties]
        at = model.at(in_frame(model.crs, [sortie.takeoff for sortie in plan.sorties]))
        bases = np.array([at[n] if base is None else base for n, base in enumerate(known)], float)
        if not np.isfinite(bases).all() or not len(home.sortie_S):
            continue
        over = over_surface(model, home, bases[home.sortie_S])
        seen = over.least_K[np.isfinite(over.least_K)]
        least = float(seen.min()) if seen.size else np.inf
        short = plan.parameters.clearance_m - least
        if short > 0:
            raised = float(np.ceil(short))
            plan = replace(
                plan,
                sorties=tuple(replace(s, return_height_m=s.return_height_m + raised) for s in plan.sorties),
            )
    return plan


def _write(plan: Plan, checked: Checked, out: Path, asked: Request, site: Site) -> list[Path]:
    """Write everything; return what a flight relies on: the plan, its lines, the exports."""
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        write_json(out / "plan.json", plan)
        write_json(out / "checks.json", checked)
        with replacing(out / "filing.md") as part:
            part.write_text(filing_sheet(filing_of(plan, asked.aircraft, checked, None)), encoding="utf-8")
        formats = [name for name in formats_for(plan, asked.aircraft) if name != "png"]
        exports = export_plan(plan, out, formats, aircraft=asked.aircraft)
        if asked.picture:
            draw_plan(plan, out / f"{plan.cell or 'plan'}.png", title=plan.cell, zones=site.zones or ())
    return list(dict.fromkeys([out / "plan.json", *exports]))


def town_request(town: Town, settings: Settings, **given: object) -> Request:
    """Return how the town's cells are flown: what is ``given``, else what its settings say."""
    by_flag = given.get("gsd_m") is not None or given.get("height_agl_m") is not None
    values: dict[str, object] = {
        "aircraft": settings.aircraft,
        "camera": settings.camera,
        "gsd_m": None if by_flag else settings.photo_gsd_m,
        "height_agl_m": None if by_flag else settings.height_agl_m,
        "overlap": (settings.overlap_front, settings.overlap_side),
        "dem": town.root / settings.dem if settings.dem else None,
    }
    values |= {name: value for name, value in given.items() if value is not None}
    return request(**values)  # type: ignore[arg-type]  # checked by request itself


def plan_town(
    town: Town, cells: Sequence[str], asked: Request, *, workers: int, progress: Progress
) -> Iterator[Outcome]:
    """Plan the named cells of a town (all without names), each in ``plans/<cell>``; yield as they end.

    A cell that is refused does not keep the others from being planned. A cell whose inputs and wishes
    have not changed is left as it is: repeats fly the same lines.

    Raises:
        InputError: a cell is not the town's.
    """
    listed = {cell.id: cell for cell in read_cells(town.cells_file)}
    if unknown := [name for name in cells if name not in listed]:
        raise InputError(
            f"The town has no cell {', '.join(unknown)}.", hint="List its cells with aerial status."
        )
    zone_files = town.zone_files()
    zones = flight_zones(zone_files) if zone_files else None
    chosen = [listed[name] for name in cells] if cells else list(listed.values())
    work = partial(_plan_cell, town, zones, zone_files, asked)
    if workers == 1 or len(chosen) == 1:
        results: Iterator[Outcome] = map(work, chosen)
        yield from _counted(results, len(chosen), progress)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), stay_with_parent) as pool:
        with interruption_held():
            results = pool.map(work, chosen, chunksize=4)
        yield from _counted(results, len(chosen), progress)


def _counted(results: Iterator[Outcome], total: int, progress: Progress) -> Iterator[Outcome]:
    progress.phase("plan", total)
    for result in results:
        progress.advance()
        yield result


def _plan_cell(
    town: Town, zones: tuple[Zone, ...] | None, zone_files: Sequence[Path], asked: Request, cell: Cell
) -> Outcome:
    near = None if zones is None else _near(zones, cell)
    asked = replace(asked, dsm=asked.dsm or _last_dsm(town, cell.id))
    files = {f"zones {path.name}": path for path in zone_files}
    site = Site(cell=cell.id, area=cell.outline, takeoffs=cell.takeoffs, zones=near, files=files)
    out = town.plan_folder(cell.id)
    made: list[Plan] = []

    def work() -> list[Path]:
        plan, files = plan_site(site, out, asked)
        made.append(plan)
        return files

    inputs = files | ({"dem": asked.dem} if asked.dem else {}) | ({"dsm": asked.dsm} if asked.dsm else {})
    wishes = [to_plain(replace(asked, dem=None, dsm=None)), to_plain(cell.outline), to_plain(cell.takeoffs)]
    try:
        done = once(out / "planned.json", version=VERSION, settings=wishes, inputs=inputs, work=work)
    except AerialError as error:
        return Outcome(cell=cell.id, plan=None, refusal=str(error), hint=error.hint)
    plan = made[0] if made else read_record(Plan, out / "plan.json")
    return Outcome(cell=cell.id, plan=plan, done=done)


def _near(zones: Sequence[Zone], cell: Cell) -> tuple[Zone, ...]:
    """Return the zones within about a kilometre of a cell: others cannot touch its flight."""
    around = cell.outline.envelope.buffer(0.02)
    return tuple(zone for zone in zones if zone.outline.intersects(around))


def _last_dsm(town: Town, cell: str) -> Path | None:
    """Return the surface model of the last survey of a cell."""
    for survey in reversed(surveys_of(town, cell)):
        if survey.mosaic is not None and survey.mosaic.dsm is not None:
            return town.survey_folder(cell, survey.survey) / survey.mosaic.dsm.path
    return None
