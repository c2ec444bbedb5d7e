"""Learns how height and pictures are weighed (``aerial.suspects.fuse``) from simulated, stitched towns.

    towns = [LabelledMap(change=..., simulated=...), ...]
    rule = fit(*samples(towns))

The rule is a logistic regression on the pieces that pass the physical limits, those that meet a true
change against those that meet none, held to a prior, for pieces are few. Its coefficients are copied
into ``aerial/suspects/fuse.py`` by hand, with the figures in docs/decisions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from shapely.affinity import translate

from aerial import geo
from aerial.raster.read import open_raster
from aerial.simulate.score import overlaps, read_truth
from aerial.suspects.candidates import candidates
from aerial.suspects.decide import Limits, reaches_fusion
from aerial.suspects.fuse import FEATURES, features
from aerial.suspects.pieces import on_ground

Floats = NDArray[np.float64]

# What physics says before any town is seen: simulated towns are few, and no real one. Change that
# stands out speaks for a building; that is unlevel, steep, green or ragged, against it; what the
# network calls a building speaks for it, and so does its word of change.
PRIOR = {
    "stands_out": 1.2,
    "unlevel": -2.0,
    "steep": -1.5,
    "green": -4.0,
    "ragged": -1.5,
    "building": 0.5,
    "pictures": 0.3,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledMap:
    """A change map of two stitched surveys, and the folder of the simulated town that they show."""

    change: Path
    simulated: Path
    dsm_gsd_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """log odds = coefficients . features + intercept."""

    coefficients_K: Floats
    intercept: float


def samples(maps: Sequence[LabelledMap], threshold: float = 0.5) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the features (N, K) of every piece that height judges, and whether it is a true change.

    Pieces outside the cell are left out, and those beside a true change that are not it: a crown that
    was felled for a house.
    """
    rows, labels = [], []
    for item in maps:
        truth = read_truth(item.simulated)
        grid = open_raster(item.change).grid
        for piece in candidates(item.change, threshold, Limits().min_area_height_m2):
            if not reaches_fusion(piece, Limits(), item.dsm_gsd_m):
                continue
            ground = geo.reproject(on_ground(piece.outline_px, grid), grid.crs, truth.crs)
            outline = translate(ground, *(-shift for shift in truth.gps_shift_m[0]))
            if not truth.cell.contains(outline.representative_point()):
                continue
            met = [change for change in truth.changes if overlaps(outline, change.outline)]
            beside = any(outline.distance(change.outline) < 1.0 for change in truth.changes)
            same_way = [c for c in met if (c.height_change_m > 0) == (piece.direction == "appeared")]
            if beside and not same_way:
                continue
            rows.append(features(piece))
            labels.append(bool(same_way))
    return np.array(rows, float), np.array(labels, bool)


def fit(features_NK: Floats, true_N: NDArray[np.bool_], penalty: float = 0.05) -> Rule:
    """Return the logistic rule of least log loss, both classes weighing alike, held to ``PRIOR``.

    ``penalty``: of half the squared distance from the prior; the intercept is free.
    """
    weight_N = np.where(true_N, 0.5 / max(true_N.sum(), 1), 0.5 / max((~true_N).sum(), 1))
    sign_N = np.where(true_N, 1.0, -1.0)
    prior_K = np.array([PRIOR[name] for name in FEATURES])

    def loss(theta_K1: Floats) -> tuple[float, Floats]:
        odds_N = sign_N * (features_NK @ theta_K1[:-1] + theta_K1[-1])
        pull_N = -weight_N * sign_N / (1 + np.exp(odds_N))
        away_K = theta_K1[:-1] - prior_K
        gradient = np.append(features_NK.T @ pull_N + penalty * away_K, pull_N.sum())
        return float(weight_N @ np.logaddexp(0, -odds_N) + penalty / 2 * away_K @ away_K), gradient

    found = minimize(loss, np.append(prior_K, 0.5), jac=True, method="L-BFGS-B")
    return Rule(coefficients_K=found.x[:-1], intercept=float(found.x[-1]))
