"""``aerial run``: from imported photographs to the report, in one go."""

import os

import click

from aerial_cli import console
from aerial_cli.town import this_town


@click.command()
@click.argument("cell")
@click.option("--json", "as_json", is_flag=True, help="Print the compared pairs as JSON.")
@click.option("--strict", is_flag=True, help="Exit with 1 when something is suspected.")
def command(cell: str, as_json: bool, strict: bool) -> int:
    """Stitch what is new in CELL, compare it with earlier surveys, write the report.

    What is done is not done again; killed or interrupted, the same command goes on.

    Example: aerial run A1
    """
    from aerial.report.geojson import read_suspects
    from aerial.settings import load_settings
    from aerial.steps.run import run_cell
    from aerial.steps.town_ledger import index_cell, town_and_ledger, zones_of

    town = this_town()
    with console.progress() as progress:
        done = run_cell(town, cell, load_settings(town.settings_file, environment=os.environ), progress)
        _town, _settings, ledger = town_and_ledger(town, os.environ)
        index_cell(town, cell, ledger, zones_of(town))
    counts = {pair.folder: len(read_suspects(pair.folder / "suspects.geojson")) for pair in done.pairs}
    rows = [{"before": p.before, "after": p.after, "suspects": counts[p.folder]} for p in done.pairs]
    console.table(rows, as_json=as_json)
    first = f"{done.survey.survey} is the first survey of cell {cell}: nothing to compare it with yet."
    console.say(f"Open {done.report}" if done.report else first)
    if any(counts.values()):
        console.say(f"Next: aerial suspects list --cell {cell}")
    return int(strict and any(counts.values()))
