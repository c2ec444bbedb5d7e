"""What cells and zones say about themselves."""

from pathlib import Path
from typing import Any

import pytest
from shapely.geometry import LineString, Point
from tests.areas.made import SQUARE, geojson, ogr

from aerial.areas import flight_zones, read_cells, read_lines, write_features
from aerial.errors import AerialError, InputError
from aerial.geo import LonLat
from aerial.records.zone import Zone


def test_cells_carry_grid_code_community_and_takeoffs(tmp_path: Path) -> None:
    """Three fields of their own, read, written and read again."""
    given = {"id": 7, "unit_grid": 441900101001001, "community": "上沙", "takeoffs": [[113.805, 22.801]]}
    (cell,) = read_cells(geojson(tmp_path / "a.json", (SQUARE, given | {"note": None})))
    assert (cell.id, cell.unit_grid, cell.community) == ("7", "441900101001001", "上沙")
    assert cell.takeoffs == (LonLat(lon_deg=113.805, lat_deg=22.801),)
    write_features(tmp_path / "b.geojson", [cell])
    (again,) = read_cells(tmp_path / "b.geojson")
    assert again.takeoffs == cell.takeoffs
    assert again.properties == given | {"id": "7", "unit_grid": "441900101001001", "note": None}


@pytest.mark.parametrize("suffix", [".shp", ".gpkg"])
def test_takeoffs_and_heights_come_through_other_formats(tmp_path: Path, suffix: str) -> None:
    """A list as its text; the ten characters that a Shapefile leaves of a name."""
    properties = {"id": "A1", "takeoffs": "[[113.805, 22.801], [113.806, 22.801]]", "height_agl": 35.5}
    path = ogr(tmp_path / f"a{suffix}", (SQUARE, properties), crs="EPSG:4326")
    (cell,) = read_cells(path)
    assert [place.lon_deg for place in cell.takeoffs] == [113.805, 113.806]
    assert ("height_agl_m" in cell.properties) == (suffix == ".shp")


@pytest.mark.parametrize(
    ("properties", "message", "hint"),
    [
        ({"unit_grid": "12345"}, "unit_grid '12345'", "15 digits"),
        ({"unit_grid": "44190010100100x"}, "unit_grid", "15 digits"),
        ({"unit_grid": True}, "unit_grid True", "text"),
        ({"community": ["a"]}, "community", "text"),
        ({"takeoffs": [[22.801, 113.805]]}, "latitude before its longitude", "lon, lat"),
        ({"takeoffs": [[113.9, 22.8]]}, "more than 5 km away", "in sight"),
        ({"takeoffs": [113.8, 22.8]}, "not positions", "list of"),
        ({"takeoffs": [[113.8, "22.8"]]}, "not positions", "list of"),
        ({"takeoffs": "113.8;22.8"}, "not positions", "list of"),
        ({"takeoffs": [[float("nan"), 22.8]]}, "km away", "in sight"),
    ],
)
def test_bad_properties_of_cells_are_refused(
    tmp_path: Path, properties: dict[str, Any], message: str, hint: str
) -> None:
    """Each with the cell that it is about."""
    with pytest.raises(AerialError, match=message) as caught:
        read_cells(geojson(tmp_path / "a.json", (SQUARE, {"id": "A1"} | properties)))
    assert "Cell A1" in str(caught.value)
    assert hint in caught.value.hint


def test_zones_of_several_files_carry_heights_and_approvals(tmp_path: Path) -> None:
    """An obstacle of unknown height stays one of unknown height."""
    first = geojson(
        tmp_path / "a.json",
        (SQUARE, {"kind": "obstacle", "name": "塔", "height_agl_m": 62, "height_m": 9}),
        (SQUARE, {"kind": "obstacle"}),
    )
    second = geojson(
        tmp_path / "b.json", (SQUARE, {"kind": "controlled", "floor_agl_m": 60.0, "approval": "2026-17"})
    )
    assert flight_zones([first, second]) == (
        Zone(kind="obstacle", outline=SQUARE, name="塔", height_agl_m=62.0),
        Zone(kind="obstacle", outline=SQUARE),
        Zone(kind="controlled", outline=SQUARE, floor_agl_m=60.0, approval="2026-17"),
    )
    assert flight_zones(second) == flight_zones([second])


@pytest.mark.parametrize("value", [-1, "62", float("nan"), float("inf"), True, [62]])
@pytest.mark.parametrize("key", ["height_agl_m", "floor_agl_m"])
def test_heights_of_zones_are_numbers_of_metres(tmp_path: Path, key: str, value: Any) -> None:
    """A height that is misread is an accident."""
    with pytest.raises(InputError, match=f"Zone 1 of .* {key}") as caught:
        flight_zones(geojson(tmp_path / "a.json", (SQUARE, {"kind": "obstacle", key: value})))
    assert "metres" in caught.value.hint


@pytest.mark.parametrize("shape", [Point(113.8, 22.8), LineString([(113.8, 22.8), (113.81, 22.8)])])
def test_a_mast_or_a_power_line_is_to_be_buffered(tmp_path: Path, shape: Any) -> None:
    """How far to keep from it is for a person to say."""
    with pytest.raises(InputError, match="not a polygon") as caught:
        flight_zones(geojson(tmp_path / "a.json", (shape, {"kind": "obstacle"})))
    assert "buffer" in caught.value.hint


def test_lines_are_lines(tmp_path: Path) -> None:
    """Of roads and rivers; polygons and files of nothing are refused."""
    road = LineString([(113.8, 22.8), (113.81, 22.8)])
    assert read_lines(geojson(tmp_path / "a.json", (road, {}))) == (road,)
    for parts, message in (((SQUARE, {}), "not a line"), (None, "holds no line")):
        with pytest.raises(InputError, match=message):
            read_lines(geojson(tmp_path / "b.json", *([parts] if parts else [])))
