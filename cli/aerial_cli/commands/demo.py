"""``aerial demo``: the whole flow on a simulated town, scored against the truth."""

import click


@click.command()
def command() -> None:
    """Render a town, survey it twice, report what changed, score the report.

    Example: aerial demo
    """
