"""Commands: sent until they are answered (MAVLink guide, command protocol)."""

from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect

_EVERY_S = 1.0
_TRIES = 8
# After IN_PROGRESS the vehicle works on it and says when it has done.
_WORK_S = 30.0
_BUSY_TRIES = 4


class Command:
    """An exchange that sends COMMAND_LONG; ``result`` is MAV_RESULT, None where nobody answered.

    ``every_s``: between repeats; an abort is repeated faster.
    """

    def __init__(
        self, peer: Peer, own: Peer, command: int, *params: float, every_s: float = _EVERY_S
    ) -> None:
        self.command = command
        self.result: int | None = None
        self.done = False
        self._peer, self._own, self._every_s = peer, own, every_s
        self._params = (*params, *(0.0,) * (7 - len(params)))
        self._tries = self._busy = 0
        self._sent_s = 0.0
        self._until_s: float | None = None

    @property
    def accepted(self) -> bool:
        """Tell whether the vehicle accepted it."""
        return self.result is not None and self.result == int(dialect.MAV_RESULT_ACCEPTED)

    def start(self, now_s: float) -> Outgoing:
        """Send it; a repeat says that it is one."""
        self._sent_s = now_s
        message = dialect.MAVLink_command_long_message(
            self._peer.system, self._peer.component, self.command, min(self._tries, 255), *self._params
        )
        self._tries += 1
        return [message]

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """End at the answer to this command."""
        if (
            self.done
            or message.get_type() != "COMMAND_ACK"
            or message.command != self.command
            or message.get_srcSystem() != self._peer.system
            or message.get_srcComponent() != self._peer.component
            # 0: a vehicle that does not fill the extension fields in.
            or message.target_system not in (0, self._own.system)
            or message.target_component not in (0, self._own.component)
        ):
            return NOTHING
        if message.result == dialect.MAV_RESULT_IN_PROGRESS:
            self._until_s = now_s + _WORK_S
            return NOTHING
        if message.result == dialect.MAV_RESULT_TEMPORARILY_REJECTED and self._busy < _BUSY_TRIES:
            self._busy += 1
            return NOTHING
        self.result, self.done = message.result, True
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Send it again, or give up."""
        if self.done:
            return NOTHING
        if self._until_s is not None:
            self.done = now_s >= self._until_s
            return NOTHING
        if now_s - self._sent_s < self._every_s:
            return NOTHING
        if self._tries >= _TRIES:
            self.done = True
            return NOTHING
        return self.start(now_s)


def result_said(result: int | None) -> str:
    """Return what a MAV_RESULT means, as the end of a sentence."""
    if result is None:
        return "no answer"
    return {
        dialect.MAV_RESULT_ACCEPTED: "accepted",
        dialect.MAV_RESULT_TEMPORARILY_REJECTED: "refused for the moment",
        dialect.MAV_RESULT_DENIED: "denied",
        dialect.MAV_RESULT_UNSUPPORTED: "not supported",
        dialect.MAV_RESULT_FAILED: "failed",
        6: "cancelled",
    }.get(result, f"result {result}")
