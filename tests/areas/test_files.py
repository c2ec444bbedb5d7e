"""Areas, cells and zones from GeoJSON."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon, box

from aerial.areas import Feature, read_area, read_cells, read_zones, write_features
from aerial.errors import AerialError, CrsError, InputError


def geojson(path: Path, *parts: tuple[Any, dict[str, Any]], **members: Any) -> Path:
    """Write a FeatureCollection of (polygon, properties)."""
    features = [
        {"type": "Feature", "geometry": shape.__geo_interface__, "properties": properties}
        for shape, properties in parts
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **members}), "utf-8")
    return path


def test_cells_keep_their_ids_properties_and_holes(tmp_path: Path) -> None:
    """What is read, written and read again is the same, a hole included."""
    ring = box(113.8, 22.8, 113.9, 22.9).difference(box(113.84, 22.84, 113.85, 22.85))
    path = geojson(
        tmp_path / "c.json",
        (ring, {"id": "A1", "community": "上沙"}),
        (box(113.7, 22.8, 113.8, 22.9), {"id": 7}),
    )
    cells = read_cells(path)
    assert [cell.id for cell in cells] == ["A1", "7"]
    write_features(tmp_path / "again.json", cells)
    again = read_cells(tmp_path / "again.json")
    assert again[0].properties == {"id": "A1", "community": "上沙"}
    assert again[0].outline.equals(ring)


@given(st.floats(-179, 178), st.floats(-80, 79), st.floats(1e-4, 0.5))
def test_written_polygons_move_by_less_than_a_millimetre(
    tmp_path_factory: pytest.TempPathFactory, lon: float, lat: float, side: float
) -> None:
    """8 decimals, exterior counter-clockwise, valid."""
    path = tmp_path_factory.mktemp("g") / "area.geojson"
    shape = Polygon([(lon, lat), (lon, lat + side), (lon + side, lat + side / 3)])
    write_features(path, [Feature(outline=shape, properties={})])
    back = read_area(path).outline
    assert back.is_valid
    assert back.exterior.is_ccw
    assert shape.hausdorff_distance(back) < 1.5e-8


GOOD = box(113.8, 22.8, 113.9, 22.9)
BOWTIE = Polygon([(113.8, 22.8), (113.9, 22.9), (113.9, 22.8), (113.8, 22.9)])


@pytest.mark.parametrize(
    ("parts", "members", "message"),
    [
        ([(GOOD, {})], {}, "has the id None"),
        ([(GOOD, {"id": "../x"})], {}, "has the id '../x'"),
        ([(GOOD, {"id": "x" * 33})], {}, "has the id"),
        ([(GOOD, {"id": "a"}), (GOOD, {"id": "A"})], {}, "two cells called a and A"),
        ([(GOOD.centroid, {"id": "a"})], {}, "is a Point, not a polygon"),
        ([(BOWTIE, {"id": "a"})], {}, "Self-intersection"),
        ([], {}, "holds no polygon"),
        ([(box(22.8, 113.8, 22.9, 113.9), {"id": "a"})], {}, "latitudes before its longitudes"),
        ([(box(38_000_000, 2_500_000, 38_000_100, 2_500_100), {"id": "a"})], {}, "not degrees"),
        ([(GOOD, {"id": "a"})], {"crs": {"type": "name", "properties": {"name": "EPSG:4547"}}}, "EPSG:4547"),
    ],
)
def test_bad_cells_are_refused(
    tmp_path: Path, parts: list[tuple[Any, dict[str, Any]]], members: dict[str, Any], message: str
) -> None:
    """Each with its own message and a hint."""
    with pytest.raises(AerialError, match=message) as caught:
        read_cells(geojson(tmp_path / "c.json", *parts, **members))
    assert caught.value.hint


def test_the_old_way_to_declare_wgs84_is_accepted(tmp_path: Path) -> None:
    """GDAL writes CRS84 into a crs member of older GeoJSON."""
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    assert len(read_cells(geojson(tmp_path / "c.json", (GOOD, {"id": "a"}), crs=crs))) == 1


def test_swapped_cells_are_noticed_where_both_orders_are_possible(tmp_path: Path) -> None:
    """At 45 N 10 E both orders are degrees; the area tells which is meant."""
    area = read_area(geojson(tmp_path / "a.json", (box(10.0, 45.0, 10.1, 45.1), {})))
    with pytest.raises(CrsError, match="latitudes before"):
        read_cells(geojson(tmp_path / "c.json", (box(45.01, 10.01, 45.02, 10.02), {"id": "a"})), area)
    with pytest.raises(InputError, match="outside the area"):
        read_cells(geojson(tmp_path / "d.json", (box(12.0, 45.0, 12.1, 45.1), {"id": "a"})), area)


def test_a_zone_without_a_known_kind_is_refused(tmp_path: Path) -> None:
    """A zone of unknown meaning would be ignored by everything that keeps people safe."""
    assert len(read_zones(geojson(tmp_path / "z.json", (GOOD, {"kind": "no_fly"})))) == 1
    assert read_zones(geojson(tmp_path / "z.json")) == ()
    for properties, message in (({}, "has no kind"), ({"kind": "nofly"}, "the kind 'nofly'")):
        with pytest.raises(InputError, match=message) as caught:
            read_zones(geojson(tmp_path / "z.json", (GOOD, properties)))
        assert "no_fly" in caught.value.hint


def test_the_area_is_one_polygon(tmp_path: Path) -> None:
    """Two features are two areas."""
    with pytest.raises(InputError, match="holds 2 features"):
        read_area(geojson(tmp_path / "a.json", (GOOD, {}), (GOOD, {})))


@pytest.mark.parametrize(
    "text", ["", "[]", '{"a": 1}', '{"type": "FeatureCollection", "features": [1]}', "\xff"]
)
def test_a_file_that_is_not_geojson_is_refused(tmp_path: Path, text: str) -> None:
    """Whatever it holds, with a hint and never a traceback."""
    path = tmp_path / "a.json"
    path.write_text(text, "latin-1")
    with pytest.raises(InputError) as caught:
        read_area(path)
    assert caught.value.hint
