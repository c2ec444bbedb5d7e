"""``aerial status``: where every cell stands, and the cycle at a glance."""

import os
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.town import this_town

if TYPE_CHECKING:
    from aerial.steps.status import TownStatus

# So many of a kind are listed; --json gives all.
_MOST = 10


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON: all of it, the cells under cells.")
def command(as_json: bool) -> None:
    """Show where the town stands: cells and surveys; suspects, cases, deadlines, deliveries.

    What stands below the cells comes from the ledger; a town without one shows its cells.

    Example: aerial status
    """
    from aerial.codec import to_plain
    from aerial.settings import load_settings
    from aerial.steps.status import town_status
    from aerial.steps.town_ledger import has_ledger, town_and_ledger

    town = this_town()
    settings = load_settings(town.settings_file, environment=os.environ)
    if has_ledger(town, settings):
        _town, settings, ledger = town_and_ledger(town, os.environ)
        with ledger:
            found = town_status(town, settings, ledger)
    else:
        found = town_status(town, settings, None)
    if as_json:
        console.data(to_plain(found))
        return
    console.table(to_plain(found.cells))
    if found.ledger:
        _glance(found)


def _glance(found: "TownStatus") -> None:
    print_line = console.line
    if found.cycle is not None:
        cycle, cells = found.cycle, len(found.cells)
        print_line("cycle", f"{cycle.start} to {cycle.end}: {len(cycle.surveyed)} of {cells} cells surveyed")
        if cycle.missing:
            print_line("not surveyed", _some(list(cycle.missing)))
    waits = sum(one.suspects for one in found.undecided)
    most = sorted(found.undecided, key=lambda one: (-one.suspects, one.cell))
    print_line("undecided", f"{waits} suspect(s) " + _some([f"{c.cell}: {c.suspects}" for c in most]))
    print_line("cases", ", ".join(f"{one.stage} {one.cases}" for one in found.stages) or "none")
    overdue = [one for one in found.due if one.overdue]
    soon = [one for one in found.due if not one.overdue]
    for name, ones in (("overdue", overdue), ("due soon", soon)):
        said = [f"{one.external_key} ({one.deadline:%Y-%m-%d})" for one in ones]
        print_line(name, f"{len(ones)} case(s) " + _some(said))
    print_line("held", f"{len(found.held)} case(s)")
    for case in found.held[:_MOST]:
        print_line(f"  {case.external_key}", "; ".join(case.reasons))
    print_line("undelivered", "none" if not found.undelivered else "")
    for one in found.undelivered:
        error = f": {one.last_error}" if one.last_error else ""
        print_line(f"  {one.sink}", f"{one.rows} {one.state}{error}")
    for row in found.dead[:_MOST]:
        print_line(f"  {row.external_key}", f"given up for {row.sink}: {row.reason}")
    if len(found.dead) > _MOST or len(found.held) > _MOST:
        console.say("There are more: --json gives all.")


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:_MOST]) + (f" and {len(texts) - _MOST} more" if len(texts) > _MOST else "")
