"""Download of what a vehicle holds."""

from collections.abc import Callable

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect
from aerial.flight.mission.outcome import Outcome
from aerial.flight.mission.wire import TYPE, MissionType, from_wire
from aerial.records import MissionItem

SILENCE_S = 20.0
_LEAST_S, _MOST_S, _FIRST_S = 0.3, 1.5, 1.0
# Items that are read a second time at the end: another station's upload in between would have changed them.
_SPOTS = 6


class Download:
    """An exchange that reads all items from ``peer``; ``at_once``: how many requests may be in flight.

    ``items`` is whole when ``outcome`` is accepted. From a vehicle that answers in any order some items are
    read again at the end: what changed while it was read is refused as busy. One that answers in order
    only serves one station at a time. ``on_progress`` is told how many items have come, of how many.
    """

    def __init__(self, kind: MissionType, peer: Peer, own: Peer, at_once: int = 1) -> None:
        self.outcome: Outcome | None = None
        self.on_progress: Callable[[int, int], None] = lambda _done, _total: None
        self._kind, self._peer, self._own, self._at_once = kind, peer, own, at_once
        self._count: int | None = None
        self._found: dict[int, MissionItem] = {}
        self._asked_s: dict[int, float] = {}
        self._again: set[int] = set()
        self._spots: set[int] | None = None
        self._denied = False
        self._heard_s = self._list_s = 0.0
        self._round_s = _FIRST_S

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""
        return self.outcome is not None

    @property
    def items(self) -> tuple[MissionItem, ...]:
        """Return what was read, in order."""
        return tuple(self._found[seq] for seq in sorted(self._found))

    def start(self, now_s: float) -> Outgoing:
        """Ask for the number of items."""
        self._heard_s = now_s
        return self._list(now_s)

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take in a number or an item, and ask for the next."""
        kind = message.get_type()
        if self.done or not self._for_us(message, kind):
            return NOTHING
        if kind == "MISSION_COUNT":
            return self._counted(message.count, now_s)
        if kind == "MISSION_ACK":
            self._denied = message.type == dialect.MAV_MISSION_DENIED
            return NOTHING
        return self._item(message, now_s)

    def tick(self, now_s: float) -> Outgoing:
        """Ask again for what did not come."""
        if self.done:
            return NOTHING
        if now_s - self._heard_s >= SILENCE_S:
            self.outcome = (
                Outcome(how="busy", code=dialect.MAV_MISSION_DENIED)
                if self._denied
                else Outcome(how="silent", seq=len(self._found) or None)
            )
            return NOTHING
        patience = min(max(2 * self._round_s, _LEAST_S), _MOST_S)
        if self._count is None:
            return self._list(now_s) if now_s - self._list_s >= patience else NOTHING
        late = [seq for seq, asked in self._asked_s.items() if now_s - asked >= patience]
        self._again.update(late)
        return [self._request(seq, now_s) for seq in late]

    def _for_us(self, message: Message, kind: str) -> bool:
        return (
            kind in ("MISSION_COUNT", "MISSION_ITEM_INT", "MISSION_ACK")
            and message.get_srcSystem() == self._peer.system
            and message.get_srcComponent() == self._peer.component
            and message.target_system == self._own.system
            and message.target_component in (self._own.component, 0)
            and message.mission_type == TYPE[self._kind]
        )

    def _list(self, now_s: float) -> Outgoing:
        self._list_s = now_s
        return [
            dialect.MAVLink_mission_request_list_message(
                self._peer.system, self._peer.component, TYPE[self._kind]
            )
        ]

    def _counted(self, count: int, now_s: float) -> Outgoing:
        self._heard_s = now_s
        if self._count is not None:
            # Late or twice, unless it says something else.
            if count != self._count:
                self.outcome = Outcome(how="busy", code=dialect.MAV_MISSION_DENIED)
            return NOTHING
        self._count = count
        return self._end() if count == 0 else self._ask_more(now_s)

    def _item(self, message: Message, now_s: float) -> Outgoing:
        seq = message.seq
        if self._count is None or seq not in self._asked_s:
            return NOTHING
        self._heard_s = now_s
        if seq not in self._again:
            self._round_s += (now_s - self._asked_s[seq] - self._round_s) / 4
        del self._asked_s[seq]
        self._again.discard(seq)
        item = from_wire(message)
        # NaN is not equal to itself; its text is.
        if seq in self._found and repr(self._found[seq]) != repr(item) and not self._live_home(seq):
            self.outcome = Outcome(how="busy", code=dialect.MAV_MISSION_DENIED, seq=seq)
            return NOTHING
        self._found[seq] = item
        self.on_progress(len(self._found), self._count)
        if self._spots is not None:
            self._spots.discard(seq)
        return self._ask_more(now_s)

    def _live_home(self, seq: int) -> bool:
        # ArduPilot's item 0 is home, which may settle while it is read.
        return seq == 0 and self._kind == "mission"

    def _ask_more(self, now_s: float) -> Outgoing:
        count = self._count or 0
        if self._spots is None:
            missing = [seq for seq in range(count) if seq not in self._found]
            if not missing:
                step = max((count - 1) // (_SPOTS - 1), 1)
                self._spots = set(range(count - 1, -1, -step)) if self._at_once > 1 else set()
        if self._spots is not None:
            if not self._spots:
                return self._end()
            missing = sorted(self._spots)
        free = self._at_once - len(self._asked_s)
        asked = [seq for seq in missing if seq not in self._asked_s][: max(free, 0)]
        return [self._request(seq, now_s) for seq in asked]

    def _request(self, seq: int, now_s: float) -> Message:
        self._asked_s[seq] = now_s
        return dialect.MAVLink_mission_request_int_message(
            self._peer.system, self._peer.component, seq, TYPE[self._kind]
        )

    def _end(self) -> Outgoing:
        self.outcome = Outcome(how="accepted")
        return [
            dialect.MAVLink_mission_ack_message(
                self._peer.system, self._peer.component, dialect.MAV_MISSION_ACCEPTED, TYPE[self._kind]
            )
        ]
