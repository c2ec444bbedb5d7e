"""From a model without scale or direction to metres: levelling, similarity, residuals.

A survey's camera positions are good horizontally (metres) and often bad vertically (tens of
metres), and its cameras know well where down is. So the model is levelled by its cameras
first; a similarity in the plane, robust against wrong positions, gives scale, heading and place;
altitudes then correct the levelling only as far as they are worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# How well the mean optical axis of a flight is vertical: gimbals err by up to about a degree.
LEVEL_SIGMA_RAD = np.radians(1.0)
# Positions worse than this do not contradict a pose: consumer receivers under trees or walls.
GPS_SLACK_M = 10.0
# The error that all positions of one flight share and no residual shows, per axis (single
# frequency receiver, no corrections).
GPS_BIAS_SIGMA_M = 1.5
CE95_PER_SIGMA = 2.4477
LEAST_INDEPENDENT, MOST_INDEPENDENT = 3.0, 12.0
_SEED = 7
_TRIALS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Similarity:
    """world = scale * rotation_33 @ model + shift_3."""

    scale: float
    rotation_33: Floats
    shift_3: Floats

    def apply(self, points_N3: Floats) -> Floats:
        """Return model points in the world."""
        return np.asarray(self.scale * points_N3 @ self.rotation_33.T + self.shift_3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A model's place in the world and how its cameras agree with their positions.

    ``residual_N``: horizontal distance of camera centre and GPS in metres, NaN without GPS.
    ``agrees_N``: False where GPS and pose contradict each other. ``sigma_m``: robust standard
    deviation of one horizontal axis. ``tilt_deg``: how far altitudes turned the levelled model.
    """

    similarity: Similarity
    residual_N: Floats
    agrees_N: Bools
    sigma_m: float
    tilt_deg: float


def place(centres_N3: Floats, downs_N3: Floats, gps_N3: Floats, level_N: Floats) -> Placement | None:
    """Fit camera centres to their positions.

    Args:
        centres_N3: camera centres of the model, any scale and direction.
        downs_N3: unit vectors of the model that each camera takes for down: its optical axis, or
            what its gimbal's pitch makes of it.
        gps_N3: east, north (metres, near an origin) and altitude; NaN where unknown.
        level_N: the height used for levelling (barometric where there is one), NaN where unknown.

    Returns:
        None where fewer than three cameras have a position or all stand at one place.
    """
    known_N = np.isfinite(gps_N3[:, :2]).all(axis=1)
    if known_N.sum() < 3:
        return None
    level_33 = _levelling(downs_N3)
    levelled_N3 = centres_N3 @ level_33.T
    fit = _similarity_2d(levelled_N3[known_N, :2], gps_N3[known_N, :2])
    if fit is None:
        return None
    scale, turn_22, _ = fit
    heading_33 = np.eye(3)
    heading_33[:2, :2] = turn_22
    flat_N3 = scale * levelled_N3 @ heading_33.T
    tilt_33, tilt_rad = _tilt(flat_N3, level_N)
    rotation_33 = tilt_33 @ heading_33 @ level_33
    turned_N3 = centres_N3 @ rotation_33.T
    again = _similarity_2d(turned_N3[known_N, :2], gps_N3[known_N, :2])
    if again is None:
        return None
    scale, turn_22, shift_2 = again
    heading_33[:2, :2] = turn_22
    rotation_33 = heading_33 @ rotation_33
    heights_N = scale * (centres_N3 @ rotation_33.T)[:, 2]
    offset_N = gps_N3[:, 2] - heights_N
    up_m = float(np.median(offset_N[np.isfinite(offset_N)])) if np.isfinite(offset_N).any() else 0.0
    similarity = Similarity(scale=scale, rotation_33=rotation_33, shift_3=np.array([*shift_2, up_m]))
    residual_N = np.hypot(*(similarity.apply(centres_N3)[:, :2] - gps_N3[:, :2]).T)
    return _placement(similarity, residual_N, tilt_rad)


