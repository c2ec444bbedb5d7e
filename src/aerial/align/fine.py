"""Shifts of small windows by phase correlation of gradients, and what they agree on.

Fitch et al., Orientation correlation, BMVC 2002: gradients as complex numbers, so that exposure
and haze drop out; the cross-power spectrum is whitened and low-passed.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Peak over the spread of the correlation surface: noise reaches about 5 on 128 x 128 pixels.
_MIN_PEAK = 9.0
_MIN_VALID = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Shifts:
    """Measured windows: middles in common pixels, shifts AFTER -> BEFORE in pixels, peak heights."""

    at_N2: Floats
    shift_N2: Floats
    peak_N: Floats

    def subset(self, keep_N: NDArray[np.bool_]) -> "Shifts":
        """Return the windows that ``keep_N`` marks."""
        return Shifts(at_N2=self.at_N2[keep_N], shift_N2=self.shift_N2[keep_N], peak_N=self.peak_N[keep_N])


def gather(rows: list[tuple[float, float, float, float, float]]) -> Shifts:
    """Return shifts from rows of (column, row, shift column, shift row, peak)."""
    table = np.array(rows, float).reshape(-1, 5)
    return Shifts(at_N2=table[:, :2], shift_N2=table[:, 2:4], peak_N=table[:, 4])


def measure(
    before_CHW: NDArray[np.uint8], after_CHW: NDArray[np.uint8], valid_HW: NDArray[np.bool_]
) -> tuple[float, float, float] | None:
    """Return (shift column, shift row, peak): what AFTER shows at p, BEFORE shows at p + shift.

    None where too little is valid or the peak does not stand out.
    """
    if valid_HW.mean() < _MIN_VALID:
        return None
    height, width = valid_HW.shape
    taper = cv2.createHanningWindow((width, height), cv2.CV_32F)
    if not valid_HW.all():
        soft = cv2.erode(valid_HW.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1)
        taper = taper * cv2.GaussianBlur(soft.astype(np.float32), (0, 0), 3)
    spectrum_b, spectrum_a = (np.fft.fft2(_gradient(image) * taper) for image in (before_CHW, after_CHW))
    cross = spectrum_b * np.conj(spectrum_a)
    # Half whitening keeps the weight where there is signal; the low pass makes the peak a smooth hill.
    cross /= np.sqrt(np.abs(cross)) + 1e-9
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    cross *= np.exp(-(fx**2 + fy**2) / (2 * 0.15**2))
    surface = np.real(np.fft.ifft2(cross))
    row, column = np.unravel_index(int(np.argmax(surface)), surface.shape)
    peak = float((surface[row, column] - np.median(surface)) / (surface.std() + 1e-12))
    if peak < _MIN_PEAK:
        return None
    dy = _vertex(
        surface[(row - 1) % height, column], surface[row, column], surface[(row + 1) % height, column]
    )
    dx = _vertex(surface[row, (column - 1) % width], surface[row, column], surface[row, (column + 1) % width])
    shift_column = (column + dx + width / 2) % width - width / 2
    shift_row = (row + dy + height / 2) % height - height / 2
    return float(shift_column), float(shift_row), peak


def robust_affine(shifts: Shifts, tolerance_px: float) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Return the 3x3 affine p -> p + shift by reweighted least squares, and which windows agree.

    Starts from RANSAC so that a few moved objects cannot tilt it; None where fewer than six agree.
    """
    if len(shifts.at_N2) < 6:
        return None
    target_N2 = shifts.at_N2 + shifts.shift_N2
    cv2.setRNGSeed(0)
    affine_23, _ = cv2.estimateAffine2D(
        np.ascontiguousarray(shifts.at_N2),
        np.ascontiguousarray(target_N2),
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance_px,
        maxIters=5000,
    )
    if affine_23 is None:
        return None
    design = np.column_stack([shifts.at_N2, np.ones(len(shifts.at_N2))])
    for _ in range(10):
        error = np.hypot(*(design @ affine_23.T - target_N2).T)
        agree = error < tolerance_px
        if agree.sum() < 6:
            return None
        scale = max(1.4826 * float(np.median(error[agree])), 0.05)
        weight = np.sqrt(agree / (1 + (error / (2 * scale)) ** 2))
        solution, *_ = np.linalg.lstsq(design * weight[:, None], target_N2 * weight[:, None], rcond=None)
        affine_23 = solution.T
    affine_33 = np.eye(3)
    affine_33[:2] = affine_23
    return affine_33, agree


def neighbours_agree(at_N2: Floats, residual_N2: Floats, reach_px: float) -> NDArray[np.bool_]:
    """Return which windows move as their neighbours do: a lone one shows change, not misregistration."""
    agree = np.zeros(len(at_N2), bool)
    for index, at in enumerate(at_N2):
        near = np.hypot(*(at_N2 - at).T) <= reach_px
        if near.sum() < 4:
            continue
        middle = np.median(residual_N2[near], axis=0)
        distance = np.hypot(*(residual_N2[near] - middle).T)
        allowed = 3 * 1.4826 * np.median(distance) + 0.3
        agree[index] = np.hypot(*(residual_N2[index] - middle)) <= allowed
    return agree


def _gradient(image_CHW: NDArray[np.uint8]) -> NDArray[np.complex64]:
    grey = cv2.GaussianBlur(image_CHW.astype(np.float32).mean(axis=0), (0, 0), 1.0)
    gx = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3)
    gy = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3)
    size = np.hypot(gx, gy)
    # Orientation with a soft floor: strong edges count alike, sensor noise not at all.
    return np.asarray((gx + 1j * gy) / (size + np.median(size) + 1.0), np.complex64)


def _vertex(left: float, middle: float, right: float) -> float:
    curve = left - 2 * middle + right
    return 0.0 if curve >= 0 else float(np.clip(0.5 * (left - right) / curve, -0.5, 0.5))
