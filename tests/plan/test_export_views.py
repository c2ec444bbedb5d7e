"""What people and other programs look at: GeoJSON, KML, CSV."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from tests.plan.samples import plans, sample_plan

from aerial.autopilots.triggers import trigger_points
from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.geojson import Line, read_geojson, write_geojson
from aerial.plan.export.kml import kml_plan, read_kml, write_kml
from aerial.plan.export.photos_csv import read_photos_csv, write_photos_csv
from aerial.records import PathPoint, Plan


def lines_of(plan: Plan) -> tuple[Line, ...]:
    """Return what the GeoJSON has to say, rounded as documented."""
    return tuple(
        Line(
            kind=leg.kind,
            sortie=sortie.number,
            seq=seq,
            line=leg.line,
            line_spacing_m=round(plan.line_spacing_m, 3),
            trigger_distance_m=None if leg.trigger_distance_m is None else round(leg.trigger_distance_m, 3),
            path=tuple(
                PathPoint(
                    at=LonLat(lon_deg=round(point.at.lon_deg, 8), lat_deg=round(point.at.lat_deg, 8)),
                    height_above_takeoff_m=round(point.height_above_takeoff_m, 3),
                )
                for point in leg.path
            ),
        )
        for sortie in plan.sorties
        for seq, leg in enumerate(sortie.legs, start=1)
    )


@settings(max_examples=30, deadline=None)
@given(plans())
def test_views_say_exactly_the_plan(tmp_path_factory: pytest.TempPathFactory, plan: Plan) -> None:
    """GeoJSON, KML and CSV come back as they were to be written, whatever the cell is called."""
    folder = tmp_path_factory.mktemp("v")
    write_geojson(plan, folder / "lines.geojson")
    assert read_geojson(folder / "lines.geojson") == lines_of(plan)
    write_kml(plan, folder / "a.kml")
    assert read_kml(folder / "a.kml") == kml_plan(plan)
    write_photos_csv(plan, folder / "a.csv")
    assert read_photos_csv(folder / "a.csv") == trigger_points(plan)


def test_the_geojson_is_the_contract(tmp_path: Path) -> None:
    """LineStrings of lon, lat, height over take-off in order; the named properties; null where it is off."""
    path = tmp_path / "lines.geojson"
    write_geojson(sample_plan(lines=2, sorties=1), path)
    data = json.loads(path.read_text())
    assert data["type"] == "FeatureCollection"
    assert [feature["properties"]["kind"] for feature in data["features"]] == [
        "transit",
        "survey",
        "turn",
        "survey",
        "transit",
    ]
    survey, turn = data["features"][1], data["features"][2]
    assert survey["properties"] == {
        "kind": "survey",
        "sortie": 1,
        "seq": 2,
        "line": 0,
        "line_spacing_m": 30.0,
        "trigger_distance_m": 15.0,
    }
    assert turn["properties"]["trigger_distance_m"] is None
    assert turn["properties"]["line"] is None
    lon, lat, height = survey["geometry"]["coordinates"][0]
    assert (round(lon, 2), round(lat, 2), height) == (113.8, 22.8, 100.0)
    assert survey["geometry"]["coordinates"][-1] == turn["geometry"]["coordinates"][0]


def test_kml_lines_stand_over_the_ground_only_where_it_is_flat(tmp_path: Path) -> None:
    """Heights over take-off are not heights over hilly ground, so those lines are laid on it."""
    for relief, mode in ((0.0, "relativeToGround"), (25.0, "clampToGround")):
        write_kml(sample_plan(relief_m=relief, hole=True), tmp_path / "a.kml")
        text = (tmp_path / "a.kml").read_text()
        assert mode in text
        assert text.count("altitudeMode") == 2 * text.count("<LineString>")
        assert "innerBoundaryIs" in text


def test_broken_views_are_refused(tmp_path: Path) -> None:
    """Another head, a missing property, a doctype and a bad number end in a message."""
    path = tmp_path / "a"
    plan = sample_plan()
    path.write_text("lon,lat\n1,2\n")
    with pytest.raises(InputError, match="does not begin with"):
        read_photos_csv(path)
    write_photos_csv(plan, path)
    path.write_text(path.read_text().replace("113.", "x"))
    with pytest.raises(InputError, match="does not list"):
        read_photos_csv(path)
    write_geojson(plan, path)
    path.write_text(path.read_text().replace('"seq"', '"no"'))
    with pytest.raises(InputError, match="does not hold the lines"):
        read_geojson(path)
    write_kml(plan, path)
    path.write_text('<!DOCTYPE kml SYSTEM "file:///etc/passwd">' + path.read_text().split("\n", 1)[1])
    with pytest.raises(InputError, match="document type"):
        read_kml(path)


def test_a_course_of_almost_360_stays_below_it() -> None:
    """Yaw is 0 to 360, 360 not included, after rounding too."""
    plan = sample_plan(turned_deg=359.9999)
    yaws = {shot.yaw_deg for shot in trigger_points(plan)}
    assert all(0 <= yaw < 360 for yaw in yaws)
    assert {round(yaw / 180) % 2 for yaw in yaws} == {0, 1}
    assert trigger_points(replace(plan, sorties=())) == ()
