"""The model file: ``model.toml`` beside the weights, read and checked; needs neither torch nor OpenVINO.

A folder holds ``model.toml``, the network as ONNX and its weights as safetensors. The file says at
which pixel size the network works, how pictures are normalised, from which probability on it speaks
of change, and the hash of every file of weights: weights that do not match it are refused.
"""

import tomllib
from dataclasses import field
from pathlib import Path
from typing import Any, Literal, get_args

from aerial import resources
from aerial.codec import from_plain, sha256_file
from aerial.errors import ModelError
from aerial.records.record import record

SCHEMA = 1
FILE = "model.toml"
# A tile with a wider halo would not fit in the memory of a laptop.
_FURTHEST_PX = 1024

Precision = Literal["fp32", "bf16", "int8"]


@record
class Calibration:
    """The true chance of a probability: sigmoid(slope * logit(p) + offset)."""

    slope: float = 1.0
    offset: float = 0.0


@record
class Weights:
    """The files of weights, beside ``model.toml``, and their SHA-256; int8 where one was made."""

    onnx: str
    onnx_sha256: str
    safetensors: str | None = None
    safetensors_sha256: str | None = None
    onnx_int8: str | None = None
    onnx_int8_sha256: str | None = None


@record
class Runtime:
    """``prefer``: precisions that were measured to be as right as fp32, the fastest first.

    The first that the processor computes by itself is taken, fp32 where it does none.
    """

    prefer: tuple[Precision, ...] = ("bf16", "fp32")


@record
class ModelFile:
    """What ``model.toml`` says.

    ``gsd_m``: pixel size of the network's input; ``gsd_range_m``: of the pictures it was made for.
    ``threshold``: calibrated probability from which on a pixel counts as changed. ``stride_px``:
    inputs are multiples of it; ``halo_px``: what a pixel's answer depends on around it.
    ``least_spread``: see ``siamese.normalisation``. ``height_scale_m``: a height change of 1.0.
    ``network``, ``training``, ``measured``: for people and for training.
    """

    schema: int
    name: str
    version: str
    gsd_m: float
    gsd_range_m: tuple[float, float]
    threshold: float
    weights: Weights
    stride_px: int = 32
    halo_px: int = 128
    least_spread: float = 0.10
    height_scale_m: float = 10.0
    calibration: Calibration = Calibration()
    runtime: Runtime = Runtime()
    network: dict[str, Any] = field(default_factory=dict, hash=False)
    training: dict[str, Any] = field(default_factory=dict, hash=False)
    measured: dict[str, Any] = field(default_factory=dict, hash=False)


@record
class Model:
    """A model file that was read, and the folder it lies in."""

    folder: Path
    file: ModelFile


def load_model(name_or_folder: str | Path = "siamese") -> Model:
    """Return the model of that name under ``models/``, or the one in a folder.

    Raises:
        ModelError: it is absent, of another schema, or not what a model file must be.
    """
    folder = _folder(name_or_folder)
    path = folder / FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ModelError(f"{path} is not TOML: {exc}", hint="Copy the model again.") from exc
    if values.get("schema") != SCHEMA:
        raise ModelError(
            f"{path} is of schema {values.get('schema')}; this aerial knows {SCHEMA}.",
            hint="Update aerial, or export the model again with this version.",
        )
    return Model(folder=folder, file=_checked(from_plain(ModelFile, values, source=str(path)), path))


def weights_path(model: Model, precision: Precision) -> tuple[Path, str]:
    """Return the ONNX file for a precision and its SHA-256, after comparing it with the file.

    bf16 computes from the same file as fp32.

    Raises:
        ModelError: the file is absent or is not the one that ``model.toml`` names.
    """
    weights = model.file.weights
    name, wanted = weights.onnx, weights.onnx_sha256
    if precision == "int8":
        if weights.onnx_int8 is None or weights.onnx_int8_sha256 is None:
            raise ModelError(
                f"The model {model.file.name} has no int8 weights.",
                hint=f"Use one of: {', '.join(p for p in get_args(Precision) if p != 'int8')}.",
            )
        name, wanted = weights.onnx_int8, weights.onnx_int8_sha256
    return _same_file(model, name, wanted)


def safetensors_path(model: Model) -> tuple[Path, str]:
    """Return the weights as safetensors and their SHA-256, after comparing it with the file.

    Raises:
        ModelError: the model has none, or the file is absent or another one.
    """
    weights = model.file.weights
    if weights.safetensors is None or weights.safetensors_sha256 is None:
        raise ModelError(
            f"The model {model.file.name} has no weights for torch.", hint="Export the model again."
        )
    return _same_file(model, weights.safetensors, weights.safetensors_sha256)


def _same_file(model: Model, name: str, wanted: str) -> tuple[Path, str]:
    path = model.folder / name
    if not path.is_file():
        raise ModelError(f"{path}, which {FILE} names, is not there.", hint="Copy the model again.")
    found = sha256_file(path)
    if found != wanted:
        raise ModelError(
            f"{path} is not the file that {FILE} names: its SHA-256 is {found[:12]}…, not {wanted[:12]}….",
            hint="Copy the model again; never edit weights by hand.",
        )
    return path, wanted


def _folder(name_or_folder: str | Path) -> Path:
    shipped = resources.data_folder() / "models"
    given = Path(name_or_folder)
    # A bare name is a shipped model first, so that a folder of that name beside cannot stand in for it.
    found = [
        f for f in (shipped / given.name if len(given.parts) == 1 else given, given) if (f / FILE).is_file()
    ]
    if found:
        return found[0]
    names = sorted(path.parent.name for path in shipped.glob(f"*/{FILE}"))
    raise ModelError(
        f"No model is called {str(name_or_folder)!r}, and no folder of that name holds {FILE}.",
        hint=f"Use one of: {', '.join(names)}, or give a folder."
        if names
        else "Give a folder that holds a model; none ships with this copy of aerial.",
    )


def _checked(file: ModelFile, path: Path) -> ModelFile:
    low, high = file.gsd_range_m
    sane = {
        "gsd_m": 0.01 <= file.gsd_m <= 5,
        "gsd_range_m": 0 < low <= high,
        "threshold": 0 < file.threshold < 1,
        "stride_px": 1 <= file.stride_px <= _FURTHEST_PX,
        "halo_px": 0 <= file.halo_px <= _FURTHEST_PX and file.halo_px % max(file.stride_px, 1) == 0,
        "least_spread": file.least_spread > 0,
        "height_scale_m": file.height_scale_m > 0,
        "calibration.slope": file.calibration.slope > 0,
        "runtime.prefer": len(file.runtime.prefer) > 0,
        "weights": all(
            Path(name).name == name
            for name in (file.weights.onnx, file.weights.safetensors, file.weights.onnx_int8)
            if name is not None
        ),
    }
    wrong = [name for name, right in sane.items() if not right]
    if wrong:
        raise ModelError(
            f"{path} cannot be used: {', '.join(wrong)} out of range.", hint="Export the model again."
        )
    return file
