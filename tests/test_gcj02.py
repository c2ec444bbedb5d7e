"""GCJ-02 beside two public libraries, and the one link that holds it."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import eviltransform
import numpy as np
import prcoords
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aerial import geo
from aerial.features import navigation_link
from aerial.geo import LonLat

M_PER_DEG = 111_000.0
RNG = np.random.default_rng(20260518)
# Dongguan and what lies around it.
LON_N, LAT_N = RNG.uniform(113.5, 114.3, 5000), RNG.uniform(22.6, 23.2, 5000)


def farthest_m(a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray]) -> float:
    """Return the largest distance between positions given as longitudes and latitudes."""
    return float(np.hypot((a[0] - b[0]) * np.cos(np.radians(a[1])), a[1] - b[1]).max() * M_PER_DEG)


def listed(
    call: Callable[[float, float], Any], lon_N: np.ndarray, lat_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return longitudes and latitudes of a function of (lat, lon) that returns (lat, lon), called each."""
    places = zip(lon_N, lat_N, strict=True)
    pairs = np.array([tuple(call(float(lat), float(lon)))[:2] for lon, lat in places])
    return pairs[:, 1], pairs[:, 0]


def prcoords_shift(lat: float, lon: float) -> tuple[float, float]:
    """Return what prcoords shifts a place to."""
    return prcoords.wgs_gcj(prcoords.Coords(lat, lon))


@pytest.fixture
def same_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let eviltransform count with the semi-major axis that prcoords and the descriptions name.

    It has that of WGS 84 instead, 6378137 m, which is 11 mm of the shift.
    """
    monkeypatch.setattr(eviltransform, "earthR", 6378245.0)


def test_the_shift_is_that_of_prcoords_and_of_eviltransform_but_for_its_axis() -> None:
    """5000 places around Dongguan: to 0.1 mm of the one, to 11 mm of the other."""
    ours = geo.to_gcj02(LON_N, LAT_N)
    assert farthest_m(ours, listed(prcoords_shift, LON_N, LAT_N)) < 1e-4
    assert farthest_m(ours, listed(eviltransform.wgs2gcj, LON_N, LAT_N)) < 0.011
    shift_m = np.hypot((ours[0] - LON_N) * np.cos(np.radians(LAT_N)), ours[1] - LAT_N) * M_PER_DEG
    assert 560 < shift_m.min() < shift_m.max() < 640


@pytest.mark.usefixtures("same_axis")
def test_with_one_axis_eviltransform_says_the_same() -> None:
    """To 0.1 mm: the series and the ellipsoid's shape agree."""
    ours = geo.to_gcj02(LON_N, LAT_N)
    assert farthest_m(ours, listed(eviltransform.wgs2gcj, LON_N, LAT_N)) < 1e-4


@pytest.mark.usefixtures("same_axis")
@pytest.mark.parametrize("shift", [eviltransform.wgs2gcj, prcoords_shift])
def test_what_either_library_shifted_comes_back_to_2_mm(shift: Callable[[float, float], Any]) -> None:
    """5000 places around Dongguan."""
    assert farthest_m(geo.from_gcj02(*listed(shift, LON_N, LAT_N)), (LON_N, LAT_N)) <= 0.002


def test_the_iterated_inverse_of_prcoords_says_the_same() -> None:
    """To 2 mm, beside one step of it, which is metres off."""
    gcj = geo.to_gcj02(LON_N[:500], LAT_N[:500])
    ours = geo.from_gcj02(*gcj)
    theirs = listed(lambda lat, lon: prcoords.gcj_wgs_bored(prcoords.Coords(lat, lon)), *gcj)
    assert farthest_m(ours, theirs) <= 0.002
    one_step = listed(lambda lat, lon: prcoords.gcj_wgs(prcoords.Coords(lat, lon)), *gcj)
    assert farthest_m(ours, one_step) > 0.5


@given(st.floats(73.6, 134.7), st.floats(18.2, 53.5))
def test_the_inverse_holds_all_over_china(lon: float, lat: float) -> None:
    """To 2 mm, from Sanya to Mohe."""
    gcj = geo.to_gcj02(np.array([lon]), np.array([lat]))
    assert farthest_m(geo.from_gcj02(*gcj), (np.array([lon]), np.array([lat]))) <= 0.002


def test_abroad_nothing_is_shifted() -> None:
    """In Singapore GCJ-02 and WGS 84 are the same numbers."""
    lon_N, lat_N = np.array([103.85, 139.7]), np.array([-1.29, 35.7])
    assert np.array_equal(geo.to_gcj02(lon_N, lat_N), (lon_N, lat_N))


def test_a_navigation_link_leads_to_the_shifted_place() -> None:
    """AMap takes GCJ-02: eviltransform brings its position back to within 0.2 m of the true one."""
    at = LonLat(lon_deg=113.80, lat_deg=22.81)
    link = navigation_link(at, "疑似新增违建 s1-1")
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "uri.amap.com", "/navigation")
    lon, lat, name = parse_qs(parts.query)["to"][0].split(",")
    assert name == "疑似新增违建 s1-1"
    true_lat, true_lon = eviltransform.gcj2wgs_exact(float(lat), float(lon))
    assert (
        farthest_m(
            (np.array([true_lon]), np.array([true_lat])), (np.array([at.lon_deg]), np.array([at.lat_deg]))
        )
        < 0.2
    )


@pytest.mark.parametrize("name", ["a,114,22", "a&to=1,2,b", "a#b", "a\nb", "</a><script>", "x" * 500])
def test_a_name_cannot_change_the_destination(name: str) -> None:
    """Commas, ampersands, fragments, line ends and markup stay inside the name, or go."""
    link = navigation_link(LonLat(lon_deg=113.80, lat_deg=22.81), name)
    fields = parse_qs(urlsplit(link).query)
    (to,) = fields["to"]
    assert to.startswith("113.80")
    assert to.count(",") == 2
    assert set(fields) == {"to", "mode", "policy", "src", "callnative"}
    assert not set(link) & set("<> \n\"'")
    assert len(link) < 400
