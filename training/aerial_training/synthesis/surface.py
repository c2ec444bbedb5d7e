"""The height change that stitched photographs of a scene would show."""

from collections.abc import Sequence

import cv2
import numpy as np

from aerial_training.synthesis.placing import Thing
from aerial_training.synthesis.texture import Float, Rng, smooth_noise

_VAGUE = ("tree", "hedge", "tarp")


def height_change(
    rng: Rng, things: Sequence[Thing], stepped: Float, own: Float, leafy: Float, gsd_m: float
) -> Float:
    """After minus before in metres, NaN where unknown; as smeared, noisy and holed as stitched surfaces.

    ``stepped``: height change of what the picture itself shows; ``own``: heights of what stands there;
    ``leafy``: 0..1, where crowns are.
    """
    full = own.shape
    # Surfaces of photographs are never sharper than this, and the network reads a quarter of the size.
    stepped, own, leafy = (_halved(part) for part in (stepped, own, leafy))
    shape = (own.shape[0], own.shape[1])
    change = stepped.copy()
    for thing in things:
        if thing.dates[0] != thing.dates[1] and thing.height_m >= 0.3:
            sign = 1.0 if thing.dates[1] else -1.0
            ring = thing.outline_px(2 * gsd_m) - np.array(thing.at_px) / 2 + rng.normal(0, 0.35, 2)
            worth = rng.uniform(0.3, 1.0) if thing.sprite.kind in _VAGUE else rng.uniform(0.85, 1.05)
            mask = np.zeros(shape, np.uint8)
            cv2.fillPoly(mask, [(ring * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
            change[mask > 0] = sign * thing.height_m * worth
    change = cv2.GaussianBlur(change, (0, 0), rng.uniform(0.5, 1.3))
    change += np.float32(rng.uniform(0.1, 0.4)) * smooth_noise(rng, shape, rng.uniform(1.5, 4), 2)
    change += np.float32(rng.uniform(0.0, 0.25)) * smooth_noise(rng, shape, 60)
    change += leafy * np.float32(rng.uniform(0.3, 2.0)) * smooth_noise(rng, shape, rng.uniform(3, 7), 2)
    edges = cv2.morphologyEx(own, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    beside = np.clip(edges / 6, 0, 1) * np.clip(smooth_noise(rng, shape, 4) - 0.7, 0, 2)
    change += beside * np.float32(rng.uniform(0.5, 5.0) * rng.choice([-1.0, 1.0]))
    holes = smooth_noise(rng, shape, rng.uniform(4, 15), 2) > rng.uniform(1.6, 4.0)
    out = cv2.resize(change, full[::-1], interpolation=cv2.INTER_LINEAR)
    out[cv2.resize(holes.astype(np.uint8), full[::-1], interpolation=cv2.INTER_NEAREST) > 0] = np.nan
    return np.asarray(out, dtype=np.float32)


def _halved(part: Float) -> Float:
    size = (part.shape[1] // 2, part.shape[0] // 2)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), dtype=np.float32)
