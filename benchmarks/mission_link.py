"""Claim: an upload that is called proved is proved, on links that lose a third of all frames each way.

    python -m benchmarks.mission_link [--uploads 100] [--peers 10] [--losses 0 5 10 20 30]

A mission of 650 items, a fence of 60 corners and four rally points, to simulated vehicles that answer as
ArduCopter was measured to, over links that lose a share of all frames each way, with a round trip of
500 ms, 2 % of the frames twice and 2 % out of order. All uploads run at once, in real time. What a vehicle
holds is read from its memory, never from the link.

Counted: proved within three attempts; failures after which the report of what the vehicle holds is right;
false successes, which must be none. Beside it: MAVSDK's mission_raw upload, and a passive client that
answers requests and believes that it is done when it has sent the last item, as MAVProxy does. They upload
the mission alone.
"""

import argparse
import contextlib
import json
import math
import multiprocessing
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from aerial.autopilots.ardupilot import ArduPilot
from aerial.flight.exchange import Peer, Script
from aerial.flight.mavlink import Codec
from aerial.flight.mission.compare import differences
from aerial.flight.mission.prove import Proof, prove
from aerial.flight.mission.wire import MissionType, to_wire
from aerial.flight.station import STATION
from aerial.records import MissionItem
from aerial.simulate.vehicle.channel import Channel
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Impairment, Setup
from benchmarks.machine import emit

ITEMS, CORNERS = 650, 60
ONE_WAY_S, TWICE, REORDERED = 0.25, 0.02, 0.02
SEED = 7001
TICK_S = 0.025
# What a vehicle and a heartbeat need before the upload begins.
STARTED_S = 25.0
KINDS: tuple[MissionType, ...] = ("mission", "fence", "rally")
VEHICLE = Peer(system=1, component=1)
PEER_LIMIT_S = 3600.0
PEERS = ("mavsdk", "passive")


def mission(seed: int) -> tuple[MissionItem, ...]:
    """650 items, home among them: take-off, lines with trigger commands, return."""
    found = [(0, 16, (0.0, 0.0, 0.0, 0.0, 22.815, 113.8, 10.0)), (3, 22, (0.0,) * 4 + (22.815, 113.8, 90.0))]
    line = 0
    while len(found) < ITEMS - 1:
        lat, lon = 22.815 + line * 3e-4 + seed * 1e-7, 113.8 + (line % 2) * 4e-3
        found += [
            (3, 16, (1.0, 0.0, 0.0, 0.0, lat, lon, 90.25)),
            (2, 206, (12.34, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0)),
            (3, 16, (1.0, 0.0, 0.0, 0.0, lat, 227.604 - lon, 90.25)),
            (2, 206, (0.0,) * 7),
        ]
        line += 1
    found = [*found[: ITEMS - 1], (2, 20, (0.0,) * 7)]
    return tuple(MissionItem(seq=n, frame=f, command=c, params=p) for n, (f, c, p) in enumerate(found))  # type: ignore[arg-type]


def fence() -> tuple[MissionItem, ...]:
    """A ring of 60 corners around the home."""
    return tuple(
        MissionItem(
            seq=n,
            frame=3,
            command=5001,
            params=(
                float(CORNERS),
                0.0,
                0.0,
                0.0,
                round(22.815 + 0.02 * math.cos(math.tau * n / CORNERS), 7),
                round(113.8 + 0.02 * math.sin(math.tau * n / CORNERS), 7),
                0.0,
            ),
        )
        for n in range(CORNERS)
    )


def rally() -> tuple[MissionItem, ...]:
    """Four points."""
    return tuple(
        MissionItem(
            seq=n, frame=3, command=5100, params=(0.0, 0.0, 0.0, 0.0, 22.816 + n * 1e-3, 113.801, 60.0)
        )
        for n in range(4)
    )


