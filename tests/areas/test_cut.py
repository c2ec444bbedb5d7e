"""Cells cut from an area."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import STRtree, unary_union
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from tests.areas.made import roads

from aerial import geo
from aerial.areas import Cell, Feature, area_within, cut_cells, read_cells, write_features
from aerial.errors import InputError


def star(lon: float, lat: float, radius_deg: float, seed: int, hole: bool) -> Polygon:
    """Return a concave polygon around a position, with a hole in its middle if asked."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 2 * np.pi, int(rng.integers(5, 40)), endpoint=False)
    reach = radius_deg * rng.uniform(0.45, 1.0, len(angles))
    ring = np.column_stack([lon + reach * np.cos(angles), lat + reach * np.sin(angles)])
    return Polygon(ring, [Point(lon, lat).buffer(radius_deg * 0.2).exterior.coords] if hole else [])


def require_partition(cells: tuple[Cell, ...], area: Polygon | MultiPolygon) -> None:
    """Fail unless the cells are the area, none over another, to the millimetre of the file."""
    outlines = [cell.outline for cell in cells]
    one, other = STRtree(outlines).query(outlines, predicate="overlaps")
    assert not len(one), [(cells[i].id, cells[j].id) for i, j in zip(one, other, strict=True)]
    whole = unary_union(outlines)
    assert sum(outline.area for outline in outlines) == pytest.approx(whole.area, rel=1e-9)
    assert whole.hausdorff_distance(area) < 2e-8
    assert whole.symmetric_difference(area).area < 1e-8 * area.length


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from([(113.8, 22.8), (87.6, 43.8), (25.0, 65.0)]),
    st.floats(0.002, 0.03),
    st.integers(0, 10_000),
    st.booleans(),
    st.integers(0, 6),
    st.integers(1, 60),
)
def test_cells_are_an_exact_partition_within_the_limit(
    place: tuple[float, float], radius_deg: float, seed: int, hole: bool, count: int, parts: int
) -> None:
    """Concave, with a hole, with natural lines, at any latitude; each has its take-off point inside."""
    area = star(*place, radius_deg, seed, hole)
    limit_m2 = geo.area_m2(area) / parts
    cells = cut_cells(
        Feature(outline=area, properties={}),
        max_area_m2=limit_m2,
        lines=roads(*place, radius_deg, count, seed),
    )
    require_partition(cells, area)
    assert max(geo.area_m2(cell.outline) for cell in cells) <= limit_m2
    for cell in cells:
        assert isinstance(cell.outline, Polygon)
        assert cell.outline.is_valid
        assert cell.outline.contains(Point(cell.takeoffs[0].lon_deg, cell.takeoffs[0].lat_deg))


def test_what_is_written_is_still_a_partition(tmp_path: Path) -> None:
    """The file rounds to a millimetre, and the borders of neighbours round alike."""
    area = star(113.8, 22.8, 0.02, 7, hole=True)
    cells = cut_cells(
        Feature(outline=area, properties={}), max_area_m2=150_000, lines=roads(113.8, 22.8, 0.02, 5, 7)
    )
    write_features(tmp_path / "cells.geojson", cells)
    again = read_cells(tmp_path / "cells.geojson")
    require_partition(again, area)
    assert [cell.id for cell in again] == [cell.id for cell in cells]
    assert np.allclose(
        [(p.lon_deg, p.lat_deg) for c in again for p in c.takeoffs],
        [(p.lon_deg, p.lat_deg) for c in cells for p in c.takeoffs],
        atol=1e-8,
    )


def test_a_square_is_cut_into_near_squares_of_one_size() -> None:
    """4 km x 3 km into flights of 25 ha: 49 cells or a few more, none longer than twice its width."""
    frame = geo.local_frame(geo.LonLat(lon_deg=113.8, lat_deg=22.8))
    area = geo.reproject(box(-2000, -1500, 2000, 1500), frame, geo.WGS84)
    cells = cut_cells(Feature(outline=area, properties={}), max_area_m2=250_000)
    assert 48 < len(cells) <= 52
    sizes = [geo.area_m2(cell.outline) for cell in cells]
    assert min(sizes) > 0.9 * max(sizes)
    for cell in cells:
        corners = np.array(
            geo.reproject(cell.outline, geo.WGS84, frame).minimum_rotated_rectangle.exterior.coords
        )
        sides = np.hypot(*np.diff(corners, axis=0).T)
        assert max(sides) < 2 * min(sides)


