"""``aerial status``: where every cell stands."""

import click

from aerial_cli import console
from aerial_cli.town import this_town


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(as_json: bool) -> None:
    """List the cells of the town: surveys, how many are stitched, the newest, its report.

    Example: aerial status
    """
    from aerial.codec import to_plain
    from aerial.steps.status import cell_statuses

    console.table(to_plain(cell_statuses(this_town())), as_json=as_json)
