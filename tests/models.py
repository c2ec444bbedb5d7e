"""A tiny model with a rule for weights: much bluer than the place is a building. Inputs as the real one."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from aerial.codec import sha256_file

# Normalised blue over the mean of red and green from which on a pixel is a building, and how sharply.
LEVEL, SLOPE = 1.5, 15.0
BLUR_PX = 3


def write_model(folder: Path, *, name: str = "rule", extra: str = "") -> Path:
    """Write model.onnx and model.toml to ``folder`` and return it; ``extra`` is more TOML."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_network(), str(folder / "model.onnx"))
    (folder / "model.toml").write_text(
        f"""
schema = 1
name = "{name}"
version = "1"
gsd_m = 0.3
gsd_range_m = [0.04, 1.0]
threshold = 0.5
stride_px = 32
halo_px = 32
{extra}
[weights]
onnx = "model.onnx"
onnx_sha256 = "{sha256_file(folder / "model.onnx")}"
""",
        encoding="utf-8",
    )
    return folder


def _network() -> Any:
    """Building = sigmoid(slope * (blurred blueness - level)); appeared = after * (1 - before)."""
    nodes = []

    def add(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    for k, date in enumerate(("before", "after")):
        add("Cast", [date], f"{date}_f", to=TensorProto.FLOAT)
        for part in ("gain", "offset"):
            add("Gather", [part, f"at{k}"], f"{date}_{part}", axis=1)
            add("Unsqueeze", [f"{date}_{part}", "hw"], f"{date}_{part}4")
        add("Mul", [f"{date}_f", f"{date}_gain4"], f"{date}_m")
        add("Add", [f"{date}_m", f"{date}_offset4"], f"{date}_n")
        add("Conv", [f"{date}_n", "blue"], f"{date}_b", kernel_shape=[BLUR_PX] * 2, pads=[BLUR_PX // 2] * 4)
        add("Sub", [f"{date}_b", "level"], f"{date}_l")
        add("Mul", [f"{date}_l", "slope"], f"{date}_s")
        add("Sigmoid", [f"{date}_s"], f"{date}_p")
        add("Sub", ["one", f"{date}_p"], f"{date}_q")
    add("Mul", ["after_p", "before_q"], "appeared")
    add("Mul", ["before_p", "after_q"], "gone")
    # The height input is part of the contract; the rule does not look at it.
    add("ReduceMean", ["height"], "height_m", keepdims=1)
    add("Mul", ["height_m", "zero"], "nothing")
    add("Concat", ["appeared", "gone", "before_p", "after_p"], "four", axis=1)
    add("Add", ["four", "nothing"], "scores")
    blue = np.repeat(np.array([-0.5, -0.5, 1.0], np.float32)[None, :, None, None], BLUR_PX, axis=2)
    blue = np.repeat(blue, BLUR_PX, axis=3) / BLUR_PX**2
    constants = {
        "blue": blue,
        "at0": np.array(0),
        "at1": np.array(1),
        "hw": np.array([2, 3]),
        **{
            n: np.array(v, np.float32)
            for n, v in (("level", LEVEL), ("slope", SLOPE), ("one", 1), ("zero", 0))
        },
    }
    inputs = [
        ("before", TensorProto.UINT8, ["n", 3, "h", "w"]),
        ("after", TensorProto.UINT8, ["n", 3, "h", "w"]),
        ("gain", TensorProto.FLOAT, ["n", 2, 3]),
        ("offset", TensorProto.FLOAT, ["n", 2, 3]),
        ("height", TensorProto.FLOAT, ["n", 2, "h4", "w4"]),
    ]
    graph = helper.make_graph(
        nodes,
        "rule",
        [helper.make_tensor_value_info(*i) for i in inputs],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 4, "h", "w"])],
        [numpy_helper.from_array(np.asarray(value), n) for n, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    return model
