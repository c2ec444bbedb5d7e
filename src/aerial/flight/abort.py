"""The abort: return home, repeated until the vehicle has said yes; land where it cannot return.

Goes before anything else that waits to be sent, and needs no one's confirmation.
"""

from aerial.flight.command import Command, result_said
from aerial.flight.exchange import NOTHING, Outgoing, Peer
from aerial.flight.mavlink import Message, dialect

EVERY_S = 0.25
_GIVE_UP_S = 60.0


class Abort:
    """A listener and a source of urgent messages; ``done`` with ``text`` once the vehicle has answered."""

    def __init__(self, peer: Peer, own: Peer) -> None:
        self.done = self.accepted = False
        self.text = "The vehicle has not answered yet."
        self._peer, self._own = peer, own
        self._command: Command | None = None
        self._began_s: float | None = None

    def urgent(self, now_s: float) -> Outgoing:
        """Return what is due of the abort; to be sent before all else."""
        if self.done:
            return NOTHING
        if self._command is None:
            self._began_s = now_s
            return self._try(dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH, now_s)
        said = self._command.tick(now_s)
        if self._command.done and self._command.result is None:
            # No answer to all its repeats: it is asked for as long as someone may hear it.
            if self._began_s is not None and now_s - self._began_s > _GIVE_UP_S:
                self.done, self.text = True, "The vehicle did not answer for a minute."
                return NOTHING
            return self._try(self._command.command, now_s)
        return said

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take the answer; where it cannot return, it is to land."""
        if self.done or self._command is None:
            return NOTHING
        self._command.hear(message, now_s)
        if not self._command.done or self._command.result is None:
            return NOTHING
        home = self._command.command == dialect.MAV_CMD_NAV_RETURN_TO_LAUNCH
        if self._command.accepted:
            self.done = self.accepted = True
            self.text = "The vehicle returns home." if home else "The vehicle lands where it is."
            # The camera's distance trigger stays on in every mode.
            return Command(self._peer, self._own, dialect.MAV_CMD_DO_SET_CAM_TRIGG_DIST).start(now_s)
        if home:
            return self._try(dialect.MAV_CMD_NAV_LAND, now_s)
        self.done = True
        self.text = f"The vehicle refuses to return and to land: {result_said(self._command.result)}."
        return NOTHING

    def tick(self, now_s: float) -> Outgoing:
        """Return nothing: what is due goes out as urgent."""
        return NOTHING

    def _try(self, command: int, now_s: float) -> Outgoing:
        self._command = Command(self._peer, self._own, command, every_s=EVERY_S)
        return self._command.start(now_s)
