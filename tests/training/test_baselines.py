"""What ours is measured against works as it is described."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from tests import pairs as made
from tests.training.conftest import FourPairs

from aerial.change.model import load_model
from aerial.change.siamese import score_arrays
from aerial_training import baselines, loop
from aerial_training.evaluation import Picture
from aerial_training.export import export_model


def place(*, built: bool) -> Picture:
    """A textured place of 30 m, darker and paler afterwards; with ``built`` a white roof on it."""
    before = made.ground(5, 300)
    after = made.with_box(before, (60, 80, 80, 80), 3.0, (250, 250, 250)) if built else before
    after = made.photographed(after, 9, gain=0.8, offset=65)
    change = np.zeros((300, 300), np.uint8)
    change[80:160, 60:140] = int(built)
    dates = [np.ascontiguousarray(np.moveaxis(d.image_HWC, -1, 0)) for d in (before, after)]
    return Picture(name="place", before_3HW=dates[0], after_3HW=dates[1], change_HW=change, gsd_m=0.1)


def test_differencing_sees_a_roof_and_not_the_exposure() -> None:
    """The roof is covered, little beside it; where only exposure and noise differ, nothing."""
    picture = place(built=True)
    seen = baselines.difference_mask(picture)
    assert seen[picture.change_HW == 1].mean() > 0.8
    assert seen[picture.change_HW == 0].mean() < 0.08
    assert not baselines.difference_mask(place(built=False)).any()


def test_the_plain_unet_runs_through_the_same_loop_export_and_runtime(tmp_path: Path) -> None:
    """One step, a model folder, and an answer that depends on both dates."""
    recipe = replace(
        baselines.concat_unet(), steps=1, batch=2, size_px=64, warmup_steps=1, check_samples=2, bf16=False
    )
    checkpoint = loop.train(recipe, FourPairs(64), tmp_path / "run", workers=0)
    model = load_model(export_model(checkpoint, tmp_path / "model", recipe))
    before, after = np.random.default_rng(1).integers(0, 255, (2, 3, 96, 96)).astype(np.uint8)
    answers = [
        score_arrays(model, *dates, None, 0.3)
        for dates in ((before, after), (after, after), (before, before))
    ]
    assert answers[0].shape == (4, 96, 96)
    assert np.abs(answers[0] - answers[1]).max() > 1e-6
    assert np.abs(answers[0] - answers[2]).max() > 1e-6
