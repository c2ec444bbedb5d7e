"""The network on torch, beside OpenVINO."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from aerial.change import engine_torch, siamese
from aerial.change.engine import Engine, wants_gpu
from aerial.change.engine_torch import TorchEngine
from aerial.change.model import Model, load_model
from aerial.errors import ModelError
from aerial_training import export, recipes


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of the network with random weights that say something."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(3)
    recipe = recipes.debug()
    network = recipes.build_network(recipe).eval()
    torch.nn.init.normal_(network.decoder.head.weight, std=2.0)
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, folder / "model.safetensors")
    export.write_onnx(network, folder / "model.onnx")
    export.write_toml(folder, recipe, threshold=0.5, calibration=(1.0, 0.0))
    return load_model(folder)


def _given() -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(1)
    dates = [rng.integers(0, 256, (3, 96, 128), np.uint8) for _ in range(2)]
    gain, offset = np.full((2, 3), 1 / 60, np.float32), np.full((2, 3), -2.0, np.float32)
    return (*dates, gain, offset, rng.normal(0, 0.3, (2, 24, 32)).astype(np.float32))


def test_torch_scores_as_openvino_does(model: Model) -> None:
    """The same weights from their two files, in single precision: to 1/255."""
    wanted = Engine(model, precision="fp32").run(*_given())
    found = TorchEngine(model, device="cpu").run(*_given())
    assert np.ptp(wanted) > 0.3
    assert np.abs(wanted - found).max() < 1 / 255


def test_torch_is_taken_where_a_gpu_is_and_nowhere_else(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a GPU, a plain model and nothing else asked for; a named precision stays with OpenVINO."""
    assert not wants_gpu(model) or torch.cuda.is_available()
    monkeypatch.setattr("aerial.change.engine._gpus", lambda: 1)
    monkeypatch.setattr(engine_torch, "usable", lambda: True)
    monkeypatch.setattr(engine_torch, "TorchEngine", lambda model: TorchEngine(model, device="cpu"))
    siamese._engine.cache_clear()
    taken = siamese.SiameseDetector(model).settings()
    assert taken["precision"] == "fp32 cpu"
    assert taken["onnx_sha256"] == model.file.weights.safetensors_sha256
    assert siamese.SiameseDetector(model, precision="fp32").settings()["precision"] == "fp32"
    monkeypatch.setattr(engine_torch, "usable", lambda: False)
    siamese._engine.cache_clear()
    assert isinstance(siamese.SiameseDetector(model).engine, Engine)
    siamese._engine.cache_clear()


def test_weights_of_torch_that_are_not_the_named_file_are_refused(model: Model, tmp_path: Path) -> None:
    """One byte more, and the model is not run."""
    for path in model.folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "model.safetensors").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ModelError, match="not the file"):
        TorchEngine(load_model(tmp_path), device="cpu")
