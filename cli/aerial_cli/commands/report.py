"""``aerial report``: the cases of a cycle, or one case, for people and for other programs."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.town import this_town

if TYPE_CHECKING:
    from aerial.report.record import Language
    from aerial.report.write import Format

FORMATS: "tuple[Format, ...]" = ("geojson", "gpkg", "xlsx", "html", "pdf")


@click.command()
@click.argument("case", required=False)
@click.option("--cycle", type=click.DateTime(["%Y-%m-%d"]), help="Of the cycle that begins on this day.")
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True, help="Only this; repeatable.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to.")
def command(
    case: str | None,
    cycle: datetime | None,
    formats: "tuple[Format, ...]",
    lang: "Language",
    out: Path | None,
) -> None:
    """Write the report on the newest cycle, on another one, or on one CASE.

    GeoJSON, GeoPackage, XLSX, HTML and PDF say the same. Sensitive zones are cut from the pictures; the
    heads of the audit log are printed, so that paper anchors it.

    Example: aerial report --cycle 2030-03-04
    """
    from aerial.steps.cycle_report import report_cases
    from aerial.steps.town_ledger import town_and_ledger

    town, settings, ledger = town_and_ledger(this_town(), os.environ)
    with console.progress() as progress:
        folder, written = report_cases(
            town,
            settings,
            ledger,
            key=case,
            cycle=cycle.date() if cycle else None,
            out=out,
            language=lang,
            formats=formats or FORMATS,
            progress=progress,
        )
    for path in written.files:
        console.line(path.suffix.lstrip(".") or path.name, path)
    console.say(f"Open {folder}")
