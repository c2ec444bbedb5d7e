"""``aerial stitch``: photographs in, orthomosaic and surface model out."""

from pathlib import Path

import click

from aerial.records import Preset
from aerial_cli import console

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Mosaic folder.")
@click.option("--engine", type=click.Choice(["local", "odm"]), default="local", show_default=True)
@click.option(
    "--node",
    "nodes",
    multiple=True,
    metavar="URL",
    envvar="AERIAL_NODES",
    show_envvar=True,
    help="Stitching node of the odm engine.",
)
@click.option("--previous", type=_FOLDER, help="Mosaic folder of the reference survey, whose frame is kept.")
@click.option(
    "--preset",
    type=click.Choice(["fast", "quality"]),
    default="quality",
    show_default=True,
    help="fast: to look at in the field; quality: to compare.",
)
@click.option("--gcp", type=_FILE, help="Ground control points (gcp_list.txt) that the survey stands on.")
@click.option(
    "--reference",
    "reference_ortho",
    type=_FILE,
    help="Georeferenced orthomosaic from elsewhere that the survey is laid on.",
)
@click.option("--positions", type=_FILE, help="Positions of the photographs (geo.txt), instead of EXIF.")
@click.option("--calibration", type=_FILE, help="Camera file: focal length and distortion are taken from it.")
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="Option of the odm engine's node, as its own list names it.",
)
@click.option("--cancel", is_flag=True, help="End the task that an interrupted call left at its node.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a photograph is left out.")
def command(
    folder: Path,
    out: Path,
    engine: str,
    nodes: tuple[str, ...],
    previous: Path | None,
    preset: Preset,
    gcp: Path | None,
    reference_ortho: Path | None,
    positions: Path | None,
    calibration: Path | None,
    options: tuple[str, ...],
    cancel: bool,
    strict: bool,
) -> int:
    """Stitch the photographs in DIR into ortho.tif, dsm.tif, quality.json and quality.html.

    Interrupted or stopped by a full disk, the same command goes on; an earlier mosaic in the folder
    stays until the new one is whole. With --previous both surveys share one frame.

    Example: aerial stitch april/photos --out april --previous march
    """
    from aerial.steps import stitch
    from aerial.steps.stitched import PAGE, word_on

    if engine != "odm" and (nodes or options):
        # Refused, not ignored: who names a node wants the work done there.
        raise click.UsageError("--node and --option are for --engine odm.")
    if engine == "odm" and not nodes:
        raise click.UsageError("--engine odm needs a node: --node http://HOST:3000.")

    if cancel:
        with console.progress() as progress:
            stitch.cancel(out, nodes, progress)
        return 0
    with console.progress() as progress:
        quality = stitch.stitch_folder(
            folder,
            out,
            engine=engine,
            nodes=nodes,
            previous=previous,
            preset=preset,
            gcp=gcp,
            reference_ortho=reference_ortho,
            positions=positions,
            calibration=calibration,
            options=tuple(_name_and_value(option) for option in options),
            progress=progress,
        )
    for file, reason in quality.rejected.items():
        console.say(f"{file}: {reason}")
    residual = "-" if quality.residual_median_m is None else f"{quality.residual_median_m:.2f} m"
    console.say(
        f"{quality.registered} of {quality.photos} photographs at {quality.gsd_m * 100:.1f} cm in "
        f"{quality.seconds:.0f} s; cameras agree with GPS to {residual} (median). {out / 'ortho.tif'}"
    )
    console.say(f"{word_on(out).capitalize()}: see {out / PAGE}.")
    return int(strict and bool(quality.rejected))


def _name_and_value(option: str) -> tuple[str, str]:
    name, equals, value = option.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{option!r} is not NAME=VALUE.", param_hint="--option")
    return name, value
