"""Runs a model's network on OpenVINO: precision by the processor, threads, no telemetry."""

import ctypes
import os
import sys
from collections import OrderedDict
from importlib.util import find_spec
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from aerial.change.inputs import HEIGHT_STRIDE
from aerial.change.model import Model, Precision, weights_path
from aerial.errors import ModelError
from aerial.memory import give_back_small

# What OpenVINO calls the ability to compute a precision by itself.
_CAPABILITY = {"fp32": "FP32", "bf16": "BF16", "int8": "INT8"}
# Each shape is compiled once; a pair needs one, pictures of different sizes need more.
_SHAPES = 3
# What the network takes and gives.
_PORTS = {"before", "after", "gain", "offset", "height", "scores"}


class Runner(Protocol):
    """What runs a model's network, on whatever; ``precision`` is recorded with the result."""

    @property
    def model(self) -> Model:
        """Return the model that is run."""
        ...

    @property
    def precision(self) -> str:
        """Return in which precision, and where if not on the processor."""
        ...

    @property
    def sha256(self) -> str:
        """Return the hash of the weights' file."""
        ...

    def run(
        self,
        before_CHW: NDArray[np.uint8],
        after_CHW: NDArray[np.uint8],
        gain_2C: NDArray[np.float32],
        offset_2C: NDArray[np.float32],
        height_2HW: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return (4, h, w) probabilities as the network answers."""
        ...

    def ready(self, shape: tuple[int, int]) -> None:
        """Do beforehand what pictures of a shape (H, W) need once."""
        ...


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
        """Return (4, h, w) probabilities as the network answers: at half of the pictures' size.

        H and W are multiples of the model's stride. The array is the network's own: it holds until the
        next call.
        """
        request = self._request(before_CHW.shape[1:])
        inputs = {
            "before": before_CHW[None],
            "after": after_CHW[None],
            "gain": gain_2C[None],
            "offset": offset_2C[None],
            "height": height_2HW[None],
        }
        ready = {name: np.ascontiguousarray(value) for name, value in inputs.items()}
        found = request.infer(ready, share_inputs=True, share_outputs=True)
        return np.asarray(found["scores"][0], np.float32)

    def ready(self, shape: tuple[int, int]) -> None:
        """Compile the network for a shape (H, W): while little else is held, for it takes memory."""
        self._request(shape)

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
        give_back_small()
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


def enlarged(scores_4HW: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Return planes of scores at another size: far cheaper here than in the network."""
    if scores_4HW.shape[1:] == (height, width):
        return scores_4HW.copy()
    whole_4HW = np.empty((len(scores_4HW), height, width), np.float32)
    for small_HW, whole_HW in zip(scores_4HW, whole_4HW, strict=True):
        cv2.resize(small_HW, (width, height), dst=whole_HW, interpolation=cv2.INTER_LINEAR)
    return whole_4HW


def compiled(core: Any, network: Any, hint: str, threads: int) -> Any:
    """Return a request of a network on the processor; ``hint``: f32 or bf16."""
    config = {
        "INFERENCE_PRECISION_HINT": hint,
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return core.compile_model(network, "CPU", config).create_infer_request()


def wants_gpu(model: Model) -> bool:
    """Tell whether torch should be tried: a GPU is here, torch is installed, and the model is a plain one.

    Asked of the driver, not of torch: importing it takes more memory than a whole comparison.
    """
    plain = model.file.network.get("encoder_name") == "plain" and model.file.weights.safetensors is not None
    return plain and all(find_spec(name) for name in ("torch", "safetensors")) and _gpus() > 0


def _gpus() -> int:
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    found = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if found else 0


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
