"""Figures of change detection, of pixels and of buildings, with bootstrap intervals.

The matching rule, one for everything that is measured (parts are 8-connected):

* a part of the true change is **found** when at least ``FOUND_SHARE`` of it is covered by what was
  predicted. Building benchmarks ask for a half (Rutzinger et al. 2009, as the ISPRS urban test,
  Rottensteiner et al. 2014, uses it); here an officer is sent to a place, and a third of a roof leads
  there. ``recall_half`` holds the figure under the stricter rule beside it.
* a predicted part of at least ``LEAST_PREDICTED_M2`` is **false** when less than ``FALSE_SHARE`` of it
  lies on true change. A blot that covers a street for the sake of one shed finds the shed and is false.
* the **centroid error** of a found part is how far the centroid of the predicted part that covers most
  of it lies from its own.

True parts under ``LEAST_TRUE_M2`` are slivers of the drawing and not counted. Pixels of unknown truth
are on neither side. Change counts in any direction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.sample import UNKNOWN

FOUND_SHARE = 0.3
HALF_SHARE = 0.5
FALSE_SHARE = 0.1
LEAST_PREDICTED_M2 = 10.0
LEAST_TRUE_M2 = 1.0
# Footprints: under 10, 10 to 50, and from 50 m2 on.
BUCKETS_M2 = (("lt10", 0.0, 10.0), ("10_50", 10.0, 50.0), ("ge50", 50.0, np.inf))

DRAWS = 1000
# One figure is called better than another when it is in this share of the draws.
CONFIDENT = 0.95

Floats = NDArray[np.float64]
Bits = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What one picture adds to the figures; buckets in the order of ``BUCKETS_M2``.

    ``predicted`` and ``false`` count predicted parts of at least ``LEAST_PREDICTED_M2``.
    """

    hit_px: int
    false_px: int
    missed_px: int
    km2: float
    true_3: tuple[int, int, int]
    found_3: tuple[int, int, int]
    half_3: tuple[int, int, int]
    predicted: int
    false: int
    centroid_errors_m: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure and the middle 95 % of its bootstrap draws; None where it is 0/0."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """New weights beside old ones on the same pictures.

    ``f1_better`` and ``false_fewer``: shares of the paired draws; ``f1_no_worse`` and
    ``false_no_more`` count draws in which both are alike as well.
    """

    f1_gain: Estimate
    false_per_km2_gain: Estimate
    f1_better: float
    f1_no_worse: float
    false_fewer: float
    false_no_more: float
    better: bool


def count(predicted_HW: Bits, truth_HW: NDArray[np.uint8], gsd_m: float) -> Counts:
    """Return what one picture adds: predicted change against the truth (1, 0, ``UNKNOWN``)."""
    known_HW = truth_HW != UNKNOWN
    true_HW = truth_HW == 1
    seen_HW = predicted_HW & known_HW
    pixel_m2 = gsd_m**2
    true, false = _Parts(true_HW), _Parts(seen_HW)
    covered_T = true.share_in(seen_HW)
    wanted_T = true.area_px * pixel_m2 >= LEAST_TRUE_M2
    found_T = covered_T >= FOUND_SHARE
    large_P = false.area_px * pixel_m2 >= LEAST_PREDICTED_M2
    best_T = _best_partner(true, false)
    errors = [
        float(np.hypot(*(true.centre_N2[t] - false.centre_N2[best_T[t]])) * gsd_m)
        for t in np.flatnonzero(found_T & wanted_T)
    ]
    return Counts(
        hit_px=int((seen_HW & true_HW).sum()),
        false_px=int((seen_HW & ~true_HW).sum()),
        missed_px=int((true_HW & ~seen_HW).sum()),
        km2=float(known_HW.sum()) * pixel_m2 / 1e6,
        true_3=_by_size(true.area_px * pixel_m2, wanted_T),
        found_3=_by_size(true.area_px * pixel_m2, wanted_T & found_T),
        half_3=_by_size(true.area_px * pixel_m2, wanted_T & (covered_T >= HALF_SHARE)),
        predicted=int(large_P.sum()),
        false=int((large_P & (false.share_in(true_HW) < FALSE_SHARE)).sum()),
        centroid_errors_m=tuple(errors),
    )


class _Parts:
    """The 8-connected parts of a mask; arrays over parts, the background left out."""

    def __init__(self, mask_HW: Bits) -> None:
        number, self.labels_HW, stats, centres = cv2.connectedComponentsWithStats(
            mask_HW.astype(np.uint8), connectivity=8
        )
        self.number = number - 1
        self.area_px = stats[1:, cv2.CC_STAT_AREA].astype(np.float64)
        self.centre_N2 = centres[1:]

    def share_in(self, mask_HW: Bits) -> Floats:
        """Return which share of each part lies in ``mask_HW``."""
        inside = np.bincount(self.labels_HW[mask_HW], minlength=self.number + 1)[1:]
        return np.asarray(inside / np.maximum(self.area_px, 1.0))


def _best_partner(true: _Parts, predicted: _Parts) -> NDArray[np.int64]:
    """Return for each true part the predicted part that covers most of it; 0 where none does."""
    both_HW = (true.labels_HW > 0) & (predicted.labels_HW > 0)
    pairs = true.labels_HW[both_HW].astype(np.int64) * (predicted.number + 1) + predicted.labels_HW[both_HW]
    keys, areas = np.unique(pairs, return_counts=True)
    best = np.zeros(true.number, np.int64)
    order = np.argsort(areas, kind="stable")
    best[keys[order] // (predicted.number + 1) - 1] = keys[order] % (predicted.number + 1) - 1
    return best


def _by_size(area_m2: Floats, picked: Bits) -> tuple[int, int, int]:
    small, middle, large = (
        int((picked & (area_m2 >= low) & (area_m2 < high)).sum()) for _, low, high in BUCKETS_M2
    )
    return small, middle, large


def figures(counts: Sequence[Counts], *, seed: int = 0, draws: int = DRAWS) -> dict[str, Estimate]:
    """Return every figure of one data set; intervals by drawing its pictures with replacement.

    ``f1``, ``precision``, ``recall`` of pixels; ``recall_<bucket>`` and ``recall_half_<bucket>`` of true
    parts by footprint; ``object_precision``; ``false_per_km2``; ``centroid_error_m`` (median).
    """
    return {name: _estimate(values) for name, values in _drawn(counts, seed, draws).items()}


def mean_figures(
    sets: Sequence[Sequence[Counts]], *, seed: int = 0, draws: int = DRAWS
) -> dict[str, Estimate]:
    """Return the plain means over data sets, each of which counts alike however large it is.

    A set in which a figure is 0/0 (no true change: no F1) is left out of that figure's mean.
    """
    return {name: _estimate(values) for name, values in _mean_drawn(sets, seed, draws).items()}


def compare(
    new: Sequence[Sequence[Counts]], old: Sequence[Sequence[Counts]], *, seed: int = 0, draws: int = DRAWS
) -> Comparison:
    """Compare two models on the same pictures, draw by draw (paired bootstrap).

    New weights are **better** when one of two figures, the mean F1 of pixels or the false objects per
    km², is better in at least 95 % of the draws, and the other is no worse in at least half of them.
    Equal weights are not better.
    """
    ours, theirs = (_mean_drawn(each, seed, draws) for each in (new, old))
    # Without true change there is no F1 to lose; the pictures still tell about false objects.
    f1 = np.nan_to_num(ours["f1"] - theirs["f1"])
    false = np.nan_to_num(ours["false_per_km2"] - theirs["false_per_km2"])
    shares = {
        "f1_better": float((f1[1:] > 0).mean()),
        "f1_no_worse": float((f1[1:] >= 0).mean()),
        "false_fewer": float((false[1:] < 0).mean()),
        "false_no_more": float((false[1:] <= 0).mean()),
    }
    better = (shares["f1_better"] >= CONFIDENT and shares["false_no_more"] >= 0.5) or (
        shares["false_fewer"] >= CONFIDENT and shares["f1_no_worse"] >= 0.5
    )
    return Comparison(f1_gain=_estimate(f1), false_per_km2_gain=_estimate(false), better=better, **shares)


def _mean_drawn(sets: Sequence[Sequence[Counts]], seed: int, draws: int) -> dict[str, Floats]:
    each = [_drawn(counts, seed + number, draws) for number, counts in enumerate(sets)]
    means = {}
    for name in each[0]:
        stacked = np.stack([drawn[name] for drawn in each])
        known = np.isfinite(stacked)
        total = np.where(known, stacked, 0.0).sum(axis=0)
        means[name] = _ratio(total, known.sum(axis=0))
    return means


def _drawn(counts: Sequence[Counts], seed: int, draws: int) -> dict[str, Floats]:
    """Return each figure as seen (first) and in every draw."""
    if not counts:
        raise ValueError("no picture to take figures of")
    number = len(counts)
    rng = np.random.default_rng([seed, number])
    times_DN = np.concatenate(
        [np.ones((1, number)), rng.multinomial(number, np.full(number, 1 / number), draws)]
    )
    table_NK = np.array(
        [
            (c.hit_px, c.false_px, c.missed_px, c.km2, c.predicted, c.false, *c.true_3, *c.found_3, *c.half_3)
            for c in counts
        ],
        np.float64,
    )
    hit, extra, missed, km2, predicted, false, *sizes = (times_DN @ table_NK).T
    true_3, found_3, half_3 = sizes[:3], sizes[3:6], sizes[6:]
    with_truth = np.where(hit + missed > 0, 1.0, np.nan)
    found = {
        "f1": with_truth * _ratio(2 * hit, 2 * hit + extra + missed),
        "precision": _ratio(hit, hit + extra),
        "recall": _ratio(hit, hit + missed),
        "object_precision": _ratio(predicted - false, predicted),
        "false_per_km2": _ratio(false, km2),
        "centroid_error_m": _weighted_median(counts, times_DN),
        "recall_objects": _ratio(sum(found_3), np.asarray(sum(true_3))),
    }
    for index, (bucket, _, _) in enumerate(BUCKETS_M2):
        found[f"recall_{bucket}"] = _ratio(found_3[index], true_3[index])
        found[f"recall_half_{bucket}"] = _ratio(half_3[index], true_3[index])
    return found


def _ratio(above: Any, below: NDArray[Any]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(below > 0, above / below, np.nan), np.float64)


def _weighted_median(counts: Sequence[Counts], times_DN: Floats) -> Floats:
    owner = np.array([n for n, c in enumerate(counts) for _ in c.centroid_errors_m], np.int64)
    errors = np.array([e for c in counts for e in c.centroid_errors_m], np.float64)
    if not len(errors):
        return np.full(len(times_DN), np.nan)
    order = np.argsort(errors, kind="stable")
    running_DE = np.cumsum(times_DN[:, owner[order]], axis=1)
    middle_D = (running_DE >= running_DE[:, -1:] / 2).argmax(axis=1)
    return np.where(running_DE[:, -1] > 0, errors[order][middle_D], np.nan)


def _estimate(drawn_D: Floats) -> Estimate:
    """The first entry is the figure, the others its draws."""
    value, draws = drawn_D[0], drawn_D[1:][np.isfinite(drawn_D[1:])]
    if not np.isfinite(value):
        return Estimate(value=None, low=None, high=None)
    if not len(draws):
        return Estimate(value=round(float(value), 4), low=None, high=None)
    low, high = np.percentile(draws, [2.5, 97.5])
    return Estimate(value=round(float(value), 4), low=round(float(low), 4), high=round(float(high), 4))


def totals(counts: Sequence[Counts]) -> Mapping[str, float]:
    """Return the plain numbers behind the figures, so that a reader can judge the intervals."""
    sums = {
        f"true_{name}": float(sum(c.true_3[i] for c in counts)) for i, (name, _, _) in enumerate(BUCKETS_M2)
    }
    return {
        "pictures": float(len(counts)),
        "km2": round(sum(c.km2 for c in counts), 4),
        "predicted": float(sum(c.predicted for c in counts)),
        "false": float(sum(c.false for c in counts)),
        **sums,
    }
