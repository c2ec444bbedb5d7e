"""``aerial photos``: look at the photographs of a flight before they are stitched."""

import os
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


@command.command()
@click.option("--delete", metavar="PLAN", help="Carry out the plan whose hash was printed.")
@click.option("--by", metavar="NAME", help="Who confirms the deletion.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the whole plan.")
def retain(delete: str | None, by: str | None, as_json: bool) -> int:
    """Show which original photographs may go by the rule of aerial.toml, and why the others stay.

    Nothing is deleted without --delete and the hash of the plan that was shown. Photographs that a
    suspect or a case still needs stay, and so do all hashes, mosaics and pictures of cases.

    Example: aerial photos retain
    """
    from aerial.codec import to_plain
    from aerial.steps.retain import carry_out_retention, plan_town_retention
    from aerial.steps.town_ledger import index_town, town_and_ledger

    town, settings, ledger = town_and_ledger(this_town(), os.environ)
    with console.progress() as progress:
        index_town(town, ledger, progress)
    plan = plan_town_retention(town, settings, ledger)
    if as_json:
        console.data(to_plain(plan))
    else:
        rows = [("goes", judged) for judged in plan.remove] + [("stays", judged) for judged in plan.keep]
        console.table(
            [
                {
                    "": what,
                    "cell": judged.photos.cell,
                    "survey": judged.photos.survey,
                    "GB": judged.photos.size_bytes / 1e9,
                    "why": judged.why,
                }
                for what, judged in rows
            ]
        )
    if delete is None:
        if plan.remove:
            console.say(f"To delete: aerial photos retain --delete {plan.sha256} --by NAME")
        if plan.over_bytes:
            console.say(f"Still {plan.over_bytes / 1e9:.1f} GB over the budget: the rest is needed.")
        return 0
    removed = carry_out_retention(town, ledger, plan, confirm=delete, by=by or "")
    console.say(f"{sum(one.files for one in removed)} photographs of {len(removed)} surveys are deleted.")
    return 0


command.add_command(photos_geotag.command)
