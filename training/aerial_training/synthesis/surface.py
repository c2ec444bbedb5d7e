"""The height change that stitched photographs of a scene would show."""

from collections.abc import Sequence

import cv2
import numpy as np

from aerial_training.synthesis.placing import Thing
from aerial_training.synthesis.texture import Float, Rng, smooth_noise


def height_change(
    rng: Rng, things: Sequence[Thing], stepped: Float, own: Float, leafy: Float, gsd_m: float
) -> Float:
    """After minus before in metres, NaN where unknown; as smeared, noisy and holed as stitched surfaces.

    ``stepped``: height change of what the picture itself shows; ``own``: heights of what stands there;
    ``leafy``: 0..1, where crowns are.
    """
    shape = own.shape
    change = stepped.copy()
    for thing in things:
        if thing.dates[0] != thing.dates[1] and thing.height_m >= 0.3:
            sign = 1.0 if thing.dates[1] else -1.0
            ring = np.round(thing.outline_px(gsd_m) + rng.normal(0, 0.7, 2)).astype(np.int32)
            worth = (
                rng.uniform(0.3, 1.0)
                if thing.sprite.kind in ("tree", "hedge", "tarp")
                else rng.uniform(0.85, 1.05)
            )
            mask = np.zeros(shape, np.uint8)
            cv2.fillPoly(mask, [ring], 1)
            change[mask > 0] = sign * thing.height_m * worth
    change = cv2.GaussianBlur(change, (0, 0), rng.uniform(0.8, 2.6))
    noise = rng.uniform(0.1, 0.4)
    change += noise * smooth_noise(rng, shape, rng.uniform(3, 8), 2)
    change += rng.uniform(0.0, 0.25) * smooth_noise(rng, shape, 120)
    change += leafy * rng.uniform(0.3, 2.0) * smooth_noise(rng, shape, rng.uniform(6, 14), 2)
    edges = cv2.morphologyEx(own, cv2.MORPH_GRADIENT, np.ones((5, 5), np.uint8))
    beside = np.clip(edges / 6, 0, 1) * np.clip(smooth_noise(rng, shape, 7) - 0.7, 0, 2)
    change += beside * rng.uniform(0.5, 3.0) * rng.choice([-1.0, 1.0])
    holes = smooth_noise(rng, shape, rng.uniform(8, 30), 2) > rng.uniform(1.6, 4.0)
    change[holes] = np.nan
    return np.asarray(change, dtype=np.float32)