def level(
    centres_N3: Floats,
    downs_N3: Floats,
    points_N3: Floats,
    heights: Sequence[float | None],
    usual_height_m: float,
) -> Similarity:
    """Return the similarity that levels a model without positions and puts its ground at height 0.

    ``downs_N3`` as in ``place``; ``points_N3`` the tie points; ``heights`` of the cameras over ground
    in metres, which give the scale and correct the levelling where all are known.
    """
    known = [height for height in heights if height is not None]
    height_m = float(np.median(known)) if known and np.median(known) > 1 else usual_height_m
    level_33 = _levelling(downs_N3)

    def scale_of(rotation_33: Floats) -> tuple[float, float]:
        ground = float(np.median((points_N3 @ rotation_33.T)[:, 2]))
        return height_m / float(np.median((centres_N3 @ rotation_33.T)[:, 2]) - ground), ground

    if len(known) == len(heights):
        tilt_33, _ = _tilt(scale_of(level_33)[0] * centres_N3 @ level_33.T, np.array(known))
        level_33 = tilt_33 @ level_33
    scale, ground = scale_of(level_33)
    return Similarity(scale=scale, rotation_33=level_33, shift_3=np.array([0.0, 0.0, -scale * ground]))


def compare(
    centres_N3: Floats,
    gps_N3: Floats,
    *,
    similarity: Similarity | None = None,
    shared_shift: bool = True,
) -> Placement:
    """Compare cameras that stand in the world already with their positions.

    A shift that all share is the positions' own (they differ by 3-5 m between days) and is taken
    out, unless ``shared_shift`` is False. ``similarity``: how the model became ``centres_N3``.
    """
    identity = similarity or Similarity(scale=1.0, rotation_33=np.eye(3), shift_3=np.zeros(3))
    left_N2 = gps_N3[:, :2] - centres_N3[:, :2]
    known_N = np.isfinite(left_N2).all(axis=1)
    common_2 = np.median(left_N2[known_N], axis=0) if shared_shift and known_N.any() else np.zeros(2)
    return _placement(identity, np.hypot(*(left_N2 - common_2).T), 0.0)


def _placement(similarity: Similarity, residual_N: Floats, tilt_rad: float) -> Placement:
    known_N = np.isfinite(residual_N)
    sigma = float(np.median(residual_N[known_N])) / 1.1774 if known_N.any() else 0.0
    return Placement(
        similarity=similarity,
        residual_N=residual_N,
        agrees_N=~(residual_N > max(GPS_SLACK_M, 5.0 * sigma)),
        sigma_m=sigma,
        tilt_deg=float(np.degrees(tilt_rad)),
    )


def ce95_m(
    sigma_m: float,
    cameras: int,
    rtk_std_m: float | None,
    *,
    lever: float = 0.0,
    tilt_m: float = 0.0,
) -> float:
    """Return the circular error (95 %) of ground of a block placed on ``cameras`` positions.

    The shared error of the positions dominates and cannot be seen in residuals: that of a consumer
    receiver unless the photographs state an RTK accuracy. The rest averages out, as far as it is
    independent: positions of one flight drift together, so that every fourth counts and a dozen at
    most, and four numbers of the placement were fitted to them. ``lever``: mean squared distance of
    the ground from the middle of the cameras, in that of the cameras; ``tilt_m``: how far a wrong
    levelling moves the ground, one sigma of one axis.
    """
    shared_m = GPS_BIAS_SIGMA_M if rtk_std_m is None else rtk_std_m
    independent = float(np.clip(cameras / 4.0, LEAST_INDEPENDENT, MOST_INDEPENDENT))
    fitted = 2 * independent / (2 * independent - 4)
    averaged_m = sigma_m * np.sqrt(fitted * (1 + lever) / independent)
    return float(CE95_PER_SIGMA * np.sqrt(shared_m**2 + averaged_m**2 + tilt_m**2))


def _levelling(downs_N3: Floats) -> Floats:
    """Return the rotation that turns the robust mean of ``downs_N3`` to straight down."""
    down_3 = np.median(downs_N3, axis=0)
    for _ in range(10):
        down_3 = down_3 / np.linalg.norm(down_3)
        angle_N = np.arccos(np.clip(downs_N3 @ down_3, -1, 1))
        # Cauchy weights: a few oblique photographs must not tilt the block.
        weight_N = 1 / (1 + (angle_N / max(2 * float(np.median(angle_N)), 1e-3)) ** 2)
        down_3 = weight_N @ downs_N3
    up_3 = -down_3 / np.linalg.norm(down_3)
    east_3 = np.cross(np.eye(3)[int(np.argmin(np.abs(up_3)))], up_3)
    east_3 /= np.linalg.norm(east_3)
    return np.stack([east_3, np.cross(up_3, east_3), up_3])


