"""One score of height and pictures: a logistic rule whose coefficients were learnt on simulated towns."""

import numpy as np

from aerial.suspects.measure import Measured

# What the rule weighs, in this order; every feature is about 0 to 3.
FEATURES = ("stands_out", "unlevel", "steep", "green", "ragged", "pictures")
# Learnt by aerial_training.fusion; see docs/decisions/0007-height-and-pictures.md for data and figures.
COEFFICIENTS = (0.1, -1.0, -1.4, -4.0, -1.9, 0.5)
INTERCEPT = 1.6
# The network's word counts no more than so many units of log odds either way.
_MOST_LOGIT = 4.0


def features(m: Measured) -> tuple[float, ...]:
    """Return ``FEATURES`` of a piece whose height change is known.

    ``stands_out``: log2 of the change over 1.5 m or 3.5 times the noise of such surfaces;
    ``unlevel``: spread of the change over the change; ``steep``: its steepness inside; ``green``:
    share of vegetation; ``ragged``: 1 - rectangularity; ``pictures``: log odds of the network.
    """
    change = abs(m.height_change_m or 0.0)
    needed = max(1.5, 3.5 * max(m.height_noise_m or 0.0, 0.15))
    return (
        float(np.log2(max(change, 0.1) / needed)),
        min((m.height_spread_m or 0.0) / max(change, 0.1), 3.0),
        m.steepness,
        m.vegetation,
        1.0 - m.rectangularity,
        _logit(m.probability),
    )


def fused(m: Measured) -> float:
    """Return the probability (0-1) that a piece whose height change is known is a change of a building."""
    return float(1 / (1 + np.exp(-(np.dot(COEFFICIENTS, features(m)) + INTERCEPT))))


def _logit(probability: float | None) -> float:
    if probability is None:
        return 0.0
    p = min(max(probability, 1e-4), 1 - 1e-4)
    return float(np.clip(np.log(p / (1 - p)), -_MOST_LOGIT, _MOST_LOGIT))
