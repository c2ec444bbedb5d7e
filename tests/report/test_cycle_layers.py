"""A cycle's report for maps and spreadsheets."""

import json
import sqlite3
import struct
from pathlib import Path

import geopandas
import openpyxl
import pyogrio
import pytest
import shapely
from geojson_pydantic import FeatureCollection
from tests.report.cycle import LAT, LON, entry, report

from aerial.errors import InputError
from aerial.features import case_properties
from aerial.report.write import write_reports


def test_geojson_is_valid_for_another_judge_and_keeps_the_frozen_properties(tmp_path: Path) -> None:
    """geojson-pydantic takes it, GeoPandas and GDAL open it, and every frozen property stands as it was."""
    one = entry(tmp_path)
    write_reports(report([one, entry(tmp_path, 2)], tmp_path), tmp_path / "out", ["geojson"])
    path = tmp_path / "out" / "report.geojson"
    plain = json.loads(path.read_text(encoding="utf-8"))
    FeatureCollection.model_validate(plain)
    assert "crs" not in plain
    assert plain["report"]["audit"][0]["sha256"] == "5e" * 32
    properties = plain["features"][0]["properties"]
    assert case_properties(one.case).items() <= properties.items()
    assert "navigation" not in properties
    frame = geopandas.read_file(path)
    assert (frame.crs.to_epsg(), len(frame), frame.unit_grid[0]) == (4326, 2, "041900121000007")
    assert pyogrio.read_info(path)["features"] == 2


def test_geopackage_is_cgcs2000_with_longitude_first_for_a_reader_that_is_not_gdal(tmp_path: Path) -> None:
    """The bytes of the geometry hold (lon, lat) under EPSG:4490, in both layers."""
    write_reports(report([entry(tmp_path)], tmp_path), tmp_path / "out", ["gpkg"])
    path = tmp_path / "out" / "report.gpkg"
    with sqlite3.connect(path) as database:
        for layer in ("cases", "points"):
            (blob, grid, number) = database.execute(f"SELECT geom, unit_grid, number FROM {layer}").fetchone()  # noqa: S608
            flags, srs = blob[3], struct.unpack("<i", blob[4:8])[0]
            envelope = (0, 32, 48, 48, 64)[(flags >> 1) & 7]
            middle = shapely.from_wkb(blob[8 + envelope :]).centroid
            assert (middle.x, middle.y) == pytest.approx((LON, LAT), abs=1e-8)
            assert (srs, grid, number) == (4490, "041900121000007", 1)
    database.close()
    assert geopandas.read_file(path, layer="points").crs.to_epsg() == 4490


@pytest.mark.parametrize("language", ["zh", "en"])
def test_a_report_without_cases_is_a_report(tmp_path: Path, language: str) -> None:
    """A cycle in which nothing was found is written in every format."""
    written = write_reports(report([], tmp_path, language=language), tmp_path / "out")
    assert all(path.is_file() for path in written.files)
    frame = geopandas.read_file(tmp_path / "out" / "report.gpkg", layer="cases")
    assert (len(frame), frame.crs.to_epsg()) == (0, 4490)


def test_codes_are_text_and_quantities_are_numbers_in_the_table(tmp_path: Path) -> None:
    """Leading zeros survive a reader; lengths stay numbers; what is unknown is an empty cell."""
    chosen = ("unit_grid", "matter_code", "area_m2=占地", "height_change_m", "authority_code")
    one = entry(tmp_path, height_change_m=None)
    write_reports(report([one], tmp_path, columns=chosen), tmp_path / "out", ["xlsx"])
    sheet = openpyxl.load_workbook(tmp_path / "out" / "report.xlsx").worksheets[0]
    heading, row = sheet.iter_rows()
    assert [cell.value for cell in heading] == ["单元网格", "事项代码", "占地", "高度变化 m", "主管部门代码"]
    assert [cell.value for cell in row] == [
        "041900121000007",
        "04190006001",
        113.7,
        None,
        "0144190000733000X1",
    ]
    assert [cell.data_type for cell in row][:3] == ["s", "s", "n"]


@pytest.mark.parametrize("text", ["=1+1", "+8613800000000", "-2", "@SUM(A1)", '=HYPERLINK("http://x")'])
def test_what_begins_like_a_formula_is_text(tmp_path: Path, text: str) -> None:
    """A name from outside never becomes a formula, now or when the cell is edited."""
    write_reports(
        report([entry(tmp_path, address=text)], tmp_path, columns=("address",)), tmp_path / "out", ["xlsx"]
    )
    cell = openpyxl.load_workbook(tmp_path / "out" / "report.xlsx").worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.quotePrefix) == (text, "s", True)


def test_an_unknown_column_or_format_and_a_double_are_refused(tmp_path: Path) -> None:
    """Nothing is written, and the hint says what there is."""
    one = entry(tmp_path)
    for made, formats in (
        (report([one], tmp_path, columns=("colour",)), ["xlsx"]),
        (report([one], tmp_path), ["docx"]),
        (report([one, one], tmp_path), ["geojson"]),
    ):
        with pytest.raises(InputError) as caught:
            write_reports(made, tmp_path / "out", formats)  # type: ignore[arg-type]
        assert caught.value.hint
    assert not (tmp_path / "out").exists()
