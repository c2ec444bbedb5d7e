"""The ground station: one link, one vehicle, and everything that listens to it.

One thread pumps. A watch, a photo log, a terrain server are listeners; an upload is an exchange that is
run to its end while they go on hearing.
"""

from collections import deque
from collections.abc import Callable
from time import time

from aerial.errors import LinkError
from aerial.flight.exchange import Exchange, Listener, Outgoing, Peer
from aerial.flight.links import Link
from aerial.flight.mavlink import Codec, Message, dialect

# Ground stations are system 255. QGroundControl and Mission Planner are component 190 there: two stations of
# one number are one to the vehicle, and would mix their missions. 25 is MAVLink's first for private use.
STATION = Peer(system=255, component=25)
HEARTBEAT_S = 1.0
# MAVLink, heartbeat protocol: lost after four to five that did not come.
LOST_S = 5.0
_SLICE_S = 0.02
_NO_PILOT = (dialect.MAV_TYPE_GCS, dialect.MAV_TYPE_ONBOARD_CONTROLLER, dialect.MAV_TYPE_GIMBAL,
             dialect.MAV_TYPE_CAMERA, dialect.MAV_TYPE_ADSB)  # fmt: skip


class Station:
    """Speaks to one vehicle over one link.

    ``urgent`` is asked before anything else is sent, in every round: an abort goes first.
    """

    def __init__(self, link: Link, codec: Codec | None = None) -> None:
        self.link = link
        self.codec = codec or Codec(system=STATION.system, component=STATION.component)
        self.listeners: list[Listener] = []
        self.urgent: Callable[[float], Outgoing] | None = None
        self.target: Peer | None = None
        self.heartbeat: Message | None = None
        self.heard_at_s: float | None = None
        self.latency_s: float | None = None
        self.same_ids = 0
        self._queue: deque[Message] = deque()
        self._beat_at_s = float("-inf")
        self._asked_ns: dict[int, float] = {}

    def find_vehicle(self, timeout_s: float = 20.0, system: int | None = None) -> Peer:
        """Wait for the heartbeat of an autopilot (of ``system``, if given) and speak to it from now on.

        Raises:
            LinkError: none comes, or several vehicles are heard and none was named.
        """
        until = self.link.now() + timeout_s
        found: dict[int, Peer] = {}
        settle: float | None = None
        while self.link.now() < (until if settle is None else min(settle, until)):
            for message in self.pump(_SLICE_S):
                if self._is_vehicle(message, system):
                    found[message.get_srcSystem()] = Peer(
                        system=message.get_srcSystem(), component=message.get_srcComponent()
                    )
                    self.heartbeat, self.heard_at_s = message, self.link.now()
                    # A second vehicle on the link beats within the second, too.
                    settle = settle or self.link.now() + (0.0 if system is not None else 1.2)
        if not found:
            refused = self.codec.counts.refused
            raise LinkError(
                f"No vehicle answers on {self.link.name}"
                + (f"; {refused} frames were unsigned or wrongly signed." if refused else "."),
                hint="Check power, radio, address and speed"
                + (", and the signing key." if self.codec.signer else "."),
            )
        if len(found) > 1:
            raise LinkError(
                f"{len(found)} vehicles speak on {self.link.name}: {', '.join(map(str, sorted(found)))}.",
                hint="Name the one that is meant with --vehicle.",
            )
        (self.target,) = found.values()
        return self.target

    def _is_vehicle(self, message: Message, system: int | None) -> bool:
        return (
            message.get_type() == "HEARTBEAT"
            and message.type not in _NO_PILOT
            and message.autopilot != dialect.MAV_AUTOPILOT_INVALID
            and (system is None or message.get_srcSystem() == system)
        )

    def say(self, message: Message) -> None:
        """Send a message in the next round."""
        self._queue.append(message)

    def run(self, exchange: Exchange, timeout_s: float | None = None) -> bool:
        """Run ``exchange`` to its end; False: ``timeout_s`` was over before."""
        until = None if timeout_s is None else self.link.now() + timeout_s
        self.listeners.append(exchange)
        try:
            self._queue += exchange.start(self.link.now())
            while not exchange.done:
                if until is not None and self.link.now() >= until:
                    return False
                self.pump(_SLICE_S)
        finally:
            self.listeners.remove(exchange)
        return True

    def wait(self, seconds: float) -> None:
        """Listen for ``seconds``."""
        until = self.link.now() + seconds
        while self.link.now() < until:
            self.pump(min(_SLICE_S, until - self.link.now()))

    def pump(self, timeout_s: float) -> list[Message]:
        """Send what is due, receive for at most ``timeout_s``, let everyone hear; return what was heard."""
        self._flush()
        data = self.link.receive(timeout_s)
        messages = self.codec.feed(data) if data else []
        now = self.link.now()
        for message in messages:
            self._note(message, now)
            for listener in list(self.listeners):
                self._queue += listener.hear(message, now)
        for listener in list(self.listeners):
            self._queue += listener.tick(now)
        self._flush()
        return messages

    @property
    def lost(self) -> bool:
        """Tell whether the vehicle was not heard for five seconds."""
        return self.heard_at_s is None or self.link.now() - self.heard_at_s > LOST_S

    def _flush(self) -> None:
        now = self.link.now()
        if self.urgent is not None:
            for message in self.urgent(now):
                self.link.send(self.codec.pack(message))
        if now - self._beat_at_s >= HEARTBEAT_S:
            self._beat_at_s = now
            self._queue.appendleft(self._timesync(now))
            self._queue.appendleft(
                dialect.MAVLink_heartbeat_message(
                    dialect.MAV_TYPE_GCS, dialect.MAV_AUTOPILOT_INVALID, 0, 0, dialect.MAV_STATE_ACTIVE, 3
                )
            )
        while self._queue:
            self.link.send(self.codec.pack(self._queue.popleft()))

    def _timesync(self, now: float) -> Message:
        # Unix nanoseconds: another station's answer is then not taken for ours.
        stamp = int(time() * 1e9)
        self._asked_ns = {**dict(list(self._asked_ns.items())[-9:]), stamp: now}
        return dialect.MAVLink_timesync_message(0, stamp)

    def _note(self, message: Message, now: float) -> None:
        sender = (message.get_srcSystem(), message.get_srcComponent())
        if sender == (self.codec.system, self.codec.component):
            # Another ground station uses our own numbers.
            self.same_ids += 1
        if self.target is None or sender != (self.target.system, self.target.component):
            return
        self.heard_at_s = now
        kind = message.get_type()
        if kind == "HEARTBEAT":
            self.heartbeat = message
        elif kind == "TIMESYNC" and message.tc1 and message.ts1 in self._asked_ns:
            self.latency_s = now - self._asked_ns.pop(message.ts1)
        elif kind == "TIMESYNC" and not message.tc1:
            self._queue.append(dialect.MAVLink_timesync_message(int(time() * 1e9), message.ts1))
