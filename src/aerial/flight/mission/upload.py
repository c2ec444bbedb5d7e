"""Upload of a mission, a fence or rally points; its acknowledgement is believed by nobody.

The vehicle drives: it asks for items one by one, and every request is answered, repeated ones too. What
is done beside the protocol: when it is silent for about two round trips, the item it asked for last and
the next one are sent unasked, for one of them is what it waits for. It drops items out of order with
INVALID_SEQUENCE, which is no end. Without this, 650 items over a link that loses 30 % each way get
through one time in twenty-five: the vehicle gives up after 8 s in which its request or our answer was lost.
"""

from collections.abc import Callable, Sequence

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.mission.outcome import Outcome
from aerial.flight.mission.wire import TYPE, MissionType, to_wire
from aerial.records import MissionItem

# ArduPilot asks again after 1.0 s and gives up after 8.0 s.
SILENCE_S = 10.0
_COUNT_EVERY_S = 1.5
_COUNT_TRIES = 5
# A vehicle that serves another station gives that up after 8 s.
_BUSY_TRIES = 9
_LEAST_S, _MOST_S, _FIRST_S = 0.25, 1.0, 1.0
_REQUESTS = ("MISSION_REQUEST_INT", "MISSION_REQUEST")
# Answers to a duplicate or a stranger; the transfer goes on.
_NO_END = (dialect.MAV_MISSION_INVALID_SEQUENCE, dialect.MAV_MISSION_DENIED)


class Upload:
    """An exchange that sends ``items`` to ``peer``; ``own``: our own numbers. See ``outcome``.

    ``on_progress`` is told how many items the vehicle has asked for, of how many.
    """

    def __init__(self, items: Sequence[MissionItem], kind: MissionType, peer: Peer, own: Peer) -> None:
        self.outcome: Outcome | None = None
        self.on_progress: Callable[[int, int], None] = lambda _done, _total: None
        self._messages = [to_wire(item, peer, kind) for item in items]
        self._kind, self._peer, self._own = kind, peer, own
        self._counts = 0
        self._wanted: int | None = None
        self._heard_s = self._sent_s = 0.0
        self._round_s = _FIRST_S
        self._asked_for: set[int] = set()
        self._unasked = self._repeated = False
        self._last_sent = not items
        self._refused: int | None = None

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""
        return self.outcome is not None

    def start(self, now_s: float) -> Outgoing:
        """Announce the number of items."""
        self._heard_s = now_s
        return self._count(now_s)

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Answer requests; end at an acknowledgement that ends it."""
        if self.done or not self._for_us(message):
            return NOTHING
        if message.get_type() in _REQUESTS:
            return self._requested(message.seq, now_s)
        self._acknowledged(message.type)
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Send again what got no answer."""
        if self.done:
            return NOTHING
        if self._wanted is None:
            return self._count_again(now_s)
        if now_s - self._heard_s >= SILENCE_S:
            self.outcome = Outcome(how="unclear" if self._last_sent else "silent", seq=self._wanted)
            return NOTHING
        if now_s - self._sent_s < min(max(2 * self._round_s, _LEAST_S), _MOST_S):
            return NOTHING
        self._sent_s, self._unasked = now_s, True
        self._repeated = True
        return self._send(self._wanted, 2)

    def _for_us(self, message: Message) -> bool:
        kind = message.get_type()
        return (
            (kind in _REQUESTS or kind == "MISSION_ACK")
            and message.get_srcSystem() == self._peer.system
            and message.get_srcComponent() == self._peer.component
            and message.target_system == self._own.system
            and message.target_component in (self._own.component, 0)
            and message.mission_type == TYPE[self._kind]
        )

    def _requested(self, seq: int, now_s: float) -> Outgoing:
        if seq >= len(self._messages):
            return NOTHING
        if self._wanted is None or seq > self._wanted:
            if self._wanted is not None and not self._unasked:
                # Only an item that was sent once tells how long an answer takes.
                self._round_s += (now_s - self._sent_s - self._round_s) / 4
            self._wanted, self._unasked = seq, False
            self._heard_s = self._sent_s = now_s
        elif seq < self._wanted and seq in self._asked_for:
            # Late or twice: answered, as the protocol asks, but no sign of life for the current item.
            self._repeated = True
            return self._send(seq)
        else:
            self._heard_s, self._sent_s, self._unasked, self._repeated = now_s, now_s, True, True
        self._asked_for.add(seq)
        self.on_progress(seq + 1, len(self._messages))
        return self._send(seq)

    def _send(self, seq: int, count: int = 1) -> Outgoing:
        chosen = self._messages[seq : seq + count]
        self._last_sent |= seq + count >= len(self._messages)
        return chosen

    def _acknowledged(self, code: int) -> None:
        if code == dialect.MAV_MISSION_ACCEPTED:
            # Before the last item was sent, it belongs to an earlier transfer.
            if self._last_sent:
                self.outcome = Outcome(how="accepted")
            return
        if self._wanted is None:
            # A refused COUNT is sent again: a vehicle that starts, or serves another, refuses for a while.
            # A time-out or a sequence error can only be of the transfer before.
            if code not in (dialect.MAV_MISSION_INVALID_SEQUENCE, dialect.MAV_MISSION_OPERATION_CANCELLED):
                self._refused = code
            return
        if code in _NO_END:
            return
        if code == dialect.MAV_MISSION_ERROR and self._last_sent and self._repeated:
            # The answer to an item that comes when the transfer is over, however that ended.
            self.outcome = Outcome(how="unclear", code=code, seq=self._wanted)
            return
        self.outcome = Outcome(how="refused", code=code, seq=self._wanted)

    def _count(self, now_s: float) -> Outgoing:
        self._counts += 1
        self._sent_s = now_s
        return [
            dialect.MAVLink_mission_count_message(
                self._peer.system, self._peer.component, len(self._messages), TYPE[self._kind]
            )
        ]

    def _count_again(self, now_s: float) -> Outgoing:
        if now_s - self._sent_s < _COUNT_EVERY_S:
            return NOTHING
        busy = self._refused == dialect.MAV_MISSION_DENIED
        if self._counts < (_BUSY_TRIES if busy else _COUNT_TRIES):
            return self._count(now_s)
        if self._refused is None:
            self.outcome = Outcome(how="silent")
        else:
            self.outcome = Outcome(how="busy" if busy else "refused", code=self._refused)
        return NOTHING
