"""Coverage: every point within half a spacing, nothing in a zone or outside the fence."""

import numpy as np
import pytest
import shapely
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shapely import affinity
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from aerial.errors import PlanError
from aerial.plan.cover import Cover, cover
from aerial.plan.decompose import pieces
from aerial.plan.lay import lay
from aerial.plan.patch import clip, patch
from aerial.plan.route import length_m

SLOW = settings(
    max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much]
)


@st.composite
def stars(draw: st.DrawFn) -> Polygon:
    """Return a simple polygon of 3 to 14 corners, 100 to 1200 m across, as its angles come."""
    count = draw(st.integers(3, 14))
    radius = draw(st.floats(60, 600))
    turns = [draw(st.floats(0.15, 1.0)) for _ in range(count)]
    reach = [draw(st.floats(0.3, 1.0)) for _ in range(count)]
    angles = np.cumsum(turns) / sum(turns) * 2 * np.pi
    return Polygon(np.column_stack([np.cos(angles), np.sin(angles)]) * (radius * np.array(reach))[:, None])


def shapes() -> st.SearchStrategy[Polygon]:
    """Return discs and turned rectangles of 10 to 150 m, up to 400 m off the middle."""
    at = st.tuples(st.floats(-400, 400), st.floats(-400, 400))
    size = st.tuples(st.floats(10, 150), st.floats(10, 150), st.floats(0, 180))

    def made(where: tuple[float, float], form: tuple[float, float, float], disc: bool) -> Polygon:
        if disc:
            return Point(where).buffer(form[0] / 2, quad_segs=6)
        return affinity.translate(affinity.rotate(box(0, 0, form[0], form[1]), form[2]), *where)

    return st.builds(made, at, size, st.booleans())


def check(
    found: Cover, area: BaseGeometry, spacing_m: float, no_fly: BaseGeometry, fence: BaseGeometry
) -> None:
    """Assert what every cover must hold, by means that are not the planner's."""
    lines = [line for tour in found.tours for line in tour.lines]
    seen = shapely.union_all(
        [LineString([line.start, line.end]).buffer(spacing_m / 2, quad_segs=64) for line in lines]
    )
    wanted = area.difference(no_fly).intersection(fence)
    missed = wanted.difference(seen).area / wanted.area
    assert missed <= found.uncovered + 1e-5
    path = shapely.union_all([LineString(leg.xy) for leg in found.legs])
    assert path.intersection(no_fly).length == 0
    assert path.difference(fence).length == 0
    for tour in found.tours:
        assert tour.out[0] == tour.takeoff
        assert tour.back[-1] == tour.takeoff
        ends = [tour.out[-1], *(p for line in tour.lines for p in (line.start, line.end)), tour.back[0]]
        ways = [tour.out[-1:], *tour.ways, tour.back[:1]]
        for (last, first), way in zip(zip(ends[::2], ends[1::2], strict=True), ways, strict=True):
            assert np.allclose(way[0], last, atol=1e-5)
            assert np.allclose(way[-1], first, atol=1e-5)


@given(stars(), st.floats(8, 60))
@SLOW
def test_any_simple_polygon_is_covered_inside_its_fence(area: Polygon, spacing_m: float) -> None:
    """All of a random polygon lies within half a spacing of a line; the path stays in the grown area."""
    found = cover(area, spacing_m=spacing_m)
    assert found.uncovered == 0
    check(found, area, spacing_m, MultiPolygon(), area.buffer(spacing_m, quad_segs=64))


@given(stars(), st.floats(15, 50), st.lists(shapes(), min_size=1, max_size=4))
@SLOW
def test_zones_are_left_out_and_flown_around(area: Polygon, spacing_m: float, zones: list[Polygon]) -> None:
    """With random no-fly zones the rest is covered but for corners that the margins close, never entered."""
    no_fly = shapely.union_all(zones)
    if area.difference(no_fly).area < 0.2 * area.area:
        return
    found = cover(area, spacing_m=spacing_m, no_fly=no_fly)
    assert found.uncovered < 0.02
    check(found, area, spacing_m, no_fly, area.buffer(spacing_m, quad_segs=64))


@given(stars(), st.floats(30, 60))
@settings(SLOW, max_examples=8)
def test_a_fence_at_the_border_is_kept_and_the_area_still_covered(area: Polygon, spacing_m: float) -> None:
    """Where the fence is the area itself, lines along the border cover what cut lines leave."""
    if area.buffer(-4).is_empty or not isinstance(area.buffer(-4), Polygon):
        return
    found = cover(area, spacing_m=spacing_m, fence=area)
    assert found.uncovered < 1e-3
    check(found, area, spacing_m, MultiPolygon(), area)


def test_holes_wider_than_two_spacings_are_not_crossed() -> None:
    """The fence, the area grown by one spacing, leaves the middle of a large hole outside."""
    hole = box(300, 300, 500, 600)
    area = Polygon(box(0, 0, 900, 900).exterior, [hole.exterior])
    found = cover(area, spacing_m=35)
    check(found, area, 35, MultiPolygon(), area.buffer(35, quad_segs=64))
    assert not any(LineString(leg.xy).intersects(hole.buffer(-36)) for leg in found.legs)


def test_a_square_takes_hardly_more_than_the_bound_of_one_direction() -> None:
    """Survey and turns over a turned square of 20 lines are within 3 % of A / s + W - s."""
    area = affinity.rotate(box(0, 0, 690, 690), 27)
    found = cover(area, spacing_m=35)
    flown = sum(tour.survey_m + tour.off_lines_m for tour in found.tours)
    assert flown <= 1.03 * (area.area / 35 + 690 - 35)


