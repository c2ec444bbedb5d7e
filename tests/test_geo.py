"""Positions, metric frames and the CRS guard."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from aerial import geo
from aerial.errors import CrsError, InputError
from aerial.geo import LonLat


@pytest.mark.parametrize(
    ("lon", "lat", "crs"),
    [
        (113.8, 22.8, "EPSG:4547"),  # Dongguan: central meridian 114 E
        (121.5, 31.2, "EPSG:4549"),  # Shanghai: 120 E
        (75.0, 39.5, "EPSG:4534"),
        (-98.1, 30.2, "EPSG:32614"),
        (-74.05, 4.7, "EPSG:32618"),
        (36.8, -1.3, "EPSG:32737"),
        (180.0, 10.0, "EPSG:32601"),
    ],
)
def test_the_metric_crs_is_the_local_zone(lon: float, lat: float, crs: str) -> None:
    """China gets its Gauss-Krueger zone, other places their UTM zone."""
    assert crs == geo.metric_crs_at(LonLat(lon_deg=lon, lat_deg=lat))


@given(st.floats(74, 135), st.floats(18.5, 53))
def test_positions_survive_the_metric_crs_to_a_tenth_of_a_millimetre(lon: float, lat: float) -> None:
    """To the zone and back moves a point by less than 1e-9 degrees."""
    crs = geo.metric_crs_at(LonLat(lon_deg=lon, lat_deg=lat))
    x, y = geo.from_lonlat(crs, LonLat(lon_deg=lon, lat_deg=lat))
    back = geo.to_lonlat(crs, x, y)
    assert abs(back.lon_deg - lon) < 1e-9
    assert abs(back.lat_deg - lat) < 1e-9


def test_x_is_east_although_the_authority_says_north_first() -> None:
    """EPSG:4547 defines north, east; x grows to the east all the same."""
    x0, y0 = geo.from_lonlat("EPSG:4547", LonLat(lon_deg=113.8, lat_deg=22.8))
    x1, y1 = geo.from_lonlat("EPSG:4547", LonLat(lon_deg=113.801, lat_deg=22.8))
    assert 100 < x1 - x0 < 105
    assert abs(y1 - y0) < 1
    assert 479_000 < x0 < 480_000


def test_web_mercator_and_degrees_are_not_metric() -> None:
    """Areas of EPSG:3857 are 17.7 % too large in Dongguan, so it does not count as metric."""
    assert [
        geo.is_metric(crs) for crs in ("EPSG:4547", "EPSG:32614", "EPSG:3857", "EPSG:4326", "EPSG:2277")
    ] == [True, True, False, False, False]


def test_metres_per_unit_show_the_scale_of_web_mercator_and_of_degrees() -> None:
    """At 22.8 degrees north a Web Mercator metre is 0.922 m, a degree of latitude about 110.7 km."""
    x, y = geo.from_lonlat("EPSG:3857", LonLat(lon_deg=113.8, lat_deg=22.8))
    assert pytest.approx(geo.metres_per_unit("EPSG:3857", x, y), abs=6e-3) == (0.9224, 0.917)
    assert pytest.approx(geo.metres_per_unit("EPSG:4326", 113.8, 22.8)[1], abs=100) == 110_750


def test_mixing_two_crs_is_refused_and_the_twin_is_not() -> None:
    """Different CRSs do not mix; one CRS under two texts does."""
    with pytest.raises(CrsError, match="EPSG:4547 and EPSG:4326"):
        geo.require_same_crs("EPSG:4547", "EPSG:4326")
    geo.require_same_crs("EPSG:4326", "OGC:CRS84")


def test_nonsense_is_refused_with_a_hint() -> None:
    """A CRS that is none, a position off the Earth and NaN are named."""
    with pytest.raises(CrsError, match="not a coordinate"):
        geo.is_metric("EPSG:999999")
    for lon, lat in [(22.8, 113.8), (float("nan"), 0.0)]:
        with pytest.raises(InputError, match="not a position") as caught:
            LonLat(lon_deg=lon, lat_deg=lat)
        assert "longitude first" in caught.value.hint


def test_reprojected_area_is_the_area_on_the_ground() -> None:
    """A square of 1e-3 degrees in Dongguan is 11 364 m2 within a hundredth of a percent per mille."""
    square = Polygon([(113.8, 22.8), (113.801, 22.8), (113.801, 22.801), (113.8, 22.801)])
    area = geo.reproject(square, geo.WGS84, "EPSG:4547").area
    mx, my = geo.metres_per_unit(geo.WGS84, 113.8005, 22.8005)
    assert mx * my * 1e-6 == pytest.approx(area, rel=1e-4)


def test_a_point_without_image_is_refused() -> None:
    """A transform that gives infinity raises instead of returning it."""
    with pytest.raises(CrsError, match="outside the reach"):
        geo.transform(geo.WGS84, "EPSG:32650", np.array([27.0]), np.array([0.0]))


def test_the_unit_of_heights_is_that_of_the_vertical_crs() -> None:
    """NAVD88 in US survey feet, EGM96 in metres, a plane CRS without heights."""
    assert geo.height_unit_m("EPSG:4326+6360") == pytest.approx(0.3048006)
    assert geo.height_unit_m("EPSG:4326+5773") == 1.0
    assert geo.height_unit_m("EPSG:4547") is None


@pytest.mark.parametrize("text", ["\n# EPSG:4547\n", "not a CRS\n1 2 3\n"])
def test_a_table_without_a_crs_is_refused(tmp_path: Path, text: str) -> None:
    """Remarks alone, or a first line that names no CRS: refused with the hint that the caller gives."""
    path = tmp_path / "table.txt"
    path.write_text(text)
    with pytest.raises(CrsError) as caught:
        geo.read_table(path, hint="Begin with a CRS.")
    assert caught.value.hint == "Begin with a CRS."
