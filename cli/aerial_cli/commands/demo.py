"""``aerial demo``: the whole flow on a simulated town, scored against the truth."""

import time
from pathlib import Path

import click

from aerial_cli import console
from aerial_cli.commands.simulate import PRESET, SEED


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"), show_default=True
)
@SEED
@PRESET
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON.")
def command(out: Path, seed: int, preset: str, as_json: bool) -> None:
    """Render a town, survey it twice, report what changed, score the report.

    Interrupted, the same command goes on.

    Example: aerial demo --seed 7 --out town7
    """
    from aerial.simulate.score import by_kind
    from aerial.steps.demo import DemoTown, run_demo

    started = time.monotonic()
    with console.progress() as progress:
        demo = run_demo(out, DemoTown(preset=preset, seed=seed), progress)
    console.table(by_kind(demo.score), as_json=as_json)
    for false in demo.score.false:
        console.say(f"False: {false.kind}, {false.area_m2:.0f} m2, likely cause: {false.cause}")
    for missed in (found.change for found in demo.score.changes if not found.by):
        console.say(f"Missed: {missed.what} ({missed.kind}), {missed.area_m2:.0f} m2")
    console.say(f"{time.monotonic() - started:.0f} s. Open {demo.page}")
