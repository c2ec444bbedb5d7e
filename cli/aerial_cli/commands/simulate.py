"""``aerial simulate``: a made-up town, photographed twice, with the truth about it."""

from pathlib import Path

import click

from aerial_cli import console

SEED = click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Which town.")
PRESET = click.option(
    "--preset",
    type=click.Choice(["tests", "demo", "cell"]),
    default="demo",
    show_default=True,
    help="tests: 12 tiny photographs; demo: 40 of 3 Mpx; cell: 70 of 12 Mpx; each twice.",
)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="A new folder.")
@SEED
@PRESET
def command(out: Path, seed: int, preset: str) -> None:
    """Render two surveys of a simulated town: photographs, true orthos and DSMs, every change.

    Example: aerial simulate --preset demo --seed 7 --out town7
    """
    from aerial.simulate.surveys import simulate_surveys

    with console.progress() as progress:
        town = simulate_surveys(preset, seed, out, progress)
    console.say(f"Photographs in {' and '.join(map(str, town.photos))}, the truth in {town.truth}.")
