"""The threshold that a mission sets for itself."""

import numpy as np
import pytest

from aerial.change.calibrate import floor_of, mission_threshold
from aerial.errors import InputError


def false_scores(count: int, seed: int = 5, fall: float = 1.2) -> list[float]:
    """Return scores of false pieces: log odds over the floor fall off exponentially."""
    odds = np.log(floor_of(0.5) / (1 - floor_of(0.5))) + np.random.default_rng(seed).exponential(
        1 / fall, count
    )
    return [float(v) for v in 1 / (1 + np.exp(-odds))]


def rate(scores: list[float], threshold: float, area_km2: float) -> float:
    """Return how many scores a km2 reach the threshold."""
    return sum(score >= threshold for score in scores) / area_km2


@pytest.mark.parametrize("wanted", [2.0, 5.0, 20.0])
def test_an_unchanged_mission_gets_the_rate_that_was_asked_for(wanted: float) -> None:
    """2000 false pieces on 10 km2: within a third, and three counts, of the chosen rate."""
    scores = false_scores(2000)
    found = mission_threshold(scores, 10.0, wanted, 0.5)
    assert found.measured
    assert wanted == pytest.approx(rate(scores, found.threshold, 10.0), abs=max(wanted / 3, 0.35))
    assert wanted * 10.0 == pytest.approx(found.expected_false, rel=0.05)


def test_true_changes_do_not_raise_the_threshold() -> None:
    """A block rebuilt as a whole, 300 sure changes beside 2000 false pieces, leaves it within 0.02."""
    scores = false_scores(2000)
    quiet = mission_threshold(scores, 10.0, 5.0, 0.5)
    busy = mission_threshold([*scores, *[0.97] * 300], 10.0, 5.0, 0.5)
    assert quiet.threshold == pytest.approx(busy.threshold, abs=0.02)


def test_fewer_false_alarms_need_a_higher_threshold() -> None:
    """Half the rate, a higher threshold; a quieter mission may go below the stored one."""
    scores = false_scores(2000)
    few, many = (mission_threshold(scores, 10.0, wanted, 0.5).threshold for wanted in (2.0, 20.0))
    assert few > many
    assert mission_threshold(false_scores(60), 10.0, 5.0, 0.5).threshold < 0.5


def test_too_few_pieces_measure_nothing_and_say_so() -> None:
    """19 pieces leave the stored threshold, and the record says that it was not measured."""
    found = mission_threshold([0.2] * 19, 10.0, 5.0, 0.6)
    assert (found.threshold, found.measured, found.pieces, found.fall) == (0.6, False, 19, None)


@pytest.mark.parametrize(("wanted", "area_km2"), [(0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (5.0, 0.0)])
def test_an_impossible_request_is_refused(wanted: float, area_km2: float) -> None:
    """No rate, or no ground, is an error with a hint."""
    with pytest.raises(InputError) as caught:
        mission_threshold([0.2] * 30, area_km2, wanted, 0.5)
    assert caught.value.hint
