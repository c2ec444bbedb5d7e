"""Noise and small painted patterns that roofs and grounds are made of."""

import cv2
import numpy as np
from numpy.typing import NDArray

Rng = np.random.Generator
Float = NDArray[np.float32]


def _fields(side: int, cell_px: float, most_octaves: int) -> list[Float]:
    rng = np.random.default_rng(11)
    total = np.zeros((side, side), np.float32)
    fields = []
    for octave in range(most_octaves):
        small = int(side / cell_px * 2**octave) + 2
        field = rng.standard_normal((small, small), dtype=np.float32)
        total = total + cv2.resize(field, (side, side), interpolation=cv2.INTER_CUBIC) / np.float32(2**octave)
        fields.append(total)
    return fields


_FIELD_PX, _FIELD_CELL_PX = 768, 6.0
_FIELDS = _fields(_FIELD_PX, _FIELD_CELL_PX, 4)


def smooth_noise(rng: Rng, shape: tuple[int, int], cell_px: float, octaves: int = 1) -> Float:
    """Value noise of about unit spread, its blobs ``cell_px`` wide, each octave half as wide and high.

    A random piece of a stored field: drawing it anew costs more than all the rest of a sample.
    """
    scale = max(_FIELD_CELL_PX / max(cell_px, 1.0), 0.02)
    size = [min(max(int(side * scale), 2), _FIELD_PX) for side in shape]
    y, x = (int(rng.integers(_FIELD_PX - side + 1)) for side in size)
    piece = _FIELDS[octaves - 1][y : y + size[0], x : x + size[1]]
    if rng.random() < 0.5:
        piece = piece[::-1]
    if rng.random() < 0.5:
        piece = piece[:, ::-1]
    if piece.shape == shape:
        return piece.copy()
    way = cv2.INTER_LINEAR if cell_px < 60 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(piece, shape[::-1], interpolation=way))


def stripes(shape: tuple[int, int], period_px: float, along_x: bool, phase: float = 0.0) -> Float:
    """Sine of unit amplitude across x (or y)."""
    length = shape[1] if along_x else shape[0]
    wave = np.sin(2 * np.pi * (np.arange(length, dtype=np.float32) / max(period_px, 2.0) + phase))
    line = wave[None, :] if along_x else wave[:, None]
    return np.asarray(np.broadcast_to(line, shape), dtype=np.float32)


def tinted(rng: Rng, colour: tuple[float, float, float], spread: float) -> Float:
    """``colour`` (0..255) with brightness and hue moved by about ``spread`` (fraction)."""
    base = np.asarray(colour, dtype=np.float32)
    gain = np.float32(1 + spread * rng.standard_normal())
    hue = 1 + 0.4 * spread * rng.standard_normal(3).astype(np.float32)
    return np.clip(base * gain * hue, 4, 252).astype(np.float32)


def darkened(image_HW3: Float, factor_HW: Float) -> Float:
    """``image`` times a factor a pixel."""
    return np.asarray(image_HW3 * factor_HW[..., None], dtype=np.float32)


def to_uint8(image: Float) -> NDArray[np.uint8]:
    """Clipped to 0..255."""
    return np.asarray(np.clip(image, 0, 255), dtype=np.uint8)
