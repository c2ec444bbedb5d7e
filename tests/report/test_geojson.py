"""Suspects in GeoJSON."""

import json
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import geopandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from aerial.errors import InputError
from aerial.records import FileRef, LonLat, Suspect
from aerial.report.geojson import read_suspects, suspects_to_collection, write_suspects


def suspect(outline: Polygon, height_change_m: float | None = 3.2) -> Suspect:
    """A suspect with every field set."""
    at = outline.representative_point()
    return Suspect(
        key="k1",
        pair="2026-01-01-1__2026-01-15-1",
        kind="new",
        outline=outline,
        at=LonLat(lon_deg=at.x, lat_deg=at.y),
        error_m=None,
        area_m2=48.5,
        height_change_m=height_change_m,
        score=0.9,
        model_sha256="ab" * 32,
        chips=(FileRef(path="chips/k1_before.jpg", sha256="cd" * 32),),
        zones=("permit:2026-17",),
        reason="height and pictures",
        probability=0.71,
        building_before=0.04,
        building_after=0.93,
        height_noise_m=0.16,
    )


SQUARE = Polygon([(113.8, 22.8), (113.8, 22.8001), (113.8001, 22.8001), (113.8001, 22.8)])  # clockwise


def test_exterior_rings_run_counter_clockwise_as_rfc_7946_asks() -> None:
    """A clockwise outline is written counter-clockwise."""
    ring = suspects_to_collection([suspect(SQUARE)])["features"][0]["geometry"]["coordinates"][0]
    twice_area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in pairwise(ring))
    assert twice_area > 0


def test_unknown_values_are_null_and_context_is_added(tmp_path: Path) -> None:
    """None becomes null, and the context stands in each feature's properties."""
    write_suspects(tmp_path / "s.geojson", [suspect(SQUARE, None)], {"cell": "C01"})
    properties = json.loads((tmp_path / "s.geojson").read_text())["features"][0]["properties"]
    assert (properties["height_change_m"], properties["error_m"], properties["cell"]) == (None, None, "C01")


@given(
    st.floats(-179, 179), st.floats(-80, 80), st.floats(2e-5, 1e-3), st.one_of(st.none(), st.floats(-50, 50))
)
def test_what_is_written_reads_back_within_a_millimetre(
    lon: float, lat: float, size: float, height: float | None
) -> None:
    """Every field survives the round trip, positions to 1e-8 degrees."""
    square = Polygon([(lon, lat), (lon + size, lat), (lon + size, lat + size), (lon, lat + size)])
    before = suspect(square, height)
    features = suspects_to_collection([before])
    with TemporaryDirectory() as folder:
        path = Path(folder) / "s.geojson"
        path.write_text(json.dumps(features))
        (after,) = read_suspects(path)
    assert before.outline.hausdorff_distance(after.outline) < 1e-8
    assert (before.key, before.kind, before.height_change_m, before.chips, before.zones) == (
        after.key,
        after.kind,
        after.height_change_m,
        after.chips,
        after.zones,
    )


def test_geopandas_opens_the_file_in_wgs_84(tmp_path: Path) -> None:
    """An officer's GIS reads the polygons with their CRS."""
    write_suspects(tmp_path / "s.geojson", [suspect(SQUARE)])
    frame = geopandas.read_file(tmp_path / "s.geojson")
    assert frame.crs.to_epsg() == 4326
    assert SQUARE.equals_exact(frame.geometry[0].normalize(), 1e-6) or frame.geometry[0].equals(SQUARE)


@pytest.mark.parametrize("text", ["", "[]", '{"type":"FeatureCollection","features":[{}]}', "{"])
def test_a_broken_file_is_refused_with_a_hint(tmp_path: Path, text: str) -> None:
    """What is no list of suspects is named, not half read."""
    (tmp_path / "s.geojson").write_text(text)
    with pytest.raises(InputError) as caught:
        read_suspects(tmp_path / "s.geojson")
    assert caught.value.hint


def test_files_of_earlier_versions_are_read_without_their_evidence(tmp_path: Path) -> None:
    """A feature without reason and probabilities is a suspect whose evidence is unknown."""
    collection = suspects_to_collection([suspect(SQUARE)])
    for name in ("reason", "probability", "building_before", "building_after", "height_noise_m", "zones"):
        del collection["features"][0]["properties"][name]
    (tmp_path / "s.geojson").write_text(json.dumps(collection))
    (found,) = read_suspects(tmp_path / "s.geojson")
    assert (found.reason, found.probability, found.height_noise_m) == (None, None, None)
    assert found.score == 0.9
