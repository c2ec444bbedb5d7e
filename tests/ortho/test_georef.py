"""Levelling and placing a model by its cameras' positions."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from aerial.camera import nadir_rotation
from aerial.ortho import georef
from aerial.ortho.judge import told_downs

Floats = NDArray[np.float64]


def flight(seed: int, *, gimbal_deg: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Return true centres, optical axes and the same two in a model frame turned at random, 1/30 the size."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(6) * 20.0, np.arange(5) * 30.0)
    truth_N3 = np.column_stack([x.ravel(), y.ravel(), np.full(30, 80.0)]) + rng.normal(0, 0.6, (30, 3))
    axes_N3 = np.column_stack([np.sin(np.radians(rng.normal(0, gimbal_deg, (30, 2)))), np.full(30, -1.0)])
    axes_N3 /= np.linalg.norm(axes_N3, axis=1, keepdims=True)
    turn_33 = Rotation.random(rng=rng).as_matrix()
    return truth_N3, (truth_N3 - truth_N3.mean(axis=0)) @ turn_33 / 30, axes_N3 @ turn_33


def placed(
    truth_N3: Floats, model_N3: Floats, axes_N3: Floats, gps_N3: Floats
) -> tuple[Floats, georef.Placement]:
    """Return the errors of the placed centres and the placement."""
    found = georef.place(model_N3, axes_N3, gps_N3, gps_N3[:, 2])
    assert found is not None
    return found.similarity.apply(model_N3) - truth_N3, found


@pytest.mark.parametrize("seed", range(5))
def test_exact_positions_give_back_the_flight(seed: int) -> None:
    """A model of any size and direction is laid onto exact positions to a decimetre, heights included."""
    truth_N3, model_N3, axes_N3 = flight(seed)
    error_N3, found = placed(truth_N3, model_N3, axes_N3, truth_N3)
    assert np.abs(error_N3).max() < 0.1
    assert found.agrees_N.all()


@pytest.mark.parametrize("seed", range(5))
def test_altitudes_that_wander_do_not_tilt_the_block(seed: int) -> None:
    """Altitudes rising by 100 m over the flight leave the block as level as its cameras looked down."""
    truth_N3, model_N3, axes_N3 = flight(seed)
    gps_N3 = truth_N3 + np.column_stack([np.zeros((30, 2)), np.linspace(0, 100, 30)])
    error_N3, _ = placed(truth_N3, model_N3, axes_N3, gps_N3)
    assert np.ptp(error_N3[:, 2]) < 4.0  # a degree over 100 m is 1.7 m


def test_good_altitudes_level_better_than_the_gimbal() -> None:
    """A gimbal that looks 1.5 degrees forward on every photograph is put right by steady altitudes."""
    truth_N3, model_N3, axes_N3 = flight(1, gimbal_deg=0.2)
    wrong_33 = Rotation.from_euler("x", 1.5, degrees=True).as_matrix()
    axes_N3 = axes_N3 @ wrong_33.T
    gps_N3 = truth_N3 + np.random.default_rng(2).normal(0, 0.2, truth_N3.shape)
    error_N3, found = placed(truth_N3, model_N3, axes_N3, gps_N3)
    assert np.ptp(error_N3[:, 2]) < 1.0
    assert found.tilt_deg > 0.5


def test_a_position_half_a_kilometre_off_is_named_and_moves_nothing() -> None:
    """Of thirty positions one 500 m off disagrees; the others are placed as without it."""
    truth_N3, model_N3, axes_N3 = flight(3)
    gps_N3 = truth_N3.copy()
    gps_N3[7, 0] += 500
    error_N3, found = placed(truth_N3, model_N3, axes_N3, gps_N3)
    assert np.flatnonzero(~found.agrees_N).tolist() == [7]
    assert np.abs(error_N3).max() < 0.2


def test_photographs_without_position_are_placed_with_the_others() -> None:
    """NaN positions count neither as agreement nor as contradiction."""
    truth_N3, model_N3, axes_N3 = flight(4)
    gps_N3 = truth_N3.copy()
    gps_N3[::3] = np.nan
    error_N3, found = placed(truth_N3, model_N3, axes_N3, gps_N3)
    assert np.abs(error_N3).max() < 0.1
    assert found.agrees_N.all()
    assert np.isnan(found.residual_N[::3]).all()


def test_positions_all_at_one_place_give_nothing() -> None:
    """Where every camera claims the same spot there is no scale, so no placement."""
    truth_N3, model_N3, axes_N3 = flight(5)
    found = georef.place(model_N3[:2], axes_N3[:2], truth_N3[:2], truth_N3[:2, 2])
    assert found is None


def test_the_error_told_is_never_below_the_receivers_own() -> None:
    """However small the residuals, CE95 holds the shared error of 1.5 m an axis, or the RTK accuracy."""
    assert pytest.approx(georef.ce95_m(0.01, 100, None), rel=1e-3) == 2.4477 * 1.5
    assert georef.ce95_m(0.01, 100, 0.02) < 0.06
    assert georef.ce95_m(12.0, 75, None) > georef.ce95_m(1.0, 75, None) + 2


def test_a_shift_between_days_is_no_contradiction() -> None:
    """A repeat survey whose positions are all 4 m off agrees; one photograph 500 m off does not."""
    truth_N3, _, _ = flight(6)
    gps_N3 = truth_N3 + np.array([4.0, -1.0, 20.0])
    gps_N3[3, 1] += 500
    found = georef.compare(truth_N3, gps_N3)
    assert np.flatnonzero(~found.agrees_N).tolist() == [3]
    assert pytest.approx(float(np.median(found.residual_N)), abs=1e-9) == 0


def test_oblique_cameras_know_where_down_is() -> None:
    """Gimbals at -80 or -60 degrees, all facing one way, still say exactly where down is."""
    pitches = (-90.0, -80.0, -60.0, None)
    rotations_N33 = np.array([nadir_rotation(30.0, -90.0 if p is None else p) for p in pitches])
    assert told_downs(rotations_N33, pitches) == pytest.approx(np.tile([0.0, 0.0, -1.0], (4, 1)), abs=1e-12)


@pytest.mark.parametrize(("noise_m", "drift_m"), [(0.35, 0.0), (1.0, 2.0)])
def test_the_error_told_covers_the_ground(noise_m: float, drift_m: float) -> None:
    """Over eight flights with noise, drift and an error of the receiver, 95 % of the ground errs by less."""
    within = []
    for seed in range(8):
        truth_N3, model_N3, axes_N3 = flight(seed)
        rng = np.random.default_rng(seed + 100)
        walk_N2 = np.cumsum(rng.normal(0, 1, (30, 2)), axis=0)
        walk_N2 = drift_m * (walk_N2 - walk_N2.mean(axis=0)) / walk_N2.std()
        gps_N3 = truth_N3 + rng.normal(0, noise_m, (30, 3))
        gps_N3[:, :2] += walk_N2 + rng.normal(0, 1.5, 2)
        level_N = truth_N3[:, 2] + rng.normal(0, 0.15, 30)
        found = georef.place(model_N3, axes_N3, gps_N3, level_N)
        assert found is not None
        ground_N3 = np.array([(x, y, 0.0) for x in range(-30, 131, 20) for y in range(-30, 151, 20)])
        turn_33 = np.linalg.lstsq(truth_N3 - truth_N3.mean(axis=0), model_N3, rcond=None)[0]
        error_N3 = found.similarity.apply((ground_N3 - truth_N3.mean(axis=0)) @ turn_33) - ground_N3
        # Lever and tilt as those of this flight: twice its spread squared, 80 m over 34 m of lines.
        told_m = georef.ce95_m(found.sigma_m, 30, None, lever=2.0, tilt_m=80 * 0.4 / (34 * np.sqrt(30)))
        within.append(np.hypot(*error_N3[:, :2].T) <= told_m)
    assert np.mean(within) >= 0.95
