"""The station: which vehicle it speaks to, its heartbeat, its link, and what goes first."""

import random
from itertools import pairwise
from typing import Any

import pytest
from tests.flight.anything import anything
from tests.flight.conftest import vehicle

from aerial.errors import LinkError
from aerial.flight.exchange import NOTHING, Outgoing, Pause, Peer
from aerial.flight.mavlink import Codec, Message, dialect
from aerial.flight.station import STATION, Station
from aerial.records import Sortie
from aerial.simulate.vehicle.setup import Impairment

QUAD, ARDUPILOT, NO_PILOT = 2, 3, 8


class Air:
    """A link on which senders say messages at their times; its clock is virtual. ``sent``: with the time."""

    name = "air"

    def __init__(self) -> None:
        self.now_s = 100.0
        self.planned: list[tuple[float, bytes]] = []
        self.sent: list[tuple[float, Message]] = []
        self._codec = Codec(system=99, component=99)
        self._senders: dict[tuple[int, int], Codec] = {}

    def plan(self, after_s: float, message: Message, system: int = 1, component: int = 1) -> None:
        """Let a sender say something later."""
        sender = self._senders.setdefault((system, component), Codec(system=system, component=component))
        self.planned.append((100.0 + after_s, sender.pack(message)))

    def beats(self, kind: int, pilot: int, system: int = 1, component: int = 1, from_s: float = 0.5) -> None:
        """Let a sender beat once a second."""
        for number in range(30):
            self.plan(number + from_s, heartbeat(kind, pilot), system, component)

    def now(self) -> float:
        """Return the virtual time."""
        return self.now_s

    def send(self, data: bytes) -> None:
        """Note what is said."""
        self.sent += [(self.now_s, message) for message in self._codec.feed(data)]

    def receive(self, timeout_s: float) -> bytes:
        """Let time pass."""
        self.now_s += max(timeout_s, 1e-3)
        due = [frame for at, frame in self.planned if at <= self.now_s]
        self.planned = [one for one in self.planned if one[0] > self.now_s]
        return b"".join(due)

    def close(self) -> None:
        """Do nothing."""

    def times(self, kind: str) -> list[float]:
        """Return when messages of a kind were sent."""
        return [at for at, message in self.sent if message.get_type() == kind]


def heartbeat(kind: int, pilot: int) -> Message:
    """Return a heartbeat."""
    return dialect.MAVLink_heartbeat_message(kind, pilot, 0, 0, 4, 3)


def test_no_vehicle() -> None:
    """Where nobody speaks it ends after the time that was given, with a hint."""
    air = Air()
    with pytest.raises(LinkError, match="No vehicle answers on air") as caught:
        Station(air).find_vehicle(7.0)
    assert caught.value.hint
    assert air.now() == pytest.approx(107.0, abs=0.1)


@pytest.mark.parametrize(
    ("kind", "pilot"),
    [
        (dialect.MAV_TYPE_GCS, NO_PILOT),
        (dialect.MAV_TYPE_GCS, ARDUPILOT),
        (dialect.MAV_TYPE_GIMBAL, NO_PILOT),
        (dialect.MAV_TYPE_GIMBAL, ARDUPILOT),
        (dialect.MAV_TYPE_CAMERA, NO_PILOT),
        (dialect.MAV_TYPE_ONBOARD_CONTROLLER, NO_PILOT),
        (dialect.MAV_TYPE_ADSB, ARDUPILOT),
        (QUAD, NO_PILOT),
    ],
)
def test_no_autopilot_is_no_vehicle(kind: int, pilot: int) -> None:
    """A ground station, gimbal, camera or companion is no vehicle, whatever it says of an autopilot."""
    air = Air()
    air.beats(kind, pilot, system=1, component=154)
    with pytest.raises(LinkError):
        Station(air).find_vehicle(5.0)


def test_vehicle_among_its_components() -> None:
    """Of a vehicle with gimbal and camera under one number, its autopilot is spoken to."""
    air = Air()
    for kind, component in ((dialect.MAV_TYPE_GIMBAL, 154), (dialect.MAV_TYPE_CAMERA, 100)):
        air.beats(kind, NO_PILOT, system=7, component=component)
    air.beats(QUAD, ARDUPILOT, system=7, component=1)
    air.beats(dialect.MAV_TYPE_GCS, NO_PILOT, system=255, component=190)
    station = Station(air)
    assert station.find_vehicle(5.0) == Peer(system=7, component=1)
    station.wait(5.0)
    assert station.heartbeat.type == QUAD


def test_two_vehicles() -> None:
    """Two vehicles on one link are both named and none is chosen; with one named, it alone is."""
    for system in (None, 4):
        air = Air()
        air.beats(QUAD, ARDUPILOT, system=9)
        # The other beats almost a second later.
        air.beats(QUAD, ARDUPILOT, system=4, from_s=1.45)
        station = Station(air)
        if system is None:
            with pytest.raises(LinkError, match="4, 9") as caught:
                station.find_vehicle(5.0)
            assert "--vehicle" in caught.value.hint
        else:
            assert station.find_vehicle(5.0, 4) == Peer(system=4, component=1)


def test_named_vehicle_is_not_there() -> None:
    """Another vehicle than the named one is not spoken to."""
    air = Air()
    air.beats(QUAD, ARDUPILOT, system=9)
    with pytest.raises(LinkError):
        Station(air).find_vehicle(5.0, 4)


