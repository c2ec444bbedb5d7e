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

from aerial.ortho import adjust
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
# Flattening brighton_beach, bent by a metre, costs 1.2 %; contradicting positions cost more.
MAX_LOSS = 1.03


def anchor(photos: Sequence[Photo], placed: Candidate, gps_N3: Floats) -> Candidate:
    """Return ``placed`` adjusted to tie points and positions together, or as it was.

    ``photos`` and ``gps_N3`` (metric CRS, NaN where unknown) are of all photographs, in order of
    their numbers. Only cameras whose positions agree with the model are held to them.
    """
    model = placed.model
    held = [n for n in placed.numbers if np.isfinite(gps_N3[n - 1]).all()]
    if len(held) < adjust.MIN_MODEL:
        return placed
    world = placed.placement.similarity
    origin_3 = np.round(np.median(gps_N3[np.array(held) - 1], axis=0))
    before = pycolmap.Reconstruction(model.reconstruction)
    moved = model.reconstruction
    moved.transform(
        pycolmap.Sim3d(world.scale, pycolmap.Rotation3d(world.rotation_33), world.shift_3 - origin_3)
    )
    priors = _priors(moved, held, photos, gps_N3 - origin_3, placed.placement.sigma_m)
    _solve(moved, priors)
    again = judge(photos, model, gps_N3)
    allowed_px = MAX_LOSS * before.compute_mean_reprojection_error()
    if again is None or again.why_not or again.held < placed.held or model.reprojection_px > allowed_px:
        return Candidate(
            model=adjust.Model(reconstruction=before, numbers=model.numbers),
            placement=placed.placement,
            why_not="",
        )
    return again


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
    priors = []
    for number, row, height_m in zip(held, rows, heights_K, strict=True):
        prior = pycolmap.PosePrior()
        prior.corr_data_id = moved.image(number).data_id
        prior.position = np.array([*local_N3[row, :2], height_m])
        prior.position_covariance = np.diag([across_m**2, across_m**2, vertical_m**2])
        prior.coordinate_system = pycolmap.PosePriorCoordinateSystem.CARTESIAN
        priors.append(prior)
    return priors


def _solve(moved: pycolmap.Reconstruction, priors: Sequence[pycolmap.PosePrior]) -> None:
    options = adjust.refine_options()
    config = pycolmap.BundleAdjustmentConfig()
    of_lens: Counter[int] = Counter()
    for number in sorted(moved.reg_image_ids()):
        config.add_image(number)
        of_lens[moved.image(number).camera_id] += 1
    for camera_id, count in of_lens.items():
        if count < adjust.MIN_PHOTOS_OF_LENS:
            config.set_constant_cam_intrinsics(camera_id)
    weights = pycolmap.PosePriorBundleAdjustmentOptions()
    weights.alignment_ransac.random_seed = SEED
    weights.ceres.prior_position_loss_function_type = pycolmap.LossFunctionType.CAUCHY
    pycolmap.create_pose_prior_bundle_adjuster(options, weights, config, priors, moved).solve()
    moved.update_point_3d_errors()
