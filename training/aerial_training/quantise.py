"""Eight-bit weights and activations for laptops whose processors compute them twice as fast as bf16."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nncf
import numpy as np
import onnx

from aerial.change.radiometry import normalisation
from aerial.codec import replacing
from aerial_training.batches import Source, height_planes
from aerial_training.export import INT8
from aerial_training.recipes import Recipe

SAMPLES = 200


def quantise(folder: Path, recipe: Recipe, source: Source) -> Path:
    """Write ``model_int8.onnx`` beside ``model.onnx``: ranges of activations taken from ``source``.

    The first and the last layers stay as they are: the picture's bytes are normalised before the
    first, and the last decides.
    """
    graph = onnx.load(folder / "model.onnx")
    made = nncf.quantize(
        graph,
        nncf.Dataset(list(_inputs(recipe, source))),
        subset_size=SAMPLES,
        preset=nncf.QuantizationPreset.MIXED,
        fast_bias_correction=True,
        ignored_scope=nncf.IgnoredScope(types=["Mul", "Sigmoid", "Cast"], validate=False),
    )
    with replacing(folder / INT8) as part:
        part.write_bytes(made.SerializeToString())
    return folder / INT8


def _inputs(recipe: Recipe, source: Source) -> Iterator[dict[str, Any]]:
    for index in range(SAMPLES):
        sample = source.sample(index)
        norms = [normalisation(p, None, recipe.least_spread) for p in (sample.before_3HW, sample.after_3HW)]
        # Half of the samples without heights, as most surveys of other sources are.
        change = sample.height_change_HW if index % 2 else None
        yield {
            "before": sample.before_3HW[None],
            "after": sample.after_3HW[None],
            "gain": np.stack([gain for gain, _ in norms])[None],
            "offset": np.stack([offset for _, offset in norms])[None],
            "height": height_planes(change, sample.before_3HW.shape[1:], recipe.height_scale_m)[None],
        }
