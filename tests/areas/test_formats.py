"""KML, KMZ, Shapefile and GeoPackage, in any declared CRS."""

import re
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import transform
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from tests.areas.made import SQUARE, geojson, kml, ogr

from aerial import geo
from aerial.areas import read_area, read_cells, read_lines
from aerial.errors import AerialError, CrsError, InputError

GK = geo.reproject(SQUARE, geo.WGS84, "EPSG:4547")
METRE = 1e-5  # of a degree
ID = '<Data name="id"><value>A1</value></Data><Data name="height_agl_m"><value>35.5</value></Data>'


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "crs", ["EPSG:4547", "EPSG:4526", "EPSG:4490", "EPSG:4326", "EPSG:3857", "EPSG:32649"]
)
@pytest.mark.parametrize("suffix", [".shp", ".gpkg", ".geojson"])
def test_every_format_comes_back_from_every_crs(tmp_path: Path, crs: str, suffix: str) -> None:
    """East is first whatever the authority says, and the outline is where it was within a millimetre."""
    shape = geo.reproject(SQUARE, geo.WGS84, crs)
    path = tmp_path / f"cells{suffix}"
    parts = (shape, {"id": "A1", "community": "上沙社区"})
    if suffix == ".geojson":
        geojson(path, parts, crs=crs)
    else:
        ogr(path, parts, crs=crs, **({"encoding": "UTF-8"} if suffix == ".shp" else {}))
    (cell,) = read_cells(path)
    assert (cell.id, cell.community) == ("A1", "上沙社区")
    assert cell.outline.hausdorff_distance(SQUARE) < 1e-7  # edges bend by less than 1 cm


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 20), st.floats(-1.4, 1.4), st.floats(22, 47), st.floats(200, 40_000))
def test_straight_edges_of_a_projection_stay_straight(
    zone: int, off: float, lat: float, side_m: float
) -> None:
    """Of CGCS2000 zones, with and without zone number: the outline on WGS 84 is within a centimetre."""
    rng = np.random.default_rng(zone)
    for crs in (f"EPSG:{4534 + zone}", f"EPSG:{4513 + zone}"):
        x, y = geo.from_lonlat(crs, geo.LonLat(lon_deg=75 + 3 * zone + off, lat_deg=lat))
        ring = np.array([x, y]) + rng.uniform(0, side_m, (3, 2))
        found = geo.reproject_edges(Polygon(ring), crs, geo.WGS84)
        fine = geo.reproject(Polygon(ring).segmentize(side_m / 300), crs, geo.WGS84)
        unit = geo.metres_per_unit(geo.WGS84, *found.exterior.coords[0])
        flat, exact = (transform(s, lambda xy_N2: xy_N2 * unit) for s in (found, fine))  # noqa: B023
        assert max(flat.exterior.distance(Point(p)) for p in exact.exterior.coords) < 0.01


def test_kml_of_folders_in_folders_keeps_extended_data(tmp_path: Path) -> None:
    """Every placemark is read, numbers are numbers, heights are dropped; the name serves as an id."""
    path = tmp_path / "cells.kml"
    path.write_bytes(kml((SQUARE, "第一格", ID), (box(113.82, 22.8, 113.83, 22.81), "B2", "")))
    first, second = read_cells(path)
    assert (first.id, second.id) == ("A1", "B2")
    assert first.properties == {"name": "第一格", "id": "A1", "height_agl_m": 35.5}
    assert first.outline.equals(SQUARE)
    assert not first.outline.has_z


# The writer itself stumbles over the name that it cuts.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("encoding", ["GBK", "UTF-16", "UTF-8"])
def test_kml_of_chinese_programs_and_kmz_are_read(tmp_path: Path, encoding: str) -> None:
    """In the encoding that its first line names, and out of an archive."""
    content = kml((SQUARE, "上沙", ID), encoding=encoding)
    (tmp_path / "a.kml").write_bytes(content)
    zipped(tmp_path / "a.kmz", {"doc.kml": content, "files/icon.png": b"-"})
    for name in ("a.kml", "a.kmz"):
        assert read_area(tmp_path / name).properties["name"] == "上沙"


def test_hostile_xml_expands_nothing(tmp_path: Path) -> None:
    """Entities are refused before they are parsed: no file is read, nothing grows."""
    secret = tmp_path / "secret"
    secret.write_text("113.8")
    bomb = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">' for i in range(1, 12))
    heads = (
        f'<!DOCTYPE k [<!ENTITY e0 SYSTEM "{secret.as_uri()}">]>',
        f'<!DOCTYPE k [<!ENTITY e0 "lol">{bomb}]>',
    )
    for head in heads:
        for encoding in ("UTF-8", "UTF-16"):
            (tmp_path / "a.kml").write_bytes(kml((SQUARE, "&e0;", ""), head=head, encoding=encoding))
            with pytest.raises(InputError, match="entities"):
                read_area(tmp_path / "a.kml")


