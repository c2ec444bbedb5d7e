"""Frames between a test and simulated vehicles, several stations at once; time is simulated."""

from collections.abc import Sequence
from typing import Any

from aerial.flight.mavlink import Codec, Message, dialect
from aerial.simulate.vehicle.machine import Machine
from aerial.simulate.vehicle.setup import Setup

LAT, LON = 228150000, 1138000000
MISSION, FENCE, RALLY, ALL = 0, 1, 2, 255


class Talk:
    """One station, on a port of its own of ``machine``."""

    def __init__(self, machine: Machine, *, system: int = 255, component: int = 190, port: int = 0) -> None:
        self.machine, self.port = machine, port
        self.codec = Codec(system=system, component=component)
        machine.take(port)

    def send(self, message: Message) -> None:
        """Send one frame."""
        self.machine.receive(self.codec.pack(message), self.port)

    def heard(self) -> list[Message]:
        """Return what came and was not returned yet."""
        return [message for frame in self.machine.take(self.port) for message in self.codec.feed(frame)]

    def ask(self, message: Message) -> list[Message]:
        """Send, and return what comes at once."""
        self.heard()
        self.send(message)
        return self.heard()

    def wait(self, seconds: float, every_s: float = 0.1) -> list[tuple[float, Message]]:
        """Let time pass; return what came, and after how long."""
        began, found = self.machine.now_s, []
        for number in range(1, round(seconds / every_s) + 1):
            self.machine.step(began + number * every_s)
            found += [(self.machine.now_s - began, message) for message in self.heard()]
        return found

    def upload(self, items: Sequence[Message], kind: int = MISSION) -> list[Message]:
        """Answer requests until an acknowledgement comes; return all that was said."""
        said = self.ask(count(len(items), kind))
        found = list(said)
        while said and not named(said, "MISSION_ACK"):
            (wanted,) = named(said, "MISSION_REQUEST")
            said = self.ask(items[wanted.seq])
            found += said
        return found

    def download(self, kind: int = MISSION) -> list[Message]:
        """Return every item."""
        (told,) = named(self.ask(dialect.MAVLink_mission_request_list_message(1, 1, kind)), "MISSION_COUNT")
        found = []
        for seq in range(told.count):
            found += self.ask(dialect.MAVLink_mission_request_int_message(1, 1, seq, kind))
        return found


def talk(at_s: float = 30.0, **setup: Any) -> Talk:
    """Return a station at a vehicle that was powered up ``at_s`` ago."""
    machine = Machine(Setup(**setup))
    station = Talk(machine)
    machine.step(at_s)
    station.heard()
    return station


def named(messages: Sequence[Message], name: str) -> list[Message]:
    """Return the messages of one name."""
    return [message for message in messages if message.get_type() == name]


def names(messages: Sequence[Message]) -> list[str]:
    """Return the names of messages, in order."""
    return [message.get_type() for message in messages]


def results(messages: Sequence[Message]) -> list[tuple[int, int]]:
    """Return (mission type, result) of each MISSION_ACK, in order."""
    return [(ack.mission_type, ack.type) for ack in named(messages, "MISSION_ACK")]


def texts(messages: Sequence[Message]) -> list[str]:
    """Return what STATUSTEXT said."""
    return [message.text for message in named(messages, "STATUSTEXT")]


def count(number: int, kind: int = MISSION) -> Message:
    """Return the announcement of an upload."""
    return dialect.MAVLink_mission_count_message(1, 1, number, kind)


def item(seq: int, command: int = 16, frame: int = 3, p: Sequence[float] = (0, 0, 0, 0), x: int = LAT,
         y: int = LON, z: float = 30.0, kind: int = MISSION, to: int = 1) -> Message:  # fmt: skip
    """Return a mission item."""
    return dialect.MAVLink_mission_item_int_message(to, 1, seq, frame, command, 0, 1, *p, x, y, z, kind)


def mission(number: int, z: float = 30.0) -> list[Message]:
    """Return home and ``number`` - 1 waypoints."""
    return [item(seq, z=z, frame=3 if seq else 0) for seq in range(number)]


def ring(number: int = 4, first: int = 0, command: int = 5001, announced: int | None = None) -> list[Message]:
    """Return a polygon of a fence around home."""
    corners = [(-1, -1), (-1, 1), (1, 1), (1, -1)]
    return [
        item(
            first + n,
            command,
            p=(number if announced is None else announced, 0, 0, 0),
            x=LAT + 10_000 * corners[n % 4][0] + n,
            y=LON + 10_000 * corners[n % 4][1],
            z=0,
            kind=FENCE,
        )
        for n in range(number)
    ]


def command(number: int, *params: float, confirmation: int = 0) -> Message:
    """Return COMMAND_LONG."""
    return dialect.MAVLink_command_long_message(
        1, 1, number, confirmation, *params, *(0,) * (7 - len(params))
    )
