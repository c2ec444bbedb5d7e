"""The shortest order of one day's visits, exactly."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from ortools.sat.python import cp_model

Ints = NDArray[np.int64]

# Of CP-SAT's own clock, which does not depend on the machine; days of 20 stops need a tenth of it.
_DETERMINISTIC_S = 2.0


def shortest_order(travel_NN: Ints, home: int, stops: Sequence[int]) -> tuple[int, ...]:
    """Return ``stops`` in the order of least travel from ``home`` and back.

    Proven for the lengths of a day; where the proof takes too long, no worse than as given.
    """
    if len(stops) < 3:
        return tuple(stops)
    nodes = [home, *stops]
    size = len(nodes)
    model = cp_model.CpModel()
    arcs, costs = [], []
    for a in range(size):
        for b in range(size):
            if a != b:
                used = model.new_bool_var("")
                arcs.append((a, b, used))
                costs.append(int(travel_NN[nodes[a], nodes[b]]) * used)
                model.add_hint(used, b == (a + 1) % size)
    model.add_circuit(arcs)
    model.minimize(sum(costs))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 0
    solver.parameters.max_deterministic_time = _DETERMINISTIC_S
    status = solver.solve(model)
    given = way(travel_NN, home, stops)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE) or solver.objective_value > given:
        return tuple(stops)
    after = {a: b for a, b, used in arcs if solver.boolean_value(used)}
    order, node = [], after[0]
    while node != 0:
        order.append(nodes[node])
        node = after[node]
    # A ring has two directions of one length: the one is kept that begins as given, so that a
    # repeated schedule reads the same.
    if order[-1] in stops and stops.index(order[-1]) < stops.index(order[0]):
        order.reverse()
    return tuple(order)


def way(travel_NN: Ints, home: int, stops: Sequence[int]) -> int:
    """Return the seconds of travel from ``home`` over ``stops`` and back."""
    ring = [home, *stops, home]
    return int(sum(travel_NN[a, b] for a, b in pairwise(ring)))
