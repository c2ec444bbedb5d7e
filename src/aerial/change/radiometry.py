"""Normalises pictures: what a sensor, a season and an exposure do to a whole picture is taken out."""

import numpy as np
from numpy.typing import NDArray


def normalisation(
    image_3HW: NDArray[np.uint8], valid_HW: NDArray[np.bool_] | None, least_spread: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return gain and offset per channel, normalised = pixel * gain + offset.

    The mean of each channel becomes 0; one spread for all channels (standard deviation around their
    means, at least ``least_spread`` of full scale, so that a picture of one meadow is not blown up)
    becomes 1. Take both from the whole mosaic (an overview), never from a tile.
    """
    pixels = image_3HW.reshape(3, -1) if valid_HW is None else image_3HW[:, valid_HW]
    if pixels.shape[1] == 0:
        return np.full(3, 1 / 255, np.float32), np.zeros(3, np.float32)
    mean_3 = pixels.mean(axis=1, dtype=np.float64)
    variance = np.square(pixels, dtype=np.float32).mean(axis=1, dtype=np.float64) - mean_3**2
    spread = max(float(np.sqrt(max(variance.mean(), 0.0))), least_spread * 255)
    gain_3 = np.full(3, 1 / spread)
    return gain_3.astype(np.float32), (-mean_3 / spread).astype(np.float32)