def test_cells_part_along_natural_lines_and_start_beside_them() -> None:
    """Two roads make four blocks of one flight each; every take-off point is within 15 m of a road."""
    area = box(113.80, 22.80, 113.81, 22.81)
    cross = [
        LineString([(113.8046, 22.79), (113.8046, 22.82)]),
        LineString([(113.79, 22.8053), (113.82, 22.8053)]),
    ]
    cells = cut_cells(Feature(outline=area, properties={}), max_area_m2=400_000, lines=cross)
    assert len(cells) == 4
    borders = unary_union([cell.outline.boundary for cell in cells])
    inside = unary_union(cross).intersection(area)
    assert inside.difference(borders.buffer(1e-7)).length == 0
    for cell in cells:
        at = Point(cell.takeoffs[0].lon_deg, cell.takeoffs[0].lat_deg)
        assert unary_union(cross).distance(at) < 15 / 100_000


def test_strips_between_two_carriageways_join_a_neighbour() -> None:
    """A road drawn as two lines 12 m apart makes no cell of 12 m width."""
    area = box(113.80, 22.80, 113.82, 22.81)
    double = [LineString([(x, 22.79), (x, 22.82)]) for x in (113.81, 113.81012)]
    cells = cut_cells(Feature(outline=area, properties={}), max_area_m2=1_300_000, lines=double)
    assert len(cells) == 2


def test_ids_run_in_rows_from_the_north_west() -> None:
    """C001 is the north-western one, the last the south-eastern one, and a second run gives the same."""
    area = Feature(outline=box(113.80, 22.80, 113.82, 22.81), properties={})
    cells = cut_cells(area, max_area_m2=300_000, prefix="CA-")
    assert [cell.id for cell in cells] == [f"CA-{n:03d}" for n in range(1, len(cells) + 1)]
    first, last = cells[0].outline.centroid, cells[-1].outline.centroid
    assert first.x < 113.81 < last.x
    assert first.y > 22.805 > last.y
    assert cut_cells(area, max_area_m2=300_000, prefix="CA-") == cells


def test_islands_are_cells_of_their_own() -> None:
    """A cell is one polygon: what no border joins is not flown together."""
    islands = MultiPolygon([box(113.80, 22.80, 113.81, 22.81), box(113.82, 22.80, 113.823, 22.803)])
    cells = cut_cells(Feature(outline=islands, properties={}), max_area_m2=5e6)
    assert len(cells) == 2
    require_partition(cells, islands)


@pytest.mark.parametrize("limit_m2", [0.0, -1.0, float("nan"), float("inf"), 1.0])
def test_an_impossible_limit_is_refused(limit_m2: float) -> None:
    """No area, and an area that would make a million cells."""
    with pytest.raises(InputError) as caught:
        cut_cells(Feature(outline=box(113.8, 22.8, 113.81, 22.81), properties={}), max_area_m2=limit_m2)
    assert caught.value.hint


def test_an_id_prefix_that_cannot_be_in_a_folder_is_refused() -> None:
    """Ids name folders."""
    with pytest.raises(InputError, match="cannot begin"):
        cut_cells(
            Feature(outline=box(113.8, 22.8, 113.81, 22.81), properties={}), max_area_m2=1e6, prefix="../"
        )


@given(st.floats(60, 3000), st.floats(5, 200), st.floats(1, 15), st.floats(0, 20))
def test_the_area_of_a_flight_takes_just_its_endurance(
    endurance_s: float, spacing_m: float, speed_m_s: float, turn_s: float
) -> None:
    """Lines, turns and the way there and home over the square add up to the time given."""
    side_m = area_within(endurance_s, spacing_m, speed_m_s, turn_s) ** 0.5
    lines = side_m / spacing_m
    took_s = lines * (side_m + spacing_m) / speed_m_s + lines * turn_s + side_m / speed_m_s
    assert took_s == pytest.approx(endurance_s)
