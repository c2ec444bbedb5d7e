"""``aerial fly``: a plan against a vehicle."""

import importlib

import click

# name -> (module under aerial_cli.commands, attribute, one line for --help)
_COMMANDS = {
    "check": ("fly_ground", "check", "Tell whether the vehicle may fly a sortie now."),
    "upload": ("fly_ground", "upload", "Upload mission, fence and rally points; prove it by reading back."),
    "compare": ("fly_ground", "compare", "Tell whether the vehicle holds what the plan says."),
    "start": ("fly_air", "start", "Check, ask for a confirmation, start, and watch to the end."),
    "watch": ("fly_air", "watch", "Watch a flight, log it and count its photographs."),
    "abort": ("fly_air", "abort", "Bring the vehicle home at once, from any terminal."),
    "resume": ("fly_air", "resume", "Upload the rest of an interrupted sortie."),
    "rehearse": ("fly_rehearse", "rehearse", "Fly a whole plan with a simulated vehicle."),
}


class _FlyGroup(click.Group):
    """Commands that are imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the work."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return one command."""
        if name not in _COMMANDS:
            return None
        module, attribute, _ = _COMMANDS[name]
        command: click.Command = getattr(importlib.import_module(f"aerial_cli.commands.{module}"), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (*_, text) in _COMMANDS.items()])


@click.group(cls=_FlyGroup)
def command() -> None:
    """Fly a plan: check, upload with proof, start, watch, resume.

    The link is serial:PORT:BAUD, udp:ADDRESS:PORT (listens), udpout:ADDRESS:PORT, tcp:ADDRESS:PORT, or sim:
    for a simulated vehicle. With a signing key, unsigned and MAVLink 1 frames are refused; the key comes from
    --key-file (readable by you alone) or AERIAL_MAVLINK_KEY.

    Example: aerial fly rehearse plans/A1
    """
