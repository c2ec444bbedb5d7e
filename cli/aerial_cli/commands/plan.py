"""``aerial plan``: flights over cells, the cells themselves, checks and exports."""

import importlib

import click

# name -> (module under aerial_cli.commands, one line for --help)
_COMMANDS = {
    "flight": ("plan_flight", "Plan the flight over an area, or over cells of the town."),
    "cells": ("plan_cells", "Cut an area into cells of one flight each."),
    "check": ("plan_check", "Tell whether a plan may be flown; write its filing sheet."),
    "export": ("plan_export", "Write a plan for a ground station, an aircraft, or to look at."),
}


class _PlanGroup(click.Group):
    """Commands that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one command."""
        if name not in _COMMANDS:
            return None
        module = importlib.import_module(f"aerial_cli.commands.{_COMMANDS[name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group(cls=_PlanGroup)
def command() -> None:
    """Plan flights that cover a town.

    Example: aerial plan flight --area block.kml --height-m 100 --out block-plan
    """
