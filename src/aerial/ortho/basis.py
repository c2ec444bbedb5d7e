"""What a block stands on, in figures: georeference, basis, and the residual of every photograph."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f as f_distribution

from aerial.ortho import adjust, georef
from aerial.ortho.across import Across, missed_px
from aerial.ortho.anchor import (
    ALTITUDE_SIGMA_M,
    BAROMETER_SIGMA_M,
    DRIFT,
    FIXED_M,
    RTK_FLOOR_M,
    VERTICAL,
    rtk_std_m,
)
from aerial.ortho.archive import StoredBlock
from aerial.ortho.control import Controlled
from aerial.ortho.features import working_size
from aerial.ortho.judge import Candidate
from aerial.ortho.laid import Laid
from aerial.records import Basis, Georef, Photo, PhotoResidual

Floats = NDArray[np.float64]

# What a surveyed point errs by that no residual shows: the survey's own base and the target's middle.
CONTROL_SIGMA_M = 0.02


def on_positions(photos: Sequence[Photo], candidate: Candidate) -> tuple[Georef, Basis]:
    """Return how a block stands on its photographs' own positions."""
    std_m = rtk_std_m(photos, candidate)
    residual_N = candidate.residuals_m
    lever, tilt_m = _reach(photos, candidate, std_m)
    ce95_m = georef.ce95_m(candidate.placement.sigma_m, len(residual_N), std_m, lever=lever, tilt_m=tilt_m)
    source = (
        f"positions of the photographs, stated to {std_m:.3f} m" if std_m else "positions of the photographs"
    )
    return Georef(how="gps" if std_m is None else "rtk", ce95_m=round(ce95_m, 3)), Basis(
        how="gps" if std_m is None else "rtk",
        source=source,
        points=len(residual_N),
        residual_median_m=_percentile(residual_N, 50),
        residual_p95_m=_percentile(residual_N, 95),
    )


def _reach(photos: Sequence[Photo], candidate: Candidate, std_m: float | None) -> tuple[float, float]:
    """Return how far the ground reaches from the cameras that place it, and what their tilt does to it.

    The first as mean squared distance from their middle, in that of the cameras; the second in metres.
    """
    world, points = candidate.placement.similarity, candidate.model.reconstruction.points3D
    ground_N3 = world.apply(np.array([points[i].xyz for i in sorted(points)]).reshape(-1, 3))
    centres_N3 = world.apply(adjust.centres_and_axes(candidate.model)[0])
    known_N = candidate.placement.agrees_N & np.isfinite(candidate.placement.residual_N)
    centres_N3 = centres_N3[known_N]
    if len(centres_N3) < adjust.MIN_MODEL or not len(ground_N3):
        return 0.0, 0.0
    middle_2 = centres_N3[:, :2].mean(axis=0)
    spread_2 = np.linalg.svd(centres_N3[:, :2] - middle_2, compute_uv=False)
    lever = float(((ground_N3[:, :2] - middle_2) ** 2).sum(axis=1).mean())
    lever /= max(float((spread_2**2).sum()) / len(centres_N3), 1e-9)
    relative = all(photos[n - 1].relative_height_m is not None for n in candidate.numbers)
    if std_m is not None:
        up_m = VERTICAL * max(std_m, RTK_FLOOR_M)
    else:
        up_m = BAROMETER_SIGMA_M if relative else ALTITUDE_SIGMA_M
    height_m = abs(float(np.median(centres_N3[:, 2]) - np.median(ground_N3[:, 2])))
    turn_rad = min(DRIFT * up_m / max(float(spread_2[1]), 1e-9), float(georef.LEVEL_SIGMA_RAD))
    return lever, height_m * turn_rad


def doubts(photos: Sequence[Photo], candidate: Candidate) -> tuple[str, ...]:
    """Return in words where positions are not what they state."""
    stated = [std for n in candidate.numbers if (std := photos[n - 1].rtk_std_m) is not None]
    if not stated or rtk_std_m(photos, candidate) is not None or float(np.median(stated)) > FIXED_M:
        return ()
    median_m = float(np.median(candidate.residuals_m)) if len(candidate.residuals_m) else 0.0
    return (
        f"{len(stated)} photographs state positions of {float(np.median(stated)):.3f} m, but the block "
        f"passes them by {median_m:.2f} m (median), or they are too few: it counts as placed by GPS.",
    )


