"""Writes ``docs/cli.md`` from the commands' own help; a test compares the two."""

import sys
from pathlib import Path

import click

from aerial_cli.main import COMMANDS, aerial

_HEAD = """# Command line

Generated from the commands' own help by `make docs`; a test fails when it differs.
"""


def reference() -> str:
    """Return the whole reference as Markdown."""
    root = click.Context(
        aerial, info_name="aerial", terminal_width=100, max_content_width=100, **aerial.context_settings
    )
    parts = [_HEAD, _section("aerial", aerial, root)]
    for name in COMMANDS:
        command = aerial.get_command(root, name)
        if command is not None:
            parts.extend(_walk(f"aerial {name}", command, root))
    return "\n".join(parts)


def _walk(path: str, command: click.Command, parent: click.Context) -> list[str]:
    context = click.Context(
        command, info_name=path.rsplit(" ", 1)[1], parent=parent, terminal_width=100, max_content_width=100
    )
    parts = [_section(path, command, context)]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                parts.extend(_walk(f"{path} {name}", child, context))
    return parts


def _section(path: str, command: click.Command, context: click.Context) -> str:
    return f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(reference(), encoding="utf-8")
