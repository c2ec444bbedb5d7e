"""What the network is given of a pair."""

import numpy as np

from aerial.change.inputs import mirrored


def _picture(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (3, 40, 60), dtype=np.uint8)


def test_the_ground_goes_on_in_a_mirror_where_nothing_is_valid() -> None:
    """Beyond a straight edge each pixel is the one as far on the other side; both dates alike."""
    dates = [_picture(1), _picture(2)]
    valid = np.zeros((40, 60), bool)
    valid[:, :40] = True
    for own, whole in zip(dates, mirrored(dates, valid), strict=True):
        assert (own[:, :, :40] == whole[:, :, :40]).all()
        assert (own[:, :, 38:19:-1] == whole[:, :, 40:59]).all()


def test_the_nearest_pixel_stands_in_where_the_mirror_shows_nothing() -> None:
    """A strip that is narrower than what lies beyond it gives its rim; no invalid byte is ever shown."""
    date = np.where(np.arange(60) < 5, 200, 0).astype(np.uint8)[None, None].repeat(3, 0).repeat(40, 1)
    (whole, _) = mirrored([date, date], np.broadcast_to(np.arange(60) < 5, (40, 60)))
    assert (whole == 200).all()


def test_a_picture_without_any_valid_pixel_is_left_alone() -> None:
    """There is nothing to mirror, and nothing to fail on."""
    date = _picture(3)
    assert (mirrored([date, date], np.zeros((40, 60), bool))[0] == date).all()
