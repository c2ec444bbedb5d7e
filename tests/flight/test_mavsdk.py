"""Another MAVLink stack: MAVSDK as the vehicle of our uploads, and as a client of the simulated vehicle."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plan.samples import sample_plan

from aerial.autopilots.ardupilot import ArduPilot
from aerial.autopilots.base import Autopilot
from aerial.autopilots.items import mission_items
from aerial.autopilots.px4 import Px4
from aerial.flight.exchange import Script
from aerial.flight.links import open_link
from aerial.flight.mission.compare import differences
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


def test_mavsdk_as_client() -> None:
    """MAVSDK uploads all three kinds to the simulated vehicle, and reads back what is stored."""
    plan = sample_plan(lines=8, sorties=1)
    sortie = plan.sorties[0]
    pilot = ArduPilot()
    wanted = {
        "mission": pilot.encode(sortie),
        "fence": pilot.fence(plan, sortie),
        "rally": pilot.rally(plan, sortie),
    }
    command = [sys.executable, "-m", "aerial.simulate.vehicle", "--listen", "udp:127.0.0.1:0"]
    vehicle = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert vehicle.stdin
    assert vehicle.stdout
    try:
        port = json.loads(vehicle.stdout.readline())["address"].rpartition(":")[2]
        # An upload is refused in the first seconds after boot.
        time.sleep(4.0)
        client = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("mavsdk_client.py")), port],
            input=json.dumps({kind: _rows(items, kind) for kind, items in wanted.items()}) + "\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        vehicle.stdin.close()
        vehicle.wait()
        vehicle.stdout.close()
    told = {one["kind"]: one["items"] for one in map(json.loads, client.stdout.splitlines()[-3:])}
    for kind, items in wanted.items():
        held = tuple(
            MissionItem(
                seq=number,
                frame=int(row[0]),
                command=int(row[1]),
                params=(*row[2:6], row[6] / 1e7, row[7] / 1e7, row[8]),
            )
            for number, row in enumerate(told[kind])
        )
        assert not differences(pilot, items, held, kind)  # type: ignore[arg-type]


def _rows(items: tuple[MissionItem, ...], kind: str) -> list[list[float]]:
    messages = [to_wire(item, STATION, kind) for item in items]  # type: ignore[arg-type]
    return [[m.frame, m.command, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z] for m in messages]
