"""The order in which lines are flown: a travelling salesman over the ends of the lines.

Every line is two cities that must follow each other; the ways between ends are the routed ones, so
an order never counts on flying through a zone. Solved by OR-Tools' routing with Lin-Kernighan and
Or-opt moves, from the better of a sweep and a greedy start; the result is deterministic.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ortools.constraint_solver import pywrapcp, routing_enums_pb2

from aerial.plan.lines import Line

Floats = NDArray[np.float64]
_SCALE = 100  # centimetres: routing counts in whole numbers
_FAR_M = 1e6


def reverse(line: Line) -> Line:
    """Return a line flown the other way."""
    return Line(start=line.end, end=line.start)


def ends_of(lines: Sequence[Line]) -> Floats:
    """Return the ends of lines, shape (2 N, 2): start and end of the first, of the second, ..."""
    return np.array([point for line in lines for point in (line.start, line.end)]).reshape(-1, 2)


def least_m(lines: Sequence[Line]) -> float:
    """Return metres that no order of the lines is shorter than, ways between them included."""
    if not lines:
        return 0.0
    ends_N2 = ends_of(lines)
    flown = float(np.linalg.norm(ends_N2[1::2] - ends_N2[::2], axis=1).sum())
    return flown + _near_m(np.linalg.norm(ends_N2[:, None] - ends_N2[None], axis=-1))


def _near_m(between_NN: Floats) -> float:
    """Return metres that the ways of no order are shorter than.

    Every end but two has one way, no shorter than to the nearest end of another line.
    """
    if len(between_NN) <= 2:
        return 0.0
    line_N = np.arange(len(between_NN)) // 2
    nearest_N = np.where(line_N[:, None] == line_N[None], np.inf, between_NN).min(axis=1)
    return float(np.sort(nearest_N)[:-2].sum() / 2)


def order(lines: Sequence[Line], between_NN: Floats, home_N: Floats | None = None) -> list[int]:
    """Return the order of line ends, a permutation of 0..2N-1, entry and exit of each line in turn.

    ``between_NN``: metres between ends as in ``ends_of``; ``home_N``: from the take-off point to each,
    None: the tour may begin and end anywhere.
    """
    away_N = np.zeros(2 * len(lines)) if home_N is None else home_N
    starts = [sweep(lines, between_NN, first) for first in range(4)]
    starts.append(_greedy(between_NN, away_N))
    best = min(starts, key=lambda tour: cost(tour, between_NN, away_N))
    if len(lines) <= 2 or _near_bound(best, between_NN):
        return best
    return min(best, _solved(best, between_NN, away_N), key=lambda tour: cost(tour, between_NN, away_N))


def cost(tour: Sequence[int], between_NN: Floats, away_N: Floats) -> float:
    """Return the metres of a tour off the lines, from home and back."""
    index = np.asarray(tour)
    return float(away_N[index[0]] + away_N[index[-1]] + between_NN[index[1:-1:2], index[2::2]].sum())


def sweep(lines: Sequence[Line], between_NN: Floats, first: int) -> list[int]:
    """Return the zigzag over the lines as they were laid; ``first`` chooses the corner, 0 to 3."""
    numbers = range(len(lines)) if first < 2 else range(len(lines) - 1, -1, -1)
    tour: list[int] = []
    for number in numbers:
        a, b = 2 * number, 2 * number + 1
        flip = between_NN[tour[-1], b] < between_NN[tour[-1], a] if tour else first % 2 == 1
        tour += [b, a] if flip else [a, b]
    return tour


def _greedy(between_NN: Floats, away_N: Floats) -> list[int]:
    open_N = np.ones(len(away_N), bool)
    at = int(np.argmin(away_N))
    tour: list[int] = []
    while True:
        tour += [at, at ^ 1]
        open_N[[at, at ^ 1]] = False
        if not open_N.any():
            return tour
        at = int(np.argmin(np.where(open_N, between_NN[at ^ 1], np.inf)))


def _near_bound(tour: Sequence[int], between_NN: Floats) -> bool:
    """Tell whether the ways of a tour are within 2 % of what any order needs."""
    index = np.asarray(tour)
    return bool(between_NN[index[1:-1:2], index[2::2]].sum() <= 1.02 * _near_m(between_NN))


def _solved(start: Sequence[int], between_NN: Floats, away_N: Floats) -> list[int]:
    """Return the tour that OR-Tools finds from ``start``: ends are cities, the depot is the last."""
    n = len(away_N)
    whole = np.zeros((n + 1, n + 1))
    whole[:n, :n] = np.where(np.isfinite(between_NN), between_NN, _FAR_M)
    whole[n, :n] = whole[:n, n] = np.where(np.isfinite(away_N), away_N, _FAR_M)
    # The two ends of a line are bound together by a gain that no detour outweighs.
    bound = float(whole.max()) * 4 + 1
    whole += bound
    pairs = np.arange(0, n, 2)
    whole[pairs, pairs + 1] = whole[pairs + 1, pairs] = 0.0
    whole = np.round(whole * _SCALE).astype(np.int64)
    np.fill_diagonal(whole, 0)

    manager = pywrapcp.RoutingIndexManager(n + 1, 1, n)
    routing = pywrapcp.RoutingModel(manager)
    transit = routing.RegisterTransitMatrix(whole.tolist())
    routing.SetArcCostEvaluatorOfAllVehicles(transit)
    parameters = pywrapcp.DefaultRoutingSearchParameters()
    parameters.local_search_operators.use_lin_kernighan = 3  # BOOL_TRUE
    parameters.local_search_operators.use_tsp_opt = 3
    # Greedy descent ends in a local optimum, whatever the clock says; the limit is for a broken machine.
    parameters.local_search_metaheuristic = routing_enums_pb2.LocalSearchMetaheuristic.GREEDY_DESCENT
    parameters.time_limit.seconds = 60
    routing.CloseModelWithParameters(parameters)
    first = routing.ReadAssignmentFromRoutes([list(start)], True)
    found = routing.SolveFromAssignmentWithParameters(first, parameters)
    if found is None:
        return list(start)
    tour: list[int] = []
    at = found.Value(routing.NextVar(routing.Start(0)))
    while not routing.IsEnd(at):
        tour.append(manager.IndexToNode(at))
        at = found.Value(routing.NextVar(at))
    whole_lines = all(a ^ 1 == b for a, b in zip(tour[::2], tour[1::2], strict=True))
    return tour if whole_lines else list(start)
