"""``aerial train``, ``evaluate`` and ``export-model``."""

import json
from dataclasses import replace
from importlib import util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.models import write_model

from aerial.change.model import load_model
from aerial_cli.main import run
from aerial_training import material, recipes

SIDE_PX = 96


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    """Three labelled pairs of grey ground on which a blue roof of 81 m2 appears."""
    for number in range(3):
        rng = np.random.default_rng(number)
        before = np.repeat(rng.integers(90, 140, (SIDE_PX, SIDE_PX, 1)), 3, axis=2).astype(np.uint8)
        after, label = before.copy(), np.zeros((SIDE_PX, SIDE_PX), np.uint8)
        roof = np.s_[20 + 10 * number : 50 + 10 * number, 30:60]
        after[roof], label[roof] = (40, 60, 250), 255
        for folder, values in (("A", before), ("B", after), ("label", label)):
            (tmp_path / "pairs" / folder).mkdir(parents=True, exist_ok=True)
            Image.fromarray(values).save(tmp_path / "pairs" / folder / f"{number}.png")
    return tmp_path / "pairs"


def blind(folder: Path) -> Path:
    """A model that never says anything: calibrated, its surest answer is 0.8."""
    text = (write_model(folder, extra="[calibration]\nslope = 0.1\n") / "model.toml").read_text()
    (folder / "model.toml").write_text(text.replace("threshold = 0.5", "threshold = 0.9"))
    return folder


def test_evaluate_prints_a_table_and_every_figure_as_json(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """F1 in percent for people; value and interval for programs."""
    model = str(write_model(tmp_path / "model"))
    arguments = ["evaluate", model, "--pairs", str(pairs), "--gsd-m", "0.3", "--network-only"]
    assert run(arguments) == 0
    table = capsys.readouterr().out
    assert "recall_ge50" in table
    assert "100.00" in table
    assert run([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    figures = told["sets"][0]["figures"]["network"]
    assert figures["recall_ge50"] == {"value": 1.0, "low": 1.0, "high": 1.0}
    assert figures["f1"]["value"] > 0.9


def test_new_weights_must_be_better_to_exit_with_0(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Against weights that see nothing: 0. Against themselves: 1, and the verdict says why."""
    model, nothing = str(write_model(tmp_path / "model")), str(blind(tmp_path / "blind"))
    options = ["--pairs", str(pairs), "--gsd-m", "0.3"]
    assert run(["evaluate", model, "--against", nothing, *options]) == 0
    assert "Better: yes." in capsys.readouterr().err
    assert run(["evaluate", nothing, "--against", model, *options]) == 1
    assert run(["evaluate", model, "--against", model, *options]) == 1
    assert "Better: no." in capsys.readouterr().err


def test_what_is_missing_to_evaluate_is_said(
    tmp_path: Path, pairs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to score on and an unknown model are refusals; pixel sizes that do not fit are wrong usage."""
    model = str(write_model(tmp_path / "model"))
    assert run(["evaluate", model]) == 1
    assert "--pairs" in capsys.readouterr().err
    assert run(["evaluate", str(tmp_path), "--pairs", str(pairs), "--gsd-m", "0.3"]) == 1
    assert "model.toml" in capsys.readouterr().err
    assert run(["evaluate", model, "--pairs", str(pairs)]) == 2
    assert "--gsd-m" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["train", "debug", "--out", "run"], ["export-model", __file__, "--out", "model"]]
)
def test_without_the_extra_the_commands_say_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """A field laptop has no torch: a hint, not a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(material, "find_spec", lambda name: None if name == "torch" else util.find_spec(name))
    assert run(arguments) == 1
    said = capsys.readouterr().err
    assert "Training needs torch" in said
    assert "aerial[train]" in said


def test_from_labelled_pairs_to_a_model_that_loads(
    tmp_path: Path, pairs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """train, train again (nothing left to do), export-model, evaluate."""
    small = replace(recipes.debug(), steps=2, batch=2, size_px=64, warmup_steps=1, check_samples=2)
    monkeypatch.setitem(recipes.RECIPES, "debug", lambda: small)
    out = tmp_path / "run"
    train = ["train", "debug", "--out", str(out), "--pairs", str(pairs), "--gsd-m", "0.3", "--workers", "0"]
    assert run([*train, "--direction", "appeared"]) == 0
    checkpoint = out / "checkpoint.safetensors"
    before = checkpoint.read_bytes()
    assert run([*train, "--direction", "appeared"]) == 0
    assert checkpoint.read_bytes() == before
    assert run(["export-model", str(checkpoint), "--out", str(tmp_path / "model")]) == 0
    assert load_model(tmp_path / "model").file.threshold == 0.5
    capsys.readouterr()
    score: list[Any] = ["evaluate", str(tmp_path / "model"), "--pairs", str(pairs), "--gsd-m", "0.3"]
    assert run([*score, "--network-only", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"]["threshold"] == 0.5


def test_training_without_material_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to learn from; a checkpoint without its notes is no run."""
    assert run(["train", "debug", "--out", str(tmp_path / "run")]) == 1
    assert "nothing to learn from" in capsys.readouterr().err
    (tmp_path / "lost.safetensors").write_bytes(b"x")
    assert run(["export-model", str(tmp_path / "lost.safetensors"), "--out", str(tmp_path / "m")]) == 1
    assert "recipe.json" in capsys.readouterr().err
