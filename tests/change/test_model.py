"""Reading a model, and refusing one that is not whole."""

from pathlib import Path

import onnx
import pytest
from tests.models import write_model

from aerial.change.engine import Engine, choose_precision
from aerial.change.model import load_model, weights_path
from aerial.codec import sha256_file
from aerial.errors import AerialError, ModelError


def test_a_model_says_what_it_was_made_for(tmp_path: Path) -> None:
    """Numbers of the file arrive, defaults fill the rest, and the weights have the hash that it names."""
    model = load_model(write_model(tmp_path, extra="least_spread = 0.2"))
    assert (
        model.file.gsd_m,
        model.file.threshold,
        model.file.halo_px,
        model.file.least_spread,
        model.file.height_scale_m,
    ) == (0.3, 0.5, 32, 0.2, 10.0)
    assert (tmp_path / "model.onnx", sha256_file(tmp_path / "model.onnx")) == weights_path(model, "bf16")


@pytest.mark.parametrize(
    ("text", "instead", "named"),
    [
        ("schema = 1", "schema = 2", "schema 2"),
        ("schema = 1", "schema = 1\nhallo_px = 3", "hallo_px"),
        ("threshold = 0.5", "threshold = 50", "threshold"),
        ("halo_px = 32", "halo_px = 33", "halo_px"),
        ("halo_px = 32", "halo_px = 320000", "halo_px"),
        ('onnx = "model.onnx"', 'onnx = "../model.onnx"', "weights"),
        ("[weights]", "[weights", "TOML"),
    ],
)
def test_a_model_file_with_a_mistake_is_refused_by_name(
    tmp_path: Path, text: str, instead: str, named: str
) -> None:
    """Another schema, an unknown key, a number out of range, a path out of the folder: each is named."""
    path = write_model(tmp_path) / "model.toml"
    path.write_text(path.read_text().replace(text, instead))
    with pytest.raises(AerialError, match=named) as caught:
        load_model(tmp_path)
    assert caught.value.hint


def test_weights_that_are_not_those_named_are_refused(tmp_path: Path) -> None:
    """One flipped byte, a missing file and int8 weights that were never made: each is refused."""
    model = load_model(write_model(tmp_path))
    with pytest.raises(ModelError, match="no int8"):
        weights_path(model, "int8")
    weights = tmp_path / "model.onnx"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="SHA-256"):
        weights_path(model, "fp32")
    weights.unlink()
    with pytest.raises(ModelError, match="not there"):
        weights_path(model, "fp32")


def test_a_network_that_takes_something_else_is_refused(tmp_path: Path) -> None:
    """An ONNX file of other inputs, its hash right: refused by what it lacks, not in the middle of a pair."""
    folder = write_model(tmp_path)
    network = onnx.load(folder / "model.onnx")
    for node in network.graph.node:
        node.input[:] = ["stretch" if name == "gain" else name for name in node.input]
    for port in network.graph.input:
        port.name = "stretch" if port.name == "gain" else port.name
    old = sha256_file(folder / "model.onnx")
    onnx.save(network, str(folder / "model.onnx"))
    toml = folder / "model.toml"
    toml.write_text(toml.read_text().replace(old, sha256_file(folder / "model.onnx")))
    with pytest.raises(ModelError, match="knows nothing of gain"):
        Engine(load_model(folder))


def test_a_model_that_is_not_there_is_named() -> None:
    """Neither a shipped name nor a folder: refused with what to give instead."""
    with pytest.raises(ModelError, match="nowhere") as caught:
        load_model("nowhere")
    assert caught.value.hint


def test_the_precision_is_the_first_preferred_one_that_the_processor_computes(tmp_path: Path) -> None:
    """int8 needs its weights, bf16 its instructions; fp32 always works."""
    model = load_model(write_model(tmp_path, extra='[runtime]\nprefer = ["int8", "bf16", "fp32"]\n'))
    assert choose_precision(model, frozenset({"INT8", "BF16", "FP32"})) == "bf16"
    assert choose_precision(model, frozenset({"INT8", "FP32"})) == "fp32"
    assert choose_precision(model, frozenset()) == "fp32"
