"""``aerial fly start``, ``watch``, ``abort`` and ``resume``."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.flying import DEM, PLAN, SORTIE, connected, folder_for, link_options, show_findings

if TYPE_CHECKING:
    from aerial.flight.log import FlightLog
    from aerial.records import Plan, Sortie
    from aerial.steps.fly_link import Vehicle
    from aerial.steps.fly_watch import Ended, Status


FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@PLAN
@SORTIE
@link_options
@click.option(
    "--confirm", type=int, metavar="VEHICLE-ID", help="The vehicle's number, where there is no terminal."
)
@DEM
def start(
    plan: Path,
    sortie: int | None,
    link: str,
    system: int | None,
    key_file: Path | None,
    confirm: int | None,
    dem: Path | None,
) -> int:
    """Check the vehicle, ask for its number to be typed, start the sortie, and watch it to its end.

    Refused when a check fails. Ctrl-C ends the watching and not the flight; aerial fly abort, in any
    terminal, brings the vehicle home.

    Example: aerial fly start plans/A1 --sortie 1 --link serial:/dev/ttyUSB0:57600
    """
    from aerial.errors import FlightError
    from aerial.flight.log import FlightLog
    from aerial.steps.fly import check, read_sortie, ready
    from aerial.steps.fly_link import Tells
    from aerial.steps.fly_terrain import serve_terrain
    from aerial.steps.fly_watch import new_log
    from aerial.steps.fly_watch import start as start_flight

    of, chosen, folder = read_sortie(plan, sortie)
    tells = Tells()
    with connected(link, system, key_file, of, chosen, tells) as vehicle:
        folder = folder_for(vehicle, folder)
        if dem is not None:
            serve_terrain(vehicle, of, dem)
        with console.progress() as progress:
            if vehicle.simulated:
                ready(vehicle, of, chosen, folder, progress)
            findings = check(vehicle, of, chosen, progress)
        if show_findings(findings, as_json=False):
            raise FlightError("A check failed: the flight is not started.", hint="Mend what the checks name.")
        _confirm(vehicle, confirm)
        with (
            FlightLog(new_log(folder, chosen)) as log,
            _goes_on(plan, chosen, link, key_file, simulated=vehicle.simulated),
        ):
            tells.to.append(log)
            start_flight(vehicle, log, console.say)
            console.say("The mission has begun. aerial fly abort brings the vehicle home.")
            return _follow(vehicle, of, chosen, log)


@click.command()
@PLAN
@SORTIE
@link_options
@DEM
def watch(
    plan: Path, sortie: int | None, link: str, system: int | None, key_file: Path | None, dem: Path | None
) -> int:
    """Watch a flight of PLAN that was started here or elsewhere; log it and count its photographs.

    Takes up the log of a watch that was interrupted. Commands nothing but an abort that you ask for; asks
    the vehicle for its messages. Ends when it has landed.

    Example: aerial fly watch plans/A1 --sortie 1 --link udp:0.0.0.0:14550
    """
    from aerial.errors import InputError
    from aerial.flight.log import FlightLog
    from aerial.steps.fly import read_sortie
    from aerial.steps.fly_link import SIMULATED, Tells
    from aerial.steps.fly_terrain import serve_terrain
    from aerial.steps.fly_watch import log_of

    of, chosen, folder = read_sortie(plan, sortie)
    if link.startswith(SIMULATED):
        raise InputError(
            "A vehicle of sim: lives as long as the command that started it.",
            hint="Run aerial fly start with --link sim:, which watches too.",
        )
    tells = Tells()
    with (
        connected(link, system, key_file, of, chosen, tells) as vehicle,
        FlightLog(log_of(folder, chosen)) as log,
        _goes_on(plan, chosen, link, key_file, simulated=False),
    ):
        tells.to.append(log)
        if dem is not None:
            serve_terrain(vehicle, of, dem)
        return _follow(vehicle, of, chosen, log)


@click.command()
@click.option(
    "--link", envvar="AERIAL_LINK", help="Only the flight on this link; needed where nothing watches."
)
@click.option("--vehicle", "system", type=click.IntRange(1, 254), help="MAVLink number of the vehicle.")
@click.option(
    "--key-file",
    type=FILE,
    help="File with the MAVLink signing key, readable by you alone.",
)
def abort(link: str | None, system: int | None, key_file: Path | None) -> int:
    """Bring every vehicle home that an aerial of yours holds the link to; or the one on --link.

    Asks nothing. Goes before everything else that waits to be sent. A vehicle that cannot return lands.

    Example: aerial fly abort
    """
    from aerial.steps.fly_abort import abort_flights

    answers = abort_flights(link, system=system, key_file=key_file)
    for answer in answers:
        console.say(f"{answer.link}: {answer.text}")
    return int(not all(answer.done for answer in answers))


@click.command()
@PLAN
@SORTIE
@link_options
@click.option(
    "--log",
    type=FILE,
    help="The flight's log; without it, the newest.",
)
@click.option("--dem", type=FILE, help="The terrain that the plan was made with, where it follows terrain.")
@click.option("--zones", type=FILE, multiple=True, help="File of zones, each with a kind; repeatable.")
def resume(
    plan: Path,
    sortie: int | None,
    link: str,
    system: int | None,
    key_file: Path | None,
    log: Path | None,
    dem: Path | None,
    zones: tuple[Path, ...],
) -> int:
    """Make a mission of the rest of an interrupted sortie, from four photographs before its last; upload it.

    The new plan lies in PLAN's folder, under resumed/; check and start that one. Uploaded with proof.

    Example: aerial fly resume plans/A1 --sortie 1 --link serial:/dev/ttyUSB0:57600
    """
    from aerial.steps import fly
    from aerial.steps.fly_resume import resume_sortie

    of, chosen, folder = fly.read_sortie(plan, sortie)
    rest, where = resume_sortie(of, chosen, folder, log, dem=dem, zones=zones)
    left = rest.sorties[0]
    console.say(f"{where}: {left.photos} photographs left, {left.battery_share:.0%} of a battery.")
    with connected(link, system, key_file, rest, left) as vehicle, console.progress() as progress:
        proofs = fly.upload(vehicle, rest, left, folder_for(vehicle, where), progress)
    for proof in proofs:
        console.say(fly.said(proof))
    whole = all(proof.proved for proof in proofs)
    if whole:
        console.say(f"Next: aerial fly start {where}")
    return int(not whole)


def _confirm(vehicle: "Vehicle", given: int | None) -> None:
    """Have the vehicle's number typed; nobody needs to confirm a simulated flight."""
    from aerial.errors import FlightError

    if vehicle.simulated:
        return
    number = vehicle.peer.system
    if given is None and sys.stdin.isatty():
        console.say("The propellers will turn. Be sure that nobody is near.")
        typed = click.prompt(f"Type the number of the vehicle ({number}) to start", err=True)
        given = int(typed) if str(typed).strip().isdigit() else None
    if given != number:
        raise FlightError(
            "The flight is not started: the number of the vehicle was not confirmed.",
            hint=f"Type it when you are asked, or give --confirm {number}.",
        )


