"""The documents are true: the command reference is generated, every command shows an example."""

from collections.abc import Iterator

import click
import pytest
from tests.conftest import REPOSITORY

from aerial_cli.main import COMMANDS, aerial
from aerial_cli.reference import reference


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every leaf command with its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def test_the_command_reference_is_what_the_commands_say() -> None:
    """docs/cli.md equals the generated text; run make docs after a change."""
    assert reference() == (REPOSITORY / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("path", "command"), list(commands(aerial, "aerial")))
def test_every_command_has_help_with_a_runnable_example(path: str, command: click.Command) -> None:
    """The help of each command holds a line that begins with its own name."""
    assert command.help
    assert f"{path}" in command.help.split("Example", 1)[-1]


def test_every_listed_command_can_be_imported() -> None:
    """The table of lazily imported commands names modules that exist."""
    context = click.Context(aerial)
    assert all(aerial.get_command(context, name) is not None for name in COMMANDS)
