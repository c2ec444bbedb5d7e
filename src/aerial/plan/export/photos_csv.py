"""A CSV of every photograph that a plan takes."""

import csv
import io
from pathlib import Path

from aerial.autopilots.triggers import trigger_points
from aerial.errors import InputError
from aerial.geo import LonLat
from aerial.plan.export.files import read_bytes, write_text
from aerial.records import Plan, TriggerPoint

_HEAD = "sortie,line,photo,lon,lat,height_above_takeoff_m,yaw_deg"


def write_photos_csv(plan: Plan, path: Path) -> None:
    """Write where each photograph is due; ``line`` is empty off the survey lines."""
    rows = [_HEAD]
    rows += [
        f"{shot.sortie},{'' if shot.line is None else shot.line},{shot.photo},{shot.at.lon_deg:.8f},"
        f"{shot.at.lat_deg:.8f},{shot.height_above_takeoff_m:.3f},{shot.yaw_deg:.2f}"
        for shot in trigger_points(plan)
    ]
    write_text(path, "\r\n".join(rows) + "\r\n")


def read_photos_csv(path: Path) -> tuple[TriggerPoint, ...]:
    """Return the photographs of such a file.

    Raises:
        InputError: another head, or a row that does not fit it.
    """
    try:
        rows = list(csv.reader(io.StringIO(read_bytes(path).decode("utf-8-sig"), newline="")))
        if not rows or rows[0] != _HEAD.split(","):
            raise InputError(f"{path} does not begin with {_HEAD}.", hint="Export the plan again.")
        return tuple(_shot(row) for row in rows[1:] if row)
    except (UnicodeDecodeError, csv.Error, ValueError) as exc:
        raise InputError(
            f"{path} does not list the photographs of a plan: {exc}", hint="Export the plan again."
        ) from exc


def _shot(row: list[str]) -> TriggerPoint:
    sortie, line, photo, lon, lat, height, yaw = row
    return TriggerPoint(
        sortie=int(sortie),
        line=int(line) if line else None,
        photo=int(photo),
        at=LonLat(lon_deg=float(lon), lat_deg=float(lat)),
        height_above_takeoff_m=float(height),
        yaw_deg=float(yaw),
    )
