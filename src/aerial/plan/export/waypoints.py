"""The .waypoints text of ArduPilot's ground stations ("QGC WPL 110"): one sortie.

Source: the waypoint file format of the MAVLink guide, its column order checked against the files that
ArduPilot itself ships: latitude is column 9, longitude column 10 (some writers swap them). Row 0 is
home whatever the autopilot; lines end in CR LF.
"""

from dataclasses import replace
from pathlib import Path

from aerial.autopilots.items import AutopilotName, home_item, mission_items
from aerial.errors import InputError
from aerial.plan.export.files import read_bytes, write_text
from aerial.records import MissionItem, Sortie

_HEAD = "QGC WPL 110"
_COLUMNS = 12


def waypoint_rows(sortie: Sortie, autopilot: AutopilotName) -> tuple[MissionItem, ...]:
    """Return the rows of the file: home, then what is flown, numbered from 0."""
    items = mission_items(sortie, autopilot)
    if autopilot == "ardupilot":
        return items
    return (home_item(sortie), *(replace(item, seq=item.seq + 1) for item in items))


def write_waypoints(sortie: Sortie, path: Path, autopilot: AutopilotName) -> None:
    """Write one sortie as a .waypoints file."""
    rows = [_HEAD]
    for item in waypoint_rows(sortie, autopilot):
        p1, p2, p3, p4, lat, lon, height = item.params
        rows.append(
            f"{item.seq}\t{int(item.seq == 0)}\t{item.frame}\t{item.command}\t{p1:.8f}\t{p2:.8f}\t{p3:.8f}"
            f"\t{p4:.8f}\t{lat:.8f}\t{lon:.8f}\t{height:.6f}\t1"
        )
    write_text(path, "\r\n".join(rows) + "\r\n")


def read_waypoints(path: Path) -> tuple[MissionItem, ...]:
    """Return the rows of a .waypoints file, home first.

    Raises:
        InputError: another format or version, a row of other columns, or numbers out of order.
    """
    try:
        lines = read_bytes(path).decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as exc:
        raise InputError(f"{path} is not text.", hint="Give a .waypoints file.") from exc
    if not lines or lines[0].strip() != _HEAD:
        raise InputError(f"{path} does not begin with {_HEAD}.", hint="Give a .waypoints file.")
    items: list[MissionItem] = []
    for number, line in enumerate(lines[1:], start=2):
        columns = line.split()
        if not columns:
            continue
        try:
            item = _row(columns)
        except ValueError as exc:
            raise InputError(f"{path}, line {number}: {exc}", hint="Export the mission again.") from exc
        if item.seq != len(items):
            raise InputError(
                f"{path}, line {number}: item {item.seq} where {len(items)} is due.",
                hint="Export the mission again.",
            )
        items.append(item)
    return tuple(items)


def _row(columns: list[str]) -> MissionItem:
    if len(columns) != _COLUMNS:
        raise ValueError(f"{len(columns)} columns instead of {_COLUMNS}")
    seq, _current, frame, command = map(int, columns[:4])
    a, b, c, d, lat, lon, height = map(float, columns[4:11])
    return MissionItem(seq=seq, frame=frame, command=command, params=(a, b, c, d, lat, lon, height))
