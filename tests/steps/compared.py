"""Pairs that were compared, written by code: what ``aerial run`` leaves, without its minutes."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from shapely.geometry import Polygon, box

from aerial import geo
from aerial.codec import sha256_file, sha256_json, write_json
from aerial.evidence.chips import chip_grid, write_chip
from aerial.evidence.hashes import note_hashes
from aerial.geo import LonLat
from aerial.records import Alignment, FileRef, Kind, Survey, Suspect
from aerial.report.geojson import write_suspects
from aerial.steps.fresh import Stamp
from aerial.workspace import Town, record_survey

CRS = "EPSG:4547"
AT = LonLat(lon_deg=113.832, lat_deg=22.812)
# East, north, width, depth in metres from ``AT``.
Where = tuple[float, float, float, float]

SETTINGS = """
[cases]
division = "441900"
authority_code = "{code}"
authority_name = "城管局"
secrecy = "internal"
gnss_datum = "cgcs2000"
deadline_work_days = 7
{more}
[[sinks]]
name = "drop"
kind = "folder"
url = "drop"
"""


def with_cases(town: Town, more: str = "", *, placed: bool = True) -> Town:
    """Configure a town so that its cases can leave into the folder ``drop``; return it."""
    from benchmarks.kill_cases import credit_code

    (town.root / "drop").mkdir()
    with town.settings_file.open("a", encoding="utf-8") as file:
        file.write(SETTINGS.format(code=credit_code("11441900007332838"), more=more))
    if placed:
        text = town.cells_file.read_text("utf-8").replace(
            '"id": "A1"', '"id": "A1", "unit_grid": "441900123456007", "community": "马务社区"'
        )
        town.cells_file.write_text(text, "utf-8")
    return town


def outline(where: Where) -> Polygon:
    """Return a rectangle near ``AT``, lon, lat."""
    x, y = geo.from_lonlat(CRS, AT)
    east, north, width, depth = where
    return geo.reproject(box(x + east, y + north, x + east + width, y + north + depth), CRS, geo.WGS84)


def add_survey(town: Town, survey: str, cell: str = "A1") -> None:
    """Write a survey without photographs, as far as a ledger and evidence look at it."""
    folder = town.survey_folder(cell, survey)
    if (folder / "survey.json").is_file():
        return
    (folder / "photos").mkdir(parents=True)
    write_json(folder / "photos.json", [])
    day = datetime.fromisoformat(survey.rsplit("-", 1)[0]).replace(hour=2, tzinfo=UTC)
    record_survey(town, Survey(cell=cell, survey=survey, started_at=day, photos=(), mosaic=None))


def compare(
    town: Town,
    before: str,
    after: str,
    *found: tuple[Where, Kind],
    cell: str = "A1",
    error_m: float | None = 0.5,
) -> tuple[Suspect, ...]:
    """Write the folder of a compared pair with a suspect for each of ``found``; return them."""
    add_survey(town, before, cell)
    add_survey(town, after, cell)
    folder = town.pair_folder(cell, before, after)
    chips = folder / "chips"
    chips.mkdir(parents=True, exist_ok=True)
    suspects, grids = [], {}
    for where, kind in found:
        shape = outline(where)
        middle = shape.centroid
        key = sha256_json([before, after, list(where), kind])[:32]
        suspect = Suspect(
            key=key,
            pair=f"{before}__{after}",
            kind=kind,
            outline=shape,
            at=LonLat(lon_deg=middle.x, lat_deg=middle.y),
            error_m=error_m,
            area_m2=where[2] * where[3],
            height_change_m=-3.0 if kind == "demolished" else 3.0,
            score=0.9,
            model_sha256="a" * 64,
            chips=(),
            building_before=1.0 if kind == "demolished" else 0.0,
            building_after=0.0 if kind == "demolished" else 1.0,
        )
        metric = geo.reproject(shape, geo.WGS84, CRS)
        grid = grids[key] = chip_grid(metric, CRS, 0.1)
        refs = []
        for number, name in enumerate(("before", "after", "change")):
            picture = np.full((3, grid.height_px, grid.width_px), 60 * number + 40, np.uint8)
            refs.append(write_chip(chips / f"{key}-{name}.jpg", picture, grid, metric))
        placed = tuple(replace(ref, path=f"chips/{ref.path}") for ref in refs)
        suspects.append(replace(suspect, chips=placed))
    write_json(chips / "grids.json", grids)
    alignment = Alignment(
        before_to_after_px=((1, 0, 0), (0, 1, 0)),
        residual_median_px=0.1,
        residual_p95_px=0.3,
        residual_median_m=0.01,
        residual_p95_m=0.03,
        windows=9,
        shift_m=0.0,
    )
    write_json(folder / "align.json", alignment)
    (folder / "change.tif").write_bytes(b"a change map")
    note_hashes(folder, {})
    write_suspects(folder / "suspects.geojson", suspects)
    names = ["align.json", "change.tif", "hashes.json", "suspects.geojson", "chips/grids.json"]
    outputs = [FileRef(path=name, sha256=sha256_file(folder / name)) for name in names]
    stamp = Stamp(step="detect", version="1", settings_sha256="b" * 64, inputs={}, outputs=tuple(outputs))
    write_json(folder / "detect.json", stamp)
    return tuple(suspects)


def files_below(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder by its relative path."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
