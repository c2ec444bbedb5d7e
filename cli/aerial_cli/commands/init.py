"""``aerial init``: make a town's folder."""

from pathlib import Path

import click

from aerial_cli import console

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option("--area", type=FILE, required=True, help="The town's outer boundary, one polygon.")
@click.option("--cells", type=FILE, required=True, help="The flight cells, each with an id.")
@click.option("--zones", type=FILE, multiple=True, help="Zones, each with a kind; repeatable.")
def command(folder: Path, area: Path, cells: Path, zones: tuple[Path, ...]) -> None:
    """Make DIR the folder of a town: its area, its flight cells, its zones.

    Files are GeoJSON, KML, KMZ, Shapefile (.shp or .zip) or GeoPackage in any CRS that they declare;
    the town's folder holds them as GeoJSON on WGS 84.

    Example: aerial init changan --area area.geojson --cells cells.geojson --zones permits.geojson
    """
    from aerial.areas import read_cells
    from aerial.steps.init import init_town

    town = init_town(folder, area, cells, zones)
    console.say(f"{folder} is a town of {len(read_cells(town.cells_file))} cells.")
    console.say("Next: aerial photos import DCIM --cell ID")
