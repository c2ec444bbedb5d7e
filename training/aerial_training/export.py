"""From a checkpoint to a model folder: ONNX, safetensors and model.toml."""

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save as as_bytes

from aerial.change.inputs import HEIGHT_STRIDE
from aerial.change.network import STRIDE, ExportedNet, SiameseNet
from aerial.codec import replacing, sha256_file
from aerial_training import state
from aerial_training.recipes import Recipe, build_network

# From farther away nothing moves a pixel's answer (benchmarks/exactness.py: 0 of 255, and 2 at 128);
# larger encoders, which were not measured, see further.
HALO_PX, LARGE_HALO_PX = 160, 256
GSD_RANGE_M = (0.04, 1.0)
INT8 = "model_int8.onnx"
_OPSET = 18


def export_model(
    checkpoint: Path,
    out: Path,
    recipe: Recipe,
    *,
    threshold: float = 0.5,
    calibration: tuple[float, float] = (1.0, 0.0),
) -> Path:
    """Write ``model.onnx``, ``model.safetensors`` and, last, ``model.toml`` to the folder ``out``.

    ``threshold``: on the calibrated probability sigmoid(slope * logit(p) + offset), with
    ``calibration`` = (slope, offset).

    Raises:
        InputError: the checkpoint is broken or of another network.
    """
    network = build_network(recipe)
    state.load_weights(network, checkpoint)
    network.eval()
    out.mkdir(parents=True, exist_ok=True)
    for name in ("model.toml", INT8):
        (out / name).unlink(missing_ok=True)
    with replacing(out / "model.safetensors") as part:
        part.write_bytes(as_bytes({name: value.contiguous() for name, value in network.state_dict().items()}))
    write_onnx(network, out / "model.onnx")
    write_toml(out, recipe, threshold=threshold, calibration=calibration)
    return out


def write_onnx(network: SiameseNet, path: Path) -> None:
    """Write the graph that the runtime reads; number, height and width of the pictures are free."""
    count, side = 2, 4 * STRIDE
    inputs = (
        torch.zeros(count, 3, side, side, dtype=torch.uint8),
        torch.zeros(count, 3, side, side, dtype=torch.uint8),
        torch.ones(count, 2, 3),
        torch.zeros(count, 2, 3),
        torch.zeros(count, 2, side // HEIGHT_STRIDE, side // HEIGHT_STRIDE),
    )
    names = ("before", "after", "gain", "offset", "height")
    free = {0: "n"}
    sides = {0: "n", 2: "h", 3: "w"}
    shapes = {"before": sides, "after": sides, "gain": free, "offset": free}
    shapes |= {"height": {0: "n", 2: "h4", 3: "w4"}, "scores": {0: "n", 2: "h2", 3: "w2"}}
    with replacing(path) as part, torch.no_grad(), warnings.catch_warnings():
        # The package announces that the tracer is not its default any more.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(
            ExportedNet(network).eval(),
            inputs,
            str(part),
            input_names=list(names),
            output_names=["scores"],
            dynamic_axes=shapes,
            opset_version=_OPSET,
            # The tracer writes plain resizes and folds normalisation into convolutions.
            dynamo=False,
        )


def write_toml(
    out: Path,
    recipe: Recipe,
    *,
    threshold: float,
    calibration: Sequence[float],
    prefer: Sequence[str] = ("bf16", "fp32"),
    measured: Mapping[str, float] | None = None,
) -> None:
    """Write ``model.toml`` for the weights that lie in ``out``.

    ``prefer``: precisions that answer as fp32 does, the fastest first. ``measured``: for people.
    """
    slope, offset = calibration
    shape = asdict(recipe.network)
    files = {"onnx": "model.onnx", "safetensors": "model.safetensors", "onnx_int8": INT8}
    lines = [
        "schema = 1",
        'name = "siamese"',
        'version = "1"',
        f"gsd_m = {recipe.gsd_m}",
        f"gsd_range_m = [{GSD_RANGE_M[0]}, {GSD_RANGE_M[1]}]",
        f"threshold = {threshold:.4f}",
        f"stride_px = {STRIDE}",
        f"halo_px = {HALO_PX if recipe.encoder is None else LARGE_HALO_PX}",
        f"least_spread = {recipe.least_spread}",
        f"height_scale_m = {recipe.height_scale_m}",
        "",
        "[calibration]",
        f"slope = {slope:.6f}",
        f"offset = {offset:.6f}",
        "",
        "[runtime]",
        f"prefer = {json.dumps(list(prefer))}",
        "",
        "[weights]",
        *(
            f'{kind} = "{name}"\n{kind}_sha256 = "{sha256_file(out / name)}"'
            for kind, name in files.items()
            if (out / name).is_file()
        ),
        "",
        "[network]",
        f'encoder_name = "{recipe.encoder or "plain"}"',
        *(f"{name} = {list(v) if isinstance(v, tuple) else v}" for name, v in shape.items()),
        "",
        "[training]",
        f'recipe = "{recipe.name}"',
        f"steps = {recipe.steps}",
        f"batch = {recipe.batch}",
        f"seed = {recipe.seed}",
        "",
        "[measured]",
        *(f"{name} = {value:.6g}" for name, value in (measured or {}).items()),
    ]
    with replacing(out / "model.toml") as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
