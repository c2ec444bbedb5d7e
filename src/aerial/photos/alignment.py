"""Two series of moments laid over each other: photographs by the camera's clock, shots by the vehicle's.

The camera's clock is off by an amount that is constant but for jumps (a time zone, a sync) and a slow
drift. Every monotone way of pairing is worth something: so much for each pair, less for a pair whose
times fit badly, less for each jump. Dynamic programming finds the best way and, for every photograph
and shot, the best way through that pair, so that "nothing else fits" is computed and not hoped for.

The worths are log-likelihoods, roughly: a shot without a photograph that meets a photograph without a
shot happens once in e^16 pairs, a clock that jumps by just any amount once in e^24.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aerial.records.record import record

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

PAIR = 16.0
JUMP = 24.0
# A photograph where the log is known to lack one: there is a shot for it, without a time.
UNLOGGED = 12.0
# A pair that fits badly costs at most this: beyond, the photograph might as well be another's.
_MOST_COST = 7.0
# What the times of shutter and log record wander, rounding to steps included.
_WANDER_S = 0.15
STEP_S = 0.05
_DRIFT_STEP = 2.5  # of worth, for each step that the clock drifts between two photographs
# A lost shot keeps that share of the usual interval from its neighbours. Longer holes are unknown land.
_KEEP, _MOST_INTERVAL_S, _MOST_LOST = 0.3, 30.0, 20
_MOST_BYTES = 600_000_000
_MOST_CLOCKS = 8_000_000
_FIRST_SLACK = 8
_NEVER = np.float32(-1e9)


class TooLargeError(Exception):
    """The two series are so long and so unlike that they cannot be compared in bounded memory."""


@record
class Alignment:
    """The best way: ``shot_N`` of each photograph (-1: none), and by how much it beats all others.

    ``unlogged_N``: the photograph is one of the shots that the log is known to lack.
    ``sooner_N``, ``later_N``: worth lost by the best way that gives the photograph a sooner or later shot,
    or one at all. ``rival_N``: the shot of the better of the two; -1: none, or one that the log lacks.
    ``stretch_N``: number of the stretch of one clock that the photograph's pair belongs to, -1: none.
    ``stretch_leads``: worth lost by leaving out a whole stretch, one jump less with it.
    """

    shot_N: Ints
    unlogged_N: NDArray[np.bool_]
    sooner_N: Floats
    later_N: Floats
    rival_N: Ints
    stretch_N: Ints
    stretch_leads: tuple[float, ...]


@record
class _Series:
    """Photographs and shots in whole steps; a lost shot has a time from ``low`` to ``high`` only.

    ``shot_C``: the number of the shot in the log, -1 for a lost one; ``hole_C``: lost ones of one hole are
    alike. ``cost_B``: what a pair costs whose times differ by -H..H steps.
    """

    photo_N: Ints
    low_C: Ints
    high_C: Ints
    shot_C: Ints
    hole_C: Ints
    cost_B: Singles

    def backwards(self) -> "_Series":
        """Return both series from the end, times counted back."""
        last = self.high_C.max()
        return _Series(
            photo_N=(self.photo_N[-1] - self.photo_N)[::-1],
            low_C=(last - self.high_C)[::-1],
            high_C=(last - self.low_C)[::-1],
            shot_C=self.shot_C[::-1],
            hole_C=self.hole_C[::-1],
            cost_B=self.cost_B,
        )


def align(photo_s_N: Floats, shot_s_M: Floats, resolution_s: float, lost_M: Ints | None = None) -> Alignment:
    """Return the best pairing of photographs and shots, both in order, times in seconds.

    ``resolution_s``: of the photographs' stamps. ``lost_M``: how many shots the log is known to lack
    behind each.

    Raises:
        TooLargeError: see there.
    """
    cost_B = _costs(resolution_s)
    photo_N, shot_M = _in_steps(photo_s_N, shot_s_M, len(cost_B))
    series = _series(photo_N, shot_M, cost_B, np.zeros(len(shot_M), np.int64) if lost_M is None else lost_M)
    n, m = len(photo_N), len(series.shot_C)
    slack = _FIRST_SLACK
    while True:
        left, right = max(n - m, 0) + slack, max(m - n, 0) + slack
        if n * min(left + right + 1, m) * len(cost_B) * 8 > _MOST_BYTES:
            raise TooLargeError
        best, through = _marginals(series, (left, right))
        # No way outside the band has as many pairs as that, nor is it worth more.
        pairs, logged = min(n, m) - slack - 1, len(shot_M)
        most = PAIR * min(pairs, logged) + UNLOGGED * max(pairs - logged, 0)
        if most < best - PAIR - JUMP or slack >= min(n, m):
            break
        slack *= 2
    entry_N, sooner_N, later_N, rival_N = _best_and_rivals(best, through, series.hole_C)
    shot_N = np.where(entry_N >= 0, series.shot_C[entry_N], -1)
    # Two best ways that differ in which photograph has a shot: each pair is the best for its photograph.
    shared = (shot_N[:, None] == shot_N[None, :]) & (shot_N >= 0) & ~np.eye(n, dtype=bool)
    doubtful = shared.any(axis=1)
    sooner_N[doubtful], later_N[doubtful], rival_N[doubtful] = 0.0, 0.0, -1
    stretch_N, leads = _stretches(photo_N, shot_M, shot_N, cost_B)
    return Alignment(
        shot_N=shot_N,
        unlogged_N=(entry_N >= 0) & (shot_N < 0),
        sooner_N=sooner_N,
        later_N=later_N,
        rival_N=np.where(rival_N >= 0, series.shot_C[rival_N], -1),
        stretch_N=stretch_N,
        stretch_leads=leads,
    )


def _costs(resolution_s: float) -> Singles:
    """Return what a difference of -H..H steps costs; multiples of 1/8, so that sums are exact."""
    half = int((resolution_s / 2 + _WANDER_S * np.sqrt(2 * _MOST_COST)) / STEP_S)
    over_s = np.maximum(np.abs(np.arange(-half, half + 1)) * STEP_S - resolution_s / 2, 0.0)
    return np.asarray(np.round((over_s / _WANDER_S) ** 2 / 2 * 8) / 8, np.float32)


def _in_steps(photo_s_N: Floats, shot_s_M: Floats, width: int) -> tuple[Ints, Ints]:
    """Return both series in whole steps; no clock is common to photographs before and after a leap.

    A leap is backward, or longer than the whole log.
    """
    shot_M = np.round((shot_s_M - shot_s_M[0]) / STEP_S).astype(np.int64)
    gaps = np.round(np.diff(photo_s_N) / STEP_S)
    apart = shot_M[-1] + 2 * width
    gaps = np.where((gaps < 0) | (gaps > apart), apart, gaps).astype(np.int64)
    photo_N = np.concatenate([[0], np.cumsum(gaps)])
    if photo_N[-1] + shot_M[-1] > _MOST_CLOCKS:
        raise TooLargeError
    return photo_N, shot_M


def _series(photo_N: Ints, shot_M: Ints, cost_B: Singles, lost_M: Ints) -> _Series:
    """Return the series with the lost shots between the others, where the hole is small."""
    half = len(cost_B) // 2
    entries: list[tuple[int, int, int, int]] = []
    for shot, (moment, lost) in enumerate(zip(shot_M.tolist(), lost_M.tolist(), strict=True)):
        entries.append((moment - half, moment + half, shot, -1 - shot))
        if not 0 < lost <= _MOST_LOST:
            continue
        interval = (int(shot_M[shot + 1]) - moment) / (lost + 1)
        keep = int(_KEEP * interval)
        if interval * STEP_S <= _MOST_INTERVAL_S:
            entries += [(moment + keep, int(shot_M[shot + 1]) - keep, -1, shot)] * lost
    low_C, high_C, shot_C, hole_C = np.array(entries, np.int64).T
    return _Series(photo_N=photo_N, low_C=low_C, high_C=high_C, shot_C=shot_C, hole_C=hole_C, cost_B=cost_B)


def _marginals(series: _Series, band: tuple[int, int]) -> tuple[float, list[tuple[int, Singles]]]:
    """Return the worth of the best way, and for each photograph that of the best way through each pair.

    The latter as (first entry, worths). ``band``: how far a photograph's place may be ahead of and behind
    that of its entry.
    """
    n, m = len(series.photo_N), len(series.shot_C)
    left, right = band
    ahead = list(_sweep(series, band))
    # Backwards, photograph i and entry j are n-1-i and m-1-j: the band shifts by the difference.
    back = list(_sweep(series.backwards(), (right + n - m, left + m - n)))
    own_B = np.float32(PAIR) - series.cost_B
    through = []
    for number, here in enumerate(ahead):
        there = back[n - 1 - number]
        worth_C = np.full(here.count, _NEVER, np.float32)
        both_JB = here.logged_JB + there.logged_JB[::-1, ::-1] - own_B
        worth_C[here.logged_J - here.first] = both_JB.max(axis=1, initial=_NEVER)
        for (entry, worth_W), (_, other_W) in zip(here.lost, reversed(there.lost), strict=True):
            worth_C[entry - here.first] = (worth_W + other_W[::-1] - np.float32(UNLOGGED)).max()
        through.append((here.first, worth_C))
    best = max((float(row.max()) for _, row in through if len(row)), default=0.0)
    return best, through


@dataclass(slots=True)
class _Row:
    """The worths of the best ways that end with a photograph and each entry of the band, by clocks.

    ``logged_JB``: the clock of column b is ``photo - shot + b - H`` steps ahead. ``lost``: (entry, worths
    by the clocks from ``photo - high`` to ``photo - low``).
    """

    first: int
    count: int
    logged_J: Ints
    logged_JB: Singles
    lost: list[tuple[int, Singles]]


def _sweep(series: _Series, band: tuple[int, int]) -> Iterator[_Row]:
    """Yield the row of each photograph, in order."""
    ways = _Ways(series)
    m = len(series.shot_C)
    half = len(series.cost_B) // 2
    steps_B = np.arange(-half, half + 1)
    own_B = np.float32(PAIR) - series.cost_B
    for number, moment in enumerate((series.photo_N - ways.lowest).tolist()):
        first, end = max(number - band[0], 0), min(number + band[1] + 1, m)
        entry_J = np.arange(first, max(end, first))
        logged_J = entry_J[series.shot_C[first : max(end, first)] >= 0]
        clock_JB = moment - series.low_C[logged_J, None] - half + steps_B
        logged_JB = ways.before(logged_J[:, None], clock_JB) + own_B
        lost = []
        for entry in np.setdiff1d(entry_J, logged_J).tolist():
            clock_W = np.arange(moment - series.high_C[entry], moment - series.low_C[entry] + 1)
            worth_W = ways.before(np.array([[entry]]), clock_W[None, :])[0] + np.float32(UNLOGGED)
            lost.append((entry, worth_W))
        yield _Row(first=first, count=len(entry_J), logged_J=logged_J, logged_JB=logged_JB, lost=lost)
        ways.add(logged_J, clock_JB, logged_JB)
        for entry, worth_W in lost:
            clock_W = np.arange(moment - series.high_C[entry], moment - series.low_C[entry] + 1)
            ways.add(np.array([entry]), clock_W[None, :], worth_W[None, :])


class _Ways:
    """The best ways so far: of each clock by the last entry that they use, and of any clock."""

    def __init__(self, series: _Series) -> None:
        low_C = np.minimum.accumulate(series.low_C[::-1])[::-1]
        crowd = np.searchsorted(low_C, series.high_C + 2, side="right") - np.arange(len(low_C))
        self._slots = int(crowd.max()) + 1
        self.lowest = int(series.photo_N[0] - series.high_C.max()) - 1
        clocks = int(series.photo_N[-1] - series.low_C.min()) + 2 - self.lowest
        # Of each clock: the last pairs by entry, and the best of all before them.
        self._kept_KL = np.full((clocks, self._slots), _NEVER, np.float32)
        self._entry_KL = np.full((clocks, self._slots), -1, np.int32)
        self._older_K = np.full(clocks, _NEVER, np.float32)
        # The best of any clock that uses entries below j only.
        self._before_J = np.zeros(len(series.low_C) + 1, np.float32)

    def before(self, entry_JB: Ints, clock_JB: Ints) -> Singles:
        """Return what the best ways are worth to which a pair can be added; the clock may jump or drift."""
        start_JB = np.maximum(self._before_J[entry_JB] - np.float32(JUMP), 0.0)
        worth_JB = np.broadcast_to(start_JB, clock_JB.shape)
        for step in (-1, 0, 1):
            near_JB = clock_JB + step
            usable = self._entry_KL[near_JB] < entry_JB[..., None]
            kept_JB = np.where(usable, self._kept_KL[near_JB], _NEVER).max(axis=2)
            went_JB = np.maximum(kept_JB, self._older_K[near_JB]) - np.float32(abs(step) * _DRIFT_STEP)
            worth_JB = np.maximum(worth_JB, went_JB)
        return worth_JB

    def add(self, entry_J: Ints, clock_JB: Ints, worth_JB: Singles) -> None:
        """Keep ways that end with these pairs."""
        if not worth_JB.size:
            return
        slot_JB = np.broadcast_to((entry_J % self._slots)[:, None], clock_JB.shape)
        old_JB, old_entry_JB = self._kept_KL[clock_JB, slot_JB], self._entry_KL[clock_JB, slot_JB]
        same_JB = old_entry_JB == entry_J[:, None]
        pushed = ~same_JB & (old_entry_JB >= 0)
        np.maximum.at(self._older_K, clock_JB[pushed], old_JB[pushed])
        self._kept_KL[clock_JB, slot_JB] = np.where(same_JB, np.maximum(old_JB, worth_JB), worth_JB)
        self._entry_KL[clock_JB, slot_JB] = entry_J[:, None]
        best_J = np.full(int(entry_J[-1] - entry_J[0]) + 1, _NEVER, np.float32)
        best_J[entry_J - entry_J[0]] = worth_JB.max(axis=1)
        reached_J = np.maximum.accumulate(best_J)
        low, high = int(entry_J[0]) + 1, int(entry_J[-1]) + 2
        np.maximum(self._before_J[low:high], reached_J, out=self._before_J[low:high])
        np.maximum(self._before_J[high:], reached_J[-1], out=self._before_J[high:])


def _best_and_rivals(
    best: float, through: list[tuple[int, Singles]], hole_C: Ints
) -> tuple[Ints, Floats, Floats, Ints]:
    """Return of each photograph its entry, what a sooner and a later one would lose, and the better rival."""
    n = len(through)
    entry_N, rival_N = np.full(n, -1), np.full(n, -1)
    sooner_N, later_N = np.full(n, best), np.full(n, best)
    for number, (first, worth_J) in enumerate(through):
        if not len(worth_J):
            continue
        top = int(worth_J.argmax())
        place_J = np.arange(len(worth_J))
        before, after = np.ones(len(worth_J), bool), np.ones(len(worth_J), bool)
        if worth_J[top] >= best - 0.01:
            entry_N[number] = first + top
            # Which of the lost shots of one hole it is, nobody asks.
            other = hole_C[first : first + len(worth_J)] != hole_C[first + top]
            before, after = other & (place_J < top), other & (place_J > top)
        sooner_J, later_J = np.where(before, worth_J, _NEVER), np.where(after, worth_J, _NEVER)
        sooner_N[number], later_N[number] = best - float(sooner_J.max()), best - float(later_J.max())
        nearer_J = sooner_J if sooner_N[number] < later_N[number] else later_J
        if nearer_J.max() > _NEVER:
            rival_N[number] = first + int(nearer_J.argmax())
    return entry_N, sooner_N, later_N, rival_N


def _stretches(photo_N: Ints, shot_M: Ints, shot_N: Ints, cost_B: Singles) -> tuple[Ints, tuple[float, ...]]:
    """Return which stretch of one clock each pair belongs to, and what each stretch is worth."""
    stretch_N = np.full(len(shot_N), -1)
    (paired,) = np.nonzero(shot_N >= 0)
    if not len(paired):
        return stretch_N, ()
    clock_P = _clocks(photo_N[paired] - shot_M[shot_N[paired]], cost_B)
    away_P = clock_P - (photo_N[paired] - shot_M[shot_N[paired]])
    worth_P = PAIR - cost_B[away_P + len(cost_B) // 2].astype(float)
    step_P = np.diff(clock_P)
    jumped = np.abs(step_P) > 1
    number_P = np.concatenate([[0], np.cumsum(jumped)])
    stretch_N[paired] = number_P
    count = int(number_P[-1]) + 1
    leads = []
    for number in range(count):
        (mine,) = np.nonzero(number_P == number)
        drifted = float(np.abs(np.diff(clock_P[mine])).sum()) * _DRIFT_STEP
        saved = JUMP if count > 1 else 0.0
        if 0 < number < count - 1 and abs(int(clock_P[mine[-1] + 1] - clock_P[mine[0] - 1])) <= 3:
            saved = 2 * JUMP
        leads.append(float(worth_P[mine].sum()) - drifted - saved)
    return stretch_N, tuple(leads)


def _clocks(apart_P: Ints, cost_B: Singles) -> Ints:
    """Return the clock of each pair on the best way: it stays, drifts a step, or jumps."""
    half = len(cost_B) // 2
    steps_B = np.arange(-half, half + 1)
    worth_B = -cost_B.astype(float)
    came: list[Ints] = []
    for before, now in pairwise(apart_P):
        away_BB = np.abs((now + steps_B)[:, None] - (before + steps_B)[None, :])
        way_BB = worth_B[None, :] - np.where(away_BB <= 1, away_BB * _DRIFT_STEP, JUMP)
        came.append(way_BB.argmax(axis=1))
        worth_B = way_BB.max(axis=1) - cost_B
    at = int(worth_B.argmax())
    back = [at]
    for from_B in reversed(came):
        at = int(from_B[at])
        back.append(at)
    return np.asarray(apart_P + steps_B[np.array(back[::-1])])
