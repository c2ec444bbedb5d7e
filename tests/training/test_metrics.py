"""Figures of pixels and buildings, and their intervals."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aerial_training import metrics
from aerial_training.metrics import Counts, count
from aerial_training.sample import UNKNOWN

GSD_M = 0.5


def blank() -> NDArray[np.uint8]:
    """A place of 50 by 50 m without change."""
    return np.zeros((100, 100), np.uint8)


def test_pixels_are_counted_where_the_truth_is_known() -> None:
    """Hits, false and missed pixels; unknown ones are on no side and in no area."""
    truth, predicted = blank(), blank()
    truth[10:20, 10:20] = 1
    truth[50:60, :] = UNKNOWN
    predicted[15:25, 10:20] = 1
    predicted[52:58, :] = 1
    seen = count(predicted > 0, truth, GSD_M)
    assert (seen.hit_px, seen.false_px, seen.missed_px) == (50, 50, 50)
    assert seen.km2 == pytest.approx(9000 * 0.25 / 1e6)
    assert metrics.figures([seen])["f1"].value == 0.5


def test_a_true_part_is_found_from_thirty_percent_cover_on() -> None:
    """29 % of it is a miss, 30 % finds it, half of it counts under the stricter rule as well."""
    truth = blank()
    truth[10:20, 10:20] = 1
    for pixels, found, half in ((29, 0, 0), (30, 1, 0), (50, 1, 1)):
        predicted = blank()
        predicted[10:20, 10:20].flat[:pixels] = 1
        seen = count(predicted > 0, truth, GSD_M)
        assert (0, found, 0) == seen.found_3
        assert (0, half, 0) == seen.half_3


def test_buckets_are_by_footprint_and_slivers_are_left_out() -> None:
    """3 m2, 25 m2 and 100 m2 fall in three buckets; half a square metre in none."""
    truth = blank()
    truth[2:5, 2:6] = 1
    truth[10:20, 10:20] = 1
    truth[40:60, 40:60] = 1
    truth[80:82, 80] = 1
    assert count(truth > 0, truth, GSD_M).true_3 == (1, 1, 1)


def test_a_large_predicted_part_with_a_tenth_on_truth_is_not_false() -> None:
    """Less than a tenth is false; under 10 m2 nobody is sent."""
    truth, predicted = blank(), blank()
    truth[10:12, 10:20] = 1
    predicted[10:20, 10:30] = 1
    assert (lambda c: (c.predicted, c.false))(count(predicted > 0, truth, GSD_M)) == (1, 0)
    predicted[20, 10:30] = 1
    assert (lambda c: (c.predicted, c.false))(count(predicted > 0, truth, GSD_M)) == (1, 1)
    small = blank()
    small[70:73, 70:83] = 1
    assert count(small > 0, truth, GSD_M).predicted == 0


def test_centroid_error_is_of_the_part_that_covers_most() -> None:
    """A prediction moved by 3 pixels errs by 1.5 m, whatever else touches the truth."""
    truth, predicted = blank(), blank()
    truth[10:30, 10:30] = 1
    predicted[10:30, 13:33] = 1
    predicted[12:20, 10] = 1
    assert count(predicted > 0, truth, GSD_M).centroid_errors_m == (1.5,)


def picture(*, hit: int = 50, false_px: int = 50, false: int = 1) -> Counts:
    """One picture's counts."""
    return Counts(
        hit_px=hit,
        false_px=false_px,
        missed_px=50,
        km2=0.01,
        true_3=(0, 0, 1),
        found_3=(0, 0, 1),
        half_3=(0, 0, 1),
        predicted=2,
        false=false,
        centroid_errors_m=(1.0,),
    )


def test_intervals_hold_the_figure_and_are_the_same_each_time() -> None:
    """Drawn with a seed; pictures that differ give a wide interval, equal ones none."""
    unlike = [picture(hit=h) for h in range(0, 270, 30)]
    first, second = (metrics.figures(unlike) for _ in range(2))
    assert first == second
    f1 = first["f1"]
    assert f1.value is not None
    assert f1.low is not None
    assert f1.high is not None
    assert f1.low < f1.value < f1.high
    alike = metrics.figures([picture()] * 4)["f1"]
    assert (alike.value, alike.low, alike.high) == (0.5, 0.5, 0.5)
    assert metrics.figures(unlike, seed=1) != first


def test_the_mean_counts_data_sets_alike() -> None:
    """One picture of F1 2/3 and nine of F1 1/2 as two sets; a set without true change has no F1."""
    nothing = count(np.eye(9) > 0, np.zeros((9, 9), np.uint8), GSD_M)
    means = metrics.mean_figures([[picture(hit=100)], [picture()] * 9, [nothing]])
    assert means["f1"].value == round((2 / 3 + 1 / 2) / 2, 4)
    assert means["false_per_km2"].value == round((100 + 100 + 0) / 3, 4)


def test_no_figure_where_there_is_nothing_to_divide() -> None:
    """No truth, no prediction: None, not 0 or 1."""
    empty = metrics.figures([count(blank() > 0, blank(), GSD_M)])
    assert {empty[name].value for name in ("f1", "precision", "recall", "centroid_error_m")} == {None}
    assert empty["false_per_km2"].value == 0.0


@pytest.mark.parametrize(
    ("new", "old", "better"),
    [
        (picture(hit=60), picture(), True),
        (picture(false=0), picture(), True),
        (picture(), picture(), False),
        (picture(hit=60, false=2), picture(), False),
        (picture(hit=40, false=0), picture(), False),
    ],
)
def test_new_weights_are_better_on_one_figure_and_no_worse_on_the_other(
    new: Counts, old: Counts, better: bool
) -> None:
    """More F1 or fewer false objects; equal weights, and a gain that costs the other, are not better."""
    assert metrics.compare([[new] * 6], [[old] * 6]).better == better
    assert not metrics.compare([[old] * 6], [[new] * 6]).better


def test_a_gain_on_one_picture_of_many_is_not_enough() -> None:
    """95 % of the draws must agree."""
    new = [picture(hit=60), *[picture()] * 9]
    assert not metrics.compare([new], [[picture()] * 10]).better
