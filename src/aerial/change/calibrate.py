"""Sets the threshold to a chosen number of false alarms per km2 on the mission itself.

Repeat flights of a fortnight are more than 99 % unchanged, so that what scores low is false nearly
without exception; what scores high may be true and must not raise the threshold. So the rate of false
alarms is not counted where the threshold will lie but carried there: the log odds of false pieces
fall off exponentially, and the fall is measured on the pieces that lie below the stored threshold.

Estimator: of the ``n`` pieces with log odds between ``floor`` and the stored threshold ``s``, the rate
``r`` of an exponential distribution cut off at ``s`` (maximum likelihood); the number above ``t`` is
``n exp(-r (t - floor)) / (1 - exp(-r (s - floor)))``; ``t`` is where that is the chosen rate times the
area. With fewer than 20 pieces nothing can be measured and the stored threshold stays.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aerial.errors import InputError
from aerial.records.record import record

# Pieces are measured from so far below the stored threshold on, in log odds.
_DEPTH = 2.0
LEAST_PIECES = 20
# The threshold stays where pieces were measured, and where probabilities still mean something.
_HIGHEST = 0.98


@record
class MissionThreshold:
    """How the threshold of one mission was chosen.

    ``false_alarms_per_km2``: what was asked for. ``threshold``: what it gave; ``stored_threshold``:
    what the model says. ``area_km2``: what could be compared. ``pieces``: how many false pieces were
    measured; ``fall``: the rate of their exponential fall in log odds, None where ``measured`` is
    False and the stored threshold stayed. ``expected_false``: at the threshold, by the estimate.
    """

    false_alarms_per_km2: float
    threshold: float
    stored_threshold: float
    area_km2: float
    pieces: int
    measured: bool
    fall: float | None
    expected_false: float | None


def floor_of(stored_threshold: float) -> float:
    """Return the score from which on pieces are measured: 2 in log odds below the stored threshold."""
    return float(1 / (1 + np.exp(_DEPTH - _logit(stored_threshold))))


def mission_threshold(
    scores: Sequence[float], area_km2: float, false_alarms_per_km2: float, stored_threshold: float
) -> MissionThreshold:
    """Return the threshold at which unchanged ground of this mission gives the chosen rate.

    ``scores``: of all pieces of the mission that score at least ``floor_of(stored_threshold)``, true and
    false.

    Raises:
        InputError: the rate is not positive, or nothing could be compared.
    """
    if not 0 < false_alarms_per_km2 < float("inf"):
        raise InputError(
            f"{false_alarms_per_km2} false alarms per km2 cannot be asked for.",
            hint="Give a rate above 0, for example 5.",
        )
    if area_km2 <= 0:
        raise InputError("The two dates have no ground in common.", hint="Check that they show one place.")
    floor, stored = _logit(floor_of(stored_threshold)), _logit(stored_threshold)
    odds = np.array([_logit(score) for score in scores], float)
    low = odds[(odds >= floor) & (odds < stored)] - floor
    if len(low) < LEAST_PIECES:
        return MissionThreshold(
            false_alarms_per_km2=false_alarms_per_km2,
            threshold=stored_threshold,
            stored_threshold=stored_threshold,
            area_km2=round(area_km2, 6),
            pieces=len(low),
            measured=False,
            fall=None,
            expected_false=None,
        )
    fall = _fall(low, stored - floor)
    number = len(low) / (1 - np.exp(-fall * (stored - floor)))
    wanted = false_alarms_per_km2 * area_km2
    odds_at = floor + np.log(number / wanted) / fall
    threshold = float(np.clip(1 / (1 + np.exp(-odds_at)), floor_of(stored_threshold), _HIGHEST))
    return MissionThreshold(
        false_alarms_per_km2=false_alarms_per_km2,
        threshold=round(threshold, 4),
        stored_threshold=stored_threshold,
        area_km2=round(area_km2, 6),
        pieces=len(low),
        measured=True,
        fall=round(fall, 4),
        expected_false=round(float(number * np.exp(-fall * (_logit(threshold) - floor))), 2),
    )


def _fall(low: NDArray[np.float64], width: float) -> float:
    """Return the maximum likelihood rate of an exponential cut off at ``width``, at least 0.2."""
    mean = float(np.mean(low))

    def excess(rate: float) -> float:
        return float(1 / rate - width / np.expm1(rate * width) - mean)

    lowest, highest = 0.2, 50.0
    if excess(lowest) <= 0:
        # As many pieces near the threshold as far below it: true ones are among them; fall slowly.
        return lowest
    if excess(highest) >= 0:
        return highest
    # It falls all the way; scipy's root finders would cost every comparison 50 MB.
    for _ in range(60):
        middle = (lowest + highest) / 2
        lowest, highest = (middle, highest) if excess(middle) > 0 else (lowest, middle)
    return (lowest + highest) / 2


def _logit(p: float) -> float:
    p = min(max(p, 1e-6), 1 - 1e-6)
    return float(np.log(p / (1 - p)))
