"""Takes real buildings out of one date: the ground that covers them there leaves them as real changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.outlines import DOUBTFUL
from aerial_training.synthesis.texture import Rng
from aerial_training.synthesis.works import Ring, Site, lay

_LEAST_PX, _MOST_PX = 50, 25_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Demolished:
    """Buildings of the picture that stand on one date only.

    ``mask_HW``: their pixels. ``absent``: the date without them (0 or 1).
    """

    mask_HW: NDArray[np.bool_]
    absent: int


def demolish(rng: Rng, site: Site, ids_HW: NDArray[np.uint16], absent: int) -> Demolished:
    """Cover one to five of the picture's own buildings, shadow and all, on the date ``absent``."""
    numbers, counts = np.unique(ids_HW, return_counts=True)
    fit = (numbers > 0) & (numbers < DOUBTFUL) & (counts >= _LEAST_PX) & (counts <= _MOST_PX)
    numbers = numbers[fit]
    gone = np.zeros(ids_HW.shape, np.bool_)
    if not len(numbers):
        return Demolished(mask_HW=gone, absent=absent)
    chosen = rng.choice(numbers, min(int(rng.geometric(0.45)), 5, len(numbers)), replace=False)
    kind = str(rng.choice(("soil", "green", "hard"), p=(0.45, 0.4, 0.15)))
    for number in chosen:
        here = ids_HW == number
        gone |= here
        keep = site.keep_HW.copy()
        keep[cv2.dilate(here.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0] = 0
        own = kind if rng.random() < 0.7 else str(rng.choice(("soil", "green", "hard")))
        kinds = (own, None) if absent == 0 else (None, own)
        ring = _lot(rng, here, site.gsd_m)
        lay(rng, replace(site, keep_HW=keep), ring, kinds, 1.0, float(rng.choice([0.6, 1.5])))
    return Demolished(mask_HW=gone, absent=absent)


def _lot(rng: Rng, here: NDArray[np.bool_], gsd_m: float) -> Ring:
    """The building's own box with 1.5 to 7 m of ground around it, wide enough for its shadow and walls."""
    contours, _ = cv2.findContours(here.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    (x, y), size, angle = cv2.minAreaRect(np.concatenate(contours))
    margin = rng.uniform(1.5, 7.0, 2) / gsd_m
    grown: Sequence[float] = (size[0] + 2 * margin[0], size[1] + 2 * margin[1])
    return np.asarray(cv2.boxPoints(((x, y), grown, angle)), dtype=np.float64)