def _tilt(flat_N3: Floats, level_N: Floats) -> tuple[Floats, float]:
    """Return the small rotation by which altitudes correct a levelled model, and its angle.

    A plane through the altitude differences, against a prior of no tilt; where the altitudes ask
    for more than gimbals can err, they are the ones that are wrong.
    """
    known_N = np.isfinite(level_N)
    if known_N.sum() < 4:
        return np.eye(3), 0.0
    xy_K2 = flat_N3[known_N, :2] - flat_N3[known_N, :2].mean(axis=0)
    rise_K = level_N[known_N] - flat_N3[known_N, 2]
    design_K3 = np.column_stack([xy_K2, np.ones(len(xy_K2))])
    weight_K = np.ones(len(rise_K))
    prior_3 = np.array([LEVEL_SIGMA_RAD**-2, LEVEL_SIGMA_RAD**-2, 0.0])
    slope_3 = np.array([0.0, 0.0, float(np.median(rise_K))])
    for _ in range(20):
        left_K = rise_K - design_K3 @ slope_3
        sigma = max(1.4826 * float(np.median(np.abs(left_K - np.median(left_K)))), 0.1)
        weight_K = 1 / (1 + (left_K / (2 * sigma)) ** 2)
        # Heights of one flight drift together, so that a quarter of them counts as independent.
        information = weight_K / (4 * sigma**2)
        normal_33 = design_K3.T @ (design_K3 * information[:, None]) + np.diag(prior_3)
        slope_3 = np.linalg.solve(normal_33, design_K3.T @ (information * rise_K))
    angle = float(np.hypot(*slope_3[:2]))
    if angle > 3 * LEVEL_SIGMA_RAD:
        return np.eye(3), 0.0
    up_3 = np.array([-slope_3[0], -slope_3[1], 1.0])
    up_3 /= np.linalg.norm(up_3)
    axis_3 = np.cross([0.0, 0.0, 1.0], up_3)
    skew_33 = np.array([[0, -axis_3[2], axis_3[1]], [axis_3[2], 0, -axis_3[0]], [-axis_3[1], axis_3[0], 0]])
    return np.eye(3) + skew_33 + skew_33 @ skew_33 / (1 + up_3[2]), angle


def _similarity_2d(from_N2: Floats, to_N2: Floats) -> tuple[float, Floats, Floats] | None:
    """Return (scale, rotation_22, shift_2), robust: consensus over random pairs, then reweighted."""
    spread = np.hypot(*(from_N2 - from_N2.mean(axis=0)).T)
    if not np.median(spread) > 0:
        return None
    a_N, b_N = (p[:, 0] + 1j * p[:, 1] for p in (from_N2, to_N2))
    random = np.random.default_rng(_SEED)
    best, best_cost = None, np.inf
    for _ in range(_TRIALS):
        i, j = random.choice(len(a_N), 2, replace=False)
        # Close pairs say nothing about heading or scale.
        if abs(a_N[i] - a_N[j]) < 0.5 * np.median(spread) or b_N[i] == b_N[j]:
            continue
        factor = (b_N[i] - b_N[j]) / (a_N[i] - a_N[j])
        shift = np.median((b_N - factor * a_N).real) + 1j * np.median((b_N - factor * a_N).imag)
        # Half of the pull of residuals, in metres of the target, per metre that the model spans:
        # without the division the smallest scale would always win.
        cost = float(np.median(np.abs(b_N - factor * a_N - shift)))
        if cost < best_cost:
            best, best_cost = (factor, shift), cost
    if best is None:
        return None
    factor, shift = best
    for _ in range(30):
        left_N = np.abs(b_N - factor * a_N - shift)
        sigma = max(float(np.median(left_N)) / 1.1774, 1e-3)
        weight_N = 1 / (1 + (left_N / (2 * sigma)) ** 2)
        a_mean, b_mean = (np.average(v, weights=weight_N) for v in (a_N, b_N))
        a_0, b_0 = a_N - a_mean, b_N - b_mean
        factor = np.sum(weight_N * np.conj(a_0) * b_0) / np.sum(weight_N * np.abs(a_0) ** 2)
        shift = b_mean - factor * a_mean
    scale = abs(factor)
    if not scale > 0:
        return None
    turn = factor / scale
    return (
        float(scale),
        np.array([[turn.real, -turn.imag], [turn.imag, turn.real]]),
        np.array([shift.real, shift.imag]),
    )
