"""Options and words that the commands of ``aerial fly`` share."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from aerial_cli import console

if TYPE_CHECKING:
    from aerial.records import Finding, Plan, Sortie
    from aerial.steps.fly_link import Tells, Vehicle

F = TypeVar("F", bound=Callable[..., Any])

PLAN = click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path, exists=True))
SORTIE = click.option(
    "--sortie", type=click.IntRange(1), help="Number of the sortie, where there are several."
)

DEM = click.option(
    "--dem",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="GeoTIFF of the terrain, served to a vehicle that asks for heights.",
)


def link_options(command: F) -> F:
    """Add --link, --vehicle and --key-file."""
    for option in (
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="File with the MAVLink signing key, readable by you alone.",
        ),
        click.option(
            "--vehicle", "system", type=click.IntRange(1, 254), help="MAVLink number of the vehicle."
        ),
        click.option(
            "--link", required=True, envvar="AERIAL_LINK", help="serial:, udp:, udpout:, tcp: or sim:."
        ),
    ):
        command = option(command)
    return command


@contextmanager
def connected(
    link: str,
    system: int | None,
    key_file: Path | None,
    plan: "Plan",
    sortie: "Sortie",
    tells: "Tells | None" = None,
) -> Iterator["Vehicle"]:
    """Yield the vehicle at ``link``.

    A simulated one stands at the sortie's take-off point, set as the checks ask.
    """
    from aerial.plan.profiles import read_aircraft
    from aerial.steps.fly_link import SIMULATED, require_answers, vehicle_at
    from aerial.steps.fly_rehearse import settings_for

    simulated = link.startswith(SIMULATED)

    with vehicle_at(
        link,
        system=system,
        key_file=key_file,
        home=sortie.takeoff,
        home_amsl_m=sortie.takeoff_amsl_m,
        tells=tells,
        parameters=settings_for(plan, sortie, read_aircraft(plan.aircraft)) if simulated else (),
    ) as vehicle:
        console.say(f"Vehicle {vehicle.peer.system} answers: {vehicle.autopilot.name}.")
        require_answers(vehicle)
        yield vehicle


def folder_for(vehicle: "Vehicle", folder: Path) -> Path:
    """Return where what is known of a vehicle lies; that of a simulated one lies apart."""
    return folder / "simulated" if vehicle.simulated else folder


def show_findings(findings: Sequence["Finding"], *, as_json: bool) -> bool:
    """Print findings, hints last; return whether one of them is a fail."""
    if as_json:
        from aerial.codec import to_plain

        console.data(to_plain(list(findings)))
    else:
        console.table([{"level": f.level, "check": f.code, "finding": f.message} for f in findings])
    for finding in findings:
        if finding.level != "pass" and finding.hint:
            console.say(f"{finding.code}: {finding.hint}")
    return any(finding.level == "fail" for finding in findings)
