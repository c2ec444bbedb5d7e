"""``aerial photos``: look at the photographs of a flight before they are stitched."""

from pathlib import Path

import click

from aerial_cli import console
from aerial_cli.commands import photos_geotag
from aerial_cli.town import this_town

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.group()
def command() -> None:
    """Check the photographs of a flight, give them positions, and bring them into the town's folder.

    Example: aerial photos check DCIM
    """


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print JSON: file, ok, reasons.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a photograph is not usable.")
def check(folder: Path, as_json: bool, strict: bool) -> int:
    """Say of every photograph in DIR whether it is usable, and why not.

    Example: aerial photos check DCIM
    """
    from aerial.photos import check_photos, find_gaps

    with console.progress() as progress:
        checks = check_photos(folder, progress)
    rows = [
        {"file": c.file, "ok": c.ok, "reasons": c.reasons if as_json else "; ".join(c.reasons)}
        for c in checks
    ]
    console.table(rows, as_json=as_json)
    for finding in find_gaps([c.photo for c in checks if c.ok and c.photo]):
        console.say(f"{finding.message} {finding.hint}")
    usable = sum(c.ok for c in checks)
    console.say(f"{usable} of {len(checks)} photographs are usable.")
    return int(strict and usable < len(checks))


@command.command("import")
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--cell", required=True, help="The flight cell that was flown.")
def import_(folder: Path, cell: str) -> None:
    """Copy the photographs of one flight over a cell into the town, as a survey.

    The originals are hashed and made read-only. The same photographs again make no second survey.

    Example: aerial photos import DCIM --cell A1
    """
    from aerial.steps.photos import import_photos

    town = this_town()
    with console.progress() as progress:
        imported = import_photos(town, cell, folder, progress)
    survey = imported.survey
    done = "had been imported before as" if imported.again else "are now"
    console.say(f"{len(survey.photos)} photographs {done} survey {survey.survey} of cell {cell}.")
    console.say(f"Next: aerial run {cell}")


command.add_command(photos_geotag.command)
