"""What the pixels of a photograph say, measured on a version of 1000 to 2000 pixels.

The JPEG is decoded at a reduced size by its own block transform, which reads every byte (so a
truncated file shows) at a fraction of the cost.
"""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import eigh

from aerial.errors import PhotoError
from aerial.records.record import record

Floats = NDArray[np.float32]
_LEAST_SIDE_PX = 1000
_COARSE_PX = 3.0


@record
class Content:
    """Measures of one photograph.

    ``bright``: 95th percentile of luminance, 0-255; ``dark``: the 5th. ``detail``: root mean square
    of the gradient at a coarse scale, grey values per pixel. ``sharpness``: gradient at pixel scale
    over gradient at a scale of 3 pixels, in the direction where it is least, so that motion blur
    counts; contrast and content cancel. About 1.3 is blurred away, sharp pictures have 2 to 5.
    ``sky``: share of the upper eighth that is smooth and brighter than the ground below.
    ``lost``: share of rows at the bottom that the file does not really hold.
    ``thumb_HW``: 24 x 32, zero mean and unit variance.
    """

    bright: float
    dark: float
    detail: float
    sharpness: float
    sky: float
    lost: float
    thumb_HW: Floats


def measure(path: Path) -> Content:
    """Decode the JPEG at ``path`` and return its measures.

    Raises:
        PhotoError: it is truncated or broken.
    """
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            shrink = 1
            while shrink < 8 and max(image.size) / (2 * shrink) >= _LEAST_SIDE_PX:
                shrink *= 2
            image.draft("L", (image.width // shrink, image.height // shrink))
            grey_HW = np.asarray(image.convert("L"), np.float32)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise PhotoError(
            f"{path.name} is truncated or broken.", hint="Copy it from the memory card again."
        ) from exc
    bright, dark = np.percentile(grey_HW, [95, 5])
    detail, sharpness = _sharpness(grey_HW)
    thumb_HW = cv2.resize(grey_HW, (32, 24), interpolation=cv2.INTER_AREA)
    return Content(
        bright=float(bright),
        dark=float(dark),
        detail=detail,
        sharpness=sharpness,
        sky=_sky(grey_HW),
        lost=_lost(grey_HW),
        thumb_HW=(thumb_HW - thumb_HW.mean()) / max(float(thumb_HW.std()), 1e-3),
    )


def _sharpness(grey_HW: Floats) -> tuple[float, float]:
    coarse = _structure(cv2.GaussianBlur(grey_HW, (0, 0), _COARSE_PX))
    detail = float(np.sqrt(np.trace(coarse)))
    if detail < 1e-3:
        return detail, 0.0
    ratio = eigh(_structure(grey_HW), coarse + 1e-9 * np.eye(2), eigvals_only=True)[0]
    return detail, float(np.sqrt(max(ratio, 0.0)))


def _structure(image_HW: Floats) -> NDArray[np.float64]:
    dx, dy = (cv2.Sobel(image_HW, cv2.CV_32F, *order) / 8 for order in ((1, 0), (0, 1)))
    return np.array([[np.mean(dx * dx), np.mean(dx * dy)], [np.mean(dx * dy), np.mean(dy * dy)]], float)


def _sky(grey_HW: Floats) -> float:
    rows = grey_HW.shape[0] // 8
    above_HW, below_HW = grey_HW[: rows + 8], grey_HW[grey_HW.shape[0] // 2 :]
    mean_HW = cv2.GaussianBlur(above_HW, (0, 0), 3)
    spread_HW = np.sqrt(np.maximum(cv2.GaussianBlur(above_HW**2, (0, 0), 3) - mean_HW**2, 0))
    smooth_HW = (spread_HW < 6) & (mean_HW > 1.2 * np.percentile(below_HW, 80))
    return float(smooth_HW[:rows].mean())


def _lost(grey_HW: Floats) -> float:
    # A decoder fills what is missing with one value; no sensor delivers rows without any noise.
    constant_H = grey_HW.max(axis=1) - grey_HW.min(axis=1) <= 1
    upwards = np.flatnonzero(~constant_H[::-1])
    return float(upwards[0] / len(constant_H)) if len(upwards) else 1.0
