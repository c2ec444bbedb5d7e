"""The root command and the one place where errors become messages.

Commands live in ``aerial_cli.commands.<group>`` and are imported only when they are run, so that
``aerial --help`` answers at once.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from aerial_cli import console

# name -> (module under aerial_cli.commands, one line for --help)
COMMANDS: dict[str, tuple[str, str]] = {
    "simulate": ("simulate", "Render two surveys of a made-up town, with the truth about it."),
    "demo": ("demo", "Render a town, survey it twice, report what changed, score the report."),
    "init": ("init", "Make a town's folder from its area, cells and zones."),
    "status": ("status", "List the cells: surveys, mosaics, reports."),
    "plan": ("plan", "Plan the flights: over an area, over cells; check and export them."),
    "cycle": ("cycle", "Schedule the crews so that no cell grows older than the cycle; re-plan."),
    "fly": ("fly", "Fly a plan: check, upload with proof, start, watch, abort, resume, rehearse."),
    "run": ("run", "Stitch, compare and report what is new in a cell."),
    "photos": ("photos", "Check photographs, import them into the town."),
    "stitch": ("stitch", "Make an orthomosaic and a surface model of photographs."),
    "detect": ("detect", "Compare two orthos (and their surface models); write what changed."),
    "suspects": ("suspects", "List suspects, look at one, accept it as a case or reject it."),
    "report": ("report", "Write the report on a cycle or a case: GeoJSON, GeoPackage, XLSX, HTML, PDF."),
    "case": ("case", "Deliver cases with proof, read results back, package and verify evidence."),
    "train": ("train", "Train a change network by a recipe; goes on where it was stopped."),
    "evaluate": ("evaluate", "Score a model, or tell whether it is better than another."),
    "export-model": ("export_model", "Make a model folder of a training checkpoint."),
}


class LazyGroup(click.Group):
    """A group whose commands are modules imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the command names in the order of the flow."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one command."""
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"aerial_cli.commands.{COMMANDS[name][0]}")
        command: click.Command = module.command if hasattr(module, "command") else getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aerial", prog_name="aerial")
@click.option(
    "-C",
    "--town",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="AERIAL_TOWN",
    help="The town's folder; without it, the nearest folder upwards that holds aerial.toml.",
)
@click.pass_context
def aerial(ctx: click.Context, town: Path | None) -> None:
    """Survey a town by drone, compare with the last survey, report suspected new buildings.

    Data goes to stdout, talk to stderr. Exit codes: 0 done, 1 refused or failed (with a hint),
    2 wrong usage, 130 interrupted.

    Example: aerial demo
    """
    ctx.obj = town


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code; errors are said on stderr."""
    from aerial.errors import AerialError

    try:
        result = aerial.main(args=arguments, prog_name="aerial", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except AerialError as error:
        console.fail(str(error), error.hint)
        return 1
    except click.exceptions.Exit as exit_:
        return exit_.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        console.say("Interrupted; run the same command again to go on.")
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:
        # The reader of our stdout (head, a pager) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        console.fail(
            f"{error.filename or 'The system'}: {error.strerror or error}",
            "Check that the path is right, readable or writable, and that the disk is not full.",
        )
        return 1


def main() -> None:
    """Run ``aerial`` as a program."""
    sys.exit(run())


if __name__ == "__main__":
    main()