def shapefile(folder: Path, name: str, *, encoding: str, field: str = "社区") -> Path:
    """Write a Shapefile of Chinese text without a .cpg."""
    path = ogr(
        folder / f"{name}.shp", (GK, {"id": "A1", field: "上沙社区"}), crs="EPSG:4547", encoding=encoding
    )
    path.with_suffix(".cpg").unlink()
    return path


# The writer itself stumbles over the name that it cuts.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("encoding", ["GBK", "UTF-8"])
def test_chinese_text_of_a_shapefile_without_cpg(tmp_path: Path, encoding: str) -> None:
    """UTF-8 where all of it is UTF-8, else GBK; a name cut inside a character loses only that."""
    path = shapefile(tmp_path, "a", encoding=encoding)
    assert read_area(path).properties == {"id": "A1", "社区": "上沙社区"}
    if encoding == "UTF-8":
        long = shapefile(tmp_path, "b", encoding=encoding, field="所属社区名称")
        assert read_area(long).properties["所属社"] == "上沙社区"


def test_what_a_shapefile_says_about_its_text_is_believed(tmp_path: Path) -> None:
    """The .cpg, then the mark in the .dbf; text that is not in it is refused and not garbled."""
    path = shapefile(tmp_path, "a", encoding="GBK")
    for said in ("GBK", "936", "ANSI 936"):
        path.with_suffix(".cpg").write_text(said)
        assert read_area(path).properties["社区"] == "上沙社区"
    path.with_suffix(".cpg").write_text("UTF-8")
    with pytest.raises(InputError, match="encoding utf-8"):
        read_area(path)
    path.with_suffix(".cpg").unlink()
    head = bytearray(path.with_suffix(".dbf").read_bytes())
    head[29] = 0x4D
    path.with_suffix(".dbf").write_bytes(head)
    assert read_area(path).properties["社区"] == "上沙社区"


def test_a_zipped_shapefile_is_read_whatever_its_folder(tmp_path: Path) -> None:
    """With the folder and the shadow files that a desktop adds."""
    made = shapefile(tmp_path, "网格", encoding="GBK")
    files = {f"图层/{p.name}": p.read_bytes() for p in tmp_path.glob("网格.*")}
    path = zipped(tmp_path / "a.zip", files | {"__MACOSX/图层/._网格.shp": b"-"})
    made.unlink()
    assert read_area(path).outline.hausdorff_distance(SQUARE) < 1e-7  # edges bend by less than 1 cm