def on_control(path: Path, controlled: Controlled) -> tuple[Georef, Basis]:
    """Return how a block stands on ground control points.

    CE95 is that of points kept out, and of each used point as the others place it; few points say
    little of themselves, so that it is widened by the F distribution.
    """
    shown_N2 = np.vstack([controlled.alone_U3[:, :2], controlled.misfit_K3[:, :2]])
    if len(controlled.kept_out) >= 3:
        shown_N2 = controlled.misfit_K3[:, :2]
    freedom = max(2 * len(shown_N2) - (4 if len(controlled.used) <= 3 else 0), 2)
    variance = float((shown_N2**2).sum() / freedom)
    wide = float(np.sqrt(2 * f_distribution.ppf(0.95, 2, freedom)))
    ce95_m = float(np.hypot(wide * np.sqrt(variance), georef.CE95_PER_SIGMA * CONTROL_SIGMA_M))
    across_U = np.hypot(*controlled.misfit_U3[:, :2].T)
    out_K = np.hypot(*controlled.misfit_K3[:, :2].T)
    return Georef(how="gcp", ce95_m=round(ce95_m, 3)), Basis(
        how="gcp",
        source=path.name,
        points=len(controlled.used),
        residual_median_m=_percentile(across_U, 50),
        residual_p95_m=_percentile(across_U, 95),
        residual_vertical_m=_percentile(np.abs(controlled.misfit_U3[:, 2]), 50),
        checked_m=round(float(np.sqrt(np.mean(out_K**2))), 3) if len(out_K) else None,
    )


def on_ortho(path: Path, laid: Laid) -> tuple[Georef, Basis]:
    """Return how a block stands on an orthomosaic from elsewhere, whose own error nobody told."""
    return Georef(how="ortho", ce95_m=None), Basis(
        how="ortho",
        source=path.name,
        points=len(laid.misfit_N2),
        residual_median_m=_percentile(np.hypot(*laid.misfit_N2.T), 50),
        residual_p95_m=_percentile(np.hypot(*laid.misfit_N2.T), 95),
    )


def on_reference(
    name: str, reference: StoredBlock, across: Across, checked_N3: Floats
) -> tuple[Georef, Basis]:
    """Return how a repeat stands on its reference survey; its error is that survey's and the misfit.

    ``checked_N3``: misfit at control points, which a repeat is only checked with, (N, 3) metres.
    """
    apart_N = np.hypot(*across.misfit_N3[:, :2].T)
    p95_m = _percentile(apart_N, 95)
    ce95_m = None if reference.ce95_m is None else round(float(np.hypot(reference.ce95_m, p95_m or 0.0)), 3)
    out_K = np.hypot(*checked_N3[:, :2].T)
    return Georef(how="reference", ce95_m=ce95_m), Basis(
        how="reference",
        source=f"{name}: {across.references} of its {len(reference.photos)} photographs",
        points=across.shared,
        residual_median_m=_percentile(apart_N, 50),
        residual_p95_m=p95_m,
        residual_vertical_m=_percentile(np.abs(across.misfit_N3[:, 2]), 50),
        checked_m=round(float(np.sqrt(np.mean(out_K**2))), 3) if len(out_K) else None,
    )


def photo_residuals(photos: Sequence[Photo], candidate: Candidate) -> tuple[PhotoResidual, ...]:
    """Return the residuals of every held photograph, in their order."""
    model = candidate.model.reconstruction
    gps = dict(zip(candidate.model.numbers, candidate.placement.residual_N, strict=True))
    found = []
    for number in candidate.numbers:
        photo = photos[number - 1]
        missed_N = missed_px(model, number)
        scale = photo.width_px / working_size(photo.width_px, photo.height_px)[0]
        found.append(
            PhotoResidual(
                file=photo.file,
                tie_points=len(missed_N),
                reprojection_px=round(scale * float(np.mean(missed_N)), 3) if len(missed_N) else 0.0,
                gps_m=round(float(gps[number]), 3) if np.isfinite(gps[number]) else None,
            )
        )
    return tuple(found)


def _percentile(values_N: Floats, percent: float) -> float | None:
    return round(float(np.percentile(values_N, percent)), 3) if values_N.size else None
