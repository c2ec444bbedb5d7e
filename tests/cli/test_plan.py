"""``aerial plan flight`` as a planner types it: what is written, and what is refused."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from shapely.geometry import MultiPolygon, Polygon, box, mapping, shape
from tests.conftest import REPOSITORY

from aerial import geo
from aerial.geo import LonLat
from aerial.raster.grid import north_up
from aerial.raster.write import write_cog
from aerial_cli.main import run

HOME = LonLat(lon_deg=113.8, lat_deg=22.8)
FRAME = geo.local_frame(HOME)
SQUARE = box(-150, -150, 150, 150)


def write(path: Path, *parts: tuple[Polygon, dict[str, Any]]) -> Path:
    """Write polygons of the frame as GeoJSON."""
    features = [
        {
            "type": "Feature",
            "properties": properties,
            "geometry": mapping(geo.reproject(part, FRAME, geo.WGS84)),
        }
        for part, properties in parts
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), "utf-8")
    return path


def flight(tmp: Path, *more: str, area: Polygon = SQUARE, zones: Path | None = None) -> int:
    """Plan over ``area`` into ``tmp/out`` without a picture; return the exit code."""
    path = write(tmp / "area.geojson", (area, {}))
    given = ["--zones", str(zones)] if zones else []
    return run(
        ["plan", "flight", "--area", str(path), "--out", str(tmp / "out"), "--no-picture", *given, *more]
    )


def dem(path: Path, heights: Any, pixel_m: float = 10.0) -> Path:
    """Write heights = f(x, y of the frame) around the square as a GeoTIFF of EPSG:4547."""
    x0, y0 = geo.from_lonlat("EPSG:4547", HOME)
    grid = north_up("EPSG:4547", (x0 - 900, y0 - 900, x0 + 900, y0 + 900), pixel_m)
    row, column = np.mgrid[0 : grid.height_px, 0 : grid.width_px] + 0.5
    x, y = column * pixel_m - 900, 900 - row * pixel_m
    write_cog(path, grid, heights(x, y)[None].astype(np.float32), nodata=-9999.0)
    return path


def files(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def test_lines_are_line_strings_in_flight_order_with_the_properties_that_others_rely_on(
    tmp_path: Path,
) -> None:
    """lines.geojson holds lon, lat, height over take-off; kinds, sortie, seq, spacing, trigger distance."""
    assert flight(tmp_path, "--height-m", "100") == 0
    told = json.loads((tmp_path / "out" / "lines.geojson").read_text("utf-8"))
    plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    legs = told["features"]
    assert {leg["geometry"]["type"] for leg in legs} == {"LineString"}
    assert {leg["properties"]["kind"] for leg in legs} <= {"survey", "turn", "transit"}
    assert [leg["properties"]["seq"] for leg in legs] == list(range(1, len(legs) + 1))
    for before, after in pairwise(legs):
        assert before["geometry"]["coordinates"][-1] == after["geometry"]["coordinates"][0]
    for leg in legs:
        on = leg["properties"]["kind"] == "survey"
        assert leg["properties"]["line_spacing_m"] == plan["line_spacing_m"]
        assert (leg["properties"]["trigger_distance_m"] is not None) == on
        assert all(point[2] == 100.0 for point in leg["geometry"]["coordinates"])
    assert {"parameters", "totals", "findings"} <= set(plan)


def test_overlaps_are_percent_or_shares(tmp_path: Path) -> None:
    """80 70 and 0.8 0.7 give the same lines."""
    assert flight(tmp_path, "--height-m", "80", "--overlap", "80", "70") == 0
    percent = (tmp_path / "out" / "lines.geojson").read_bytes()
    assert flight(tmp_path, "--height-m", "80", "--overlap", "0.8", "0.7") == 0
    assert (tmp_path / "out" / "lines.geojson").read_bytes() == percent


def test_what_could_not_be_checked_stands_on_the_plan(tmp_path: Path) -> None:
    """Without zones, terrain and obstacles the plan says so, each in words of its own."""
    assert flight(tmp_path, "--height-m", "80") == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    told = " ".join(finding["message"] for finding in plan["findings"])
    for words in ("zones unchecked", "terrain unchecked", "obstacles unchecked"):
        assert words in told


def test_heights_follow_the_ground_and_stay_below_the_ceiling(tmp_path: Path) -> None:
    """On a slope of 15 % every point of the path is 100 to 120 m over the ground below it."""
    ground = dem(tmp_path / "dem.tif", lambda x, _: 50 + 0.15 * x)
    assert flight(tmp_path, "--height-m", "100", "--dem", str(ground), "--home", "113.8,22.8") == 0
    told = json.loads((tmp_path / "out" / "lines.geojson").read_text("utf-8"))
    points = np.array([p for leg in told["features"] for p in leg["geometry"]["coordinates"]])
    x, _ = geo.transform(geo.WGS84, FRAME, points[:, 0], points[:, 1])
    over = points[:, 2] - 0.15 * x
    assert over.min() >= 99.9
    assert over.max() <= 120


def test_the_way_home_clears_a_tower_of_the_surface_model(tmp_path: Path) -> None:
    """A tower of 60 m is cleared by 30 m on the straight ways home: the return height says so."""
    surface = dem(tmp_path / "dsm.tif", lambda x, y: np.where(np.hypot(x - 400, y) < 30, 60.0, 0.0))
    zones = write(
        tmp_path / "zones.geojson",
        (box(-100, -300, 800, 300), {"kind": "fence"}),
        (box(350, -50, 450, 50), {"kind": "no_fly"}),
    )
    asked = ("--height-m", "60", "--dsm", str(surface), "--home", "113.8,22.8")
    assert flight(tmp_path, *asked, area=box(500, -100, 700, 100), zones=zones) == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    assert all(90 <= sortie["return_height_m"] <= 92 for sortie in plan["sorties"])
    assert all(p["height_above_takeoff_m"] == 60 for p in plan["sorties"][0]["legs"][0]["path"])


def test_a_refused_plan_leaves_what_was_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plan that a check refuses exits 1 with a hint, and the older plan stays to the byte."""
    assert flight(tmp_path, "--height-m", "60") == 0
    before = files(tmp_path / "out")
    tower = write(tmp_path / "z.geojson", (box(-20, -20, 20, 20), {"kind": "obstacle", "height_agl_m": 50}))
    assert flight(tmp_path, "--height-m", "60", zones=tower) == 1
    told = capsys.readouterr().err
    assert "10.0 m over an obstacle" in told
    assert "Hint: Raise the flight" in told
    assert files(tmp_path / "out") == before


