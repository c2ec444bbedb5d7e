"""``aerial detect``: two mosaics in, suspects out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aerial_cli import console

if TYPE_CHECKING:
    from aerial.records import Suspect

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("before", type=_PATH)
@click.argument("after", type=_PATH)
@click.option("--out", type=_PATH, required=True, help="Folder for suspects.geojson and report.html.")
@click.option("--dsm", type=_PATH, nargs=2, metavar="BEFORE AFTER", help="Surface models of the two dates.")
@click.option(
    "--model", metavar="NAME|DIR", help="A shipped model, or a folder with model.toml.  [default: siamese]"
)
@click.option(
    "--zones", type=_PATH, multiple=True, metavar="FILE", help="GeoJSON zones that explain suspects."
)
@click.option(
    "--false-alarms-per-km2",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="Set the threshold to this rate on the pair itself, which should be mostly unchanged.",
)
@click.option(
    "--persist",
    type=_PATH,
    metavar="DIR",
    help="Keep only what DIR, the result of the flight before with the same BEFORE, shows too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--strict", is_flag=True, help="Exit with 1 when there are suspects.")
def command(
    before: Path,
    after: Path,
    out: Path,
    dsm: tuple[Path, Path] | None,
    model: str | None,
    zones: tuple[Path, ...],
    false_alarms_per_km2: float | None,
    persist: Path | None,
    as_json: bool,
    strict: bool,
) -> int:
    """Compare BEFORE with AFTER (GeoTIFFs, or mosaic folders) and list suspected changes.

    Example: aerial detect march/ortho.tif april/ortho.tif --out march-april
    """
    from aerial.steps.detect import detect_pair, source_at
    from aerial.steps.report import ComparedPair, write_report

    first, second = (source_at(path, dsm[i] if dsm else None) for i, path in enumerate((before, after)))
    with console.progress() as progress:
        result = detect_pair(
            first,
            second,
            out,
            model=model,
            zones=zones,
            false_alarms_per_km2=false_alarms_per_km2,
            persist=persist,
            progress=progress,
        )
        pair = ComparedPair(
            folder=out, after_ortho=second.ortho, cell=None, before=before.name, after=after.name
        )
        page = write_report([pair], out, title=f"{before.name} → {after.name}", progress=progress)
    console.table([_row(n, s) for n, s in enumerate(result.suspects, start=1)], as_json=as_json)
    fit = result.alignment
    console.say(
        f"{len(result.suspects)} suspects in {out / 'suspects.geojson'}; "
        f"residual {fit.residual_median_m:.2f} m (95 %: {fit.residual_p95_m:.2f} m). Open {page}"
    )
    return 1 if strict and result.suspects else 0


def _row(number: int, suspect: "Suspect") -> dict[str, Any]:
    return {
        "no": number,
        "kind": suspect.kind,
        "score": suspect.score,
        "area_m2": suspect.area_m2,
        "height_change_m": suspect.height_change_m,
        "error_m": suspect.error_m,
        "lon_lat": f"{suspect.at.lon_deg:.7f}, {suspect.at.lat_deg:.7f}",
        "zones": ", ".join(suspect.zones),
        "key": suspect.key,
    }
