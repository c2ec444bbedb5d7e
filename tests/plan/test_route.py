"""Shortest ways around what may not be flown over."""

import math
from itertools import combinations

import numpy as np
import pytest
from shapely.geometry import LineString, MultiPolygon, Point, Polygon, box

from aerial.plan.route import Router, length_m

ROOM = box(0, 0, 400, 400)
BLOCK = box(100, 100, 300, 200)
AROUND = Router(ROOM.difference(BLOCK))


def test_the_way_around_a_rectangle_goes_by_its_corners() -> None:
    """From below the block to above it, the shorter side is taken, at the length that Pythagoras gives."""
    way = AROUND.way((150.0, 50.0), (150.0, 250.0))
    assert way == ((150.0, 50.0), (100.0, 100.0), (100.0, 200.0), (150.0, 250.0))
    assert length_m(way) == pytest.approx(100 + 2 * 50 * math.sqrt(2))


def test_a_free_straight_way_is_straight() -> None:
    """Points that see each other are joined by nothing but their ends, along the very border too."""
    assert AROUND.way((0.0, 0.0), (400.0, 50.0)) == ((0.0, 0.0), (400.0, 50.0))
    assert AROUND.way((100.0, 100.0), (300.0, 100.0)) == ((100.0, 100.0), (300.0, 100.0))


def test_there_is_no_way_between_parts_of_ground_that_do_not_touch() -> None:
    """Across a river that spans the ground there is None, and the distance is infinite."""
    parted = Router(MultiPolygon([box(0, 0, 100, 40), box(0, 60, 100, 100)]))
    assert parted.way((50.0, 20.0), (50.0, 80.0)) is None
    between = parted.distances(np.array([[50.0, 20.0], [10.0, 10.0], [50.0, 80.0]]))
    assert between[0, 1] == pytest.approx(math.hypot(40, 10))
    assert np.isinf(between[[0, 1], 2]).all()


def test_a_way_leaves_a_bay_around_its_tip() -> None:
    """Between the arms of a U the way bends at the two inner corners of its bay."""
    bay = Router(Polygon([(0, 0), (90, 0), (90, 100), (60, 100), (60, 30), (30, 30), (30, 100), (0, 100)]))
    way = bay.way((30.0, 100.0), (60.0, 100.0))
    assert way == ((30.0, 100.0), (30.0, 30.0), (60.0, 30.0), (60.0, 100.0))


@pytest.mark.parametrize("count", [8, 90])
def test_distances_are_the_lengths_of_the_ways(count: int) -> None:
    """Few points exactly; of many never shorter, exact for the nearest; no way enters the block."""
    rng = np.random.default_rng(count)
    places = [(x, y) for x, y in rng.uniform(0, 400, (count, 2)).tolist() if not BLOCK.covers(Point(x, y))]
    between = AROUND.distances(np.array(places))
    assert np.allclose(between, between.T)
    apart = np.linalg.norm(np.array(places)[:, None] - np.array(places)[None], axis=-1)
    near = np.argsort(apart, axis=1)[:, :30]
    bent = 0
    for a, b in combinations(range(len(places)), 2):
        way = AROUND.way(places[a], places[b])
        assert way is not None
        assert LineString(way).intersection(BLOCK.buffer(-1e-5)).is_empty
        assert length_m(way) - 1e-6 <= between[a, b] <= 1.1 * length_m(way)
        if b in near[a]:
            assert between[a, b] == pytest.approx(length_m(way), abs=1e-6)
        bent += len(way) > 2
    assert bent


def test_in_a_field_without_corners_every_way_is_straight() -> None:
    """80 ends of long lines: those of the far side are reached though none is among the nearest."""
    ends = np.array([(x, y) for y in np.arange(40) * 35.0 for x in (0.0, 4000.0)])
    between = Router(box(0, 0, 4000, 1400)).distances(ends)
    assert np.allclose(between, np.linalg.norm(ends[:, None] - ends[None], axis=-1), atol=1e-8)