def test_archives_from_outside_are_checked(tmp_path: Path) -> None:
    """Paths that leave the folder, what grows too large, two layers, half an archive."""
    content = kml((SQUARE, "a", ""))
    bad = {
        "leave its folder": zipped(tmp_path / "1.kmz", {"../doc.kml": content}),
        "would leave": zipped(tmp_path / "2.zip", {"C:\\x\\a.shp": b""}),
        "unpacks to": zipped(tmp_path / "3.kmz", {"doc.kml": bytes(201_000_000)}),
        "holds 2: a.kml, b.kml": zipped(tmp_path / "4.kmz", {"a.kml": content, "b.kml": content}),
        "holds 0: none": zipped(tmp_path / "5.zip", {"a.kml": content}),
    }
    whole = bad["holds 0: none"].read_bytes()
    for number, broken in enumerate((whole[: len(whole) // 2], b"", whole[:40] + b"\xff" * 9 + whole[49:])):
        path = tmp_path / f"{number}.broken.kmz"
        path.write_bytes(broken)
        with pytest.raises(InputError):
            read_area(path)
    for message, path in bad.items():
        with pytest.raises(InputError, match=message) as caught:
            read_area(path)
        assert caught.value.hint


def test_broken_shapefiles_lose_nothing_in_silence(tmp_path: Path) -> None:
    """A .shp cut short, a .shx cut short, no .shx, no .prj, a part given for the whole."""
    path = ogr(tmp_path / "a.shp", *((GK, {"id": i}) for i in range(3)), crs="EPSG:4547")
    shp, shx = path.read_bytes(), path.with_suffix(".shx").read_bytes()
    path.write_bytes(shp[:-60])
    with pytest.raises(InputError, match="not whole"):
        read_cells(path)
    path.write_bytes(shp)
    path.with_suffix(".shx").write_bytes(shx[:-8])
    with pytest.raises(InputError):
        read_cells(path)
    path.with_suffix(".shx").unlink()
    with pytest.raises(InputError, match=r"without its \.shx"):
        read_cells(path)
    with pytest.raises(InputError, match="part of a Shapefile") as caught:
        read_cells(path.with_suffix(".dbf"))
    assert "a.shp" in caught.value.hint
    path.with_suffix(".shx").write_bytes(shx)
    path.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match=r"\.prj file is not there"):
        read_cells(path)


def test_a_geopackage_of_several_layers_needs_one_of_polygons(tmp_path: Path) -> None:
    """Other kinds beside it do not matter; two of polygons are named; cut short it is refused."""
    path = ogr(tmp_path / "a.gpkg", (GK, {"id": "A1"}), crs="EPSG:4547", layer="cells")
    ogr(
        path, (LineString([(4.8e5, 2.52e6), (4.81e5, 2.52e6)]), {"name": "r"}), crs="EPSG:4547", layer="roads"
    )
    assert len(read_cells(path)) == len(read_lines(path)) == 1
    (tmp_path / "cut.gpkg").write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(InputError, match="cannot be read"):
        read_cells(tmp_path / "cut.gpkg")
    ogr(path, (GK, {"id": "A1"}), crs="EPSG:4547", layer="旧网格")
    with pytest.raises(InputError, match="2 layers with polygons: cells, 旧网格"):
        read_cells(path)


@pytest.mark.parametrize("srs", [0, -1])
def test_an_undefined_reference_system_is_refused(tmp_path: Path, srs: int) -> None:
    """GeoPackage has two of them: undefined degrees and an undefined plane."""
    path = ogr(tmp_path / "a.gpkg", (GK, {"id": "A1"}), crs="EPSG:4547", layer="a")
    with sqlite3.connect(path) as base:
        base.execute("UPDATE gpkg_contents SET srs_id = ?", (srs,))
        base.execute("UPDATE gpkg_geometry_columns SET srs_id = ?", (srs,))
    base.close()
    with pytest.raises(CrsError, match="no coordinate reference system"):
        read_cells(path)


@pytest.mark.parametrize(
    ("crs", "shape", "message", "hint"),
    [
        ("EPSG:4526", GK, "outside of where", "EPSG:4547.*without a zone number"),
        (
            "EPSG:4547",
            transform(GK, lambda xy: np.add(xy, [38e6, 0])),
            "outside of where",
            "EPSG:4526.*with a zone",
        ),
        ("EPSG:4547", transform(GK, lambda xy: xy[:, ::-1]), "outside of where", "east, north"),
        ("EPSG:4547", SQUARE, "outside of where", "EPSG:4490"),
        ("EPSG:4490", transform(SQUARE, lambda xy: xy[:, ::-1]), "outside of where", "lon, lat"),
        ("EPSG:2383", GK, "not known how far", "local parameters"),
        ("EPSG:4479", SQUARE, "not known", "ogr2ogr"),
        ("EPSG:99999", SQUARE, "not known", "ogr2ogr"),
    ],
)
def test_coordinates_that_do_not_fit_their_crs_are_refused(
    tmp_path: Path, crs: str, shape: Polygon, message: str, hint: str
) -> None:
    """Zone numbers, axis order, degrees for metres, datums whose parameters are secret."""
    with pytest.raises(CrsError, match=message) as caught:
        read_area(geojson(tmp_path / "a.json", (shape, {}), crs=crs))
    assert re.search(hint, caught.value.hint)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        (box(113, 22, 114, 22.95), "10,8.. km2 large"),
        (Polygon([(113.8, 22.8), (113.9, 22.9), (113.95, 22.95)]), "no area"),
        (box(113.8, 22.8, 113.800001, 22.800001), "m2 small"),
        (box(-179.99, 22, 179.99, 22.01), "crosses 180 degrees"),
        (box(179.9, 22, 180.1, 22.01), "crosses 180 degrees"),
        (MultiPolygon([box(179.9, 22, 180, 22.1), box(-180, 22, -179.9, 22.1)]), "crosses 180 degrees"),
        (Polygon(), "empty"),
        (Polygon([(113.8, 22.8), (113.9, 22.9), (113.9, 22.8), (113.8, 22.9)]), r"113\.85 22\.85"),
    ],
)
def test_shapes_that_are_no_area_are_refused(tmp_path: Path, shape: Any, message: str) -> None:
    """Each with its own message and a hint."""
    with pytest.raises(AerialError, match=message) as caught:
        read_area(geojson(tmp_path / "a.json", (shape, {})))
    assert caught.value.hint


def test_not_a_number_and_bottomless_nesting_are_refused(tmp_path: Path) -> None:
    """JSON of Python writes NaN, and anybody can write a thousand brackets."""
    for text in (
        "[[[113.8, NaN], [113.9, 22.8], [113.9, 22.9], [113.8, 22.8]]]",
        "[" * 900 + "]" * 900,
        "[" * 99_999,
    ):
        (tmp_path / "a.json").write_text(f'{{"type": "Polygon", "coordinates": {text}}}')
        with pytest.raises(InputError):
            read_area(tmp_path / "a.json")


def test_files_of_other_formats_are_named(tmp_path: Path) -> None:
    """By their name, and by their first bytes where the name lies."""
    (tmp_path / "a.dxf").write_text("0")
    (tmp_path / "a.shp").write_text("<OGRVRTDataSource/>")
    (tmp_path / "a.gpkg").write_text("")
    for name, message in (("a.dxf", "not read here"), ("a.shp", "not a Shapefile"), ("a.gpkg", "not a GeoP")):
        with pytest.raises(InputError, match=message):
            read_area(tmp_path / name)
