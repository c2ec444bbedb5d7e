"""Lines of one direction, and what they would cost."""

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from aerial.plan.lay import best_direction, directions, estimate, lay, turned
from aerial.plan.lines import Line

SLOW = settings(max_examples=30, deadline=None, derandomize=True)


@st.composite
def holed(draw: st.DrawFn) -> Polygon | MultiPolygon:
    """Return a star of 3 to 14 corners, up to three holes in it, in parts where the holes cut it."""
    count = draw(st.integers(3, 14))
    radius = draw(st.floats(50, 600))
    angles = np.cumsum([draw(st.floats(0.2, 1.0)) for _ in range(count)])
    reach = np.array([draw(st.floats(0.3, 1.0)) for _ in range(count)]) * radius
    angles *= 2 * np.pi / angles[-1]
    area = Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * reach[:, None])
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.floats(-0.5, 0.5)) * radius, draw(st.floats(-0.5, 0.5)) * radius
        area = area.difference(Point(at).buffer(draw(st.floats(2, 80)), quad_segs=draw(st.integers(1, 6))))
    return area


def seen(lines: tuple[Line, ...], spacing_m: float) -> shapely.Geometry:
    """Return the ground within half a spacing of lines."""
    strings = [LineString([line.start, line.end]) for line in lines]
    return shapely.union_all(shapely.buffer(strings, spacing_m / 2, quad_segs=64))


@given(holed(), st.floats(0, np.pi), st.floats(6, 80))
@SLOW
def test_lines_cover_any_polygon_in_any_direction(
    area: Polygon | MultiPolygon, angle: float, spacing_m: float
) -> None:
    """Concave, with holes, in parts: nothing lies further than half a spacing from a line."""
    if area.area < 100:
        return
    missed = area.difference(seen(lay(area, angle, spacing_m), spacing_m))
    # The round ends that are measured with are polygons of 256 corners.
    assert missed.area <= 1e-4 * area.area


@given(holed(), st.floats(0, np.pi), st.floats(6, 80))
@SLOW
def test_lines_run_in_the_direction_and_no_further_apart_than_asked(
    area: Polygon | MultiPolygon, angle: float, spacing_m: float
) -> None:
    """Every line has the direction; rows begin half a spacing from the side and step one at most."""
    if area.is_empty:
        return
    ends_N22 = np.array([(line.start, line.end) for line in lay(area, angle, spacing_m)])
    along_N2 = turned(ends_N22.reshape(-1, 2), angle).reshape(-1, 2, 2)
    assert np.allclose(along_N2[:, 0, 1], along_N2[:, 1, 1], atol=1e-6)
    assert (along_N2[:, 1, 0] > along_N2[:, 0, 0]).all()
    rows = np.unique(np.round(along_N2[:, 0, 1], 5))
    side = turned(shapely.get_coordinates(area), angle)[:, 1]
    assert rows[0] - side.min() <= spacing_m / 2 + 1e-4
    assert side.max() - rows[-1] <= spacing_m / 2 + 1e-4
    if isinstance(area, Polygon):
        assert (np.diff(rows) <= spacing_m + 1e-4).all()


def test_a_line_stops_where_its_round_end_sees_the_rest() -> None:
    """A lone disc of the spacing's width needs a point, and a half-disc cap as much less line."""
    (point,) = lay(Point(0, 0).buffer(9.99), 0.0, 20.0)
    assert np.hypot(*np.subtract(point.end, point.start)) <= 1.0
    capsule = LineString([(0, 0), (200, 0)]).buffer(10 * (1 - 1e-9), quad_segs=64)
    (line,) = lay(capsule, 0.0, 20.0)
    assert np.hypot(*np.subtract(line.end, line.start)) == pytest.approx(200, abs=1.0)


def test_a_rectangle_takes_the_lines_that_its_width_holds() -> None:
    """100 m across at 20 m are five lines of the whole length, 10 m from the sides."""
    lines = lay(box(0, 0, 300, 100), 0.0, 20.0)
    assert [line.start[1] for line in lines] == pytest.approx([10, 30, 50, 70, 90])
    assert all(line.start[0] == pytest.approx(0) and line.end[0] == pytest.approx(300) for line in lines)


def test_a_hole_parts_a_line_only_where_it_is_wider_than_a_turn_is_worth() -> None:
    """A gap of half a spacing is flown through; one of three spacings makes two lines of the row."""
    area = box(0, 0, 300, 20)
    assert len(lay(area.difference(box(150, -5, 160, 25)), 0.0, 20.0)) == 1
    assert len(lay(area.difference(box(120, -5, 180, 25)), 0.0, 20.0)) == 2


def test_an_estimate_is_close_to_what_the_lines_cost() -> None:
    """On a turned rectangle of 20 lines the estimate is within 5 % of the metres laid, turns included."""
    area = affinity.rotate(box(0, 0, 900, 700), 31)
    for degrees in (31, 121, 60):
        lines = lay(area, np.radians(degrees), 35.0)
        metres = sum(float(np.hypot(*np.subtract(line.end, line.start))) for line in lines)
        told = estimate(area, np.radians(degrees), 35.0, 50.0)
        assert told == pytest.approx(metres + 50.0 * len(lines), rel=0.05)


def test_the_best_direction_of_a_rectangle_is_along_it() -> None:
    """Turned by 31 degrees, 600 by 200 m is flown along the long side."""
    cost, angle = best_direction(affinity.rotate(box(0, 0, 600, 200), 31), 35.0, 50.0)
    assert np.degrees(angle) == pytest.approx(31, abs=0.01)
    assert cost == pytest.approx(estimate(affinity.rotate(box(0, 0, 600, 200), 31), angle, 35.0, 50.0))


def test_directions_worth_trying_are_those_of_the_edges_and_of_the_hull() -> None:
    """A triangle with a notch has its three sides, the two of the notch, none twice; the longest first."""
    area = Polygon([(0, 0), (300, 0), (300, 400), (150, 60)])
    tried = np.degrees(directions([area], most=24))
    hull = [0.0, 90.0, np.degrees(np.arctan2(400, 300))]
    notch = [np.degrees(np.arctan2(340, 150)), np.degrees(np.arctan2(60, 150))]
    assert sorted(tried) == pytest.approx(sorted(hull + notch))
    # Edges of the hull count twice: as its own and as the polygon's.
    assert np.degrees(directions([area], most=2)) == pytest.approx([90.0, 0.0])
