"""What stood before anything was pasted: shadows, parallax and paint of the picture's own buildings."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial_training.synthesis.drawing import View
from aerial_training.synthesis.texture import Float, Rng, smooth_noise, to_uint8


def own_heights(rng: Rng, ids_HW: NDArray[np.uint16], image: NDArray[np.uint8]) -> Float:
    """Heights in metres of the picture's own buildings and crowns: guessed, the same on both dates."""
    table = rng.uniform(2.5, 11.0, 1024).astype(np.float32)
    table[0] = 0
    small = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
    greenness = cv2.transform(
        small.astype(np.float32), np.array([[-1 / 40, 2 / 40, -1 / 40, -0.2]], np.float32)
    )
    leafy = cv2.GaussianBlur(np.clip(greenness, 0, 1), (0, 0), 1.0)
    crowns = np.clip(3 + 3 * smooth_noise(rng, (leafy.shape[0], leafy.shape[1]), 9, 2), 0, 9) * leafy
    crowns = cv2.resize(crowns, ids_HW.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.maximum(table[ids_HW & 1023], crowns), dtype=np.float32)


def own_shadows(heights: Float, sight: View) -> NDArray[np.uint8]:
    """Where the picture's own buildings would cast shadow by this date's sun (uint8 mask)."""
    reach = np.array(sight.shadow_px) * float(heights.max())
    steps = min(int(np.hypot(*reach) / 2.0) + 1, 12)
    shadow = np.zeros(heights.shape, np.float32)
    size = heights.shape[::-1]
    for step in range(1, steps + 1):
        part = step / steps
        shift = np.array([[1, 0, reach[0] * part], [0, 1, reach[1] * part]], np.float32)
        moved = cv2.warpAffine(heights, shift, size, flags=cv2.INTER_NEAREST)
        np.maximum(shadow, moved - np.float32(part * heights.max()), out=shadow)
    return np.asarray((shadow > heights + 0.3) * np.uint8(255))


def repainted(rng: Rng, image: NDArray[np.uint8], ids_HW: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """One of the picture's own roofs in another colour."""
    present = np.unique(ids_HW[::4, ::4])
    present = present[present > 0]
    if not len(present):
        return image
    here = ids_HW == present[int(rng.integers(len(present)))]
    own = image[here].astype(np.float32)
    paint = rng.uniform(40, 235, 3).astype(np.float32)
    grey = own.mean(axis=1, keepdims=True) / max(float(own.mean()), 1.0)
    out = image.copy()
    amount = np.float32(rng.uniform(0.3, 0.9))
    out[here] = to_uint8(own * (1 - amount) + amount * paint * grey)
    return out


def displacement(
    rng: Rng, heights: Float, pasted_HW: NDArray[np.bool_], sight: View, most_px: float
) -> tuple[Float, Float]:
    """Where each pixel of the date comes from, as maps for ``cv2.remap``.

    Local misregistration of up to ``most_px`` (smooth, with a little turn, scale and shear), and the
    parallax of what the picture itself shows standing (``pasted`` things lean by themselves).
    """
    rows, columns = heights.shape
    damp = min(1.0, most_px / 2)
    turn, scale, shear = (damp * rng.normal(0, spread) for spread in (0.004, 0.004, 0.003))
    shift = rng.normal(0, most_px / 2.5, 2)
    grid = rng.normal(0, most_px / 3, (2, 4, 4)).astype(np.float32)
    x = np.linspace(-columns / 2, columns / 2, 17, dtype=np.float32)[None, :]
    y = np.linspace(-rows / 2, rows / 2, 17, dtype=np.float32)[:, None]
    bend_x, bend_y = (cv2.resize(part, (17, 17), interpolation=cv2.INTER_CUBIC) for part in grid)
    smooth = (bend_x + x * scale - y * (turn + shear) + shift[0], bend_y + y * scale + x * turn + shift[1])
    lean = np.array(sight.lean_px)
    reach = float(np.hypot(*lean)) * float(heights.max())
    lean = lean * min(1.0, 6.0 / max(reach, 1e-6))
    tops = cv2.GaussianBlur(np.where(pasted_HW, np.float32(0), heights), (0, 0), 1.2) if reach > 0.3 else None
    maps: list[Float] = []
    for part, size, own in zip(smooth, (columns, rows), lean, strict=True):
        full = cv2.resize(part.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC)
        full += (
            np.arange(size, dtype=np.float32)[None, :]
            if not maps
            else np.arange(size, dtype=np.float32)[:, None]
        )
        if tops is not None:
            full -= tops * np.float32(own)
        maps.append(full)
    return maps[0], maps[1]


def misregistration(rng: Rng) -> float:
    """Most local shift of a date, pixels: mostly below two, at times up to five."""
    return (
        float(math.exp(rng.uniform(math.log(0.2), math.log(2.0))))
        if rng.random() < 0.85
        else float(rng.uniform(2, 5))
    )