CONTROLLED = {"kind": "controlled", "name": "airport"}


@pytest.mark.parametrize(
    ("more", "zone", "says"),
    [
        (("--height-m", "130"), None, "more than 120 m of true height"),
        (("--height-m", "130", "--approval", " "), None, "approval without a number"),
        (("--height-m", "100"), {"kind": "no_fly"}, "cover the whole area"),
        (("--height-m", "100"), {"kind": "obstacle"}, "obstacle of unknown height"),
        (("--height-m", "100"), CONTROLLED, "without an approval"),
        (("--height-m", "100"), CONTROLLED | {"approval": "  "}, "without an approval"),
        (("--height-m", "100"), {}, "has no kind"),
        (("--height-m", "100", "--home", "113.9,22.8"), None, "take-off point lies outside"),
        (("--height-m", "100", "--wind", "30,0"), None, "too strong"),
        (("--height-m", "100", "--overlap", "99", "70"), None, "overlap of 99 %"),
        (("--gsd-cm", "0"), None, "cannot be flown"),
        (("--gsd-cm", "3", "--height-m", "100"), None, "one of them"),
        (("--height-m", "100", "--camera", "none"), None, "No aircraft that ships carries"),
        (("--height-m", "100", "--aircraft", "none"), None, "No aircraft is called"),
    ],
)
def test_what_cannot_be_flown_is_refused(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    zone: dict[str, Any] | None,
    says: str,
) -> None:
    """Exit code 1, a message that names the reason, a hint, no traceback, nothing written."""
    zones = None if zone is None else write(tmp_path / "z.geojson", (box(-400, -400, 400, 400), zone))
    assert flight(tmp_path, *more, zones=zones) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Hint: " in told
    assert not (tmp_path / "out" / "plan.json").exists()


def town(tmp: Path) -> Path:
    """Make a town of four cells in a row, one of them wholly in a no-fly zone."""
    cells = [(box(400 * k, 0, 400 * k + 300, 300), {"id": f"C{k}"}) for k in range(4)]
    run(
        [
            "init", str(tmp / "town"),
            "--area", str(write(tmp / "a.geojson", (box(-10, -10, 1600, 310), {}))),
            "--cells", str(write(tmp / "c.geojson", *cells)),
            "--zones", str(write(tmp / "z.geojson", (box(790, -10, 1110, 310), {"kind": "no_fly"}))),
        ]
    )  # fmt: skip
    return tmp / "town"


