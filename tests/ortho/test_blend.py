"""Joining pictures without steps."""

import numpy as np

from aerial.ortho.blend import STEP_BINS, Layer, blend, steps


def halves(left: np.ndarray, right: np.ndarray) -> list[Layer]:
    """Return two full layers, the left half taken from the first."""
    h, w = left.shape
    chosen = np.zeros((h, w), bool)
    chosen[:, : w // 2] = True
    known = np.ones((h, w), bool)
    return [
        Layer(row=0, column=0, image_HW3=np.repeat(a[:, :, None], 3, axis=2), known_HW=known, chosen_HW=c)
        for a, c in ((left.astype(np.float32), chosen), (right.astype(np.float32), ~chosen))
    ]


def test_a_step_of_brightness_becomes_a_ramp() -> None:
    """Twenty grey levels between two photographs pass over with no step above two."""
    out = blend(halves(np.full((256, 256), 100.0), np.full((256, 256), 120.0)), (256, 256))[128, :, 0]
    assert np.abs(np.diff(out.astype(int))).max() <= 2
    assert (out[4], out[-4]) == (100, 120)


def test_detail_changes_at_once() -> None:
    """Two pixels off the seam a fine pattern is one photograph's alone: no double edges."""
    stripes = 110 + 60.0 * (np.indices((256, 256)).sum(axis=0) % 2)
    out = blend(halves(stripes, np.full((256, 256), 140.0)), (256, 256))[..., 0].astype(int)
    assert np.abs(out[100:150, 40:126] - stripes[100:150, 40:126]).max() <= 3
    assert np.abs(out[100:150, 130:220] - 140).max() <= 3


def test_ground_that_no_photograph_was_chosen_for_stays_black() -> None:
    """Nothing is made up outside of the layers."""
    layers = halves(np.full((64, 64), 90.0), np.full((64, 64), 90.0))
    assert not blend(layers[:1], (64, 64))[:, 40:].any()


def test_a_step_is_measured_where_the_seam_runs() -> None:
    """Twenty grey levels across a seam are twenty in the histogram, once for each side of it."""
    layers = halves(np.full((256, 256), 100.0), np.full((256, 256), 120.0))
    histogram_B = steps(layers, (256, 256), np.s_[64:192, 64:192])
    assert histogram_B[20 * STEP_BINS] == 128 // 4 == histogram_B.sum()


def test_without_bands_brightness_stays() -> None:
    """The fast way leaves both photographs as they are up to the seam."""
    layers = halves(np.full((64, 64), 100.0), np.full((64, 64), 120.0))
    row = blend(layers, (64, 64), two_bands=False)[32, :, 0]
    assert (row[:30] == 100).all() and (row[34:] == 120).all()
