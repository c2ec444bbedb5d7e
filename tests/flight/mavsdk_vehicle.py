"""A vehicle made of MAVSDK's mission_raw_server: prints every mission that it takes, a JSON line each.

Run as a process: ``python mavsdk_vehicle.py PORT``; ends with its standard input.
"""

import json
import sys

from mavsdk import ComponentType, Configuration, Mavsdk
from mavsdk.plugins.mission_raw_server import MissionRawServer


def taken(result: object, plan: object, _: object) -> None:
    """Print what was uploaded."""
    items = [
        [i.seq, i.frame, i.command, i.param1, i.param2, i.param3, i.param4, i.x, i.y, i.z]
        for i in plan.mission_items  # type: ignore[attr-defined]
    ]
    kinds = {i.mission_type for i in plan.mission_items}  # type: ignore[attr-defined]
    # Text of each number: NaN is no JSON.
    print(
        json.dumps({"kinds": sorted(kinds), "items": [[repr(v) for v in row] for row in items]}), flush=True
    )


def main() -> None:
    """Listen until standard input ends."""
    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.AUTOPILOT))
    sdk.add_any_connection(f"udpin://127.0.0.1:{sys.argv[1]}")
    server = MissionRawServer(sdk.server_component())
    server.subscribe_incoming_mission(taken)
    print(json.dumps("ready"), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
