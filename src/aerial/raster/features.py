"""Features by which pictures of one place recognise each other.

RootSIFT: Arandjelovic and Zisserman, Three things everyone should know to improve object
retrieval, CVPR 2012.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Descriptors = NDArray[np.float32]


def root_sift(
    grey_HW: NDArray[np.uint8], valid_HW: NDArray[np.bool_] | None, most: int
) -> tuple[Floats, Descriptors]:
    """Return places (column, row) and descriptors of length 1 of at most ``most`` features."""
    # Dark and hazy pictures have as many features as bright ones.
    grey_HW = np.asarray(cv2.createCLAHE(clipLimit=3.0, tileGridSize=(8, 8)).apply(grey_HW), np.uint8)
    inner = None
    if valid_HW is not None:
        inner = cv2.erode(valid_HW.astype(np.uint8), np.ones((9, 9), np.uint8), borderValue=0)
    sift = cv2.SIFT_create(nfeatures=most, contrastThreshold=0.02)  # type: ignore[attr-defined]
    found, described = sift.detectAndCompute(grey_HW, inner)
    if described is None or not found:
        return np.zeros((0, 2)), np.zeros((0, 128), np.float32)
    described = np.sqrt(described / np.maximum(described.sum(axis=1, keepdims=True), 1e-9))
    # cv2 counts the first pixel's centre as 0.
    return np.array([k.pt for k in found], float) + 0.5, described.astype(np.float32)
