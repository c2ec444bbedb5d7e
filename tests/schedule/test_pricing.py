"""The cheapest walk is no dearer than the cheapest day."""

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from aerial.schedule.pricing import Pricer, Town


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 5))
def test_no_real_day_costs_less_than_the_cheapest_walk(seed: int, count: int) -> None:
    """Against every order of every set of cells, the day just as long as one of them needs."""
    rng = np.random.default_rng(seed)
    xy = rng.integers(0, 1500, (count + 1, 2))
    way = np.ceil(np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))).astype(np.int64)
    service = rng.integers(300, 2500, count)
    pay = rng.uniform(0, 3000, count)
    orders = [order for size in range(1, count + 1) for order in itertools.permutations(range(count), size)]

    def travel(order: tuple[int, ...]) -> int:
        ring = [count, *order, count]
        return int(sum(way[a, b] for a, b in itertools.pairwise(ring)))

    lengths = [travel(order) + int(service[list(order)].sum()) for order in orders]
    full = [n for n, order in enumerate(orders) if len(order) == count]
    longest = lengths[full[int(rng.integers(len(full)))]]
    costs = [
        travel(order) + 600 - pay[list(order)].sum()
        for order, length in zip(orders, lengths, strict=True)
        if length <= longest
    ]
    town = Town(
        travel_nn=way[:count, :count],
        service_n=service,
        home_hn=way[None, count, :count],
        setup_h=np.array([600]),
        longest_h=np.array([longest]),
        days_h=np.array([3]),
    )
    cost_h, walks = Pricer(town).cheapest(pay, 5)
    assert cost_h[0] <= min(costs) + 1e-6
    for walk in walks:
        worth = sum(times * pay[cell] for cell, times in walk.times.items())
        assert walk.cost - worth >= cost_h[0] - 1e-6
        if max(walk.times.values()) == 1:
            assert walk.cost in {travel(order) + 600 for order in orders if set(order) == set(walk.times)}
    # With so few cells a walk rarely gains by coming back, so that the bound is near.
    assert not walks or min(walk.cost - sum(t * pay[c] for c, t in walk.times.items()) for walk in walks) < 0
