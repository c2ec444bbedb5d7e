"""``aerial plan export``: a plan as files for ground stations, aircraft and eyes."""

from pathlib import Path

import click

from aerial_cli import console

# Written out: help must not load the planner.
_FORMATS = ("plan", "waypoints", "wpml", "mapping2d", "csv", "geojson", "kml", "png")


@click.command()
@click.argument("plan", metavar="PLAN", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--format",
    "formats",
    multiple=True,
    type=click.Choice(_FORMATS),
    help="Repeatable; default: every format that the aircraft reads, and those to look at.",
)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Default: the plan's folder.")
@click.option("--aircraft", metavar="FILE", help="The plan's aircraft, where it is of your own TOML file.")
@click.option("--json", "as_json", is_flag=True, help="Print the files written as JSON.")
def command(
    plan: Path, formats: tuple[str, ...], out: Path | None, aircraft: str | None, as_json: bool
) -> None:
    """Write PLAN (plan.json, or its folder) for QGroundControl, Mission Planner, DJI Pilot 2 or a map.

    Missions are one file a sortie. A plan that failed a check is not exported to fly by; geojson, kml
    and png show it all the same.

    Example: aerial plan export plans/A1 --format wpml --format png
    """
    from aerial.steps.plan_export import export_plan_file

    written = export_plan_file(plan, out, formats or None, aircraft=aircraft)
    console.table([{"file": str(path)} for path in written], as_json=as_json)
