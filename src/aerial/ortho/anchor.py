"""Holds a placed block to its cameras' positions, against bending.

Straight-down photographs of one height hardly tell a flat block with one lens distortion from a
domed block with another: bending by a metre costs a hundredth of a pixel. Barometric heights do
tell, so the last adjustment weighs them against the tie points. Positions that contradict the tie
points lose: the model stays as it was.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pycolmap
from numpy.typing import NDArray

from aerial.ortho import adjust, georef
from aerial.ortho.judge import Candidate, judge
from aerial.ortho.matching import SEED
from aerial.records import Photo

Floats = NDArray[np.float64]

# A barometer holds this over a flight, its slow drift aside; a receiver's altitude does not.
BAROMETER_SIGMA_M = 0.2
ALTITUDE_SIGMA_M = 1.0
POSITION_SIGMA_M = 0.3
# Positions of one flight drift together, so that a quarter of them counts as independent.
DRIFT = 2.0
# Receivers that fixed their ambiguities state 1-3 cm; what floats states decimetres.
FIXED_M = 0.1
# Stated accuracies leave out what shutter, antenna and rounding add.
RTK_FLOOR_M = 0.02
RTK_SLACK_M = 0.10
VERTICAL = 2.0
# Flattening brighton_beach, bent by a metre, costs 1.2 %; contradicting positions cost more.
MAX_LOSS = 1.03


def anchor(photos: Sequence[Photo], placed: Candidate, gps_N3: Floats) -> Candidate:
    """Return ``placed`` adjusted to tie points and positions together, or as it was.

    ``photos`` and ``gps_N3`` (metric CRS, NaN where unknown) are of all photographs, in order of
    their numbers. Only cameras whose positions agree with the model are held to them. Positions that
    state an accuracy of centimetres weigh as they state, each for itself, where the tie points bear
    them out; else as those of any receiver.
    """
    held = [n for n in placed.numbers if np.isfinite(gps_N3[n - 1]).all()]
    if len(held) < adjust.MIN_MODEL:
        return placed
    if _mostly_fixed(photos, held):
        exact = _anchored(photos, placed, gps_N3, held, rtk=True)
        if exact and rtk_std_m(photos, exact) is not None:
            return exact
    return _anchored(photos, placed, gps_N3, held, rtk=False) or placed


def rtk_std_m(photos: Sequence[Photo], candidate: Candidate) -> float | None:
    """Return the horizontal accuracy that a block's photographs state and keep, None where they do not.

    Most must state centimetres, and the block must pass them by no more than that explains.
    """
    held = [
        (std, residual)
        for number, residual in zip(candidate.model.numbers, candidate.placement.residual_N, strict=True)
        if np.isfinite(residual) and (std := photos[number - 1].rtk_std_m) is not None and std <= FIXED_M
    ]
    if not held or not _mostly_fixed(photos, list(candidate.model.numbers)):
        return None
    stated_m, missed_m = np.median(np.array(held), axis=0)
    return float(stated_m) if missed_m <= max(3 * stated_m, RTK_SLACK_M) else None


def _mostly_fixed(photos: Sequence[Photo], numbers: Sequence[int]) -> bool:
    fixed = [n for n in numbers if (std := photos[n - 1].rtk_std_m) is not None and std <= FIXED_M]
    return len(fixed) >= max(adjust.MIN_MODEL, len(numbers) / 2)


def _anchored(
    photos: Sequence[Photo], placed: Candidate, gps_N3: Floats, held: Sequence[int], *, rtk: bool
) -> Candidate | None:
    """Return the adjusted block; None, and ``placed`` as it was, where the tie points object."""
    model, world = placed.model, placed.placement.similarity
    origin_3 = np.round(np.median(gps_N3[np.array(held) - 1], axis=0))
    to_local = pycolmap.Sim3d(world.scale, pycolmap.Rotation3d(world.rotation_33), world.shift_3 - origin_3)
    moved = adjust.Model(
        reconstruction=pycolmap.Reconstruction(model.reconstruction), numbers=model.numbers, fixed=model.fixed
    )
    moved.reconstruction.transform(to_local)
    local_N3 = gps_N3 - origin_3
    if rtk:
        priors = _rtk_priors(moved.reconstruction, held, photos, local_N3, placed.placement.sigma_m)
    else:
        priors = _priors(moved.reconstruction, held, photos, local_N3, placed.placement.sigma_m)
    _solve(moved, priors)
    if rtk:
        # Where centimetres hold the block, nothing places it better than the adjustment did.
        there = georef.Similarity(scale=1.0, rotation_33=np.eye(3), shift_3=origin_3)
        centres_N3 = there.apply(adjust.centres_and_axes(moved)[0])
        placement = georef.compare(
            centres_N3, gps_N3[np.array(model.numbers) - 1], similarity=there, shared_shift=False
        )
        again: Candidate | None = Candidate(model=moved, placement=placement, why_not="")
    else:
        again = judge(photos, moved, gps_N3)
    allowed_px = MAX_LOSS * model.reprojection_px
    if again is None or again.why_not or again.held < placed.held or moved.reprojection_px > allowed_px:
        return None
    return again


def _rtk_priors(
    moved: pycolmap.Reconstruction,
    held: Sequence[int],
    photos: Sequence[Photo],
    local_N3: Floats,
    sigma_m: float,
) -> list[pycolmap.PosePrior]:
    """Return each position with the accuracy that it states, or that of the others' where it states none."""
    centres_K3 = np.array([adjust.pose_of(moved, number).centre_3 for number in held])
    # Altitudes have a datum of their own; what the two share is not weighed.
    up_m = float(np.median(local_N3[np.array(held) - 1, 2] - centres_K3[:, 2]))
    priors = []
    for number in held:
        row_3 = local_N3[number - 1] - np.array([0.0, 0.0, up_m])
        std_m = photos[number - 1].rtk_std_m
        across_m = DRIFT * (max(sigma_m, POSITION_SIGMA_M) if std_m is None else max(std_m, RTK_FLOOR_M))
        priors.append(_prior(moved, number, row_3, across_m, VERTICAL * across_m))
    return priors