def test_heartbeats() -> None:
    """A ground station's heartbeat goes out at once and then every second, however long it waits."""
    air = Air()
    station = Station(air)
    station.wait(20.0)
    times = air.times("HEARTBEAT")
    assert times[0] == 100.0
    gaps = [b - a for a, b in pairwise(times)]
    assert len(times) in (20, 21)
    assert max(gaps) <= 1.05
    assert min(gaps) >= 0.95
    assert all(
        message.type == dialect.MAV_TYPE_GCS and message.get_srcComponent() == STATION.component
        for _, message in air.sent
        if message.get_type() == "HEARTBEAT"
    )


def test_heartbeats_go_on_during_an_exchange() -> None:
    """An exchange that lasts does not silence the heartbeat."""
    air = Air()
    assert Station(air).run(Pause(6.0), 10.0)
    assert len(air.times("HEARTBEAT")) >= 6


@pytest.mark.parametrize("delay_s", [0.0, 0.2, 0.7])
def test_latency(sortie: Sortie, delay_s: float) -> None:
    """The time there and back is measured within a step of the link's clock each way."""
    craft = vehicle(sortie, Impairment(delay_s=delay_s))
    craft.station.wait(4.0)
    assert craft.station.latency_s == pytest.approx(2 * delay_s, abs=0.06)


def test_latency_by_our_own_question_alone() -> None:
    """Answers to another station's TIMESYNC, or of another vehicle, or questions, measure nothing."""
    air = Air()
    air.beats(QUAD, ARDUPILOT)
    station = Station(air)
    station.find_vehicle(5.0)
    for number in range(5):
        asked = [message for _, message in air.sent if message.get_type() == "TIMESYNC"][-1].ts1
        air.plan(air.now() - 100 + 0.1, dialect.MAVLink_timesync_message(5, asked), system=8)
        air.plan(air.now() - 100 + 0.1, dialect.MAVLink_timesync_message(0, asked))
        air.plan(air.now() - 100 + 0.1, dialect.MAVLink_timesync_message(5, number))
        station.wait(0.2)
    assert station.latency_s is None


def test_lost() -> None:
    """A vehicle is lost five seconds after its last word, not before, and found again with the next."""
    air = Air()
    for after_s in (0.5, 8.0):
        air.plan(after_s, heartbeat(QUAD, ARDUPILOT))
    air.beats(dialect.MAV_TYPE_GIMBAL, NO_PILOT, component=154)
    air.beats(QUAD, ARDUPILOT, system=2)
    station = Station(air)
    assert station.lost
    station.find_vehicle(5.0, system=1)
    heard_s = air.now()
    station.wait(4.9)
    assert not station.lost
    station.wait(0.2)
    assert station.lost
    station.wait(heard_s + 8.0 - air.now())
    assert not station.lost


def test_urgent_goes_first() -> None:
    """What is urgent is sent before heartbeats and before whatever waits in the queue."""
    air = Air()
    station = Station(air)
    urgent = [dialect.MAVLink_command_long_message(1, 1, dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH, 0, *(0,) * 7)]

    def once(_now_s: float) -> Outgoing:
        said, urgent[:] = list(urgent), []
        return said

    for _ in range(50):
        station.say(dialect.MAVLink_param_request_list_message(1, 1))
    station.urgent = once
    station.pump(0.02)
    assert [message.get_type() for _, message in air.sent][:2] == ["COMMAND_LONG", "HEARTBEAT"]
    assert len(air.times("PARAM_REQUEST_LIST")) == 50


class Endless:
    """An exchange that never ends and remembers what it heard."""

    done = False

    def __init__(self) -> None:
        self.heard = 0

    def start(self, now_s: float) -> Outgoing:
        """Say nothing."""
        return NOTHING

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Count."""
        self.heard += 1
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Say nothing."""
        return NOTHING


def test_time_limit() -> None:
    """An exchange that does not end is given up after its time, and hears nothing more."""
    air = Air()
    air.beats(QUAD, ARDUPILOT)
    station, exchange = Station(air), Endless()
    assert not station.run(exchange, 3.0)
    assert exchange.heard == 3
    station.wait(3.0)
    assert exchange.heard == 3


def test_our_own_number() -> None:
    """Another station that uses our number is noticed."""
    air = Air()
    air.beats(dialect.MAV_TYPE_GCS, NO_PILOT, system=STATION.system, component=STATION.component)
    station = Station(air)
    station.wait(3.0)
    assert station.same_ids == 3


@pytest.mark.parametrize("seed", range(20))
def test_fuzz(seed: int) -> None:
    """Random messages of every kind, of anyone, never raise, nor choose another vehicle."""
    rng = random.Random(seed)
    air = Air()
    air.beats(QUAD, ARDUPILOT)
    for number in range(200):
        sender: dict[str, Any] = rng.choice(({}, {"component": 100}, {"system": 3}, {"system": 255}))
        message = anything(rng, rng.choice((None, dialect.MAVLink_timesync_message)))
        if message.get_type() != "HEARTBEAT":
            air.plan(number * 0.02, message, **sender)
    station = Station(air)
    assert station.find_vehicle(20.0) == Peer(system=1, component=1)
    station.wait(4.0)
    assert station.latency_s is None