@dataclass
class Upload:
    """One vehicle, one client, and the link between them."""

    number: int
    loss: float
    machine: Machine = field(init=False)
    codec: Codec = field(init=False)
    up: Channel = field(init=False)
    down: Channel = field(init=False)
    items: dict[MissionType, tuple[MissionItem, ...]] = field(init=False)
    proofs: list[Proof] = field(default_factory=list)
    script: Script[Proof] | None = None
    seconds: float = 0.0
    truth: dict[MissionType, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        seed = SEED + self.number * 10 + round(self.loss * 1000) * 100_000
        self.machine = Machine(Setup(seed=seed))
        self.machine.step(STARTED_S)
        self.machine.take()
        # An older mission: what is there after a failure can be old, new or mixed.
        old = mission(seed + 1)[:41]
        self.machine.stored.mission[:] = list(ArduPilot().as_stored(old))
        self.codec = Codec(system=STATION.system, component=STATION.component)
        way = Impairment(loss=self.loss, delay_s=ONE_WAY_S, jitter_s=0.02, duplicate=TWICE, reorder=REORDERED)
        self.up, self.down = Channel(way, seed), Channel(way, seed + 5)
        self.items = {"mission": mission(self.number), "fence": fence(), "rally": rally()}

    @property
    def done(self) -> bool:
        """Tell whether all three kinds have ended."""
        return len(self.proofs) == len(KINDS)

    def tick(self, now_s: float) -> None:
        """Let time pass: the vehicle, the frames in the air, the client."""
        for frame in self.up.due(now_s):
            self.machine.receive(frame)
        self.machine.step(STARTED_S + now_s)
        for frame in self.machine.take():
            self.down.put(frame, now_s)
        said: list[Any] = []
        if self.script is None:
            kind = KINDS[len(self.proofs)]
            self.script = Script(prove(self.items[kind], kind, ArduPilot(), VEHICLE, STATION))
            said += self.script.start(now_s)
        for data in self.down.due(now_s):
            for message in self.codec.feed(data):
                if not self.script.done:
                    said += self.script.hear(message, now_s)
        if not self.script.done:
            said += self.script.tick(now_s)
        for message in said:
            self.up.put(self.codec.pack(message), now_s)
        if self.script.done:
            self._ended(self.script.result, now_s)

    def _ended(self, proof: Proof, now_s: float) -> None:
        """Compare what was claimed with the vehicle's memory at this moment."""
        held = tuple(getattr(self.machine.stored, proof.kind))
        equal = not differences(ArduPilot(), self.items[proof.kind], held, proof.kind)
        self.truth[proof.kind] = "equal" if equal else "other"
        self.proofs.append(proof)
        self.seconds, self.script = now_s, None


def run_level(loss: float, count: int, queue: "multiprocessing.Queue[Any]") -> None:
    """Run uploads at once, in real time; put the result."""
    uploads = [Upload(number=number, loss=loss) for number in range(count)]
    began = time.monotonic()
    while any(not upload.done for upload in uploads):
        now = time.monotonic() - began
        for upload in uploads:
            if not upload.done:
                upload.tick(now)
        time.sleep(max(0.0, TICK_S - (time.monotonic() - began - now)))
    queue.put((("aerial", loss), [_row(upload) for upload in uploads]))


def _row(upload: Upload) -> dict[str, Any]:
    claimed = [proof.proved for proof in upload.proofs]
    equal = [upload.truth[proof.kind] == "equal" for proof in upload.proofs]
    return {
        "proved": all(claimed),
        "false_success": any(c and not e for c, e in zip(claimed, equal, strict=True)),
        "missed_success": any(e and not c for c, e in zip(claimed, equal, strict=True)),
        "holds": [proof.holds for proof in upload.proofs],
        "attempts": [proof.attempts for proof in upload.proofs],
        "seconds": round(upload.seconds, 1),
    }


def run_peers(kind: str, loss: float, count: int, queue: "multiprocessing.Queue[Any]") -> None:
    """Run uploads by another client at once, over UDP through the same links, in real time."""
    runs = [_Peer(kind, number, loss) for number in range(count)]
    began = time.monotonic()
    while any(run.running for run in runs) and time.monotonic() - began < PEER_LIMIT_S:
        now = time.monotonic() - began
        for run in runs:
            run.tick(now)
        time.sleep(max(0.0, TICK_S - (time.monotonic() - began - now)))
    queue.put(((kind, loss), [run.end() for run in runs]))


class _Peer:
    """Another client in a process of its own, its vehicle, and the link between them."""

    def __init__(self, kind: str, number: int, loss: float) -> None:
        seed = SEED + 5_000_000 + number * 10 + round(loss * 1000) * 100_000
        self.machine = Machine(Setup(seed=seed))
        self.machine.step(STARTED_S)
        self.machine.take()
        self.items = mission(number)
        way = Impairment(loss=loss, delay_s=ONE_WAY_S, jitter_s=0.02, duplicate=TWICE, reorder=REORDERED)
        self.up, self.down = Channel(way, seed), Channel(way, seed + 5)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.setblocking(False)
        self.client: Any = None
        self.seconds = 0.0
        command = [
            sys.executable,
            "-m",
            "benchmarks.mission_clients",
            kind,
            str(self.socket.getsockname()[1]),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        rows = [
            [m.frame, m.command, m.param1, m.param2, m.param3, m.param4, m.x, m.y, m.z]
            for m in (to_wire(item, VEHICLE, "mission") for item in self.items)
        ]
        if self.process.stdin is not None:
            self.process.stdin.write(json.dumps(rows) + "\n")
            self.process.stdin.flush()

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def tick(self, now_s: float) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionError):
            while True:
                data, self.client = self.socket.recvfrom(4096)
                for frame in _frames(data):
                    self.up.put(frame, now_s)
        for frame in self.up.due(now_s):
            self.machine.receive(frame)
        self.machine.step(STARTED_S + now_s)
        for frame in self.machine.take():
            self.down.put(frame, now_s)
        for frame in self.down.due(now_s):
            # Clients learn of a vehicle by its first frame; the port of the client is not known before.
            if self.client is not None:
                with contextlib.suppress(OSError):
                    self.socket.sendto(frame, self.client)
        if self.running:
            self.seconds = now_s

    def end(self) -> dict[str, Any]:
        if self.running:
            self.process.kill()
        said = self.process.stdout.read() if self.process.stdout else ""
        self.process.wait()
        claimed = '"success": true' in said
        equal = not differences(ArduPilot(), self.items, tuple(self.machine.stored.mission), "mission")
        self.socket.close()
        return {
            "claimed": claimed,
            "equal": equal,
            "false_success": claimed and not equal,
            "seconds": round(self.seconds, 1),
        }


def _frames(data: bytes) -> Iterator[bytes]:
    """Split a datagram into frames: loss is of frames."""
    at = 0
    while at < len(data) and data[at] == 0xFD and at + 12 <= len(data):
        length = 12 + data[at + 1] + (13 if data[at + 2] & 1 else 0)
        yield data[at : at + length]
        at += length


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--uploads", type=int, default=100)
    parser.add_argument("--peers", type=int, default=10)
    parser.add_argument("--losses", type=float, nargs="+", default=[0, 5, 10, 20, 30], metavar="PERCENT")
    asked = parser.parse_args(arguments)
    levels = [loss / 100 for loss in asked.losses]
    context = multiprocessing.get_context("spawn")
    queue: multiprocessing.Queue[Any] = context.Queue()
    jobs = [context.Process(target=run_level, args=(loss, asked.uploads, queue)) for loss in levels]
    if asked.peers:
        jobs += [
            context.Process(target=run_peers, args=(kind, loss, asked.peers, queue))
            for loss in levels
            for kind in PEERS
        ]
    for job in jobs:
        job.start()
    found = {}
    for _ in jobs:
        key, rows = queue.get()
        found[key] = rows
        print(f"{key}: done", file=sys.stderr, flush=True)
    for job in jobs:
        job.join()
    failed: list[str] = []
    levels_told = [_level(loss, found, failed) for loss in levels]
    figures = {"items": ITEMS, "round_trip_s": 2 * ONE_WAY_S, "tick_s": TICK_S, "levels": levels_told}
    return emit("mission_link", figures, failed=failed)


def _level(loss: float, found: dict[Any, list[dict[str, Any]]], failed: list[str]) -> dict[str, Any]:
    told = found["aerial", loss]
    proved = sum(row["proved"] for row in told)
    false = sum(row["false_success"] for row in told)
    wanted = math.ceil((0.99 if loss <= 0.1 else 0.95) * len(told))
    if proved < wanted:
        failed.append(f"{proved} of {len(told)} proved at {loss:.0%} loss, {wanted} wanted")
    if false:
        failed.append(f"{false} false successes at {loss:.0%} loss")
    row: dict[str, Any] = {
        "loss_each_way": loss,
        "uploads": len(told),
        "proved": proved,
        "wanted": wanted,
        "false_successes": false,
        "equal_but_not_claimed": sum(row["missed_success"] for row in told),
        "content_unknown": sum("unknown" in row["holds"] for row in told),
        "at_the_first_attempt": sum(max(row["attempts"]) == 1 and row["proved"] for row in told),
        "median_s": sorted(row["seconds"] for row in told)[len(told) // 2],
        "longest_s": max(row["seconds"] for row in told),
    }
    for kind in PEERS:
        others = found.get((kind, loss))
        if others:
            row[kind] = {
                "uploads": len(others),
                "claimed": sum(one["claimed"] for one in others),
                "equal": sum(one["equal"] for one in others),
                "false_successes": sum(one["false_success"] for one in others),
                "median_s": sorted(one["seconds"] for one in others)[len(others) // 2],
            }
    return row


if __name__ == "__main__":
    sys.exit(main())
