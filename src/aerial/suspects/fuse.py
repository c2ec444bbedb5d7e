"""One score of height and pictures: a logistic rule whose coefficients were learnt on simulated towns."""

import numpy as np

from aerial.suspects.measure import Measured

# What the rule weighs, in this order; every feature is about 0 to 3.
FEATURES = ("stands_out", "unlevel", "steep", "green", "ragged", "building", "pictures")
# Learnt by aerial_training.fusion; see docs/decisions/0007-height-and-pictures.md for data and figures.
COEFFICIENTS = (1.12, -2.02, -1.53, -4.07, -1.54, 1.27, 0.76)
INTERCEPT = 0.04
# The network's word counts no more than so many units of log odds, and its no less than its yes: it may
# not know the roofs of a place, and a room on a roof hardly changes the picture.
_MOST_ODDS = 3.0
_LEAST_BUILDING_ODDS, _LEAST_CHANGE_ODDS = -1.5, -1.0
# What lay lower before than this was no building: an excavation.
_STANDING_M = 1.8
# What rises from so high a surface that is not green stands on a building: nothing drives up there.
_ROOF_M, _LEAFY, _ROOF_ODDS = 2.5, 0.2, 2.0


def features(m: Measured) -> tuple[float, ...]:
    """Return ``FEATURES`` of a piece whose height change is known.

    ``stands_out``: log2 of the change over 1.5 m or 3.5 times the noise of such surfaces;
    ``unlevel``: spread of the change over the change; ``steep``: its steepness inside; ``green``:
    share of vegetation; ``ragged``: 1 - rectangularity; ``building``: log odds that the network takes
    what stands for a building, on the date on which it stands, at least 2 for what rises from a roof
    (heights tell); ``pictures``: log odds of a change, of the calibrated probability, so that a threshold
    moves no score. Both 0 where the network is silent, and for what was dug: a pit is no building, and
    the network was taught that it is no change.
    """
    change = abs(m.height_change_m or 0.0)
    needed = max(1.5, 3.5 * max(m.height_noise_m or 0.0, 0.15))
    return (
        float(np.log2(max(change, 0.1) / needed)),
        min((m.height_spread_m or 0.0) / max(change, 0.1), 3.0),
        m.steepness,
        m.vegetation,
        1.0 - m.rectangularity,
        _building(m),
        0.0 if _dug(m) else float(np.clip(m.odds or 0.0, _LEAST_CHANGE_ODDS, _MOST_ODDS)),
    )


def fused(m: Measured) -> float:
    """Return the probability (0-1) that a piece whose height change is known is a change of a building."""
    return float(1 / (1 + np.exp(-(np.dot(COEFFICIENTS, features(m)) + INTERCEPT))))


def _dug(m: Measured) -> bool:
    return m.direction == "gone" and (m.standing_before_m or 0.0) < _STANDING_M


def _building(m: Measured) -> float:
    if _dug(m):
        return 0.0
    standing_m = m.standing_before_m or 0.0
    probability = m.building_after if m.direction == "appeared" else m.building_before
    odds = 0.0
    if probability is not None:
        p = min(max(probability, 1e-4), 1 - 1e-4)
        odds = float(np.clip(np.log(p / (1 - p)), _LEAST_BUILDING_ODDS, _MOST_ODDS))
    on_roof = m.direction == "appeared" and standing_m >= _ROOF_M and m.vegetation < _LEAFY
    return max(odds, _ROOF_ODDS) if on_roof else odds
