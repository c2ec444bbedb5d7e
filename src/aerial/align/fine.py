"""Shifts of small windows by phase correlation of gradients, and what they agree on.

Fitch et al., Orientation correlation, BMVC 2002: gradients as complex numbers, so that exposure
and haze drop out; the cross-power spectrum is whitened and low-passed.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Peak over the spread of the correlation surface: noise reaches about 5 on 128 x 128 pixels.
MIN_PEAK = 9.0
_MIN_VALID = 0.75
_LEAST_WINDOWS = 6
# A typical disagreement of so many pixels leaves nothing to explain.
_GOOD_PX = 0.1


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
    surface_HW = correlate(before_CHW, after_CHW, valid_HW)
    if surface_HW is None:
        return None
    found = highest(surface_HW)
    return found if found[2] >= MIN_PEAK else None


def correlate(
    before_CHW: NDArray[np.uint8], after_CHW: NDArray[np.uint8], valid_HW: NDArray[np.bool_]
) -> Floats | None:
    """Return how well AFTER fits BEFORE at every shift, in standard deviations; no shift at (0, 0).

    None where too little is valid. Sums of such surfaces tell a shift that no window tells alone.
    """
    if valid_HW.mean() < _MIN_VALID:
        return None
    height, width = valid_HW.shape
    taper = cv2.createHanningWindow((width, height), cv2.CV_32F)
    if not valid_HW.all():
        soft = cv2.erode(valid_HW.astype(np.uint8), np.ones((5, 5), np.uint8), borderValue=1)
        taper = taper * cv2.GaussianBlur(soft.astype(np.float32), (0, 0), 3)
    spectrum_b, spectrum_a = (_spectrum(_gradient(image) * taper) for image in (before_CHW, after_CHW))
    cross = spectrum_b * np.conj(spectrum_a)
    # Half whitening keeps the weight where there is signal; the low pass makes the peak a smooth hill.
    cross /= np.sqrt(np.abs(cross)) + np.float32(1e-9)
    cross *= _low_pass(height, width)
    surface = np.real(_spectrum(cross, cv2.DFT_INVERSE | cv2.DFT_SCALE))
    return np.asarray((surface - np.median(surface)) / (surface.std() + 1e-12))


def _spectrum(values_HW: NDArray[np.complex64], flags: int = 0) -> NDArray[np.complex64]:
    """Return the Fourier transform: OpenCV's, which takes a tenth of the time that numpy's does."""
    pairs_HW2 = np.ascontiguousarray(values_HW, np.complex64).view(np.float32).reshape(*values_HW.shape, 2)
    return np.asarray(cv2.dft(pairs_HW2, flags=flags), np.float32).view(np.complex64)[..., 0]


@lru_cache(maxsize=2)
def _low_pass(height: int, width: int) -> NDArray[np.float32]:
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij")
    return np.asarray(np.exp(-(fx**2 + fy**2) / (2 * 0.15**2)), np.float32)


def highest(surface_HW: Floats, reach_px: float | None = None) -> tuple[float, float, float]:
    """Return (shift column, shift row, height) of the highest peak, at most ``reach_px`` from no shift."""
    height, width = surface_HW.shape
    allowed = surface_HW
    if reach_px is not None:
        y_H, x_W = (np.fft.fftfreq(n, 1 / n) for n in (height, width))
        near = np.hypot(y_H[:, None], x_W[None]) <= max(reach_px, 1.0)
        allowed = np.where(near, surface_HW, -np.inf)
    row, column = np.unravel_index(int(np.argmax(allowed)), allowed.shape)
    peak = float(surface_HW[row, column])
    dy = _vertex(surface_HW[(row - 1) % height, column], peak, surface_HW[(row + 1) % height, column])
    dx = _vertex(surface_HW[row, (column - 1) % width], peak, surface_HW[row, (column + 1) % width])
    shift_column = (column + dx + width / 2) % width - width / 2
    shift_row = (row + dy + height / 2) % height - height / 2
    return float(shift_column), float(shift_row), peak


def robust_fit(
    shifts: Shifts, tolerance_px: float, independent: float, *, gentle: bool
) -> tuple[Floats, NDArray[np.bool_]] | None:
    """Return the 3x3 affine p -> p + shift that the windows justify, and which windows agree.

    The simplest of nothing, a shift, a similarity and an affine that no richer one clearly beats: a
    handful of windows on leaning roofs must not bend a good georeference. ``independent``: how many
    windows would lie side by side. ``gentle``: no more than a degree or two of turn and scale.
    None where fewer than six agree on anything.
    """
    if len(shifts.at_N2) < _LEAST_WINDOWS:
        return None
    best: tuple[Floats, NDArray[np.bool_], float] | None = None
    for parameters in (0, 2, 4, 6):
        affine_23 = _consensus(shifts, tolerance_px, parameters)
        if affine_23 is None or (gentle and parameters > 2 and not _is_gentle(affine_23)):
            continue
        affine_23, agree = _reweighted(shifts, affine_23, tolerance_px, parameters)
        if agree.sum() < _LEAST_WINDOWS:
            continue
        # What n windows say of p numbers is worth n - p / 2 of them.
        worth = independent * agree.mean() - parameters / 2
        if worth <= 0.5:
            continue
        typical = float(np.median(_errors(shifts, affine_23)[agree]))
        typical *= float(np.sqrt((worth + parameters / 2) / worth))
        if (
            best is None
            or agree.sum() > 1.25 * best[1].sum() + 1
            or (best[2] > _GOOD_PX and typical < 0.7 * best[2] and agree.sum() >= 0.9 * best[1].sum())
        ):
            best = affine_23, agree, typical
    if best is None:
        return None
    affine_33 = np.eye(3)
    affine_33[:2] = best[0]
    return affine_33, best[1]


def _consensus(shifts: Shifts, tolerance_px: float, parameters: int) -> Floats | None:
    """Return the 2x3 affine that most windows agree with, of a shift (2), a similarity (4), an affine (6)."""
    if parameters == 0:
        return np.eye(2, 3)
    if parameters == 2:
        apart = np.hypot(*(shifts.shift_N2[:, None] - shifts.shift_N2[None]).transpose(2, 0, 1))
        close = apart < tolerance_px
        middle = int(np.argmax((close * shifts.peak_N).sum(axis=1)))
        return np.column_stack([np.eye(2), np.median(shifts.shift_N2[close[middle]], axis=0)])
    estimate = cv2.estimateAffine2D if parameters == 6 else cv2.estimateAffinePartial2D
    cv2.setRNGSeed(0)
    affine_23, _ = estimate(
        np.ascontiguousarray(shifts.at_N2),
        np.ascontiguousarray(shifts.at_N2 + shifts.shift_N2),
        method=cv2.RANSAC,
        ransacReprojThreshold=tolerance_px,
        maxIters=5000,
    )
    return None if affine_23 is None else np.asarray(affine_23, float)


def _reweighted(
    shifts: Shifts, affine_23: Floats, tolerance_px: float, parameters: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Return an affine refined by reweighted least squares, and which windows agree with it."""
    agree = _errors(shifts, affine_23) < tolerance_px
    for _ in range(10 if parameters else 0):
        error = _errors(shifts, affine_23)
        agree = error < tolerance_px
        if agree.sum() < _LEAST_WINDOWS:
            break
        scale = max(1.4826 * float(np.median(error[agree])), 0.05)
        weight = np.sqrt(agree / (1 + (error / (2 * scale)) ** 2))
        affine_23 = _least_squares(shifts, weight, parameters)
    return affine_23, agree


