"""Runs a model's network on torch, for machines with a GPU; imported nowhere else.

The network is built from ``[network]`` of the model file and its safetensors. Single precision without
TF32, deterministic kernels: the scores are those of OpenVINO in fp32.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file

from aerial.change.model import Model, safetensors_path
from aerial.change.network import ExportedNet, NetworkSettings, SiameseNet
from aerial.errors import ModelError


def usable() -> bool:
    """Tell whether this torch computes on a GPU of this machine."""
    return torch.cuda.is_available()


class TorchEngine:
    """One network in single precision on ``device``; ``sha256`` is of the file it was read from."""

    def __init__(self, model: Model, *, device: str = "cuda") -> None:
        self.model = model
        self.precision = f"fp32 {device}"
        path, self.sha256 = safetensors_path(model)
        widths: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in model.file.network.items()
            if name != "encoder_name"
        }
        try:
            network = SiameseNet(NetworkSettings(**widths))
            network.load_state_dict(load_file(path))
        except (RuntimeError, TypeError, SafetensorError) as exc:
            raise ModelError(
                f"{path} holds the weights of another network than this aerial builds.",
                hint="Export the model again with this version.",
            ) from exc
        self._device = torch.device(device)
        self._network = ExportedNet(network).eval().to(self._device)

    def run(
        self,
        before_CHW: NDArray[np.uint8],
        after_CHW: NDArray[np.uint8],
        gain_2C: NDArray[np.float32],
        offset_2C: NDArray[np.float32],
        height_2HW: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Return (4, h, w) probabilities as the network answers: at half of the pictures' size."""
        given = [
            torch.from_numpy(np.array(a[None])).to(self._device)
            for a in (before_CHW, after_CHW, gain_2C, offset_2C, height_2HW)
        ]
        exact = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), exact:
            return np.asarray(self._network(*given)[0].cpu().numpy(), np.float32)

    def ready(self, shape: tuple[int, int]) -> None:
        """Nothing is compiled for a shape."""
