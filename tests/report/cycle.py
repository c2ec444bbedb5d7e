"""A small made-up cycle for the tests of reports."""

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from PIL import Image
from shapely.geometry import box

from aerial.codec import sha256_file
from aerial.geo import LonLat
from aerial.raster.grid import north_up
from aerial.records import Authority, Case, FileRef, Matter, Receipt, SiteResult, Suspect, Zone
from aerial.report.record import AuditHead, CaseEntry, CellMap, CycleReport

LON, LAT = 113.75, 22.80
FOUND = datetime(2026, 11, 23, 8, 12, tzinfo=UTC)


def picture(path: Path, colour: tuple[int, int, int], side_px: int = 64) -> Path:
    """Write a JPEG of one colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side_px, side_px), colour).save(path, "JPEG")
    return path


def entry(folder: Path, number: int = 1, **changes: Any) -> CaseEntry:
    """A case with three pictures; ``changes`` are fields of the case, of its suspect, or of the entry."""
    colours = {"before": (90, 120, 80), "after": (60, 90, 200), "change": (228, 40, 60)}
    paths = {name: picture(folder / f"{name}.jpg", colour) for name, colour in colours.items()}
    refs = tuple(FileRef(path=path.name, sha256=sha256_file(path)) for path in paths.values())
    at = LonLat(lon_deg=LON, lat_deg=LAT)
    suspect = Suspect(
        key=f"{number:016x}",
        pair="2026-11-09-1__2026-11-23-1",
        kind="new",
        outline=box(LON - 5e-5, LAT - 5e-5, LON + 5e-5, LAT + 5e-5),
        at=at,
        error_m=0.4,
        area_m2=113.7,
        height_change_m=3.2,
        score=0.91,
        model_sha256="9f" * 32,
        chips=refs,
    )
    case = Case(
        external_key=f"{number:012d}-1",
        suspect=suspect,
        cell="C001",
        unit_grid="041900121000007",
        community="㙍头社区",
        secrecy="内部",
        previous=None,
        evidence=refs,
        identity=suspect.key,
        episode=1,
        at=at,
        error_m=0.42,
        before_on=date(2026, 11, 9),
        after_on=date(2026, 11, 23),
        found_at=FOUND,
        params_sha256="c4" * 32,
        matter=Matter(table="GB/T 47678.5", code="04190006001", name="私搭乱建"),
        authority=Authority(code="0144190000733000X1", name="城市管理和综合执法分局"),
        address="振安中路 88 号",
        deadline=datetime(2026, 12, 7, 10, tzinfo=UTC),
    )
    result: Any = CaseEntry(case=case, **paths)
    for name, value in changes.items():
        if name in Suspect.__dataclass_fields__ and name not in ("error_m", "at"):
            result = replace(
                result, case=replace(result.case, suspect=replace(result.case.suspect, **{name: value}))
            )
        elif name in Case.__dataclass_fields__:
            result = replace(result, case=replace(result.case, **{name: value}))
        else:
            result = replace(result, **{name: value})
    return result  # type: ignore[no-any-return]


def report(entries: list[CaseEntry], folder: Path, **changes: Any) -> CycleReport:
    """A report with a cell, its overview, a sensitive zone and an audit head."""
    grid = north_up("EPSG:4547", (474200.0, 2522300.0, 474500.0, 2522600.0), 1.0)
    overview = picture(folder / "overview.jpg", (120, 130, 110), grid.width_px)
    cell = CellMap(
        outline=box(LON - 1e-3, LAT - 1e-3, LON + 1e-3, LAT + 1e-3), overview=overview, overview_grid=grid
    )
    zone = Zone(kind="sensitive", name="某所", outline=box(LON + 4e-4, LAT + 4e-4, LON + 6e-4, LAT + 6e-4))
    made = CycleReport(
        title="长安镇第 24 周期疑似新增违建报告",
        town="长安镇",
        generated_at=datetime(2026, 11, 28, 10, 7, tzinfo=UTC),
        software="aerial 0.1.0",
        cases=tuple(entries),
        starts_on=date(2026, 11, 16),
        ends_on=date(2026, 11, 29),
        settings_sha256="ab" * 32,
        audit=(AuditHead(device="01JDLAPTOP", seq=1284, sha256="5e" * 32),),
        cells={"C001": cell},
        zones=(zone,),
    )
    return replace(made, **changes)


def receipt(key: str) -> tuple[str, Receipt]:
    """A receipt of one destination."""
    at = LonLat(lon_deg=LON, lat_deg=LAT)
    return "redmine", Receipt(external_key=key, remote_id="1001", at=at, stage="New", read_at=FOUND)


def told(key: str, result: Any, at: datetime) -> SiteResult:
    """What an officer said."""
    return SiteResult(id=f"{at}", external_key=key, at=at, result=result, by="王垚")
