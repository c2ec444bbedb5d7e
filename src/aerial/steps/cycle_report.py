"""The cases of a cycle, or one of them, as reports: GeoJSON, GeoPackage, XLSX, HTML, PDF."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from shapely.geometry import box

from aerial import __version__, geo
from aerial.areas import read_cells, read_communities
from aerial.codec import sha256_json
from aerial.errors import SecrecyError
from aerial.evidence.chips import CONTEXT_M
from aerial.evidence.outward import outward_pictures
from aerial.ledger import audit, cases, index, outbox
from aerial.ledger.store import Ledger, Tx
from aerial.progress import SILENT, Progress
from aerial.records import Case, FileRef, Zone
from aerial.report.overview import write_overview
from aerial.report.record import AuditHead, CaseEntry, CellMap, CycleReport, Language, Outline
from aerial.report.write import FORMATS, Format, Written, write_reports
from aerial.settings import Settings
from aerial.steps.evidence import pair_of
from aerial.steps.town_ledger import zones_of
from aerial.workspace import Town, surveys_of


def report_cases(
    town: Town,
    settings: Settings,
    ledger: Ledger,
    *,
    key: str | None = None,
    cycle: date | None = None,
    out: Path | None = None,
    language: Language = "zh",
    formats: Sequence[Format] = FORMATS,
    progress: Progress = SILENT,
) -> tuple[Path, Written]:
    """Write the reports of one case (``key``), of a cycle, or of the newest cycle; return folder and files.

    Without any cycle in the ledger the report is on all cases. Default folders: ``reports/<cycle>`` and
    ``reports/<case>``.

    Raises:
        LedgerError: no such case, or no such cycle.
        SecrecyError: secrecy is unset, or what a sensitive zone hides cannot be cut surely.
    """
    if settings.cases.secrecy is None:
        raise SecrecyError(
            "No secrecy (密级) is set, so no report is made that could leave.",
            hint='Ask who decides it, then set secrecy in [cases] of aerial.toml, such as "internal".',
        )
    with ledger.read() as tx:
        known = dict(index.cycles(tx))
        if key is None and cycle is None and known:
            cycle = max(known)
        chosen = [cases.case(tx, key)] if key else list(cases.list_cases(tx, cycle=cycle))
        zones = zones_of(town)
        entries = tuple(_entry(tx, town, case, zones) for case in chosen)
        heads = tuple(
            AuditHead(device=device, seq=seq, sha256=digest)
            for device, (seq, digest) in sorted(audit.heads(tx).items())
        )
        now = tx.now
    folder = out or town.case_report_folder(key or (cycle.isoformat() if cycle else "all"))
    with TemporaryDirectory() as temporary:
        report = CycleReport(
            title="疑似新增违建报告" if language == "zh" else "Suspected new buildings",
            town=town.root.resolve().name,
            generated_at=now,
            software=f"aerial {__version__}",
            cases=entries,
            starts_on=None if key else cycle,
            ends_on=cycle + timedelta(days=known[cycle] - 1) if cycle and not key else None,
            language=language,
            utc_offset_h=settings.cases.utc_offset_h,
            settings_sha256=sha256_json(settings),
            audit=heads,
            cells=_cells(town, {case.cell for case in chosen}, Path(temporary)),
            communities=_communities(town, settings),
            zones=zones,
        )
        return folder, write_reports(report, folder, formats, progress)


def _entry(tx: Tx, town: Town, case: Case, zones: Sequence[Zone]) -> CaseEntry:
    pair = pair_of(town, case)
    chips = [pair / chip.path for chip in case.suspect.chips]
    copies: tuple[FileRef, ...] = ()
    if _shows_sensitive(case, zones):
        out = town.outward_folder(case.external_key)
        out.mkdir(parents=True, exist_ok=True)
        pictures = outward_pictures(case.suspect, pair, zones, out)
        chips = [out / picture.file.path for picture in pictures]
        copies = tuple(picture.file for picture in pictures)
    named = {name: _of(chips, name) for name in ("before", "after", "change")}
    return CaseEntry(
        case=case,
        before=named["before"],
        after=named["after"],
        change=named["change"],
        receipts=tuple((proof.sink, proof.receipt) for proof in outbox.receipts(tx, case.external_key)),
        results=cases.results(tx, case.external_key),
        copies=copies,
    )


def _of(chips: Sequence[Path], name: str) -> Path | None:
    return next((chip for chip in chips if chip.stem.endswith(f"-{name}")), None)


def _shows_sensitive(case: Case, zones: Sequence[Zone]) -> bool:
    sensitive = [zone for zone in zones if zone.kind == "sensitive"]
    if not sensitive:
        return False
    west, south, east, north = case.suspect.outline.bounds
    per_lon_m, per_lat_m = geo.metres_per_unit(geo.WGS84, west, south)
    # A chip is a square around the outline, and errs.
    reach_m = max((east - west) * per_lon_m, (north - south) * per_lat_m) + CONTEXT_M + (case.error_m or 10.0)
    lon, lat = reach_m / per_lon_m, reach_m / per_lat_m
    ground = box(west - lon, south - lat, east + lon, north + lat)
    return any(zone.outline.intersects(ground) for zone in sensitive)


def _cells(town: Town, wanted: set[str], folder: Path) -> dict[str, CellMap]:
    found = {}
    for cell in read_cells(town.cells_file):
        if cell.id not in wanted:
            continue
        stitched = [survey for survey in surveys_of(town, cell.id) if survey.mosaic is not None]
        overview = grid = None
        if stitched:
            overview = folder / f"{cell.id}.jpg"
            ortho = town.survey_folder(cell.id, stitched[-1].survey) / "ortho.tif"
            if ortho.is_file():
                grid = write_overview(ortho, overview, side_px=720)
        found[cell.id] = CellMap(
            outline=cell.outline, overview=overview if grid else None, overview_grid=grid
        )
    return found


def _communities(town: Town, settings: Settings) -> dict[str, Outline]:
    if settings.cases.communities is None:
        return {}
    return {place.name: place.outline for place in read_communities(town.root / settings.cases.communities)}