def _prior(
    moved: pycolmap.Reconstruction, number: int, at_3: Floats, across_m: float, vertical_m: float
) -> pycolmap.PosePrior:
    prior = pycolmap.PosePrior()
    prior.corr_data_id = moved.image(number).data_id
    prior.position = at_3
    prior.position_covariance = np.diag([across_m**2, across_m**2, vertical_m**2])
    prior.coordinate_system = pycolmap.PosePriorCoordinateSystem.CARTESIAN
    return prior


def _priors(
    moved: pycolmap.Reconstruction,
    held: Sequence[int],
    photos: Sequence[Photo],
    local_N3: Floats,
    sigma_m: float,
) -> list[pycolmap.PosePrior]:
    rows = np.array(held) - 1
    centres_K3 = np.array([adjust.pose_of(moved, number).centre_3 for number in held])
    relative = [photos[row].relative_height_m for row in rows]
    if any(height is None for height in relative):
        heights_K = local_N3[rows, 2]
        left_K = heights_K - centres_K3[:, 2]
        spread_m = 1.4826 * float(np.median(np.abs(left_K - np.median(left_K))))
        vertical_m = DRIFT * max(spread_m, ALTITUDE_SIGMA_M)
    else:
        heights_K, vertical_m = np.array(relative, float), BAROMETER_SIGMA_M
    # The datum of the heights stays what placing made of it; only their differences are weighed.
    heights_K = heights_K - np.median(heights_K - centres_K3[:, 2])
    across_m = DRIFT * max(sigma_m, POSITION_SIGMA_M)
    return [
        _prior(moved, number, np.array([*local_N3[row, :2], height_m]), across_m, vertical_m)
        for number, row, height_m in zip(held, rows, heights_K, strict=True)
    ]


def _solve(model: adjust.Model, priors: Sequence[pycolmap.PosePrior]) -> None:
    moved = model.reconstruction
    options = adjust.refine_options()
    config = pycolmap.BundleAdjustmentConfig()
    of_lens: Counter[int] = Counter()
    for number in sorted(moved.reg_image_ids()):
        config.add_image(number)
        of_lens[moved.image(number).camera_id] += 1
    for camera_id, count in of_lens.items():
        if count < adjust.MIN_PHOTOS_OF_LENS or camera_id in model.fixed:
            config.set_constant_cam_intrinsics(camera_id)
    weights = pycolmap.PosePriorBundleAdjustmentOptions()
    weights.alignment_ransac.random_seed = SEED
    weights.ceres.prior_position_loss_function_type = pycolmap.LossFunctionType.CAUCHY
    pycolmap.create_pose_prior_bundle_adjuster(options, weights, config, priors, moved).solve()
    moved.update_point_3d_errors()