@contextmanager
def _goes_on(
    plan: Path, sortie: "Sortie", link: str, key_file: Path | None, *, simulated: bool
) -> Iterator[None]:
    """Say on Ctrl-C what becomes of the flight."""
    try:
        yield
    except KeyboardInterrupt:
        to = ["--link", link, *(["--key-file", str(key_file)] if key_file else [])]
        watch_it = shlex.join(["aerial", "fly", "watch", str(plan), "--sortie", str(sortie.number), *to])
        if simulated:
            console.say("Interrupted; the simulated vehicle ends with it.")
        else:
            console.say("Interrupted: the flight goes on, and nobody watches it.")
            console.say(f"To watch it: {watch_it}")
            console.say(f"To bring the vehicle home: {shlex.join(['aerial', 'fly', 'abort', *to])}")
        raise click.exceptions.Exit(130) from None


def _follow(vehicle: "Vehicle", plan: "Plan", sortie: "Sortie", log: "FlightLog") -> int:
    from aerial.steps.fly_watch import watch as watch_flight

    ended = watch_flight(
        vehicle,
        plan,
        sortie,
        log,
        report=show_status,
        say=console.say,
    )
    return show_end(ended)


def show_status(status: "Status") -> None:
    """Say where a flight is, in one line."""
    progress = status.progress
    parts = [status.mode or "mode unknown"]
    if status.armed is False:
        parts.append("motors off")
    if progress is not None:
        parts.append(f"line {progress.line}" if progress.line is not None else "off the lines")
        parts.append(f"photographs {status.photos} of {progress.photos} ({progress.due} due)")
        if progress.line is not None:
            parts.append(f"{progress.aside_m:.1f} m beside")
        parts.append(f"{progress.left_s / 60:.0f} min and {progress.left_battery:.0%} of a battery to go")
    if status.battery_share is not None:
        parts.append(f"battery {status.battery_share:.0%}")
    if status.height_above_home_m is not None:
        parts.append(f"{status.height_above_home_m:.0f} m up")
    if status.latency_ms is not None:
        parts.append(f"{status.latency_ms:.0f} ms, {status.lost_share:.0%} lost")
    console.say("LINK LOST, last: " + ", ".join(parts) if status.link_lost else ", ".join(parts))


def show_end(ended: "Ended") -> int:
    """Say how a flight ended; return the exit code."""
    console.say(f"Landed. {ended.photos} photographs were taken, {ended.due} were planned. Log: {ended.log}")
    if ended.untold:
        console.say(
            f"{ended.untold} of them were not heard of: take their places from the vehicle's .BIN log, with "
            "aerial photos geotag."
        )
    if not ended.complete:
        console.say("The mission did not run to its end. Next: aerial fly resume")
        return 1
    if ended.missing:
        numbers = ", ".join(str(trigger.photo) for trigger in ended.missing[:12])
        console.say(
            f"{len(ended.missing)} photographs left a gap: {numbers}"
            + ("…" if len(ended.missing) > 12 else ".")
            + " Next: aerial photos geotag with --refly."
        )
        return 1
    return 0
