"""A model folder that may ship."""

from dataclasses import replace
from pathlib import Path

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