def _least_squares(shifts: Shifts, weight_N: Floats, parameters: int) -> Floats:
    x, y = shifts.at_N2.T
    target_N2 = shifts.at_N2 + shifts.shift_N2
    if parameters == 2:
        shift = (shifts.shift_N2 * weight_N[:, None] ** 2).sum(axis=0) / (weight_N**2).sum()
        return np.column_stack([np.eye(2), shift])
    if parameters == 6:
        design = np.column_stack([shifts.at_N2, np.ones(len(x))])
        solution, *_ = np.linalg.lstsq(design * weight_N[:, None], target_N2 * weight_N[:, None], rcond=None)
        return np.asarray(solution.T)
    zero, one = np.zeros(len(x)), np.ones(len(x))
    rows = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    both = np.concatenate([weight_N, weight_N])
    (a, b, c, d), *_ = np.linalg.lstsq(rows * both[:, None], target_N2.T.ravel() * both, rcond=None)
    return np.array([[a, -b, c], [b, a, d]])


def _errors(shifts: Shifts, affine_23: Floats) -> Floats:
    design = np.column_stack([shifts.at_N2, np.ones(len(shifts.at_N2))])
    return np.asarray(np.hypot(*(design @ affine_23.T - shifts.at_N2 - shifts.shift_N2).T))


def _is_gentle(affine_23: Floats) -> bool:
    stretch = np.linalg.svd(affine_23[:, :2])[1]
    turn = np.degrees(np.arctan2(affine_23[1, 0] - affine_23[0, 1], affine_23[0, 0] + affine_23[1, 1]))
    return bool(abs(stretch - 1).max() <= 0.02 and abs(turn) <= 1.5)


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
