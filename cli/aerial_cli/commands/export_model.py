"""``aerial export-model``: a checkpoint in, a model folder out."""

from pathlib import Path
from typing import Any

import click

from aerial_cli import console
from aerial_cli.material import FILE, learnt_from, material


@click.command()
@click.argument("checkpoint", type=FILE)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Model folder.")
@learnt_from
def command(checkpoint: Path, out: Path, **given: Any) -> None:
    """Write the model folder of a CHECKPOINT: model.toml, ONNX and safetensors.

    Give what the run learnt from (--data, --pairs, --reviewed) to have the probabilities calibrated
    and the threshold set on samples that it did not see; without, the threshold is 0.5.

    Example: aerial export-model run/checkpoint.safetensors --out model --data pictures
    """
    from aerial_training.material import require_extra

    require_extra()
    from aerial_training.runs import export_run

    known = given["data"] or given["pairs"] or given["reviewed"]
    with console.progress() as progress:
        source = material(checkpoint.parent / "cache", **given) if known else None
        measured = export_run(checkpoint, out, source, progress)
    console.say(f"Threshold {measured['threshold']:.2f}. Next: aerial evaluate {out} --pairs DIR --gsd-m X")
