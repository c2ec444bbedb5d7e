"""Calibrated probabilities."""

import numpy as np
import pytest

from aerial_training.calibration import fit_platt, unchanged_weight


def test_calibration_finds_the_line_that_made_the_data() -> None:
    """Outcomes drawn with sigmoid(0.6 z - 1.2) give slope 0.6 and offset -1.2 back within 0.03."""
    rng = np.random.default_rng(1)
    logit_N = rng.normal(0, 3, 60_000)
    changed_N = rng.random(60_000) < 1 / (1 + np.exp(-(0.6 * logit_N - 1.2)))
    assert fit_platt(logit_N, changed_N) == pytest.approx((0.6, -1.2), abs=0.03)


def test_calibration_on_rich_samples_is_right_for_poorer_ground() -> None:
    """Fitted where half changed and weighed for a tenth, chances are those of ground where a tenth did."""
    rng = np.random.default_rng(2)
    changed_N = rng.random(80_000) < 0.5
    logit_N = rng.normal(np.where(changed_N, 1.0, -1.0), 1.0)
    slope, offset = fit_platt(logit_N, changed_N, unchanged_weight(0.5, 0.1))
    # Two normals a distance of 2 apart: log odds 2 z, and ln(1/9) for the ground.
    assert (slope, offset) == (pytest.approx(2.0, abs=0.06), pytest.approx(-np.log(9), abs=0.06))


def test_calibration_without_change_is_refused() -> None:
    """Nothing can be learnt of change where nothing changed."""
    with pytest.raises(ValueError, match="needs changed"):
        fit_platt(np.zeros(10), np.zeros(10, bool))
