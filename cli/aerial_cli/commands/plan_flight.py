"""``aerial plan flight``: a boundary in, the flight over it out."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aerial_cli import console
from aerial_cli.numbers import LON_LAT, OVERLAP, WIND

if TYPE_CHECKING:
    from aerial.records import LonLat, Plan, Wind
    from aerial.steps.plan_flight import Outcome
    from aerial.workspace import Town

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("flight")
@click.argument("cells", metavar="[CELL]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All cells of the town.")
@click.option("--area", type=_FILE, help="Boundary to fly over, without a town; then --out.")
@click.option("--zones", type=_FILE, multiple=True, help="File of zones, each with a kind; repeatable.")
@click.option("--dem", type=_FILE, help="GeoTIFF of the terrain; heights then follow the ground.")
@click.option("--dsm", type=_FILE, help="GeoTIFF of the last surface model, for clearance.")
@click.option("--aircraft", metavar="NAME", help="Aircraft that ships, or a TOML file.")
@click.option("--camera", metavar="NAME", help="Camera that ships, or a TOML file.")
@click.option("--gsd-cm", type=float, metavar="X", help="Ground pixel size; or --height-m.")
@click.option("--height-m", type=float, metavar="X", help="Height over ground; or --gsd-cm.")
@click.option("--overlap", type=OVERLAP, nargs=2, metavar="FRONT SIDE", help="In percent or shares [80 70].")
@click.option("--home", type=LON_LAT, metavar="LON,LAT", help="Take-off point.")
@click.option("--wind", type=WIND, metavar="M/S,FROM", help="Wind: metres a second, degrees it comes from.")
@click.option("--off-nadir", is_flag=True, help="Tilt the camera by 10 degrees, against doming.")
@click.option("--clearance-m", type=float, default=30, show_default=True, help="Over surface and obstacles.")
@click.option("--approval", metavar="NUMBER", help="Permission to exceed 120 m of true height.")
@click.option("--picture/--no-picture", default=True, show_default=True, help="Draw the map (PNG).")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write, with --area.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def command(
    town: Path | None,
    cells: tuple[str, ...],
    every: bool,
    area: Path | None,
    zones: tuple[Path, ...],
    dem: Path | None,
    dsm: Path | None,
    aircraft: str | None,
    camera: str | None,
    gsd_cm: float | None,
    height_m: float | None,
    overlap: tuple[float, float] | None,
    home: "LonLat | None",
    wind: "Wind | None",
    off_nadir: bool,
    clearance_m: float,
    approval: str | None,
    picture: bool,
    workers: int,
    out: Path | None,
    as_json: bool,
) -> int:
    """Plan the flight over --area FILE, or over cells of the town.

    Writes plan.json, lines.geojson, checks.json, filing.md, the files that the aircraft reads and a map.
    A plan that a check refuses is not written, and what lay there stays. The files of a town's cells
    are in plans/CELL; cells that have not changed keep their plan, so that repeats fly the same lines.

    Example: aerial plan flight --area block.kml --zones no-fly.geojson --height-m 100 --out block-plan
    """
    from aerial.steps.plan_flight import plan_file, plan_town, request, town_request

    wishes = {
        "aircraft": aircraft,
        "camera": camera,
        "gsd_m": None if gsd_cm is None else gsd_cm / 100,
        "height_agl_m": height_m,
        "pitch_deg": -80.0 if off_nadir else -90.0,
        "wind": wind,
        "clearance_m": clearance_m,
        "approval": approval,
        "dem": dem,
        "dsm": dsm,
        "picture": picture,
    }
    if area is not None:
        if cells or every or out is None:
            raise click.UsageError("With --area give --out and no cells.")
        asked = request(overlap=overlap or (0.8, 0.7), **wishes)  # type: ignore[arg-type]
        around = _town_around(town)
        plan = plan_file(area, out, asked, zones=zones, home=home, town=around)
        console.table([_row(area.stem, plan)], as_json=as_json)
        _say(plan)
        console.say(f"{out / 'plan.json'}, {out / 'lines.geojson'}")
        return 0
    if cells and every:
        raise click.UsageError("Name cells of the town, or --all, not both.")
    if not cells and not every:
        raise click.UsageError("Name cells of the town, or --all, or --area FILE.")
    if zones or home or out:
        raise click.UsageError("--zones, --home and --out belong to --area; a town has its own.")
    import os

    from aerial.settings import load_settings
    from aerial.workspace import open_town

    opened = open_town(town, Path.cwd())
    settings = load_settings(opened.settings_file, environment=os.environ)
    asked = town_request(opened, settings, overlap=overlap, **wishes)
    outcomes: list[Outcome] = []
    with console.progress() as progress:
        outcomes.extend(plan_town(opened, cells, asked, workers=workers, progress=progress))
    console.table([_row(o.cell, o.plan) for o in outcomes if o.plan is not None], as_json=as_json)
    refused = [o for o in outcomes if o.plan is None]
    for outcome in refused:
        console.fail(f"{outcome.cell}: {outcome.refusal}", outcome.hint)
    kept = sum(not o.done for o in outcomes)
    console.say(f"{len(outcomes) - len(refused)} planned, {kept} of them as before; {len(refused)} refused.")
    return int(bool(refused))


def _town_around(given: Path | None) -> "Town | None":
    """Return the town that is named or that the work is done in, None outside of any."""
    from aerial.errors import WorkspaceError
    from aerial.workspace import open_town

    try:
        return open_town(given, Path.cwd())
    except WorkspaceError:
        if given is not None:
            raise
        return None


def _row(name: str, plan: "Plan") -> dict[str, object]:
    totals = plan.totals
    return {
        "cell": name,
        "sorties": totals.sorties,
        "min": round(totals.duration_s / 60, 1),
        "lines": totals.lines,
        "photos": totals.photos,
        "survey km": round(totals.survey_m / 1000, 2),
        "other km": round((totals.turn_m + totals.transit_m) / 1000, 2),
        "spacing m": plan.line_spacing_m,
        "trigger m": plan.trigger_distance_m,
        "covered %": round(100 * totals.covered_share, 3),
    }


def _say(plan: "Plan") -> None:
    for finding in plan.findings:
        if finding.level != "pass":
            console.say(f"{finding.message} {finding.hint}")
