"""``aerial plan check``: whether a plan may be flown."""

from datetime import UTC, datetime
from pathlib import Path

import click

from aerial_cli import console

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("check")
@click.argument("folder", metavar="PLAN_DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--dem", type=_FILE, help="GeoTIFF of the terrain: heights of the bare ground in metres.")
@click.option("--dsm", type=_FILE, help="GeoTIFF of the last surface model, such as dsm.tif of a survey.")
@click.option("--zones", type=_FILE, multiple=True, help="File of zones, each with a kind; repeatable.")
@click.option("--fly-on", type=click.DateTime(["%Y-%m-%d"]), help="Day to apply for, as 2026-12-01.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: findings and figures of the sorties.")
def command(
    folder: Path,
    dem: Path | None,
    dsm: Path | None,
    zones: tuple[Path, ...],
    fly_on: datetime | None,
    as_json: bool,
) -> int:
    """Check the plan in PLAN_DIR: heights, clearance, zones, camera, battery.

    Writes checks.json and filing.md, the figures for an application, beside plan.json. Exits with 1 if a
    check fails: such a plan is not flown. No check says that a flight is legal.

    Example: aerial plan check plans/A1 --dem terrain.tif --dsm surveys/A1/2026-11-14-1/dsm.tif
    """
    from aerial.codec import to_plain
    from aerial.steps.plan_check import check_folder

    checked = check_folder(
        folder,
        now=datetime.now(UTC),
        dem=dem,
        dsm=dsm,
        zones=zones,
        fly_on=fly_on.date() if fly_on else None,
    )
    if as_json:
        console.data(to_plain(checked))
    else:
        console.table([{"level": f.level, "check": f.code, "finding": f.message} for f in checked.findings])
        console.table([_row(row) for row in to_plain(checked.sorties)])
    for finding in checked.findings:
        if finding.level != "pass" and finding.hint:
            console.say(f"{finding.code}: {finding.hint}")
    console.say(f"{folder / 'checks.json'}, {folder / 'filing.md'}")
    return int(checked.failed)


def _row(figures: dict[str, float | None]) -> dict[str, object]:
    """Return the figures under heads that fit a terminal; heights and clearances are the extremes."""
    duration_s, battery = figures["duration_s"] or 0.0, figures["battery_share"] or 0.0
    return {
        "sortie": figures["sortie"],
        "photos": figures["photos"],
        "km": (figures["length_m"] or 0.0) / 1000,
        "min": duration_s / 60,
        "battery %": 100 * battery,
        "furthest m": figures["furthest_m"],
        "photo s": figures["photo_every_s"],
        "over take-off m": figures["highest_above_takeoff_m"],
        "true height m": _span(figures["least_true_height_m"], figures["most_true_height_m"]),
        "clearance m": figures["least_clearance_m"],
        "home clearance m": figures["least_clearance_home_m"],
    }


def _span(least: float | None, most: float | None) -> str | None:
    return None if least is None or most is None else f"{least:.1f}-{most:.1f}"
