"""Every format of a plan at once."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from aerial.autopilots.items import AutopilotName, check_items
from aerial.errors import InputError
from aerial.plan.export.files import stem
from aerial.plan.export.geojson import write_geojson
from aerial.plan.export.kml import write_kml
from aerial.plan.export.mapping2d import mapping2d, write_mapping2d
from aerial.plan.export.photos_csv import write_photos_csv
from aerial.plan.export.qgc_plan import write_qgc_plan
from aerial.plan.export.waypoints import write_waypoints
from aerial.plan.export.wpml import write_wpml
from aerial.records import Aircraft, Plan, Sortie

FLIGHT_FORMATS = ("plan", "waypoints", "wpml", "mapping2d", "csv")
VIEW_FORMATS = ("geojson", "kml", "png")
FORMATS = (*FLIGHT_FORMATS, *VIEW_FORMATS)
_MAVLINK = ("plan", "waypoints")
_DJI = ("wpml", "mapping2d")


def formats_for(plan: Plan, aircraft: Aircraft) -> tuple[str, ...]:
    """Return the formats that the aircraft reads and that can say this plan, and those to look at."""
    chosen: list[str] = []
    if aircraft.autopilot in ("ardupilot", "px4"):
        chosen += _MAVLINK
    elif aircraft.dji_drone is not None:
        chosen.append("wpml")
        try:
            mapping2d(plan)
        except InputError:
            pass
        else:
            chosen.append("mapping2d")
    return (*chosen, "csv", *VIEW_FORMATS)


def export_plan(
    plan: Plan, out_dir: Path, formats: Sequence[str] | None = None, *, aircraft: Aircraft
) -> list[Path]:
    """Write a plan into ``out_dir`` and return the files; None: every format that applies.

    A file is whole or not there; one of the same name is replaced. Missions are one file a sortie.

    Raises:
        InputError: a check of the plan failed and the format is one to fly by, the aircraft does not
            read the format, or the format cannot say the plan.
    """
    chosen = tuple(dict.fromkeys(formats_for(plan, aircraft) if formats is None else formats))
    _allow(plan, chosen, aircraft)
    name = stem(plan)
    written: list[Path] = []
    for wanted in chosen:
        if wanted in _MAVLINK or wanted == "wpml":
            written += _missions(plan, out_dir, name, wanted, aircraft)
        else:
            file, write = _whole(plan, name, wanted, aircraft)
            write(out_dir / file)
            written.append(out_dir / file)
    return written


def _missions(plan: Plan, out_dir: Path, name: str, wanted: str, aircraft: Aircraft) -> list[Path]:
    suffix = {"plan": "plan", "waypoints": "waypoints", "wpml": "kmz"}[wanted]
    # Sorties of an earlier plan with more of them must not stay behind to be flown.
    for old in out_dir.glob(f"{name}-s*.{suffix}"):
        if re.fullmatch(rf"{re.escape(name)}-s\d+\.{suffix}", old.name):
            old.unlink()
    written = []
    for sortie in plan.sorties:
        path = out_dir / f"{name}-s{sortie.number}.{suffix}"
        _mission(plan, sortie, path, wanted, aircraft)
        written.append(path)
    return written


def _mission(plan: Plan, sortie: Sortie, path: Path, wanted: str, aircraft: Aircraft) -> None:
    if wanted == "wpml":
        write_wpml(sortie, path, aircraft)
        return
    autopilot = cast(AutopilotName, aircraft.autopilot)
    if wanted == "plan":
        write_qgc_plan(plan, sortie, path, autopilot)
    else:
        write_waypoints(sortie, path, autopilot)


def _whole(plan: Plan, name: str, wanted: str, aircraft: Aircraft) -> tuple[str, Callable[[Path], None]]:
    def picture(path: Path) -> None:
        # matplotlib takes half a second to load, and only the picture needs it.
        from aerial.plan.picture import draw_plan

        draw_plan(plan, path)

    return {
        "mapping2d": (f"{name}-mapping2d.kmz", lambda path: write_mapping2d(plan, path, aircraft)),
        "csv": (f"{name}-photos.csv", lambda path: write_photos_csv(plan, path)),
        "geojson": ("lines.geojson", lambda path: write_geojson(plan, path)),
        "kml": (f"{name}.kml", lambda path: write_kml(plan, path)),
        "png": (f"{name}.png", picture),
    }[wanted]


def _allow(plan: Plan, chosen: tuple[str, ...], aircraft: Aircraft) -> None:
    unknown = [wanted for wanted in chosen if wanted not in FORMATS]
    if unknown:
        raise InputError(
            f"No format is called {', '.join(unknown)}.", hint=f"Use one of: {', '.join(FORMATS)}."
        )
    if not plan.sorties:
        raise InputError("The plan has no sorties.", hint="Plan the flight again.")
    to_fly = [wanted for wanted in chosen if wanted in FLIGHT_FORMATS]
    failed = [finding for finding in plan.findings if finding.level == "fail"]
    if aircraft.autopilot != "dji" and any(wanted in _MAVLINK for wanted in to_fly):
        failed += [finding for finding in check_items(plan, aircraft.autopilot) if finding.level == "fail"]
    if to_fly and failed:
        raise InputError(
            f"This plan is not to be flown: {' '.join(finding.message for finding in failed)}",
            hint="Correct it and plan again; to look at it, export "
            + ", ".join(f"--format {wanted}" for wanted in VIEW_FORMATS)
            + ".",
        )
    for wanted in to_fly:
        if (wanted in _MAVLINK and aircraft.autopilot == "dji") or (
            wanted in _DJI and aircraft.autopilot != "dji"
        ):
            raise InputError(
                f"The {aircraft.make} {aircraft.model} ({aircraft.autopilot}) does not read the format "
                f"{wanted}.",
                hint=f"Use {', '.join(formats_for(plan, aircraft))}.",
            )
