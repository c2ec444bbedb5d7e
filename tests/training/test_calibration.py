"""Calibrated probabilities."""

import numpy as np
import pytest

from aerial_training.calibration import fit_platt


def test_calibration_finds_the_line_that_made_the_data() -> None:
    """Outcomes drawn with sigmoid(0.6 z - 1.2) give slope 0.6 and offset -1.2 back within 0.03."""
    rng = np.random.default_rng(1)
    logit_N = rng.normal(0, 3, 60_000)
    changed_N = rng.random(60_000) < 1 / (1 + np.exp(-(0.6 * logit_N - 1.2)))
    assert fit_platt(logit_N, changed_N) == pytest.approx((0.6, -1.2), abs=0.03)


def test_calibration_without_change_is_refused() -> None:
    """Nothing can be learnt of change where nothing changed."""
    with pytest.raises(ValueError, match="needs changed"):
        fit_platt(np.zeros(10), np.zeros(10, bool))
