"""Another's MAVLink stack: MAVSDK as the vehicle of our uploads."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.base import Autopilot
from aerial.autopilots.items import mission_items
from aerial.autopilots.px4 import Px4
from aerial.flight.exchange import Script
from aerial.flight.links import open_link
from aerial.flight.mission.prove import Proof, prove
from aerial.flight.mission.wire import MissionType, to_wire
from aerial.flight.station import STATION, Station
from aerial.records import MissionItem


@pytest.fixture
def mavsdk() -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A MAVSDK vehicle and its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("mavsdk_vehicle.py")), str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout and process.stdin
    for line in process.stdout:
        if line.strip() == '"ready"':
            break
    yield process, port
    process.stdin.close()
    process.kill()
    process.wait()
    process.stdout.close()


def run(port: int, items: tuple[MissionItem, ...], kind: MissionType, autopilot: Autopilot) -> Proof:
    """Upload with proof over UDP."""
    link = open_link(f"udpout:127.0.0.1:{port}")
    try:
        station = Station(link)
        peer = station.find_vehicle(10)
        script = Script(prove(items, kind, autopilot, peer, STATION))
        station.run(script, 60)
        return script.result
    finally:
        link.close()


@pytest.mark.parametrize("kind", ["mission", "fence", "rally"])
def test_mavsdk_as_vehicle(mavsdk: tuple[subprocess.Popen[str], int], kind: MissionType) -> None:
    """What we say is proved is, item for item, what MAVSDK's server says that it received."""
    process, port = mavsdk
    sortie = sample_plan(lines=12, sorties=1).sorties[0]
    items = mission_items(sortie, "px4")
    if kind != "mission":
        command, corners = (5001, 4.0) if kind == "fence" else (5100, 0.0)
        items = tuple(
            MissionItem(
                seq=n, frame=3, command=command, params=(corners, 0, 0, 0, 22.8 + n * 1e-3, 113.8, 40.0)
            )
            for n in range(4)
        )
    proof = run(port, items, kind, Px4())
    assert proof.proved, proof
    assert process.stdout
    told = next(json.loads(line) for line in process.stdout if line.startswith("{"))
    sent = [to_wire(item, STATION, kind) for item in items]
    number = {"mission": 0, "fence": 1, "rally": 2}[kind]
    assert told["kinds"] == [number]
    received = [[float(value) for value in row] for row in told["items"]]
    assert len(received) == len(sent)
    for row, message in zip(received, sent, strict=True):
        assert row[:3] == [message.seq, message.frame, message.command]
        assert row[7:9] == [message.x, message.y]
        assert row[9] == pytest.approx(message.z, abs=1e-4)
