"""Which town a command is about."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from aerial.workspace import Town


def this_town() -> "Town":
    """Return the town of ``-C``, of ``AERIAL_TOWN``, or the nearest one upwards."""
    from aerial.workspace import open_town

    given: Path | None = click.get_current_context().find_root().obj
    return open_town(given, Path.cwd())