def test_one_refused_cell_does_not_keep_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three of four cells are planned, the fourth is named with its reason, and the exit code is 1."""
    asked = ["-C", str(town(tmp_path)), "plan", "flight", "--all", "--height-m", "100", "--no-picture"]
    assert run([*asked, "--workers", "1"]) == 1
    told = capsys.readouterr().err
    assert "C2: No-fly zones cover the whole area." in told
    assert "3 planned, 0 of them as before; 1 refused." in told
    assert sorted(path.parent.name for path in (tmp_path / "town" / "plans").glob("*/plan.json")) == [
        "C0", "C1", "C3",
    ]  # fmt: skip


def test_a_cell_that_has_not_changed_keeps_its_plan(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second run leaves every file as it was; another height plans again."""
    asked = ["-C", str(town(tmp_path)), "plan", "flight", "C0", "--no-picture"]
    assert run([*asked, "--height-m", "100"]) == 0
    folder = tmp_path / "town" / "plans" / "C0"
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert run([*asked, "--height-m", "100"]) == 0
    assert "1 planned, 1 of them as before" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    assert run([*asked, "--height-m", "80"]) == 0
    plan = json.loads((folder / "plan.json").read_text("utf-8"))
    assert plan["parameters"]["height_agl_m"] == 80
    assert shape(plan["area"][0]).is_valid


def test_two_workers_write_what_one_writes(tmp_path: Path) -> None:
    """The number of workers changes no byte of a plan."""
    asked = ["-C", str(town(tmp_path)), "plan", "flight", "C0", "C1", "--height-m", "100", "--no-picture"]
    assert run([*asked, "--workers", "2"]) == 0
    plans = tmp_path / "town" / "plans"
    both = {path.name: (path / "plan.json").read_bytes() for path in plans.iterdir()}
    for cell in ("C0", "C1"):
        (plans / cell / "plan.json").unlink()
    assert run([*asked, "--workers", "1"]) == 0
    assert {path.name: (path / "plan.json").read_bytes() for path in plans.iterdir()} == both


def test_an_area_shifted_to_gcj02_is_refused_in_the_town_that_knows_better(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A cell as a Chinese web map gives it is refused with the shift; as it is, it is planned."""
    folder = town(tmp_path)
    cell = geo.reproject(box(0, 0, 300, 300), FRAME, geo.WGS84)
    lon, lat = geo.to_gcj02(*np.array(cell.exterior.coords).T)
    shifted = geo.reproject(Polygon(np.column_stack([lon, lat])), geo.WGS84, FRAME)
    for area, code in ((shifted, 1), (box(0, 0, 300, 300), 0)):
        path = write(tmp_path / "one.geojson", (area, {}))
        asked = ["plan", "flight", "--area", str(path), "--height-m", "100", "--no-picture"]
        assert run(["-C", str(folder), *asked, "--out", str(tmp_path / "one")]) == code
    assert "GCJ-02" in capsys.readouterr().err


def test_an_aircraft_of_ones_own_is_found_again_by_check_and_export(tmp_path: Path) -> None:
    """A plan with a TOML file of the squad's own can be checked and exported with it."""
    shipped = (REPOSITORY / "flightplans" / "aircraft" / "holybro_x500_v2.toml").read_text("utf-8")
    own = tmp_path / "ours.toml"
    own.write_text(shipped, "utf-8")
    assert flight(tmp_path, "--height-m", "80", "--aircraft", str(own)) == 0
    assert run(["plan", "check", str(tmp_path / "out")]) == 0
    out = str(tmp_path / "card")
    asked = ["plan", "export", str(tmp_path / "out"), "--format", "waypoints", "--out", out]
    assert run([*asked, "--aircraft", str(own)]) == 0
    assert list((tmp_path / "card").glob("*.waypoints"))


def test_cells_and_all_of_them_at_once_are_a_wrong_usage(tmp_path: Path) -> None:
    """Named cells beside --all exit 2: one of both was not meant."""
    assert run(["-C", str(town(tmp_path)), "plan", "flight", "C0", "--all", "--height-m", "100"]) == 2
    assert not list((tmp_path / "town").glob("plans/*"))


def test_cells_do_not_overwrite_the_area_they_are_cut_from(tmp_path: Path) -> None:
    """--out that names the area exits 2, and the area stays to the byte."""
    area = write(tmp_path / "area.geojson", (SQUARE, {}))
    before = area.read_bytes()
    asked = ["--max-minutes", "15", "--aircraft", "dji_mavic3_enterprise", "--height-m", "100"]
    assert run(["plan", "cells", "--area", str(area), *asked, "--out", str(area)]) == 2
    assert area.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not readable JSON"),
        ('{"type": "FeatureCollection", "feat', "not readable JSON"),
        ('{"type": "FeatureCollection", "features": []}', "holds no polygon"),
        ('{"type": "Point", "coordinates": [113.8, 22.8]}', "is a Point"),
    ],
)
def test_an_area_that_is_none_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    """Empty, cut off, without a polygon, a point: each exits 1 with the reason and a hint."""
    path = tmp_path / "area.geojson"
    path.write_text(text, "utf-8")
    out = tmp_path / "out"
    assert run(["plan", "flight", "--area", str(path), "--height-m", "100", "--out", str(out)]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Hint: " in told
    assert not out.exists()


@pytest.mark.parametrize(
    ("ring", "says"),
    [
        ([(113.8, 22.8), (113.803, 22.803), (113.803, 22.8), (113.8, 22.803)], "Self-intersection"),
        ([(22.8, 113.8), (22.803, 113.8), (22.803, 113.803), (22.8, 113.803)], "latitudes before"),
        ([(179.99, 22), (-179.99, 22), (-179.99, 22.02), (179.99, 22.02)], "crosses 180 degrees"),
        ([(113, 22), (114, 22), (114, 23), (113, 23)], "a town has at most"),
    ],
)
def test_an_outline_that_cannot_be_meant_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], ring: list[tuple[float, float]], says: str
) -> None:
    """Self-crossing, swapped, over the antimeridian, 10 000 km2: each exits 1 with the reason and a hint."""
    path = tmp_path / "area.geojson"
    path.write_text(json.dumps(mapping(Polygon(ring))), "utf-8")
    asked = ["plan", "flight", "--area", str(path), "--height-m", "100", "--out", str(tmp_path / "out")]
    assert run(asked) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Hint: " in told


