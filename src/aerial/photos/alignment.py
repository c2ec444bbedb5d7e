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
# A lost shot keeps that share of the usual interval from its neighbours, and no interval is longer.
_KEEP, _MOST_INTERVAL_S = 0.3, 30.0
_MOST_BYTES = 600_000_000
_MOST_CLOCKS = 8_000_000
_FIRST_SLACK = 8
_NEVER = np.float32(-1e9)


class TooLargeError(Exception):
    """The two series are so long and so unlike that they cannot be compared in bounded memory."""


@record
class Alignment:
    """The best way: ``shot_N`` of each photograph (-1: none), and by how much it beats all others.

    ``sooner_N``, ``later_N``: worth lost by the best way that gives the photograph a sooner or later shot,
    or one at all. ``rival_N``: the shot of the better of the two; -1: it would have none.
    ``stretch_N``: number of the stretch of one clock that the photograph's pair belongs to, -1: none.
    ``stretch_leads``: worth lost by leaving out a whole stretch, one jump less with it.
    """

    shot_N: Ints
    sooner_N: Floats
    later_N: Floats
    rival_N: Ints
    stretch_N: Ints
    stretch_leads: tuple[float, ...]


def align(photo_s_N: Floats, shot_s_M: Floats, resolution_s: float, lost_M: Ints | None = None) -> Alignment:
    """Return the best pairing of photographs and shots, both in order, times in seconds.

    ``resolution_s``: of the photographs' stamps. ``lost_M``: how many shots the log is known to lack
    behind each.

    Raises:
        TooLargeError: see there.
    """
    cost_B = _costs(resolution_s)
    photo_N, shot_M = _in_steps(photo_s_N, shot_s_M, len(cost_B))
    n, m = len(photo_N), len(shot_M)
    lost_M = np.zeros(m, np.int64) if lost_M is None else lost_M
    slack = _FIRST_SLACK
    while True:
        left, right = max(n - m, 0) + slack, max(m - n, 0) + slack
        if n * min(left + right + 1, m) * len(cost_B) * 8 > _MOST_BYTES:
            raise TooLargeError
        best, through = _marginals(photo_N, shot_M, cost_B, lost_M, (left, right))
        # No way outside the band has as many pairs as that.
        most = PAIR * (min(n, m) - slack - 1) + UNLOGGED * float(lost_M.sum())
        if most < best - PAIR - JUMP or slack >= min(n, m):
            break
        slack *= 4
    shot_N, sooner_N, later_N, rival_N = _best_and_rivals(best, through)
    # Two best ways that differ in which photograph has a shot: each pair is the best for its photograph.
    shared = (shot_N[:, None] == shot_N[None, :]) & (shot_N >= 0) & ~np.eye(n, dtype=bool)
    doubtful = shared.any(axis=1)
    sooner_N[doubtful], later_N[doubtful], rival_N[doubtful] = 0.0, 0.0, -1
    stretch_N, leads = _stretches(photo_N, shot_M, shot_N, cost_B)
    return Alignment(
        shot_N=shot_N,
        sooner_N=sooner_N,
        later_N=later_N,
        rival_N=rival_N,
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


def _marginals(
    photo_N: Ints, shot_M: Ints, cost_B: Singles, lost_M: Ints, band: tuple[int, int]
) -> tuple[float, list[tuple[int, Singles]]]:
    """Return the worth of the best way, and for each photograph that of the best way through each pair.

    The latter as (first shot, worths). ``band``: how far a photograph's place may be ahead of and behind
    that of its shot.
    """
    n, m = len(photo_N), len(shot_M)
    left, right = band
    ahead = list(_sweep(photo_N, shot_M, cost_B, lost_M, band))
    # Backwards, photograph i and shot j are n-1-i and m-1-j: the band shifts by the difference.
    photo_back_N, shot_back_M = (photo_N[-1] - photo_N)[::-1], (shot_M[-1] - shot_M)[::-1]
    lost_back_M = np.append(lost_M[:-1][::-1], 0)
    back = list(_sweep(photo_back_N, shot_back_M, cost_B, lost_back_M, (right + n - m, left + m - n)))
    own_B = np.float32(PAIR) - cost_B
    through = []
    for number, (first, worth_JB) in enumerate(ahead):
        _, other_JB = back[n - 1 - number]
        through.append((first, (worth_JB + other_JB[::-1, ::-1] - own_B).max(axis=1, initial=_NEVER)))
    best = max((float(row.max()) for _, row in through if len(row)), default=0.0)
    return best, through


def _sweep(
    photo_N: Ints, shot_M: Ints, cost_B: Singles, lost_M: Ints, band: tuple[int, int]
) -> Iterator[tuple[int, Singles]]:
    """Yield for each photograph the worth of the best way that ends with each pair and clock.

    Shape (shots in the band, clocks): the clock of column b is ``photo - shot + b - H`` steps ahead.
    """
    left, right = band
    m, half = len(shot_M), len(cost_B) // 2
    slots = _crowd(shot_M, 2 * half + 2) + 1
    lowest = int(photo_N[0] - shot_M[-1]) - half - 1
    clocks = int(photo_N[-1] - shot_M[0]) + half + 2 - lowest
    # Of each clock: the last pairs by shot, and the best of all before them.
    kept_KL = np.full((clocks, slots), _NEVER, np.float32)
    kept_shot_KL = np.full((clocks, slots), -1, np.int32)
    older_K = np.full(clocks, _NEVER, np.float32)
    # Best way of any clock that has used shots below j only.
    before_J = np.zeros(m + 1, np.float32)
    steps_B = np.arange(-half, half + 1)
    own_B = np.float32(PAIR) - cost_B
    holes = _holes(shot_M, lost_M, clocks, slots)
    for number, moment in enumerate(photo_N.tolist()):
        first, end = max(number - left, 0), min(number + right + 1, m)
        if end <= first:
            yield min(first, m), np.zeros((0, len(cost_B)), np.float32)
            continue
        shot_J = np.arange(first, end)
        clock_JB = (moment - lowest) - shot_M[first:end, None] + steps_B
        start_J = np.maximum(before_J[first:end] - np.float32(JUMP), 0.0)
        worth_JB = np.repeat(start_J[:, None], len(cost_B), axis=1)
        for step in (-1, 0, 1):
            near_JB = clock_JB + step
            usable = kept_shot_KL[near_JB] < shot_J[:, None, None]
            kept_JB = np.where(usable, kept_KL[near_JB], _NEVER).max(axis=2)
            went_JB = np.maximum(kept_JB, older_K[near_JB]) - np.float32(abs(step) * _DRIFT_STEP)
            worth_JB = np.maximum(worth_JB, went_JB)
        for hole in holes:
            if first <= hole.shot + 1 < end:
                over_B = worth_JB[hole.shot + 1 - first]
                clock_B = clock_JB[hole.shot + 1 - first]
                np.maximum(over_B, hole.worth(clock_B, kept_KL, kept_shot_KL), out=over_B)
            hole.count(moment - lowest)
        worth_JB = worth_JB + own_B
        yield first, worth_JB
        slot_JB = np.broadcast_to((shot_J % slots)[:, None], clock_JB.shape)
        old_JB, old_shot_JB = kept_KL[clock_JB, slot_JB], kept_shot_KL[clock_JB, slot_JB]
        same_JB = old_shot_JB == shot_J[:, None]
        for hole in holes:
            if first <= hole.shot < end:
                row = hole.shot - first
                better_B = ~same_JB[row] | (worth_JB[row] >= old_JB[row])
                hole.photos_K[clock_JB[row][better_B]] = 0
        pushed = ~same_JB & (old_shot_JB >= 0)
        np.maximum.at(older_K, clock_JB[pushed], old_JB[pushed])
        kept_KL[clock_JB, slot_JB] = np.where(same_JB, np.maximum(old_JB, worth_JB), worth_JB)
        kept_shot_KL[clock_JB, slot_JB] = shot_J[:, None]
        reached_J = np.maximum.accumulate(worth_JB.max(axis=1))
        np.maximum(before_J[first + 1 : end + 1], reached_J, out=before_J[first + 1 : end + 1])
        np.maximum(before_J[end + 1 :], reached_J[-1], out=before_J[end + 1 :])


@dataclass(slots=True)
class _Hole:
    """Shots that the log is known to lack behind ``shot``, in steps from ``near`` to ``far``.

    ``photos_K``: by each clock, the photographs in that time since ``shot`` got its own.
    """

    shot: int
    lost: int
    near: int
    far: int
    slot: int
    photos_K: NDArray[np.int16]

    def worth(self, clock_B: Ints, kept_KL: Singles, kept_shot_KL: NDArray[np.int32]) -> Singles:
        """Return what the ways over the hole are worth: both its ends paired, by one clock."""
        lost_B = np.minimum(self.photos_K[clock_B], self.lost).astype(np.float32)
        here_B = kept_shot_KL[clock_B, self.slot] == self.shot
        return np.where(here_B, kept_KL[clock_B, self.slot] + np.float32(UNLOGGED) * lost_B, _NEVER)

    def count(self, moment: int) -> None:
        """Count a photograph by the clocks by which it lies in the hole."""
        low, high = max(moment - self.far, 0), moment - self.near + 1
        if high > low:
            self.photos_K[low:high] += 1


def _holes(shot_M: Ints, lost_M: Ints, clocks: int, slots: int) -> list[_Hole]:
    """Return where the log lacks shots."""
    found = []
    for shot in np.flatnonzero(lost_M).tolist():
        lost = int(lost_M[shot])
        interval = int(shot_M[shot + 1] - shot_M[shot]) / (lost + 1)
        if interval * STEP_S <= _MOST_INTERVAL_S:
            keep = max(int(_KEEP * interval), 1)
            near, far = int(shot_M[shot]) + keep, int(shot_M[shot + 1]) - keep
            counted = np.zeros(clocks, np.int16)
            found.append(_Hole(shot=shot, lost=lost, near=near, far=far, slot=shot % slots, photos_K=counted))
    return found


def _crowd(shot_M: Ints, width: int) -> int:
    """Return the most shots within ``width`` steps."""
    return int((np.searchsorted(shot_M, shot_M + width, side="right") - np.arange(len(shot_M))).max())


def _best_and_rivals(best: float, through: list[tuple[int, Singles]]) -> tuple[Ints, Floats, Floats, Ints]:
    """Return of each photograph its shot, what a sooner and a later one would lose, and the better rival."""
    n = len(through)
    shot_N, rival_N = np.full(n, -1), np.full(n, -1)
    sooner_N, later_N = np.full(n, best), np.full(n, best)
    for number, (first, worth_J) in enumerate(through):
        if not len(worth_J):
            continue
        top = int(worth_J.argmax())
        if worth_J[top] >= best - 0.01:
            shot_N[number] = first + top
            before_J, after_J = worth_J[:top], worth_J[top + 1 :]
        else:
            before_J = after_J = worth_J
        sooner_N[number] = best - float(before_J.max(initial=_NEVER))
        later_N[number] = best - float(after_J.max(initial=_NEVER))
        if sooner_N[number] < later_N[number]:
            rival_N[number] = first + int(before_J.argmax())
        elif len(after_J):
            rival_N[number] = first + len(worth_J) - len(after_J) + int(after_J.argmax())
    return shot_N, sooner_N, later_N, rival_N


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
