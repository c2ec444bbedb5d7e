"""The cheapest day of a crew when every cell pays for its visit, over a set that holds every real day.

A walk may come back to a cell, though not straight after the next one (q-routes without 2-cycles:
Christofides, Mingozzi and Toth 1981, Mathematical Programming 20, 255-282); time is counted in whole
bins, rounded down on each leg. Both only make the set larger, so that its cheapest walk costs no more
than the cheapest real day.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BINS = 640  # of a day: half a minute each where the day has five and a half hours
_NEVER = 1e15
_NOBODY, _HOME = -1, -2


@dataclass(frozen=True, slots=True, kw_only=True)
class Town:
    """The cells, and homes that differ.

    ``home_hn``: s to each cell; ``setup_h``: s to open a day; ``longest_h``: s that a day holds; ``days_h``
    of them.
    """

    travel_nn: Ints
    service_n: Ints
    home_hn: Ints
    setup_h: Ints
    longest_h: Ints
    days_h: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """A walk from home ``home`` and back: its cost in s, and how often it comes to each cell."""

    home: int
    cost: int
    times: dict[int, int]


class Pricer:
    """Labels of least cost for every time, home and last cell, by dynamic programming.

    ``near``: legs come from the so many nearest cells only; None: from every cell, which a proof needs.
    """

    def __init__(self, town: Town, near: int | None = None) -> None:
        self.town = town
        n, self.homes = len(town.service_n), len(town.setup_h)
        self.unit = max(int(town.longest_h.max()) // _BINS, 1)
        self.bins = int(town.longest_h.max()) // self.unit
        apart_nn = town.travel_nn + np.diag(np.full(n, 2**40))
        count = n - 1 if near is None else min(near, n - 1)
        self.from_nk = np.argsort(apart_nn, axis=1, kind="stable")[:, :count]
        self.cell_n1 = np.arange(n)[:, None]
        self.leg_nk = town.travel_nn[self.cell_n1, self.from_nk]
        self.step_nk = (self.leg_nk + town.service_n[:, None]) // self.unit
        self.start_hn = (town.home_hn + town.service_n) // self.unit
        self.last_hn = (town.longest_h[:, None] - town.home_hn) // self.unit

    def cheapest(self, pay_n: Floats, wanted: int) -> tuple[Floats, list[Walk]]:
        """Return the least of cost - pay of each home's walks, and the ``wanted`` best that gain."""
        n, shape = len(pay_n), (self.bins + 1, self.homes, len(pay_n))
        best, second = np.full(shape, _NEVER), np.full(shape, _NEVER)
        came, came_second = np.full(shape, _NOBODY), np.full(shape, _NOBODY)
        first_hn = self.town.home_hn - pay_n
        cost_nk = self.leg_nk - pay_n[:, None]
        base_hnk = (np.arange(self.homes)[:, None, None] - self.step_nk * self.homes) * n + self.from_nk
        flat_best, flat_second, flat_came = best.reshape(-1), second.reshape(-1), came.reshape(-1)
        settled = int(self.step_nk.max(initial=0))
        nobody = np.full((self.homes, n), _NEVER), np.full((self.homes, n), _NOBODY)
        for now in range(self.bins + 1):
            choices = [(np.where(self.start_hn == now, first_hn, _NEVER), np.full((self.homes, n), _HOME))]
            if self.from_nk.shape[1]:
                at = base_hnk + now * self.homes * n
                reached = np.where(
                    flat_came[np.maximum(at, 0)] == self.cell_n1,
                    flat_second[np.maximum(at, 0)],
                    flat_best[np.maximum(at, 0)],
                )
                reached += cost_nk
                if now < settled:
                    reached[at < 0] = _NEVER
                for _ in range(2):
                    pick = reached.argmin(axis=2)[..., None]
                    value = np.take_along_axis(reached, pick, 2)[..., 0]
                    choices.append((value, self.from_nk[np.arange(n), pick[..., 0]]))
                    np.put_along_axis(reached, pick, _NEVER, 2)
            else:
                choices += [nobody, nobody]
            (start, home), (one, one_from), (two, two_from) = choices
            lead = start <= one
            best[now], came[now] = np.where(lead, start, one), np.where(lead, home, one_from)
            behind = ~lead & (start < two)
            second[now] = np.where(lead, one, np.where(behind, start, two))
            came_second[now] = np.where(lead, one_from, np.where(behind, home, two_from))
        closed = best + (self.town.home_hn + self.town.setup_h[:, None])
        closed[np.arange(self.bins + 1)[:, None, None] > self.last_hn] = _NEVER
        ends_hn, value_hn = closed.argmin(axis=0), closed.min(axis=0)
        walks = [
            self._walk(home, last, int(ends_hn[home, last]), came, came_second)
            for home in range(self.homes)
            for last in np.argsort(value_hn[home], kind="stable")[:wanted].tolist()
            if value_hn[home, last] < -1e-3
        ]
        return value_hn.min(axis=1), walks

    def _walk(self, home: int, last: int, now: int, came: Ints, came_second: Ints) -> Walk:
        town, cell, use_second = self.town, last, False
        cost = int(town.setup_h[home] + town.home_hn[home, last])
        times: dict[int, int] = {}
        while True:
            times[cell] = times.get(cell, 0) + 1
            before = int((came_second if use_second else came)[now, home, cell])
            if before < 0:
                return Walk(home=home, cost=cost + int(town.home_hn[home, cell]), times=times)
            leg = int(town.travel_nn[before, cell])
            cost += leg
            now -= (leg + int(town.service_n[cell])) // self.unit
            use_second = int(came[now, home, before]) == cell
            cell = before
