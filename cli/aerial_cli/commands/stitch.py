"""``aerial stitch``: photographs in, orthomosaic and surface model out."""

from pathlib import Path

import click

from aerial_cli import console

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=_FOLDER)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Mosaic folder.")
@click.option("--engine", type=click.Choice(["local", "odm"]), default="local", show_default=True)
@click.option("--node", "nodes", multiple=True, metavar="URL", help="Stitching node of the odm engine.")
@click.option("--previous", type=_FOLDER, help="Mosaic folder of the reference survey, whose frame is kept.")
@click.option("--strict", is_flag=True, help="Exit with 1 when a photograph is left out.")
def command(
    folder: Path, out: Path, engine: str, nodes: tuple[str, ...], previous: Path | None, strict: bool
) -> int:
    """Stitch the photographs in DIR into ortho.tif, dsm.tif and quality.json.

    Interrupted, the same command goes on. With --previous both surveys share one frame.

    Example: aerial stitch april/photos --out april --previous march
    """
    from aerial.steps.stitch import stitch_folder

    with console.progress() as progress:
        quality = stitch_folder(folder, out, engine=engine, nodes=nodes, previous=previous, progress=progress)
    for file, reason in quality.rejected.items():
        console.say(f"{file}: {reason}")
    residual = "-" if quality.residual_median_m is None else f"{quality.residual_median_m:.2f} m"
    console.say(
        f"{quality.registered} of {quality.photos} photographs at {quality.gsd_m * 100:.1f} cm in "
        f"{quality.seconds:.0f} s; cameras agree with GPS to {residual} (median). {out / 'ortho.tif'}"
    )
    return int(strict and bool(quality.rejected))
