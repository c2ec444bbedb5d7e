"""A ground station of plain frames, for tests of the simulated vehicle; time is simulated."""

import math
from typing import Any

from aerial.flight.mavlink import Codec, Message, dialect
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup

LAT, LON = 228150000, 1138000000
AUTO, GUIDED, LOITER, RTL = 3, 4, 5, 6


class Speaker:
    """Speaks to ``machine`` as one station on one port."""

    def __init__(self, machine: Machine, system: int = 255, component: int = 190, port: int = 0) -> None:
        self.machine, self.port = machine, port
        self.own = (system, component)
        self.codec = Codec(system=system, component=component)
        self.heard: list[Message] = []
        machine.take(port)

    def say(self, *messages: Message, wait_s: float = 0.05) -> list[Message]:
        """Send, let ``wait_s`` pass, and return what came."""
        for message in messages:
            self.machine.receive(self.codec.pack(message), self.port)
        return self.listen(wait_s)

    def listen(self, seconds: float = 0.05) -> list[Message]:
        """Let time pass; return what came."""
        self.machine.step(self.machine.now_s + seconds)
        found = [message for frame in self.machine.take(self.port) for message in self.codec.feed(frame)]
        self.heard += found
        return found

    def count(self, number: int, kind: int = 0, **more: Any) -> list[Message]:
        """Announce an upload."""
        return self.say(dialect.MAVLink_mission_count_message(1, 1, number, kind), **more)

    def command(self, number: int, *params: float, wait_s: float = 0.05) -> int:
        """Send a command; return its result."""
        message = dialect.MAVLink_command_long_message(1, 1, number, 0, *params, *(0,) * (7 - len(params)))
        return acks(self.say(message, wait_s=wait_s), "COMMAND_ACK")[-1].result

    def upload(self, items: list[Message], kind: int = 0) -> int:
        """Answer what is asked for; return the last MISSION_ACK's result."""
        said = self.count(len(items), kind)
        for _ in range(3 * len(items) + 5):
            done = acks(said)
            if done:
                return int(done[-1].type)
            wanted = [message.seq for message in said if message.get_type() == "MISSION_REQUEST"]
            said = self.say(items[wanted[-1]]) if wanted else self.listen(0.5)
        raise AssertionError("the upload did not end")

    def download(self, kind: int = 0) -> list[Message]:
        """Return everything that is stored, as MISSION_ITEM_INT."""
        said = self.say(dialect.MAVLink_mission_request_list_message(1, 1, kind))
        number = one(said, "MISSION_COUNT").count
        return [
            one(self.say(dialect.MAVLink_mission_request_int_message(1, 1, seq, kind)), "MISSION_ITEM_INT")
            for seq in range(number)
        ]


def one(messages: list[Message], kind: str) -> Message:
    """Return the only message of a kind."""
    (found,) = acks(messages, kind)
    return found


def acks(messages: list[Message], kind: str = "MISSION_ACK") -> list[Message]:
    """Return the messages of a kind."""
    return [message for message in messages if message.get_type() == kind]


def texts(messages: list[Message]) -> list[str]:
    """Return what STATUSTEXT said."""
    return [message.text for message in messages if message.get_type() == "STATUSTEXT"]


def item(seq: int, command: int = 16, frame: int = 3, *, p: tuple[float, ...] = (0, 0, 0, 0), x: int = LAT,
         y: int = LON, z: float = 30.0, kind: int = 0, to: int = 1) -> Message:  # fmt: skip
    """Return a mission item."""
    return dialect.MAVLink_mission_item_int_message(to, 1, seq, frame, command, 0, 1, *p, x, y, z, kind)


def home(seq: int = 0) -> Message:
    """Return the place holder of home."""
    return item(seq, frame=0, z=10.0)


def takeoff(seq: int = 1, up_m: float = 30.0) -> Message:
    """Return a take-off."""
    return item(seq, 22, z=up_m)


def north(metres: float) -> int:
    """Return a latitude so far north of home, times 1e7."""
    return LAT + round(metres / 110_750 * 1e7)


def east(metres: float) -> int:
    """Return a longitude so far east of home, times 1e7."""
    return LON + round(metres / (111_320 * math.cos(math.radians(22.815))) * 1e7)


def ring(
    *corners: tuple[float, float], command: int = 5001, first: int = 0, size: int | None = None
) -> list[Message]:
    """Return a polygon of a fence, corners in metres east and north."""
    count = len(corners) if size is None else size
    return [
        item(first + n, command, p=(count, 0, 0, 0), x=north(up), y=east(right), z=0, kind=1)
        for n, (right, up) in enumerate(corners)
    ]


def booted(at_s: float = 30.0, **setup: Any) -> Speaker:
    """Return a station at a vehicle that was powered up ``at_s`` ago."""
    machine = Machine(Setup(**setup))
    speaker = Speaker(machine)
    machine.step(at_s)
    speaker.listen()
    return speaker


def flies(speaker: Speaker, items: list[Message]) -> list[Message]:
    """Upload, arm and start in AUTO; return what came with it."""
    assert speaker.upload(items) == 0
    assert speaker.command(176, 1, AUTO) == 0
    assert speaker.command(400, 1) == 0
    before = len(speaker.heard)
    assert speaker.command(300) == 0
    return speaker.heard[before:]


def until_landed(speaker: Speaker, limit_s: float = 900.0) -> list[Message]:
    """Let the flight go on until the motors are off; return all that came."""
    found: list[Message] = []
    end = speaker.machine.now_s + limit_s
    while speaker.machine.state.armed and speaker.machine.now_s < end:
        found += speaker.listen(1.0)
    assert not speaker.machine.state.armed
    return found


def until_item(speaker: Speaker, seq: int, limit_s: float = 300.0) -> None:
    """Let the flight go on until mission item ``seq`` is current."""
    end = speaker.machine.now_s + limit_s
    while speaker.machine.state.current < seq:
        assert speaker.machine.now_s < end
        speaker.listen(0.5)
