"""A training run on disk: everything needed to go on exactly where it stopped, without pickle."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn

from aerial.codec import replacing
from aerial.errors import InputError

_OPTIMIZER_PARTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(slots=True, kw_only=True)
class Run:
    """What changes while a network learns: ``average`` is the running mean of its weights (EMA)."""

    network: nn.Module
    average: nn.Module
    optimizer: torch.optim.AdamW
    step: int = 0


def save(run: Run, path: Path, recipe_sha256: str) -> None:
    """Write the run to one safetensors file, beside and renamed."""
    tensors: dict[str, Tensor] = {}
    for prefix, module in (("network", run.network), ("average", run.average)):
        tensors |= {f"{prefix}.{name}": value for name, value in module.state_dict().items()}
    for name, parameter in run.network.named_parameters():
        for part, value in run.optimizer.state.get(parameter, {}).items():
            tensors[f"optimizer.{part}.{name}"] = value
    ready = {name: value.detach().contiguous().clone().cpu() for name, value in tensors.items()}
    note = {"step": str(run.step), "recipe_sha256": recipe_sha256}
    with replacing(path) as part:
        part.write_bytes(as_bytes(ready, metadata=note))


def load(run: Run, path: Path, recipe_sha256: str) -> None:
    """Put the run back to where ``save`` left it.

    Raises:
        InputError: the file is broken, or was written by a recipe with other numbers.
    """
    tensors, note = read(path)
    if note.get("recipe_sha256") != recipe_sha256:
        raise InputError(
            f"{path} was written by a recipe with other numbers.",
            hint="Finish it with the recipe that began it, or choose another --out folder.",
        )
    run.network.load_state_dict(_under(tensors, "network."))
    run.average.load_state_dict(_under(tensors, "average."))
    for name, parameter in run.network.named_parameters():
        run.optimizer.state[parameter] = {
            part: _placed(tensors[f"optimizer.{part}.{name}"], parameter, part) for part in _OPTIMIZER_PARTS
        }
    run.step = int(note["step"])


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return all tensors and notes of a safetensors file; raises ``InputError`` where it is none."""
    if not path.is_file():
        raise InputError(f"{path} is not there.", hint="Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118
    except Exception as exc:  # safetensors raises its own class and plain ones
        raise InputError(
            f"{path} cannot be read as safetensors: {exc}", hint="The file is broken: copy it again."
        ) from exc


def load_weights(network: nn.Module, path: Path) -> None:
    """Fill a network from a checkpoint (its running mean) or from shipped weights.

    Raises:
        InputError: the file is broken, or belongs to a network of another shape.
    """
    tensors, _ = read(path)
    average = _under(tensors, "average.")
    try:
        network.load_state_dict(average or tensors)
    except RuntimeError as exc:
        raise InputError(
            f"The weights in {path} belong to another network: {str(exc).splitlines()[-1].strip()}",
            hint="Use the recipe that the weights were trained with.",
        ) from exc


def write_notes(path: Path, notes: dict[str, Any]) -> None:
    """Write a small JSON beside the run: what was asked, for people."""
    with replacing(path) as part:
        part.write_text(json.dumps(notes, indent=2, default=str) + "\n", encoding="utf-8")


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _placed(value: Tensor, parameter: Tensor, part: str) -> Tensor:
    # AdamW counts its steps on the CPU.
    if part == "step":
        return value
    # The fused AdamW walks storages: its moments must lie in memory as the parameter does.
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