def test_a_sliver_a_speck_and_two_far_parts_are_planned(tmp_path: Path) -> None:
    """2 m by 1 km, 5 m by 5 m, and two squares 3 km apart are covered wholly."""
    two = MultiPolygon([box(0, 0, 100, 100), box(3000, 0, 3100, 100)])
    for area in (box(0, 0, 2, 1000), box(0, 0, 5, 5), two):
        assert flight(tmp_path, "--height-m", "100", area=area) == 0
        plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
        assert plan["totals"]["covered_share"] >= 0.9999


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"crs": None}, "no coordinate reference system"),
        ({"unit": "ft"}, "not in metres"),
        ({"hole": True}, "no height"),
        ({"away": True}, "lacks 100.0%"),
    ],
)
def test_a_terrain_model_that_does_not_tell_the_ground_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], says: str
) -> None:
    """Without a CRS, in feet, with a hole below the path, of another place: refused with a hint."""
    path = dem(tmp_path / "whole.tif", lambda x, y: 50 + 0.1 * x + 3 * np.sin(y / 40))
    with rasterio.open(path) as source:
        heights, profile = source.read(), source.profile
    if "hole" in change:
        heights[:, 85:95, 85:95] = -9999
    given = {key: profile[key] for key in ("width", "height", "count", "dtype", "transform", "nodata")}
    other = tmp_path / "other.tif"
    crs = change.get("crs", profile["crs"])
    with rasterio.open(other, "w", driver="GTiff", crs=crs, **given) as sink:
        sink.write(heights)
        if "unit" in change:
            sink.units = (change["unit"],)
    area = box(5000, 5000, 5300, 5300) if "away" in change else SQUARE
    assert flight(tmp_path, "--height-m", "100", "--dem", str(other), area=area) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "Hint: " in told
    assert not (tmp_path / "out").exists()


def test_an_approved_controlled_zone_is_flown(tmp_path: Path) -> None:
    """The number on the zone is what lets a flight in, and it stands in the findings."""
    zone = {"kind": "controlled", "name": "airport", "approval": "MH-7"}
    zones = write(tmp_path / "z.geojson", (box(-400, -400, 400, 400), zone))
    assert flight(tmp_path, "--height-m", "100", zones=zones) == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    assert any("approval MH-7" in finding["message"] for finding in plan["findings"])


def test_an_approval_lets_a_flight_above_the_ceiling(tmp_path: Path) -> None:
    """130 m with a number is planned, and the number stands in the findings."""
    assert flight(tmp_path, "--height-m", "130", "--approval", "MH-8") == 0
    plan = json.loads((tmp_path / "out" / "plan.json").read_text("utf-8"))
    assert any("approval MH-8" in finding["message"] for finding in plan["findings"])
