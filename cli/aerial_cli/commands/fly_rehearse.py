"""``aerial fly rehearse``: a whole flight with a simulated vehicle."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.commands.fly_air import show_end, show_status
from aerial_cli.flying import PLAN
from aerial_cli.numbers import WIND

if TYPE_CHECKING:
    from aerial.records import Wind


@click.command()
@PLAN
@click.option("--sortie", type=click.IntRange(1), help="Only this sortie; without it, all of them.")
@click.option("--wind", type=WIND, help="Metres a second and the direction it comes from; else the plan's.")
@click.option(
    "--speedup", type=click.FloatRange(0.1, 1000), help="Simulated seconds a second; else no pause."
)
@click.option(
    "--photos",
    type=click.Path(path_type=Path, file_okay=False),
    help="Render the photographs from a simulated town into this folder.",
)
def rehearse(
    plan: Path,
    sortie: int | None,
    wind: "Wind | None",
    speedup: float | None,
    photos: Path | None,
) -> int:
    """Fly PLAN with a simulated ArduCopter: upload, checks, every line, every photograph, the way home.

    Shows what a pilot will see, and which parameters the vehicle is to be set to. Exits with 1 if the
    flight does not run to its end or a photograph misses.

    Example: aerial fly rehearse plans/A1 --wind 5,270
    """
    from aerial.plan.profiles import read_aircraft
    from aerial.progress import SILENT
    from aerial.steps.fly import read_sortie
    from aerial.steps.fly_rehearse import photographs, settings_for
    from aerial.steps.fly_rehearse import rehearse as fly_sortie

    numbers = [sortie] if sortie is not None else None
    of, _, folder = read_sortie(plan, sortie if sortie is not None else 1)
    aircraft = read_aircraft(of.aircraft)
    if aircraft.autopilot != "ardupilot":
        console.say(f"The {aircraft.model} is flown here as an ArduCopter would fly the same lines.")
    code = 0
    for one in of.sorties:
        if numbers is not None and one.number not in numbers:
            continue
        settings = ", ".join(f"{name} {value:g}" for name, value in settings_for(of, one, aircraft))
        console.say(f"Sortie {one.number} of {len(of.sorties)}. The vehicle is set to: {settings}.")
        # A simulated link needs no bars: what it carries is there at once.
        flown = fly_sortie(
            of,
            one,
            folder,
            speedup=speedup,
            wind=wind,
            progress=SILENT,
            report=show_status,
            say=console.say,
        )
        for finding in flown.findings:
            # What the simulated firmware calls itself is nobody's concern.
            if finding.level == "warn" and finding.code != "autopilot":
                console.say(f"{finding.message} {finding.hint}")
        console.say(f"{flown.flown_s / 60:.1f} min in the air, {flown.battery_used:.0%} of the battery used.")
        code |= show_end(flown.ended)
        if photos is not None:
            out = photos if len(of.sorties) == 1 or numbers else photos / f"sortie{one.number}"
            with console.progress() as progress:
                written = photographs(of, flown, out, progress)
            console.say(f"{len(written)} photographs in {out}")
    return code
