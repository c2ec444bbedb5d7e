"""Other ways to upload a mission, each as a process: ``python -m benchmarks.mission_clients KIND PORT``.

Reads the items from standard input (a JSON line), uploads them over UDP to the loopback's PORT, and prints
whether it believes that it succeeded. ``mavsdk``: MAVSDK's mission_raw. ``passive``: by the rules of
MAVProxy: answers what is asked, is done once it has sent the last item, gives up after 10 s of silence.
"""

import json
import sys
import time
from typing import Any

Row = list[float]


def by_mavsdk(rows: list[Row], port: int) -> bool:
    """Upload with MAVSDK; true when it reports success."""
    from mavsdk import ComponentType, Configuration, Mavsdk
    from mavsdk.plugins.mission_raw import MissionItem, MissionRaw

    sdk = Mavsdk(Configuration.create_with_component_type(ComponentType.GROUND_STATION))
    sdk.add_any_connection(f"udpout://127.0.0.1:{port}")
    system = sdk.first_autopilot(60.0)
    if system is None:
        return False
    items = [
        MissionItem(
            seq=number,
            frame=int(frame),
            command=int(command),
            current=int(number == 0),
            autocontinue=1,
            param1=p1,
            param2=p2,
            param3=p3,
            param4=p4,
            x=int(x),
            y=int(y),
            z=z,
            mission_type=0,
        )
        for number, (frame, command, p1, p2, p3, p4, x, y, z) in enumerate(rows)
    ]
    try:
        MissionRaw(system).upload_mission(items)
    except Exception as error:
        print(error, file=sys.stderr)
        return False
    return True


def passively(rows: list[Row], port: int) -> bool:
    """Upload as MAVProxy does; true when the last item was sent."""
    from aerial.flight.exchange import Peer
    from aerial.flight.links import open_link
    from aerial.flight.mavlink import dialect
    from aerial.flight.mission.wire import to_wire
    from aerial.flight.station import Station
    from aerial.records import MissionItem

    station = Station(open_link(f"udpout:127.0.0.1:{port}"))
    peer: Peer = station.find_vehicle(60)
    messages = [to_wire(_item(MissionItem, number, row), peer, "mission") for number, row in enumerate(rows)]
    station.say(dialect.MAVLink_mission_count_message(peer.system, peer.component, len(messages), 0))
    heard = time.monotonic()
    while time.monotonic() - heard < 10:
        for message in station.pump(0.02):
            if message.get_type() in ("MISSION_REQUEST", "MISSION_REQUEST_INT"):
                heard = time.monotonic()
                if message.seq < len(messages):
                    station.say(messages[message.seq])
                if message.seq == len(messages) - 1:
                    station.wait(2)
                    return True
    return False


def _item(record: Any, number: int, row: Row) -> Any:
    frame, command, p1, p2, p3, p4, x, y, z = row
    scale = 1.0 if frame == 2 else 1e7
    return record(
        seq=number,
        frame=int(frame),
        command=int(command),
        params=(p1, p2, p3, p4, x / scale, y / scale, z),
    )


def main() -> None:
    rows = json.loads(sys.stdin.readline())
    kind, port = sys.argv[1], int(sys.argv[2])
    success = by_mavsdk(rows, port) if kind == "mavsdk" else passively(rows, port)
    print(json.dumps({"success": success}), flush=True)


if __name__ == "__main__":
    main()
