"""What the pixels of a photograph say, measured on a version of 1000 to 2000 pixels.

The JPEG is decoded at a reduced size by its own block transform, which reads every byte (so a
truncated file shows) at a fraction of the cost.
"""

import io
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.linalg import eigh

from aerial.errors import PhotoError
from aerial.records.record import record

Floats = NDArray[np.float32]
Greys = NDArray[np.uint8]
_LEAST_SIDE_PX = 1000
_COARSE_PX = 3.0
# A page with 1500 thumbnails of 100 pixels is some megabytes long and still opens on a telephone.
_THUMBNAIL_PX, _LEAST_THUMBNAIL_PX, _MANY, _THUMBNAIL_QUALITY = 240, 96, 250, 60


@record
class Content:
    """Measures of one photograph.

    ``bright``: 95th percentile of luminance, 0-255; ``dark``: the 5th. ``detail``: root mean square
    of the gradient at a coarse scale, grey values per pixel. ``sharpness``: gradient at pixel scale
    over gradient at a scale of 3 pixels, in the direction where it is least, so that motion blur
    counts; contrast and content cancel. About 1.3 is blurred away, sharp pictures have 2 to 5.
    ``sky``: share of the upper eighth that is smooth and brighter than the ground below.
    ``lost``: share of rows at the bottom that the file does not really hold.
    ``thumb_HW``: 24 x 32, zero mean and unit variance. ``picture``: a small JPEG for people, if asked for.
    """

    bright: float
    dark: float
    detail: float
    sharpness: float
    sky: float
    lost: float
    thumb_HW: Floats
    picture: bytes | None = None


def thumbnail_side_px(count: int) -> int:
    """Return the longer side of thumbnails of which ``count`` lie on one page: fewer are larger."""
    return int(np.clip(_THUMBNAIL_PX * np.sqrt(_MANY / max(count, 1)), _LEAST_THUMBNAIL_PX, _THUMBNAIL_PX))


def measure(path: Path, *, thumbnail_px: int = 0) -> Content:
    """Decode the JPEG at ``path`` and return its measures; with ``thumbnail_px``, a picture of that side.

    Raises:
        PhotoError: it is truncated or broken.
    """
    try:
        with Image.open(path, formats=("JPEG",)) as image:
            shrink = 1
            while shrink < 8 and max(image.size) / (2 * shrink) >= _LEAST_SIDE_PX:
                shrink *= 2
            # The first component of a JPEG in colour is its luminance: the same decoder, the same greys.
            colour = thumbnail_px > 0 and image.mode == "RGB"
            image.draft("YCbCr" if colour else "L", (image.width // shrink, image.height // shrink))
            if not colour:
                grey_HW = np.asarray(image.convert("L"))
            else:
                grey_HW = np.ascontiguousarray(np.asarray(image)[..., 0])
            picture = _thumbnail(image, thumbnail_px) if thumbnail_px else None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise PhotoError(
            f"{path.name} is truncated or broken.", hint="Copy it from the memory card again."
        ) from exc
    detail, sharpness = _sharpness(grey_HW)
    thumb_HW = cv2.resize(grey_HW, (32, 24), interpolation=cv2.INTER_AREA).astype(np.float32)
    return Content(
        bright=_quantile(grey_HW, 0.95),
        dark=_quantile(grey_HW, 0.05),
        detail=detail,
        sharpness=sharpness,
        sky=_sky(grey_HW),
        lost=_lost(grey_HW),
        thumb_HW=(thumb_HW - thumb_HW.mean()) / max(float(thumb_HW.std()), 1e-3),
        picture=picture,
    )


def _thumbnail(image: Image.Image, side_px: int) -> bytes:
    small = image.reduce(max(1, max(image.size) // (2 * side_px)))
    small.thumbnail((side_px, side_px))
    out = io.BytesIO()
    small.convert("RGB").save(out, "JPEG", quality=_THUMBNAIL_QUALITY, optimize=True)
    return out.getvalue()


def _quantile(grey_HW: Greys, share: float) -> float:
    """Return the grey value below which a share of the pixels lies; counting is faster than sorting."""
    below_256 = np.cumsum(cv2.calcHist([np.ascontiguousarray(grey_HW)], [0], None, [256], [0, 256]))
    return float(np.searchsorted(below_256, share * below_256[-1]))


def _sharpness(grey_HW: Greys) -> tuple[float, float]:
    # Sixteen bits hold the gradients of whole grey values, and half the memory to go through.
    coarse = _structure(cv2.GaussianBlur(grey_HW.astype(np.float32), (0, 0), _COARSE_PX), cv2.CV_32F)
    detail = float(np.sqrt(np.trace(coarse)))
    if detail < 1e-3:
        return detail, 0.0
    ratio = eigh(_structure(grey_HW, cv2.CV_16S), coarse + 1e-9 * np.eye(2), eigvals_only=True)[0]
    return detail, float(np.sqrt(max(ratio, 0.0)))


def _structure(image_HW: Greys | Floats, depth: int) -> NDArray[np.float64]:
    dx, dy = (cv2.Sobel(image_HW, depth, *order) for order in ((1, 0), (0, 1)))
    if depth == cv2.CV_16S:
        dx, dy = dx.astype(np.float32), dy.astype(np.float32)
    products = np.array([[cv2.norm(dx) ** 2, _dot(dx, dy)], [0.0, cv2.norm(dy) ** 2]])
    products[1, 0] = products[0, 1]
    return products / (64.0 * image_HW.size)


def _dot(one_HW: Floats, other_HW: Floats) -> float:
    # Row by row in single precision, the rows in double: a sum over the whole loses digits.
    return float(np.einsum("ij,ij->i", one_HW, other_HW).astype(np.float64).sum())


def _sky(grey_HW: Greys) -> float:
    rows = grey_HW.shape[0] // 8
    above_HW = grey_HW[: rows + 8].astype(np.float32)
    mean_HW = cv2.GaussianBlur(above_HW, (0, 0), 3)
    spread_HW = np.sqrt(np.maximum(cv2.GaussianBlur(above_HW**2, (0, 0), 3) - mean_HW**2, 0))
    smooth_HW = (spread_HW < 6) & (mean_HW > 1.2 * _quantile(grey_HW[grey_HW.shape[0] // 2 :], 0.8))
    return float(smooth_HW[:rows].mean())


def _lost(grey_HW: Greys) -> float:
    # A decoder fills what is missing with one value; no sensor delivers rows without any noise.
    constant_H = grey_HW.max(axis=1).astype(int) - grey_HW.min(axis=1) <= 1
    upwards = np.flatnonzero(~constant_H[::-1])
    return float(upwards[0] / len(constant_H)) if len(upwards) else 1.0
