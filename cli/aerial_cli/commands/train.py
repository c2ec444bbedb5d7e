"""``aerial train``: a recipe and what to learn from in, a checkpoint out."""

from pathlib import Path
from typing import Any

import click

from aerial_cli import console
from aerial_cli.material import FILE, learnt_from, material


@click.command()
@click.argument(
    "recipe", type=click.Choice(["debug", "cpu_default", "cpu_longer", "gpu_large", "finetune_reviewed"])
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Run folder.")
@learnt_from
@click.option("--start-from", type=FILE, help="Weights or a checkpoint (safetensors) to begin from.")
@click.option("--workers", type=click.IntRange(min=0), default=2, show_default=True, help="Sample makers.")
def command(recipe: str, out: Path, start_from: Path | None, workers: int, **given: Any) -> None:
    """Train a network by RECIPE; the same command goes on where it was stopped.

    Each kind of material that is given (--data, --pairs, --reviewed) makes the same share of the
    samples. cpu_longer and finetune_reviewed begin from the shipped weights unless --start-from
    names others.

    Example: aerial train finetune_reviewed --out run --reviewed reviewed.geojson
    """
    from aerial_training.material import require_extra

    require_extra()
    from aerial_training.runs import train_recipe

    with console.progress() as progress:
        source = material(out / "cache", **given)
        done = train_recipe(recipe, source, out, start_from=start_from, workers=workers, progress=progress)
    console.say(f"Trained: {done}. Next: aerial export-model {done} --out model")
