"""From a checkpoint to a model folder."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest
import torch
from tests.training.conftest import FourPairs

from aerial.codec import sha256_file
from aerial.errors import InputError
from aerial_training import loop, recipes, state
from aerial_training.export import export_model

TINY = replace(recipes.debug(), steps=3, size_px=64, save_every=3, warmup_steps=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint of three steps."""
    torch.set_num_threads(1)
    return loop.train(TINY, FourPairs(64), tmp_path_factory.mktemp("run"), workers=0)


def test_exported_graph_answers_as_the_network(checkpoint: Path, tmp_path: Path) -> None:
    """The ONNX graph on OpenVINO gives the network's probabilities to 1e-4, at another size than traced."""
    folder = export_model(checkpoint, tmp_path / "model", TINY)
    rng = np.random.default_rng(0)
    before, after = rng.integers(0, 256, (2, 1, 3, 96, 160), dtype=np.uint8)
    gain = rng.uniform(0.01, 0.03, (1, 2, 3)).astype(np.float32)
    offset = rng.uniform(-3, -1, (1, 2, 3)).astype(np.float32)
    height = rng.uniform(0, 1, (1, 2, 24, 40)).astype(np.float32)
    compiled = openvino.Core().compile_model(
        folder / "model.onnx", "CPU", {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    )
    names = ("before", "after", "gain", "offset", "height")
    answer = compiled(dict(zip(names, (before, after, gain, offset, height), strict=True)))["scores"]
    network = recipes.build_network(TINY)
    state.load_weights(network, folder / "model.safetensors")
    dates = [
        torch.from_numpy(p.astype(np.float32) * gain[:, k, :, None, None] + offset[:, k, :, None, None])
        for k, p in enumerate((before, after))
    ]
    with torch.no_grad():
        expected = torch.sigmoid(network.eval().half_size(dates[0], dates[1], torch.from_numpy(height)))
    assert answer.shape == (1, 4, 48, 80)
    np.testing.assert_allclose(expected.numpy(), answer, atol=1e-4)


def test_model_file_names_the_bytes_beside_it(checkpoint: Path, tmp_path: Path) -> None:
    """``model.toml`` holds the sha256 of both weight files, the threshold and the calibration asked for."""
    folder = export_model(checkpoint, tmp_path, TINY, threshold=0.37, calibration=(1.2, -0.4))
    model = tomllib.loads((folder / "model.toml").read_text())
    assert model["weights"]["onnx_sha256"] == sha256_file(folder / "model.onnx")
    assert model["weights"]["safetensors_sha256"] == sha256_file(folder / "model.safetensors")
    assert (model["threshold"], model["calibration"]) == (0.37, {"slope": 1.2, "offset": -0.4})


def test_weights_of_another_network_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    """A checkpoint of other widths is refused with a message, and no model.toml appears."""
    wide = replace(TINY, network=replace(recipes.PLAIN, encoder=(32, 32, 64, 128, 192)))
    with pytest.raises(InputError, match="another network"):
        export_model(checkpoint, tmp_path / "model", wide)
    assert not (tmp_path / "model" / "model.toml").exists()
