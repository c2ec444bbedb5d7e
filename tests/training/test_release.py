"""A model folder that may ship."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.training.conftest import FourPairs

from aerial.change.model import load_model, weights_path
from aerial_training import loop, quantise, recipes, release

TINY = replace(recipes.debug(), steps=60, save_every=60, warmup_steps=5)


def test_released_folder_is_whole_and_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every precision has its file and hash; only those that answer as fp32 does are preferred."""
    monkeypatch.setattr(quantise, "SAMPLES", 4)
    monkeypatch.setattr(release, "SAMPLES", 4)
    checkpoint = loop.train(TINY, FourPairs(), tmp_path / "run", workers=0)
    told = release.release(checkpoint, tmp_path / "model", TINY, FourPairs())
    model = load_model(tmp_path / "model")
    assert weights_path(model, "int8")[0].name == "model_int8.onnx"
    assert weights_path(model, "bf16")[0].name == "model.onnx"
    assert model.file.threshold == pytest.approx(told["threshold"])
    assert model.file.runtime.prefer[-1] == "fp32"
    assert told["f1_fp32"] > 80
    assert all(
        told["f1_fp32"] - told[f"f1_{name}"] <= release.MAX_LOSS_F1 for name in model.file.runtime.prefer
    )


def _answers(large: float, false: float) -> release._Answers:
    """One picture of 0.02 km2: ten roofs of 81 m2 of chance ``large``, ten patches of chance ``false``."""
    chance, truth = np.zeros((2, 480, 480), np.float32), np.zeros((2, 480, 480), np.uint8)
    for n in range(10):
        rows, column = np.s_[40 * n : 40 * n + 30], 100
        chance[0, rows, column : column + 30] = large + 0.005 * n
        truth[0, rows, column : column + 30] = 1
        chance[1, rows, column + 200 : column + 230] = false + 0.005 * n
    return release._Answers(chance=[chance], truth=[truth])


@pytest.mark.parametrize(
    ("large", "false", "least", "most"),
    [(0.9, 0.5, 0.535, 0.561), (0.6, 0.8, 0.58, 0.611), (0.9, 0.2, 0.3, 0.301)],
)
def test_threshold_rises_until_false_alarms_are_few_or_large_buildings_would_be_lost(
    large: float, false: float, least: float, most: float
) -> None:
    """It passes the false ones where it can, stops where 80 % of the large are left, else stays."""
    found = release.wary_threshold(_answers(large, false), 1.0, 0.0, 0.3, 0.3)
    assert least <= found <= most


def test_threshold_stops_rising_where_f1_is_lost() -> None:
    """Of ten small roofs with chances of 0.4 to 0.49 few may be given up for the sake of false alarms."""
    answers = _answers(0.9, 0.6)
    for n in range(10):
        rows, columns = np.s_[40 * n : 40 * n + 18], np.s_[20:38]
        answers.chance[0][0, rows, columns] = 0.4 + 0.01 * n
        answers.truth[0][0, rows, columns] = 1
    assert 0.4 <= release.wary_threshold(answers, 1.0, 0.0, 0.3, 0.3) <= 0.44
