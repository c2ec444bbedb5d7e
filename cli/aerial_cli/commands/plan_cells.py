"""``aerial plan cells``: cut an area into cells of one flight each."""

from pathlib import Path

import click

from aerial_cli import console
from aerial_cli.numbers import OVERLAP

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("cells")
@click.option("--area", type=_FILE, required=True, help="The outer boundary, one polygon.")
@click.option("--lines", type=_FILE, multiple=True, help="Roads, rivers: cells part along them; repeatable.")
@click.option("--max-minutes", type=float, required=True, metavar="M", help="The longest flight of one cell.")
@click.option("--aircraft", required=True, metavar="NAME", help="Aircraft that ships, or a TOML file.")
@click.option(
    "--camera", metavar="NAME", help="Camera that ships, or a TOML file; else the aircraft's first."
)
@click.option("--gsd-cm", type=float, metavar="X", help="Ground pixel size; or --height-m.")
@click.option("--height-m", type=float, metavar="X", help="Height over ground; or --gsd-cm.")
@click.option(
    "--overlap",
    type=OVERLAP,
    nargs=2,
    default=(80, 70),
    show_default=True,
    metavar="FRONT SIDE",
    help="Overlaps in percent or shares.",
)
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="GeoJSON to write."
)
@click.option("--json", "as_json", is_flag=True, help="Print the cells as JSON.")
def command(
    area: Path,
    lines: tuple[Path, ...],
    max_minutes: float,
    aircraft: str,
    camera: str | None,
    gsd_cm: float | None,
    height_m: float | None,
    overlap: tuple[float, float],
    out: Path,
    as_json: bool,
) -> None:
    """Cut an area into cells that one flight each can cover, along roads and rivers where given.

    Files are GeoJSON, KML, KMZ, Shapefile (.shp or .zip) or GeoPackage in any CRS that they declare.
    A flight includes climb, the way to the first line, turns, the way home and landing.

    Example: aerial plan cells --area town.kml --lines roads.shp --max-minutes 20
    --aircraft dji_mavic3_enterprise --gsd-cm 3 --out cells.geojson
    """
    if out.resolve() in {path.resolve() for path in (area, *lines)}:
        raise click.UsageError("--out would overwrite a file that the cells are cut from.")
    from aerial.geo import area_m2
    from aerial.plan.profiles import read_aircraft, read_camera
    from aerial.steps.cells import area_of_flight, plan_cells

    flown = read_aircraft(aircraft)
    limit_m2 = area_of_flight(
        flown,
        read_camera(camera or flown.cameras[0]),
        minutes=max_minutes,
        gsd_m=None if gsd_cm is None else gsd_cm / 100,
        height_m=height_m,
        overlap_front=overlap[0],
        overlap_side=overlap[1],
    )
    cells = plan_cells(area, out, max_area_m2=limit_m2, lines=lines)
    rows = [
        {
            "cell": cell.id,
            "ha": round(area_m2(cell.outline) / 1e4, 2),
            "takeoff_lon": f"{cell.takeoffs[0].lon_deg:.6f}",
            "takeoff_lat": f"{cell.takeoffs[0].lat_deg:.6f}",
        }
        for cell in cells
    ]
    console.table(rows, as_json=as_json)
    console.say(f"{len(cells)} cells of at most {limit_m2 / 1e4:.1f} ha are in {out}.")
