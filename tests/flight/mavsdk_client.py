"""MAVSDK as a ground station: ``python mavsdk_client.py PORT`` with items on standard input, a JSON line.

Uploads them as mission, fence and rally points, downloads them, and prints what it got, a JSON line a kind.
"""

import json
import sys
from typing import Any

from mavsdk import ComponentType, Configuration, Mavsdk
from mavsdk.plugins.mission_raw import MissionItem, MissionRaw

KINDS = ("mission", "fence", "rally")


def items_of(rows: list[list[Any]], kind: int) -> list[MissionItem]:
    """Return rows of frame, command, four parameters, x, y, z as MAVSDK's items."""
    return [
        MissionItem(
            seq=number, frame=int(row[0]), command=int(row[1]), current=int(number == 0), autocontinue=1,
            param1=row[2], param2=row[3], param3=row[4], param4=row[5], x=int(row[6]), y=int(row[7]),
            z=row[8], mission_type=kind,
        )
        for number, row in enumerate(rows)
    ]  # fmt: skip


def main() -> None:
    """Upload and download."""
    wanted = json.loads(sys.stdin.readline())
    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
    sdk.add_any_connection(f"udpout://127.0.0.1:{sys.argv[1]}")
    system = sdk.first_autopilot(20.0)
    raw = MissionRaw(system)
    upload = (raw.upload_mission, raw.upload_geofence, raw.upload_rally_points)
    download = (raw.download_mission, raw.download_geofence, raw.download_rallypoints)
    for kind, name in enumerate(KINDS):
        upload[kind](items_of(wanted[name], kind))
        found = download[kind]()
        if isinstance(found, tuple):
            found = found[-1]
        rows = [[i.frame, i.command, i.param1, i.param2, i.param3, i.param4, i.x, i.y, i.z] for i in found]
        print(json.dumps({"kind": name, "items": rows}), flush=True)


if __name__ == "__main__":
    main()
