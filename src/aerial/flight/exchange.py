"""Conversations with a vehicle, free of I/O and of clocks.

An ``Exchange`` is told what was heard and what time it is, and answers with messages to send. So the
same code runs over a serial port, in a test in simulated time, and five hundred times at once.
"""

from collections.abc import Sequence
from typing import Protocol

from aerial.flight.mavlink import Message
from aerial.records.record import record

Outgoing = Sequence[Message]
NOTHING: Outgoing = ()


@record
class Peer:
    """Whom we speak to: MAVLink system and component."""

    system: int
    component: int


class Listener(Protocol):
    """Hears every message from any sender; may answer."""

    def hear(self, message: Message, now_s: float) -> Outgoing:
        """Take one message in; return what is to be sent."""

    def tick(self, now_s: float) -> Outgoing:
        """Return what is due by the clock; called often, at least every 50 ms."""


class Exchange(Listener, Protocol):
    """A conversation that ends; a failure ends it too and is kept as a result, never raised."""

    @property
    def done(self) -> bool:
        """Tell whether it has ended."""

    def start(self, now_s: float) -> Outgoing:
        """Return the first messages."""
