"""Makes probabilities true: of the pixels that are given 0.8, eight in ten shall have changed."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize


def unchanged_weight(share_seen: float, share_meant: float) -> float:
    """Return what each unchanged pixel counts so that a share of changed ones looks like another.

    Samples to learn from hold more change than the ground where the network works: a probability, and a
    threshold, that are right for the one are too rash for the other (prior shift, Saerens et al. 2002).
    """
    return (1 - share_meant) / share_meant * share_seen / (1 - share_seen)


def fit_platt(
    logit_N: NDArray[np.float64], changed_N: NDArray[np.bool_], unchanged: float = 1.0
) -> tuple[float, float]:
    """Return slope and offset of the best sigmoid(slope * logit + offset) (Platt 1999).

    ``unchanged``: what each unchanged pixel counts (``unchanged_weight``).

    Raises:
        ValueError: there is no changed, or no unchanged pixel.
    """
    if changed_N.all() or not changed_N.any():
        raise ValueError("calibration needs changed and unchanged pixels")
    # Platt's targets: a finite sample never proves 0 or 1.
    yes, no = int(changed_N.sum()), int((~changed_N).sum())
    target_N = np.where(changed_N, (yes + 1) / (yes + 2), 1 / (no + 2))
    weight_N = np.where(changed_N, 1.0, unchanged)
    weight_N /= weight_N.sum()

    def cost(ab: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z_N = ab[0] * logit_N + ab[1]
        loss = weight_N @ (np.logaddexp(0, z_N) - target_N * z_N)
        gap_N = weight_N * (1 / (1 + np.exp(-np.clip(z_N, -500, 500))) - target_N)
        return float(loss), np.array([gap_N @ logit_N, gap_N.sum()])

    found = minimize(cost, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B", bounds=[(1e-3, 100), (-50, 50)])
    return float(found.x[0]), float(found.x[1])
