"""Two series of moments laid over each other: photographs by the camera's clock, shots by the vehicle's.

The camera's clock is off by an amount that is constant but for jumps (a time zone, a sync) and a slow
drift. Every monotone way of pairing is worth something: so much for each pair, less for a pair whose
times fit badly, less for each jump. Dynamic programming finds the best way and, for every photograph
and shot, the best way through that pair, so that "nothing else fits" is computed and not hoped for.

The worths are log-likelihoods, roughly: a shot without a photograph that meets a photograph without a
shot happens once in e^16 pairs, a clock that jumps by just any amount once in e^24.
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from aerial.records.record import record

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

PAIR = 16.0
JUMP = 24.0
# A pair that fits badly is still worth this: below it, the photograph might as well be another's.
_LEAST_PAIR = 9.0
STEP_S = 0.1
_DRIFT_STEP = 2.0  # of worth, for each step that the clock drifts between two photographs
# What the times of shutter and log record wander, and the rounding to steps.
_WANDER_S = 0.3
_LATE_S = 0.5
_LATE_PER_S = (PAIR - _LEAST_PAIR) / _LATE_S
_MOST_BYTES = 600_000_000
_MOST_CLOCKS = 8_000_000
_FIRST_SLACK = 8
_NEVER = np.float32(-1e9)


class TooLargeError(Exception):
    """The two series are so long and so unlike that they cannot be compared in bounded memory."""


@record
class Alignment:
    """The best way: ``shot_N`` of each photograph (-1: none), and by how much it beats all others.

    ``lead_N``: worth lost by the best way that gives the photograph another shot (or one at all).
    ``rival_N``: that other shot, -1 where the photograph would have none; meaningless without a rival.
    ``stretch_N``: number of the stretch of one clock that the photograph's pair belongs to, -1: none.
    ``stretch_leads``: worth lost by leaving out a whole stretch, one jump less with it.
    """

    shot_N: Ints
    lead_N: Floats
    rival_N: Ints
    stretch_N: Ints
    stretch_leads: tuple[float, ...]


def align(photo_s_N: Floats, shot_s_M: Floats, resolution_s: float) -> Alignment:
    """Return the best pairing of photographs and shots, both in order, times in seconds.

    ``resolution_s``: of the photographs' stamps.

    Raises:
        TooLargeError: see there.
    """
    late_s = resolution_s / 2 + _WANDER_S
    cost_B = _costs(late_s)
    photo_N, shot_M = _in_steps(photo_s_N, shot_s_M, len(cost_B))
    n, m = len(photo_N), len(shot_M)
    slack = _FIRST_SLACK
    while True:
        left, right = max(n - m, 0) + slack, max(m - n, 0) + slack
        if n * min(left + right + 1, m) * len(cost_B) * 8 > _MOST_BYTES:
            raise TooLargeError
        best, through = _marginals(photo_N, shot_M, cost_B, left, right)
        # No way outside the band has as many pairs as that.
        if PAIR * (min(n, m) - slack - 1) < best - PAIR - JUMP or slack >= min(n, m):
            break
        slack *= 4
    shot_N, lead_N, rival_N = _best_and_rivals(best, through)
    stretch_N, leads = _stretches(photo_N, shot_M, shot_N, cost_B)
    return Alignment(shot_N=shot_N, lead_N=lead_N, rival_N=rival_N, stretch_N=stretch_N, stretch_leads=leads)


def _costs(flat_s: float) -> Singles:
    """Return what a difference of -H..H steps costs; multiples of 1/8, so that sums are exact."""
    half = int((flat_s + _LATE_S) / STEP_S)
    away_s = np.abs(np.arange(-half, half + 1)) * STEP_S
    cost = np.maximum(away_s - flat_s, 0.0) * _LATE_PER_S
    return np.asarray(np.round(cost * 8) / 8, np.float32)


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
    photo_N: Ints, shot_M: Ints, cost_B: Singles, left: int, right: int
) -> tuple[float, list[tuple[int, Singles]]]:
    """Return the worth of the best way, and for each photograph that of the best way through each pair.

    The latter as (first shot, worths).
    """
    n, m = len(photo_N), len(shot_M)
    ahead = list(_sweep(photo_N, shot_M, cost_B, left, right))
    # Backwards, photograph i and shot j are n-1-i and m-1-j: the band shifts by the difference.
    back = list(
        _sweep(
            (photo_N[-1] - photo_N)[::-1],
            (shot_M[-1] - shot_M)[::-1],
            cost_B,
            right + n - m,
            left + m - n,
        )
    )
    own_B = np.float32(PAIR) - cost_B
    through = []
    for number, (first, worth_JB) in enumerate(ahead):
        _, other_JB = back[n - 1 - number]
        through.append((first, (worth_JB + other_JB[::-1, ::-1] - own_B).max(axis=1, initial=_NEVER)))
    best = max((float(row.max()) for _, row in through if len(row)), default=0.0)
    return best, through


def _sweep(
    photo_N: Ints, shot_M: Ints, cost_B: Singles, left: int, right: int
) -> Iterator[tuple[int, Singles]]:
    """Yield for each photograph the worth of the best way that ends with each pair and clock.

    Shape (shots in the band, clocks): the clock of column b is ``photo - shot + b - H`` steps ahead.
    """
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
    for number, moment in enumerate(photo_N.tolist()):
        first, end = max(number - left, 0), min(number + right + 1, m)
        if end <= first:
            yield min(first, m), np.zeros((0, len(cost_B)), np.float32)
            continue
        shot_J = np.arange(first, end)
        clock_JB = (moment - lowest) - shot_M[first:end, None] + steps_B
        start_J = np.maximum(before_J[first:end] - np.float32(JUMP), 0.0)
        worth_JB = np.broadcast_to(start_J[:, None], clock_JB.shape)
        for step in (-1, 0, 1):
            near_JB = clock_JB + step
            usable = kept_shot_KL[near_JB] < shot_J[:, None, None]
            kept_JB = np.where(usable, kept_KL[near_JB], _NEVER).max(axis=2)
            went_JB = np.maximum(kept_JB, older_K[near_JB]) - np.float32(abs(step) * _DRIFT_STEP)
            worth_JB = np.maximum(worth_JB, went_JB)
        worth_JB = worth_JB + own_B
        yield first, worth_JB
        slot_JB = np.broadcast_to((shot_J % slots)[:, None], clock_JB.shape)
        old_JB, old_shot_JB = kept_KL[clock_JB, slot_JB], kept_shot_KL[clock_JB, slot_JB]
        same_JB = old_shot_JB == shot_J[:, None]
        pushed = ~same_JB & (old_shot_JB >= 0)
        np.maximum.at(older_K, clock_JB[pushed], old_JB[pushed])
        kept_KL[clock_JB, slot_JB] = np.where(same_JB, np.maximum(old_JB, worth_JB), worth_JB)
        kept_shot_KL[clock_JB, slot_JB] = shot_J[:, None]
        reached_J = np.maximum.accumulate(worth_JB.max(axis=1))
        np.maximum(before_J[first + 1 : end + 1], reached_J, out=before_J[first + 1 : end + 1])
        np.maximum(before_J[end + 1 :], reached_J[-1], out=before_J[end + 1 :])


def _crowd(shot_M: Ints, width: int) -> int:
    """Return the most shots within ``width`` steps."""
    return int((np.searchsorted(shot_M, shot_M + width, side="right") - np.arange(len(shot_M))).max())


def _best_and_rivals(best: float, through: list[tuple[int, Singles]]) -> tuple[Ints, Floats, Ints]:
    n = len(through)
    shot_N, rival_N = np.full(n, -1), np.full(n, -1)
    lead_N = np.full(n, best)
    for number, (first, worth_J) in enumerate(through):
        if not len(worth_J):
            continue
        order = np.argsort(-worth_J, kind="stable")[:2]
        if worth_J[order[0]] >= best - 0.01:
            shot_N[number] = first + order[0]
            order = order[1:]
        if len(order):
            rival_N[number] = first + order[0]
            lead_N[number] = best - float(worth_J[order[0]])
    return shot_N, lead_N, rival_N


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
