"""The order of lines: whole lines, the same each time, no worse than the obvious orders."""

from itertools import pairwise, permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aerial.plan import join
from aerial.plan.lines import Line

Floats = np.ndarray


@st.composite
def lines(draw: st.DrawFn, least: int = 1, most: int = 12) -> list[Line]:
    """Return lines anywhere in a square kilometre."""
    place = st.tuples(st.floats(0, 1000), st.floats(0, 1000))
    return [Line(start=draw(place), end=draw(place)) for _ in range(draw(st.integers(least, most)))]


def straight(some: list[Line]) -> Floats:
    """Return straight distances between the ends of lines."""
    ends_N2 = join.ends_of(some)
    return np.linalg.norm(ends_N2[:, None] - ends_N2[None], axis=-1)


def away(some: list[Line]) -> Floats:
    """Return straight distances from (0, 0) to the ends of lines."""
    return np.linalg.norm(join.ends_of(some), axis=1)


def least_of_all(some: list[Line], between: Floats, home: Floats) -> float:
    """Return the metres of the best of all orders and directions, by trying them."""
    best = np.inf
    for numbers in permutations(range(len(some))):
        for flips in product((0, 1), repeat=len(some)):
            ends = [(2 * n + f, 2 * n + 1 - f) for n, f in zip(numbers, flips, strict=True)]
            ways = sum(between[a[1], b[0]] for a, b in pairwise(ends))
            best = min(best, home[ends[0][0]] + ways + home[ends[-1][1]])
    return float(best)


@given(lines(most=30), st.booleans())
@settings(max_examples=25, deadline=None, derandomize=True)
def test_every_line_is_flown_once_and_whole(some: list[Line], from_home: bool) -> None:
    """An order holds every end once, both ends of a line together, with a take-off point and without."""
    found = join.order(some, straight(some), away(some) if from_home else None)
    assert sorted(found) == list(range(2 * len(some)))
    assert all(a // 2 == b // 2 for a, b in zip(found[::2], found[1::2], strict=True))


@given(lines(least=3, most=30))
@settings(max_examples=15, deadline=None, derandomize=True)
def test_an_order_is_no_longer_than_a_zigzag_or_the_nearest_next(some: list[Line]) -> None:
    """The four zigzags over the lines as laid, and always flying to the nearest end, are never shorter."""
    between, home = straight(some), away(some)
    found = join.cost(join.order(some, between, home), between, home)
    at, left, nearest = int(np.argmin(home)), set(range(len(some))), 0.0
    nearest += home[at]
    while True:
        left.remove(at // 2)
        at ^= 1
        if not left:
            break
        after = min((end for n in left for end in (2 * n, 2 * n + 1)), key=lambda end: between[at, end])
        nearest, at = nearest + between[at, after], after
    nearest += home[at]
    zigzags = [join.cost(join.sweep(some, between, first), between, home) for first in range(4)]
    assert found <= min(nearest, *zigzags) + 1e-6


def test_the_same_lines_give_the_same_order() -> None:
    """Twice solved is the same permutation: repeats of a plan fly the same path."""
    rng = np.random.default_rng(7)
    some = [Line(start=tuple(a), end=tuple(b)) for a, b in rng.uniform(0, 1000, (40, 2, 2))]
    between, home = straight(some), away(some)
    assert join.order(some, between, home) == join.order(some, between, home)


@pytest.mark.parametrize("seed", range(12))
def test_few_lines_are_flown_in_the_best_of_all_orders(seed: int) -> None:
    """Three to five lines anywhere, with a take-off point: within 1 cm a way of what trying all finds."""
    rng = np.random.default_rng(seed)
    some = [Line(start=tuple(a), end=tuple(b)) for a, b in rng.uniform(0, 1000, (3 + seed % 3, 2, 2))]
    between, home = straight(some), away(some)
    found = join.cost(join.order(some, between, home), between, home)
    assert found == pytest.approx(least_of_all(some, between, home), abs=0.01 * (len(some) + 1))


@given(lines(least=1, most=4))
@settings(max_examples=20, deadline=None, derandomize=True)
def test_no_order_is_shorter_than_the_least_metres(some: list[Line]) -> None:
    """The bound by which orders are not looked for is below the best order of all, lines included."""
    flown = sum(float(np.hypot(*np.subtract(line.end, line.start))) for line in some)
    best = flown + least_of_all(some, straight(some), np.zeros(2 * len(some)))
    assert join.least_m(some) <= best + 1e-6


def test_an_order_counts_on_the_ways_that_are_given() -> None:
    """Two ends that are near as the crow flies and far by the way around a zone are not flown in a row."""
    some = [Line(start=(0.0, y), end=(100.0, y)) for y in (0.0, 10.0, 20.0)]
    between = straight(some)
    between[1, 3] = between[3, 1] = 900.0
    found = join.order(some, between)
    assert (1, 3) not in set(pairwise(found))
    assert (3, 1) not in set(pairwise(found))
