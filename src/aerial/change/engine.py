"""Runs a model's network on OpenVINO: precision by the processor, threads, no telemetry."""

import os
import sys
from collections import OrderedDict
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.inputs import HEIGHT_STRIDE
from aerial.change.model import Model, Precision, weights_path
from aerial.errors import ModelError

# What OpenVINO calls the ability to compute a precision by itself.
_CAPABILITY = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}
# Each shape is compiled once; a pair needs one, pictures of different sizes need more.
_SHAPES = 3
# What the network takes and gives.
_PORTS = {"before", "after", "gain", "offset", "height", "scores"}


class Engine:
    """One network in one precision; ``sha256`` is of the file it was read from.

    ``precision`` None: the first of the model's preferred ones that the processor computes.
    ``threads`` None: all cores. Not for several threads at once.
    """

    def __init__(
        self, model: Model, *, precision: Precision | None = None, threads: int | None = None
    ) -> None:
        self._openvino = _quiet_openvino()
        self._core = self._openvino.Core()
        self.model = model
        self.precision = precision or choose_precision(model, capabilities(self._core))
        path, self.sha256 = weights_path(model, self.precision)
        self._threads = threads or os.cpu_count() or 1
        try:
            self._network = self._core.read_model(path)
        except RuntimeError as exc:
            raise ModelError(
                f"{path} is not a network that OpenVINO reads.", hint="Export the model again."
            ) from exc
        ports = self._network.inputs + self._network.outputs
        absent = _PORTS - {name for port in ports for name in port.get_names()}
        if absent:
            raise ModelError(
                f"{path} is another network: it knows nothing of {', '.join(sorted(absent))}.",
                hint="Export the model again with this version of aerial.",
            )
        self._compiled: OrderedDict[tuple[int, ...], Any] = OrderedDict()

    def run(
        self,
        before_CHW: NDArray[np.uint8],
        after_CHW: NDArray[np.uint8],
        gain_2C: NDArray[np.float32],
        offset_2C: NDArray[np.float32],
        height_2HW: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return (4, H, W) probabilities; H and W are multiples of the model's stride."""
        request = self._request(before_CHW.shape[1:])
        inputs = {
            "before": before_CHW[None],
            "after": after_CHW[None],
            "gain": gain_2C[None],
            "offset": offset_2C[None],
            "height": height_2HW[None],
        }
        found = request.infer({name: np.ascontiguousarray(value) for name, value in inputs.items()})
        # The network answers at half the size: enlarging planes here is far cheaper than in it.
        height, width = before_CHW.shape[1:]
        return np.stack(
            [
                cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
                for plane in np.asarray(found["scores"][0], np.float32)
            ]
        )

    def _hint(self) -> str:
        # What an int8 network keeps in floating point is computed as bf16 where the processor can.
        able = "BF16" in capabilities(self._core)
        return "bf16" if self.precision == "bf16" or (self.precision == "int8" and able) else "f32"

    def _request(self, shape: tuple[int, ...]) -> Any:
        if shape in self._compiled:
            self._compiled.move_to_end(shape)
            return self._compiled[shape]
        while len(self._compiled) >= _SHAPES:
            self._compiled.popitem(last=False)
        request = compiled(self._core, self.network_of(shape), self._hint(), self._threads)
        self._compiled[shape] = request
        return request

    def network_of(self, shape: tuple[int, ...]) -> Any:
        """Return the network for one picture of ``shape`` (H, W)."""
        height, width = shape
        network = self._network.clone()
        network.reshape(
            {
                "before": [1, 3, height, width],
                "after": [1, 3, height, width],
                "gain": [1, 2, 3],
                "offset": [1, 2, 3],
                "height": [1, 2, height // HEIGHT_STRIDE, width // HEIGHT_STRIDE],
            }
        )
        return network


def compiled(core: Any, network: Any, hint: str, threads: int) -> Any:
    """Return a request of a network on the processor; ``hint``: f32 or bf16."""
    config = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core.compile_model(network, "CPU", config).create_infer_request()


def choose_precision(model: Model, able: frozenset[str]) -> Precision:
    """Return the first preferred precision that the processor computes and the model has; else fp32."""
    for precision in model.file.runtime.prefer:
        has = precision != "int8" or model.file.weights.onnx_int8 is not None
        if has and _CAPABILITY[precision] in able:
            return precision
    return "fp32"


def capabilities(core: Any) -> frozenset[str]:
    """Return what the processor computes by itself, in OpenVINO's words."""
    return frozenset(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))


def _quiet_openvino() -> Any:
    # OpenVINO's converter reports its use to its maker when this package is there. Nothing of a
    # survey may leave the machine, so it never is: OpenVINO then takes its own silent stand-in.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino
