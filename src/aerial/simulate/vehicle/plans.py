"""What a vehicle stores, and how it is uploaded and downloaded: ArduCopter 4.7 as it was measured.

The vehicle drives an upload: it asks for one item after the other, again after 1.0 s, and gives up after
8.0 s, in its own time. A mission is overwritten item by item, a fence is taken as a whole or not at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from aerial.flight.mavlink import Message, dialect
from aerial.records import MissionItem
from aerial.simulate.vehicle import items
from aerial.simulate.vehicle.items import KINDS, Kind

CAPACITY: dict[Kind, int] = {"mission": 650, "fence": 70, "rally": 32}
# Polygons take a unit each beside their corners.
_FENCE_STORAGE = 70
_AGAIN_S, _GIVE_UP_S = 1.0, 8.0
_STARTS_S = 3.0
_WARNING = dialect.MAV_SEVERITY_WARNING
_AUTO = 3
_TYPE = {name: number for number, name in KINDS.items()}

Sender = tuple[int, int]
Say = Callable[[int, str], None]


@dataclass(slots=True)
class Stored:
    """What is stored; item 0 of ``mission`` is a place holder for home, whose position is live."""

    mission: list[MissionItem] = field(default_factory=list)
    fence: list[MissionItem] = field(default_factory=list)
    rally: list[MissionItem] = field(default_factory=list)

    def of(self, kind: Kind) -> list[MissionItem]:
        """Return the list of one kind."""
        found: list[MissionItem] = getattr(self, kind)
        return found


@dataclass(slots=True)
class _Receiving:
    kind: Kind
    sender: Sender
    next_: int
    last: int
    heard_s: float
    asked_s: float
    fence: list[MissionItem] = field(default_factory=list)


@dataclass(slots=True)
class Surroundings:
    """What the protocol needs to know of the rest of the vehicle."""

    home: Callable[[], tuple[float, float, float] | None]
    mode: Callable[[], int]
    armed: Callable[[], bool]
    current: Callable[[], int]
    say: Say
    changed: Callable[[Kind], None]


class Plans:
    """The mission protocol of a vehicle; ``hear`` returns what goes back to the sender."""

    def __init__(self, stored: Stored, around: Surroundings) -> None:
        self.stored = stored
        self._around = around
        # One of each kind at most, and each by a station of its own.
        self._receiving: dict[Kind, _Receiving] = {}
        self._hear: dict[str, Callable[[Message, Sender, float], list[Message]]] = {
            "MISSION_COUNT": self._count,
            "MISSION_ITEM_INT": self._item,
            "MISSION_ITEM": self._float_item,
            "MISSION_REQUEST_LIST": self._list,
            "MISSION_REQUEST_INT": self._request,
            "MISSION_REQUEST": self._request,
            "MISSION_CLEAR_ALL": self._clear,
            "MISSION_WRITE_PARTIAL_LIST": self._partial,
        }

    def home_was_set(self) -> None:
        """Note that there is a home now: an empty mission holds it, and counts 1."""
        if not self.stored.mission:
            self.stored.mission.append(_PLACE_HOLDER)

    def hear(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        """Take a message of the mission protocol."""
        take = self._hear.get(message.get_type())
        return take(message, sender, now_s) if take else []

    def tick(self, now_s: float) -> list[tuple[Message, Sender]]:
        """Return what is due by the clock: a request again, or the end of a transfer."""
        found = []
        for kind, receiving in list(self._receiving.items()):
            if now_s - receiving.heard_s >= _GIVE_UP_S:
                self._around.say(_WARNING, f"{kind.capitalize()} upload timeout")
                cancelled = self._end(receiving, dialect.MAV_MISSION_OPERATION_CANCELLED)
                found.append((cancelled, receiving.sender))
            elif now_s - receiving.asked_s >= _AGAIN_S:
                receiving.asked_s = now_s
                found.append((self._ask(receiving), receiving.sender))
        return found

    @property
    def busy(self) -> bool:
        """Tell whether an upload is under way."""
        return bool(self._receiving)

    def _end(self, receiving: _Receiving, result: int) -> Message:
        """End an upload; what was overwritten on the way stays so, whatever the result."""
        del self._receiving[receiving.kind]
        if receiving.kind != "fence" or result == dialect.MAV_MISSION_ACCEPTED:
            self._around.changed(receiving.kind)
        return self._ack(receiving.sender, receiving.kind, result)

    def _of_another(self, kind: Kind, sender: Sender) -> bool:
        return kind in self._receiving and self._receiving[kind].sender != sender

    def _kind(self, message: Message) -> Kind | None:
        return KINDS.get(message.mission_type)

    def _ack(self, to: Sender, kind: Kind | int, result: int) -> Message:
        number = kind if isinstance(kind, int) else _TYPE[kind]
        return dialect.MAVLink_mission_ack_message(*to, result, number)

    def _ask(self, receiving: _Receiving) -> Message:
        return dialect.MAVLink_mission_request_message(
            *receiving.sender, receiving.next_, _TYPE[receiving.kind]
        )

    def _count(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        if kind is None:
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_UNSUPPORTED)]
        if self._of_another(kind, sender):
            return [self._ack(sender, kind, dialect.MAV_MISSION_DENIED)]
        if now_s < _STARTS_S:
            return [self._ack(sender, kind, dialect.MAV_MISSION_NO_SPACE)]
        if message.count > CAPACITY[kind]:
            self._around.say(_WARNING, f"Only {CAPACITY[kind]} items are supported")
            return [self._ack(sender, kind, dialect.MAV_MISSION_NO_SPACE)]
        self._receiving.pop(kind, None)
        if kind != "fence":
            del self.stored.of(kind)[message.count :]
            self._around.changed(kind)
        if message.count == 0:
            result = dialect.MAV_MISSION_ERROR if kind == "fence" else dialect.MAV_MISSION_ACCEPTED
            return [self._ack(sender, kind, result)]
        return self._begin(kind, sender, 0, message.count - 1, now_s)

    def _begin(self, kind: Kind, sender: Sender, first: int, last: int, now_s: float) -> list[Message]:
        receiving = _Receiving(kind=kind, sender=sender, next_=first, last=last, heard_s=now_s, asked_s=now_s)
        self._receiving[kind] = receiving
        return [self._ask(receiving)]

    def _partial(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        if kind != "mission":
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_UNSUPPORTED)]
        if self._of_another(kind, sender):
            return [self._ack(sender, kind, dialect.MAV_MISSION_DENIED)]
        if not 0 <= message.start_index <= message.end_index < len(self.stored.mission):
            return [self._ack(sender, kind, dialect.MAV_MISSION_ERROR)]
        return self._begin(kind, sender, message.start_index, message.end_index, now_s)

    def _float_item(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        self._around.say(_WARNING, "got MISSION_ITEM; GCS should send MISSION_ITEM_INT")
        return self._item(items.from_float(message), sender, now_s)

    def _item(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        receiving = None if kind is None else self._receiving.get(kind)
        if receiving is None:
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_ERROR)]
        if receiving.sender != sender:
            return [self._ack(sender, receiving.kind, dialect.MAV_MISSION_DENIED)]
        if message.seq != receiving.next_:
            return [self._ack(sender, receiving.kind, dialect.MAV_MISSION_INVALID_SEQUENCE)]
        refused = self._keep(receiving, message)
        if refused is not None:
            return [self._end(receiving, refused)]
        receiving.heard_s = receiving.asked_s = now_s
        receiving.next_ += 1
        if receiving.next_ <= receiving.last:
            return [self._ask(receiving)]
        if receiving.kind == "fence":
            if not items.fence_fits(receiving.fence, _FENCE_STORAGE):
                return [self._end(receiving, dialect.MAV_MISSION_ERROR)]
            self.stored.fence[:] = receiving.fence
        return [self._end(receiving, dialect.MAV_MISSION_ACCEPTED)]

    def _keep(self, receiving: _Receiving, message: Message) -> int | None:
        """Store an item; return the result that refuses it."""
        if receiving.kind == "fence":
            kept = items.fence_item(message)
            if isinstance(kept, int):
                return kept
            receiving.fence.append(kept)
            return None
        stored = self.stored.of(receiving.kind)
        if receiving.kind == "rally":
            kept = items.rally_item(message)
        elif message.seq == 0:
            kept = _PLACE_HOLDER
        else:
            kept = items.mission_item(message)
            jumps = isinstance(kept, MissionItem) and kept.command == items.JUMP
            # Past the end of what is announced, and of what is stored.
            if jumps and not 0 < message.param1 <= max(receiving.last, len(stored) - 1):
                return int(dialect.MAV_MISSION_ERROR)
        if isinstance(kept, int):
            return kept
        if message.seq < len(stored):
            stored[message.seq] = kept
        else:
            stored.append(kept)
        return None

    def _list(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        if kind is None:
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_UNSUPPORTED)]
        if kind in self._receiving:
            return [self._ack(sender, kind, dialect.MAV_MISSION_DENIED)]
        return [self._counted(kind, sender)]

    def _counted(self, kind: Kind, sender: Sender) -> Message:
        return dialect.MAVLink_mission_count_message(*sender, len(self.stored.of(kind)), _TYPE[kind])

    def _request(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        if kind is None:
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_UNSUPPORTED)]
        if kind in self._receiving:
            return [self._ack(sender, kind, dialect.MAV_MISSION_DENIED)]
        stored = self.stored.of(kind)
        if kind == "mission" and message.seq == 0:
            # Home can be read from an empty mission too.
            lat, lon, amsl = self._around.home() or (0.0, 0.0, 0.0)
            item = replace(_PLACE_HOLDER, params=(0.0, 0.0, 0.0, 0.0, lat, lon, amsl))
        elif message.seq < len(stored):
            item = replace(stored[message.seq], seq=message.seq)
        else:
            refused = self._ack(sender, kind, dialect.MAV_MISSION_INVALID_SEQUENCE)
            return [self._counted(kind, sender), refused] if kind == "mission" else [refused]
        whole = message.get_type() == "MISSION_REQUEST_INT"
        return [items.as_message(item, kind, sender, whole=whole, current=False)]

    def _clear(self, message: Message, sender: Sender, now_s: float) -> list[Message]:
        kind = self._kind(message)
        if kind is None:
            return [self._ack(sender, message.mission_type, dialect.MAV_MISSION_UNSUPPORTED)]
        if self._of_another(kind, sender):
            return [self._ack(sender, kind, dialect.MAV_MISSION_DENIED)]
        if kind == "mission" and self._around.armed() and self._around.mode() == _AUTO:
            return [self._ack(sender, kind, dialect.MAV_MISSION_ERROR)]
        self._receiving.pop(kind, None)
        self.stored.of(kind).clear()
        self._around.changed(kind)
        return [self._ack(sender, kind, dialect.MAV_MISSION_ACCEPTED)]


_PLACE_HOLDER = MissionItem(
    seq=0, frame=0, command=items.WAYPOINT, params=(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
)
