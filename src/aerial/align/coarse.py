"""The first guess: RootSIFT on overviews, a RANSAC affine, and a sanity check of what comes out."""

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.raster.features import root_sift

Floats = NDArray[np.float64]

_FEATURES = 6000
_RATIO = 0.8
_MIN_INLIERS = 15
# A georeference may be wrong; a scale wrong by a fifth or a turn by a sixth of a circle is another place.
_MAX_SCALE = 1.25
_MAX_TURN_DEG = 30.0


def match_overviews(
    before_CHW: NDArray[np.uint8],
    before_valid_HW: NDArray[np.bool_],
    after_CHW: NDArray[np.uint8],
    after_valid_HW: NDArray[np.bool_],
) -> Floats | None:
    """Return the 3x3 affine from AFTER's overview pixels to BEFORE's (centres at +0.5), or None.

    None where too few features agree: another season, no texture. Deterministic.
    """
    points_b, described_b = root_sift(_grey(before_CHW), before_valid_HW, _FEATURES)
    points_a, described_a = root_sift(_grey(after_CHW), after_valid_HW, _FEATURES)
    if min(len(points_a), len(points_b)) < _MIN_INLIERS:
        return None
    pairs = cv2.BFMatcher(cv2.NORM_L2).knnMatch(described_a, described_b, k=2)
    good = [p[0] for p in pairs if len(p) == 2 and p[0].distance < _RATIO * p[1].distance]
    if len(good) < _MIN_INLIERS:
        return None
    from_N2 = points_a[[m.queryIdx for m in good]]
    to_N2 = points_b[[m.trainIdx for m in good]]
    cv2.setRNGSeed(0)
    affine_23, inliers = cv2.estimateAffine2D(
        from_N2, to_N2, method=cv2.RANSAC, ransacReprojThreshold=2.0, maxIters=5000, confidence=0.999
    )
    if affine_23 is None or int(inliers.sum()) < _MIN_INLIERS or not plausible(affine_23):
        return None
    affine_33 = np.eye(3)
    affine_33[:2] = affine_23
    return affine_33


def plausible(affine: Floats) -> bool:
    """Tell whether an affine between two declared georeferences can be their error."""
    turn, stretch, _ = np.linalg.svd(affine[:2, :2])
    rotation = turn @ np.linalg.svd(affine[:2, :2])[2]
    angle = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    mirrored = np.linalg.det(affine[:2, :2]) < 0
    return bool(
        not mirrored
        and stretch.max() <= _MAX_SCALE
        and stretch.min() >= 1 / _MAX_SCALE
        and stretch.max() / stretch.min() <= 1.1
        and abs(angle) <= _MAX_TURN_DEG
    )


def _grey(image_CHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image_HW3 = np.ascontiguousarray(np.moveaxis(image_CHW, 0, -1))
    return np.asarray(cv2.cvtColor(image_HW3, cv2.COLOR_RGB2GRAY), np.uint8)
