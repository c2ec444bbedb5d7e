"""``aerial fly check``, ``upload`` and ``compare``: a vehicle on the ground."""

from pathlib import Path

import click

from aerial_cli import console
from aerial_cli.flying import DEM, PLAN, SORTIE, connected, folder_for, link_options, show_findings

_KINDS = ("mission", "fence", "rally")


@click.command()
@PLAN
@SORTIE
@link_options
@DEM
@click.option("--json", "as_json", is_flag=True, help="Print JSON: the findings.")
def check(
    plan: Path,
    sortie: int | None,
    link: str,
    system: int | None,
    key_file: Path | None,
    dem: Path | None,
    as_json: bool,
) -> int:
    """Check the vehicle against a sortie of PLAN: position, battery, home, what it holds, parameters.

    Exits with 1 if a check fails: aerial fly start would refuse. No check says that a flight is legal.

    Example: aerial fly check plans/A1 --sortie 1 --link serial:/dev/ttyUSB0:57600
    """
    from aerial.steps.fly import check as check_sortie
    from aerial.steps.fly import read_sortie, ready
    from aerial.steps.fly_terrain import serve_terrain

    of, chosen, folder = read_sortie(plan, sortie)
    with connected(link, system, key_file, of, chosen) as vehicle, console.progress() as progress:
        if dem is not None:
            serve_terrain(vehicle, of, dem)
        if vehicle.simulated:
            ready(vehicle, of, chosen, folder_for(vehicle, folder), progress)
        findings = check_sortie(vehicle, of, chosen, progress)
    return int(show_findings(findings, as_json=as_json))


@click.command()
@PLAN
@SORTIE
@link_options
@click.option("--clear", type=click.Choice(_KINDS), multiple=True, help="Instead, clear this on the vehicle.")
@click.option("--restore", is_flag=True, help="Instead, send back what the last upload replaced.")
def upload(
    plan: Path,
    sortie: int | None,
    link: str,
    system: int | None,
    key_file: Path | None,
    clear: tuple[str, ...],
    restore: bool,
) -> int:
    """Upload a sortie of PLAN with its fence and rally points, read them back, and compare.

    Says what the vehicle holds afterwards, whatever happened: the new, the old, nothing, or a mix. What it
    held before is kept in PLAN's folder; --restore sends that back, --clear empties. Exits with 1 unless
    everything was read back and equal.

    Example: aerial fly upload plans/A1 --sortie 1 --link udp:0.0.0.0:14550
    """
    from aerial.steps import fly

    if clear and restore:
        raise click.UsageError("--clear and --restore are two different things; give one of them.")
    of, chosen, folder = fly.read_sortie(plan, sortie)
    with connected(link, system, key_file, of, chosen) as vehicle, console.progress() as progress:
        place = folder_for(vehicle, folder)
        if clear:
            proofs = tuple(fly.clear(vehicle, kind, progress) for kind in fly.KINDS if kind in clear)
        elif restore:
            proofs = fly.restore(vehicle, place, progress)
        else:
            proofs = fly.upload(vehicle, of, chosen, place, progress)
    for proof in proofs:
        console.say(fly.said(proof))
    whole = all(proof.proved for proof in proofs)
    if not whole:
        console.say("Hint: Try again closer to the vehicle, or give --restore or --clear mission.")
    elif not clear and not restore:
        console.say("Next: aerial fly check, then aerial fly start.")
    return int(not whole)


@click.command()
@PLAN
@SORTIE
@link_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON: kind, items, differences.")
def compare(
    plan: Path, sortie: int | None, link: str, system: int | None, key_file: Path | None, as_json: bool
) -> int:
    """Read mission, fence and rally points from the vehicle; tell how they differ from PLAN's.

    Exits with 1 unless all are equal.

    Example: aerial fly compare plans/A1 --sortie 1 --link tcp:127.0.0.1:5760
    """
    from aerial.codec import to_plain
    from aerial.steps.fly import compare as compare_held
    from aerial.steps.fly import read_sortie

    of, chosen, _ = read_sortie(plan, sortie)
    with connected(link, system, key_file, of, chosen) as vehicle, console.progress() as progress:
        found = compare_held(vehicle, of, chosen, progress)
    if as_json:
        console.data(to_plain(found))
    else:
        console.table(
            [
                {
                    "kind": one.kind,
                    "items": one.items,
                    "equal": one.equal,
                    "first difference": (one.differences or ("",))[0]
                    if one.differences is not None
                    else "cannot be read",
                }
                for one in found
            ]
        )
    return int(not all(one.equal for one in found))
