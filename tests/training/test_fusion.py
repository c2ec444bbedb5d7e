"""How height and pictures are weighed."""

from dataclasses import replace

import numpy as np
from shapely.geometry import box

from aerial.suspects.fuse import COEFFICIENTS, FEATURES, features, fused
from aerial.suspects.measure import Measured
from aerial_training.fusion import PRIOR, fit

ROOM = Measured(
    direction="appeared", outline_px=box(0, 0, 60, 60), area_m2=36.0, width_m=6.0, rectangularity=0.9,
    height_change_m=2.5, height_spread_m=0.2, height_noise_m=0.2, standing_before_m=9.0, steepness=0.1,
)  # fmt: skip


def test_a_rule_is_found_again_from_what_it_made() -> None:
    """Pieces labelled by a known rule: its signs and its order come back, and 95 % of its labels."""
    rng = np.random.default_rng(2)
    true_K = np.array([1.0, -2.0, -1.5, -4.0, -1.5, 1.5, 0.5])
    features_NK = rng.normal(0.5, 1.0, (600, len(FEATURES)))
    label_N = features_NK @ true_K + 0.5 > 0
    rule = fit(features_NK, label_N, penalty=1e-3)
    assert (np.sign(true_K) == np.sign(rule.coefficients_K)).all()
    assert ((features_NK @ rule.coefficients_K + rule.intercept > 0) == label_N).mean() > 0.95


def test_without_evidence_the_prior_stays() -> None:
    """Features that tell nothing leave what physics says."""
    rule = fit(np.zeros((20, len(FEATURES))), np.arange(20) < 10)
    assert np.allclose([PRIOR[name] for name in FEATURES], rule.coefficients_K, atol=1e-4)


def test_the_shipped_rule_has_the_signs_of_physics() -> None:
    """Nothing learnt contradicts the prior."""
    assert [np.sign(PRIOR[name]) for name in FEATURES] == [np.sign(value) for value in COEFFICIENTS]


def test_a_level_room_counts_and_a_crown_does_not() -> None:
    """2.5 m level on a roof scores over a half without any network, a crown and a lorry below."""
    assert fused(ROOM) > 0.5
    crown = replace(ROOM, height_spread_m=1.2, steepness=0.5, vegetation=0.6, rectangularity=0.7)
    assert fused(crown) < 0.1
    lorry = replace(ROOM, standing_before_m=0.0, building_after=0.05)
    assert fused(lorry) < 0.5


def test_what_rises_from_a_roof_counts_though_the_network_knows_no_such_roof() -> None:
    """A building map that says 0.1 lowers a room on the ground, not one on a roof; a crown is no roof."""
    blind = replace(ROOM, building_after=0.1, odds=-3.0)
    assert fused(blind) > 0.8
    assert fused(replace(blind, standing_before_m=0.2)) < 0.5
    assert features(replace(blind, vegetation=0.5))[-2] < 0


def test_the_network_s_silence_is_neutral_and_its_word_counts() -> None:
    """Without a network both features are 0; a building after raises the score, one before a pit none."""
    shed = replace(ROOM, standing_before_m=0.1)
    assert features(shed)[-2:] == (0.0, 0.0)
    assert fused(replace(shed, building_after=0.95, odds=2.0)) > fused(shed)
    pit = replace(ROOM, direction="gone", height_change_m=-3.0, standing_before_m=0.1)
    assert fused(replace(pit, building_before=0.02)) == fused(pit)
