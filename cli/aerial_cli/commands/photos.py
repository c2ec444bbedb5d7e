"""``aerial photos``: look at the photographs of a flight before they are stitched."""

import os
from pathlib import Path

import click

from aerial_cli import console
from aerial_cli.commands import photos_geotag
from aerial_cli.town import this_town

FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
PATH = click.Path(path_type=Path, exists=True)
FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
NEW_FOLDER = click.Path(path_type=Path, file_okay=False)
NEW_FILE = click.Path(path_type=Path, dir_okay=False)


@click.group()
def command() -> None:
    """Check the photographs of a flight, give them positions, and bring them into the town's folder.

    Example: aerial photos check DCIM
    """


@command.command()
@click.argument("folder", metavar="DIR", type=FOLDER)
@click.option("--plan", type=PATH, help="The plan that was flown: its folder, or plan.json.")
@click.option("--dem", type=FILE, help="The terrain that the plan follows; with --plan.")
@click.option("--refly", type=NEW_FOLDER, help="Folder for a plan of what misses; with --plan.")
@click.option("--dsm", type=FILE, help="The last surface model, for the checks of --refly.")
@click.option("--zones", type=FILE, multiple=True, help="Zones for the checks of --refly; repeatable.")
@click.option("--map", "page", metavar="HTML", type=NEW_FILE, help="A page with map and thumbnails.")
@click.option("--out", metavar="JSON", type=NEW_FILE, help="Cover, gaps and findings for programs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: file, ok, reasons.")
@click.option("--strict", is_flag=True, help="Exit with 1 when something is to be done.")
def check(
    folder: Path,
    plan: Path | None,
    dem: Path | None,
    refly: Path | None,
    dsm: Path | None,
    zones: tuple[Path, ...],
    page: Path | None,
    out: Path | None,
    as_json: bool,
    strict: bool,
) -> int:
    """Say of every photograph in DIR whether it is usable, and why not; with --plan, what they cover.

    For the field, before leaving: what misses of the plan, which ground is on too few usable photographs,
    and with --refly the small plan that takes them. The map is one file that needs no network.

    Example: aerial photos check DCIM --plan plans/A1 --refly refly --map photos.html
    """
    from aerial.steps.photo_check import check_flight

    if plan is None and (dem or refly):
        raise click.UsageError("--dem and --refly go with --plan.")
    if refly is None and (dsm or zones):
        raise click.UsageError("--dsm and --zones belong to --refly.")
    with console.progress() as progress:
        done = check_flight(
            folder, progress, plan=plan, dem=dem, refly=refly, dsm=dsm, zones=zones, out=out, page=page
        )
    rows = [
        {"file": c.file, "ok": c.ok, "reasons": c.reasons if as_json else "; ".join(c.reasons)}
        for c in done.checks
    ]
    console.table(rows, as_json=as_json)
    for finding in done.findings:
        console.say(f"{finding.message} {finding.hint}".rstrip())
    usable = sum(c.ok for c in done.checks)
    console.say(f"{usable} of {len(done.checks)} photographs are usable.")
    for what, path in (("Map", page), ("Cover", out)):
        if path is not None:
            console.say(f"{what} written to {path}.")
    if done.refly is not None:
        photos_geotag.say_refly(done.refly, refly)
    if done.refused is not None:
        raise done.refused
    to_do = any(finding.level != "pass" for finding in done.findings) if plan else False
    return int(strict and (usable < len(done.checks) or to_do))


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