def test_a_zone_that_cuts_the_ground_in_two_gives_two_tours() -> None:
    """No way leads across: each side has its own tour, and both take-off points are told as chosen."""
    area = box(0, 0, 900, 900)
    river = affinity.rotate(box(-400, 400, 1400, 500), 15)
    found = cover(area, spacing_m=35, no_fly=river)
    assert len(found.tours) == len(found.chosen_takeoffs) == 2
    check(found, area, 35, river, area.buffer(35, quad_segs=64))


def test_an_odd_number_of_long_lines_is_flown_and_left_from_the_far_side() -> None:
    """41 lines of 2.5 km from a take-off point at one end of them: the way back spans the field."""
    found = cover(box(0, 0, 2500, 1430), spacing_m=35, takeoffs=[(-10.0, 0.0)], direction_rad=0.0)
    (tour,) = found.tours
    assert len(tour.lines) == 41
    assert length_m(tour.back) > 2500


def test_no_line_is_flown_again_for_ground_that_no_line_reaches() -> None:
    """A tip that the margin closes stays uncovered and told; the lines beside it are not added each round."""
    area = Polygon([(0, 0), (150, 0), (290, 170), (150, 200), (0, 200)])
    found = cover(area, spacing_m=20, fence=area, no_fly=Point(75, 100).buffer(70, quad_segs=6))
    assert found.uncovered > 1e-5
    lines = [LineString([line.start, line.end]).normalize() for tour in found.tours for line in tour.lines]
    assert len({tuple(np.round(shapely.get_coordinates(line), 1).ravel()) for line in lines}) == len(lines)


def test_ground_far_from_free_ground_gets_no_lines() -> None:
    """What lies past a fence that halves the area is told, and adds one line along the fence, not more."""
    target, free = MultiPolygon([box(0, 0, 200, 40)]), MultiPolygon([box(0, 0, 100, 40)])
    lines, _ = clip(lay(target, 0.0, 19.0), free)
    found = patch(target, free, lines, 20.0)
    added = [LineString([line.start, line.end]) for line in found.lines[len(lines) :]]
    assert found.uncovered == pytest.approx(0.45, abs=1e-3)
    assert [round(line.length) for line in added] == [40]
    assert patch(target, free, found.lines, 20.0).lines == found.lines


def test_take_off_points_serve_the_part_that_they_lie_in() -> None:
    """A point given on one side of a river is that side's take-off; the other side's is chosen."""
    river = box(-400, 400, 1400, 500)
    found = cover(box(0, 0, 900, 900), spacing_m=35, no_fly=river, takeoffs=[(450.0, 700.0)])
    assert [tour.takeoff for tour in found.tours if tour.takeoff == (450.0, 700.0)]
    assert len(found.chosen_takeoffs) == 1
    assert found.chosen_takeoffs[0][1] < 400


def test_concave_areas_are_flown_in_pieces_of_their_own_direction_where_that_pays() -> None:
    """The two arms of an L of unlike directions become two pieces along their own long sides."""
    area = Polygon([(0, 0), (1200, 0), (1200, 200), (200, 200), (200, 1200), (0, 1200)])
    found = pieces(MultiPolygon([area]), 35, 60)
    assert sorted(round(np.degrees(angle)) % 180 for _, angle in found) == [0, 90]
    assert sum(piece.area for piece, _ in found) == pytest.approx(area.area)


def test_ways_between_lines_are_no_longer_than_a_zigzag() -> None:
    """On a plain rectangle the turns add up to one spacing each."""
    area = box(0, 0, 600, 350)
    (tour,) = cover(area, spacing_m=35).tours
    assert sum(length_m(way) for way in tour.ways) <= (len(tour.lines) - 1) * 35.01


def test_lines_of_any_direction_cover_by_themselves() -> None:
    """Bands at 20 directions over a concave area leave nothing, whatever the direction."""
    area = Polygon([(0, 0), (300, 40), (500, 0), (450, 300), (260, 120), (40, 310)])
    for angle in np.linspace(0, np.pi, 20):
        lines = lay(area, float(angle), 30)
        seen = shapely.union_all([LineString([x.start, x.end]).buffer(15, quad_segs=64) for x in lines])
        assert area.difference(seen).area < 0.001 * 30


@pytest.mark.parametrize(
    ("area", "fence", "no_fly", "takeoffs", "says"),
    [
        (box(0, 0, 100, 100), None, box(-10, -10, 110, 110), (), "whole area"),
        (box(0, 0, 100, 100), box(500, 0, 600, 100), None, (), "outside the fence"),
        (box(0, 0, 100, 100), None, None, ((400.0, 0.0),), "take-off point lies outside"),
        (box(0, 0, 2e5, 1e5), None, None, (), "20000 km2"),
    ],
)
def test_what_cannot_be_flown_is_refused_with_a_hint(
    area: Polygon,
    fence: Polygon | None,
    no_fly: Polygon | None,
    takeoffs: tuple[tuple[float, float], ...],
    says: str,
) -> None:
    """Nothing left, a fence elsewhere, a take-off outside, too large: a message that says it, and a hint."""
    with pytest.raises(PlanError, match=says) as error:
        cover(area, spacing_m=30, fence=fence, no_fly=no_fly, takeoffs=takeoffs)
    assert error.value.hint
