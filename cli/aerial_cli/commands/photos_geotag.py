"""``aerial photos geotag``: positions from the log of a flight."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aerial_cli import console

if TYPE_CHECKING:
    from aerial.steps.geotag import Geotagged
    from aerial.steps.refly import Refly

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)
_NEW_FOLDER = click.Path(path_type=Path, file_okay=False)
# A vehicle that had a position fix counts from 1970; else from its start, which tells nothing of a clock.
_SINCE_1970_S = 1e9


@click.command("geotag")
@click.argument("folder", metavar="PHOTOS", type=_FOLDER)
@click.option(
    "--log", "log_file", type=_FILE, required=True, help="flight.jsonl, ArduPilot's .BIN or a .tlog."
)
@click.option("--out", type=_NEW_FOLDER, help="Folder for copies with positions.")
@click.option("--sidecar", type=click.Path(path_type=Path, dir_okay=False), help="Positions as CSV instead.")
@click.option("--plan", "plan", type=_FOLDER, help="Folder of the plan that was flown; with --refly.")
@click.option("--sortie", type=click.IntRange(1), help="Its sortie that was flown [those in the log].")
@click.option("--refly", "refly_out", type=_NEW_FOLDER, help="Folder for a plan of what misses; with --plan.")
@click.option("--dem", type=_FILE, help="The terrain that the plan follows, for --refly.")
@click.option("--dsm", type=_FILE, help="The last surface model, for the checks of --refly.")
@click.option("--zones", type=_FILE, multiple=True, help="Zones for the checks of --refly; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    folder: Path,
    log_file: Path,
    out: Path | None,
    sidecar: Path | None,
    plan: Path | None,
    sortie: int | None,
    refly_out: Path | None,
    dem: Path | None,
    dsm: Path | None,
    zones: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Find out which photograph in PHOTOS is which shot of a flight's log, and give it its position.

    The camera's clock may be off and may have jumped: photographs and shots are matched by their numbers
    and the times between them. Where more than one way fits, nothing is written. The originals are never
    changed; without --out and --sidecar nothing is written at all. With --plan and --refly, what was not
    photographed becomes a small plan.

    Example: aerial photos geotag DCIM --log 00000042.BIN --out geotagged
    """
    from aerial.steps.geotag import geotag
    from aerial.steps.refly import refly

    if out is not None and sidecar is not None:
        raise click.UsageError("Give --out or --sidecar, not both.")
    if (plan is None) != (refly_out is None):
        raise click.UsageError("--plan and --refly go together.")
    if plan is None and (sortie or dem or dsm or zones):
        raise click.UsageError("--sortie, --dem, --dsm and --zones belong to --refly.")
    with console.progress() as progress:
        done = geotag(folder, log_file, out=out, sidecar=sidecar, progress=progress)
    again = None
    if plan is not None and refly_out is not None:
        again = refly(
            plan,
            [tag.shot.at for tag in done.tags.tagged],
            refly_out,
            dropped=[shot.at for shot in done.tags.dropped],
            sorties=None if sortie is None else (sortie,),
            dem=dem,
            dsm=dsm,
            zones=zones,
        )
    _print(done, again, as_json)
    _say(done)
    if out is not None or sidecar is not None:
        console.say(f"{len(done.tags.tagged)} positions written to {out or sidecar}.")
    if again is not None:
        say_refly(again, refly_out)


def _print(done: "Geotagged", again: "Refly | None", as_json: bool) -> None:
    from aerial.codec import to_plain

    if as_json:
        plain: dict[str, Any] = to_plain(done)
        if again is not None:
            plain["missing"] = to_plain(again.missing)
        console.data(plain)
        return
    tags = done.tags
    rows: list[dict[str, object]] = [
        {"what": "photographs with a position", "count": len(tags.tagged), "which": ""},
        {"what": "shots without a photograph", "count": len(tags.dropped),
         "which": _some([f"{shot.index}" for shot in tags.dropped])},
        {"what": "photographs without a shot", "count": len(tags.extra), "which": _some(tags.extra)},
    ]  # fmt: skip
    console.table(rows)


def _some(names: "tuple[str, ...] | list[str]") -> str:
    return ", ".join(names[:6]) + (" …" if len(names) > 6 else "")


def _say(done: "Geotagged") -> None:
    tags = done.tags
    for finding in done.findings:
        console.say(f"{finding.message} {finding.hint}")
    for shot in tags.dropped[:20]:
        place = f"{shot.at.lon_deg:.6f}, {shot.at.lat_deg:.6f}"
        console.say(f"The camera dropped shot {shot.index} at {place}: it has no photograph.")
    if len(tags.dropped) > 20:
        console.say(f"{len(tags.dropped) - 20} more shots have no photograph; --json lists them.")
    for stretch in tags.stretches if tags.tagged[0].shot.time_s > _SINCE_1970_S else ():
        span = f"{stretch.first} to {stretch.last}"
        console.say(f"{span}: the camera's clock is {_offset(stretch.offset_s)} the vehicle's.")
    console.say(
        f"Times agree to {tags.residual_median_s:.2f} s (median) and {tags.residual_p95_s:.2f} s (95 of 100)."
    )
    console.say(f"The camera's stamps have steps of {tags.resolution_s:g} s.")


def _offset(seconds: float) -> str:
    size = round(abs(seconds))
    hours, rest = divmod(size, 3600)
    told = f"{hours} h {rest // 60} min {rest % 60} s" if hours else f"{abs(seconds):.1f} s"
    return f"{told} {'ahead of' if seconds > 0 else 'behind'}"


def say_refly(again: "Refly", out: Path | None) -> None:
    """Say what a re-fly plan takes, or that nothing misses."""
    if again.plan is None:
        console.say("No photograph of the plan is missing; there is nothing to fly again.")
        return
    totals = again.plan.totals
    console.say(
        f"{len(again.missing)} places of the plan have no photograph. {out} holds a plan of {totals.photos} "
        f"photographs, {totals.duration_s / 60:.1f} min, that takes them."
    )
    for finding in again.plan.findings:
        if finding.level != "pass":
            console.say(f"{finding.message} {finding.hint}")
