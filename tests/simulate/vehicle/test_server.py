"""The simulated vehicle as a process: ports, several stations, time, key, and its end."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.simulate.vehicle.talk import command, count, item, named, results

from aerial.errors import InputError
from aerial.flight.links import Link, open_link
from aerial.flight.mavlink import Codec, Message, dialect
from aerial.flight.signing import KeySigner, read_key
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.server import Server, frames_of
from aerial.simulate.vehicle.setup import Impairment, Setup

ENOUGH_S = 20.0


@contextmanager
def vehicle(*options: str, listen: str = "tcp:127.0.0.1:0") -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start one; yields it and its address."""
    process = subprocess.Popen(
        [sys.executable, "-m", "aerial.simulate.vehicle", "--listen", listen, *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdin
    try:
        yield process, json.loads(process.stdout.readline())["address"]
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def until(link: Link, codec: Codec, name: str) -> list[Message]:
    """Receive until a message of a name has come; return all."""
    found: list[Message] = []
    end = time.monotonic() + ENOUGH_S
    while not named(found, name):
        assert time.monotonic() < end, name
        found += codec.feed(link.receive(0.2))
    return found


def upload(link: Link, codec: Codec, items: Sequence[Message]) -> list[Message]:
    """Answer requests until the acknowledgement."""
    link.send(codec.pack(count(len(items))))
    found: list[Message] = []
    end = time.monotonic() + ENOUGH_S
    while not results(found):
        assert time.monotonic() < end
        for message in codec.feed(link.receive(0.2)):
            found.append(message)
            if message.get_type() == "MISSION_REQUEST":
                link.send(codec.pack(items[message.seq]))
    return found


def test_two_stations_over_tcp() -> None:
    """Two TCP stations hear one vehicle: what one uploads, the other reads, though it sends byte by byte."""
    with vehicle("--speedup", "10") as (_, address):
        one, other = open_link(address), open_link(address)
        mine, theirs = Codec(system=255, component=190), Codec(system=254, component=190)
        until(one, mine, "HEARTBEAT")
        time.sleep(0.35)
        assert results(upload(one, mine, [item(0), item(1, 22), item(2, 20)])) == [(0, 0)]
        for byte in theirs.pack(dialect.MAVLink_mission_request_list_message(1, 1, 0)):
            other.send(bytes([byte]))
        assert named(until(other, theirs, "MISSION_COUNT"), "MISSION_COUNT")[0].count == 3
        one.close()
        until(other, theirs, "HEARTBEAT")
        other.close()


def test_udp_answers_who_speaks() -> None:
    """Over UDP the vehicle beats for whoever spoke to it."""
    with vehicle("--speedup", "5", listen="udp:127.0.0.1:0") as (_, address):
        link = open_link(address.replace("udp:", "udpout:"))
        codec = Codec(system=255, component=190)
        link.send(codec.pack(dialect.MAVLink_heartbeat_message(6, 8, 0, 0, 4, 3)))
        until(link, codec, "HEARTBEAT")
        link.close()


@pytest.mark.parametrize("speedup", [1.0, 20.0])
def test_time_runs_as_fast_as_asked(speedup: float) -> None:
    """The vehicle's clock runs at the speed that was asked for, while messages keep it busy."""
    with vehicle("--speedup", str(speedup)) as (_, address):
        link, codec = open_link(address), Codec(system=255, component=190)
        ask = dialect.MAVLink_timesync_message(0, 1)

        def now() -> tuple[float, float]:
            link.send(codec.pack(ask))
            told = named(until(link, codec, "TIMESYNC"), "TIMESYNC")[0].tc1 / 1e9
            return time.monotonic(), told

        wall, simulated = now()
        while time.monotonic() < wall + 0.8:
            later, told = now()
        link.close()
        assert (told - simulated) / (later - wall) == pytest.approx(speedup, rel=0.25)


def test_it_leaves_with_its_input() -> None:
    """It ends when its standard input ends, so that a killed parent leaves none behind."""
    with vehicle() as (process, _):
        assert process.stdin
        process.stdin.close()
        assert process.wait(ENOUGH_S) == 0


def test_loss_is_of_frames() -> None:
    """With a fifth of the frames lost each way, two of three questions are answered; none is broken."""
    with vehicle("--loss", "0.2", "--seed", "5") as (_, address):
        link, codec = open_link(address), Codec(system=255, component=190)
        for _ in range(200):
            link.send(codec.pack(command(512, dialect.MAVLINK_MSG_ID_WIND)))
        end, found = time.monotonic() + 1.0, 0
        while time.monotonic() < end:
            found += len(named(codec.feed(link.receive(0.1)), "WIND"))
        link.close()
        assert 100 <= found <= 160
        assert codec.counts.broken == 0


def test_key(tmp_path: Path) -> None:
    """With a key file only signed frames are heard, and what comes is signed."""
    file = tmp_path / "key"
    file.write_text("ab" * 32)
    file.chmod(0o600)
    key = read_key(file)
    assert key
    with vehicle("--key-file", str(file), "--speedup", "5") as (_, address):
        link = open_link(address)
        signed = Codec(system=255, component=190, signer=KeySigner(key))
        until(link, signed, "HEARTBEAT")
        link.send(Codec(system=254, component=190).pack(command(512, 0)))
        link.send(signed.pack(command(512, 1)))
        assert named(until(link, signed, "COMMAND_ACK"), "COMMAND_ACK")[0].target_system == 255
        assert signed.counts.refused == 0
        link.close()


def serve(address: str) -> Server:
    """Return a server that does not run."""
    return Server(Machine(Setup()), address, speedup=1.0, impairment=Impairment(), seed=1)


@pytest.mark.parametrize("address", ["tcp:127.0.0.1", "serial:COM5:57600", "tcp:127.0.0.1:99999", ""])
def test_bad_address(address: str) -> None:
    """What is no address is refused with a hint."""
    with pytest.raises(InputError) as caught:
        serve(address)
    assert "no address" in str(caught.value)
    assert caught.value.hint


def test_port_in_use() -> None:
    """A port that another process listens on is refused by the program in one sentence and a hint."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "aerial.simulate.vehicle",
                "--listen",
                f"tcp:127.0.0.1:{taken.getsockname()[1]}",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert "Hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_stream_is_cut_at_frames() -> None:
    """Bytes are cut into frames wherever a read ended; what is not whole waits for the rest."""
    codec = Codec(system=255, component=190)
    whole = [codec.pack(item(seq)) for seq in range(5)]
    for cut in range(1, len(whole[0]) + len(whole[1])):
        data = b"".join(whole)
        first, rest = frames_of(data[:cut])
        second, left = frames_of(rest + data[cut:])
        assert first + second == whole
        assert left == b""
    assert frames_of(b"noise") == ([b"noise"], b"")
