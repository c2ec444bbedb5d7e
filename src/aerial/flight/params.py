"""Parameters by name: read many at once; an unknown name gets no reply at all."""

import math
from collections.abc import Sequence

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect

_EVERY_S = 1.0
_AT_ONCE = 8
_TRIES = 6
# On a bad link more, so that a name which the vehicle knows is given up this seldom.
_MOST_TRIES, _GIVEN_UP_SHARE = 20, 1e-4
# Where so many were answered, each at once, the link loses next to nothing.
_SURE_TRIES, _SURE = 3, 16


class ReadParameters:
    """An exchange that asks for ``names``; ``values`` holds those that were answered."""

    def __init__(self, names: Sequence[str], peer: Peer) -> None:
        self.values: dict[str, float] = {}
        self._peer = peer
        self._left = dict.fromkeys(names, 0)
        self._asked_s: dict[str, float] = {}
        self._tries_of_answered = 0

    @property
    def done(self) -> bool:
        """Tell whether every name was answered or given up."""
        return not self._left

    @property
    def progress(self) -> tuple[int, int]:
        """Return how many are answered, and how many are left."""
        return len(self.values), len(self._left)

    def start(self, now_s: float) -> Outgoing:
        """Ask for the first."""
        return self.tick(now_s)

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take a value in."""
        if message.get_type() != "PARAM_VALUE" or message.get_srcSystem() != self._peer.system:
            return NOTHING
        name = message.param_id
        if name in self._left:
            self.values[name] = message.param_value
            self._tries_of_answered += self._left.pop(name)
            self._asked_s.pop(name, None)
        return self.tick(now_s)

    def tick(self, now_s: float) -> Outgoing:
        """Ask again for what was not answered, and for more while few are asked for."""
        late = [name for name, asked in self._asked_s.items() if now_s - asked >= _EVERY_S]
        tries = self._tries()
        for name in late:
            del self._asked_s[name]
            if self._left[name] >= tries:
                del self._left[name]
        said = []
        for name in list(self._left):
            if len(self._asked_s) >= _AT_ONCE:
                break
            if name not in self._asked_s:
                self._asked_s[name] = now_s
                self._left[name] += 1
                said.append(
                    dialect.MAVLink_param_request_read_message(
                        self._peer.system, self._peer.component, name.encode("ascii"), -1
                    )
                )
        return said

    def _tries(self) -> int:
        """Return after how many tries a name is not known to the vehicle, by how the others did."""
        unanswered = 1 - len(self.values) / max(self._tries_of_answered, 1)
        if not self.values or unanswered <= 0:
            return _SURE_TRIES if len(self.values) >= _SURE else _TRIES
        return min(max(math.ceil(math.log(_GIVEN_UP_SHARE) / math.log(unanswered)), _TRIES), _MOST_TRIES)


class SetParameter:
    """An exchange that sets one parameter; ``value`` is what the vehicle says it now is, None: nothing."""

    def __init__(self, name: str, wanted: float, peer: Peer) -> None:
        self.value: float | None = None
        self.done = False
        self._name, self._wanted, self._peer = name, wanted, peer
        self._tries = 0
        self._sent_s = 0.0

    def start(self, now_s: float) -> Outgoing:
        """Send the value."""
        self._tries += 1
        self._sent_s = now_s
        return [
            dialect.MAVLink_param_set_message(
                self._peer.system,
                self._peer.component,
                self._name.encode("ascii"),
                self._wanted,
                dialect.MAV_PARAM_TYPE_REAL32,
            )
        ]

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """End when the vehicle says the value that was sent."""
        if (
            message.get_type() == "PARAM_VALUE"
            and message.get_srcSystem() == self._peer.system
            and message.param_id == self._name
        ):
            self.value = message.param_value
            self.done = abs(message.param_value - self._wanted) <= 1e-5 * max(abs(self._wanted), 1.0)
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Send again, or give up."""
        if self.done or now_s - self._sent_s < _EVERY_S:
            return NOTHING
        if self._tries >= _TRIES:
            self.done = True
            return NOTHING
        return self.start(now_s)
